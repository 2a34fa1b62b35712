//! `splitdeck overrides import`.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::support::server::{ADMIN, TestServer};
use crate::support::store::each_store;
use crate::support::warehouse::until;

use super::{on, splitdeck, with_input};

fn list(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("u{n:06}\n")).collect()
}

async fn imports(server: &TestServer) -> Vec<Value> {
    let list = server.get("/experiments/exp/override-imports").await.expect(200);
    list["imports"].as_array().expect("imports").clone()
}

each_store!(imports_and_what_they_do_to_each_id_are_listed);
async fn imports_and_what_they_do_to_each_id_are_listed() {
    let server = TestServer::start().await;
    server.active("exp").await;
    assert_eq!(
        on(&server, &["overrides", "imports", "exp"]).await.ok(),
        "no imports\n"
    );
    let set = [
        "overrides",
        "set",
        "exp",
        "--variant",
        "control",
        "--user",
        "u000001",
    ];
    on(&server, &set).await.ok();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), list(0..1_500)).expect("written");
    let path = file.path().to_str().expect("text");
    let import = [
        "overrides",
        "import",
        "exp",
        path,
        "--variant",
        "treatment",
        "--dry-run",
    ];
    on(&server, &import).await.ok();
    let text = on(&server, &["overrides", "imports", "exp"]).await.ok();
    assert!(
        text.contains("staged") && text.contains("0 of 1") && text.contains("1,500"),
        "{text}"
    );
    let listed = on(&server, &["overrides", "imports", "exp", "--json"])
        .await
        .json();
    let id = listed["imports"][0]["id"].as_str().expect("an id");
    assert!(text.contains(id), "{text}");
    let of = |more: &'static [&'static str]| {
        let words = [&["overrides", "imports", "exp", "--rows", id], more].concat();
        let server = &server;
        async move { on(server, &words).await }
    };
    let changed = of(&["--effect", "changed"]).await.ok();
    assert!(changed.contains("u000001  changed  control"), "{changed}");
    assert!(
        !changed.contains("u000002") && !changed.contains("more than these"),
        "{changed}"
    );
    assert!(
        of(&["--limit", "2"])
            .await
            .ok()
            .ends_with("more than these; --limit or --all lists them\n")
    );
    let all = of(&["--all", "--json"]).await.json();
    assert_eq!(all["rows"].as_array().map(Vec::len), Some(1_500));
    assert!(
        of(&["--effect", "none"])
            .await
            .failed(2)
            .contains("added, changed and unchanged")
    );
}

