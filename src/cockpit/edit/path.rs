//! The parts of an experiment that change and merge by themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::cell::Attr;
use crate::api::experiments::UpdateExperiment;
use crate::cockpit::state::Tab;
use crate::domain::{Experiment, Key, Metric, Percent, Prior, Rule, SecondaryEvent, Variant};

/// One such part. Variants are told apart by their key, rules by their id.
#[derive(Debug, Clone, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
pub enum Path {
    /// `name`
    Name,
    /// `description`
    Description,
    /// `hypothesis`
    Hypothesis,
    /// One link, by its label.
    Link(String),
    /// `subjectType`
    SubjectType,
    /// `holdoutPct`
    Holdout,
    /// `sticky`
    Sticky,
    /// `linkedFlag`
    LinkedFlag,
    /// `parentId`
    Lab,
    /// `primaryMetric`
    PrimaryMetric,
    /// `secondaryEvent`
    SecondaryEvent,
    /// `trackedEvents`, all of them
    TrackedEvents,
    /// `prior`
    Prior,
    /// A whole variant that is new or gone.
    Variant(String),
    /// An attribute of a variant that stays.
    VariantAttr(String, Attr),
    /// The order of the variants that stay.
    VariantOrder,
    /// `defaultVariantId`. After the variants, so that it names one that is there.
    DefaultVariant,
    /// A rule.
    Rule(Uuid),
}

/// The attributes of a variant that merge by themselves. It is told apart by its key, whatever the case: a key that
/// changes in its case alone is an attribute too, as clients compare it exactly.
pub const ATTRS: [Attr; 6] = [
    Attr::Key,
    Attr::Name,
    Attr::Traffic,
    Attr::Control,
    Attr::Payload,
    Attr::Description,
];

fn json(value: impl Serialize) -> Value {
    // What came over the wire as JSON can be written as JSON.
    serde_json::to_value(value).unwrap_or_default()
}

fn set<T: DeserializeOwned>(place: &mut T, value: &Value) {
    // Values come from `get` of the same path: they read.
    if let Ok(value) = serde_json::from_value(value.clone()) {
        *place = value;
    }
}

impl Path {
    /// All parts that any of these copies has, in the order in which they are to be applied.
    #[must_use]
    pub fn of(copies: &[&Experiment]) -> Vec<Self> {
        let mut paths = vec![Self::Name, Self::Description, Self::Hypothesis];
        let labels: BTreeSet<&String> = copies.iter().flat_map(|e| e.links.keys()).collect();
        paths.extend(labels.into_iter().map(|label| Self::Link(label.clone())));
        paths.extend([
            Self::SubjectType,
            Self::Holdout,
            Self::Sticky,
            Self::LinkedFlag,
            Self::Lab,
            Self::PrimaryMetric,
            Self::SecondaryEvent,
            Self::TrackedEvents,
            Self::Prior,
        ]);
        let mut seen = BTreeSet::new();
        for variant in copies.iter().flat_map(|e| &e.variants) {
            if !seen.insert(variant.key.folded()) {
                continue;
            }
            let key = variant.key.to_string();
            if copies.iter().all(|e| e.variant(&key).is_some()) {
                paths.extend(ATTRS.map(|attr| Self::VariantAttr(key.clone(), attr)));
            } else {
                paths.push(Self::Variant(key));
            }
        }
        paths.push(Self::VariantOrder);
        paths.push(Self::DefaultVariant);
        let mut ids = BTreeSet::new();
        for rule in copies.iter().flat_map(|e| &e.rules) {
            if ids.insert(rule.id) {
                paths.push(Self::Rule(rule.id));
            }
        }
        paths
    }

