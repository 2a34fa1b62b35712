//! What an evaluation sees: flags, and the experiments that decide them.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::decide::{PrepareError, Prepared};
use crate::domain::{Experiment, Flag, Key, Status};

use super::shelf::{Shelved, folded};
use super::snapshot::{Entry, OverrideTable};

/// A flag, ready to be decided.
#[derive(Debug, Clone)]
pub struct FlagEntry {
    /// The project it belongs to.
    pub project: Uuid,
    /// What is configured.
    pub flag: Arc<Flag>,
    /// The same, compiled for decisions.
    pub prepared: Arc<Prepared>,
    /// Who is forced into a variant.
    pub overrides: Arc<OverrideTable>,
}

impl FlagEntry {
    /// Compiles a flag that has these overrides.
    ///
    /// # Errors
    /// See [`Prepared::of_flag`].
    pub fn new(project: Uuid, flag: Flag, overrides: Arc<OverrideTable>) -> Result<Self, PrepareError> {
        Ok(Self {
            project,
            prepared: Arc::new(Prepared::of_flag(&flag)?),
            flag: Arc::new(flag),
            overrides,
        })
    }
}

impl Shelved for FlagEntry {
    fn id(&self) -> Uuid {
        self.flag.id
    }

    fn project(&self) -> Uuid {
        self.project
    }

    fn name_folded(&self) -> String {
        self.flag.key.folded()
    }
}

/// What decides a key that code asks for.
#[derive(Debug, Clone, Copy)]
pub enum Served<'a> {
    /// An experiment: linked to the flag of this key, or asked for by its own key.
    Experiment(&'a Arc<Entry>),
    /// The flag itself.
    Flag(&'a Arc<FlagEntry>),
}

impl<'a> Served<'a> {
    /// The key that code asks for.
    #[must_use]
    pub fn key(self) -> &'a Key {
        match self {
            Self::Experiment(entry) => asked_for(&entry.experiment),
            Self::Flag(entry) => &entry.flag.key,
        }
    }

    /// What decides.
    #[must_use]
    pub fn prepared(self) -> &'a Prepared {
        match self {
            Self::Experiment(entry) => &entry.prepared,
            Self::Flag(entry) => &entry.prepared,
        }
    }

    /// Who is forced into a variant.
    #[must_use]
    pub fn overrides(self) -> &'a OverrideTable {
        match self {
            Self::Experiment(entry) => &entry.overrides,
            Self::Flag(entry) => &entry.overrides,
        }
    }

    /// The experiment that decides, if it is one.
    #[must_use]
    pub fn experiment(self) -> Option<&'a Arc<Experiment>> {
        match self {
            Self::Experiment(entry) => Some(&entry.experiment),
            Self::Flag(_) => None,
        }
    }

    /// The flag that decides, if it is one.
    #[must_use]
    pub fn flag(self) -> Option<&'a Arc<Flag>> {
        match self {
            Self::Experiment(_) => None,
            Self::Flag(entry) => Some(&entry.flag),
        }
    }

    /// +1 at every change of what decides, its overrides aside.
    #[must_use]
    pub fn version(self) -> u64 {
        match self {
            Self::Experiment(entry) => entry.experiment.resource_version,
            Self::Flag(entry) => entry.flag.resource_version,
        }
    }

    fn deployments(self) -> &'a [Uuid] {
        match self {
            Self::Experiment(entry) => &entry.experiment.deployments,
            Self::Flag(entry) => &entry.flag.deployments,
        }
    }

    /// Whether a caller sees it: through its deployment, or, with a token, always.
    fn is_seen_by(self, deployment: Option<Uuid>) -> bool {
        deployment.is_none_or(|id| self.deployments().contains(&id))
    }
}

/// The key that code asks for when it means this experiment.
pub(super) fn asked_for(experiment: &Experiment) -> &Key {
    experiment.linked_flag.as_ref().unwrap_or(&experiment.key)
}

/// Whether an experiment decides its flag; before it starts and after it has ended the flag does that itself.
pub(super) fn takes_over(status: Status) -> bool {
    matches!(status, Status::Active | Status::Paused | Status::Completed)
}

/// Of several experiments of one flag the one that decides is the greatest.
fn rank(experiment: &Experiment) -> impl Ord {
    let status = match experiment.status {
        Status::Active => 2,
        // A pause does not outlast what was decided after it.
        Status::Paused | Status::Completed => 1,
        Status::Draft | Status::Ended | Status::Archived => 0,
    };
    // Of two that are not active the one whose turn was last; whose draft is older says nothing.
    (
        status,
        experiment.status_changed_at,
        experiment.created_at,
        experiment.id,
    )
}

/// Everything that one key may stand for.
#[derive(Debug, Clone, Default)]
struct Place {
    flag: Option<Arc<FlagEntry>>,
    /// The one that decides first.
    experiments: Vec<Arc<Entry>>,
}

