//! Plain mode holds every command to the server, the project and the mode that it was started with.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::response::Response;
use clap::CommandFactory as _;
use serde_json::{Value, json};
use splitdeck::cli::Cli;

use super::{Ran, run, splitdeck};
use crate::support::server::{ADMIN, TestServer};

/// The project that the session is about; the token's own is another one.
const PROJECT: &str = "second";

/// A request as it came to the server.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    project: Option<String>,
}

impl Seen {
    /// Whether it changes nothing.
    fn asks(&self) -> bool {
        self.method == "GET" || self.path.ends_with("/explain")
    }
}

/// What stands before a server, lets everything through and writes it down.
#[derive(Clone)]
struct Front {
    far: String,
    http: reqwest::Client,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Front {
    /// The front of a server, and its address.
    async fn of(server: &TestServer) -> (Self, String) {
        let front = Self {
            far: server.base.clone(),
            http: reqwest::Client::new(),
            seen: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let app = axum::Router::new().fallback(through).with_state(front.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (front, base)
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("the list"))
    }
}

async fn through(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let project = parts.headers.get("x-splitdeck-project");
    front.seen.lock().expect("the list").push(Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        project: project.map(|value| value.to_str().expect("text").to_owned()),
    });
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let answer = front
        .http
        .request(parts.method, format!("{}{}", front.far, parts.uri))
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .expect("an answer");
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" {
            response = response.header(name, value);
        }
    }
    response
        .body(answer.bytes().await.expect("a body").into())
        .expect("a response")
}

/// A server whose second project holds something of everything.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    server
        .post("/projects", &json!({"key": PROJECT}))
        .await
        .expect(201);
    let post = async |path: &str, body: Value| {
        let request = server.request(reqwest::Method::POST, path, ADMIN);
        let request = request.header("x-splitdeck-project", PROJECT).json(&body);
        crate::support::server::send(request).await
    };
    for (key, steps) in [
        ("draft", &[][..]),
        ("on", &["active"][..]),
        ("held", &["active", "paused"][..]),
        ("done", &["active", "completed"][..]),
        ("help", &["active"][..]),
    ] {
        post("/experiments", json!({"name": key, "key": key}))
            .await
            .expect(201);
        for (version, to) in (1..).zip(steps) {
            let body = json!({"to": to, "resourceVersion": version});
            post(&format!("/experiments/{key}/status"), body)
                .await
                .expect(200);
        }
    }
    post("/flags", json!({"key": "flag"})).await.expect(201);
    post("/labs", json!({"key": "lab"})).await.expect(201);
    server
}

/// What is typed in plain mode, in a session of the front; the environment names another server and project.
async fn typed(base: &str, args: &[&str], line: &str) -> Ran {
    let mut command = splitdeck(&["--plain", "--api", base, "--project", PROJECT]);
    command
        .args(args)
        .env("SPLITDECK_API", "http://127.0.0.1:1")
        .env("SPLITDECK_PROJECT", "default")
        .env("SPLITDECK_TOKEN", ADMIN);
    run(command, &format!("{line}\nquit\n")).await
}

/// Whether a command changes something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Does {
    Reads,
    Changes,
}

