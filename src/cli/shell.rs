//! `splitdeck completions` and `splitdeck man`: what a package installs beside the program.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::output::print;
use super::{Cli, CliError};

/// Arguments of `splitdeck completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Arguments of `splitdeck man`.
#[derive(Debug, Clone, clap::Args)]
pub struct ManArgs {
    /// The folder they are written to; made where it is missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Prints the completions of a shell.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "splitdeck", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes a manual page for the program and for each of its commands.
///
/// # Errors
/// When a file cannot be written; it is named.
pub fn man(args: &ManArgs) -> Result<(), CliError> {
    let failed = |path: &Path, error: std::io::Error| {
        CliError::Failed(format!(
            "cannot write {}: {error}; name a folder that can be written",
            path.display()
        ))
    };
    std::fs::create_dir_all(&args.dir).map_err(|error| failed(&args.dir, error))?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(|error| failed(&args.dir, error))?;
    print(&format!(
        "the manual is in {}; `man -l {}` shows it\n",
        args.dir.display(),
        args.dir.join("splitdeck.1").display()
    ))
}