impl Place {
    fn served(&self, deployment: Option<Uuid>) -> Option<Served<'_>> {
        let seen = |served: &Served<'_>| served.is_seen_by(deployment);
        let mut experiments = self.experiments.iter().map(Served::Experiment).filter(seen);
        let status = |served: &Served<'_>| served.experiment().map(|e| e.status);
        match &self.flag {
            Some(flag) => experiments
                .find(|e| status(e).is_some_and(takes_over))
                .or_else(|| {
                    let flag = Some(Served::Flag(flag)).filter(seen);
                    flag.filter(|_| !is_archived(self))
                }),
            // Without a flag an experiment answers for itself, whatever its status.
            None => experiments.find(|e| status(e) != Some(Status::Archived)),
        }
    }
}

fn is_archived(place: &Place) -> bool {
    place.flag.as_ref().is_some_and(|entry| entry.flag.archived)
}

/// What each key stands for, project by project.
#[derive(Debug, Clone, Default)]
pub struct Keys(HashMap<Uuid, HashMap<String, Arc<Place>>>);

impl Keys {
    /// What decides `key`, whatever its case, for a caller with this deployment (none for one with a token).
    #[must_use]
    pub fn find(&self, project: Uuid, deployment: Option<Uuid>, key: &str) -> Option<Served<'_>> {
        self.0
            .get(&project)?
            .get(folded(key).as_ref())?
            .served(deployment)
    }

    /// Everything that such a caller can ask for, sorted by key.
    #[must_use]
    pub fn all(&self, project: Uuid, deployment: Option<Uuid>) -> Vec<Served<'_>> {
        let places = self.0.get(&project).into_iter().flat_map(HashMap::values);
        let mut served: Vec<Served<'_>> = places.filter_map(|place| place.served(deployment)).collect();
        served.sort_by_cached_key(|served| served.key().folded());
        served
    }

    /// The experiment that decides the flag `key` at present, whatever the deployment.
    #[must_use]
    pub fn decided_by(&self, project: Uuid, key: &str) -> Option<&Arc<Experiment>> {
        let place = self.0.get(&project)?.get(folded(key).as_ref())?;
        let mut experiments = place.experiments.iter().map(|entry| &entry.experiment);
        experiments.find(|e| takes_over(e.status))
    }

    /// All experiments that are linked to the flag `key`, the one that decides first.
    pub fn linked_to(&self, project: Uuid, key: &str) -> impl Iterator<Item = &Arc<Experiment>> {
        let place = self
            .0
            .get(&project)
            .and_then(|keys| keys.get(folded(key).as_ref()));
        let entries = place.into_iter().flat_map(|place| &place.experiments);
        entries.map(|entry| &entry.experiment)
    }

    fn change(&mut self, project: Uuid, key: &Key, change: impl FnOnce(&mut Place)) {
        let keys = self.0.entry(project).or_default();
        let place = keys.entry(key.folded()).or_default();
        change(Arc::make_mut(place));
        if place.flag.is_none() && place.experiments.is_empty() {
            keys.remove(&key.folded());
        }
    }

    /// Adds an experiment that was not there.
    pub(super) fn add_experiment(&mut self, entry: &Arc<Entry>) {
        self.change(entry.project, asked_for(&entry.experiment), |place| {
            place.experiments.push(Arc::clone(entry));
            place
                .experiments
                .sort_by(|a, b| rank(&b.experiment).cmp(&rank(&a.experiment)));
        });
    }

    /// Takes an experiment out.
    pub(super) fn remove_experiment(&mut self, entry: &Entry) {
        self.change(entry.project, asked_for(&entry.experiment), |place| {
            place
                .experiments
                .retain(|e| e.experiment.id != entry.experiment.id);
        });
    }

    /// Adds a flag that was not there.
    pub(super) fn add_flag(&mut self, entry: &Arc<FlagEntry>) {
        self.change(entry.project, &entry.flag.key, |place| {
            place.flag = Some(Arc::clone(entry));
        });
    }

    /// Takes a flag out.
    pub(super) fn remove_flag(&mut self, entry: &FlagEntry) {
        self.change(entry.project, &entry.flag.key, |place| place.flag = None);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::server::snapshot::Snapshot;

    const PROJECT: Uuid = Uuid::from_u128(1);
    const WEB: Uuid = Uuid::from_u128(10);
    const APP: Uuid = Uuid::from_u128(11);

    fn flag(key: &str, archived: bool) -> FlagEntry {
        let json = json!({
            "id": Uuid::new_v4(), "key": key, "salt": key, "resourceVersion": 1, "archived": archived,
            "variants": [{"key": "on", "trafficPct": 100}], "deployments": [WEB],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        let flag = serde_json::from_value(json).expect("a flag");
        FlagEntry::new(PROJECT, flag, Arc::default()).expect("compiles")
    }

    fn experiment(key: &str, flag: Option<&str>, status: Status, second: i64) -> Entry {
        let json = json!({
            "id": Uuid::new_v4(), "key": key, "name": key, "salt": key, "assignmentMode": "profile",
            "status": status, "linkedFlag": flag, "resourceVersion": 1, "deployments": [WEB, APP],
            "variants": [{"key": "control", "isControl": true}, {"key": "treatment", "orderIndex": 1}],
            "defaultVariantId": "control",
            "createdAt": Timestamp::from_second(second).expect("a time"), "updatedAt": "2026-01-01T00:00:00Z",
        });
        let experiment = serde_json::from_value(json).expect("an experiment");
        Entry::new(PROJECT, experiment, Arc::default()).expect("compiles")
    }

    /// What decides `key`: `flag`, or the key of an experiment.
    fn decides(snapshot: &Snapshot, deployment: Option<Uuid>, key: &str) -> Option<String> {
        let served = snapshot.keys().find(PROJECT, deployment, key)?;
        Some(
            served
                .experiment()
                .map_or("flag".to_owned(), |e| e.key.to_string()),
        )
    }

    #[test]
    fn an_experiment_decides_its_flag_while_it_lasts() {
        for status in Status::ALL {
            let mut snapshot = Snapshot::default();
            snapshot.put_flag(flag("Checkout", false));
            snapshot.put(experiment("exp", Some("checkout"), status, 1));
            let expected = if takes_over(status) { "exp" } else { "flag" };
            assert_eq!(
                decides(&snapshot, None, "CHECKOUT").as_deref(),
                Some(expected),
                "{status}"
            );
            assert_eq!(
                decides(&snapshot, None, "exp"),
                None,
                "its own key is not asked for"
            );
        }
    }

    #[test]
    fn a_deployment_sees_only_what_names_it() {
        let mut snapshot = Snapshot::default();
        snapshot.put_flag(flag("f", false));
        assert_eq!(decides(&snapshot, Some(WEB), "f").as_deref(), Some("flag"));
        assert_eq!(decides(&snapshot, Some(APP), "f"), None);
        snapshot.put(experiment("e", Some("f"), Status::Active, 1));
        assert_eq!(decides(&snapshot, Some(APP), "f").as_deref(), Some("e"));
        assert_eq!(decides(&snapshot, Some(Uuid::from_u128(12)), "f"), None);
        assert!(snapshot.keys().find(Uuid::from_u128(2), None, "f").is_none());
    }

    #[test]
    fn of_several_experiments_the_active_one_decides_then_the_newest() {
        let mut snapshot = Snapshot::default();
        snapshot.put_flag(flag("f", false));
        snapshot.put(experiment("done", Some("f"), Status::Completed, 9));
        snapshot.put(experiment("old", Some("f"), Status::Active, 1));
        assert_eq!(decides(&snapshot, None, "f").as_deref(), Some("old"));
        let new = experiment("new", Some("f"), Status::Active, 2);
        let id = new.experiment.id;
        snapshot.put(new);
        assert_eq!(decides(&snapshot, None, "f").as_deref(), Some("new"));
        snapshot.remove(id);
        assert_eq!(decides(&snapshot, None, "f").as_deref(), Some("old"));
    }

    #[test]
    fn of_those_that_are_not_active_the_one_whose_turn_was_last_decides() {
        let changed = |key: &str, status: Status, second: i64| {
            let entry = experiment(key, Some("f"), status, 1);
            let mut changed = Experiment::clone(&entry.experiment);
            changed.status_changed_at = Timestamp::from_second(second).ok();
            Entry::new(PROJECT, changed, Arc::default()).expect("compiles")
        };
        for (paused, completed, decider) in [(5, 9, "done"), (9, 5, "held")] {
            let mut snapshot = Snapshot::default();
            snapshot.put_flag(flag("f", false));
            snapshot.put(changed("held", Status::Paused, paused));
            snapshot.put(changed("done", Status::Completed, completed));
            assert_eq!(decides(&snapshot, None, "f").as_deref(), Some(decider));
        }
    }

    #[test]
    fn without_a_flag_an_experiment_answers_for_itself_and_what_is_archived_is_gone() {
        let mut snapshot = Snapshot::default();
        for (key, status) in [
            ("draft", Status::Draft),
            ("ended", Status::Ended),
            ("gone", Status::Archived),
        ] {
            snapshot.put(experiment(key, None, status, 1));
        }
        snapshot.put_flag(flag("old-flag", true));
        let keys: Vec<&str> = snapshot
            .keys()
            .all(PROJECT, None)
            .into_iter()
            .map(|served| served.key().as_str())
            .collect();
        assert_eq!(keys, ["draft", "ended"]);
        assert_eq!(decides(&snapshot, None, "gone"), None);
        assert_eq!(decides(&snapshot, None, "old-flag"), None);
    }

    #[test]
    fn a_change_of_the_linked_flag_moves_the_experiment() {
        let mut snapshot = Snapshot::default();
        let entry = experiment("e", Some("one"), Status::Active, 1);
        let mut moved = Experiment::clone(&entry.experiment);
        snapshot.put(entry);
        moved.linked_flag = Key::new("two").ok();
        snapshot.put(Entry::new(PROJECT, moved, Arc::default()).expect("compiles"));
        assert_eq!(decides(&snapshot, None, "one"), None);
        assert_eq!(decides(&snapshot, None, "two").as_deref(), Some("e"));
    }
}
