//! One field on the screen: what it is, its text, and a text taken into it.
//!
//! A text is taken with the domain's own checks, so that a refusal reads as the server would say it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::path::Path;
use super::rows::in_order;
use super::set::{set_event, set_variant};
use super::sheet::Sheet;
use super::typed::{new_link, operator, percent, prior, variant_key};
use crate::cockpit::keymap::{Command, Context, Does, Keymap};
use crate::cockpit::state::Tab;
use crate::domain::experiment::DEFAULT_LAB;
use crate::domain::{
    AssignmentMode, Condition, Experiment, FieldError, Filter, Key, Metric, Operator, Rule, Scope, Status,
    SubjectType,
};

/// One of the metrics of an experiment.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub enum Which {
    /// What counts as a conversion.
    Primary,
    /// The first step of a two-step conversion.
    Secondary,
    /// A tracked event, by its position.
    Tracked(usize),
}

/// An attribute of a variant.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub enum Attr {
    /// `key`
    Key,
    /// `name`
    Name,
    /// `trafficPct`
    Traffic,
    /// `isControl`
    Control,
    /// `payload`
    Payload,
    /// `description`
    Description,
}

impl Attr {
    /// What it is called on the screen.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Name => "name",
            Self::Traffic => "traffic",
            Self::Control => "control",
            Self::Payload => "payload",
            Self::Description => "description",
        }
    }
}

/// A part of a condition or filter.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub enum Part {
    /// Whose data; only in rules.
    Scope,
    /// Which property.
    Field,
    /// How it is compared.
    Operator,
    /// With what.
    Value,
}

/// What is shown and cannot be edited here.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub enum Fact {
    /// The key.
    Key,
    /// The assignment mode.
    Mode,
    /// The salt.
    Salt,
    /// The status, and since when.
    Status,
    /// Who paused it.
    PausedBy,
    /// When it was created.
    Created,
    /// When it was activated.
    Activated,
    /// When it changed last.
    Changed,
    /// Which variant won.
    Winner,
    /// Why it ended.
    Ended,
    /// Its exposures.
    Exposures,
    /// One split there was, by its position.
    Cohort(usize),
}

/// One field.
#[derive(Debug, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub enum Cell {
    /// Something to read.
    Fact(Fact),
    /// The name.
    Name,
    /// The key, while it is being created.
    NewKey,
    /// The assignment mode, while it is being created.
    Mode,
    /// The subject type.
    SubjectType,
    /// The description.
    Description,
    /// The hypothesis.
    Hypothesis,
    /// A link, by its label: `label https://…`.
    Link(String),
    /// A link that is not there yet.
    NewLink,
    /// The default variant.
    DefaultVariant,
    /// The holdout.
    Holdout,
    /// Stickiness.
    Sticky,
    /// The linked flag.
    LinkedFlag,
    /// The lab.
    Lab,
    /// The prior: `a b`.
    Prior,
    /// A metric as a whole; leads to its own sheet.
    Metric(Which),
    /// A tracked event that is not there yet.
    NewTracked,
    /// Whether the first step counts.
    SecondaryOn,
    /// The event of a metric.
    Event(Which),
    /// A part of a filter of a metric.
    Filter(Which, usize, Part),
    /// An attribute of a variant, by its key.
    Variant(String, Attr),
    /// Whether a variant is the default.
    VariantDefault(String),
    /// A rule as a whole; leads to its own sheet.
    Rule(Uuid),
    /// The variant of a rule.
    RuleVariant(Uuid),
    /// The priority of a rule.
    RulePriority(Uuid),
    /// A part of a condition of a rule.
    Condition(Uuid, usize, Part),
    /// The rate that is expected without a change, for the power estimate.
    Baseline,
    /// The relative lift that is to be seen, for the power estimate.
    Lift,
}

/// How a field is edited.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Kind {
    /// A line of text.
    Text,
    /// Several lines of text.
    Lines,
    /// One of several words.
    Choice(Vec<String>),
    /// Yes or no.
    Toggle,
    /// It has a sheet of its own.
    Opens(Sheet),
    /// Not here, and why.
    Fixed(Fixed),
}

