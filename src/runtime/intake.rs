//! Takes ids in for a bulk import: each intake is a private file in the state directory, counted on a thread of
//! its own, so that a million ids never hold up a key.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::distinct::Distinct;
use super::effects::{self, Outcome};
use crate::cockpit::Action;
use crate::cockpit::intake::{Counter, KEPT_DAYS, Left, MAX_BYTES, Order, Tally, Told};
use crate::config::Paths;

/// How often it is told how far a large intake is.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long a pipe may be silent: everything after it waits for it.
const PIPE_WAIT: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
/// How much of a file is read at once.
const CHUNK: usize = 64 << 10;
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
            effects::thread(replies.clone(), move || Worker::new(replies).run(&received));
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
    distinct: Distinct,
}

impl Open {
    /// Nothing of it is counted yet.
    fn new(path: PathBuf, file: File) -> Self {
        let distinct = Distinct::new(path.parent().unwrap_or(Path::new(".")));
        Self {
            path,
            file,
            counter: Counter::default(),
            distinct,
        }
    }

    /// Counts a piece; what is to be kept of it.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let kept = self.counter.feed(bytes);
        self.take_hashes()?;
        Ok(kept)
    }

    /// Nothing more comes.
    fn finish(&mut self) -> Result<(), String> {
        self.counter.finish();
        self.take_hashes()
    }

    fn take_hashes(&mut self) -> Result<(), String> {
        let mut hashes = self.counter.hashes();
        let taken = hashes.try_for_each(|hash| self.distinct.add(hash));
        taken.map_err(|error| cannot("count the ids beside", &self.path, &error))
    }

    /// What was counted so far.
    fn tally(&mut self) -> Result<Tally, String> {
        let unique = self.distinct.count();
        let unique = unique.map_err(|error| cannot("count the ids beside", &self.path, &error))?;
        Ok(self.counter.tally(unique))
    }
}

struct Worker {
    replies: UnboundedSender<Outcome>,
    open: HashMap<Uuid, Open>,
    told: Instant,
    /// How long the last counting took.
    counting: Duration,
}

