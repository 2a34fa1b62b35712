//! The embedded ClickHouse: install, configure, launch, supervise.
//!
//! ClickHouse comes as a library in a package for npm ([`install`]). A process of its own ([`child`]) loads
//! it and serves HTTP on loopback; a thread ([`Engine`]) starts that process, starts it again when it dies,
//! and ends it. The process ends with its supervisor however that ends, because its standard input is a
//! pipe that closes then.
//!
//! This module imports nothing of the crate: paths and values go in, an address and two logins come out.

mod archive;
pub mod binary;
pub mod child;
mod error;
pub mod install;
pub mod lockfile;
mod npm;
pub mod platform;
mod probe;
mod progress;
mod sandbox;
mod settings;
mod state;
mod supervise;
mod tail;

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use error::EngineError;
pub use platform::{Package, package, package_for};
pub use progress::{Progress, Quiet, Step};
pub use settings::{COCKPIT, Login, SERVER, write_private};
pub use state::{Address, EngineState};

use settings::Layout;
use supervise::Supervisor;

/// What moves the data directory, for error messages.
const DATA_DIR: &str = "--data-dir";

/// How long a held lock of the data directory is tried again: who only looks at it holds it for a moment.
const LOCK_WAIT: Duration = Duration::from_millis(400);

/// Where the engine's code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The library of this build's package in an engine directory.
    Library {
        /// The engine directory.
        dir: PathBuf,
        /// Whether it is installed when it is not there.
        install: bool,
    },
    /// The library in this file, unchecked.
    File(PathBuf),
    /// A `clickhouse` binary of 26.6 or later.
    Binary(PathBuf),
}

/// How to run the engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its code comes from.
    pub source: Source,
    /// Where it keeps its data, used by one engine at a time.
    pub data_dir: PathBuf,
    /// The program with the hidden role `engine child`: this one.
    pub program: PathBuf,
    /// The databases that the server's user owns. They need not exist.
    pub databases: Vec<String>,
    /// The tables in each of them that the cockpit's user reads.
    pub cockpit_tables: Vec<String>,
    /// The port on 127.0.0.1; 0 takes any free one and asks for the same again at each restart.
    pub http_port: u16,
    /// The most memory it takes, bytes; half of the machine's where it is missing.
    pub memory: Option<u64>,
    /// What else its process may read, and run programs from, besides its own directories and the system's
    /// libraries: what a `clickhouse` binary that is a script needs.
    pub readable: Vec<PathBuf>,
    /// How long a start may take.
    pub start_timeout: Duration,
}

impl Options {
    /// The usual options: this program, database `splitdeck`, tables `events` and `experiment_events`, any
    /// port.
    #[must_use]
    pub fn new(source: Source, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            source,
            data_dir: data_dir.into(),
            program: this_program(),
            databases: vec!["splitdeck".to_owned()],
            cockpit_tables: vec!["events".to_owned(), "experiment_events".to_owned()],
            http_port: 0,
            memory: None,
            readable: Vec::new(),
            start_timeout: Duration::from_secs(60),
        }
    }
}

/// This program. On Linux by way of the kernel, so that it is still there when an update replaced its file.
fn this_program() -> PathBuf {
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        return running.to_owned();
    }
    // Without a path the start fails and says so.
    std::env::current_exe().unwrap_or_default()
}

/// A supervised engine. Dropping it ends the engine soon; [`Engine::shutdown`] waits for that.
#[derive(Debug)]
pub struct Engine {
    server: Login,
    cockpit: Login,
    state: watch::Receiver<EngineState>,
    stop: watch::Sender<bool>,
    failure: Arc<OnceLock<EngineError>>,
}

