//! A sheet with everything that is known about it.

use jiff::Timestamp;
use ratatui::style::Style;
use uuid::Uuid;

use crate::api::results::Overview;
use crate::cockpit::edit::{Cell, Draft, Sheet, refused};
use crate::cockpit::state::State;
use crate::cockpit::state::editor::Editing;
use crate::cockpit::update::edit::names;
use crate::domain::{Experiment, FieldError};
use crate::tui::theme::Theme;

/// A sheet with everything that is known about it.
pub struct View<'a> {
    /// The experiment, or nil for a new one.
    pub id: Uuid,
    /// Which sheet.
    pub sheet: Sheet,
    /// As it is edited.
    pub mine: &'a Experiment,
    /// The unsaved changes.
    pub draft: Option<&'a Draft>,
    /// Row and column of the cursor.
    pub cursor: Option<(usize, usize)>,
    /// The field that is typed into.
    pub editing: Option<&'a Editing>,
    /// Everything that the experiment would be refused for.
    pub refusals: Vec<FieldError>,
    /// Its live numbers.
    pub overview: Option<&'a Overview>,
    /// Everything else.
    pub state: &'a State,
    /// The time.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    /// The sheet on the screen.
    #[must_use]
    pub fn of(state: &'a State, now: Timestamp) -> Option<Self> {
        let (id, sheet) = state.sheet()?;
        let mine = state.edited(id)?;
        let editor = state.editor()?;
        let draft = state.drafts.get(&id);
        Some(Self {
            id,
            sheet,
            mine,
            draft,
            cursor: editor.cursor(sheet, mine),
            editing: editor.editing.as_ref(),
            refusals: draft
                .filter(|d| !d.is_clean())
                .map(|d| {
                    let mut all = d.refusals();
                    all.extend(names::refusals(state, d));
                    all.extend(d.refused_last());
                    all
                })
                .unwrap_or_default(),
            overview: state.list.overview(id),
            state,
            now,
        })
    }

    /// Why a field cannot stay as it is.
    #[must_use]
    pub fn problem(&self, cell: &Cell) -> Option<String> {
        if let Some(unread) = self.draft.and_then(|draft| draft.unread.get(cell)) {
            return Some(unread.told(&self.state.keymap));
        }
        let opened = |inner: &Cell| inner.panel().is_some_and(|(_, opens)| opens == *cell);
        let mut unread = self.draft.iter().flat_map(|draft| &draft.unread);
        if let Some((_, unread)) = unread.find(|(inner, _)| opened(inner)) {
            return Some(unread.told(&self.state.keymap));
        }
        let about = |refusal: &&FieldError| {
            let exactly = || Cell::exactly(&refusal.field, self.mine);
            Cell::of_refusal(&refusal.field, self.mine).as_ref() == Some(cell)
                || (!self.is_being_made(cell) && exactly().as_ref() == Some(cell))
        };
        let refusal = self.refusals.iter().find(about)?;
        // A new experiment has no name at first: that is no fault before the review.
        let fresh = self.id.is_nil() && matches!(cell, Cell::Name) && self.mine.name.is_empty();
        (!fresh).then(|| refused(refusal, self.mine))
    }

    /// Whether somebody is typing into the condition or filter that a field belongs to: its other parts come yet.
    fn is_being_made(&self, cell: &Cell) -> bool {
        match (self.editing.map(|editing| &editing.cell), cell) {
            (Some(Cell::Condition(rule, at, _)), Cell::Condition(other, there, _)) => {
                (rule, at) == (other, there)
            }
            (Some(Cell::Filter(metric, at, _)), Cell::Filter(other, there, _)) => {
                (metric, at) == (other, there)
            }
            (Some(editing), _) => editing == cell,
            (None, _) => false,
        }
    }

    /// Whether the cursor is on a field.
    #[must_use]
    pub fn on(&self, row: usize, column: usize) -> bool {
        self.cursor == Some((row, column))
    }

    /// The style of a field with the cursor on it, or of its value.
    #[must_use]
    pub fn style(&self, theme: &Theme, on: bool, value: Style) -> Style {
        if on && self.editing.is_none() {
            theme.selection
        } else {
            value
        }
    }

    /// Whether a field belongs to a rule or variant that is new as a whole.
    #[must_use]
    pub fn fresh(&self, cell: &Cell) -> bool {
        let Some(draft) = self.draft else { return false };
        match cell {
            Cell::Rule(id) | Cell::RuleVariant(id) | Cell::RulePriority(id) | Cell::Condition(id, ..) => {
                !draft.base.rules.iter().any(|rule| rule.id == *id)
            }
            Cell::Variant(key, _) | Cell::VariantDefault(key) => draft.base.variant(key).is_none(),
            _ => false,
        }
    }

    /// What a field said before, when it says something else now.
    #[must_use]
    pub fn old(&self, cell: &Cell) -> Option<String> {
        if self.id.is_nil() {
            // Everything is new in a new experiment.
            return None;
        }
        let draft = self.draft?;
        if self.fresh(cell) && !draft.unread.contains_key(cell) {
            return None;
        }
        let changed = draft.unread.contains_key(cell) || {
            let (old, new) = (cell.text(&draft.base), cell.text(&draft.mine));
            old != new
        };
        changed.then(|| match cell.path() {
            Some(path) if matches!(cell, Cell::Rule(_) | Cell::Metric(_)) => {
                path.show(&path.get(&draft.base))
            }
            _ => cell.text(&draft.base),
        })
    }
}
