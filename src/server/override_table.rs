//! The overrides of one experiment in memory: a million of them have to fit, and a decision never waits.
//!
//! The ids stand in 64 parts, each with a lock of its own, their bytes one after the other: 13 bytes an id
//! and its own length, no allocation for each. A writer holds one part for as long as one id takes; the longest a
//! decision can wait is until a part of a million, some 16,000 ids, has moved into a larger table.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::{ArcSwap, Guard};
use hashbrown::HashTable;

use crate::decide::Lookups;
use crate::domain::{Key, OverrideSource, OverrideSubject};

use super::store::feed::{Forced, OverrideChange};

/// Parts of a table; a power of two.
pub(super) const PARTS: usize = 64;

/// Ids that were removed leave their bytes behind until these are more than this, and more than half.
const MOST_DEAD: usize = 64 << 10;

/// What an id is forced into.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub struct Held {
    /// Index in [`OverrideTable::variants`].
    pub variant: u16,
    /// How it came to be.
    pub source: OverrideSource,
}

/// Where the bytes of an id are, and what it is forced into.
#[derive(Debug, Clone, Copy)]
struct Slot {
    at: u32,
    length: u32,
    held: Held,
}

/// One part of the ids of one kind.
#[derive(Debug, Default)]
struct Part {
    slots: HashTable<Slot>,
    bytes: Vec<u8>,
    /// How many of `bytes` belong to ids that were removed.
    dead: usize,
    /// How many ids a variant has, by its index: fixed and manual.
    counts: Vec<OverrideCounts>,
}

fn bytes_of(bytes: &[u8], slot: Slot) -> &[u8] {
    let start = slot.at as usize;
    bytes.get(start..start + slot.length as usize).unwrap_or_default()
}

/// Ids are at most 512 characters long, and a part with 4 GiB of them would have two million.
fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Part {
    fn get(&self, hash: u64, id: &str) -> Option<Held> {
        let same = |slot: &Slot| bytes_of(&self.bytes, *slot) == id.as_bytes();
        self.slots.find(hash, same).map(|slot| slot.held)
    }

    fn count(&mut self, held: Held) -> &mut u64 {
        let at = usize::from(held.variant);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, OverrideCounts::default());
        }
        let counts = &mut self.counts[at];
        match held.source {
            OverrideSource::Fixed => &mut counts.fixed,
            OverrideSource::Manual => &mut counts.manual,
        }
    }

    fn put(&mut self, hasher: &RandomState, hash: u64, id: &str, held: Held) {
        let same = |slot: &Slot| bytes_of(&self.bytes, *slot) == id.as_bytes();
        if let Some(slot) = self.slots.find_mut(hash, same) {
            let before = std::mem::replace(&mut slot.held, held);
            *self.count(before) -= 1;
            *self.count(held) += 1;
            return;
        }
        let slot = Slot {
            at: short(self.bytes.len()),
            length: short(id.len()),
            held,
        };
        if self.bytes.capacity() - self.bytes.len() < id.len() {
            // An eighth at a time: twice as much would be half empty on the average.
            self.bytes
                .reserve_exact(id.len().max(1 << 10).max(self.bytes.len() / 8));
        }
        self.bytes.extend_from_slice(id.as_bytes());
        let bytes = &self.bytes;
        let hash_again = |slot: &Slot| hasher.hash_one(bytes_of(bytes, *slot));
        self.slots.insert_unique(hash, slot, hash_again);
        *self.count(held) += 1;
    }

    fn remove(&mut self, hash: u64, id: &str) {
        let same = |slot: &Slot| bytes_of(&self.bytes, *slot) == id.as_bytes();
        let Ok(found) = self.slots.find_entry(hash, same) else {
            return;
        };
        let (slot, _) = found.remove();
        *self.count(slot.held) -= 1;
        self.dead += slot.length as usize;
        if self.dead > MOST_DEAD && self.dead > self.bytes.len() / 2 {
            let mut kept = Vec::with_capacity(self.bytes.len() - self.dead);
            for slot in self.slots.iter_mut() {
                let at = short(kept.len());
                kept.extend_from_slice(bytes_of(&self.bytes, *slot));
                slot.at = at;
            }
            self.bytes = kept;
            self.dead = 0;
        }
    }
}

/// The ids of one kind. Most experiments have none: nothing is set aside before the first.
type Parts = OnceLock<Box<[RwLock<Part>]>>;

/// How many there are.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub struct OverrideCounts {
    /// Entered one by one.
    pub fixed: u64,
    /// Imported in bulk.
    pub manual: u64,
}