impl Engine {
    /// Starts supervising an engine and returns at once; [`Engine::state`] tells what it does.
    ///
    /// # Errors
    /// Wrong options, a data directory that is in use or not writable. Everything later is in the state, and
    /// returned by [`Engine::ready`].
    pub fn launch(options: Options) -> Result<Self, EngineError> {
        for name in options.databases.iter().chain(&options.cockpit_tables) {
            if !settings::is_identifier(name) {
                return Err(EngineError::Options(format!(
                    "{name:?} cannot be the name of a database or table"
                )));
            }
        }
        // The engine's process has another working directory.
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| {
                EngineError::Options(format!("no absolute path for {}: {error}", path.display()))
            })
        };
        let mut options = options;
        let layout = Layout {
            root: absolute(&options.data_dir)?,
        };
        options.program = absolute(&options.program)?;
        options.source = match options.source {
            Source::Library { dir, install } => Source::Library {
                dir: absolute(&dir)?,
                install,
            },
            Source::File(path) => Source::File(absolute(&path)?),
            Source::Binary(path) => Source::Binary(absolute(&path)?),
        };
        layout
            .create()
            .map_err(|(path, error)| EngineError::write(&path, &error, DATA_DIR))?;
        let lock = lock(&layout)?;
        let random = |user| {
            Login::random(user)
                .map_err(|error| EngineError::Options(format!("the system has no random numbers: {error}")))
        };
        let (server, cockpit) = (random(SERVER)?, random(COCKPIT)?);
        let (state, watched) = watch::channel(EngineState::Starting);
        let (stop, stopped) = watch::channel(false);
        let failure = Arc::new(OnceLock::new());
        let supervisor = Supervisor {
            options,
            layout,
            server: server.clone(),
            cockpit: cockpit.clone(),
            state,
            stop: stopped,
            failure: Arc::clone(&failure),
            lock,
        };
        // A thread and runtime of its own: the engine outlives the runtime that asked for it.
        thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || supervisor.run())
            .map_err(|error| EngineError::Options(format!("no thread for its supervisor: {error}")))?;
        Ok(Self {
            server,
            cockpit,
            state: watched,
            stop,
            failure,
        })
    }

    /// Launches an engine and waits until it answers, however long an installation takes.
    ///
    /// # Errors
    /// As [`Engine::launch`] and [`Engine::ready`].
    pub async fn start(options: Options) -> Result<Self, EngineError> {
        let engine = Self::launch(options)?;
        engine.ready().await?;
        Ok(engine)
    }

    /// Waits until the engine answers; also while it is restarted.
    ///
    /// # Errors
    /// Why it could not be started, or [`EngineError::Stopped`].
    pub async fn ready(&self) -> Result<Address, EngineError> {
        let mut state = self.state.clone();
        loop {
            if let EngineState::Ready(address) = &*state.borrow_and_update() {
                return Ok(address.clone());
            }
            if matches!(*state.borrow(), EngineState::Failed { .. } | EngineState::Stopped)
                || state.changed().await.is_err()
            {
                return Err(self.failure.get().cloned().unwrap_or(EngineError::Stopped));
            }
        }
    }

    /// The user that writes: owner of the databases.
    #[must_use]
    pub fn server(&self) -> &Login {
        &self.server
    }

    /// The user that only reads the cockpit's tables.
    #[must_use]
    pub fn cockpit(&self) -> &Login {
        &self.cockpit
    }

    /// What the engine is doing, and each change of it. The logins stay the same over restarts; so does the
    /// address, unless another program took the port meanwhile.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<EngineState> {
        self.state.clone()
    }

    /// Ends the engine in order and waits until its process is gone and its data directory free.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let mut state = self.state;
        // The supervisor drops its end when all is done.
        while state.changed().await.is_ok() {}
    }
}

/// Who uses a data directory, such as `process 4711`, and where its engine is once it is ready.
///
/// # Errors
/// The lock exists and cannot be read.
pub fn inspect(data_dir: &Path) -> Result<(Option<String>, Option<Address>), EngineError> {
    let layout = Layout {
        root: data_dir.to_owned(),
    };
    let path = layout.lock();
    let unreadable = |error: std::io::Error| EngineError::write(&path, &error, DATA_DIR);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, None)),
        Err(error) => return Err(unreadable(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok((None, None)),
        Err(TryLockError::Error(error)) => return Err(unreadable(error)),
        Err(TryLockError::WouldBlock) => {}
    }
    let address = std::fs::read(layout.address()).ok();
    let address = address.and_then(|text| serde_json::from_slice(&text).ok());
    Ok((Some(holder(&mut file)), address))
}

/// Locks the data directory for this process and writes who it is.
fn lock(layout: &Layout) -> Result<File, EngineError> {
    let path = layout.lock();
    let unwritable = |error: std::io::Error| EngineError::write(&path, &error, DATA_DIR);
    let mut file = lockfile::open(&path).map_err(unwritable)?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOCK_WAIT / 20),
            Err(TryLockError::WouldBlock) => {
                return Err(EngineError::DataDirInUse {
                    dir: layout.root.clone(),
                    holder: holder(&mut file),
                });
            }
        }
    }
    file.set_len(0).map_err(unwritable)?;
    file.rewind().map_err(unwritable)?;
    write!(file, "{}", std::process::id()).map_err(unwritable)?;
    Ok(file)
}

/// Who wrote itself into a lock file.
fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    match (file.read_to_string(&mut pid), pid.trim()) {
        (Ok(_), pid) if !pid.is_empty() => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}
