//! The working copy of an experiment: what differs from where it began, what cannot be read yet, and undo.
//! What it does about changes of somebody else stands in `theirs`, what is kept on disk in `stored`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::cell::{Cell, Which};
use super::identity::{exists, follow};
use super::path::{self, Path};
use super::rows::{Moved, Rows};
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::Tab;
use crate::domain::{Experiment, FieldError, Key};

mod stored;
mod theirs;

pub use stored::StoredDraft;
pub use theirs::{Conflict, News, Side};

/// The most states that undo goes back to.
const MOST_UNDO: usize = 200;

/// A text that waits beside its field.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Unread {
    /// The text, as it was typed.
    pub text: String,
    /// Why not, without the keys: see [`Unread::told`].
    pub why: String,
    /// It could stand there, but was still being typed as a cockpit ended: it is taken where it is left by hand.
    pub half: bool,
}

impl Unread {
    /// Why not, and what to do about it with the keys as they are bound now.
    #[must_use]
    pub fn told(&self, keymap: &Keymap) -> String {
        match self.half {
            true => keymap.after(
                &self.why,
                ", ",
                &[(Context::Edit, Command::Edit, "goes on with it")],
            ),
            false => self.why.clone(),
        }
    }
}

/// What undo goes back to: with the questions that were open then, so that an undone decision is asked again.
#[derive(Debug, Clone, PartialEq)]
struct Snapshot {
    mine: Experiment,
    unread: BTreeMap<Cell, Unread>,
    conflicts: Vec<Conflict>,
}

/// A draft at work.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What the changes are made from: the newest version that is known.
    pub base: Arc<Experiment>,
    /// What it says.
    pub mine: Experiment,
    /// Texts that cannot be read, or that were still being typed.
    pub unread: BTreeMap<Cell, Unread>,
    /// What came in from others.
    pub news: Option<News>,
    /// What is to be decided before it can be saved.
    pub conflicts: Vec<Conflict>,
    /// What was sent and is not answered yet.
    pub sent: Option<Box<Experiment>>,
    /// What the server refused of what was sent last: each with its field, and the text that this had then.
    refused: Vec<(Cell, String, FieldError)>,
    /// When it last changed.
    pub at: Timestamp,
    /// +1 at every change, also of a text that is being typed.
    pub revision: u64,
    /// The revision that is on disk.
    pub kept: u64,
    /// Files whose changes are in this draft: they may go once it is on disk itself.
    pub instead_of: Vec<String>,
    /// Whether changes of another cockpit were taken in, so that a conflict may be one between the two.
    pub joined: bool,
    /// Whether it was taken up from disk: what was done before is one step that undo does not go back over.
    pub restored: bool,
    /// The part whose text is being typed and that somebody else has changed since: still to be decided, although
    /// mine says nothing yet.
    typed: Option<Path>,
    undo: Vec<Snapshot>,
    redo: Vec<Snapshot>,
}

impl Draft {
    /// A draft without changes.
    #[must_use]
    pub fn new(base: Arc<Experiment>, now: Timestamp) -> Self {
        Self {
            mine: (*base).clone(),
            base,
            unread: BTreeMap::new(),
            news: None,
            conflicts: Vec::new(),
            sent: None,
            refused: Vec::new(),
            at: now,
            revision: 0,
            kept: 0,
            instead_of: Vec::new(),
            joined: false,
            restored: false,
            typed: None,
            undo: Vec::new(),
            redo: Vec::new(),
        }
    }

    /// What differs, with both values.
    #[must_use]
    pub fn changes(&self) -> Vec<(Path, Value, Value)> {
        path::changes(&self.base, &self.mine)
    }

