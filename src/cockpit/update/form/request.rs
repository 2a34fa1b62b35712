//! What is sent when a dialog is confirmed, or changed in a draft.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::fields::{self, ENVIRONMENTS, EXPIRIES, GRACES, ROLES};
use crate::api::deployments::{CreateDeployment, RevokeKey, RotateKey, UpdateDeployment};
use crate::api::experiments::CopyTo;
use crate::api::flags::{Convert, CreateFlag, UpdateFlag};
use crate::api::overrides::{DeleteOverride, SetOverrides};
use crate::api::projects::{CreateLab, CreateProject, CreateToken, UpdateLab, UpdateProject};
use crate::cockpit::change::Change;
use crate::cockpit::edit::{FlagDraft, FlagPart};
use crate::cockpit::rule_text;
use crate::cockpit::state::State;
use crate::cockpit::state::form::{Form, Input, Line, Purpose};
use crate::domain::{
    DeploymentKind, EvaluationMode, Flag, Key, OverrideSource, OverrideSubject, Rule, Variant,
};

fn key(text: &str) -> Result<Key, String> {
    Key::new(text).map_err(|error| error.to_string())
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn ticked(form: &Form, label: &str) -> Vec<Uuid> {
    let ticked = form.ticks(label).iter().filter(|option| option.on);
    ticked.map(|option| option.id).collect()
}

fn mode(form: &Form) -> EvaluationMode {
    match form.choice("Evaluation") {
        0 => EvaluationMode::Remote,
        _ => EvaluationMode::Local,
    }
}

fn copy(form: &Form) -> Result<CopyTo, String> {
    Ok(CopyTo {
        project: key(form.chosen("Project"))?,
        key: Some(key(form.text("Key"))?),
        overrides: form.ticked("Overrides"),
    })
}

/// The change that a dialog asks the server for; none when it is about a draft or an import.
///
/// # Errors
/// What is filled in wrongly.
pub fn change(form: &Form, now: Timestamp) -> Result<Option<Change>, String> {
    Ok(Some(match &form.purpose {
        Purpose::CreateFlag => Change::CreateFlag(Box::new(CreateFlag {
            name: form.text("Name").to_owned(),
            key: optional(form.text("Key")),
            description: form.text("Description").to_owned(),
            rollout_pct: fields::percent(form.text("Rollout"))?,
            evaluation_mode: mode(form),
            // Where the dialog could not offer any, the server's choice is the right one.
            deployments: (!form.ticks("Deployments").is_empty()).then(|| ticked(form, "Deployments")),
            ..CreateFlag::default()
        })),
        Purpose::ToggleFlag(flag) => Change::UpdateFlag(
            flag.id,
            Box::new(UpdateFlag {
                resource_version: flag.resource_version,
                enabled: Some(!flag.enabled),
                comment: optional(form.text("Comment")),
                ..UpdateFlag::default()
            }),
        ),
        Purpose::ArchiveFlag(flag) => Change::UpdateFlag(
            flag.id,
            Box::new(UpdateFlag {
                resource_version: flag.resource_version,
                archived: Some(!flag.archived),
                comment: optional(form.text("Comment")),
                ..UpdateFlag::default()
            }),
        ),
        Purpose::SaveFlag(draft) => {
            let mut update = save(draft);
            update.comment = optional(form.text("Comment"));
            Change::UpdateFlag(draft.base.id, Box::new(update))
        }
        Purpose::ConvertFlag(flag) => Change::ConvertFlag(
            flag.id,
            Convert {
                resource_version: flag.resource_version,
                key: Some(key(form.text("Key"))?),
            },
        ),
        Purpose::ConvertExperiment(experiment) => Change::ConvertExperiment(
            experiment.id,
            Convert {
                resource_version: experiment.resource_version,
                key: Some(key(form.text("Key"))?),
            },
        ),
        Purpose::CopyFlag(flag) => Change::CopyFlag(flag.id, copy(form)?),
        Purpose::CopyExperiment(experiment) => Change::CopyExperiment(experiment.id, copy(form)?),
        Purpose::AddFlagOverride(flag) => Change::SetFlagOverrides(
            flag.id,
            SetOverrides {
                variant: key(form.chosen("Variant"))?,
                subject_type: match form.choice("Kind") {
                    0 => OverrideSubject::User,
                    _ => OverrideSubject::Device,
                },
                subject_ids: vec![form.text("Id").to_owned()],
                source: OverrideSource::Fixed,
            },
        ),
        Purpose::DropFlagOverride(flag, o) => Change::DeleteFlagOverride(
            flag.id,
            DeleteOverride {
                subject_type: o.subject_type,
                subject_id: o.subject_id.clone(),
            },
        ),
        Purpose::CreateDeployment => Change::CreateDeployment(CreateDeployment {
            name: form.text("Name").to_owned(),
            kind: match form.choice("Kind") {
                0 => DeploymentKind::Client,
                _ => DeploymentKind::Server,
            },
        }),
        Purpose::RenameDeployment(d) => Change::UpdateDeployment(
            d.id,
            UpdateDeployment {
                resource_version: d.resource_version,
                name: Some(form.text("Name").to_owned()),
            },
        ),
        Purpose::RotateKey(d) => Change::RotateKey(
            d.id,
            RotateKey {
                resource_version: d.resource_version,
                grace_seconds: GRACES
                    .get(form.choice("Old key"))
                    .map_or(0, |(_, seconds)| *seconds),
            },
        ),
        Purpose::RevokeDeployment(row) => Change::RevokeKey(
            row.deployment.id,
            RevokeKey {
                resource_version: row.deployment.resource_version,
                comment: optional(form.text("Comment")),
            },
        ),
        Purpose::CreateProject => Change::CreateProject(CreateProject {
            key: key(form.text("Key"))?,
            name: form.text("Name").to_owned(),
            environment: ENVIRONMENTS
                .get(form.choice("Environment"))
                .copied()
                .unwrap_or_default(),
            protected: form.ticked("Protected"),
        }),
        Purpose::EditProject(project) => {
            let environment = ENVIRONMENTS.get(form.choice("Environment")).copied();
            let name = form.text("Name").to_owned();
            Change::UpdateProject(
                project.id,
                UpdateProject {
                    resource_version: project.resource_version,
                    name: (name != project.name && !name.is_empty()).then_some(name),
                    environment: environment.filter(|e| *e != project.environment),
                    protected: Some(form.ticked("Protected")).filter(|p| *p != project.protected),
                },
            )
        }
        Purpose::CreateLab => Change::CreateLab(CreateLab {
            key: key(form.text("Key"))?,
            name: form.text("Name").to_owned(),
            description: form.text("Description").to_owned(),
        }),
        Purpose::EditLab(lab) => {
            let (name, description) = (form.text("Name").to_owned(), form.text("Description").to_owned());
            Change::UpdateLab(
                lab.id,
                UpdateLab {
                    resource_version: lab.resource_version,
                    name: (name != lab.name && !name.is_empty()).then_some(name),
                    description: (description != lab.description).then_some(description),
                    archived: Some(form.ticked("Archived")).filter(|archived| *archived != lab.archived),
                },
            )
        }
        Purpose::CreateToken => {
            let role = ROLES.get(form.choice("Role")).copied().unwrap_or(ROLES[0]);
            let mut roles = BTreeMap::new();
            for project in form.ticks("Projects").iter().filter(|project| project.on) {
                // The key of a project never changes.
                roles.insert(key(&project.name)?, role);
            }
            let days = EXPIRIES.get(form.choice("Ends")).map_or(0, |(_, days)| *days);
            let ends = now.checked_add(SignedDuration::from_hours(24 * i64::from(days)));
            Change::CreateToken(CreateToken {
                name: form.text("Name").to_owned(),
                roles,
                expires_at: ends.ok().filter(|_| days > 0),
            })
        }
        Purpose::RevokeToken(token) => Change::RevokeToken(token.id),
        Purpose::DiscardFlag(_)
        | Purpose::FlagPart(..)
        | Purpose::FlagVariant(..)
        | Purpose::FlagRule(..)
        | Purpose::WriteInsight(_)
        | Purpose::ApplyImport(_)
        | Purpose::UndoImport(_)
        | Purpose::ForgetImport(_) => return Ok(None),
    }))
}

/// What saves a draft: the parts that differ.
fn save(draft: &FlagDraft) -> UpdateFlag {
    let mine = &draft.mine;
    let mut update = UpdateFlag {
        resource_version: draft.base.resource_version,
        ..UpdateFlag::default()
    };
    for part in draft.changed() {
        match part {
            FlagPart::Name => update.name = Some(mine.name.clone()),
            FlagPart::Description => update.description = Some(mine.description.clone()),
            FlagPart::Rollout => update.rollout_pct = Some(mine.rollout_pct),
            FlagPart::Mode => update.evaluation_mode = Some(mine.evaluation_mode),
            FlagPart::Deployments => update.deployments = Some(mine.deployments.clone()),
            FlagPart::Variants => update.variants = Some(mine.variants.clone()),
            FlagPart::Rules => update.rules = Some(mine.rules.clone()),
        }
    }
    update
}

/// What a dialog makes of the flag as it was when it opened: only lines that were touched are written. None when it
/// is about no draft.
///
/// # Errors
/// What is filled in wrongly.
pub fn edit(state: &State, form: &Form) -> Result<Option<Flag>, String> {
    let (Purpose::FlagPart(start, _) | Purpose::FlagVariant(start, _) | Purpose::FlagRule(start, _)) =
        &form.purpose
    else {
        return Ok(None);
    };
    if state.objects.flags.get(start.id).is_none() {
        return Err("the flag is gone".to_owned());
    }
    let mut flag = (**start).clone();
    let opened = fields::lines(state, &form.purpose);
    let touched = |label: &str| touched(form, &opened, label);
    match &form.purpose {
        Purpose::FlagPart(_, FlagPart::Name) => form.text("Name").clone_into(&mut flag.name),
        Purpose::FlagPart(_, FlagPart::Description) => {
            form.text("Description").clone_into(&mut flag.description);
        }
        Purpose::FlagPart(_, FlagPart::Rollout) => flag.rollout_pct = fields::percent(form.text("Rollout"))?,
        Purpose::FlagPart(_, FlagPart::Mode) => flag.evaluation_mode = mode(form),
        Purpose::FlagPart(_, FlagPart::Deployments) => {
            for option in form.ticks("Deployments") {
                let named = flag.deployments.contains(&option.id);
                match (named, option.on) {
                    (true, false) => flag.deployments.retain(|id| *id != option.id),
                    (false, true) => flag.deployments.push(option.id),
                    _ => {}
                }
            }
        }
        Purpose::FlagVariant(_, before) => {
            let next = flag.variants.iter().map(|v| v.order_index + 1).max().unwrap_or(0);
            let at = flag.variants.iter().position(|v| Some(&v.key) == before.as_ref());
            let mut variant = match at {
                Some(at) => flag.variants[at].clone(),
                None => Variant {
                    key: key(form.text("Key"))?,
                    name: String::new(),
                    description: String::new(),
                    payload: serde_json::Value::Null,
                    is_control: false,
                    traffic_pct: fields::percent(form.text("Share"))?,
                    order_index: next,
                },
            };
            if touched("Key") {
                variant.key = key(form.text("Key"))?;
            }
            if touched("Name") {
                form.text("Name").clone_into(&mut variant.name);
            }
            if touched("Share") {
                variant.traffic_pct = fields::percent(form.text("Share"))?;
            }
            if touched("Payload") {
                variant.payload = match form.text("Payload") {
                    "" => serde_json::Value::Null,
                    text => {
                        serde_json::from_str(text).map_err(|error| format!("Payload: no JSON: {error}"))?
                    }
                };
            }
            match (at, before) {
                (Some(at), Some(before)) => {
                    for rule in flag.rules.iter_mut().filter(|r| r.variant == *before) {
                        rule.variant = variant.key.clone();
                    }
                    flag.variants[at] = variant;
                }
                _ => flag.variants.push(variant),
            }
        }
        Purpose::FlagRule(_, id) => {
            let at = flag.rules.iter().position(|rule| rule.id == *id);
            let priority = || {
                let number = form.text("Priority").parse();
                number.map_err(|_| "Priority: a whole number, such as 10".to_owned())
            };
            let conditions = || rule_text::parse(form.text("If")).map_err(|error| format!("If: {error}"));
            let mut rule = match at {
                Some(at) => flag.rules[at].clone(),
                None => Rule {
                    id: *id,
                    variant: key(form.chosen("Variant"))?,
                    priority: priority()?,
                    conditions: conditions()?,
                },
            };
            if touched("Variant") {
                rule.variant = key(form.chosen("Variant"))?;
            }
            if touched("Priority") {
                rule.priority = priority()?;
            }
            if touched("If") {
                rule.conditions = conditions()?;
            }
            match at {
                Some(at) => flag.rules[at] = rule,
                None => flag.rules.push(rule),
            }
        }
        _ => return Ok(None),
    }
    // What the server would refuse is said before anything is sent.
    flag.check(usize::MAX).map_err(|errors| {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        texts.join("; ")
    })?;
    Ok(Some(flag))
}

/// Whether a line says something else than when the dialog opened.
fn touched(form: &Form, opened: &[Line], label: &str) -> bool {
    let before = opened.iter().find(|line| line.label == label).map(|l| &l.input);
    match (before, form.input(label)) {
        (Some(Input::Text(before)), Some(Input::Text(now))) => before.text().trim() != now.text().trim(),
        (Some(Input::Choice { at: before, .. }), Some(Input::Choice { at: now, .. })) => before != now,
        _ => true,
    }
}
