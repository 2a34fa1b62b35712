//! `splitdeck serve`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::system::WarehouseLogin;
use crate::config::file::{ClickHouseConfig, GuardConfig, ServerConfig};
use crate::config::{Config, Paths};
use crate::domain::Key;
use crate::engine::{self, binary};
use crate::server::jobs::runner::GuardOptions;
use crate::server::link::{Access, nowhere};
use crate::server::setup::{AdminToken, ProjectSeed};
use crate::server::store::{PostgresUrl, StoreUrl};
use crate::server::{self, Server, ServerError};
use crate::telemetry::{self, LOG_VARIABLE, Target};
use crate::warehouse::Login;

use super::CliError;
use super::stack::{ClickHouse, Stack, StackError};
use super::values::{self, SQLITE, Wrong};

/// Environment variable with the admin token.
const TOKEN_VARIABLE: &str = "SPLITDECK_TOKEN";
/// Name of the configuration file.
const CONFIG_FILE: &str = "config.toml";

/// Arguments of `splitdeck serve`. Each goes before the configuration file.
///
/// Secrets come from the environment or from files, as an argument could be read by every user of the
/// machine: `SPLITDECK_TOKEN`, `SPLITDECK_CLICKHOUSE_PASSWORD`, `SPLITDECK_CLICKHOUSE_PASSWORD_FILE`, and
/// the same with `READ_` for the user that only reads; `SPLITDECK_STORE_PASSWORD` or
/// `SPLITDECK_STORE_PASSWORD_FILE` for Postgres.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Address and port to listen on; beyond loopback put a TLS proxy in front
    #[arg(long, value_name = "ADDRESS", env = "SPLITDECK_LISTEN")]
    listen: Option<String>,
    /// Where the store, the spool, the token and the embedded engine's tables are kept
    #[arg(long, value_name = "DIR", env = "SPLITDECK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where the configuration is kept: `sqlite` in the data directory, or `postgres://user@host/database`
    #[arg(long, value_name = "URL", env = "SPLITDECK_STORE", hide_env_values = true)]
    store: Option<String>,
    /// A ClickHouse of your own instead of the embedded one
    #[arg(
        long,
        value_name = "URL",
        env = "SPLITDECK_CLICKHOUSE",
        hide_env_values = true
    )]
    clickhouse: Option<String>,
    /// Key of the project that is created at the first start
    #[arg(long, value_name = "KEY", env = "SPLITDECK_PROJECT")]
    project: Option<String>,
    /// Its environment: development, staging or production
    #[arg(long, value_name = "NAME", env = "SPLITDECK_ENVIRONMENT")]
    environment: Option<String>,
    /// Its dangerous actions ask for the experiment's key to be typed
    #[arg(long)]
    protected: bool,
    /// A `clickhouse` binary, 26.6 or later, to run instead of the embedded library
    #[arg(long, value_name = "FILE", env = binary::VARIABLE)]
    engine_binary: Option<PathBuf>,
}

/// Runs `splitdeck serve`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: &Args) -> Result<(), CliError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    telemetry::init(&Target::Stderr, variable(LOG_VARIABLE).as_deref()).map_err(usage)?;
    let paths = Paths::from_env().map_err(usage)?;
    let config = Config::load(&paths.config.join(CONFIG_FILE)).map_err(usage)?;
    let plan = Plan::new(args, &config, &paths, variable)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start the runtime: {error}")))?;
    let served = runtime.block_on(serve(plan));
    leave(runtime);
    served
}

/// Ends a runtime whose work is done. What still computes for a request that was cut off is not waited for.
pub(super) fn leave(runtime: tokio::runtime::Runtime) {
    runtime.shutdown_timeout(Duration::from_secs(1));
}

fn usage(error: impl ToString) -> CliError {
    CliError::Usage(error.to_string())
}

fn failed(error: impl ToString) -> CliError {
    CliError::Failed(error.to_string())
}

/// What is to be run, with all of arguments, environment and file taken together.
#[derive(Debug)]
struct Plan {
    listen: SocketAddr,
    server: server::Options,
    clickhouse: ClickHouse,
}

