//! What the engine is doing, as others see it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::progress::Step;

/// Where a ready engine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Its HTTP interface, such as `http://127.0.0.1:40123`.
    pub http_url: String,
    /// The port in it. A restarted engine asks for its port again.
    pub port: u16,
    /// Id of its process.
    pub pid: u32,
    /// Version of ClickHouse, such as `26.7.2.1`.
    pub version: String,
    /// Whether the kernel keeps its users from reading files of the host by the function `file()`. Where this
    /// is false, whoever has one of the two passwords can read what the owner of the process can read.
    pub confined: bool,
}

/// What the engine is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineState {
    /// The library is being installed.
    Installing(Step),
    /// The process is started and does not answer yet.
    Starting,
    /// It answers.
    Ready(Address),
    /// It ended by itself and is started again after a pause.
    Restarting {
        /// How many times in a row, from 1.
        attempt: u32,
        /// The pause.
        after: Duration,
        /// What it ended with.
        why: String,
    },
    /// It could not be started and is not tried again.
    Failed {
        /// The error.
        why: String,
    },
    /// It was stopped as asked.
    Stopped,
}

/// The pause before restart number `attempt` (from 1), for `chance` in 0..1: doubled each time from 0.25 s up to
/// 30 s, and of that between half and all, so that many do not start at the same moment.
pub(super) fn pause(attempt: u32, chance: f64) -> Duration {
    let most = 0.25
        * 2_f64.powi(
            i32::try_from(attempt.saturating_sub(1))
                .unwrap_or(i32::MAX)
                .min(16),
        );
    Duration::from_secs_f64(most.min(30.0) * (0.5 + 0.5 * chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_vary_by_half() {
        assert_eq!(pause(1, 1.0), Duration::from_millis(250));
        assert_eq!(pause(1, 0.0), Duration::from_millis(125));
        assert_eq!(pause(2, 1.0), Duration::from_millis(500));
        assert_eq!(pause(7, 1.0), Duration::from_secs(16));
        assert_eq!(pause(8, 1.0), Duration::from_secs(30));
        assert_eq!(pause(u32::MAX, 0.0), Duration::from_secs(15));
    }
}
