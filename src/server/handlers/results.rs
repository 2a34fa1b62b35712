//! `GET /experiments/{idOrKey}/results`.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;

use crate::api::problem::Code;
use crate::api::results::{Results, ResultsQuery, Srm};
use crate::domain::Experiment;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, Params};
use crate::server::jobs::srm_guard;
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;
use crate::warehouse::{Class, ResultsError, WarehouseError};

/// The results as of now, counted from raw events.
pub async fn results(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<ResultsQuery>,
) -> Result<Json<Results>, ApiError> {
    let entry = state.registry().find(&caller, &id)?;
    let warehouse = state.link().warehouse()?;
    let results = warehouse.results(&entry.experiment, &query, Timestamp::now());
    let mut results = results.await?;
    let whole = query.start.is_none() && query.end.is_none() && entry.experiment.srm_checked_from.is_none();
    let readers = state.registry().store().readers();
    let watch = srm_guard::with_watch(&mut results.srm, readers, &entry.experiment, whole);
    if let Err(error) = watch.await {
        // The results are right without it: `watch` is missing.
        tracing::warn!(%error, key = %entry.experiment.key, "what the guard saw cannot be read");
    }
    Ok(Json(results))
}

/// The test for a sample ratio mismatch as the guard makes it, and what its looks have come to.
pub async fn sample_ratio(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
) -> Result<Json<Srm>, ApiError> {
    let entry = state.registry().find(&caller, &id)?;
    Ok(Json(as_guarded(&state, &entry.experiment).await?))
}

/// The test over the subjects that the guard looks at, with what its looks so far have come to.
///
/// # Errors
/// Where ClickHouse or the store does not answer.
pub async fn as_guarded(state: &AppState, experiment: &Experiment) -> Result<Srm, ApiError> {
    let warehouse = state.link().warehouse()?;
    let mut srm = warehouse
        .sample_ratio(experiment, experiment.srm_checked_from)
        .await?;
    let readers = state.registry().store().readers();
    srm_guard::with_watch(&mut srm, readers, experiment, true).await?;
    Ok(srm)
}

impl From<ResultsError> for ApiError {
    fn from(error: ResultsError) -> Self {
        match error {
            ResultsError::Query(refused) => refused.into(),
            ResultsError::Warehouse(error) => error.into(),
            error @ ResultsError::Stats { .. } => Self::Internal(error.to_string()),
        }
    }
}

impl From<WarehouseError> for ApiError {
    /// What a narrower question would mend is told apart from what the caller can only wait for.
    fn from(error: WarehouseError) -> Self {
        let code = match error.class {
            Class::Limit => Code::Timeout,
            _ => Code::WarehouseUnavailable,
        };
        tracing::warn!(%error, "ClickHouse did not answer a request");
        Self::new(code, error.to_string())
    }
}
