//! What can happen to the cockpit.

use super::Key;
use super::keymap::Command;
use super::ports::Reply;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Action {
    /// The cockpit starts.
    Start,
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste {
        /// The text, without control characters other than line breaks and tabs.
        text: String,
        /// Whether it was cut because it was longer than the terminal input takes.
        truncated: bool,
    },
    /// A command was chosen by other means than a key.
    Command(Command),
    /// The terminal has this size now.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The terminal window gained or lost the focus.
    Focus(bool),
    /// A frame was laid out: what the view alone can know.
    Laid {
        /// Rows that the scrolled part of the screen (or of what is on top) can show.
        rows: usize,
        /// The last row or first line that can be scrolled to.
        last: usize,
    },
    /// A moment that [`crate::cockpit::update::next_deadline`] asked for has come.
    Tick,
    /// Back after a stop (ctrl-z, then `fg`): everything shown is old.
    Continued,
    /// What [`Effect::Save`](super::Effect::Save) came to: the paths of the files, or what failed, on
    /// what, and what to do.
    Saved(Result<Vec<String>, String>),
    /// An answer or a failure.
    Reply(Box<Reply>),
}
