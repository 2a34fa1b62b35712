//! What can happen to the cockpit.

use uuid::Uuid;

use super::Key;
use super::edit::{DraftKey, Of, OnDisk, Place};
use super::export;
use super::intake::Told;
use super::keymap::Command;
use super::ports::Reply;
use super::state::Tab;
use super::state::preferences::{Connected, Read};

/// What the mouse did.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Mouse {
    /// A click on what the view says stands there.
    Click(Target),
    /// The wheel was turned up by one notch.
    WheelUp,
    /// The wheel was turned down by one notch.
    WheelDown,
}

/// What stands under the mouse.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Target {
    /// A row of the list or of what is on top, so many rows below the cursor; negative above it.
    Row(isize),
    /// A tab of an experiment.
    Tab(Tab),
    /// A field of a sheet, by row and column.
    Field(usize, usize),
}

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
        /// Whether it was cut: longer than the terminal input takes, or without an end. While more follows: its end
        /// is overdue.
        truncated: bool,
        /// Whether more of the same paste follows.
        more: bool,
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
    /// How far an export is.
    Export(export::Told),
    /// The files of the configuration were read, at the start or because one of them changed.
    Read(Box<Read>),
    /// The connection is to another server now.
    Connected(Box<Connected>),
    /// Something that was asked for by an effect did not work: what, and what to do.
    Failed(String),
    /// The mouse, where it is listened to.
    Mouse(Mouse),
    /// What became of ids that were taken in.
    Intake(Told),
    /// What [`Effect::FindDraft`](super::Effect::FindDraft) came to.
    DraftFound {
        /// Which draft was looked for.
        key: DraftKey,
        /// What there is.
        found: OnDisk,
    },
    /// What [`Effect::ListDrafts`](super::Effect::ListDrafts) came to.
    DraftsListed {
        /// Where was looked.
        place: Place,
        /// What has unsaved changes that no cockpit works on.
        objects: Vec<(Of, Uuid)>,
    },
    /// Unsaved changes cannot be kept on disk: what failed, on what, and what to do.
    DraftLost(String),
    /// All of them are on disk again, or there are none any more.
    DraftsKept,
    /// An answer or a failure.
    Reply(Box<Reply>),
}
