//! `splitdeck engine`: the embedded ClickHouse by itself.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use super::output::{print, print_json, remark};
use super::progress::Bar;
use crate::config::Paths;
use crate::engine::child::{self, Body, Role};
use crate::engine::install::{Presence, install, presence, verify};
use crate::engine::{
    Address, COCKPIT, Engine, EngineState, Login, Options, Quiet, SERVER, Source, binary, inspect, package,
    write_private,
};

/// Arguments of `splitdeck engine`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Bring the engine's library by npm into the cache directory, unless it is there.
    Install,
    /// Run the engine in the foreground until Ctrl-C.
    Run(RunArgs),
    /// Tell what is installed and what runs.
    Status(StatusArgs),
    /// The engine's own process; started by its supervisor.
    #[command(hide = true)]
    Child(ChildArgs),
}

/// Arguments of `splitdeck engine run`.
#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Port on 127.0.0.1; any free one by default.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Print one JSON object instead of a sentence.
    #[arg(long)]
    json: bool,
}

/// Arguments of `splitdeck engine status`.
#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Read all of the library and compare it with its checksum.
    #[arg(long)]
    verify: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Where the engine and its data are.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    /// Data directory of splitdeck; the engine's tables are in `engine` below it.
    #[arg(long, value_name = "DIR", env = "SPLITDECK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// A `clickhouse` binary, 26.6 or later, to run instead of the library.
    #[arg(long, value_name = "FILE", env = binary::VARIABLE)]
    engine_binary: Option<PathBuf>,
}

/// Arguments of the hidden role.
#[derive(Debug, clap::Args)]
struct ChildArgs {
    #[arg(long, required_unless_present = "binary")]
    library: Option<PathBuf>,
    #[arg(long, conflicts_with = "library")]
    binary: Option<PathBuf>,
    #[arg(long)]
    lock: PathBuf,
    #[arg(long)]
    writable: Vec<PathBuf>,
    #[arg(long)]
    readable: Vec<PathBuf>,
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs `splitdeck engine`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args) -> Result<(), CliError> {
    match args.command {
        Command::Install => install_library(),
        Command::Run(args) => foreground(&args),
        Command::Status(args) => status(&args),
        Command::Child(args) => child(args),
    }
}

/// Where the engine comes from: the binary that the user names, else the library in the user's engine
/// directory, installed when it is missing. Never one for want of the other.
///
/// # Errors
/// The binary is not there.
pub fn source(engine_binary: Option<&Path>, paths: &Paths) -> Result<Source, CliError> {
    match engine_binary {
        Some(name) => {
            let found = binary::find(name, std::env::var_os("PATH").as_deref()).map_err(failed)?;
            Ok(Source::Binary(found))
        }
        None => Ok(Source::Library {
            dir: paths.engine.clone(),
            install: true,
        }),
    }
}

fn paths() -> Result<Paths, CliError> {
    Paths::from_env().map_err(|error| CliError::Usage(error.to_string()))
}

fn failed(error: impl ToString) -> CliError {
    CliError::Failed(error.to_string())
}

impl PlaceArgs {
    fn data_dir(&self) -> Result<PathBuf, CliError> {
        let dir = match &self.data_dir {
            Some(dir) => dir.clone(),
            None => paths()?.data,
        };
        Ok(dir.join("engine"))
    }
}

/// One line, so that a reader knows where the object ends while this program goes on.
fn json_line(value: &impl Serialize) -> Result<(), CliError> {
    print(&format!(
        "{}
",
        serde_json::to_string(value).map_err(failed)?
    ))
}

fn install_library() -> Result<(), CliError> {
    let dir = paths()?.engine;
    let package = package().map_err(failed)?;
    let bar = Bar::new();
    let installed = install(&dir, &package, &bar);
    bar.finish();
    let installed = installed.map_err(failed)?;
    print(&format!(
        "{} {} is installed: {}\n",
        installed.package,
        installed.version,
        installed.library.display()
    ))
}

/// What `engine run` tells; secrets are in the file only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Running<'a> {
    #[serde(flatten)]
    address: &'a Address,
    credentials: &'a Path,
}

/// The credentials file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credentials<'a> {
    http_url: &'a str,
    users: Vec<Credential<'a>>,
}

