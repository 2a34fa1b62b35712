//! Bulk import: the card, the dry run, the list of imports. Collecting ids and running chunks have a file each.

mod collect;
mod run;

use jiff::Timestamp;

pub use self::collect::{not_ready, paste, told, wants_ids};
pub use self::run::{adopt, again, confirmed, failed, outcome, refused, stepped};
use super::{experiment, form, guard, notify};
use crate::api::imports::{Import, ImportState, RowEffect, StartImport};
use crate::cockpit::edit::Of;
use crate::cockpit::effect::Effect;
use crate::cockpit::intake::Order;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::ports::{ImportStep, Request, Slot};
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::import::{Focus, ImportPanel, ImportsPanel, Stage, Target};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::overrides::OverridesState;
use crate::cockpit::state::{Level, Screen, State, Tab};

/// The panel, wherever it lies.
pub fn panel_mut(state: &mut State) -> Option<&mut ImportPanel> {
    state.overlays.iter_mut().rev().find_map(|overlay| match overlay {
        Overlay::Import(panel) => Some(&mut **panel),
        _ => None,
    })
}

/// The panel, wherever it lies.
#[must_use]
pub fn panel(state: &State) -> Option<&ImportPanel> {
    state.overlays.iter().rev().find_map(|overlay| match overlay {
        Overlay::Import(panel) => Some(&**panel),
        _ => None,
    })
}

/// Whether typed and pasted text goes to the card in pieces of any size.
#[must_use]
pub fn takes_pieces(state: &State) -> bool {
    matches!(
        state.overlays.last(),
        Some(Overlay::Import(panel)) if panel.stage == Stage::Collect && panel.focus == Focus::Ids
    )
}

/// What the overrides that are looked at, or those of what a command is about, are of.
fn target(state: &State) -> Option<Target> {
    match super::flag::target(state) {
        Some(flag) => Some(Target::from(flag)),
        None => experiment::target(state).map(|experiment| Target::from(&**experiment)),
    }
}

/// The overrides that are looked at: of the open flag or experiment.
#[must_use]
pub fn overrides(state: &State) -> Option<&OverridesState> {
    match state.screen {
        Screen::Flag => state.objects.flag.as_deref()?.overrides.as_ref(),
        _ => state.open.as_deref().map(|detail| &detail.overrides),
    }
}

/// The same, to be changed.
pub fn overrides_mut(state: &mut State) -> Option<&mut OverridesState> {
    match state.screen {
        Screen::Flag => state.objects.flag.as_deref_mut()?.overrides.as_mut(),
        _ => state.open.as_deref_mut().map(|detail| &mut detail.overrides),
    }
}

/// `i`: a new import into what is looked at.
pub fn open(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(target) = target(state) else {
        notify(state, Level::Info, "There is no experiment here yet", now);
        return;
    };
    // What the difference is made against lies below.
    match target.of {
        Of::Experiment => {
            experiment::load(state, target.id, now, effects);
            if let Some(detail) = state.open.as_deref_mut() {
                detail.tab = Tab::Overrides;
            }
            state.screen = Screen::Experiment;
        }
        Of::Flag => {
            if let Some(detail) = state.objects.flag.as_deref_mut() {
                detail.overrides.get_or_insert_default();
            }
        }
    }
    effects.push(Effect::Intake(Order::Find {
        experiment: target.id,
    }));
    state
        .overlays
        .push(Overlay::Import(Box::new(ImportPanel::new(target))));
}

/// The cockpit was started with `--import`: opens the panel once everything for it is known.
pub fn open_if_asked(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let known = match state.screen {
        Screen::Flag => state.objects.open_flag().is_some(),
        _ => state.detail().is_some_and(|d| d.config().is_some()),
    };
    if state.me.is_none() || !known {
        return;
    }
    let Some(from) = state.settings.import.take() else {
        return;
    };
    // Of an experiment that there is not, nothing goes to the next one that is opened.
    if let Some(name) = &state.settings.experiment
        && !target(state).is_some_and(|target| target.is_experiment(name))
    {
        return;
    }
    if let Some(why) = guard::refusal(state, now) {
        notify(state, Level::Warn, why, now);
        return;
    }
    open(state, now, effects);
    let path = (from != "-").then_some(from);
    collect::read(state, path, now, effects);
}

/// `I`: the imports of what is looked at.
pub fn open_list(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(target) = target(state) else {
        notify(state, Level::Info, "There is no experiment here yet", now);
        return;
    };
    if target.of == Of::Experiment {
        experiment::load(state, target.id, now, effects);
    }
    state.requests.plan(Slot::Imports, now);
    state.overlays.push(Overlay::Imports(ImportsPanel::default()));
}

/// How a piece of a paste ends.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// The paste was cut because it was longer than the terminal input takes.
    pub truncated: bool,
    /// More of the same paste follows.
    pub more: bool,
}

/// A command in the panel.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel(state) else { return };
    match panel.stage {
        Stage::Collect => collect::collect(state, command, now, effects),
        Stage::Review => review(state, command, now),
        Stage::Sending | Stage::Running => {}
    }
}

/// Sends the ids for the dry run.
fn check(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel(state) else { return };
    let outcome = match (not_ready(panel), panel.intake) {
        (Some(why), _) => Err(why.to_owned()),
        (None, None) => return,
        (None, Some(intake)) => {
            let Some(variant) = panel.target.variants.get(panel.variant) else {
                return;
            };
            let request = Request::ImportStep {
                of: panel.target.of,
                id: panel.target.id,
                step: Box::new(ImportStep::Stage {
                    intake,
                    query: StartImport {
                        variant: variant.key.clone(),
                        subject_type: panel.subject,
                        source_name: Some(panel.source.name()),
                    },
                }),
            };
            guard::write(state, request, now)
        }
    };
    let Some(panel) = panel_mut(state) else { return };
    match outcome {
        Ok(effect) => {
            panel.stage = Stage::Sending;
            panel.sent_at = Some(now);
            panel.error = None;
            effects.push(effect);
        }
        Err(why) => {
            panel.focus = collect::in_question(panel).unwrap_or(panel.focus);
            panel.error = Some(why);
        }
    }
}

