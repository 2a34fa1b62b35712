//! Changing deployments and their keys.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::api::deployments::{CreateDeployment, RevokeKey, RotateKey, UpdateDeployment};
use crate::api::problem::Code;
use crate::domain::checks::is_unseen;
use crate::domain::{AuditAction, Deployment, FieldError};
use crate::server::access::StoredDeployment;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;

use super::batch::{Batch, Told};
use super::{Registry, carried_through, object};

/// The longest that an old key is still taken.
const MOST_GRACE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// A name that people read and the log writes.
pub(super) fn name(field: &str, text: &str) -> Result<String, FieldError> {
    let text = text.trim();
    if text.is_empty()
        || text.chars().count() > MAX_NAME
        || text.chars().any(|c| c.is_control() || is_unseen(c))
    {
        let allowed = format!(
            "1 to {MAX_NAME} characters, no line breaks, control characters or characters that nobody sees"
        );
        return Err(FieldError::new(field, text.escape_debug(), allowed));
    }
    Ok(text.to_owned())
}

impl Registry {
    /// A deployment of the caller's project, by its id or its name.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn find_deployment(
        &self,
        caller: &Caller,
        id_or_name: &str,
    ) -> Result<Arc<StoredDeployment>, ApiError> {
        let snapshot = self.snapshot();
        let deployments = &snapshot.access.deployments;
        let found = deployments.find(caller.project.id, &id_or_name.to_lowercase());
        found
            .cloned()
            .ok_or_else(|| ApiError::not_found("deployment", id_or_name))
    }

    /// Creates a deployment. The answer is the only one that tells the key of a server.
    ///
    /// # Errors
    /// [`Code::Invalid`], [`Code::KeyTaken`].
    pub async fn create_deployment(
        self: &Arc<Self>,
        caller: Caller,
        body: CreateDeployment,
    ) -> Result<Deployment, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let name = name("name", &body.name)?;
            this.free_name(&caller, &name, None)?;
            let (stored, key) = StoredDeployment::new(caller.project.id, name, body.kind, false, batch.now());
            let stored = batch.deployment(&caller, None, stored, Told::default()).await?;
            batch.commit().await?;
            Ok(with_key(stored, key))
        })
        .await
    }

    /// Renames a deployment.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live object, [`Code::Invalid`], [`Code::KeyTaken`].
    pub async fn update_deployment(
        self: &Arc<Self>,
        caller: Caller,
        id: &str,
        body: UpdateDeployment,
    ) -> Result<Deployment, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_deployment(&caller, id)?.deployment.id;
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.live(&mut batch, &caller, id, body.resource_version).await?;
            let mut next = StoredDeployment::clone(&live);
            if let Some(text) = &body.name {
                let name = name("name", text)?;
                this.free_name(&caller, &name, Some(id))?;
                next.deployment.name = name;
            }
            if next == *live {
                return Ok(next.deployment);
            }
            let stored = batch
                .deployment(&caller, Some(&live), next, Told::default())
                .await?;
            batch.commit().await?;
            Ok(stored.deployment)
        })
        .await
    }

    /// Gives a deployment a new key, and ends the old one, at once or after a time of grace. The answer is
    /// the only one that tells the key of a server.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live object, [`Code::Invalid`]; [`Code::BadTransition`] when it is
    /// revoked.
    pub async fn rotate_key(
        self: &Arc<Self>,
        caller: Caller,
        id: &str,
        body: RotateKey,
    ) -> Result<Deployment, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_deployment(&caller, id)?.deployment.id;
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.live(&mut batch, &caller, id, body.resource_version).await?;
            let grace = u64::from(body.grace_seconds);
            if grace > MOST_GRACE.as_secs() {
                let allowed = format!("0 to {} (30 days)", MOST_GRACE.as_secs());
                return Err(FieldError::new("graceSeconds", grace, allowed).into());
            }
            not_revoked(&live)?;
            let (next, key) = live.rotated(grace_end(batch.now(), grace), batch.now());
            let told = Told::actions([AuditAction::DeploymentKeyRotated]);
            let stored = batch.deployment(&caller, Some(&live), next, told).await?;
            batch.commit().await?;
            Ok(with_key(stored, key))
        })
        .await
    }

    /// Ends all keys of a deployment, at once and for good.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live object; [`Code::BadTransition`] when it is revoked already.
    pub async fn revoke_deployment(
        self: &Arc<Self>,
        caller: Caller,
        id: &str,
        body: RevokeKey,
    ) -> Result<Deployment, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_deployment(&caller, id)?.deployment.id;
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.live(&mut batch, &caller, id, body.resource_version).await?;
            not_revoked(&live)?;
            let mut next = StoredDeployment::clone(&live);
            next.deployment.revoked_at = Some(batch.now());
            next.deployment.previous_key_until = None;
            let told = Told::actions([AuditAction::DeploymentRevoked]).comment(body.comment.as_deref());
            let stored = batch.deployment(&caller, Some(&live), next, told).await?;
            batch.commit().await?;
            Ok(stored.deployment)
        })
        .await
    }

    async fn live(
        &self,
        batch: &mut Batch<'_>,
        caller: &Caller,
        id: Uuid,
        version: u64,
    ) -> Result<Arc<StoredDeployment>, ApiError> {
        let live = self.find_deployment(caller, &id.to_string())?;
        batch.check_version(&*live, version).await?;
        Ok(live)
    }

    fn free_name(&self, caller: &Caller, name: &str, own: Option<Uuid>) -> Result<(), ApiError> {
        let snapshot = self.snapshot();
        let folded = name.to_lowercase();
        let mut others = snapshot.access.deployments.of_project(caller.project.id);
        let is_taken =
            others.any(|d| d.deployment.name.to_lowercase() == folded && Some(d.deployment.id) != own);
        if is_taken {
            return Err(object::taken("deployment", "name", name));
        }
        Ok(())
    }
}

/// When an old key ends; none where it ends at once.
fn grace_end(now: Timestamp, seconds: u64) -> Option<Timestamp> {
    let grace = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    (seconds > 0).then(|| now.checked_add(grace).ok()).flatten()
}

fn not_revoked(stored: &StoredDeployment) -> Result<(), ApiError> {
    match stored.deployment.revoked_at {
        None => Ok(()),
        Some(at) => Err(ApiError::new(
            Code::BadTransition,
            format!(
                "the deployment `{}` was revoked at {at}, for good; create another one",
                stored.deployment.name
            ),
        )),
    }
}

fn with_key(stored: StoredDeployment, key: String) -> Deployment {
    Deployment {
        key: Some(key),
        ..stored.deployment
    }
}