    /// How many unsaved changes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.changes().len() + chosen(&self.base, &self.mine) + self.unread.len()
    }

    /// Whether nothing is unsaved.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.count() == 0
    }

    /// Whether a tab has unsaved changes.
    #[must_use]
    pub fn touches(&self, tab: Tab) -> bool {
        self.changes().iter().any(|(path, ..)| path.tab() == tab)
            || self.unread.keys().any(|cell| cell.tab() == Some(tab))
    }

    /// Everything that the experiment would be refused for, in the server's words.
    ///
    /// How many variants are allowed is the server's to say.
    #[must_use]
    pub fn refusals(&self) -> Vec<FieldError> {
        self.mine.check(usize::MAX).err().unwrap_or_default()
    }

    /// What the server refused of what was sent last, and still stands there. It is told and is in the way of
    /// nothing: what was refused then may be allowed by now.
    #[must_use]
    pub fn refused_last(&self) -> Vec<FieldError> {
        let stands = |(cell, text, _): &&(Cell, String, FieldError)| cell.text(&self.mine) == *text;
        let refused = self.refused.iter().filter(stands);
        refused.map(|(.., error)| error.clone()).collect()
    }

    /// The server refused these of what was sent last.
    pub fn refuse(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        let mine = &self.mine;
        let of = |error: FieldError| {
            let cell = Cell::exactly(&error.field, mine).or_else(|| Cell::of_refusal(&error.field, mine))?;
            let text = cell.text(mine);
            Some((cell, text, error))
        };
        self.refused = errors.into_iter().filter_map(of).collect();
    }

    /// Takes a text into a field. What cannot be read is kept beside it.
    pub fn enter(&mut self, cell: &Cell, text: &str, now: Timestamp) {
        let before = self.snapshot();
        self.take(cell, text);
        self.done(before, now);
    }

    fn take(&mut self, cell: &Cell, text: &str) {
        let old = self.mine.clone();
        match cell.apply(text, &mut self.mine) {
            Ok(()) => {
                self.unread.remove(cell);
                self.follow(cell, &old);
            }
            Err(error) => {
                let unread = Unread {
                    text: text.to_owned(),
                    why: super::refusal::refused(&error, &self.mine),
                    half: false,
                };
                self.unread.insert(cell.clone(), unread);
            }
        }
    }

    /// Texts that wait in the fields of a variant go with it when it is renamed, and those of tracked events with
    /// them where one before goes.
    fn follow(&mut self, cell: &Cell, old: &Experiment) {
        if let Cell::Event(Which::Tracked(at)) = cell
            && self.mine.tracked_events.len() < old.tracked_events.len()
        {
            self.move_unread(Rows::Tracked, Moved::Gone(*at));
        }
        let Cell::Variant(key, super::Attr::Key) = cell else {
            return;
        };
        let at = old.variants.iter().position(|v| v.key.as_str() == key);
        let Some(new) = at.and_then(|at| self.mine.variants.get(at)) else {
            return;
        };
        let new = new.key.to_string();
        self.unread = std::mem::take(&mut self.unread)
            .into_iter()
            .map(|(cell, unread)| match cell {
                Cell::Variant(other, attr) if other == *key => (Cell::Variant(new.clone(), attr), unread),
                other => (other, unread),
            })
            .collect();
    }

    /// Changes the experiment by other means than a text. Texts of fields that are gone go too.
    pub fn change<T>(&mut self, now: Timestamp, change: impl FnOnce(&mut Experiment) -> T) -> T {
        self.change_rows(now, None, change)
    }

    /// The same of rows that are told apart by their place: texts that wait in their fields go with them.
    pub fn change_rows<T>(
        &mut self,
        now: Timestamp,
        rows: Option<(Rows, Moved)>,
        change: impl FnOnce(&mut Experiment) -> T,
    ) -> T {
        let before = self.snapshot();
        let outcome = change(&mut self.mine);
        if let Some((rows, moved)) = rows.filter(|_| self.mine != before.mine) {
            self.move_unread(rows, moved);
        }
        let mine = &self.mine;
        self.unread.retain(|cell, _| exists(cell, mine));
        self.done(before, now);
        outcome
    }

    fn move_unread(&mut self, rows: Rows, moved: Moved) {
        let unread = std::mem::take(&mut self.unread).into_iter();
        self.unread = unread
            .filter_map(|(cell, unread)| Some((moved.follow(rows, cell)?, unread)))
            .collect();
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            mine: self.mine.clone(),
            unread: self.unread.clone(),
            conflicts: self.conflicts.clone(),
        }
    }

    fn done(&mut self, before: Snapshot, now: Timestamp) {
        // What is still asked is asked about mine as it is now.
        for conflict in self.conflicts.iter_mut().filter(|c| c.choice.is_none()) {
            conflict.both.mine = conflict.both.path.get(&self.mine);
        }
        if self.snapshot() == before {
            return;
        }
        self.undo.push(before);
        if self.undo.len() > MOST_UNDO {
            self.undo.remove(0);
        }
        self.redo.clear();
        self.touch(now);
    }

    /// Something changed that is to be kept.
    pub fn touch(&mut self, now: Timestamp) {
        self.at = now;
        self.revision += 1;
    }

    /// Back to before the last change; false when there is none.
    pub fn undo(&mut self, now: Timestamp) -> bool {
        let Some(before) = self.undo.pop() else {
            return false;
        };
        self.redo.push(self.snapshot());
        self.put(before, now);
        true
    }

    /// Forward again; false when nothing was taken back.
    pub fn redo(&mut self, now: Timestamp) -> bool {
        let Some(after) = self.redo.pop() else {
            return false;
        };
        self.undo.push(self.snapshot());
        self.put(after, now);
        true
    }

    fn put(&mut self, snapshot: Snapshot, now: Timestamp) {
        self.mine = snapshot.mine;
        self.unread = snapshot.unread;
        // Somebody may have taken away meanwhile what they are about.
        let mine = &self.mine;
        self.unread.retain(|cell, _| exists(cell, mine));
        self.conflicts = snapshot.conflicts;
        self.decided();
        self.touch(now);
    }

    /// Forgets every change, so that undo can bring them back.
    pub fn revert(&mut self, now: Timestamp) {
        let before = self.snapshot();
        self.mine = (*self.base).clone();
        self.unread.clear();
        self.conflicts.clear();
        self.typed = None;
        self.news = None;
        self.done(before, now);
    }
}

/// What a person has chosen of a new experiment that can never be changed again: its mode, and a key that is
/// not the one made from the name.
fn chosen(base: &Experiment, mine: &Experiment) -> usize {
    let own_key = mine.key != base.key && Key::slug(&mine.name).as_ref() != Some(&mine.key);
    usize::from(own_key) + usize::from(mine.assignment_mode != base.assignment_mode)
}

/// Texts that wait go with what they are about; those of what is gone go too.
fn follow_all(unread: &BTreeMap<Cell, Unread>, old: &Experiment, new: &Experiment) -> BTreeMap<Cell, Unread> {
    let places = unread.iter();
    places
        .filter_map(|(cell, unread)| Some((follow(cell, old, new)?, unread.clone())))
        .collect()
}

#[cfg(test)]
mod tests;
