//! Which experiments an event counts for, as which subject.
//!
//! An event carries attribution in one of these ways, all of which are read:
//!
//! | on | properties |
//! |---|---|
//! | any event | `__experimentId`, `__variantId`, and where known `__assignmentReason`, `__cohort` |
//! | any event | `experiment_id`, `variant` |
//! | `[Experiment] Exposure` | `[Experiment] Flag Key`, `[Experiment] Variant`, maybe `[Experiment] Experiment Key` |
//!
//! How the subject came to its variant decides whether it counts as drawn at random. The two ways below the first one
//! say it as the first one does, or by the `metadata` of the variant they were given: `reason` and `cohort`.
//!
//! An experiment is named by its id or its key, a variant by its key in any case. An event of several
//! experiments carries lists of equal length: `"__experimentId": ["a", "b"], "__variantId": ["on", "off"]`;
//! the reason and the cohort are then lists of that length too, or one value for all.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::record::Attributed;
use crate::api::track::Unattributed;
use crate::domain::filter::property_text;
use crate::domain::{AssignmentMode, Experiment, Reason, Status, SubjectType};

/// The event that says nothing but that a variant was shown.
pub const EXPOSURE: &str = "[Experiment] Exposure";
/// The flag of an exposure.
pub const EXPOSURE_FLAG: &str = "[Experiment] Flag Key";
/// The variant of an exposure.
pub const EXPOSURE_VARIANT: &str = "[Experiment] Variant";
/// The experiment of an exposure.
pub const EXPOSURE_EXPERIMENT: &str = "[Experiment] Experiment Key";

/// What the metadata of a variant call a flag that decides by itself (`flagType`).
pub const RELEASE: &str = "release";

/// The experiments of one project, as attribution looks them up.
pub trait ExperimentIndex {
    /// The experiment with this id (a UUID) or key, whatever the case.
    fn by_id_or_key(&self, reference: &str) -> Option<&Experiment>;

    /// The experiment that decided the flag with this key at a time (milliseconds since 1970); where no flag is
    /// linked, an experiment's own key stands for its flag's. None for what the flag decided by itself: before an
    /// experiment is active, and once it has ended.
    fn by_flag_key(&self, flag: &str, at: i64) -> Option<&Experiment>;
}

/// The ids of an event.
pub(super) struct Ids<'a> {
    pub profile: &'a str,
    pub device: &'a str,
    pub session: &'a str,
    pub event: Uuid,
}

/// What an event says about one experiment.
#[derive(Debug, PartialEq)]
struct Claim {
    experiment: Name,
    variant: String,
    reason: String,
    cohort: u32,
}

impl Claim {
    /// Whether a list has a hole where the experiment or the variant should be.
    fn is_empty(&self) -> bool {
        self.variant.is_empty() || matches!(&self.experiment, Name::IdOrKey(name) if name.is_empty())
    }
}

#[derive(Debug, PartialEq)]
enum Name {
    IdOrKey(String),
    Flag {
        flag: String,
        experiment: Option<String>,
    },
}

