//! Changing flags.

use std::sync::Arc;

use crate::api::flags::{CreateFlag, UpdateFlag};
#[cfg(doc)]
use crate::api::problem::Code;
use crate::domain::{Flag, Key};
use crate::server::edit;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::served::FlagEntry;

use super::batch::Told;
use super::{Registry, carried_through, object, unknown_deployments, wanted_deployments};

impl Registry {
    /// A flag of the caller's project.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn find_flag(&self, caller: &Caller, id_or_key: &str) -> Result<Arc<FlagEntry>, ApiError> {
        let snapshot = self.snapshot();
        let found = snapshot.flags().find(caller.project.id, id_or_key).cloned();
        found.ok_or_else(|| ApiError::not_found("flag", id_or_key))
    }

    /// Creates a flag.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every refused field, [`Code::KeyTaken`].
    pub async fn create_flag(
        self: &Arc<Self>,
        caller: Caller,
        mut body: CreateFlag,
    ) -> Result<Arc<Flag>, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let snapshot = this.snapshot().clone();
            let project = caller.project.id;
            let given = body.deployments.take();
            let (deployments, mut refused) = wanted_deployments(&snapshot, project, given);
            let taken = |key: &Key| snapshot.flags().find(project, key.as_str()).is_some();
            let made = edit::flag::create(body, deployments, this.max_variants, taken, batch.now());
            refused.extend(made.as_ref().err().cloned().unwrap_or_default());
            let flag = match made {
                Ok(flag) if refused.is_empty() => flag,
                _ => return Err(refused.into()),
            };
            if taken(&flag.key) {
                return Err(object::taken("flag", "key", flag.key.as_str()));
            }
            let flag = batch.flag(&caller, project, None, flag, Told::default()).await?;
            batch.commit().await?;
            Ok(flag)
        })
        .await
    }

    /// Changes a flag. What changes nothing is answered with the current state: no new version, no audit
    /// entry.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live object, [`Code::Invalid`] with every refused field.
    pub async fn update_flag(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: UpdateFlag,
    ) -> Result<Arc<Flag>, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_flag(&caller, id_or_key)?.flag.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.find_flag(&caller, &id)?;
            let current = &live.flag;
            batch.check_version(&**current, body.resource_version).await?;
            let mut refused = Vec::new();
            if let Some(deployments) = &body.deployments {
                // One that is there already may stay although it was revoked.
                let new = deployments.iter().copied();
                let new: Vec<_> = new.filter(|id| !current.deployments.contains(id)).collect();
                refused.extend(unknown_deployments(&this.snapshot(), live.project, &new));
            }
            let told = Told::default().comment(body.comment.as_deref());
            let overrides_of = |key: &Key| live.overrides.count_of(key);
            let next = edit::flag::update(current, body, this.max_variants, overrides_of, batch.now());
            refused.extend(next.as_ref().err().cloned().unwrap_or_default());
            let next = match next {
                Ok(next) if refused.is_empty() => next,
                _ => return Err(refused.into()),
            };
            if next == **current {
                return Ok(Arc::clone(current));
            }
            let flag = batch.flag(&caller, live.project, Some(&live), next, told).await?;
            batch.commit().await?;
            Ok(flag)
        })
        .await
    }
}
