//! The cockpit as a process in a terminal of 120×40: time to its first frame, bytes while nothing changes
//! and per frame, and the resident memory of cockpit, server and engine.
//!
//! `cargo bench --bench cockpit`
//!
//! It runs against `splitdeck demo --headless` in a temporary directory, first without simulated traffic,
//! then with it. The programs of [`BESIDE`] that are installed run in the same terminal in between.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and stops at the first fault"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use splitdeck::cli::demo::Ready;

const PROGRAM: &str = env!("CARGO_BIN_EXE_splitdeck");
/// How long bytes are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// What begins a frame: the terminal is told to wait until all of it is there.
const FRAME: &[u8] = b"\x1b[?2026h";
/// The size of the terminal.
const ROWS: NonZero<u16> = NonZero::new(40).expect("not zero");
const COLUMNS: NonZero<u16> = NonZero::new(120).expect("not zero");
const PATIENCE: Duration = Duration::from_secs(60);
/// Other programs for a terminal that show live figures: `htop` and `btop` of Debian, `btm` of the crate `bottom`.
const BESIDE: [&str; 3] = ["htop", "btop", "btm"];
/// How often a start and a key are timed.
const TIMES: usize = 9;
/// Ids of the file that is counted.
const IDS: u64 = 1_000_000;

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let quiet = Demo::start(&dir.path().join("quiet"), "0");
        let firsts: Vec<Duration> = (0..TIMES).map(|_| first_frame(&quiet.ready)).collect();
        let mut cockpit = Cockpit::start(&quiet.ready);
        cockpit.wait("90,189");
        cockpit.at_rest();
        let list = cockpit.window();
        let list_keys = cockpit.keys();
        cockpit.open("cookie-cats");
        cockpit.at_rest();
        let analytics = cockpit.window();
        println!("nothing changes (no traffic):");
        println!(
            "  first frame after start, median of {TIMES}: {:.1} ms",
            median(firsts)
        );
        println!("  list:      {}", list.line());
        println!("  analytics: {}", analytics.line());
        println!("  largest frame so far: {} B", cockpit.largest_frame());
        println!("a key until it is answered, median of {TIMES}:");
        println!("  list:      {list_keys}");
        println!("  analytics: {}", cockpit.keys());
        quiet.engine("-STOP");
        // Asks for other results, which cannot come.
        cockpit.press("i");
        println!("  analytics, while a query hangs: {}", cockpit.keys());
        quiet.engine("-CONT");
        println!("resident memory, quiet:");
        memory(&quiet, &cockpit);
        drop(cockpit);
        println!("resident memory with a card of {IDS} ids:");
        memory(&quiet, &card(&quiet, dir.path()));
    }
    println!("beside it, each in a terminal of the same size:");
    for program in BESIDE {
        beside(program);
    }
    let busy = Demo::start(&dir.path().join("busy"), "50");
    let mut cockpit = Cockpit::start(&busy.ready);
    cockpit.wait("90,189");
    settle();
    let list = cockpit.window();
    cockpit.open("checkout-cta");
    settle();
    let analytics = cockpit.window();
    println!("50 visitors a second arrive:");
    println!("  list:      {}", list.line());
    println!("  analytics: {}", analytics.line());
    println!("  largest frame so far: {} B", cockpit.largest_frame());
    println!("resident memory, busy:");
    memory(&busy, &cockpit);
}

/// A cockpit that has counted a file of [`IDS`] ids for a bulk import.
fn card(demo: &Demo, dir: &Path) -> Cockpit {
    let ids = dir.join("ids.txt");
    let mut text = String::new();
    for n in 0..IDS {
        text.push_str(&format!("{:032x}\n", u128::from(n) << 64 | 0x5eed));
    }
    std::fs::write(&ids, text).expect("written");
    let mut command = cockpit_of(&demo.ready);
    command.args(["--experiment", "checkout-cta", "--import"]);
    command.arg(&ids);
    let cockpit = Cockpit::run(command);
    cockpit.wait("unique 1,000,000");
    // The last of it, and what was lent for it given back.
    settle();
    cockpit
}

