//! The registry: the one way in which configuration changes.
//!
//! A change is planned from the current state by a pure function, written with its audit entries in one
//! transaction, and put into the snapshot, in that order and under one lock; so an answered change is on
//! disk, in the log and in force. It runs in a task of its own: a caller who hangs up, or a request that
//! takes too long, cannot leave it half done.

pub mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use arc_swap::{ArcSwap, Guard};
use jiff::{Timestamp, Unit};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::api::experiments::{CreateExperiment, UpdateExperiment};
use crate::api::overrides::{OverridesSet, SetOverrides};
use crate::api::problem::{Code, Problem};
use crate::domain::{AuditAction, AuditEntry, Change, Experiment, FieldError, Key, OverrideSubject};

use super::error::ApiError;
use super::follow::{Loaded, Write};
use super::middleware::auth::Caller;
use super::snapshot::{Entry, OverrideTable, Snapshot};
use super::store::feed::{Forced, Kind, OverrideChange, OverrideGroup};
use super::store::overrides::Decree;
use super::store::{self, Store, StoreError};
use super::{diff, edit};

/// The most overrides of one request whose from and to the audit log lists one by one.
const MAX_LISTED: usize = 100;

/// Why a change is made, and with what numbers behind it.
#[derive(Debug, Clone, Default)]
pub struct Motive {
    /// The reason or comment that was given.
    pub comment: Option<String>,
    /// Numbers behind it.
    pub evidence: Value,
}

/// A change that was thought through and is yet to be written.
#[derive(Debug)]
pub struct Plan {
    /// The state after it. Version and time are set when it is written.
    pub next: Experiment,
    /// Its audit entries. Without any there is one for each kind of field that changed.
    pub actions: Vec<AuditAction>,
    /// Why.
    pub motive: Motive,
}

impl Plan {
    /// A change of configuration: the audit log gets an entry for each kind of field.
    #[must_use]
    pub fn edit(next: Experiment) -> Self {
        Self {
            next,
            actions: Vec::new(),
            motive: Motive::default(),
        }
    }
}

/// Configuration: in the store, and in memory.
#[derive(Debug)]
pub struct Registry {
    pub(super) store: Store,
    pub(super) snapshot: ArcSwap<Snapshot>,
    /// Held from the reading of the current state until the snapshot has the next one.
    pub(super) writing: Mutex<()>,
    /// Place of the feed up to which memory is what the store holds.
    pub(super) applied: AtomicI64,
    max_variants: usize,
}

/// The time, as exactly as the store and the wire keep it.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}

