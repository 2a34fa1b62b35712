//! What ids of an import do to the overrides there are: pure.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::api::imports::{CHUNK_IDS, ImportEffect, RowEffect};
use crate::domain::{Change, Key, OverrideSubject};
use crate::server::override_table::{Held, OverrideTable};
use crate::server::store::feed::{Forced, OverrideGroup};

use super::ids::Ids;

/// Sorts ids by what is done to them.
#[derive(Debug)]
pub struct Planner<'a> {
    table: &'a OverrideTable,
    subject: OverrideSubject,
    to: &'a Key,
    variants: Arc<Vec<Key>>,
    /// What was done so far.
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    added: u64,
    unchanged: u64,
    /// By the former variant's index in the table.
    changed_from: Vec<u64>,
}

impl<'a> Planner<'a> {
    /// For forcing ids of this kind into `to`.
    #[must_use]
    pub fn new(table: &'a OverrideTable, subject: OverrideSubject, to: &'a Key) -> Self {
        Self {
            table,
            subject,
            to,
            variants: table.variants(),
            counts: Counts::default(),
        }
    }

    /// What is done to an id, and what it has.
    pub fn effect(&mut self, id: &str) -> (RowEffect, Option<Held>) {
        let Some(held) = self.table.held(self.subject, id) else {
            self.counts.added += 1;
            return (RowEffect::Added, None);
        };
        let at = usize::from(held.variant);
        if at >= self.variants.len() {
            self.variants = self.table.variants();
        }
        if self.variants.get(at) == Some(self.to) {
            self.counts.unchanged += 1;
            return (RowEffect::Unchanged, Some(held));
        }
        if self.counts.changed_from.len() <= at {
            self.counts.changed_from.resize(at + 1, 0);
        }
        self.counts.changed_from[at] += 1;
        (RowEffect::Changed, Some(held))
    }

    /// The key of a variant, as the table numbers them.
    #[must_use]
    pub fn key(&self, held: Held) -> Option<&Key> {
        self.variants.get(usize::from(held.variant))
    }

    /// What was done to all ids so far.
    #[must_use]
    pub fn total(&self) -> ImportEffect {
        let named = self.variants.iter().zip(&self.counts.changed_from);
        ImportEffect {
            added: self.counts.added,
            changed: self.counts.changed_from.iter().sum(),
            changed_from: named
                .filter(|(_, count)| **count > 0)
                .map(|(key, count)| (key.as_str().to_owned(), *count))
                .collect(),
            unchanged: self.counts.unchanged,
        }
    }
}

/// A chunk that is to land.
#[derive(Debug)]
pub struct ChunkPlan<'a> {
    /// The ids that are added or changed, in their order.
    pub ids: Vec<&'a str>,
    /// The same ids by what they had.
    pub groups: Vec<OverrideGroup>,
    /// In numbers.
    pub effect: ImportEffect,
    /// The first of them, one by one.
    pub changes: Vec<Change>,
}

/// Plans a chunk: `ids` are forced `to`, of which the first `most_listed` are told one by one.
#[must_use]
pub fn chunk<'a>(
    table: &OverrideTable,
    subject: OverrideSubject,
    to: &Forced,
    ids: impl Iterator<Item = &'a str>,
    most_listed: usize,
) -> ChunkPlan<'a> {
    let mut planner = Planner::new(table, subject, &to.variant);
    let mut all = Vec::new();
    let mut changes = Vec::new();
    let mut groups: Vec<(Option<Held>, Vec<String>)> = Vec::new();
    for id in ids {
        let (effect, held) = planner.effect(id);
        if effect == RowEffect::Unchanged {
            continue;
        }
        all.push(id);
        if changes.len() < most_listed {
            let from = held.and_then(|held| planner.key(held));
            changes.push(Change {
                field: format!("overrides.{}:{id}", subject.as_str()),
                from: from.map_or(serde_json::Value::Null, |key| key.as_str().into()),
                to: to.variant.as_str().into(),
            });
        }
        // A handful: what they have differs in variant and source only.
        match groups.iter_mut().find(|(from, _)| *from == held) {
            Some((_, ids)) => ids.push(id.to_owned()),
            None => groups.push((held, vec![id.to_owned()])),
        }
    }
    let groups = groups.into_iter().map(|(held, ids)| OverrideGroup {
        from: held.and_then(|held| {
            Some(Forced {
                variant: planner.key(held)?.clone(),
                source: held.source,
            })
        }),
        to: Some(to.clone()),
        ids,
    });
    ChunkPlan {
        groups: groups.collect(),
        ids: all,
        effect: planner.total(),
        changes,
    }
}

