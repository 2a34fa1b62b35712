//! Unsaved changes on disk: one file for each experiment of a server and project, in the user's state
//! directory, readable by the user only, replaced as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::UnboundedSender;

use super::effects::Outcome;
use crate::cockpit::Action;
use crate::cockpit::edit::{DraftKey, StoredDraft};

/// How the names of files begin that are being written.
const PREFIX: &str = ".draft-";
/// From when on such a file belongs to nobody.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

enum Job {
    Find(DraftKey),
    Keep(Box<StoredDraft>),
    Forget(DraftKey),
}

/// Keeps drafts, one after the other, in a thread of its own: a disk may be slow.
pub struct Drafts {
    jobs: Sender<Job>,
    worker: JoinHandle<()>,
}

impl Drafts {
    /// Drafts below `state`, the user's state directory; without one nothing is kept, and that is said.
    /// Nothing is read or written yet.
    pub fn open(state: Option<&Path>, replies: UnboundedSender<Outcome>) -> Self {
        let (jobs, queue) = mpsc::channel();
        let dir = state.map(|state| state.join("drafts"));
        let worker = std::thread::spawn(move || work(dir.as_deref(), &queue, &replies));
        Self { jobs, worker }
    }

    /// Looks for a draft; the answer is an [`Action::DraftFound`].
    pub fn find(&self, key: DraftKey) {
        self.send(Job::Find(key));
    }

    /// Keeps a draft in the place of the one before.
    pub fn keep(&self, draft: Box<StoredDraft>) {
        self.send(Job::Keep(draft));
    }