impl Worker {
    fn new(replies: UnboundedSender<Outcome>) -> Self {
        Self {
            replies,
            open: HashMap::new(),
            told: Instant::now(),
            counting: Duration::ZERO,
        }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            let mut changed = self.carry_out(order);
            // A paste comes in many pieces: what waits is taken before anything is told.
            while let Ok(order) = orders.try_recv() {
                let next = self.carry_out(order);
                if let (Some(one), Some(other)) = (changed, next)
                    && one != other
                {
                    self.tell_counted(one, true);
                }
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
        let reads = matches!(order, Order::Read { .. });
        let (intake, outcome) = match order {
            Order::Find { experiment } => {
                let left = directory().and_then(|dir| {
                    // What cannot be thrown away now is the next time.
                    if let Ok(cards @ 1..) = self.sweep(&dir, SystemTime::now()) {
                        self.tell(Told::Swept(cards));
                    }
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
                if let Some(open) = self.open.remove(&intake) {
                    give_up(&open, reads);
                }
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
        let began = Instant::now();
        let told = match self.open.get_mut(&intake).map(Open::tally) {
            None => return,
            Some(Ok(tally)) => Told::Counted {
                intake,
                tally: Box::new(tally),
                done,
            },
            Some(Err(message)) => {
                if let Some(open) = self.open.remove(&intake) {
                    give_up(&open, false);
                }
                Told::Failed { intake, message }
            }
        };
        self.told = Instant::now();
        self.counting = self.told - began;
        self.tell(told);
    }

    fn tell_now_and_then(&mut self, intake: Uuid) {
        // Most of the time is for taking in, however much there is to count.
        if self.told.elapsed() >= TELL_EVERY.max(self.counting * 4) {
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
        let locked = file.try_lock();
        let open = Open::new(path, file);
        if let Err(error) = locked {
            give_up(&open, true);
            return Err(cannot("lock", &open.path, &error.into()));
        }
        self.open.insert(intake, open);
        Ok(())
    }

    fn add(&mut self, intake: Uuid, bytes: &[u8]) -> Result<(), String> {
        let open = self.open.get_mut(&intake).ok_or("the ids are gone")?;
        let kept = open.feed(bytes)?;
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
        let failed = |error: &io::Error| cannot("read", &path, error);
        // Not to wait for somebody who writes into a pipe, nor to take the terminal's keys.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path)
            .map_err(|error| failed(&error))?;
        let about = file.metadata().map_err(|error| failed(&error))?;
        let kind = about.file_type();
        if kind.is_dir() {
            return Err(format!("{} is a folder: name a file in it", path.display()));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(format!("{} is a device: name a file", path.display()));
        }
        if about.len() > MAX_BYTES {
            return Err(format!(
                "{} has {} MB, at most {} are taken at once: split it",
                path.display(),
                about.len() >> 20,
                MAX_BYTES >> 20
            ));
        }
        self.take_all(intake, &mut file, &path)?;
        let empty = self.open.get(&intake).is_some_and(|open| open.counter.is_empty());
        if kind.is_fifo() && empty {
            return Err(format!(
                "Nobody writes into the pipe {}: start what writes the ids, then read it again",
                path.display()
            ));
        }
        Ok(())
    }

    /// Takes in what comes until its end, or until it is more than is taken at once.
    fn take_all(&mut self, intake: Uuid, from: &mut (impl Read + AsFd), name: &Path) -> Result<(), String> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    self.add(intake, &buffer[..n])?;
                    let open = self.open.get(&intake);
                    if open.is_some_and(|open| open.counter.is_full()) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut pipe = [PollFd::new(from, PollFlags::IN)];
                    match poll(&mut pipe, Some(&PIPE_WAIT)) {
                        Ok(0) => {
                            return Err(format!(
                                "Nothing came out of {} for {} s; what was read of it is thrown away",
                                name.display(),
                                PIPE_WAIT.tv_sec
                            ));
                        }
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(cannot("read", name, &error.into())),
                    }
                }
                Err(error) => return Err(cannot("read", name, &error)),
            }
            self.tell_now_and_then(intake);
        }
        if let Some(open) = self.open.get_mut(&intake) {
            open.finish()?;
        }
        Ok(())
    }

    /// Throws away what nobody has sent for [`KEPT_DAYS`]; of how many cards there was something. What a cockpit is at
    /// work with stays, this one or another: a dry run on its way, and a card that is open. What the server has is
    /// kept there, and no file of it is left here.
    fn sweep(&self, dir: &Path, now: SystemTime) -> io::Result<u64> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut cards = 0;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let intake = name.to_str().and_then(|name| {
                let (experiment, intake) = name.strip_suffix(".ids")?.split_once('_')?;
                experiment.parse::<Uuid>().ok()?;
                intake.parse::<Uuid>().ok()
            });
            let about = entry.metadata()?;
            let kept = now.duration_since(about.modified()?).unwrap_or_default();
            let old = kept >= Duration::from_hours(24 * u64::from(KEPT_DAYS));
            if !old || intake.is_none_or(|intake| self.open.contains_key(&intake)) {
                continue;
            }
            // Held until it is gone, so that nobody takes it up meanwhile.
            let file = File::open(entry.path())?;
            if file.try_lock().is_ok() {
                fs::remove_file(entry.path())?;
                cards += u64::from(about.len() > 0);
            }
        }
        Ok(cards)
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
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|error| failed(&error))?;
        file.try_lock()
            .map_err(|_| "another cockpit has taken these ids up meanwhile".to_owned())?;
        let mut open = Open::new(path.clone(), file);
        let mut buffer = vec![0; CHUNK];
        loop {
            match open.file.read(&mut buffer).map_err(|error| failed(&error))? {
                0 => break,
                n => {
                    open.feed(&buffer[..n])?;
                }
            }
        }
        open.finish()?;
        self.open.insert(intake, open);
        Ok(())
    }
}

/// What becomes of the file of an intake that failed: it is of no use where nothing could be written, nor where the ids
/// are there once more, where they were read from. What cannot be removed is offered.
fn give_up(open: &Open, there_once_more: bool) {
    let empty = open.file.metadata().is_ok_and(|about| about.len() == 0);
    if there_once_more || empty {
        let _ = fs::remove_file(&open.path);
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
mod tests;