/// Every command that speaks to a server, with what it takes to get so far that it would change something.
const COMMANDS: &[(&str, &str, Does)] = {
    use Does::{Changes, Reads};
    &[
        ("audit", "", Reads),
        ("deployments create", "web --kind client", Changes),
        ("deployments list", "", Reads),
        ("deployments revoke", "default", Changes),
        ("deployments rotate", "default", Changes),
        ("experiments activate", "draft", Changes),
        ("experiments apply-winner", "on --winner treatment", Changes),
        ("experiments archive", "draft", Changes),
        ("experiments complete", "on", Changes),
        ("experiments convert", "draft", Changes),
        ("experiments copy", "draft --to default", Changes),
        ("experiments create", "--file {file}", Changes),
        ("experiments delete", "draft", Changes),
        ("experiments end", "done", Changes),
        ("experiments history", "draft", Reads),
        ("experiments list", "", Reads),
        ("experiments pause", "on", Changes),
        ("experiments resume", "held", Changes),
        ("experiments sample-ratio", "draft", Reads),
        ("experiments show", "draft", Reads),
        ("experiments wiring", "draft", Reads),
        ("explain", "draft --user u-1", Reads),
        ("flags archive", "flag", Changes),
        ("flags convert", "flag", Changes),
        ("flags copy", "flag --to default", Changes),
        ("flags create", "other", Changes),
        ("flags disable", "flag", Changes),
        ("flags enable", "flag", Changes),
        ("flags list", "", Reads),
        ("flags rollout", "flag 10", Changes),
        ("flags show", "flag", Reads),
        ("history", "draft", Reads),
        ("insights", "draft", Reads),
        ("jobs list", "", Reads),
        ("jobs run", "srm-guard", Changes),
        ("labs archive", "lab", Changes),
        ("labs create", "other", Changes),
        ("labs list", "", Reads),
        ("overrides delete", "draft --user u-1", Changes),
        (
            "overrides import",
            "draft {file} --variant control --yes",
            Changes,
        ),
        ("overrides imports", "draft", Reads),
        ("overrides list", "draft", Reads),
        ("overrides set", "draft --variant control --user u-1", Changes),
        ("projects create", "third", Changes),
        ("projects list", "", Reads),
        ("projects update", "second --name Second", Changes),
        ("results", "draft", Reads),
        ("tokens create", "ci --role second=viewer", Changes),
        ("tokens list", "", Reads),
        ("tokens revoke", "00000000-0000-0000-0000-000000000001", Changes),
        ("watch", "--once", Reads),
    ]
};

/// The commands without subcommands below this one that speak to a server.
fn leaves(command: &clap::Command, path: &str, above: bool, found: &mut BTreeSet<String>) {
    let speaks = above || command.get_arguments().any(|a| a.get_long() == Some("api"));
    if !command.has_subcommands() && speaks {
        found.insert(path.trim_start().to_owned());
    }
    for below in command.get_subcommands() {
        leaves(below, &format!("{path} {}", below.get_name()), speaks, found);
    }
}

