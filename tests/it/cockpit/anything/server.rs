//! A server that keeps what it is sent, that somebody else changes, and that writes into each answer what it is
//! about, so that an answer on the wrong screen is seen.

use std::collections::BTreeMap;

use serde_json::json;
use splitdeck::api::experiments::{ExperimentList, UpdateExperiment};
use splitdeck::api::flags::{FlagList, FlagRow, UpdateFlag};
use splitdeck::api::imports::{Import, ImportList};
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::change::{Change, Changed};
use splitdeck::cockpit::edit::Of;
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, ImportStep, Request, Service};
use splitdeck::domain::{Experiment, Percent};
use uuid::Uuid;

use crate::support::cockpit::{self, CHECKOUT, changed, id, me};
use crate::support::objects::{self, NEW_CHECKOUT};

/// Key of the project that cockpits begin in.
pub const HOME: &str = "shop-prod";

/// The server.
pub struct Server {
    experiments: Vec<Experiment>,
    flags: Vec<FlagRow>,
    imports: BTreeMap<Uuid, Vec<Import>>,
    role: Role,
    protected: bool,
    project: String,
    made: u128,
}

/// The name of the subject of a row that belongs to an object.
pub fn subject_of(object: Uuid, n: usize) -> String {
    format!("{}:{n}", object.as_u128())
}

/// What is written into names to choose from.
pub fn name_of(what: &splitdeck::cockpit::ports::Suggest) -> String {
    format!("{what:?}")
}

fn import_of(object: Uuid, state: &str, applied: u32, n: u128) -> Import {
    let mut import: Import = serde_json::from_value(objects::import(state, applied)).expect("an import");
    import.id = id(object.as_u128() * 1_000 + n);
    import.actor = object.to_string();
    import
}

impl Server {
    pub fn new(role: Role, protected: bool) -> Self {
        let flags: FlagList = serde_json::from_value(objects::flags()).expect("flags");
        let imports = [CHECKOUT, NEW_CHECKOUT].map(|n| {
            let object = id(n);
            (
                object,
                vec![
                    import_of(object, "applying", 34, 1),
                    import_of(object, "staged", 0, 2),
                ],
            )
        });
        Self {
            experiments: cockpit::experiments(),
            flags: flags.flags,
            imports: imports.into(),
            role,
            protected,
            project: HOME.to_owned(),
            made: 0,
        }
    }

    /// From now on this project is meant.
    pub fn turn_to(&mut self, project: &str) {
        project.clone_into(&mut self.project);
    }

    /// Somebody else changes an experiment or a flag.
    pub fn elsewhere(&mut self, n: usize, what: u8) {
        let n = n % (self.experiments.len() + self.flags.len());
        let share = |of: u32| Percent::from_basis_points(u32::from(what) * of).expect("in range");
        if let Some(e) = self.experiments.get_mut(n) {
            match what % 6 {
                0 => e.name = format!("name {what}"),
                1 => e.description = format!("described {what}"),
                2 => e.holdout_pct = share(1),
                3 => {
                    if let Some(variant) = e.variants.get_mut(1) {
                        variant.traffic_pct = share(10);
                    }
                }
                4 => e.hypothesis = format!("thought {what}"),
                _ => e.rules.clear(),
            }
            e.resource_version += 1;
        } else {
            let flag = &mut self.flags[n - self.experiments.len()].flag;
            match what % 6 {
                0 => flag.name = format!("name {what}"),
                1 => flag.description = format!("described {what}"),
                2 => flag.rollout_pct = share(1),
                3 => flag.enabled = !flag.enabled,
                4 => {
                    if let Some(variant) = flag.variants.last_mut() {
                        variant.name = format!("variant {what}");
                    }
                }
                _ => flag.rules.clear(),
            }
            flag.resource_version += 1;
        }
    }

