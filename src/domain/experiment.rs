//! Experiments: the object everything else is about.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::checks;
use super::{Cohort, FieldError, Key, Metric, Percent, Rule, SecondaryEvent, Status, Variant};

/// The largest holdout, in percent.
pub const MAX_HOLDOUT_PCT: f64 = 25.0;
/// The most tracked events.
pub const MAX_TRACKED_EVENTS: usize = 5;
/// The most links.
pub const MAX_LINKS: usize = 50;
/// The longest URL of a link, in characters.
pub const MAX_URL_LENGTH: usize = 2_000;
/// The fewest variants of an experiment.
pub const MIN_VARIANTS: usize = 2;
/// The most variants, unless the server is configured otherwise.
pub const DEFAULT_MAX_VARIANTS: usize = 4;
/// The lab of an experiment that names none.
pub const DEFAULT_LAB: &str = "DEFAULT";

/// What is assigned: a person, a visit, or each event anew. Fixed at creation.
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentMode {
    /// Sticky for a person, across visits.
    #[default]
    Profile,
    /// Sticky for a visit.
    Session,
    /// Each event is drawn anew.
    Event,
}

impl AssignmentMode {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Session => "session",
            Self::Event => "event",
        }
    }
}

/// Which id is bucketed and counted.
#[derive(Debug, Clone, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SubjectType {
    /// Any non-empty id of the mode (`ANY`): in profile mode the user id, else the device id.
    #[default]
    Any,
    /// A named id, such as `customer_id`: a property of the user and of events.
    Named(String),
    /// A group of this type (`group:<type>`).
    Group(String),
}

impl From<String> for SubjectType {
    fn from(text: String) -> Self {
        if text.is_empty() || text.eq_ignore_ascii_case("ANY") {
            Self::Any
        } else if let Some(group) = text.strip_prefix("group:") {
            Self::Group(group.to_owned())
        } else {
            Self::Named(text)
        }
    }
}

impl SubjectType {
    /// What is allowed, where this is the name of nothing that a subject can have.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let name = match self {
            Self::Any => return None,
            Self::Named(name) | Self::Group(name) => name,
        };
        let almost = |name: &str| {
            name.get(..6)
                .is_some_and(|head| head.eq_ignore_ascii_case("group:"))
        };
        let unnamed = name.is_empty() || name.trim() != name || name.chars().any(char::is_control);
        let long = name.chars().count() > checks::MAX_EVENT_LENGTH;
        (unnamed || long || almost(name)).then(|| {
            format!(
                "ANY, the name of an id such as customer_id, or group:<type>; at most {} characters, no blanks \
                 around it",
                checks::MAX_EVENT_LENGTH
            )
        })
    }
}

impl utoipa::PartialSchema for SubjectType {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
        let says = "`ANY`, the name of an id such as `customer_id`, or `group:<type>`";
        text.description(Some(says)).into()
    }
}

impl ToSchema for SubjectType {}

impl From<SubjectType> for String {
    fn from(subject: SubjectType) -> Self {
        subject.to_string()
    }
}

impl fmt::Display for SubjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("ANY"),
            Self::Named(name) => f.write_str(name),
            Self::Group(kind) => write!(f, "group:{kind}"),
        }
    }
}

/// Why an experiment was ended.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedReason {
    /// It reached its aim.
    Success,
    /// Something technical went wrong.
    TechIssue,
    /// Nobody needs the answer any more.
    NoLongerNeeded,
    /// It ran well and showed nothing.
    NoStatSig,
    /// Anything else.
    Other,
}

/// Who paused an experiment.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// A person.
    Person,
    /// The guard, for a sample ratio mismatch.
    SrmGuard,
}

/// The Beta(a, b) prior of every arm's rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prior {
    /// Conversions believed in beforehand; positive.
    pub a: f64,
    /// Non-conversions believed in beforehand; positive.
    pub b: f64,
}

