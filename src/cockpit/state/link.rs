//! Connections: are they there, how fast are they, when are they tried again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Whether a service answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Health {
    /// No answer yet.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It does not; tried again by itself.
    Lost {
        /// Since when.
        since: Timestamp,
        /// How often it was tried since.
        attempt: u32,
        /// When it is tried next.
        retry_at: Timestamp,
        /// What went wrong last.
        message: String,
    },
    /// It refuses in a way that only a person can mend; not tried again by itself.
    Stopped {
        /// What it said.
        message: String,
    },
}

/// A connection to a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Link {
    /// Whether it answers.
    pub health: Health,
    /// How long answers take, as it is shown: it stays until they take clearly longer or shorter, so that
    /// a number that says nothing new does not flicker.
    pub latency: Option<Duration>,
    /// How long answers take, smoothed.
    smoothed: Option<Duration>,
    /// When it last answered.
    pub last_ok: Option<Timestamp>,
}

/// A latency that is off by less is no news.
const UNSTEADY: Duration = Duration::from_millis(20);
/// The first pause before a lost service is tried again.
const FIRST_PAUSE_MS: u64 = 200;
/// The longest pause.
const LONGEST_PAUSE_MS: u64 = 30_000;

impl Link {
    /// It answered.
    pub fn up(&mut self, took: Duration, now: Timestamp) {
        self.health = Health::Up;
        let smoothed = self.smoothed.map_or(took, |before| (before * 7 + took * 3) / 10);
        self.smoothed = Some(smoothed);
        let steady = self.latency.is_some_and(|shown| {
            let off = shown.abs_diff(smoothed);
            off <= (shown / 2).max(UNSTEADY)
        });
        if !steady {
            self.latency = Some(smoothed);
        }
        self.last_ok = Some(now);
    }

    /// It did not answer. `jitter` is a uniform random number from 0 to 1.
    ///
    /// The pause is drawn from the upper half of a window that doubles each time, 0.2 s to 30 s. Replies of
    /// several requests that were lost together count once.
    pub fn lost(&mut self, message: String, jitter: f64, now: Timestamp) {
        let (since, attempt) = match &self.health {
            Health::Lost { retry_at, .. } if *retry_at > now => return,
            Health::Lost { since, attempt, .. } => (*since, attempt.saturating_add(1)),
            _ => (now, 1),
        };
        let window = FIRST_PAUSE_MS
            .saturating_mul(1_u64 << attempt.min(20))
            .min(LONGEST_PAUSE_MS);
        let pause = Duration::from_millis(window).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        self.health = Health::Lost {
            since,
            attempt,
            retry_at: later(now, pause),
            message,
        };
    }

    /// It refuses until a person mends it.
    pub fn stop(&mut self, message: String) {
        self.health = Health::Stopped { message };
    }

    /// Forgets a failure, so that the service is tried at once.
    pub fn retry_now(&mut self, now: Timestamp) {
        match &mut self.health {
            Health::Lost { retry_at, .. } => *retry_at = (*retry_at).min(now),
            Health::Stopped { .. } => self.health = Health::Unknown,
            Health::Unknown | Health::Up => {}
        }
    }

    /// Whether a request may be sent now.
    #[must_use]
    pub fn may_try(&self, now: Timestamp) -> bool {
        match &self.health {
            Health::Unknown | Health::Up => true,
            Health::Lost { retry_at, .. } => *retry_at <= now,
            Health::Stopped { .. } => false,
        }
    }

    /// Whether it is known not to answer.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.health, Health::Lost { .. } | Health::Stopped { .. })
    }
}

/// `now + span`; the latest time there is when that overflows.
#[must_use]
pub fn later(now: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| now.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("a time")
    }

    #[test]
    fn pauses_grow_to_thirty_seconds_and_end_with_an_answer() {
        let mut link = Link::default();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            link.lost("gone".into(), 1.0, now);
            let Health::Lost { retry_at, .. } = link.health else {
                panic!("lost");
            };
            pauses.push(retry_at.as_millisecond() - now.as_millisecond());
            assert!(!link.may_try(now));
            now = retry_at;
            assert!(link.may_try(now));
        }
        assert_eq!(pauses[..4], [400, 800, 1600, 3200]);
        assert_eq!(pauses[11], 30_000);
        assert!(matches!(link.health, Health::Lost { since, .. } if since == at(0)));
        link.up(Duration::from_millis(3), now);
        assert_eq!(link.health, Health::Up);
    }

    #[test]
    fn failures_of_one_moment_count_once() {
        let mut link = Link::default();
        link.lost("a".into(), 0.0, at(0));
        let once = link.clone();
        link.lost("b".into(), 1.0, at(10));
        assert_eq!(link, once);
    }

    #[test]
    fn the_latency_that_is_shown_does_not_flicker() {
        let mut link = Link::default();
        let shown = |link: &mut Link, ms: u64| {
            link.up(Duration::from_millis(ms), at(0));
            link.latency.map(|latency| latency.as_millis())
        };
        assert_eq!(shown(&mut link, 12), Some(12));
        for ms in [11, 14, 9, 12, 30, 13, 25, 2, 22] {
            assert_eq!(shown(&mut link, ms), Some(12), "{ms}");
        }
        let slow: Vec<_> = (0..30).filter_map(|_| shown(&mut link, 400)).collect();
        assert!(*slow.last().expect("some") > 300, "{slow:?}");
    }

    #[test]
    fn a_stopped_service_waits_for_a_person() {
        let mut link = Link::default();
        link.stop("wrong password".into());
        assert!(!link.may_try(Timestamp::MAX));
        link.retry_now(at(5));
        assert!(link.may_try(at(5)));
    }
}
