//! `splitdeck calc`.

use super::CliError;

/// Arguments of `splitdeck calc`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `splitdeck calc`.
///
/// # Errors
/// See [`CliError`].
pub fn run(_args: &Args) -> Result<(), CliError> {
    Ok(())
}
