//! The dialog of a step of an experiment's life.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::form::{Form, Row, note, sending};
use super::resume::{self, About, Length};
use super::{Canvas, WIDEST, counted};
use crate::cockpit::lifecycle::{self, Step};
use crate::cockpit::ports::Slot;
use crate::cockpit::state::overlay::{ENDED_REASONS, Field, StepDialog, TestNow};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::age;
use crate::cockpit::update::dialog::test_now;
use crate::tui::glyphs::arm_slots;
use crate::tui::page::Page;
use crate::tui::tabs::setup::ended_text;

/// The widest dialog: the evidence of a resume has bars side by side.
pub(super) const EVIDENCE: u16 = 92;

/// Draws the dialog.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    dialog: &StepDialog,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let test = test_now(state);
    let evidence = dialog.step == Step::ResumeAutoPaused;
    let widest = if evidence { EVIDENCE } else { WIDEST };
    let width = canvas.inside_width(widest);
    let form = Form {
        rows: form_rows(canvas, state, widest, dialog, test),
        focus: dialog.focus,
        buttons: [Field::Cancel, Field::Confirm],
        armed: now >= dialog.armed_at(),
    };
    // What is stale is faded, and not what says so.
    let age = age::of_step(state, dialog);
    let stale = age.is_some_and(|age| age::is_stale(state, &age, now));
    let of_numbers = if stale { theme.faded() } else { theme.clone() };
    let mut page = Page::new(&of_numbers, width);
    if evidence {
        let about = About {
            experiment: &dialog.experiment,
            resumes: true,
        };
        resume::evidence(&mut page, state, about, (test, Length::Whole), now);
        if page.len() + form.rows.len() > usize::from(canvas.inside_height()) {
            page = Page::new(&of_numbers, width);
            resume::evidence(&mut page, state, about, (test, Length::Short), now);
        }
    } else {
        let overview = state.list.overview(dialog.experiment.id);
        let linked = dialog.experiment.linked_flag.as_ref();
        let row = linked.and_then(|key| state.objects.flag_named(key.as_str()));
        let open = state.open.as_deref();
        let counts = open
            .filter(|detail| detail.id() == Some(dialog.experiment.id))
            .and_then(|detail| detail.overrides.page.value.as_ref());
        let overrides = counts.map(|page| page.fixed + page.manual);
        for line in lifecycle::effects(dialog, overview, row, overrides, &state.keymap) {
            page.text(&line, of_numbers.text);
        }
        if let Some(age) = &age {
            counted(&mut page, state, theme, age, now);
        }
        if let Some(changed) = changed_since(state, dialog) {
            page.blank();
            page.text(&changed, theme.warn);
        }
    }
    let title = format!("{} {}", dialog.step.verb(), dialog.experiment.key);
    let right = if evidence {
        resume::paused_text(dialog, theme.times, now)
    } else {
        String::new()
    };
    canvas.dialog((&title, &right), (&page, dialog.scroll), form.rows.len(), |pen| {
        form.draw(pen)
    })
}

/// Somebody changed the experiment since the dialog opened: said at once, not only when it is refused.
fn changed_since(state: &State, dialog: &StepDialog) -> Option<String> {
    let live = state.list.experiment(dialog.experiment.id)?;
    (live.resource_version > dialog.experiment.resource_version).then(|| {
        format!(
            "It was changed since this dialog opened (v{} → v{}, now {}). Close it, look, and decide again.",
            dialog.experiment.resource_version, live.resource_version, live.status
        )
    })
}

fn form_rows<'a>(
    canvas: &Canvas<'_, '_>,
    state: &State,
    widest: u16,
    dialog: &'a StepDialog,
    test: TestNow,
) -> Vec<Row<'a, Field>> {
    let theme = canvas.theme;
    let evidence = dialog.step == Step::ResumeAutoPaused;
    let mut rows = vec![Row::Blank];
    for field in dialog.fields(test) {
        let label = dialog.label(field);
        match field {
            Field::Comment => {
                let word = match dialog.step {
                    Step::ResumeAutoPaused => "required",
                    _ => "optional",
                };
                rows.push(Row::Text(field, label, &dialog.comment, word));
            }
            Field::Winner => rows.push(Row::Choice(field, label, winner_text(canvas, dialog))),
            Field::EndedReason => {
                let reason = ENDED_REASONS.get(dialog.ended_reason).copied();
                let text = reason.map(ended_text).unwrap_or_default();
                rows.push(Row::Choice(field, label, text.to_owned()));
            }
            Field::Override => {
                let text = match test {
                    TestNow::Fails => "I know that the test still fails",
                    _ => "I know that the test cannot be made now",
                };
                rows.push(Row::Tick(
                    Field::Override,
                    text.to_owned(),
                    dialog.overrides(test),
                    "required",
                ));
            }
            Field::TypedKey => {
                let key = &dialog.experiment.key;
                let text = format!("This project is protected: type {key} to go on.");
                rows.extend(note(canvas, widest, &text, theme.warn));
                rows.push(Row::Text(field, label, &dialog.typed_key, "required"));
            }
            Field::Cancel => {
                let (text, style) = match (&dialog.error, dialog.sending) {
                    (_, true) => (sending(state, Slot::Status, canvas.now), theme.dim),
                    (Some(error), false) => (error.clone(), theme.danger),
                    // What was changed stands above; among the evidence it has a line.
                    (None, false) if evidence => {
                        (changed_since(state, dialog).unwrap_or_default(), theme.warn)
                    }
                    (None, false) => (String::new(), theme.dim),
                };
                rows.extend(note(canvas, widest, &text, style));
                rows.push(Row::Buttons(dialog.step.keep(), dialog.step.verb()));
            }
            Field::Confirm => {}
        }
    }
    rows
}

fn winner_text(canvas: &Canvas<'_, '_>, dialog: &StepDialog) -> String {
    match lifecycle::winner_of(dialog) {
        None => format!(
            "none: everybody sees {} (default)",
            dialog.experiment.default_variant_id
        ),
        Some(key) => {
            let slots = arm_slots(dialog.experiment.variants.iter().map(|v| v.is_control));
            let slot = slots.get(dialog.winner.saturating_sub(1)).copied().unwrap_or(0);
            format!("{} {key}", canvas.theme.glyphs.arm(slot))
        }
    }
}
