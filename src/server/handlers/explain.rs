//! `POST /experiments/{idOrKey}/explain`.

use axum::Json;
use axum::extract::State;

use jiff::Timestamp;

use crate::api::assign::{Explanation, Suppose};
use crate::decide::Prepared;
use crate::domain::{Status, User};
use crate::server::edit;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBoth};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

use super::assign::no_id;

/// The decision for a user, step by step; with other rules or another status where that is supposed.
/// Nothing is recorded.
pub async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    JsonBoth(user, suppose): JsonBoth<User, Suppose>,
) -> Result<Json<Explanation>, ApiError> {
    let entry = state.registry().find(&caller, &id)?;
    let Suppose { rules, as_if_active } = suppose;
    if !user.has_id() {
        return Err(no_id().into());
    }
    let max_variants = state.registry().max_variants();
    let explained = tokio::task::spawn_blocking(move || -> Result<Explanation, ApiError> {
        let explain = |prepared: &Prepared| state.sticky().explain(prepared, &entry.overrides, &user);
        if !(rules.is_some() || as_if_active) {
            return Ok(explain(&entry.prepared));
        }
        let mut supposed = (*entry.experiment).clone();
        if let Some(rules) = rules {
            supposed.rules = rules;
            supposed.check(max_variants)?;
        }
        if as_if_active {
            supposed.status = Status::Active;
            let now = Timestamp::now();
            edit::follow_split(&mut supposed, now);
            if entry.experiment.status == Status::Draft {
                let snapshot = state.registry().snapshot();
                edit::flag::take_over(&mut supposed, snapshot.linked_flag(&entry), now);
            }
        }
        let prepared = Prepared::new(&supposed).map_err(|error| ApiError::Internal(error.to_string()))?;
        Ok(explain(&prepared))
    });
    // Other requests need not wait for a long list of rules.
    let explained = explained.await;
    explained
        .unwrap_or_else(|error| Err(ApiError::Internal(format!("an explanation ended early: {error}"))))
        .map(Json)
}