/// Why a field is not edited where it stands.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Fixed {
    /// Why; empty where it is enough to know what to do instead.
    pub why: Cow<'static, str>,
    /// What to do instead.
    pub instead: &'static [Does<'static>],
}

impl Fixed {
    const fn because(why: &'static str, instead: &'static [Does<'static>]) -> Self {
        Self {
            why: Cow::Borrowed(why),
            instead,
        }
    }

    fn only(why: String) -> Self {
        Self {
            why: Cow::Owned(why),
            instead: &[],
        }
    }

    /// That, with the keys as they are bound now.
    #[must_use]
    pub fn text(&self, keymap: &Keymap) -> String {
        match (self.why.as_ref(), keymap.ways(self.instead)) {
            ("", ways) if ways.is_empty() => "This is not edited here".to_owned(),
            ("", ways) => ways,
            (why, _) => keymap.after(why, "; ", self.instead),
        }
    }
}

impl Cell {
    /// What part of the experiment it belongs to; none for what belongs to none.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        Some(match self {
            Self::Name => Path::Name,
            Self::SubjectType => Path::SubjectType,
            Self::Description => Path::Description,
            Self::Hypothesis => Path::Hypothesis,
            Self::Link(label) => Path::Link(label.clone()),
            Self::DefaultVariant | Self::VariantDefault(_) => Path::DefaultVariant,
            Self::Holdout => Path::Holdout,
            Self::Sticky => Path::Sticky,
            Self::LinkedFlag => Path::LinkedFlag,
            Self::Lab => Path::Lab,
            Self::Prior => Path::Prior,
            Self::Metric(which) | Self::Event(which) | Self::Filter(which, ..) => match which {
                Which::Primary => Path::PrimaryMetric,
                Which::Secondary => Path::SecondaryEvent,
                Which::Tracked(_) => Path::TrackedEvents,
            },
            Self::SecondaryOn => Path::SecondaryEvent,
            Self::NewTracked => Path::TrackedEvents,
            Self::Variant(key, Attr::Key) => Path::Variant(key.clone()),
            Self::Variant(key, attr) => Path::VariantAttr(key.clone(), *attr),
            Self::Rule(id) | Self::RuleVariant(id) | Self::RulePriority(id) | Self::Condition(id, ..) => {
                Path::Rule(*id)
            }
            Self::Fact(_) | Self::NewKey | Self::Mode | Self::NewLink | Self::Baseline | Self::Lift => {
                return None;
            }
        })
    }

    /// The tab on which it is edited; none for what belongs to no part.
    #[must_use]
    pub fn tab(&self) -> Option<Tab> {
        match self {
            Self::NewLink => Some(Tab::Setup),
            other => other.path().map(|path| path.tab()),
        }
    }

    /// How it is edited, for an experiment that stands as `e` does.
    #[must_use]
    pub fn kind(&self, e: &Experiment) -> Kind {
        let variants = || Kind::Choice(e.variants.iter().map(|v| v.key.to_string()).collect());
        let operators = || Operator::ALL.iter().map(|o| o.as_str().to_owned()).collect();
        let over = matches!(e.status, Status::Completed | Status::Ended | Status::Archived);
        match self {
            Self::Fact(fact) => Kind::Fixed(fact.why()),
            Self::SubjectType if e.status != Status::Draft => {
                Kind::Fixed(Fixed::because("The subject can be changed in a draft only", &[]))
            }
            Self::Variant(_, Attr::Traffic) if over => Kind::Fixed(Fixed::only(format!(
                "The experiment is {}: its split stays as it was",
                e.status
            ))),
            Self::Variant(_, Attr::Key | Attr::Control) if over => Kind::Fixed(Fixed::only(format!(
                "The experiment is {}: its variants stay as they were",
                e.status
            ))),
            Self::Variant(_, Attr::Key | Attr::Control) if !e.cohorts.is_empty() => {
                Kind::Fixed(Fixed::because(
                    "Key and control were fixed by the first activation",
                    &[
                        (Context::Edit, Command::Add, "adds a variant"),
                        (Context::Edit, Command::Remove, "removes one"),
                    ],
                ))
            }
            Self::Description | Self::Hypothesis | Self::Variant(_, Attr::Payload | Attr::Description) => {
                Kind::Lines
            }
            Self::Sticky | Self::SecondaryOn | Self::Variant(_, Attr::Control) | Self::VariantDefault(_) => {
                Kind::Toggle
            }
            Self::DefaultVariant | Self::RuleVariant(_) => variants(),
            Self::Mode => Kind::Choice(
                [
                    AssignmentMode::Profile,
                    AssignmentMode::Session,
                    AssignmentMode::Event,
                ]
                .map(|m| m.as_str().to_owned())
                .to_vec(),
            ),
            Self::Metric(which) => Kind::Opens(Sheet::Metric(*which)),
            Self::Rule(id) => Kind::Opens(Sheet::Rule(*id)),
            Self::Filter(_, _, Part::Operator) | Self::Condition(_, _, Part::Operator) => {
                Kind::Choice(operators())
            }
            Self::Condition(_, _, Part::Scope) => Kind::Choice(
                [Scope::Profile, Scope::Session, Scope::Event]
                    .map(|s| s.as_str().to_owned())
                    .to_vec(),
            ),
            Self::Filter(which, at, Part::Value) => match filter(e, *which, *at) {
                Some(f) if !f.operator.takes_value() => {
                    Kind::Fixed(Fixed::only(format!("{} needs no value", f.operator)))
                }
                _ => Kind::Text,
            },
            Self::Condition(id, at, Part::Value) => match condition(e, *id, *at) {
                Some(c) if !c.operator.takes_value() => {
                    Kind::Fixed(Fixed::only(format!("{} needs no value", c.operator)))
                }
                _ => Kind::Text,
            },
            _ => Kind::Text,
        }
    }

    /// Its text, as it is edited.
    #[must_use]
    pub fn text(&self, e: &Experiment) -> String {
        let yes = |on: bool| if on { "yes" } else { "no" }.to_owned();
        match self {
            Self::Fact(_) | Self::NewLink | Self::NewTracked | Self::Baseline | Self::Lift => String::new(),
            Self::Name => e.name.clone(),
            Self::NewKey => e.key.to_string(),
            Self::Mode => e.assignment_mode.as_str().to_owned(),
            Self::SubjectType => e.subject_type.to_string(),
            Self::Description => e.description.clone(),
            Self::Hypothesis => e.hypothesis.clone(),
            Self::Link(label) => match e.links.get(label) {
                Some(url) => format!("{label} {url}"),
                None => String::new(),
            },
            Self::DefaultVariant => e.default_variant_id.to_string(),
            Self::Holdout => e.holdout_pct.to_string(),
            Self::Sticky => yes(e.sticky),
            Self::LinkedFlag => e
                .linked_flag
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            Self::Lab => e.parent_id.clone(),
            Self::Prior => format!("{} {}", e.prior.a, e.prior.b),
            Self::Metric(which) => metric(e, *which).map(ToString::to_string).unwrap_or_default(),
            Self::SecondaryOn => yes(e.secondary_event.as_ref().is_some_and(|s| s.enabled)),
            Self::Event(which) => metric(e, *which).map(|m| m.event.clone()).unwrap_or_default(),
            Self::Filter(which, at, part) => {
                filter(e, *which, *at).map_or_else(String::new, |f| match part {
                    Part::Scope => String::new(),
                    Part::Field => f.field.clone(),
                    Part::Operator => f.operator.as_str().to_owned(),
                    Part::Value if f.operator.takes_value() => f.value.clone(),
                    Part::Value => String::new(),
                })
            }
            Self::Variant(key, attr) => e.variant(key).map_or_else(String::new, |v| match attr {
                Attr::Key => v.key.to_string(),
                Attr::Name => v.name.clone(),
                Attr::Traffic => v.traffic_pct.to_string(),
                Attr::Control => yes(v.is_control),
                Attr::Payload if v.payload.is_null() => String::new(),
                Attr::Payload => serde_json::to_string_pretty(&v.payload).unwrap_or_default(),
                Attr::Description => v.description.clone(),
            }),
            Self::VariantDefault(key) => yes(e.default_variant_id.as_str().eq_ignore_ascii_case(key)),
            Self::Rule(id) => Path::Rule(*id).show(&Path::Rule(*id).get(e)),
            Self::RuleVariant(id) => rule(e, *id).map(|r| r.variant.to_string()).unwrap_or_default(),
            Self::RulePriority(id) => rule(e, *id).map(|r| r.priority.to_string()).unwrap_or_default(),
            Self::Condition(id, at, part) => {
                condition(e, *id, *at).map_or_else(String::new, |c| match part {
                    Part::Scope => c.scope.as_str().to_owned(),
                    Part::Field => c.field.clone(),
                    Part::Operator => c.operator.as_str().to_owned(),
                    Part::Value if c.operator.takes_value() => c.value.clone(),
                    Part::Value => String::new(),
                })
            }
        }
    }

    /// Takes a text into the experiment.
    ///
    /// # Errors
    /// Why the text cannot stand there; the experiment is as it was.
    pub fn apply(&self, text: &str, e: &mut Experiment) -> Result<(), FieldError> {
        let line = text.trim();
        let yes = line == "yes";
        match self {
            Self::Fact(_) | Self::Metric(_) | Self::Rule(_) | Self::Baseline | Self::Lift => {}
            Self::Name => e.name = line.to_owned(),
            Self::NewKey => {
                e.key = Key::new(line)?;
                e.salt = e.key.to_string();
            }
            Self::Mode => {
                e.assignment_mode = match line {
                    "session" => AssignmentMode::Session,
                    "event" => AssignmentMode::Event,
                    _ => AssignmentMode::Profile,
                }
            }
            Self::SubjectType => e.subject_type = SubjectType::from(line.to_owned()),
            Self::Description => e.description = text.trim_end().to_owned(),
            Self::Hypothesis => e.hypothesis = text.trim_end().to_owned(),
            Self::Link(label) => {
                let link = new_link(line, e, Some(label))?;
                e.links.remove(label);
                e.links.extend(link);
            }
            Self::NewLink => e.links.extend(new_link(line, e, None)?),
            Self::DefaultVariant => e.default_variant_id = variant_key(e, line, "defaultVariantId")?,
            Self::Holdout => e.holdout_pct = percent(line, "holdoutPct")?,
            Self::Sticky => e.sticky = yes,
            Self::LinkedFlag => {
                e.linked_flag = match line {
                    "" => None,
                    key => Some(Key::new(key).map_err(|error| error.named("linkedFlag"))?),
                }
            }
            Self::Lab => {
                e.parent_id = match line {
                    "" => DEFAULT_LAB.to_owned(),
                    lab => lab.to_owned(),
                }
            }
            Self::Prior => e.prior = prior(line)?,
            Self::SecondaryOn => {
                if let Some(secondary) = &mut e.secondary_event {
                    secondary.enabled = yes;
                }
            }
            Self::NewTracked => {
                if !line.is_empty() {
                    e.tracked_events.push(Metric::event(line));
                }
            }
            Self::Event(which) => set_event(e, *which, line),
            Self::Filter(which, at, part) => {
                let Some(filter) = metric_mut(e, *which).and_then(|m| m.filters.get_mut(*at)) else {
                    return Ok(());
                };
                match part {
                    Part::Scope => {}
                    Part::Field => filter.field = line.to_owned(),
                    Part::Operator => filter.operator = operator(line)?,
                    Part::Value => filter.value = text.to_owned(),
                }
            }
            Self::Variant(key, attr) => set_variant(e, key, *attr, text)?,
            Self::VariantDefault(key) => {
                if yes {
                    e.default_variant_id = variant_key(e, key, "defaultVariantId")?;
                }
            }
            Self::RuleVariant(id) => {
                let key = variant_key(e, line, "rules.variant")?;
                if let Some(rule) = rule_mut(e, *id) {
                    rule.variant = key;
                }
            }
            Self::RulePriority(id) => {
                let at = e.rules.iter().position(|rule| rule.id == *id).unwrap_or(0);
                let priority = line.parse().map_err(|_| {
                    let allowed = format!(
                        "a whole number from {} to {}; higher is tried first",
                        i32::MIN,
                        i32::MAX
                    );
                    FieldError::new(format!("rules[{at}].priority"), line, allowed)
                })?;
                if let Some(rule) = rule_mut(e, *id) {
                    rule.priority = priority;
                }
            }
            Self::Condition(id, at, part) => {
                let Some(condition) = rule_mut(e, *id).and_then(|r| r.conditions.get_mut(*at)) else {
                    return Ok(());
                };
                match part {
                    Part::Scope => {
                        condition.scope = match line {
                            "session" => Scope::Session,
                            "event" => Scope::Event,
                            _ => Scope::Profile,
                        }
                    }
                    Part::Field => condition.field = line.to_owned(),
                    Part::Operator => condition.operator = operator(line)?,
                    Part::Value => condition.value = text.to_owned(),
                }
            }
        }
        Ok(())
    }

    /// Where a field stands that is not on a tab itself: the sheet that is opened, and the field that opens it.
    #[must_use]
    pub fn panel(&self) -> Option<(Sheet, Self)> {
        match self {
            Self::RuleVariant(id) | Self::RulePriority(id) | Self::Condition(id, ..) => {
                Some((Sheet::Rule(*id), Self::Rule(*id)))
            }
            Self::Event(which) | Self::Filter(which, ..) => {
                Some((Sheet::Metric(*which), Self::Metric(*which)))
            }
            _ => None,
        }
    }
}

