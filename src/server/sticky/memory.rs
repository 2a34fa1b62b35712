//! Which variant each subject of one experiment was given first, in memory.
//!
//! A subject is the first half of the SHA-256 of its id: 17 bytes with the variant, and one of the table, at 44 to
//! 88 % of its room: 20 to 41 bytes a subject.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::{ArcSwap, Guard};
use hashbrown::HashTable;
use sha2::{Digest as _, Sha256};

use crate::decide::Lookups;
use crate::domain::{Key, OverrideSubject};
use crate::server::override_table::OverrideLookups;
use crate::server::store::sticky::SubjectHash;

/// Parts, each with a lock of its own; a power of two.
const PARTS: usize = 64;

/// A subject and the index of its variant.
#[derive(Debug, Clone, Copy)]
struct Entry {
    subject: SubjectHash,
    variant: u8,
}

type Part = RwLock<HashTable<Entry>>;

/// The first variants of one experiment.
#[derive(Debug)]
pub struct Memory {
    /// The variants that occur, each once; it only grows.
    variants: ArcSwap<Vec<Key>>,
    growing: Mutex<()>,
    parts: Box<[Part]>,
}

/// What became of a first variant.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Remembered {
    /// It is the first one.
    Now,
    /// Another one came first.
    Before,
    /// It cannot be kept: the experiment has had too many different variants.
    Never,
}

/// The subject with this id, as it is kept.
#[must_use]
pub fn subject_hash(id: &str) -> SubjectHash {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// Bytes of a good hash are one.
fn table_hash(subject: &SubjectHash) -> u64 {
    let (first, _) = subject.as_chunks::<8>();
    first.first().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn reading(part: &Part) -> RwLockReadGuard<'_, HashTable<Entry>> {
    part.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing(part: &Part) -> RwLockWriteGuard<'_, HashTable<Entry>> {
    part.write().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            variants: ArcSwap::default(),
            growing: Mutex::default(),
            parts: (0..PARTS).map(|_| Part::default()).collect(),
        }
    }
}

impl Memory {
    fn part(&self, subject: &SubjectHash) -> Option<&Part> {
        // By a byte that the tables inside do not go by.
        self.parts.get(usize::from(subject[15]) % PARTS)
    }

    /// The index of a variant, which is given one where it has none; nothing when there are too many.
    fn index(&self, variant: &Key) -> Option<u8> {
        let position = |known: &[Key]| known.iter().position(|v| v == variant);
        let known = self.variants.load();
        if let Some(at) = position(&known) {
            return u8::try_from(at).ok();
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.variants.load();
        let at = position(&known).unwrap_or(known.len());
        let index = u8::try_from(at).ok()?;
        if at == known.len() {
            let mut more = Vec::clone(&known);
            more.push(variant.clone());
            self.variants.store(Arc::new(more));
        }
        Some(index)
    }

    /// Keeps `variant` as the first one of a subject that has none, or one that the experiment does not have any
    /// more.
    pub fn remember(
        &self,
        subject: &SubjectHash,
        variant: &Key,
        is_variant: impl Fn(&str) -> bool,
    ) -> Remembered {
        let (Some(index), Some(part)) = (self.index(variant), self.part(subject)) else {
            return Remembered::Never;
        };
        let mut part = writing(part);
        match part.find_mut(table_hash(subject), |entry| entry.subject == *subject) {
            Some(entry) => {
                let variants = self.variants.load();
                let before = variants.get(usize::from(entry.variant));
                if before.is_some_and(|key| is_variant(key.as_str())) {
                    return Remembered::Before;
                }
                entry.variant = index;
            }
            None => {
                let entry = Entry {
                    subject: *subject,
                    variant: index,
                };
                part.insert_unique(table_hash(subject), entry, |entry| table_hash(&entry.subject));
            }
        }
        Remembered::Now
    }

    /// Keeps what the store says.
    pub fn set(&self, subject: &SubjectHash, variant: &Key) {
        // With no variant it has, the subject is nobody who was seen before.
        self.remember(subject, variant, |before| before == variant.as_str());
    }

    /// The index of the variant that a subject was given first.
    fn get(&self, subject: &SubjectHash) -> Option<u8> {
        let part = reading(self.part(subject)?);
        let entry = part.find(table_hash(subject), |entry| entry.subject == *subject)?;
        Some(entry.variant)
    }

    /// The variant that a subject was given first.
    #[must_use]
    pub fn first(&self, id: &str) -> Option<Key> {
        let index = self.get(&subject_hash(id))?;
        self.variants.load().get(usize::from(index)).cloned()
    }

    /// How many subjects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| reading(part).len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What one decision of a sticky experiment looks up.
#[derive(Debug)]
pub struct StickyLookups<'a> {
    overrides: OverrideLookups<'a>,
    memory: &'a Memory,
    /// Loaded once a subject was found, so that its variant is among them.
    variants: OnceCell<Guard<Arc<Vec<Key>>>>,
}

impl<'a> StickyLookups<'a> {
    /// With these overrides and this memory.
    #[must_use]
    pub fn new(overrides: OverrideLookups<'a>, memory: &'a Memory) -> Self {
        Self {
            overrides,
            memory,
            variants: OnceCell::new(),
        }
    }
}

impl Lookups for StickyLookups<'_> {
    fn forced(&self, subject: OverrideSubject, id: &str) -> Option<&str> {
        self.overrides.forced(subject, id)
    }

