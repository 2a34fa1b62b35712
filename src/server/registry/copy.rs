//! Copying an experiment or a flag to another project.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::experiments::CopyTo;
use crate::api::problem::{Code, Problem};
use crate::api::system::Role;
use crate::domain::experiment::DEFAULT_LAB;
use crate::domain::{AuditAction, Experiment, FieldError, Flag, Key, Project};
use crate::server::access::StoredDeployment;
use crate::server::edit;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::snapshot::Snapshot;
use crate::server::store::overrides::Copy;

use super::batch::Told;
use super::{Registry, carried_through, default_deployments, object, unknown_lab};

impl Registry {
    /// Copies an experiment as a draft: variants, rules, metrics; deployments of the same name and kind, else the
    /// default one; the lab where the other project has it; its flag where the other project has none of the
    /// key. What happened to it is not copied.
    ///
    /// # Errors
    /// [`Code::Forbidden`] without the role editor in the other project, [`Code::KeyTaken`] there,
    /// [`Code::Invalid`].
    pub async fn copy_experiment(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: CopyTo,
    ) -> Result<Arc<Experiment>, ApiError> {
        let this = Arc::clone(self);
        let id = this.find(&caller, id_or_key)?.experiment.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let snapshot = this.snapshot().clone();
            let live = this.find(&caller, &id)?;
            let (original, now) = (&live.experiment, batch.now());
            let to = this.destination(&caller, &body)?;
            let key = body.key.clone().unwrap_or_else(|| original.key.clone());
            if snapshot.find(to.id, key.as_str()).is_some() {
                return Err(taken_in("experiment", &key, &to));
            }
            let deployments = deployments_there(&snapshot, &original.deployments, to.id);
            let parent = match unknown_lab(&snapshot, to.id, &original.parent_id) {
                None => original.parent_id.clone(),
                Some(_) => DEFAULT_LAB.to_owned(),
            };
            let most = this.max_variants;
            let mut copy = edit::convert::copy_of_experiment(original, key, deployments, parent, most, now)?;
            // In its own project the original keeps its flag: the copy gets one of its own.
            let same_project = to.id == live.project;
            let flag_key = original.linked_flag.clone().filter(|_| !same_project);
            let original_flag = flag_key
                .as_ref()
                .and_then(|key| snapshot.flags().find(live.project, key.as_str()));
            let known = |key: &_| known_flag(&snapshot, to.id, key);
            if let Some(mut flag) = edit::flag::linked(&mut copy, flag_key, now, known) {
                if let Some(entry) = original_flag {
                    let key = flag.key.clone();
                    let deployments = deployments_there(&snapshot, &entry.flag.deployments, to.id);
                    flag = edit::convert::copy_of_flag(&entry.flag, key, deployments, most, now)?;
                }
                batch.flag(&caller, to.id, None, flag, Told::default()).await?;
            }
            let new = copy.id;
            let told = Told::actions([AuditAction::Created, AuditAction::Copied]).evidence(origin(
                &caller,
                original.id,
                &original.key,
                &body,
            ));
            let copy = batch.experiment(&caller, to.id, None, copy, told).await?;
            let overrides = match body.overrides {
                true => {
                    let copied = Copy {
                        from: original.id,
                        to: new,
                    };
                    batch.copy_overrides(&live.overrides, None, copied, to.id).await?
                }
                false => 0,
            };
            let mut entry = object::entry(&caller, &**original, AuditAction::Copied, now);
            entry.evidence = target(&to, new, &copy.key, overrides);
            batch.log(live.project, &entry).await?;
            batch.commit().await?;
            Ok(copy)
        })
        .await
    }

    /// Copies a flag, switched off.
    ///
    /// # Errors
    /// As [`Self::copy_experiment`].
    pub async fn copy_flag(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: CopyTo,
    ) -> Result<Arc<Flag>, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_flag(&caller, id_or_key)?.flag.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let snapshot = this.snapshot().clone();
            let live = this.find_flag(&caller, &id)?;
            let (original, now) = (&live.flag, batch.now());
            let to = this.destination(&caller, &body)?;
            let key = body.key.clone().unwrap_or_else(|| original.key.clone());
            if snapshot.flags().find(to.id, key.as_str()).is_some() {
                return Err(taken_in("flag", &key, &to));
            }
            let deployments = deployments_there(&snapshot, &original.deployments, to.id);
            let copy = edit::convert::copy_of_flag(original, key, deployments, this.max_variants, now)?;
            let new = copy.id;
            let told = Told::actions([AuditAction::FlagCreated, AuditAction::FlagCopied]).evidence(origin(
                &caller,
                original.id,
                &original.key,
                &body,
            ));
            let copy = batch.flag(&caller, to.id, None, copy, told).await?;
            let overrides = match body.overrides {
                true => {
                    let copied = Copy {
                        from: original.id,
                        to: new,
                    };
                    batch.copy_overrides(&live.overrides, None, copied, to.id).await?
                }
                false => 0,
            };
            let mut entry = object::entry(&caller, &**original, AuditAction::FlagCopied, now);
            entry.evidence = target(&to, new, &copy.key, overrides);
            batch.log(live.project, &entry).await?;
            batch.commit().await?;
            Ok(copy)
        })
        .await
    }

    /// The project that is copied to.
    fn destination(&self, caller: &Caller, body: &CopyTo) -> Result<Arc<Project>, ApiError> {
        let (project, role) = self.find_project(caller, body.project.as_str())?;
        if role < Role::Editor {
            return Err(ApiError::new(
                Code::Forbidden,
                format!(
                    "the token `{}` has the role {} in {}; copying to it needs editor",
                    caller.actor,
                    role.as_str(),
                    project.key
                ),
            ));
        }
        Ok(project)
    }
}

