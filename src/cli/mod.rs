//! The command line: arguments and the headless commands, one file per noun.
//!
//! Exit codes: 0 done, 1 the work failed, 2 the arguments were wrong.

mod arguments;
pub mod audit;
pub mod calc;
pub mod cockpit;
pub mod config;
mod copy;
pub mod demo;
mod demo_backend;
pub mod deployments;
pub mod engine;
pub mod experiments;
pub mod explain;
pub mod flags;
pub mod history;
mod import_list;
pub mod imports;
pub mod jobs;
pub mod labs;
mod life;
pub mod output;
pub mod overrides;
mod plain;
pub mod progress;
pub mod projects;
pub mod remote;
pub mod results;
mod sample_ratio;
pub mod serve;
pub mod shell;
pub mod stack;
pub mod tokens;
mod values;
mod variables;
pub mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use remote::Session;

/// The arguments of the `splitdeck` binary.
#[derive(Debug, Parser)]
#[command(
    name = "splitdeck",
    version,
    about,
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// The cockpit's own arguments.
    #[command(flatten)]
    pub cockpit: cockpit::Args,
    /// What to run; without one the cockpit opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands, one a noun.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who changed what, when, from and to.
    Audit(audit::Args),
    /// Calculators: Bayesian results, sample ratio mismatch, power.
    Calc(calc::Args),
    /// Completions for a shell, to be loaded by it.
    Completions(shell::CompletionsArgs),
    /// The configuration file: check it, print an example, tell where it is.
    Config(config::Args),
    /// Everything at once: engine, server, real and simulated experiments, and the cockpit.
    Demo(demo::Args),
    /// Programs that evaluate and track, and their keys.
    Deployments(deployments::Args),
    /// The embedded ClickHouse: install, run, status.
    Engine(engine::Args),
    /// Experiments of a server: list, show, create, and move through the lifecycle.
    Experiments(experiments::Args),
    /// Which variant a user gets, and why.
    Explain(explain::Args),
    /// Feature flags: list, create, switch, roll out, copy and convert.
    Flags(flags::Args),
    /// Who changed what about an experiment, newest first.
    History(history::HistoryArgs),
    /// The results of an experiment in words.
    Insights(history::InsightsArgs),
    /// Run what a server otherwise does by itself.
    Jobs(jobs::Args),
    /// What experiments are grouped by.
    Labs(labs::Args),
    /// Manual pages, one for each command.
    Man(shell::ManArgs),
    /// Who is forced into a variant.
    Overrides(overrides::Args),
    /// Projects: one product in one environment each.
    Projects(projects::Args),
    /// What an experiment shows so far: rates, posteriors, the split, time series, segments.
    Results(results::Args),
    /// The server: the HTTP API with the embedded ClickHouse, or with one of your own.
    Serve(serve::Args),
    /// Who may do what: make, list and revoke tokens.
    Tokens(tokens::Args),
    /// The list of experiments with its live numbers: everything at first, then what changes.
    Watch(watch::Args),
}

/// A failure that reaches the person at the command line.
///
/// The message says what failed, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments or the input were wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The work itself failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Whoever read what is printed has gone away (`| head`), and so there is nothing left to do: no failure.
    #[error("nobody reads what is printed")]
    NobodyReads,
}

impl CliError {
    /// The exit code of the process for this failure.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            CliError::Usage(_) => ExitCode::from(2),
            CliError::Failed(_) => ExitCode::from(1),
            CliError::NobodyReads => ExitCode::SUCCESS,
        }
    }
}

/// Runs one command to its end.
///
/// # Errors
/// What the command could not do, in words for the person who typed it.
pub fn run(cli: Cli) -> Result<(), CliError> {
    variables_are_text()?;
    let outcome = match cli.command {
        Some(command) => run_command(command, &Session::Alone),
        None => cockpit::run(cli.cockpit),
    };
    match outcome {
        Err(CliError::NobodyReads) => Ok(()),
        other => other,
    }
}

/// A variable of ours that is no text would count as one that is not set, in silence.
fn variables_are_text() -> Result<(), CliError> {
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPLITDECK_"));
    for (name, value) in ours {
        if value.to_str().is_none() {
            let name = name.to_string_lossy();
            return Err(CliError::Usage(format!(
                "{name} holds bytes that are not UTF-8; set it to text, or unset it"
            )));
        }
    }
    Ok(())
}

/// Runs a subcommand to its end. Those that speak to a server speak to that of the session.
fn run_command(command: Command, session: &Session) -> Result<(), CliError> {
    match command {
        Command::Audit(args) => audit::run(args, session),
        Command::Calc(args) => calc::run(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Config(args) => config::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Deployments(args) => deployments::run(args, session),
        Command::Engine(args) => engine::run(args),
        Command::Experiments(args) => experiments::run(args, session),
        Command::Explain(args) => explain::run(args, session),
        Command::Flags(args) => flags::run(args, session),
        Command::History(args) => history::history(args, session),
        Command::Insights(args) => history::insights(args, session),
        Command::Jobs(args) => jobs::run(&args, session),
        Command::Labs(args) => labs::run(args, session),
        Command::Man(args) => shell::man(&args),
        Command::Overrides(args) => overrides::run(args, session),
        Command::Projects(args) => projects::run(args, session),
        Command::Results(args) => results::run(args, session),
        Command::Serve(args) => serve::run(&args),
        Command::Tokens(args) => tokens::run(args, session),
        Command::Watch(args) => watch::run(args, session),
    }
}
