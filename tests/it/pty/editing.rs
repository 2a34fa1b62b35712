//! Editing by keyboard, with a real server: saved, created, disagreed about, and kept when the cockpit dies.

use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::terminal::{DEADLINE, Pty};
use crate::support::server::{ADMIN, EDITOR, TestServer};
use crate::support::warehouse::{drained, exposure, server_with_clickhouse};

fn open(server: &TestServer, token: &str, state: &Path, args: &[&str]) -> Pty {
    Pty::start(
        args,
        &[
            ("SPLITDECK_API", &server.base),
            ("SPLITDECK_TOKEN", token),
            ("SPLITDECK_STATE_DIR", state.to_str().expect("a path")),
        ],
        (120, 40),
    )
}

fn state_dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Runs keys in a thread of their own: they wait for the screen.
async fn at_the_keyboard<T: Send + 'static>(keys: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(keys).await.expect("no panic")
}

/// What the drafts on disk say.
fn kept(state: &Path) -> String {
    let Ok(files) = std::fs::read_dir(state.join("drafts")) else {
        return String::new();
    };
    let paths = files.map(|file| file.expect("a file").path());
    // What is being written counts only once it is there as a whole.
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let texts = paths.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    texts.collect()
}

/// Presses the button of the dialog on top that does it.
fn confirm(pty: &mut Pty, verb: &str) {
    // The button that leaves everything as it is.
    pty.wait_for_text("‹ ");
    pty.press_when_armed("\x1b[C", &format!("‹ {verb} ›"));
    pty.send("\r");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_saved_after_its_difference_was_shown() {
    let server = TestServer::start().await;
    let active = server.active("checkout").await;
    let state = state_dir();
    let mut pty = open(&server, EDITOR, state.path(), &["--experiment", "checkout"]);
    at_the_keyboard(move || {
        pty.wait_for_text("hypothesis");
        pty.wait_for_text("editor");
        // The split, on the Variants tab.
        pty.send("2l\r");
        pty.wait_for_text("next field");
        pty.send("\x1540\r");
        pty.wait_for_text("traffic 50.00 % → 40.00 %");
        pty.wait_for_text("2 Variants*");
        pty.wait_for_text("1 unsaved change");
        pty.send("S");
        pty.wait_for_text("10.00 % of the subjects stop seeing control");
        pty.wait_for_text("Cohort 2 is appended");
        confirm(&mut pty, "Save");
        pty.wait_for_text("Saved 1 change of checkout (v3)");
        pty.leave_by("\x03");
    })
    .await;
    let live = server.get("/experiments/checkout").await.expect(200);
    assert_eq!(live["variants"][0]["trafficPct"], 40.0);
    assert_eq!(live["cohorts"].as_array().expect("cohorts").len(), 2);
    assert_eq!(live["name"], active["name"], "nothing else was sent");
    let history = server.get("/experiments/checkout/history").await.expect(200);
    assert_eq!(history["entries"][0]["actor"], "editor");
    assert_eq!(history["entries"][0]["action"], "experiment.variants_changed");
    assert_eq!(kept(state.path()), "", "nothing is kept of what is saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_survives_the_death_of_the_cockpit_in_the_middle_of_a_word() {
    let server = TestServer::start().await;
    server.draft("checkout").await;
    let state = state_dir();
    let mut pty = open(&server, EDITOR, state.path(), &["--experiment", "checkout"]);
    let dir = state.path().to_owned();
    at_the_keyboard(move || {
        pty.wait_for_text("hypothesis");
        pty.wait_for_text("editor");
        pty.send("j\r");
        pty.wait_for_text("next field");
        pty.send(" for everybody\rjj\r");
        pty.wait_for_text("tab goes on");
        pty.send("Half a sen");
        let until = Instant::now() + DEADLINE;
        while !kept(&dir).contains("Half a sen") {
            assert!(Instant::now() < until, "not on disk: {}", kept(&dir));
            std::thread::yield_now();
        }
        pty.signal(Signal::KILL);
        pty.ended();
    })
    .await;
    let mut pty = open(&server, EDITOR, state.path(), &["--experiment", "checkout"]);
    at_the_keyboard(move || {
        pty.wait_for_text("2 unsaved changes from");
        pty.send("R");
        pty.wait_for_text("checkout → checkout for everybody");
        pty.wait_for_text("Half a sen");
        pty.send("S");
        // What was being typed is no change before it is left: S goes to it.
        pty.wait_for_text("was still being typed");
        pty.send("\r");
        pty.wait_for_text("tab goes on");
        pty.send("\x0f");
        pty.wait_for_text("Go on editing");
        confirm(&mut pty, "Save");
        pty.wait_for_text("Saved 2 changes");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    let live = server.get("/experiments/checkout").await.expect(200);
    assert_eq!(live["name"], "checkout for everybody");
    assert_eq!(live["hypothesis"], "Half a sen");
    assert_eq!(kept(state.path()), "");
}

/// Waits until something is among the drafts on disk.
fn until_kept(state: &Path, text: &str) {
    let until = Instant::now() + DEADLINE;
    while !kept(state).contains(text) {
        assert!(Instant::now() < until, "not on disk: {}", kept(state));
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cockpits_that_edit_the_same_lose_nothing_when_both_are_killed() {
    let server = TestServer::start().await;
    server.draft("checkout").await;
    let state = state_dir();
    let args = ["--experiment", "checkout"];
    let mut first = open(&server, EDITOR, state.path(), &args);
    let mut second = open(&server, EDITOR, state.path(), &args);
    let dir = state.path().to_owned();
    at_the_keyboard(move || {
        for pty in [&mut first, &mut second] {
            pty.wait_for_text("hypothesis");
            pty.wait_for_text("editor");
        }
        first.send("j\r");
        first.wait_for_text("next field");
        first.send(" of the first\r");
        until_kept(&dir, "of the first");
        second.send("jj\r");
        second.wait_for_text("tab goes on");
        second.send("of the second\r");
        until_kept(&dir, "of the second");
        assert!(
            kept(&dir).contains("of the first"),
            "neither overwrites the other"
        );
        for pty in [&mut first, &mut second] {
            pty.signal(Signal::KILL);
            pty.ended();
        }
    })
    .await;
    let mut pty = open(&server, EDITOR, state.path(), &args);
    at_the_keyboard(move || {
        pty.wait_for_text("1 draft of other cockpits after it");
        pty.send("R");
        pty.wait_for_text("1 change restored");
        pty.send("R");
        pty.wait_for_text("2 unsaved changes");
        pty.send("S");
        // What was being typed is no change before it is left: S goes to it.
        pty.wait_for_text("was still being typed");
        pty.send("\r");
        pty.wait_for_text("tab goes on");
        pty.send("\x0f");
        pty.wait_for_text("Go on editing");
        confirm(&mut pty, "Save");
        pty.wait_for_text("Saved 2 changes");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    let live = server.get("/experiments/checkout").await.expect(200);
    assert_eq!(live["name"], "checkout of the first");
    assert!(live.to_string().contains("of the second"), "{live}");
    assert_eq!(kept(state.path()), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_draft_of_a_flag_survives_the_death_of_the_cockpit() {
    let server = TestServer::start().await;
    let flag = serde_json::from_value(json!({"name": "dark-mode"})).expect("reads");
    server.client().create_flag(&flag).await.expect("made");
    let state = state_dir();
    let mut pty = open(&server, ADMIN, state.path(), &[]);
    let dir = state.path().to_owned();
    let to_the_flag = |pty: &mut Pty| {
        pty.wait_for_text("admin");
        pty.send("F");
        pty.wait_for_text("dark-mode");
        pty.send("\r");
        pty.wait_for_text("a rule, tried before the rollout");
    };
    at_the_keyboard(move || {
        to_the_flag(&mut pty);
        pty.send("jjj\r");
        pty.wait_for_text("Change the rollout");
        pty.send("\x15\x35\x30\r\t\r");
        pty.wait_for_text("1 change not saved");
        until_kept(&dir, "\"rolloutPct\":50");
        pty.signal(Signal::KILL);
        pty.ended();
    })
    .await;
    let mut pty = open(&server, ADMIN, state.path(), &[]);
    at_the_keyboard(move || {
        to_the_flag(&mut pty);
        pty.wait_for_text("1 unsaved change from");
        pty.send("R");
        pty.wait_for_text("→ 50.00 %");
        pty.send("S");
        pty.wait_for_text("Save the changes of dark-mode");
        pty.press_when_armed("\x1b[C", "‹ Save ›");
        pty.send("\r");
        pty.wait_for_text("dark-mode is saved");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    let row = server.client().flag("dark-mode").await.expect("there");
    assert_eq!(row.flag.rollout_pct.to_string(), "50.00");
    assert_eq!(kept(state.path()), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_saves_meanwhile_merges_and_the_same_field_is_asked_for() {
    let server = TestServer::start().await;
    let before = server.draft("checkout").await;
    let state = state_dir();
    let mut pty = open(&server, EDITOR, state.path(), &["--experiment", "checkout"]);
    let mut pty = at_the_keyboard(move || {
        pty.wait_for_text("hypothesis");
        pty.wait_for_text("editor");
        pty.send("j\r");
        pty.wait_for_text("next field");
        pty.send("\x15Mine\r");
        pty.wait_for_text("checkout → Mine");
        pty
    })
    .await;
    let theirs = json!({
        "resourceVersion": before["resourceVersion"], "name": "Theirs", "description": "also theirs",
    });
    server.patch("/experiments/checkout", &theirs).await.expect(200);
    at_the_keyboard(move || {
        // Nothing was pressed.
        pty.wait_for_text("saved v2");
        pty.wait_for_text("description merged with yours");
        pty.wait_for_text("Both of you changed name");
        pty.send("S");
        pty.wait_for_text("it was  checkout");
        pty.wait_for_text("admin");
        pty.send("\x1b[D\r");
        pty.wait_for_text("Theirs → Mine");
        pty.send("S");
        confirm(&mut pty, "Save");
        pty.wait_for_text("Saved 1 change of checkout (v3)");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    let live = server.get("/experiments/checkout").await.expect(200);
    assert_eq!(
        (&live["name"], &live["description"]),
        (&json!("Mine"), &json!("also theirs"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_is_created_and_prepared_without_leaving_the_keyboard() {
    let server = TestServer::start().await;
    let state = state_dir();
    let mut pty = open(&server, EDITOR, state.path(), &[]);
    at_the_keyboard(move || {
        pty.wait_for_text("editor");
        pty.send("n");
        pty.wait_for_text("What is it?");
        pty.wait_for_text("next field");
        pty.send("Faster search");
        pty.wait_for_text("faster-search");
        pty.wait_for_text("8,158 subjects per arm × 2 arms = 16,316");
        pty.send("\r\t\r");
        pty.wait_for_text("Primary metric ·");
        pty.send("purchase\r");
        pty.wait_for_text("Esc goes back");
        pty.send("\x1b");
        pty.wait_for_text("What counts?");
        pty.send("\t");
        pty.wait_for_text("Beside the split");
        pty.send("n=\t");
        pty.wait_for_text("How long will it take?");
        pty.send("\t");
        pty.wait_for_text("creates it as a draft");
        pty.send("S");
        pty.wait_for_text("Not yet");
        confirm(&mut pty, "Create");
        pty.wait_for_text("Created faster-search");
        // A rule, on the new experiment.
        pty.send("3");
        pty.wait_for_text("No rules");
        pty.send("n");
        pty.wait_for_text("Rule 1 of 1");
        pty.send("jjl\x1b[B");
        pty.send("\x1b");
        pty.wait_for_text("profile. is");
        pty.send("\r");
        pty.wait_for_text("all must hold");
        pty.send("n");
        pty.wait_for_text("profile · session · event");
        pty.send("\r");
        pty.wait_for_text("next field");
        pty.send("country\r");
        pty.wait_for_text("doesNotContain");
        pty.send("\rTH\r");
        pty.wait_for_text("TH");
        // The first condition, which is still empty, goes.
        pty.send("kd\x1b");
        pty.wait_for_text("profile.country is TH");
        pty.send("S");
        pty.wait_for_text("Go on editing");
        confirm(&mut pty, "Save");
        pty.wait_for_text("Saved 1 change of faster-search");
        // Somebody is forced, and released.
        pty.send("4");
        pty.wait_for_text("No overrides");
        pty.send("n");
        pty.wait_for_text("Force one subject");
        pty.press_until("q", "▏q");
        pty.send("a-7\r\r\x1b[C\r");
        confirm(&mut pty, "Force");
        pty.wait_for_text("forced from now on");
        pty.wait_for_text("1 fixed, 0 manual");
        pty.send("d");
        pty.wait_for_text("Release");
        confirm(&mut pty, "Release");
        pty.wait_for_text("forced no longer");
        pty.wait_for_text("No overrides");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    let live = server.get("/experiments/faster-search").await.expect(200);
    assert_eq!(live["name"], "Faster search");
    assert_eq!(live["primaryMetric"]["event"], "purchase");
    assert_eq!(live["variants"].as_array().expect("variants").len(), 3);
    assert_eq!(
        live["rules"][0]["conditions"]
            .as_array()
            .expect("conditions")
            .len(),
        1
    );
    assert_eq!(live["rules"][0]["conditions"][0]["value"], "TH");
    let history = server.get("/experiments/faster-search/history").await.expect(200);
    let actions: Vec<&Value> = history["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|e| &e["action"])
        .collect();
    assert_eq!(
        actions,
        [
            "experiment.overrides_imported",
            "experiment.overrides_imported",
            "experiment.rules_changed",
            "experiment.created",
        ]
    );
}

/// From `splitdeck --experiment KEY` to a resumed experiment: the keys that are not the reason's text count.
#[tokio::test(flavor = "multi_thread")]
async fn on_call_it_takes_less_than_ten_keys_to_resume_from_the_evidence() {
    let server = server_with_clickhouse().await;
    let broken = server.active("broken").await;
    let at = jiff::Timestamp::now().to_string();
    for (variant, count) in [("control", 600), ("treatment", 400)] {
        let events: Vec<Value> = (0..count)
            .map(|n| exposure(&broken, &format!("{variant}-{n}"), variant, &at))
            .collect();
        server.post("/track", &json!(events)).await.expect(200);
    }
    drained(&server).await;
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    let state = state_dir();
    let mut pty = open(&server, ADMIN, state.path(), &["--experiment", "broken"]);
    let keys = at_the_keyboard(move || {
        pty.wait_for_text("auto-paused");
        let mut keys = 0;
        let mut press = |pty: &mut Pty, key: &str| {
            keys += 1;
            pty.send(key);
        };
        press(&mut pty, "r");
        for evidence in [
            "configured",
            "observed",
            "chi-square p",
            "still failing",
            "results before that",
        ] {
            pty.wait_for_text(evidence);
        }
        // The dialog takes keys once it is there for a moment: this one goes to the reason.
        pty.press_when_armed("\t", "‹ Resume ›");
        press(&mut pty, "\t");
        pty.send("fixed the bundle");
        pty.wait_for_text("fixed the bundle");
        for key in ["\t", " ", "\t", "\x1b[C", "\r"] {
            press(&mut pty, key);
        }
        pty.wait_for_text("is active again");
        pty.send("\x03");
        pty.ended();
        // The one that waited for the dialog.
        keys + 1
    })
    .await;
    assert!(keys < 10, "{keys} keys");
    let live = server.get("/experiments/broken").await.expect(200);
    assert_eq!(live["status"], "active");
    let history = server.get("/experiments/broken/history").await.expect(200);
    let entry = &history["entries"][0];
    assert_eq!(entry["action"], "experiment.status_changed");
    assert_eq!(entry["comment"], "fixed the bundle");
    // And what its events are called is offered where a metric is named.
    let mut pty = open(&server, ADMIN, state.path(), &["--experiment", "broken"]);
    at_the_keyboard(move || {
        pty.wait_for_text("hypothesis");
        pty.wait_for_text("admin");
        pty.wait_for_text("primary metric");
        pty.send(&"j".repeat(13));
        pty.send("\r");
        pty.wait_for_text("Primary metric ·");
        pty.wait_for_text(" view");
        pty.send("\x03");
        pty.ended();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_winner_is_applied_from_the_results() {
    let server = server_with_clickhouse().await;
    let body = json!({ "name": "Checkout", "key": "checkout", "primaryMetric": { "event": "buy" } });
    let draft = server.post("/experiments", &body).await.expect(201);
    let live = server.to(&draft, "active").await;
    let now = jiff::Timestamp::now();
    let seen = (now - jiff::SignedDuration::from_secs(60)).to_string();
    for (variant, buyers) in [("control", 20), ("treatment", 120)] {
        let mut events = Vec::new();
        for n in 0..500 {
            let who = format!("{variant}-{n}");
            events.push(exposure(&live, &who, variant, &seen));
            if n < buyers {
                events.push(json!({ "name": "buy", "profileId": who, "timestamp": now.to_string() }));
            }
        }
        server.post("/track", &json!(events)).await.expect(200);
    }
    drained(&server).await;
    let state = state_dir();
    let mut pty = open(&server, EDITOR, state.path(), &["--experiment", "checkout"]);
    at_the_keyboard(move || {
        pty.wait_for_text("hypothesis");
        pty.send("5");
        pty.wait_for_text("winner ● treatment");
        pty.send("W");
        pty.wait_for_text("The flag checkout is switched on and serves treatment to 100 %");
        confirm(&mut pty, "Apply winner");
        pty.wait_for_text("checkout is completed");
        pty.send("\x03");
        pty.ended();
    })
    .await;
    let live = server.get("/experiments/checkout").await.expect(200);
    assert_eq!(
        (&live["status"], &live["winningVariant"]),
        (&json!("completed"), &json!("treatment"))
    );
    let history = server.get("/experiments/checkout/history").await.expect(200);
    let told = history["entries"].as_array().expect("entries");
    assert!(
        told.iter()
            .any(|e| e["action"] == "experiment.apply_winner" && e["actor"] == "editor"),
        "{history}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_room_on_disk_it_is_said_as_long_as_it_is_so_and_before_one_leaves() {
    let server = TestServer::start().await;
    server.active("checkout").await;
    let state = state_dir();
    std::fs::write(state.path().join("drafts"), "").expect("a file where the directory would be");
    let mut pty = open(&server, EDITOR, state.path(), &["--experiment", "checkout"]);
    at_the_keyboard(move || {
        pty.wait_for_text("hypothesis");
        pty.wait_for_text("editor");
        pty.send("2l\r");
        pty.wait_for_text("next field");
        pty.send("\x1540\r");
        pty.wait_for_text("1 unsaved change");
        pty.wait_for_text("Unsaved changes are in memory only");
        pty.send("\x03");
        pty.wait_for_text("would be lost: the same key again leaves all the same");
        // There is room again, and the next key is on disk.
        std::fs::remove_file(state.path().join("drafts")).expect("removed");
        pty.send("l\r\x1530\r");
        pty.wait_for_text("2 unsaved changes");
        pty.wait_for("the words about the disk to go", |seen| {
            (!seen.text().contains("in memory only")).then_some(())
        });
        pty.leave_by("\x03");
        assert!(kept(state.path()).contains("checkout"));
    })
    .await;
}
