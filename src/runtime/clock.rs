//! The one place of the cockpit that reads the time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// From this lead on the machine slept; less is the clock being trimmed.
const SLEPT: SignedDuration = SignedDuration::from_secs(2);

/// Wall time that never goes backwards: deadlines and ages are made of the same numbers.
#[derive(Debug)]
pub struct Clock {
    /// The wall time when the counting began. It only rises.
    base: Cell<Timestamp>,
    started: Instant,
}

impl Clock {
    /// Starts at the wall time of now.
    pub fn start() -> Self {
        Self {
            base: Cell::new(Timestamp::now()),
            started: Instant::now(),
        }
    }

    /// Now: as the machine's clock says, unless it was set back.
    ///
    /// After the machine slept, its clock is ahead of the time that was counted, and is believed from then on.
    pub fn now(&self) -> Timestamp {
        self.told(Timestamp::now(), self.started.elapsed())
    }

    /// The time when the machine's clock says `wall`, so long after the start.
    fn told(&self, wall: Timestamp, elapsed: Duration) -> Timestamp {
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO);
        let counted = self.base.get().checked_add(elapsed).unwrap_or(Timestamp::MAX);
        if wall.duration_since(counted) <= SLEPT {
            return counted;
        }
        // Counted on from here: what was said once is not taken back when the clock is.
        self.base
            .set(wall.checked_sub(elapsed).unwrap_or(self.base.get()));
        wall
    }

    /// A number that differs from start to start, for jitter.
    pub fn seed(&self) -> u64 {
        self.base.get().as_nanosecond().unsigned_abs() as u64 ^ u64::from(std::process::id()).rotate_left(40)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_whatever_the_machine_s_clock_does() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let clock = Clock {
            base: Cell::new(at(1_000)),
            started: Instant::now(),
        };
        let told = |wall, elapsed| {
            let told = clock.told(at(wall), Duration::from_secs(elapsed));
            told.as_second()
        };
        assert_eq!(told(1_010, 10), 1_010);
        assert_eq!(told(1_013, 12), 1_012, "trimmed");
        assert_eq!(told(700, 13), 1_013, "set back");
        assert_eq!(told(5_014, 14), 5_014, "it slept");
        assert_eq!(told(1_015, 15), 5_015, "set back after that: it goes on");
        assert_eq!(told(1_016, 16), 5_016);
        assert_eq!(told(9_017, 17), 9_017, "it slept again");
    }
}
