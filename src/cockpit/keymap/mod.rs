//! One registry of commands. It gives dispatch, the footer, `?` help, the palette and `docs/keys.md`.

mod command;
mod context;
mod docs;
mod keys;
mod table;
mod words;

pub use command::Command;
pub use context::Context;
pub use docs::render as render_docs;
pub use keys::{Binding, KeyProblem, Keymap};
pub use table::COMMANDS;
pub use words::Does;

/// One command with everything that is said about it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The command.
    pub command: Command,
    /// Its stable name, by which keys are rebound and the palette finds it.
    pub name: &'static str,
    /// Its keys, and where each works.
    pub keys: &'static [(Context, &'static str)],
    /// The word in the footer.
    pub label: &'static str,
    /// What it does, in help, palette and docs.
    pub help: &'static str,
    /// Place in the footer, the lowest first and the last to be dropped; 0 is never shown there.
    pub priority: u8,
    /// Whether it leads to a change on the server: refused in one place when that is not allowed.
    pub writes: bool,
    /// Whether the palette lists it.
    pub palette: bool,
}

impl Command {
    /// Its line of the registry.
    #[must_use]
    pub fn entry(self) -> Option<&'static Entry> {
        COMMANDS.iter().find(|entry| entry.command == self)
    }

    /// Whether it changes what is not saved yet. Nothing reaches the server by that, but for the table of a draft: see
    /// [`Self::saves_tables`].
    #[must_use]
    pub fn edits(self) -> bool {
        self.edits_sheets()
            || matches!(
                self,
                Self::FlagAdd | Self::FlagRemove | Self::FlagUndo | Self::Restore
            )
    }

    /// Whether it ends an edit of the Variants table, which in a draft saves it at once: nobody has seen a draft.
    #[must_use]
    pub fn saves_tables(self) -> bool {
        self.edits_sheets() || matches!(self, Self::Accept | Self::NextCell | Self::PreviousCell)
    }

    /// Whether it changes the fields or the rows of an experiment.
    fn edits_sheets(self) -> bool {
        matches!(
            self,
            Self::Edit
                | Self::Add
                | Self::Remove
                | Self::MoveUp
                | Self::MoveDown
                | Self::SplitEvenly
                | Self::Undo
                | Self::Redo
        )
    }
}
