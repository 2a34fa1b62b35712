//! A dialog of an object that another has changed meanwhile: what was filled in is kept, and goes on from theirs.

use super::{fields, key_of, words};
use crate::cockpit::state::State;
use crate::cockpit::state::form::{Form, Input, Line, Purpose};
use crate::cockpit::state::overlay::Overlay;

/// Whether what was filled in can go on from another state of the object: it is edited in the dialog itself.
pub(super) fn can(purpose: &Purpose) -> bool {
    matches!(
        purpose,
        Purpose::EditProject(_) | Purpose::EditLab(_) | Purpose::RenameDeployment(_)
    )
}

/// A list came in: the dialog that was refused for a change of another is about the object as it is now. What was
/// filled in stays, what was not is theirs, and where both changed the same it is said what theirs is.
pub fn rebase(state: &mut State) {
    let waits = |form: &Form| form.changed_by.is_some() && !form.sending;
    let at = state
        .overlays
        .iter()
        .position(|overlay| matches!(overlay, Overlay::Form(form) if waits(form)));
    let Some(at) = at else { return };
    let Some(Overlay::Form(form)) = state.overlays.get(at) else {
        return;
    };
    let Some(theirs) = newer(state, &form.purpose) else {
        return;
    };
    let before = fields::lines(state, &form.purpose);
    let after = fields::lines(state, &theirs);
    let Some(Overlay::Form(form)) = state.overlays.get_mut(at) else {
        return;
    };
    let by = form.changed_by.take().unwrap_or_default();
    let mut both = false;
    for (mine, (before, after)) in form.lines.iter_mut().zip(before.iter().zip(after)) {
        let (base, theirs) = (text(before), text(&after));
        if text(mine) == base {
            mine.input = after.input;
            mine.problem = (base != theirs).then(|| format!("{by} changed it from {base}"));
        } else if theirs != base && theirs != text(mine) {
            both = true;
            mine.problem = Some(format!("{by} changed it to {theirs}"));
        }
    }
    if form.key.is_none() {
        form.key = key_of(&theirs).filter(|_| matches!(&theirs, Purpose::EditProject(p) if p.protected));
    }
    let (_, _, verb) = words::titles(&theirs);
    form.purpose = theirs;
    form.error = Some(if both {
        format!("{by} changed it too: {verb} puts yours in the place of theirs")
    } else {
        format!("{by} changed it too: what you filled in stands upon theirs, {verb} sends it")
    });
}

/// The same with the object as the list has it now; none where that is not newer.
fn newer(state: &State, purpose: &Purpose) -> Option<Purpose> {
    let objects = &state.objects;
    match purpose {
        Purpose::EditProject(old) => {
            let mut all = objects.projects.all().iter().map(|row| &row.project);
            let new = all.find(|p| p.id == old.id && p.resource_version > old.resource_version)?;
            Some(Purpose::EditProject(Box::new(new.clone())))
        }
        Purpose::EditLab(old) => {
            let mut all = objects.labs.all().iter();
            let new = all.find(|lab| lab.id == old.id && lab.resource_version > old.resource_version)?;
            Some(Purpose::EditLab(Box::new(new.clone())))
        }
        Purpose::RenameDeployment(old) => {
            let mut all = objects.deployments.all().iter().map(|row| &row.deployment);
            let new = all.find(|d| d.id == old.id && d.resource_version > old.resource_version)?;
            Some(Purpose::RenameDeployment(Box::new(new.clone())))
        }
        _ => None,
    }
}

/// What a line says, as it is read.
fn text(line: &Line) -> String {
    match &line.input {
        Input::Text(field) if field.text().trim().is_empty() => "nothing".to_owned(),
        Input::Text(field) => field.text().trim().to_owned(),
        Input::Choice { options, at } => options.get(*at).cloned().unwrap_or_default(),
        Input::Tick(true) => "yes".to_owned(),
        Input::Tick(false) => "no".to_owned(),
        Input::Ticks { options, .. } => {
            let on = options.iter().filter(|option| option.on);
            on.map(|option| option.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}