/// What taking back a change comes down to.
#[derive(Debug, Default)]
pub struct UndoPlan {
    /// What is done now, the other way round.
    pub groups: Vec<OverrideGroup>,
    /// Ids that get back what they had.
    pub undone: u64,
    /// Ids that have something else by now and keep it.
    pub kept: u64,
}

impl UndoPlan {
    /// The first `most` of its ids, one by one.
    #[must_use]
    pub fn changes(&self, subject: OverrideSubject, most: usize) -> Vec<Change> {
        let told = |forced: &Option<Forced>| {
            let key = forced.as_ref().map(|forced| forced.variant.as_str());
            key.map_or(serde_json::Value::Null, Into::into)
        };
        let each = self.groups.iter().flat_map(|group| {
            group.ids.iter().map(|id| Change {
                field: format!("overrides.{}:{id}", subject.as_str()),
                from: told(&group.from),
                to: told(&group.to),
            })
        });
        each.take(most).collect()
    }
}

/// Plans to take a change back. Who had a variant that `is_variant` does not know any more gets no override.
#[must_use]
pub fn undo(
    table: &OverrideTable,
    subject: OverrideSubject,
    done: Vec<OverrideGroup>,
    is_variant: impl Fn(&Key) -> bool,
) -> UndoPlan {
    let mut plan = UndoPlan::default();
    for group in done {
        let before = group.ids.len();
        let mut ids = group.ids;
        ids.retain(|id| table.get(subject, id) == group.to);
        plan.undone += ids.len() as u64;
        plan.kept += (before - ids.len()) as u64;
        if !ids.is_empty() {
            plan.groups.push(OverrideGroup {
                from: group.to,
                to: group.from.filter(|former| is_variant(&former.variant)),
                ids,
            });
        }
    }
    plan
}

/// Adds, or with `sign` −1 takes away, what a chunk did.
pub fn add(total: &mut ImportEffect, chunk: &ImportEffect, sign: i64) {
    let add = |to: &mut u64, count: u64| {
        *to = match sign {
            0.. => to.saturating_add(count),
            _ => to.saturating_sub(count),
        };
    };
    add(&mut total.added, chunk.added);
    add(&mut total.changed, chunk.changed);
    add(&mut total.unchanged, chunk.unchanged);
    for (variant, count) in &chunk.changed_from {
        add(total.changed_from.entry(variant.clone()).or_default(), *count);
    }
    total.changed_from.retain(|_, count| *count > 0);
}

/// What the recorded change of a chunk of `size` ids did, in numbers.
#[must_use]
pub fn effect_of(groups: &[OverrideGroup], size: u64) -> ImportEffect {
    let mut effect = ImportEffect::default();
    for group in groups {
        let count = group.ids.len() as u64;
        match &group.from {
            None => effect.added += count,
            Some(from) => {
                effect.changed += count;
                *effect
                    .changed_from
                    .entry(from.variant.as_str().to_owned())
                    .or_default() += count;
            }
        }
    }
    effect.unchanged = size.saturating_sub(effect.added + effect.changed);
    effect
}

