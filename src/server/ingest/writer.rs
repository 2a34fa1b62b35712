//! The one thread that writes the spool: group commit, rotation, sealing.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::AppendError;
use super::disk::{Disk, SegmentFile};
use super::segment;
use super::shared::{Counters, Sealed, Shared};

/// What the writer is told.
pub(super) enum Command {
    /// Write a record and answer once it is on the disk.
    Append(Append),
    /// The drain has nothing left to do, but perhaps with what was refused.
    DrainIdle,
    /// Seal the open segment and end.
    Close(oneshot::Sender<()>),
}

/// One request's events.
pub(super) struct Append {
    /// The framed record.
    pub record: Vec<u8>,
    pub events: u64,
    pub done: oneshot::Sender<Result<(), AppendError>>,
}

/// When a segment is sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation {
    /// At this size.
    pub bytes: u64,
    /// At this age of its first record, if the drain has nothing else to do ([`Shared::sealed_at`]); while it has,
    /// the segment goes on growing, so that batches get larger the more there is to send.
    pub age: Duration,
}

pub(super) struct Writer<D> {
    pub shared: Arc<Shared>,
    pub disk: D,
    pub commands: Receiver<Command>,
    pub rotation: Rotation,
    pub open: Option<Open>,
}

/// The segment that records go to.
pub(super) struct Open {
    id: Uuid,
    path: PathBuf,
    file: Box<dyn SegmentFile>,
    /// Bytes that are on the disk.
    durable: u64,
    events: u64,
    since: Instant,
}

impl<D: Disk> Writer<D> {
    /// Runs until it is told to close, and returns whom to tell, or until nobody can tell it anything any more.
    pub(super) fn run(mut self) -> Option<oneshot::Sender<()>> {
        loop {
            match self.next() {
                Ok(Some(Command::Append(first))) => {
                    if let Some(done) = self.append(first) {
                        self.seal();
                        return Some(done);
                    }
                }
                // Either may have made the open segment due.
                Ok(Some(Command::DrainIdle) | None) => {}
                Ok(Some(Command::Close(done))) => {
                    self.seal();
                    return Some(done);
                }
                Err(_disconnected) => {
                    self.seal();
                    return None;
                }
            }
            if self.due() {
                self.seal();
            }
        }
    }

    /// The next command; `None` when the open segment has come of age before one came.
    fn next(&self) -> Result<Option<Command>, ()> {
        let sealed_at = self.shared.sealed_at(self.rotation.age);
        let Some((open, sealed_at)) = self.open.as_ref().zip(sealed_at) else {
            return self.commands.recv().map(Some).map_err(|_| ());
        };
        let left = sealed_at.saturating_sub(open.since.elapsed());
        match self.commands.recv_timeout(left) {
            Ok(command) => Ok(Some(command)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    fn due(&self) -> bool {
        let sealed_at = self.shared.sealed_at(self.rotation.age);
        self.open.as_ref().is_some_and(|open| {
            open.durable >= self.rotation.bytes || sealed_at.is_some_and(|age| open.since.elapsed() >= age)
        })
    }

    /// Group commit: whatever has queued up while the disk was busy is written and synced in one go.
    /// Returns whom to tell when a close was among it.
    fn append(&mut self, first: Append) -> Option<oneshot::Sender<()>> {
        let mut bytes = first.record.len() as u64;
        let mut group = vec![first];
        let mut close = None;
        while bytes < self.rotation.bytes {
            match self.commands.try_recv() {
                Ok(Command::Append(next)) => {
                    bytes += next.record.len() as u64;
                    group.push(next);
                }
                Ok(Command::DrainIdle) => {}
                Ok(Command::Close(done)) => {
                    close = Some(done);
                    break;
                }
                Err(_) => break,
            }
        }
        let written = self.commit(&group, bytes);
        self.shared.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
        match written {
            Ok(()) => {
                let events = group.iter().map(|a| a.events).sum();
                let counters = &self.shared.counters;
                Counters::add(&counters.accepted_events, events);
                Counters::add(&counters.accepted_requests, group.len() as u64);
                Counters::add(&counters.spooled_events, events);
                self.shared.set_disk_error(None);
                for append in group {
                    let _ = append.done.send(Ok(()));
                }
            }
            Err(error) => {
                Counters::add(&self.shared.counters.disk_errors, 1);
                self.shared.set_disk_error(Some(error.to_string()));
                self.shared.release(bytes);
                tracing::error!(
                    dir = %self.shared.dir.display(),
                    error = %error,
                    requests = group.len(),
                    "the event spool cannot be written; these requests were refused, not acknowledged"
                );
                for append in group {
                    let _ = append.done.send(Err(AppendError::of_disk(&error)));
                }
            }
        }
        close
    }

    fn commit(&mut self, group: &[Append], bytes: u64) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.create()?,
        };
        let mut buffer = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
        for append in group {
            buffer.extend_from_slice(&append.record);
        }
        let written = open.file.write_all(&buffer).and_then(|()| open.file.sync());
        Counters::add(&self.shared.counters.syncs, 1);
        if let Err(error) = written {
            // After a failed sync the kernel may call the pages clean without having written them: a second
            // sync that succeeds would prove nothing. The segment is given up. What was acknowledged lies
            // before `durable`; what lies behind is cut off, and never read even where that fails.
            if let Err(cut) = open.file.cut(open.durable) {
                tracing::warn!(path = %open.path.display(), error = %cut, "could not cut a segment");
            }
            self.hand_over(open);
            return Err(error);
        }
        open.durable += bytes;
        open.events += group.iter().map(|a| a.events).sum::<u64>();
        self.open = Some(open);
        Ok(())
    }

    /// A new segment whose header and directory entry are on the disk.
    fn create(&mut self) -> io::Result<Open> {
        let id = Uuid::now_v7();
        let path = self.shared.dir.join(format!("{id}.{}", super::SEGMENT_EXTENSION));
        let mut file = self.disk.create(&path)?;
        let made = file
            .write_all(&segment::header(id))
            .and_then(|()| file.sync())
            .and_then(|()| self.disk.sync_dir(&self.shared.dir));
        if let Err(error) = made {
            // Nothing in it was acknowledged; an empty file left behind is taken away at the next start.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        let header = segment::HEADER as u64;
        self.shared.used_bytes.fetch_add(header, Ordering::AcqRel);
        Ok(Open {
            id,
            path,
            file,
            durable: header,
            events: 0,
            since: Instant::now(),
        })
    }

    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            self.hand_over(open);
        }
    }

    fn hand_over(&self, open: Open) {
        if open.events == 0 {
            self.shared.release(open.durable);
            if let Err(error) = std::fs::remove_file(&open.path) {
                tracing::warn!(path = %open.path.display(), %error, "could not remove an empty segment");
            }
            return;
        }
        self.shared.push(Sealed {
            id: open.id,
            path: open.path,
            len: open.durable,
            events: open.events,
            uncertain: false,
            refused: None,
        });
    }
}
