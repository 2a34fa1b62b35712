//! The headless commands, run as people and scripts run them, against a real server.

mod config;
mod experiments;
mod explain;
mod imports;
mod jobs;
mod objects;
mod overrides;
mod plain;
mod remote;
mod results;
mod serve;
mod session;
mod watch;

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::server::{ADMIN, TestServer};

/// What a command left behind.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Standard output of a command that must have succeeded, silently otherwise.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("JSON")
    }

    /// The message of a command that must have failed with this code and printed nothing.
    #[track_caller]
    fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        self.err
    }
}

/// `splitdeck` with an environment of its own: nothing of the caller's reaches it.
fn splitdeck(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_splitdeck"));
    let home = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-such-home");
    command
        .args(args)
        .env_clear()
        .env("HOME", home)
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command, input: &str) -> Ran {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    let (written, output) = tokio::join!(
        async move { stdin.write_all(input.as_bytes()).await },
        child.wait_with_output()
    );
    // A command that reads no input may be gone before it is written.
    assert!(written.is_ok() || !input.is_empty());
    let output = output.expect("ends");
    Ran {
        code: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// `splitdeck` against a server.
async fn on(server: &TestServer, args: &[&str]) -> Ran {
    with_input(server, args, "").await
}

/// The same with something on standard input.
async fn with_input(server: &TestServer, args: &[&str], input: &str) -> Ran {
    let mut command = splitdeck(args);
    command
        .env("SPLITDECK_API", &server.base)
        .env("SPLITDECK_TOKEN", ADMIN);
    run(command, input).await
}
