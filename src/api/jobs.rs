//! Jobs over the wire.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::Key;

use super::results::SrmTest;

/// Actor of what the guard does, in the audit log.
pub const SRM_GUARD: &str = "srm-guard";

/// Name of the job that tests every active experiment once a night (p < 0.001).
pub const NIGHTLY: &str = "srm-guard";

/// Name of the job that looks at every active experiment all the time (evidence of 1,000).
pub const WATCH: &str = "srm-watch";

/// Answer of `GET /jobs`: what servers do by themselves, and what they did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Jobs {
    /// When jobs are due, as the server that answers is configured.
    pub schedules: Vec<JobSchedule>,
    /// The last runs of each job, the newest first.
    pub runs: Vec<JobRun>,
}

/// When a job is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSchedule {
    /// The job.
    pub job: String,
    /// A cron expression, or `every 300 s`; nothing for a job that is turned off.
    pub schedule: Option<String>,
    /// The time zone of the expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When it is due next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobRun {
    /// The job.
    pub job: String,
    /// When it was due.
    pub due_at: Timestamp,
    /// Why it was done.
    pub cause: JobCause,
    /// How it stands.
    pub state: JobState,
    /// The server that did it last: host, process and a random number.
    pub instance: String,
    /// When the last attempt began.
    pub started_at: Timestamp,
    /// The last sign of life of the server that does it.
    pub heartbeat_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The experiments of the project that were looked at, sorted by key.
    pub experiments: Vec<SrmChecked>,
}

/// Why a job is done.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobCause {
    /// It was time.
    Schedule,
    /// Somebody asked for it.
    Manual,
}

impl JobCause {
    /// The word on the wire and on the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
        }
    }
}

/// How a run stands.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// A server is at it.
    Running,
    /// An attempt failed; there will be another one.
    Waiting,
    /// Done.
    Done,
    /// Given up.
    Failed,
}

impl JobState {
    /// The word on the wire and on the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Answer of `POST /jobs/srm-guard`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SrmGuardRun {
    /// When the run began.
    pub started_at: Timestamp,
    /// Every experiment of the project that was active then, sorted by key.
    pub experiments: Vec<SrmChecked>,
}

/// One experiment that the guard looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SrmChecked {
    /// The experiment.
    pub experiment_id: Uuid,
    /// Its key.
    pub key: Key,
    /// What came of it.
    pub outcome: SrmOutcome,
    /// The test, where it was made; its always-valid p is the smallest one of all looks so far.
    pub test: Option<SrmTest>,
    /// Only subjects first exposed since then were tested, as it was resumed knowing that the test failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_from: Option<Timestamp>,
    /// Why it was not tested, or not paused, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What came of the guard's look at an experiment.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SrmOutcome {
    /// The observed split agrees with the configured one.
    Passed,
    /// p < 0.001, or evidence of 1,000 for the job that always looks: it is paused now.
    Paused,
    /// The test cannot be made yet.
    Untested,
    /// Somebody took it out of `active` while it was being tested: it was left alone.
    LeftAlone,
    /// Its counts could not be had, or it could not be paused.
    Failed,
}

impl SrmOutcome {
    /// The word on the wire and on the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Paused => "paused",
            Self::Untested => "untested",
            Self::LeftAlone => "left_alone",
            Self::Failed => "failed",
        }
    }
}
