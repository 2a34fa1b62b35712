//! A program that prints a secret.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most bytes of its output that are read.
const MOST: usize = 64 * 1024;
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long the rest of what it wrote is awaited once it has ended. It is in the pipe by then, and the pipe is closed with
/// it, unless something that it left in the background holds it open.
const REST: Duration = Duration::from_secs(1);

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
/// The program gets no input, and is ended after `limit`. What it leaves in the background is not waited for. What it says on its standard error is part of the
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
    // Both are read at once: a program that fills one pipe while the other is read would stand still.
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(LOOK),
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
    let rest = Instant::now() + REST;
    if !status.success() {
        let err = err.until(rest);
        let words = String::from_utf8_lossy(&err);
        let words = words.lines().map(str::trim).find(|line| !line.is_empty());
        return Err(CommandError::Failed {
            program: program.clone(),
            status,
            words: words.unwrap_or_default().chars().take(200).collect(),
        });
    }
    let text = String::from_utf8(out.until(rest)).unwrap_or_default();
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(CommandError::Nothing {
            program: program.clone(),
        }),
    }
}

/// What comes out of a pipe, read by a thread of its own.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Closed with the pipe.
    closed: mpsc::Receiver<()>,
}

fn read(pipe: Option<impl std::io::Read + Send + 'static>) -> Output {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let (open, closed) = mpsc::channel();
    let into = Arc::clone(&bytes);
    std::thread::spawn(move || {
        let _open = open;
        let Some(mut pipe) = pipe else {
            return;
        };
        let mut piece = [0; 4096];
        // What was read up to an error is what there is. Of what is too much the rest is read away.
        while let Ok(length @ 1..) = pipe.read(&mut piece) {
            let mut bytes = into.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MOST.saturating_sub(bytes.len()).min(length);
            bytes.extend(piece.iter().take(room));
        }
    });
    Output { bytes, closed }
}

impl Output {
    /// What came until the pipe was closed, or a line was whole, and at the latest until then.
    fn until(self, then: Instant) -> Vec<u8> {
        loop {
            let open = self.closed.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout);
            let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
            if !open || bytes.contains(&b'\n') || Instant::now() >= then {
                return std::mem::take(&mut *bytes);
            }
        }
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
    fn what_it_leaves_in_the_background_is_not_waited_for() {
        // It holds both pipes open for longer than there is time.
        let long = Duration::from_secs(60);
        let line = run("sleep 600 & echo $! s3cret", long).expect("a line");
        let error = run("sleep 600 & echo now $! is locked >&2; exit 3", long).expect_err("failed");
        for said in [&line, &error] {
            let helper = said
                .split(' ')
                .rfind(|word| word.parse::<u32>().is_ok())
                .expect("its id");
            // It runs still, and so nothing waited for its end.
            let ended = Command::new("kill").arg(helper).status().expect("kill runs");
            assert!(ended.success(), "{said}");
        }
        assert!(
            line.ends_with("s3cret") && error.ends_with("is locked"),
            "{line} {error}"
        );
    }

    #[test]
    fn a_program_that_waits_is_ended() {
        let error = run("echo half; exec sleep 600", Duration::from_millis(100)).expect_err("too long");
        assert!(error.contains("within 0 s"), "{error}");
    }
}
