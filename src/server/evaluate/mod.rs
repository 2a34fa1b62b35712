//! Flags and experiments as SDKs ask for them: by key, or all at once.
//!
//! | file | what it does |
//! |---|---|
//! | `export` | one of them in the form that SDKs evaluate by themselves |
//! | `assigned` | the events that say what was served |

pub mod assigned;
pub mod export;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::{amplitude, ofrep};
use crate::domain::{Assignment, User};

use super::middleware::auth::Caller;
use super::served::Served;
use super::snapshot::Snapshot;
use super::sticky::Sticky;

/// What one caller can ask for.
#[derive(Debug, Clone, Copy)]
pub struct Evaluator<'a> {
    snapshot: &'a Snapshot,
    project: Uuid,
    deployment: Option<Uuid>,
}

/// A flag or an experiment, decided for one user.
#[derive(Debug, Clone)]
pub struct Evaluated<'a> {
    /// What decided.
    pub served: Served<'a>,
    /// The decision.
    pub assignment: Assignment,
}

impl<'a> Evaluator<'a> {
    /// For a caller: what its deployment sees, or with a token all of the project.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, caller: &Caller) -> Self {
        Self {
            snapshot,
            project: caller.project.id,
            deployment: caller.deployment,
        }
    }

    /// What decides `key`, whatever its case.
    #[must_use]
    pub fn find(self, key: &str) -> Option<Served<'a>> {
        self.snapshot.keys().find(self.project, self.deployment, key)
    }

    /// Everything that the caller sees, sorted by key.
    #[must_use]
    pub fn all(self) -> Vec<Served<'a>> {
        self.snapshot.keys().all(self.project, self.deployment)
    }
}

impl<'a> Evaluated<'a> {
    /// Decides; a first variant that is to stay is remembered.
    #[must_use]
    pub fn new(sticky: &Sticky, served: Served<'a>, user: &User) -> Self {
        Self {
            served,
            assignment: sticky.decide(served.prepared(), served.overrides(), user),
        }
    }

    /// The key that code asks for.
    #[must_use]
    pub fn key(&self) -> &'a str {
        self.served.key().as_str()
    }

    /// Whether the subject was assigned nothing: the variant is what there is for everybody else.
    #[must_use]
    pub fn is_default(&self) -> bool {
        export::is_default(self.assignment.reason)
    }

    /// What decided, as SDKs name the steps.
    #[must_use]
    pub fn segment(&self) -> String {
        match self.assignment.rule_id {
            Some(rule) => format!("rule {rule}"),
            None => self.assignment.reason.as_str().to_owned(),
        }
    }

    /// The value that code gets, of the same kind for all variants (see [`crate::domain::value`]).
    #[must_use]
    pub fn value(&self) -> Value {
        let Assignment {
            payload, variant_id, ..
        } = &self.assignment;
        match self.served {
            Served::Flag(entry) => entry.flag.value(variant_id, payload),
            Served::Experiment(entry) => entry.experiment.value_kind().value(variant_id, payload),
        }
    }

    /// The answer to an OpenFeature client.
    #[must_use]
    pub fn to_ofrep(&self) -> ofrep::Evaluation {
        ofrep::Evaluation {
            key: self.key().to_owned(),
            value: self.value(),
            variant: self.assignment.variant_id.clone(),
            reason: self.assignment.reason.into(),
            metadata: self.open_metadata(),
        }
    }

    /// Attribution, for an experiment; our reason; the rule that matched.
    fn open_metadata(&self) -> BTreeMap<String, Value> {
        let Assignment {
            reason,
            rule_id,
            attribution,
            ..
        } = &self.assignment;
        let mut metadata = BTreeMap::new();
        // Numbers, texts and booleans only: clients leave out anything else.
        if self.served.experiment().is_some()
            && let Ok(Value::Object(fields)) = serde_json::to_value(attribution)
        {
            metadata.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        metadata.insert("assignmentReason".to_owned(), reason.as_str().into());
        if let Some(rule) = rule_id {
            metadata.insert("ruleId".to_owned(), rule.to_string().into());
        }
        metadata
    }

    /// The answer to one of Amplitude's clients.
    #[must_use]
    pub fn to_amplitude(&self) -> amplitude::Variant {
        let Assignment {
            variant_id,
            payload,
            reason,
            cohort,
            ..
        } = &self.assignment;
        let is_flag = self.served.flag().is_some();
        let mut metadata = export::flag_metadata(
            self.served.experiment().map(|e| (e.key.as_str(), e.id)),
            self.served.version(),
            "remote",
        );
        metadata.extend(export::segment_metadata(
            reason.as_str(),
            self.assignment.rule_id,
            *cohort,
            self.is_default(),
        ));
        if !is_flag {
            metadata.extend(self.attribution());
        }
        amplitude::Variant {
            key: variant_id.clone(),
            value: variant_id.clone(),
            payload: payload.clone(),
            metadata,
        }
    }

    fn attribution(&self) -> Map<String, Value> {
        match serde_json::to_value(&self.assignment.attribution) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }
}
