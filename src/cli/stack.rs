//! The whole back end in one process: the embedded ClickHouse (or the operator's own) and the server,
//! started together and ended in the right order. Used by `serve` and by the demo.

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::system::WarehouseLogin;
use crate::engine::{self, Engine, EngineError, EngineState, Step};
use crate::server::link::{Access, Whereabouts};
use crate::server::{self, Server, ServerError};
use crate::telemetry;
use crate::warehouse::Login;

/// Which ClickHouse is used.
#[derive(Debug, Clone)]
pub enum ClickHouse {
    /// The embedded one, started and ended with the server.
    Embedded(Box<engine::Options>),
    /// One that runs anyway.
    Own(Box<Access>),
}

/// Why the stack cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The embedded ClickHouse cannot be supervised.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The server cannot start or go on.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// A back end that is ready to listen.
#[derive(Debug)]
pub struct Stack {
    server: Server,
    engine: Option<Engine>,
}

impl Stack {
    /// Opens the server and launches the engine, without waiting for ClickHouse: the server does without it
    /// until it is there. `options.warehouse` is set here.
    ///
    /// # Errors
    /// See [`StackError`].
    pub async fn open(mut options: server::Options, clickhouse: ClickHouse) -> Result<Self, StackError> {
        allow_all_files();
        let engine = match clickhouse {
            ClickHouse::Own(access) => {
                keep_secrets(&access);
                options.warehouse = watch::channel(Whereabouts::At(access)).1;
                None
            }
            ClickHouse::Embedded(engine) => {
                let database = engine.databases.first().cloned().unwrap_or_default();
                let engine = Engine::launch(*engine)?;
                options.warehouse = follow(&engine, database);
                Some(engine)
            }
        };
        let opened = Server::open(options).await;
        match (opened, engine) {
            (Ok(server), engine) => Ok(Self { server, engine }),
            (Err(error), None) => Err(error.into()),
            (Err(error), Some(engine)) => {
                // Its data directory is free again by the time the error is told.
                engine.shutdown().await;
                Err(error.into())
            }
        }
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What the embedded engine is doing; none where ClickHouse is the operator's own.
    #[must_use]
    pub fn engine(&self) -> Option<watch::Receiver<EngineState>> {
        self.engine.as_ref().map(Engine::state)
    }

    /// Answers requests until `shutdown` is ready; then ends the server, and after it the engine.
    ///
    /// # Errors
    /// [`StackError::Server`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), StackError> {
        if let Some(mut state) = self.engine() {
            let ingest = self.server.state().ingest().clone();
            // Events that wait need not wait out a pause once a restarted engine answers.
            tokio::spawn(async move {
                while state.changed().await.is_ok() {
                    if matches!(*state.borrow_and_update(), EngineState::Ready(_)) {
                        ingest.poke();
                    }
                }
            });
        }
        let served = self.server.serve(listener, shutdown).await;
        if let Some(engine) = self.engine {
            engine.shutdown().await;
        }
        Ok(served?)
    }
}

/// Lets this process, and the engine after it, open as many files as the system allows them: each connection is
/// one, and the usual limit of 1,024 is meant for programs that use `select`.
fn allow_all_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, ?current, ?maximum, "cannot raise the limit of open files");
    }
}

fn keep_secrets(access: &Access) {
    telemetry::keep_secret(&access.server.password);
    if let Some(cockpit) = &access.cockpit {
        telemetry::keep_secret(&cockpit.password);
    }
}

/// Tells the server where the engine is.
fn follow(engine: &Engine, database: String) -> watch::Receiver<Whereabouts> {
    let (server, cockpit) = (engine.server().clone(), engine.cockpit().clone());
    let mut state = engine.state();
    let (sender, receiver) = watch::channel(Whereabouts::Nowhere("ClickHouse is being started".to_owned()));
    let at = move |url: &str| Access {
        server: Login::new(url, &database, &server.user, &server.password),
        cockpit: Some(WarehouseLogin {
            url: url.to_owned(),
            database: database.clone(),
            user: cockpit.user.clone(),
            password: cockpit.password.clone(),
        }),
    };
    keep_secrets(&at(""));
    tokio::spawn(async move {
        let mut here: Option<String> = None;
        let mut told = String::new();
        loop {
            let now = state.borrow_and_update().clone();
            match &now {
                // Also at the address that it had before.
                EngineState::Ready(address) if here.as_deref() != Some(&address.http_url) => {
                    sender.send_replace(Whereabouts::At(Box::new(at(&address.http_url))));
                    here = Some(address.http_url.clone());
                }
                EngineState::Installing(step) => {
                    let step = installing(step);
                    // Steps come several times a second; the supervisor logs all else that happens.
                    if told != step {
                        tracing::info!("{step}");
                        nowhere(&sender, &mut here, &step);
                        told = step;
                    }
                }
                EngineState::Failed { why } => nowhere(&sender, &mut here, why),
                EngineState::Restarting { attempt, why, .. } => {
                    // Its last words are in the log.
                    let why = why.lines().next().unwrap_or_default();
                    let why = format!("ClickHouse is started again (attempt {attempt}): {why}");
                    nowhere(&sender, &mut here, &why);
                }
                EngineState::Ready(_) | EngineState::Starting | EngineState::Stopped => {}
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn nowhere(sender: &watch::Sender<Whereabouts>, here: &mut Option<String>, why: &str) {
    *here = None;
    sender.send_replace(Whereabouts::Nowhere(why.to_owned()));
}

fn installing(step: &Step) -> String {
    let doing = match step {
        Step::Waiting { .. } => "waiting for another process that installs it",
        Step::Replacing { .. } => "what was there is replaced",
        Step::Downloading { .. } => "npm is bringing it",
        Step::Checking { .. } => "its checksum is compared",
        Step::Unpacking { .. } => "it is unpacked",
    };
    format!("ClickHouse is being installed: {doing}")
}
