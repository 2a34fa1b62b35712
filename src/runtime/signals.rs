//! Signals of the terminal and of whoever ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    /// Continued after a stop that we had no part in.
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
    /// Takes them over from the defaults. Those that end the process set `leaving` at once, whatever the loop is
    /// doing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen(leaving: &Arc<AtomicBool>) -> io::Result<Self> {
        for end in [libc::SIGHUP, libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
            signal_hook::flag::register(end, Arc::clone(leaving))?;
        }
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

/// How long a process that was continued may take until it hears of it.
const HEARD_WITHIN: Duration = Duration::from_millis(100);

/// Whether we were continued since this was last set to false.
static CONTINUED: AtomicBool = AtomicBool::new(false);

extern "C" fn continued(_signal: libc::c_int) {
    CONTINUED.store(true, Ordering::SeqCst);
}

/// What a signal does for a while; what it did before comes back when this is dropped.
struct Meanwhile {
    signal: libc::c_int,
    before: libc::sigaction,
}

impl Meanwhile {
    /// `action` is `SIG_DFL` or a handler that only does what is safe in one.
    fn new(signal: libc::c_int, action: libc::sighandler_t) -> io::Result<Self> {
        // SAFETY: all zeros is a valid `sigaction`: the default action, no flags; `sa_mask` is set below.
        let (mut wanted, mut before): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
        wanted.sa_sigaction = action;
        wanted.sa_flags = libc::SA_RESTART;
        // SAFETY: both point to `sigaction`s that live through the calls; the action is as described above.
        let outcome = unsafe {
            libc::sigemptyset(&raw mut wanted.sa_mask);
            libc::sigaction(signal, &raw const wanted, &raw mut before)
        };
        if outcome == 0 {
            Ok(Self { signal, before })
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        // SAFETY: `before` is what the system gave for this very signal. It cannot fail for a signal that was set.
        unsafe { libc::sigaction(self.signal, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// Stops the whole process group, as ctrl-z on a cooked terminal does: a shell, a script or `make` between us and
/// the shell that controls jobs would wait for us for ever otherwise. Returns once we are continued.
///
/// False where nobody could continue us: the system does not stop a group without a parent in its session (the
/// program that `ssh -t HOST splitdeck` or a terminal window runs).
///
/// # Errors
/// When the system refuses.
pub fn stop_group() -> io::Result<bool> {
    let _stop = Meanwhile::new(libc::SIGTSTP, libc::SIG_DFL)?;
    let noticed: extern "C" fn(libc::c_int) = continued;
    let _proceed = Meanwhile::new(libc::SIGCONT, noticed as libc::sighandler_t)?;
    CONTINUED.store(false, Ordering::SeqCst);
    rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
    // We are stopped before this returns, and here again when we are continued: the handler ran, or runs in
    // another thread right now.
    let until = Instant::now() + HEARD_WITHIN;
    while !CONTINUED.load(Ordering::SeqCst) {
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(true)
}
