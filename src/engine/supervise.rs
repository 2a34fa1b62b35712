//! The supervisor: one thread that starts the engine's process, sees it end, and starts it again.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::child::Body;
use super::install::{self, Presence};
use super::progress::{Progress, Quiet, Step};
use super::settings::{Layout, Login, Settings, write_private};
use super::state::{Address, EngineState, pause};
use super::tail::Tail;
use super::{EngineError, Options, Source, binary, platform, probe, settings};

/// How often the engine's port file is looked for at a start.
const LOOK: Duration = Duration::from_millis(5);

/// An engine that was ready this long starts counting its restarts anew.
const HEALTHY: Duration = Duration::from_secs(60);

/// How long a stopped engine may take to end by itself; its own grace time is shorter.
const STOP: Duration = Duration::from_secs(8);

/// What the supervisor's thread owns.
pub(super) struct Supervisor {
    pub options: Options,
    pub layout: Layout,
    pub server: Login,
    pub cockpit: Login,
    pub state: watch::Sender<EngineState>,
    /// Changes, or closes, when the engine is to stop.
    pub stop: watch::Receiver<bool>,
    /// Why it failed, for the caller that waits for it.
    pub failure: std::sync::Arc<std::sync::OnceLock<EngineError>>,
    /// The lock of the data directory.
    pub lock: File,
}

/// A started process that answers.
struct Started {
    child: Child,
    /// Closing it ends the engine.
    stdin: ChildStdin,
    tail: Tail,
    address: Address,
}

/// Tells an installation's steps to those who watch the engine.
struct Installing<'a> {
    state: &'a watch::Sender<EngineState>,
    stop: &'a watch::Receiver<bool>,
}

impl Progress for Installing<'_> {
    fn report(&self, step: Step) {
        self.state.send_replace(EngineState::Installing(step));
    }

    fn cancelled(&self) -> bool {
        stopping(self.stop)
    }
}

