//! The configuration in memory: what assignments are decided from.
//!
//! A [`Snapshot`] is never changed. After each write the registry puts a new one in its place, before the
//! write is answered, so that a caller sees its own change at once and a decision never waits for a
//! writer. Overrides may be a million: each experiment's are one [`OverrideTable`] that is changed in place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::decide::{PrepareError, Prepared};
use crate::domain::{Experiment, Status};

use super::ingest::ExperimentIndex;

pub use super::override_table::{OverrideCounts, OverrideLookups, OverrideTable};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::experiments::CreateExperiment;
    use crate::server::edit;
    use jiff::Timestamp;

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
}
