//! One dialog for everything that is asked before an object is made, changed or ended.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::link::later;
use super::overlay::DEAF_FOR;
use super::text::TextField;
use crate::api::deployments::DeploymentRow;
use crate::api::imports::Import;
use crate::api::projects::TokenRow;
use crate::cockpit::edit::{FlagDraft, FlagPart};
use crate::domain::{Deployment, Experiment, Flag, Key, Lab, Override, Project};

/// What is asked about, with the objects as they were when the dialog opened.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// A new flag.
    CreateFlag,
    /// A flag is switched on or off.
    ToggleFlag(Box<Flag>),
    /// The changes of a flag are saved.
    SaveFlag(Box<FlagDraft>),
    /// The changes of a flag, or those of the last time, are thrown away.
    DiscardFlag(Box<Flag>),
    /// A flag is hidden, or shown again.
    ArchiveFlag(Box<Flag>),
    /// A flag becomes an experiment.
    ConvertFlag(Box<Flag>),
    /// A flag is copied.
    CopyFlag(Box<Flag>),
    /// A part of a flag's draft.
    FlagPart(Box<Flag>, FlagPart),
    /// A variant of a flag's draft, by its key; a new one without.
    FlagVariant(Box<Flag>, Option<Key>),
    /// A rule of a flag's draft; one that the flag does not have is a new one.
    FlagRule(Box<Flag>, Uuid),
    /// A subject is forced into a variant of a flag.
    AddFlagOverride(Box<Flag>),
    /// A subject is decided like everybody again.
    DropFlagOverride(Box<Flag>, Box<Override>),
    /// An experiment becomes a flag.
    ConvertExperiment(Arc<Experiment>),
    /// An experiment is copied.
    CopyExperiment(Arc<Experiment>),
    /// A new deployment.
    CreateDeployment,
    /// A deployment gets another name.
    RenameDeployment(Box<Deployment>),
    /// A deployment gets a new key.
    RotateKey(Box<Deployment>),
    /// No key of a deployment is taken any more.
    RevokeDeployment(Box<DeploymentRow>),
    /// A new project.
    CreateProject,
    /// A project is changed.
    EditProject(Box<Project>),
    /// A new lab.
    CreateLab,
    /// A lab is changed: its name, what it is about, whether it is hidden.
    EditLab(Box<Lab>),
    /// A new token.
    CreateToken,
    /// A token is not taken any more.
    RevokeToken(Box<TokenRow>),
    /// The saved summary of an experiment is replaced.
    WriteInsight(Arc<Experiment>),
    /// A staged import comes in force.
    ApplyImport(Box<Import>),
    /// An import is taken back.
    UndoImport(Box<Import>),
    /// A staged import is forgotten.
    ForgetImport(Box<Import>),
}

/// One thing to fill in.
#[derive(Debug, Clone)]
pub enum Input {
    /// A line of text.
    Text(TextField),
    /// One of several.
    Choice {
        /// What there is.
        options: Vec<String>,
        /// Which is chosen.
        at: usize,
    },
    /// Yes or no.
    Tick(bool),
    /// Any of several.
    Ticks {
        /// What there is.
        options: Vec<Ticked>,
        /// Which has the cursor.
        at: usize,
    },
}

/// Something that can be ticked. It is known by its id: lists change while a dialog is open.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Ticked {
    /// What it is.
    pub id: Uuid,
    /// What it is called, as it is shown.
    pub name: String,
    /// Whether it is ticked.
    pub on: bool,
}

/// An input with its label.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is.
    pub label: &'static str,
    /// What is filled in.
    pub input: Input,
    /// A word about it: `required`, `optional`, a unit.
    pub word: &'static str,
    /// What is wrong with it, once it was left.
    pub problem: Option<String>,
}

/// What has the focus.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Focus {
    /// An input, by position.
    Line(usize),
    /// The key that has to be typed.
    Key,
    /// The button that changes nothing.
    Cancel,
    /// The button that does it.
    Confirm,
}

