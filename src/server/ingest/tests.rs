//! The spool and the drain together, on a disk and a ClickHouse that fail on demand.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::batch::Batch;
use super::disk::{Disk, RealDisk, SegmentFile};
use super::drain::{Sink, Stored};
use super::*;
use crate::warehouse::{Class, WarehouseError};

/// Nothing here takes this long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(10);

fn event(n: u128) -> EventRecord {
    EventRecord {
        event_id: Uuid::from_u128(n),
        name: format!("event {n}"),
        props: BTreeMap::from([(
            "é".to_owned(),
            "x".repeat(usize::try_from(n % 90).expect("small")),
        )]),
        ..EventRecord::default()
    }
}

/// A spool whose segments are sealed by size only, at `segment_bytes`.
fn options(dir: &Path, segment_bytes: u64) -> Options {
    Options {
        segment_bytes,
        segment_age: Duration::from_secs(3600),
        ..Options::new(dir.join("spool"))
    }
}

/// Options that seal whatever is there once the drain is idle.
fn eager(dir: &Path) -> Options {
    Options {
        segment_age: Duration::ZERO,
        ..Options::new(dir.join("spool"))
    }
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let paths = entries.map(|e| e.expect("an entry").path());
    let mut found: Vec<PathBuf> = paths
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

// --- a disk that fails -------------------------------------------------------------------------

#[derive(Default)]
struct Faults {
    sync: Option<io::ErrorKind>,
    write: Option<io::ErrorKind>,
    create: Option<io::ErrorKind>,
    cut: Option<io::ErrorKind>,
    /// While set, a sync waits.
    held: bool,
}

#[derive(Clone, Default)]
struct FailingDisk(Arc<(Mutex<Faults>, Condvar)>);

struct FailingFile {
    file: Box<dyn SegmentFile>,
    disk: FailingDisk,
}

impl FailingDisk {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.0.lock().expect("faults"));
        self.0.1.notify_all();
    }

    /// Fails once, if told to.
    fn fail(&self, pick: impl FnOnce(&mut Faults) -> &mut Option<io::ErrorKind>) -> io::Result<()> {
        match pick(&mut self.0.0.lock().expect("faults")).take() {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }
}

impl Disk for FailingDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.fail(|f| &mut f.create)?;
        let file = RealDisk.create(path)?;
        let disk = self.clone();
        Ok(Box::new(FailingFile { file, disk }))
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
}

impl SegmentFile for FailingFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.disk.fail(|f| &mut f.write) {
            // As a full disk does: a part is written.
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (faults, changed) = &*self.disk.0;
        let held = changed.wait_while(faults.lock().expect("faults"), |f| f.held);
        drop(held.expect("faults"));
        self.file.sync()?;
        self.disk.fail(|f| &mut f.sync)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.disk.fail(|f| &mut f.cut)?;
        self.file.cut(len)
    }
}

// --- a ClickHouse that fails -------------------------------------------------------------------

/// Remembers what it stored; asks `answer` first, with the batch and how often it came.
struct FakeSink<F> {
    stored: Mutex<Vec<(Uuid, Vec<Uuid>, bool)>>,
    times: Mutex<HashMap<Uuid, u32>>,
    /// Batches whose ids were forgotten.
    forgotten: Mutex<Vec<Uuid>>,
    answer: F,
}

impl<F: Fn(&Batch, u32) -> Result<(), Class> + Send + Sync> FakeSink<F> {
    fn new(answer: F) -> Self {
        Self {
            stored: Mutex::default(),
            times: Mutex::default(),
            forgotten: Mutex::default(),
            answer,
        }
    }

    /// Ids of all stored events, in order of arrival.
    fn events(&self) -> Vec<u128> {
        let stored = self.stored.lock().expect("stored");
        stored
            .iter()
            .flat_map(|(_, ids, _)| ids)
            .map(Uuid::as_u128)
            .collect()
    }

