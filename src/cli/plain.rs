//! The cockpit in plain mode: no screen, no colours, nothing that moves. Lines of text in, lines of text out, for
//! screen readers and terminals that can do no more.
//!
//! Each line that is typed is a headless command, so that everything can be done; `list`, `show KEY` and `watch`
//! are short for the commonest.

use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};

use jiff::Timestamp;

use super::output::{plain, stream};
use super::remote::{Server, Session, runtime};
use super::watch::{self, Watch};
use super::{Cli, CliError, Command};
use crate::api::system::Me;

const HELP: &str = "\
list                  all experiments, what needs somebody first
watch                 the same, then each change as it comes; Enter ends it
show KEY              one experiment
results KEY           its results
insights KEY          its results in words
history KEY           who changed what
overrides list KEY    who is forced into a variant
explain KEY --user ID why a user gets a variant
experiments pause KEY, resume, activate, complete: as on the command line
help COMMAND          a command with all its options
quit                  leave; experiments run on
Every other command of splitdeck works as well.
";
/// Runs plain mode until `quit`, the end of the input, or nobody reads what it prints. It begins with a command,
/// or with the list.
///
/// # Errors
/// When the server cannot be reached at the start, or the terminal is gone.
pub(super) fn run(server: Server, first: Option<&[&str]>) -> Result<(), CliError> {
    let client = server.client()?;
    let runtime = runtime()?;
    let me = runtime.block_on(client.me())?;
    stream(&greeting(&server, &me))?;
    let allow_plain_http = server.allow_plain_http;
    let session = Session::Of(server);
    let mut lines = Lines::new();
    match first {
        Some(words) => typed(&session, words, &mut lines)?,
        None => {
            let mut watch = Watch::new(client, allow_plain_http);
            let look = runtime.block_on(watch.look(Timestamp::now()));
            stream(&look?.changed_lines())?;
        }
    }
    loop {
        stream("> ")?;
        let Some(line) = lines.next() else {
            // The end of the input: the next line of the shell begins on a line of its own.
            return stream("\n");
        };
        let words = match words(&line) {
            Ok(words) => words,
            Err(why) => {
                stream(&format!("error: {why}\n"))?;
                continue;
            }
        };
        let all: Vec<&str> = words.iter().map(String::as_str).collect();
        match all.as_slice() {
            [] => {}
            ["quit" | "exit" | "q"] => return Ok(()),
            ["help" | "?"] => stream(HELP)?,
            // The words of the cockpit's screens, and what may follow them.
            ["list", rest @ ..] => {
                let words = [&["watch", "--once"], rest].concat();
                typed(&session, &words, &mut lines)?;
            }
            ["show", rest @ ..] => {
                let words = [&["experiments", "show"], rest].concat();
                typed(&session, &words, &mut lines)?;
            }
            _ => typed(&session, &all, &mut lines)?,
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

/// Lines from standard input. One is read when it is asked for, and not before: a command that is typed may
/// read standard input itself.
struct Lines {
    ask: Sender<()>,
    got: Receiver<String>,
    /// Whether a line was asked for that has not come yet.
    asked: bool,
}

impl Lines {
    fn new() -> Self {
        let (ask, asked) = mpsc::channel();
        let (send, got) = mpsc::channel();
        std::thread::spawn(move || {
            while asked.recv().is_ok() {
                let mut line = String::new();
                if !std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0)
                    || send.send(line).is_err()
                {
                    return;
                }
            }
        });
        Self {
            ask,
            got,
            asked: false,
        }
    }

    fn ask(&mut self) {
        if !std::mem::replace(&mut self.asked, true) {
            // Who reads no more has closed the other channel as well, which is where that is seen.
            let _ = self.ask.send(());
        }
    }

    /// The next line; none at the end of the input.
    fn next(&mut self) -> Option<String> {
        self.ask();
        self.asked = false;
        self.got.recv().ok()
    }

    /// Whether a line, or the end of the input, has come. The line is read away.
    fn came(&mut self) -> bool {
        self.ask();
        self.asked = self.got.try_recv() == Err(TryRecvError::Empty);
        !self.asked
    }
}

/// Runs what was typed as the command line it is, as part of the session. What does not end by itself is ended by the next
/// line, which is read away, or by the end of the input.
fn typed(session: &Session, words: &[&str], lines: &mut Lines) -> Result<(), CliError> {
    let outcome = match Cli::from_words(std::iter::once("splitdeck").chain(words.iter().copied())) {
        Ok(Cli {
            command: Some(Command::Watch(args)),
            ..
        }) => watch::until(args, session, || lines.came()),
        Ok(Cli {
            command: Some(command),
            ..
        }) => super::run_command(command, session),
        Ok(_) => Err(CliError::Usage("that is no command; help lists them".to_owned())),
        Err(error) => return stream(&error.render().to_string()),
    };
    match outcome {
        Err(CliError::NobodyReads) => Err(CliError::NobodyReads),
        Err(error) => stream(&format!("error: {error}\n")),
        Ok(()) => Ok(()),
    }
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
