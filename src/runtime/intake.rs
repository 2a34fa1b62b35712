//! Takes ids in for a bulk import: each intake is a private file in the state directory, counted on a thread of
//! its own, so that a million ids never hold up a key.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::effects::Outcome;
use crate::cockpit::Action;
use crate::cockpit::intake::{Counter, Left, MAX_BYTES, Order, Told};
use crate::config::Paths;

/// How often it is told how far a large intake is.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How much of a file is read at once.
const CHUNK: usize = 256 << 10;
/// The most names that are offered for a path.
const MOST_NAMES: usize = 12;

/// Where intakes are kept.
///
/// # Errors
/// When the user's directories cannot be told.
pub fn directory() -> Result<PathBuf, String> {
    let paths = Paths::from_env().map_err(|error| error.to_string())?;
    Ok(paths.state.join("imports"))
}

/// The file of an intake.
#[must_use]
pub fn file(dir: &Path, experiment: Uuid, intake: Uuid) -> PathBuf {
    dir.join(format!("{experiment}_{intake}.ids"))
}

/// The thread that takes ids in; it begins with the first order and ends with the cockpit.
pub struct Intakes {
    replies: UnboundedSender<Outcome>,
    orders: Option<Sender<Order>>,
}

impl Intakes {
    /// Nothing is done yet.
    pub fn new(replies: UnboundedSender<Outcome>) -> Self {
        Self {
            replies,
            orders: None,
        }
    }

    /// Carries an order out, after those before it.
    pub fn order(&mut self, order: Order) {
        let orders = self.orders.get_or_insert_with(|| {
            let (orders, received) = channel();
            let replies = self.replies.clone();
            std::thread::spawn(move || Worker::new(replies).run(&received));
            orders
        });
        // The thread ends only when this end is dropped.
        let _ = orders.send(order);
    }
}

/// One intake that is open.
struct Open {
    path: PathBuf,
    file: File,
    counter: Counter,
}

struct Worker {
    replies: UnboundedSender<Outcome>,
    open: HashMap<Uuid, Open>,
    told: Instant,
}

impl Worker {
    fn new(replies: UnboundedSender<Outcome>) -> Self {
        Self {
            replies,
            open: HashMap::new(),
            told: Instant::now(),
        }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            let mut changed = self.carry_out(order);
            // A paste comes in many pieces: what waits is taken before anything is told.
            while let Ok(order) = orders.try_recv() {
                let next = self.carry_out(order);
                changed = next.or(changed);
                if let Some(intake) = changed {
                    self.tell_now_and_then(intake);
                }
            }
            if let Some(intake) = changed {
                self.tell_counted(intake, true);
            }
        }
    }

    /// Carries an order out; the intake whose count changed.
    fn carry_out(&mut self, order: Order) -> Option<Uuid> {
        let (intake, outcome) = match order {
            Order::Find { experiment } => {
                let left = directory().and_then(|dir| {
                    self.left(&dir, experiment)
                        .map_err(|error| cannot("look into", &dir, &error))
                });
                // Nothing left and nothing to be seen are the same to a person who begins anew.
                self.tell(Told::Found(left.unwrap_or_default()));
                return None;
            }
            Order::Complete { path } => {
                self.tell(complete(&path));
                return None;
            }
            Order::Begin { intake, experiment } => (intake, self.begin(intake, experiment)),
            Order::Add { intake, text } => (intake, self.add(intake, text.as_bytes())),
            Order::Read { intake, path } => (intake, self.read(intake, path.as_deref())),
            Order::Recount { intake } => (intake, self.recount(intake)),
            Order::Drop { intake } => {
                let path = self.open.remove(&intake).map(|open| open.path);
                if let Some(path) = path {
                    // It was of no use any more; what cannot be removed is offered again.
                    let _ = fs::remove_file(path);
                }
                return None;
            }
        };
        match outcome {
            Ok(()) => Some(intake),
            Err(message) => {
                self.open.remove(&intake);
                self.tell(Told::Failed { intake, message });
                None
            }
        }
    }

    fn tell(&self, told: Told) {
        // The loop is gone when nobody listens.
        let _ = self.replies.send(Outcome::Done(Box::new(Action::Intake(told))));
    }

    fn tell_counted(&mut self, intake: Uuid, done: bool) {
        self.told = Instant::now();
        if let Some(open) = self.open.get(&intake) {
            self.tell(Told::Counted {
                intake,
                tally: Box::new(open.counter.tally()),
                done,
            });
        }
    }

    fn tell_now_and_then(&mut self, intake: Uuid) {
        if self.told.elapsed() >= TELL_EVERY {
            self.tell_counted(intake, false);
        }
    }

    fn begin(&mut self, intake: Uuid, experiment: Uuid) -> Result<(), String> {
        let dir = directory()?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|error| cannot("make", &dir, &error))?;
        let path = file(&dir, experiment, intake);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| cannot("write", &path, &error))?;
        // Another cockpit must not take it for one that was left.
        file.try_lock()
            .map_err(|error| cannot("lock", &path, &error.into()))?;
        let counter = Counter::default();
        self.open.insert(intake, Open { path, file, counter });
        Ok(())
    }

    fn add(&mut self, intake: Uuid, bytes: &[u8]) -> Result<(), String> {
        let open = self.open.get_mut(&intake).ok_or("the ids are gone")?;
        let kept = open.counter.feed(bytes);
        open.file
            .write_all(&kept)
            .map_err(|error| cannot("write", &open.path, &error))
    }

    /// Takes a file in, or standard input. A copy: it may change, or be gone, before it is sent.
    fn read(&mut self, intake: Uuid, path: Option<&str>) -> Result<(), String> {
        let Some(given) = path else {
            return self.take_all(intake, &mut io::stdin().lock(), Path::new("standard input"));
        };
        let path = expanded(given);
        let mut file = File::open(&path).map_err(|error| cannot("read", &path, &error))?;
        let about = file.metadata().map_err(|error| cannot("read", &path, &error))?;
        if about.is_dir() {
            return Err(format!("{} is a folder: name a file in it", path.display()));
        }
        if about.len() > MAX_BYTES {
            return Err(format!(
                "{} has {} MB, at most {} are taken at once: split it",
                path.display(),
                about.len() >> 20,
                MAX_BYTES >> 20
            ));
        }
        self.take_all(intake, &mut file, &path)
    }

    fn take_all(&mut self, intake: Uuid, from: &mut impl Read, name: &Path) -> Result<(), String> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => self.add(intake, &buffer[..n])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot("read", name, &error)),
            }
            self.tell_now_and_then(intake);
        }
        if let Some(open) = self.open.get_mut(&intake) {
            open.counter.finish();
        }
        Ok(())
    }

    /// What former cockpits, and cards of this one that were closed, left for an experiment, the newest first.
    fn left(&self, dir: &Path, experiment: Uuid) -> io::Result<Vec<Left>> {
        let prefix = format!("{experiment}_");
        let mut left = Vec::new();
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let intake = name.to_str().and_then(|name| {
                name.strip_prefix(&prefix)?
                    .strip_suffix(".ids")?
                    .parse::<Uuid>()
                    .ok()
            });
            let Some(intake) = intake else {
                continue;
            };
            let about = entry.metadata()?;
            // Locked by somebody else: another cockpit is at work with it. What this one holds is of a card that was closed.
            let own = self.open.contains_key(&intake);
            let free = own || File::open(entry.path())?.try_lock_shared().is_ok();
            if !free || about.len() == 0 {
                continue;
            }
            let at = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            left.push(Left {
                intake,
                bytes: about.len(),
                at: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
            });
        }
        left.sort_by_key(|left| std::cmp::Reverse(left.at));
        Ok(left)
    }

    /// Takes up what a former cockpit left.
    fn recount(&mut self, intake: Uuid) -> Result<(), String> {
        // Of a card that was closed: its lock would stand in the way.
        self.open.remove(&intake);
        let dir = directory()?;
        let suffix = format!("_{intake}.ids");
        let entries = fs::read_dir(&dir).map_err(|error| cannot("look into", &dir, &error))?;
        let found = entries
            .filter_map(Result::ok)
            .find(|entry| entry.file_name().to_string_lossy().ends_with(&suffix));
        let path = found.ok_or("the ids that were kept are gone")?.path();
        let failed = |error: &io::Error| cannot("read", &path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|error| failed(&error))?;
        file.try_lock()
            .map_err(|_| "another cockpit has taken these ids up meanwhile".to_owned())?;
        let mut counter = Counter::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer).map_err(|error| failed(&error))? {
                0 => break,
                n => {
                    counter.feed(&buffer[..n]);
                }
            }
        }
        counter.finish();
        self.open.insert(intake, Open { path, file, counter });
        Ok(())
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("Cannot {what} {}: {error}", path.display())
}

