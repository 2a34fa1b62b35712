//! A flag or an experiment in the form that Amplitude's SDKs evaluate by themselves.
//!
//! Their engine hashes as ours does, `murmur3("{salt}/{id}")` with `hash / 100` as the slot, and tries
//! segments in order; a segment that gives no variant falls through to the next. So a decision is:
//!
//! | segment | of whom | variant |
//! |---|---|---|
//! | override | the user ids, then the device ids | the forced one |
//! | holdout | the lowest slots under `<flagKey>:holdout` | the control |
//! | rule | who passes its conditions, by priority | its own |
//! | allocation | the slots of the newest cohort under the salt | their owner |
//! | default | everybody else | the default, marked `default` |
//!
//! Where the user id may be missing and the device id then stands for it, holdout and allocation are there
//! twice.
//!
//! # How conditions are said
//!
//! Theirs are joined as OR of ANDs and cannot be negated; missing values match only what names `(none)`, or a
//! negation. `contains` ignores case there, so texts are compared by escaped regular expressions; `greater`
//! and the like compare as text what is no number, so a regular expression demands one. A value may lie in
//! several places (`places`): the first that holds one counts.
//!
//! What cannot be said is refused ([`export`]), never approximated. What remains is about data, not about
//! configuration, and stands in `docs/sdks.md`: lists and objects as values, `true` in upper case, and that
//! the Python SDK takes an empty text, 0 and false for missing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::amplitude::{Allocation, Bucket, Condition, Distribution, Flag, Segment, Variant};
use crate::decide::flag::as_experiment;
use crate::decide::split::boundary;
use crate::domain::filter::number;
use crate::domain::{
    self, AssignmentMode, Cohort, Condition as OurCondition, EvaluationMode, Experiment, FieldError, Key,
    Operator, OverrideSubject, Reason, Rule, Scope, Status, SubjectType,
};
use crate::server::ingest::RELEASE;

/// The most overrides that an exported flag may have: its SDK compares each id one by one.
pub const MAX_OVERRIDES: usize = 1_000;
/// The most alternatives that the conditions of one rule may become.
const MAX_ALTERNATIVES: usize = 64;
/// What stands for a missing value.
const NONE: &str = "(none)";
/// A number as [`number`] reads it.
const NUMBER: &str = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$";
/// Anything at all.
const ANYTHING: &str = "";
/// A text that is not empty.
const NOT_EMPTY: &str = r"[\s\S]";

/// Fields that the SDKs keep beside the properties of a user.
const BESIDE: [&str; 14] = [
    "country",
    "region",
    "dma",
    "city",
    "language",
    "platform",
    "version",
    "os",
    "device_manufacturer",
    "device_brand",
    "device_model",
    "carrier",
    "library",
    "ip_address",
];

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What code asks for.
    pub key: &'a str,
    /// The experiment, or what a flag is decided as.
    pub experiment: &'a Experiment,
    /// Whether it is a flag.
    pub is_flag: bool,
    /// Who is forced into which variant.
    pub overrides: &'a [(OverrideSubject, String, Key)],
}

/// One segment for each step of the decision.
///
/// # Errors
/// Every reason why local evaluation would not be the server's, each saying what to do.
pub fn export(source: &Source<'_>) -> Result<Flag, Vec<String>> {
    let experiment = source.experiment;
    let mut writer = Writer {
        experiment,
        segments: Vec::new(),
        refused: Vec::new(),
    };
    writer.decision(source);
    let Writer {
        segments, refused, ..
    } = writer;
    if !refused.is_empty() {
        return Err(refused);
    }
    let variants = experiment.variants.iter().map(|v| {
        let variant = Variant {
            key: v.key.to_string(),
            value: v.key.to_string(),
            payload: v.payload.clone(),
            metadata: Map::new(),
        };
        (v.key.to_string(), variant)
    });
    Ok(Flag {
        key: source.key.to_owned(),
        variants: variants.collect::<BTreeMap<_, _>>(),
        segments,
        metadata: flag_metadata(
            (!source.is_flag).then(|| (experiment.key.as_str(), experiment.id)),
            experiment.resource_version,
            "local",
        ),
    })
}

