//! The command line: arguments and the headless commands, one file per noun.
//!
//! Exit codes: 0 done, 1 the work failed, 2 the arguments were wrong.

pub mod audit;
pub mod calc;
pub mod cockpit;
pub mod config;
pub mod demo;
mod demo_backend;
pub mod deployments;
pub mod engine;
pub mod experiments;
pub mod explain;
pub mod flags;
pub mod imports;
pub mod jobs;
pub mod labs;
pub mod output;
pub mod overrides;
pub mod progress;
pub mod projects;
pub mod remote;
pub mod results;
pub mod serve;
pub mod shell;
pub mod stack;
pub mod tokens;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

impl CliError {
    /// The exit code of the process for this failure.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            CliError::Usage(_) => ExitCode::from(2),
            CliError::Failed(_) => ExitCode::from(1),
        }
    }
}

/// Runs one command to its end.
///
/// # Errors
/// What the command could not do, in words for the person who typed it.
pub fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Some(Command::Audit(args)) => audit::run(args),
        Some(Command::Calc(args)) => calc::run(&args),
        Some(Command::Completions(args)) => shell::completions(&args),
        Some(Command::Config(args)) => config::run(args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Deployments(args)) => deployments::run(args),
        Some(Command::Engine(args)) => engine::run(args),
        Some(Command::Experiments(args)) => experiments::run(args),
        Some(Command::Explain(args)) => explain::run(args),
        Some(Command::Flags(args)) => flags::run(args),
        Some(Command::Jobs(args)) => jobs::run(&args),
        Some(Command::Labs(args)) => labs::run(args),
        Some(Command::Man(args)) => shell::man(&args),
        Some(Command::Overrides(args)) => overrides::run(args),
        Some(Command::Projects(args)) => projects::run(args),
        Some(Command::Results(args)) => results::run(args),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Tokens(args)) => tokens::run(args),
        None => cockpit::run(cli.cockpit),
    }
}
