//! The registry: the one way in which configuration changes.
//!
//! A change is planned from the current state by a pure function, written with its audit entries in one
//! transaction, and put into the snapshot, in that order and under one lock; so an answered change is on
//! disk, in the log and in force. It runs in a task of its own: a caller who hangs up, or a request that
//! takes too long, cannot leave it half done.

mod batch;
mod convert;
mod copy;
mod deployments;
mod flags;
mod insights;
mod labs;
mod object;
mod overrides;
mod projects;
pub mod rows;
mod tokens;
pub mod winner;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use jiff::{Timestamp, Unit};
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::api::experiments::{CreateExperiment, UpdateExperiment};
use crate::api::problem::{Code, Problem};
use crate::domain::experiment::DEFAULT_LAB;
use crate::domain::{AuditAction, Experiment, FieldError, Key, Status};

use super::edit;
use super::error::ApiError;
use super::follow::{Loaded, Write};
use super::middleware::auth::Caller;
use super::served::{FlagEntry, asked_for};
use super::snapshot::{Entry, OverrideCounts, Snapshot};
use super::store::{self, Store, StoreError};

use batch::{Batch, Told};

pub use overrides::{Noun, Target};
pub use tokens::row as token_row;

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
    /// Whether the store did not answer when it was looked at last.
    pub(super) away: AtomicBool,
    /// Whether the end of a change that the feed does not tell was not seen.
    pub(super) unsure: AtomicBool,
    /// Held by who looks at the feed out of turn.
    pub(super) looking: Mutex<()>,
    /// How often looking at the feed was begun.
    pub(super) looks: AtomicU64,
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
            away: AtomicBool::new(false),
            unsure: AtomicBool::new(false),
            looking: Mutex::new(()),
            looks: AtomicU64::new(0),
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

    /// Waits until no other change is under way, and begins one of several objects.
    async fn batch(&self, caller: &Caller) -> Result<Batch<'_>, ApiError> {
        Ok(Batch::new(self.begin_for(caller).await?))
    }

    /// [`Registry::begin`] for who was let in a while ago: a token that was revoked while its change waited for its turn
    /// changes nothing any more.
    ///
    /// # Errors
    /// As [`Registry::begin`]; [`Code::Unauthorized`].
    pub(in crate::server) async fn begin_for(&self, caller: &Caller) -> Result<Write<'_>, ApiError> {
        let write = self.begin().await?;
        caller.still(&self.snapshot().access, write.now())?;
        Ok(write)
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

    /// Creates a draft, and the flag that its code asks for where it names none that there is.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every refused field, [`Code::KeyTaken`].
    pub async fn create(
        self: &Arc<Self>,
        caller: Caller,
        mut body: CreateExperiment,
    ) -> Result<Arc<Experiment>, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let snapshot = this.snapshot().clone();
            let project = caller.project.id;
            let now = batch.now();
            let deployments = body.deployments.take();
            let (deployments, mut refused) = wanted_deployments(&snapshot, project, deployments);
            let lab = body.parent_id.as_mut();
            refused.extend(lab.and_then(|lab| as_the_lab_says(&snapshot, project, lab)));
            body.deployments = Some(deployments);
            let wanted_flag = body.linked_flag.take();
            let reserved = wanted_flag
                .as_ref()
                .map(|key| edit::not_reserved("linkedFlag", key));
            refused.extend(reserved.and_then(Result::err));
            let taken = |key: &Key| snapshot.find(project, key.as_str()).is_some();
            let mut experiment = match edit::create(body, this.max_variants, taken, now) {
                Ok(experiment) if refused.is_empty() => experiment,
                Ok(_) => return Err(refused.into()),
                Err(mut errors) => {
                    errors.extend(refused);
                    return Err(errors.into());
                }
            };
            if taken(&experiment.key) {
                return Err(object::taken("experiment", "key", experiment.key.as_str()));
            }
            let link = edit::flag::linked(&mut experiment, wanted_flag, now, |key| {
                let found = snapshot.flags().find(project, key.as_str());
                found.map(|entry| entry.flag.key.clone())
            });
            if let Some(flag) = link {
                batch.flag(&caller, project, None, flag, Told::default()).await?;
            }
            let made = batch
                .experiment(&caller, project, None, experiment, Told::default())
                .await?;
            batch.commit().await?;
            Ok(made)
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
            let mut batch = this.batch(&caller).await?;
            let live = this.find(&caller, &id)?;
            let current = &live.experiment;
            batch.check_version(&**current, version).await?;
            let Plan {
                next,
                actions,
                motive,
            } = plan(&live, this.max_variants, batch.now())?;
            if next == **current {
                return Ok(Arc::clone(current));
            }
            alone(&this.snapshot(), &live, &next)?;
            let told = Told { actions, motive };
            let made = batch
                .experiment(&caller, live.project, Some(&live), next, told)
                .await?;
            let stays_linked = made.status == Status::Draft && made.linked_flag == current.linked_flag;
            if let Some(entry) = this.companion(&live).filter(|_| stays_linked) {
                let flag = edit::flag::follow_draft(&entry.flag, &made, batch.now());
                if flag != *entry.flag {
                    let told = Told::default();
                    batch
                        .flag(&caller, live.project, Some(&*entry), flag, told)
                        .await?;
                }
            }
            batch.commit().await?;
            Ok(made)
        })
        .await
    }

    /// The flag that came with a draft, while it is as the draft makes it and nobody else's.
    fn companion(&self, live: &Entry) -> Option<Arc<FlagEntry>> {
        let (snapshot, draft) = (self.snapshot(), &live.experiment);
        let key = draft.linked_flag.as_ref()?;
        let entry = snapshot.flags().find(live.project, key.as_str())?;
        let alone = snapshot.keys().linked_to(live.project, key.as_str()).count() == 1;
        let untouched = edit::flag::came_with(&entry.flag, draft);
        let empty = entry.overrides.counts() == OverrideCounts::default();
        (draft.status == Status::Draft && alone && untouched && empty).then(|| Arc::clone(entry))
    }

    /// Deletes a draft that the caller read at `version`, with its overrides, and the flag that came with it
    /// unless that is not as it was made any more, or another experiment is linked to it.
    ///
    /// # Errors
    /// [`Code::VersionConflict`]; [`Code::BadTransition`] when it is no draft.
    pub async fn delete(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        version: u64,
    ) -> Result<(), ApiError> {
        let this = Arc::clone(self);
        let id = this.find(&caller, id_or_key)?.experiment.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.find(&caller, &id)?;
            let current = &live.experiment;
            batch.check_version(&**current, version).await?;
            if current.status != Status::Draft {
                return Err(ApiError::new(
                    Code::BadTransition,
                    format!(
                        "{} is {} and cannot be deleted: only drafts can, as nobody has seen them; archive it \
                         instead",
                        current.key, current.status
                    ),
                ));
            }
            batch.delete_experiment(&caller, &live).await?;
            if let Some(flag) = this.companion(&live) {
                // Who was served by it once may ask for it still.
                let (id, at) = (flag.flag.id, flag.flag.created_at);
                let changed = store::audit::fields_since(&this.store, id, at, 1).await?;
                if !changed.iter().any(|field| field == "enabled") {
                    batch.delete_flag(&caller, &flag).await?;
                }
            }
            batch.commit().await
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
        mut body: UpdateExperiment,
    ) -> Result<Arc<Experiment>, ApiError> {
        let version = body.resource_version;
        let this = Arc::clone(self);
        self.change(caller, id_or_key, version, move |live, max_variants, now| {
            let (snapshot, current) = (this.snapshot(), &live.experiment);
            let mut refused = Vec::new();
            if let Some(deployments) = &body.deployments {
                // One that is there already may stay although it was revoked.
                let new: Vec<Uuid> = deployments
                    .iter()
                    .copied()
                    .filter(|id| !current.deployments.contains(id))
                    .collect();
                refused.extend(unknown_deployments(&snapshot, live.project, &new));
            }
            if let Some(lab) = &mut body.parent_id
                && *lab != current.parent_id
            {
                refused.extend(as_the_lab_says(&snapshot, live.project, lab));
            }
            if let Some(Some(flag)) = &mut body.linked_flag
                && current.linked_flag.as_ref() != Some(flag)
            {
                match snapshot.flags().find(live.project, flag.as_str()) {
                    // As the flag itself writes it: the holdout is drawn with it, and clients look for it.
                    Some(entry) => flag.clone_from(&entry.flag.key),
                    None => {
                        let allowed = "the key of a flag of this project, or null";
                        refused.push(FieldError::new("linkedFlag", &*flag, allowed));
                    }
                }
            }
            let overrides_of = |key: &Key| live.overrides.count_of(key);
            match edit::update(current, body, max_variants, overrides_of, now) {
                Ok(next) if refused.is_empty() => Ok(Plan::edit(next)),
                Ok(_) => Err(refused.into()),
                Err(mut errors) => {
                    errors.extend(refused);
                    Err(errors.into())
                }
            }
        })
        .await
    }

    /// Waits for a change that is under way, and closes the store.
    pub async fn close(&self) {
        // What a silent store keeps is cut off, as its requests were.
        let closing = async {
            let _writing = self.writing.lock().await;
            self.store.close().await;
        };
        if tokio::time::timeout(CLOSE_LIMIT, closing).await.is_err() {
            tracing::warn!("the configuration store does not answer: its connections are cut off");
        }
    }
}

