//! From the spool to ClickHouse: one sealed segment after the other, each until it is acknowledged.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::backoff::Backoff;
use super::batch::Batch;
use super::shared::{Counters, Refused, Sealed, Shared};
use super::{Ingest, quarantine, record, recover, segment};
use crate::warehouse::{Class, Warehouse, WarehouseError};

/// How often a batch is sent in a row that ClickHouse refuses for a reason that waiting does not change.
/// After that others have their turn; where they pass and this one still does not, it is set aside.
const REFUSALS: u32 = 4;
/// How often a segment is read that the disk does not give back.
const READ_ATTEMPTS: u32 = 5;

/// Where batches go.
pub(super) trait Sink: Send + Sync {
    /// Makes ready: asked before the first batch, and again after a failure of configuration.
    fn prepare(&self) -> impl Future<Output = Result<(), WarehouseError>> + Send;
    /// Stores a batch. `uncertain`: an attempt before this one may have stored all of it, a part or
    /// nothing.
    fn store(
        &self,
        batch: &Batch,
        uncertain: bool,
    ) -> impl Future<Output = Result<Stored, WarehouseError>> + Send;
    /// Forgets the ids of a batch that is not going to be stored.
    fn forget(&self, batch: Uuid) -> impl Future<Output = Result<(), WarehouseError>> + Send;
}

/// What storing a batch came to.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub(super) struct Stored {
    /// Rows that had to be sent again.
    pub repaired: u64,
    /// Events that were left out: their ids were seen before.
    pub repeated: u64,
}

/// ClickHouse, wherever it is at the moment.
struct Followed(watch::Receiver<Option<Warehouse>>);

impl Followed {
    fn now(&self) -> Result<Warehouse, WarehouseError> {
        let warehouse = self.0.borrow().clone();
        warehouse.ok_or_else(|| WarehouseError {
            class: Class::Retry,
            code: None,
            doing: "sending events".to_owned(),
            message: "there is no connection".to_owned(),
        })
    }
}

impl Sink for Followed {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        self.now()?.migrate().await
    }

    async fn forget(&self, batch: Uuid) -> Result<(), WarehouseError> {
        self.now()?.forget(batch).await
    }

    async fn store(&self, batch: &Batch, uncertain: bool) -> Result<Stored, WarehouseError> {
        let warehouse = self.now()?;
        let firsts = batch.firsts(&warehouse).await?;
        firsts.send(&warehouse).await?;
        Ok(Stored {
            repaired: if uncertain {
                firsts.repair(&warehouse).await?
            } else {
                0
            },
            repeated: (batch.events.len() - firsts.len()) as u64,
        })
    }
}

/// Whether the drain is to end, and until when it may go on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Stop {
    #[default]
    No,
    /// Send what there is as long as ClickHouse takes it, at most until then.
    By(Instant),
}

impl Ingest {
    /// Sends sealed segments to wherever `warehouse` is until [`Ingest::shutdown`] is called. Run it once, in
    /// a task.
    ///
    /// ClickHouse need not be there yet, and may go away and come back elsewhere: events wait in the spool
    /// meanwhile. Its tables are made where they are missing.
    pub async fn drain(self, warehouse: watch::Receiver<Option<Warehouse>>) {
        let mut moves = warehouse.clone();
        let poke = async {
            while moves.changed().await.is_ok() {
                self.poke();
            }
            // Nobody moves it any more; the drain goes on with where it is.
            std::future::pending::<()>().await;
        };
        let target = Followed(warehouse);
        tokio::select! {
            () = self.drain_to(&target) => {}
            () = poke => {}
        }
    }

    pub(super) async fn drain_to(&self, sink: &impl Sink) {
        // Held until the drain has ended, however it ends: `shutdown` waits for it.
        let mut stop = self.stop.subscribe();
        Drain {
            ingest: self,
            shared: &self.shared,
            sink,
            backoff: Backoff::default(),
            ready: false,
        }
        .run(&mut stop)
        .await;
    }
}

