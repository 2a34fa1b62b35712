//! What is done to the object under the cursor.

use jiff::Timestamp;

use super::super::{experiment, flag, form, notify};
use super::{filter_mut, switch};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::Command;
use crate::cockpit::lifecycle;
use crate::cockpit::ports::Slot;
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::objects::Kind;
use crate::cockpit::state::{Level, Screen, State};

/// A command of the lists, and what is done to the object under the cursor.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let kind = match state.screen {
        Screen::Objects(kind) => Some(kind),
        Screen::Flag => Some(Kind::Flags),
        _ => None,
    };
    match command {
        Command::ObjectFilter => {
            if let Some(kind) = kind {
                *filter_mut(&mut state.objects, kind).1 = true;
            }
        }
        Command::ObjectNew => {
            let purpose = match kind {
                Some(Kind::Flags) => Purpose::CreateFlag,
                Some(Kind::Deployments) => Purpose::CreateDeployment,
                Some(Kind::Projects) => Purpose::CreateProject,
                Some(Kind::Tokens) => Purpose::CreateToken,
                Some(Kind::Labs) => Purpose::CreateLab,
                None => return,
            };
            form::open(state, purpose, now);
        }
        Command::ObjectOpen => open(state, kind, now, effects),
        Command::ObjectEdit => {
            let purpose = match kind {
                Some(Kind::Flags) => {
                    open(state, kind, now, effects);
                    return;
                }
                Some(Kind::Deployments) => state
                    .objects
                    .deployments
                    .current()
                    .map(|row| Purpose::RenameDeployment(Box::new(row.deployment.clone()))),
                Some(Kind::Projects) => state
                    .objects
                    .projects
                    .current()
                    .map(|row| Purpose::EditProject(Box::new(row.project.clone()))),
                Some(Kind::Labs) => edit_lab(state),
                Some(Kind::Tokens) | None => None,
            };
            ask_about(state, purpose, now);
        }
        Command::FlagToggle => {
            let purpose = flag::target(state).map(|f| Purpose::ToggleFlag(Box::new(f.clone())));
            ask_about(state, purpose, now);
        }
        Command::FlagArchive => {
            let purpose = flag::target(state).map(|f| Purpose::ArchiveFlag(Box::new(f.clone())));
            ask_about(state, purpose, now);
        }
        Command::Convert => {
            if let Some(why) = not_converted(state) {
                notify(state, Level::Warn, why, now);
                return;
            }
            let purpose = match flag::target(state) {
                Some(flag) => Some(Purpose::ConvertFlag(Box::new(flag.clone()))),
                None => experiment::target(state).map(|e| Purpose::ConvertExperiment(e.clone())),
            };
            ask_about(state, purpose, now);
        }
        Command::CopyTo => {
            let purpose = match flag::target(state) {
                Some(flag) => Some(Purpose::CopyFlag(Box::new(flag.clone()))),
                None => experiment::target(state).map(|e| Purpose::CopyExperiment(e.clone())),
            };
            if state.objects.projects.rows.value.is_none() {
                // The choice of projects would be empty.
                state.requests.plan(Slot::Projects, now);
                state.wants_projects = true;
                notify(
                    state,
                    Level::Info,
                    "Asking for the projects; try again in a moment",
                    now,
                );
                return;
            }
            ask_about(state, purpose, now);
        }
        Command::RotateKey => {
            let current = state.objects.deployments.current();
            let purpose = current.map(|row| Purpose::RotateKey(Box::new(row.deployment.clone())));
            ask_about(state, purpose, now);
        }
        Command::Revoke => {
            let purpose = match kind {
                Some(Kind::Deployments) => state
                    .objects
                    .deployments
                    .current()
                    .map(|row| Purpose::RevokeDeployment(Box::new(row.clone()))),
                _ => state
                    .objects
                    .tokens
                    .current()
                    .map(|token| Purpose::RevokeToken(Box::new(token.clone()))),
            };
            ask_about(state, purpose, now);
        }
        _ => {}
    }
}

/// Why what is looked at cannot be made a flag; none when it can, or is one.
#[must_use]
pub fn not_converted(state: &State) -> Option<String> {
    if flag::target(state).is_some() {
        return None;
    }
    let experiment = experiment::target(state)?;
    let linked = experiment.linked_flag.as_ref();
    let mut flags = state.objects.flags.all().iter();
    let flag = linked.and_then(|key| flags.find(|row| row.flag.key.folded() == key.folded()));
    lifecycle::no_flag_of(experiment, flag.map(|row| &row.flag), &state.keymap)
}

fn ask_about(state: &mut State, purpose: Option<Purpose>, now: Timestamp) {
    let gone = match &purpose {
        Some(Purpose::RotateKey(d)) => d.revoked_at.map(|_| d.name.clone()),
        Some(Purpose::RevokeDeployment(row)) => {
            row.deployment.revoked_at.map(|_| row.deployment.name.clone())
        }
        Some(Purpose::RevokeToken(token)) => token.revoked_at.map(|_| token.name.clone()),
        _ => None,
    };
    match (purpose, gone) {
        (_, Some(name)) => notify(state, Level::Info, format!("{name} is revoked already"), now),
        (Some(purpose), None) => form::open(state, purpose, now),
        (None, None) => notify(state, Level::Info, "There is nothing under the cursor", now),
    }
}

/// What changes the lab under the cursor.
fn edit_lab(state: &State) -> Option<Purpose> {
    let lab = state.objects.labs.current()?;
    Some(Purpose::EditLab(Box::new(lab.clone())))
}

fn open(state: &mut State, kind: Option<Kind>, now: Timestamp, effects: &mut Vec<Effect>) {
    match kind {
        Some(Kind::Flags) => match state.objects.flags.current().map(|row| row.flag.id) {
            Some(id) => flag::open(state, id),
            None => notify(state, Level::Info, "There is no flag under the cursor", now),
        },
        Some(Kind::Projects) => match state
            .objects
            .projects
            .current()
            .map(|row| row.project.key.clone())
        {
            Some(key) => switch(state, key, now, effects),
            None => notify(state, Level::Info, "There is no project under the cursor", now),
        },
        Some(Kind::Labs) => {
            let purpose = edit_lab(state);
            ask_about(state, purpose, now);
        }
        _ => {}
    }
}