impl Fact {
    /// Why it cannot be edited here, and where it can.
    #[must_use]
    pub fn why(self) -> Fixed {
        match self {
            Self::Key | Self::Mode | Self::Salt => {
                Fixed::because("Fixed at creation: assignments depend on it", &[])
            }
            Self::Status | Self::PausedBy | Self::Activated | Self::Winner | Self::Ended => Fixed::because(
                "The status has its own steps",
                &[
                    (Context::Experiment, Command::Activate, "activates"),
                    (Context::Experiment, Command::Pause, "pauses"),
                    (Context::Experiment, Command::Resume, "resumes"),
                    (Context::Experiment, Command::Complete, "completes"),
                ],
            ),
            Self::Created | Self::Changed => Fixed::because(
                "",
                &[(Context::Experiment, Command::History, "shows who changed what")],
            ),
            Self::Exposures => Fixed::because(
                "",
                &[(Context::Experiment, Command::TabAnalytics, "shows the numbers")],
            ),
            Self::Cohort(_) => Fixed::because(
                "A split is laid down when it is saved while active",
                &[(Context::Experiment, Command::TabVariants, "edits the shares")],
            ),
        }
    }
}

/// A metric of an experiment.
#[must_use]
pub fn metric(e: &Experiment, which: Which) -> Option<&Metric> {
    match which {
        Which::Primary => e.primary_metric.as_ref(),
        Which::Secondary => e.secondary_event.as_ref().map(|s| &s.metric),
        Which::Tracked(at) => e.tracked_events.get(at),
    }
}

