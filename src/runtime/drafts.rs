//! Unsaved changes on disk: one file for each object of a server and project and each cockpit, in the user's
//! state directory, readable by the user only, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::effects::{self, Outcome};
use crate::cockpit::Action;
use crate::cockpit::edit::{DraftKey, Kept, Left, Of, OnDisk, Place};

/// How the names of files begin that are being written.
const PREFIX: &str = ".draft-";
/// From when on such a file belongs to nobody.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// How long what could not be written rests before it is tried again: there may be room by then.
const RETRY: Duration = Duration::from_secs(5);

/// How the files begin by which cockpits show that they run.
const COCKPIT: &str = "cockpit-";

enum Job {
    Find(DraftKey),
    List(Place),
    Keep(Kept),
    Forget(DraftKey),
    ForgetLeft(String),
}

/// Keeps drafts, one after the other, in a thread of its own: a disk may be slow.
///
/// Every cockpit writes files of its own, so that two of them never overwrite each other's, and holds a lock for
/// as long as it runs: what belongs to a cockpit whose lock is free was left behind.
pub struct Drafts {
    jobs: Sender<Job>,
    worker: JoinHandle<()>,
}

impl Drafts {
    /// Drafts below `state`, the user's state directory; without one nothing is kept, and that is said.
    /// Nothing is read or written yet.
    pub fn open(state: Option<&Path>, replies: UnboundedSender<Outcome>) -> Self {
        Self::trying_again(state, replies, RETRY)
    }

    /// The same; what could not be written is tried again after `retry`.
    fn trying_again(state: Option<&Path>, replies: UnboundedSender<Outcome>, retry: Duration) -> Self {
        let (jobs, queue) = mpsc::channel();
        let dir = state.map(|state| state.join("drafts"));
        let worker = effects::thread(replies.clone(), move || {
            let shelf = dir.map(Shelf::new);
            work(shelf, &queue, &replies, retry);
        });
        Self { jobs, worker }
    }

    /// Looks for a draft; the answer is an [`Action::DraftFound`].
    pub fn find(&self, key: DraftKey) {
        self.send(Job::Find(key));
    }

    /// Looks what has drafts; the answer is an [`Action::DraftsListed`].
    pub fn list(&self, place: Place) {
        self.send(Job::List(place));
    }

    /// Keeps a draft in the place of the one before.
    pub fn keep(&self, draft: Kept) {
        self.send(Job::Keep(draft));
    }

    /// Forgets a draft of this cockpit.
    pub fn forget(&self, key: DraftKey) {
        self.send(Job::Forget(key));
    }

    /// Forgets what another cockpit left behind in this file, unless drafts cannot be kept now.
    pub fn forget_left(&self, file: String) {
        self.send(Job::ForgetLeft(file));
    }

    /// Waits until everything is done.
    pub fn finish(self) {
        drop(self.jobs);
        // Its panic was printed; there is nothing left to do about it.
        let _ = self.worker.join();
    }

    fn send(&self, job: Job) {
        // The worker ends only when this side does.
        let _ = self.jobs.send(job);
    }
}

/// The newest of an object that is not on disk.
struct Unwritten {
    /// Why not, as it was told.
    why: String,
    /// The draft; none where its file could not be removed.
    draft: Option<Kept>,
}

/// The next job, or none where it is time to try again what could not be written.
fn next(queue: &Receiver<Job>, retry_at: Option<Instant>) -> Result<Job, RecvTimeoutError> {
    match retry_at {
        None => queue.recv().map_err(RecvTimeoutError::from),
        Some(at) => queue.recv_timeout(at.saturating_duration_since(Instant::now())),
    }
}

