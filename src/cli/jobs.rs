//! `splitdeck jobs`: runs what a server otherwise does by itself.

use crate::api::jobs::{SrmGuardRun, SrmOutcome};

use super::CliError;
use super::output::{Align, Table, print, print_json};
use super::remote::Remote;

/// Arguments of `splitdeck jobs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run one job now, and wait for its end
    Run(RunArgs),
}

/// Arguments of `splitdeck jobs run`.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The job
    #[arg(value_enum)]
    job: Job,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Job {
    /// Pause every active experiment whose observed split is not the configured one (p < 0.001)
    SrmGuard,
}

/// Runs `splitdeck jobs`. The exit code is 1 when an experiment could not be tested for want of its counts.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: &Args) -> Result<(), CliError> {
    let Command::Run(args) = &args.command;
    let Job::SrmGuard = args.job;
    args.remote.run(async |client| {
        let run = client.run_srm_guard().await?;
        if args.json {
            print_json(&run)?;
        } else {
            print(&text(&run))?;
        }
        let failed = run.experiments.iter().filter(|e| e.outcome == SrmOutcome::Failed);
        match failed.count() {
            0 => Ok(()),
            n => Err(CliError::Failed(format!(
                "{n} of {} experiments could not be tested; the reasons stand above",
                run.experiments.len()
            ))),
        }
    })
}

fn text(run: &SrmGuardRun) -> String {
    if run.experiments.is_empty() {
        return "no active experiments\n".to_owned();
    }
    let columns = [
        ("EXPERIMENT", Align::Left),
        ("OUTCOME", Align::Left),
        ("P", Align::Right),
        ("CHI-SQUARE", Align::Right),
        ("WHY", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for checked in &run.experiments {
        let number = |pick: fn(&crate::api::results::SrmTest) -> String| {
            checked.test.as_ref().map_or_else(|| "-".to_owned(), pick)
        };
        table.row([
            checked.key.as_str(),
            &checked.outcome.as_str().replace('_', " "),
            &number(|test| format!("{:.3e}", test.p)),
            &number(|test| format!("{:.2}", test.chi_square)),
            checked.why.as_deref().unwrap_or_default(),
        ]);
    }
    table.text()
}