#[derive(Serialize)]
struct Credential<'a> {
    user: &'a str,
    password: &'a str,
}

fn foreground(args: &RunArgs) -> Result<(), CliError> {
    let mut options = Options::new(
        source(args.place.engine_binary.as_deref(), &paths()?)?,
        args.place.data_dir()?,
    );
    options.http_port = args.port;
    let credentials = options.data_dir.join("credentials.json");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let result = runtime.block_on(until_signal(options, &credentials, args.json));
    match std::fs::remove_file(&credentials) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound && result.is_ok() => Err(
            CliError::Failed(format!("cannot remove {}: {error}", credentials.display())),
        ),
        _ => result,
    }
}

async fn until_signal(options: Options, credentials: &Path, as_json: bool) -> Result<(), CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let engine = Engine::launch(options).map_err(failed)?;
    let bar = Bar::new();
    let told = tokio::select! {
        told = tell(&engine, &bar, credentials, as_json) => told,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    bar.finish();
    engine.shutdown().await;
    told
}

/// Tells each change of the engine's state until it fails.
async fn tell(engine: &Engine, bar: &Bar, credentials: &Path, as_json: bool) -> Result<(), CliError> {
    let mut state = engine.state();
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            EngineState::Installing(step) => crate::engine::Progress::report(bar, step),
            EngineState::Starting => bar.finish(),
            EngineState::Ready(address) => {
                bar.finish();
                write_credentials(credentials, &address, [engine.server(), engine.cockpit()])?;
                if as_json {
                    json_line(&Running {
                        address: &address,
                        credentials,
                    })?;
                } else {
                    print(&format!("{}\n", sentence(&address, credentials)))?;
                }
            }
            EngineState::Restarting { after, why, .. } => {
                remark(&format!("{why}\nStarting it again in {after:.1?}."));
            }
            EngineState::Failed { .. } | EngineState::Stopped => {
                return engine.ready().await.map(|_| ()).map_err(failed);
            }
        }
        if state.changed().await.is_err() {
            return Err(CliError::Failed(
                "the engine's supervisor ended without a word".to_owned(),
            ));
        }
    }
}

fn sentence(address: &Address, credentials: &Path) -> String {
    let open = if address.confined {
        ""
    } else {
        " · this system cannot confine it: both users can read your files by the function file()"
    };
    format!(
        "ClickHouse {} at {} · users {SERVER} and {COCKPIT}, passwords in {}{open}",
        address.version,
        address.http_url,
        credentials.display()
    )
}

fn write_credentials(path: &Path, address: &Address, logins: [&Login; 2]) -> Result<(), CliError> {
    let users = logins.map(|login| Credential {
        user: &login.user,
        password: &login.password,
    });
    let credentials = Credentials {
        http_url: &address.http_url,
        users: users.into(),
    };
    let text = serde_json::to_vec_pretty(&credentials).map_err(failed)?;
    write_private(path, &text)
        .map_err(|error| CliError::Failed(format!("cannot write {}: {error}", path.display())))
}

