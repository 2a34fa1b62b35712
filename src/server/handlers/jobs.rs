//! `POST /jobs/srm-guard`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use tracing::Instrument as _;

use crate::api::jobs::SrmGuardRun;
use crate::server::error::ApiError;
use crate::server::jobs::srm_guard;
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;

/// Tests every active experiment of the project now. Goes on to its end although the caller hangs up.
pub async fn srm_guard(State(state): State<AppState>, caller: Caller) -> Result<Json<SrmGuardRun>, ApiError> {
    let warehouse = state.link().warehouse()?;
    // ClickHouse that does not answer at all is one fault, not one of each experiment.
    warehouse.ping().await?;
    let registry = Arc::clone(state.registry());
    let run = async move { srm_guard::run(&registry, &warehouse, &caller.project).await };
    let run = tokio::spawn(run.in_current_span()).await;
    run.map(Json)
        .map_err(|error| ApiError::Internal(format!("the SRM guard ended early: {error}")))
}
