//! `splitdeck serve`, as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use splitdeck::api::assign::AssignRequest;
use splitdeck::api::experiments::{ChangeStatus, CreateExperiment, HistoryQuery, UpdateExperiment};
use splitdeck::api::projects::CreateToken;
use splitdeck::api::system::Readiness;
use splitdeck::client::{Client, ClientError};
use splitdeck::domain::{Status, User};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::{run, splitdeck};
use crate::support::store::{address, each_store};

/// An address where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";

struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    base: String,
    token: String,
}

fn serve(dir: &Path, listen: &str) -> Command {
    let dir = dir.to_str().expect("text");
    let mut command = splitdeck(&[
        "serve",
        "--listen",
        listen,
        "--data-dir",
        dir,
        "--clickhouse",
        NOWHERE,
    ]);
    if let Some(store) = address() {
        command.args(["--store", &store]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts it and reads where it is.
async fn start(mut command: Command) -> Serving {
    let mut child = command.spawn().expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = async || {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), out.read_line(&mut line));
        read.await.expect("in time").expect("a line");
        line.trim().to_owned()
    };
    let (base, token) = (line().await, line().await);
    let base = base
        .strip_prefix("listening on ")
        .unwrap_or_else(|| panic!("{base}"))
        .to_owned();
    let token = token
        .strip_prefix("admin token: ")
        .unwrap_or_else(|| panic!("{token}"))
        .to_owned();
    Serving {
        child,
        out,
        base,
        token,
    }
}

impl Serving {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("runs")).expect("a pid");
        kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("signalled");
    }

    /// Waits for its end: the exit code, the rest of standard output, and standard error.
    async fn ended(mut self) -> (Option<i32>, String, String) {
        let (mut rest, mut log) = (String::new(), String::new());
        let mut err = self.child.stderr.take().expect("piped");
        let all = async {
            let (out, err) = tokio::join!(self.out.read_to_string(&mut rest), err.read_to_string(&mut log));
            out.and(err).expect("text");
            self.child.wait().await
        };
        let status = tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .expect("in time");
        (status.expect("ends").code(), rest, log)
    }
}

fn client(base: &str, token: &str) -> Client {
    Client::new(base, token, splitdeck::client::Options::default()).expect("a client")
}

/// Waits until the server has found nobody at ClickHouse's address.
async fn tried_clickhouse(client: &Client) -> Readiness {
    let tried = async {
        loop {
            let ready = client.readiness().await.expect("an answer");
            if ready
                .warehouse_error
                .as_ref()
                .is_some_and(|e| !e.contains("being connected"))
            {
                return ready;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), tried)
        .await
        .expect("in time")
}

each_store!(it_serves_without_clickhouse_and_ends_in_order);
async fn it_serves_without_clickhouse_and_ends_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut secret = String::new();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let serving = start(serve(&data, "127.0.0.1:0")).await;
        let file = serving.token.strip_prefix("in ").expect("a file");
        secret = std::fs::read_to_string(file).expect("a token").trim().to_owned();
        let client = client(&serving.base, &secret);
        let ready = tried_clickhouse(&client).await;
        assert!(ready.ready && !ready.warehouse, "{ready:?}");
        let body = CreateExperiment {
            name: "Ended by a signal".to_owned(),
            key: Some(format!("signal-{}", signal.as_raw())),
            ..CreateExperiment::default()
        };
        let draft = client.create_experiment(&body).await.expect("created");
        let step = ChangeStatus::new(Status::Active, draft.resource_version);
        client
            .change_status(draft.key.as_str(), &step)
            .await
            .expect("active");
        let ask = AssignRequest {
            experiment_id: draft.key.to_string(),
            inline: User::with_user_id("u"),
            ..AssignRequest::default()
        };
        client.assign(&ask).await.expect("assigned");
        serving.signal(signal);
        let (code, rest, log) = serving.ended().await;
        assert_eq!((code, rest.as_str()), (Some(0), ""), "{log}");
        assert!(log.contains("ClickHouse cannot be set up"), "{log}");
        assert!(!log.contains(&secret), "{log}");
    }
    let serving = start(serve(&data, "127.0.0.1:0")).await;
    let all = client(&serving.base, &secret)
        .experiments(false)
        .await
        .expect("a list");
    assert_eq!(all.experiments.len(), 3);
    assert!(all.experiments.iter().all(|e| e.status == Status::Active));
}