impl Prior {
    /// The smallest and the largest shape that can be computed with: below it a rate without data lies at
    /// 10⁻³⁰⁰, above it data no longer count.
    pub const SHAPES: (f64, f64) = (0.01, 1e9);
}

impl Default for Prior {
    /// Beta(1, 1): every rate is as likely as any other.
    fn default() -> Self {
        Self { a: 1.0, b: 1.0 }
    }
}

/// An experiment with everything that is configured about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Experiment {
    /// Never changes; what `POST /experiments/assign` and `__experimentId` carry.
    pub id: Uuid,
    /// Slug, unique in the project.
    pub key: Key,
    /// The name that people read.
    pub name: String,
    /// What the experiment changes.
    #[serde(default)]
    pub description: String,
    /// What is expected and why.
    #[serde(default)]
    pub hypothesis: String,
    /// Label → URL.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// What is assigned; fixed at creation.
    pub assignment_mode: AssignmentMode,
    /// Which id is bucketed and counted.
    #[serde(default)]
    pub subject_type: SubjectType,
    /// Where it stands in its life.
    pub status: Status,
    /// Who paused it, while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<PauseCause>,
    /// When it was resumed knowing that the sample ratio test still fails: the guard looks at subjects first
    /// exposed since then only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srm_checked_from: Option<Timestamp>,
    /// The arms, sorted by `orderIndex`.
    pub variants: Vec<Variant>,
    /// Key of the variant served when nothing else decides.
    pub default_variant_id: Key,
    /// A fixed share that always sees control.
    #[serde(default)]
    pub holdout_pct: Percent,
    /// One entry for each split there was while active; the last one holds.
    #[serde(default)]
    pub cohorts: Vec<Cohort>,
    /// Whether a subject keeps its first variant even when the split changes.
    #[serde(default)]
    pub sticky: bool,
    /// What counts as a conversion.
    #[serde(default)]
    pub primary_metric: Option<Metric>,
    /// The first step of a two-step conversion.
    #[serde(default)]
    pub secondary_event: Option<SecondaryEvent>,
    /// Events that are watched beside the conversion, at most [`MAX_TRACKED_EVENTS`].
    #[serde(default)]
    pub tracked_events: Vec<Metric>,
    /// Who gets which variant by their properties.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Key of the flag that code asks for.
    #[serde(default)]
    pub linked_flag: Option<Key>,
    /// The deployments that see it; tokens see it always.
    #[serde(default)]
    pub deployments: Vec<Uuid>,
    /// The lab it belongs to: its key, or [`DEFAULT_LAB`].
    #[serde(default = "default_lab")]
    pub parent_id: String,
    /// Key of the variant that won, once one has been declared.
    #[serde(default)]
    pub winning_variant: Option<Key>,
    /// Why it was ended.
    #[serde(default)]
    pub ended_reason: Option<EndedReason>,
    /// What is hashed before the subject's id; fixed at creation.
    pub salt: String,
    /// The prior of the results.
    #[serde(default)]
    pub prior: Prior,
    /// +1 at every change.
    pub resource_version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was first activated.
    #[serde(default)]
    pub activated_at: Option<Timestamp>,
    /// When it last changed its status.
    #[serde(default)]
    pub status_changed_at: Option<Timestamp>,
}

fn default_lab() -> String {
    DEFAULT_LAB.to_owned()
}

impl Experiment {
    /// The variant with this key, whatever its case.
    #[must_use]
    pub fn variant(&self, key: &str) -> Option<&Variant> {
        self.variants
            .iter()
            .find(|v| v.key.as_str().eq_ignore_ascii_case(key))
    }

    /// The control. Every checked experiment has exactly one.
    #[must_use]
    pub fn control(&self) -> Option<&Variant> {
        self.variants.iter().find(|v| v.is_control)
    }

    /// The split that holds now; none before the first activation.
    #[must_use]
    pub fn current_cohort(&self) -> Option<&Cohort> {
        self.cohorts.last()
    }