/// The experiments that an event of the time `at` (milliseconds since 1970) counts for, each once. What counts for
/// none is added to `left_out`.
pub(super) fn attribute(
    name: &str,
    properties: &Map<String, Value>,
    ids: &Ids<'_>,
    at: i64,
    index: &dyn ExperimentIndex,
    left_out: &mut Unattributed,
) -> Vec<Attributed> {
    let mut found: Vec<Attributed> = Vec::new();
    // Of those in `found` and of those for which there is no subject: looked for once, however often they are named.
    let mut looked_for: HashMap<Uuid, Option<usize>> = HashMap::new();
    for claim in claims(name, properties, left_out) {
        if claim.is_empty() {
            left_out.incomplete += 1;
            continue;
        }
        let experiment = match &claim.experiment {
            Name::IdOrKey(reference) => index.by_id_or_key(reference),
            Name::Flag { flag, experiment } => experiment
                .as_deref()
                .and_then(|key| index.by_id_or_key(key))
                .or_else(|| index.by_flag_key(flag, at)),
        };
        let Some(experiment) = experiment else {
            left_out.unknown_experiment += 1;
            continue;
        };
        let Some(variant) = experiment.variant(&claim.variant) else {
            left_out.unknown_variant += 1;
            continue;
        };
        let variant = variant.key.as_str();
        match looked_for.get(&experiment.id) {
            None => {}
            Some(None) => {
                left_out.without_subject += 1;
                continue;
            }
            Some(Some(same)) => {
                // Said twice in the same words is said once.
                if found.get(*same).is_some_and(|same| same.variant != variant) {
                    left_out.contradictory += 1;
                }
                continue;
            }
        }
        let subject = subject(experiment, properties, ids);
        looked_for.insert(experiment.id, subject.is_some().then_some(found.len()));
        let Some(subject) = subject else {
            left_out.without_subject += 1;
            continue;
        };
        found.push(Attributed {
            experiment_id: experiment.id,
            variant: variant.to_owned(),
            reason: match &claim.experiment {
                Name::Flag { .. } if claim.reason.is_empty() => reason_at(experiment, at).to_owned(),
                _ => claim.reason,
            },
            cohort: claim.cohort,
            subject,
        });
    }
    found
}

/// Why a flag gave everybody the same at a time; empty while subjects were drawn. Clients that name a flag and a
/// variant alone do not say it.
fn reason_at(experiment: &Experiment, at: i64) -> &'static str {
    let since = experiment
        .status_changed_at
        .map_or(i64::MIN, |since| since.as_millisecond());
    let reason = match experiment.status {
        Status::Paused => Reason::ExperimentInactive,
        Status::Completed if experiment.winning_variant.is_some() => Reason::Winner,
        Status::Completed => Reason::ExperimentEnded,
        _ => return "",
    };
    if at >= since { reason.as_str() } else { "" }
}

fn claims(name: &str, properties: &Map<String, Value>, left_out: &mut Unattributed) -> Vec<Claim> {
    let mut claims = Vec::new();
    match (
        texts(properties, "__experimentId"),
        texts(properties, "__variantId"),
    ) {
        (ids, variants) if ids.len() == variants.len() => {
            let pairs = ids.into_iter().zip(variants).enumerate();
            claims.extend(pairs.map(|(at, (id, variant))| told(Name::IdOrKey(id), variant, properties, at)));
        }
        _ => left_out.incomplete += 1,
    }
    // These are everyday names: only where both are there they mean an experiment.
    let (ids, variants) = (texts(properties, "experiment_id"), texts(properties, "variant"));
    if ids.len() == variants.len() {
        let pairs = ids.into_iter().zip(variants).enumerate();
        claims.extend(pairs.map(|(at, (id, variant))| told(Name::IdOrKey(id), variant, properties, at)));
    } else if !ids.is_empty() && !variants.is_empty() {
        left_out.incomplete += 1;
    }
    if name == EXPOSURE && !is_of_plain_flag(properties) {
        let text = |key: &str| {
            properties
                .get(key)
                .and_then(property_text)
                .filter(|t| !t.is_empty())
        };
        match (
            text(EXPOSURE_FLAG),
            text(EXPOSURE_VARIANT),
            text(EXPOSURE_EXPERIMENT),
        ) {
            (Some(flag), Some(variant), experiment) => {
                claims.push(told(Name::Flag { flag, experiment }, variant, properties, 0));
            }
            (None, Some(variant), Some(experiment)) => {
                claims.push(told(Name::IdOrKey(experiment), variant, properties, 0));
            }
            // An exposure without a variant says that the subject left the experiment.
            (_, None, _) => {}
            (None, Some(_), None) => left_out.incomplete += 1,
        }
    }
    claims
}

/// Whether the metadata of the variant say that a flag gave it by itself, and no experiment.
fn is_of_plain_flag(properties: &Map<String, Value>) -> bool {
    let metadata = properties.get("metadata").and_then(Value::as_object);
    let kind = metadata.and_then(|metadata| metadata.get("flagType"));
    kind.is_some_and(|kind| kind == RELEASE) && !properties.contains_key(EXPOSURE_EXPERIMENT)
}