fn review(state: &mut State, command: Command, now: Timestamp) {
    let Some(panel) = panel_mut(state) else { return };
    match command {
        Command::Search => panel.filtering = true,
        Command::ImportEffect => {
            panel.effect = match panel.effect {
                None => Some(RowEffect::Added),
                Some(RowEffect::Added) => Some(RowEffect::Changed),
                Some(RowEffect::Changed) => Some(RowEffect::Unchanged),
                Some(RowEffect::Unchanged) => None,
            };
            panel.question_changed();
        }
        Command::ImportMalformed => panel.malformed = !panel.malformed,
        Command::NextPage | Command::PreviousPage => {
            let moved = if command == Command::NextPage {
                panel.next_page()
            } else {
                panel.previous_page()
            };
            if !moved {
                notify(state, Level::Info, "There are no more rows that way", now);
            }
        }
        Command::Press => {
            let import = panel.import.clone();
            match import {
                Some(import) if may_apply(&import) => form::open(state, Purpose::ApplyImport(import), now),
                Some(import) if import.state == ImportState::Undoing => {
                    form::open(state, Purpose::UndoImport(import), now);
                }
                _ => {
                    let back = (Context::Review, Command::ImportUndo, "takes it back");
                    let text = state.keymap.after("It is in force already", "; ", &[back]);
                    notify(state, Level::Info, text, now);
                }
            }
        }
        Command::ImportUndo => match panel.import.clone() {
            Some(import) if import.applied_chunks > 0 => form::open(state, Purpose::UndoImport(import), now),
            _ => notify(
                state,
                Level::Info,
                "Nothing of it is in force: there is nothing to undo",
                now,
            ),
        },
        Command::ImportForget => match panel.import.clone() {
            Some(import) if import.state == ImportState::Staged => {
                form::open(state, Purpose::ForgetImport(import), now);
            }
            _ => notify(
                state,
                Level::Info,
                "Only an import of which nothing is in force is forgotten",
                now,
            ),
        },
        _ => {}
    }
}

/// Whether chunks of it may be applied.
#[must_use]
pub fn may_apply(import: &Import) -> bool {
    matches!(import.state, ImportState::Staged | ImportState::Applying)
}

/// A command in the list of imports.
pub fn list_command(state: &mut State, command: Command, now: Timestamp) {
    let Some(Overlay::Imports(list)) = state.overlays.last() else {
        return;
    };
    let selected = list.selected;
    let imports = overrides(state).and_then(|overrides| overrides.imports.value.as_ref());
    let (Some(target), Some(imports)) = (target(state), imports) else {
        return;
    };
    let Some(import) = imports.get(selected.min(imports.len().saturating_sub(1))) else {
        return;
    };
    let panel = ImportPanel::of(target, import.clone());
    match command {
        Command::Press | Command::ImportUndo | Command::ImportForget => {
            state.overlays.push(Overlay::Import(Box::new(panel)));
            if command != Command::Press {
                review(state, command, now);
            }
        }
        _ => {}
    }
}

/// Esc: out of the filter, back from the malformed ids, stop after the chunk, close. True when it was used up.
pub fn back(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let Some(Overlay::Import(panel)) = state.overlays.last_mut() else {
        return false;
    };
    if panel.filtering {
        panel.filtering = false;
    } else if panel.malformed {
        panel.malformed = false;
    } else if let Some(run) = &mut panel.run {
        run.stop = true;
        if run::stop_waiting(state) {
            return true;
        }
        notify(
            state,
            Level::Info,
            "Stops after the chunk that is on its way",
            now,
        );
    } else if panel.stage == Stage::Sending {
        // A dry run puts nothing in force: nobody has to wait for it here.
        state.overlays.pop();
        let lists = "on the Overrides lists their dry run once it is there";
        let lists = (Context::Overrides, Command::Imports, lists);
        let text = state.keymap.after("The ids go on being sent", "; ", &[lists]);
        notify(state, Level::Info, text, now);
    } else if panel.stage == Stage::Review && !panel.filter.text().is_empty() {
        panel.filter.clear();
        panel.question_changed();
    } else {
        close(state, now, effects);
    }
    true
}

fn close(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    // An id that is typed and not entered is one too.
    let typed = panel(state).is_some_and(|p| p.stage == Stage::Collect && !p.line.is_blank());
    if typed {
        collect::add(state, "\n", now, effects);
    }
    let kept = typed
        || panel(state).is_some_and(|p| p.before.is_some() || p.intake.is_some() && p.tally.received > 0);
    if matches!(state.overlays.last(), Some(Overlay::Import(_))) {
        state.overlays.pop();
    }
    if kept {
        notify(
            state,
            Level::Info,
            "The ids are kept: the next import into the same offers them",
            now,
        );
    }
}

/// Moves the cursor among the rows.
pub fn move_by(panel: &mut ImportPanel, by: isize) {
    let rows = panel.rows.value.as_ref().map_or(0, |page| page.rows.len());
    let at = panel.selected;
    if by == 1 && at + 1 >= rows && panel.next_page() {
        return;
    }
    panel.selected = at.saturating_add_signed(by).min(rows.saturating_sub(1));
}
