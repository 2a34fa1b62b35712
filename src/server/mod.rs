//! The HTTP API, the configuration store, ingest and jobs.
//!
//! | file | what it does |
//! |---|---|
//! | `router` | all routes with the roles they ask for |
//! | `handlers/` | one file a resource: the request read, the answer written |
//! | `middleware/` | request ids, log, problems, panics, time limit, tokens and roles |
//! | `body` | bodies of SDKs: unpacked, and made sound text |
//! | `extract`, `error` | bodies, queries and errors that name the field |
//! | `registry` | the one way in which configuration changes |
//! | `edit`, `lifecycle`, `diff` | what a change makes of an experiment, and what changed: pure |
//! | `follow` | the transaction that changes go through, and following what other servers change |
//! | `evaluate/` | flags and experiments for SDKs: all at once, exported, and the events of assignments |
//! | `snapshot` | configuration in memory, what assignments are decided from |
//! | `override_table` | the overrides of one experiment in memory |
//! | `overviews` | the live numbers of each project's experiments, counted once for all who ask |
//! | `imports/` | bulk imports of overrides |
//! | `sticky/` | the first variants of sticky experiments |
//! | `served` | what a key that code asks for stands for: a flag, or the experiment that decides it |
//! | `access` | projects, and what opens them: tokens and keys of deployments |
//! | `shelf` | objects in memory by id and by key |
//! | `store/` | configuration on disk or in Postgres |
//! | `jobs/` | what the server does by itself, or when an administrator says so |
//! | `link` | the way to ClickHouse |
//! | `held` | the lock of a directory that is in use |
//! | `listen` | connections: accepted, answered, ended in order |
//! | `ingest/` | events: the durable spool, and its drain into ClickHouse |
//! | `setup` | the first start: project and token |
//! | `stopping` | the end: whatever was sent is answered |

pub mod access;
pub mod body;
pub mod diff;
pub mod edit;
pub mod error;
pub mod evaluate;
pub mod extract;
pub mod follow;
pub mod handlers;
pub mod held;
pub mod imports;
pub mod ingest;
pub mod jobs;
pub mod lifecycle;
pub mod link;
pub mod listen;
pub mod middleware;
pub mod override_table;
pub mod overviews;
pub mod registry;
pub mod router;
pub mod served;
pub mod setup;
pub mod shelf;
pub mod snapshot;
pub mod state;
pub mod sticky;
pub mod stopping;
pub mod store;

use std::fmt;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::experiment::DEFAULT_MAX_VARIANTS;

use evaluate::assigned::Assigned;
use held::{Held, patiently};
use imports::Imports;
use ingest::{Ingest, Visits};
use jobs::runner::{GuardOptions, Runner};
use link::{Link, WhereaboutsWatch};
use middleware::limits::Limits;
use overviews::Overviews;
use registry::Registry;
use setup::ProjectSeed;
use state::{AppState, Parts};
use sticky::Sticky;
use stopping::{Door, Stopping};
use store::{Store, StoreError, StoreUrl};

/// Where events wait, in the data directory.
const SPOOL_DIR: &str = "spool";

/// How long what waits may take to be written or sent when the requests under way took all the time there was.
const LEAST_TO_CLOSE: Duration = Duration::from_secs(1);