impl Plan {
    fn new(
        args: &Args,
        config: &Config,
        paths: &Paths,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CliError> {
        let file = &config.server;
        let listen = args.listen.as_ref().unwrap_or(&file.listen);
        let listen = values::listen(listen).map_err(|why| {
            let from = source(
                "--listen",
                "SPLITDECK_LISTEN",
                "[server] listen",
                args.listen.as_deref(),
                &variable,
            );
            usage(format!("{from} {why}"))
        })?;
        if let Some(Wrong {
            path: [section, key],
            why,
        }) = values::limits(config).first()
        {
            return Err(usage(format!("[{section}] {key} = {why}")));
        }
        let data_dir = args.data_dir.as_ref().or(file.data_dir.as_ref());
        let data_dir = data_dir.unwrap_or(&paths.data).clone();
        let mut options = server::Options::new(&data_dir, nowhere("ClickHouse is not started"));
        options.max_variants = file.max_variants;
        options.max_spool_bytes = file.max_spool_mib.saturating_mul(1 << 20);
        options.import_limits.ids = file.max_import_ids;
        options.import_limits.bytes = file.max_import_mib.saturating_mul(1 << 20);
        options.undo_imports_for = match file.undo_imports_days {
            0 => None,
            days => Some(Duration::from_secs(u64::from(days) * 24 * 3600)),
        };
        options.assignment_events = file.assignment_events;
        options.web_origins.clone_from(&file.web_origins);
        options.assign_per_second = file.assign_per_second;
        options.track_per_second = file.track_per_second;
        options.guard = guard(&config.guard)?;
        options.project = seed(args, file, &variable)?;
        options.token = variable(TOKEN_VARIABLE).map(|token| token.trim().to_owned());
        if let Some(token) = &options.token {
            telemetry::keep_secret(token);
        }
        options.store = store(args.store.as_ref().unwrap_or(&file.store), file, &variable)?;
        let url = args.clickhouse.as_ref().or(config.clickhouse.url.as_ref());
        let clickhouse = match url {
            Some(url) => ClickHouse::Own(Box::new(access(url, &config.clickhouse, variable)?)),
            None => {
                let source = super::engine::source(args.engine_binary.as_deref(), paths)?;
                let engine = engine::Options::new(source, data_dir.join("engine"));
                ClickHouse::Embedded(Box::new(engine))
            }
        };
        Ok(Self {
            listen,
            server: options,
            clickhouse,
        })
    }
}

/// Where a value comes from, to be named where it is wrong: the argument, the variable that stands for it, or the file.
fn source<'n>(
    argument: &'n str,
    name: &'n str,
    in_file: &'n str,
    given: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> &'n str {
    match given {
        None => in_file,
        Some(given) if variable(name).is_some_and(|set| set == given) => name,
        Some(_) => argument,
    }
}

