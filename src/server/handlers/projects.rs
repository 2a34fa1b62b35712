//! `/organization` and `/projects`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::projects::{
    CreateProject, Organization, ProjectList, ProjectRow, UpdateOrganization, UpdateProject,
};
use crate::api::system::Role;
use crate::domain::{Project, Status};
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody, Known, VersionedBody};
use crate::server::middleware::auth::Caller;
use crate::server::snapshot::Snapshot;
use crate::server::state::AppState;

use super::{Read, Versioned, unless_known, with_version};

/// Whose server this is.
pub async fn organization(
    State(state): State<AppState>,
    known: Known,
) -> Result<Read<Organization>, ApiError> {
    let organization = state.registry().organization()?;
    let version = organization.resource_version;
    unless_known(&known, version, Arc::unwrap_or_clone(organization))
}

/// A new name or key of the organization.
pub async fn update_organization(
    State(state): State<AppState>,
    caller: Caller,
    VersionedBody(body): VersionedBody<UpdateOrganization>,
) -> Result<Versioned<Organization>, ApiError> {
    let organization = state.registry().update_organization(caller, body).await?;
    Ok(with_version(organization.resource_version, organization))
}

fn row(snapshot: &Snapshot, project: &Project, role: Role) -> ProjectRow {
    let shown = |status: Status| status != Status::Archived;
    let statuses = || {
        snapshot
            .of_project(project.id)
            .map(|entry| entry.experiment.status)
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let flags = snapshot.flags().of_project(project.id);
    ProjectRow {
        project: project.clone(),
        role,
        experiments: count(statuses().filter(|status| shown(*status)).count()),
        active: count(statuses().filter(|status| *status == Status::Active).count()),
        flags: count(flags.filter(|entry| !entry.flag.archived).count()),
    }
}

/// The projects in which the caller has a role, sorted by key.
pub async fn list(State(state): State<AppState>, caller: Caller) -> Json<ProjectList> {
    let snapshot = state.registry().snapshot();
    let mine = snapshot.access.projects();
    let mine = mine.filter_map(|p| Some(row(&snapshot, p, caller.role_in(p.id)?)));
    let mut projects: Vec<ProjectRow> = mine.collect();
    projects.sort_by_cached_key(|row| row.project.key.folded());
    Json(ProjectList { projects })
}

/// A new project, which the caller administers.
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateProject>,
) -> Result<(StatusCode, Versioned<Project>), ApiError> {
    let project = state.registry().create_project(caller, body).await?;
    Ok((
        StatusCode::CREATED,
        with_version(project.resource_version, project),
    ))
}

/// One project.
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    known: Known,
) -> Result<Read<ProjectRow>, ApiError> {
    let registry = state.registry();
    let (project, role) = registry.find_project(&caller, &id)?;
    let row = row(&registry.snapshot(), &project, role);
    unless_known(&known, project.resource_version, row)
}

/// A change.
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<UpdateProject>,
) -> Result<Versioned<Project>, ApiError> {
    let project = state.registry().update_project(caller, &id, body).await?;
    Ok(with_version(project.resource_version, project))
}
