//! Something that is shown only once.

use ratatui::layout::Position;

use super::{Canvas, WIDEST, rows};
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::Laid;
use crate::cockpit::state::objects::Secret;
use crate::tui::chrome::keyed;
use crate::tui::page::Page;

/// What is to be copied, whole, in pieces of at most `width` characters: it is ASCII.
fn pieces(text: &str, width: u16) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(usize::from(width))
        .map(|piece| piece.iter().collect())
        .collect()
}

/// Draws the panel.
pub fn draw(canvas: &mut Canvas<'_, '_>, keymap: &Keymap, secret: &Secret) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let mut page = Page::new(theme, width);
    let pieces = pieces(&secret.text, width.saturating_sub(2).max(1));
    for piece in &pieces {
        page.line(vec![(piece.clone(), theme.heading)]);
    }
    if pieces.len() > 1 {
        page.text("One piece, here in several lines.", theme.dim);
    }
    page.blank();
    page.text(&secret.note, if secret.copied { theme.dim } else { theme.warn });
    page.blank();
    let closes = match secret.asked && !secret.copied {
        true => "closes it, not copied",
        false => "closes",
    };
    let keys = [
        (Context::Secret, Command::CopySecret, "copies it"),
        (Context::Always, Command::Back, closes),
    ];
    let mut spans = keyed(theme, keymap, &keys);
    if let Some((first, _)) = spans.first_mut() {
        *first = first.trim_start().to_owned();
    }
    page.line(spans);
    let right = if secret.copied { "" } else { "shown once" };
    let laid = canvas.boxed(&secret.title, right, (width, rows(page.len())), |pen| {
        page.draw(pen, 0)
    });
    (laid, None)
}
