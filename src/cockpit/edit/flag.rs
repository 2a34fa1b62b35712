//! The working copy of a flag: what differs from where it began, and how somebody else's changes come in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::disk::DraftKey;
use crate::domain::{Flag, Variant};

/// A part of a flag that changes by itself.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FlagPart {
    /// The name that people read.
    Name,
    /// What it switches.
    Description,
    /// The share that gets one of the variants.
    Rollout,
    /// Where it is evaluated.
    Mode,
    /// The deployments that see it.
    Deployments,
    /// The variants. Those of different keys, and different attributes of one, merge.
    Variants,
    /// The rules. Different ones merge.
    Rules,
}

impl FlagPart {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 7] = [
        Self::Name,
        Self::Description,
        Self::Rollout,
        Self::Mode,
        Self::Deployments,
        Self::Variants,
        Self::Rules,
    ];

    /// What it is called.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Rollout => "rollout",
            Self::Mode => "evaluation",
            Self::Deployments => "deployments",
            Self::Variants => "variants",
            Self::Rules => "rules",
        }
    }

    /// Whether two copies agree in it.
    #[must_use]
    pub fn same(self, a: &Flag, b: &Flag) -> bool {
        match self {
            Self::Name => a.name == b.name,
            Self::Description => a.description == b.description,
            Self::Rollout => a.rollout_pct == b.rollout_pct,
            Self::Mode => a.evaluation_mode == b.evaluation_mode,
            Self::Deployments => a.deployments == b.deployments,
            Self::Variants => a.variants == b.variants,
            Self::Rules => a.rules == b.rules,
        }
    }

    /// Takes it over from another copy.
    pub fn take(self, into: &mut Flag, from: &Flag) {
        match self {
            Self::Name => into.name.clone_from(&from.name),
            Self::Description => into.description.clone_from(&from.description),
            Self::Rollout => into.rollout_pct = from.rollout_pct,
            Self::Mode => into.evaluation_mode = from.evaluation_mode,
            Self::Deployments => into.deployments.clone_from(&from.deployments),
            Self::Variants => into.variants.clone_from(&from.variants),
            Self::Rules => into.rules.clone_from(&from.rules),
        }
    }

    /// Puts what both changed together, where they did not change the same of it. False where they did.
    fn merge(self, into: &mut Flag, base: &Flag, mine: &Flag, theirs: &Flag) -> bool {
        match self {
            Self::Variants => {
                let both = by_key(
                    [&base.variants, &mine.variants, &theirs.variants],
                    |v| v.key.folded(),
                    variant,
                );
                both.map(|variants| into.variants = variants).is_some()
            }
            Self::Rules => {
                let both = by_key([&base.rules, &mine.rules, &theirs.rules], |r| r.id, |_| None);
                both.map(|rules| into.rules = rules).is_some()
            }
            _ => false,
        }
    }
}

/// The value that one of the two changed, or both alike; none where they changed it differently.
fn either<T: Clone + PartialEq>([base, mine, theirs]: [&T; 3]) -> Option<T> {
    if mine == base || mine == theirs {
        Some(theirs.clone())
    } else {
        (theirs == base).then(|| mine.clone())
    }
}

/// A variant of which both changed something, attribute by attribute.
fn variant([base, mine, theirs]: [&Variant; 3]) -> Option<Variant> {
    Some(Variant {
        key: either([&base.key, &mine.key, &theirs.key])?,
        name: either([&base.name, &mine.name, &theirs.name])?,
        description: either([&base.description, &mine.description, &theirs.description])?,
        payload: either([&base.payload, &mine.payload, &theirs.payload])?,
        is_control: either([&base.is_control, &mine.is_control, &theirs.is_control])?,
        traffic_pct: either([&base.traffic_pct, &mine.traffic_pct, &theirs.traffic_pct])?,
        order_index: either([&base.order_index, &mine.order_index, &theirs.order_index])?,
    })
}