    /// Forgets a draft.
    pub fn forget(&self, key: DraftKey) {
        self.send(Job::Forget(key));
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

fn work(dir: Option<&Path>, queue: &Receiver<Job>, replies: &UnboundedSender<Outcome>) {
    let tell = |action| {
        // The loop is gone when nobody listens.
        let _ = replies.send(Outcome::Done(Box::new(action)));
    };
    if let Some(dir) = dir {
        sweep(dir);
    }
    let mut failed = None;
    while let Ok(first) = queue.recv() {
        // Of several drafts of one experiment only the newest is written.
        let mut latest: BTreeMap<DraftKey, Option<Box<StoredDraft>>> = BTreeMap::new();
        let mut wanted = Vec::new();
        for job in std::iter::once(first).chain(queue.try_iter()) {
            match job {
                Job::Find(key) => wanted.push(key),
                Job::Keep(draft) => {
                    latest.insert(draft.key.clone(), Some(draft));
                }
                Job::Forget(key) => {
                    latest.insert(key, None);
                }
            }
        }
        for (key, draft) in latest {
            let Some(dir) = dir else {
                let why = "Unsaved changes end with this cockpit: there is no directory to keep them in; set HOME or \
                           SPLITDECK_STATE_DIR";
                if failed.is_none() {
                    tell(Action::DraftLost(why.to_owned()));
                }
                failed = Some(why.to_owned());
                continue;
            };
            let path = dir.join(file_name(&key));
            let outcome = match draft {
                Some(draft) => write(dir, &path, &draft),
                None => remove(&path),
            };
            let why = outcome.err().map(|error| {
                format!(
                    "Unsaved changes are kept in memory only: {}: {error}; free some space, or make the directory \
                     writable",
                    path.display()
                )
            });
            // Said when it begins, not at every key.
            if why.is_some() && why != failed {
                why.clone().map(Action::DraftLost).into_iter().for_each(tell);
            }
            failed = why;
        }
        for key in wanted {
            let found = dir.map_or(Ok(None), |dir| read(&dir.join(file_name(&key))));
            tell(Action::DraftFound { key, found });
        }
    }
}

/// Removes what a cockpit left behind that died while it wrote, an hour ago or longer.
fn sweep(dir: &Path) {
    let Ok(files) = fs::read_dir(dir) else { return };
    for file in files.flatten() {
        let left = file.file_name().to_string_lossy().starts_with(PREFIX);
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

/// The experiment's id behind what tells server and project apart.
fn file_name(key: &DraftKey) -> PathBuf {
    let place = Sha256::digest(format!("{}\n{}", key.server, key.project));
    let place: String = place.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from(format!("{place}-{}.json", key.experiment))
}

/// Replaces the file as a whole: after a crash it holds the draft before or this one, never half of one.
fn write(dir: &Path, path: &Path, draft: &StoredDraft) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut file = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(dir)?;
    serde_json::to_writer(&mut file, draft)?;
    file.flush()?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// The draft in a file, if there is one. A file that cannot be read is set aside, so that nothing is lost.
fn read(path: &Path) -> Result<Option<Box<StoredDraft>>, String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(format!(
                "Cannot look for unsaved changes in {}: {error}; they would be overwritten",
                path.display()
            ));
        }
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        let aside = path.with_extension("json.unreadable");
        let place = match fs::rename(path, &aside) {
            Ok(()) => aside.display().to_string(),
            Err(_) => path.display().to_string(),
        };
        format!("Unsaved changes cannot be read ({error}); they are in {place}")
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::sync::mpsc::unbounded_channel;
    use uuid::Uuid;

    use super::*;
    use crate::cockpit::edit::{Cell, Draft, wizard};

    fn key(server: &str) -> DraftKey {
        DraftKey {
            server: server.to_owned(),
            project: Uuid::nil(),
            experiment: Uuid::from_u128(7),
        }
    }

    fn draft(name: &str) -> Box<StoredDraft> {
        let now = Timestamp::UNIX_EPOCH;
        let mut draft = Draft::new(std::sync::Arc::new(wizard::blank(now)), now);
        draft.enter(&Cell::Name, name, now);
        Box::new(draft.stored(key("http://a"), None))
    }

    fn found(dir: &Path, key: &DraftKey) -> Result<Option<Box<StoredDraft>>, String> {
        read(&dir.join("drafts").join(file_name(key)))
    }

    #[test]
    fn the_newest_is_kept_for_its_user_only_and_found_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (replies, mut answers) = unbounded_channel();
        let drafts = Drafts::open(Some(dir.path()), replies.clone());
        for n in 0..20 {
            drafts.keep(draft(&format!("name {n}")));
        }
        drafts.find(key("http://a"));
        drafts.finish();
        let Some(Outcome::Done(action)) = answers.blocking_recv() else {
            panic!("no answer");
        };
        let Action::DraftFound {
            found: Ok(Some(stored)),
            ..
        } = *action
        else {
            panic!("{action:?}");
        };
        assert_eq!(stored.mine.name, "name 19");
        let folder = dir.path().join("drafts");
        let file = folder.join(file_name(&key("http://a")));
        for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
            assert_eq!(
                fs::metadata(path).expect("there").permissions().mode() & 0o777,
                mode
            );
        }
        assert_eq!(
            found(dir.path(), &key("http://b")),
            Ok(None),
            "another server, another draft"
        );
        let drafts = Drafts::open(Some(dir.path()), replies);
        drafts.forget(key("http://a"));
        drafts.forget(key("http://a"));
        drafts.finish();
        assert_eq!(found(dir.path(), &key("http://a")), Ok(None));
        assert_eq!(
            fs::read_dir(&folder).expect("there").count(),
            0,
            "nothing is left lying about"
        );
    }

    #[test]
    fn what_cannot_be_written_or_read_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let (replies, mut answers) = unbounded_channel();
        // A file stands where the directory should be.
        fs::write(dir.path().join("drafts"), "").expect("writes");
        let drafts = Drafts::open(Some(dir.path()), replies);
        drafts.keep(draft("a"));
        drafts.finish();
        let Some(Outcome::Done(action)) = answers.blocking_recv() else {
            panic!("no answer");
        };
        assert!(
            matches!(&*action, Action::DraftLost(why) if why.contains("in memory only")),
            "{action:?}"
        );
        let dir = tempfile::tempdir().expect("a directory");
        let folder = dir.path().join("drafts");
        fs::create_dir(&folder).expect("creates");
        fs::write(folder.join(file_name(&key("http://a"))), "{half").expect("writes");
        let error = found(dir.path(), &key("http://a")).expect_err("unreadable");
        assert!(error.contains("unreadable"), "{error}");
        assert_eq!(found(dir.path(), &key("http://a")), Ok(None));
        assert_eq!(
            fs::read_dir(&folder).expect("there").count(),
            1,
            "it is set aside, not lost"
        );
    }
}
