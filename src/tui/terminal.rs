//! The terminal itself: taken over and given back in one place, one write a frame.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use base64::Engine as _;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell as ScreenCell;
use ratatui::crossterm::style::force_color_output;
use ratatui::layout::{Position, Size};
use ratatui::{Frame, Terminal as Screen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr};

use super::sgr;
use crate::cockpit::format::steers;

/// Alternate screen, hidden cursor, bracketed paste, focus events; the mouse stays the terminal's own.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?1004h\x1b[0m\x1b[2J";
/// Buttons and the wheel, with coordinates of any size. Only where it was asked for: it takes the terminal's own
/// selection of text away.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
/// All of it undone, whatever a broken-off frame left behind.
const LEAVE: &str = "\x1b[?2026l\x1b[?1006l\x1b[?1000l\x1b[0m\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l";
/// Begin and end of a synchronized update: the terminal shows the frame at once or not at all.
const FRAME_BEGIN: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// The size that is taken for granted when the terminal does not tell.
const FALLBACK_SIZE: Size = Size::new(80, 24);

/// Why there is no terminal.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// Output goes elsewhere.
    #[error("the cockpit needs a terminal on its output; the other commands take --json")]
    NotATerminal,
    /// It cannot be taken over, or it is gone.
    #[error("cannot {doing} the terminal: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl TerminalError {
    fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// What is needed to give the terminal back; there while it is taken over.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

struct Taken {
    out: OwnedFd,
    modes: Termios,
}

/// Takes the terminal over: raw mode, alternate screen. Where that fails half-way, what was done of it is undone.
fn enter(out: &impl AsFd, mouse: bool, leaving: &AtomicBool) -> io::Result<()> {
    let entered = enter_only(out, mouse, leaving);
    if entered.is_err() {
        restore();
    }
    entered
}

fn enter_only(out: &impl AsFd, mouse: bool, leaving: &AtomicBool) -> io::Result<()> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if taken.is_some() {
        return Ok(());
    }
    let modes = tcgetattr(out)?;
    let mut raw = modes.clone();
    raw.make_raw();
    // Known before anything is changed: from here on it can be given back.
    *taken = Some(Taken {
        out: out.as_fd().try_clone_to_owned()?,
        modes,
    });
    // What was typed ahead is kept.
    tcsetattr(out, OptionalActions::Now, &raw)?;
    drop(taken);
    let mouse = if mouse { MOUSE_ON } else { "" };
    write_all(out, [ENTER, mouse].concat().as_bytes(), || {
        leaving.load(Ordering::SeqCst)
    })
}

/// Gives the terminal back as it was. Does nothing when it is not taken over; errors are of no use to
/// anybody at this point, because there is nothing left to say them on.
pub fn restore() {
    // Not a plain lock: a panic while it is held must not hang the panic hook.
    let taken = match TAKEN.try_lock() {
        Ok(mut taken) => taken.take(),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        Err(std::sync::TryLockError::WouldBlock) => None,
    };
    if let Some(taken) = taken {
        give_back(&taken);
    }
}

fn give_back(taken: &Taken) {
    let mut tries = 0;
    let written = write_all(&taken.out, LEAVE.as_bytes(), || {
        tries += 1;
        tries > LAST_TRIES
    });
    if written.is_ok() {
        // Flush: keys typed meanwhile must not reach the shell as commands.
        let _ = tcsetattr(&taken.out, OptionalActions::Flush, &taken.modes);
        return;
    }
    // The line stands still. What it has not taken yet is of no use any more, and makes room; setting the modes
    // must not wait for it.
    let _ = tcflush(&taken.out, QueueSelector::IOFlush);
    let _ = write_all(&taken.out, LEAVE.as_bytes(), || true);
    let _ = tcsetattr(&taken.out, OptionalActions::Now, &taken.modes);
}

