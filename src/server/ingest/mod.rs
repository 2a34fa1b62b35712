//! Ingest: no acknowledged event is lost.
//!
//! ```text
//! POST /track → request (read, check) → transform (decide everything) → spool (fsync) → 200
//!                                                                          ↓ sealed segment = batch
//!                                                          drain → ClickHouse (stable tokens)
//! ```
//!
//! | file | what it does |
//! |---|---|
//! | `request` | a body of `POST /track` to events, refusals by index and field |
//! | `amplitude` | a body of Amplitude's HTTP API V2 likewise |
//! | `transform` | an event to a record: id, time, text form of its properties |
//! | `attribution` | which experiments an event counts for |
//! | `visits` | which visit an event belongs to, where its client does not say |
//! | `record` | an accepted event |
//! | `segment` | the form of a segment file |
//! | `writer` | one thread: group commit, rotation, sealing |
//! | `recover`, `quarantine` | what a crash or a bad disk left |
//! | `batch`, `drain` | sealed segments into ClickHouse, once in effect |
//!
//! ClickHouse is not needed to accept: events wait in the spool until it is there.

pub mod amplitude;
mod attribution;
mod backoff;
mod batch;
mod disk;
mod drain;
mod quarantine;
mod record;
mod recover;
mod request;
mod segment;
mod shared;
mod transform;
mod visits;
mod writer;

use std::fs::TryLockError;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

pub use attribution::{
    EXPOSURE, EXPOSURE_EXPERIMENT, EXPOSURE_FLAG, EXPOSURE_VARIANT, ExperimentIndex, RELEASE,
};
pub use record::{Attributed, EventRecord};
pub use request::{MAX_ID, MAX_PROPERTY_TEXT, checked_exposure, read};
pub use transform::{
    AMPLITUDE_EXPOSURE, CLIENT_TIMESTAMP, Context, MAX_AGE_MS, MAX_AHEAD_MS, NOTHING, Origin, SET, Sender,
    UNSET, decide, user_property,
};

pub use visits::Visits;

use crate::api::track::Unattributed;
use crate::server::held::{self, Held};
use disk::{Disk, RealDisk};
use drain::Stop;
use shared::{Counters, Shared};
use writer::{Append, Command, Rotation, Writer};

/// Extension of a segment's file.
const SEGMENT_EXTENSION: &str = "seg";
/// The file whose lock says that a process uses the directory.
const LOCK: &str = "lock";
/// Bytes that may wait in memory for the disk; beyond that requests are told to come back.
const MAX_QUEUED: u64 = 64 << 20;
/// What a client is told to wait when there is no room.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where the spool is and how much it may hold.
#[derive(Debug, Clone)]
pub struct Options {
    /// The spool's directory; made where it is missing. One process at a time.
    pub dir: PathBuf,
    /// The most bytes of segments; beyond that requests are refused, nothing is dropped.
    pub max_bytes: u64,
    /// A segment is sealed at this size.
    pub segment_bytes: u64,
    /// A segment is sealed at this age, unless another is being sent: then it goes on growing.
    pub segment_age: Duration,
}

impl Options {
    /// 1 GiB in `dir`, segments of 4 MiB or 250 ms.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_bytes: 1 << 30,
            segment_bytes: 4 << 20,
            segment_age: Duration::from_millis(250),
        }
    }
}

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the event spool {dir} is in use by process {owner}; end that process, or give this one another data directory"
    )]
    InUse {
        /// The spool's directory.
        dir: PathBuf,
        /// Process id of the other, as it wrote it down.
        owner: String,
    },
    /// A segment was written by a version of splitdeck that this one does not know.
    #[error(
        "the segment {path} has form {form} and this splitdeck knows form {}; start the newer splitdeck, which \
         sends it",
        segment::FORM
    )]
    OtherForm {
        /// The segment.
        path: PathBuf,
        /// Its form.
        form: u8,
    },
    /// The disk said no.
    #[error("could not {doing} {path}: {message}; the event spool needs a directory that it can write")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
}

impl OpenError {
    /// Whether another process has it open, which may be about to end.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }
}

impl OpenError {
    fn io(path: &Path, doing: &'static str, error: &io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            message: error.to_string(),
        }
    }
}

/// Why events were not taken. None of the request's events is stored, unless it says so.
#[derive(Debug, Clone, Eq, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// The spool holds as much as it may, or more waits for the disk than memory should hold.
    #[error("the event spool is full; send the events again after {} s", retry_after.as_secs())]
    Full {
        /// When to try again.
        retry_after: Duration,
    },
    /// One request is larger than the whole spool.
    #[error("the request needs {bytes} bytes of a spool of {max}; send fewer events at once")]
    TooLarge {
        /// What it needs.
        bytes: u64,
        /// What there is.
        max: u64,
    },
    /// The disk is full.
    #[error("the disk of the event spool is full; send the events again after {} s", retry_after.as_secs())]
    DiskFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The disk failed. Whether the events are stored is unknown; sent again with the same ids they count
    /// once.
    #[error("the event spool could not be written: {message}; send the events again after {} s", retry_after.as_secs())]
    Disk {
        /// What the system said.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The server is shutting down.
    #[error("the server is shutting down; send the events again after {} s", retry_after.as_secs())]
    Closed {
        /// When to try again.
        retry_after: Duration,
    },
}

