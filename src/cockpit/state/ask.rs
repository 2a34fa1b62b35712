//! Dialogs that ask before something is changed or thrown away.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::link::later;
use super::overlay::DEAF_FOR;
use super::text::TextField;
use crate::domain::{Experiment, Key, Override, OverrideSubject};

/// What is asked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Save the unsaved changes of an experiment.
    Save {
        /// Which one.
        id: Uuid,
    },
    /// Throw the unsaved changes of an experiment away.
    Discard {
        /// Which one; nil for the one that is being created.
        id: Uuid,
    },
    /// Take a variant away, in the unsaved changes.
    RemoveVariant {
        /// Of which experiment.
        id: Uuid,
        /// Which one.
        key: String,
    },
    /// Force one subject into a variant.
    AddOverride {
        /// In which experiment.
        experiment: Arc<Experiment>,
    },
    /// Force a subject no longer.
    RemoveOverride {
        /// In which experiment.
        experiment: Arc<Experiment>,
        /// Which one.
        item: Override,
    },
    /// Create the experiment that was thought about.
    Create,
    /// Complete an experiment and give its winner to everybody.
    ApplyWinner {
        /// As it was when the dialog opened: what the person decides upon.
        experiment: Arc<Experiment>,
        /// Which variant won.
        winner: Key,
    },
}

/// A part of such a dialog that can have the focus.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum AskField {
    /// A user or a device.
    Kind,
    /// The id.
    Id,
    /// Which variant.
    Variant,
    /// The reason or comment.
    Comment,
    /// The experiment's key, in a protected project.
    TypedKey,
    /// The button that changes nothing. Has the focus at first.
    Cancel,
    /// The button that does it.
    Confirm,
}

impl AskField {
    /// What it is called on the screen.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Kind => "It is a",
            Self::Id => "Id",
            Self::Variant => "Into",
            Self::Comment => "Comment",
            Self::TypedKey => "Key",
            Self::Cancel | Self::Confirm => "",
        }
    }
}

/// A dialog.
#[derive(Debug)]
pub struct AskDialog {
    /// What is asked.
    pub ask: Ask,
    /// Whether the key has to be typed.
    pub protected: bool,
    /// Why what it does has no effect at present, as it stands on the screen; none where it has.
    pub held_back: Option<String>,
    /// When it opened, or what it asks for changed.
    pub opened_at: Timestamp,
    /// What has the focus.
    pub focus: AskField,
    /// What kind of id.
    pub kind: OverrideSubject,
    /// The id.
    pub id: TextField,
    /// The chosen variant, by its position.
    pub variant: usize,
    /// The reason or comment.
    pub comment: TextField,
    /// The typed key.
    pub typed_key: TextField,
    /// Whether it was sent and is not answered yet.
    pub sending: bool,
    /// Whether its answer was lost: it is not known yet whether it was done.
    pub lost: bool,
    /// Why it did not work.
    pub error: Option<String>,
    /// First line of the text that is shown.
    pub scroll: usize,
}

impl AskDialog {
    /// A dialog that has just opened, the focus on the button that changes nothing; where something has to
    /// be filled in, on that.
    #[must_use]
    pub fn new(ask: Ask, protected: bool, now: Timestamp) -> Self {
        let focus = match ask {
            Ask::AddOverride { .. } => AskField::Id,
            _ => AskField::Cancel,
        };
        Self {
            ask,
            protected,
            held_back: None,
            opened_at: now,
            focus,
            kind: OverrideSubject::User,
            id: TextField::default(),
            variant: 0,
            comment: TextField::default(),
            typed_key: TextField::default(),
            sending: false,
            lost: false,
            error: None,
            scroll: 0,
        }
    }

    /// What it asks for, or what it does, has changed: who is about to press a button looks again first. Text goes on
    /// being typed.
    pub fn rearm(&mut self, now: Timestamp) {
        if matches!(self.focus, AskField::Cancel | AskField::Confirm) || !self.fields().contains(&self.focus)
        {
            self.focus = AskField::Cancel;
            self.opened_at = now;
        }
    }

    /// From when on it takes keys.
    #[must_use]
    pub fn armed_at(&self) -> Timestamp {
        later(self.opened_at, DEAF_FOR)
    }

    /// Its parts, in the order of tab.
    #[must_use]
    pub fn fields(&self) -> Vec<AskField> {
        let mut fields = match self.ask {
            Ask::AddOverride { .. } => vec![AskField::Id, AskField::Kind, AskField::Variant],
            Ask::ApplyWinner { .. } => vec![AskField::Comment],
            _ => Vec::new(),
        };
        if self.protected {
            fields.push(AskField::TypedKey);
        }
        fields.extend([AskField::Cancel, AskField::Confirm]);
        fields
    }

    /// The verb of the button that does it.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self.ask {
            Ask::Save { .. } => "Save",
            Ask::Discard { .. } => "Throw away",
            Ask::RemoveVariant { .. } => "Remove",
            Ask::AddOverride { .. } => "Force",
            Ask::RemoveOverride { .. } => "Release",
            Ask::Create => "Create",
            Ask::ApplyWinner { .. } => "Apply winner",
        }
    }

    /// What the button that changes nothing says.
    #[must_use]
    pub fn keep(&self) -> &'static str {
        match self.ask {
            Ask::Save { .. } => "Go on editing",
            Ask::Discard { .. } => "Keep them",
            Ask::RemoveVariant { .. } => "Keep it",
            Ask::AddOverride { .. } => "Leave it",
            Ask::RemoveOverride { .. } => "Keep forcing",
            Ask::Create => "Not yet",
            Ask::ApplyWinner { .. } => "Keep as it is",
        }
    }

    /// The text field that has the focus.
    pub fn focused_text(&mut self) -> Option<&mut TextField> {
        match self.focus {
            AskField::Id => Some(&mut self.id),
            AskField::Comment => Some(&mut self.comment),
            AskField::TypedKey => Some(&mut self.typed_key),
            _ => None,
        }
    }
}
