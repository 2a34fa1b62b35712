//! Jobs over the wire.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::Key;

use super::results::SrmTest;

/// Actor of what the guard does, in the audit log.
pub const SRM_GUARD: &str = "srm-guard";

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
    /// The test, where it was made.
    pub test: Option<SrmTest>,
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
    /// p < 0.001: it is paused now.
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