each_store!(the_difference_is_shown_and_nothing_happens_unless_it_is_confirmed);
async fn the_difference_is_shown_and_nothing_happens_unless_it_is_confirmed() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let set = [
        "overrides",
        "set",
        "exp",
        "--variant",
        "control",
        "--user",
        "u000001",
    ];
    on(&server, &set).await.ok();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{}u000000\nx\u{1b}[31m\n", list(0..12_000))).expect("written");
    let path = file.path().to_str().expect("text");
    let import = ["overrides", "import", "exp", path, "--variant", "treatment"];

    let text = on(&server, &[&import[..], &["--dry-run"]].concat()).await.ok();
    for line in [
        "12,000 user ids of",
        "received                            12,002\n",
        "duplicates                          1\n",
        "added                               11,999\n",
        "changed                             1: 1 from control\n",
        "unchanged                           0\n",
        "exposed to another variant already  not known: ClickHouse is not available",
        "line 12002: x\\u{1b}[31m is refused; allowed: no control characters\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let refused = with_input(&server, &import, "n\n").await;
    assert_eq!(refused.code, 1);
    let id = imports(&server).await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(refused.err.contains("nothing was done"), "{}", refused.err);
    assert!(refused.err.contains(&format!("--resume {id}")), "{}", refused.err);
    let overrides = server.get("/experiments/exp/overrides").await.expect(200);
    assert_eq!(
        (&overrides["fixed"], &overrides["manual"]),
        (&json!(1), &json!(0))
    );

    let resume = ["overrides", "import", "exp", "--resume", &id];
    let applied = with_input(&server, &resume, "yes\n").await;
    assert_eq!(applied.code, 0, "{}", applied.err);
    let done = "applied: 2 of 2 chunks are in force: 11,999 added, 1 changed, 0 as they were\n";
    assert!(applied.out.ends_with(done), "{}", applied.out);
    // Once more changes nothing, and does not ask.
    on(&server, &resume).await.ok();
    let undo = ["overrides", "import", "exp", "--undo", &id, "--yes"];
    let undone = on(&server, &undo).await.ok();
    assert!(
        undone.ends_with(
            "taken back: 12,000 have what they had before, 0 were changed meanwhile and stay as they are\n"
        ),
        "{undone}"
    );
    let overrides = server.get("/experiments/exp/overrides").await.expect(200);
    assert_eq!(
        (&overrides["fixed"], &overrides["manual"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn scripts_say_yes_and_read_json() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let import = [
        "overrides",
        "import",
        "exp",
        "-",
        "--variant",
        "control",
        "--subject",
        "device",
    ];
    let directory = ["overrides", "import", "exp", "/", "--variant", "control", "--yes"];
    let refused = on(&server, &directory).await.failed(1);
    assert!(refused.contains("cannot read ids from /"), "{refused}");
    let refused = with_input(&server, &import, "a\nb\n").await.failed(2);
    assert!(refused.contains("--yes"), "{refused}");
    let json = ["--json", "--idempotency-key", "nightly"];
    let refused = with_input(&server, &[&import[..], &json].concat(), "a\nb\n")
        .await
        .failed(2);
    assert!(refused.contains("--dry-run"), "{refused}");
    assert!(imports(&server).await.is_empty());
    let all = [&import[..], &json, &["--yes"]].concat();
    let done = with_input(&server, &all, "a\nb\n").await.json();
    assert_eq!(
        (&done["state"], &done["effect"]["added"]),
        (&json!("applied"), &json!(2))
    );
    assert_eq!(
        (&done["subjectType"], &done["sourceName"]),
        (&json!("device"), &json!("standard input"))
    );
    let again = with_input(&server, &all, "a\nb\n").await.json();
    assert_eq!(again["id"], done["id"]);
    let other = with_input(&server, &all, "a\nc\n").await.failed(1);
    assert!(other.contains("idempotency key"), "{other}");
    for args in [
        &["overrides", "import", "exp"][..],
        &["overrides", "import", "exp", "-", "--yes"],
        &["overrides", "import", "exp", "--resume", "x", "--undo", "y"],
    ] {
        on(&server, args).await.failed(2);
    }
    let missing = [
        "overrides",
        "import",
        "exp",
        "/no/such/file",
        "--variant",
        "control",
        "--yes",
    ];
    assert!(on(&server, &missing).await.failed(1).contains("/no/such/file"));
    let unknown = ["overrides", "import", "exp", "--resume", "nonsense", "--yes"];
    assert!(on(&server, &unknown).await.failed(1).contains("import"));
}

#[tokio::test]
async fn an_interrupt_stops_after_the_chunk_and_says_what_landed() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), list(0..200_000)).expect("written");
    let path = file.path().to_str().expect("text");
    let mut command = splitdeck(&[
        "overrides",
        "import",
        "exp",
        path,
        "--variant",
        "treatment",
        "--yes",
    ]);
    command
        .env("SPLITDECK_API", &server.base)
        .env("SPLITDECK_TOKEN", ADMIN)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    until("a chunk has landed", async || {
        imports(&server)
            .await
            .first()
            .is_some_and(|import| import["appliedChunks"] != 0)
    })
    .await;
    let pid = i32::try_from(child.id().expect("runs")).expect("a pid");
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::INT).expect("signalled");
    let mut err = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut err).await.expect("text");
    assert_eq!(child.wait().await.expect("ends").code(), Some(1), "{err}");
    let import = imports(&server).await[0].clone();
    let chunks = import["appliedChunks"].as_u64().expect("a number");
    assert!((1..20).contains(&chunks), "{chunks}");
    assert!(
        err.contains(&format!(
            "{chunks} of 20 chunks are in force: {},000 added",
            chunks * 10
        )),
        "{err}"
    );
    let id = import["id"].as_str().expect("an id");
    let resumed = on(&server, &["overrides", "import", "exp", "--resume", id, "--yes"])
        .await
        .ok();
    assert!(
        resumed.contains("20 of 20 chunks are in force: 200,000 added"),
        "{resumed}"
    );
}

/// A client that is still sending reads why it was refused, and no broken pipe.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_list_that_is_refused_at_once_says_why() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), list(0..2_000_000)).expect("written");
    let path = file.path().to_str().expect("text");
    for _ in 0..3 {
        let import = ["overrides", "import", "exp", path, "--variant", "nobody", "--yes"];
        let refused = on(&server, &import).await.failed(2);
        assert!(refused.contains("variant: got \"nobody\""), "{refused}");
        let import = [
            "overrides",
            "import",
            "gone",
            path,
            "--variant",
            "control",
            "--yes",
        ];
        let refused = on(&server, &import).await;
        assert!(refused.err.contains("there is no experiment"), "{}", refused.err);
    }
}
