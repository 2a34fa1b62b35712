//! `GET|POST /experiments`, `GET|PATCH|DELETE /experiments/{idOrKey}`, and turning it into something else.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::experiments::{
    CopyTo, CreateExperiment, DeleteExperiment, ExperimentList, ListExperiments, UpdateExperiment,
};
use crate::api::flags::{Convert, Converted};
use crate::domain::{Experiment, FieldError, Status};
use crate::server::error::ApiError;
use crate::server::extract::{Expected, IdOrKey, JsonBody, Known, Params, VersionedBody};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

use super::{Read, Versioned, unless_known, versioned};

/// The project's experiments, sorted by key.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<ListExperiments>,
) -> Json<ExperimentList> {
    let snapshot = state.registry().snapshot();
    let mut experiments: Vec<Experiment> = snapshot
        .of_project(caller.project.id)
        .filter(|entry| query.archived || entry.experiment.status != Status::Archived)
        .map(|entry| (*entry.experiment).clone())
        .collect();
    experiments.sort_by_cached_key(|e| e.key.folded());
    Json(ExperimentList { experiments })
}

/// A new draft.
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateExperiment>,
) -> Result<(StatusCode, Versioned), ApiError> {
    let experiment = state.registry().create(caller, body).await?;
    Ok((StatusCode::CREATED, versioned(experiment)))
}

/// One experiment.
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    known: Known,
) -> Result<Read<Experiment>, ApiError> {
    let entry = state.registry().find(&caller, &id)?;
    let experiment = &entry.experiment;
    unless_known(&known, experiment.resource_version, Experiment::clone(experiment))
}

/// A change of configuration.
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<UpdateExperiment>,
) -> Result<Versioned, ApiError> {
    let experiment = state.registry().update(caller, &id, body).await?;
    Ok(versioned(experiment))
}

/// Deletes a draft, and the flag that came with it if that is as it was made and nobody else's.
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Expected(expected): Expected,
    Params(query): Params<DeleteExperiment>,
) -> Result<StatusCode, ApiError> {
    let version = expected.or(query.resource_version).ok_or_else(|| {
        let allowed = "the version that is to be deleted, as resourceVersion or in the header If-Match";
        FieldError::new("resourceVersion", "nothing", allowed)
    })?;
    state.registry().delete(caller, &id, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a flag of it.
pub async fn convert(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<Convert>,
) -> Result<Json<Converted>, ApiError> {
    let converted = state.registry().flag_of_experiment(caller, &id, body).await?;
    Ok(Json(converted))
}

/// Copies it to another project.
pub async fn copy(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    JsonBody(body): JsonBody<CopyTo>,
) -> Result<(StatusCode, Versioned), ApiError> {
    let experiment = state.registry().copy_experiment(caller, &id, body).await?;
    Ok((StatusCode::CREATED, versioned(experiment)))
}
