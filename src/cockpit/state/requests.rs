//! What is on its way, what is due when, how long it took last.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::cockpit::ports::{Request, RunId, Service, Slot};

/// A run that has not been answered.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Pending {
    /// Its number.
    pub run: RunId,
    /// When it was sent.
    pub since: Timestamp,
}

/// The requests of each kind.
#[derive(Debug, Clone)]
pub struct Requests {
    next_run: RunId,
    random: u64,
    pending: BTreeMap<Slot, Pending>,
    asked: BTreeMap<Slot, Request>,
    due: BTreeMap<Slot, Timestamp>,
    took: BTreeMap<Slot, Duration>,
    /// The same of the run before the last one.
    took_before: BTreeMap<Slot, Duration>,
}

impl Requests {
    /// None yet. `seed` starts the jitter.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            next_run: 1,
            random: seed | 1,
            pending: BTreeMap::new(),
            asked: BTreeMap::new(),
            due: BTreeMap::new(),
            took: BTreeMap::new(),
            took_before: BTreeMap::new(),
        }
    }

    /// None yet, after those of another server: no number of a run comes twice.
    #[must_use]
    pub fn after(before: &Self) -> Self {
        Self {
            next_run: before.next_run,
            ..Self::new(before.random)
        }
    }

    /// Starts a run; an unfinished one of the same kind is forgotten, and its reply will be dropped.
    pub fn start(&mut self, request: &Request, now: Timestamp) -> RunId {
        let slot = request.slot();
        let run = self.next_run;
        self.next_run += 1;
        self.pending.insert(slot, Pending { run, since: now });
        self.asked.insert(slot, request.clone());
        self.due.remove(&slot);
        run
    }

    /// Ends a run: what was asked. None when it is not the one that is waited for: its reply is to be dropped.
    pub fn finish(&mut self, slot: Slot, run: RunId, took: Duration) -> Option<Request> {
        self.pending.get(&slot).filter(|pending| pending.run == run)?;
        self.pending.remove(&slot);
        if let Some(before) = self.took.insert(slot, took) {
            self.took_before.insert(slot, before);
        }
        self.asked.remove(&slot)
    }

    /// What the unfinished run of a kind asks.
    #[must_use]
    pub fn asked(&self, slot: Slot) -> Option<&Request> {
        self.asked.get(&slot)
    }

    /// Forgets the unfinished run of a kind; true when there was one.
    pub fn cancel(&mut self, slot: Slot) -> bool {
        self.due.remove(&slot);
        self.asked.remove(&slot);
        self.pending.remove(&slot).is_some()
    }

    /// The unfinished run of a kind.
    #[must_use]
    pub fn pending(&self, slot: Slot) -> Option<Pending> {
        self.pending.get(&slot).copied()
    }

    /// Since when the oldest unfinished run of a service is on its way.
    #[must_use]
    pub fn oldest(&self, service: Service) -> Option<Timestamp> {
        let of_service = self.pending.iter().filter(|(slot, _)| slot.service() == service);
        of_service.map(|(_, pending)| pending.since).min()
    }

    /// How long the last run of a kind took.
    #[must_use]
    pub fn took(&self, slot: Slot) -> Option<Duration> {
        self.took.get(&slot).copied()
    }

    /// How long a run of a kind takes: the quicker of the last two, because one that stalled says nothing about
    /// the next one.
    #[must_use]
    pub fn pace(&self, slot: Slot) -> Option<Duration> {
        let took = self.took.get(&slot).copied()?;
        Some(
            self.took_before
                .get(&slot)
                .map_or(took, |before| took.min(*before)),
        )
    }

    /// Plans the next run of a kind.
    pub fn plan(&mut self, slot: Slot, at: Timestamp) {
        self.due.insert(slot, at);
    }

    /// When the next run of a kind is planned; none means at once.
    #[must_use]
    pub fn due(&self, slot: Slot) -> Option<Timestamp> {
        self.due.get(&slot).copied()
    }

    /// A uniform random number from 0 to 1, for jitter.
    pub fn jitter(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (self.draw() >> 11) as f64;
        fraction / 9_007_199_254_740_992.0
    }

    /// A name that nobody else has. Not a secret.
    pub fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(
            (u128::from(self.draw()) << 64 | u128::from(self.draw())).to_be_bytes(),
        )
        .into_uuid()
    }

    /// xorshift64*: for jitter and names only.
    fn draw(&mut self) -> u64 {
        let mut x = self.random;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random = x;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_run_replaces_the_one_before() {
        let now = Timestamp::UNIX_EPOCH;
        let mut requests = Requests::new(7);
        let insight = |n| Request::Insight {
            id: Uuid::from_u128(n),
        };
        let first = requests.start(&insight(1), now);
        let second = requests.start(&insight(2), now);
        assert_eq!(requests.finish(Slot::Insight, first, Duration::ZERO), None);
        assert_eq!(requests.finish(Slot::Overview, second, Duration::ZERO), None);
        assert_eq!(requests.asked(Slot::Insight), Some(&insight(2)));
        let took = Duration::from_millis(3);
        assert_eq!(requests.finish(Slot::Insight, second, took), Some(insight(2)));
        assert_eq!(requests.finish(Slot::Insight, second, Duration::ZERO), None);
        assert_eq!(requests.asked(Slot::Insight), None);
        assert_eq!(requests.took(Slot::Insight), Some(took));
    }

    #[test]
    fn jitter_spreads_over_its_range() {
        let mut requests = Requests::new(1);
        let draws: Vec<f64> = (0..1000).map(|_| requests.jitter()).collect();
        assert!(draws.iter().all(|d| (0.0..1.0).contains(d)));
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