fn seed(
    args: &Args,
    file: &ServerConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ProjectSeed, CliError> {
    let key = args.project.as_ref().unwrap_or(&file.project);
    let from = source(
        "--project",
        "SPLITDECK_PROJECT",
        "[server] project",
        args.project.as_deref(),
        &variable,
    );
    let key = Key::new(key.as_str()).map_err(|error| usage(error.named(from)))?;
    let environment = args.environment.as_ref().unwrap_or(&file.environment);
    let environment = values::environment(environment).map_err(|why| {
        let given = args.environment.as_deref();
        let from = source(
            "--environment",
            "SPLITDECK_ENVIRONMENT",
            "[server] environment",
            given,
            &variable,
        );
        usage(format!("{from} {why}"))
    })?;
    Ok(ProjectSeed {
        key: Some(key),
        environment,
        protected: args.protected || file.protected,
    })
}

/// When the guard looks.
fn guard(file: &GuardConfig) -> Result<GuardOptions, CliError> {
    let schedule = values::schedule(file).map_err(|wrong| usage(format!("[guard] {}", wrong.why)))?;
    let interval = values::interval(file);
    Ok(GuardOptions {
        nightly: file.enabled.then_some(schedule),
        continuous: file.continuous.then_some(interval),
        ..GuardOptions::default()
    })
}

/// The store, where it is not SQLite in the data directory.
fn store(
    address: &str,
    file: &ServerConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<StoreUrl>, CliError> {
    if address == SQLITE {
        return Ok(None);
    }
    let password = match variable("SPLITDECK_STORE_PASSWORD") {
        Some(password) => Some(password),
        None => {
            let named = variable("SPLITDECK_STORE_PASSWORD_FILE").map(PathBuf::from);
            let path = named.as_ref().or(file.store_password_file.as_ref());
            path.map(|path| read_secret(path)).transpose()?
        }
    };
    if let Some(password) = &password {
        telemetry::keep_secret(password);
    }
    let url = PostgresUrl::new(address, password.as_deref());
    let url = url.map_err(|error| usage(format!("--store: {error}")))?;
    Ok(Some(StoreUrl::Postgres(url)))
}

/// The operator's own ClickHouse.
fn access(
    url: &str,
    file: &ClickHouseConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Access, CliError> {
    let password = |name: &str, file: Option<&PathBuf>| -> Result<String, CliError> {
        if let Some(password) = variable(name) {
            return Ok(password);
        }
        let named = variable(&format!("{name}_FILE")).map(PathBuf::from);
        match named.as_ref().or(file) {
            Some(path) => read_secret(path),
            None => Ok(String::new()),
        }
    };
    let user = variable("SPLITDECK_CLICKHOUSE_USER").unwrap_or_else(|| file.user.clone());
    let secret = password("SPLITDECK_CLICKHOUSE_PASSWORD", file.password_file.as_ref())?;
    let mut server = Login::new(url, &file.database, user, secret);
    server.allow_plain_http = file.allow_plain_http;
    server.check().map_err(usage)?;
    let reader = variable("SPLITDECK_CLICKHOUSE_READ_USER").or_else(|| file.read_user.clone());
    let cockpit = match reader {
        Some(user) => Some(WarehouseLogin {
            url: url.to_owned(),
            database: file.database.clone(),
            user,
            password: password(
                "SPLITDECK_CLICKHOUSE_READ_PASSWORD",
                file.read_password_file.as_ref(),
            )?,
        }),
        None => None,
    };
    Ok(Access { server, cockpit })
}

fn read_secret(path: &Path) -> Result<String, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        usage(format!(
            "cannot read the password file {}: {error}",
            path.display()
        ))
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

async fn serve(plan: Plan) -> Result<(), CliError> {
    let shutdown = signals()?;
    let listener = TcpListener::bind(plan.listen).await.map_err(|error| {
        failed(format!(
            "cannot listen on {}: {error}; is another server running? name another port with --listen",
            plan.listen
        ))
    })?;
    let address = listener.local_addr().map_err(failed)?;
    let stack = Stack::open(plan.server, plan.clickhouse).await;
    let stack = stack.map_err(|error| match error {
        StackError::Server(ServerError::Token(_)) => usage(format!("{TOKEN_VARIABLE}: {error}")),
        error => failed(error),
    })?;
    say(&address, stack.server())?;
    stack.serve(listener, shutdown).await.map_err(failed)
}

/// Says on standard output where the server is and where its token is; never the token.
fn say(address: &SocketAddr, server: &Server) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let token = match server.admin_token() {
        AdminToken::Given => format!("the one of {TOKEN_VARIABLE}"),
        AdminToken::InFile(path) => format!("in {}", path.display()),
        AdminToken::Elsewhere => {
            format!("made at an earlier start; set {TOKEN_VARIABLE} to replace it if it is lost")
        }
    };
    writeln!(out, "listening on http://{address}\nadmin token: {token}")
        .and_then(|()| out.flush())
        .map_err(|error| failed(format!("cannot write to standard output: {error}")))
}

/// Ready at the first SIGINT, SIGTERM or SIGHUP. The second one ends the process at once.
pub(super) fn signals() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    let listen =
        |kind: SignalKind| signal(kind).map_err(|error| failed(format!("cannot handle signals: {error}")));
    let mut all = [
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
    ];
    Ok(async move {
        any(&mut all).await;
        // Not by the runtime: its threads may all be busy, which may be why there is a second one.
        for kind in [SIGINT, SIGTERM, SIGHUP] {
            if let Err(error) = register_conditional_shutdown(kind, 130, Arc::new(AtomicBool::new(true))) {
                tracing::warn!(%error, "a second signal will not end the server at once");
            }
        }
    })
}

async fn any([interrupt, terminate, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;
    use crate::engine::Source;

    fn plan(args: &Args, config: &str, set: &[(&str, &str)]) -> Result<Plan, CliError> {
        let config = Config::parse(config, Path::new("config.toml")).expect("a configuration");
        let moved = |name: &str| name.ends_with("_DIR").then(|| format!("/nowhere/{name}").into());
        let paths = Paths::new(moved).expect("paths");
        let value = |name: &str| set.iter().find(|(key, _)| *key == name);
        Plan::new(args, &config, &paths, |name| {
            value(name).map(|(_, v)| (*v).to_owned())
        })
    }

    fn own(plan: Plan) -> Access {
        match plan.clickhouse {
            ClickHouse::Own(access) => *access,
            ClickHouse::Embedded(_) => panic!("not the operator's own"),
        }
    }

    #[test]
    fn without_a_word_it_is_loopback_and_the_embedded_engine() {
        let plan = plan(&Args::default(), "", &[]).expect("a plan");
        assert_eq!(plan.listen.to_string(), "127.0.0.1:8620");
        assert_eq!(plan.server.data_dir, Path::new("/nowhere/SPLITDECK_DATA_DIR"));
        assert_eq!(plan.server.project.key, Key::new("default").ok());
        assert_eq!(plan.server.token, None);
        let ClickHouse::Embedded(engine) = plan.clickhouse else {
            panic!("the embedded one");
        };
        assert_eq!(engine.data_dir, Path::new("/nowhere/SPLITDECK_DATA_DIR/engine"));
        let dir = PathBuf::from("/nowhere/SPLITDECK_ENGINE_DIR");
        assert_eq!(engine.source, Source::Library { dir, install: true });
    }

    #[test]
    fn arguments_go_before_the_file() {
        let config = "[server]\nlisten = \"127.0.0.1:1\"\ndata_dir = \"/file\"\nproject = \"file\"\n\
                      environment = \"staging\"\nmax_variants = 6\nmax_spool_mib = 2\n";
        let from_file = plan(&Args::default(), config, &[]).expect("a plan");
        assert_eq!(from_file.listen.port(), 1);
        assert_eq!(from_file.server.data_dir, Path::new("/file"));
        assert_eq!(from_file.server.project.environment, Environment::Staging);
        assert_eq!(from_file.server.max_variants, 6);
        assert_eq!(from_file.server.max_spool_bytes, 2 << 20);
        let args = Args {
            listen: Some("[::1]:2".into()),
            data_dir: Some("/argument".into()),
            project: Some("shop-prod".into()),
            environment: Some("production".into()),
            protected: true,
            ..Args::default()
        };
        let plan = plan(&args, config, &[("SPLITDECK_TOKEN", " a-token-of-my-own\n")]).expect("a plan");
        assert_eq!(plan.listen.to_string(), "[::1]:2");
        assert_eq!(plan.server.data_dir, Path::new("/argument"));
        assert_eq!(plan.server.project.key, Key::new("shop-prod").ok());
        assert_eq!(plan.server.project.environment, Environment::Production);
        assert!(plan.server.project.protected);
        assert_eq!(plan.server.token.as_deref(), Some("a-token-of-my-own"));
    }

    #[test]
    fn passwords_come_from_the_environment_or_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("password");
        std::fs::write(&file, " from a file \n").expect("written");
        let path = file.to_str().expect("text");
        let config = format!(
            "[clickhouse]\nurl = \"https://ch.example:8443\"\nread_user = \"reader\"\nread_password_file = \"{path}\"\n"
        );
        let access = own(plan(
            &Args::default(),
            &config,
            &[("SPLITDECK_CLICKHOUSE_PASSWORD_FILE", path)],
        )
        .expect("a plan"));
        assert_eq!(
            (access.server.user.as_str(), access.server.password.as_str()),
            ("splitdeck", " from a file ")
        );
        let cockpit = access.cockpit.expect("a reader");
        assert_eq!(
            (cockpit.user.as_str(), cockpit.password.as_str()),
            ("reader", " from a file ")
        );
        let set = [
            ("SPLITDECK_CLICKHOUSE_USER", "u"),
            ("SPLITDECK_CLICKHOUSE_PASSWORD", "p"),
            ("SPLITDECK_CLICKHOUSE_READ_PASSWORD", "r"),
        ];
        let args = Args {
            clickhouse: Some("http://127.0.0.1:8123".into()),
            ..Args::default()
        };
        let access = own(plan(&args, &config, &set).expect("a plan"));
        assert_eq!(access.server.url, "http://127.0.0.1:8123");
        assert_eq!(
            (access.server.user.as_str(), access.server.password.as_str()),
            ("u", "p")
        );
        assert_eq!(access.cockpit.expect("a reader").password, "r");
    }

    #[test]
    fn the_guard_looks_at_night_unless_told_otherwise() {
        let guard = |config: &str| plan(&Args::default(), config, &[]).map(|plan| plan.server.guard);
        let usual = guard("").expect("a plan");
        assert_eq!(usual.nightly.expect("a schedule").to_string(), "0 2 * * *");
        assert_eq!(usual.continuous, None);
        let other = guard(
            "[guard]\nschedule = \"30 3 * * 1-5\"\ntime_zone = \"Europe/Berlin\"\ncontinuous = true\ninterval_s = 60\n",
        );
        let other = other.expect("a plan");
        assert_eq!(other.nightly.expect("a schedule").zone_name(), "Europe/Berlin");
        assert_eq!(other.continuous, Some(Duration::from_secs(60)));
        assert!(
            guard("[guard]\nenabled = false\n")
                .expect("a plan")
                .nightly
                .is_none()
        );
        for (config, named) in [
            ("schedule = \"nightly\"", "schedule \"nightly\""),
            ("enabled = false\nschedule = \"0 0 30 2 *\"", "never comes true"),
            ("time_zone = \"Berlin\"", "time_zone \"Berlin\""),
            ("interval_s = 1", "interval_s = 1"),
        ] {
            let error = guard(&format!("[guard]\n{config}\n"))
                .expect_err("refused")
                .to_string();
            assert!(error.contains("[guard]") && error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_password_of_postgres_is_no_argument() {
        let with = |store: &str, config: &str, set: &[(&str, &str)]| {
            let args = Args {
                store: (!store.is_empty()).then(|| store.to_owned()),
                ..Args::default()
            };
            plan(&args, config, set).map(|plan| plan.server.store)
        };
        assert_eq!(with("", "", &[]).expect("a plan"), None);
        assert_eq!(
            with("sqlite", "[server]\nstore = \"postgres:///x\"\n", &[]).expect("a plan"),
            None
        );
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("password");
        std::fs::write(&file, "from-a-file\n").expect("written");
        let config = format!(
            "[server]\nstore = \"postgres://me@db/x\"\nstore_password_file = \"{}\"\n",
            file.display()
        );
        let store = |password| PostgresUrl::new("postgres://me@db/x", Some(password)).map(StoreUrl::Postgres);
        assert_eq!(with("", &config, &[]).expect("a plan"), store("from-a-file").ok());
        let set = [("SPLITDECK_STORE_PASSWORD", "from-the-environment")];
        assert_eq!(
            with("", &config, &set).expect("a plan"),
            store("from-the-environment").ok()
        );
        for (address, named) in [
            ("postgres://me:secret@db/x", "SPLITDECK_STORE_PASSWORD"),
            ("mysql://db/x", "postgres://user@host/database"),
            ("/a/file", "postgres://user@host/database"),
        ] {
            let message = with(address, "", &[]).expect_err("refused").to_string();
            assert!(
                message.contains("--store") && message.contains(named),
                "{message}"
            );
            assert!(!message.contains("secret"), "{message}");
        }
        let missing = with(
            "postgres://me@db/x",
            "",
            &[("SPLITDECK_STORE_PASSWORD_FILE", "/no/such/file")],
        );
        assert!(
            missing
                .expect_err("refused")
                .to_string()
                .contains("/no/such/file")
        );
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_name() {
        let with = |change: fn(&mut Args)| {
            let mut args = Args::default();
            change(&mut args);
            plan(&args, "", &[]).expect_err("refused").to_string()
        };
        for (message, named) in [
            (with(|a| a.listen = Some("8620".into())), "--listen 8620"),
            (with(|a| a.project = Some("two words".into())), "--project"),
            (
                with(|a| a.environment = Some("prod".into())),
                "--environment prod",
            ),
            (
                with(|a| a.clickhouse = Some("http://ch.example:8123".into())),
                "plain HTTP",
            ),
            (with(|a| a.clickhouse = Some("ch:8123".into())), "http"),
            (
                with(|a| a.engine_binary = Some("/no/such/binary".into())),
                "/no/such/binary",
            ),
        ] {
            assert!(message.contains(named), "{message}");
        }
        let missing = [("SPLITDECK_CLICKHOUSE_PASSWORD_FILE", "/no/such/file")];
        let config = "[clickhouse]\nurl = \"https://ch.example\"\n";
        let error = plan(&Args::default(), config, &missing).expect_err("refused");
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}
