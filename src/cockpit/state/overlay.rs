//! What lies over a screen: dialogs, panels, the palette.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ask::AskDialog;
use super::form::Form;
use super::import::{ImportPanel, ImportsPanel};
use super::link::later;
use super::objects::{AuditPanel, Secret};
use super::preferences::Look;
use super::text::TextField;
use crate::cockpit::lifecycle::Step;
use crate::cockpit::ports::{Loaded, Request};
use crate::domain::{EndedReason, Experiment, Explanation};

/// How long a dialog takes no keys after it opened, so that a key meant for the screen below cannot
/// confirm anything.
pub const DEAF_FOR: Duration = Duration::from_millis(300);

/// One thing over the screen.
#[derive(Debug)]
pub enum Overlay {
    /// The keys that work here.
    Help {
        /// First line shown.
        scroll: usize,
    },
    /// The command palette.
    Palette(Palette),
    /// A step of an experiment's life, to be confirmed.
    Step(Box<StepDialog>),
    /// The history of the open experiment.
    History {
        /// The entry under the cursor.
        selected: usize,
        /// The first line of it that is shown.
        scroll: usize,
        /// Whether the cursor keeps to its entry when newer ones come: not before it was moved or the first answer
        /// since the panel was opened came, for whoever opens it after a step looks for that step.
        settled: bool,
    },
    /// What speaks for and against the split of the open experiment being as it is configured.
    Evidence {
        /// First line shown.
        scroll: usize,
    },
    /// A decision step by step.
    Explain(Box<ExplainPanel>),
    /// A question before something is changed or thrown away.
    Ask(Box<AskDialog>),
    /// What both I and somebody else changed, to be decided.
    Conflicts {
        /// The one under the cursor.
        selected: usize,
        /// Lines that it is scrolled by, where it is longer than the screen.
        scroll: usize,
    },
    /// Theme, glyphs, keys.
    Settings(SettingsPanel),
    /// How code asks for a variant and attaches the attribution to events.
    Wiring(WiringPanel),
    /// What is asked before an object is made, changed or ended.
    Form(Box<Form>),
    /// Something that is shown only once.
    Secret(Box<Secret>),
    /// A bulk import.
    Import(Box<ImportPanel>),
    /// The bulk imports of the open experiment.
    Imports(ImportsPanel),
    /// The audit log of the project, or of one object that is no experiment.
    Audit(Box<AuditPanel>),
}

/// The snippets.
#[derive(Debug, Clone, Default, Eq, PartialEq)]
pub struct WiringPanel {
    /// The tab, by position among the ways.
    pub tab: usize,
    /// First line shown.
    pub scroll: usize,
    /// The deployment whose key stands in the snippets, by position among those that can.
    pub deployment: usize,
}

/// The settings.
#[derive(Debug)]
pub struct SettingsPanel {
    /// The line under the cursor: a choice, or behind them a line of keys.
    pub selected: usize,
    /// How everything looked when they were opened: what Esc goes back to.
    pub before: Look,
}

/// The command palette.
#[derive(Debug, Default)]
pub struct Palette {
    /// What is typed.
    pub input: TextField,
    /// The line under the cursor.
    pub selected: usize,
}

/// The Explain panel.
#[derive(Debug, Default)]
pub struct ExplainPanel {
    /// The flag that is asked about; the open experiment without one.
    pub flag: Option<(uuid::Uuid, String)>,
    /// The user id.
    pub input: TextField,
    /// The id that the explanation is of.
    pub asked: String,
    /// What was asked: no other answer is shown.
    pub request: Option<Request>,
    /// The explanation.
    pub answer: Loaded<Explanation>,
    /// First line shown.
    pub scroll: usize,
}

/// A part of a dialog that can have the focus.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Field {
    /// The reason or comment.
    Comment,
    /// The variant that is served from then on.
    Winner,
    /// Why it ends.
    EndedReason,
    /// "I know that the test still fails."
    Override,
    /// The experiment's key, in a protected project.
    TypedKey,
    /// The button that changes nothing. Has the focus at first.
    Cancel,
    /// The button that does it.
    Confirm,
}

/// The reasons for an end that can be chosen.
pub const ENDED_REASONS: [EndedReason; 5] = [
    EndedReason::Success,
    EndedReason::TechIssue,
    EndedReason::NoLongerNeeded,
    EndedReason::NoStatSig,
    EndedReason::Other,
];

/// What is known of the sample ratio test when an automatic pause is to be lifted.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum TestNow {
    /// It passes.
    Passes,
    /// It fails.
    Fails,
    /// It cannot be told: no results, or too little data.
    Unknown,
    /// The numbers are on their way: there is nothing to know yet.
    Pending,
}

/// The dialog of a step of an experiment's life.
#[derive(Debug)]
pub struct StepDialog {
    /// The step.
    pub step: Step,
    /// The experiment as it was when the dialog opened: what the person decides upon.
    pub experiment: Arc<Experiment>,
    /// Whether the key has to be typed.
    pub protected: bool,
    /// When it opened.
    pub opened_at: Timestamp,
    /// What has the focus.
    pub focus: Field,
    /// The reason or comment.
    pub comment: TextField,
    /// The chosen winner: 0 for none, else the variant's position + 1.
    pub winner: usize,
    /// The chosen reason of the end, by position in [`ENDED_REASONS`].
    pub ended_reason: usize,
    /// What was known of the test when "I know that the test still fails" was ticked; none while it is not. A tick that was
    /// given for something else says nothing of what is known now.
    pub override_failing: Option<TestNow>,
    /// The typed key.
    pub typed_key: TextField,
    /// Whether it was sent and is not answered yet.
    pub sending: bool,
    /// Why it did not work.
    pub error: Option<String>,
    /// Whether the server refused it: what was filled in is kept for the next time.
    pub refused: bool,
    /// Whether its answer was lost: it is not known yet whether it was done.
    pub lost: bool,
    /// When the server said that its test fails, where it did.
    pub still_fails: Option<Timestamp>,
    /// First line of the text that is shown, on small screens.
    pub scroll: usize,
}

