//! The decision: an experiment, compiled, asked for one subject.

use std::sync::Arc;

use uuid::Uuid;

use super::condition;
use super::explain::{Silent, Trace};
use super::hash::{Salted, bucket_of, slot};
use super::lookups::Lookups;
use super::subject::{Subject, given, subject, wanted};
use crate::domain::{
    Assignment, AssignmentMode, Attribution, Cohort, Condition, Experiment, ExplainStep, Flag, Key,
    OverrideSubject, Reason, Status, SubjectType, User,
};

/// An experiment that cannot be decided, because parts of it name a variant it does not have. A checked
/// experiment ([`Experiment::check`]) never is.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
#[error(
    "experiment \"{experiment}\": {part} names {named}, which is none of its variants ({variants}); correct the experiment"
)]
pub struct PrepareError {
    /// Key of the experiment.
    pub experiment: Key,
    /// Which part of it, such as `defaultVariantId`.
    pub part: String,
    /// What that part names.
    pub named: String,
    /// The keys that there are.
    pub variants: String,
}

/// A decision in its cheap form: no text, nothing on the heap.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Outcome {
    /// Index of the variant in [`Experiment::variants`].
    pub variant: usize,
    /// Why it is served.
    pub reason: Reason,
    /// The rule that matched, with reason `rule`.
    pub rule: Option<Uuid>,
    /// The cohort the decision was made in; 0 unless the experiment is active.
    pub cohort: u32,
}

/// Whether a flag is archived.
#[derive(Debug, Clone, Copy)]
struct Archived(bool);

/// An experiment compiled for decisions: rules sorted, salts hashed, slots in a table.
#[derive(Debug, Clone)]
pub struct Prepared {
    id: Uuid,
    name: String,
    status: Status,
    /// Whether it is a flag, and one that is archived.
    flag: Option<Archived>,
    mode: AssignmentMode,
    subject_type: SubjectType,
    variants: Vec<Arm>,
    /// The keys of `variants`, in their order.
    keys: Arc<Vec<Key>>,
    control: usize,
    default: usize,
    winner: Option<usize>,
    sticky: bool,
    rules: Vec<PreparedRule>,
    salt: Salt,
    holdout: Salt,
    /// Buckets below this are held out: the share in basis points.
    holdout_below: u32,
    cohort: u32,
    /// Sorted by start, disjoint.
    slots: Vec<OwnedRange>,
    /// The variant of a flag that is everybody's, whoever asks: there is nothing to draw.
    everybodys: Option<usize>,
}

#[derive(Debug, Clone)]
struct Arm {
    key: Key,
    label: String,
    payload: serde_json::Value,
}

#[derive(Debug, Clone)]
struct Salt {
    text: String,
    hashed: Salted,
}

#[derive(Debug, Clone)]
struct PreparedRule {
    id: Uuid,
    variant: usize,
    priority: i32,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy)]
struct OwnedRange {
    start: u32,
    end: u32,
    variant: usize,
}

impl Salt {
    fn new(text: String) -> Self {
        let hashed = Salted::new(&text);
        Self { text, hashed }
    }

    /// What is hashed for a subject, as text.
    fn hashed_text(&self, subject: &Subject<'_>) -> Option<String> {
        match subject {
            Subject::Id(id) => Some(format!("{}/{id}", self.text)),
            Subject::Random | Subject::Missing => None,
        }
    }

    /// The hash that buckets a subject; a random one is drawn anew each time.
    fn hash(&self, subject: &Subject<'_>, lookups: &impl Lookups) -> Option<u32> {
        match subject {
            Subject::Id(id) => Some(self.hashed.hash(id)),
            Subject::Random => Some(lookups.random()),
            Subject::Missing => None,
        }
    }
}

impl PreparedRule {
    fn matches(&self, user: &User) -> bool {
        self.conditions.iter().all(|c| condition::passes(c, user))
    }
}

