//! Flags, deployments and projects by keys alone, against a real server.

use splitdeck::api::experiments::CreateExperiment;
use splitdeck::domain::{Percent, Status};

use super::terminal::{Pty, Seen};
use crate::support::server::{ADMIN, TestServer, VIEWER};

fn open(server: &TestServer, token: &str) -> Pty {
    Pty::on(server, token, &[], (120, 34))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_is_made_switched_on_and_rolled_out() {
    let server = TestServer::start().await;
    let mut pty = open(&server, ADMIN);
    let pty = tokio::task::spawn_blocking(move || {
        pty.wait_for_text("admin");
        pty.send("F");
        pty.wait_for_text("n makes one");
        pty.send("n");
        pty.wait_for_text("New flag");
        // Wrong first: the rollout is said to be no share as soon as it is left.
        pty.send("Dark mode\t\t\t\x15abc\t");
        pty.wait_for_text("a number from 0 to 100");
        pty.send("\x1b[Z\x15\x31\x30\t\t\t\t\r");
        pty.wait_for_text("dark-mode");
        pty.wait_for_text("off");
        pty.send("o");
        pty.wait_for_text("About 10.00 % of subjects get on");
        pty.press_when_armed("\x1b[C", "‹ Switch on ›");
        pty.send("\r");
        pty.wait_for_text("dark-mode is on");
        pty.send("\r");
        pty.wait_for_text("a rule, tried before the rollout");
        // Down to the rollout.
        pty.send("jjj\r");
        pty.wait_for_text("Change the rollout");
        pty.send("\x15\x35\x30\r\t\r");
        pty.wait_for_text("10.00 % → 50.00 %");
        pty.wait_for_text("1 change not saved");
        pty.send("S");
        pty.wait_for_text("rollout: 10.00 % → 50.00 %");
        pty.press_when_armed("\x1b[C", "‹ Save ›");
        pty.send("\r");
        pty.wait_for_text("dark-mode is saved");
        pty.send("H");
        pty.wait_for_text("History of dark-mode");
        pty.wait_for_text("rolloutPct");
        pty.leave_by("\x03");
        pty
    })
    .await
    .expect("no panic");
    drop(pty);
    let row = server.client().flag("dark-mode").await.expect("there");
    assert!(row.flag.enabled);
    assert_eq!(row.flag.rollout_pct, Percent::new(50.0).expect("a share"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_server_is_shown_once_and_copied() {
    let server = TestServer::start().await;
    let mut pty = open(&server, ADMIN);
    let pty = tokio::task::spawn_blocking(move || {
        pty.wait_for_text("admin");
        pty.send("D");
        pty.wait_for_text("client");
        pty.send("n");
        pty.wait_for_text("New deployment");
        pty.send("backend\t\x1b[C");
        pty.wait_for_text("shown once, right after this");
        pty.send("\t\t\r");
        pty.wait_for_text("Key of backend");
        // Esc does not lose it by accident.
        pty.send("\x1b");
        pty.wait_for_text("never shown again");
        pty.wait_for_text("Key of backend");
        pty.send("y");
        pty.wait_for("a copy through the terminal", |seen: &Seen| {
            let bytes = String::from_utf8_lossy(&seen.bytes).into_owned();
            bytes.contains("\x1b]52;").then_some(())
        });
        pty.send("\x1b");
        pty.wait_for("a closed panel", |seen| {
            (!seen.text().contains("Key of backend")).then_some(())
        });
        pty.send("\x03");
        assert!(pty.ended().success());
        pty
    })
    .await
    .expect("no panic");
    drop(pty);
    let all = server.client().deployments().await.expect("some").deployments;
    assert!(all.iter().any(|row| row.deployment.name == "backend"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_and_the_whole_cockpit_goes_there() {
    let server = TestServer::start().await;
    let body = serde_json::json!({ "name": "Checkout button" });
    server.post("/experiments", &body).await.expect(201);
    let mut pty = open(&server, ADMIN);
    let pty = tokio::task::spawn_blocking(move || {
        pty.wait_for_text("checkout-button");
        pty.send("P");
        pty.wait_for_text("environment");
        pty.send("n");
        pty.wait_for_text("New project");
        pty.send("shop-live\t\t\x1b[C\x1b[C\t\t\t\r");
        pty.wait_for_text("shop-live");
        pty.press_until("j", "2 of 2");
        pty.send("\r");
        pty.wait_for_text("PRODUCTION");
        pty.wait_for("another project's list", |seen| {
            (!seen.text().contains("checkout-button")).then_some(())
        });
        pty.wait_for_text("No experiments yet");
        pty.send("\x03");
        assert!(pty.ended().success());
        pty
    })
    .await
    .expect("no panic");
    drop(pty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_refused_before_any_dialog() {
    let server = TestServer::start().await;
    let mut pty = open(&server, VIEWER);
    tokio::task::spawn_blocking(move || {
        pty.wait_for_text("viewer");
        pty.send("F");
        pty.wait_for_text("No flags yet");
        pty.send("n");
        pty.wait_for_text("nothing can be changed");
        pty.send("D");
        pty.wait_for_text("client");
        pty.send("r");
        pty.wait_for_text("nothing can be changed");
        pty.send("\x03");
        pty.ended();
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_archived_brought_back_and_another_one_deleted() {
    let server = TestServer::start().await;
    let client = server.client();
    for key in ["kept-idea", "lost-idea"] {
        let new = CreateExperiment {
            key: Some(key.to_owned()),
            name: key.to_owned(),
            ..CreateExperiment::default()
        };
        client.create_experiment(&new).await.expect("created");
    }
    let mut pty = open(&server, ADMIN);
    let pty = tokio::task::spawn_blocking(move || {
        pty.wait_for_text("lost-idea");
        pty.send("/lost\r");
        pty.wait_for("one row", |seen| {
            (!seen.text().contains("kept-idea")).then_some(())
        });
        pty.send("\x1b[3~");
        pty.wait_for_text("It is gone for good");
        pty.press_when_armed("\x1b[C", "‹ Delete ›");
        pty.send("\r");
        pty.wait_for_text("lost-idea is deleted");
        pty.send("\x1b");
        pty.wait_for_text("kept-idea");
        pty.send("A");
        pty.wait_for_text("It is hidden from the list");
        pty.press_when_armed("\x1b[C", "‹ Archive ›");
        pty.send("\r");
        pty.wait_for_text("kept-idea is archived");
        pty.wait_for("an empty list", |seen| {
            (!seen.text().contains("◌ draft") && !seen.text().contains("archived")).then_some(())
        });
        pty.send("v");
        pty.wait_for_text("kept-idea");
        pty.send("A");
        pty.wait_for_text("It is listed again, as ended");
        pty.press_when_armed("\x1b[C", "‹ Bring back ›");
        pty.send("\r");
        pty.wait_for_text("✕ ended");
        pty.send("\x03");
        assert!(pty.ended().success());
        pty
    })
    .await
    .expect("no panic");
    drop(pty);
    let all = client.experiments(true).await.expect("some").experiments;
    let seen: Vec<_> = all.iter().map(|e| (e.key.as_str(), e.status)).collect();
    assert_eq!(seen, [("kept-idea", Status::Ended)]);
}