impl StepDialog {
    /// A dialog that has just opened, the focus on Cancel.
    #[must_use]
    pub fn new(step: Step, experiment: Arc<Experiment>, protected: bool, now: Timestamp) -> Self {
        // Why it was completed is why it ends, unless somebody says something else.
        let known = experiment.ended_reason.as_ref();
        let ended_reason = known.and_then(|known| ENDED_REASONS.iter().position(|reason| reason == known));
        Self {
            step,
            experiment,
            protected,
            opened_at: now,
            focus: Field::Cancel,
            comment: TextField::default(),
            winner: 0,
            ended_reason: ended_reason.unwrap_or(0),
            override_failing: None,
            typed_key: TextField::default(),
            sending: false,
            error: None,
            refused: false,
            lost: false,
            still_fails: None,
            scroll: 0,
        }
    }

    /// What was filled in when it was refused the last time. What confirms what is seen now is not: the tick, the key.
    pub fn take_over(&mut self, before: Self) {
        let winner = before.winner.checked_sub(1);
        let winner = winner.and_then(|at| before.experiment.variants.get(at));
        let variants = &self.experiment.variants;
        let at = winner.and_then(|winner| variants.iter().position(|v| v.key == winner.key));
        self.winner = at.map_or(0, |at| at + 1);
        self.ended_reason = before.ended_reason;
        self.comment = before.comment;
    }

    /// What a part is called on the screen.
    #[must_use]
    pub fn label(&self, field: Field) -> &'static str {
        match field {
            Field::Comment if self.step == Step::ResumeAutoPaused => "Reason",
            Field::Comment => "Comment",
            Field::Winner => "Winner",
            Field::EndedReason => "Because",
            Field::TypedKey => "Key",
            Field::Override | Field::Cancel | Field::Confirm => "",
        }
    }

    /// From when on it takes keys.
    #[must_use]
    pub fn armed_at(&self) -> Timestamp {
        later(self.opened_at, DEAF_FOR)
    }

    /// Its parts, in the order of tab.
    #[must_use]
    pub fn fields(&self, test: TestNow) -> Vec<Field> {
        let mut fields = vec![Field::Comment];
        match self.step {
            Step::Complete => {
                fields.insert(0, Field::Winner);
                fields.insert(1, Field::EndedReason);
            }
            Step::End => fields.insert(0, Field::EndedReason),
            // Nothing is left that a comment could be about.
            Step::Delete => fields.clear(),
            Step::ResumeAutoPaused if matches!(test, TestNow::Fails | TestNow::Unknown) => {
                fields.push(Field::Override);
            }
            _ => {}
        }
        if self.protected {
            fields.push(Field::TypedKey);
        }
        fields.extend([Field::Cancel, Field::Confirm]);
        fields
    }

    /// Whether the box stands there and is ticked for what is known of the test now.
    #[must_use]
    pub fn overrides(&self, test: TestNow) -> bool {
        self.override_failing == Some(test) && self.fields(test).contains(&Field::Override)
    }

    /// What it asks for has changed: who is about to press a button looks again first. Text goes on being typed.
    pub fn rearm(&mut self, now: Timestamp) {
        if matches!(self.focus, Field::Cancel | Field::Confirm) {
            self.focus = Field::Cancel;
            self.opened_at = now;
        }
    }

    /// Why it cannot be confirmed as it is, and the part that this is about; none when it can.
    #[must_use]
    pub fn missing(&self, test: TestNow) -> Option<(Option<Field>, String)> {
        if self.sending {
            return Some((None, "waiting for the server's answer".to_owned()));
        }
        if self.step == Step::ResumeAutoPaused && self.comment.is_blank() {
            return Some((Some(Field::Comment), "a reason is required".to_owned()));
        }
        if self.step == Step::ResumeAutoPaused && test == TestNow::Pending {
            return Some((
                None,
                "the split is being tested: wait for what comes of it".to_owned(),
            ));
        }
        if self.step == Step::ResumeAutoPaused && test != TestNow::Passes && !self.overrides(test) {
            let why = match test {
                TestNow::Fails => "the test still fails: tick that you know",
                _ => "the test cannot be made now: tick that you know",
            };
            return Some((Some(Field::Override), why.to_owned()));
        }
        if self.protected && self.typed_key.text().trim() != self.experiment.key.as_str() {
            return Some((
                Some(Field::TypedKey),
                format!("type the key: {}", self.experiment.key),
            ));
        }
        None
    }

    /// The text field that has the focus.
    pub fn focused_text(&mut self) -> Option<&mut TextField> {
        match self.focus {
            Field::Comment => Some(&mut self.comment),
            Field::TypedKey => Some(&mut self.typed_key),
            _ => None,
        }
    }
}
