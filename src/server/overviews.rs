//! The live numbers of each project's experiments, counted once for all who ask.
//!
//! Cockpits ask every few seconds. What was counted is kept by project, so that only experiments that were
//! changed or have new events are counted again; whoever asks while others do waits for them, and gets their
//! answer where it is new enough.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use crate::api::live::OverviewList;
use crate::domain::Experiment;
use crate::warehouse::{DataVersion, OverviewMemo, ResultsError, Warehouse};

/// How long an answer is given to others who ask the same.
const FRESH: Duration = Duration::from_secs(1);

/// What a question was about: each experiment with its version.
type Question = Vec<(Uuid, u64)>;

/// What was counted, by project.
#[derive(Debug, Default)]
pub struct Overviews {
    projects: Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<Counted>>>>,
}

#[derive(Debug, Default)]
struct Counted {
    memo: OverviewMemo,
    answers: HashMap<Question, (Instant, OverviewList)>,
}

impl Overviews {
    /// The live numbers of `wanted`, in their order. `all` are the ids of the experiments that the project has:
    /// what is known of others is forgotten.
    ///
    /// # Errors
    /// [`ResultsError`] of the first experiment that cannot be counted; what was counted until then is kept.
    pub async fn of(
        &self,
        warehouse: &Warehouse,
        project: Uuid,
        wanted: &[Experiment],
        all: &[Uuid],
        now: Timestamp,
    ) -> Result<OverviewList, ResultsError> {
        let counted = {
            let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(projects.entry(project).or_default())
        };
        let mut counted = counted.lock().await;
        let question: Question = wanted.iter().map(|e| (e.id, e.resource_version)).collect();
        counted.answers.retain(|_, (at, _)| at.elapsed() < FRESH);
        if let Some((_, answer)) = counted.answers.get(&question) {
            return Ok(answer.clone());
        }
        counted.memo.keep(all);
        let overviews = warehouse.overview_since(&mut counted.memo, wanted, now).await?;
        let marks: BTreeMap<Uuid, String> = overviews
            .iter()
            .map(|o| {
                let version = counted.memo.data_version(o.experiment_id);
                (o.experiment_id, mark(version))
            })
            .collect();
        let answer = OverviewList { overviews, marks };
        counted.answers.insert(question, (Instant::now(), answer.clone()));
        Ok(answer)
    }
}

/// What changes with the data of an experiment, as a text.
fn mark(version: DataVersion) -> String {
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