    /// Its value in a copy; null where the copy does not have it.
    #[must_use]
    pub fn get(&self, e: &Experiment) -> Value {
        match self {
            Self::Name => json(&e.name),
            Self::Description => json(&e.description),
            Self::Hypothesis => json(&e.hypothesis),
            Self::Link(label) => json(e.links.get(label)),
            Self::SubjectType => json(&e.subject_type),
            Self::Holdout => json(e.holdout_pct),
            Self::Sticky => json(e.sticky),
            Self::LinkedFlag => json(&e.linked_flag),
            Self::Lab => json(&e.parent_id),
            Self::PrimaryMetric => json(&e.primary_metric),
            Self::SecondaryEvent => json(&e.secondary_event),
            Self::TrackedEvents => json(&e.tracked_events),
            Self::Prior => json(e.prior),
            Self::Variant(key) => e.variant(key).map_or(Value::Null, |v| {
                json(Variant {
                    order_index: 0,
                    ..v.clone()
                })
            }),
            Self::VariantAttr(key, attr) => e.variant(key).map_or(Value::Null, |v| match attr {
                Attr::Key => json(&v.key),
                Attr::Name => json(&v.name),
                Attr::Traffic => json(v.traffic_pct),
                Attr::Control => json(v.is_control),
                Attr::Payload => v.payload.clone(),
                Attr::Description => json(&v.description),
            }),
            Self::VariantOrder => json(e.variants.iter().map(|v| v.key.folded()).collect::<Vec<_>>()),
            Self::DefaultVariant => json(&e.default_variant_id),
            Self::Rule(id) => json(e.rules.iter().find(|r| r.id == *id)),
        }
    }

    /// Writes a value that [`Self::get`] gave for this path, of whatever copy.
    pub fn set(&self, e: &mut Experiment, value: &Value) {
        match self {
            Self::Name => set(&mut e.name, value),
            Self::Description => set(&mut e.description, value),
            Self::Hypothesis => set(&mut e.hypothesis, value),
            Self::Link(label) => match value.as_str() {
                Some(url) => {
                    e.links.insert(label.clone(), url.to_owned());
                }
                None => {
                    e.links.remove(label);
                }
            },
            Self::SubjectType => set(&mut e.subject_type, value),
            Self::Holdout => set(&mut e.holdout_pct, value),
            Self::Sticky => set(&mut e.sticky, value),
            Self::LinkedFlag => set(&mut e.linked_flag, value),
            Self::Lab => set(&mut e.parent_id, value),
            Self::PrimaryMetric => set(&mut e.primary_metric, value),
            Self::SecondaryEvent => set(&mut e.secondary_event, value),
            Self::TrackedEvents => set(&mut e.tracked_events, value),
            Self::Prior => set(&mut e.prior, value),
            Self::Variant(key) => {
                e.variants.retain(|v| !v.key.as_str().eq_ignore_ascii_case(key));
                if let Ok(mut variant) = serde_json::from_value::<Variant>(value.clone()) {
                    variant.order_index = e.variants.iter().map(|v| v.order_index + 1).max().unwrap_or(0);
                    e.variants.push(variant);
                }
            }
            Self::VariantAttr(key, attr) => {
                let named = |other: &Key| other.as_str().eq_ignore_ascii_case(key);
                let Some(v) = e.variants.iter_mut().find(|v| named(&v.key)) else {
                    return;
                };
                match attr {
                    Attr::Key => {
                        set(&mut v.key, value);
                        // Whatever names it names it as it is written now.
                        let rules = e.rules.iter_mut().map(|rule| &mut rule.variant);
                        for place in rules.chain([&mut e.default_variant_id]) {
                            if named(place) {
                                set(place, value);
                            }
                        }
                    }
                    Attr::Name => set(&mut v.name, value),
                    Attr::Traffic => set(&mut v.traffic_pct, value),
                    Attr::Control => set(&mut v.is_control, value),
                    Attr::Payload => v.payload = value.clone(),
                    Attr::Description => set(&mut v.description, value),
                }
            }
            Self::VariantOrder => {
                let mut order: Vec<String> = Vec::new();
                set(&mut order, value);
                arrange(e, &order);
            }
            Self::DefaultVariant => {
                let named = value.as_str().unwrap_or_default();
                if let Some(key) = e.variant(named).map(|v| v.key.clone()) {
                    e.default_variant_id = key;
                }
            }
            Self::Rule(id) => {
                e.rules.retain(|r| r.id != *id);
                if let Ok(rule) = serde_json::from_value::<Rule>(value.clone()) {
                    e.rules.push(rule);
                }
            }
        }
    }