/// The chunks of sorted ids, each one id a line, deflated.
///
/// # Errors
/// None that memory would not have.
pub fn deflated(ids: &Ids) -> io::Result<Vec<Vec<u8>>> {
    let mut chunks = Vec::with_capacity(ids.len().div_ceil(CHUNK_IDS));
    for places in ids.places().chunks(CHUNK_IDS) {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        for place in places {
            deflate.write_all(ids.text(*place).as_bytes())?;
            deflate.write_all(b"\n")?;
        }
        chunks.push(deflate.finish()?);
    }
    Ok(chunks)
}

/// The text of a chunk: one id a line.
///
/// # Errors
/// When it is none.
pub fn inflated(chunk: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    DeflateDecoder::new(chunk).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::domain::OverrideSource;
    use crate::server::store::feed::OverrideChange;

    const SUBJECT: OverrideSubject = OverrideSubject::User;

    fn forced(variant: &str, source: OverrideSource) -> Forced {
        Forced {
            variant: Key::new(variant).expect("a key"),
            source,
        }
    }

    /// What people may do between chunks.
    #[derive(Debug, Clone)]
    enum Step {
        /// Applies the next chunk of the import with this number.
        Apply(usize),
        /// Takes back its last chunk.
        Undo(usize),
        Set(u8, &'static str, OverrideSource),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Step> {
        let source = prop_oneof![Just(OverrideSource::Fixed), Just(OverrideSource::Manual)];
        prop_oneof![
            3 => (0..2_usize).prop_map(Step::Apply),
            2 => (0..2_usize).prop_map(Step::Undo),
            1 => (0..12_u8, prop::sample::select(vec!["a", "b", "c"]), source).prop_map(|(i, v, s)| Step::Set(i, v, s)),
            1 => (0..12_u8).prop_map(Step::Remove),
        ]
    }

    type Model = BTreeMap<u8, (&'static str, OverrideSource)>;

    /// An import as a naive model has it: each chunk remembers what every id of it had.
    struct Naive {
        to: &'static str,
        chunks: Vec<Vec<u8>>,
        landed: Vec<BTreeMap<u8, Option<(&'static str, OverrideSource)>>>,
    }

    proptest! {
        /// Any sequence of chunks that land, chunks that are taken back, and single changes in between.
        #[test]
        fn it_is_what_a_naive_model_does(
            ids in prop::collection::vec(prop::collection::btree_set(0..12_u8, 0..9), 2),
            steps in prop::collection::vec(steps(), 0..40),
        ) {
            let table = OverrideTable::default();
            let mut model = Model::new();
            let chunked = |ids: &BTreeSet<u8>| -> Vec<Vec<u8>> {
                let ids: Vec<u8> = ids.iter().copied().collect();
                ids.chunks(3).map(<[u8]>::to_vec).collect()
            };
            let mut naive: Vec<Naive> = ids.iter().zip(["a", "b"])
                .map(|(ids, to)| Naive { to, chunks: chunked(ids), landed: Vec::new() })
                .collect();
            let mut real: Vec<Vec<OverrideChange>> = vec![Vec::new(); 2];
            for step in steps {
                match step {
                    Step::Apply(n) => {
                        let import = &mut naive[n];
                        let Some(ids) = import.chunks.get(import.landed.len()) else { continue };
                        let to = forced(import.to, OverrideSource::Manual);
                        let texts: Vec<String> = ids.iter().map(u8::to_string).collect();
                        let plan = chunk(&table, SUBJECT, &to, texts.iter().map(String::as_str), 2);
                        let mut expected = ImportEffect::default();
                        let mut before = BTreeMap::new();
                        for id in ids {
                            match model.get(id).copied() {
                                Some((variant, _)) if variant == import.to => expected.unchanged += 1,
                                other => {
                                    match other {
                                        None => expected.added += 1,
                                        Some((variant, _)) => {
                                            expected.changed += 1;
                                            *expected.changed_from.entry(variant.to_owned()).or_default() += 1;
                                        }
                                    }
                                    before.insert(*id, other);
                                    model.insert(*id, (import.to, OverrideSource::Manual));
                                }
                            }
                        }
                        prop_assert_eq!(&plan.effect, &expected);
                        prop_assert_eq!(effect_of(&plan.groups, ids.len() as u64), expected);
                        prop_assert_eq!(plan.ids.len(), before.len());
                        prop_assert_eq!(plan.changes.len(), before.len().min(2));
                        import.landed.push(before);
                        let change = OverrideChange {
                            experiment: uuid::Uuid::nil(), subject_type: SUBJECT, import: None, groups: plan.groups,
                        };
                        table.apply(&change);
                        real[n].push(change);
                    }
                    Step::Undo(n) => {
                        let Some(before) = naive[n].landed.pop() else { continue };
                        let done = real[n].pop().expect("as many");
                        // A variant that was deleted meanwhile: nobody gets it back.
                        let plan = undo(&table, SUBJECT, done.groups, |key| key.as_str() != "c");
                        let (mut undone, mut kept) = (0, 0);
                        for (id, former) in before {
                            if model.get(&id) == Some(&(naive[n].to, OverrideSource::Manual)) {
                                undone += 1;
                                match former.filter(|(variant, _)| *variant != "c") {
                                    Some(former) => model.insert(id, former),
                                    None => model.remove(&id),
                                };
                            } else {
                                kept += 1;
                            }
                        }
                        prop_assert_eq!((plan.undone, plan.kept), (undone, kept));
                        let change = OverrideChange {
                            experiment: uuid::Uuid::nil(), subject_type: SUBJECT, import: None, groups: plan.groups,
                        };
                        table.apply(&change);
                    }
                    Step::Set(id, variant, source) => {
                        let key = Key::new(variant).expect("a key");
                        table.put(SUBJECT, &key, source, [id.to_string().as_str()]);
                        model.insert(id, (variant, source));
                    }
                    Step::Remove(id) => {
                        table.remove(SUBJECT, &id.to_string());
                        model.remove(&id);
                    }
                }
                for id in 0..12_u8 {
                    let expected = model.get(&id).map(|(variant, source)| forced(variant, *source));
                    prop_assert_eq!(table.get(SUBJECT, &id.to_string()), expected);
                }
            }
        }

        #[test]
        fn what_was_added_can_be_taken_away(
            chunks in prop::collection::vec((0..9_u64, 0..9_u64, 1..9_u64, 0..9_u64), 0..6),
        ) {
            let mut total = ImportEffect::default();
            let chunks: Vec<ImportEffect> = chunks.into_iter().map(|(added, unchanged, a, b)| ImportEffect {
                added,
                unchanged,
                changed: a + b,
                changed_from: [("a", a), ("b", b)].into_iter().filter(|(_, n)| *n > 0)
                    .map(|(v, n)| (v.to_owned(), n)).collect(),
            }).collect();
            let mut states = vec![total.clone()];
            for chunk in &chunks {
                add(&mut total, chunk, 1);
                states.push(total.clone());
            }
            for chunk in chunks.iter().rev() {
                prop_assert_eq!(&total, &states.pop().expect("a state"));
                add(&mut total, chunk, -1);
            }
            prop_assert_eq!(total, ImportEffect::default());
        }
    }

    #[test]
    fn chunks_come_back_as_they_were() {
        let mut ids = Ids::default();
        for n in 0..CHUNK_IDS + 1 {
            ids.push(&format!("ü {n}"));
        }
        let chunks = deflated(&ids).expect("deflated");
        assert_eq!(chunks.len(), 2);
        let text: String = chunks.iter().map(|c| inflated(c).expect("inflated")).collect();
        let back: Vec<&str> = text.lines().collect();
        let all: Vec<&str> = ids.places().iter().map(|p| ids.text(*p)).collect();
        assert_eq!(back, all);
        assert!(inflated(b"\xff\xff").is_err());
    }
}
