//! The configuration in memory: what assignments are decided from.
//!
//! A [`Snapshot`] is never changed. After each write the registry puts a new one in its place, before the
//! write is answered, so that a caller sees its own change at once and a decision never waits for a
//! writer. Overrides may be a million: each experiment's are one table that is changed in place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use uuid::Uuid;

use crate::decide::{Lookups, PrepareError, Prepared};
use crate::domain::{Experiment, Key, OverrideSource, OverrideSubject, Status};

use super::ingest::ExperimentIndex;
use super::store::feed::{Forced as Decreed, OverrideChange};

/// An experiment, ready to be decided.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The project it belongs to.
    pub project: Uuid,
    /// What is configured.
    pub experiment: Arc<Experiment>,
    /// The same, compiled for decisions.
    pub prepared: Arc<Prepared>,
    /// Who is forced into a variant.
    pub overrides: Arc<OverrideTable>,
}

impl Entry {
    /// Compiles an experiment that has these overrides.
    ///
    /// # Errors
    /// See [`Prepared::new`].
    pub fn new(
        project: Uuid,
        experiment: Experiment,
        overrides: Arc<OverrideTable>,
    ) -> Result<Self, PrepareError> {
        Ok(Self {
            project,
            prepared: Arc::new(Prepared::new(&experiment)?),
            experiment: Arc::new(experiment),
            overrides,
        })
    }
}

/// All experiments at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    by_id: HashMap<Uuid, Arc<Entry>>,
    /// Project → key in lower case → experiment.
    by_key: HashMap<Uuid, HashMap<String, Arc<Entry>>>,
}

impl Snapshot {
    /// The experiment of a project with this UUID, else with this key, whatever its case.
    #[must_use]
    pub fn find(&self, project: Uuid, id_or_key: &str) -> Option<&Arc<Entry>> {
        let by_id = Uuid::try_parse(id_or_key)
            .ok()
            .and_then(|id| self.by_id.get(&id))
            .filter(|entry| entry.project == project);
        by_id.or_else(|| self.by_key.get(&project)?.get(folded(id_or_key).as_ref()))
    }

    /// The experiment with this id, of whatever project.
    #[must_use]
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<Entry>> {
        self.by_id.get(&id)
    }

    /// The experiments of a project, in no order.
    pub fn of_project(&self, project: Uuid) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_key.get(&project).into_iter().flat_map(HashMap::values)
    }

    /// All experiments of all projects, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_id.values()
    }

    /// The same with `entry` in the place of its former state.
    #[must_use]
    pub fn with(&self, entry: Entry) -> Self {
        let mut next = self.clone();
        next.put(entry);
        next
    }

    /// Takes an experiment out.
    pub fn remove(&mut self, id: Uuid) {
        if let Some(entry) = self.by_id.remove(&id)
            && let Some(keys) = self.by_key.get_mut(&entry.project)
        {
            keys.remove(&entry.experiment.key.folded());
        }
    }

    /// Puts `entry` in the place of its former state.
    pub fn put(&mut self, entry: Entry) {
        // Its key may be another one now.
        self.remove(entry.experiment.id);
        let entry = Arc::new(entry);
        let keys = self.by_key.entry(entry.project).or_default();
        keys.insert(entry.experiment.key.folded(), Arc::clone(&entry));
        self.by_id.insert(entry.experiment.id, entry);
    }
}

fn folded(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(key.to_ascii_lowercase())
    } else {
        Cow::Borrowed(key)
    }
}

/// The experiments of one project at one moment, as events name them.
#[derive(Debug, Clone, Copy)]
pub struct ProjectExperiments<'a> {
    /// All experiments.
    pub snapshot: &'a Snapshot,
    /// The project.
    pub project: Uuid,
}

impl ExperimentIndex for ProjectExperiments<'_> {
    fn by_id_or_key(&self, reference: &str) -> Option<&Experiment> {
        let entry = self.snapshot.find(self.project, reference)?;
        Some(&entry.experiment)
    }

    fn by_flag_key(&self, flag: &str) -> Option<&Experiment> {
        let of_flag = |e: &&Experiment| {
            let key = e.linked_flag.as_ref().unwrap_or(&e.key);
            key.as_str().eq_ignore_ascii_case(flag)
        };
        let all = self
            .snapshot
            .of_project(self.project)
            .map(|entry| &*entry.experiment);
        // Of two that are equally fit the newer one.
        all.filter(of_flag)
            .max_by_key(|e| (e.status == Status::Active, e.created_at, e.id))
    }
}

/// What an override says, in four bytes: a million of them have to fit.
#[derive(Debug, Clone, Copy)]
struct Forced {
    /// Index in [`Table::variants`].
    variant: u16,
    source: OverrideSource,
}

#[derive(Debug, Default)]
struct Table {
    /// The variants that occur, each once.
    variants: Vec<Key>,
    users: HashMap<Box<str>, Forced>,
    devices: HashMap<Box<str>, Forced>,
}

impl Table {
    fn ids(&self, subject: OverrideSubject) -> &HashMap<Box<str>, Forced> {
        match subject {
            OverrideSubject::User => &self.users,
            OverrideSubject::Device => &self.devices,
        }
    }

    fn ids_mut(&mut self, subject: OverrideSubject) -> &mut HashMap<Box<str>, Forced> {
        match subject {
            OverrideSubject::User => &mut self.users,
            OverrideSubject::Device => &mut self.devices,
        }
    }