/// Three lists become one, their entries told apart by a key; in their order, with my new ones at the end. None
/// where both changed the same entry and `both` cannot put that together, or both changed the order.
fn by_key<T: Clone + PartialEq, K: PartialEq>(
    [base, mine, theirs]: [&Vec<T>; 3],
    key: impl Fn(&T) -> K,
    both: impl Fn([&T; 3]) -> Option<T>,
) -> Option<Vec<T>> {
    let find = |list: &'_ [T], wanted: &K| list.iter().position(|entry| key(entry) == *wanted);
    let order = |list: &[T]| -> Vec<usize> { list.iter().filter_map(|e| find(base, &key(e))).collect() };
    let sorted = |list: &[T]| order(list).is_sorted();
    let (first, second) = if sorted(mine) {
        (theirs, mine)
    } else {
        (mine, theirs)
    };
    if !sorted(second) && order(mine) != order(theirs) {
        return None;
    }
    let mut merged = Vec::new();
    for entry in first
        .iter()
        .chain(second.iter().filter(|e| find(first, &key(e)).is_none()))
    {
        let wanted = key(entry);
        let of = |list: &'_ Vec<T>| find(list, &wanted).map(|at| list[at].clone());
        let copies = [of(base), of(mine), of(theirs)];
        let kept = match either([&copies[0], &copies[1], &copies[2]]) {
            Some(kept) => kept,
            None => match &copies {
                [Some(base), Some(mine), Some(theirs)] => Some(both([base, mine, theirs])?),
                _ => return None,
            },
        };
        merged.extend(kept);
    }
    Some(merged)
}

/// A part that both changed, to be decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clash {
    /// The part.
    pub part: FlagPart,
    /// The flag as it was where my changes to the part began.
    pub start: Flag,
    /// The flag as the others have it.
    pub theirs: Flag,
}

/// What came in from somebody else while there was a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagNews {
    /// The version the draft was at before.
    pub from: u64,
    /// The version it is at now.
    pub to: u64,
    /// What was merged.
    pub taken: Vec<FlagPart>,
    /// Who changed it, and when the last time, where that is known.
    pub who: Option<(String, Timestamp)>,
}

/// A draft as it is kept on disk, complete in itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFlag {
    /// Which draft.
    pub key: DraftKey,
    /// When it was last changed.
    pub at: Timestamp,
    /// What it began from.
    pub base: Flag,
    /// What it says.
    pub mine: Flag,
    /// What both changed and nobody has decided.
    #[serde(default)]
    pub both: Vec<Clash>,
}

impl StoredFlag {
    /// How many changes it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        changed(&self.base, &self.mine).len()
    }
}

fn changed(base: &Flag, mine: &Flag) -> Vec<FlagPart> {
    let differs = |part: &FlagPart| !part.same(base, mine);
    FlagPart::ALL.into_iter().filter(differs).collect()
}

/// The most states that undo goes back to.
const MOST_UNDO: usize = 200;

/// What undo goes back to: with the questions that were open then, so that an undone decision is asked again.
#[derive(Debug, Clone, PartialEq)]
pub struct Before {
    mine: Flag,
    both: Vec<Clash>,
}

/// A flag with changes that are not saved: where they began, and where they are.
#[derive(Debug, Clone)]
pub struct FlagDraft {
    /// The flag as the changes began, or as it was last merged.
    pub base: Flag,
    /// The flag as it is to be.
    pub mine: Flag,
    /// Parts that somebody else changed meanwhile as well: they are asked about.
    pub both: Vec<Clash>,
    /// What came in from others.
    pub news: Option<FlagNews>,
    /// What was before each change, the newest last.
    pub undo: Vec<Before>,
    /// When it last changed.
    pub at: Timestamp,
    /// +1 at every change.
    pub revision: u64,
    /// Files whose changes are in this draft: they may go once it is on disk itself.
    pub instead_of: Vec<String>,
    /// Whether it was taken up from disk: what was done before is one step that undo does not go back over.
    pub restored: bool,
}

impl FlagDraft {
    /// A draft without changes.
    #[must_use]
    pub fn new(flag: Flag, now: Timestamp) -> Self {
        Self {
            base: flag.clone(),
            mine: flag,
            both: Vec::new(),
            news: None,
            undo: Vec::new(),
            at: now,
            revision: 0,
            instead_of: Vec::new(),
            restored: false,
        }
    }

