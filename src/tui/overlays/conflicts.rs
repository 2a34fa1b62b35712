//! What both I and somebody else changed: one by one, mine or theirs.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::{Canvas, WIDEST, rows};
use crate::cockpit::edit::Side;
use crate::cockpit::keymap::Command;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::{contexts_under, drafts};
use crate::tui::chrome::key_text;
use crate::tui::page::Page;

/// Draws the list.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    selected: usize,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let mut page = Page::new(theme, width);
    let id = state.sheet().map(|(id, _)| id);
    let draft = id.and_then(|id| state.drafts.get(&id));
    let mut focus = 0;
    let mut open = 0;
    if let (Some(id), Some(draft)) = (id, draft) {
        open = draft.open_conflicts();
        let who = match drafts::who(state, id) {
            Some((who, at)) => format!(
                "{who} changed these {}, and so did you.",
                theme.times.ago(at, now)
            ),
            None if draft.joined => "Two cockpits of yours changed these: mine is this one.".to_owned(),
            None => "Somebody changed these, and so did you.".to_owned(),
        };
        page.text(&who, theme.text);
        let copies = [draft.base.as_ref(), &draft.mine];
        for (at, conflict) in draft.conflicts.iter().enumerate() {
            page.blank();
            let on = at == selected.min(draft.conflicts.len().saturating_sub(1));
            if on {
                focus = page.len();
            }
            let path = &conflict.both.path;
            let label = if on { theme.accent } else { theme.text };
            page.line(vec![
                (path.label(&copies), label),
                (format!("   it was {}", path.show(&conflict.both.base)), theme.dim),
            ]);
            for (side, word, value) in [
                (Side::Mine, "mine", &conflict.both.mine),
                (Side::Theirs, "theirs", &conflict.both.theirs),
            ] {
                let chosen = conflict.choice == Some(side);
                let tick = theme.glyphs.checkbox(chosen);
                let style = match (chosen, on) {
                    (true, true) => theme.selection,
                    (true, false) => theme.ok,
                    (false, _) => theme.text,
                };
                page.hanging(
                    &[(format!("  {tick} {word:<7} "), theme.dim)],
                    &path.show(value),
                    style,
                );
            }
        }
    }
    page.blank();
    let save = state
        .keymap
        .keys(&contexts_under(state, &[]), Command::Save)
        .next();
    let text = match (open, save.map(key_text)) {
        (0, Some(save)) => {
            format!("All decided. Back where you edit, {save} shows the difference and saves.")
        }
        (0, None) => "All decided.".to_owned(),
        (open, _) => format!("{open} to decide."),
    };
    page.text(&text, theme.dim);
    let height = rows(page.len());
    let title = "Both of you changed";
    canvas.boxed(title, "Esc later", (width, height), |pen| {
        let offset = crate::tui::sheet::offset(focus, page.len(), usize::from(pen.height()));
        (page.draw(pen, offset), None)
    })
}
