//! `/deployments`: programs that evaluate and track, and their keys.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use crate::api::deployments::{
    CreateDeployment, DeploymentList, DeploymentRow, RevokeKey, RotateKey, UpdateDeployment,
};
use crate::domain::{Deployment, Status};
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody, VersionedBody};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

use super::{Versioned, with_version};

/// The project's deployments, sorted by name.
pub async fn list(State(state): State<AppState>, caller: Caller) -> Json<DeploymentList> {
    let snapshot = state.registry().snapshot();
    let project = caller.project.id;
    let named = |id: Uuid, named: &[Uuid]| named.contains(&id);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let row = |deployment: &Deployment| {
        let experiments = snapshot.of_project(project).filter(|entry| {
            let e = &entry.experiment;
            e.status != Status::Archived && named(deployment.id, &e.deployments)
        });
        let flags = snapshot.flags().of_project(project);
        let flags = flags.filter(|f| !f.flag.archived && named(deployment.id, &f.flag.deployments));
        DeploymentRow {
            experiments: count(experiments.count()),
            flags: count(flags.count()),
            deployment: deployment.clone(),
        }
    };
    let stored = snapshot.access.deployments.of_project(project);
    let mut deployments: Vec<DeploymentRow> = stored.map(|stored| row(&stored.deployment)).collect();
    deployments.sort_by_cached_key(|row| row.deployment.name.to_lowercase());
    Json(DeploymentList { deployments })
}

/// A new deployment with its key.
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateDeployment>,
) -> Result<(StatusCode, Versioned<Deployment>), ApiError> {
    let deployment = state.registry().create_deployment(caller, body).await?;
    Ok((
        StatusCode::CREATED,
        with_version(deployment.resource_version, deployment),
    ))
}

/// A new name.
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<UpdateDeployment>,
) -> Result<Versioned<Deployment>, ApiError> {
    let deployment = state.registry().update_deployment(caller, &id, body).await?;
    Ok(with_version(deployment.resource_version, deployment))
}

/// A new key.
pub async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<RotateKey>,
) -> Result<Versioned<Deployment>, ApiError> {
    let deployment = state.registry().rotate_key(caller, &id, body).await?;
    Ok(with_version(deployment.resource_version, deployment))
}

/// The end of all its keys.
pub async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<RevokeKey>,
) -> Result<Versioned<Deployment>, ApiError> {
    let deployment = state.registry().revoke_deployment(caller, &id, body).await?;
    Ok(with_version(deployment.resource_version, deployment))
}