    /// A draft from disk.
    #[must_use]
    pub fn restored(stored: StoredFlag) -> Self {
        Self {
            mine: stored.mine,
            both: stored.both,
            revision: 1,
            restored: true,
            ..Self::new(stored.base, stored.at)
        }
    }

    /// What is kept on disk.
    #[must_use]
    pub fn stored(&self, key: DraftKey) -> StoredFlag {
        StoredFlag {
            key,
            at: self.at,
            base: self.base.clone(),
            mine: self.mine.clone(),
            both: self.both.clone(),
        }
    }

    /// The parts that differ.
    #[must_use]
    pub fn changed(&self) -> Vec<FlagPart> {
        changed(&self.base, &self.mine)
    }

    /// Whether there is nothing to save and nothing to decide, only what undo goes back to.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.both.is_empty() && self.changed().is_empty()
    }

    fn touch(&mut self, now: Timestamp) {
        self.at = now;
        self.revision += 1;
    }

    /// Changes it; the copy before can be had back.
    pub fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut Flag)) {
        let before = self.before();
        self.begin();
        change(&mut self.mine);
        if before.mine != self.mine {
            self.settled();
            self.done(before, now);
        }
    }

    /// What came in before the changes that begin now is no news of them.
    fn begin(&mut self) {
        if self.is_idle() {
            self.news = None;
        }
    }

    fn before(&self) -> Before {
        Before {
            mine: self.mine.clone(),
            both: self.both.clone(),
        }
    }

    fn done(&mut self, before: Before, now: Timestamp) {
        self.undo.push(before);
        if self.undo.len() > MOST_UNDO {
            self.undo.remove(0);
        }
        self.touch(now);
    }

    /// Takes what a dialog made of the flag as it was at `start`. What came in while the dialog was open stays; what
    /// both changed is asked about.
    pub fn edit(&mut self, start: &Flag, edited: &Flag, now: Timestamp) {
        let before = self.before();
        let (mine, _, both) = merged(start, edited, &before.mine);
        if mine == before.mine {
            return;
        }
        self.begin();
        self.mine = mine;
        ask(&mut self.both, both, start, &self.base);
        self.settled();
        if !self.both.is_empty() && self.news.is_none() {
            self.news = Some(FlagNews {
                from: start.resource_version,
                to: self.base.resource_version,
                taken: Vec::new(),
                who: None,
            });
        }
        self.done(before, now);
    }

    /// Back to before the last change; false when there is none.
    pub fn take_back(&mut self, now: Timestamp) -> bool {
        let Some(before) = self.undo.pop() else {
            return false;
        };
        self.mine = before.mine;
        self.both = before.both;
        self.settled();
        self.touch(now);
        true
    }

    /// A part about which both say the same now is no longer asked about.
    fn settled(&mut self) {
        let (base, mine) = (&self.base, &self.mine);
        self.both
            .retain(|clash| !clash.part.same(mine, base) && !clash.part.same(mine, &clash.theirs));
    }

    /// Merges what somebody else saved. What both changed differently keeps mine and is asked about; all the
    /// rest that came in is told.
    pub fn merge(&mut self, theirs: &Flag, now: Timestamp) -> Vec<FlagPart> {
        if theirs.resource_version <= self.base.resource_version {
            return Vec::new();
        }
        let start = std::mem::replace(&mut self.base, theirs.clone());
        let was_clean = changed(&start, &self.mine).is_empty();
        if was_clean && self.both.is_empty() {
            self.news = None;
        }
        let (mine, came, both) = merged(&start, &self.mine, theirs);
        // Undo takes back what I did, not what came in.
        for before in &mut self.undo {
            let (mine, _, both) = merged(&start, &before.mine, theirs);
            before.mine = mine;
            follow(&mut before.both, &start, theirs);
            ask(&mut before.both, both, &start, theirs);
        }
        self.mine = mine;
        follow(&mut self.both, &start, theirs);
        ask(&mut self.both, both, &start, theirs);
        self.settled();
        self.touch(now);
        let told = !came.is_empty() || !self.both.is_empty();
        if told && !was_clean {
            let mut taken = came.clone();
            let mut from = start.resource_version;
            if let Some(news) = self.news.take() {
                from = news.from;
                taken.extend(news.taken.into_iter().filter(|part| !came.contains(part)));
            }
            self.news = Some(FlagNews {
                from,
                to: theirs.resource_version,
                taken,
                who: None,
            });
        }
        came
    }

    /// It was saved as it was `sent`: what was changed since begins from there. Undo goes back beyond it, as changes that
    /// are not saved.
    pub fn saved(&mut self, sent: &Self, saved: &Flag, now: Timestamp) {
        self.base = sent.mine.clone();
        self.merge(saved, now);
        self.base = saved.clone();
        self.news = None;
        self.touch(now);
    }

    /// Takes in the changes of another draft of the same flag. What both changed differently keeps mine until it
    /// is decided.
    pub fn join(&mut self, mut other: Self, now: Timestamp) {
        other.merge(&self.base.clone(), now);
        self.merge(&other.base.clone(), now);
        let before = self.before();
        let (mine, _, both) = merged(&self.base, &self.mine, &other.mine);
        self.mine = mine;
        let between = both.into_iter().map(|part| Clash {
            part,
            start: self.base.clone(),
            theirs: other.mine.clone(),
        });
        for clash in between.chain(other.both).collect::<Vec<_>>() {
            if !self.both.iter().any(|c| c.part == clash.part) {
                self.both.push(clash);
            }
        }
        if before.mine != self.mine {
            self.done(before, now);
        }
        self.news = self.news.take().or(other.news);
        self.instead_of.extend(other.instead_of);
        self.settled();
        self.touch(now);
    }

    /// Decides the first part that both changed; which one that was.
    pub fn decide(&mut self, mine: bool, now: Timestamp) -> Option<FlagPart> {
        if self.both.is_empty() {
            return None;
        }
        let before = self.before();
        let clash = self.both.remove(0);
        if !mine {
            clash.part.take(&mut self.mine, &clash.theirs);
            self.settled();
        }
        self.done(before, now);
        Some(clash.part)
    }
}