/// What `engine status` tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// `library` or `binary`: what `engine run` would use.
    uses: &'static str,
    library: LibraryStatus,
    /// The binary that is named, with its version or what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<BinaryStatus>,
    data_dir: PathBuf,
    /// The process that uses the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_use_by: Option<String>,
    /// Where its engine is, once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<Address>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LibraryStatus {
    /// `installed`, `missing`, `damaged` or `unsupported`.
    status: &'static str,
    /// Whether all of it was read and compared with its checksum just now.
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha512: Option<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BinaryStatus {
    path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

fn status(args: &StatusArgs) -> Result<(), CliError> {
    let data_dir = args.place.data_dir()?;
    let (in_use_by, running) = inspect(&data_dir).map_err(failed)?;
    let named = args.place.engine_binary.as_deref();
    let status = Status {
        uses: if named.is_some() { "binary" } else { "library" },
        library: library_status(&paths()?.engine, args.verify)?,
        binary: named.map(binary_status),
        data_dir,
        in_use_by,
        running,
    };
    if args.json {
        print_json(&status)?
    } else {
        print(&format!("{}\n", text(&status)))?
    }
    match &status.library.why {
        Some(why) if args.verify => Err(CliError::Failed(why.clone())),
        _ => Ok(()),
    }
}

fn library_status(dir: &Path, thorough: bool) -> Result<LibraryStatus, CliError> {
    let mut status = LibraryStatus {
        status: "missing",
        verified: false,
        package: None,
        version: None,
        path: None,
        bytes: None,
        sha512: None,
        why: None,
    };
    let package = match package() {
        Ok(package) => package,
        Err(error) => {
            return Ok(LibraryStatus {
                status: "unsupported",
                why: Some(error.to_string()),
                ..status
            });
        }
    };
    status.package = Some(package.name.to_string());
    status.version = Some(package.version.to_string());
    let bar = Bar::new();
    let found = match presence(dir, &package, &Quiet).map_err(failed)? {
        Presence::Installed(_) if thorough => {
            status.verified = true;
            let verified = verify(dir, &package, &bar);
            bar.finish();
            verified.map_err(|error| error.to_string())
        }
        Presence::Installed(installed) => Ok(installed),
        Presence::Damaged { why } => Err(why),
        Presence::Missing if thorough => {
            status.why = Some(format!(
                "the embedded ClickHouse is not installed in {}; run `splitdeck engine install`",
                dir.display()
            ));
            return Ok(status);
        }
        Presence::Missing => return Ok(status),
    };
    match found {
        Ok(installed) => {
            status.status = "installed";
            status.path = Some(installed.library);
            status.bytes = Some(installed.bytes);
            status.sha512 = Some(installed.sha512);
        }
        Err(why) => {
            status.status = "damaged";
            status.why = Some(why);
        }
    }
    Ok(status)
}

fn binary_status(name: &Path) -> BinaryStatus {
    let found = binary::find(name, std::env::var_os("PATH").as_deref());
    let path = found.as_ref().map_or_else(|_| name.to_owned(), Clone::clone);
    match found.and_then(|path| binary::check(&path)) {
        Ok(version) => BinaryStatus {
            path,
            version: Some(version),
            why: None,
        },
        Err(error) => BinaryStatus {
            path,
            version: None,
            why: Some(error.to_string()),
        },
    }
}

fn text(status: &Status) -> String {
    let library = &status.library;
    let name = match (&library.package, &library.version) {
        (Some(package), Some(version)) => format!("{package} {version}"),
        _ => "none".to_owned(),
    };
    let mut lines = vec![match (&library.path, &library.why) {
        (Some(path), _) => {
            let verified = if library.verified { ", checksum right" } else { "" };
            format!(
                "library  {name}: {}{verified}: {}",
                library.status,
                path.display()
            )
        }
        (None, Some(why)) => format!("library  {name}: {}: {why}", library.status),
        (None, None) => format!(
            "library  {name}: {}; `splitdeck engine install` brings it",
            library.status
        ),
    }];
    if let Some(binary) = &status.binary {
        lines.push(match (&binary.version, &binary.why) {
            (Some(version), _) => format!("binary   {} {version}, used instead", binary.path.display()),
            (None, why) => format!("binary   {}", why.as_deref().unwrap_or("unknown")),
        });
    }
    lines.push(format!("data     {}", status.data_dir.display()));
    lines.push(match (&status.in_use_by, &status.running) {
        (Some(holder), Some(address)) => format!(
            "running  ClickHouse {} at {} (process {}{}), started by {holder}",
            address.version,
            address.http_url,
            address.pid,
            if address.confined { "" } else { ", not confined" },
        ),
        (Some(holder), None) => format!("running  not ready; the data directory is used by {holder}"),
        (None, _) => "running  no".to_owned(),
    });
    lines.join("\n")
}

fn child(args: ChildArgs) -> Result<(), CliError> {
    let body = match (args.library, args.binary) {
        (Some(library), None) => Body::Library(library),
        (None, Some(binary)) => Body::Binary(binary),
        _ => return Err(CliError::Usage("name a library or a binary".to_owned())),
    };
    let role = Role {
        body,
        lock: args.lock,
        writable: args.writable,
        readable: args.readable,
        arguments: args.arguments,
    };
    child::run(role).map_err(CliError::Failed)
}