/// How the server is run.
#[derive(Clone)]
pub struct Options {
    /// Where the spool, the token and, without an address of its own, the store are kept. Created where it is
    /// missing.
    pub data_dir: PathBuf,
    /// Where the configuration is; SQLite in the data directory where nothing is said.
    pub store: Option<StoreUrl>,
    /// The project of the first start.
    pub project: ProjectSeed,
    /// The admin token; made at the first start where it is missing.
    pub token: Option<String>,
    /// Where ClickHouse is.
    pub warehouse: WhereaboutsWatch,
    /// When the guard looks; never by itself where nothing is said.
    pub guard: GuardOptions,
    /// The most bytes of events that wait for ClickHouse; beyond that tracking is refused with 503.
    pub max_spool_bytes: u64,
    /// The most variants of an experiment.
    pub max_variants: usize,
    /// How much a bulk import of overrides may hold.
    pub import_limits: imports::Limits,
    /// How long after it was applied a bulk import can be undone; for ever where nothing is said.
    pub undo_imports_for: Option<Duration>,
    /// How long a request may take.
    pub time_limit: Duration,
    /// How long a connection may be silent, and how long the head of a request may take.
    pub head_limit: Duration,
    /// How long the server may go on once it is asked to stop: requests that are under way are answered, and what
    /// waits is written and sent with what is left of it, which is a second at least.
    pub drain_limit: Duration,
    /// Whether evaluations are recorded as assignment events.
    pub assignment_events: bool,
    /// Web origins whose pages may evaluate and track: `*` for any.
    pub web_origins: Vec<String>,
    /// Requests for variants that each token and deployment may send a second; 0 is no limit.
    pub assign_per_second: u32,
    /// Requests with events that each token and deployment may send a second; 0 is no limit.
    pub track_per_second: u32,
    /// Whether the traffic is simulated.
    pub demo: bool,
}

impl fmt::Debug for Options {
    /// Without the token, so that it cannot reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("data_dir", &self.data_dir)
            .field("project", &self.project)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The usual settings for a data directory, with ClickHouse where `warehouse` says.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, warehouse: WhereaboutsWatch) -> Self {
        Self {
            data_dir: data_dir.into(),
            store: None,
            project: ProjectSeed::default(),
            token: None,
            warehouse,
            guard: GuardOptions::default(),
            max_spool_bytes: 1 << 30,
            max_variants: DEFAULT_MAX_VARIANTS,
            import_limits: imports::Limits::default(),
            undo_imports_for: Some(imports::UNDO_FOR),
            time_limit: Duration::from_secs(30),
            head_limit: listen::HEAD_LIMIT,
            drain_limit: Duration::from_secs(10),
            assignment_events: true,
            web_origins: vec!["*".to_owned()],
            assign_per_second: 0,
            track_per_second: 0,
            demo: false,
        }
    }
}

/// Why the server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory cannot be used.
    #[error("cannot use the data directory {path}: {source}; check that it exists and is yours")]
    DataDir {
        /// The directory, or the file in it.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The event spool cannot be used.
    #[error(transparent)]
    Spool(#[from] ingest::OpenError),
    /// Another process uses the data directory.
    #[error(
        "the data directory {0} is in use by another splitdeck server; stop it, or name another directory"
    )]
    InUse(PathBuf),
    /// The configuration store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token that was given is no good.
    #[error("the token is not usable: {0}")]
    Token(String),
    /// The listener failed.
    #[error("the server cannot accept connections: {0}")]
    Serve(#[from] std::io::Error),
}

impl ServerError {
    fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse(_))
    }
}

/// A server that is ready to listen.
#[derive(Debug)]
pub struct Server {
    state: AppState,
    time_limit: Duration,
    head_limit: Duration,
    drain_limit: Duration,
    web_origins: Vec<String>,
    data_dir: PathBuf,
    token: setup::AdminToken,
    /// Ended with the server.
    tasks: JoinSet<()>,
    /// Held as long as the server lives: two servers on one directory would not see each other's changes.
    _lock: Held,
}

