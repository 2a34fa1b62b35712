//! Which visit an event belongs to, where its client leaves that to the server.
//!
//! A visit goes on for as long as its device is heard of, and ends half an hour after its last event. Its id is
//! made of the device and the half hour (UTC) in which it began. Two visits of one device begin more than half an
//! hour apart, so no two have the same id; and a server that knows nothing of a visit, as another one saw its
//! events or as it was killed, finds the id that it has for as long as the half hour of its beginning lasts.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long after its last event a visit ends, in milliseconds.
const VISIT_MS: i64 = 30 * 60 * 1_000;

/// The most devices whose visits are followed, some 80 bytes each. Any further one is taken for one that is seen for the
/// first time whenever it is heard of.
const MOST: usize = 500_000;

/// How many visits of one device are known beside each other: what a client kept while it was offline may be told while
/// its next visit goes on.
const OF_ONE: usize = 4;

/// How often visits that are over are forgotten, in milliseconds.
const FORGET_MS: i64 = 60_000;

/// How often visits are written to the disk.
const SAVE: Duration = Duration::from_secs(10);

/// Where visits are written, in the data directory.
pub const FILE: &str = "visits.json";

/// A visit that may go on, with times in milliseconds.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Serialize, Deserialize)]
struct Visit {
    /// Time of its first event.
    started: i64,
    /// Time of its last event.
    last: i64,
    /// When it was last heard of, by the server's clock: events may be older.
    heard: i64,
}

impl Visit {
    /// Whether an event of this time belongs to it. One that comes late may be older than what began it.
    fn has(self, ts: i64) -> bool {
        (self.started.saturating_sub(VISIT_MS)..=self.last.saturating_add(VISIT_MS)).contains(&ts)
    }
}

/// The visits that may go on.
#[derive(Debug, Default)]
pub struct Visits(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By project and device; at least one each.
    visits: HashMap<Uuid, Vec<Visit>>,
    /// When those that are over were last forgotten.
    forgot_at: i64,
    /// Whether there is something that was not saved.
    changed: bool,
}

impl Known {
    fn forget(&mut self, now: i64) {
        self.forgot_at = now;
        self.visits.retain(|_, of_device| {
            of_device.retain(|visit| visit.heard.saturating_add(VISIT_MS) >= now);
            !of_device.is_empty()
        });
    }
}

fn key(project: Uuid, device: &str) -> Uuid {
    Uuid::new_v5(&project, format!("visits of\n{device}").as_bytes())
}

fn id(project: Uuid, device: &str, started: i64) -> String {
    let said = format!("visit\n{device}\n{}", started.div_euclid(VISIT_MS));
    Uuid::new_v5(&project, said.as_bytes()).to_string()
}

impl Visits {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a device has a visit that an event of the time `ts` belongs to.
    pub(super) fn goes_on(&self, project: Uuid, device: &str, ts: i64) -> bool {
        let known = self.known();
        known
            .visits
            .get(&key(project, device))
            .is_some_and(|of_device| of_device.iter().any(|visit| visit.has(ts)))
    }

    /// The id of the visit that an event of the time `ts` belongs to, which it prolongs or begins. `now` is the
    /// server's clock; both in milliseconds.
    pub(super) fn of(&self, project: Uuid, device: &str, ts: i64, now: i64) -> String {
        let mut known = self.known();
        if now.saturating_sub(known.forgot_at) >= FORGET_MS {
            known.forget(now);
        }
        let key = key(project, device);
        let room = known.visits.len() < MOST;
        known.changed = true;
        let new = Visit {
            started: ts,
            last: ts,
            heard: now,
        };
        let Some(of_device) = known.visits.get_mut(&key) else {
            if room {
                known.visits.insert(key, vec![new]);
            }
            return id(project, device, ts);
        };
        // What lies between two visits, and near to both, belongs to the later one.
        let had = of_device.iter_mut().filter(|visit| visit.has(ts));
        if let Some(visit) = had.max_by_key(|visit| visit.started) {
            visit.last = visit.last.max(ts);
            visit.heard = visit.heard.max(now);
            return id(project, device, visit.started);
        }
        of_device.push(new);
        if of_device.len() > OF_ONE {
            let longest_ago =
                (0..of_device.len()).min_by_key(|at| (of_device[*at].heard, of_device[*at].last));
            of_device.swap_remove(longest_ago.unwrap_or_default());
        }
        id(project, device, ts)
    }