each_store!(killed_in_the_middle_of_changes_it_comes_back_whole);
async fn killed_in_the_middle_of_changes_it_comes_back_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged = 0;
    for round in 0..4_u64 {
        let mut command = serve(dir.path(), "127.0.0.1:0");
        command.env("SPLITDECK_TOKEN", "a-token-of-my-own");
        let serving = start(command).await;
        let client = client(&serving.base, "a-token-of-my-own");
        if round == 0 {
            let body = CreateExperiment {
                name: "x".to_owned(),
                ..CreateExperiment::default()
            };
            client.create_experiment(&body).await.expect("created");
            acknowledged = 1;
        }
        let live = client.experiment("x").await.expect("there");
        let history = client
            .history("x", &HistoryQuery::default())
            .await
            .expect("a history");
        let newest = &history.entries[0];
        assert!(
            live.resource_version >= acknowledged,
            "an acknowledged change is never lost"
        );
        assert_eq!(
            newest.resource_version, live.resource_version,
            "the log agrees with the state"
        );
        assert!(live.resource_version == 1 || live.description == format!("after {}", live.resource_version));
        if round == 3 {
            break;
        }
        // Changes without a pause, until the server is shot in the middle of them.
        let changes = AtomicU64::new(0);
        let changing = async {
            let mut version = live.resource_version;
            loop {
                changes.fetch_add(1, Ordering::Relaxed);
                let body = UpdateExperiment {
                    resource_version: version,
                    description: Some(format!("after {}", version + 1)),
                    ..UpdateExperiment::default()
                };
                match client.update_experiment("x", &body).await {
                    Ok(changed) => version = changed.resource_version,
                    Err(_) => return version,
                }
            }
        };
        let shooting = async {
            // With the next one under way, or between two of them: at any moment.
            while changes.load(Ordering::Relaxed) < 10 + 7 * round {
                tokio::task::yield_now().await;
            }
            serving.signal(Signal::KILL);
        };
        (acknowledged, ()) = tokio::join!(changing, shooting);
        assert!(acknowledged > live.resource_version, "something was changed");
        let (code, _, _) = serving.ended().await;
        assert_eq!(code, None);
    }
}

/// A server with a request that computes, and will for minutes; it has been asked to stop, and takes nobody any more.
async fn stopping_while_it_computes(dir: &Path) -> (Serving, tokio::task::JoinHandle<()>) {
    let mut command = serve(dir, "127.0.0.1:0");
    command.env("SPLITDECK_TOKEN", "a-token-of-my-own");
    let serving = start(command).await;
    let client = client(&serving.base, "a-token-of-my-own");
    let body = CreateExperiment {
        name: "x".to_owned(),
        ..CreateExperiment::default()
    };
    client.create_experiment(&body).await.expect("created");
    // Thousands of conditions, each of which writes a long list as a text; no rule matches, so that all are tried.
    let condition = json!({ "scope": "profile", "field": "list", "operator": "isNull" });
    let rule = json!({ "variant": "control", "conditions": vec![condition; 50] });
    let list = vec![0; 200_000];
    let body = json!({ "user_id": "u", "user_properties": { "list": list }, "rules": vec![rule; 100],
        "asIfActive": true });
    let request = reqwest::Client::new()
        .post(format!("{}/experiments/x/explain", serving.base))
        .bearer_auth("a-token-of-my-own")
        .json(&body);
    let asking = tokio::spawn(async move {
        // It is cut off.
        let _ = request.send().await;
    });
    let busy = || {
        let pid = serving.child.id().expect("runs");
        let told = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux");
        // Ticks of the processor, a hundred a second, of which nothing else takes so many.
        let ticks = told
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(11));
        ticks.expect("a number").parse::<u64>().expect("a number")
    };
    let before = busy();
    let computes = async {
        while busy() < before + 150 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), computes)
        .await
        .expect("in time");
    serving.signal(Signal::TERM);
    let address = serving.base.trim_start_matches("http://").to_owned();
    let closed = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), closed)
        .await
        .expect("in time");
    (serving, asking)
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_although_it_computes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (serving, asking) = stopping_while_it_computes(dir.path()).await;
    assert!(!asking.is_finished(), "it is under way still");
    serving.signal(Signal::TERM);
    let (code, _, log) = serving.ended().await;
    // Not 0 either: it has not ended in order.
    assert_eq!(code, Some(130), "{log}");
    assert!(!log.contains("cut off"), "it waits for nobody: {log}");
}

