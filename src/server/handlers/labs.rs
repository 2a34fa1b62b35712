//! `/labs`: what experiments are grouped by.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::projects::{CreateLab, LabList, UpdateLab};
use crate::domain::Lab;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody, Known, VersionedBody};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

use super::{Read, Versioned, unless_known, with_version};

/// The project's labs, sorted by key.
pub async fn list(State(state): State<AppState>, caller: Caller) -> Json<LabList> {
    let snapshot = state.registry().snapshot();
    let of_project = snapshot.labs.of_project(caller.project.id);
    let mut labs: Vec<Lab> = of_project.map(|lab| lab.1.clone()).collect();
    labs.sort_by_cached_key(|lab| lab.key.folded());
    Json(LabList { labs })
}

/// A new lab.
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateLab>,
) -> Result<(StatusCode, Versioned<Lab>), ApiError> {
    let lab = state.registry().create_lab(caller, body).await?;
    Ok((StatusCode::CREATED, with_version(lab.resource_version, lab)))
}

/// One lab.
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    known: Known,
) -> Result<Read<Lab>, ApiError> {
    let lab = state.registry().find_lab(&caller, &id)?;
    unless_known(&known, lab.1.resource_version, lab.1.clone())
}

/// A change.
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<UpdateLab>,
) -> Result<Versioned<Lab>, ApiError> {
    let lab = state.registry().update_lab(caller, &id, body).await?;
    Ok(with_version(lab.resource_version, lab))
}