    /// The tab on which it is edited.
    #[must_use]
    pub fn tab(&self) -> Tab {
        match self {
            Self::Variant(_) | Self::VariantAttr(..) | Self::VariantOrder | Self::DefaultVariant => {
                Tab::Variants
            }
            Self::Rule(_) => Tab::Rules,
            _ => Tab::Setup,
        }
    }

    /// What it is called on the screen.
    #[must_use]
    pub fn label(&self, copies: &[&Experiment]) -> String {
        match self {
            Self::Name => "name".to_owned(),
            Self::Description => "description".to_owned(),
            Self::Hypothesis => "hypothesis".to_owned(),
            Self::Link(label) => format!("link {label}"),
            Self::SubjectType => "subject".to_owned(),
            Self::Holdout => "holdout".to_owned(),
            Self::Sticky => "sticky".to_owned(),
            Self::LinkedFlag => "linked flag".to_owned(),
            Self::Lab => "lab".to_owned(),
            Self::PrimaryMetric => "primary metric".to_owned(),
            Self::SecondaryEvent => "first step".to_owned(),
            Self::TrackedEvents => "tracked events".to_owned(),
            Self::Prior => "prior".to_owned(),
            Self::Variant(key) => format!("variant {key}"),
            Self::VariantAttr(key, attr) => format!("{key} {}", attr.label()),
            Self::VariantOrder => "order of variants".to_owned(),
            Self::DefaultVariant => "default variant".to_owned(),
            Self::Rule(id) => {
                let place = copies
                    .iter()
                    .find_map(|e| super::rows::in_order(e).iter().position(|r| r.id == *id));
                place.map_or_else(|| "rule".to_owned(), |at| format!("rule {}", at + 1))
            }
        }
    }

    /// A value of this path in words.
    #[must_use]
    pub fn show(&self, value: &Value) -> String {
        fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
            serde_json::from_value(value.clone()).ok()
        }
        if value.is_null() {
            return "none".to_owned();
        }
        match self {
            Self::Holdout | Self::VariantAttr(_, Attr::Traffic) => {
                read::<Percent>(value).map_or_else(String::new, |p| format!("{p} %"))
            }
            Self::Sticky | Self::VariantAttr(_, Attr::Control) => if value.as_bool() == Some(true) {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
            Self::PrimaryMetric => read::<Metric>(value).map_or_else(String::new, |m| m.to_string()),
            Self::SecondaryEvent => read::<SecondaryEvent>(value).map_or_else(String::new, |s| {
                let on = if s.enabled { "on" } else { "off" };
                format!("{} ({on})", s.metric)
            }),
            Self::TrackedEvents => {
                let metrics: Vec<Metric> = read(value).unwrap_or_default();
                if metrics.is_empty() {
                    return "none".to_owned();
                }
                let texts: Vec<String> = metrics.iter().map(ToString::to_string).collect();
                texts.join(", ")
            }
            Self::Prior => {
                read::<Prior>(value).map_or_else(String::new, |Prior { a, b }| format!("Beta({a}, {b})"))
            }
            Self::Variant(_) => read::<Variant>(value).map_or_else(String::new, |v| {
                let control = if v.is_control { ", control" } else { "" };
                format!("{} %{control}", v.traffic_pct)
            }),
            Self::VariantOrder => {
                let keys: Vec<String> = read(value).unwrap_or_default();
                keys.join(", ")
            }
            Self::Rule(_) => read::<Rule>(value).map_or_else(String::new, |r| rule_text(&r)),
            _ => match value {
                Value::String(text) if text.is_empty() => "none".to_owned(),
                Value::String(text) => one_line(text),
                other => other.to_string(),
            },
        }
    }
}

/// The parts in which `mine` differs from `base`, with both values.
#[must_use]
pub fn changes(base: &Experiment, mine: &Experiment) -> Vec<(Path, Value, Value)> {
    let mut found = Vec::new();
    for path in Path::of(&[base, mine]) {
        let (from, to) = if path == Path::VariantOrder {
            let common = common(&[base, mine]);
            (json(order(base, &common)), json(order(mine, &common)))
        } else {
            (path.get(base), path.get(mine))
        };
        if from != to {
            found.push((path, from, to));
        }
    }
    found
}