fn work(
    mut shelf: Option<Shelf>,
    queue: &Receiver<Job>,
    replies: &UnboundedSender<Outcome>,
    retry: Duration,
) {
    let tell = |action| {
        // The loop is gone when nobody listens.
        let _ = replies.send(Outcome::Done(Box::new(action)));
    };
    if let Some(shelf) = &shelf {
        shelf.sweep();
    }
    let mut failed: BTreeMap<DraftKey, Unwritten> = BTreeMap::new();
    let mut retry_at = None;
    let mut ended = false;
    while !ended {
        let first = next(queue, retry_at);
        ended = matches!(first, Err(RecvTimeoutError::Disconnected));
        // Of several drafts of one object only the newest is written.
        let mut latest: BTreeMap<DraftKey, Option<Kept>> = BTreeMap::new();
        let (mut wanted, mut places, mut dealt) = (Vec::new(), Vec::new(), Vec::new());
        for job in first.into_iter().chain(queue.try_iter()) {
            match job {
                Job::Find(key) => wanted.push(key),
                Job::List(place) => places.push(place),
                Job::Keep(draft) => {
                    latest.insert(draft.key().clone(), Some(draft));
                }
                Job::Forget(key) => {
                    latest.insert(key, None);
                }
                Job::ForgetLeft(file) => dealt.push(file),
            }
        }
        // Before the end it is tried once more, however lately it was.
        if ended || retry_at.is_some_and(|at| at <= Instant::now()) {
            retry_at = None;
            for (key, unwritten) in &failed {
                let draft = || unwritten.draft.clone();
                latest.entry(key.clone()).or_insert_with(draft);
            }
        }
        let some_failed = !failed.is_empty();
        for (key, draft) in latest {
            let Some(shelf) = &mut shelf else {
                if draft.is_none() {
                    failed.remove(&key);
                    continue;
                }
                let why = "Unsaved changes end with this cockpit: there is no directory to keep them in; set HOME or \
                           SPLITDECK_STATE_DIR";
                if failed.is_empty() {
                    tell(Action::DraftLost(why.to_owned()));
                }
                let why = why.to_owned();
                failed.insert(key, Unwritten { why, draft });
                continue;
            };
            let path = shelf.own(&key);
            let outcome = match &draft {
                Some(draft) => shelf.write(&path, draft),
                None => remove(&path),
            };
            let Err(error) = outcome else {
                failed.remove(&key);
                continue;
            };
            // First what a narrow line must not lose.
            let why = format!(
                "Unsaved changes are in memory only: {}; {}. It is tried again by itself",
                reason(&error),
                advice(&error, &shelf.dir)
            );
            // Said when it begins, not at every key nor at every try.
            if failed.get(&key).is_none_or(|unwritten| unwritten.why != why) {
                tell(Action::DraftLost(why.clone()));
            }
            failed.insert(key, Unwritten { why, draft });
            retry_at.get_or_insert_with(|| Instant::now() + retry);
        }
        if failed.is_empty() {
            retry_at = None;
        }
        if some_failed && failed.is_empty() {
            tell(Action::DraftsKept);
        }
        if let Some(shelf) = &shelf {
            // What was taken over must be on disk here before it goes there.
            let safe = |file: &String| !failed.keys().any(|key| file.starts_with(&stem(key)));
            for file in dealt.into_iter().filter(safe) {
                // What cannot be removed is offered once more: better twice than never.
                let _ = remove(&shelf.dir.join(file));
            }
        }
        for place in places {
            let objects = shelf.as_ref().map_or_else(Vec::new, |shelf| shelf.list(&place));
            tell(Action::DraftsListed { place, objects });
        }
        for key in wanted {
            let found = shelf
                .as_ref()
                .map_or_else(OnDisk::default, |shelf| shelf.find(&key));
            tell(Action::DraftFound { key, found });
        }
    }
    if let Some(shelf) = &shelf {
        shelf.leave();
    }
}

/// The directory with the drafts, and which of them are this cockpit's.
struct Shelf {
    dir: PathBuf,
    /// What tells this cockpit from all others.
    me: String,
    /// Held as long as this cockpit runs; taken when the first draft is kept.
    lock: Option<File>,
}

