//! What the core asks to be done. Plain data: nothing happens until `runtime` carries it out.

use super::ports::{Request, RunId, Slot};

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask, and send the answer back with the same run. Replaces an unfinished run of the same kind.
    Fetch {
        /// The run.
        run: RunId,
        /// What to ask.
        request: Request,
    },
    /// Nobody waits for the unfinished run of this kind any more.
    Cancel(Slot),
    /// Put a text on the clipboard, through the terminal.
    Copy(String),
    /// Paint the whole screen anew, whatever the terminal shows.
    Repaint,
    /// Stop the process until the shell continues it (ctrl-z).
    Suspend,
    /// Leave.
    Quit,
}

impl Effect {
    /// Whether it changes something on the server.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Fetch { request, .. } if request.writes())
    }
}