/// `~` means the home directory.
fn expanded(path: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").filter(|home| !home.is_empty());
    match (path.strip_prefix("~/"), path, home()) {
        (Some(rest), _, Some(home)) => Path::new(&home).join(rest),
        (None, "~", Some(home)) => home.into(),
        _ => PathBuf::from(path),
    }
}

/// The path as far as it is clear, and the names where there are several.
fn complete(asked: &str) -> Told {
    let (folder, begin) = match asked.rfind('/') {
        Some(at) => asked.split_at(at + 1),
        None => ("", asked),
    };
    let dir = if folder.is_empty() {
        PathBuf::from(".")
    } else {
        expanded(folder)
    };
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let mut name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !begin.starts_with('.');
            if !name.starts_with(begin) || hidden || name.chars().any(char::is_control) {
                return None;
            }
            if entry.path().is_dir() {
                name.push('/');
            }
            Some(name)
        })
        .collect();
    names.sort();
    let common = names.iter().skip(1).fold(names.first().cloned(), |common, name| {
        let common = common?;
        let same = common.chars().zip(name.chars()).take_while(|(a, b)| a == b);
        Some(same.map(|(c, _)| c).collect())
    });
    if names.len() < 2 {
        names.clear();
    }
    names.truncate(MOST_NAMES);
    Told::Completed {
        asked: asked.to_owned(),
        path: format!("{folder}{}", common.unwrap_or_else(|| begin.to_owned())),
        names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_on_as_far_as_it_is_clear() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["ids-1.txt", "ids-2.txt", "other", ".hidden"] {
            fs::write(dir.path().join(name), "").expect("written");
        }
        fs::create_dir(dir.path().join("sub")).expect("made");
        let at = |name: &str| format!("{}/{name}", dir.path().display());
        let completed = |name: &str| match complete(&at(name)) {
            Told::Completed { path, names, .. } => (path, names),
            other => panic!("{other:?}"),
        };
        let two = vec!["ids-1.txt".to_owned(), "ids-2.txt".to_owned()];
        assert_eq!(completed("i"), (at("ids-"), two));
        assert_eq!(completed("o"), (at("other"), Vec::new()));
        assert_eq!(completed("su"), (at("sub/"), Vec::new()));
        assert_eq!(completed("none"), (at("none"), Vec::new()));
        assert_eq!(completed("").1.len(), 4, "hidden files are not offered");
    }
}