/// What the log of a copy says of the original.
fn origin(caller: &Caller, id: Uuid, key: &Key, body: &CopyTo) -> Value {
    json!({ "fromProject": caller.project.key, "fromId": id, "fromKey": key, "overrides": body.overrides })
}

/// What the log of an original says of its copy.
fn target(to: &Project, id: Uuid, key: &Key, overrides: u64) -> Value {
    json!({ "toProject": to.key, "toId": id, "toKey": key, "overrides": overrides })
}

fn known_flag(snapshot: &Snapshot, project: Uuid, key: &Key) -> Option<Key> {
    let found = snapshot.flags().find(project, key.as_str());
    found.map(|entry| entry.flag.key.clone())
}

/// The deployments of a project that are named as the given ones and are of the same kind. Where there is none, its
/// default one, if that is of a kind that saw the original: a page's key must not be shown what only servers saw. None
/// for an original that nobody sees.
fn deployments_there(snapshot: &Snapshot, originals: &[Uuid], project: Uuid) -> Vec<Uuid> {
    let deployments = &snapshot.access.deployments;
    let in_use = |d: &&Arc<StoredDeployment>| d.deployment.revoked_at.is_none();
    let seen_by: Vec<_> = originals
        .iter()
        .filter_map(|id| deployments.by_id(*id))
        .filter(in_use)
        .map(|d| &d.deployment)
        .collect();
    let there: Vec<Uuid> = seen_by
        .iter()
        .filter_map(|original| {
            let named_so = deployments.find(project, &original.name.to_lowercase());
            named_so
                .filter(in_use)
                .filter(|d| d.deployment.kind == original.kind)
        })
        .map(|d| d.deployment.id)
        .collect();
    if !there.is_empty() {
        return there;
    }
    let is_seen_by = |id: &Uuid| {
        let there = deployments.by_id(*id).map(|d| d.deployment.kind);
        seen_by.iter().any(|original| Some(original.kind) == there)
    };
    let default = default_deployments(snapshot, project).into_iter();
    default.filter(is_seen_by).collect()
}

fn taken_in(noun: &str, key: &Key, project: &Project) -> ApiError {
    let mut problem = Problem::new(
        Code::KeyTaken,
        format!(
            "the project {} has the {noun} `{key}` already (case does not matter); name another key",
            project.key
        ),
    );
    let allowed = format!("a key that no {noun} of {} has", project.key);
    problem.errors = vec![FieldError::new("key", key, allowed).into()];
    problem.into()
}