/// Whether the engine is to stop: asked to, or its handle is gone.
fn stopping(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

/// Returns when the engine is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}

impl Supervisor {
    /// Runs until the engine is stopped or has failed.
    pub(super) fn run(mut self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                self.fail(EngineError::Options(format!(
                    "no runtime for its supervisor: {error}"
                )));
                return;
            }
        };
        match runtime.block_on(self.supervise()) {
            Ok(()) | Err(EngineError::Stopped) => {
                self.release();
                self.state.send_replace(EngineState::Stopped);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Frees the data directory, before anybody is told: who sees the engine stopped can start another one.
    fn release(&self) {
        self.withdraw();
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "cannot unlock the data directory; it is free when this process ends");
        }
    }

    /// Writes where the engine is, for `engine status`.
    fn publish(&self, address: &Address) {
        let written = serde_json::to_vec(address)
            .map_err(std::io::Error::from)
            .and_then(|text| write_private(&self.layout.address(), &text));
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write the engine's address; `engine status` does not know it");
        }
    }

    fn withdraw(&self) {
        match std::fs::remove_file(self.layout.address()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "cannot remove the engine's address");
            }
            _ => {}
        }
    }

    fn fail(&self, error: EngineError) {
        tracing::error!(%error, "the engine failed");
        self.release();
        let why = error.to_string();
        // The first failure is the one that ended it.
        let _ = self.failure.set(error);
        self.state.send_replace(EngineState::Failed { why });
    }

    async fn supervise(&mut self) -> Result<(), EngineError> {
        let body = self.body()?;
        let mut port = self.options.http_port;
        let mut attempt = 0;
        let mut was_ready = false;
        loop {
            if attempt == 0 {
                self.state.send_replace(EngineState::Starting);
            }
            let why = match self.start(&body, port).await {
                Ok(started) => {
                    if was_ready && port != started.address.port {
                        tracing::warn!(
                            old = port,
                            new = started.address.port,
                            "the engine has a new port"
                        );
                    }
                    port = started.address.port;
                    was_ready = true;
                    let since = Instant::now();
                    let Some(why) = self.ready(started).await else {
                        return Ok(());
                    };
                    if since.elapsed() >= HEALTHY {
                        attempt = 0;
                    }
                    why
                }
                Err(EngineError::Stopped) => return Err(EngineError::Stopped),
                // A port that was not asked for by the user is given up for any other; the new address goes
                // to all who watch.
                Err(EngineError::PortTaken { port: taken }) if self.options.http_port == 0 => {
                    tracing::warn!(port = taken, "the engine's port was taken by another program");
                    port = 0;
                    continue;
                }
                // One that never was ready will not be by trying again.
                Err(error) if !was_ready => return Err(error),
                Err(error) => error.to_string(),
            };
            attempt += 1;
            let after = pause(attempt, fastrand::f64());
            tracing::warn!(attempt, ?after, why, "the engine ended; it is started again");
            self.state
                .send_replace(EngineState::Restarting { attempt, after, why });
            tokio::select! {
                () = sleep(after) => {}
                () = stopped(&mut self.stop) => return Ok(()),
            }
        }
    }

    /// What the process is to become; installs the library where that is wanted.
    fn body(&self) -> Result<Body, EngineError> {
        match &self.options.source {
            Source::Binary(path) => {
                binary::check(path)?;
                Ok(Body::Binary(path.clone()))
            }
            Source::Library { dir, install } => {
                let package = platform::package()?;
                let progress = Installing {
                    state: &self.state,
                    stop: &self.stop,
                };
                let installed = if *install {
                    install::install(dir, &package, &progress)?
                } else {
                    match install::presence(dir, &package, &Quiet)? {
                        Presence::Installed(installed) => installed,
                        Presence::Missing => return Err(EngineError::NotInstalled { dir: dir.clone() }),
                        Presence::Damaged { why } => {
                            return Err(EngineError::Damaged {
                                path: dir.join(package.folder()),
                                why,
                            });
                        }
                    }
                };
                Ok(Body::Library(installed.library))
            }
            Source::File(library) => Ok(Body::Library(library.clone())),
        }
    }

    /// Publishes a started engine and waits for its end: `None` if that was asked for, else what it ended
    /// with.
    async fn ready(&mut self, mut started: Started) -> Option<String> {
        let address = started.address.clone();
        tracing::info!(
            url = address.http_url,
            pid = address.pid,
            version = address.version,
            "the engine is ready"
        );
        if !address.confined {
            tracing::warn!(
                "this system cannot confine the engine: its users can read files of the host by the function file()"
            );
        }
        self.publish(&address);
        self.state.send_replace(EngineState::Ready(address));
        let status = tokio::select! {
            status = started.child.wait() => Some(status),
            () = stopped(&mut self.stop) => None,
        };
        self.withdraw();
        match status {
            Some(status) => {
                let status = status.map_or_else(|error| error.to_string(), describe);
                Some(format!(
                    "the engine ended ({status}). Its last words:\n{}",
                    started.tail.text()
                ))
            }
            None => {
                end(started.child, started.stdin).await;
                None
            }
        }
    }

    /// Starts the process and waits until it answers.
    async fn start(&mut self, body: &Body, port: u16) -> Result<Started, EngineError> {
        let unwritable =
            |(path, error): (PathBuf, std::io::Error)| EngineError::write(&path, &error, super::DATA_DIR);
        self.layout.create().map_err(unwritable)?;
        let settings = Settings {
            layout: &self.layout,
            server: &self.server,
            cockpit: &self.cockpit,
            databases: &self.options.databases,
            cockpit_tables: &self.options.cockpit_tables,
            memory: self.options.memory,
        };
        settings.write().map_err(unwritable)?;
        // The engine refuses to overwrite it.
        match std::fs::remove_file(self.layout.port()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable((self.layout.port(), error)));
            }
            _ => {}
        }
        let mut command = self.command(body, settings.arguments(port));
        let failed = |why: String| EngineError::Spawn {
            program: self.options.program.clone(),
            why,
        };
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let tail = Tail::default();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(tail.clone().follow(stdout)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(tokio::spawn(tail.clone().follow(stderr)));
        }
        let stdin = child
            .stdin
            .take()
            .ok_or_else(|| failed("it has no standard input".to_owned()))?;
        let deadline = Instant::now() + self.options.start_timeout;
        let port = loop {
            if let Some(port) = self.port() {
                break port;
            }
            if let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? {
                for reader in readers {
                    // What the process wrote is read to its end; a panic in there has nothing to add.
                    let _ = timeout(Duration::from_secs(1), reader).await;
                }
                let last_words = tail.text();
                if port != 0 && last_words.contains("Address already in use") {
                    return Err(EngineError::PortTaken { port });
                }
                return Err(EngineError::Died {
                    status: describe(status),
                    last_words,
                    dir: self.layout.root.clone(),
                });
            }
            if stopping(&self.stop) {
                end(child, stdin).await;
                return Err(EngineError::Stopped);
            }
            if Instant::now() >= deadline {
                end(child, stdin).await;
                return Err(self.not_ready(&tail));
            }
            sleep(LOOK).await;
        };
        let pid = child.id().unwrap_or_default();
        match self.look(port, pid, deadline).await {
            Some(address) => Ok(Started {
                child,
                stdin,
                tail,
                address,
            }),
            None => {
                end(child, stdin).await;
                Err(self.not_ready(&tail))
            }
        }
    }

    fn not_ready(&self, tail: &Tail) -> EngineError {
        EngineError::NotReady {
            seconds: self.options.start_timeout.as_secs(),
            last_words: tail.text(),
            dir: self.layout.root.clone(),
        }
    }

    fn command(&self, body: &Body, arguments: Vec<String>) -> Command {
        let mut command = Command::new(&self.options.program);
        // What `ps` shows, also where the program is reached by way of /proc.
        command.arg0("splitdeck").args(["engine", "child"]);
        match body {
            Body::Library(path) => command.arg("--library").arg(path),
            Body::Binary(path) => command.arg("--binary").arg(path),
        };
        command.arg("--lock").arg(self.layout.child_lock());
        for dir in [self.layout.store(), self.layout.log(), self.layout.run()] {
            command.arg("--writable").arg(dir);
        }
        for path in &self.options.readable {
            command.arg("--readable").arg(path);
        }
        command.arg("--").args(arguments);
        // No secrets of this process's environment get there, and times are in UTC.
        command.env_clear();
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .env("HOME", self.layout.run());
        command.current_dir(self.layout.run());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A Ctrl-C at the terminal is for the supervisor, which then ends the engine in order.
        command.process_group(0);
        command
    }

    /// The port, once its file is whole.
    fn port(&self) -> Option<u16> {
        let text = std::fs::read_to_string(self.layout.port()).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    }

    /// Asks a started engine who it is, until it answers.
    async fn look(&self, port: u16, pid: u32, deadline: Instant) -> Option<Address> {
        let version = loop {
            match probe::query(port, &self.server, "SELECT version()").await {
                Ok(Ok(version)) => break version,
                answer => tracing::debug!(?answer, "the engine does not answer yet"),
            }
            if Instant::now() >= deadline || stopping(&self.stop) {
                return None;
            }
            sleep(LOOK).await;
        };
        // The path is a quoted literal, as this query has no parameters. The lock file is the user's own, not empty,
        // and outside of what the engine may read; what cannot be read counts as empty text.
        let path = self.layout.lock();
        let path = settings::literal(&path.to_string_lossy());
        let read = probe::query(port, &self.cockpit, &format!("SELECT length(file({path}, ''))")).await;
        Some(Address {
            http_url: format!("http://127.0.0.1:{port}"),
            port,
            pid,
            version,
            confined: matches!(read.as_ref().map(Result::as_deref), Ok(Ok("0"))),
        })
    }
}

/// Ends the process: in order, and by force if that takes too long.
async fn end(mut child: Child, stdin: ChildStdin) {
    drop(stdin);
    match timeout(STOP, child.wait()).await {
        Ok(Ok(status)) if status.success() => tracing::debug!("the engine ended"),
        Ok(Ok(status)) => tracing::warn!(status = describe(status), "the engine did not end in order"),
        Ok(Err(error)) => tracing::warn!(%error, "cannot wait for the engine"),
        Err(_) => {
            tracing::warn!(seconds = STOP.as_secs(), "the engine does not end; killing it");
            if let Err(error) = child.kill().await {
                tracing::warn!(%error, "cannot kill the engine");
            }
        }
    }
}

/// How a process ended, in words.
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(9)) => "killed by signal 9".to_owned(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
