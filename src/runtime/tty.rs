//! Bytes from the terminal, as they come, with the waits that tell an Esc key from a sequence.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::tui::input::{Input, Parser, Waiting};

/// How long after an Esc the rest of a sequence may come, also over a slow line.
const ESCAPE_WAIT: Duration = Duration::from_millis(40);
/// How long a paste that is not bracketed may pause before it is over.
const BURST_WAIT: Duration = Duration::from_millis(100);
/// How long a paste may pause before what is there is handed on and it is said that its end is overdue.
const PASTE_WAIT: Duration = Duration::from_secs(1);
/// How long nothing may come after that before the end is given up: longer than any line needs to send again what
/// it lost.
const REST_WAIT: Duration = Duration::from_secs(10);

/// The terminal's input.
pub struct Tty {
    file: AsyncFd<File>,
    parser: Parser,
    buffer: Box<[u8]>,
    /// Until when the rest of what has begun may come.
    until: Option<Instant>,
}

impl Tty {
    /// Reads from a non-blocking file.
    ///
    /// # Errors
    /// When the event loop cannot watch it.
    pub fn new(file: File) -> io::Result<Self> {
        // SAFETY: the file is open, owned by the `AsyncFd` from here on, and never replaced or closed
        // before it.
        let file = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE)? };
        Ok(Self {
            file,
            parser: Parser::default(),
            buffer: vec![0; 16 * 1024].into_boxed_slice(),
            until: None,
        })
    }

    /// Waits for input. Nothing is lost when it is dropped while it waits.
    ///
    /// # Errors
    /// When the terminal is gone; the end of the input counts as that.
    pub async fn read(&mut self, out: &mut Vec<Input>) -> io::Result<()> {
        let wait = self.until;
        tokio::select! {
            ready = self.file.readable() => {
                let mut ready = ready?;
                match ready.try_io(|file| file.get_ref().read(&mut self.buffer)) {
                    Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(Ok(n)) => self.parser.feed(&self.buffer[..n], out),
                    Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_would_block) => {}
                }
            }
            () = at(wait) => self.parser.idle(out),
        }
        self.until = match self.parser.waiting() {
            Waiting::No => None,
            Waiting::Escape => Some(Instant::now() + ESCAPE_WAIT),
            Waiting::Paste => Some(Instant::now() + PASTE_WAIT),
            Waiting::Rest => Some(Instant::now() + REST_WAIT),
            Waiting::Burst => Some(Instant::now() + BURST_WAIT),
        };
        Ok(())
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