/// The dialog.
#[derive(Debug)]
pub struct Form {
    /// What is asked about.
    pub purpose: Purpose,
    /// What is filled in.
    pub lines: Vec<Line>,
    /// Whether it can hurt somebody: the focus begins on Cancel, and the dialog is deaf at first.
    pub danger: bool,
    /// What has to be typed in a protected project, and what was.
    pub key: Option<(String, TextField)>,
    /// Why what it does has no effect at present, as it stands on the screen; none where it has.
    pub held_back: Option<String>,
    /// When it opened, or what it asks for changed.
    pub opened_at: Timestamp,
    /// What has the focus.
    pub focus: Focus,
    /// Whether it was sent and is not answered yet.
    pub sending: bool,
    /// Who changed the object while the dialog was open, once the server has refused the change for it: as soon as
    /// theirs is known, what was filled in stands upon it.
    pub changed_by: Option<String>,
    /// Why it did not work.
    pub error: Option<String>,
    /// First line of the text that is shown, on small screens.
    pub scroll: usize,
}

impl Form {
    /// From when on it takes keys.
    #[must_use]
    pub fn armed_at(&self) -> Timestamp {
        if self.danger {
            later(self.opened_at, DEAF_FOR)
        } else {
            self.opened_at
        }
    }

    /// What it asks for, or what it does, has changed: who is about to press a button looks again first. Text goes on
    /// being typed.
    pub fn rearm(&mut self, now: Timestamp) {
        if matches!(self.focus, Focus::Cancel | Focus::Confirm) || !self.order().contains(&self.focus) {
            self.focus = Focus::Cancel;
            self.opened_at = now;
        }
    }

    /// Its parts, in the order of tab.
    #[must_use]
    pub fn order(&self) -> Vec<Focus> {
        let mut order: Vec<Focus> = (0..self.lines.len()).map(Focus::Line).collect();
        order.extend(self.key.as_ref().map(|_| Focus::Key));
        order.extend([Focus::Cancel, Focus::Confirm]);
        order
    }

    /// An input by its label.
    #[must_use]
    pub fn input(&self, label: &str) -> Option<&Input> {
        self.lines.iter().find(|l| l.label == label).map(|l| &l.input)
    }

    /// The text of an input, without blanks at its ends; empty where there is none.
    #[must_use]
    pub fn text(&self, label: &str) -> &str {
        match self.input(label) {
            Some(Input::Text(field)) => field.text().trim(),
            _ => "",
        }
    }

    /// The chosen option.
    #[must_use]
    pub fn choice(&self, label: &str) -> usize {
        match self.input(label) {
            Some(Input::Choice { at, .. }) => *at,
            _ => 0,
        }
    }

    /// The words of the chosen option.
    #[must_use]
    pub fn chosen(&self, label: &str) -> &str {
        match self.input(label) {
            Some(Input::Choice { options, at }) => options.get(*at).map_or("", String::as_str),
            _ => "",
        }
    }

    /// Whether it is ticked.
    #[must_use]
    pub fn ticked(&self, label: &str) -> bool {
        matches!(self.input(label), Some(Input::Tick(true)))
    }

    /// What can be ticked, and whether it is.
    #[must_use]
    pub fn ticks(&self, label: &str) -> &[Ticked] {
        match self.input(label) {
            Some(Input::Ticks { options, .. }) => options,
            _ => &[],
        }
    }

    /// The text field that has the focus.
    pub fn focused_text(&mut self) -> Option<&mut TextField> {
        match self.focus {
            Focus::Line(at) => match &mut self.lines.get_mut(at)?.input {
                Input::Text(field) => Some(field),
                _ => None,
            },
            Focus::Key => self.key.as_mut().map(|(_, field)| field),
            Focus::Cancel | Focus::Confirm => None,
        }
    }
}