/// Whether the terminal is taken over: false once a panic gave it back.
fn is_taken() -> bool {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// From now on a panic gives the terminal back before it says anything.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
    });
}

/// How long it is waited for a line that takes nothing, until it is asked again whether to give up.
const STALLED: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// So often when the terminal is given back.
const LAST_TRIES: u32 = 10;

/// Writes all of it. Where the line takes nothing, `give_up` is asked again and again.
fn write_all(out: &impl AsFd, mut bytes: &[u8], mut give_up: impl FnMut() -> bool) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                if give_up() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                let mut line = [PollFd::new(out, PollFlags::OUT)];
                match poll(&mut line, Some(&STALLED)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The taken-over terminal. Given back when dropped.
pub struct Terminal {
    out: OwnedFd,
    screen: Screen<FrameBackend>,
    tmux: bool,
    mouse: bool,
    /// Set once somebody ends the process: nothing waits for the line then.
    leaving: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the terminal on standard output over, with its mouse or without. Once `leaving` is set, writing gives
    /// up where the line takes nothing.
    ///
    /// # Errors
    /// When standard output is no terminal, or it cannot be set up.
    pub fn enter(mouse: bool, leaving: Arc<AtomicBool>) -> Result<Self, TerminalError> {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Err(TerminalError::NotATerminal);
        }
        // Where the device cannot be opened, a line that stands still holds up whoever writes on it.
        let out = match open_line(&stdout, OFlags::WRONLY) {
            Ok(out) => out,
            Err(_) => stdout
                .as_fd()
                .try_clone_to_owned()
                .map_err(TerminalError::io("open"))?,
        };
        // Otherwise NO_COLOR would also reset bold and reverse, and the selection with them. The theme
        // leaves colours out instead.
        force_color_output(true);
        restore_on_panic();
        // Before anything is taken over: what fails afterwards would have to be given back.
        let size = size_of(&out).unwrap_or(FALLBACK_SIZE);
        let screen = Screen::new(FrameBackend::new(size)).map_err(TerminalError::io("set up"))?;
        enter(&out, mouse, &leaving).map_err(TerminalError::io("set up"))?;
        let tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
        Ok(Self {
            out,
            screen,
            tmux,
            mouse,
            leaving,
        })
    }

    /// Opens the terminal's input.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub fn input(&self) -> Result<File, TerminalError> {
        let fd = open_line(&self.out, OFlags::RDONLY);
        fd.map(File::from).map_err(TerminalError::io("read"))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        let give_up = || self.leaving.load(Ordering::SeqCst);
        write_all(&self.out, bytes, give_up).map_err(TerminalError::io("write to"))
    }

    /// Columns and rows; none when the terminal is gone (0×0, or an error).
    #[must_use]
    pub fn size(&self) -> Option<(u16, u16)> {
        size_of(&self.out).map(|size| (size.width, size.height))
    }

    /// The size that is drawn for.
    #[must_use]
    pub fn drawn_size(&self) -> (u16, u16) {
        let size = self.screen.backend().size.get();
        (size.width, size.height)
    }

    /// From now on frames are of this size.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.screen.backend_mut().size.set(Size::new(width, height));
    }

    /// Draws a frame: nothing is written when nothing changed, else all of it in one write.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw<T>(&mut self, view: impl FnOnce(&mut Frame<'_>) -> T) -> Result<T, TerminalError> {
        let mut seen = None;
        self.screen
            .draw(|frame| seen = Some(view(frame)))
            .map_err(TerminalError::io("draw on"))?;
        let bytes = self.screen.backend_mut().take_frame();
        if !bytes.is_empty() && is_taken() {
            self.write(&bytes)?;
        }
        seen.ok_or_else(|| TerminalError::io("draw on")(io::Error::other("no frame was drawn")))
    }

    /// Forgets what the terminal shows: the next frame paints all of it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn repaint(&mut self) -> Result<(), TerminalError> {
        self.screen.clear().map_err(TerminalError::io("clear"))
    }

    /// Puts a text on the clipboard of whoever sits at the terminal, also over SSH (OSC 52).
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&self, text: &str) -> Result<(), TerminalError> {
        self.write(osc52(text, self.tmux).as_bytes())
    }

    /// Calls a person who does not look, in each of the ways.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn call(&self, text: &str, ways: &[Call]) -> Result<(), TerminalError> {
        self.write(calls(text, ways, self.tmux).as_bytes())
    }

    /// Gives the terminal back for a while (a stop).
    pub fn leave(&mut self) {
        restore();
    }

    /// Takes it over again.
    ///
    /// # Errors
    /// When it is gone.
    pub fn reenter(&mut self) -> Result<(), TerminalError> {
        // Whoever had it in between may have left any mode behind.
        restore();
        enter(&self.out, self.mouse, &self.leaving).map_err(TerminalError::io("set up"))?;
        self.repaint()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Opens the device of a terminal once more: a description of its own, so that making it non-blocking does not
/// reach the shell's.
fn open_line(terminal: &impl AsFd, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let named = rustix::termios::ttyname(terminal, Vec::new())
        .and_then(|name| open(name.as_c_str(), flags, Mode::empty()));
    named
        .or_else(|_| open("/dev/tty", flags, Mode::empty()))
        .map_err(Into::into)
}

/// The sequence that puts a text on the clipboard. tmux takes it itself with `set-clipboard on`, its default being
/// to take it from itself only, and passes it on with `allow-passthrough on` when it is wrapped: it gets both.
fn osc52(text: &str, tmux: bool) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    let plain = format!("\x1b]52;c;{encoded}\x07");
    if tmux {
        [plain.clone(), wrapped(plain, true)].concat()
    } else {
        plain
    }
}

