//! A bulk import of overrides, from the ids to what is in force.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::text::TextField;
use super::trail::Trail;
use crate::api::imports::{Import, ImportRows, ImportState, ListImportRows, RowEffect};
use crate::cockpit::edit::Of;
use crate::cockpit::intake::{Left, Source, Tally};
use crate::cockpit::ports::Loaded;
use crate::domain::{Experiment, Flag, Key, OverrideSubject, Variant};

/// Rows of a page of the dry run.
pub const PAGE_ROWS: u32 = 200;
/// How long after a piece of a paste a line end is still part of it.
pub const BURST: Duration = Duration::from_millis(500);

/// What has the focus while ids are collected.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub enum Focus {
    /// The card: pasted and typed ids go there.
    #[default]
    Ids,
    /// The path of a file.
    Path,
    /// The variant.
    Variant,
    /// What kind of ids these are.
    Subject,
    /// The button that changes nothing.
    Cancel,
    /// The button that goes on to the dry run.
    Check,
}

impl Focus {
    /// All of them, in the order of tab.
    pub const ALL: [Self; 6] = [
        Self::Ids,
        Self::Path,
        Self::Variant,
        Self::Subject,
        Self::Cancel,
        Self::Check,
    ];
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub enum Stage {
    /// Ids are collected.
    #[default]
    Collect,
    /// They are on their way to the server, which makes the dry run.
    Sending,
    /// The server knows them: the difference is looked at, before, between or after chunks.
    Review,
    /// Chunks are applied, or taken back.
    Running,
}

/// Chunks at work.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Run {
    /// Whether they are taken back.
    pub undo: bool,
    /// When it began.
    pub began_at: Timestamp,
    /// How many were in force then.
    pub began_chunks: u32,
    /// Whether it ends after the chunk that is on its way.
    pub stop: bool,
    /// How often the chunk that is next failed: it is tried again by itself.
    pub failed: u32,
}

/// What ids are imported into.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Whether it is an experiment or a flag.
    pub of: Of,
    /// Its id.
    pub id: Uuid,
    /// Its key.
    pub key: Key,
    /// What ids can be forced into.
    pub variants: Vec<Variant>,
}

impl Target {
    /// Whether it is the experiment of this key or id.
    #[must_use]
    pub fn is_experiment(&self, name: &str) -> bool {
        self.of == Of::Experiment && (self.key.as_str() == name || self.id.to_string() == name)
    }
}

impl From<&Experiment> for Target {
    fn from(experiment: &Experiment) -> Self {
        Self {
            of: Of::Experiment,
            id: experiment.id,
            key: experiment.key.clone(),
            variants: experiment.variants.clone(),
        }
    }
}

impl From<&Flag> for Target {
    fn from(flag: &Flag) -> Self {
        Self {
            of: Of::Flag,
            id: flag.id,
            key: flag.key.clone(),
            variants: flag.variants.clone(),
        }
    }
}

/// Ids that stay until others have taken their place.
#[derive(Debug, Clone, PartialEq)]
pub struct Before {
    /// Their name.
    pub intake: Uuid,
    /// Where they come from.
    pub source: Source,
    /// What was counted.
    pub tally: Tally,
    /// Whether something is still to be counted.
    pub counting: bool,
}

/// The panel.
#[derive(Debug)]
pub struct ImportPanel {
    /// Into what.
    pub target: Target,
    /// How far it is.
    pub stage: Stage,
    /// What has the focus.
    pub focus: Focus,
    /// The ids that are kept in a file of the cockpit.
    pub intake: Option<Uuid>,
    /// Where they come from.
    pub source: Source,
    /// What was counted.
    pub tally: Tally,
    /// Whether something is still to be counted.
    pub counting: bool,
    /// The ids from before, while a file is read: a path may be wrong.
    pub before: Option<Box<Before>>,
    /// Until when one more press throws the ids away.
    pub discard_until: Option<Timestamp>,
    /// What is typed of one id, until its end.
    pub line: TextField,
    /// Whether the last piece ended within a line.
    pub open_line: bool,
    /// When the last piece came.
    pub last_piece: Option<Timestamp>,
    /// The path of a file.
    pub path: TextField,
    /// How the path may go on.
    pub completions: Vec<String>,
    /// What the path was completed to last: pressing tab again goes on.
    pub completed: Option<String>,
    /// What a former cockpit left of this experiment or flag.
    pub left: Vec<Left>,
    /// The chosen variant, by position.
    pub variant: usize,
    /// What kind of ids these are.
    pub subject: OverrideSubject,
    /// What the server knows of it.
    pub import: Option<Box<Import>>,
    /// The page of its rows that is shown.
    pub rows: Loaded<ImportRows>,
    /// The way to that page.
    pub trail: Trail<u64>,
    /// What was asked last.
    pub asked: Option<ListImportRows>,
    /// The row under the cursor, within the page.
    pub selected: usize,
    /// Only ids that contain this.
    pub filter: TextField,
    /// Whether the filter takes the keys.
    pub filtering: bool,
    /// Only these.
    pub effect: Option<RowEffect>,
    /// Whether the malformed ids are shown in place of the rows.
    pub malformed: bool,
    /// Chunks at work.
    pub run: Option<Run>,
    /// When the dry run was asked for.
    pub sent_at: Option<Timestamp>,
    /// What went wrong.
    pub error: Option<String>,
}

