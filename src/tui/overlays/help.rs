//! `?`: the keys that work here.

use ratatui::layout::Position;

use super::{CLOSES, Canvas, WIDEST, corner, rows};
use crate::cockpit::keymap::{COMMANDS, Context};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::contexts_under;
use crate::tui::chrome::key_text;
use crate::tui::page::Page;

/// Draws the panel.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    below: &[Overlay],
    scroll: usize,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let contexts = contexts_under(state, below);
    let width = canvas.inside_width(WIDEST);
    let mut page = Page::new(theme, width);
    for context in &contexts {
        let mut titled = false;
        for entry in COMMANDS {
            let keys: Vec<String> = state
                .keymap
                .keys(&contexts, entry.command)
                .filter(|key| state.keymap.command(&[*context], *key) == Some(entry.command))
                .map(key_text)
                .collect();
            if keys.is_empty() {
                continue;
            }
            if !titled {
                page.heading(context.title(), context_hint(*context));
                titled = true;
            }
            let keys = format!("{:<14} ", keys.join(" "));
            page.hanging(&[(keys, theme.key)], entry.help, theme.text);
        }
    }
    let height = rows(page.len());
    let closes = corner(&state.keymap, &[CLOSES]);
    let laid = canvas.boxed("Keys that work here", &closes, (width, height), |pen| {
        page.draw(pen, scroll)
    });
    (laid, None)
}

fn context_hint(context: Context) -> &'static str {
    match context {
        Context::Rows => "rows and lines",
        _ => "",
    }
}
