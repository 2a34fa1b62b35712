//! `splitdeck serve` as a process of its own, to be signalled and shot.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use splitdeck::client::Client;
use splitdeck::config::Paths;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::engine;
use super::store::address;

/// Its admin token.
pub const TOKEN: &str = "a-token-of-my-own";

/// Long enough for a machine that does a lot else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs. Dropping it kills it.
pub struct Process {
    child: Child,
    /// Held open: the server ends when nobody reads what it says.
    _out: BufReader<ChildStdout>,
    pub base: String,
    pub client: Client,
}

/// What a server is started on.
pub struct Serve<'a> {
    /// For its home, its configuration and its log.
    pub dir: &'a Path,
    /// Its data.
    pub data: PathBuf,
    /// A database of the shared engine; without one ClickHouse is where nobody listens.
    pub database: Option<&'a str>,
    /// Whether it has an engine of its own instead.
    pub embedded: bool,
    /// More of its configuration file.
    pub config: &'a str,
    /// Its admin token.
    pub token: &'a str,
}

impl<'a> Serve<'a> {
    /// Everything in one directory.
    pub fn new(dir: &'a Path, database: Option<&'a str>) -> Self {
        Self {
            dir,
            data: dir.join("data"),
            database,
            embedded: false,
            config: "",
            token: TOKEN,
        }
    }

    fn command(&self) -> Command {
        let home = self.dir.join("home");
        std::fs::create_dir_all(&home).expect("a directory");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_splitdeck"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&self.data)
            .env_clear()
            .env("HOME", &home)
            .env("SPLITDECK_CONFIG_DIR", &home)
            .env("SPLITDECK_TOKEN", self.token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a file"))
            .kill_on_drop(true);
        if let Some(store) = address() {
            command.args(["--store", &store]);
        }
        let mut config = self.config.to_owned();
        if let Some(database) = self.database {
            let shared = engine::shared();
            config.push_str(&format!("\n[clickhouse]\ndatabase = \"{database}\"\n"));
            command
                .args(["--clickhouse", &shared.http_url])
                .env("SPLITDECK_CLICKHOUSE_USER", &shared.server.user)
                .env("SPLITDECK_CLICKHOUSE_PASSWORD", &shared.server.password);
        } else if self.embedded {
            // Installed before, and for all.
            command.env(
                "SPLITDECK_ENGINE_DIR",
                Paths::from_env().expect("directories").engine,
            );
        } else {
            command.args(["--clickhouse", "http://127.0.0.1:1"]);
        }
        std::fs::write(home.join("config.toml"), config).expect("written");
        command
    }
}

impl Process {
    /// Starts it with its data in `dir`, on the store of the test, and with a database of the shared engine if one
    /// is named. What it logs is in the file `log`.
    pub async fn start(dir: &Path, database: Option<&str>) -> Self {
        Self::serve(&Serve::new(dir, database)).await
    }

    /// Starts it and waits until it listens.
    pub async fn serve(serve: &Serve<'_>) -> Self {
        let mut command = serve.command();
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let read = tokio::time::timeout(PATIENCE, out.read_line(&mut line));
        read.await.expect("in time").expect("a line");
        let base = line.trim().strip_prefix("listening on ");
        let base = base.unwrap_or_else(|| panic!("{}", log(serve.dir))).to_owned();
        let client =
            Client::new(&base, serve.token, splitdeck::client::Options::default()).expect("a client");
        Self {
            child,
            _out: out,
            base,
            client,
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("runs")).expect("a pid");
        kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("signalled");
    }

    /// The processes that it has started.
    pub fn children(&self) -> Vec<u32> {
        let threads = format!("/proc/{}/task", self.child.id().expect("runs"));
        let threads = std::fs::read_dir(threads).expect("Linux");
        let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
            let children = std::fs::read_to_string(thread.ok()?.path().join("children")).ok()?;
            Some(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<_>>(),
            )
        };
        threads.filter_map(of_thread).flatten().collect()
    }

    /// Shoots it, and waits until it is dead.
    pub async fn shoot(mut self) {
        self.child.kill().await.expect("shot");
    }

    /// Waits for its end; the exit code, unless it was shot.
    pub async fn ended(mut self, within: Duration) -> Option<i32> {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        ended.expect("in time").expect("a status").code()
    }

    /// Asks it to stop, and waits until it has ended well.
    pub async fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended(PATIENCE).await, Some(0));
    }
}

/// What the servers of a directory logged.
pub fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).expect("a log")
}
