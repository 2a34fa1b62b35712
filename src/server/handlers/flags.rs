//! `/flags` and what belongs to one flag.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::assign::Explanation;
use crate::api::experiments::{CopyTo, SetRules};
use crate::api::flags::{Convert, Converted, CreateFlag, FlagList, FlagRow, ListFlags, UpdateFlag};
use crate::domain::{ExplainStep, Flag, User};
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody, Known, Params, Question, VersionedBody};
use crate::server::middleware::auth::Caller;
use crate::server::served::FlagEntry;
use crate::server::snapshot::Snapshot;
use crate::server::state::AppState;

use super::assign::no_id;
use super::{Read, Versioned, unless_known, with_version};

fn row(snapshot: &Snapshot, entry: &FlagEntry) -> FlagRow {
    let counts = entry.overrides.counts();
    let key = entry.flag.key.as_str();
    FlagRow {
        flag: (*entry.flag).clone(),
        decided_by: snapshot
            .keys()
            .decided_by(entry.project, key)
            .map(|e| e.key.clone()),
        overrides: counts.fixed + counts.manual,
        overrides_by_variant: entry.overrides.by_variant(),
    }
}

fn answer(flag: Arc<Flag>) -> Versioned<Flag> {
    with_version(flag.resource_version, Arc::unwrap_or_clone(flag))
}

/// The project's flags, sorted by key.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<ListFlags>,
) -> Json<FlagList> {
    let snapshot = state.registry().snapshot();
    let mut flags: Vec<FlagRow> = snapshot
        .flags()
        .of_project(caller.project.id)
        .filter(|entry| query.archived || !entry.flag.archived)
        .map(|entry| row(&snapshot, entry))
        .collect();
    flags.sort_by_cached_key(|row| row.flag.key.folded());
    Json(FlagList { flags })
}

/// A new flag.
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateFlag>,
) -> Result<(StatusCode, Versioned<Flag>), ApiError> {
    let flag = state.registry().create_flag(caller, body).await?;
    Ok((StatusCode::CREATED, answer(flag)))
}

/// One flag.
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    known: Known,
) -> Result<Read<FlagRow>, ApiError> {
    let registry = state.registry();
    let entry = registry.find_flag(&caller, &id)?;
    let row = row(&registry.snapshot(), &entry);
    unless_known(&known, row.flag.resource_version, row)
}

/// A change of configuration.
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<UpdateFlag>,
) -> Result<Versioned<Flag>, ApiError> {
    let flag = state.registry().update_flag(caller, &id, body).await?;
    Ok(answer(flag))
}

/// Puts new rules in the place of all there were.
pub async fn rules(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<SetRules>,
) -> Result<Versioned<Flag>, ApiError> {
    let change = UpdateFlag {
        resource_version: body.resource_version,
        rules: Some(body.rules),
        ..UpdateFlag::default()
    };
    let flag = state.registry().update_flag(caller, &id, change).await?;
    Ok(answer(flag))
}

/// What a user gets who is asked for under the flag's key, step by step: by the experiment that decides the flag
/// where there is one, else by the flag's own rules. Nothing is recorded.
pub async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Question(user): Question<User>,
) -> Result<Json<Explanation>, ApiError> {
    let entry = state.registry().find_flag(&caller, &id)?;
    if !user.has_id() {
        return Err(no_id().into());
    }
    let snapshot = state.registry().snapshot();
    let deciding = snapshot.keys().decided_by(entry.project, entry.flag.key.as_str());
    if let Some(deciding) = deciding.and_then(|experiment| snapshot.by_id(experiment.id)) {
        let experiment = deciding.experiment.key.clone();
        let mut explanation = state
            .sticky()
            .explain(&deciding.prepared, &deciding.overrides, &user);
        explanation.steps.insert(0, ExplainStep::DecidedBy { experiment });
        return Ok(Json(explanation));
    }
    Ok(Json(entry.prepared.explain(&user, &entry.overrides.lookups())))
}

/// Makes an experiment of it, linked to it.
pub async fn convert(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<Convert>,
) -> Result<(StatusCode, Json<Converted>), ApiError> {
    let converted = state.registry().experiment_of_flag(caller, &id, body).await?;
    Ok((StatusCode::CREATED, Json(converted)))
}

/// Copies it to another project.
pub async fn copy(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    JsonBody(body): JsonBody<CopyTo>,
) -> Result<(StatusCode, Versioned<Flag>), ApiError> {
    let flag = state.registry().copy_flag(caller, &id, body).await?;
    Ok((StatusCode::CREATED, answer(flag)))
}
