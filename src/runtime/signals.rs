//! Signals of the terminal and of whoever ends the process.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Signal {
    /// The line hung up, or somebody ends the process: leave, with the terminal as it was.
    End,
    /// The terminal has another size.
    Resize,
    /// Somebody asks to stop (`kill -TSTP`; ctrl-z comes as a key).
    Stop,
    /// Continued after a stop that nobody asked us for.
    Continue,
}

/// The signals the cockpit lives with.
pub struct Signals {
    hangup: Stream,
    terminate: Stream,
    interrupt: Stream,
    quit: Stream,
    resize: Stream,
    stop: Stream,
    proceed: Stream,
}

/// `SIGTSTP`; the numbers of the two differ between systems.
fn stop_kind() -> SignalKind {
    SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw())
}

fn continue_kind() -> SignalKind {
    SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())
}

impl Signals {
    /// Takes them over from the defaults.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            resize: signal(SignalKind::window_change())?,
            stop: signal(stop_kind())?,
            proceed: signal(continue_kind())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::End,
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.quit.recv() => Signal::End,
            _ = self.resize.recv() => Signal::Resize,
            _ = self.stop.recv() => Signal::Stop,
            _ = self.proceed.recv() => Signal::Continue,
        }
    }
}

/// Stops this process; returns once it is continued.
///
/// Not `SIGTSTP`, which is ours now: the shell sees a stopped job either way.
///
/// # Errors
/// When the system refuses.
pub fn stop_self() -> io::Result<()> {
    let me = rustix::process::getpid();
    rustix::process::kill_process(me, rustix::process::Signal::STOP).map_err(Into::into)
}
