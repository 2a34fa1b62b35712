//! `GET|POST /experiments/{idOrKey}/insight`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::insights::{Author, Insight, Paragraph};
use crate::api::results::ResultsQuery;
use crate::insights::plain;
use crate::server::error::ApiError;
use crate::server::extract::IdOrKey;
use crate::server::middleware::auth::Caller;
use crate::server::registry::now;
use crate::server::state::AppState;
use crate::server::store::audit;

/// The saved summary, with what changed since.
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
) -> Result<Json<Insight>, ApiError> {
    let registry = state.registry();
    let entry = registry.find(&caller, &id)?;
    let mut insight = registry.insight(&entry.experiment).await?;
    let id = entry.experiment.id;
    let since = audit::fields_since(
        registry.store(),
        id,
        insight.generated_at,
        insight.resource_version,
    );
    insight.changed_since = since.await?;
    Ok(Json(insight))
}

/// Writes the summary of this moment and saves it.
pub async fn write(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
) -> Result<Json<Insight>, ApiError> {
    let registry = state.registry();
    let experiment = Arc::clone(&registry.find(&caller, &id)?.experiment);
    let warehouse = state.link().warehouse()?;
    let at = now();
    let results = warehouse
        .results(&experiment, &ResultsQuery::default(), at)
        .await?;
    let paragraphs = plain::summary(&experiment, &results, at);
    let insight = Insight {
        paragraphs: paragraphs.into_iter().map(Paragraph::from).collect(),
        author: Author::Rules,
        actor: caller.actor.to_string(),
        generated_at: at,
        resource_version: experiment.resource_version,
        subjects: results.arms.iter().map(|arm| arm.subjects).sum(),
        conversions: results.arms.iter().map(|arm| arm.conversions).sum(),
        changed_since: Vec::new(),
    };
    registry.save_insight(caller, experiment, insight).await.map(Json)
}
