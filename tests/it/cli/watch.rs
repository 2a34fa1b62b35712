//! `splitdeck watch`, and what becomes of it when the server or the reader goes away.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::timeout;

use super::{run, splitdeck};
use crate::support::projects::TwoProjects;
use crate::support::server::{EDITOR, TestServer};

/// The longest that anything here is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// A command that goes on, read line by line.
struct Watching {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn of(base: &str, args: &[&str]) -> Self {
        let mut command = splitdeck(&["watch", "--every", "1"]);
        command
            .args(args)
            .env("SPLITDECK_API", base)
            .env("SPLITDECK_TOKEN", EDITOR)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        Self {
            out: BufReader::new(child.stdout.take().expect("piped")).lines(),
            err: BufReader::new(child.stderr.take().expect("piped")).lines(),
            child,
        }
    }

    async fn line(&mut self) -> String {
        let line = timeout(LIMIT, self.out.next_line()).await.expect("in time");
        line.expect("read").expect("a line")
    }

    /// The next line that is not about the numbers: there is no ClickHouse here.
    async fn experiment_line(&mut self) -> String {
        loop {
            let line = self.line().await;
            if !line.starts_with("no live numbers: ") {
                return line;
            }
        }
    }

    async fn error(&mut self) -> String {
        let line = timeout(LIMIT, self.err.next_line()).await.expect("in time");
        line.expect("read").expect("a line")
    }
}

/// Waits until it ends by itself; its exit code.
async fn ends(mut child: Child) -> i32 {
    let status = timeout(LIMIT, child.wait()).await.expect("in time");
    status.expect("ends").code().expect("no signal")
}

/// Lines come while something changes, and only then; what is gone leaves one as well.
#[tokio::test]
async fn what_changes_is_printed_once() {
    let server = TestServer::start().await;
    let mut watching = Watching::of(&server.base, &[]);
    assert_eq!(watching.line().await, "no experiments");
    // Had it been said at each look, it would stand before this.
    let first = server.draft("first").await;
    assert_eq!(watching.line().await, "first, draft");
    server.to(&first, "active").await;
    let line = watching.line().await;
    assert!(line.starts_with("first, active"), "{line}");
    let second = server.draft("second").await;
    assert_eq!(watching.experiment_line().await, "second, draft");
    let path = format!(
        "/experiments/{}?resourceVersion=1",
        second["id"].as_str().expect("an id")
    );
    assert!(server.delete(&path).await.status < 300);
    assert_eq!(watching.experiment_line().await, "second, deleted");
    let first = server.get("/experiments/first").await.expect(200);
    let first = server.to(&first, "completed").await;
    let line = watching.experiment_line().await;
    assert!(line.starts_with("first, completed"), "{line}");
    server.to(&first, "archived").await;
    assert_eq!(watching.experiment_line().await, "first, archived");
    assert_eq!(watching.experiment_line().await, "no experiments");
    watching.child.kill().await.expect("ends");
}

#[tokio::test]
async fn programs_read_json_and_nothing_else() {
    let server = TestServer::start().await;
    let draft = server.draft("first").await;
    let mut watching = Watching::of(&server.base, &["--json"]);
    let read = |line: String| -> Value { serde_json::from_str(&line).expect("JSON") };
    let look = read(watching.line().await);
    assert_eq!(look["experiments"][0]["key"], "first");
    assert_eq!(look["gone"], json!([]));
    let path = format!(
        "/experiments/{}?resourceVersion=1",
        draft["id"].as_str().expect("an id")
    );
    assert!(server.delete(&path).await.status < 300);
    loop {
        let look = read(watching.line().await);
        if look["experiments"] == json!([]) {
            assert_eq!(look["gone"], json!([{"key": "first", "now": "deleted"}]));
            break;
        }
    }
    // The server goes. An empty list was an answer all the same, so this is not the end.
    server.stop().await;
    let said = watching.error().await;
    assert!(
        said.contains("cannot reach the server") && said.contains("tried again every 1 s"),
        "{said}"
    );
    watching.child.kill().await.expect("ends");
    while let Some(line) = watching.out.next_line().await.expect("read") {
        read(line);
    }
}

#[tokio::test]
async fn it_ends_with_its_reader() {
    let server = TestServer::start().await;
    server.draft("first").await;
    for args in [&["--json"][..], &[][..]] {
        let mut watching = Watching::of(&server.base, args);
        assert!(watching.line().await.contains("first"));
        // Nothing changes any more, so as text nothing would ever be printed again.
        let Watching { child, out, err } = watching;
        drop(out);
        assert_eq!(ends(child).await, 0, "{args:?}");
        drop(err);
    }
}

#[tokio::test]
async fn a_server_that_never_answered_is_a_failure() {
    let watching = Watching::of("http://127.0.0.1:1", &[]);
    assert_eq!(ends(watching.child).await, 1);
}

/// A token that opens no ClickHouse, as there is a project in which it has no role: the server counts.
#[tokio::test]
async fn a_viewer_of_one_project_of_two_sees_its_numbers() {
    let two = TwoProjects::start().await;
    let on = async |args: &[&str]| {
        let mut command = splitdeck(args);
        command
            .env("SPLITDECK_API", &two.server.base)
            .env("SPLITDECK_TOKEN", &two.viewer);
        run(command, "").await
    };
    let look = on(&["watch", "--once", "--json"]).await.json();
    assert_eq!(look["numbersMissing"], json!(null), "{look}");
    let rows = look["experiments"].as_array().expect("rows");
    assert_eq!(rows.len(), 1, "{look}");
    assert_eq!(
        (&rows[0]["key"], &rows[0]["subjects"]),
        (&json!("theirs"), &json!(6))
    );
    let results = on(&["results", "theirs", "--json"]).await.json();
    let seen = results["arms"].as_array().expect("arms").iter();
    let seen: u64 = seen.map(|arm| arm["subjects"].as_u64().expect("a number")).sum();
    assert_eq!(seen, 6);
    let list = on(&["experiments", "list", "--json"]).await.json();
    assert!(list.to_string().contains("theirs") && !list.to_string().contains("ours"));
    assert_eq!(on(&["results", "ours"]).await.code, 1);
}
