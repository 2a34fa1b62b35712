//! `GET /jobs`, `POST /jobs/srm-guard`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use tracing::Instrument as _;

use crate::api::jobs::{Jobs, SrmGuardRun};
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

/// Tests every active experiment of the project now. Goes on to its end although the caller hangs up.
pub async fn srm_guard(State(state): State<AppState>, caller: Caller) -> Result<Json<SrmGuardRun>, ApiError> {
    let runner = Arc::clone(state.runner());
    let run = async move { runner.run_now(&caller.project).await };
    let run = tokio::spawn(run.in_current_span()).await;
    let run = run.map_err(|error| ApiError::Internal(format!("the SRM guard ended early: {error}")))?;
    run.map(Json)
}

/// What is due when, and the last runs.
pub async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Jobs>, ApiError> {
    Ok(Json(state.runner().told(caller.project.id).await?))
}