/// A sequence for the terminal around tmux, which passes it on when it is wrapped (`allow-passthrough`).
fn wrapped(plain: String, tmux: bool) -> String {
    if tmux {
        format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b"))
    } else {
        plain
    }
}

/// The most characters of a notification.
const MOST_OF_A_CALL: usize = 200;

/// A way to call a person who does not look at the terminal.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Call {
    /// BEL.
    Bell,
    /// OSC 9, as iTerm2 brought it up.
    Osc9,
    /// OSC 777, as urxvt brought it up.
    Osc777,
}

/// The bytes that call a person: nothing in the text can end the sequence or be taken for a part of it.
fn calls(text: &str, ways: &[Call], tmux: bool) -> String {
    let text: String = text
        .chars()
        .filter(|c| !steers(*c))
        .map(|c| if c == ';' { ',' } else { c })
        .take(MOST_OF_A_CALL)
        .collect();
    let bytes = |way: &Call| match way {
        // tmux takes a bell itself, and marks the window with it.
        Call::Bell => "\x07".to_owned(),
        Call::Osc9 => wrapped(format!("\x1b]9;{text}\x07"), tmux),
        Call::Osc777 => wrapped(format!("\x1b]777;notify;splitdeck;{text}\x07"), tmux),
    };
    ways.iter().map(bytes).collect()
}

fn size_of(out: &OwnedFd) -> Option<Size> {
    let size = tcgetwinsize(out).ok()?;
    known(size.ws_col, size.ws_row)
}

/// A size to draw for. Nothing in both directions is what a terminal says that is gone; in one of them it is a window that
/// was pushed together, which has its size back in a moment.
fn known(columns: u16, rows: u16) -> Option<Size> {
    (columns > 0 || rows > 0).then(|| Size::new(columns.max(1), rows.max(1)))
}

/// Collects the bytes of a frame.
#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A backend that writes into memory, and nothing at all for a frame without changes.
struct FrameBackend {
    inner: CrosstermBackend<Sink>,
    sink: Sink,
    size: Cell<Size>,
    /// Where the cursor is wanted; hidden when none.
    cursor: Option<Position>,
    /// Where the terminal has it.
    cursor_shown: Option<Position>,
    cursor_wanted: Position,
}