/// A claim with what the event says of its assignment: entry `at` where it is said in lists.
fn told(experiment: Name, variant: String, properties: &Map<String, Value>, at: usize) -> Claim {
    let metadata = properties.get("metadata").and_then(Value::as_object);
    let said = |ours: &str, theirs: &str| match nth(properties, ours, at) {
        Said::Nothing => match metadata.map(|metadata| nth(metadata, theirs, at)) {
            Some(Said::Text(text)) => Some(text),
            _ => None,
        },
        Said::Text(text) => Some(text),
        Said::TooFew => None,
    };
    let reason = said("__assignmentReason", "reason").filter(|r| is_reason(r));
    let cohort = said("__cohort", "cohort").and_then(|c| c.parse().ok());
    Claim {
        experiment,
        variant,
        reason: reason.unwrap_or_default(),
        cohort: cohort.unwrap_or_default(),
    }
}

/// The texts of a property that holds one value or a list. In a list null is an empty text, so that the
/// others keep their places; outside of one null and the empty text are none.
fn texts(properties: &Map<String, Value>, key: &str) -> Vec<String> {
    match properties.get(key) {
        None => Vec::new(),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| property_text(value).unwrap_or_default())
            .collect(),
        Some(value) => property_text(value)
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect(),
    }
}

/// What a property says of one claim of several.
enum Said {
    /// The property is not there, or is empty.
    Nothing,
    /// A text; one that stands for all, or the claim's own in a list.
    Text(String),
    /// It is a list that ends before.
    TooFew,
}

/// The entry at `at` of what [`texts`] gives, without reading the others: there may be as many claims as entries.
fn nth(properties: &Map<String, Value>, key: &str, at: usize) -> Said {
    match properties.get(key) {
        Some(Value::Array(several)) => {
            let one = if let [one] = several.as_slice() {
                Some(one)
            } else {
                several.get(at)
            };
            match one {
                Some(value) => Said::Text(property_text(value).unwrap_or_default()),
                None if several.is_empty() => Said::Nothing,
                None => Said::TooFew,
            }
        }
        Some(value) => match property_text(value).filter(|text| !text.is_empty()) {
            Some(text) => Said::Text(text),
            None => Said::Nothing,
        },
        None => Said::Nothing,
    }
}

fn is_reason(text: &str) -> bool {
    serde_json::from_value::<Reason>(Value::from(text)).is_ok()
}

/// What `experiment` counts of this event; none where the event has no id of that kind.
fn subject(experiment: &Experiment, properties: &Map<String, Value>, ids: &Ids<'_>) -> Option<String> {
    let given = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    match (&experiment.subject_type, experiment.assignment_mode) {
        (SubjectType::Any, AssignmentMode::Profile) => given(ids.profile).or_else(|| given(ids.device)),
        (SubjectType::Any, AssignmentMode::Session) => given(ids.session),
        (SubjectType::Any, AssignmentMode::Event) => Some(ids.event.to_string()),
        (SubjectType::Named(name), _) => match name.as_str() {
            "user_id" | "userId" | "profile_id" | "profileId" => given(ids.profile),
            "device_id" | "deviceId" => given(ids.device),
            "session_id" | "sessionId" => given(ids.session),
            "event_id" | "eventId" => Some(ids.event.to_string()),
            name => {
                let bare = name.strip_prefix("properties.");
                let value = properties
                    .get(name)
                    .or_else(|| bare.and_then(|bare| properties.get(bare)));
                value.and_then(id_text)
            }
        },
        (SubjectType::Group(kind), _) => {
            let groups = properties.get("groups").or_else(|| properties.get("$groups"));
            let value = groups
                .and_then(|groups| groups.get(kind))
                .or_else(|| properties.get(kind));
            match value {
                Some(Value::Array(several)) => several.iter().find_map(id_text),
                Some(one) => id_text(one),
                None => None,
            }
        }
    }
}

