//! The working copy of an experiment: what differs from where it began, what cannot be read yet, undo,
//! and what to do about changes of somebody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cell::{Cell, Which};
use super::disk::DraftKey;
use super::identity::{self, exists, follow};
use super::merge::{Both, merge};
use super::path::{self, Path, renumber};
use super::rows::{Moved, Rows};
use crate::cockpit::state::Tab;
use crate::domain::{Experiment, FieldError, Key};

/// The most states that undo goes back to.
const MOST_UNDO: usize = 200;

/// A draft as it is kept on disk, complete in itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredDraft {
    /// Which draft.
    pub key: DraftKey,
    /// When it was last changed.
    pub at: Timestamp,
    /// What it began from.
    pub base: Experiment,
    /// What it says.
    pub mine: Experiment,
    /// Texts that cannot be read, or that were still being typed.
    #[serde(default)]
    pub texts: Vec<(Cell, String)>,
    /// What both changed and nobody has decided.
    #[serde(default)]
    pub open: Vec<Both>,
}

impl StoredDraft {
    /// How many changes it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        path::changes(&self.base, &self.mine).len() + chosen(&self.base, &self.mine) + self.texts.len()
    }
}

/// A text that waits beside its field.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Unread {
    /// The text, as it was typed.
    pub text: String,
    /// Why not.
    pub why: String,
    /// It could stand there, but was still being typed as a cockpit ended: it is taken where it is left by hand.
    pub half: bool,
}

/// Whose value is taken.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Side {
    /// Mine.
    Mine,
    /// Theirs.
    Theirs,
}

/// A part that both changed, to be decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The part and its three values.
    pub both: Both,
    /// What was decided.
    pub choice: Option<Side>,
}