impl Server {
    /// Opens the data directory, loads the configuration, and seeds project and token at the first start.
    /// Does not wait for ClickHouse.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn open(options: Options) -> Result<Self, ServerError> {
        let lock = patiently(ServerError::is_in_use, || lock(&options.data_dir)).await?;
        let place = options
            .store
            .unwrap_or_else(|| StoreUrl::in_dir(&options.data_dir));
        let store = Store::open(&place).await?;
        let admin = setup::run(&store, &options.data_dir, &options.project, options.token).await?;
        let sticky = Sticky::load(&store).await?;
        let registry = Registry::load(store, options.max_variants).await?;
        let link = Link::new(options.warehouse);
        let spool = ingest::Options {
            max_bytes: options.max_spool_bytes,
            ..ingest::Options::new(options.data_dir.join(SPOOL_DIR))
        };
        let ingest = patiently(ingest::OpenError::is_in_use, || Ingest::open(&spool)).await?;
        let visits = Visits::load(&options.data_dir, registry::now().as_millisecond());
        let assigned = Assigned::start(ingest.clone(), options.assignment_events);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&link).keep());
        if registry.store().is_shared() {
            tasks.spawn(Arc::clone(&registry).follow());
            tasks.spawn(Arc::clone(&sticky).follow(Arc::clone(&registry)));
        }
        tasks.spawn(Arc::clone(&sticky).keep(Arc::clone(&registry)));
        tasks.spawn(Arc::clone(&sticky).sweep(Arc::clone(&registry)));
        tasks.spawn(Arc::clone(&visits).keep(options.data_dir.clone()));
        tasks.spawn(imports::sweep(Arc::clone(&registry), options.undo_imports_for));
        let runner = Runner::new(Arc::clone(&registry), Arc::clone(&link), options.guard);
        tasks.spawn(Arc::clone(&runner).keep());
        Ok(Self {
            state: AppState::new(Parts {
                registry,
                link,
                ingest,
                visits,
                runner,
                imports: Imports::new(options.import_limits),
                assigned,
                sticky,
                overviews: Overviews::default(),
                limits: Limits::new(options.assign_per_second, options.track_per_second),
                demo: options.demo,
            }),
            time_limit: options.time_limit,
            head_limit: options.head_limit,
            drain_limit: options.drain_limit,
            web_origins: options.web_origins,
            data_dir: options.data_dir,
            token: admin,
            tasks,
            _lock: lock,
        })
    }

    /// Where the admin token is to be had.
    #[must_use]
    pub fn admin_token(&self) -> &setup::AdminToken {
        &self.token
    }

    /// What the handlers reach.
    #[must_use]
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Answers requests until `shutdown` is ready; then takes no new connections, and ends when everything that
    /// was sent on those there are is answered, or after the drain limit.
    ///
    /// # Errors
    /// [`ServerError::Serve`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "listening beyond this machine without TLS: tokens and data cross the network readable; \
                 put a TLS proxy in front"
            );
        }
        let ingest = self.state.ingest().clone();
        tokio::spawn(ingest.drain(self.state.link().watch()));
        let stopping = Arc::new(Stopping::default());
        let router = router::router(self.state.clone(), self.time_limit, &self.web_origins)
            .layer(from_fn_with_state(Arc::clone(&stopping), stopping::last_answers));
        let door = Door::new(listener, Arc::clone(&stopping))?;
        let asked = Arc::clone(&stopping);
        let serving = listen::answer(door, router, self.head_limit, async move {
            shutdown.await;
            tracing::info!("stopping: requests under way are answered");
            asked.begin();
            asked.lull().await;
        });
        let drain_limit = self.drain_limit;
        tokio::select! {
            () = serving => {}
            () = async { stopping.asked().await; tokio::time::sleep(drain_limit).await } => {
                tracing::warn!("some requests did not end in time and are cut off");
            }
        }
        let asked_at = stopping.asked_at().unwrap_or_else(Instant::now);
        self.close(asked_at + drain_limit).await;
        Ok(())
    }

    /// Ends what runs beside the requests, and closes the store.
    async fn close(mut self, until: Instant) {
        let left = || {
            until
                .saturating_duration_since(Instant::now())
                .max(LEAST_TO_CLOSE)
        };
        self.state.assigned().flush().await;
        self.state.visits().write(&self.data_dir).await;
        let registry = self.state.registry();
        // Before the events, which are on the disk.
        self.state.sticky().flush(registry, left()).await;
        // While the link is there still: what was accepted is sent as far as ClickHouse takes it.
        self.state.ingest().shutdown(left()).await;
        self.tasks.shutdown().await;
        self.state.runner().give_back().await;
        registry.close().await;
    }
}

/// Opens the server and answers requests on `listener` until `shutdown` is ready.
///
/// # Errors
/// See [`ServerError`].
pub async fn launch(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    Server::open(options).await?.serve(listener, shutdown).await
}

/// Creates the directory, for its owner only, and takes its lock.
fn lock(dir: &Path) -> Result<Held, ServerError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = dir.join("server.lock");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ServerError::DataDir { path, source }
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir).map_err(failed(dir))?;
    let file = held::open(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Held::new(file)),
        Err(TryLockError::WouldBlock) => Err(ServerError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}
