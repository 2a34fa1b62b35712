//! Sticky memory: which variant a subject was given first, by allocation.
//!
//! **Everything that decides for a real user goes through [`Sticky::decide`] or [`Sticky::outcome`]**; explaining
//! through [`Sticky::explain`], which remembers nothing. Of an experiment that is not sticky they are plain
//! decisions.
//!
//! Deciding does no I/O: what is new goes into memory and into a queue, which a task writes to the store in
//! batches. While the store is away the queue grows up to a limit; what does not fit is remembered by this server
//! only, until it ends. Other servers are followed by the number of the batch.

pub mod memory;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::decide::{Outcome, Prepared, Subject};
use crate::domain::{Assignment, Explanation, Key, Reason, User};

use super::override_table::OverrideTable;
use super::registry::{Registry, in_time};
use super::store::sticky::SubjectHash;
use super::store::{self, Store, StoreError};

use memory::{Memory, Remembered, StickyLookups, subject_hash};

/// How long what is new waits for more before it is written.
const BATCH_WAIT: Duration = Duration::from_millis(200);

/// How many new subjects are written without waiting for more.
const BATCH_FULL: usize = 1_000;

/// The most subjects that one transaction writes.
const BATCH_MOST: usize = 5_000;

/// The most subjects that wait for the store.
const QUEUE: usize = 200_000;

/// How often a shared store is asked what other servers wrote.
const POLL: Duration = Duration::from_millis(500);

/// The longest pause between attempts while the store is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often experiments that are over are looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// How the memory is doing.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct StickyState {
    /// Subjects that are yet to be written.
    pub pending: u64,
    /// Subjects that did not fit into the queue: forgotten when this server ends.
    pub dropped: u64,
    /// Why the last batch could not be written.
    pub error: Option<String>,
}

/// A subject that is yet to be written.
#[derive(Debug, Clone)]
struct New {
    experiment: Uuid,
    subject: SubjectHash,
    variant: Key,
    /// The variants of the experiment at that time.
    variants: Arc<Vec<Key>>,
}

/// The first variants of all sticky experiments.
#[derive(Debug)]
pub struct Sticky {
    memories: RwLock<HashMap<Uuid, Arc<Memory>>>,
    queue: Mutex<VecDeque<New>>,
    most: usize,
    /// Told when something is in the queue.
    news: Notify,
    /// The newest batch that was read.
    seen: AtomicI64,
    dropped: AtomicU64,
    error: Mutex<Option<String>>,
    /// Held while a batch is written.
    writing: tokio::sync::Mutex<()>,
}

