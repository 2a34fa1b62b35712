//! `GET /overview` and `GET /names`: what the cockpit reads of ClickHouse, for one project.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use uuid::Uuid;

use crate::api::live::{NameList, NamesOf, NamesQuery, OverviewList, OverviewQuery};
use crate::domain::{Experiment, FieldError, Status};
use crate::server::error::ApiError;
use crate::server::extract::Params;
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;
use crate::warehouse::Names;

/// The live numbers of the project's experiments.
pub async fn overview(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<OverviewQuery>,
) -> Result<Json<OverviewList>, ApiError> {
    let warehouse = state.link().warehouse()?;
    let project = caller.project.id;
    let (wanted, all) = {
        let snapshot = state.registry().snapshot();
        let mut wanted: Vec<Experiment> = snapshot
            .of_project(project)
            .map(|entry| &*entry.experiment)
            .filter(|experiment| match &query.experiments {
                Some(named) => named.contains(&experiment.id),
                None => experiment.status != Status::Archived,
            })
            .cloned()
            .collect();
        wanted.sort_by_cached_key(|e| e.key.folded());
        let all: Vec<Uuid> = snapshot.of_project(project).map(|e| e.experiment.id).collect();
        (wanted, all)
    };
    let overviews = state.overviews();
    let answer = overviews.of(&warehouse, project, &wanted, &all, Timestamp::now());
    Ok(Json(answer.await?))
}

/// Names that recent events of the project carry.
pub async fn names(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<NamesQuery>,
) -> Result<Json<NameList>, ApiError> {
    let property = query.property.as_deref();
    let names = match (query.of, property) {
        (NamesOf::Events, None) => Names::Events,
        (NamesOf::Properties, None) => Names::Properties,
        (NamesOf::Values, Some(property)) if !property.trim().is_empty() => Names::Values(property),
        (NamesOf::Values, given) => {
            let allowed = "the name of a property, whose values are listed";
            return Err(FieldError::new("property", given.unwrap_or("nothing"), allowed).into());
        }
        (NamesOf::Events | NamesOf::Properties, Some(given)) => {
            return Err(FieldError::new("property", given, "nothing, unless `of` is values").into());
        }
    };
    let warehouse = state.link().warehouse()?;
    let names = warehouse.names(caller.project.id, names, Timestamp::now());
    Ok(Json(NameList { names: names.await? }))
}