    fn batches(&self) -> Vec<(Uuid, Vec<Uuid>, bool)> {
        self.stored.lock().expect("stored").clone()
    }
}

fn refusal(class: Class) -> WarehouseError {
    WarehouseError {
        class,
        code: None,
        doing: "insert".into(),
        message: "made up".into(),
    }
}

impl<F: Fn(&Batch, u32) -> Result<(), Class> + Send + Sync> Sink for FakeSink<F> {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        Ok(())
    }

    async fn forget(&self, batch: Uuid) -> Result<(), WarehouseError> {
        self.forgotten.lock().expect("forgotten").push(batch);
        Ok(())
    }

    async fn store(&self, batch: &Batch, uncertain: bool) -> Result<Stored, WarehouseError> {
        let times = {
            let mut times = self.times.lock().expect("times");
            let times = times.entry(batch.id).or_default();
            *times += 1;
            *times
        };
        tokio::task::yield_now().await;
        (self.answer)(batch, times).map_err(refusal)?;
        let ids = batch.events.iter().map(|e| e.event_id).collect();
        self.stored
            .lock()
            .expect("stored")
            .push((batch.id, ids, uncertain));
        Ok(Stored::default())
    }
}

/// Runs the drain until the spool is empty, then shuts down.
async fn drain_all(ingest: &Ingest, sink: &impl Sink) {
    let emptied = async {
        // The writer seals the open segment on shutdown; before that the drain works on what is sealed.
        while ingest.stats().waiting_segments > 0 {
            ingest.poke();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ingest.shutdown(DEADLINE).await;
    };
    let both = async { tokio::join!(ingest.drain_to(sink), emptied) };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("drains in time");
}

async fn append(ingest: &Ingest, n: u128) -> Result<(), AppendError> {
    let appended = ingest.append(vec![event(n)]);
    tokio::time::timeout(DEADLINE, appended)
        .await
        .expect("answers in time")
}

fn accept_all() -> FakeSink<impl Fn(&Batch, u32) -> Result<(), Class> + Send + Sync> {
    FakeSink::new(|_, _| Ok(()))
}

// --- tests -------------------------------------------------------------------------------------

#[tokio::test]
async fn an_acknowledged_event_is_in_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let ingest = Ingest::open(&options(dir.path(), 1 << 20)).expect("opens");
    ingest.append(vec![event(1), event(2)]).await.expect("takes");
    let segments = files(&dir.path().join("spool"), SEGMENT_EXTENSION);
    let bytes = std::fs::read(&segments[0]).expect("a segment");
    let scan = segment::scan(&bytes);
    assert_eq!(scan.events(), 2);
    let payload = &bytes[scan.records[0].0.clone()];
    assert_eq!(record::decode(payload).expect("reads"), [event(1), event(2)]);
    let stats = ingest.stats();
    assert_eq!((stats.accepted_events, stats.spooled_events), (2, 2));
    assert_eq!(stats.spool_bytes, bytes.len() as u64);
    assert_eq!(ingest.append(Vec::new()).await, Ok(()));
}

