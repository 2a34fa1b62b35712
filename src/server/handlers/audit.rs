//! `GET /audit`, and the history of one experiment or flag.

use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use crate::api::audit::AuditQuery;
use crate::api::experiments::{HISTORY_PAGE, History, HistoryQuery};
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, Params};
use crate::server::middleware::auth::Caller;
use crate::server::registry::Noun;
use crate::server::state::AppState;
use crate::server::store::audit::{self, Wanted};

/// A page of the project's audit log, the newest first.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<AuditQuery>,
) -> Result<Json<History>, ApiError> {
    let wanted = Wanted {
        before: query.before,
        action: query.action,
        actor: query.actor,
        object: query.object_id,
        object_key: query.object_key,
        from: query.from,
        to: query.to,
    };
    page(&state, caller.project.id, &wanted).await
}

/// A page of an experiment's history.
pub async fn of_experiment(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    of_object(&state, &caller, Noun::Experiment, &id, query).await
}

/// A page of a flag's history.
pub async fn of_flag(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    of_object(&state, &caller, Noun::Flag, &id, query).await
}

async fn of_object(
    state: &AppState,
    caller: &Caller,
    noun: Noun,
    id: &str,
    query: HistoryQuery,
) -> Result<Json<History>, ApiError> {
    let target = state.registry().target(caller, noun, id)?;
    let wanted = Wanted {
        before: query.before,
        action: query.action,
        actor: query.actor,
        object: Some(target.id),
        ..Wanted::default()
    };
    page(state, target.project, &wanted).await
}

async fn page(state: &AppState, project: Uuid, wanted: &Wanted) -> Result<Json<History>, ApiError> {
    // One more than a page, to know whether there is another.
    let store = state.registry().store();
    let mut entries = audit::of_project(store, project, wanted, HISTORY_PAGE + 1).await?;
    let page = usize::try_from(HISTORY_PAGE).unwrap_or(usize::MAX);
    let more = entries.len() > page;
    entries.truncate(page);
    let next_before = entries.last().filter(|_| more).map(|entry| entry.id);
    Ok(Json(History { entries, next_before }))
}