impl AppendError {
    fn of_disk(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                retry_after: RETRY_AFTER,
            },
            _ => Self::Disk {
                message: error.to_string(),
                retry_after: RETRY_AFTER,
            },
        }
    }

    /// When it is worth trying again, where it is.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after }
            | Self::DiskFull { retry_after }
            | Self::Disk { retry_after, .. }
            | Self::Closed { retry_after } => Some(*retry_after),
            Self::TooLarge { .. } => None,
        }
    }
}

/// The state of ingest at one moment. Counts are since the start of the process.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct Stats {
    /// Events acknowledged.
    pub accepted_events: u64,
    /// Requests acknowledged.
    pub accepted_requests: u64,
    /// Events that are acknowledged and not yet in ClickHouse (a level, with what earlier runs left).
    pub spooled_events: u64,
    /// Bytes of the spool in use (a level).
    pub spool_bytes: u64,
    /// The most it may hold.
    pub max_bytes: u64,
    /// Why events are not taken, where they are not: there is no room, or the disk did not take the last ones.
    pub refuses_because: Option<String>,
    /// Segments that wait to be sent (a level).
    pub waiting_segments: u64,
    /// Syncs of the disk; fewer than requests where several shared one.
    pub syncs: u64,
    /// Requests refused because the spool was full.
    pub refused_full: u64,
    /// Groups of requests refused because the disk failed.
    pub disk_errors: u64,
    /// Events that reached ClickHouse, repeated ones included.
    pub stored_events: u64,
    /// Batches that reached ClickHouse.
    pub stored_batches: u64,
    /// Attempts that ClickHouse did not acknowledge.
    pub failed_attempts: u64,
    /// Rows that ClickHouse said it had and did not, found after an uncertain attempt and sent again.
    pub repaired_rows: u64,
    /// Events that are not stored: an event with their id was before.
    pub repeated_events: u64,
    /// Segments that ended in the middle of a write.
    pub torn_tails: u64,
    /// Files in quarantine that hold what was damaged, unreadable or refused (a level, with those of earlier
    /// runs).
    pub quarantined: u64,
    /// Events that went there, where that is known.
    pub quarantined_events: u64,
    /// Attributions to unknown experiments or variants, or without a subject.
    pub unattributed: u64,
    /// What last went wrong with ClickHouse; `None` while it works.
    pub last_error: Option<String>,
}

/// The spool: takes events, keeps them, and has them sent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    /// Tells the drain to end; a drain that runs holds a receiver.
    stop: watch::Sender<Stop>,
}