    fn variant(&self, forced: Forced) -> Option<&Key> {
        self.variants.get(usize::from(forced.variant))
    }
}

/// How many overrides there are.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub struct OverrideCounts {
    /// Entered one by one.
    pub fixed: u64,
    /// Imported in bulk.
    pub manual: u64,
}

/// The overrides of one experiment. Only the registry writes, and only what is already in the store.
#[derive(Debug, Default)]
pub struct OverrideTable(RwLock<Table>);

impl OverrideTable {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // Nothing panics between two changes of a table, so a poisoned one is whole as well.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forces all `ids` into `variant`.
    pub fn put<'a>(
        &self,
        subject: OverrideSubject,
        variant: &Key,
        source: OverrideSource,
        ids: impl IntoIterator<Item = &'a str>,
    ) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = table.variants.iter().position(|v| v == variant);
        let at = known.unwrap_or_else(|| {
            table.variants.push(variant.clone());
            table.variants.len() - 1
        });
        // Variants are a handful; 65,536 different ones would take as many changes of their keys.
        let forced = Forced {
            variant: u16::try_from(at).unwrap_or(u16::MAX),
            source,
        };
        let table = table.ids_mut(subject);
        for id in ids {
            table.insert(id.into(), forced);
        }
    }

    /// Takes an override out.
    pub fn remove(&self, subject: OverrideSubject, id: &str) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.ids_mut(subject).remove(id);
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

    /// What an id is forced into.
    #[must_use]
    pub fn get(&self, subject: OverrideSubject, id: &str) -> Option<Decreed> {
        let table = self.read();
        let forced = *table.ids(subject).get(id)?;
        let variant = table.variant(forced)?.clone();
        Some(Decreed {
            variant,
            source: forced.source,
        })
    }

    /// How many there are, by source.
    #[must_use]
    pub fn counts(&self) -> OverrideCounts {
        let table = self.read();
        let all = table.users.values().chain(table.devices.values());
        all.fold(OverrideCounts::default(), |mut counts, forced| {
            match forced.source {
                OverrideSource::Fixed => counts.fixed += 1,
                OverrideSource::Manual => counts.manual += 1,
            }
            counts
        })
    }

    /// How many force a subject into `variant`, whatever its case.
    #[must_use]
    pub fn count_of(&self, variant: &Key) -> u64 {
        let table = self.read();
        let folded = variant.folded();
        let same: Vec<bool> = table.variants.iter().map(|v| v.folded() == folded).collect();
        let all = table.users.values().chain(table.devices.values());
        let is_it = |forced: &&Forced| same.get(usize::from(forced.variant)) == Some(&true);
        u64::try_from(all.filter(is_it).count()).unwrap_or(u64::MAX)
    }

    /// What one decision needs to know. Held no longer than the decision takes.
    #[must_use]
    pub fn lookups(&self) -> OverrideLookups<'_> {
        OverrideLookups(self.read())
    }
}

/// The overrides of one experiment, held still for one decision.
#[derive(Debug)]
pub struct OverrideLookups<'a>(RwLockReadGuard<'a, Table>);

impl Lookups for OverrideLookups<'_> {
    fn forced(&self, subject: OverrideSubject, id: &str) -> Option<&str> {
        let forced = *self.0.ids(subject).get(id)?;
        self.0.variant(forced).map(Key::as_str)
    }

    fn random(&self) -> u32 {
        fastrand::u32(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::experiments::CreateExperiment;
    use crate::server::edit;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn entry(project: Uuid, key: &str) -> Entry {
        let body = CreateExperiment {
            name: key.to_owned(),
            key: Some(key.to_owned()),
            ..CreateExperiment::default()
        };
        let experiment = edit::create(body, 4, |_| false, Timestamp::UNIX_EPOCH).expect("a draft");
        Entry::new(project, experiment, Arc::default()).expect("compiles")
    }

    #[test]
    fn an_experiment_is_found_by_id_and_by_key_in_its_project_only() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut snapshot = Snapshot::default();
        let one = entry(ours, "Checkout");
        let id = one.experiment.id;
        snapshot.put(one);
        snapshot.put(entry(theirs, "checkout"));
        for name in [
            "Checkout",
            "CHECKOUT",
            "checkout",
            &id.to_string(),
            &id.simple().to_string(),
        ] {
            let found = snapshot.find(ours, name).expect("found");
            assert_eq!(found.experiment.id, id, "{name}");
        }
        assert_ne!(
            snapshot.find(theirs, "checkout").expect("found").experiment.id,
            id
        );
        assert!(snapshot.find(theirs, &id.to_string()).is_none());
        assert!(snapshot.find(ours, "checkouts").is_none());
        assert_eq!(
            (snapshot.of_project(ours).count(), snapshot.all().count()),
            (1, 2)
        );
    }

    #[test]
    fn a_snapshot_that_was_taken_stays_as_it_was() {
        let project = Uuid::from_u128(1);
        let before = Snapshot::default().with(entry(project, "a"));
        let mut changed = Experiment::clone(&before.find(project, "a").expect("found").experiment);
        changed.name = "another".to_owned();
        let after = before.with(Entry::new(project, changed, Arc::default()).expect("compiles"));
        let name = |snapshot: &Snapshot| {
            snapshot
                .find(project, "a")
                .expect("found")
                .experiment
                .name
                .clone()
        };
        assert_eq!((name(&before).as_str(), name(&after).as_str()), ("a", "another"));
        assert_eq!(after.all().count(), 1);
    }

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
}