#[tokio::test]
async fn requests_that_wait_share_a_sync() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = FailingDisk::default();
    let ingest = Ingest::open_on(&options(dir.path(), 1 << 20), disk.clone()).expect("opens");
    append(&ingest, 0).await.expect("takes");
    let before = ingest.stats().syncs;
    disk.set(|f| f.held = true);
    let tasks: Vec<_> = (1..=50)
        .map(|n| {
            let ingest = ingest.clone();
            tokio::spawn(async move { append(&ingest, n).await })
        })
        .collect();
    // All 50 are on their way to the writer, which waits for the disk with the first ones.
    while ingest.shared.queued_bytes.load(Ordering::Acquire) < 50 * segment::FRAME as u64 {
        tokio::task::yield_now().await;
    }
    assert!(
        tasks.iter().all(|t| !t.is_finished()),
        "nothing is acknowledged before the sync"
    );
    disk.set(|f| f.held = false);
    for task in tasks {
        task.await.expect("runs").expect("takes");
    }
    let syncs = ingest.stats().syncs - before;
    assert!(syncs <= 3, "50 requests took {syncs} syncs");
    let sink = accept_all();
    drain_all(&ingest, &sink).await;
    let mut events = sink.events();
    events.sort_unstable();
    assert_eq!(events, (0..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn segments_are_sealed_by_size_and_sent_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let ingest = Ingest::open(&options(dir.path(), 1000)).expect("opens");
    for n in 0..40 {
        append(&ingest, n).await.expect("takes");
    }
    let waiting = ingest.stats().waiting_segments;
    assert!((3..20).contains(&waiting), "{waiting}");
    let sink = accept_all();
    drain_all(&ingest, &sink).await;
    assert_eq!(sink.events(), (0..40).collect::<Vec<_>>());
    let stats = ingest.stats();
    assert_eq!(
        (stats.spooled_events, stats.spool_bytes, stats.waiting_segments),
        (0, 0, 0)
    );
    assert_eq!(stats.stored_events, 40);
    assert!(files(&dir.path().join("spool"), SEGMENT_EXTENSION).is_empty());
    assert!(matches!(
        append(&ingest, 1).await,
        Err(AppendError::Closed { .. })
    ));
}

#[tokio::test]
async fn an_idle_drain_gets_events_at_once_and_a_busy_one_in_larger_batches() {
    let dir = tempfile::tempdir().expect("a directory");
    let ingest = Ingest::open(&eager(dir.path())).expect("opens");
    append(&ingest, 1).await.expect("takes");
    let sealed = async {
        while ingest.stats().waiting_segments == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, sealed)
        .await
        .expect("sealed by age");
    // Nobody sends it: what comes now goes into one segment, however old it gets.
    for n in 2..20 {
        append(&ingest, n).await.expect("takes");
    }
    assert_eq!(ingest.stats().waiting_segments, 1);
    let sink = accept_all();
    let both = async {
        let stored = async {
            while ingest.stats().stored_events < 19 {
                tokio::task::yield_now().await;
            }
            ingest.shutdown(DEADLINE).await;
        };
        tokio::join!(ingest.drain_to(&sink), stored);
    };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("sealed once the drain is idle");
    let sizes: Vec<usize> = sink.batches().iter().map(|(_, ids, _)| ids.len()).collect();
    assert_eq!(sizes, [1, 18]);
}

#[tokio::test]
async fn a_failed_sync_acknowledges_nothing_and_gives_the_segment_up() {
    for cut_fails in [false, true] {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = FailingDisk::default();
        let ingest = Ingest::open_on(&options(dir.path(), 1 << 20), disk.clone()).expect("opens");
        append(&ingest, 1).await.expect("takes");
        disk.set(|f| {
            f.sync = Some(io::ErrorKind::Other);
            f.cut = cut_fails.then_some(io::ErrorKind::Other);
        });
        let refused = append(&ingest, 2).await.expect_err("not durable");
        assert!(matches!(refused, AppendError::Disk { .. }), "{refused}");
        assert_eq!(
            ingest.stats().waiting_segments,
            1,
            "the segment is not written to again"
        );
        append(&ingest, 3).await.expect("a new segment");
        assert_eq!(files(&dir.path().join("spool"), SEGMENT_EXTENSION).len(), 2);
        let sink = accept_all();
        drain_all(&ingest, &sink).await;
        assert_eq!(sink.events(), [1, 3], "cut_fails: {cut_fails}");
        let stats = ingest.stats();
        assert_eq!((stats.spool_bytes, stats.disk_errors), (0, 1));
    }
}

#[tokio::test]
async fn a_spool_that_is_deleted_acknowledges_nothing_that_is_gone_and_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let ingest = Ingest::open(&options(dir.path(), 1 << 20)).expect("opens");
    append(&ingest, 1).await.expect("takes");
    let spool = dir.path().join("spool");
    std::fs::remove_dir_all(&spool).expect("deleted");
    let refused = append(&ingest, 2).await.expect_err("it would be gone");
    assert!(refused.to_string().contains("deleted"), "{refused}");
    append(&ingest, 3)
        .await
        .expect("a new segment in a new directory");
    assert_eq!(files(&spool, SEGMENT_EXTENSION).len(), 1);
    let sink = accept_all();
    drain_all(&ingest, &sink).await;
    assert!(sink.events().contains(&3), "{:?}", sink.events());
    assert_eq!(ingest.stats().spool_bytes, 0);
}