struct Drain<'a, S> {
    ingest: &'a Ingest,
    shared: &'a Arc<Shared>,
    sink: &'a S,
    backoff: Backoff,
    /// Whether `prepare` has succeeded.
    ready: bool,
}

/// How an attempt at a segment ended.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Outcome {
    /// The segment is gone from the front of the queue.
    Done,
    /// Try again after a while.
    Again,
    /// Others first; then this one again.
    Later,
}

impl<S: Sink> Drain<'_, S> {
    async fn run(&mut self, stop: &mut watch::Receiver<Stop>) {
        // The tables should be there before the first event: the cockpit asks for them.
        while !self.ready {
            if self.prepare().await != Outcome::Done && !self.wait(stop).await {
                return;
            }
        }
        loop {
            match *stop.borrow() {
                Stop::By(until) if Instant::now() >= until => return,
                _ => {}
            }
            if let Some(segment) = self.shared.front() {
                if !self.send(segment, stop).await {
                    return;
                }
                continue;
            }
            if *stop.borrow() != Stop::No {
                return;
            }
            // A segment that was sealed since the look at the queue has left its mark here.
            tokio::select! {
                () = self.shared.sealed.notified() => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Sends one segment until it is acknowledged, set aside, or others have their turn. `false` when the
    /// drain is to end instead.
    async fn send(&mut self, mut sealed: Sealed, stop: &mut watch::Receiver<Stop>) -> bool {
        let mut batch = None;
        let mut unread = 0;
        loop {
            let outcome = match &batch {
                Some(batch) => self.attempt(&mut sealed, batch).await,
                None => match self.load(&sealed).await {
                    Ok(loaded) => {
                        batch = Some(loaded);
                        continue;
                    }
                    Err(error) => {
                        unread += 1;
                        self.unreadable(&sealed, &error, unread).await
                    }
                },
            };
            match outcome {
                Outcome::Done => return true,
                Outcome::Again => {
                    if !self.wait(stop).await {
                        return false;
                    }
                }
                Outcome::Later => {
                    let untried = self.shared.has_untried_behind(&sealed);
                    self.shared.rotate(sealed);
                    // Those behind it may be in the open segment.
                    self.ingest.drain_is_idle();
                    return untried || self.wait(stop).await;
                }
            }
        }
    }

    async fn prepare(&mut self) -> Outcome {
        match self.sink.prepare().await {
            Ok(()) => {
                self.ready = true;
                self.succeeded();
                Outcome::Done
            }
            Err(error) => {
                self.failed(&error);
                Outcome::Again
            }
        }
    }

    async fn attempt(&mut self, sealed: &mut Sealed, batch: &Batch) -> Outcome {
        if batch.events.is_empty() {
            self.finish(sealed);
            return Outcome::Done;
        }
        if !self.ready && self.prepare().await != Outcome::Done {
            return Outcome::Again;
        }
        let error = match self.sink.store(batch, sealed.uncertain).await {
            Ok(Stored { repaired, repeated }) => {
                self.note_repeated(repeated);
                if repaired > 0 {
                    Counters::add(&self.shared.counters.repaired_rows, repaired);
                    tracing::warn!(
                        segment = %sealed.id, rows = repaired,
                        "ClickHouse took the batch for stored and did not have these rows; they were sent again"
                    );
                }
                Counters::add(&self.shared.counters.stored_events, batch.events.len() as u64);
                Counters::add(&self.shared.counters.stored_batches, 1);
                self.succeeded();
                self.finish(sealed);
                return Outcome::Done;
            }
            Err(error) => error,
        };
        // From here on nobody can be sure what of the batch is there.
        sealed.uncertain = true;
        self.failed(&error);
        match error.class {
            Class::Content | Class::Other => self.refused(sealed, &error).await,
            Class::Configuration => {
                // The tables may be gone: they are made again before the next attempt.
                self.ready = false;
                Outcome::Again
            }
            Class::Retry | Class::OutcomeUnknown | Class::HoldBack | Class::Limit => Outcome::Again,
        }
    }

    /// Counts events that were left out, and says so now and then.
    fn note_repeated(&self, new: u64) {
        if new == 0 {
            return;
        }
        let counter = &self.shared.counters.repeated_events;
        let before = counter.fetch_add(new, Ordering::Relaxed);
        // At the first one and then at each power of ten: some are what retries of clients are for.
        if before == 0 || before.checked_ilog10() != (before + new).checked_ilog10() {
            tracing::info!(
                total = before + new,
                "events had an id that was seen before; the first event with an id counts, and no other"
            );
        }
    }

    /// A refusal that may be about this batch or about the state of ClickHouse. Setting a batch aside takes
    /// the proof that others pass, so that a sick ClickHouse does not empty the spool into the quarantine.
    async fn refused(&mut self, sealed: &mut Sealed, error: &WarehouseError) -> Outcome {
        let stored = Counters::get(&self.shared.counters.stored_batches);
        let refused = sealed.refused.get_or_insert(Refused {
            times: 0,
            stored_before: stored,
        });
        refused.times += 1;
        if refused.times < REFUSALS {
            // Whether others pass is told by those that were not tried yet, and they need not wait for this one.
            return match self.shared.has_untried_behind(sealed) {
                true => Outcome::Later,
                false => Outcome::Again,
            };
        }
        if stored > refused.stored_before {
            self.set_segment_aside(sealed, &error.to_string()).await;
            self.backoff.reset();
            return Outcome::Done;
        }
        // Counted anew the next time: a ClickHouse that has just recovered may stumble once more.
        *refused = Refused {
            times: 0,
            stored_before: stored,
        };
        Outcome::Later
    }

    /// Waits before the next attempt; less when somebody says that ClickHouse is back. `false` when the drain
    /// is to end: nothing more can be sent before it must.
    async fn wait(&mut self, stop: &mut watch::Receiver<Stop>) -> bool {
        if *stop.borrow() != Stop::No {
            return false;
        }
        let wait = self.backoff.after_failure();
        tokio::select! {
            () = tokio::time::sleep(wait.max(Duration::from_millis(10))) => true,
            () = self.shared.poked.notified() => true,
            // One more attempt: ClickHouse may be there again.
            changed = stop.changed() => changed.is_ok(),
        }
    }

    async fn load(&self, sealed: &Sealed) -> io::Result<Batch> {
        let (shared, sealed) = (Arc::clone(self.shared), sealed.clone());
        let task = tokio::task::spawn_blocking(move || load(&shared, &sealed));
        task.await.map_err(io::Error::other)?
    }

    /// A segment that the disk did not give back `times` times.
    async fn unreadable(&mut self, sealed: &Sealed, error: &io::Error, times: u32) -> Outcome {
        let path = sealed.path.display();
        tracing::error!(%path, %error, times, "could not read a segment of the event spool");
        if error.kind() == io::ErrorKind::NotFound {
            tracing::error!(
                %path, events = sealed.events,
                "a segment of the event spool was taken away from outside: its ACKNOWLEDGED EVENTS ARE LOST here"
            );
            self.done_with(sealed);
            return Outcome::Done;
        }
        if times < READ_ATTEMPTS {
            return Outcome::Again;
        }
        self.set_segment_aside(sealed, &error.to_string()).await;
        Outcome::Done
    }

    fn succeeded(&mut self) {
        if self.backoff.failures() > 0 {
            tracing::info!(
                after_attempts = self.backoff.failures() + 1,
                waiting_segments = self.shared.waiting(),
                "ClickHouse takes events again"
            );
        }
        self.backoff.reset();
        self.shared.set_last_error(None);
    }

    fn failed(&mut self, error: &WarehouseError) {
        Counters::add(&self.shared.counters.failed_attempts, 1);
        let before = self.shared.last_error();
        let text = error.to_string();
        // An outage of hours is told once, and then now and then.
        if before.as_deref() != Some(text.as_str()) || self.backoff.failures().is_multiple_of(20) {
            let (class, attempt) = (error.class, self.backoff.failures() + 1);
            match Counters::get(&self.shared.counters.spooled_events) {
                // Such as at every start, before the embedded engine is up.
                0 => tracing::info!(error = %text, ?class, attempt, "waiting for ClickHouse; no events wait"),
                spooled_events => {
                    tracing::warn!(error = %text, ?class, attempt, spooled_events, "events wait in the spool");
                }
            }
        }
        self.shared.set_last_error(Some(text));
    }

    /// The batch is acknowledged: its segment is not needed any more.
    fn finish(&self, sealed: &Sealed) {
        if let Err(error) = std::fs::remove_file(&sealed.path) {
            // Sent again at the next start, under the same tokens.
            tracing::warn!(path = %sealed.path.display(), %error, "could not remove a segment that was sent");
        }
        self.done_with(sealed);
    }

    fn done_with(&self, sealed: &Sealed) {
        self.shared.pop(sealed);
        self.ingest.drain_is_idle();
    }

    /// Sets a segment aside that would block all others for ever.
    async fn set_segment_aside(&self, sealed: &Sealed, why: &str) {
        match quarantine::move_segment(&self.shared.dir, sealed.id, &sealed.path) {
            Ok(to) => {
                Counters::add(&self.shared.counters.quarantined, 1);
                Counters::add(&self.shared.counters.quarantined_events, sealed.events);
                tracing::error!(
                    segment = %sealed.id, events = sealed.events, kept = %to.display(), why,
                    "a batch of ACKNOWLEDGED EVENTS IS NOT IN CLICKHOUSE: it was refused and set aside; once \
                     the cause is gone, stop the server, move the file back to the spool and start it again"
                );
                // Clients that heard nothing send the same events again, perhaps to another server.
                if let Err(error) = self.sink.forget(sealed.id).await {
                    tracing::error!(
                        segment = %sealed.id, %error,
                        "the ids of the batch that was set aside stay noted: its events are left out when they are sent \
                         again; delete the batch's rows of event_ids"
                    );
                }
            }
            Err(error) => {
                tracing::error!(
                    segment = %sealed.id, path = %sealed.path.display(), %error, why,
                    "a batch of acknowledged events was refused and could not be set aside; it stays in the spool \
                     and is tried again at the next start"
                );
            }
        }
        self.done_with(sealed);
    }
}

/// Reads the acknowledged part of a segment. Records that cannot be read are kept aside.
fn load(shared: &Shared, sealed: &Sealed) -> io::Result<Batch> {
    let mut bytes = std::fs::read(&sealed.path)?;
    bytes.truncate(usize::try_from(sealed.len).unwrap_or(usize::MAX));
    let scan = segment::scan(&bytes);
    for bad in &scan.bad {
        recover::set_aside(shared, sealed.id, &bytes, bad)?;
    }
    let mut events = Vec::with_capacity(usize::try_from(sealed.events).unwrap_or_default());
    for (range, count) in scan.records {
        let payload = bytes.get(range.clone()).unwrap_or_default();
        match record::decode(payload) {
            Ok(decoded) => events.extend(decoded),
            Err(error) => {
                let why = quarantine::Why::Unreadable;
                if quarantine::keep_aside(&shared.dir, sealed.id, range.start, why, payload)? {
                    Counters::add(&shared.counters.quarantined, 1);
                    Counters::add(&shared.counters.quarantined_events, u64::from(count));
                    tracing::error!(
                        segment = %sealed.id, offset = range.start, events = count, %error,
                        "a record of the event spool cannot be read by this program: its ACKNOWLEDGED EVENTS ARE NOT \
                         IN CLICKHOUSE; it is kept in the quarantine"
                    );
                }
            }
        }
    }
    Ok(Batch {
        id: sealed.id,
        events,
    })
}