#[tokio::test]
async fn every_command_is_held_to_the_session() {
    let root = Cli::command();
    let mut all = BTreeSet::new();
    for command in root.get_subcommands() {
        leaves(command, command.get_name(), false, &mut all);
    }
    let tried: BTreeSet<String> = COMMANDS.iter().map(|(path, ..)| (*path).to_owned()).collect();
    assert_eq!(
        all, tried,
        "each command that speaks to a server is tried, and no other"
    );

    let server = furnished().await;
    let (front, base) = Front::of(&server).await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("list");
    std::fs::write(&file, r#"{"name": "New", "key": "new"}"#).expect("written");
    typed(&base, &["--read-only"], "").await.ok();
    let greeting = front.take().len();
    let name = file.to_str().expect("text");
    for (path, args, does) in COMMANDS {
        let line = format!("{path} {}", args.replace("{file}", name));
        let out = typed(&base, &["--read-only"], &line).await.ok();
        let seen = front.take();
        let refused = out.contains("would change something: refused");
        assert_eq!(refused, *does == Does::Changes, "{line}: {out}");
        // A change that asks nothing first is refused before anything is sent.
        assert!(
            seen.len() > greeting || refused,
            "{line} asked another server: {out}"
        );
        for request in &seen {
            assert!(request.asks(), "{line}: {request:?}");
            assert_eq!(request.project.as_deref(), Some(PROJECT), "{line}: {request:?}");
        }
    }
    // Without --read-only a change is sent: to the same server and project.
    for (line, path) in [
        ("experiments pause on", "/experiments/"),
        ("jobs run srm-guard", "/jobs/srm-guard"),
        ("labs create other", "/labs"),
    ] {
        let out = typed(&base, &[], line).await.ok();
        let seen = front.take();
        let sent = seen.iter().find(|request| !request.asks());
        let sent = sent.unwrap_or_else(|| panic!("{line} sent nothing: {out}"));
        assert!(sent.path.starts_with(path), "{sent:?}");
        assert!(
            seen.iter()
                .all(|request| request.project.as_deref() == Some(PROJECT)),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn the_word_help_is_a_value_where_a_value_stands() {
    let server = furnished().await;
    let (front, base) = Front::of(&server).await;
    for line in [
        "experiments pause help",
        "experiments pause on --comment help",
        "experiments pause on --comment --help-me",
        "experiments pause -- help",
        "experiments pause help --read-only",
    ] {
        let out = typed(&base, &["--read-only"], line).await.ok();
        let refused = out.contains("would change something: refused");
        // What looks like an option is none of this command.
        assert!(refused || out.contains("unexpected argument"), "{line}: {out}");
        for request in front.take() {
            assert!(
                request.asks() && request.project.as_deref() == Some(PROJECT),
                "{line}: {request:?}"
            );
        }
    }
    for line in ["help jobs run", "jobs help run", "jobs run --help"] {
        let out = typed(&base, &["--read-only"], line).await.ok();
        assert!(out.contains("Run one job now"), "{line}: {out}");
    }
}

#[tokio::test]
async fn a_line_can_name_another_project_and_no_other_server() {
    let server = furnished().await;
    let (front, base) = Front::of(&server).await;
    typed(&base, &[], "").await.ok();
    let greeting = front.take().len();
    let out = typed(&base, &["--read-only"], "jobs run srm-guard --project default")
        .await
        .ok();
    assert!(out.contains("would change something: refused"), "{out}");
    front.take();
    typed(&base, &["--read-only"], "experiments list --project default")
        .await
        .ok();
    let seen = front.take();
    assert_eq!(seen[greeting].project.as_deref(), Some("default"), "{seen:?}");
    for line in [
        "experiments list --api http://127.0.0.1:1",
        "jobs list --context other",
    ] {
        let out = typed(&base, &[], line).await.ok();
        assert!(out.contains(&format!("speaks to {base} alone")), "{line}: {out}");
        assert_eq!(front.take().len(), greeting, "{line}");
    }
}

/// A command that reads standard input gets what is typed next, as on a command line of its own.
#[tokio::test]
async fn a_command_reads_what_is_typed_after_it() {
    let server = furnished().await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ids");
    std::fs::write(&file, "u-1\nu-2\n").expect("written");
    let line = format!("overrides import on {} --variant treatment\ny", file.display());
    let out = typed(&server.base, &[], &line).await;
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.err.contains("[y/N]"), "{out:?}");
    let listed = typed(&server.base, &[], "overrides list on").await.ok();
    assert!(listed.contains("u-2"), "{listed}");
    let typed = typed(
        &server.base,
        &[],
        "experiments create --file -\n{\"name\": \"New\", \"key\": \"new\"}",
    )
    .await;
    // The file is all the rest of the input, `quit` included.
    assert!(typed.out.contains("no experiment to create"), "{typed:?}");
}

/// Whoever reads the lines goes away: the session ends, and that is no failure.
#[tokio::test]
async fn the_session_ends_with_its_reader() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let server = furnished().await;
    let mut command = splitdeck(&["--plain"]);
    command
        .env("SPLITDECK_API", &server.base)
        .env("SPLITDECK_TOKEN", ADMIN)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut greeting = String::new();
    out.read_line(&mut greeting).await.expect("read");
    assert!(greeting.starts_with("splitdeck at "), "{greeting}");
    drop(out);
    // The input stays open: it is not its end that ends the session.
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"list\n").await.expect("written");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), child.wait()).await;
    assert_eq!(ended.expect("in time").expect("ends").code(), Some(0));
    drop(input);
}

#[tokio::test]
async fn it_begins_with_a_flag_and_imports_are_no_silence() {
    let server = furnished().await;
    let begun = typed(&server.base, &["--flag", "flag"], "").await.ok();
    let words = |line: &str| line.split_whitespace().eq(["key", "flag"]);
    assert!(begun.lines().any(words), "{begun}");
    for (args, says) in [
        (
            &["--flag", "flag", "--import", "x"][..],
            "--import needs the screen",
        ),
        (&["--import", "x"], "--import <FILE>"),
        (&["--flag", "flag", "--experiment", "on"], "cannot be used with"),
    ] {
        let message = typed(&server.base, args, "").await.failed(2);
        assert!(message.contains(says), "{message}");
    }
}