/// Keys that all copies have.
#[must_use]
pub fn common(copies: &[&Experiment]) -> BTreeSet<String> {
    let keys = |e: &Experiment| -> BTreeSet<String> { e.variants.iter().map(|v| v.key.folded()).collect() };
    let mut copies = copies.iter();
    let first = copies.next().map(|e| keys(e)).unwrap_or_default();
    copies.fold(first, |all, e| all.intersection(&keys(e)).cloned().collect())
}

/// The order of those variants that are among `keys`.
#[must_use]
pub fn order(e: &Experiment, keys: &BTreeSet<String>) -> Vec<String> {
    let folded = e.variants.iter().map(|v| v.key.folded());
    folded.filter(|key| keys.contains(key)).collect()
}

/// Sorts the variants that `order` names as it names them; the others keep their places.
pub fn arrange(e: &mut Experiment, order: &[String]) {
    let rank: BTreeMap<&String, usize> = order.iter().zip(0..).collect();
    let places: Vec<usize> = (0..e.variants.len())
        .filter(|at| rank.contains_key(&e.variants[*at].key.folded()))
        .collect();
    let mut named: Vec<Variant> = places.iter().map(|at| e.variants[*at].clone()).collect();
    named.sort_by_key(|v| rank.get(&v.key.folded()).copied());
    for (at, variant) in places.into_iter().zip(named) {
        e.variants[at] = variant;
    }
    renumber(e);
}

/// Gives each variant its position as `orderIndex`, where they do not rise already.
pub fn renumber(e: &mut Experiment) {
    let rising = e
        .variants
        .windows(2)
        .all(|pair| pair[0].order_index < pair[1].order_index);
    if !rising {
        for (variant, at) in e.variants.iter_mut().zip(0..) {
            variant.order_index = at;
        }
    }
}

/// The request that makes `base` what `mine` is.
#[must_use]
pub fn request(base: &Experiment, mine: &Experiment) -> UpdateExperiment {
    let mut body = UpdateExperiment {
        resource_version: base.resource_version,
        ..UpdateExperiment::default()
    };
    for (path, _, _) in changes(base, mine) {
        match path {
            Path::Name => body.name = Some(mine.name.clone()),
            Path::Description => body.description = Some(mine.description.clone()),
            Path::Hypothesis => body.hypothesis = Some(mine.hypothesis.clone()),
            Path::Link(_) => body.links = Some(mine.links.clone()),
            Path::SubjectType => body.subject_type = Some(mine.subject_type.clone()),
            Path::Holdout => body.holdout_pct = Some(mine.holdout_pct),
            Path::Sticky => body.sticky = Some(mine.sticky),
            Path::LinkedFlag => body.linked_flag = Some(mine.linked_flag.clone()),
            Path::Lab => body.parent_id = Some(mine.parent_id.clone()),
            Path::PrimaryMetric => body.primary_metric = Some(mine.primary_metric.clone()),
            Path::SecondaryEvent => body.secondary_event = Some(mine.secondary_event.clone()),
            Path::TrackedEvents => body.tracked_events = Some(mine.tracked_events.clone()),
            Path::Prior => body.prior = Some(mine.prior),
            Path::Variant(_) | Path::VariantAttr(..) | Path::VariantOrder => {
                body.variants = Some(mine.variants.clone());
            }
            Path::DefaultVariant => body.default_variant_id = Some(mine.default_variant_id.to_string()),
            Path::Rule(_) => body.rules = Some(mine.rules.clone()),
        }
    }
    body
}

/// `→ treatment if profile.country is TH and …`
fn rule_text(rule: &Rule) -> String {
    let conditions: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
    if conditions.is_empty() {
        format!("everybody → {} (priority {})", rule.variant, rule.priority)
    } else {
        let all = conditions.join(" and ");
        format!("{all} → {} (priority {})", rule.variant, rule.priority)
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