impl Ingest {
    /// Opens the spool in `options.dir`, seals what an earlier process left there, and starts the writer.
    ///
    /// # Errors
    /// The directory is in use, cannot be read or written, or holds segments of another form.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        Self::open_on(options, RealDisk)
    }

    fn open_on(options: &Options, disk: impl Disk) -> Result<Self, OpenError> {
        let dir = &options.dir;
        make_dir(dir).map_err(|e| OpenError::io(dir, "make", &e))?;
        let lock = lock(dir)?;
        let shared = Arc::new(Shared::new(dir.clone(), options.max_bytes, lock));
        recover::recover(&shared)?;
        let (commands, received) = mpsc::channel();
        let writer = Writer {
            shared: Arc::clone(&shared),
            disk,
            commands: received,
            rotation: Rotation {
                bytes: options.segment_bytes,
                age: options.segment_age,
            },
            open: None,
        };
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || {
                // Told once the writer has let go of everything.
                if let Some(done) = writer.run() {
                    // Whoever asked may have given up waiting.
                    let _ = done.send(());
                }
            })
            .map_err(|e| OpenError::io(dir, "start the writer of", &e))?;
        Ok(Self {
            shared,
            commands,
            stop: watch::Sender::new(Stop::No),
        })
    }

    /// Stores `events`, all or none, and returns once they are on the disk.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was acknowledged.
    pub async fn append(&self, events: Vec<EventRecord>) -> Result<(), AppendError> {
        if events.is_empty() {
            return Ok(());
        }
        let count = events.len();
        let framed = record::encode(&events)
            .ok()
            .and_then(|payload| segment::record(count, &payload));
        drop(events);
        let max = self.shared.max_bytes;
        let Some(record) = framed else {
            return Err(AppendError::TooLarge {
                bytes: u64::from(u32::MAX),
                max,
            });
        };
        let bytes = record.len() as u64;
        let room = max.saturating_sub(segment::HEADER as u64);
        if bytes > room {
            return Err(AppendError::TooLarge { bytes, max });
        }
        let queued = &self.shared.queued_bytes;
        let memory = |used: u64| (used == 0 || used + bytes <= MAX_QUEUED).then_some(used + bytes);
        let full = || {
            Counters::add(&self.shared.counters.refused_full, 1);
            AppendError::Full {
                retry_after: RETRY_AFTER,
            }
        };
        if !self.shared.reserve(bytes) {
            return Err(full());
        }
        if queued
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, memory)
            .is_err()
        {
            self.shared.release(bytes);
            return Err(full());
        }
        let closed = AppendError::Closed {
            retry_after: RETRY_AFTER,
        };
        let (done, answer) = oneshot::channel();
        let append = Append {
            record,
            events: count as u64,
            done,
        };
        if self.commands.send(Command::Append(append)).is_err() {
            self.shared.release(bytes);
            queued.fetch_sub(bytes, Ordering::AcqRel);
            return Err(closed);
        }
        // The writer ends without an answer only when it was closed before it came to this one.
        answer.await.unwrap_or(Err(closed))
    }

    /// Takes no more events, seals what there is, and lets the drain send it as long as ClickHouse takes it,
    /// for at most `limit`. What is left is sent after the next start.
    pub async fn shutdown(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let (done, closed) = oneshot::channel();
        // A writer that has ended already has nothing to seal.
        if self.commands.send(Command::Close(done)).is_ok() {
            let _ = closed.await;
        }
        self.stop.send_replace(Stop::By(until));
        if tokio::time::timeout_at(until, self.stop.closed()).await.is_ok() {
            self.shared.unlock();
        } else {
            tracing::info!("ClickHouse was too slow to take all events before the end of the server");
        }
        let left = Counters::get(&self.shared.counters.spooled_events);
        if left > 0 {
            tracing::info!(
                events = left,
                "events are left in the spool; they are sent after the next start"
            );
        }
    }

    /// Has the drain try ClickHouse again at once, instead of waiting out its back-off.
    pub fn poke(&self) {
        self.shared.poked.notify_one();
    }

    /// Tells the writer that the open segment may be sealed when it is due.
    fn drain_is_idle(&self) {
        // A writer that has ended has sealed everything.
        let _ = self.commands.send(Command::DrainIdle);
    }

    /// Counts attributions that count for no experiment, and says so now and then.
    pub fn note_unattributed(&self, left_out: &Unattributed) {
        let new = left_out.total();
        if new == 0 {
            return;
        }
        let before = self
            .shared
            .counters
            .unattributed
            .fetch_add(new, Ordering::Relaxed);
        // At the first one and then at each power of ten: a client that does it does it all the time.
        let digits = |n: u64| n.checked_ilog10();
        if before == 0 || digits(before) != digits(before + new) {
            tracing::warn!(
                total = before + new,
                unknown_experiment = left_out.unknown_experiment,
                unknown_variant = left_out.unknown_variant,
                without_subject = left_out.without_subject,
                contradictory = left_out.contradictory,
                incomplete = left_out.incomplete,
                "events were attributed to experiments that cannot count them; they are stored, and count for none"
            );
        }
    }

    /// How things stand.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let get = Counters::get;
        let c = &self.shared.counters;
        Stats {
            accepted_events: get(&c.accepted_events),
            accepted_requests: get(&c.accepted_requests),
            spooled_events: get(&c.spooled_events),
            spool_bytes: get(&self.shared.used_bytes),
            max_bytes: self.shared.max_bytes,
            refuses_because: self.shared.refuses_because(),
            waiting_segments: self.shared.waiting() as u64,
            syncs: get(&c.syncs),
            refused_full: get(&c.refused_full),
            disk_errors: get(&c.disk_errors),
            stored_events: get(&c.stored_events),
            stored_batches: get(&c.stored_batches),
            failed_attempts: get(&c.failed_attempts),
            repaired_rows: get(&c.repaired_rows),
            repeated_events: get(&c.repeated_events),
            torn_tails: get(&c.torn_tails),
            quarantined: get(&c.quarantined),
            quarantined_events: get(&c.quarantined_events),
            unattributed: get(&c.unattributed),
            last_error: self.shared.last_error(),
        }
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir)?;
    dir.parent().map_or(Ok(()), disk::sync_dir)
}

/// Takes the directory for this process. The system lets go of it however the process ends.
fn lock(dir: &Path) -> Result<Held, OpenError> {
    let path = dir.join(LOCK);
    let failed = |e: io::Error| OpenError::io(&path, "lock", &e);
    let mut file = held::open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            let known = !owner.trim().is_empty();
            return Err(OpenError::InUse {
                dir: dir.to_owned(),
                owner: if known {
                    owner.trim().to_owned()
                } else {
                    "(unknown)".to_owned()
                },
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(Held::new(file))
}

#[cfg(test)]
mod tests;
