//! What all objects that the registry changes have in common.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::api::problem::{Code, Problem};
use crate::api::projects::Organization;
use crate::domain::{AuditAction, AuditEntry, Change, Experiment, FieldError, Flag, Lab, Project};
use crate::server::access::StoredDeployment;
use crate::server::diff;
use crate::server::error::ApiError;
use crate::server::follow::Write;
use crate::server::middleware::auth::Caller;
use crate::server::store;

use super::Motive;

/// An object with a version and a history.
pub trait Object: Clone + PartialEq + Serialize + Send + Sync {
    /// What it is called in messages.
    const NOUN: &'static str;
    /// What its first audit entry says.
    const CREATED: AuditAction;

    /// Its id.
    fn id(&self) -> Uuid;
    /// Its key or name.
    fn label(&self) -> &str;
    /// Its version.
    fn version(&self) -> u64;
    /// Gives it the version and the time of a change.
    fn stamp(&mut self, version: u64, now: Timestamp);
    /// The action that a changed field belongs to.
    fn action_of(field: &str) -> AuditAction;

    /// It as the audit log and a conflict see it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn shown(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

/// What is the same for objects that have a key.
macro_rules! keyed {
    () => {
        fn id(&self) -> Uuid {
            self.id
        }

        fn label(&self) -> &str {
            self.key.as_str()
        }

        fn version(&self) -> u64 {
            self.resource_version
        }
    };
}

/// What is the same for those of them that know when they were changed.
macro_rules! dated {
    () => {
        keyed!();

        fn stamp(&mut self, version: u64, now: Timestamp) {
            (self.resource_version, self.updated_at) = (version, now);
        }
    };
}

impl Object for Experiment {
    const NOUN: &'static str = "experiment";
    const CREATED: AuditAction = AuditAction::Created;

    dated!();

    fn action_of(field: &str) -> AuditAction {
        diff::action_of(field)
    }
}

impl Object for Flag {
    const NOUN: &'static str = "flag";
    const CREATED: AuditAction = AuditAction::FlagCreated;

    dated!();

    fn action_of(field: &str) -> AuditAction {
        match field.split(['.', '[']).next() {
            Some("enabled" | "archived") => AuditAction::FlagStatusChanged,
            Some("variants" | "cohorts" | "rolloutPct") => AuditAction::FlagVariantsChanged,
            Some("rules") => AuditAction::FlagRulesChanged,
            _ => AuditAction::FlagSettingsChanged,
        }
    }
}

impl Object for Lab {
    const NOUN: &'static str = "lab";
    const CREATED: AuditAction = AuditAction::LabCreated;

    dated!();

    fn action_of(_field: &str) -> AuditAction {
        AuditAction::LabSettingsChanged
    }
}

impl Object for StoredDeployment {
    const NOUN: &'static str = "deployment";
    const CREATED: AuditAction = AuditAction::DeploymentCreated;

    fn id(&self) -> Uuid {
        self.deployment.id
    }

    fn label(&self) -> &str {
        &self.deployment.name
    }

    fn version(&self) -> u64 {
        self.deployment.resource_version
    }

    fn stamp(&mut self, version: u64, now: Timestamp) {
        (self.deployment.resource_version, self.deployment.updated_at) = (version, now);
    }

    fn action_of(field: &str) -> AuditAction {
        match field {
            "revokedAt" => AuditAction::DeploymentRevoked,
            "keyHint" | "rotatedAt" | "previousKeyUntil" => AuditAction::DeploymentKeyRotated,
            _ => AuditAction::DeploymentSettingsChanged,
        }
    }

    /// Without the key and its hash: neither belongs into a log.
    fn shown(&self) -> Result<Value, serde_json::Error> {
        let mut deployment = self.deployment.clone();
        deployment.key = None;
        serde_json::to_value(deployment)
    }
}

impl Object for Project {
    const NOUN: &'static str = "project";
    const CREATED: AuditAction = AuditAction::ProjectCreated;

    keyed!();

    fn stamp(&mut self, version: u64, _now: Timestamp) {
        self.resource_version = version;
    }

    fn action_of(_field: &str) -> AuditAction {
        AuditAction::ProjectSettingsChanged
    }
}

impl Object for Organization {
    const NOUN: &'static str = "organization";
    const CREATED: AuditAction = AuditAction::OrganizationSettingsChanged;

    keyed!();

    fn stamp(&mut self, version: u64, _now: Timestamp) {
        self.resource_version = version;
    }