    pub fn answer(&mut self, request: &Request) -> Result<Answer, Failure> {
        let home = self.project == HOME;
        match request {
            Request::Me => {
                let mut me = me(self.role, self.protected);
                if !home {
                    me.project.id = id(10);
                    me.project.key = self.project.parse().expect("a key");
                }
                return Ok(Answer::Me(me));
            }
            // Nothing is known of the other projects but that they are empty.
            Request::Experiments { .. } if !home => {
                return Ok(Answer::Experiments(ExperimentList {
                    experiments: Vec::new(),
                }));
            }
            Request::Flags if !home => return Ok(Answer::Flags(FlagList { flags: Vec::new() })),
            Request::Experiments { .. } => {
                return Ok(Answer::Experiments(ExperimentList {
                    experiments: self.experiments.clone(),
                }));
            }
            Request::Flags => {
                return Ok(Answer::Flags(FlagList {
                    flags: self.flags.clone(),
                }));
            }
            _ => {}
        }
        match request {
            Request::Experiment { id_or_key } => {
                let named =
                    |e: &&mut Experiment| e.id.to_string() == *id_or_key || e.key.as_str() == id_or_key;
                let found = self.experiments.iter_mut().find(named).ok_or_else(gone)?;
                Ok(Answer::Experiment(Box::new(found.clone())))
            }
            Request::Update { id, change } => self.update(*id, change),
            Request::Status { id, change } => {
                let e = self.experiment(*id)?;
                if e.resource_version != change.resource_version {
                    return Err(newer(&*e));
                }
                e.status = change.to;
                e.paused_by = None;
                e.winning_variant = change.winning_variant.clone();
                e.resource_version += 1;
                Ok(Answer::Experiment(Box::new(e.clone())))
            }
            Request::Delete { id, .. } => {
                self.experiment(*id)?;
                self.experiments.retain(|e| e.id != *id);
                Ok(Answer::Deleted)
            }
            Request::Create { .. } => {
                let mut answer = cockpit::answer(request, self.role, self.protected)?;
                if let Answer::Experiment(made) = &mut answer {
                    self.made += 1;
                    made.id = id(99 + self.made);
                    self.experiments.push((**made).clone());
                }
                Ok(answer)
            }
            Request::SampleRatio { id: of } if cockpit::experiments().iter().all(|e| e.id != *of) => {
                Err(gone())
            }
            Request::Imports { of, id } => Ok(Answer::Imports(
                *of,
                *id,
                ImportList {
                    imports: self.imports.get(id).cloned().unwrap_or_default(),
                },
            )),
            Request::ImportStep { of, id, step } => Ok(Answer::Import(self.step(*of, *id, step)?)),
            Request::Suggest { what, .. } => Ok(Answer::Names(vec![name_of(what)])),
            Request::Change(change) => self.change(change).map(Answer::Changed),
            _ => Ok(self.marked(request, cockpit::answer(request, self.role, self.protected)?)),
        }
    }

    fn experiment(&mut self, id: Uuid) -> Result<&mut Experiment, Failure> {
        self.experiments.iter_mut().find(|e| e.id == id).ok_or_else(gone)
    }

    fn update(&mut self, id: Uuid, change: &UpdateExperiment) -> Result<Answer, Failure> {
        let e = self.experiment(id)?;
        if e.resource_version != change.resource_version {
            return Err(newer(&*e));
        }
        *e = changed(e, change);
        Ok(Answer::Experiment(Box::new(e.clone())))
    }

    /// With what it is about written into it.
    fn marked(&self, request: &Request, mut answer: Answer) -> Answer {
        match (request, &mut answer) {
            (Request::SampleRatio { id }, Answer::SampleRatio(srm)) => srm.why_not = Some(id.to_string()),
            (Request::History { id, .. }, Answer::History(page))
            | (Request::FlagHistory { id }, Answer::FlagHistory(page)) => {
                page.entries.iter_mut().for_each(|entry| entry.object_id = *id);
            }
            (Request::Audit { query }, Answer::Audit(page)) => {
                let of = query.object_id.unwrap_or_default();
                page.entries.iter_mut().for_each(|entry| entry.object_id = of);
            }
            (Request::Overrides { id, .. }, Answer::Overrides(page))
            | (Request::FlagOverrides { id, .. }, Answer::FlagOverrides(page)) => {
                // A few rows are as good as a whole page.
                page.overrides.truncate(5);
                for (n, row) in page.overrides.iter_mut().enumerate() {
                    row.subject_id = subject_of(*id, n);
                }
            }
            (Request::Explain { id, request, .. }, Answer::Explain(explanation)) => {
                explanation.assignment.experiment_id = *id;
                explanation.assignment.variant_name = format!("{:?}", request.user);
            }
            (Request::Insight { id } | Request::WriteInsight { id }, Answer::Insight(Some(insight))) => {
                insight.actor = id.to_string()
            }
            (Request::ImportRows { import, .. }, Answer::ImportRows(page)) => {
                page.rows.truncate(5);
                for (n, row) in page.rows.iter_mut().enumerate() {
                    row.subject_id = subject_of(*import, n);
                }
            }
            _ => {}
        }
        answer
    }

