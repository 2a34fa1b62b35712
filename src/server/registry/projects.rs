//! Changing the organization and its projects.

use std::sync::Arc;

use uuid::Uuid;

use crate::api::problem::Code;
use crate::api::projects::{CreateProject, Organization, UpdateOrganization, UpdateProject};
use crate::api::system::Role;
use crate::domain::{DeploymentKind, Project};
use crate::server::access::StoredDeployment;
use crate::server::edit::not_reserved;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::setup::DEFAULT_DEPLOYMENT;

use super::batch::Told;
use super::deployments::name;
use super::{Registry, carried_through, object};

impl Registry {
    /// Whose server this is.
    ///
    /// # Errors
    /// [`ApiError::Internal`] when the store has lost it.
    pub fn organization(&self) -> Result<Arc<Organization>, ApiError> {
        let organization = self.snapshot().access.organization().cloned();
        organization.ok_or_else(|| ApiError::Internal("the store holds no organization".to_owned()))
    }

    /// Changes the organization, for who administers all of its projects.
    ///
    /// # Errors
    /// [`Code::Forbidden`], [`Code::VersionConflict`] with the live object, [`Code::Invalid`].
    pub async fn update_organization(
        self: &Arc<Self>,
        caller: Caller,
        body: UpdateOrganization,
    ) -> Result<Organization, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.organization()?;
            let mut all = this.snapshot().access.projects().map(|p| p.id).collect::<Vec<_>>().into_iter();
            if !all.all(|project| caller.role_in(project) == Some(Role::Admin)) {
                // Not which ones: of projects in which a token has no role it learns nothing.
                return Err(ApiError::new(
                    Code::Forbidden,
                    format!(
                        "the token `{}` does not have the role admin in every project; what all of them share is \
                         changed by who administers all, such as the token that the server was started with",
                        caller.actor
                    ),
                ));
            }
            batch.check_version(&*live, body.resource_version).await?;
            let mut next = Organization::clone(&live);
            if let Some(text) = &body.name {
                next.name = name("name", text)?;
            }
            next.key = body.key.unwrap_or(next.key);
            if next == *live {
                return Ok(next);
            }
            let organization = batch.organization(&caller, &live, next).await?;
            batch.commit().await?;
            Ok(organization)
        })
        .await
    }

    /// A project in which the caller has a role, with the role.
    ///
    /// # Errors
    /// [`Code::NotFound`] for every other project, whether it exists or not.
    pub fn find_project(&self, caller: &Caller, id_or_key: &str) -> Result<(Arc<Project>, Role), ApiError> {
        let snapshot = self.snapshot();
        let found = snapshot.access.find_project(id_or_key);
        let found = found.and_then(|p| Some((Arc::clone(p), caller.role_in(p.id)?)));
        found.ok_or_else(|| {
            let shown: String = id_or_key.chars().take(80).collect();
            ApiError::new(
                Code::NotFound,
                format!("there is no project `{shown}` in which this token has a role"),
            )
        })
    }

    /// Creates a project with its default deployment. Those who administer the project that the caller works in
    /// administer it, the caller among them: nobody can hide a project from whoever gave them their token.
    ///
    /// # Errors
    /// [`Code::Invalid`], [`Code::KeyTaken`].
    pub async fn create_project(
        self: &Arc<Self>,
        caller: Caller,
        body: CreateProject,
    ) -> Result<Project, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let snapshot = this.snapshot().clone();
            let CreateProject {
                key,
                name: text,
                environment,
                protected,
            } = body;
            not_reserved("key", &key)?;
            if snapshot.access.find_project(key.as_str()).is_some() {
                return Err(object::taken("project", "key", key.as_str()));
            }
            let project = Project {
                id: Uuid::new_v4(),
                name: if text.trim().is_empty() {
                    key.to_string()
                } else {
                    name("name", &text)?
                },
                key,
                environment,
                protected,
                resource_version: 1,
            };
            let project = batch.project(&caller, None, project).await?;
            let named = DEFAULT_DEPLOYMENT.to_owned();
            let (stored, _) =
                StoredDeployment::new(project.id, named, DeploymentKind::Client, true, batch.now());
            batch.deployment(&caller, None, stored, Told::default()).await?;
            let now = batch.now();
            for token in snapshot.access.admins(caller.project.id, now) {
                this.grant(&mut batch, &caller, token, &project, Role::Admin)
                    .await?;
            }
            batch.commit().await?;
            Ok(project)
        })
        .await
    }

    /// Changes a project that the caller administers.
    ///
    /// # Errors
    /// [`Code::Forbidden`], [`Code::VersionConflict`] with the live object, [`Code::Invalid`].
    pub async fn update_project(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: UpdateProject,
    ) -> Result<Project, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_project(&caller, id_or_key)?.0.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let (live, role) = this.find_project(&caller, &id)?;
            if role < Role::Admin {
                return Err(ApiError::new(
                    Code::Forbidden,
                    format!(
                        "the token `{}` has the role {} in {}; this needs admin",
                        caller.actor,
                        role.as_str(),
                        live.key
                    ),
                ));
            }
            batch.check_version(&*live, body.resource_version).await?;
            let mut next = Project::clone(&live);
            if let Some(text) = &body.name {
                next.name = name("name", text)?;
            }
            next.environment = body.environment.unwrap_or(next.environment);
            next.protected = body.protected.unwrap_or(next.protected);
            if next == *live {
                return Ok(next);
            }
            let project = batch.project(&caller, Some(&live), next).await?;
            batch.commit().await?;
            Ok(project)
        })
        .await
    }
}
