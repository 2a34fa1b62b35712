//! A pseudo-terminal with the cockpit in it.

use std::io::{Read as _, Write};
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};
use splitdeck::cockpit::state::overlay::DEAF_FOR;

use crate::support::server::TestServer;

/// How long anything may take; far longer than it does, for the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// What the terminal shows and everything that was written to it.
pub struct Seen {
    pub terminal: vt100::Parser,
    pub bytes: Vec<u8>,
    /// Whether the other side closed it.
    pub closed: bool,
}

impl Seen {
    pub fn text(&self) -> String {
        self.terminal.screen().contents()
    }
}

/// How keys get to the program.
enum Keyboard {
    /// At once.
    Direct(Box<dyn Write + Send>),
    /// So much later, in the pieces in which they were typed.
    Slow(Duration, Sender<(Instant, Vec<u8>)>),
}

/// Waits for a moment.
fn until(due: Instant) {
    while let Some(left) = due
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}

/// A program on a terminal.
pub struct Pty {
    pub child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    /// Kept open, so that the line's modes can be read after the program has ended.
    _slave: Box<dyn SlavePty + Send>,
    writer: Keyboard,
    /// How long what the program writes is on its way.
    delay: Arc<Mutex<Duration>>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    before: String,
}

impl Pty {
    /// Starts the cockpit with these arguments and variables.
    pub fn start(args: &[&str], env: &[(&str, &str)], size: (u16, u16)) -> Self {
        Self::run(command(env!("CARGO_BIN_EXE_splitdeck"), args, env), size)
    }

