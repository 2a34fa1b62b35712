//! What the core asks to be done. Plain data: nothing happens until `runtime` carries it out.

use super::edit::{DraftKey, Kept, Place};
use super::export;
use super::intake::Order;
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
    /// Write new files into the working directory, never over existing ones, and send
    /// [`Action::Saved`](super::Action::Saved).
    Save(Vec<File>),
    /// Write a table that the server gives in pages into new files of the working directory, and send
    /// [`Action::Export`](super::Action::Export).
    Export(export::Order),
    /// Stop that export. Nothing of its files stays.
    StopExport(export::ExportId),
    /// Take ids in for a bulk import, and send [`Action::Intake`](super::Action::Intake).
    Intake(Order),
    /// From now on this project is meant, by key.
    Project(String),
    /// Look for unsaved changes on disk, and send [`Action::DraftFound`](super::Action::DraftFound).
    FindDraft(DraftKey),
    /// Look which objects of a server's project have unsaved changes on disk, and send
    /// [`Action::DraftsListed`](super::Action::DraftsListed).
    ListDrafts(Place),
    /// Keep unsaved changes on disk, in the place of what this cockpit kept of the same draft before.
    KeepDraft(Kept),
    /// Nothing is unsaved any more: forget what this cockpit kept.
    DropDraft(DraftKey),
    /// What another cockpit left behind in this file was dealt with. It stays while a draft cannot be kept.
    DropLeft(String),
    /// Write a picture of the whole screen into the working directory, as [`Effect::Save`] does.
    Picture(String),
    /// Put a text on the clipboard, through the terminal.
    Copy(String),
    /// Paint the whole screen anew, whatever the terminal shows.
    Repaint,
    /// Stop the process until the shell continues it (ctrl-z).
    Suspend,
    /// Draw with the theme and the glyphs of the preferences from now on.
    Look,
    /// Connect to the server of a context, and send [`Action::Connected`](super::Action::Connected).
    Connect(String),
    /// Read the credentials anew as at the start, for the server of no context; answered as
    /// [`Effect::Connect`] is.
    Reconnect,
    /// Call a person who does not look, with these words.
    Call(String),
    /// Leave.
    Quit,
}

/// A file to be written.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// What is in it.
    pub content: String,
}

impl Effect {
    /// Whether it changes something on the server.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Fetch { request, .. } if request.writes())
    }
}
