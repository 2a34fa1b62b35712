//! The configuration in memory: what assignments are decided from.
//!
//! A [`Snapshot`] is never changed. After each write the registry puts a new one in its place, before the
//! write is answered, so that a caller sees its own change at once and a decision never waits for a
//! writer. Overrides may be a million: each experiment's are one [`OverrideTable`] that is changed in place.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::decide::{PrepareError, Prepared};
use crate::domain::{Experiment, Flag, Lab, Status};

use super::access::Access;
use super::ingest::ExperimentIndex;
use super::served::{FlagEntry, Keys, takes_over};
use super::shelf::{Shelf, Shelved};

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

impl Shelved for Entry {
    fn id(&self) -> Uuid {
        self.experiment.id
    }

    fn project(&self) -> Uuid {
        self.project
    }

    fn name_folded(&self) -> String {
        self.experiment.key.folded()
    }
}

impl Shelved for (Uuid, Lab) {
    fn id(&self) -> Uuid {
        self.1.id
    }

    fn project(&self) -> Uuid {
        self.0
    }

    fn name_folded(&self) -> String {
        self.1.key.folded()
    }
}

/// All configuration at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    experiments: Shelf<Entry>,
    flags: Shelf<FlagEntry>,
    keys: Keys,
    /// Labs, each with its project.
    pub labs: Shelf<(Uuid, Lab)>,
    /// Projects, tokens and deployments.
    pub access: Access,
}

impl Snapshot {
    /// The experiment of a project with this UUID, else with this key, whatever its case.
    #[must_use]
    pub fn find(&self, project: Uuid, id_or_key: &str) -> Option<&Arc<Entry>> {
        self.experiments.find(project, id_or_key)
    }

    /// The experiment with this id, of whatever project.
    #[must_use]
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<Entry>> {
        self.experiments.by_id(id)
    }

    /// The experiments of a project, in no order.
    pub fn of_project(&self, project: Uuid) -> impl Iterator<Item = &Arc<Entry>> {
        self.experiments.of_project(project)
    }