impl ImportPanel {
    /// A panel that collects ids.
    #[must_use]
    pub fn new(target: Target) -> Self {
        // Whoever is forced into a variant is rarely forced into the control.
        let variant = target.variants.iter().position(|v| !v.is_control).unwrap_or(0);
        Self {
            target,
            stage: Stage::Collect,
            focus: Focus::Ids,
            intake: None,
            source: Source::Pasted,
            tally: Tally::default(),
            counting: false,
            before: None,
            discard_until: None,
            line: TextField::default(),
            open_line: false,
            last_piece: None,
            path: TextField::default(),
            completions: Vec::new(),
            completed: None,
            left: Vec::new(),
            variant,
            subject: OverrideSubject::User,
            import: None,
            rows: Loaded::default(),
            trail: Trail::default(),
            asked: None,
            selected: 0,
            filter: TextField::default(),
            filtering: false,
            effect: None,
            malformed: false,
            run: None,
            sent_at: None,
            error: None,
        }
    }

    /// A panel of an import that the server knows.
    #[must_use]
    pub fn of(target: Target, import: Import) -> Self {
        let variant = target.variants.iter().position(|v| v.key == import.variant);
        let mut panel = Self::new(target);
        panel.variant = variant.unwrap_or(0);
        panel.subject = import.subject_type;
        panel.stage = Stage::Review;
        panel.import = Some(Box::new(import));
        panel
    }

    /// The question for the page of rows that is wanted.
    #[must_use]
    pub fn query(&self) -> ListImportRows {
        let search = self.filter.text().trim();
        ListImportRows {
            effect: self.effect,
            search: (!search.is_empty()).then(|| search.to_owned()),
            after: self.trail.after(),
            limit: Some(PAGE_ROWS),
        }
    }

    /// Another question: back to its first page.
    pub fn question_changed(&mut self) {
        self.trail.restart();
        self.selected = 0;
    }

    /// Goes on to the next page. False when this is the last one, or it is not known yet.
    pub fn next_page(&mut self) -> bool {
        let next = self.rows.value.as_ref().and_then(|page| page.next_after);
        self.turned(|trail| trail.forward(next))
    }

    /// Goes back to the page before. False on the first one.
    pub fn previous_page(&mut self) -> bool {
        self.turned(Trail::back)
    }

    fn turned(&mut self, turn: impl FnOnce(&mut Trail<u64>) -> bool) -> bool {
        let turned = turn(&mut self.trail);
        if turned {
            self.selected = 0;
        }
        turned
    }

    /// The ids that are in force, as far as whole chunks tell.
    #[must_use]
    pub fn landed(import: &Import) -> u64 {
        if import.applied_chunks >= import.chunks {
            import.unique
        } else {
            u64::from(import.applied_chunks) * crate::api::imports::CHUNK_IDS as u64
        }
    }

    /// How the run goes: ids a second, and how long it will take.
    #[must_use]
    pub fn pace(&self, now: Timestamp) -> Option<(f64, Duration)> {
        let (run, import) = (self.run?, self.import.as_ref()?);
        let done = import.applied_chunks.abs_diff(run.began_chunks);
        let took = now.duration_since(run.began_at).as_secs_f64();
        if done == 0 || took <= 0.0 {
            return None;
        }
        let chunks_a_second = f64::from(done) / took;
        let left = if run.undo {
            import.applied_chunks
        } else {
            import.chunks.saturating_sub(import.applied_chunks)
        };
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let rate = chunks_a_second * crate::api::imports::CHUNK_IDS as f64;
        let left = Duration::try_from_secs_f64(f64::from(left) / chunks_a_second).ok()?;
        Some((rate, left))
    }
}

/// Whether an import waits for somebody: it is neither whole in force nor taken back.
#[must_use]
pub fn is_unfinished(import: &Import) -> bool {
    matches!(
        import.state,
        ImportState::Staged | ImportState::Applying | ImportState::Undoing
    )
}

/// The list of imports.
#[derive(Debug, Default)]
pub struct ImportsPanel {
    /// The row under the cursor.
    pub selected: usize,
}