/// The overrides of one experiment. Only the registry writes, and only what is already in the store.
#[derive(Debug, Default)]
pub struct OverrideTable {
    hasher: RandomState,
    /// The variants that occur, each once; it only grows.
    variants: ArcSwap<Vec<Key>>,
    /// Held while `variants` grows.
    growing: Mutex<()>,
    users: Parts,
    devices: Parts,
}

fn reading(part: &RwLock<Part>) -> RwLockReadGuard<'_, Part> {
    // Nothing panics between two changes of a part, so a poisoned one is whole as well.
    part.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing(part: &RwLock<Part>) -> RwLockWriteGuard<'_, Part> {
    part.write().unwrap_or_else(PoisonError::into_inner)
}

impl OverrideTable {
    fn kind(&self, subject: OverrideSubject) -> &Parts {
        match subject {
            OverrideSubject::User => &self.users,
            OverrideSubject::Device => &self.devices,
        }
    }

    fn hash(&self, id: &str) -> u64 {
        self.hasher.hash_one(id.as_bytes())
    }

    /// The part of a hash: by other bits than the ones the tables inside go by, the lowest and the highest.
    fn part(parts: &[RwLock<Part>], hash: u64) -> Option<&RwLock<Part>> {
        let at = usize::try_from(hash >> 32).unwrap_or_default() % PARTS;
        parts.get(at)
    }

    /// The index of a variant, which is given one where it has none.
    fn index(&self, variant: &Key) -> u16 {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.variants.load();
        let at = known.iter().position(|v| v == variant).unwrap_or_else(|| {
            let mut more = Vec::clone(&known);
            more.push(variant.clone());
            self.variants.store(Arc::new(more));
            known.len()
        });
        // Variants are a handful; 65,536 different ones would take as many changes of their keys.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Forces all `ids` into `variant`.
    pub fn put<'a>(
        &self,
        subject: OverrideSubject,
        variant: &Key,
        source: OverrideSource,
        ids: impl IntoIterator<Item = &'a str>,
    ) {
        let held = Held {
            variant: self.index(variant),
            source,
        };
        let new = || (0..PARTS).map(|_| RwLock::default()).collect();
        let parts = self.kind(subject).get_or_init(new);
        for id in ids {
            let hash = self.hash(id);
            if let Some(part) = Self::part(parts, hash) {
                writing(part).put(&self.hasher, hash, id, held);
            }
        }
    }

    /// Takes an override out.
    pub fn remove(&self, subject: OverrideSubject, id: &str) {
        let hash = self.hash(id);
        let parts = self.kind(subject).get();
        if let Some(part) = parts.and_then(|parts| Self::part(parts, hash)) {
            writing(part).remove(hash, id);
        }
    }

    /// Does what a transaction did to the store.
    pub fn apply(&self, change: &OverrideChange) {
        for group in &change.groups {
            let ids = group.ids.iter().map(String::as_str);
            match &group.to {
                Some(to) => self.put(change.subject_type, &to.variant, to.source, ids),
                None => ids.for_each(|id| self.remove(change.subject_type, id)),
            }
        }
    }

    /// The ids of one of the [`PARTS`], and what each is forced into; in no order.
    #[must_use]
    pub(super) fn part_of(&self, subject: OverrideSubject, part: usize) -> Vec<(String, Forced)> {
        let Some(part) = self.kind(subject).get().and_then(|parts| parts.get(part)) else {
            return Vec::new();
        };
        let (part, variants) = (reading(part), self.variants());
        let all = part.slots.iter().filter_map(|slot| {
            let id = std::str::from_utf8(bytes_of(&part.bytes, *slot)).ok()?;
            let variant = variants.get(usize::from(slot.held.variant))?.clone();
            let source = slot.held.source;
            Some((id.to_owned(), Forced { variant, source }))
        });
        all.collect()
    }