/// How a cockpit of a demo is started.
fn cockpit_of(ready: &Ready) -> CommandBuilder {
    let mut command = CommandBuilder::new(PROGRAM);
    command.env("SPLITDECK_API", &ready.api);
    command.env("SPLITDECK_TOKEN", &ready.token);
    command
}

/// Lets what was just asked for arrive.
fn settle() {
    std::thread::sleep(Duration::from_secs(3));
}

fn median(mut all: Vec<Duration>) -> f64 {
    all.sort_unstable();
    all[all.len() / 2].as_secs_f64() * 1e3
}

struct Demo {
    child: Child,
    ready: Ready,
}

impl Demo {
    fn start(data: &Path, rate: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["demo", "--headless", "--rate", rate, "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("reads");
        let ready = serde_json::from_str(&line).expect("a line of JSON");
        Self { child, ready }
    }

    /// Sends the engine a signal.
    fn engine(&self, signal: &str) {
        let engine = child_of(self.child.id()).expect("the engine runs").to_string();
        let sent = Command::new("kill").args([signal, engine.as_str()]).status();
        assert!(sent.expect("kill is there").success(), "{signal} was not sent");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes and frames of a time.
struct Window {
    bytes: usize,
    frames: usize,
}

impl Window {
    fn line(&self) -> String {
        let Self { bytes, frames } = self;
        let seconds = WINDOW.as_secs_f64();
        format!(
            "{:.0} B/s, {frames} frames in {seconds} s",
            *bytes as f64 / seconds
        )
    }
}

struct Cockpit {
    output: Arc<Mutex<Vec<u8>>>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Cockpit {
    fn start(ready: &Ready) -> Self {
        Self::run(cockpit_of(ready))
    }

    /// Any program in a terminal.
    fn run(mut command: CommandBuilder) -> Self {
        let size = PtySize {
            rows: ROWS.get(),
            cols: COLUMNS.get(),
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        let child = pair.slave.spawn_command(command).expect("starts");
        let output = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let written = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 {
                    return;
                }
                written.lock().expect("no panic").extend_from_slice(&buffer[..n]);
            }
        });
        Self {
            output,
            keyboard: pair.master.take_writer().expect("its input"),
            child,
            _master: pair.master,
        }
    }

    /// Waits until a text is on the screen.
    fn wait(&self, text: &str) {
        self.until(&|screen| screen.contains(text), text);
    }

    fn until(&self, there: &dyn Fn(&str) -> bool, what: &str) {
        let until = Instant::now() + PATIENCE;
        let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
        let mut read = 0;
        loop {
            {
                let written = self.output.lock().expect("no panic");
                screen.process(&written[read..]);
                read = written.len();
            }
            let contents = screen.screen().contents();
            if there(&contents) {
                return;
            }
            assert!(Instant::now() < until, "{what} did not come:\n{contents}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Opens the Analytics tab of an experiment.
    fn open(&mut self, key: &str) {
        for keys in [format!("/{key}\r"), "\r".to_owned(), "5".to_owned()] {
            self.keyboard.write_all(keys.as_bytes()).expect("takes keys");
            self.keyboard.flush().expect("takes keys");
            std::thread::sleep(Duration::from_millis(300));
        }
        self.wait("posterior");
    }

    fn press(&mut self, key: &str) {
        self.keyboard.write_all(key.as_bytes()).expect("takes keys");
        self.keyboard.flush().expect("takes keys");
    }

    /// Waits until nothing has been written for three seconds, a minute at most: what goes on writing is measured so.
    fn at_rest(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let before = self.output.lock().expect("no panic").len();
            std::thread::sleep(Duration::from_secs(3));
            if self.output.lock().expect("no panic").len() == before || Instant::now() > until {
                return;
            }
        }
    }

    /// How long it takes until the help is there after its key, and gone after Esc. A lone Esc waits a moment:
    /// it may be the beginning of another key.
    fn keys(&mut self) -> String {
        let [mut help, mut escape] = [Vec::new(), Vec::new()];
        for _ in 0..TIMES {
            for (key, times) in [("?", &mut help), ("\u{1b}", &mut escape)] {
                let from = self.output.lock().expect("no panic").len();
                let began = Instant::now();
                self.press(key);
                // The whole screen changes; a figure that changes meanwhile is a few bytes.
                while self.output.lock().expect("no panic").len() < from + 500 {
                    assert!(began.elapsed() < PATIENCE, "no answer to {key:?}");
                    std::thread::sleep(Duration::from_micros(200));
                }
                times.push(began.elapsed());
                std::thread::sleep(Duration::from_millis(300));
            }
        }
        let longest = help.iter().max().expect("some").as_secs_f64() * 1e3;
        format!(
            "? {:.1} ms, {longest:.1} ms at most; Esc {:.1} ms",
            median(help),
            median(escape)
        )
    }

    /// From now until a screen that is not empty.
    fn until_drawn(&self) {
        let lines = |screen: &str| screen.lines().filter(|line| !line.trim().is_empty()).count();
        self.until(&|screen| lines(screen) > 2, "a screen");
    }

    fn window(&self) -> Window {
        let from = self.output.lock().expect("no panic").len();
        std::thread::sleep(WINDOW);
        let written = self.output.lock().expect("no panic");
        let new = &written[from..];
        let frames = new.windows(FRAME.len()).filter(|w| *w == FRAME).count();
        Window {
            bytes: new.len(),
            frames,
        }
    }

    fn largest_frame(&self) -> usize {
        let written = self.output.lock().expect("no panic");
        let starts: Vec<usize> = written
            .windows(FRAME.len())
            .enumerate()
            .filter(|(_, w)| *w == FRAME)
            .map(|(at, _)| at)
            .collect();
        let ends = starts.iter().skip(1).copied().chain([written.len()]);
        starts
            .iter()
            .zip(ends)
            .map(|(start, end)| end - start)
            .max()
            .unwrap_or(0)
    }
}

impl Drop for Cockpit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From the start of the process until something is on the screen.
fn first_frame(ready: &Ready) -> Duration {
    let began = Instant::now();
    let cockpit = Cockpit::start(ready);
    cockpit.until_drawn();
    began.elapsed()
}

/// The same figures of another program, or that it is not installed.
fn beside(program: &str) {
    let start = || Cockpit::run(CommandBuilder::new(program));
    if Command::new(program).arg("--version").output().is_err() {
        println!("  {program}: not installed");
        return;
    }
    let firsts: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            start().until_drawn();
            began.elapsed()
        })
        .collect();
    let running = start();
    running.until_drawn();
    settle();
    let window = running.window();
    let pid = running.child.process_id().expect("runs");
    let resident = field_of(pid, "VmRSS:").map_or(f64::NAN, |kib| kib as f64 / 1024.0);
    println!(
        "  {program:<8} first frame {:.1} ms, {:.0} B/s, {resident:.1} MiB resident",
        median(firsts),
        window.bytes as f64 / WINDOW.as_secs_f64()
    );
}

fn memory(demo: &Demo, cockpit: &Cockpit) {
    let cockpit = cockpit.child.process_id().expect("runs");
    let server = demo.child.id();
    let engine = child_of(server).expect("the engine runs");
    for (name, pid) in [("cockpit", cockpit), ("server", server), ("engine", engine)] {
        let of = |field: &str| field_of(pid, field).map_or(f64::NAN, |kib| kib as f64 / 1024.0);
        println!(
            "  {name:<8} {:>7.1} MiB resident, of which {:.1} MiB are its own (the rest are files)",
            of("VmRSS:"),
            of("RssAnon:")
        );
    }
}

/// A number of `/proc/<pid>/status`, KiB.
fn field_of(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn child_of(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.find(|pid| field_of(*pid, "PPid:") == Some(u64::from(parent)))
}
