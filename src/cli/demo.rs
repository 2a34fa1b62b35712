//! `splitdeck demo`: engine, server, replay and simulated traffic, with the cockpit in front.
//!
//! The cockpit is this process. Everything else runs in a child that ends when its standard input closes,
//! that is, when the cockpit ends, however it ends.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::demo_backend;
use super::output::remark;
use super::progress::Bar;
use super::{CliError, cockpit};
use crate::config::{Access, Flags, Paths};
use crate::demo::stage::{DEFAULT_RATE, MAX_RATE};
use crate::engine::{Source, binary, install, package};

/// Arguments of `splitdeck demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Start everything but the screen, and print one line of JSON when it is ready
    #[arg(long)]
    headless: bool,
    /// Where the demo keeps its data; it goes on from there at the next start
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Simulated visitors a second, both simulated experiments together; 0 for none
    #[arg(long, value_name = "N", default_value_t = DEFAULT_RATE, value_parser = rate)]
    rate: f64,
    /// A `clickhouse` binary, 26.6 or later, to run instead of the embedded library
    #[arg(long, value_name = "FILE", env = binary::VARIABLE)]
    engine_binary: Option<PathBuf>,
    /// Whether anything may be changed
    #[command(flatten)]
    changes: cockpit::ChangesArgs,
    /// How the cockpit looks and is heard
    #[command(flatten)]
    look: cockpit::LookArgs,
    /// The child of the cockpit: as --headless, until standard input closes
    #[arg(long, hide = true, conflicts_with = "headless")]
    child: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=MAX_RATE).contains(&rate) => Ok(rate),
        _ => Err(format!("allowed is a number from 0 to {MAX_RATE}")),
    }
}

/// The one line of JSON by which a back end says that it is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Address of the API.
    pub api: String,
    /// An admin's bearer token.
    pub token: String,
    /// Address of ClickHouse's HTTP interface.
    pub clickhouse: String,
    /// A user of it that only reads.
    pub clickhouse_user: String,
    /// Its password.
    pub clickhouse_password: String,
    /// Key of the project.
    pub project: String,
}

/// How long the child may take to end once its standard input is closed.
const FAREWELL: Duration = Duration::from_secs(20);
/// How much of the log is told when the child cannot start, bytes.
const LAST_WORDS: u64 = 2_000;

/// Runs `splitdeck demo`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: &Args) -> Result<(), CliError> {
    let paths = Paths::from_env().map_err(|error| CliError::Usage(error.to_string()))?;
    let data_dir = args.data_dir.clone().unwrap_or_else(|| paths.data.join("demo"));
    let source = super::engine::source(args.engine_binary.as_deref(), &paths)?;
    if args.child {
        return demo_backend::run(&data_dir, source, args.rate, true);
    }
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !args.headless && !terminal {
        return Err(CliError::Usage(
            "the cockpit needs a terminal; `splitdeck demo --headless` does without".to_owned(),
        ));
    }
    if let Source::Library { dir, .. } = &source {
        install_engine(dir)?;
    }
    if args.headless {
        return demo_backend::run(&data_dir, source, args.rate, false);
    }
    with_screen(&data_dir, args)
}

/// Brings the engine where it is missing, with a progress bar.
fn install_engine(dir: &Path) -> Result<(), CliError> {
    let failed = |error: crate::engine::EngineError| CliError::Failed(error.to_string());
    let bar = Bar::new();
    let installed = install::install(dir, &package().map_err(failed)?, &bar);
    bar.finish();
    installed.map(|_| ()).map_err(failed)
}