/// Why a flag cannot be evaluated locally, whoever is forced into what; nothing where it is not meant to be.
#[must_use]
pub fn refusals(flag: &domain::Flag) -> Vec<FieldError> {
    if flag.evaluation_mode != EvaluationMode::Local {
        return Vec::new();
    }
    // Switched off it would be simple.
    let on = domain::Flag {
        enabled: true,
        archived: false,
        ..flag.clone()
    };
    let exported = export(&Source {
        key: flag.key.as_str(),
        experiment: &as_experiment(&on),
        is_flag: true,
        overrides: &[],
    });
    let refused = exported.err().unwrap_or_default().into_iter();
    refused
        .map(|reason| FieldError::new("evaluationMode", "local", format!("remote, for {reason}")))
        .collect()
}

/// What SDKs are told about a flag beside its variants: of an experiment its key and id as well.
#[must_use]
pub fn flag_metadata(
    experiment: Option<(&str, Uuid)>,
    version: u64,
    evaluation_mode: &str,
) -> Map<String, Value> {
    let mut metadata = Map::new();
    let mut put = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
    put("deployed", true.into());
    put("evaluationMode", evaluation_mode.into());
    put("flagVersion", version.into());
    match experiment {
        Some((key, id)) => {
            put("flagType", "experiment".into());
            put("experimentKey", key.into());
            put("experimentId", id.to_string().into());
        }
        None => {
            put("flagType", RELEASE.into());
        }
    }
    metadata
}

/// Whether a variant that was served for this reason means that the subject was assigned nothing.
#[must_use]
pub fn is_default(reason: Reason) -> bool {
    match reason {
        Reason::Unallocated | Reason::ExperimentInactive | Reason::ExperimentEnded | Reason::FlagDisabled => {
            true
        }
        Reason::Override
        | Reason::Holdout
        | Reason::Rule
        | Reason::Sticky
        | Reason::Allocation
        | Reason::Winner => false,
    }
}

/// What the segment of a decision is called, in the SDKs' debugging properties.
#[must_use]
pub fn segment_metadata(reason: &str, rule: Option<Uuid>, cohort: u32, default: bool) -> Map<String, Value> {
    let mut metadata = Map::new();
    let name = rule.map_or_else(|| reason.to_owned(), |rule| format!("rule {rule}"));
    metadata.insert("segmentName".to_owned(), name.into());
    metadata.insert("reason".to_owned(), reason.into());
    metadata.insert("cohort".to_owned(), cohort.into());
    if default {
        metadata.insert("default".to_owned(), true.into());
    }
    metadata
}

/// Lists joined by OR of conditions joined by AND.
type Alternatives = Vec<Vec<Condition>>;

struct Writer<'a> {
    experiment: &'a Experiment,
    segments: Vec<Segment>,
    refused: Vec<String>,
}