    /// The same, in this working directory.
    pub fn start_in(folder: &Path, args: &[&str], env: &[(&str, &str)], size: (u16, u16)) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_splitdeck"), args, env);
        command.cwd(folder);
        Self::run(command, size)
    }

    /// Starts the cockpit with a server and one of its tokens.
    pub fn on(server: &TestServer, token: &str, args: &[&str], size: (u16, u16)) -> Self {
        let env = [("SPLITDECK_API", &*server.base), ("SPLITDECK_TOKEN", token)];
        Self::start(args, &env, size)
    }

    /// Leaves by these keys: it ends well, and the terminal is as it was.
    #[track_caller]
    pub fn leave_by(&mut self, keys: &str) {
        self.send(keys);
        assert!(self.ended().success(), "{keys:?}");
        self.is_restored();
    }

    /// Starts a shell at which a person types; `$splitdeck` is the cockpit, and `>>` the prompt.
    pub fn shell(size: (u16, u16)) -> Self {
        let env = [
            ("splitdeck", env!("CARGO_BIN_EXE_splitdeck")),
            ("PATH", "/usr/bin:/bin"),
            ("PS1", ">>"),
        ];
        Self::run(command("sh", &["-i"], &env), size)
    }

    fn run(command: CommandBuilder, (width, height): (u16, u16)) -> Self {
        let pair = native_pty_system()
            .openpty(size(width, height))
            .expect("a pseudo-terminal");
        let before = modes(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).expect("starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let seen = Arc::new((
            Mutex::new(Seen {
                terminal: vt100::Parser::new(at_least_one(height), at_least_one(width), 0),
                bytes: Vec::new(),
                closed: false,
            }),
            Condvar::new(),
        ));
        let shared = Arc::clone(&seen);
        let delay: Arc<Mutex<Duration>> = Arc::default();
        let (sent, on_the_way) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
        let late = Arc::clone(&delay);
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            // The end is an empty piece.
            while let Ok(n) = reader.read(&mut buffer) {
                let due = Instant::now() + *late.lock().expect("not poisoned");
                if sent.send((due, buffer[..n].to_vec())).is_err() || n == 0 {
                    break;
                }
            }
        });
        std::thread::spawn(move || {
            let (lock, changed) = &*shared;
            loop {
                let piece = on_the_way.recv();
                if let Ok((due, _)) = &piece {
                    until(*due);
                }
                let mut seen = lock.lock().expect("not poisoned");
                match piece {
                    Ok((_, bytes)) if !bytes.is_empty() => {
                        seen.terminal.process(&bytes);
                        seen.bytes.extend_from_slice(&bytes);
                    }
                    _ => {
                        seen.closed = true;
                        changed.notify_all();
                        return;
                    }
                }
                changed.notify_all();
            }
        });
        Self {
            child,
            master: pair.master,
            _slave: pair.slave,
            writer: Keyboard::Direct(writer),
            delay,
            seen,
            before,
        }
    }

    /// Starts the cockpit on a line of which only the given end is held.
    pub fn bare() -> (Box<dyn Child + Send + Sync>, Box<dyn MasterPty + Send>) {
        let pair = native_pty_system()
            .openpty(size(80, 24))
            .expect("a pseudo-terminal");
        let child = pair
            .slave
            .spawn_command(command(env!("CARGO_BIN_EXE_splitdeck"), &[], &[]))
            .expect("starts");
        (child, pair.master)
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        match &mut self.writer {
            Keyboard::Direct(writer) => {
                writer.write_all(keys.as_bytes()).expect("types");
                writer.flush().expect("types");
            }
            Keyboard::Slow(late, pieces) => {
                pieces
                    .send((Instant::now() + *late, keys.as_bytes().to_vec()))
                    .expect("types");
            }
        }
    }

    /// From now on what is typed and what is written are so long on their way.
    pub fn delay(&mut self, delay: Duration) {
        *self.delay.lock().expect("not poisoned") = delay;
        let (pieces, on_the_way) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
        let direct = std::mem::replace(&mut self.writer, Keyboard::Slow(delay, pieces));
        let Keyboard::Direct(mut writer) = direct else {
            panic!("it is slow already");
        };
        std::thread::spawn(move || {
            for (due, bytes) in on_the_way {
                until(due);
                // The program may have ended.
                if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() {
                    break;
                }
            }
        });
    }

    /// Waits until what was seen is as it should be; what `found` gives.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, mut found: impl FnMut(&Seen) -> Option<T>) -> T {
        let (lock, changed) = &*self.seen;
        let until = Instant::now() + DEADLINE;
        let mut seen = lock.lock().expect("not poisoned");
        loop {
            if let Some(found) = found(&seen) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} in:\n{}", seen.text());
            seen = changed
                .wait_timeout(seen, left.min(Duration::from_millis(100)))
                .expect("not poisoned")
                .0;
        }
    }

    /// Waits for a text on the screen.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |seen| seen.text().contains(text).then_some(()));
    }

    /// Presses a key in a dialog that is on the screen, and waits for the text. A dialog does not hear keys at
    /// first, and another press would go on to the next button: it is pressed once, when it is heard.
    #[track_caller]
    pub fn press_when_armed(&mut self, key: &str, text: &str) {
        until(Instant::now() + DEAF_FOR);
        self.send(key);
        self.wait_for_text(text);
    }

    /// Presses keys again and again until the text is on the screen: for what takes keys only after a
    /// while.
    #[track_caller]
    pub fn press_until(&mut self, keys: &str, text: &str) {
        let until = Instant::now() + DEADLINE;
        loop {
            self.send(keys);
            let heard = Instant::now() + Duration::from_millis(500);
            while Instant::now() < heard {
                if self.look(|seen| seen.text().contains(text)) {
                    return;
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
            assert!(Instant::now() < until, "no {text} in:\n{}", self.look(Seen::text));
        }
    }

    /// What is seen now.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.0.lock().expect("not poisoned"))
    }

    pub fn resize(&self, width: u16, height: u16) {
        {
            let mut seen = self.seen.0.lock().expect("not poisoned");
            seen.terminal
                .screen_mut()
                .set_size(at_least_one(height), at_least_one(width));
        }
        self.master.resize(size(width, height)).expect("resizes");
    }

    /// What some hang-ups look like.
    pub fn resize_to_nothing(&self) {
        self.master.resize(size(0, 0)).expect("resizes");
    }

    pub fn pid(&self) -> Pid {
        let pid = self.child.process_id().expect("it runs");
        Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("signals");
    }

    /// Waits until the program has ended.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status;
            }
            let screen = self.look(Seen::text);
            assert!(Instant::now() < until, "it does not end:\n{screen}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Everything that was set in the terminal is as it was before.
    #[track_caller]
    pub fn is_restored(&self) {
        self.shows_the_main_screen();
        assert_eq!(self.modes(), self.before, "raw mode is left on");
    }

    /// What the cockpit asked of the terminal is taken back; the modes of the line are whoever's is there now.
    #[track_caller]
    pub fn shows_the_main_screen(&self) {
        self.wait_for("main screen", |seen| {
            (!seen.terminal.screen().alternate_screen()).then_some(())
        });
        self.wait_for("end of the modes", |seen| {
            let text = String::from_utf8_lossy(&seen.bytes).into_owned();
            let last = |on: &str, off: &str| text.rfind(off) > text.rfind(on);
            (last("\x1b[?1004h", "\x1b[?1004l")
                && last("\x1b[?2004h", "\x1b[?2004l")
                && last("\x1b[?25l", "\x1b[?25h")
                && last("\x1b[?2026h", "\x1b[?2026l"))
            .then_some(())
        });
        self.look(|seen| {
            let screen = seen.terminal.screen();
            assert!(!screen.hide_cursor(), "the cursor is hidden");
            assert!(!screen.bracketed_paste(), "pastes are bracketed");
        });
    }

    /// The modes of the line.
    pub fn modes(&self) -> String {
        modes(self.master.as_ref())
    }

    pub fn modes_before(&self) -> &str {
        &self.before
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Only what is still there, and only our own child.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn command(program: &str, args: &[&str], env: &[(&str, &str)]) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.args(args);
    command.cwd(std::env::temp_dir());
    command.env_clear();
    let home = std::env::temp_dir().join("splitdeck-no-such-home");
    for (name, value) in [
        ("TERM", "xterm-256color"),
        ("LANG", "C.UTF-8"),
        ("HOME", home.to_str().expect("a path")),
        // Nobody listens there.
        ("SPLITDECK_API", "http://127.0.0.1:9"),
        ("SPLITDECK_TOKEN", "a-token"),
    ]
    .iter()
    .chain(env)
    {
        command.env(name, value);
    }
    command
}

fn at_least_one(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("a terminal has some size")
}

fn size(width: u16, height: u16) -> PtySize {
    PtySize {
        rows: height,
        cols: width,
        pixel_width: 0,
        pixel_height: 0,
    }
}

/// The modes of a line.
pub fn modes(master: &dyn MasterPty) -> String {
    let fd = master.as_raw_fd().expect("a descriptor");
    // SAFETY: the master is borrowed for the whole call, and its descriptor is open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let modes: Termios = tcgetattr(fd).expect("modes");
    format!(
        "{:?} {:?} {:?} {:?}",
        modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes
    )
}