impl Registry {
    /// Loads all configuration into memory.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn load(store: Store, max_variants: usize) -> Result<Arc<Self>, StoreError> {
        let failed = || StoreError::query("read the configuration");
        let mut connection = store.readers().acquire().await.map_err(failed())?;
        let Loaded { snapshot, applied } = Loaded::read(&mut connection).await?;
        drop(connection);
        Ok(Arc::new(Self {
            store,
            snapshot: ArcSwap::from_pointee(snapshot),
            writing: Mutex::new(()),
            applied: AtomicI64::new(applied),
            max_variants,
        }))
    }

    /// The configuration at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The store, for what is only read.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The most variants of an experiment.
    #[must_use]
    pub fn max_variants(&self) -> usize {
        self.max_variants
    }

    /// An experiment of the caller's project.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn find(&self, caller: &Caller, id_or_key: &str) -> Result<Arc<Entry>, ApiError> {
        let snapshot = self.snapshot();
        let found = snapshot.find(caller.project.id, id_or_key).cloned();
        found.ok_or_else(|| ApiError::not_found("experiment", id_or_key))
    }

    /// Creates a draft.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every refused field, [`Code::KeyTaken`].
    pub async fn create(
        self: &Arc<Self>,
        caller: Caller,
        body: CreateExperiment,
    ) -> Result<Arc<Experiment>, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut write = this.begin().await?;
            let project = caller.project.id;
            let taken = |key: &Key| this.snapshot().find(project, key.as_str()).is_some();
            let now = write.now();
            let experiment = edit::create(body, this.max_variants, taken, now)?;
            if taken(&experiment.key) {
                return Err(key_taken(&experiment));
            }
            let entry = AuditEntry {
                changes: diff::of_experiment(None, &experiment)
                    .map_err(json)?
                    .into_iter()
                    .filter(|change| !is_empty(&change.to))
                    .collect(),
                ..entry(&caller, &experiment, AuditAction::Created, now)
            };
            let compiled = Entry::new(project, experiment.clone(), Arc::default()).map_err(internal)?;
            store::experiments::insert(write.tx(), project, &experiment).await?;
            store::audit::insert(write.tx(), project, &entry).await?;
            write
                .touched(Kind::Experiment, Some(project), &experiment.id.to_string())
                .await?;
            write.commit(|registry| registry.publish(compiled)).await?;
            Ok(Arc::new(experiment))
        })
        .await
    }

    /// Changes an experiment that the caller read at `version`. What changes nothing is answered with the
    /// current state: no new version, no audit entry.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live object, and what `plan` refuses.
    pub async fn change(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        version: u64,
        plan: impl FnOnce(&Entry, usize, Timestamp) -> Result<Plan, ApiError> + Send + 'static,
    ) -> Result<Arc<Experiment>, ApiError> {
        let this = Arc::clone(self);
        let id = this.find(&caller, id_or_key)?.experiment.id.to_string();
        carried_through(async move {
            let mut write = this.begin().await?;
            let live = this.find(&caller, &id)?;
            let current = &live.experiment;
            if current.resource_version != version {
                return Err(conflict(&mut write, current, version).await?);
            }
            let now = write.now();
            let Plan {
                mut next,
                actions,
                motive,
            } = plan(&live, this.max_variants, now)?;
            if next == **current {
                return Ok(Arc::clone(current));
            }
            next.resource_version = version + 1;
            next.updated_at = now;
            let changes = diff::of_experiment(Some(current), &next).map_err(json)?;
            let entries = entries(&caller, &next, actions, changes, &motive, now);
            let compiled =
                Entry::new(live.project, next.clone(), Arc::clone(&live.overrides)).map_err(internal)?;
            if !store::experiments::update(write.tx(), &next, version).await? {
                return Err(ApiError::Internal(format!(
                    "the store does not hold version {version} of experiment {}, memory does",
                    next.id
                )));
            }
            for entry in &entries {
                store::audit::insert(write.tx(), live.project, entry).await?;
            }
            write
                .touched(Kind::Experiment, Some(live.project), &next.id.to_string())
                .await?;
            write.commit(|registry| registry.publish(compiled)).await?;
            Ok(Arc::new(next))
        })
        .await
    }

    /// Changes the configuration of an experiment.
    ///
    /// # Errors
    /// As [`Self::change`], with every refused field.
    pub async fn update(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: UpdateExperiment,
    ) -> Result<Arc<Experiment>, ApiError> {
        let version = body.resource_version;
        self.change(caller, id_or_key, version, |live, max_variants, now| {
            let overrides_of = |key: &Key| live.overrides.count_of(key);
            let next = edit::update(&live.experiment, body, max_variants, overrides_of, now)?;
            Ok(Plan::edit(next))
        })
        .await
    }

    /// Forces subjects into a variant.
    ///
    /// # Errors
    /// [`Code::Invalid`] when the variant does not exist.
    pub async fn set_overrides(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: SetOverrides,
    ) -> Result<OverridesSet, ApiError> {
        let this = Arc::clone(self);
        let id = this.find(&caller, id_or_key)?.experiment.id.to_string();
        carried_through(async move {
            let mut write = this.begin().await?;
            let live = this.find(&caller, &id)?;
            let Some(variant) = live.experiment.variant(body.variant.as_str()) else {
                let keys: Vec<&str> = live.experiment.variants.iter().map(|v| v.key.as_str()).collect();
                let allowed = format!("the key of a variant ({})", keys.join(", "));
                return Err(FieldError::new("variant", &body.variant, allowed).into());
            };
            let now = write.now();
            let to = Forced {
                variant: variant.key.clone(),
                source: body.source,
            };
            let import = Import::plan(&live.overrides, &body, &to);
            if import.ids.is_empty() {
                return Ok(import.set);
            }
            let change = OverrideChange {
                experiment: live.experiment.id,
                subject_type: body.subject_type,
                import: None,
                groups: import.groups(&live.overrides, &to),
            };
            let entry = AuditEntry {
                changes: import.changes,
                evidence: serde_json::json!({
                    "variant": variant.key, "subjectType": body.subject_type, "source": body.source,
                    "added": import.set.added, "changed": import.set.changed,
                    "unchanged": import.set.unchanged, "changedFrom": import.changed_from,
                }),
                ..entry(&caller, &live.experiment, AuditAction::OverridesImported, now)
            };
            let decree = Decree {
                experiment: live.experiment.id,
                subject_type: body.subject_type,
                variant: &variant.key,
                source: body.source,
                now,
            };
            store::overrides::put(write.tx(), decree, &import.ids).await?;
            store::audit::insert(write.tx(), live.project, &entry).await?;
            write.touched_overrides(live.project, &change).await?;
            write.commit(|_| live.overrides.apply(&change)).await?;
            Ok(import.set)
        })
        .await
    }

    /// Removes the override of one subject.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is none.
    pub async fn remove_override(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        subject_type: OverrideSubject,
        subject_id: String,
    ) -> Result<(), ApiError> {
        let this = Arc::clone(self);
        let id = this.find(&caller, id_or_key)?.experiment.id.to_string();
        carried_through(async move {
            let mut write = this.begin().await?;
            let live = this.find(&caller, &id)?;
            let Some(from) = live.overrides.get(subject_type, &subject_id) else {
                let what = format!("override of the {}", subject_type.as_str());
                return Err(ApiError::not_found(&what, &subject_id));
            };
            let entry = AuditEntry {
                changes: vec![Change {
                    field: override_field(subject_type, &subject_id),
                    from: from.variant.as_str().into(),
                    to: Value::Null,
                }],
                evidence: serde_json::json!({ "subjectType": subject_type, "removed": 1 }),
                ..entry(
                    &caller,
                    &live.experiment,
                    AuditAction::OverridesImported,
                    write.now(),
                )
            };
            store::overrides::delete(write.tx(), live.experiment.id, subject_type, &subject_id).await?;
            store::audit::insert(write.tx(), live.project, &entry).await?;
            let change = OverrideChange {
                experiment: live.experiment.id,
                subject_type,
                import: None,
                groups: vec![OverrideGroup {
                    from: Some(from),
                    to: None,
                    ids: vec![subject_id],
                }],
            };
            write.touched_overrides(live.project, &change).await?;
            write.commit(|_| live.overrides.apply(&change)).await?;
            Ok(())
        })
        .await
    }

    /// Waits for a change that is under way, and closes the store.
    pub async fn close(&self) {
        let _writing = self.writing.lock().await;
        self.store.close().await;
    }

    fn publish(&self, entry: Entry) {
        self.snapshot.store(Arc::new(self.snapshot.load().with(entry)));
    }
}