#[tokio::test]
async fn what_computes_for_a_request_that_was_cut_off_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let (serving, _asking) = stopping_while_it_computes(dir.path()).await;
    let (code, _, log) = serving.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("some requests did not end in time and are cut off"),
        "{log}"
    );
}

#[tokio::test]
async fn variables_are_named_where_they_are_wrong_and_never_shown_where_they_are_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = |args: &'static [&'static str], set: &'static [(&'static str, &'static str)]| {
        let mut command = splitdeck(args);
        for nothing in [
            "LISTEN",
            "STORE",
            "PROJECT",
            "ENVIRONMENT",
            "CLICKHOUSE",
            "ENGINE_BINARY",
        ] {
            command.env(format!("SPLITDECK_{nothing}"), "");
        }
        command
            .env("SPLITDECK_DATA_DIR", dir.path())
            .envs(set.iter().copied());
        run(command, "")
    };
    let help = told(
        &["serve", "--help"],
        &[
            ("SPLITDECK_CLICKHOUSE", "http://u:s3cret@127.0.0.1:1"),
            ("SPLITDECK_STORE", "postgres://u:s3cret@127.0.0.1:1/x"),
        ],
    );
    let help = help.await.ok();
    assert!(
        help.contains("SPLITDECK_CLICKHOUSE") && !help.contains("s3cret"),
        "{help}"
    );
    // What is set to nothing is not looked at: the one that is wrong is named.
    let wrong = told(&["serve"], &[("SPLITDECK_LISTEN", "8620")]).await.failed(2);
    assert!(
        wrong.contains("SPLITDECK_LISTEN 8620: it is no address"),
        "{wrong}"
    );
    let wrong = told(&["serve", "--listen", "8621"], &[]).await.failed(2);
    assert!(wrong.contains("--listen 8621: it is no address"), "{wrong}");
    let wrong = told(&["serve"], &[("SPLITDECK_ENVIRONMENT", "prod")])
        .await
        .failed(2);
    assert!(wrong.contains("SPLITDECK_ENVIRONMENT prod"), "{wrong}");
}

#[tokio::test]
async fn the_token_may_come_from_the_environment() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = serve(dir.path(), "127.0.0.1:0");
    command
        .env("SPLITDECK_TOKEN", "a-token-of-my-own")
        .env("SPLITDECK_LOG", "debug");
    let serving = start(command).await;
    assert_eq!(serving.token, "the one of SPLITDECK_TOKEN");
    assert!(!dir.path().join("admin.token").exists());
    client(&serving.base, "a-token-of-my-own")
        .me()
        .await
        .expect("let in");
    let refused = client(&serving.base, "another-token-of-mine")
        .me()
        .await
        .expect_err("kept out");
    assert!(matches!(refused, ClientError::Refused { .. }), "{refused}");
    serving.signal(Signal::TERM);
    let (code, _, log) = serving.ended().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("path=\"/me\""), "requests are logged: {log}");
    assert!(!log.contains("-token-of-m"), "without their tokens: {log}");
}

