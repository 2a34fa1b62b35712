//! Saving the summary of an experiment.

use std::sync::Arc;

use serde_json::json;

use crate::api::insights::Insight;
#[cfg(doc)]
use crate::api::problem::Code;
use crate::domain::{AuditAction, Experiment};
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::store::audit;
use crate::server::store::objects::{self, Kind, Row};

use super::{Registry, carried_through, object};

impl Registry {
    /// The saved summary of an experiment, as it was saved.
    ///
    /// # Errors
    /// [`Code::NotFound`] while there is none.
    pub async fn insight(&self, experiment: &Experiment) -> Result<Insight, ApiError> {
        let found = objects::one(self.store().readers(), Kind::Insight, experiment.id).await?;
        let found: Option<(_, Insight)> = found;
        found
            .map(|(_, insight)| insight)
            .ok_or_else(|| ApiError::not_found("saved summary of the experiment", experiment.key.as_str()))
    }

    /// Saves a summary in the place of the last one. It is no part of the experiment's version.
    ///
    /// # Errors
    /// [`Code::NotFound`] when the experiment was deleted meanwhile.
    pub async fn save_insight(
        self: &Arc<Self>,
        caller: Caller,
        experiment: Arc<Experiment>,
        insight: Insight,
    ) -> Result<Insight, ApiError> {
        let this = Arc::clone(self);
        carried_through(async move {
            let mut write = this.begin_for(&caller).await?;
            let live = this.find(&caller, &experiment.id.to_string())?;
            let id = live.experiment.id;
            objects::delete(write.tx(), Kind::Insight, id).await?;
            let row = Row {
                kind: Kind::Insight,
                id,
                project: Some(live.project),
                name_folded: id.to_string(),
                version: insight.resource_version,
                updated_at: insight.generated_at,
            };
            objects::insert(write.tx(), row, &insight).await?;
            let action = AuditAction::InsightSaved;
            let mut entry = object::entry(&caller, &*live.experiment, action, write.now());
            entry.evidence = json!({
                "author": insight.author, "subjects": insight.subjects, "conversions": insight.conversions,
                "writtenFromVersion": insight.resource_version,
            });
            audit::insert(write.tx(), live.project, &entry).await?;
            write.commit(|_| {}).await?;
            Ok(insight)
        })
        .await
    }
}