/// The answer to a change that was made from another version than the live one.
async fn conflict(write: &mut Write<'_>, live: &Experiment, version: u64) -> Result<ApiError, ApiError> {
    let (id, live_version) = (live.id, live.resource_version);
    let last = store::audit::last_change(&mut **write.tx(), id, live_version).await?;
    let by = last
        .as_ref()
        .map_or_else(String::new, |(actor, at)| format!(" by {actor} at {at}"));
    let mut problem = Problem::new(
        Code::VersionConflict,
        format!(
            "{} is at version {live_version}{by}; your change was made from version {version}. \
             Read it again and repeat your change",
            live.key
        ),
    );
    problem.current = Some(serde_json::to_value(live).map_err(json)?);
    (problem.changed_by, problem.changed_at) = last.unzip();
    Ok(problem.into())
}

/// What a request for overrides comes down to.
struct Import<'a> {
    subject_type: OverrideSubject,
    /// The ids that are new or change, each once.
    ids: Vec<&'a str>,
    set: OverridesSet,
    changes: Vec<Change>,
    /// Former variant → how many are taken from it.
    changed_from: BTreeMap<String, u64>,
}

impl<'a> Import<'a> {
    fn plan(table: &OverrideTable, body: &'a SetOverrides, to: &Forced) -> Self {
        let mut import = Self {
            subject_type: body.subject_type,
            ids: Vec::new(),
            set: OverridesSet::default(),
            changes: Vec::new(),
            changed_from: BTreeMap::new(),
        };
        let mut seen = HashSet::with_capacity(body.subject_ids.len());
        for id in &body.subject_ids {
            let before = table.get(body.subject_type, id);
            let before = before.map(|forced| forced.variant);
            if !seen.insert(id.as_str()) || before.as_ref() == Some(&to.variant) {
                import.set.unchanged += 1;
                continue;
            }
            match &before {
                Some(before) => {
                    import.set.changed += 1;
                    let from = import.changed_from.entry(before.as_str().to_owned());
                    *from.or_default() += 1;
                }
                None => import.set.added += 1,
            }
            if import.changes.len() < MAX_LISTED {
                import.changes.push(Change {
                    field: override_field(body.subject_type, id),
                    from: before.map_or(Value::Null, |v| v.as_str().into()),
                    to: to.variant.as_str().into(),
                });
            }
            import.ids.push(id);
        }
        import
    }

