//! What is asked of the server for what is on the screen.

use super::super::edit::names;
use super::super::{flag, import};
use crate::api::audit::AuditQuery;
use crate::api::system::Role;
use crate::cockpit::edit::{Cell, Of};
use crate::cockpit::lifecycle::Step;
use crate::cockpit::ports::{Request, Slot};
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::import::Stage;
use crate::cockpit::state::objects::Kind;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Screen, State, Tab};
use crate::domain::Experiment;

/// The request of a kind that what is on the screen needs; none when it needs none.
#[must_use]
pub fn wanted(state: &State, slot: Slot) -> Option<Request> {
    let asking = state.overlays.iter().any(|o| matches!(o, Overlay::Form(_)));
    let wiring = state.overlays.iter().any(|o| matches!(o, Overlay::Wiring(_)));
    let list = match state.screen {
        Screen::Objects(kind) => Some(kind),
        _ => None,
    };
    let flags_shown = list == Some(Kind::Flags) || state.screen == Screen::Flag;
    // The palette finds every object by its name.
    let palette = matches!(state.overlays.last(), Some(Overlay::Palette(_)));
    let admin = state.me.as_ref().is_some_and(|me| me.role == Role::Admin);
    match slot {
        Slot::Flags => {
            let named = matches!(named_cell(state), Some(Cell::LinkedFlag)) || names::wants_flags(state);
            // What a flag does once its experiment decides it no longer is said before that happens.
            let left_to_flag = left_to_flag(state);
            let mut drafts = state.objects.drafts.iter();
            let unsaved = drafts.any(|draft| !draft.changed().is_empty());
            let shown = flags_shown || palette || named || left_to_flag || unsaved;
            shown.then_some(Request::Flags)
        }
        Slot::Labs => {
            let named = matches!(named_cell(state), Some(Cell::Lab)) || names::wants_labs(state);
            (list == Some(Kind::Labs) || palette || named).then_some(Request::Labs)
        }
        Slot::Deployments => (list == Some(Kind::Deployments) || flags_shown || wiring || palette)
            .then_some(Request::Deployments),
        Slot::Projects => {
            let wanted = matches!(list, Some(Kind::Projects | Kind::Tokens))
                || asking
                || palette
                || state.wants_projects
                || (state.objects.projects.rows.value.is_none() && (flags_shown || state.detail().is_some()));
            wanted.then_some(Request::Projects)
        }
        Slot::Tokens => (list == Some(Kind::Tokens) || (palette && admin)).then_some(Request::Tokens),
        Slot::FlagOverrides => {
            let detail = state
                .objects
                .flag
                .as_deref()
                .filter(|_| state.screen == Screen::Flag)?;
            Some(Request::FlagOverrides {
                id: detail.id,
                query: detail.overrides.as_ref()?.query(),
            })
        }
        Slot::Audit => {
            let Some(Overlay::Audit(panel)) = state.overlays.last() else {
                return None;
            };
            let loaded = panel.entries.value.as_ref().map_or(0, Vec::len);
            let first = panel.entries.value.is_none() || panel.anew;
            let more = panel
                .next_before
                .filter(|_| !first && panel.selected + 10 >= loaded);
            (first || more.is_some()).then(|| Request::Audit {
                query: Box::new(AuditQuery {
                    object_id: panel.object,
                    before: more,
                    ..AuditQuery::default()
                }),
            })
        }
        Slot::FlagHistory => flag::wants_history(state),
        Slot::Insight => {
            let detail = state.detail().filter(|d| d.tab == Tab::Insights)?;
            Some(Request::Insight { id: detail.id()? })
        }
        Slot::Imports => {
            if state.screen == Screen::Flag {
                let detail = state.objects.flag.as_deref().filter(|d| d.overrides.is_some())?;
                let (of, id) = (Of::Flag, detail.id);
                return Some(Request::Imports { of, id });
            }
            let detail = state.detail().filter(|d| d.tab == Tab::Overrides)?;
            let (of, id) = (Of::Experiment, detail.id()?);
            Some(Request::Imports { of, id })
        }
        Slot::ImportRows => {
            let panel = import::panel(state)?;
            let import = panel.import.as_ref()?;
            (panel.stage == Stage::Review && rows_outdated(state)).then(|| Request::ImportRows {
                of: panel.target.of,
                id: panel.target.id,
                import: import.id,
                query: panel.query(),
            })
        }
        _ => None,
    }
}

/// Whether something is asked about that leaves an experiment to its flag, at once or later.
fn left_to_flag(state: &State) -> bool {
    let linked = |experiment: &Experiment| experiment.linked_flag.is_some();
    match state.overlays.last() {
        Some(Overlay::Step(dialog)) => {
            matches!(dialog.step, Step::End | Step::Archive) && linked(&dialog.experiment)
        }
        Some(Overlay::Ask(dialog)) => {
            matches!(&dialog.ask, Ask::ApplyWinner { experiment, .. } if linked(experiment))
        }
        Some(Overlay::Form(form)) => {
            matches!(&form.purpose, Purpose::ConvertExperiment(experiment) if linked(experiment))
        }
        _ => false,
    }
}

/// The field that is typed into, where it takes the name of an object.
fn named_cell(state: &State) -> Option<&Cell> {
    Some(&state.editor()?.editing.as_ref()?.cell)
}

/// Whether other rows of the dry run are wanted than those that were asked for last.
#[must_use]
pub fn rows_outdated(state: &State) -> bool {
    import::panel(state).is_some_and(|p| {
        p.import.is_some() && (p.asked.as_ref() != Some(&p.query()) || p.rows.failure.is_some())
    })
}

/// Whether a page of rows is wanted that was not asked for yet.
#[must_use]
pub fn rows_asked_anew(state: &State) -> bool {
    import::panel(state).is_some_and(|p| {
        p.import.is_some() && p.stage == Stage::Review && p.asked.as_ref() != Some(&p.query())
    })
}

/// Whether another page of the flag's overrides is wanted than the one that was asked for last.
#[must_use]
pub fn flag_overrides_outdated(state: &State) -> bool {
    let detail = state.objects.flag.as_deref();
    detail
        .and_then(|d| d.overrides.as_ref())
        .is_some_and(|o| o.asked.as_ref() != Some(&o.query()))
}