#[tokio::test]
async fn a_full_disk_refuses_the_whole_request() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = FailingDisk::default();
    let ingest = Ingest::open_on(&options(dir.path(), 1 << 20), disk.clone()).expect("opens");
    for (n, before) in [(1, true), (3, false)] {
        if before {
            append(&ingest, n).await.expect("takes");
        }
        disk.set(|f| {
            if before {
                f.write = Some(io::ErrorKind::StorageFull);
            } else {
                f.create = Some(io::ErrorKind::StorageFull);
            }
        });
        let refused = ingest.append((10..30).map(event).collect()).await;
        let refused = refused.expect_err("the disk is full");
        assert!(matches!(refused, AppendError::DiskFull { .. }), "{refused}");
        assert!(refused.retry_after().is_some());
    }
    append(&ingest, 4).await.expect("there is room again");
    let sink = accept_all();
    drain_all(&ingest, &sink).await;
    assert_eq!(sink.events(), [1, 4], "nothing of the refused requests is there");
    assert_eq!(ingest.stats().spool_bytes, 0);
}

#[tokio::test]
async fn a_full_spool_refuses_and_recovers_when_it_is_drained() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = Options {
        max_bytes: 4000,
        ..options(dir.path(), 1000)
    };
    let ingest = Ingest::open(&limits).expect("opens");
    let mut taken = Vec::new();
    let refused = loop {
        let n = taken.len() as u128;
        match append(&ingest, n).await {
            Ok(()) => taken.push(n),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
    assert_eq!(refused.retry_after(), Some(RETRY_AFTER));
    assert!(taken.len() > 5);
    let many = ingest.append((0..100).map(event).collect()).await;
    assert!(matches!(many, Err(AppendError::TooLarge { .. })), "{many:?}");
    let sink = accept_all();
    let recovered = async {
        while append(&ingest, 1000).await.is_err() {
            tokio::task::yield_now().await;
        }
        ingest.shutdown(DEADLINE).await;
    };
    let both = async { tokio::join!(ingest.drain_to(&sink), recovered) };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("takes events again");
    taken.push(1000);
    assert_eq!(sink.events(), taken, "nothing was dropped, nothing doubled");
    assert!(ingest.stats().refused_full >= 1);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = Ingest::open(&eager(dir.path())).expect("opens");
    let refused = Ingest::open(&eager(dir.path())).expect_err("in use").to_string();
    assert!(refused.contains(&std::process::id().to_string()), "{refused}");
    first.shutdown(DEADLINE).await;
    drop(first);
    // The writer's thread may take a moment to end.
    let reopened = async {
        while Ingest::open(&eager(dir.path())).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reopened)
        .await
        .expect("free again");
}

#[tokio::test]
async fn what_is_left_is_sent_by_the_next_process_as_the_same_batch() {
    let dir = tempfile::tempdir().expect("a directory");
    let seen = Mutex::new(Vec::new());
    {
        let ingest = Ingest::open(&options(dir.path(), 300)).expect("opens");
        for n in 0..10 {
            append(&ingest, n).await.expect("takes");
        }
        let away = FakeSink::new(|batch: &Batch, _| {
            let ids: Vec<Uuid> = batch.events.iter().map(|e| e.event_id).collect();
            seen.lock().expect("seen").push((batch.id, ids));
            Err(Class::OutcomeUnknown)
        });
        let stopped = ingest.shutdown(DEADLINE);
        let both = async { tokio::join!(ingest.drain_to(&away), stopped) };
        tokio::time::timeout(DEADLINE, both)
            .await
            .expect("does not wait for ClickHouse");
        assert!(away.events().is_empty());
    }
    let first_try = seen.into_inner().expect("seen");
    let ingest = loop {
        if let Ok(ingest) = Ingest::open(&eager(dir.path())) {
            break ingest;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(ingest.stats().spooled_events, 10);
    let sink = accept_all();
    drain_all(&ingest, &sink).await;
    assert_eq!(sink.events(), (0..10).collect::<Vec<_>>());
    let batches = sink.batches();
    assert!(
        batches.iter().all(|(_, _, uncertain)| *uncertain),
        "each may have been stored before"
    );
    let (id, ids, _) = &batches[0];
    assert_eq!(
        &first_try[0],
        &(*id, ids.clone()),
        "the same events under the same id"
    );
}

#[tokio::test]
async fn an_uncertain_batch_is_sent_again_until_it_is_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let ingest = Ingest::open(&options(dir.path(), 100)).expect("opens");
    for n in 0..3 {
        append(&ingest, n).await.expect("takes");
    }
    let classes = [
        Class::OutcomeUnknown,
        Class::HoldBack,
        Class::Retry,
        Class::Configuration,
        Class::Limit,
    ];
    let sink = FakeSink::new(move |_, times| classes.get(times as usize - 1).map_or(Ok(()), |c| Err(*c)));
    drain_all(&ingest, &sink).await;
    assert_eq!(sink.events(), [0, 1, 2]);
    assert!(sink.batches().iter().all(|(_, _, uncertain)| *uncertain));
    let stats = ingest.stats();
    assert_eq!(
        (stats.quarantined, stats.failed_attempts, stats.last_error),
        (0, 15, None)
    );
}

#[tokio::test]
async fn a_batch_that_is_refused_where_others_pass_is_set_aside_and_can_come_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let spool = dir.path().join("spool");
    for class in [Class::Content, Class::Other] {
        let ingest = loop {
            if let Ok(ingest) = Ingest::open(&options(dir.path(), 100)) {
                break ingest;
            }
            tokio::task::yield_now().await;
        };
        for n in 0..5 {
            append(&ingest, n).await.expect("takes");
        }
        let poison = |batch: &Batch| batch.events.iter().any(|e| e.event_id.as_u128() == 2);
        let sink = FakeSink::new(move |batch, _| if poison(batch) { Err(class) } else { Ok(()) });
        drain_all(&ingest, &sink).await;
        assert_eq!(sink.events(), [0, 1, 3, 4]);
        // Others had their turn after the first refusal: it did not take a second round to see that they pass.
        let tried = sink.times.lock().expect("times").values().copied().max();
        assert_eq!(tried, Some(4));
        let stats = ingest.stats();
        assert_eq!((stats.quarantined, stats.quarantined_events), (1, 1));
        assert_eq!((stats.spooled_events, stats.spool_bytes), (0, 0));
        drop(ingest);
        let aside = files(&spool.join(quarantine::DIR), SEGMENT_EXTENSION);
        assert_eq!(aside.len(), 1);
        // Whoever sends these events again is not told that they are there.
        let forgotten = sink.forgotten.lock().expect("forgotten").clone();
        let id = forgotten.iter().map(Uuid::to_string).collect::<Vec<_>>();
        let stem = aside[0]
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert_eq!(id, [stem]);
        std::fs::rename(&aside[0], spool.join(aside[0].file_name().expect("a name"))).expect("moves back");
        let ingest = loop {
            if let Ok(ingest) = Ingest::open(&options(dir.path(), 100)) {
                break ingest;
            }
            tokio::task::yield_now().await;
        };
        let sink = accept_all();
        drain_all(&ingest, &sink).await;
        assert_eq!(sink.events(), [2]);
    }
}

#[tokio::test]
async fn a_batch_that_is_refused_does_not_hold_back_what_comes_after_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let age = Duration::from_millis(1);
    let ingest = Ingest::open(&Options {
        segment_age: age,
        ..Options::new(dir.path().join("spool"))
    });
    let ingest = ingest.expect("opens");
    append(&ingest, 2).await.expect("takes");
    let poison = |batch: &Batch| batch.events.iter().any(|e| e.event_id.as_u128() == 2);
    let sink = FakeSink::new(move |batch, _| if poison(batch) { Err(Class::Other) } else { Ok(()) });
    let both = async {
        let later = async {
            // It has had its turn, alone, and waits to see whether others pass: now others come.
            while ingest.stats().waiting_segments == 0 || ingest.shared.sealed_at(age).is_none() {
                ingest.poke();
                tokio::task::yield_now().await;
            }
            append(&ingest, 3).await.expect("takes");
            while ingest.stats().stored_events == 0 || ingest.stats().quarantined == 0 {
                ingest.poke();
                tokio::task::yield_now().await;
            }
            assert_eq!(ingest.stats().waiting_segments, 0);
            ingest.shutdown(DEADLINE).await;
        };
        tokio::join!(ingest.drain_to(&sink), later)
    };
    tokio::time::timeout(DEADLINE, both).await.expect("in time");
    assert_eq!(sink.events(), [3]);
}

