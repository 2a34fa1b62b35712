//! `splitdeck demo` as a person meets it.

use rustix::process::{Pid, Signal, kill_process};

use super::terminal::Pty;

/// The experiment that is opened: real data, so that its numbers are known.
const KEY: &str = "cookie-cats";

/// Waits until all of these texts are on the screen.
#[track_caller]
fn shows(terminal: &Pty, texts: &[&str]) {
    terminal.wait_for(&format!("{texts:?}"), |seen| {
        let text = seen.text();
        texts.iter().all(|t| text.contains(t)).then_some(())
    });
}

/// The demo as it is started in a terminal; the engine is where the person has it.
fn demo(data: &str, rate: &str, more: &[&str]) -> Pty {
    let env: Vec<(String, String)> = std::env::vars()
        .filter(|(name, _)| {
            !["NO_COLOR", "SPLITDECK_THEME", "SPLITDECK_LOG", "TERM", "LANG"].contains(&name.as_str())
        })
        .collect();
    let env: Vec<(&str, &str)> = env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let args = [&["demo", "--data-dir", data, "--rate", rate], more].concat();
    Pty::start(&args, &env, (120, 40))
}

#[test]
fn every_tab_at_every_size_and_the_terminal_is_given_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let data = data.to_str().expect("text");
    let mut terminal = demo(data, "20", &[]);

    shows(
        &terminal,
        &["Experiments", KEY, "checkout-cta", "search-ranking", "simulated"],
    );
    // The replay is complete when the list shows all players.
    shows(&terminal, &["90,189"]);
    terminal.send("/cookie\r");
    terminal.wait_for("filtered list", |seen| {
        let text = seen.text();
        (text.contains(KEY) && !text.contains("checkout-cta")).then_some(())
    });
    terminal.send("\r");
    for (key, shown) in [
        ("1", &["retained_day_7", "made-up timestamps"][..]),
        ("2", &["gate_30", "gate_40", "nothing is unallocated"]),
        ("3", &["No rules"]),
        ("4", &["0 fixed, 0 manual"]),
        ("6", &["Written by rules"]),
        (
            "5",
            &[
                "44,700", "45,489", "8,502", "8,279", "19.02 %", "18.20 %", "99.9 %", "0.1 %",
            ],
        ),
    ] {
        terminal.send(key);
        shows(&terminal, shown);
    }
    // Analytics stays in use at each size, and says what it is about as long as there is room.
    for (columns, rows) in [(80, 24), (40, 10), (200, 50), (120, 40)] {
        terminal.resize(columns, rows);
        terminal.wait_for(&format!("{columns}×{rows}"), |seen| {
            let text = seen.text();
            (text.contains(KEY) && (columns < 80 || text.contains("44,700"))).then_some(())
        });
    }
    terminal.send("q");
    let status = terminal.ended();
    assert!(status.success(), "{status:?}");
    terminal.is_restored();
    // Nothing is left running: the data directory is free at once.
    let lock = std::fs::File::open(format!("{data}/server.lock")).expect("the lock file");
    lock.try_lock().expect("the server has ended");
}

#[test]
fn without_a_terminal_it_says_what_does_without() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_splitdeck"))
        .arg("demo")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--headless"), "{said}");
}

#[test]
fn a_server_that_died_is_told_at_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut terminal = demo(data.to_str().expect("text"), "0", &["--read-only"]);
    shows(&terminal, &["Experiments", KEY, "read-only"]);
    let me = terminal.pid().as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{me}/task/{me}/children")).expect("Linux");
    let server: i32 = children.trim().parse().expect("one child, the server");
    kill_process(Pid::from_raw(server).expect("a pid"), Signal::KILL).expect("it runs");
    shows(&terminal, &["stale"]);
    terminal.send("q");
    assert_eq!(terminal.ended().exit_code(), 1);
    shows(&terminal, &["had ended by itself (signal: 9", "demo.log says"]);
    terminal.is_restored();
}
