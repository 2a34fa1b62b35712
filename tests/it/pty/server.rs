//! The cockpit with a real server: list, tabs, a step of a life, a server that goes away.

use super::terminal::Pty;
use crate::support::projects::TwoProjects;
use crate::support::server::{ADMIN, EDITOR, TestServer, VIEWER};

fn open(server: &TestServer, token: &str, args: &[&str]) -> Pty {
    Pty::on(server, token, args, (100, 28))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_is_activated_by_keyboard() {
    let server = TestServer::with_two_drafts().await;
    let mut pty = open(&server, EDITOR, &[]);
    let pty = tokio::task::spawn_blocking(move || {
        pty.wait_for_text("pricing-page");
        pty.send("\r");
        pty.wait_for_text("hypothesis");
        for (key, text) in [("2", "unallocated"), ("3", "No rules"), ("4", "No overrides")] {
            pty.send(key);
            if key == "2" {
                pty.wait_for_text("traffic 100.00 %");
            } else {
                pty.wait_for_text(text);
            }
        }
        pty.send("a");
        pty.wait_for_text("Keep as draft");
        // The dialog is deaf at first.
        pty.press_when_armed("\x1b[C", "‹ Activate ›");
        pty.send("\r");
        pty.wait_for_text("is active");
        pty.leave_by("\x03");
        pty
    })
    .await
    .expect("no panic");
    drop(pty);
    let live = server
        .client()
        .experiment("checkout-button")
        .await
        .expect("there");
    assert_eq!(live.status, splitdeck::domain::Status::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_refused_before_any_dialog() {
    let server = TestServer::with_two_drafts().await;
    let mut pty = open(&server, VIEWER, &["--experiment", "checkout-button"]);
    tokio::task::spawn_blocking(move || {
        pty.wait_for_text("hypothesis");
        pty.wait_for_text("viewer");
        pty.send("a");
        pty.wait_for_text("nothing can be changed");
        pty.send("\x03");
        pty.ended();
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_leaves_its_data_and_refuses_changes() {
    let server = TestServer::with_two_drafts().await;
    let pty = open(&server, ADMIN, &[]);
    let pty = tokio::task::spawn_blocking(move || {
        pty.wait_for_text("checkout-button");
        pty
    })
    .await
    .expect("no panic");
    server.stop().await;
    let mut pty = pty;
    tokio::task::spawn_blocking(move || {
        pty.wait_for_text("stale");
        pty.wait_for_text("checkout-button");
        pty.send("a");
        pty.wait_for_text("The server is lost");
        pty.leave_by("\x03");
    })
    .await
    .expect("no panic");
}

/// The token opens no ClickHouse: the server counts, and the cockpit is none the poorer.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_of_one_project_of_two_sees_its_numbers() {
    let two = TwoProjects::start().await;
    let mut pty = open(&two.server, &two.viewer, &[]);
    tokio::task::spawn_blocking(move || {
        pty.wait_for_text("theirs");
        pty.wait_for("six subjects in the list", |seen| {
            let text = seen.text();
            let line = text.lines().find(|line| line.contains("theirs"))?;
            line.split_whitespace().find(|word| *word == "6").map(|_| ())
        });
        pty.send("\r");
        pty.wait_for_text("hypothesis");
        pty.send("5");
        pty.wait_for_text("6 events so far");
        pty.send("\x03");
        assert!(pty.ended().success());
    })
    .await
    .expect("no panic");
}
