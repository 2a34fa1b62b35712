//! Changing labs.

use std::sync::Arc;

use uuid::Uuid;

#[cfg(doc)]
use crate::api::problem::Code;
use crate::api::projects::{CreateLab, UpdateLab};
use crate::domain::experiment::DEFAULT_LAB;
use crate::domain::{FieldError, Lab};
use crate::server::edit::not_reserved;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;

use super::{Registry, carried_through, object};

impl Registry {
    /// A lab of the caller's project, with the project.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn find_lab(&self, caller: &Caller, id_or_key: &str) -> Result<Arc<(Uuid, Lab)>, ApiError> {
        let snapshot = self.snapshot();
        let found = snapshot.labs.find(caller.project.id, id_or_key).cloned();
        found.ok_or_else(|| ApiError::not_found("lab", id_or_key))
    }

    /// Creates a lab.
    ///
    /// # Errors
    /// [`Code::Invalid`], [`Code::KeyTaken`].
    pub async fn create_lab(self: &Arc<Self>, caller: Caller, body: CreateLab) -> Result<Lab, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let (project, now) = (caller.project.id, batch.now());
            let CreateLab {
                key,
                name,
                description,
            } = body;
            not_reserved("key", &key)?;
            if key.as_str().eq_ignore_ascii_case(DEFAULT_LAB) {
                let allowed =
                    format!("any other key: {DEFAULT_LAB} is the lab of experiments that name none");
                return Err(FieldError::new("key", key, allowed).into());
            }
            if this.snapshot().labs.find(project, key.as_str()).is_some() {
                return Err(object::taken("lab", "key", key.as_str()));
            }
            let lab = Lab {
                id: Uuid::new_v4(),
                name: if name.trim().is_empty() {
                    key.to_string()
                } else {
                    name
                },
                key,
                description,
                archived: false,
                resource_version: 1,
                created_at: now,
                updated_at: now,
            };
            lab.check()?;
            let lab = batch.lab(&caller, project, None, lab).await?;
            batch.commit().await?;
            Ok(lab)
        })
        .await
    }

    /// Changes a lab.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live object, [`Code::Invalid`].
    pub async fn update_lab(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: UpdateLab,
    ) -> Result<Lab, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_lab(&caller, id_or_key)?.1.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.find_lab(&caller, &id)?;
            let (project, current) = (live.0, &live.1);
            batch.check_version(current, body.resource_version).await?;
            let mut next = current.clone();
            next.name = body.name.unwrap_or(next.name);
            next.description = body.description.unwrap_or(next.description);
            next.archived = body.archived.unwrap_or(next.archived);
            if next == *current {
                return Ok(next);
            }
            next.check()?;
            let lab = batch.lab(&caller, project, Some(current), next).await?;
            batch.commit().await?;
            Ok(lab)
        })
        .await
    }
}