fn with_screen(data_dir: &Path, args: &Args) -> Result<(), CliError> {
    // A mistake in the configuration is told before anything is started.
    let (config, files) = cockpit::configuration()?;
    let cockpit_args = cockpit::Args {
        look: args.look.clone(),
        changes: args.changes.clone(),
        ..cockpit::Args::default()
    };
    remark("starting ClickHouse and the server …");
    let log = Log::begun(demo_backend::log_file(data_dir)?);
    let mut backend = Backend::start(data_dir, args, &log.path)?;
    let ready = backend.ready(&log)?;
    let access = Access {
        api: ready.api,
        token: ready.token,
        project: None,
        context: None,
        from_file: false,
        read_only: config.cockpit.read_only,
        allow_plain_http: false,
    };
    let outcome = cockpit::open(access, Flags::default(), cockpit_args, config, files);
    let died = backend.died();
    backend.end();
    outcome?;
    match died {
        None => Ok(()),
        Some(how) => Err(CliError::Failed(format!(
            "the demo's server had ended by itself ({how}); `splitdeck demo` starts it again, with all that it had \
             acknowledged. {} says:\n{}",
            log.path.display(),
            log.last_words()
        ))),
    }
}

/// The child with everything but the screen.
struct Backend {
    child: Child,
}

impl Backend {
    fn start(data_dir: &Path, args: &Args, log: &Path) -> Result<Self, CliError> {
        let failed = |what: &str, error: std::io::Error| CliError::Failed(format!("{what}: {error}"));
        let program = std::env::current_exe().map_err(|error| failed("cannot find this program", error))?;
        let errors = std::fs::File::options()
            .append(true)
            .open(log)
            .map_err(|error| failed(&format!("cannot write {}", log.display()), error))?;
        let mut command = Command::new(program);
        command
            .args(["demo", "--child", "--rate", &args.rate.to_string(), "--data-dir"])
            .arg(data_dir);
        if let Some(binary) = &args.engine_binary {
            command.arg("--engine-binary").arg(binary);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|error| failed("cannot start the demo's server", error))?;
        Ok(Self { child })
    }

    /// Waits for the line that says that it is ready.
    fn ready(&mut self, log: &Log) -> Result<Ready, CliError> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            // An error is an empty line: the child's end says more.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        if let Ok(ready) = serde_json::from_str(&line) {
            return Ok(ready);
        }
        self.end();
        Err(CliError::Failed(format!(
            "the demo's server did not start; {} says:\n{}",
            log.path.display(),
            log.last_words()
        )))
    }

    /// How it ended, if it did so before it was asked to.
    fn died(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Closes the child's standard input and waits for its end.
    fn end(&mut self) {
        drop(self.child.stdin.take());
        let until = deadline(FAREWELL);
        while until.is_none_or(|until| now() < until) {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // It had its time. What it had acknowledged is on disk.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.end();
    }
}

fn now() -> Instant {
    Instant::now()
}

fn deadline(after: Duration) -> Option<Instant> {
    now().checked_add(after)
}

/// The log of the back end, which goes on from start to start.
struct Log {
    path: PathBuf,
    /// Where this start's lines begin, bytes.
    from: u64,
}

impl Log {
    /// The log as it is before anything is started.
    fn begun(path: PathBuf) -> Self {
        let from = std::fs::metadata(&path).map_or(0, |file| file.len());
        Self { path, from }
    }

    /// The last lines since this start, whole ones.
    fn last_words(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = std::fs::File::open(&self.path)?;
            let length = file.metadata()?.len();
            let start = self.from.max(length.saturating_sub(LAST_WORDS));
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            let whole = if start > self.from {
                text.split_once('\n').map_or(&*text, |(_, lines)| lines)
            } else {
                &text
            };
            Ok(whole.to_owned())
        };
        read().unwrap_or_else(|error| format!("(it cannot be read: {error})"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_words_are_whole_lines_of_this_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("demo.log");
        std::fs::write(&path, "of an earlier start\n").unwrap();
        let log = Log::begun(path.clone());
        let mut file = std::fs::File::options().append(true).open(&path).unwrap();
        assert_eq!(log.last_words(), "", "nothing of the earlier start");
        writeln!(file, "short").unwrap();
        assert_eq!(log.last_words(), "short\n");
        let long = "x".repeat(70);
        for number in 100..200 {
            writeln!(file, "{number} {long}").unwrap();
        }
        let words = log.last_words();
        assert!(words.lines().all(|line| line.len() == 74), "{words}");
        assert!(words.ends_with(&format!("199 {long}\n")), "{words}");
        assert!(words.len() as u64 <= LAST_WORDS && words.len() > 1_000, "{words}");
    }
}
