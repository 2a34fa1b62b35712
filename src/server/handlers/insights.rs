//! `GET|POST /experiments/{idOrKey}/insight`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use crate::api::insights::{Author, Insight, Paragraph};
use crate::api::results::ResultsQuery;
use crate::domain::{AuditAction, AuditEntry};
use crate::insights::plain;
use crate::server::error::ApiError;
use crate::server::extract::IdOrKey;
use crate::server::middleware::auth::Caller;
use crate::server::registry::now;
use crate::server::state::AppState;
use crate::server::store::audit::{self, Wanted};

/// The most audit entries that are looked through for what changed since.
const MOST_ENTRIES: u32 = 500;

/// The saved summary, with what changed since.
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
) -> Result<Json<Insight>, ApiError> {
    let registry = state.registry();
    let entry = registry.find(&caller, &id)?;
    let mut insight = registry.insight(&entry.experiment).await?;
    insight.changed_since = changed_since(&state, entry.project, entry.experiment.id, &insight).await?;
    Ok(Json(insight))
}

/// The paths of all fields that the log names since a summary was written.
async fn changed_since(
    state: &AppState,
    project: Uuid,
    experiment: Uuid,
    insight: &Insight,
) -> Result<Vec<String>, ApiError> {
    let wanted = Wanted {
        object: Some(experiment),
        from: Some(insight.generated_at),
        ..Wanted::default()
    };
    let entries = audit::of_project(state.registry().store(), project, &wanted, MOST_ENTRIES).await?;
    let since = |entry: &&AuditEntry| match entry.action {
        AuditAction::InsightSaved => false,
        // They are no part of the version.
        AuditAction::OverridesImported => true,
        _ => entry.resource_version > insight.resource_version,
    };
    let mut fields = BTreeSet::new();
    for entry in entries.iter().filter(since) {
        if entry.action == AuditAction::OverridesImported {
            fields.insert("overrides".to_owned());
        } else {
            fields.extend(entry.changes.iter().map(|change| change.field.clone()));
        }
    }
    Ok(fields.into_iter().collect())
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
        paragraphs: paragraphs
            .into_iter()
            .map(|p| Paragraph {
                title: p.title.to_owned(),
                text: p.text,
            })
            .collect(),
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
