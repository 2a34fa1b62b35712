//! What to do about changes of somebody else: what only they changed is taken, what both changed is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Draft, follow_all};
use crate::cockpit::edit::cell::Cell;
use crate::cockpit::edit::identity::{self, exists, follow};
use crate::cockpit::edit::merge::{Both, Merged, merge};
use crate::cockpit::edit::path::{Path, renumber};
use crate::domain::Experiment;

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

impl Draft {
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
            self.asked(&path, &mut merged, theirs);
            self.typed = Some(path);
        }
        // A text that waits is about what the field said as it was typed.
        let waiting: BTreeSet<Path> = self.unread.keys().filter_map(identity::part).collect();
        for path in waiting {
            if merged.taken.contains(&path) {
                self.asked(&path, &mut merged, theirs);
            }
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

    /// Makes what only they changed a question: a text of mine is about it.
    fn asked(&self, path: &Path, merged: &mut Merged, theirs: &Experiment) {
        merged.taken.retain(|taken| taken != path);
        if !merged.both.iter().any(|both| both.path == *path) {
            merged.both.push(Both {
                base: path.get(&self.base),
                mine: path.get(&self.mine),
                theirs: path.get(theirs),
                path: path.clone(),
            });
        }
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
        self.refused.clear();
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
    pub(super) fn decided(&mut self) {
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