impl FrameBackend {
    fn new(size: Size) -> Self {
        let sink = Sink::default();
        Self {
            inner: CrosstermBackend::new(sink.clone()),
            sink,
            size: Cell::new(size),
            cursor: None,
            cursor_shown: None,
            cursor_wanted: Position::ORIGIN,
        }
    }

    /// The bytes of the frame, wrapped as one synchronized update; empty when there are none.
    fn take_frame(&mut self) -> Vec<u8> {
        let drawn = !self.sink.0.borrow().is_empty();
        if self.cursor != self.cursor_shown || (drawn && self.cursor.is_some()) {
            let mut sink = self.sink.0.borrow_mut();
            match self.cursor {
                Some(at) => {
                    let text = format!("\x1b[{};{}H\x1b[?25h", u32::from(at.y) + 1, u32::from(at.x) + 1);
                    sink.extend_from_slice(text.as_bytes());
                }
                None => sink.extend_from_slice(b"\x1b[?25l"),
            }
            self.cursor_shown = self.cursor;
        }
        let body = std::mem::take(&mut *self.sink.0.borrow_mut());
        if body.is_empty() {
            return body;
        }
        [FRAME_BEGIN, &body, FRAME_END].concat()
    }
}

impl Backend for FrameBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a ScreenCell)>,
    {
        self.sink
            .0
            .borrow_mut()
            .extend_from_slice(sgr::bytes(content).as_bytes());
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.cursor = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.cursor = Some(self.cursor_wanted);
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Never asked of the terminal: its answer would come as typed text.
        Ok(self.cursor_wanted)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor_wanted = position.into();
        if self.cursor.is_some() {
            self.cursor = Some(self.cursor_wanted);
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size.get())
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size.get(),
            pixels: Size::ZERO,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::{Color, Style};

    #[test]
    fn only_a_terminal_without_any_size_is_gone() {
        assert_eq!(known(0, 0), None);
        assert_eq!(known(30, 0), Some(Size::new(30, 1)));
        assert_eq!(known(0, 24), Some(Size::new(1, 24)));
        assert_eq!(known(80, 24), Some(Size::new(80, 24)));
    }

    fn screen(width: u16, height: u16) -> Screen<FrameBackend> {
        Screen::new(FrameBackend::new(Size::new(width, height))).expect("a screen")
    }

    fn draw(screen: &mut Screen<FrameBackend>, text: &str, cursor: Option<(u16, u16)>) -> String {
        screen
            .draw(|frame| {
                let area = frame.area();
                frame
                    .buffer_mut()
                    .set_string(area.x, area.y, text, Style::default().fg(Color::Red));
                if let Some(at) = cursor {
                    frame.set_cursor_position(at);
                }
            })
            .expect("draws");
        String::from_utf8(screen.backend_mut().take_frame()).expect("text")
    }

    #[test]
    fn a_frame_is_one_synchronized_update_and_nothing_is_written_for_the_same_again() {
        let mut screen = screen(10, 2);
        let first = draw(&mut screen, "one", None);
        assert!(
            first.starts_with("\x1b[?2026h") && first.ends_with("\x1b[?2026l"),
            "{first:?}"
        );
        assert!(first.contains("one"));
        assert_eq!(first.matches("2026").count(), 2);
        assert_eq!(draw(&mut screen, "one", None), "");
        let change = draw(&mut screen, "onX", None);
        assert!(change.contains('X') && !change.contains('o'), "{change:?}");
    }

    #[test]
    fn the_cursor_is_moved_only_when_it_must_be() {
        let mut screen = screen(10, 2);
        draw(&mut screen, "a", None);
        let shown = draw(&mut screen, "a", Some((3, 1)));
        assert_eq!(shown, "\x1b[?2026h\x1b[2;4H\x1b[?25h\x1b[?2026l");
        assert_eq!(draw(&mut screen, "a", Some((3, 1))), "");
        // Drawing moves the terminal's cursor, so it is put back.
        assert!(draw(&mut screen, "b", Some((3, 1))).contains("\x1b[2;4H"));
        assert_eq!(draw(&mut screen, "b", None), "\x1b[?2026h\x1b[?25l\x1b[?2026l");
    }

    /// A line that cannot be written on: the modes were set already when that is found out.
    #[test]
    fn a_terminal_that_cannot_be_entered_to_the_end_is_as_it_was() {
        use portable_pty::{PtySize, native_pty_system};
        use rustix::termios::LocalModes;
        let pair = native_pty_system()
            .openpty(PtySize::default())
            .expect("a terminal");
        let name = pair.master.tty_name().expect("its name");
        let read_only = open(&name, OFlags::RDONLY | OFlags::NOCTTY, Mode::empty()).expect("opens");
        let modes = || tcgetattr(&read_only).expect("modes").local_modes;
        let cooked = LocalModes::ICANON | LocalModes::ECHO;
        assert!(modes().contains(cooked));
        enter(&read_only, false, &AtomicBool::new(false)).expect_err("nothing can be written");
        assert!(modes().contains(cooked), "{:?}", modes());
        assert!(!is_taken());
    }

    #[test]
    fn a_new_size_paints_everything() {
        let mut screen = screen(10, 2);
        draw(&mut screen, "one", None);
        screen.backend_mut().size.set(Size::new(5, 1));
        let painted = draw(&mut screen, "one", None);
        assert!(painted.contains("one"), "{painted:?}");
    }

    #[test]
    fn a_frame_is_one_write() {
        use std::os::unix::net::UnixDatagram;
        let (out, seen) = UnixDatagram::pair().expect("a pair");
        let mut screen = screen(120, 40);
        let wide = "a line of text that is rather long ".repeat(4);
        for n in 0..3 {
            draw(&mut screen, &format!("{n}"), None);
            screen
                .draw(|frame| {
                    for y in 0..40 {
                        let style = Style::default().fg(Color::Indexed(y + n));
                        frame.buffer_mut().set_stringn(0, u16::from(y), &wide, 120, style);
                    }
                })
                .expect("draws");
            let frame = screen.backend_mut().take_frame();
            assert!(frame.len() > 2_000, "{}", frame.len());
            write_all(&out, &frame, || false).expect("written");
            // A datagram socket keeps writes apart.
            let mut buffer = vec![0; 1 << 20];
            let length = seen.recv(&mut buffer).expect("received");
            assert_eq!(buffer[..length], frame);
        }
    }

    #[test]
    fn a_call_is_what_was_asked_for_and_nothing_in_it_steers_the_terminal() {
        let text = "a;b\x1b]0;x\x07 was paused";
        assert_eq!(calls(text, &[], false), "");
        assert_eq!(calls(text, &[Call::Bell], true), "\x07");
        assert_eq!(calls(text, &[Call::Osc9], false), "\x1b]9;a,b]0,x was paused\x07");
        assert_eq!(
            calls("p", &[Call::Bell, Call::Osc777], false),
            "\x07\x1b]777;notify;splitdeck;p\x07"
        );
        assert_eq!(
            calls("p", &[Call::Osc9], true),
            "\x1bPtmux;\x1b\x1b]9;p\x07\x1b\\"
        );
        assert!(calls(&"é".repeat(999), &[Call::Osc9], false).chars().count() < 220);
    }

    #[test]
    fn tmux_gets_a_copy_plain_and_wrapped() {
        assert_eq!(osc52("exp", false), "\x1b]52;c;ZXhw\x07");
        assert_eq!(
            osc52("exp", true),
            "\x1b]52;c;ZXhw\x07\x1bPtmux;\x1b\x1b]52;c;ZXhw\x07\x1b\\"
        );
    }
}