    fn step(&mut self, _: Of, object: Uuid, step: &ImportStep) -> Result<Option<Box<Import>>, Failure> {
        let imports = self.imports.entry(object).or_default();
        let known =
            |import: &Uuid, imports: &[Import]| imports.iter().position(|i| i.id == *import).ok_or_else(gone);
        let (at, state, applied) = match step {
            ImportStep::Stage { .. } => {
                self.made += 1;
                imports.insert(0, import_of(object, "staged", 0, 10 + self.made));
                (0, "staged", 0)
            }
            ImportStep::Apply { import, .. } => {
                let at = known(import, imports)?;
                let applied = (imports[at].applied_chunks + 33).min(100);
                (at, if applied == 100 { "applied" } else { "applying" }, applied)
            }
            ImportStep::Undo { import, .. } => {
                let at = known(import, imports)?;
                let applied = imports[at].applied_chunks.saturating_sub(33);
                (at, if applied == 0 { "undone" } else { "undoing" }, applied)
            }
            ImportStep::Forget { import } => {
                let at = known(import, imports)?;
                imports.remove(at);
                return Ok(None);
            }
        };
        let import = &mut imports[at];
        import.state = serde_json::from_value(json!(state)).expect("a state");
        import.applied_chunks = applied;
        Ok(Some(Box::new(import.clone())))
    }

    fn change(&mut self, change: &Change) -> Result<Changed, Failure> {
        match change {
            Change::UpdateFlag(of, update) => {
                let row = self
                    .flags
                    .iter_mut()
                    .find(|row| row.flag.id == *of)
                    .ok_or_else(gone)?;
                if row.flag.resource_version != update.resource_version {
                    return Err(newer(row));
                }
                *row = updated(row, update);
                Ok(Changed::Flag(Box::new(row.flag.clone())))
            }
            Change::CreateFlag(_) | Change::CopyFlag(..) => {
                self.made += 1;
                let mut made = self.flags[0].clone();
                made.flag.id = id(200 + self.made);
                made.flag.key = format!("made-{}", self.made).parse().expect("a key");
                if matches!(change, Change::CreateFlag(_)) {
                    self.flags.push(made.clone());
                }
                Ok(Changed::Flag(Box::new(made.flag)))
            }
            _ => match cockpit::answer(
                &Request::Change(Box::new(change.clone())),
                self.role,
                self.protected,
            )? {
                Answer::Changed(changed) => Ok(changed),
                other => panic!("no change: {other:?}"),
            },
        }
    }
}

fn updated(row: &FlagRow, update: &UpdateFlag) -> FlagRow {
    let mut value = serde_json::to_value(row).expect("writes");
    let patch = serde_json::to_value(update).expect("writes");
    let fields = value.as_object_mut().expect("an object");
    for (field, patched) in patch.as_object().expect("an object") {
        if field != "comment" {
            fields.insert(field.clone(), patched.clone());
        }
    }
    fields.insert("resourceVersion".to_owned(), (update.resource_version + 1).into());
    serde_json::from_value(value).expect("a flag")
}

fn gone() -> Failure {
    Failure::new(
        Service::Api,
        FailureKind::Refused,
        "Not found: there is no such object",
    )
}

fn newer(current: &impl serde::Serialize) -> Failure {
    let mut problem = Problem::new(Code::VersionConflict, "it is newer");
    problem.current = Some(serde_json::to_value(current).expect("writes"));
    problem.changed_by = Some("deploy-bot".to_owned());
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    failure
}
