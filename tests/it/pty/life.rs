//! Start, resize, leave, stop, crash, hang-up.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::terminal::{DEADLINE, Pty, Seen, modes};

fn started() -> Pty {
    let pty = Pty::start(&[], &[], (80, 24));
    pty.wait_for_text("Experiments");
    pty
}

#[test]
fn the_first_frame_comes_before_any_answer() {
    // A server that takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = format!("http://{}", silent.local_addr().expect("an address"));
    let mut pty = Pty::start(&[], &[("SPLITDECK_API", &api)], (80, 24));
    pty.wait_for_text("connecting");
    pty.look(|seen| {
        assert!(seen.terminal.screen().alternate_screen());
        assert!(seen.terminal.screen().hide_cursor());
    });
    assert_ne!(pty.modes(), pty.modes_before(), "raw mode");
    // Keys are answered while nobody else does.
    pty.send("?");
    pty.wait_for_text("Keys that work here");
    pty.send("\x1b");
    pty.wait_for("closed help", |seen| {
        (!seen.text().contains("Keys that work here")).then_some(())
    });
    pty.send("q");
    assert!(pty.ended().success());
    pty.is_restored();
}

#[test]
fn it_leaves_by_key_in_every_state() {
    for keys in ["q", "\x03", "/abc\x03", ":\x03", "?\x03", "?q"] {
        let mut pty = started();
        pty.send(keys);
        assert!(pty.ended().success(), "{keys:?}");
        pty.is_restored();
    }
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let mut pty = started();
    for (width, height) in [(40, 10), (200, 50), (1, 1), (3, 2), (80, 24)] {
        pty.resize(width, height);
        pty.wait_for("a frame of that size", |seen| {
            let text = seen.text();
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            // The narrowest say nothing that could be waited for: the next wider one tells.
            (width < 20 || text.contains("Experiments") && widest + 6 > usize::from(width)).then_some(())
        });
    }
    pty.send("q");
    assert!(pty.ended().success());
    pty.is_restored();
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_speaks() {
    let mut pty = Pty::start(
        &["--panic-after-first-frame"],
        &[("RUST_BACKTRACE", "0")],
        (80, 24),
    );
    let status = pty.ended();
    assert_eq!(status.exit_code(), 101);
    pty.is_restored();
    // On the main screen, after everything was put back.
    pty.wait_for_text("asked to panic after the first frame");
    pty.look(|seen| {
        let bytes = String::from_utf8_lossy(&seen.bytes).into_owned();
        assert!(bytes.rfind("asked to panic") > bytes.rfind("\x1b[?1049l"));
    });
}

#[test]
fn signals_that_end_it_leave_the_terminal_as_it_was() {
    for signal in [Signal::HUP, Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut pty = started();
        pty.signal(signal);
        pty.ended();
        pty.is_restored();
    }
}

#[test]
fn a_lost_line_ends_it() {
    // Nobody else may hold the line, so this one is read right here.
    let (mut child, line) = Pty::bare();
    let mut reader = line.try_clone_reader().expect("a reader");
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("Experiments") {
        let n = std::io::Read::read(&mut reader, &mut buffer).expect("reads");
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    drop(reader);
    drop(line);
    let until = Instant::now() + DEADLINE;
    while child.try_wait().expect("waits").is_none() {
        if Instant::now() >= until {
            child.kill().expect("ends");
            panic!("it does not end");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A line that stands still (ctrl-s, a network that is gone): whoever ends the cockpit does not wait for it.
#[test]
fn signals_end_it_while_the_terminal_takes_nothing() {
    for signal in [Signal::TERM, Signal::HUP] {
        let (mut child, line) = Pty::bare();
        let before = modes(line.as_ref());
        let mut reader = line.try_clone_reader().expect("a reader");
        let mut writer = line.take_writer().expect("a writer");
        let mut read = |until: &str| {
            let (mut seen, mut buffer) = (String::new(), [0; 4096]);
            while !seen.contains(until) {
                let n = std::io::Read::read(&mut reader, &mut buffer).expect("reads");
                assert_ne!(n, 0, "no {until} in {seen:?}");
                seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        };
        read("Experiments");
        // From here on nobody reads. The help opens and closes until the keys are not taken any more.
        let keys = std::fs::File::open(line.tty_name().expect("a name")).expect("opens");
        let waiting = || rustix::io::ioctl_fionread(&keys).expect("asks") > 0;
        while !waiting() {
            std::io::Write::write_all(&mut writer, b"?").expect("types");
            let enough = Instant::now() + Duration::from_secs(2);
            while waiting() && Instant::now() < enough {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        let pid = i32::try_from(child.process_id().expect("it runs")).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("signals");
        let until = Instant::now() + DEADLINE;
        while child.try_wait().expect("waits").is_none() {
            if Instant::now() >= until {
                child.kill().expect("ends");
                panic!("it does not end");
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        assert_eq!(modes(line.as_ref()), before, "raw mode is left on");
        // Once the line goes on, the terminal is as it was.
        read("\x1b[?1049l");
    }
}

/// At a shell, and with a program in between that waits for us and knows nothing of jobs: back to the prompt,
/// `fg` takes the terminal again.
#[test]
fn ctrl_z_goes_back_to_the_shell_and_fg_returns() {
    for line in ["$splitdeck", "sh -c '$splitdeck; true'"] {
        let mut pty = Pty::shell((80, 24));
        pty.wait_for_text(">>");
        pty.send(&format!("{line}\r"));
        pty.wait_for_text("Experiments");
        pty.send("\x1a");
        pty.shows_the_main_screen();
        pty.wait_for("a prompt", at_a_prompt);
        // Typed at the prompt: only a shell adds.
        pty.send("echo $((20 + 22))\r");
        pty.wait_for_text("42");
        pty.send("fg\r");
        pty.wait_for("the cockpit again", is_there);
        assert_ne!(pty.modes(), pty.modes_before(), "raw mode");
        pty.send("?");
        pty.wait_for_text("Keys that work here");
        pty.send("\x03");
        pty.shows_the_main_screen();
        // Not before: what is typed at a program that ends goes with it.
        pty.wait_for("a prompt", at_a_prompt);
        pty.send("exit\r");
        pty.ended();
    }
}

fn at_a_prompt(seen: &Seen) -> Option<()> {
    let main = !seen.terminal.screen().alternate_screen();
    (main && seen.text().trim_end().ends_with(">>")).then_some(())
}

fn is_there(seen: &Seen) -> Option<()> {
    (seen.terminal.screen().alternate_screen() && seen.text().contains("Experiments")).then_some(())
}

/// What a terminal window or `ssh -t HOST splitdeck` runs: nobody is there who could continue it.
#[test]
fn ctrl_z_without_a_shell_says_so_and_the_cockpit_stays() {
    for stop in ["key", "signal"] {
        let mut pty = started();
        if stop == "key" {
            pty.send("\x1a");
        } else {
            pty.signal(Signal::TSTP);
        }
        pty.wait_for_text("There is no shell to go back to");
        pty.wait_for("the cockpit again", is_there);
        assert_ne!(pty.modes(), pty.modes_before(), "raw mode");
        pty.send("?");
        pty.wait_for_text("Keys that work here");
        pty.send("\x03");
        assert!(pty.ended().success());
        pty.is_restored();
    }
}

/// Stopped and continued from elsewhere, without a word to us before: whatever was done to the terminal meanwhile,
/// it is taken over anew.
#[test]
fn continued_after_a_stop_from_elsewhere_it_takes_the_terminal_again() {
    let mut pty = started();
    pty.signal(Signal::STOP);
    let painted = pty.look(|seen| {
        String::from_utf8_lossy(&seen.bytes)
            .matches("\x1b[?1049h")
            .count()
    });
    pty.signal(Signal::CONT);
    pty.wait_for("the terminal taken again", |seen| {
        let bytes = String::from_utf8_lossy(&seen.bytes).into_owned();
        (bytes.matches("\x1b[?1049h").count() > painted).then_some(())
    });
    pty.wait_for("the cockpit again", is_there);
    pty.send("q");
    assert!(pty.ended().success());
    pty.is_restored();
}

#[test]
fn frames_are_whole_and_nothing_else_is_written() {
    let mut pty = Pty::start(&["--ascii"], &[], (80, 24));
    pty.wait_for_text("not reached");
    pty.send("?");
    pty.wait_for_text("Keys that work here");
    pty.wait_for("whole frames", |seen| {
        let bytes = String::from_utf8_lossy(&seen.bytes);
        let begins = bytes.matches("\x1b[?2026h").count();
        let ends = bytes.matches("\x1b[?2026l").count();
        (begins >= 2 && begins == ends).then_some(())
    });
    pty.look(|seen| {
        let bytes = String::from_utf8_lossy(&seen.bytes).into_owned();
        // Between two frames there is nothing.
        for gap in bytes.split("\x1b[?2026l").skip(1).filter(|gap| !gap.is_empty()) {
            assert!(gap.starts_with("\x1b[?2026h"), "{gap:?}");
        }
        assert!(
            !bytes.contains("\x1b[?1000h") && !bytes.contains("\x1b[?1006h"),
            "the mouse is left alone"
        );
        assert!(!bytes.contains("\x1b]11;?"), "the background is not asked for");
        assert!(
            !bytes.contains("\x1b]0;") && !bytes.contains("\x1b]2;"),
            "no title is set"
        );
    });
    pty.send("\x03");
    pty.ended();
}

#[test]
fn no_color_leaves_colours_out_and_the_selection_in() {
    let mut pty = Pty::start(&[], &[("NO_COLOR", "1")], (80, 24));
    // Typed ahead, before the terminal was taken over: not lost.
    pty.send(":");
    pty.wait_for_text("Commands");
    pty.wait_for("reversed row without colours", |seen| {
        let screen = seen.terminal.screen();
        let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
        let cells: Vec<_> = cells
            .filter_map(|(row, column)| screen.cell(row, column))
            .collect();
        let coloured = cells
            .iter()
            .any(|c| c.fgcolor() != vt100::Color::Default || c.bgcolor() != vt100::Color::Default);
        let reversed = cells.iter().any(|c| c.inverse());
        (!coloured && reversed).then_some(())
    });
    pty.send("\x03");
    pty.ended();
    pty.is_restored();
}

/// The line loses a segment in the middle of a paste: what comes after the pause is text as well, not keys.
#[test]
fn a_paste_that_pauses_is_still_one() {
    let mut pty = started();
    pty.send("/\x1b[200~checkout ");
    // Shown once it pauses, with what to do where its end is lost.
    pty.wait_for_text("/ checkout");
    pty.wait_for_text("The paste pauses");
    pty.send("quit of this\r q\x1b[201~");
    pty.wait_for_text("/ checkout quit of this  q");
    pty.send("\x1b");
    pty.wait_for("an empty filter", |seen| {
        (!seen.text().contains("checkout")).then_some(())
    });
    pty.send("q");
    assert!(pty.ended().success());
    pty.is_restored();
}

#[test]
fn a_paste_without_its_end_does_not_hang_it() {
    let mut pty = started();
    // Esc ends it, and keys are keys again.
    pty.send("/\x1b[200~check");
    pty.wait_for_text("/ check");
    pty.send("\x1b");
    pty.wait_for_text("The paste was cut");
    pty.send("\x1b");
    pty.wait_for("an empty filter", |seen| {
        (!seen.text().contains("check")).then_some(())
    });
    pty.send("/\x1b[200~cookie");
    pty.wait_for_text("/ cookie");
    pty.send("\x03");
    assert!(pty.ended().success());
    pty.is_restored();
}

/// Reading ids from the terminal would take the keys away.
#[test]
fn ids_from_standard_input_are_refused_where_that_is_the_terminal() {
    let mut pty = Pty::start(&["--experiment", "checkout", "--import", "-"], &[], (80, 24));
    assert_eq!(pty.ended().exit_code(), 2);
    pty.wait_for_text("which is the terminal");
    pty.look(|seen| assert!(!seen.terminal.screen().alternate_screen()));
}

/// 1.5 MB, as a terminal sends them that brackets a paste, and as one that does not. Nothing in it is a command.
#[test]
fn a_large_paste_is_text_bracketed_or_not() {
    for (begin, end) in [("\x1b[200~", "\x1b[201~"), ("", "")] {
        let mut pty = started();
        pty.send("/");
        pty.wait_for_text("⏎ go");
        let ids = "quit-pause-".repeat(136_364);
        assert!(ids.len() >= 1_500_000);
        let paste = [begin, &ids, end].concat();
        pty.send(&paste);
        pty.wait_for_text("quit-pause-quit-pause-");
        // It is all read: the next key is the next thing.
        pty.send("\x1b");
        pty.wait_for("an empty filter", |seen| {
            (!seen.text().contains("quit-pause")).then_some(())
        });
        pty.send("q");
        assert!(pty.ended().success(), "{begin:?}");
        pty.is_restored();
    }
}

/// Where nothing takes text, a paste that is not bracketed runs no commands.
#[test]
fn a_paste_into_the_list_is_left_out() {
    let mut pty = started();
    pty.send(&"q\r".repeat(5_000));
    pty.wait_for_text("the paste was left out");
    pty.send("q");
    assert!(pty.ended().success());
}

#[test]
fn a_storm_of_resizes_ends_with_the_last_size() {
    let mut pty = started();
    for n in 0..300_u16 {
        pty.resize(20 + n % 150, 5 + n % 45);
    }
    pty.resize(100, 30);
    pty.send("?");
    pty.wait_for_text("Keys that work here");
    pty.wait_for("the whole screen", |seen| {
        let screen = seen.terminal.screen();
        let row = screen.contents_between(29, 0, 29, 100);
        let (height, width) = screen.size();
        (height.get() == 30 && width.get() == 100 && row.contains("help")).then_some(())
    });
    pty.send("\x03");
    assert!(pty.ended().success());
    pty.is_restored();
}

/// A line that is gone shows a size of nothing before anything else.
#[test]
fn a_terminal_of_no_size_is_one_that_is_gone() {
    let mut pty = started();
    pty.resize_to_nothing();
    assert!(pty.ended().success());
    pty.is_restored();
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_splitdeck"))
        .env("SPLITDECK_API", "http://127.0.0.1:9")
        .env("SPLITDECK_TOKEN", "a-token")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("needs a terminal"), "{error}");
}

#[test]
fn without_a_server_or_a_token_it_says_what_to_set() {
    for (unset, says) in [
        ("SPLITDECK_API", "SPLITDECK_API"),
        ("SPLITDECK_TOKEN", "SPLITDECK_TOKEN"),
    ] {
        let mut pty = Pty::start(&[], &[(unset, "")], (80, 24));
        assert_eq!(pty.ended().exit_code(), 2);
        pty.wait_for_text(says);
        pty.look(|seen| assert!(!seen.terminal.screen().alternate_screen()));
    }
}