impl Sticky {
    /// Reads everything that is remembered.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn load(store: &Store) -> Result<Arc<Self>, StoreError> {
        let this = Arc::new(Self::with_room_for(QUEUE));
        this.read(store).await?;
        Ok(this)
    }

    fn with_room_for(most: usize) -> Self {
        Self {
            memories: RwLock::default(),
            queue: Mutex::default(),
            most,
            news: Notify::new(),
            seen: AtomicI64::new(0),
            dropped: AtomicU64::new(0),
            error: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// The memory of an experiment.
    #[must_use]
    pub fn memory(&self, experiment: Uuid) -> Arc<Memory> {
        let known = self.memories.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = known.get(&experiment) {
            return Arc::clone(memory);
        }
        drop(known);
        let mut known = self.memories.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(experiment).or_default())
    }

    /// The decision for a user, as it is sent; what is new is remembered.
    #[must_use]
    pub fn decide(&self, prepared: &Prepared, overrides: &OverrideTable, user: &User) -> Assignment {
        prepared.assignment(self.outcome(prepared, overrides, user))
    }

    /// The decision for a user in its cheap form; what is new is remembered.
    #[must_use]
    pub fn outcome(&self, prepared: &Prepared, overrides: &OverrideTable, user: &User) -> Outcome {
        if !prepared.is_sticky() {
            return prepared.outcome(user, &overrides.lookups());
        }
        let memory = self.memory(prepared.id());
        let lookups = StickyLookups::new(overrides.lookups(), &memory);
        let outcome = prepared.outcome(user, &lookups);
        if outcome.reason != Reason::Allocation {
            return outcome;
        }
        let (Subject::Id(id), Some(variant)) = (prepared.subject(user), prepared.keys().get(outcome.variant))
        else {
            return outcome;
        };
        let subject = subject_hash(&id);
        match memory.remember(&subject, variant, |key| prepared.has_variant(key)) {
            Remembered::Now => {
                self.enqueue(New {
                    experiment: prepared.id(),
                    subject,
                    variant: variant.clone(),
                    variants: Arc::clone(prepared.keys()),
                });
                outcome
            }
            // Somebody was quicker, perhaps with another split.
            Remembered::Before => {
                let lookups = StickyLookups::new(overrides.lookups(), &memory);
                prepared.outcome(user, &lookups)
            }
            Remembered::Never => outcome,
        }
    }

    /// The decision for a user, step by step. Nothing is remembered.
    #[must_use]
    pub fn explain(&self, prepared: &Prepared, overrides: &OverrideTable, user: &User) -> Explanation {
        if !prepared.is_sticky() {
            return prepared.explain(user, &overrides.lookups());
        }
        let memory = self.memory(prepared.id());
        prepared.explain(user, &StickyLookups::new(overrides.lookups(), &memory))
    }

    /// How it is doing.
    #[must_use]
    pub fn state(&self) -> StickyState {
        StickyState {
            pending: self.queue().len() as u64,
            dropped: self.dropped.load(Ordering::Relaxed),
            error: self.error().clone(),
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<New>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, new: New) {
        let mut queue = self.queue();
        if queue.len() >= self.most {
            drop(queue);
            if self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!(
                    waiting = self.most,
                    "the store has been away too long: further first variants of sticky experiments are \
                     remembered by this server only, until it ends"
                );
            }
            return;
        }
        queue.push_back(new);
        let waiting = queue.len();
        drop(queue);
        // The first one begins a batch, and one that is full is written at once.
        if waiting == 1 || waiting == BATCH_FULL {
            self.news.notify_one();
        }
    }

    /// Writes what is new, for as long as the server runs.
    pub async fn keep(self: Arc<Self>, registry: Arc<Registry>) {
        let mut pause = BATCH_WAIT;
        loop {
            if self.queue().is_empty() {
                self.news.notified().await;
            }
            if self.queue().len() < BATCH_FULL {
                // Told again when the batch is full.
                let _ = tokio::time::timeout(BATCH_WAIT, self.news.notified()).await;
            }
            match self.write(&registry).await {
                Ok(_) => pause = BATCH_WAIT,
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Writes one batch; how many subjects it had.
    ///
    /// # Errors
    /// See [`StoreError`]; the batch waits for the next attempt then.
    pub async fn write(&self, registry: &Registry) -> Result<usize, StoreError> {
        let _writing = self.writing.lock().await;
        // They stay in the queue until they are written: nothing is lost when this is dropped half-way.
        let batch: Vec<New> = self.queue().iter().take(BATCH_MOST).cloned().collect();
        if batch.is_empty() {
            return Ok(0);
        }
        let written = in_time(self.write_batch(registry, &batch)).await;
        let mut last = self.error();
        match &written {
            Ok(()) => {
                if last.take().is_some() {
                    tracing::info!("first variants of sticky experiments are written again");
                }
                self.queue().drain(..batch.len());
            }
            Err(error) => {
                if last.is_none() {
                    tracing::warn!(%error, "first variants of sticky experiments cannot be written; they are kept in memory");
                }
                *last = Some(error.to_string());
            }
        }
        written.map(|()| batch.len())
    }

    async fn write_batch(&self, registry: &Registry, batch: &[New]) -> Result<(), StoreError> {
        let mut groups: HashMap<(Uuid, &Key), Vec<&New>> = HashMap::new();
        for new in batch {
            groups
                .entry((new.experiment, &new.variant))
                .or_default()
                .push(new);
        }
        let mut write = registry.begin().await?;
        let seq = store::sticky::next_batch(write.tx()).await?;
        let mut found = Vec::new();
        for ((experiment, variant), news) in groups {
            let subjects: Vec<SubjectHash> = news.iter().map(|new| new.subject).collect();
            let variants = news
                .last()
                .map(|new| Arc::clone(&new.variants))
                .unwrap_or_default();
            let first =
                store::sticky::put(write.tx(), seq, experiment, variant, &subjects, &variants).await?;
            let other = first.into_iter().filter(|(_, first)| first != variant);
            found.extend(other.map(|(subject, first)| (experiment, subject, first)));
        }
        write.commit(|_| {}).await?;
        // Another server was quicker with these.
        for (experiment, subject, first) in found {
            self.memory(experiment).set(&subject, &first);
        }
        Ok(())
    }

    /// Writes everything that waits, as far as `limit` allows. What is left then is lost, and the log says so.
    pub async fn flush(&self, registry: &Registry, limit: Duration) {
        let until = Instant::now() + limit;
        while !self.queue().is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let written = tokio::time::timeout(left, self.write(registry)).await;
            if !matches!(written, Ok(Ok(_))) {
                let lost = self.queue().len();
                tracing::error!(
                    lost,
                    "the store is away: the first variants of these subjects of sticky experiments are forgotten"
                );
                return;
            }
        }
    }

    /// Follows what other servers write to a shared store, for as long as it runs.
    pub async fn follow(self: Arc<Self>, registry: Arc<Registry>) {
        loop {
            tokio::time::sleep(POLL).await;
            match self.read(registry.store()).await {
                Ok(()) => {}
                // The registry says that the store is away.
                Err(error) if error.is_unavailable() => tokio::time::sleep(POLL).await,
                Err(error) => {
                    tracing::warn!(%error, "first variants that other servers wrote cannot be read");
                    tokio::time::sleep(LONGEST_PAUSE).await;
                }
            }
        }
    }

    /// Reads what was written since the last time.
    async fn read(&self, store: &Store) -> Result<(), StoreError> {
        let seen = self.seen.load(Ordering::Acquire);
        let mut newest = seen;
        let mut of_last: Option<(Uuid, Arc<Memory>)> = None;
        let mut pending: Option<HashSet<(Uuid, SubjectHash)>> = None;
        store::sticky::since(store.readers(), seen, |first| {
            newest = newest.max(first.seq);
            // What is yet to be written is newer than what is read, such as a variant in the place of one that is gone;
            // should somebody else have been quicker after all, writing tells.
            let pending = pending.get_or_insert_with(|| {
                self.queue()
                    .iter()
                    .map(|new| (new.experiment, new.subject))
                    .collect()
            });
            if pending.contains(&(first.experiment, first.subject)) {
                return;
            }
            let memory = match &of_last {
                Some((experiment, memory)) if *experiment == first.experiment => memory,
                _ => {
                    &of_last
                        .insert((first.experiment, self.memory(first.experiment)))
                        .1
                }
            };
            memory.set(&first.subject, &first.variant);
        })
        .await?;
        // One transaction writes at a time: who sees a batch sees all before it.
        self.seen.store(newest, Ordering::Release);
        Ok(())
    }

    /// Forgets experiments that are over for good, for as long as the server runs.
    pub async fn sweep(self: Arc<Self>, registry: Arc<Registry>) {
        loop {
            if let Err(error) = in_time(self.sweep_once(&registry)).await
                && !error.is_unavailable()
            {
                tracing::warn!(%error, "first variants of experiments that are over cannot be removed");
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// Forgets experiments that are over for good: completed, ended, archived.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn sweep_once(&self, registry: &Registry) -> Result<(), StoreError> {
        for experiment in store::sticky::over(registry.store().readers()).await? {
            loop {
                let mut write = registry.begin().await?;
                let all = store::sticky::remove_some(write.tx(), experiment).await?;
                write.commit(|_| {}).await?;
                if all {
                    break;
                }
            }
        }
        let known: Vec<Uuid> = {
            let known = self.memories.read().unwrap_or_else(PoisonError::into_inner);
            known.keys().copied().collect()
        };
        let snapshot = registry.snapshot();
        let over = known.into_iter().filter(|id| {
            let entry = snapshot.by_id(*id);
            entry.is_none_or(|entry| !entry.prepared.may_decide())
        });
        let over: Vec<Uuid> = over.collect();
        let mut known = self.memories.write().unwrap_or_else(PoisonError::into_inner);
        for id in over {
            known.remove(&id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decide::split;
    use crate::domain::Experiment;

    /// An active, sticky experiment with this split.
    fn prepared(control_pct: u32) -> Prepared {
        let mut experiment: Experiment = serde_json::from_value(json!({
            "id": Uuid::from_u128(1), "key": "x", "salt": "x", "name": "X", "assignmentMode": "profile",
            "status": "active", "sticky": true, "defaultVariantId": "control", "resourceVersion": 1,
            "variants": [
                {"key": "control", "name": "C", "isControl": true, "trafficPct": control_pct},
                {"key": "treatment", "name": "T", "trafficPct": 90 - control_pct, "orderIndex": 1},
            ],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("an experiment");
        let cohort = split::first_cohort(&experiment.variants, experiment.created_at);
        experiment.cohorts.push(cohort);
        Prepared::new(&experiment).expect("compiles")
    }

    #[tokio::test]
    async fn what_waits_to_be_written_is_not_undone_by_what_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&store::StoreUrl::in_dir(dir.path()))
            .await
            .expect("a store");
        let (gone, now) = (
            Key::new("gone").expect("a key"),
            Key::new("control").expect("a key"),
        );
        let (experiment, user) = (Uuid::from_u128(1), subject_hash("u"));
        let mut tx = store.begin().await.expect("begins");
        let seq = store::sticky::next_batch(&mut tx).await.expect("a batch");
        let all = [gone.clone()];
        store::sticky::put(&mut tx, seq, experiment, &gone, &[user], &all)
            .await
            .expect("written");
        store::commit(tx).await.expect("committed");
        // The variant is gone, and another one is remembered in its place before the batch was seen.
        let sticky = Sticky::with_room_for(10);
        sticky.memory(experiment).set(&user, &now);
        sticky.enqueue(New {
            experiment,
            subject: user,
            variant: now.clone(),
            variants: Arc::new(vec![now.clone()]),
        });
        sticky.read(&store).await.expect("read");
        assert_eq!(sticky.memory(experiment).first("u"), Some(now));
    }

    #[test]
    fn the_first_decision_stays_and_the_unallocated_have_none() {
        let (sticky, overrides) = (Sticky::with_room_for(1_000), OverrideTable::default());
        let (before, after) = (prepared(80), prepared(10));
        let users: Vec<User> = (0..200).map(|n| User::with_user_id(n.to_string())).collect();
        let of = |prepared: &Prepared| -> Vec<(usize, Reason)> {
            let outcomes = users.iter().map(|u| sticky.outcome(prepared, &overrides, u));
            outcomes.map(|o| (o.variant, o.reason)).collect()
        };
        let explained = sticky.explain(&before, &overrides, &users[0]).assignment;
        assert_eq!(sticky.state().pending, 0, "explaining remembers nothing");
        let first = of(&before);
        assert_eq!(explained.reason, first[0].1);
        let allocated = first
            .iter()
            .filter(|(_, reason)| *reason == Reason::Allocation)
            .count();
        assert!((150..200).contains(&allocated), "{allocated}");
        assert_eq!(sticky.state().pending, allocated as u64);
        for (user, ((variant, reason), first)) in users.iter().zip(of(&after).into_iter().zip(first)) {
            if first.1 == Reason::Allocation {
                assert_eq!((variant, reason), (first.0, Reason::Sticky));
                let explained = sticky.explain(&after, &overrides, user).assignment;
                assert_eq!(explained.reason, Reason::Sticky);
            } else {
                assert_eq!(first.1, Reason::Unallocated);
            }
        }
        // An override comes first and is not remembered.
        let treatment = Key::new("treatment").expect("a key");
        overrides.put(
            crate::domain::OverrideSubject::User,
            &treatment,
            crate::domain::OverrideSource::Fixed,
            ["new"],
        );
        let forced = sticky.outcome(&after, &overrides, &User::with_user_id("new"));
        assert_eq!((forced.variant, forced.reason), (1, Reason::Override));
        assert_eq!(sticky.memory(after.id()).first("new"), None);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_still_remembered_here() {
        let (sticky, overrides, prepared) =
            (Sticky::with_room_for(5), OverrideTable::default(), prepared(80));
        for n in 0..50 {
            let user = User::with_user_id(n.to_string());
            let _ = sticky.outcome(&prepared, &overrides, &user);
        }
        let state = sticky.state();
        let kept = sticky.memory(prepared.id()).len() as u64;
        assert!(kept > 30, "{kept}");
        assert_eq!((state.pending, state.dropped), (5, kept - 5));
    }
}
