//! A change of one or several objects as one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::imports::CHUNK_IDS;
use crate::api::projects::Organization;
use crate::domain::{AuditAction, AuditEntry, Experiment, Flag, Lab, OverrideSubject, Project, Status};
use crate::server::access::StoredDeployment;
use crate::server::error::ApiError;
use crate::server::follow::Write;
use crate::server::middleware::auth::Caller;
use crate::server::override_table::{OverrideCounts, OverrideTable, PARTS};
use crate::server::served::FlagEntry;
use crate::server::snapshot::{Entry, Snapshot};
use crate::server::store::feed::{Forced, Kind, OverrideChange, OverrideGroup};
use crate::server::store::objects;
use crate::server::store::tokens::StoredToken;
use crate::server::store::{self, StoreError};

use super::object::{self, Object, internal};
use super::rows::{row_of_deployment, row_of_flag, row_of_lab, row_of_organization};
use super::{Motive, Registry};

/// What is told of a change in the audit log.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Its entries. Without any there is one for each kind of field that changed.
    pub actions: Vec<AuditAction>,
    /// Why.
    pub motive: Motive,
}

impl Told {
    /// As these entries.
    #[must_use]
    pub fn actions(actions: impl Into<Vec<AuditAction>>) -> Self {
        Self {
            actions: actions.into(),
            motive: Motive::default(),
        }
    }

    /// With a comment, unless it is blank.
    #[must_use]
    pub fn comment(mut self, comment: Option<&str>) -> Self {
        let comment = comment.map(str::trim).filter(|text| !text.is_empty());
        self.motive.comment = comment.map(str::to_owned);
        self
    }

    /// With numbers behind it.
    #[must_use]
    pub fn evidence(mut self, evidence: serde_json::Value) -> Self {
        self.motive.evidence = evidence;
        self
    }
}

type Publish = Box<dyn FnOnce(&mut Snapshot) + Send>;