    /// A table of its own with all that this one has and all of `other`, which goes before. Takes as long as there are
    /// many: a second for some millions.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let both = Self::default();
        for table in [self, other] {
            let variants = table.variants();
            for subject in [OverrideSubject::User, OverrideSubject::Device] {
                for part in table.kind(subject).get().into_iter().flatten() {
                    let part = reading(part);
                    for (at, variant) in variants.iter().enumerate() {
                        for source in [OverrideSource::Fixed, OverrideSource::Manual] {
                            let is_so = |slot: &&Slot| {
                                usize::from(slot.held.variant) == at && slot.held.source == source
                            };
                            let ids = part.slots.iter().filter(is_so);
                            let ids =
                                ids.filter_map(|slot| std::str::from_utf8(bytes_of(&part.bytes, *slot)).ok());
                            let mut ids = ids.peekable();
                            if ids.peek().is_some() {
                                both.put(subject, variant, source, ids);
                            }
                        }
                    }
                }
            }
        }
        both
    }

    /// What an id is forced into, as [`Self::variants`] numbers the variants.
    #[must_use]
    pub fn held(&self, subject: OverrideSubject, id: &str) -> Option<Held> {
        let parts = self.kind(subject).get()?;
        let hash = self.hash(id);
        reading(Self::part(parts, hash)?).get(hash, id)
    }

    /// The variants that occur or occurred. A list that is loaded after an id was looked up holds its variant.
    #[must_use]
    pub fn variants(&self) -> Arc<Vec<Key>> {
        self.variants.load_full()
    }

    /// What an id is forced into.
    #[must_use]
    pub fn get(&self, subject: OverrideSubject, id: &str) -> Option<Forced> {
        let Held { variant, source } = self.held(subject, id)?;
        let variant = self.variants.load().get(usize::from(variant)).cloned()?;
        Some(Forced { variant, source })
    }

    fn all_counts(&self, mut take: impl FnMut(usize, OverrideCounts)) {
        for parts in [&self.users, &self.devices] {
            for part in parts.get().into_iter().flatten() {
                for (variant, counts) in reading(part).counts.iter().enumerate() {
                    take(variant, *counts);
                }
            }
        }
    }

    /// How many there are, by source.
    #[must_use]
    pub fn counts(&self) -> OverrideCounts {
        let mut all = OverrideCounts::default();
        self.all_counts(|_, counts| {
            all.fixed += counts.fixed;
            all.manual += counts.manual;
        });
        all
    }

    /// How many force a subject into `variant`, whatever its case.
    #[must_use]
    pub fn count_of(&self, variant: &Key) -> u64 {
        let folded = variant.folded();
        let mut all = 0;
        let variants = self.variants();
        self.all_counts(|at, counts| {
            if variants.get(at).is_some_and(|v| v.folded() == folded) {
                all += counts.fixed + counts.manual;
            }
        });
        all
    }

    /// How many force a subject into each variant that any subject is forced into.
    #[must_use]
    pub fn by_variant(&self) -> BTreeMap<Key, u64> {
        let variants = self.variants();
        let mut all = BTreeMap::new();
        self.all_counts(|at, counts| {
            let count = counts.fixed + counts.manual;
            if let Some(variant) = variants.get(at).filter(|_| count > 0) {
                *all.entry(variant.clone()).or_default() += count;
            }
        });
        all
    }

    /// What one decision needs to know.
    #[must_use]
    pub fn lookups(&self) -> OverrideLookups<'_> {
        OverrideLookups {
            table: self,
            variants: [const { OnceCell::new() }; 2],
        }
    }
}

/// The overrides of one experiment, as one decision looks them up. Holds no lock.
#[derive(Debug)]
pub struct OverrideLookups<'a> {
    table: &'a OverrideTable,
    /// The variants' keys, for each kind of id: loaded once an id of that kind was found, so that its variant is
    /// among them.
    variants: [OnceCell<Guard<Arc<Vec<Key>>>>; 2],
}

