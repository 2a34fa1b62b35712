//! The one place of the cockpit that reads the time.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Wall time that never goes backwards: deadlines and ages are made of the same numbers.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Timestamp,
    started: Instant,
}

impl Clock {
    /// Starts at the wall time of now.
    pub fn start() -> Self {
        Self {
            wall: Timestamp::now(),
            started: Instant::now(),
        }
    }

    /// Now: as the machine's clock says, unless it was set back.
    ///
    /// After the machine slept, its clock is ahead of the time that was counted, and is believed.
    pub fn now(&self) -> Timestamp {
        let counted = SignedDuration::try_from(self.started.elapsed())
            .ok()
            .and_then(|elapsed| self.wall.checked_add(elapsed).ok())
            .unwrap_or(self.wall);
        // Both only rise, or the counted one wins.
        let wall = Timestamp::now();
        if wall.duration_since(counted) > SignedDuration::from_secs(2) {
            wall
        } else {
            counted
        }
    }

    /// A number that differs from start to start, for jitter.
    pub fn seed(&self) -> u64 {
        self.wall.as_nanosecond().unsigned_abs() as u64 ^ u64::from(std::process::id()).rotate_left(40)
    }
}
