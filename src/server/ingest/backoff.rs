//! How long to wait before trying again: full jitter between nothing and a ceiling that doubles.

use std::time::Duration;

/// The ceiling after the first failure.
const FIRST: Duration = Duration::from_millis(200);
/// The highest ceiling.
const MOST: Duration = Duration::from_secs(30);

/// Counts failures and says how long to wait after each.
///
/// Full jitter: the wait is uniform over `0 ..= ceiling`, so that many writers that lost the same server
/// do not come back in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How many failures there were in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts over, after a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure; the time to wait before the next attempt.
    pub(super) fn after_failure(&mut self) -> Duration {
        let ceiling = ceiling(self.failures);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(fastrand::f64())
    }
}

fn ceiling(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_from_200_ms_to_30_s() {
        let ceilings: Vec<f64> = (0..10).map(|n| ceiling(n).as_secs_f64()).collect();
        assert_eq!(ceilings, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]);
        assert_eq!(ceiling(u32::MAX), MOST);
    }

    #[test]
    fn waits_stay_below_the_ceiling_and_differ() {
        let mut waits = Vec::new();
        for _ in 0..50 {
            let mut backoff = Backoff::default();
            for n in 0..12 {
                let wait = backoff.after_failure();
                assert!(wait <= ceiling(n));
                waits.push(wait);
            }
            assert_eq!(backoff.failures(), 12);
            backoff.reset();
            assert!(backoff.after_failure() <= FIRST);
        }
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 500, "jitter spreads the waits");
    }
}
