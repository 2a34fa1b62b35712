//! `splitdeck completions` and `splitdeck man`: what a package installs beside the program.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::output::{print, print_as_is};
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
    print_as_is(&String::from_utf8_lossy(&script))
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
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, &args.dir).map_err(|error| failed(&args.dir, error))?;
    print(&format!(
        "the manual is in {}; `man -l {}` shows it\n",
        args.dir.display(),
        args.dir.join("splitdeck.1").display()
    ))
}

/// What stands in the middle of the head of a page: that of `man` itself is so long that the titles on both sides of it
/// are written over one another.
const MANUAL: &str = "splitdeck";

/// Writes the page of a command and those of the commands below it.
fn pages(command: &clap::Command, dir: &Path) -> std::io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, dir)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    // The head has it twice, left and right; the whole name stands below NAME.
    let title = name.strip_prefix("splitdeck-").unwrap_or(name);
    clap_mangen::Man::new(command.clone())
        .title(title)
        // An empty one would be left out, and what follows would stand in its place.
        .date(" ")
        .source(concat!("splitdeck ", env!("CARGO_PKG_VERSION")))
        .manual(MANUAL)
        .generate_to(dir)?;
    Ok(())
}