#[tokio::test]
async fn a_token_that_was_revoked_does_not_come_back_with_the_next_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let with = |token: &str| {
        let mut command = serve(dir.path(), "127.0.0.1:0");
        command.env("SPLITDECK_TOKEN", token);
        command
    };
    let serving = start(with("the-first-token-of-all")).await;
    let first = client(&serving.base, "the-first-token-of-all");
    let second: CreateToken =
        serde_json::from_value(json!({ "name": "second", "roles": { "default": "admin" } }))
            .expect("a token");
    let second = first.create_token(&second).await.expect("made");
    let second = client(&serving.base, &second.token);
    let tokens = second.tokens().await.expect("a list").tokens;
    let admin = tokens
        .iter()
        .find(|token| token.name == "admin")
        .expect("the first one");
    second.revoke_token(admin.id).await.expect("revoked");
    serving.signal(Signal::TERM);
    serving.ended().await;
    let refused = with("the-first-token-of-all").output().await.expect("ended");
    assert_eq!(refused.status.code(), Some(2));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        why.contains("revoked at 20") && !why.contains("the-first"),
        "{why}"
    );
    // Another one is the administrator's.
    let serving = start(with("another-token-of-mine")).await;
    client(&serving.base, "another-token-of-mine")
        .me()
        .await
        .expect("let in");
    serving.signal(Signal::TERM);
    serving.ended().await;
}

#[tokio::test]
async fn beyond_this_machine_it_warns() {
    let dir = tempfile::tempdir().expect("a directory");
    let serving = start(serve(dir.path(), "0.0.0.0:0")).await;
    serving.signal(Signal::TERM);
    let (_, _, log) = serving.ended().await;
    assert!(log.contains("without TLS"), "{log}");
    let serving = start(serve(dir.path(), "127.0.0.1:0")).await;
    serving.signal(Signal::TERM);
    let (_, _, log) = serving.ended().await;
    assert!(!log.contains("TLS"), "{log}");
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let serving = start(serve(dir.path(), "127.0.0.1:0")).await;
    let taken = serving
        .base
        .strip_prefix("http://")
        .expect("an address")
        .to_owned();
    let second = tempfile::tempdir().expect("a directory");
    let port = run(serve(second.path(), &taken), "").await.failed(1);
    assert!(port.contains(&taken) && port.contains("--listen"), "{port}");
    let directory = run(serve(dir.path(), "127.0.0.1:0"), "").await.failed(1);
    assert!(
        directory.contains("in use by another splitdeck server"),
        "{directory}"
    );
    for (args, code, named) in [
        (&["--listen", "nonsense"][..], 2, "--listen nonsense"),
        (&["--environment", "prod"][..], 2, "--environment prod"),
        (&["--clickhouse", "http://ch.example:8123"][..], 2, "plain HTTP"),
        (&["--port", "1"][..], 2, "--port"),
    ] {
        let args: Vec<&str> = ["serve"].into_iter().chain(args.iter().copied()).collect();
        let message = run(splitdeck(&args), "").await.failed(code);
        assert!(message.contains(named), "{message}");
    }
    let mut weak = serve(second.path(), "127.0.0.1:0");
    weak.env("SPLITDECK_TOKEN", "short");
    let message = run(weak, "").await.failed(2);
    assert!(
        message.contains("token") && !message.contains("short\""),
        "{message}"
    );
    let mut loud = serve(second.path(), "127.0.0.1:0");
    loud.env("SPLITDECK_LOG", "splitdeck=loud");
    let message = run(loud, "").await.failed(2);
    assert!(message.contains("SPLITDECK_LOG"), "{message}");
}
