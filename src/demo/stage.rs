//! Sets the stage and plays: the three experiments, the replay, the simulated visitors.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::replay::{self, ReplayError};
use super::traffic::{self, SCENARIOS};
use crate::api::experiments::{ChangeStatus, CreateExperiment};
use crate::api::problem::Code;
use crate::client::{Client, ClientError};
use crate::domain::{Experiment, Status};

/// Simulated visitors a second, both experiments together, unless told otherwise.
pub const DEFAULT_RATE: f64 = 50.0;
/// The most simulated visitors a second.
pub const MAX_RATE: f64 = 10_000.0;

/// How the demo is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// Simulated visitors a second, both experiments together; 0 for none.
    pub rate: f64,
    /// Where it is noted that the replay is complete, so that the next start does not repeat it.
    pub replayed: PathBuf,
}

/// The demo cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The server refused.
    #[error("the demo cannot set up its experiments: {0}")]
    Client(#[from] ClientError),
    /// The real data could not be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The note that the replay is complete cannot be written.
    #[error("cannot write {path}: {source}")]
    Note {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Creates what is missing and plays until it is dropped.
///
/// What a person changed in an experiment since (paused it, edited it) is left as it is.
///
/// # Errors
/// See [`DemoError`]. A server that is away for a while is waited for.
pub async fn play(client: &Client, options: &Options) -> Result<(), DemoError> {
    let real = present(client, replay::experiment(), replay::KEY).await?;
    let mut simulated = Vec::new();
    for scenario in &SCENARIOS {
        simulated.push((
            scenario,
            present(client, scenario.experiment(), scenario.key).await?,
        ));
    }
    let replayed = replay_once(client, &real, &options.replayed);
    if options.rate <= 0.0 {
        replayed.await?;
        return std::future::pending().await;
    }
    let rate = options.rate / SCENARIOS.len() as f64;
    let visitors = simulated.iter().map(|(scenario, experiment)| {
        traffic::run(client, scenario, experiment, rate, beginning(experiment))
    });
    let playing = async { Ok(try_join_all(visitors).await.map(|_| ())?) };
    tokio::try_join!(replayed, playing).map(|_| ())
}

/// The number of the first visitor: another one at each start, since whoever came before has been seen.
fn beginning(experiment: &Experiment) -> u64 {
    let age = Timestamp::now().as_millisecond() - experiment.created_at.as_millisecond();
    // Faster than visitors can come, so that no number is used twice.
    age.unsigned_abs() * (MAX_RATE as u64 / 1_000)
}

/// The experiment, created and activated if it is not there yet.
async fn present(client: &Client, body: CreateExperiment, key: &str) -> Result<Experiment, ClientError> {
    let created = match client.create_experiment(&body).await {
        Ok(created) => created,
        Err(error) if error.code() == Some(Code::KeyTaken) => client.experiment(key).await?,
        Err(error) => return Err(error),
    };
    if created.status != Status::Draft {
        return Ok(created);
    }
    let change = ChangeStatus {
        comment: Some("started by the demo".to_owned()),
        ..ChangeStatus::new(Status::Active, created.resource_version)
    };
    client.change_status(key, &change).await
}

async fn replay_once(client: &Client, experiment: &Experiment, note: &Path) -> Result<(), DemoError> {
    // The note names the experiment: another store with the same file starts anew.
    let id = experiment.id.to_string();
    if std::fs::read_to_string(note).is_ok_and(|noted| noted == id) {
        return Ok(());
    }
    let began = Timestamp::now();
    let events = replay::replay(client, experiment).await?;
    let took = Timestamp::now().duration_since(began);
    tracing::info!(events, ?took, "the real data is replayed");
    std::fs::write(note, id).map_err(|source| DemoError::Note {
        path: note.to_owned(),
        source,
    })
}
