//! `PUT /experiments/{idOrKey}/rules`.

use axum::extract::State;

use crate::api::experiments::SetRules;
use crate::server::edit;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, VersionedBody};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

use super::{Versioned, versioned};

/// Puts new rules in the place of all there were.
pub async fn replace(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<SetRules>,
) -> Result<Versioned, ApiError> {
    let change = edit::only_rules(body.resource_version, body.rules);
    let experiment = state.registry().update(caller, &id, change).await?;
    Ok(versioned(experiment))
}