/// Refuses a second running experiment under one key: only one of them can decide it, and the other would lose all of
/// its subjects without a word.
fn alone(snapshot: &Snapshot, live: &Entry, next: &Experiment) -> Result<(), ApiError> {
    let current = &live.experiment;
    let key = asked_for(next);
    let is_new = current.status != Status::Active || asked_for(current).folded() != key.folded();
    if next.status != Status::Active || !is_new {
        return Ok(());
    }
    let mut linked = snapshot.keys().linked_to(live.project, key.as_str());
    let Some(other) = linked.find(|e| e.id != next.id && e.status == Status::Active) else {
        return Ok(());
    };
    let mut problem = Problem::new(
        Code::BadTransition,
        format!(
            "the flag {key} is decided by {}, which is active; complete or pause that one first, or link another flag \
             to {}",
            other.key, next.key
        ),
    );
    let allowed = "a flag that no other active experiment is linked to";
    problem.errors = vec![FieldError::new("linkedFlag", key, allowed).into()];
    Err(problem.into())
}

/// How long the end of what is being written is waited for when the server stops.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// How long a change may take in all: more than a store that answers needs, which ends a statement after two minutes.
const CHANGE_LIMIT: Duration = Duration::from_secs(300);

/// Gives a change up that a store never answers: one connection that went silent, its turn to write with it, must not
/// keep all others waiting for ever. Whether it was made is seen in what is read afterwards.
///
/// # Errors
/// [`StoreError::Silent`], and what the change failed with.
pub(super) async fn in_time<T, E: From<StoreError>>(
    change: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    within(CHANGE_LIMIT, change).await
}

