//! A program in a terminal of a test's own: what it writes is parsed as a terminal would, keys are typed,
//! the window is resized, and every wait is for a condition with a deadline.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long a condition may take, unless said otherwise; generous, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the program has written, as a terminal shows it.
struct Screen {
    parser: vt100::Parser,
    /// Whether the program's side of the terminal is closed.
    closed: bool,
}

struct Shared {
    screen: Mutex<Screen>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().expect("the reader did not panic")
    }
}

/// A running program and its terminal.
pub struct Terminal {
    shared: Arc<Shared>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a window has cells")
}

/// The binary under test, with an environment in which nothing of the person's is used.
pub fn splitdeck(arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_splitdeck"));
    command.args(arguments);
    for name in [
        "SPLITDECK_API",
        "SPLITDECK_TOKEN",
        "NO_COLOR",
        "SPLITDECK_THEME",
        "TMUX",
    ] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command
}

impl Terminal {
    /// Starts the program in a window of this size.
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system()
            .openpty(size(columns, rows))
            .expect("a terminal");
        let child = pair.slave.spawn_command(command).expect("starts");
        drop(pair.slave);
        let shared = Arc::new(Shared {
            screen: Mutex::new(Screen {
                parser: vt100::Parser::new(cells(rows), cells(columns), 0),
                closed: false,
            }),
            changed: Condvar::new(),
        });
        let mut output = pair.master.try_clone_reader().expect("its output");
        let keyboard = pair.master.take_writer().expect("its input");
        let reading = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 14];
            loop {
                let n = output.read(&mut buffer).unwrap_or(0);
                let mut screen = reading.lock();
                screen.parser.process(&buffer[..n]);
                screen.closed = n == 0;
                reading.changed.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Self {
            shared,
            master: pair.master,
            keyboard,
            child,
        }
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
        self.keyboard.flush().expect("the terminal takes keys");
    }

    /// Resizes the window.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.shared
            .lock()
            .parser
            .screen_mut()
            .set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).expect("resizes");
    }

    /// Waits until the screen's text fulfils a condition, and returns that text.
    #[track_caller]
    pub fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        self.wait_for(what, PATIENCE, |screen| {
            let text = screen.contents();
            holds(&text).then_some(text)
        })
    }

    /// Waits until all of these texts are on the screen.
    #[track_caller]
    pub fn wait_text(&self, texts: &[&str]) -> String {
        self.wait_until(&format!("{texts:?}"), |screen| {
            texts.iter().all(|t| screen.contains(t))
        })
    }

    /// Waits for anything about the screen.
    #[track_caller]
    pub fn wait_for<T>(
        &self,
        what: &str,
        patience: Duration,
        find: impl Fn(&vt100::Screen) -> Option<T>,
    ) -> T {
        let until = Instant::now() + patience;
        let mut screen = self.shared.lock();
        loop {
            if let Some(found) = find(screen.parser.screen()) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !screen.closed,
                "waited for {what}; the program {}; the screen shows:\n{}",
                if screen.closed { "has ended" } else { "runs" },
                screen.parser.screen().contents()
            );
            screen = self
                .shared
                .changed
                .wait_timeout(screen, left)
                .expect("not poisoned")
                .0;
        }
    }

    /// Waits for the program's end and checks that the terminal is as it was: main screen, cursor shown,
    /// no modes left on.
    #[track_caller]
    pub fn wait_end_restored(&mut self) -> ExitStatus {
        let status = self.wait_end();
        let shared = self.shared.lock();
        let screen = shared.parser.screen();
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is still on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        status
    }

    /// Waits for the program's end.
    #[track_caller]
    pub fn wait_end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        let mut screen = self.shared.lock();
        while !screen.closed {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "the program did not end; the screen shows:\n{}",
                screen.parser.screen().contents()
            );
            screen = self
                .shared
                .changed
                .wait_timeout(screen, left)
                .expect("not poisoned")
                .0;
        }
        drop(screen);
        self.child.wait().expect("its status")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
