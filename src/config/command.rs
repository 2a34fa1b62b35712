//! A program that prints a secret.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The most bytes of its output that are read.
const MOST: u64 = 64 * 1024;
/// How often it is looked whether it has ended, once its output is closed.
const LOOK: Duration = Duration::from_millis(5);

/// Why a program printed nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no program.
    #[error("the command is empty; it is a program and its arguments")]
    Empty,
    /// It cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It took too long and was ended.
    #[error("{program} printed nothing within {seconds} s; it has no terminal to ask on")]
    TooLong {
        /// The program.
        program: String,
        /// How long it had.
        seconds: u64,
    },
    /// It failed.
    #[error("{program} ended with {status}{}", said(.words))]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The first line of its standard error.
        words: String,
    },
    /// It printed nothing, or something that is no text.
    #[error("{program} printed no line of text on its standard output")]
    Nothing {
        /// The program.
        program: String,
    },
}

fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

/// The first line that a program prints, without blanks around it.
///
/// The program gets no input, and is ended after `limit`. What it says on its standard error is part of the
/// error; what it prints never is.
///
/// # Errors
/// See [`CommandError`].
pub fn first_line(argv: &[String], limit: Duration) -> Result<String, CommandError> {
    let (program, arguments) = argv.split_first().ok_or(CommandError::Empty)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| CommandError::Start {
            program: program.clone(),
            source,
        })?;
    let until = Instant::now() + limit;
    let (sender, receiver) = mpsc::channel();
    for (first, pipe) in [
        (
            true,
            child
                .stdout
                .take()
                .map(|out| Box::new(out) as Box<dyn std::io::Read + Send>),
        ),
        (
            false,
            child
                .stderr
                .take()
                .map(|err| Box::new(err) as Box<dyn std::io::Read + Send>),
        ),
    ] {
        let sender = sender.clone();
        // Both are read at once: a program that fills one pipe while the other is read would stand still.
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(pipe) = pipe {
                // What was read up to an error is what there is.
                let _ = pipe.take(MOST).read_to_end(&mut bytes);
            }
            // Nobody listens any more once the time is up.
            let _ = sender.send((first, bytes));
        });
    }
    drop(sender);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut in_time = true;
    loop {
        match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((true, bytes)) => out = bytes,
            Ok((false, bytes)) => err = bytes,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                in_time = false;
                break;
            }
        }
    }
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) if in_time => break status,
            Ok(None) if in_time && Instant::now() < until => std::thread::sleep(LOOK),
            _ => {
                // It had its time.
                let _ = child.kill();
                let _ = child.wait();
                return Err(CommandError::TooLong {
                    program: program.clone(),
                    seconds: limit.as_secs(),
                });
            }
        }
    };
    if !status.success() {
        let words = String::from_utf8_lossy(&err);
        let words = words.lines().map(str::trim).find(|line| !line.is_empty());
        return Err(CommandError::Failed {
            program: program.clone(),
            status,
            words: words.unwrap_or_default().chars().take(200).collect(),
        });
    }
    let text = String::from_utf8(out).unwrap_or_default();
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(CommandError::Nothing {
            program: program.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Result<String, String> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        first_line(&argv, limit).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_line_is_taken_whatever_else_is_said() {
        let long = Duration::from_secs(60);
        assert_eq!(run("echo ' s3cret '; echo more", long), Ok("s3cret".to_owned()));
        // More on standard error than a pipe holds.
        assert_eq!(
            run("head -c 200000 /dev/zero >&2 & wait; echo s3cret", long),
            Ok("s3cret".to_owned())
        );
    }

    #[test]
    fn a_failure_says_why_and_never_what_was_printed() {
        let long = Duration::from_secs(60);
        let error = run("echo s3cret; echo 'vault is locked' >&2; exit 3", long).expect_err("failed");
        assert!(
            error.contains("vault is locked") && error.contains('3'),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
        assert!(
            run("true", long)
                .expect_err("nothing")
                .contains("no line of text")
        );
        let error = first_line(&["/no/such".to_owned()], long).expect_err("none");
        assert!(error.to_string().contains("/no/such"), "{error}");
    }

    #[test]
    fn a_program_that_waits_is_ended() {
        let error = run("echo half; exec sleep 600", Duration::from_millis(100)).expect_err("too long");
        assert!(error.contains("within 0 s"), "{error}");
    }
}
