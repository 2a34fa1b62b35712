//! Assignment events: which variants were served, once per subject and result a day.
//!
//! `[Experiment] Assignment` says what was decided, not that anybody saw it, so it is attributed to no
//! experiment and counts as no exposure ([ADR](../../../docs/adr/0005-assigned-is-not-exposed.md)).
//!
//! An evaluation never waits for it: the event goes into a queue, from which a task of its own fills the
//! spool. What was said today is remembered for up to [`REMEMBERED`] results; and the event's id is made of
//! the day (UTC), the subject and the result, so that an event that is sent again, by this server after a
//! restart or by another one, counts once.
//!
//! Who asks with ids or groups that no event may have is answered, and no event says so: a client's key stands in web
//! pages, and the spool is not to be filled with it.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::decide::Subject;
use crate::domain::{SubjectType, User};
use crate::server::ingest::{
    EventRecord, Ingest, MAX_ID, MAX_PROPERTY_TEXT, NOTHING, SET, UNSET, user_property,
};

use super::Evaluated;

/// Name of the event.
pub const ASSIGNMENT: &str = "[Experiment] Assignment";
/// How many results of a day are remembered, 16 bytes each and room; then all are forgotten at once, and what
/// is said again has the id that it had.
pub const REMEMBERED: usize = 500_000;
/// Events that may wait for the spool; more are dropped, and counted.
const QUEUED: usize = 16_384;
/// Events that go into the spool at once.
const TOGETHER: usize = 1_024;
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// Takes what was assigned, and has it stored.
#[derive(Debug)]
pub struct Assigned {
    queue: Option<mpsc::Sender<Job>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Job {
    Event(Box<EventRecord>),
    Flush(oneshot::Sender<()>),
}

/// The results of one day that were said.
#[derive(Debug, Default)]
struct Seen {
    day: i64,
    ids: HashSet<Uuid>,
}

impl Seen {
    /// Whether this is the first time today that `id` is said.
    fn first(&mut self, day: i64, id: Uuid) -> bool {
        if self.day != day || self.ids.len() >= REMEMBERED {
            self.day = day;
            self.ids.clear();
        }
        self.ids.insert(id)
    }
}

impl Shared {
    fn first(&self, day: i64, id: Uuid) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.first(day, id)
    }

    /// They were not stored: whoever is assigned again may say so again.
    fn dropped(&self, ids: &[Uuid], why: &str) {
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for id in ids {
                seen.ids.remove(id);
            }
        }
        self.count_dropped(ids.len() as u64, why);
    }

    fn count_dropped(&self, new: u64, why: &str) {
        let before = self.dropped.fetch_add(new, Ordering::Relaxed);
        // At the first one and then at each power of ten.
        if before == 0 || before.checked_ilog10() != (before + new).checked_ilog10() {
            tracing::warn!(
                total = before + new,
                why,
                "assignment events were dropped; assignments themselves are answered all the same"
            );
        }
    }
}

impl Assigned {
    /// Starts the task that fills the spool. Not `enabled`, nothing is recorded.
    #[must_use]
    pub fn start(ingest: Ingest, enabled: bool) -> Self {
        let shared = Arc::<Shared>::default();
        let queue = enabled.then(|| {
            let (queue, jobs) = mpsc::channel(QUEUED);
            tokio::spawn(store(ingest, jobs, Arc::clone(&shared)));
            queue
        });
        Self { queue, shared }
    }

