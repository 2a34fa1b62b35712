//! What the parts of the spool share: sealed segments that wait, space in use, counters.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::server::held::Held;

/// How long a failed write counts against the server.
const DISK_FAILURE: Duration = Duration::from_secs(10);

/// How many times older than others a segment gets, for each that was refused, before it is sealed behind those.
const PATIENCE: u32 = 40;

/// A segment that is complete: nothing is written to it any more.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    /// Names the file and the batch; the tokens of its inserts are made of it.
    pub id: Uuid,
    pub path: PathBuf,
    /// Bytes that are known to be on the disk; what lies behind them was never acknowledged.
    pub len: u64,
    /// Events in it.
    pub events: u64,
    /// Whether some of it may be in ClickHouse: an earlier process may have sent it, or an attempt failed.
    pub uncertain: bool,
    /// How ClickHouse refused it, if it did.
    pub refused: Option<Refused>,
}

/// A segment that ClickHouse answered with a refusal that may be about its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    /// How often in a row.
    pub times: u32,
    /// How many batches had been stored when it was last its turn. Once there are more, others pass where this
    /// one does not.
    pub stored_before: u64,
}

/// Shared between the accepting side, the writer and the drain.
#[derive(Debug)]
pub(super) struct Shared {
    pub dir: PathBuf,
    pub max_bytes: u64,
    /// Sealed segments, oldest first. The one being sent stays at the front until it is done.
    queue: Mutex<VecDeque<Sealed>>,
    /// Rung when a segment is sealed.
    pub sealed: Notify,
    /// Rung when it is worth trying ClickHouse again at once.
    pub poked: Notify,
    /// Bytes of the spool that are in use or promised to a request.
    pub used_bytes: AtomicU64,
    /// Bytes handed to the writer and not yet on the disk.
    pub queued_bytes: AtomicU64,
    pub counters: Counters,
    last_error: Mutex<Option<String>>,
    /// When the last attempt to write failed, if it did.
    disk_error: Mutex<Option<(Instant, String)>>,
    /// Held until nothing uses the directory any more.
    lock: Mutex<Option<Held>>,
}

/// Counts since the start of the process, except for `spooled_events`, which is a level.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub accepted_events: AtomicU64,
    pub accepted_requests: AtomicU64,
    pub spooled_events: AtomicU64,
    pub syncs: AtomicU64,
    pub refused_full: AtomicU64,
    pub disk_errors: AtomicU64,
    pub stored_events: AtomicU64,
    pub stored_batches: AtomicU64,
    pub failed_attempts: AtomicU64,
    pub repaired_rows: AtomicU64,
    pub repeated_events: AtomicU64,
    pub torn_tails: AtomicU64,
    pub quarantined: AtomicU64,
    pub quarantined_events: AtomicU64,
    pub unattributed: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// A lock whose holder panicked holds data that is still consistent here: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(dir: PathBuf, max_bytes: u64, lock: Held) -> Self {
        Self {
            dir,
            max_bytes,
            queue: Mutex::default(),
            sealed: Notify::new(),
            poked: Notify::new(),
            used_bytes: AtomicU64::new(0),
            queued_bytes: AtomicU64::new(0),
            counters: Counters::default(),
            last_error: Mutex::default(),
            disk_error: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Hands a segment to the drain.
    pub(super) fn push(&self, segment: Sealed) {
        lock(&self.queue).push_back(segment);
        self.sealed.notify_one();
    }

    /// The oldest sealed segment.
    pub(super) fn front(&self) -> Option<Sealed> {
        lock(&self.queue).front().cloned()
    }

    /// At which age the open segment is sealed: at `age` when nothing waits, and none while the drain has something to
    /// send. Where everything that waits was refused, the open segment has to show whether others pass; the more were
    /// refused, the longer that is put off, so that a sick ClickHouse does not leave thousands of them.
    pub(super) fn sealed_at(&self, age: Duration) -> Option<Duration> {
        let queue = lock(&self.queue);
        if queue.iter().any(|segment| segment.refused.is_none()) {
            return None;
        }
        let refused = u32::try_from(queue.len()).unwrap_or(u32::MAX);
        Some(age.saturating_mul(refused.saturating_mul(PATIENCE).max(1)))
    }

    /// How many sealed segments wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Whether a segment waits that was not refused yet, other than this one.
    pub(super) fn has_untried_behind(&self, segment: &Sealed) -> bool {
        let queue = lock(&self.queue);
        queue
            .iter()
            .any(|other| other.id != segment.id && other.refused.is_none())
    }

    /// Puts the front segment, as `segment` has become, behind all others that wait.
    pub(super) fn rotate(&self, segment: Sealed) {
        let mut queue = lock(&self.queue);
        if queue.front().is_some_and(|front| front.id == segment.id) {
            queue.pop_front();
            queue.push_back(segment);
        }
    }

    /// Takes the front segment out, once it is done with; its space is free again.
    pub(super) fn pop(&self, segment: &Sealed) {
        {
            let mut queue = lock(&self.queue);
            if queue.front().is_some_and(|front| front.id == segment.id) {
                queue.pop_front();
            }
        }
        self.used_bytes.fetch_sub(segment.len, Ordering::AcqRel);
        self.counters
            .spooled_events
            .fetch_sub(segment.events, Ordering::AcqRel);
    }

    /// Promises `bytes` of the spool, or says that there is no room.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let within = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.max_bytes);
        self.used_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, within)
            .is_ok()
    }

    /// Takes a promise back.
    pub(super) fn release(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Remembers how the last attempt to write went: what was wrong, if anything.
    pub(super) fn set_disk_error(&self, error: Option<String>) {
        *lock(&self.disk_error) = error.map(|error| (Instant::now(), error));
    }

    /// Why events are not taken: there is no room, or the disk did not take the last ones.
    ///
    /// A failure counts for a while only: where nobody sends events to a server that is not ready, nothing
    /// else would show that its disk has recovered.
    pub(super) fn refuses_because(&self) -> Option<String> {
        if self.used_bytes.load(Ordering::Relaxed) >= self.max_bytes {
            return Some("it is full, and ClickHouse takes no events".to_owned());
        }
        let failed = lock(&self.disk_error);
        let recent = failed.as_ref().filter(|(at, _)| at.elapsed() < DISK_FAILURE);
        recent.map(|(_, error)| error.clone())
    }

    /// Lets another process have the directory.
    pub(super) fn unlock(&self) {
        lock(&self.lock).take();
    }

    /// Remembers what last went wrong with ClickHouse; `None` once it works again.
    pub(super) fn set_last_error(&self, error: Option<String>) {
        *lock(&self.last_error) = error;
    }

    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }
}