impl Lookups for OverrideLookups<'_> {
    fn forced(&self, subject: OverrideSubject, id: &str) -> Option<&str> {
        let held = self.table.held(subject, id)?;
        let [of_users, of_devices] = &self.variants;
        let variants = match subject {
            OverrideSubject::User => of_users,
            OverrideSubject::Device => of_devices,
        };
        let variants = variants.get_or_init(|| self.table.variants.load());
        variants.get(usize::from(held.variant)).map(Key::as_str)
    }

    fn random(&self) -> u32 {
        fastrand::u32(..)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Put(OverrideSubject, &'static str, OverrideSource, Vec<u8>),
        Remove(OverrideSubject, u8),
    }

    fn steps() -> impl Strategy<Value = Step> {
        let subject = || prop_oneof![Just(OverrideSubject::User), Just(OverrideSubject::Device)];
        let source = prop_oneof![Just(OverrideSource::Fixed), Just(OverrideSource::Manual)];
        let variant = prop::sample::select(vec!["a", "b", "B"]);
        let ids = prop::collection::vec(0..8_u8, 0..5);
        prop_oneof![
            (subject(), variant, source, ids).prop_map(|(s, v, o, ids)| Step::Put(s, v, o, ids)),
            (subject(), 0..8_u8).prop_map(|(s, id)| Step::Remove(s, id)),
        ]
    }

    proptest! {
        #[test]
        fn overrides_are_what_a_plain_map_says(steps in prop::collection::vec(steps(), 0..30)) {
            let table = OverrideTable::default();
            let mut model: HashMap<(OverrideSubject, u8), (&str, OverrideSource)> = HashMap::new();
            for step in steps {
                match step {
                    Step::Put(subject, variant, source, ids) => {
                        let texts: Vec<String> = ids.iter().map(u8::to_string).collect();
                        let key = Key::new(variant).expect("a key");
                        table.put(subject, &key, source, texts.iter().map(String::as_str));
                        model.extend(ids.iter().map(|id| ((subject, *id), (variant, source))));
                    }
                    Step::Remove(subject, id) => {
                        table.remove(subject, &id.to_string());
                        model.remove(&(subject, id));
                    }
                }
            }
            for subject in [OverrideSubject::User, OverrideSubject::Device] {
                for id in 0..8_u8 {
                    let expected = model.get(&(subject, id)).map(|(variant, _)| *variant);
                    let text = id.to_string();
                    let found = table.get(subject, &text);
                    prop_assert_eq!(found.as_ref().map(|f| f.variant.as_str()), expected);
                    let source = table.held(subject, &text).map(|held| held.source);
                    prop_assert_eq!(source, model.get(&(subject, id)).map(|(_, source)| *source));
                    let lookups = table.lookups();
                    prop_assert_eq!(lookups.forced(subject, &text), expected);
                }
            }
            let count = |is: &dyn Fn(&(&str, OverrideSource)) -> bool| model.values().filter(|v| is(v)).count() as u64;
            let counts = OverrideCounts {
                fixed: count(&|(_, source)| *source == OverrideSource::Fixed),
                manual: count(&|(_, source)| *source == OverrideSource::Manual),
            };
            prop_assert_eq!(table.counts(), counts);
            let either_b = Key::new("b").expect("a key");
            prop_assert_eq!(table.count_of(&either_b), count(&|(variant, _)| variant.eq_ignore_ascii_case("b")));
        }
    }

    #[test]
    fn of_two_tables_the_second_goes_before_and_neither_changes() {
        use OverrideSource::{Fixed, Manual};
        use OverrideSubject::{Device, User};
        let key = |text: &str| Key::new(text).expect("a key");
        let (one, other) = (OverrideTable::default(), OverrideTable::default());
        one.put(User, &key("a"), Fixed, ["1", "2"]);
        one.put(Device, &key("b"), Manual, ["1"]);
        other.put(User, &key("c"), Manual, ["2", "3"]);
        other.put(User, &key("a"), Manual, ["4"]);
        let both = one.with(&other);
        let has = |table: &OverrideTable, subject, id| {
            let forced = table.get(subject, id)?;
            Some((forced.variant.to_string(), forced.source))
        };
        for (subject, id, variant, source) in [
            (User, "1", "a", Fixed),
            (User, "2", "c", Manual),
            (User, "3", "c", Manual),
            (User, "4", "a", Manual),
            (Device, "1", "b", Manual),
        ] {
            assert_eq!(
                has(&both, subject, id),
                Some((variant.to_owned(), source)),
                "{id}"
            );
        }
        assert_eq!(both.counts(), OverrideCounts { fixed: 1, manual: 4 });
        assert_eq!(has(&one, User, "2"), Some(("a".to_owned(), Fixed)));
        assert_eq!(
            (one.counts(), other.counts().manual),
            (OverrideCounts { fixed: 2, manual: 1 }, 3)
        );
        let mut parts: Vec<(String, Forced)> = (0..PARTS).flat_map(|part| both.part_of(User, part)).collect();
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        let ids: Vec<&str> = parts.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "3", "4"]);
    }

    #[test]
    fn what_is_removed_gives_its_room_back() {
        let table = OverrideTable::default();
        let (a, b) = (Key::new("a").expect("a key"), Key::new("b").expect("a key"));
        let ids: Vec<String> = (0..60_000).map(|n| format!("{n:0200}")).collect();
        let put = |variant, ids: &[String]| {
            let ids = ids.iter().map(String::as_str);
            table.put(OverrideSubject::User, variant, OverrideSource::Manual, ids);
        };
        put(&a, &ids);
        let size = || -> usize {
            let parts = table.users.get().expect("parts");
            parts.iter().map(|part| reading(part).bytes.len()).sum()
        };
        assert_eq!(size(), 60_000 * 200);
        for id in &ids[1_000..] {
            table.remove(OverrideSubject::User, id);
        }
        // At most as much again as is alive, and what each part may keep.
        assert!(
            size() <= 2 * 1_000 * 200 + PARTS * (MOST_DEAD + 200),
            "{}",
            size()
        );
        put(&b, &ids[59_000..]);
        for (at, id) in ids.iter().enumerate() {
            let expected = match at {
                0..1_000 => Some(&a),
                59_000.. => Some(&b),
                _ => None,
            };
            let found = table.get(OverrideSubject::User, id).map(|f| f.variant);
            assert_eq!(found.as_ref(), expected, "{at}");
        }
        assert_eq!((table.count_of(&a), table.count_of(&b)), (1_000, 1_000));
    }
}