    fn action_of(_field: &str) -> AuditAction {
        AuditAction::OrganizationSettingsChanged
    }
}

/// An entry about an object, without changes.
pub(in crate::server) fn entry<T: Object>(
    caller: &Caller,
    object: &T,
    action: AuditAction,
    now: Timestamp,
) -> AuditEntry {
    AuditEntry {
        id: 0,
        at: now,
        actor: caller.actor.to_string(),
        action,
        object_id: object.id(),
        object_key: object.label().to_owned(),
        resource_version: object.version(),
        changes: Vec::new(),
        comment: None,
        evidence: Value::Null,
    }
}

/// The entry of an object that is no more, with all that it had.
pub(super) fn deleted<T: Object>(
    caller: &Caller,
    object: &T,
    action: AuditAction,
    now: Timestamp,
) -> Result<AuditEntry, ApiError> {
    let had = object.shown().map_err(json)?;
    let mut changes = diff::of(Some(had), Value::Object(serde_json::Map::new()));
    changes.retain(|change| !is_empty(&change.from));
    Ok(AuditEntry {
        changes,
        ..entry(caller, object, action, now)
    })
}

/// What a new object has, for its entry.
///
/// # Errors
/// When it cannot be written as JSON.
pub(in crate::server) fn contents<T: Object>(object: &T) -> Result<Vec<Change>, serde_json::Error> {
    let mut changes = diff::of(None, object.shown()?);
    changes.retain(|change| !is_empty(&change.to));
    Ok(changes)
}

/// The audit entries of a change: one for each of `actions`, or for each kind of field.
pub(super) fn entries<T: Object>(
    caller: &Caller,
    before: Option<&T>,
    next: &T,
    actions: &[AuditAction],
    motive: &Motive,
    now: Timestamp,
) -> Result<Vec<AuditEntry>, ApiError> {
    let from = before.map(Object::shown).transpose().map_err(json)?;
    let mut changes = diff::of(from, next.shown().map_err(json)?);
    if before.is_none() {
        changes.retain(|change| !is_empty(&change.to));
    }
    let made = |action, changes| AuditEntry {
        changes,
        comment: motive.comment.clone(),
        evidence: motive.evidence.clone(),
        ..entry(caller, next, action, now)
    };
    if !actions.is_empty() {
        return Ok(actions
            .iter()
            .map(|action| made(*action, changes.clone()))
            .collect());
    }
    let mut by_kind: Vec<(AuditAction, Vec<Change>)> = Vec::new();
    for change in changes {
        let kind = T::action_of(&change.field);
        match by_kind.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, own)) => own.push(change),
            None => by_kind.push((kind, vec![change])),
        }
    }
    by_kind.sort_by_key(|(kind, _)| *kind);
    Ok(by_kind.into_iter().map(|(kind, own)| made(kind, own)).collect())
}

/// The answer to a change that was made from another version than the live one.
pub(super) async fn conflict<T: Object>(
    write: &mut Write<'_>,
    live: &T,
    version: u64,
) -> Result<ApiError, ApiError> {
    let (label, live_version) = (live.label(), live.version());
    let last = store::audit::last_change(&mut **write.tx(), live.id(), live_version).await?;
    let by = last
        .as_ref()
        .map_or_else(String::new, |(actor, at)| format!(" by {actor} at {at}"));
    let mut problem = Problem::new(
        Code::VersionConflict,
        format!(
            "{label} is at version {live_version}{by}; your change was made from version {version}. \
             Read it again and repeat your change"
        ),
    );
    problem.current = Some(live.shown().map_err(json)?);
    (problem.changed_by, problem.changed_at) = last.unzip();
    Ok(problem.into())
}

/// The refusal of a key or name that another object has.
pub(super) fn taken(noun: &str, field: &str, given: &str) -> ApiError {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    let place = if noun == "project" {
        "already"
    } else {
        "in this project already"
    };
    let mut problem = Problem::new(
        Code::KeyTaken,
        format!("there is {article} {noun} with the {field} `{given}` {place} (case does not matter)"),
    );
    let allowed = if noun == "project" {
        format!("a {field} that no project has")
    } else {
        format!("a {field} that no {noun} of the project has")
    };
    problem.errors = vec![FieldError::new(field, given, allowed).into()];
    problem.into()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(super) fn json(error: serde_json::Error) -> ApiError {
    ApiError::Internal(format!("an object cannot be written as JSON: {error}"))
}

pub(super) fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError::Internal(error.to_string())
}
