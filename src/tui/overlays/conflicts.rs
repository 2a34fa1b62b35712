//! What both I and somebody else changed: one by one, mine or theirs.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::{Canvas, WIDEST, rows};
use crate::cockpit::edit::Side;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::{contexts_under, drafts};
use crate::tui::chrome::key_text;
use crate::tui::page::Page;
use crate::tui::widgets::pen::columns;

/// Draws the list: the one under the cursor, and by how many lines it is scrolled.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    (selected, scroll): (usize, usize),
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    // Who it was and when is seen wherever one is in the list.
    let mut head = Page::new(theme, width);
    let mut page = Page::new(theme, width);
    let id = state.sheet().map(|(id, _)| id);
    let draft = id.and_then(|id| state.drafts.get(&id));
    // The lines of the one under the cursor.
    let (mut focus, mut end) = (0, None);
    let mut open = 0;
    if let (Some(id), Some(draft)) = (id, draft) {
        open = draft.open_conflicts();
        let (who, short) = match drafts::who(state, id) {
            Some((who, at)) => {
                let ago = theme.times.ago(at, now);
                (
                    format!("{who} changed these {ago}, and so did you."),
                    format!("{who}, {ago}"),
                )
            }
            None if draft.joined => (
                "Two cockpits of yours changed these: mine is this one.".to_owned(),
                "Two cockpits of yours".to_owned(),
            ),
            None => (
                "Somebody changed these, and so did you.".to_owned(),
                "Changed by somebody".to_owned(),
            ),
        };
        head.text(if columns(&who) > width { &short } else { &who }, theme.text);
        let copies = [draft.base.as_ref(), &draft.mine];
        for (at, conflict) in draft.conflicts.iter().enumerate() {
            if at > 0 && at == selected + 1 {
                end = Some(page.len());
            }
            page.blank();
            let on = at == selected.min(draft.conflicts.len().saturating_sub(1));
            if on {
                focus = page.len();
            }
            let path = &conflict.both.path;
            let label = if on { theme.accent } else { theme.text };
            page.line(vec![(path.label(&copies), label)]);
            let blanks = " ".repeat(usize::from(columns(theme.glyphs.checkbox(false))));
            page.hanging(
                &[(format!("  {blanks} {:<7} ", "it was"), theme.dim)],
                &path.show(&conflict.both.base),
                theme.dim,
            );
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
    let height = rows(head.len() + page.len());
    let above = |room: u16| {
        if room > 3 {
            rows(head.len()).min(room / 2)
        } else {
            0
        }
    };
    let title = "Both of you changed";
    let end = end.unwrap_or(page.len());
    let further = (state
        .keymap
        .keys(&[Context::Conflicts], Command::ScrollDown)
        .next())
    .filter(|_| {
        width >= 50
            && end - focus
                > usize::from(
                    canvas
                        .inside_height()
                        .saturating_sub(above(canvas.inside_height())),
                )
    });
    let further = further.map(|key| format!("{} further", key_text(key)));
    let later = state.keymap.key_at(Context::Conflicts, Command::Back);
    let later = later.map(|key| format!("{} later", key_text(key)));
    let right: Vec<String> = further.into_iter().chain(later).collect();
    let right = right.join(", ");
    canvas.boxed(title, &right, (width, height), |pen| {
        let (wide, high, above) = (pen.width(), pen.height(), above(pen.height()));
        head.draw(&mut pen.part(0, 0, wide, above), 0);
        let mut pen = pen.part(0, above, wide, high - above);
        let rows = usize::from(pen.height());
        // As much of it as there is room for, from its beginning; what is left of it is scrolled to.
        let first =
            crate::tui::sheet::offset(focus, page.len(), rows).max(focus.min(end.saturating_sub(rows)));
        let last = end.saturating_sub(rows).saturating_sub(first);
        page.draw(&mut pen, first + scroll.min(last));
        (Laid { rows, last }, None)
    })
}