    /// The text that is hashed for the holdout: `<flagKey>:holdout`, with the experiment's own key
    /// where no flag is linked.
    #[must_use]
    pub fn holdout_salt(&self) -> String {
        format!("{}:holdout", self.linked_flag.as_ref().unwrap_or(&self.key))
    }

    /// Whether the guard paused it.
    #[must_use]
    pub fn is_auto_paused(&self) -> bool {
        self.status == Status::Paused && self.paused_by == Some(PauseCause::SrmGuard)
    }

    /// Checks all that the fields say together; single fields are checked by their types.
    ///
    /// # Errors
    /// Every refusal at once, each naming its field.
    pub fn check(&self, max_variants: usize) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if self.name.trim().is_empty() {
            errors.push(FieldError::new("name", &self.name, "a text that is not empty"));
        }
        checks::name("name", &self.name, &mut errors);
        checks::text("description", &self.description, &mut errors);
        checks::text("hypothesis", &self.hypothesis, &mut errors);
        self.check_links(&mut errors);
        if let Some(why) = self.subject_type.refusal() {
            errors.push(FieldError::new("subjectType", &self.subject_type, why));
        }
        self.check_variants(max_variants, &mut errors);
        if self.holdout_pct.percent() > MAX_HOLDOUT_PCT {
            errors.push(FieldError::new(
                "holdoutPct",
                self.holdout_pct,
                format!("0 to {MAX_HOLDOUT_PCT}"),
            ));
        }
        self.check_metrics(&mut errors);
        checks::rules(&self.rules, &self.variants, &mut errors);
        if let Some(winner) = &self.winning_variant
            && self.variant(winner.as_str()).is_none()
        {
            errors.push(checks::no_variant(
                "winningVariant",
                winner,
                self.variants.iter().map(|v| &v.key),
            ));
        }
        let Prior { a, b } = self.prior;
        for (field, value) in [("prior.a", a), ("prior.b", b)] {
            let (least, most) = Prior::SHAPES;
            if !(least..=most).contains(&value) {
                errors.push(FieldError::new(field, value, format!("{least} to {most}")));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn check_links(&self, errors: &mut Vec<FieldError>) {
        if self.links.len() > MAX_LINKS {
            let allowed = format!("at most {MAX_LINKS} links");
            errors.push(FieldError::new(
                "links",
                format!("{} links", self.links.len()),
                allowed,
            ));
        }
        for (label, url) in &self.links {
            let field = format!("links.{label}");
            if label.trim().is_empty() {
                errors.push(FieldError::new(&field, label, "a label that is not empty"));
            }
            checks::name(&field, label, errors);
            let host = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"));
            let named = host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
            let long = url.chars().count() > MAX_URL_LENGTH;
            if !named || long || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let allowed = format!(
                    "a URL that begins with https:// or http:// and a host, at most {MAX_URL_LENGTH} characters"
                );
                errors.push(FieldError::new(field, url, allowed));
            }
        }
    }

    fn check_variants(&self, max_variants: usize, errors: &mut Vec<FieldError>) {
        let count = self.variants.len();
        if !(MIN_VARIANTS..=max_variants).contains(&count) {
            errors.push(FieldError::new(
                "variants",
                format!("{count} variants"),
                format!("{MIN_VARIANTS} to {max_variants} variants"),
            ));
        }
        if count == 0 {
            return;
        }
        checks::variants(&self.variants, errors);
        let controls = self.variants.iter().filter(|v| v.is_control).count();
        if controls != 1 {
            errors.push(FieldError::new(
                "variants",
                format!("{controls} controls"),
                "exactly one variant with isControl",
            ));
        }
        let total: u32 = self.variants.iter().map(|v| v.traffic_pct.basis_points()).sum();
        if total > 10_000 {
            errors.push(FieldError::new(
                "variants",
                format!("trafficPct adding up to {:.2}", f64::from(total) / 100.0),
                "a sum of at most 100",
            ));
        }
        if self.variant(self.default_variant_id.as_str()).is_none() {
            let default = &self.default_variant_id;
            errors.push(checks::no_variant(
                "defaultVariantId",
                default,
                self.variants.iter().map(|v| &v.key),
            ));
        }
    }

    fn check_metrics(&self, errors: &mut Vec<FieldError>) {
        if self.tracked_events.len() > MAX_TRACKED_EVENTS {
            errors.push(FieldError::new(
                "trackedEvents",
                format!("{} events", self.tracked_events.len()),
                format!("at most {MAX_TRACKED_EVENTS}"),
            ));
        }
        let secondary = self
            .secondary_event
            .as_ref()
            .map(|s| ("secondaryEvent".to_owned(), &s.metric));
        let primary = self
            .primary_metric
            .as_ref()
            .map(|m| ("primaryMetric".to_owned(), m));
        let tracked = self.tracked_events.iter().enumerate();
        let tracked = tracked.map(|(at, m)| (format!("trackedEvents[{at}]"), m));
        for (path, metric) in primary.into_iter().chain(secondary).chain(tracked) {
            checks::event(format!("{path}.event"), &metric.event, errors);
            checks::filters(&format!("{path}.filters"), &metric.filters, errors);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Condition, Filter, Operator};

    #[test]
    fn conditions_and_filters_have_a_number_and_a_length() {
        let refused = |change: &dyn Fn(&mut Experiment)| {
            let mut one = experiment();
            change(&mut one);
            let errors = one.check(4).err().unwrap_or_default();
            errors.into_iter().map(|e| e.field).collect::<Vec<_>>()
        };
        let filter = |field: &str, value: &str| Filter {
            field: field.to_owned(),
            operator: Operator::Is,
            value: value.to_owned(),
        };
        let measured = |filters: Vec<Filter>| {
            refused(&|e| {
                e.primary_metric = Some(Metric {
                    event: "buy".to_owned(),
                    filters: filters.clone(),
                });
            })
        };
        assert_eq!(measured(vec![filter("a", "x"); checks::MAX_FILTERS]), [""; 0]);
        let many = vec![filter("a", "x"); checks::MAX_FILTERS + 1];
        assert_eq!(measured(many), ["primaryMetric.filters"]);
        let long = "x".repeat(checks::MAX_VALUE_LENGTH + 1);
        assert_eq!(
            measured(vec![filter("a", &long)]),
            ["primaryMetric.filters[0].value"]
        );
        let name = "x".repeat(checks::MAX_EVENT_LENGTH + 1);
        assert_eq!(
            measured(vec![filter(&name, "x")]),
            ["primaryMetric.filters[0].field"]
        );
        let condition: Condition = serde_json::from_value(
            serde_json::json!({"scope": "profile", "field": "a", "operator": "is", "value": "x"}),
        )
        .expect("a condition");
        let ruled = |conditions: usize| {
            let rule = serde_json::json!({"variant": "control", "conditions": vec![&condition; conditions]});
            refused(&|e| e.rules = vec![serde_json::from_value(rule.clone()).expect("a rule")])
        };
        assert_eq!(ruled(checks::MAX_CONDITIONS), [""; 0]);
        assert_eq!(ruled(checks::MAX_CONDITIONS + 1), ["rules[0].conditions"]);
    }

    fn experiment() -> Experiment {
        serde_json::from_value(serde_json::json!({
            "id": Uuid::nil(), "key": "exp", "name": "Exp", "assignmentMode": "profile", "status": "draft",
            "variants": [
                {"key": "control", "isControl": true, "trafficPct": 50},
                {"key": "treatment", "trafficPct": 33.33, "orderIndex": 1},
            ],
            "defaultVariantId": "control", "salt": "exp", "resourceVersion": 1,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("reads")
    }

    fn fields(experiment: &Experiment) -> Vec<String> {
        let errors = experiment.check(DEFAULT_MAX_VARIANTS).expect_err("refused");
        errors.into_iter().map(|e| e.field).collect()
    }

    #[test]
    fn a_sound_experiment_passes_and_survives_the_wire() {
        let experiment = experiment();
        experiment.check(DEFAULT_MAX_VARIANTS).expect("passes");
        let json = serde_json::to_string(&experiment).expect("writes");
        assert_eq!(
            serde_json::from_str::<Experiment>(&json).expect("reads"),
            experiment
        );
    }

    #[test]
    fn each_refusal_names_its_field() {
        type Spoil = fn(&mut Experiment);
        let cases: [(&str, Spoil); 25] = [
            ("name", |e| e.name = " ".into()),
            ("links.doc", |e| {
                e.links.insert("doc".into(), "javascript:alert(1)".into());
            }),
            ("variants", |e| e.variants[1].is_control = true),
            ("variants", |e| e.variants[0].is_control = false),
            ("variants", |e| e.variants[1].traffic_pct = Percent::HUNDRED),
            ("variants[1].key", |e| {
                e.variants[1].key = Key::new("CONTROL").expect("a key")
            }),
            ("defaultVariantId", |e| {
                e.default_variant_id = Key::new("x").expect("a key")
            }),
            ("holdoutPct", |e| {
                e.holdout_pct = Percent::new(25.01).expect("a share")
            }),
            ("trackedEvents", |e| {
                e.tracked_events = vec![Metric::event("a"); 6]
            }),
            ("primaryMetric.event", |e| {
                e.primary_metric = Some(Metric::event(""))
            }),
            ("winningVariant", |e| e.winning_variant = Key::new("x").ok()),
            ("prior.a", |e| e.prior.a = 0.0),
            ("prior.b", |e| e.prior.b = f64::NAN),
            ("name", |e| e.name = "x".repeat(201)),
            ("name", |e| e.name = "two\nlines".into()),
            ("description", |e| e.description = "é".repeat(20_001)),
            ("hypothesis", |e| e.hypothesis = "x".repeat(20_001)),
            ("variants[1].name", |e| e.variants[1].name = "x".repeat(201)),
            ("links.", |e| {
                e.links.insert(String::new(), "https://example.org".into());
            }),
            ("links.doc", |e| {
                e.links.insert("doc".into(), "https://".into());
            }),
            ("links", |e| {
                let links = (0..51).map(|n| (n.to_string(), "https://example.org".to_owned()));
                e.links = links.collect();
            }),
            ("subjectType", |e| {
                e.subject_type = SubjectType::Group(String::new())
            }),
            ("subjectType", |e| {
                e.subject_type = SubjectType::Named("  ".into())
            }),
            ("subjectType", |e| {
                e.subject_type = SubjectType::Named("GROUP:org".into())
            }),
            ("primaryMetric.event", |e| {
                e.primary_metric = Some(Metric::event("x".repeat(257)))
            }),
        ];
        for (field, spoil) in cases {
            let mut experiment = experiment();
            spoil(&mut experiment);
            assert!(fields(&experiment).contains(&field.to_owned()), "{field}");
        }
    }

    #[test]
    fn the_number_of_variants_is_limited() {
        let mut experiment = experiment();
        for n in 2..5 {
            let mut variant = experiment.variants[1].clone();
            variant.key = Key::new(format!("v{n}")).expect("a key");
            variant.traffic_pct = Percent::ZERO;
            experiment.variants.push(variant);
        }
        assert_eq!(fields(&experiment), ["variants"]);
        experiment.check(5).expect("a higher limit takes it");
    }

    #[test]
    fn subject_types_read_and_write() {
        for text in ["ANY", "customer_id", "group:org"] {
            assert_eq!(SubjectType::from(text.to_owned()).to_string(), text);
        }
        assert_eq!(SubjectType::from("any".to_owned()), SubjectType::Any);
    }
}
