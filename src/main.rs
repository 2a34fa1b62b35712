//! The `splitdeck` binary: arguments in, exit code out; everything else is in the library.

use std::process::ExitCode;

use splitdeck::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::output::remark(&error.to_string());
            error.exit_code()
        }
    }
}