/// What came in to a part that is asked about already is theirs as well, though it does not touch what I changed: who
/// takes theirs takes all of it.
fn follow(clashes: &mut [Clash], start: &Flag, theirs: &Flag) {
    for clash in clashes {
        let (newest, ..) = merged(start, &clash.theirs, theirs);
        clash.part.take(&mut clash.theirs, &newest);
    }
}

/// Adds what both changed to what is to be decided, about their newest value. What is asked already stays in its place:
/// the first is decided first.
fn ask(clashes: &mut Vec<Clash>, both: Vec<FlagPart>, start: &Flag, theirs: &Flag) {
    for part in both {
        let theirs = theirs.clone();
        match clashes.iter_mut().find(|clash| clash.part == part) {
            Some(older) => older.theirs = theirs,
            None => clashes.push(Clash {
                part,
                start: start.clone(),
                theirs,
            }),
        }
    }
}

/// Theirs with my changes, the parts that came in, and those that both changed, which are mine.
fn merged(base: &Flag, mine: &Flag, theirs: &Flag) -> (Flag, Vec<FlagPart>, Vec<FlagPart>) {
    let mut result = theirs.clone();
    let (mut came, mut both) = (Vec::new(), Vec::new());
    for part in FlagPart::ALL {
        let touched = !part.same(base, mine);
        let moved = !part.same(base, theirs);
        if !touched {
            came.extend(moved.then_some(part));
        } else if !moved {
            part.take(&mut result, mine);
        } else if !part.same(mine, theirs) {
            if part.merge(&mut result, base, mine, theirs) {
                came.push(part);
            } else {
                part.take(&mut result, mine);
                both.push(part);
            }
        }
    }
    // Each for itself may be sound, and both together not: a rule for a variant that is gone, shares above 100 %.
    if result.check(usize::MAX).is_err() {
        for part in [FlagPart::Variants, FlagPart::Rules] {
            if !part.same(base, mine) && !part.same(mine, theirs) && !both.contains(&part) {
                part.take(&mut result, mine);
                came.retain(|p| *p != part);
                both.push(part);
            }
        }
    }
    (result, came, both)
}

#[cfg(test)]
mod tests;
