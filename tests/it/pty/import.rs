//! Bulk import through a real terminal: a megabyte and a half of ids, pasted; a cockpit that is killed.

use std::path::Path;

use rustix::process::Signal;
use serde_json::json;
use splitdeck::api::overrides::ListOverrides;

use super::terminal::Pty;
use crate::support::server::{EDITOR, TestServer};

/// So many ids, 16 bytes each with their line ends: 1.5 MB.
const IDS: usize = 94_000;

async fn with_experiment() -> TestServer {
    let server = TestServer::start().await;
    let body = json!({ "name": "Checkout button" });
    server.post("/experiments", &body).await.expect(201);
    server
}

fn open(server: &str, state: &Path, args: &[&str]) -> Pty {
    let mut all = vec!["--experiment", "checkout-button"];
    all.extend(args);
    let state = state.to_str().expect("a path");
    Pty::start(
        &all,
        &[
            ("SPLITDECK_API", server),
            ("SPLITDECK_TOKEN", EDITOR),
            ("SPLITDECK_STATE_DIR", state),
        ],
        (110, 32),
    )
}

fn ids(end: &str) -> String {
    (0..IDS).map(|n| format!("user-{n:010}{end}")).collect()
}

/// Opens the card.
fn card(pty: &mut Pty) {
    pty.wait_for_text("editor");
    pty.send("4");
    pty.wait_for_text("No overrides");
    pty.send("i");
    pty.wait_for_text("paste here");
}

/// From the counted card to the dry run.
fn dry_run(pty: &mut Pty) {
    pty.wait_for_text("received 94,000   unique 94,000   duplicates 0   malformed 0");
    pty.wait_for_text("Nothing is in force before");
    // Down to the buttons, and to the one that goes on.
    pty.send("\x1b[B\x1b[B\x1b[B\x1b[B\x1b[C\r");
    pty.wait_for_text("+ added 94,000");
    pty.wait_for_text("user-0000000000");
}

/// Confirms the dialog whose button says so.
fn confirm(pty: &mut Pty, verb: &str) {
    // The button that leaves everything as it is.
    pty.wait_for_text("‹ ");
    pty.press_when_armed("\x1b[C", &format!("‹ {verb} ›"));
    pty.send("\r");
}

async fn manual(server: &TestServer) -> u64 {
    let query = ListOverrides::default();
    let page = server
        .client()
        .overrides("checkout-button", &query)
        .await
        .expect("a page");
    page.manual
}