    fn remembered(&self, subject_id: &str) -> Option<&str> {
        let index = self.memory.get(&subject_hash(subject_id))?;
        let variants = self.variants.get_or_init(|| self.memory.variants.load());
        variants.get(usize::from(index)).map(Key::as_str)
    }

    fn random(&self) -> u32 {
        self.overrides.random()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).expect("a key")
    }

    proptest! {
        #[test]
        fn the_first_one_stays_unless_it_is_gone(
            steps in prop::collection::vec((0..9_u8, prop::sample::select(vec!["a", "b", "gone"]), any::<bool>()), 0..60),
        ) {
            let memory = Memory::default();
            let mut model: HashMap<u8, &str> = HashMap::new();
            for (id, variant, from_store) in steps {
                let subject = subject_hash(&id.to_string());
                if from_store {
                    memory.set(&subject, &key(variant));
                    model.insert(id, variant);
                } else {
                    let became = memory.remember(&subject, &key(variant), |v| v != "gone");
                    let before = model.get(&id).is_some_and(|v| *v != "gone");
                    prop_assert_eq!(became, if before { Remembered::Before } else { Remembered::Now });
                    if !before {
                        model.insert(id, variant);
                    }
                }
                for id in 0..9_u8 {
                    let first = memory.first(&id.to_string());
                    prop_assert_eq!(first.as_ref().map(Key::as_str), model.get(&id).copied());
                }
                prop_assert_eq!((memory.len(), memory.is_empty()), (model.len(), model.is_empty()));
            }
        }
    }

    #[test]
    fn of_many_at_once_one_is_the_first() {
        let memory = Memory::default();
        let variants: Vec<Key> = (0..8).map(|n| key(&format!("v{n}"))).collect();
        let firsts: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = variants
                .iter()
                .map(|variant| {
                    let memory = &memory;
                    scope.spawn(move || {
                        let first = |id: &u32| {
                            let subject = subject_hash(&id.to_string());
                            memory.remember(&subject, variant, |_| true) == Remembered::Now
                        };
                        (0..2_000).filter(first).count()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).collect()
        });
        assert_eq!((firsts.iter().sum::<usize>(), memory.len()), (2_000, 2_000));
    }

    #[test]
    fn more_variants_than_fit_are_not_kept() {
        let memory = Memory::default();
        for n in 0..256 {
            let subject = subject_hash(&n.to_string());
            assert_eq!(
                memory.remember(&subject, &key(&format!("v{n}")), |_| true),
                Remembered::Now
            );
        }
        let one_more = memory.remember(&subject_hash("x"), &key("v256"), |_| true);
        assert_eq!((one_more, memory.first("x")), (Remembered::Never, None));
        assert_eq!(memory.first("255"), Some(key("v255")));
    }
}