#[test]
fn a_sick_clickhouse_leaves_few_segments() {
    let dir = tempfile::tempdir().expect("a directory");
    let lock = Held::new(std::fs::File::create(dir.path().join("lock")).expect("a file"));
    let shared = Shared::new(dir.path().to_owned(), u64::MAX, lock);
    let age = Duration::from_millis(250);
    assert_eq!(shared.sealed_at(age), Some(age));
    let mut day = Duration::ZERO;
    let mut segments = 0;
    while day < Duration::from_secs(24 * 3600) {
        day += shared.sealed_at(age).expect("all were refused");
        let refused = shared::Refused {
            times: 0,
            stored_before: 0,
        };
        shared.push(shared::Sealed {
            id: Uuid::from_u128(segments),
            path: dir.path().to_owned(),
            len: 1,
            events: 1,
            uncertain: true,
            refused: Some(refused),
        });
        segments += 1;
    }
    assert!((100..200).contains(&segments), "{segments}");
    shared.push(shared::Sealed {
        refused: None,
        ..shared.front().expect("one")
    });
    assert_eq!(shared.sealed_at(age), None, "there is something to send");
}

#[tokio::test]
async fn a_sick_clickhouse_does_not_empty_the_spool_into_the_quarantine() {
    let dir = tempfile::tempdir().expect("a directory");
    let ingest = Ingest::open(&options(dir.path(), 100)).expect("opens");
    for n in 0..4 {
        append(&ingest, n).await.expect("takes");
    }
    // Each batch has two bad rounds; in the second one some have passed already.
    let sink = FakeSink::new(|_, times| if times < 8 { Err(Class::Other) } else { Ok(()) });
    drain_all(&ingest, &sink).await;
    let mut events = sink.events();
    events.sort_unstable();
    assert_eq!(events, [0, 1, 2, 3]);
    assert_eq!(ingest.stats().quarantined, 0);
}