    /// The ids by what they had.
    fn groups(&self, table: &OverrideTable, to: &Forced) -> Vec<OverrideGroup> {
        let mut by_former: HashMap<Option<Forced>, Vec<String>> = HashMap::new();
        for id in &self.ids {
            let former = table.get(self.subject_type, id);
            by_former.entry(former).or_default().push((*id).to_owned());
        }
        let group = |(from, ids)| OverrideGroup {
            from,
            to: Some(to.clone()),
            ids,
        };
        by_former.into_iter().map(group).collect()
    }
}

fn override_field(subject_type: OverrideSubject, id: &str) -> String {
    format!("overrides.{}:{id}", subject_type.as_str())
}

/// Runs a change in a task of its own, so that it ends although the request may not.
pub(super) async fn carried_through<T: Send + 'static>(
    change: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let task = tokio::spawn(change.in_current_span());
    task.await
        .unwrap_or_else(|error| Err(ApiError::Internal(format!("a change ended early: {error}"))))
}

/// The audit entries of a change: one for each of `actions`, or for each kind of field.
fn entries(
    caller: &Caller,
    next: &Experiment,
    actions: Vec<AuditAction>,
    changes: Vec<Change>,
    motive: &Motive,
    now: Timestamp,
) -> Vec<AuditEntry> {
    let made = |action, changes| AuditEntry {
        changes,
        comment: motive.comment.clone(),
        evidence: motive.evidence.clone(),
        ..entry(caller, next, action, now)
    };
    if !actions.is_empty() {
        return actions
            .into_iter()
            .map(|action| made(action, changes.clone()))
            .collect();
    }
    let kinds = [
        AuditAction::VariantsChanged,
        AuditAction::RulesChanged,
        AuditAction::SettingsChanged,
    ];
    kinds
        .into_iter()
        .filter_map(|kind| {
            let own = changes.iter().filter(|c| diff::action_of(&c.field) == kind);
            let own: Vec<Change> = own.cloned().collect();
            (!own.is_empty()).then(|| made(kind, own))
        })
        .collect()
}

fn entry(caller: &Caller, object: &Experiment, action: AuditAction, now: Timestamp) -> AuditEntry {
    AuditEntry {
        id: 0,
        at: now,
        actor: caller.actor.to_string(),
        action,
        object_id: object.id,
        object_key: object.key.as_str().to_owned(),
        resource_version: object.resource_version,
        changes: Vec::new(),
        comment: None,
        evidence: Value::Null,
    }
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

fn key_taken(experiment: &Experiment) -> ApiError {
    let mut problem = Problem::new(
        Code::KeyTaken,
        format!(
            "there is an experiment with the key `{}` in this project already (case does not matter)",
            experiment.key
        ),
    );
    let refusal = FieldError::new(
        "key",
        &experiment.key,
        "a key that no experiment of the project has",
    );
    problem.errors = vec![refusal.into()];
    problem.into()
}

fn json(error: serde_json::Error) -> ApiError {
    ApiError::Internal(format!("an experiment cannot be written as JSON: {error}"))
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError::Internal(error.to_string())
}