impl Writer<'_> {
    fn refuse(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.refused.contains(&reason) {
            self.refused.push(reason);
        }
    }

    fn all(&mut self, variant: &Key, reason: &str, default: bool) {
        let cohort = if self.experiment.status == Status::Active {
            self.cohort()
        } else {
            0
        };
        self.segments.push(Segment {
            variant: Some(variant.to_string()),
            metadata: segment_metadata(reason, None, cohort, default),
            ..Segment::default()
        });
    }

    fn cohort(&self) -> u32 {
        self.experiment.current_cohort().map_or(0, |cohort| cohort.index)
    }

    fn decision(&mut self, source: &Source<'_>) {
        let experiment = self.experiment;
        let default = &experiment.default_variant_id;
        match (experiment.status, &experiment.winning_variant) {
            (Status::Active, _) => {}
            (Status::Completed, Some(winner)) => return self.all(winner, "winner", false),
            (Status::Ended | Status::Archived, _) => {
                return self.all(default, Reason::ExperimentEnded.as_str(), true);
            }
            _ if source.is_flag => return self.all(default, Reason::FlagDisabled.as_str(), true),
            _ => return self.all(default, Reason::ExperimentInactive.as_str(), true),
        }
        if experiment.assignment_mode != AssignmentMode::Profile {
            self.refuse(format!(
                "assignmentMode {}: local evaluation knows users only; evaluate it remotely",
                experiment.assignment_mode.as_str()
            ));
        }
        if experiment.sticky {
            self.refuse("sticky: local evaluation has no memory of first variants; evaluate it remotely");
        }
        self.overrides(source.overrides);
        let subjects = self.subjects();
        self.holdout(&subjects);
        for rule in in_order(experiment) {
            self.rule(rule);
        }
        self.allocation(&subjects);
        // A flag that is everybody's is that of who has no id, too.
        match experiment.current_cohort().and_then(Cohort::sole_owner) {
            Some(everybodys) if source.is_flag => self.all(everybodys, Reason::Allocation.as_str(), false),
            _ => self.all(default, Reason::Unallocated.as_str(), true),
        }
    }

    fn overrides(&mut self, overrides: &[(OverrideSubject, String, Key)]) {
        if overrides.len() > MAX_OVERRIDES {
            return self.refuse(format!(
                "{} overrides, at most {MAX_OVERRIDES} are exported; remove some, or evaluate it remotely",
                overrides.len()
            ));
        }
        for (kind, field) in [
            (OverrideSubject::User, "user_id"),
            (OverrideSubject::Device, "device_id"),
        ] {
            for variant in &self.experiment.variants {
                let forced = overrides
                    .iter()
                    .filter(|(k, _, v)| *k == kind && v.as_str().eq_ignore_ascii_case(variant.key.as_str()));
                let mut ids: Vec<String> = forced.map(|(_, id, _)| id.clone()).collect();
                if ids.is_empty() {
                    continue;
                }
                ids.sort_unstable();
                if let Some(id) = ids.iter().find(|id| unsayable(id).is_some()) {
                    self.refused.push(format!(
                        "the override of {} {id}: local evaluation reads this id as something else; remove it",
                        kind.as_str()
                    ));
                }
                self.segments.push(Segment {
                    conditions: Some(vec![vec![condition(&user(&[field]), "is", ids)]]),
                    variant: Some(variant.key.to_string()),
                    metadata: segment_metadata(Reason::Override.as_str(), None, self.cohort(), false),
                    ..Segment::default()
                });
            }
        }
    }

    /// The ids that are bucketed: the first that is there.
    fn subjects(&mut self) -> Vec<Vec<String>> {
        match &self.experiment.subject_type {
            SubjectType::Any => vec![user(&["user_id"]), user(&["device_id"])],
            SubjectType::Group(kind) => vec![path(&["groups", kind, "group_name"])],
            SubjectType::Named(name)
                if matches!(name.as_str(), "session_id" | "sessionId" | "event_id" | "eventId") =>
            {
                self.refuse(format!(
                    "subjectType {name}: local evaluation knows users only; evaluate it remotely"
                ));
                Vec::new()
            }
            SubjectType::Named(name) => match places(name) {
                // A decision takes no list of groups for an id.
                Ok(places) if places.len() == 1 && !places[0].is_id => vec![places[0].path.clone()],
                _ => match name.as_str() {
                    "user_id" | "userId" | "profile_id" | "profileId" => vec![user(&["user_id"])],
                    "device_id" | "deviceId" => vec![user(&["device_id"])],
                    name => {
                        self.refuse(format!(
                            "subjectType {name}: local evaluation buckets by an id, a group or one property \
                             of user_properties without dots; evaluate it remotely"
                        ));
                        Vec::new()
                    }
                },
            },
        }
    }

    fn holdout(&mut self, subjects: &[Vec<String>]) {
        let below = boundary(self.experiment.holdout_pct.basis_points());
        let Some(control) = self.experiment.control().filter(|_| below > 0) else {
            return;
        };
        let held_out = Distribution {
            variant: control.key.to_string(),
            range: [0, below],
        };
        for (at, selector) in subjects.iter().enumerate() {
            // The second id counts only where the first one is missing.
            let missing = subjects[..at].iter().map(|id| missing_id(id)).collect::<Vec<_>>();
            self.segments.push(Segment {
                conditions: (!missing.is_empty()).then(|| vec![missing]),
                bucket: Some(bucket(
                    selector,
                    &self.experiment.holdout_salt(),
                    vec![held_out.clone()],
                )),
                metadata: segment_metadata(Reason::Holdout.as_str(), None, self.cohort(), false),
                ..Segment::default()
            });
        }
    }

    fn allocation(&mut self, subjects: &[Vec<String>]) {
        let Some(cohort) = self.experiment.current_cohort() else {
            return;
        };
        let of_variants = cohort.variants.iter().filter_map(|owner| {
            let variant = self.experiment.variant(owner.variant.as_str())?;
            Some((variant.key.to_string(), &owner.slots))
        });
        let distributions: Vec<Distribution> = of_variants
            .flat_map(|(variant, slots)| {
                slots.iter().map(move |slots| Distribution {
                    variant: variant.clone(),
                    range: [slots.start, slots.end],
                })
            })
            .collect();
        for (at, selector) in subjects.iter().enumerate() {
            self.segments.push(Segment {
                bucket: Some(bucket(selector, &self.experiment.salt, distributions.clone())),
                metadata: segment_metadata(Reason::Allocation.as_str(), None, cohort.index, false),
                ..Segment::default()
            });
            if at + 1 < subjects.len() {
                // Who has this id and no slot of a variant is not bucketed by the next id.
                self.segments.push(Segment {
                    conditions: Some(vec![vec![condition(
                        selector,
                        "regex match",
                        vec![NOT_EMPTY.to_owned()],
                    )]]),
                    variant: Some(self.experiment.default_variant_id.to_string()),
                    metadata: segment_metadata(Reason::Unallocated.as_str(), None, cohort.index, true),
                    ..Segment::default()
                });
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let mut all: Alternatives = vec![Vec::new()];
        for condition in &rule.conditions {
            let alternatives = match said(condition) {
                Ok(alternatives) => alternatives,
                Err(reason) => return self.refuse(reason),
            };
            if all.len() * alternatives.len() > MAX_ALTERNATIVES {
                return self.refuse(format!(
                    "rule {}: its conditions need more than {MAX_ALTERNATIVES} alternatives; split it into several rules",
                    rule.id
                ));
            }
            all = both(&all, &alternatives);
        }
        if all.is_empty() {
            // No subject can ever pass, such as a number compared with a word.
            return;
        }
        self.segments.push(Segment {
            conditions: (!rule.conditions.is_empty()).then_some(all),
            variant: self
                .experiment
                .variant(rule.variant.as_str())
                .map(|v| v.key.to_string()),
            metadata: segment_metadata(Reason::Rule.as_str(), Some(rule.id), self.cohort(), false),
            ..Segment::default()
        });
    }
}

/// The rules as they are tried: by priority, then by their variant's place, then as they stand.
fn in_order(experiment: &Experiment) -> Vec<&Rule> {
    let mut rules: Vec<&Rule> = experiment.rules.iter().collect();
    rules.sort_by_key(|rule| {
        let variant = experiment.variant(rule.variant.as_str());
        let order = variant.map_or(u32::MAX, |variant| variant.order_index);
        (std::cmp::Reverse(rule.priority), order)
    });
    rules
}

/// Every alternative of `left` together with every one of `right`.
fn both(left: &Alternatives, right: &Alternatives) -> Alternatives {
    let pair = |l: &Vec<Condition>, r: &Vec<Condition>| l.iter().chain(r).cloned().collect();
    left.iter()
        .flat_map(|l| right.iter().map(move |r| pair(l, r)))
        .collect()
}

/// Where a value may lie.
#[derive(Debug, Clone)]
struct Place {
    path: Vec<String>,
    /// Whether an empty text is as a missing one.
    is_id: bool,
}

impl Place {
    fn property(path: &[&str]) -> Self {
        let mut full = user(&["user_properties"]);
        full.extend(path.iter().map(|&part| part.to_owned()));
        Self {
            path: full,
            is_id: false,
        }
    }

    fn is_missing(&self) -> Condition {
        if self.is_id {
            missing_id(&self.path)
        } else {
            condition(&self.path, "is", vec![NONE.to_owned()])
        }
    }

    fn is_there(&self) -> Condition {
        let text = if self.is_id { NOT_EMPTY } else { ANYTHING };
        condition(&self.path, "regex match", vec![text.to_owned()])
    }
}

fn path(parts: &[&str]) -> Vec<String> {
    std::iter::once("context")
        .chain(parts.iter().copied())
        .map(str::to_owned)
        .collect()
}

fn user(parts: &[&str]) -> Vec<String> {
    let mut full = path(&["user"]);
    full.extend(parts.iter().map(|&part| part.to_owned()));
    full
}

fn condition(selector: &[String], op: &str, values: Vec<String>) -> Condition {
    Condition {
        selector: selector.to_vec(),
        op: op.to_owned(),
        values,
    }
}

fn missing_id(selector: &[String]) -> Condition {
    condition(selector, "is", vec![String::new(), NONE.to_owned()])
}

fn bucket(selector: &[String], salt: &str, distributions: Vec<Distribution>) -> Bucket {
    Bucket {
        selector: selector.to_vec(),
        salt: salt.to_owned(),
        allocations: vec![Allocation {
            range: [0, 100],
            distributions,
        }],
    }
}

/// Where the field of a condition on the profile may lie, the first that holds a value counts.
fn places(field: &str) -> Result<Vec<Place>, String> {
    let field = match field.strip_prefix("profile.") {
        Some(rest) if !rest.is_empty() => rest,
        _ => field,
    };
    let id = |name: &str| Place {
        path: user(&[name]),
        is_id: true,
    };
    let plain = |path| Place { path, is_id: false };
    match field {
        "user_id" | "userId" | "profile_id" | "profileId" => {
            return Ok(vec![id("user_id"), Place::property(&[field])]);
        }
        "device_id" | "deviceId" => return Ok(vec![id("device_id"), Place::property(&[field])]),
        _ => {}
    }
    if let Some(kind) = field.strip_prefix("groups.") {
        return Ok(vec![Place {
            path: path(&["groups", kind, "group_name"]),
            is_id: true,
        }]);
    }
    let of_group = field
        .strip_prefix("group_properties.")
        .or_else(|| field.strip_prefix("groupProperties."));
    if let Some(of_group) = of_group {
        return match of_group.split_once('.') {
            Some((kind, name)) if !name.contains('.') => {
                Ok(vec![plain(path(&["groups", kind, "group_properties", name]))])
            }
            _ => Err(format!(
                "the field {field}: local evaluation knows group_properties.<type>.<property>, without further \
                 dots; write it so, or evaluate it remotely"
            )),
        };
    }
    let field = field.strip_prefix("properties.").unwrap_or(field);
    match field.split('.').collect::<Vec<_>>()[..] {
        [one] if BESIDE.contains(&one) => Ok(vec![Place::property(&[one]), plain(user(&[one]))]),
        [one] if !one.is_empty() => Ok(vec![Place::property(&[one])]),
        [one, two] if !one.is_empty() && !two.is_empty() => {
            Ok(vec![Place::property(&[field]), Place::property(&[one, two])])
        }
        _ => Err(format!(
            "the field {field}: local evaluation knows one dot, between two names; rename the property, or \
             evaluate it remotely"
        )),
    }
}

/// A condition in their words.
fn said(condition: &OurCondition) -> Result<Alternatives, String> {
    if condition.scope != Scope::Profile {
        return Err(format!(
            "a condition on {}.{}: local evaluation knows the profile only; evaluate it remotely",
            condition.scope.as_str(),
            condition.field
        ));
    }
    let exact = matches!(condition.operator, Operator::Is | Operator::IsNot);
    if exact && let Some(read_as) = unsayable(&condition.value) {
        return Err(format!(
            "the condition {} {} {}: local evaluation reads the value as {read_as}; compare with another one",
            condition.field, condition.operator, condition.value
        ));
    }
    let places = places(&condition.field)?;
    let mut all = Alternatives::new();
    let mut before: Vec<Condition> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let is_last = at + 1 == places.len();
        for alternative in compared(condition, place) {
            let mut conditions = before.clone();
            if !is_last {
                conditions.push(place.is_there());
            }
            conditions.extend(alternative);
            all.push(conditions);
        }
        before.push(place.is_missing());
    }
    Ok(all)
}

