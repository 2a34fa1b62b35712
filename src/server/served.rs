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
fn asked_for(experiment: &Experiment) -> &Key {
    experiment.linked_flag.as_ref().unwrap_or(&experiment.key)
}

/// Whether an experiment decides its flag; before it starts and after it has ended the flag does that itself.
fn takes_over(status: Status) -> bool {
    matches!(status, Status::Active | Status::Paused | Status::Completed)
}

/// Of several experiments of one flag the one that decides is the greatest.
fn rank(experiment: &Experiment) -> impl Ord {
    let status = match experiment.status {
        Status::Active => 3,
        Status::Paused => 2,
        Status::Completed => 1,
        Status::Draft | Status::Ended | Status::Archived => 0,
    };
    (status, experiment.created_at, experiment.id)
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
        self.0.get(&project)?.get(folded(key).as_ref())?.served(deployment)
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
        let place = self.0.get(&project).and_then(|keys| keys.get(folded(key).as_ref()));
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
            place.experiments.retain(|e| e.experiment.id != entry.experiment.id);
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
