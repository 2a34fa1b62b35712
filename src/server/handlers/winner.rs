//! `POST /experiments/{idOrKey}/apply-winner`.

use axum::Json;
use axum::extract::State;

use crate::api::experiments::{ApplyWinner, WinnerApplied};
use crate::api::results::ResultsQuery;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, VersionedBody};
use crate::server::middleware::auth::Caller;
use crate::server::registry::{now, winner};
use crate::server::state::AppState;

/// Computes the results anew, and applies the winner that they name.
pub async fn apply(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<ApplyWinner>,
) -> Result<Json<WinnerApplied>, ApiError> {
    let registry = state.registry();
    let experiment = registry.at_version(&caller, &id, body.resource_version).await?;
    winner::possible(&experiment, &body)?;
    // Before the change, which waits for nobody: its version says whether this is still the case by then.
    let warehouse = state.link().warehouse()?;
    // One that does not answer at all says so soon, not after all the time that results may take.
    warehouse.ping().await?;
    let results = warehouse
        .results(&experiment, &ResultsQuery::default(), now())
        .await?;
    let applied = registry.apply_winner(caller, &id, body, results).await?;
    Ok(Json(applied))
}
