//! `splitdeck jobs`: runs what a server otherwise does by itself, and tells what was run.

use crate::api::banners::format_p;
use crate::api::jobs::{Jobs, SrmGuardRun, SrmOutcome};

use super::CliError;
use super::output::{Align, Table, print, print_json};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck jobs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// When jobs are due, and their last runs
    List(ListArgs),
    /// Run one job now, and wait for its end
    Run(RunArgs),
}

/// Arguments of `splitdeck jobs list`.
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long)]
    json: bool,
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

/// Runs `splitdeck jobs`. The exit code of `run` is 1 when an experiment could not be tested for want of its
/// counts.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: &Args, session: &Session) -> Result<(), CliError> {
    match &args.command {
        Command::List(args) => list(args, session),
        Command::Run(args) => run_now(args, session),
    }
}

fn list(args: &ListArgs, session: &Session) -> Result<(), CliError> {
    args.remote.run(session, async |client| {
        let jobs = client.jobs().await?;
        if args.json {
            print_json(&jobs)
        } else {
            print(&list_text(&jobs))
        }
    })
}

fn list_text(jobs: &Jobs) -> String {
    let columns = [
        ("JOB", Align::Left),
        ("SCHEDULE", Align::Left),
        ("NEXT", Align::Left),
    ];
    let mut schedules = Table::new(&columns);
    for job in &jobs.schedules {
        let zone = job
            .time_zone
            .as_ref()
            .map_or_else(String::new, |zone| format!(" {zone}"));
        let schedule = job.schedule.as_ref().map(|schedule| format!("{schedule}{zone}"));
        schedules.row([
            job.job.as_str(),
            schedule.as_deref().unwrap_or("off"),
            &job.next_at.map_or_else(|| "-".to_owned(), second),
        ]);
    }
    if jobs.runs.is_empty() {
        return format!("{}\nno runs yet\n", schedules.text());
    }
    let columns = [
        ("JOB", Align::Left),
        ("DUE", Align::Left),
        ("CAUSE", Align::Left),
        ("STATE", Align::Left),
        ("TRIES", Align::Right),
        ("TESTED", Align::Right),
        ("PAUSED", Align::Right),
        ("SERVER", Align::Left),
        ("WHY", Align::Left),
    ];
    let mut runs = Table::new(&columns);
    for run in &jobs.runs {
        let paused = run.experiments.iter().filter(|e| e.outcome == SrmOutcome::Paused);
        let next = run.next_attempt_at.map(|at| format!(" (again {})", second(at)));
        let why = run
            .error
            .as_ref()
            .map(|error| format!("{error}{}", next.unwrap_or_default()));
        runs.row([
            run.job.as_str(),
            &second(run.due_at),
            run.cause.as_str(),
            run.state.as_str(),
            &run.attempts.to_string(),
            &run.experiments.len().to_string(),
            &paused.count().to_string(),
            &run.instance,
            why.as_deref().unwrap_or_default(),
        ]);
    }
    format!("{}\n{}", schedules.text(), runs.text())
}

/// A time to the second, in UTC.
fn second(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn run_now(args: &RunArgs, session: &Session) -> Result<(), CliError> {
    let Job::SrmGuard = args.job;
    args.remote.run(session, async |client| {
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
            &number(|test| format_p(test.p)),
            &number(|test| format!("{:.2}", test.chi_square)),
            checked.why.as_deref().unwrap_or_default(),
        ]);
    }
    table.text()
}
