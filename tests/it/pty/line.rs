//! A line that is slow, loses segments, or stands still: keys are answered at once all the same, requests do not
//! pile up, and an old answer never takes the place of a newer one. And a line on which nothing happens, on which
//! nothing is written.

use std::time::{Duration, Instant};

use super::terminal::{DEADLINE, Pty};
use crate::support::line::{FAST, Line, SLOW};
use crate::support::server::{EDITOR, TestServer};
use crate::support::warehouse::{drained, expose, server_with_clickhouse};

/// Asked every two seconds while an experiment or the list is looked at.
const POLL: &str = "GET /experiments";

fn open(line: &Line, args: &[&str]) -> Pty {
    Pty::start(
        args,
        &[("SPLITDECK_API", &line.base), ("SPLITDECK_TOKEN", EDITOR)],
        (120, 40),
    )
}

async fn at_the_keyboard<T: Send + 'static>(keys: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(keys).await.expect("no panic")
}

/// Waits until so many more requests were sent.
#[track_caller]
fn polls(pty: &Pty, line: &Line, more: u64) {
    let wanted = line.requests(POLL) + more;
    pty.wait_for("another request", |_| {
        (line.requests(POLL) >= wanted).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_answered_while_the_line_stands_still() {
    let server = TestServer::with_two_drafts().await;
    let line = Line::to(&server.base, SLOW).await;
    let mut pty = open(&line, &[]);
    at_the_keyboard(move || {
        pty.wait_for_text("pricing-page");
        polls(&pty, &line, 2);
        line.hold("");
        pty.wait_for("a request without an answer", |_| {
            (line.waiting(POLL) > 0).then_some(())
        });
        // All of this goes without the server.
        pty.send("?");
        pty.wait_for_text("Keys that work here");
        // In one piece, as a slow line may bring them.
        pty.send("\x1b/pric");
        pty.wait_for("a filtered list", |seen| {
            let text = seen.text();
            let gone = !text.contains("Keys that work here") && !text.contains("checkout-button");
            (gone && text.contains("pricing-page")).then_some(())
        });
        pty.send("\r\r");
        pty.wait_for_text("hypothesis");
        for (key, text) in [("2", "traffic 100.00 %"), ("3", "No rules"), ("1", "hypothesis")] {
            pty.send(key);
            pty.wait_for_text(text);
        }
        pty.send("j\r");
        pty.wait_for_text("next field");
        pty.send(" for all\r");
        pty.wait_for_text("Pricing page → Pricing page for all");
        // That the answer takes its time is said, and nothing was lost meanwhile.
        pty.wait_for_text("waiting");
        line.release();
        pty.send("S");
        pty.wait_for_text("Go on editing");
        pty.press_when_armed("\x1b[C", "‹ Save ›");
        pty.send("\r");
        pty.wait_for_text("Saved 1 change");
        assert_eq!(line.most_waiting(), 1, "never two requests for the same at once");
        pty.leave_by("\x03");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_never_takes_the_place_of_a_newer_one() {
    let server = TestServer::with_two_drafts().await;
    let line = Line::to(&server.base, FAST).await;
    let mut pty = open(&line, &["--experiment", "pricing-page"]);
    let (asked, saved) = (line.clone(), line.clone());
    let mut pty = at_the_keyboard(move || {
        pty.wait_for_text("hypothesis");
        pty.wait_for_text("editor");
        // The list and the experiment are asked for; their answers are from before the change.
        asked.hold(POLL);
        pty.wait_for("a request without an answer", |_| {
            (asked.waiting(POLL) > 0).then_some(())
        });
        pty.send("j\r");
        pty.wait_for_text("next field");
        pty.send(" for all\rS");
        pty.wait_for_text("Go on editing");
        pty.press_when_armed("\x1b[C", "‹ Save ›");
        pty.send("\r");
        pty.wait_for_text("Saved 1 change of pricing-page (v2)");
        asked.release();
        polls(&pty, &asked, 2);
        pty
    })
    .await;
    at_the_keyboard(move || {
        pty.look(|seen| {
            let text = seen.text();
            assert!(
                text.contains("v2") && text.contains("Pricing page for all"),
                "{text}"
            );
            let bytes = String::from_utf8_lossy(&seen.bytes).into_owned();
            let after = bytes.rfind("Saved 1 change").map(|at| &bytes[at..]);
            assert!(!after.expect("said").contains("v1"), "it never went back");
        });
        // What was asked before the change was given up for the same asked anew.
        assert!(saved.most_waiting() <= 2, "{}", saved.most_waiting());
        pty.send("\x03");
        pty.ended();
    })
    .await;
}

/// The terminal's own line is slow as well: what is typed comes late and in pieces, and means the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_terminal_means_the_same() {
    let server = TestServer::with_two_drafts().await;
    let line = Line::to(&server.base, SLOW).await;
    let mut pty = open(&line, &[]);
    at_the_keyboard(move || {
        pty.delay(Duration::from_millis(200));
        pty.wait_for_text("pricing-page");
        // Typed ahead, far ahead of what is seen: a filter, what it finds opened, a tab, its fields.
        pty.send("/pric\r\r1j\r");
        pty.wait_for_text("next field");
        pty.send(" for all\x1b[D\x1b[D\x1b[D\x7fx\r");
        pty.wait_for_text("Pricing page → Pricing page forxall");
        // A paste in a hundred pieces is one paste, and none of it a command.
        pty.send("\r\x15\x1b[200~");
        for _ in 0..100 {
            pty.send("quit q ");
        }
        pty.send("\x1b[201~\r");
        pty.wait_for_text("quit q quit q");
        pty.send("u");
        pty.wait_for_text("Pricing page forxall");
        pty.leave_by("\x03");
    })
    .await;
}

/// Waits until several answers came in one after the other without a byte being written.
#[track_caller]
fn settles(pty: &Pty, line: &Line, screen: &str) {
    let until = Instant::now() + DEADLINE;
    loop {
        let before = pty.look(|seen| seen.bytes.len());
        polls(pty, line, 3);
        let written = pty.look(|seen| seen.bytes[before..].to_vec());
        if written.is_empty() {
            return;
        }
        let written = String::from_utf8_lossy(&written).into_owned();
        assert!(
            Instant::now() < until,
            "{screen} writes without an end: {written:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_nothing_changes() {
    let server = server_with_clickhouse().await;
    let experiment = server.active("checkout").await;
    server.draft("pricing").await;
    expose(&server, &experiment, [40, 60]).await;
    drained(&server).await;
    let line = Line::to(&server.base, FAST).await;
    let mut pty = open(&line, &[]);
    at_the_keyboard(move || {
        // The newest event came just now: first its age is told, then when it came.
        pty.wait_for_text("events until");
        settles(&pty, &line, "the list");
        pty.send("/check\r\r5");
        pty.wait_for_text("posterior");
        settles(&pty, &line, "the Analytics tab");
        pty.send("z");
        pty.wait_for("the whole screen", |seen| {
            (!seen.text().contains("1 Setup")).then_some(())
        });
        settles(&pty, &line, "one panel");
        pty.send("\x03");
        assert!(pty.ended().success());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_at_a_terminal_says_whom_it_waits_for() {
    let server = TestServer::with_two_drafts().await;
    let line = Line::to(&server.base, FAST).await;
    line.hold("");
    let mut pty = open(&line, &["experiments", "list"]);
    at_the_keyboard(move || {
        pty.wait_for_text(&format!("splitdeck: waiting for {} to answer GET /", line.base));
        line.release();
        pty.wait_for_text("pricing-page");
        assert!(pty.ended().success());
    })
    .await;
}
