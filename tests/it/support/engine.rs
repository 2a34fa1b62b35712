//! A real engine for the tests: one for the whole test binary, or one of one's own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use splitdeck::config::Paths;
use splitdeck::engine::{Engine, Login, Options, Source};

/// Databases the shared engine's server user may create.
const DATABASES: usize = 300;

/// The engine of this test binary.
pub struct Shared {
    /// Its HTTP interface.
    pub http_url: String,
    /// The user that owns the databases.
    pub server: Login,
    /// The user that reads `events` and `experiment_events` of each.
    pub cockpit: Login,
    /// Keeps it running: a static is never dropped, and the engine ends with the process.
    _engine: Engine,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let mut options = options(&data_dir());
    options.databases = (0..DATABASES).map(|n| format!("test_{n}")).collect();
    // A runtime of its own: the caller is a test on another one.
    let start = std::thread::spawn(|| block_on(Engine::start(options)));
    let engine = start
        .join()
        .expect("no panic")
        .unwrap_or_else(|error| panic!("no engine to test with: {error}"));
    let address = block_on_elsewhere(&engine);
    Shared {
        http_url: address,
        server: engine.server().clone(),
        cockpit: engine.cockpit().clone(),
        _engine: engine,
    }
});

/// The engine of this test binary, installed and started at the first call, which blocks until it answers.
pub fn shared() -> &'static Shared {
    &SHARED
}

/// The name of a database nobody else in this test binary uses. It does not exist yet; the shared engine's
/// server user may create it.
pub fn fresh_database() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(
        n < DATABASES,
        "raise DATABASES: more than {DATABASES} databases are used"
    );
    format!("test_{n}")
}

/// Options for an engine of one's own in `data_dir`, with the library from the user's cache, installed there if
/// need be, and with the real program.
pub fn options(data_dir: &Path) -> Options {
    let dir = Paths::from_env().expect("the user's directories").engine;
    let mut options = Options::new(Source::Library { dir, install: true }, data_dir);
    options.program = env!("CARGO_BIN_EXE_splitdeck").into();
    options
}

/// Runs one query over HTTP; the answer without its last newline, or what ClickHouse says is wrong.
pub async fn query(http_url: &str, login: &Login, sql: &str) -> Result<String, String> {
    static INSTALLED: LazyLock<()> = LazyLock::new(|| {
        // Only the first one counts, and any is good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    LazyLock::force(&INSTALLED);
    let answer = reqwest::Client::new()
        .post(http_url)
        .header("X-ClickHouse-User", &login.user)
        .header("X-ClickHouse-Key", &login.password)
        .body(sql.to_owned())
        .send()
        .await
        .map_err(|error| format!("{error:?}"))?;
    let good = answer.status().is_success();
    let text = answer
        .text()
        .await
        .map_err(|error| format!("{error:?}"))?
        .trim_end_matches('\n')
        .to_owned();
    if good { Ok(text) } else { Err(text) }
}

/// The data directory of the shared engine, under the build's scratch directory. Those of test runs that have
/// ended are removed: nothing runs at the end of a test binary that could do it then.
fn data_dir() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(scratch)
        .expect("the scratch directory")
        .flatten()
    {
        let is_free = |lock: &str| {
            // No such file means no such process.
            File::open(entry.path().join(lock)).map_or(true, |file| file.try_lock().is_ok())
        };
        if entry.file_name().to_string_lossy().starts_with("engine-")
            && is_free("lock")
            && is_free("engine.lock")
        {
            // Another test binary may remove it at the same time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    scratch.join(format!("engine-{}", std::process::id()))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn block_on_elsewhere(engine: &Engine) -> String {
    std::thread::scope(|scope| {
        scope
            .spawn(|| block_on(engine.ready()).expect("it is ready").http_url)
            .join()
            .expect("no panic")
    })
}