#[tokio::test]
async fn a_segment_of_another_form_is_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let spool = dir.path().join("spool");
    std::fs::create_dir(&spool).expect("a directory");
    let mut header = segment::header(Uuid::from_u128(1));
    header[7] = 2;
    let crc = crc32fast::hash(&header[..24]).to_le_bytes();
    header[24..].copy_from_slice(&crc);
    let path = spool.join("x.seg");
    std::fs::write(&path, header).expect("writes");
    let refused = Ingest::open(&eager(dir.path())).expect_err("another form");
    assert!(
        matches!(refused, OpenError::OtherForm { form: 2, .. }),
        "{refused}"
    );
    assert_eq!(std::fs::read(&path).expect("still there"), header);
}

#[tokio::test]
async fn a_record_that_this_program_cannot_read_is_kept_and_the_others_are_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let spool = dir.path().join("spool");
    std::fs::create_dir(&spool).expect("a directory");
    let id = Uuid::now_v7();
    let mut bytes = segment::header(id).to_vec();
    let good = record::encode(&[event(1)]).expect("writes");
    bytes.extend(segment::record(1, &good).expect("fits"));
    bytes.extend(segment::record(7, b"{\"from\":\"the future\"}").expect("fits"));
    std::fs::write(spool.join(format!("{id}.seg")), bytes).expect("writes");
    let ingest = Ingest::open(&eager(dir.path())).expect("opens");
    let sink = accept_all();
    drain_all(&ingest, &sink).await;
    assert_eq!(sink.events(), [1]);
    let kept = files(&spool.join(quarantine::DIR), "unreadable");
    assert_eq!(
        std::fs::read(&kept[0]).expect("kept"),
        b"{\"from\":\"the future\"}"
    );
    assert_eq!(ingest.stats().quarantined_events, 7);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// A crash cuts the last segment anywhere and a bad disk flips a bit anywhere: every event is either
    /// sent or its bytes are in the quarantine, and no event comes twice.
    #[test]
    fn no_byte_is_lost_to_a_crash_or_a_bad_disk(
        requests in proptest::collection::vec(1_usize..4, 1..12),
        cut in any::<prop::sample::Index>(),
        flip in proptest::option::of((any::<prop::sample::Index>(), 0_u8..8)),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let spool = dir.path().join("spool");
        std::fs::create_dir(&spool).expect("a directory");
        let id = Uuid::now_v7();
        let mut bytes = segment::header(id).to_vec();
        let mut n = 0;
        for size in requests {
            let events: Vec<EventRecord> = (n..n + size as u128).map(event).collect();
            n += size as u128;
            let payload = record::encode(&events).expect("writes");
            bytes.extend(segment::record(size, &payload).expect("fits"));
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Some((at, bit)) = flip && !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        std::fs::write(spool.join(format!("{id}.seg")), &bytes).expect("writes");
        let found = segment::scan(&bytes);
        if matches!(found.header, segment::Header::OtherForm(_)) {
            return Ok(());
        }

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (sent, stats) = runtime.block_on(async {
            let ingest = Ingest::open(&eager(dir.path())).expect("opens");
            let sink = accept_all();
            drain_all(&ingest, &sink).await;
            (sink.events(), ingest.stats())
        });
        prop_assert_eq!(sent.len() as u64, found.events());
        prop_assert!(sent.is_sorted_by(|a, b| a < b), "each once, in order");
        let mut kept = 0;
        for file in std::fs::read_dir(spool.join(quarantine::DIR)).into_iter().flatten() {
            let path = file.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let offset: usize = name.split('.').nth(1).expect("an offset").parse().expect("a number");
            let part = std::fs::read(&path).expect("reads");
            prop_assert_eq!(&bytes[offset..offset + part.len()], &part[..]);
            kept += part.len();
        }
        let bad: usize = found.bad.iter().map(|b| b.range.len()).sum();
        prop_assert_eq!(kept, bad, "every byte that was no record is kept");
        prop_assert_eq!((stats.spooled_events, stats.spool_bytes), (0, 0));
        prop_assert!(files(&spool, SEGMENT_EXTENSION).is_empty());
    }
}
