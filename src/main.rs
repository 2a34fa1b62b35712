//! The `splitdeck` binary: arguments in, exit code out; everything else is in the library.

use std::io::Write as _;
use std::process::ExitCode;

use splitdeck::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if standard error itself is gone.
            let _ = writeln!(std::io::stderr(), "splitdeck: {error}");
            error.exit_code()
        }
    }
}
