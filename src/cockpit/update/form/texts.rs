//! Where text goes in a dialog whose focus takes none.

use crate::cockpit::lifecycle::Step;
use crate::cockpit::state::State;
use crate::cockpit::state::ask::{Ask, AskField};
use crate::cockpit::state::form::{Focus, Input};
use crate::cockpit::state::import::{Focus as Part, Stage};
use crate::cockpit::state::overlay::{Field, Overlay};
use crate::cockpit::update::import;

/// A text of the dialog on top.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Place {
    /// Of a step of an experiment's life.
    Step(Field),
    /// Of a question.
    Ask(AskField),
    /// Of a form.
    Form(Focus),
    /// Of the card of a bulk import.
    Card(Part),
}

/// The texts of the dialog on top.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Texts {
    /// The first one that has to be filled in and is not.
    pub missing: Option<Place>,
    /// What the first one is called.
    pub any: Option<&'static str>,
}

/// The texts of the dialog on top, for `text` that is typed or pasted beside them; none where there is no dialog, or
/// its answer is waited for.
#[must_use]
pub fn of(state: &State, text: &str) -> Option<Texts> {
    let (missing, any) = match state.overlays.last()? {
        Overlay::Step(dialog) if !dialog.sending => {
            let fields = dialog.fields(super::super::dialog::test_now(state));
            let required = |field: &Field| match field {
                Field::Comment => dialog.step == Step::ResumeAutoPaused && dialog.comment.is_blank(),
                Field::TypedKey => dialog.typed_key.is_blank(),
                _ => false,
            };
            let text = |field: &&Field| matches!(field, Field::Comment | Field::TypedKey);
            (
                fields.iter().copied().find(required).map(Place::Step),
                fields.iter().find(text).map(|field| dialog.label(*field)),
            )
        }
        Overlay::Ask(dialog) if !dialog.sending => {
            let fields = dialog.fields();
            let required = |field: &AskField| match field {
                AskField::Id => matches!(dialog.ask, Ask::AddOverride { .. }) && dialog.id.is_blank(),
                AskField::TypedKey => dialog.typed_key.is_blank(),
                _ => false,
            };
            let text =
                |field: &&AskField| matches!(field, AskField::Id | AskField::Comment | AskField::TypedKey);
            (
                fields.iter().copied().find(required).map(Place::Ask),
                fields.iter().find(text).map(|field| field.label()),
            )
        }
        Overlay::Form(form) if !form.sending => {
            let texts = form
                .lines
                .iter()
                .enumerate()
                .filter_map(|(at, line)| match &line.input {
                    Input::Text(field) => Some((at, line, field)),
                    _ => None,
                });
            let missing = texts
                .clone()
                .find(|(_, line, field)| line.word.starts_with("required") && field.is_blank())
                .map(|(at, ..)| Focus::Line(at));
            let key = form.key.as_ref();
            let empty_key = key.filter(|(_, typed)| typed.is_blank()).map(|_| Focus::Key);
            (
                missing.or(empty_key).map(Place::Form),
                texts
                    .map(|(_, line, _)| line.label)
                    .next()
                    .or(key.map(|_| AskField::TypedKey.label())),
            )
        }
        Overlay::Import(panel) if panel.stage == Stage::Collect && !panel.malformed => {
            let to = match is_path(text) {
                true => Part::Path,
                false => Part::Ids,
            };
            (import::wants_ids(panel).then_some(Place::Card(to)), Some("Ids"))
        }
        _ => return None,
    };
    Some(Texts { missing, any })
}

/// Whether what begins like this is the path of a file rather than ids.
fn is_path(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['/', '~', '.']) && !text.contains(['\n', '\r', ','])
}

/// Gives it the focus. False where it is not of the dialog on top.
pub fn focus(state: &mut State, place: Place) -> bool {
    match (state.overlays.last_mut(), place) {
        (Some(Overlay::Step(dialog)), Place::Step(field)) => dialog.focus = field,
        (Some(Overlay::Ask(dialog)), Place::Ask(field)) => dialog.focus = field,
        (Some(Overlay::Form(form)), Place::Form(focus)) => super::go(form, focus),
        (Some(Overlay::Import(panel)), Place::Card(part)) => panel.focus = part,
        _ => return false,
    }
    true
}