impl Shelf {
    fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            me: Uuid::new_v4().simple().to_string(),
            lock: None,
        }
    }

    /// The file by which a cockpit shows that it runs.
    fn lock_of(&self, cockpit: &str) -> PathBuf {
        self.dir.join(format!("{COCKPIT}{cockpit}.lock"))
    }

    /// The file of this cockpit for a draft.
    fn own(&self, key: &DraftKey) -> PathBuf {
        self.dir.join(format!("{}.{}.json", stem(key), self.me))
    }

    /// Replaces the file as a whole: after a crash it holds the draft before or this one, never half of one.
    fn write(&mut self, path: &Path, draft: &Kept) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        if self.lock.is_none() {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(self.lock_of(&self.me))?;
            // Where files cannot be locked, every cockpit is offered the drafts of all: more than needed, nothing lost.
            let _ = file.try_lock();
            self.lock = Some(file);
        }
        let mut file = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.dir)?;
        serde_json::to_writer(&mut file, draft)?;
        file.flush()?;
        file.as_file().sync_data()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Whether a cockpit runs at this moment.
    fn runs(&self, cockpit: &str) -> bool {
        let Ok(file) = File::open(self.lock_of(cockpit)) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// All drafts of an object: this cockpit's, those that were left behind, and those that others work on.
    fn find(&self, key: &DraftKey) -> OnDisk {
        let mut found = OnDisk::default();
        let stem = stem(key);
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
            Err(error) => {
                let dir = self.dir.display();
                found.trouble.push(format!(
                    "Cannot look for unsaved changes in {dir}: {error}; they stay where they are"
                ));
                return found;
            }
        };
        for file in files.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let Some(rest) = name
                .strip_prefix(&stem)
                .and_then(|rest| rest.strip_suffix(".json"))
            else {
                continue;
            };
            let cockpit = rest.trim_start_matches('.');
            match read(&file.path(), key.of) {
                Ok(None) => {}
                Ok(Some(kept)) if cockpit != self.me && self.runs(cockpit) => found.elsewhere.push(kept),
                Ok(Some(stored)) => found.left.push(Left {
                    file: (cockpit != self.me).then_some(name),
                    stored,
                }),
                Err(why) => found.trouble.push(why),
            }
        }
        found
            .left
            .sort_by_key(|left| (left.file.is_some(), std::cmp::Reverse(left.stored.at())));
        found
    }

    /// What has drafts that no running cockpit works on, by the names of the files alone. What cannot be read is said
    /// when the object itself is looked at.
    fn list(&self, place: &Place) -> Vec<(Of, Uuid)> {
        let Ok(files) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let prefix = format!("{}-", place_name(&place.server, place.project));
        let object = |file: fs::DirEntry| {
            let name = file.file_name().to_string_lossy().into_owned();
            let rest = name.strip_prefix(&prefix)?.strip_suffix(".json")?;
            let (of, rest) = match rest.strip_prefix(FLAG) {
                Some(rest) => (Of::Flag, rest),
                None => (Of::Experiment, rest),
            };
            let (id, cockpit) = rest.split_once('.').unwrap_or((rest, ""));
            let elsewhere = cockpit != self.me && self.runs(cockpit);
            Some((of, id.parse().ok()?)).filter(|_| !elsewhere)
        };
        files.flatten().filter_map(object).collect()
    }

    /// Removes what cockpits left behind that ended an hour ago or earlier: what they were writing, and their locks.
    fn sweep(&self) {
        let Ok(files) = fs::read_dir(&self.dir) else {
            return;
        };
        for file in files.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let lock = name
                .strip_prefix(COCKPIT)
                .and_then(|rest| rest.strip_suffix(".lock"));
            let left = name.starts_with(PREFIX) || lock.is_some_and(|cockpit| !self.runs(cockpit));
            let age = file
                .metadata()
                .and_then(|meta| meta.modified())
                .map(|at| at.elapsed());
            if left && matches!(age, Ok(Ok(age)) if age > LEFT_BEHIND) {
                // Somebody else may have been quicker.
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// This cockpit ends in order.
    fn leave(&self) {
        if self.lock.is_some() {
            // What stays is swept away later.
            let _ = fs::remove_file(self.lock_of(&self.me));
        }
    }
}

/// How the names of the files of a draft begin: its object's id behind what tells server and project apart.
fn stem(key: &DraftKey) -> String {
    let of = match key.of {
        Of::Experiment => "",
        Of::Flag => FLAG,
    };
    format!("{}-{of}{}", place_name(&key.server, key.project), key.object)
}

/// What stands before the id of a flag.
const FLAG: &str = "flag-";

/// What tells server and project apart in the names of files.
fn place_name(server: &str, project: Uuid) -> String {
    let place = Sha256::digest(format!("{server}\n{project}"));
    place.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    use io::ErrorKind::{NotADirectory, NotFound};
    match fs::remove_file(path) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
        outcome => outcome,
    }
}

/// What the system says of an error, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

/// What to do about an error of the directory with the drafts, as what it says allows.
fn advice(error: &io::Error, dir: &Path) -> String {
    use io::ErrorKind as Kind;
    let dir = dir.display();
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => format!("free some space for {dir}"),
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => format!("make the directory {dir} writable"),
        Kind::NotADirectory | Kind::AlreadyExists => {
            format!("{dir} cannot be made: set SPLITDECK_STATE_DIR")
        }
        _ => format!("look what is wrong with {dir}"),
    }
}

/// The draft in a file, if there is one. A file that cannot be read is set aside, so that nothing is lost.
fn read(path: &Path, of: Of) -> Result<Option<Kept>, String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(format!(
                "Cannot look for unsaved changes in {}: {error}; they stay where they are",
                path.display()
            ));
        }
    };
    Kept::read(of, &text).map(Some).map_err(|error| {
        let aside = path.with_extension("json.unreadable");
        let place = match fs::rename(path, &aside) {
            Ok(()) => aside.display().to_string(),
            Err(_) => path.display().to_string(),
        };
        format!("Unsaved changes cannot be read ({error}); they are in {place}")
    })
}

#[cfg(test)]
mod tests;