/// Texts and numbers are ids; other JSON is not, as in a decision.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(_) | Value::Number(_) => property_text(value).filter(|text| !text.is_empty()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Two(Vec<Experiment>);

    impl ExperimentIndex for Two {
        fn by_id_or_key(&self, reference: &str) -> Option<&Experiment> {
            let named = |e: &&Experiment| {
                e.key.as_str().eq_ignore_ascii_case(reference) || e.id.to_string() == reference
            };
            self.0.iter().find(named)
        }

        fn by_flag_key(&self, flag: &str, _at: i64) -> Option<&Experiment> {
            self.0
                .iter()
                .find(|e| e.linked_flag.as_ref().unwrap_or(&e.key).as_str() == flag)
        }
    }

    fn experiment(n: u128, key: &str, mode: &str, subject: &str, flag: Option<&str>) -> Experiment {
        serde_json::from_value(json!({
            "id": Uuid::from_u128(n), "key": key, "name": key, "assignmentMode": mode, "subjectType": subject,
            "status": "active", "linkedFlag": flag,
            "variants": [{"key": "control", "isControl": true}, {"key": "Treatment", "orderIndex": 1}],
            "defaultVariantId": "control", "salt": key, "resourceVersion": 1,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("an experiment")
    }

    fn index() -> Two {
        Two(vec![
            experiment(1, "one", "profile", "ANY", Some("flag-one")),
            experiment(2, "two", "session", "ANY", None),
        ])
    }

    const IDS: Ids<'static> = Ids {
        profile: "p",
        device: "d",
        session: "s",
        event: Uuid::from_u128(9),
    };

    /// (experiment, variant, reason, cohort, subject)
    type Row = (u128, String, String, u32, String);

    fn read(name: &str, properties: Value) -> (Vec<Row>, Unattributed) {
        let mut left_out = Unattributed::default();
        let Value::Object(properties) = properties else {
            panic!("an object");
        };
        let found = attribute(name, &properties, &IDS, 0, &index(), &mut left_out);
        let row = |a: Attributed| {
            (
                a.experiment_id.as_u128(),
                a.variant,
                a.reason,
                a.cohort,
                a.subject,
            )
        };
        (found.into_iter().map(row).collect(), left_out)
    }

    fn row(id: u128, variant: &str, reason: &str, cohort: u32, subject: &str) -> Row {
        (id, variant.into(), reason.into(), cohort, subject.into())
    }

    #[test]
    fn long_lists_are_read_once() {
        // A thousand million entries would be read if each claim read the lists anew.
        let many = 40_000;
        let list = |text: &str| Value::from(vec![text; many]);
        let nobody = Value::from(vec![Value::Null; many]);
        let experiment = experiment(3, "grouped", "profile", "group:org", None);
        let index = Two(vec![experiment]);
        let Value::Object(properties) = json!({
            "__experimentId": list("grouped"), "__variantId": list("control"), "__assignmentReason": list("allocation"),
            "__cohort": list("2"), "groups": {"org": nobody},
        }) else {
            panic!("an object");
        };
        let mut left_out = Unattributed::default();
        assert_eq!(attribute("buy", &properties, &IDS, 0, &index, &mut left_out), []);
        assert_eq!(left_out.without_subject, many as u64);
    }

    #[test]
    fn a_flag_and_a_variant_alone_are_a_draw_only_while_subjects_are_drawn() {
        let mut one = experiment(1, "one", "profile", "ANY", Some("flag-one"));
        one.status_changed_at = Some("2026-06-01T00:00:00Z".parse().expect("a time"));
        let changed = one.status_changed_at.expect("set").as_millisecond();
        let mut said = |status, reason: Option<&str>, at| {
            one.status = status;
            let mut properties = Map::new();
            properties.insert(EXPOSURE_FLAG.to_owned(), "flag-one".into());
            properties.insert(EXPOSURE_VARIANT.to_owned(), "treatment".into());
            if let Some(reason) = reason {
                properties.insert("metadata".to_owned(), json!({ "reason": reason }));
            }
            let index = Two(vec![one.clone()]);
            let mut left_out = Unattributed::default();
            attribute(EXPOSURE, &properties, &IDS, at, &index, &mut left_out)
                .remove(0)
                .reason
        };
        for (status, reason, at, expected) in [
            (Status::Active, None, changed, ""),
            (Status::Paused, None, changed, "experiment_inactive"),
            (Status::Completed, None, changed, "experiment_ended"),
            // Shown before, told later.
            (Status::Completed, None, changed - 1, ""),
            (Status::Completed, Some("allocation"), changed, "allocation"),
        ] {
            assert_eq!(said(status, reason, at), expected, "{status} {reason:?} {at}");
        }
    }

    #[test]
    fn what_a_flag_gives_by_itself_counts_for_no_experiment() {
        let exposure = |metadata: Value| {
            read(
                EXPOSURE,
                json!({ EXPOSURE_FLAG: "flag-one", EXPOSURE_VARIANT: "control", "metadata": metadata }),
            )
        };
        assert_eq!(
            exposure(json!({ "flagType": "release" })),
            (vec![], Unattributed::default())
        );
        assert_eq!(exposure(json!({ "flagType": "experiment" })).0.len(), 1);
    }

    #[test]
    fn each_way_of_saying_it() {
        let id = Uuid::from_u128(1);
        for (name, properties, expected) in [
            (
                "buy",
                json!({"__experimentId": id, "__variantId": "treatment", "__assignmentReason": "allocation", "__cohort": 3}),
                vec![row(1, "Treatment", "allocation", 3, "p")],
            ),
            (
                "buy",
                json!({"experiment_id": "TWO", "variant": "CONTROL"}),
                vec![row(2, "control", "", 0, "s")],
            ),
            (
                EXPOSURE,
                json!({EXPOSURE_FLAG: "flag-one", EXPOSURE_VARIANT: "control"}),
                vec![row(1, "control", "", 0, "p")],
            ),
            (
                EXPOSURE,
                json!({EXPOSURE_FLAG: "flag-one", EXPOSURE_EXPERIMENT: "two", EXPOSURE_VARIANT: "control"}),
                vec![row(2, "control", "", 0, "s")],
            ),
            (
                EXPOSURE,
                json!({EXPOSURE_FLAG: "two", EXPOSURE_VARIANT: "treatment"}),
                vec![row(2, "Treatment", "", 0, "s")],
            ),
            (EXPOSURE, json!({EXPOSURE_FLAG: "two"}), vec![]),
            (
                "buy",
                json!({EXPOSURE_FLAG: "two", EXPOSURE_VARIANT: "treatment"}),
                vec![],
            ),
            ("buy", json!({"variant": "red", "plan": "pro"}), vec![]),
            ("buy", json!({"experiment_id": 7}), vec![]),
            (
                "buy",
                json!({"__experimentId": ["one", "two"], "__variantId": ["control", "treatment"],
                       "__assignmentReason": ["rule", "holdout"], "__cohort": "4"}),
                vec![
                    row(1, "control", "rule", 4, "p"),
                    row(2, "Treatment", "holdout", 4, "s"),
                ],
            ),
            (
                EXPOSURE,
                json!({EXPOSURE_FLAG: "flag-one", EXPOSURE_VARIANT: "control", "__experimentId": "one",
                       "__variantId": "CONTROL", "__assignmentReason": "sticky"}),
                vec![row(1, "control", "sticky", 0, "p")],
            ),
        ] {
            let (found, left_out) = read(name, properties.clone());
            assert_eq!(found, expected, "{name} {properties}");
            assert!(left_out.is_none(), "{name} {properties}: {left_out:?}");
        }
    }

    #[test]
    fn what_counts_for_none_is_counted_by_cause() {
        let none = Unattributed::default();
        for (properties, expected) in [
            (
                json!({"__experimentId": "gone", "__variantId": "control"}),
                Unattributed {
                    unknown_experiment: 1,
                    ..none
                },
            ),
            (
                json!({"__experimentId": "one", "__variantId": "purple"}),
                Unattributed {
                    unknown_variant: 1,
                    ..none
                },
            ),
            (
                json!({"__experimentId": "one"}),
                Unattributed {
                    incomplete: 1,
                    ..none
                },
            ),
            (
                json!({"__experimentId": ["one", "two"], "__variantId": "control"}),
                Unattributed {
                    incomplete: 1,
                    ..none
                },
            ),
            (
                json!({"experiment_id": ["one", "two"], "variant": "control"}),
                Unattributed {
                    incomplete: 1,
                    ..none
                },
            ),
        ] {
            let (found, left_out) = read("buy", properties.clone());
            assert_eq!(found, [], "{properties}");
            assert_eq!(left_out, expected, "{properties}");
        }
        let holes = json!({"__experimentId": ["one", null, "two"], "__variantId": ["control", "control", ""],
                           "__assignmentReason": [null, "rule", "sticky"]});
        let (found, left_out) = read("buy", holes);
        assert_eq!(found, [row(1, "control", "", 0, "p")]);
        assert_eq!(
            left_out,
            Unattributed {
                incomplete: 2,
                ..none
            }
        );
        let both = json!({"__experimentId": "one", "__variantId": "control", "experiment_id": "one", "variant": "treatment"});
        let (found, left_out) = read("buy", both);
        assert_eq!(found, [row(1, "control", "", 0, "p")]);
        assert_eq!(left_out.contradictory, 1);
    }

    #[test]
    fn an_unknown_reason_is_no_reason() {
        let properties = json!({"__experimentId": "one", "__variantId": "control",
                                "__assignmentReason": "because", "__cohort": "first"});
        assert_eq!(read("buy", properties).0, [row(1, "control", "", 0, "p")]);
    }

    #[test]
    fn the_subject_is_the_id_of_the_experiments_kind() {
        let properties = json!({
            "customer_id": 17, "plan": "pro", "void": "", "flag": true,
            "groups": {"org": ["", "acme"], "team": "red"}, "shop": "s-1",
        });
        let Value::Object(properties) = properties else {
            panic!("an object");
        };
        let anonymous = Ids { profile: "", ..IDS };
        let nobody = Ids {
            profile: "",
            device: "",
            session: "",
            ..IDS
        };
        let event = IDS.event.to_string();
        for (mode, kind, ids, expected) in [
            ("profile", "ANY", &IDS, Some("p")),
            ("profile", "ANY", &anonymous, Some("d")),
            ("profile", "ANY", &nobody, None),
            ("session", "ANY", &IDS, Some("s")),
            ("session", "ANY", &nobody, None),
            ("event", "ANY", &nobody, Some(event.as_str())),
            ("profile", "customer_id", &nobody, Some("17")),
            ("profile", "properties.plan", &nobody, Some("pro")),
            ("profile", "void", &IDS, None),
            ("profile", "flag", &IDS, None),
            ("profile", "none", &IDS, None),
            ("profile", "user_id", &IDS, Some("p")),
            ("profile", "user_id", &anonymous, None),
            ("session", "device_id", &IDS, Some("d")),
            ("profile", "group:org", &nobody, Some("acme")),
            ("event", "group:team", &nobody, Some("red")),
            ("profile", "group:shop", &nobody, Some("s-1")),
            ("profile", "group:none", &IDS, None),
        ] {
            let experiment = experiment(1, "one", mode, kind, None);
            let found = subject(&experiment, &properties, ids);
            assert_eq!(found.as_deref(), expected, "{mode} {kind}");
        }
    }

    #[test]
    fn an_event_without_the_subject_is_left_out() {
        let mut left_out = Unattributed::default();
        let ids = Ids { session: "", ..IDS };
        let Value::Object(properties) = json!({"__experimentId": "two", "__variantId": "control"}) else {
            panic!("an object");
        };
        let found = attribute("buy", &properties, &ids, 0, &index(), &mut left_out);
        assert!(found.is_empty());
        assert_eq!(left_out.without_subject, 1);
    }
}
