//! Fields that name another object, a lab or a flag: whether there is one of that name, as far as that is known.

use uuid::Uuid;

use crate::cockpit::edit::Draft;
use crate::cockpit::state::{Screen, State};
use crate::domain::FieldError;
use crate::domain::experiment::DEFAULT_LAB;

/// The most names that a refusal lists.
const LISTED: usize = 8;

/// The refusals of what a draft names and what is not there. Nothing is said of objects whose list was not read yet,
/// and nothing of what the experiment named before.
#[must_use]
pub fn refusals(state: &State, draft: &Draft) -> Vec<FieldError> {
    let lab = new_lab(draft).and_then(|lab| {
        let labs = state.objects.labs.rows.value.as_deref()?;
        let mut open = labs
            .iter()
            .filter(|lab| !lab.archived)
            .map(|lab| lab.key.as_str());
        if open.clone().any(|key| same(key, lab)) {
            return None;
        }
        let keys = std::iter::once(DEFAULT_LAB).chain(&mut open);
        Some(FieldError::new("parentId", lab, one_of(keys.collect())))
    });
    let flag = new_flag(draft).and_then(|flag| {
        let flags = state.objects.flags.rows.value.as_deref()?;
        if flags.iter().any(|row| same(row.flag.key.as_str(), flag)) {
            return None;
        }
        let open = flags.iter().filter(|row| !row.flag.archived);
        let keys: Vec<&str> = open.map(|row| row.flag.key.as_str()).collect();
        let allowed = match keys.is_empty() {
            true => "empty: this project has no flags".to_owned(),
            false => format!("{}, or empty", one_of(keys)),
        };
        Some(FieldError::new("linkedFlag", flag, allowed))
    });
    lab.into_iter().chain(flag).collect()
}

/// Whether the labs are wanted to say whether the one that is named on the screen exists.
#[must_use]
pub fn wants_labs(state: &State) -> bool {
    let unread = state.objects.labs.rows.value.is_none();
    on_screen(state)
        .is_some_and(|draft| new_lab(draft).is_some() && (unread || refuses(state, draft, "parentId")))
}

/// The same of the flags.
#[must_use]
pub fn wants_flags(state: &State) -> bool {
    let unread = state.objects.flags.rows.value.is_none();
    on_screen(state)
        .is_some_and(|draft| new_flag(draft).is_some() && (unread || refuses(state, draft, "linkedFlag")))
}

fn refuses(state: &State, draft: &Draft, field: &str) -> bool {
    refusals(state, draft)
        .iter()
        .any(|refusal| refusal.field == field)
}

fn on_screen(state: &State) -> Option<&Draft> {
    // The review of a new experiment is no sheet.
    let id = match state.screen {
        Screen::Create => Uuid::nil(),
        _ => state.sheet()?.0,
    };
    state.drafts.get(&id)
}

/// The lab that a draft newly names.
fn new_lab(draft: &Draft) -> Option<&str> {
    let (old, new) = (draft.base.parent_id.as_str(), draft.mine.parent_id.as_str());
    (new != DEFAULT_LAB && new != old).then_some(new)
}

/// The flag that a draft newly names. That of a new experiment is made with it where there is none.
fn new_flag(draft: &Draft) -> Option<&str> {
    let new = draft.mine.linked_flag.as_ref()?;
    (!draft.mine.id.is_nil() && draft.base.linked_flag.as_ref() != Some(new)).then(|| new.as_str())
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// What is allowed, as far as a line has room for it.
fn one_of(keys: Vec<&str>) -> String {
    let (listed, more) = keys.split_at(keys.len().min(LISTED));
    match (listed, more.len()) {
        ([key], 0) => (*key).to_owned(),
        (_, 0) => format!("one of {}", listed.join(", ")),
        (_, more) => format!("one of {} and {more} more", listed.join(", ")),
    }
}
