//! Connections: are they there, how fast are they, when are they tried again.

use std::collections::VecDeque;
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
    /// How long answers take, as it is shown: the median of the last ones. It stays for a while, and for as long as
    /// that says nothing new, so that it does not flicker.
    pub latency: Option<Duration>,
    /// From when on that may change.
    steady_until: Option<Timestamp>,
    /// How long the last answers took, the newest last.
    took: VecDeque<Duration>,
    /// When it last answered.
    pub last_ok: Option<Timestamp>,
}

/// Of how many answers the median is shown.
const MEASURED: usize = 15;
/// A latency that is off by no more is no news, nor is one by a quarter.
const UNSTEADY: Duration = Duration::from_millis(8);
/// How long a latency is shown at least.
const STEADY_FOR: Duration = Duration::from_secs(10);
/// The first pause before a lost service is tried again.
const FIRST_PAUSE_MS: u64 = 200;
/// The longest pause.
const LONGEST_PAUSE_MS: u64 = 30_000;

impl Link {
    /// It answered.
    pub fn up(&mut self, took: Duration, now: Timestamp) {
        self.health = Health::Up;
        if self.took.len() == MEASURED {
            self.took.pop_front();
        }
        self.took.push_back(took);
        let mut sorted: Vec<Duration> = self.took.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(took);
        let stays = self.steady_until.is_some_and(|until| now < until);
        let news = |shown: Duration| shown.abs_diff(median) > (shown / 4).max(UNSTEADY);
        if !stays && self.latency.is_none_or(news) {
            self.latency = Some(median);
            self.steady_until = Some(later(now, STEADY_FOR));
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

    /// The latency that is shown after an answer each second.
    fn shown(link: &mut Link, from: i64, took: &[u64]) -> Vec<u128> {
        let answers = took.iter().zip(from..);
        let shown = answers.map(|(ms, second)| {
            link.up(Duration::from_millis(*ms), at(second * 1_000));
            link.latency.expect("measured").as_millis()
        });
        shown.collect()
    }

    #[test]
    fn the_latency_that_is_shown_does_not_flicker() {
        let mut link = Link::default();
        let noise = [
            12, 11, 14, 9, 12, 30, 13, 25, 2, 11, 13, 15, 9, 400, 12, 14, 8, 12,
        ];
        assert_eq!(shown(&mut link, 0, &noise), [12; 18]);
    }

    #[test]
    fn a_latency_that_is_wrong_is_put_right_soon_and_not_at_once() {
        // The first answer comes over a connection that has yet to be made.
        let mut link = Link::default();
        let all = shown(&mut link, 0, &[[17].as_slice(), &[1; 20]].concat());
        assert_eq!(all[..10], [17; 10]);
        assert_eq!(all[10..], [1; 11]);
        // What was fast is slow from now on: not after one answer, but after a few.
        let all = shown(&mut link, 100, &[17; 12]);
        assert_eq!(all[..7], [1; 7]);
        assert_eq!(all[7..], [17; 5]);
        let slow = shown(&mut link, 200, &[400; 9]);
        assert_eq!(slow.last(), Some(&400));
        // Each stands for ten seconds.
        let all = shown(&mut link, 209, &[40; 12]);
        let changed = all.iter().position(|ms| *ms == 40).expect("put right");
        assert_eq!(changed, 8, "{all:?}");
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
