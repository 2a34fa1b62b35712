//! `splitdeck engine`.

use std::path::PathBuf;

use super::CliError;
use crate::engine::child::{self, Body, Role};

/// Arguments of `splitdeck engine`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The engine's own process; started by the supervisor.
    #[command(hide = true)]
    Child(ChildArgs),
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
        Command::Child(args) => child(args),
    }
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