/// What an exact comparison with `value` would be read as.
fn unsayable(value: &str) -> Option<&'static str> {
    let is_word = |word: &str| value.eq_ignore_ascii_case(word) && value != word;
    if value == NONE {
        Some("a missing value")
    } else if value.starts_with('[') {
        Some("a list")
    } else if is_word("true") || is_word("false") {
        Some("a boolean, whatever its case")
    } else {
        None
    }
}

/// The comparison of one place, right for a missing value as well.
fn compared(ours: &OurCondition, place: &Place) -> Alternatives {
    let value = &ours.value;
    let one = |op: &str, text: String| vec![condition(&place.path, op, vec![text])];
    let matching = |pattern: String| vec![one("regex match", pattern)];
    let ordered = |op: &str| match number(value) {
        Some(_) => {
            let mut both = one("regex match", NUMBER.to_owned());
            both.extend(one(op, value.clone()));
            vec![both]
        }
        None => Alternatives::new(),
    };
    match ours.operator {
        Operator::Is => vec![one("is", value.clone())],
        Operator::IsNot => vec![one("is not", value.clone())],
        Operator::Contains => matching(escaped(value)),
        Operator::DoesNotContain => vec![
            vec![place.is_missing()],
            one("regex does not match", escaped(value)),
        ],
        Operator::StartsWith => matching(format!("^{}", escaped(value))),
        Operator::EndsWith => matching(format!("{}$", escaped(value))),
        Operator::Gt => ordered("greater"),
        Operator::Gte => ordered("greater or equal"),
        Operator::Lt => ordered("less"),
        Operator::Lte => ordered("less or equal"),
        Operator::IsNull => vec![vec![place.is_missing()]],
        Operator::IsNotNull => vec![vec![place.is_there()]],
    }
}

/// A regular expression that matches exactly this text.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\^$.|?*+()[]{}".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