/// [`in_time`] of what has another limit.
///
/// # Errors
/// As [`in_time`].
pub(super) async fn within<T, E: From<StoreError>>(
    waited: Duration,
    change: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let given_up = |_| E::from(StoreError::Silent { waited });
    tokio::time::timeout(waited, change).await.map_err(given_up)?
}

/// Runs a change in a task of its own, so that it ends although the request may not.
pub(super) async fn carried_through<T: Send + 'static>(
    change: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let task = tokio::spawn(in_time(change).in_current_span());
    task.await
        .unwrap_or_else(|error| Err(ApiError::Internal(format!("a change ended early: {error}"))))
}

/// The deployments of a new object, and the refusals of those that were asked for.
fn wanted_deployments(
    snapshot: &Snapshot,
    project: Uuid,
    given: Option<Vec<Uuid>>,
) -> (Vec<Uuid>, Vec<FieldError>) {
    if let Some(given) = given {
        let refused = unknown_deployments(snapshot, project, &given);
        return (given, refused);
    }
    let default = default_deployments(snapshot, project);
    let refused = default.is_empty().then(|| {
        let allowed = "the ids of deployments, or [] for none: every deployment of the project is revoked, so that \
                       there is none to begin with";
        FieldError::new("deployments", "nothing", allowed)
    });
    (default, refused.into_iter().collect())
}

/// What sees an object that names no deployment.
fn default_deployments(snapshot: &Snapshot, project: Uuid) -> Vec<Uuid> {
    let default = snapshot.access.default_deployment(project);
    default.map(|stored| stored.deployment.id).into_iter().collect()
}

/// The refusals of ids that are no deployment of the project.
fn unknown_deployments(snapshot: &Snapshot, project: Uuid, ids: &[Uuid]) -> Vec<FieldError> {
    let known = |id: &Uuid| {
        let stored = snapshot.access.deployments.by_id(*id);
        stored.is_some_and(|d| d.project == project && d.deployment.revoked_at.is_none())
    };
    let unknown = ids.iter().enumerate().filter(|(_, id)| !known(id));
    unknown
        .map(|(at, id)| {
            let allowed = "the id of a deployment of this project that is not revoked";
            FieldError::new(format!("deployments[{at}]"), id, allowed)
        })
        .collect()
}

/// Writes the key of a lab as the lab itself does; the refusal of one that is none.
fn as_the_lab_says(snapshot: &Snapshot, project: Uuid, lab: &mut String) -> Option<FieldError> {
    let refusal = unknown_lab(snapshot, project, lab);
    if let Some(known) = snapshot.labs.find(project, lab) {
        known.1.key.as_str().clone_into(lab);
    }
    refusal
}

/// The refusal of a key that is no lab of the project, or of one that is archived.
fn unknown_lab(snapshot: &Snapshot, project: Uuid, lab: &str) -> Option<FieldError> {
    let known = snapshot
        .labs
        .find(project, lab)
        .is_some_and(|lab| !lab.1.archived);
    (lab != DEFAULT_LAB && !known).then(|| {
        let allowed = format!("the key of a lab of this project that is not archived, or {DEFAULT_LAB}");
        FieldError::new("parentId", lab, allowed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_that_is_never_answered_leaves_its_turn_to_others() {
        let turn = Arc::new(Mutex::new(()));
        let silent = async {
            let _turn = turn.lock().await;
            std::future::pending::<Result<(), StoreError>>().await
        };
        let given_up = within(Duration::from_millis(1), silent).await;
        assert!(matches!(given_up, Err(StoreError::Silent { .. })), "{given_up:?}");
        assert!(turn.try_lock().is_ok());
    }
}
