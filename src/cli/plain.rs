//! The cockpit in plain mode: no screen, no colours, nothing that moves. Lines of text in, lines of text out, for
//! screen readers and terminals that can do no more.
//!
//! Each line that is typed is a headless command, so that everything can be done; `list`, `show KEY` and `watch`
//! are short for the commonest.

use std::io::{BufRead as _, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use jiff::Timestamp;

use super::output::{plain, print};
use super::watch::Watch;
use super::{Cli, CliError};
use crate::api::system::Me;
use crate::client::{Client, Options};
use crate::config::Access;

const HELP: &str = "\
list                  all experiments, what needs somebody first
watch                 the same, then each change as it comes; Enter ends it
show KEY              one experiment
results KEY           its results
insights KEY          its results in words
history KEY           who changed what
overrides list KEY    who is forced into a variant
explain KEY USER      why a user gets a variant
experiments pause KEY, resume, activate, complete: as on the command line
help COMMAND          a command with all its options
quit                  leave; experiments run on
Every other command of splitdeck works as well.
";
/// Time between two looks of `watch`.
const EVERY: Duration = Duration::from_secs(5);

/// How the commands that are typed reach the same server.
pub(super) struct Server {
    /// The server and the token.
    pub access: Access,
    /// Arguments that lead every command there.
    pub arguments: Vec<String>,
    /// Whether plain HTTP to another machine is allowed.
    pub allow_plain_http: bool,
    /// Whether every change is refused.
    pub read_only: bool,
    /// The experiment to begin with.
    pub experiment: Option<String>,
}

/// Runs plain mode until `quit` or the end of the input.
///
/// # Errors
/// When the server cannot be reached at the start, or the terminal is gone.
pub(super) fn run(server: &Server) -> Result<(), CliError> {
    let options = Options {
        allow_plain_http: server.allow_plain_http || server.access.allow_plain_http,
        read_only: server.read_only,
        ..Options::default()
    };
    let access = &server.access;
    let client = Client::new(&access.api, &access.token, options)?.in_project(access.project.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start the runtime: {error}")))?;
    let me = runtime.block_on(client.me())?;
    print(&greeting(server, &me))?;
    let lines = lines();
    let watch = |client: &Client| Watch::new(client.clone(), options.allow_plain_http);
    match &server.experiment {
        Some(key) => typed(server, &["experiments", "show", key].map(str::to_owned))?,
        None => {
            let look = runtime.block_on(watch(&client).look(Timestamp::now()));
            print(&look?.changed_lines())?;
        }
    }
    loop {
        print("> ")?;
        let Ok(line) = lines.recv() else {
            // The end of the input: the next line of the shell begins on a line of its own.
            return print("\n");
        };
        let words = match words(&line) {
            Ok(words) => words,
            Err(why) => {
                print(&format!("error: {why}\n"))?;
                continue;
            }
        };
        let all: Vec<&str> = words.iter().map(String::as_str).collect();
        match all.as_slice() {
            [] => {}
            ["quit" | "exit" | "q"] => return Ok(()),
            ["help" | "?"] => print(HELP)?,
            ["list"] => match runtime.block_on(watch(&client).look(Timestamp::now())) {
                Ok(look) => print(&look.changed_lines())?,
                Err(error) => print(&format!("error: {error}\n"))?,
            },
            ["watch"] => watching(&runtime, &mut watch(&client), &lines)?,
            ["show", key] => typed(server, &["experiments", "show", key].map(str::to_owned))?,
            _ => typed(server, &words)?,
        }
    }
}

/// Where one is.
fn greeting(server: &Server, me: &Me) -> String {
    let read_only = if server.read_only { ", read-only" } else { "" };
    format!(
        "splitdeck at {}, project {}, {}, as {} ({}){read_only}. Type help for the commands, quit to leave.\n",
        server.access.api,
        plain(&me.project.key.to_string()),
        me.project.environment.as_str().to_uppercase(),
        plain(&me.actor),
        me.role.as_str(),
    )
}

/// Lines from standard input, as they come; closed at its end.
fn lines() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Prints what changes until a line is typed.
fn watching(
    runtime: &tokio::runtime::Runtime,
    watch: &mut Watch,
    lines: &Receiver<String>,
) -> Result<(), CliError> {
    let mut lost = false;
    loop {
        match runtime.block_on(watch.look(Timestamp::now())) {
            Ok(look) => {
                lost = false;
                print(&look.changed_lines())?;
            }
            Err(error) if !std::mem::replace(&mut lost, true) => {
                print(&format!("{error}; tried again every {} s\n", EVERY.as_secs()))?;
            }
            Err(_) => {}
        }
        match lines.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Runs what was typed as the command line it is, against the same server.
fn typed(server: &Server, words: &[String]) -> Result<(), CliError> {
    let mut line = vec!["splitdeck".to_owned()];
    line.extend_from_slice(words);
    let root = Cli::command();
    let command = words.first().and_then(|noun| root.find_subcommand(noun));
    // Only commands that speak to a server say which.
    let speaks = command.is_some_and(|c| c.get_arguments().any(|a| a.get_long() == Some("api")));
    if speaks
        && words
            .iter()
            .all(|word| !matches!(word.as_str(), "--help" | "-h" | "help"))
    {
        line.extend_from_slice(&server.arguments);
    }
    let outcome = match Cli::try_parse_from(&line) {
        Ok(Cli {
            command: Some(command),
            ..
        }) => super::run_command(command),
        Ok(_) => Err(CliError::Usage("that is no command; help lists them".to_owned())),
        Err(error) => return print(&error.render().to_string()),
    };
    if let Err(error) = outcome {
        print(&format!("error: {error}\n"))?;
    }
    // What the command printed stands before the next prompt.
    std::io::stdout()
        .flush()
        .map_err(|error| CliError::Failed(format!("cannot write to standard output: {error}")))
}

/// The words of a line: blanks part them, quotes keep them together.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("a quote {quote} is open; close it, or leave it out"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quotes_keep_words_together() {
        let of = |line: &str| words(line).expect("words");
        assert_eq!(of("  show  a-b "), ["show", "a-b"]);
        assert_eq!(
            of("experiments pause k --comment \"it's broken\" ''"),
            ["experiments", "pause", "k", "--comment", "it's broken", ""]
        );
        assert_eq!(of(""), [""; 0]);
        assert!(words("a \"b").is_err());
    }
}