    /// Records what one user was assigned in one request. Returns at once.
    pub fn note(&self, project: Uuid, user: &User, evaluated: &[Evaluated<'_>], now: Timestamp) {
        let Some(queue) = &self.queue else { return };
        // An experiment that has ended is assigned no more.
        let recorded = |e: &&Evaluated<'_>| e.served.prepared().records_assignments();
        let mut recorded: Vec<&Evaluated<'_>> = evaluated.iter().filter(recorded).collect();
        if recorded.is_empty() {
            return;
        }
        // In whatever order and how often they were asked for, it is the same result.
        recorded.sort_by(|a, b| a.key().cmp(b.key()));
        recorded.dedup_by(|a, b| a.key() == b.key());
        let ts = now.as_millisecond();
        let day = ts.div_euclid(DAY_MS);
        let named = named(user, &recorded);
        let groups = groups(user);
        if !may_be_tracked(user, &named, groups.as_deref()) {
            self.shared
                .count_dropped(1, "their ids or groups are longer than those of events may be");
            return;
        }
        let id = id(project, day, user, &named, &recorded);
        if !self.shared.first(day, id) {
            return;
        }
        let event = event(project, id, ts, user, named, groups, &recorded);
        if queue.try_send(Job::Event(Box::new(event))).is_err() {
            self.shared
                .dropped(&[id], "they came faster than the disk takes them");
        }
    }

    /// How many events were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Returns once everything that was recorded so far is in the spool.
    pub async fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, flushed) = oneshot::channel();
        if queue.send(Job::Flush(done)).await.is_ok() {
            // The task ends only with the queue, which is held here.
            let _ = flushed.await;
        }
    }
}

/// Fills the spool until nobody records any more.
async fn store(ingest: Ingest, mut jobs: mpsc::Receiver<Job>, shared: Arc<Shared>) {
    let mut waiting = Vec::with_capacity(TOGETHER);
    while jobs.recv_many(&mut waiting, TOGETHER).await > 0 {
        let mut events = Vec::with_capacity(waiting.len());
        let mut flushes = Vec::new();
        for job in waiting.drain(..) {
            match job {
                Job::Event(event) => events.push(*event),
                Job::Flush(done) => flushes.push(done),
            }
        }
        let ids: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
        if let Err(refusal) = ingest.append(events).await {
            shared.dropped(&ids, &refusal.to_string());
        }
        for done in flushes {
            // Whoever asked may have given up waiting.
            let _ = done.send(());
        }
    }
}

fn given(id: &Option<String>) -> &str {
    id.as_deref().unwrap_or_default()
}

/// The ids by which experiments with a `subjectType` of a name tell subjects apart, by those names: customers of one
/// person are several subjects. An event is none that is said again.
fn named(user: &User, evaluated: &[&Evaluated<'_>]) -> BTreeMap<String, String> {
    let of_one = |one: &&Evaluated<'_>| match (
        &one.served.experiment()?.subject_type,
        one.served.prepared().subject(user),
    ) {
        (SubjectType::Named(name), Subject::Id(id)) if !matches!(name.as_str(), "event_id" | "eventId") => {
            Some((name.clone(), id.into_owned()))
        }
        _ => None,
    };
    evaluated.iter().filter_map(of_one).collect()
}

/// The groups as an event has them, where there are any.
fn groups(user: &User) -> Option<String> {
    let groups = &user.groups;
    let text = (!groups.is_empty()).then(|| serde_json::to_string(groups));
    text.and_then(Result::ok)
}

/// Whether an event with these ids would be taken from a client.
fn may_be_tracked(user: &User, named: &BTreeMap<String, String>, groups: Option<&str>) -> bool {
    let ids = [&user.user_id, &user.device_id, &user.session_id];
    let mut properties = named.values().map(String::as_str).chain(groups);
    ids.into_iter().all(|id| given(id).len() <= MAX_ID)
        && properties.all(|text| text.len() <= MAX_PROPERTY_TEXT)
}

