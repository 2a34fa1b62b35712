//! The history of an object, and the audit log of a project.

use jiff::Timestamp;
use uuid::Uuid;

use super::super::flag;
use crate::api::experiments::History;
use crate::cockpit::ports::{Request, Slot};
use crate::cockpit::state::cursor::follow;
use crate::cockpit::state::objects::{AuditPanel, Kind};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Screen, State};

/// `H` where no experiment is meant; the log of the whole project where nothing is.
pub fn history(state: &mut State, of_project: bool, now: Timestamp) {
    let object = if of_project { None } else { looked_at(state) };
    let panel = match object {
        Some((id, title)) => AuditPanel {
            title: format!("History of {title}"),
            object: Some(id),
            of: Some(title),
            ..AuditPanel::default()
        },
        None => {
            let project = state
                .me
                .as_ref()
                .map_or_else(String::new, |me| format!(" of {}", me.project.key));
            AuditPanel {
                title: format!("Audit log{project}"),
                ..AuditPanel::default()
            }
        }
    };
    state.requests.plan(Slot::Audit, now);
    state.overlays.push(Overlay::Audit(Box::new(panel)));
}

/// The object that is looked at, if it is no experiment.
fn looked_at(state: &State) -> Option<(Uuid, String)> {
    if let Some(flag) = flag::target(state) {
        return Some((flag.id, flag.key.to_string()));
    }
    let Screen::Objects(kind) = state.screen else {
        return None;
    };
    match kind {
        Kind::Deployments => {
            let d = &state.objects.deployments.current()?.deployment;
            Some((d.id, d.name.clone()))
        }
        Kind::Projects => {
            let p = &state.objects.projects.current()?.project;
            Some((p.id, p.key.to_string()))
        }
        Kind::Tokens => state.objects.tokens.current().map(|t| (t.id, t.name.clone())),
        Kind::Labs => state
            .objects
            .labs
            .current()
            .map(|lab| (lab.id, lab.key.to_string())),
        Kind::Flags => None,
    }
}

/// The history that waits for this answer, wherever it lies.
pub(super) fn waiting<'a>(state: &'a mut State, request: &Request) -> Option<&'a mut AuditPanel> {
    let Request::Audit { query } = request else {
        return None;
    };
    state.overlays.iter_mut().rev().find_map(|overlay| match overlay {
        Overlay::Audit(panel) if panel.object == query.object_id => {
            let wanted = panel.next_before.filter(|_| !panel.anew);
            (wanted == query.before).then_some(&mut **panel)
        }
        _ => None,
    })
}

/// Whether the history on top is of something else than what is being asked.
#[must_use]
pub fn other_history(state: &State) -> bool {
    match (state.overlays.last(), state.requests.asked(Slot::Audit)) {
        (Some(Overlay::Audit(panel)), Some(Request::Audit { query })) => panel.object != query.object_id,
        _ => false,
    }
}

/// Takes a page of entries.
pub(super) fn take(state: &mut State, request: &Request, page: History, now: Timestamp) {
    if let Some(panel) = waiting(state, request) {
        match (&mut panel.entries.value, panel.next_before) {
            (Some(before), _) if panel.anew => {
                let before = std::mem::take(before);
                let mut entries = page.entries;
                // Nothing of a log changes: where the page reaches what was there, the rest still stands behind it.
                let oldest = entries.last().map(|entry| entry.id);
                if oldest.is_some_and(|oldest| before.iter().any(|entry| entry.id == oldest)) {
                    let behind = before.iter().filter(|entry| Some(entry.id) < oldest);
                    entries.extend(behind.cloned());
                } else {
                    panel.next_before = page.next_before;
                }
                panel.selected = follow(&before, &entries, panel.selected, |entry| entry.id);
                panel.entries.set(entries, now);
            }
            (Some(entries), Some(_)) => {
                entries.extend(page.entries);
                panel.next_before = page.next_before;
            }
            _ => {
                panel.entries.set(page.entries, now);
                panel.next_before = page.next_before;
            }
        }
        panel.anew = false;
        panel.entries.failure = None;
    }
}