/// The same, to be changed.
pub fn metric_mut(e: &mut Experiment, which: Which) -> Option<&mut Metric> {
    match which {
        Which::Primary => e.primary_metric.as_mut(),
        Which::Secondary => e.secondary_event.as_mut().map(|s| &mut s.metric),
        Which::Tracked(at) => e.tracked_events.get_mut(at),
    }
}

fn filter(e: &Experiment, which: Which, at: usize) -> Option<&Filter> {
    metric(e, which)?.filters.get(at)
}

/// A rule of an experiment.
#[must_use]
pub fn rule(e: &Experiment, id: Uuid) -> Option<&Rule> {
    in_order(e).into_iter().find(|r| r.id == id)
}

/// The same, to be changed.
pub fn rule_mut(e: &mut Experiment, id: Uuid) -> Option<&mut Rule> {
    e.rules.iter_mut().find(|r| r.id == id)
}

fn condition(e: &Experiment, id: Uuid, at: usize) -> Option<&Condition> {
    rule(e, id)?.conditions.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment() -> Experiment {
        super::super::wizard::blank(jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn texts_are_taken_and_refusals_say_what_the_server_would() {
        let mut e = experiment();
        for (cell, text, back) in [
            (Cell::Name, " Tall button ", "Tall button"),
            (Cell::Holdout, "2.5 %", "2.50"),
            (Cell::Prior, "Beta(2, 3)", "2 3"),
            (Cell::NewLink, "ticket: https://example.com/1", ""),
            (
                Cell::Link("ticket".into()),
                "ticket https://example.com/2",
                "ticket https://example.com/2",
            ),
            (Cell::Event(Which::Primary), "purchase", "purchase"),
            (Cell::NewTracked, "add_to_cart", ""),
            (
                Cell::Variant("treatment".into(), Attr::Payload),
                "{\"a\": 1}",
                "{\n  \"a\": 1\n}",
            ),
            (Cell::LinkedFlag, "cta", "cta"),
            (Cell::SubjectType, "group:company", "group:company"),
        ] {
            cell.apply(text, &mut e)
                .unwrap_or_else(|error| panic!("{cell:?}: {error}"));
            assert_eq!(cell.text(&e), back, "{cell:?}");
        }
        for (cell, text, says) in [
            (
                Cell::Holdout,
                "many",
                "holdoutPct: got \"many\", allowed is a number from 0 to 100",
            ),
            (
                Cell::Variant("control".into(), Attr::Traffic),
                "33.333",
                "variants[0].trafficPct: got",
            ),
            (
                Cell::Variant("control".into(), Attr::Key),
                "treatment",
                "a key of its own",
            ),
            (
                Cell::Variant("control".into(), Attr::Payload),
                "{\"a\": }",
                "line 1 column 7",
            ),
            (Cell::LinkedFlag, "two words", "linkedFlag: got \"two words\""),
            (Cell::NewLink, "ticket ftp://x", "begins with https://"),
            (Cell::Prior, "1", "prior: got \"1\""),
            (Cell::NewKey, "a/b", "key: got \"a/b\""),
        ] {
            let before = e.clone();
            let error = cell.apply(text, &mut e).expect_err("refused").to_string();
            assert!(error.contains(says), "{error}");
            assert_eq!(e, before, "nothing is changed by a text that is refused");
        }
    }

    #[test]
    fn a_variant_that_is_renamed_is_still_the_default_and_still_ruled() {
        let mut e = experiment();
        super::super::rows::add_rule(&mut e, Uuid::from_u128(1));
        let variant = rule(&e, Uuid::from_u128(1)).expect("there").variant.to_string();
        Cell::Variant(variant.clone(), Attr::Key)
            .apply("b", &mut e)
            .expect("taken");
        assert_eq!(rule(&e, Uuid::from_u128(1)).expect("there").variant.as_str(), "b");
        Cell::Variant("control".into(), Attr::Key)
            .apply("a", &mut e)
            .expect("taken");
        assert_eq!(e.default_variant_id.as_str(), "a");
        let refused: Vec<String> = e
            .check(4)
            .expect_err("not ready")
            .into_iter()
            .map(|e| e.field)
            .collect();
        assert_eq!(refused, ["name", "rules[0].conditions[0].field"]);
    }

    #[test]
    fn an_event_that_is_emptied_takes_its_metric_away() {
        let mut e = experiment();
        for which in [Which::Primary, Which::Secondary, Which::Tracked(0)] {
            Cell::Event(which).apply("purchase", &mut e).expect("taken");
            assert!(metric(&e, which).is_some());
            Cell::Event(which).apply("", &mut e).expect("taken");
            assert!(metric(&e, which).is_none());
        }
    }
}
