//! `splitdeck engine`.

use super::CliError;

/// Arguments of `splitdeck engine`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `splitdeck engine`.
///
/// # Errors
/// See [`CliError`].
pub fn run(_args: Args) -> Result<(), CliError> {
    Ok(())
}