/// What came in from somebody else while the draft was open.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The version the draft was at before.
    pub from: u64,
    /// The version it is at now.
    pub to: u64,
    /// What only they changed, which is merged already.
    pub taken: Vec<Path>,
    /// Who changed it last, where the server said so.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
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
            at: now,
            revision: 0,
            kept: 0,
            instead_of: Vec::new(),
            joined: false,
            typed: None,
            undo: Vec::new(),
            redo: Vec::new(),
        }
    }

    /// A draft from disk. Nothing of its texts is taken: what was still being typed waits in its field.
    #[must_use]
    pub fn restored(stored: StoredDraft) -> Self {
        let mut draft = Self::new(Arc::new(stored.base), stored.at);
        draft.mine = stored.mine;
        for (cell, text) in stored.texts {
            let outcome = cell.apply(&text, &mut draft.mine.clone());
            let half = outcome.is_ok();
            let why = match outcome {
                Ok(()) => {
                    let label = cell.path().map(|path| path.label(&[&draft.mine]));
                    let label = label.unwrap_or_else(|| "a new link".to_owned());
                    format!("{label}: was still being typed, enter goes on with it")
                }
                Err(error) => super::refusal::refused(&error, &draft.mine),
            };
            draft.unread.insert(cell, Unread { text, why, half });
        }
        draft.conflicts = (stored.open.into_iter())
            .map(|both| Conflict { both, choice: None })
            .collect();
        draft.decided();
        draft.revision = 1;
        draft
    }

    /// What is kept on disk; with the text that is being typed.
    #[must_use]
    pub fn stored(&self, key: DraftKey, typing: Option<(Cell, String)>) -> StoredDraft {
        let mut texts: BTreeMap<Cell, String> = self
            .unread
            .iter()
            .map(|(cell, unread)| (cell.clone(), unread.text.clone()))
            .collect();
        texts.extend(typing);
        StoredDraft {
            key,
            at: self.at,
            base: (*self.base).clone(),
            mine: self.mine.clone(),
            texts: texts.into_iter().collect(),
            open: (self.conflicts.iter())
                .filter(|conflict| conflict.choice.is_none())
                .map(|conflict| conflict.both.clone())
                .collect(),
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

    /// A newer version came in: my changes are made from it now. What both changed keeps mine until it is
    /// decided.
    pub fn rebase(&mut self, theirs: &Arc<Experiment>, now: Timestamp) {
        self.rebase_under(theirs, None, now);
    }

    /// The same while somebody types into a field: where that field stands from then on.
    ///
    /// The text is no change yet, so nothing of it is entered. What it is typed into stays although they took it away,
    /// and where they changed what the field says that is to be decided once the field is left.
    pub fn rebase_under(
        &mut self,
        theirs: &Arc<Experiment>,
        typing: Option<&Cell>,
        now: Timestamp,
    ) -> Option<Cell> {
        let from = self.base.resource_version;
        let mut merged = merge(&self.base, &self.mine, theirs);
        let place = typing.and_then(|cell| follow(cell, &self.mine, &merged.mine));
        let asked = typing.and_then(|cell| match &place {
            Some(place) if cell.text(&self.mine) == place.text(&merged.mine) => None,
            Some(_) => identity::part(cell),
            None => identity::whole(cell),
        });
        if let Some(path) = asked {
            if place.is_none() {
                path.set(&mut merged.mine, &path.get(&self.mine));
                renumber(&mut merged.mine);
            }
            merged.taken.retain(|taken| *taken != path);
            if !merged.both.iter().any(|both| both.path == path) {
                merged.both.push(Both {
                    base: path.get(&self.base),
                    mine: path.get(&self.mine),
                    theirs: path.get(theirs),
                    path: path.clone(),
                });
            }
            self.typed = Some(path);
        }
        self.unread = follow_all(&self.unread, &self.mine, &merged.mine);
        ask(&mut self.conflicts, merged.both);
        for snapshot in self.undo.iter_mut().chain(&mut self.redo) {
            let merged = merge(&self.base, &snapshot.mine, theirs);
            snapshot.unread = follow_all(&snapshot.unread, &snapshot.mine, &merged.mine);
            snapshot.mine = merged.mine;
            ask(&mut snapshot.conflicts, merged.both);
        }
        if !(merged.taken.is_empty() && self.conflicts.is_empty()) {
            let mut taken = merged.taken;
            let mut first = from;
            if let Some(news) = self.news.take() {
                first = news.from;
                let older = news.taken.into_iter().filter(|path| !taken.contains(path));
                taken.extend(older.collect::<Vec<_>>());
            }
            self.news = Some(News {
                from: first,
                to: theirs.resource_version,
                taken,
                by: None,
                at: None,
            });
        }
        self.mine = merged.mine;
        self.base = Arc::clone(theirs);
        self.decided();
        self.touch(now);
        place.or_else(|| typing.cloned())
    }

    /// The field that was typed into is left, and what was typed is taken or not.
    pub fn left(&mut self, now: Timestamp) {
        self.typed = None;
        self.decided();
        // It is typed no longer: what is kept on disk says so.
        self.touch(now);
    }

    /// Takes in the changes of another draft of the same experiment. What both changed differently keeps mine
    /// until it is decided.
    pub fn join(&mut self, mut other: Self, now: Timestamp) {
        let (mine, theirs) = (self.base.resource_version, other.base.resource_version);
        if theirs < mine {
            other.rebase(&Arc::clone(&self.base), now);
        } else if mine < theirs {
            self.rebase(&Arc::clone(&other.base), now);
        }
        let before = self.snapshot();
        let mut merged = merge(&self.base, &self.mine, &other.mine);
        // No part merges these two: they are chosen once, for a new experiment.
        if self.mine.key != self.base.key {
            merged.mine.key.clone_from(&self.mine.key);
        }
        if self.mine.assignment_mode != self.base.assignment_mode {
            merged.mine.assignment_mode = self.mine.assignment_mode;
        }
        let open = other.conflicts.into_iter().filter(|c| c.choice.is_none());
        let between = merged
            .both
            .into_iter()
            .map(|both| Conflict { both, choice: None });
        for conflict in between.chain(open) {
            if !self.conflicts.iter().any(|c| c.both.path == conflict.both.path) {
                self.conflicts.push(conflict);
            }
        }
        self.mine = merged.mine;
        for (cell, unread) in other.unread {
            self.unread.entry(cell).or_insert(unread);
        }
        self.instead_of.extend(other.instead_of);
        self.joined = true;
        // Who changed what the other one was made from is told as well.
        self.news = self.news.take().or(other.news);
        self.done(before, now);
        // Also when nothing is new, its file may go.
        self.touch(now);
    }

    /// What was sent is saved: only what was changed since then is left.
    pub fn saved(&mut self, result: &Arc<Experiment>, now: Timestamp) {
        if let Some(sent) = self.sent.take() {
            // What I sent is where I started from; the server's answer is theirs, and says the same.
            let mine = merge(&sent, &self.mine, result).mine;
            // Undo goes back beyond a save, as changes that are not saved.
            for snapshot in self.undo.iter_mut().chain(&mut self.redo) {
                snapshot.mine = merge(&sent, &snapshot.mine, result).mine;
                snapshot.conflicts.retain(|conflict| conflict.choice.is_none());
            }
            self.mine = mine;
            self.base = Arc::clone(result);
            // A part of it may have been sent only: what was not is still to be decided.
            self.conflicts.retain(|conflict| conflict.choice.is_none());
            self.decided();
            if self.conflicts.is_empty() {
                self.news = None;
            }
            self.touch(now);
        }
    }

    /// Decides a conflict.
    pub fn decide(&mut self, at: usize, side: Side, now: Timestamp) {
        let before = self.snapshot();
        let Some(conflict) = self.conflicts.get_mut(at) else {
            return;
        };
        conflict.choice = Some(side);
        let value = match side {
            Side::Mine => conflict.both.mine.clone(),
            Side::Theirs => conflict.both.theirs.clone(),
        };
        let path = conflict.both.path.clone();
        path.set(&mut self.mine, &value);
        renumber(&mut self.mine);
        let mine = &self.mine;
        self.unread.retain(|cell, _| exists(cell, mine));
        self.done(before, now);
        self.touch(now);
    }

    /// How many conflicts are open.
    #[must_use]
    pub fn open_conflicts(&self) -> usize {
        self.conflicts.iter().filter(|c| c.choice.is_none()).count()
    }

    /// A conflict about which both say the same now is none, unless a text about it waits.
    fn decided(&mut self) {
        let (base, mine) = (&self.base, &self.mine);
        let waiting = self.unread.keys().filter_map(identity::part);
        let waiting: Vec<Path> = waiting.chain(self.typed.clone()).collect();
        self.conflicts.retain(|conflict| {
            conflict.choice.is_some() || {
                let path = &conflict.both.path;
                waiting.contains(path) || path.get(mine) != path.get(base)
            }
        });
    }
}

/// Adds what both changed to what is to be decided. What was to be decided before still is, in its place, about their
/// newest value, unless theirs was taken; where I started stays where I started.
fn ask(conflicts: &mut Vec<Conflict>, both: Vec<Both>) {
    for both in both {
        match conflicts.iter_mut().find(|old| old.both.path == both.path) {
            Some(old) => {
                let base = std::mem::take(&mut old.both.base);
                old.both = Both { base, ..both };
                old.choice = None;
            }
            None => conflicts.push(Conflict { both, choice: None }),
        }
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
mod tests {
    use uuid::Uuid;

    use super::super::{Attr, rows};
    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn base() -> Arc<Experiment> {
        let mut e = super::super::wizard::blank(now());
        e.name = "Exp".into();
        Arc::new(e)
    }

    fn newer(change: impl FnOnce(&mut Experiment)) -> Arc<Experiment> {
        let mut e = (*base()).clone();
        change(&mut e);
        e.resource_version += 1;
        Arc::new(e)
    }

    #[test]
    fn changes_are_counted_undone_and_done_again() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Name, "New", now());
        draft.enter(&Cell::Holdout, "many", now());
        assert_eq!(draft.count(), 2);
        assert!(draft.touches(Tab::Setup) && !draft.touches(Tab::Variants));
        assert!(
            draft.unread[&Cell::Holdout]
                .why
                .starts_with("holdout: got \"many\"")
        );
        assert!(draft.undo(now()) && draft.undo(now()) && !draft.undo(now()));
        assert!(draft.is_clean());
        assert!(draft.redo(now()) && draft.redo(now()) && !draft.redo(now()));
        assert_eq!(draft.count(), 2);
        draft.enter(&Cell::Holdout, "2", now());
        assert!(draft.unread.is_empty());
        draft.revert(now());
        assert!(draft.is_clean());
        assert!(draft.undo(now()));
        assert_eq!(draft.mine.name, "New", "even what was thrown away comes back");
    }

    #[test]
    fn a_text_that_is_not_read_stays_with_its_variant() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Variant("treatment".into(), Attr::Traffic), "half", now());
        draft.enter(&Cell::Variant("treatment".into(), Attr::Key), "b", now());
        assert!(
            draft
                .unread
                .contains_key(&Cell::Variant("b".into(), Attr::Traffic))
        );
        draft.change(now(), |e| rows::remove_variant(e, "b"));
        assert!(draft.unread.is_empty());
    }

    #[test]
    fn a_text_that_is_not_read_stays_with_its_row() {
        let rule = Uuid::from_u128(5);
        let mut draft = Draft::new(base(), now());
        draft.change(now(), |e| {
            rows::add_rule(e, rule);
            for _ in 0..2 {
                rows::add_condition(e, rule);
            }
            let conditions = &mut e.rules[0].conditions;
            for (field, condition) in ["a", "b", "c"].into_iter().zip(conditions) {
                condition.field = field.to_owned();
            }
        });
        let count = draft.mine.rules[0].conditions.len();
        assert!(count >= 2, "{count}");
        let last = |at: usize| Cell::Condition(rule, at, super::super::Part::Field);
        let waits = || Unread {
            text: "waits".to_owned(),
            why: String::new(),
            half: false,
        };
        draft.unread.insert(last(1), waits());
        let conditions = Rows::Conditions(rule);
        // Up, and the one that stood there down.
        draft.change_rows(now(), Some((conditions, Moved::Swapped(1, 0))), |e| {
            rows::shift(&mut e.rules[0].conditions, 1, false)
        });
        assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&last(0)]);
        draft.change_rows(now(), Some((conditions, Moved::Swapped(0, 1))), |e| {
            rows::shift(&mut e.rules[0].conditions, 0, true)
        });
        // The one before it goes.
        draft.change_rows(now(), Some((conditions, Moved::Gone(0))), |e| {
            e.rules[0].conditions.remove(0);
        });
        assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&last(0)]);
        assert!(draft.undo(now()));
        assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&last(1)]);
        // It goes itself.
        draft.change_rows(now(), Some((conditions, Moved::Gone(1))), |e| {
            e.rules[0].conditions.remove(1);
        });
        assert!(draft.unread.is_empty());
        // A tracked event before it goes.
        let event = |at: usize| Cell::Filter(Which::Tracked(at), 0, super::super::Part::Value);
        draft.enter(&Cell::NewTracked, "first", now());
        draft.enter(&Cell::NewTracked, "second", now());
        draft.unread.insert(event(1), waits());
        draft.enter(&Cell::Event(Which::Tracked(0)), "", now());
        assert_eq!(draft.mine.tracked_events.len(), 1);
        assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&event(0)]);
    }

    #[test]
    fn news_merge_and_the_same_field_is_decided() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Name, "Mine", now());
        draft.rebase(&newer(|e| e.description = "theirs".into()), now());
        assert_eq!(draft.news.as_ref().expect("told").taken, [Path::Description]);
        assert_eq!((draft.count(), draft.open_conflicts()), (1, 0));
        draft.rebase(
            &newer(|e| {
                e.description = "theirs".into();
                e.name = "Theirs".into();
                e.resource_version += 1;
            }),
            now(),
        );
        assert_eq!(draft.open_conflicts(), 1);
        assert_eq!(draft.mine.name, "Mine", "mine stands until it is decided");
        draft.decide(0, Side::Theirs, now());
        assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Theirs", 0));
        draft.decide(0, Side::Mine, now());
        assert_eq!(draft.mine.name, "Mine");
        assert_eq!(draft.news.as_ref().expect("told").from, 1);
    }

    #[test]
    fn what_was_typed_while_it_was_sent_is_left_after_it_was_saved() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Name, "Sent", now());
        draft.sent = Some(Box::new(draft.mine.clone()));
        draft.enter(&Cell::Description, "later", now());
        draft.saved(&newer(|e| e.name = "Sent".into()), now());
        let paths: Vec<Path> = draft.changes().into_iter().map(|(path, ..)| path).collect();
        assert_eq!(paths, [Path::Description]);
        assert_eq!(draft.base.resource_version, 2);
    }

    #[test]
    fn what_nobody_has_decided_is_still_asked_after_a_part_was_saved() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Name, "Mine", now());
        let theirs = newer(|e| e.name = "Theirs".into());
        draft.rebase(&theirs, now());
        // The table of variants saves itself meanwhile.
        draft.enter(&Cell::Variant("treatment".into(), Attr::Name), "Tall", now());
        let mut sent = (*theirs).clone();
        sent.variants[1].name = "Tall".into();
        draft.sent = Some(Box::new(sent.clone()));
        sent.resource_version += 1;
        draft.saved(&Arc::new(sent), now());
        assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Mine", 1));
        assert!(draft.news.is_some(), "who it was is still told");
        draft.decide(0, Side::Theirs, now());
        assert!(draft.is_clean());
    }

    #[test]
    fn a_decision_that_is_taken_back_is_asked_again() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Name, "Mine", now());
        draft.rebase(&newer(|e| e.name = "Theirs".into()), now());
        draft.decide(0, Side::Theirs, now());
        assert!(draft.undo(now()));
        assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Mine", 1));
        assert!(draft.redo(now()));
        assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Theirs", 0));
        // Thrown away and brought back.
        assert!(draft.undo(now()));
        draft.revert(now());
        assert_eq!((draft.is_clean(), draft.open_conflicts()), (true, 0));
        assert!(draft.undo(now()));
        assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Mine", 1));
        // An older state of mine meets theirs as well.
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Name, "First", now());
        draft.enter(&Cell::Name, "Second", now());
        draft.rebase(&newer(|e| e.name = "Theirs".into()), now());
        draft.decide(0, Side::Mine, now());
        assert!(draft.undo(now()) && draft.undo(now()));
        assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("First", 1));
    }

    #[test]
    fn undo_goes_back_beyond_a_save() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Variant("treatment".into(), Attr::Traffic), "30", now());
        draft.sent = Some(Box::new(draft.mine.clone()));
        let mut result = draft.mine.clone();
        result.resource_version += 1;
        draft.saved(&Arc::new(result), now());
        assert!(draft.is_clean());
        assert!(draft.undo(now()));
        assert_eq!(draft.count(), 1);
        assert_eq!(draft.mine.variants[1].traffic_pct, base().variants[1].traffic_pct);
        assert_eq!(draft.mine.resource_version, draft.base.resource_version);
        assert!(draft.redo(now()) && draft.is_clean());
    }

    #[test]
    fn the_changes_of_two_drafts_become_one_and_the_same_field_is_decided() {
        let mut first = Draft::new(base(), now());
        first.enter(&Cell::Name, "First", now());
        first.enter(&Cell::Description, "of the first", now());
        let newer = newer(|e| e.hypothesis = "theirs".into());
        let mut second = Draft::new(Arc::clone(&newer), now());
        second.enter(&Cell::Name, "Second", now());
        second.enter(&Cell::Holdout, "many", now());
        second.instead_of.push("a file".to_owned());
        first.join(second, now());
        assert_eq!(first.base.resource_version, newer.resource_version);
        assert_eq!(first.mine.name, "First", "mine stands until it is decided");
        assert_eq!(first.mine.description, "of the first");
        assert_eq!(first.unread[&Cell::Holdout].text, "many");
        assert_eq!(first.open_conflicts(), 1);
        assert_eq!(first.instead_of, ["a file"]);
        first.decide(0, Side::Theirs, now());
        assert_eq!((first.mine.name.as_str(), first.open_conflicts()), ("Second", 0));
        // The same once more brings nothing new.
        let count = first.count();
        let again = first.clone();
        first.join(again, now());
        assert_eq!((first.count(), first.open_conflicts()), (count, 0));
    }

    #[test]
    fn what_is_chosen_once_for_ever_counts_too() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Mode, "session", now());
        draft.enter(&Cell::NewKey, "mine", now());
        assert_eq!(draft.count(), 2);
    }

    #[test]
    fn a_draft_comes_back_from_disk_as_it_was() {
        let mut draft = Draft::new(base(), now());
        draft.enter(&Cell::Name, "New", now());
        draft.enter(&Cell::Holdout, "many", now());
        let key = DraftKey {
            server: "http://127.0.0.1:1".into(),
            project: Uuid::nil(),
            of: super::super::disk::Of::Experiment,
            object: base().id,
        };
        let stored = draft.stored(key, Some((Cell::Description, "half a sen".into())));
        let text = serde_json::to_string(&stored).expect("writes");
        let stored: StoredDraft = serde_json::from_str(&text).expect("reads");
        assert_eq!(stored.count(), 3);
        let back = Draft::restored(stored);
        assert_eq!(back.mine.name, "New");
        assert_eq!(back.mine.description, "", "nothing that is half typed is taken");
        assert_eq!(back.unread[&Cell::Description].text, "half a sen");
        assert!(back.unread[&Cell::Description].half && !back.unread[&Cell::Holdout].half);
        assert_eq!(back.unread[&Cell::Holdout].text, "many");
    }
}