/// The same for the same subject and result on the same day.
fn id(
    project: Uuid,
    day: i64,
    user: &User,
    named: &BTreeMap<String, String>,
    evaluated: &[&Evaluated<'_>],
) -> Uuid {
    use std::fmt::Write as _;
    let mut said = String::with_capacity(64 + 32 * evaluated.len());
    // Writing into a text never fails. The lengths keep ids apart that contain what separates them.
    for id in [&user.user_id, &user.device_id] {
        let _ = writeln!(said, "{}:{}", given(id).len(), given(id));
    }
    // Whoever is known by nothing else is another subject in each session.
    if given(&user.user_id).is_empty() && given(&user.device_id).is_empty() {
        let _ = writeln!(said, "{}", given(&user.session_id));
    }
    for (kind, groups) in &user.groups {
        let _ = writeln!(said, "{kind:?}{groups:?}");
    }
    for (name, id) in named {
        let _ = writeln!(said, "{name:?}={id:?}");
    }
    let _ = writeln!(said, "assignment of day {day}");
    for one in evaluated {
        let _ = writeln!(said, "{} {}", one.key(), one.assignment.variant_id);
    }
    Uuid::new_v5(&project, said.as_bytes())
}

fn event(
    project: Uuid,
    id: Uuid,
    ts: i64,
    user: &User,
    named: BTreeMap<String, String>,
    groups: Option<String>,
    evaluated: &[&Evaluated<'_>],
) -> EventRecord {
    let mut props = named;
    let (mut set, mut unset) = (Map::new(), Map::new());
    for one in evaluated {
        let key = one.key();
        let variant = &one.assignment.variant_id;
        props.insert(format!("[Experiment] {key}.variant"), variant.clone());
        props.insert(
            format!("[Experiment] {key}.details"),
            format!("v{} rule:{}", one.served.version(), one.segment()),
        );
        if one.is_default() {
            unset.insert(user_property(key), NOTHING.into());
        } else {
            set.insert(user_property(key), variant.as_str().into());
        }
    }
    for (name, values) in [(SET, set), (UNSET, unset)] {
        if !values.is_empty() {
            props.insert(name.to_owned(), Value::Object(values).to_string());
        }
    }
    if let Some(groups) = groups {
        props.insert("groups".to_owned(), groups);
    }
    EventRecord {
        project_id: project,
        event_id: id,
        name: ASSIGNMENT.to_owned(),
        ts,
        ingested_at: ts,
        profile_id: given(&user.user_id).to_owned(),
        session_id: given(&user.session_id).to_owned(),
        device_id: given(&user.device_id).to_owned(),
        props,
        ..EventRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_said_once_a_day() {
        let mut seen = Seen::default();
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(seen.first(1, a));
        assert!(!seen.first(1, a));
        assert!(seen.first(1, b));
        assert!(seen.first(2, a));
        assert!(!seen.first(2, a));
    }

    #[test]
    fn another_session_of_the_same_subject_is_the_same() {
        let of = |user: &str, session: &str| {
            let user = User {
                user_id: (!user.is_empty()).then(|| user.to_owned()),
                session_id: Some(session.to_owned()),
                ..User::default()
            };
            id(Uuid::nil(), 1, &user, &BTreeMap::new(), &[])
        };
        assert_eq!(of("ann", "1"), of("ann", "2"));
        assert_ne!(of("ann", "1"), of("bob", "1"));
        assert_ne!(of("", "1"), of("", "2"));
    }

    #[test]
    fn ids_are_held_to_the_limits_of_events() {
        let user = |id: usize| User {
            user_id: Some("u".repeat(id)),
            ..User::default()
        };
        let named = |id: usize| BTreeMap::from([("customer".to_owned(), "c".repeat(id))]);
        let none = BTreeMap::new();
        assert!(may_be_tracked(
            &user(MAX_ID),
            &named(MAX_PROPERTY_TEXT),
            Some("{}")
        ));
        assert!(!may_be_tracked(&user(MAX_ID + 1), &none, None));
        assert!(!may_be_tracked(&user(1), &named(MAX_PROPERTY_TEXT + 1), None));
        let groups = "g".repeat(MAX_PROPERTY_TEXT + 1);
        assert!(!may_be_tracked(&user(1), &none, Some(&groups)));
        let device = User {
            device_id: user(MAX_ID + 1).user_id,
            ..user(1)
        };
        let session = User {
            session_id: user(MAX_ID + 1).user_id,
            ..user(1)
        };
        assert!(!may_be_tracked(&device, &none, None) && !may_be_tracked(&session, &none, None));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut seen = Seen::default();
        let count = u128::try_from(REMEMBERED).expect("fits") + 10;
        for id in 0..count {
            assert!(seen.first(1, Uuid::from_u128(id)));
        }
        assert!(seen.ids.len() <= REMEMBERED);
    }
}