/// Several changes that are made together or not at all. Nothing of them is seen before [`Self::commit`].
pub(super) struct Batch<'a> {
    write: Write<'a>,
    publish: Vec<Publish>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(write: Write<'a>) -> Self {
        Self {
            write,
            publish: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.write.now()
    }

    /// Refuses a change that was made from another version than the live one.
    pub(super) async fn check_version<T: Object>(&mut self, live: &T, version: u64) -> Result<(), ApiError> {
        if live.version() == version {
            return Ok(());
        }
        Err(object::conflict(&mut self.write, live, version).await?)
    }

    /// Gives `next` its version and writes what changed into the log. `before` is none for a new object.
    async fn stamp<T: Object>(
        &mut self,
        caller: &Caller,
        project: Uuid,
        before: Option<&T>,
        next: &mut T,
        told: Told,
    ) -> Result<(), ApiError> {
        let now = self.now();
        next.stamp(before.map_or(1, |b| b.version() + 1), now);
        let created = [T::CREATED];
        let actions: &[AuditAction] = match before {
            None if told.actions.is_empty() => &created,
            _ => &told.actions,
        };
        for entry in object::entries(caller, before, next, actions, &told.motive, now)? {
            self.log(project, &entry).await?;
        }
        Ok(())
    }

    /// Writes an entry into the log of a project.
    pub(super) async fn log(&mut self, project: Uuid, entry: &AuditEntry) -> Result<(), StoreError> {
        store::audit::insert(self.write.tx(), project, entry)
            .await
            .map(|_| ())
    }

    /// Creates an experiment, or puts it in the place of `before`.
    pub(super) async fn experiment(
        &mut self,
        caller: &Caller,
        project: Uuid,
        before: Option<&Entry>,
        mut next: Experiment,
        told: Told,
    ) -> Result<Arc<Experiment>, ApiError> {
        let known = before.map(|entry| &*entry.experiment);
        self.stamp(caller, project, known, &mut next, told).await?;
        let overrides = before.map(|entry| Arc::clone(&entry.overrides));
        let entry = Entry::new(project, next.clone(), overrides.unwrap_or_default()).map_err(internal)?;
        match known {
            None => store::experiments::insert(self.write.tx(), project, &next).await?,
            Some(known) => {
                let version = known.resource_version;
                let there = store::experiments::update(self.write.tx(), &next, version).await?;
                self.was_there(there, known)?;
                let answered = known.is_auto_paused() && next.status == Status::Active;
                if answered || next.srm_checked_from != known.srm_checked_from {
                    // What the guard saw is answered for: its evidence begins anew.
                    store::srm::forget(self.write.tx(), next.id).await?;
                }
            }
        }
        self.touched(Kind::Experiment, Some(project), next.id).await?;
        let experiment = Arc::clone(&entry.experiment);
        self.publish(move |snapshot| snapshot.put(entry));
        Ok(experiment)
    }

    /// Deletes an experiment with its overrides.
    pub(super) async fn delete_experiment(&mut self, caller: &Caller, entry: &Entry) -> Result<(), ApiError> {
        let (project, experiment) = (entry.project, &*entry.experiment);
        let deleted = object::deleted(caller, experiment, AuditAction::Deleted, self.now())?;
        self.log(project, &deleted).await?;
        let id = experiment.id;
        store::overrides::delete_of(self.write.tx(), id).await?;
        store::experiments::delete(self.write.tx(), id).await?;
        objects::delete(self.write.tx(), objects::Kind::Insight, id).await?;
        self.touched(Kind::Experiment, Some(project), id).await?;
        self.publish(move |snapshot| snapshot.remove(id));
        Ok(())
    }

    /// Creates a flag, or puts it in the place of `before`.
    pub(super) async fn flag(
        &mut self,
        caller: &Caller,
        project: Uuid,
        before: Option<&FlagEntry>,
        mut next: Flag,
        told: Told,
    ) -> Result<Arc<Flag>, ApiError> {
        let known = before.map(|entry| &*entry.flag);
        self.stamp(caller, project, known, &mut next, told).await?;
        let overrides = before.map(|entry| Arc::clone(&entry.overrides));
        let entry = FlagEntry::new(project, next.clone(), overrides.unwrap_or_default()).map_err(internal)?;
        let row = row_of_flag(project, &next);
        self.document(row, &next, known).await?;
        self.touched(Kind::Flag, Some(project), next.id).await?;
        let flag = Arc::clone(&entry.flag);
        self.publish(move |snapshot| snapshot.put_flag(entry));
        Ok(flag)
    }

    /// Deletes a flag without overrides.
    pub(super) async fn delete_flag(&mut self, caller: &Caller, entry: &FlagEntry) -> Result<(), ApiError> {
        let deleted = object::deleted(caller, &*entry.flag, AuditAction::FlagDeleted, self.now())?;
        self.log(entry.project, &deleted).await?;
        let id = entry.flag.id;
        objects::delete(self.write.tx(), objects::Kind::Flag, id).await?;
        self.touched(Kind::Flag, Some(entry.project), id).await?;
        self.publish(move |snapshot| snapshot.remove_flag(id));
        Ok(())
    }

    /// Creates a lab, or puts it in the place of `before`.
    pub(super) async fn lab(
        &mut self,
        caller: &Caller,
        project: Uuid,
        before: Option<&Lab>,
        mut next: Lab,
    ) -> Result<Lab, ApiError> {
        self.stamp(caller, project, before, &mut next, Told::default())
            .await?;
        self.document(row_of_lab(project, &next), &next, before).await?;
        self.touched(Kind::Lab, Some(project), next.id).await?;
        let lab = next.clone();
        self.publish(move |snapshot| snapshot.labs.put(Arc::new((project, lab))));
        Ok(next)
    }

    /// Creates a deployment, or puts it in the place of `before`.
    pub(super) async fn deployment(
        &mut self,
        caller: &Caller,
        before: Option<&StoredDeployment>,
        mut next: StoredDeployment,
        told: Told,
    ) -> Result<StoredDeployment, ApiError> {
        let project = next.project;
        self.stamp(caller, project, before, &mut next, told).await?;
        self.document(row_of_deployment(&next), &next, before).await?;
        self.touched(Kind::Deployment, Some(project), next.deployment.id)
            .await?;
        let stored = next.clone();
        self.publish(move |snapshot| snapshot.access.put_deployment(stored));
        Ok(next)
    }

    /// Creates a project, or puts it in the place of `before`.
    pub(super) async fn project(
        &mut self,
        caller: &Caller,
        before: Option<&Project>,
        mut next: Project,
    ) -> Result<Project, ApiError> {
        let now = self.now();
        // First: its log refers to it.
        match before {
            None => store::projects::insert(self.write.tx(), &next, now).await?,
            Some(known) => {
                next.stamp(known.resource_version + 1, now);
                let there = store::projects::update(self.write.tx(), &next, known.resource_version).await?;
                self.was_there(there, known)?;
            }
        }
        let id = next.id;
        self.stamp(caller, id, before, &mut next, Told::default()).await?;
        self.touched(Kind::Project, Some(id), id).await?;
        let project = next.clone();
        self.publish(move |snapshot| snapshot.access.put_project(project));
        Ok(next)
    }

    /// Puts the organization in the place of `before`.
    pub(super) async fn organization(
        &mut self,
        caller: &Caller,
        before: &Organization,
        mut next: Organization,
    ) -> Result<Organization, ApiError> {
        let project = caller.project.id;
        self.stamp(caller, project, Some(before), &mut next, Told::default())
            .await?;
        let row = row_of_organization(&next, self.now());
        self.document(row, &next, Some(before)).await?;
        self.touched(Kind::Organization, None, next.id).await?;
        let organization = next.clone();
        self.publish(move |snapshot| snapshot.access.put_organization(organization));
        Ok(next)
    }

    /// Creates a token, or puts it in the place of its former state. Its log is written by the caller.
    pub(super) async fn token(&mut self, token: StoredToken) -> Result<(), ApiError> {
        store::tokens::put(self.write.tx(), &token).await?;
        self.touched(Kind::Token, Some(token.home), token.id).await?;
        self.publish(move |snapshot| snapshot.access.put_token(token));
        Ok(())
    }

    /// Copies all overrides of one object to another one, and says how many. Whoever is forced there already is forced
    /// as here from now on; the others there stay as they are.
    ///
    /// There may be millions: the store copies them by itself, and memory from memory, which holds the same while a
    /// change is planned. Nothing of them is seen before the commit.
    pub(super) async fn copy_overrides(
        &mut self,
        from: &Arc<OverrideTable>,
        to: Option<&Arc<OverrideTable>>,
        copy: store::overrides::Copy,
        project: Uuid,
    ) -> Result<u64, ApiError> {
        let counts = from.counts();
        if counts == OverrideCounts::default() {
            return Ok(0);
        }
        let now = self.now();
        store::overrides::copy(self.write.tx(), copy, now).await?;
        if self.write.is_followed() {
            self.tell_copied(from, to, copy.to, project).await?;
        } else {
            self.write.untold();
        }
        let (from, to) = (Arc::clone(from), to.map(Arc::clone).unwrap_or_default());
        let merged = tokio::task::spawn_blocking(move || to.with(&from)).await;
        let merged = Arc::new(merged.map_err(internal)?);
        self.publish(move |snapshot| snapshot.put_overrides(copy.to, merged));
        Ok(counts.fixed + counts.manual)
    }

    /// Tells the other servers what was copied, in documents of a bounded size, as imports tell what they did.
    async fn tell_copied(
        &mut self,
        from: &OverrideTable,
        to: Option<&Arc<OverrideTable>>,
        id: Uuid,
        project: Uuid,
    ) -> Result<(), ApiError> {
        for subject_type in [OverrideSubject::User, OverrideSubject::Device] {
            for part in 0..PARTS {
                let mut grouped: HashMap<(Option<Forced>, Forced), Vec<String>> = HashMap::new();
                for (id, forced) in from.part_of(subject_type, part) {
                    let before = to.and_then(|to| to.get(subject_type, &id));
                    if before.as_ref() != Some(&forced) {
                        grouped.entry((before, forced)).or_default().push(id);
                    }
                }
                for ((before, forced), all) in grouped {
                    for ids in all.chunks(CHUNK_IDS) {
                        let change = OverrideChange {
                            experiment: id,
                            subject_type,
                            import: None,
                            groups: vec![OverrideGroup {
                                from: before.clone(),
                                to: Some(forced.clone()),
                                ids: ids.to_vec(),
                            }],
                        };
                        self.write.touched_overrides(project, &change).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn document<T: Object>(
        &mut self,
        row: objects::Row,
        next: &T,
        before: Option<&T>,
    ) -> Result<(), ApiError> {
        match before {
            None => objects::insert(self.write.tx(), row, next).await?,
            Some(known) => {
                let there = objects::update(self.write.tx(), row, next, known.version()).await?;
                self.was_there(there, known)?;
            }
        }
        Ok(())
    }

    fn was_there<T: Object>(&self, there: bool, known: &T) -> Result<(), ApiError> {
        if there {
            return Ok(());
        }
        Err(ApiError::Internal(format!(
            "the store does not hold version {} of {} {}, memory does",
            known.version(),
            T::NOUN,
            known.id()
        )))
    }

    async fn touched(&mut self, kind: Kind, project: Option<Uuid>, id: Uuid) -> Result<(), StoreError> {
        self.write.touched(kind, project, &id.to_string()).await
    }

    fn publish(&mut self, publish: impl FnOnce(&mut Snapshot) + Send + 'static) {
        self.publish.push(Box::new(publish));
    }

    /// Ends the transaction and puts all of it into memory at once.
    pub(super) async fn commit(self) -> Result<(), ApiError> {
        let Self { write, publish } = self;
        let put = |registry: &Registry| {
            let mut next = Snapshot::clone(&registry.snapshot.load());
            for step in publish {
                step(&mut next);
            }
            registry.snapshot.store(Arc::new(next));
        };
        write.commit(put).await?;
        Ok(())
    }
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("write", &self.write)
            .field("steps", &self.publish.len())
            .finish()
    }
}
