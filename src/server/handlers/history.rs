//! `GET /experiments/{idOrKey}/history`.

use axum::Json;
use axum::extract::State;

use crate::api::experiments::{HISTORY_PAGE, History, HistoryQuery};
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, Params};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;
use crate::server::store::audit::{self, Wanted};

/// A page of an experiment's audit log, the newest first.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let registry = state.registry();
    let object = registry.find(&caller, &id)?.experiment.id;
    let wanted = Wanted {
        before: query.before,
        action: query.action,
        actor: query.actor,
    };
    // One more than a page, to know whether there is another.
    let mut entries = audit::of_object(registry.store(), object, &wanted, HISTORY_PAGE + 1).await?;
    let page = usize::try_from(HISTORY_PAGE).unwrap_or(usize::MAX);
    let more = entries.len() > page;
    entries.truncate(page);
    let next_before = entries.last().filter(|_| more).map(|entry| entry.id);
    Ok(Json(History { entries, next_before }))
}