impl Prepared {
    /// Compiles an experiment.
    ///
    /// # Errors
    /// [`PrepareError`] when it names a variant it does not have as default, winner or a rule's, or has
    /// no control.
    pub fn new(experiment: &Experiment) -> Result<Self, PrepareError> {
        let error = |part: String, named: String| PrepareError {
            experiment: experiment.key.clone(),
            part,
            named,
            variants: experiment
                .variants
                .iter()
                .map(|v| v.key.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        };
        let index = |part: &dyn Fn() -> String, key: &Key| {
            position(experiment, key).ok_or_else(|| error(part(), format!("\"{key}\"")))
        };
        let control = experiment
            .variants
            .iter()
            .position(|v| v.is_control)
            .ok_or_else(|| error("isControl".to_owned(), "no control".to_owned()))?;
        let default = index(&|| "defaultVariantId".to_owned(), &experiment.default_variant_id)?;
        let winner = experiment.winning_variant.as_ref();
        let winner = winner
            .map(|key| index(&|| "winningVariant".to_owned(), key))
            .transpose()?;
        let mut rules = Vec::with_capacity(experiment.rules.len());
        for (at, rule) in experiment.rules.iter().enumerate() {
            rules.push(PreparedRule {
                id: rule.id,
                variant: index(&|| format!("rules[{at}].variant"), &rule.variant)?,
                priority: rule.priority,
                conditions: rule.conditions.clone(),
            });
        }
        // Stable: of equal rules the one that stands first is tried first.
        rules.sort_by_key(|rule| {
            let order = experiment.variants[rule.variant].order_index;
            (std::cmp::Reverse(rule.priority), order)
        });
        let cohort = experiment.current_cohort();
        Ok(Self {
            id: experiment.id,
            name: experiment.name.clone(),
            status: experiment.status,
            flag: None,
            mode: experiment.assignment_mode,
            subject_type: experiment.subject_type.clone(),
            variants: experiment
                .variants
                .iter()
                .map(|v| Arm {
                    key: v.key.clone(),
                    label: v.label().to_owned(),
                    payload: v.payload.clone(),
                })
                .collect(),
            keys: Arc::new(experiment.variants.iter().map(|v| v.key.clone()).collect()),
            control,
            default,
            winner,
            sticky: experiment.sticky,
            rules,
            salt: Salt::new(experiment.salt.clone()),
            holdout: Salt::new(experiment.holdout_salt()),
            holdout_below: experiment.holdout_pct.basis_points(),
            cohort: cohort.map_or(0, |cohort| cohort.index),
            slots: cohort.map_or_else(Vec::new, |cohort| slot_table(experiment, cohort)),
            everybodys: None,
        })
    }

    /// The same as what decides a flag, which has no status: it is switched on or off.
    pub(super) fn of(self, flag: &Flag) -> Self {
        let owner = flag.cohorts.last().and_then(Cohort::sole_owner);
        let everybodys = owner.and_then(|key| self.index(key.as_str()));
        let flag = Some(Archived(flag.archived));
        Self {
            flag,
            everybodys,
            ..self
        }
    }

    /// What the status, or the switch of a flag, says about going on.
    fn status_step(&self, decides: bool) -> ExplainStep {
        match self.flag {
            None => ExplainStep::Status {
                status: self.status,
                decides,
            },
            Some(_) if decides => ExplainStep::FlagEnabled,
            Some(Archived(archived)) => ExplainStep::FlagDisabled { archived },
        }
    }

    /// UUID of the experiment.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether a subject keeps its first variant when the split changes.
    #[must_use]
    pub fn is_sticky(&self) -> bool {
        self.sticky
    }

    /// Whether it decides, or may do so again: it is not completed, ended or archived.
    #[must_use]
    pub fn may_decide(&self) -> bool {
        matches!(self.status, Status::Draft | Status::Active | Status::Paused)
    }

    /// Who is bucketed and counted.
    #[must_use]
    pub fn subject<'a>(&self, user: &'a User) -> Subject<'a> {
        subject(self.mode, &self.subject_type, user)
    }

    /// The keys of the variants, as [`Outcome::variant`] counts them.
    #[must_use]
    pub fn keys(&self) -> &Arc<Vec<Key>> {
        &self.keys
    }

    /// Whether it has a variant with this key, whatever its case.
    #[must_use]
    pub fn has_variant(&self, key: &str) -> bool {
        self.index(key).is_some()
    }

    /// Whether a decision with this experiment may be recorded at all; not once it has ended.
    #[must_use]
    pub fn records_assignments(&self) -> bool {
        !matches!(self.status, Status::Ended | Status::Archived)
    }

    /// The decision for a user.
    #[must_use]
    pub fn decide(&self, user: &User, lookups: &impl Lookups) -> Assignment {
        self.assignment(self.outcome(user, lookups))
    }

    /// The decision for a user in its cheap form.
    #[must_use]
    pub fn outcome(&self, user: &User, lookups: &impl Lookups) -> Outcome {
        self.run(user, lookups, &mut Silent)
    }

    /// A decision in the form that is sent.
    #[must_use]
    pub fn assignment(&self, outcome: Outcome) -> Assignment {
        let Outcome {
            variant,
            reason,
            rule,
            cohort,
        } = outcome;
        let arm = &self.variants[variant];
        Assignment {
            experiment_id: self.id,
            variant_id: arm.key.as_str().to_owned(),
            variant_name: arm.label.clone(),
            payload: arm.payload.clone(),
            reason,
            rule_id: rule,
            cohort,
            attribution: Attribution {
                experiment_id: self.id,
                variant_id: arm.key.as_str().to_owned(),
                experiment_name: self.name.clone(),
                variant_name: arm.label.clone(),
                assignment_reason: reason,
                cohort,
            },
        }
    }

    /// The one path of [`Self::decide`] and [`Self::explain`]: the first step that matches decides. What a
    /// step saw is told to `trace`.
    pub(super) fn run(&self, user: &User, lookups: &impl Lookups, trace: &mut impl Trace) -> Outcome {
        let active = self.status == Status::Active;
        trace.step(|| self.status_step(active));
        let outcome = |variant, reason, rule| Outcome {
            variant,
            reason,
            rule,
            cohort: if active { self.cohort } else { 0 },
        };
        let default = |reason| outcome(self.default, reason, None);
        if !active {
            let decided = match (self.status, self.winner) {
                (Status::Completed, Some(winner)) => return outcome(winner, Reason::Winner, None),
                (Status::Ended | Status::Archived, _) => default(Reason::ExperimentEnded),
                _ if self.flag.is_some() => default(Reason::FlagDisabled),
                _ => default(Reason::ExperimentInactive),
            };
            trace.step(|| self.default_step());
            return decided;
        }

        if let Some(variant) = self.forced(user, lookups, trace) {
            return outcome(variant, Reason::Override, None);
        }
        let subject = subject(self.mode, &self.subject_type, user);
        if self.is_held_out(&subject, lookups, trace) {
            return outcome(self.control, Reason::Holdout, None);
        }
        for rule in &self.rules {
            let matched = rule.matches(user);
            trace.step(|| self.rule_step(rule, user, matched));
            if matched {
                return outcome(rule.variant, Reason::Rule, Some(rule.id));
            }
        }
        if let Some(variant) = self.remembered(&subject, lookups, trace) {
            return outcome(variant, Reason::Sticky, None);
        }
        if let Some(variant) = self.allocated(&subject, lookups, trace) {
            return outcome(variant, Reason::Allocation, None);
        }
        trace.step(|| self.default_step());
        default(Reason::Unallocated)
    }

    fn forced(&self, user: &User, lookups: &impl Lookups, trace: &mut impl Trace) -> Option<usize> {
        let ids = [
            (OverrideSubject::User, given(&user.user_id)),
            (OverrideSubject::Device, given(&user.device_id)),
        ];
        let mut looked_up = false;
        for (kind, id) in ids {
            let Some(id) = id else { continue };
            looked_up = true;
            let found = lookups.forced(kind, id);
            let variant = found.and_then(|key| self.index(key));
            trace.step(|| ExplainStep::Override {
                subject: Some(format!("{}:{id}", kind.as_str())),
                variant: found.map(str::to_owned),
                unknown: found.is_some() && variant.is_none(),
            });
            if variant.is_some() {
                return variant;
            }
        }
        if !looked_up {
            trace.step(|| ExplainStep::Override {
                subject: None,
                variant: None,
                unknown: false,
            });
        }
        None
    }

    fn is_held_out(&self, subject: &Subject<'_>, lookups: &impl Lookups, trace: &mut impl Trace) -> bool {
        // Nothing is drawn or hashed for a holdout that there is not.
        let bucket = if self.holdout_below == 0 {
            None
        } else {
            let hash = self.holdout.hash(subject, lookups);
            hash.map(|hash| bucket_of(slot(hash)))
        };
        let held_out = bucket.is_some_and(|bucket| bucket < self.holdout_below);
        trace.step(|| ExplainStep::Holdout {
            hashed: bucket.and_then(|_| self.holdout.hashed_text(subject)),
            bucket,
            threshold: self.holdout_below,
            held_out,
        });
        held_out
    }

    fn remembered(
        &self,
        subject: &Subject<'_>,
        lookups: &impl Lookups,
        trace: &mut impl Trace,
    ) -> Option<usize> {
        let found = match subject {
            Subject::Id(id) if self.sticky => lookups.remembered(id),
            _ => None,
        };
        let variant = found.and_then(|key| self.index(key));
        trace.step(|| ExplainStep::Sticky {
            enabled: self.sticky,
            variant: found.map(str::to_owned),
            unknown: found.is_some() && variant.is_none(),
        });
        variant
    }

    fn allocated(
        &self,
        subject: &Subject<'_>,
        lookups: &impl Lookups,
        trace: &mut impl Trace,
    ) -> Option<usize> {
        let hash = self.salt.hash(subject, lookups);
        let slot = hash.map(slot);
        let variant = match slot {
            Some(slot) => self.owner(slot),
            None => self.everybodys,
        };
        trace.step(|| ExplainStep::Allocation {
            missing: matches!(subject, Subject::Missing).then(|| wanted(self.mode, &self.subject_type)),
            hashed: self.salt.hashed_text(subject),
            hash,
            slot,
            cohort: self.cohort,
            variant: variant.map(|at| self.variants[at].key.to_string()),
        });
        variant
    }

    /// The variant that owns a slot.
    fn owner(&self, slot: u32) -> Option<usize> {
        let after = self.slots.partition_point(|range| range.start <= slot);
        let range = self.slots[..after].last()?;
        (slot < range.end).then_some(range.variant)
    }

    fn index(&self, key: &str) -> Option<usize> {
        let same = |arm: &Arm| arm.key.as_str().eq_ignore_ascii_case(key);
        self.variants.iter().position(same)
    }

    fn rule_step(&self, rule: &PreparedRule, user: &User, matched: bool) -> ExplainStep {
        let conditions = rule.conditions.iter();
        ExplainStep::Rule {
            rule_id: rule.id,
            variant: self.variants[rule.variant].key.to_string(),
            priority: rule.priority,
            conditions: conditions.map(|c| condition::explained(c, user)).collect(),
            matched,
        }
    }

    fn default_step(&self) -> ExplainStep {
        ExplainStep::Default {
            variant: self.variants[self.default].key.to_string(),
        }
    }
}

fn position(experiment: &Experiment, key: &Key) -> Option<usize> {
    let same = |other: &Key| other.as_str().eq_ignore_ascii_case(key.as_str());
    experiment.variants.iter().position(|v| same(&v.key))
}

/// The slots of a cohort, sorted. A variant that was removed since has none: its slots are unallocated.
fn slot_table(experiment: &Experiment, cohort: &Cohort) -> Vec<OwnedRange> {
    let mut table = Vec::new();
    for owner in &cohort.variants {
        if let Some(variant) = position(experiment, &owner.variant) {
            table.extend(owner.slots.iter().map(|range| OwnedRange {
                start: range.start,
                end: range.end,
                variant,
            }));
        }
    }
    table.sort_by_key(|range| range.start);
    table
}

#[cfg(test)]
mod tests;