    /// Reads what an earlier server of this directory knew. What cannot be read is told and left: visits that
    /// went on then may be two.
    #[must_use]
    pub fn load(dir: &Path, now: i64) -> Arc<Self> {
        let path = dir.join(FILE);
        let read = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
            Err(error) => Err(error),
        };
        let visits = read.unwrap_or_else(|error| {
            tracing::warn!(
                path = %path.display(), %error,
                "the visits of an earlier start cannot be read; some that went on then count as two"
            );
            HashMap::new()
        });
        let mut known = Known {
            visits,
            ..Known::default()
        };
        known.forget(now);
        Arc::new(Self(Mutex::new(known)))
    }

    /// Writes what is known, if there is something new. Not forced to the disk: a crash of the machine costs what a
    /// visit can do without.
    fn save(&self, dir: &Path) -> io::Result<()> {
        let visits = {
            let mut known = self.known();
            if !known.changed {
                return Ok(());
            }
            known.changed = false;
            known.visits.clone()
        };
        let written = serde_json::to_vec(&visits)
            .map_err(io::Error::other)
            .and_then(|json| {
                let new = dir.join(format!("{FILE}.new"));
                std::fs::write(&new, json)?;
                std::fs::rename(new, dir.join(FILE))
            });
        if written.is_err() {
            self.known().changed = true;
        }
        written
    }

    /// Writes what is known, beside the requests; a failure is told.
    pub async fn write(self: &Arc<Self>, dir: &Path) {
        let (this, to) = (Arc::clone(self), dir.to_owned());
        let saved = tokio::task::spawn_blocking(move || this.save(&to)).await;
        if let Err(error) = saved.map_err(io::Error::other).flatten() {
            tracing::warn!(
                dir = %dir.display(), %error,
                "visits cannot be written; after the next start some of those that go on now may count as two"
            );
        }
    }

    /// Writes what is known now and then, for as long as the server runs.
    pub async fn keep(self: Arc<Self>, dir: std::path::PathBuf) {
        loop {
            tokio::time::sleep(SAVE).await;
            self.write(&dir).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROJECT: Uuid = Uuid::from_u128(0xABC);
    const MINUTE: i64 = 60_000;
    /// A whole half hour.
    const START: i64 = 1_767_268_800_000;

    fn visits(at: &[i64]) -> Vec<String> {
        let visits = Visits::default();
        let visit = |minute: &i64| visits.of(PROJECT, "d", START + minute * MINUTE, START + minute * MINUTE);
        at.iter().map(visit).collect()
    }

    #[test]
    fn a_visit_ends_half_an_hour_after_its_last_event() {
        let all = visits(&[10, 35, 65, 95, 126, 130]);
        assert!(all[..4].iter().all(|visit| *visit == all[0]), "{all:?}");
        assert_ne!(all[4], all[0], "31 minutes later");
        assert_eq!(all[5], all[4]);
    }

    #[test]
    fn devices_and_projects_have_visits_of_their_own() {
        let visits = Visits::default();
        let one = visits.of(PROJECT, "d", START, START);
        assert_ne!(visits.of(PROJECT, "e", START, START), one);
        assert_ne!(visits.of(Uuid::nil(), "d", START, START), one);
    }

    #[test]
    fn what_comes_late_belongs_where_it_happened() {
        let visits = Visits::default();
        let now = START + 300 * MINUTE;
        let at = |minute: i64| visits.of(PROJECT, "d", START + minute * MINUTE, now);
        let live = at(100);
        assert_eq!(at(80), live, "20 minutes before it began");
        assert_eq!(at(129), live);
        let before = at(60);
        assert_ne!(before, live);
        assert_eq!(at(130), live, "and goes on");
        assert_eq!(at(60), before, "sent again it is the same");
    }

    #[test]
    fn what_is_told_while_the_next_visit_goes_on_is_one_visit() {
        let visits = Visits::default();
        let now = START + 600 * MINUTE;
        let at = |minute: i64| visits.of(PROJECT, "d", START + minute * MINUTE, now);
        let live = at(590);
        // Across half hours, in and out of order, and the live one between them.
        let offline = at(100);
        for minute in [125, 150, 95, 72, 180] {
            assert_eq!(at(minute), offline, "{minute}");
            assert_eq!(at(591), live);
        }
        assert_ne!(at(300), offline);
        assert!(visits.goes_on(PROJECT, "d", START + 200 * MINUTE));
        // There is an end to it, and what is heard of last stays.
        for minute in [1_000, 2_000, 3_000, 4_000] {
            visits.of(PROJECT, "d", START + minute * MINUTE, now + minute);
        }
        assert_eq!(
            visits.known().visits.values().map(Vec::len).collect::<Vec<_>>(),
            [OF_ONE]
        );
        assert!(visits.goes_on(PROJECT, "d", START + 4_000 * MINUTE));
    }

    #[test]
    fn who_knows_nothing_finds_the_same_id_within_the_half_hour() {
        let other = Visits::default();
        let first = visits(&[3])[0].clone();
        assert_eq!(other.of(PROJECT, "d", START + 29 * MINUTE, START), first);
    }

    #[test]
    fn visits_survive_a_restart_and_those_that_are_over_do_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let before = Visits::load(dir.path(), START);
        let on = before.of(PROJECT, "on", START, START + 40 * MINUTE);
        before.of(PROJECT, "over", START, START);
        before.save(dir.path()).expect("written");
        let after = Visits::load(dir.path(), START + 60 * MINUTE);
        assert_eq!(after.known().visits.len(), 1);
        assert!(after.goes_on(PROJECT, "on", START + 25 * MINUTE));
        assert!(!after.goes_on(PROJECT, "on", START + 31 * MINUTE));
        assert_eq!(
            after.of(PROJECT, "on", START + 25 * MINUTE, START + 60 * MINUTE),
            on
        );
        std::fs::write(dir.path().join(FILE), "no JSON").expect("written");
        assert!(Visits::load(dir.path(), START).known().visits.is_empty());
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let visits = Visits::default();
        {
            let mut known = visits.known();
            let over = Visit {
                started: START,
                last: START,
                heard: START,
            };
            known.visits = (0..MOST)
                .map(|n| (Uuid::from_u128(n as u128), vec![over]))
                .collect();
            known.forgot_at = START;
        }
        let one = visits.of(PROJECT, "d", START, START);
        assert_eq!(
            visits.of(PROJECT, "d", START + MINUTE / 2, START),
            one,
            "within the half hour"
        );
        assert_eq!(visits.known().visits.len(), MOST);
        let later = START + 31 * MINUTE;
        visits.of(PROJECT, "d", later, later);
        assert_eq!(visits.known().visits.len(), 1);
    }

    proptest! {
        /// Events in the order of their times: a visit is what lies less than half an hour apart.
        #[test]
        fn visits_are_what_the_pauses_make_of_them(pauses in prop::collection::vec(1..70_i64, 1..40)) {
            let mut at = 7;
            let mut minutes = vec![at];
            for pause in &pauses {
                at += pause;
                minutes.push(at);
            }
            let all = visits(&minutes);
            for (n, pause) in pauses.iter().enumerate() {
                prop_assert_eq!(all[n] == all[n + 1], *pause <= 30, "{:?}", minutes);
            }
            let different: std::collections::BTreeSet<&String> = all.iter().collect();
            let ends = pauses.iter().filter(|pause| **pause > 30).count();
            prop_assert_eq!(different.len(), ends + 1, "no two visits have the same id");
        }
    }
}
