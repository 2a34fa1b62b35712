//! `POST /experiments/{idOrKey}/explain`.

use axum::Json;
use axum::extract::State;

use crate::api::assign::Explanation;
use crate::domain::User;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

use super::assign::no_id;

/// The decision for a user, step by step. Nothing is recorded.
pub async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    JsonBody(user): JsonBody<User>,
) -> Result<Json<Explanation>, ApiError> {
    let entry = state.registry().find(&caller, &id)?;
    if !user.has_id() {
        return Err(no_id().into());
    }
    let lookups = entry.overrides.lookups();
    Ok(Json(entry.prepared.explain(&user, &lookups)))
}