    /// All experiments of all projects, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.experiments.all()
    }

    /// The flags.
    #[must_use]
    pub fn flags(&self) -> &Shelf<FlagEntry> {
        &self.flags
    }

    /// The flag that an experiment is linked to.
    #[must_use]
    pub fn linked_flag(&self, entry: &Entry) -> Option<&Flag> {
        let key = entry.experiment.linked_flag.as_ref()?;
        let found = self.flags.find(entry.project, key.as_str())?;
        Some(&found.flag)
    }

    /// What each key that code asks for stands for.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The overrides of the experiment or flag with this id.
    #[must_use]
    pub fn overrides_of(&self, id: Uuid) -> Option<&Arc<OverrideTable>> {
        let of_flag = || self.flags.by_id(id).map(|entry| &entry.overrides);
        self.by_id(id).map(|entry| &entry.overrides).or_else(of_flag)
    }

    /// Puts a table in the place of the overrides of an experiment or flag.
    pub fn put_overrides(&mut self, id: Uuid, overrides: Arc<OverrideTable>) {
        if let Some(entry) = self.by_id(id) {
            let entry = Entry {
                overrides,
                ..Entry::clone(entry)
            };
            self.put(entry);
        } else if let Some(entry) = self.flags.by_id(id) {
            let entry = FlagEntry {
                overrides,
                ..FlagEntry::clone(entry)
            };
            self.put_flag(entry);
        }
    }

    /// Takes an experiment out.
    pub fn remove(&mut self, id: Uuid) {
        if let Some(entry) = self.experiments.remove(id) {
            self.keys.remove_experiment(&entry);
        }
    }

    /// Puts `entry` in the place of its former state.
    pub fn put(&mut self, entry: Entry) {
        self.remove(entry.experiment.id);
        let entry = Arc::new(entry);
        self.keys.add_experiment(&entry);
        self.experiments.put(entry);
    }

    /// Takes a flag out.
    pub fn remove_flag(&mut self, id: Uuid) {
        if let Some(entry) = self.flags.remove(id) {
            self.keys.remove_flag(&entry);
        }
    }

    /// Puts a flag in the place of its former state.
    pub fn put_flag(&mut self, entry: FlagEntry) {
        self.remove_flag(entry.flag.id);
        let entry = Arc::new(entry);
        self.keys.add_flag(&entry);
        self.flags.put(entry);
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

    fn by_flag_key(&self, flag: &str, at: i64) -> Option<&Experiment> {
        let keys = &self.snapshot.keys;
        let millis = |time: Option<Timestamp>| time.map_or(i64::MIN, Timestamp::as_millisecond);
        let since = |e: &&Arc<Experiment>| millis(e.activated_at);
        let decides_since = |e: &&Arc<Experiment>| millis(e.status_changed_at);
        if let Some(now) = keys
            .decided_by(self.project, flag)
            .filter(|e| at >= decides_since(e))
        {
            return Some(now);
        }
        // What was shown earlier may be told later: by whoever had begun last by then and had not ended.
        let decided_then = |e: &&Arc<Experiment>| {
            let lasted = takes_over(e.status) || (e.status == Status::Ended && at < decides_since(e));
            lasted && since(e) <= at
        };
        let linked = keys.linked_to(self.project, flag).filter(decided_then);
        linked.max_by_key(since).map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::experiments::CreateExperiment;
    use crate::server::edit;

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
        let mut before = Snapshot::default();
        before.put(entry(project, "a"));
        let mut changed = Experiment::clone(&before.find(project, "a").expect("found").experiment);
        changed.name = "another".to_owned();
        let mut after = before.clone();
        after.put(Entry::new(project, changed, Arc::default()).expect("compiles"));
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

    #[test]
    fn an_exposure_that_is_told_late_counts_for_who_decided_the_flag_then() {
        let project = Uuid::from_u128(1);
        let mut snapshot = Snapshot::default();
        let mut of_flag = |key: &str, status: Status, activated: i64, changed: i64| {
            let mut experiment = Experiment::clone(&entry(project, key).experiment);
            let at = |second: i64| Timestamp::from_second(second).ok();
            experiment.linked_flag = crate::domain::Key::new("f").ok();
            experiment.status = status;
            experiment.activated_at = at(activated);
            experiment.status_changed_at = at(changed);
            snapshot.put(Entry::new(project, experiment, Arc::default()).expect("compiles"));
        };
        of_flag("first", Status::Ended, 10, 20);
        of_flag("done", Status::Completed, 30, 40);
        of_flag("live", Status::Active, 50, 50);
        let index = ProjectExperiments {
            snapshot: &snapshot,
            project,
        };
        let decided = |second: i64| Some(index.by_flag_key("f", second * 1_000)?.key.to_string());
        for (second, expected) in [
            (9, None),
            (10, Some("first")),
            (19, Some("first")),
            (20, None),
            (29, None),
            (30, Some("done")),
            (49, Some("done")),
            (50, Some("live")),
            (90, Some("live")),
        ] {
            assert_eq!(decided(second).as_deref(), expected, "at {second}");
        }
        // A pause, and what was shown before it.
        let mut paused = Experiment::clone(&snapshot.find(project, "live").expect("found").experiment);
        paused.status = Status::Paused;
        paused.status_changed_at = Timestamp::from_second(60).ok();
        snapshot.put(Entry::new(project, paused, Arc::default()).expect("compiles"));
        let index = ProjectExperiments {
            snapshot: &snapshot,
            project,
        };
        for (second, expected) in [(45, "done"), (55, "live"), (65, "live")] {
            let found = index.by_flag_key("f", second * 1_000).expect("one");
            assert_eq!(found.key.as_str(), expected, "at {second}");
        }
    }
}
