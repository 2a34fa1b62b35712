//! The demo without its screen: engine and server, the replay, the simulated visitors.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::CliError;
use super::demo::Ready;
use super::serve::{leave, signals};
use super::stack::{ClickHouse, Stack};
use crate::client::{self, Client};
use crate::demo::stage::{self, play};
use crate::domain::{Environment, Key};
use crate::engine::{self, EngineState, Source};
use crate::server::link::nowhere;
use crate::server::setup::ProjectSeed;
use crate::server::{self};
use crate::telemetry::{self, LOG_VARIABLE, Target};

/// How long ClickHouse may take to be there.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How often it is asked for.
const START_PAUSE: Duration = Duration::from_millis(50);
/// Key of the demo's project.
const PROJECT: &str = "demo";

fn failed(error: impl ToString) -> CliError {
    CliError::Failed(error.to_string())
}

/// The demo's log; it and its directory are created where they are missing, for their owner only.
///
/// # Errors
/// The directory cannot be written.
pub fn log_file(data_dir: &Path) -> Result<PathBuf, CliError> {
    let path = data_dir.join("demo.log");
    let mut directory = std::fs::DirBuilder::new();
    let created = directory.recursive(true).mode(0o700).create(data_dir);
    let opened = created.and_then(|()| {
        let mut options = std::fs::File::options();
        options.create(true).append(true).mode(0o600).open(&path)
    });
    opened.map(|_| path).map_err(|error| {
        failed(format!(
            "cannot write to the demo's data directory {}: {error}; name another one with --data-dir",
            data_dir.display()
        ))
    })
}

/// Runs until a signal, or, with `while_stdin`, until standard input closes.
///
/// # Errors
/// What cannot be started, or failed later for good.
pub fn run(data_dir: &Path, source: Source, rate: f64, while_stdin: bool) -> Result<(), CliError> {
    let log = log_file(data_dir)?;
    let filter = std::env::var(LOG_VARIABLE).ok().filter(|value| !value.is_empty());
    telemetry::init(&Target::File(log), filter.as_deref()).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let served = runtime.block_on(async {
        let signals = signals()?;
        let closed = stdin_closed(while_stdin);
        let stop = async move {
            tokio::select! {
                () = signals => {}
                () = closed => {}
            }
        };
        backend(data_dir, source, rate, stop).await
    });
    leave(runtime);
    served
}

/// Ready when standard input is at its end; never, where that does not matter.
async fn stdin_closed(matters: bool) {
    if !matters {
        return std::future::pending().await;
    }
    let (sender, receiver) = oneshot::channel::<()>();
    // A thread of its own: a pending read of tokio's standard input would hold up the end.
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        // An error is an end as well.
        let _ = std::io::stdin().lock().read_to_end(&mut rest);
        drop(sender);
    });
    // Dropped without a word, which is the word.
    let _ = receiver.await;
}

async fn backend(
    data_dir: &Path,
    source: Source,
    rate: f64,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), CliError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let api = format!("http://{}", listener.local_addr().map_err(failed)?);
    let token = random_token();
    let stack = Stack::open(options(data_dir, &token)?, embedded(data_dir, source))
        .await
        .map_err(failed)?;
    let engine = stack.engine();
    let (finish, finished) = oneshot::channel::<()>();
    let serving = stack.serve(listener, async {
        let _ = finished.await;
    });
    let playing = async {
        let client = Client::new(&api, &token, client::Options::default()).map_err(failed)?;
        until_ready(&client, engine).await?;
        say_ready(&client, &api, &token).await?;
        let options = stage::Options {
            rate,
            replayed: data_dir.join("replayed"),
        };
        play(&client, &options).await.map_err(failed)
    };
    let until_stopped = async {
        let played = tokio::select! {
            played = playing => played,
            () = stop => Ok(()),
        };
        // The receiver is gone only when the server is.
        let _ = finish.send(());
        played
    };
    let (served, played) = tokio::join!(serving, until_stopped);
    played.and(served.map_err(failed))
}

fn options(data_dir: &Path, token: &str) -> Result<server::Options, CliError> {
    let mut options = server::Options::new(data_dir, nowhere("ClickHouse is not started"));
    options.token = Some(token.to_owned());
    options.demo = true;
    options.project = ProjectSeed {
        key: Some(Key::new(PROJECT).map_err(failed)?),
        environment: Environment::Development,
        protected: false,
    };
    telemetry::keep_secret(token);
    Ok(options)
}

fn embedded(data_dir: &Path, source: Source) -> ClickHouse {
    // A library is brought before this, with a progress bar.
    let source = match source {
        Source::Library { dir, .. } => Source::Library { dir, install: false },
        binary => binary,
    };
    ClickHouse::Embedded(Box::new(engine::Options::new(source, data_dir.join("engine"))))
}

/// A token for this run only.
fn random_token() -> String {
    format!(
        "sd_demo_{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    )
}

/// Waits until the server answers and ClickHouse has its tables.
async fn until_ready(
    client: &Client,
    engine: Option<tokio::sync::watch::Receiver<EngineState>>,
) -> Result<(), CliError> {
    let waiting = async {
        loop {
            let engine_failed = engine.as_ref().and_then(|state| match &*state.borrow() {
                EngineState::Failed { why } => Some(why.clone()),
                _ => None,
            });
            if let Some(why) = engine_failed {
                return Err(failed(why));
            }
            if client
                .readiness()
                .await
                .is_ok_and(|readiness| readiness.ready && readiness.warehouse)
            {
                return Ok(());
            }
            tokio::time::sleep(START_PAUSE).await;
        }
    };
    let too_long = |_| {
        let seconds = START_LIMIT.as_secs();
        failed(format!(
            "ClickHouse did not start within {seconds} s; the log in the data directory says more"
        ))
    };
    tokio::time::timeout(START_LIMIT, waiting)
        .await
        .map_err(too_long)?
}

async fn say_ready(client: &Client, api: &str, token: &str) -> Result<(), CliError> {
    let login = client.warehouse().await.map_err(failed)?;
    let me = client.me().await.map_err(failed)?;
    let ready = Ready {
        api: api.to_owned(),
        token: token.to_owned(),
        clickhouse: login.url,
        clickhouse_user: login.user,
        clickhouse_password: login.password,
        project: me.project.key.to_string(),
    };
    let line = serde_json::to_string(&ready).map_err(failed)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| failed(format!("cannot write to standard output: {error}")))
}