async fn blocking(pty: Pty, work: impl FnOnce(&mut Pty) + Send + 'static) -> Pty {
    let mut pty = pty;
    tokio::task::spawn_blocking(move || {
        work(&mut pty);
        pty
    })
    .await
    .expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bracketed_paste_is_checked_applied_and_undone() {
    let server = with_experiment().await;
    let state = tempfile::tempdir().expect("a directory");
    let pty = open(&server.base, state.path(), &[]);
    let pty = blocking(pty, |pty| {
        card(pty);
        pty.send(&format!("\x1b[200~{}\x1b[201~", ids("\n")));
        dry_run(pty);
        pty.send("\r");
        pty.wait_for_text("94,000 users who had no override get treatment");
        confirm(pty, "Apply");
        pty.wait_for_text("10 of 10 chunks in force: 94,000 added");
    })
    .await;
    assert_eq!(manual(&server).await, 94_000);
    let kept = std::fs::read_dir(state.path().join("imports"))
        .expect("a folder")
        .count();
    assert_eq!(kept, 0, "what the server has is kept no longer");
    let pty = blocking(pty, |pty| {
        pty.send("u");
        pty.wait_for_text("have no override again");
        confirm(pty, "Undo");
        pty.wait_for_text("10 chunks taken back, 0 of 10 still in force");
        pty.leave_by("\x03");
    })
    .await;
    drop(pty);
    assert_eq!(manual(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_or_applied_survives_a_cockpit_that_is_killed() {
    let server = with_experiment().await;
    let state = tempfile::tempdir().expect("a directory");
    // A paste that the terminal does not bracket: keys, and return for line ends.
    let pty = open(&server.base, state.path(), &[]);
    let pty = blocking(pty, |pty| {
        card(pty);
        pty.send(&ids("\r"));
        pty.wait_for_text("received 94,000");
        pty.signal(Signal::KILL);
        pty.ended();
    })
    .await;
    drop(pty);
    let mode = {
        use std::os::unix::fs::PermissionsExt as _;
        let mut files = std::fs::read_dir(state.path().join("imports")).expect("a folder");
        let file = files.next().expect("a file").expect("readable");
        file.metadata().expect("metadata").permissions().mode() & 0o777
    };
    assert_eq!(mode, 0o600, "nobody else reads the ids");

    let pty = open(&server.base, state.path(), &[]);
    let pty = blocking(pty, |pty| {
        card(pty);
        pty.wait_for_text("ids were not sent");
        pty.send("\x14");
        pty.wait_for_text("kept from the last time");
        dry_run(pty);
        pty.send("\r");
        pty.wait_for_text("Not yet");
        confirm(pty, "Apply");
        pty.wait_for_text("in force");
        pty.send("\x1b");
        pty.wait_for_text("go on with the");
        pty.signal(Signal::KILL);
        pty.ended();
    })
    .await;
    drop(pty);
    let landed = manual(&server).await;
    assert!(
        landed > 0 && landed < 94_000 && landed % 10_000 == 0,
        "whole chunks: {landed}"
    );

    let pty = open(&server.base, state.path(), &[]);
    let pty = blocking(pty, |pty| {
        pty.wait_for_text("editor");
        pty.send("4");
        pty.wait_for_text("I goes on with an import");
        pty.send("I");
        pty.wait_for_text("Imports into checkout-button");
        pty.send("\r");
        pty.wait_for_text("go on with the");
        pty.send("\r");
        pty.wait_for_text("Not yet");
        confirm(pty, "Apply");
        pty.wait_for_text("10 of 10 chunks in force");
        pty.send("\x03");
        assert!(pty.ended().success());
    })
    .await;
    drop(pty);
    assert_eq!(manual(&server).await, 94_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_closed_card_had_is_taken_up_by_the_next_one() {
    let server = with_experiment().await;
    let state = tempfile::tempdir().expect("a directory");
    let pty = open(&server.base, state.path(), &[]);
    let pty = blocking(pty, |pty| {
        card(pty);
        pty.send("ann,bob\r");
        pty.wait_for_text("received 2");
        pty.send("\x1b");
        pty.wait_for_text("The ids are kept");
        pty.send("i");
        pty.wait_for_text("ids were not sent");
        pty.send("\x14");
        pty.wait_for_text("received 2");
    })
    .await;
    drop(pty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_into_a_flag() {
    let server = TestServer::start().await;
    let flag = serde_json::from_value(json!({ "name": "dark-mode" })).expect("reads");
    server.client().create_flag(&flag).await.expect("made");
    let state = tempfile::tempdir().expect("a directory");
    let file = state.path().join("ids.txt");
    std::fs::write(&file, ids(",")).expect("writes");
    let path = state.path().to_str().expect("a path").to_owned();
    let env = [
        ("SPLITDECK_API", server.base.as_str()),
        ("SPLITDECK_TOKEN", EDITOR),
        ("SPLITDECK_STATE_DIR", path.as_str()),
    ];
    let pty = Pty::start(&[], &env, (110, 32));
    let pty = blocking(pty, move |pty| {
        pty.wait_for_text("editor");
        pty.send("F");
        pty.wait_for_text("dark-mode");
        pty.send("\r");
        pty.wait_for_text("a rule, tried before the rollout");
        pty.send("G\r");
        pty.wait_for_text("i many");
        pty.send("i");
        pty.wait_for_text("paste here");
        pty.send(&format!("\x1b[B{}\r", file.display()));
        pty.wait_for_text("received 94,000   unique 94,000   duplicates 0   malformed 0");
        pty.wait_for_text("Nothing is in force before");
        // The reading has left the focus on the variant.
        pty.send("\x1b[B\x1b[B\x1b[C\r");
        pty.wait_for_text("+ added 94,000");
        pty.send("\r");
        confirm(pty, "Apply");
        pty.wait_for_text("10 of 10 chunks in force: 94,000 added");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    drop(pty);
    let row = server.client().flag("dark-mode").await.expect("there");
    assert_eq!(row.overrides, 94_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_from_the_command_line_and_a_missing_one_is_said() {
    let server = with_experiment().await;
    let state = tempfile::tempdir().expect("a directory");
    let file = state.path().join("ids.txt");
    std::fs::write(&file, "u-1,u-2\nu-2\nu\u{7}3\n").expect("written");
    let missing = state.path().join("none.txt");
    let missing = missing.to_str().expect("a path").to_owned();
    let pty = open(&server.base, state.path(), &["--import", &missing]);
    let pty = blocking(pty, move |pty| {
        pty.wait_for_text("Cannot read");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    drop(pty);
    let pty = open(
        &server.base,
        state.path(),
        &["--import", file.to_str().expect("a path")],
    );
    let pty = blocking(pty, |pty| {
        pty.wait_for_text("received 4   unique 2   duplicates 1   malformed 1");
        pty.wait_for_text("line 3");
        pty.send("\x03");
        assert!(pty.ended().success());
    })
    .await;
    drop(pty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_and_a_file_are_named_on_the_command_line() {
    let server = TestServer::start().await;
    let flag = serde_json::from_value(json!({ "name": "dark-mode" })).expect("reads");
    server.client().create_flag(&flag).await.expect("made");
    let state = tempfile::tempdir().expect("a directory");
    let file = state.path().join("ids.txt");
    std::fs::write(&file, "u-1,u-2\nu-2\n").expect("written");
    let path = state.path().to_str().expect("a path").to_owned();
    let env = [
        ("SPLITDECK_API", server.base.as_str()),
        ("SPLITDECK_TOKEN", EDITOR),
        ("SPLITDECK_STATE_DIR", path.as_str()),
    ];
    let args = ["--flag", "dark-mode", "--import", file.to_str().expect("a path")];
    let pty = Pty::start(&args, &env, (110, 32));
    let pty = blocking(pty, |pty| {
        pty.wait_for_text("Import overrides into dark-mode");
        pty.wait_for_text("received 3   unique 2   duplicates 1   malformed 0");
        // The reading has left the focus on the variant.
        pty.send("\x1b[B\x1b[B\x1b[C\r");
        pty.wait_for_text("+ added 2");
        pty.send("\r");
        confirm(pty, "Apply");
        pty.wait_for_text("1 of 1 chunk in force, 2 of 2 ids");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    drop(pty);
    let row = server.client().flag("dark-mode").await.expect("there");
    assert_eq!(row.overrides, 2);
}
