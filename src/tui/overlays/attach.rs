//! `w`: how code asks for a variant and attaches the attribution to its events.

use ratatui::layout::Position;

use super::{Canvas, WIDEST, rows};
use crate::cockpit::state::{Laid, State};
use crate::domain::AssignmentMode;
use crate::tui::page::Page;

/// Draws the panel.
pub fn draw(canvas: &mut Canvas<'_, '_>, state: &State, scroll: usize) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let mut page = Page::new(theme, width);
    let config = state.open.as_deref().and_then(|d| d.config());
    let key = config.map_or("KEY", |e| e.key.as_str());
    let api = &state.settings.api;
    let (subject, id) = match config.map(|e| e.assignment_mode) {
        Some(AssignmentMode::Session) => ("\"session_id\": \"s-1\"", "\"sessionId\": \"s-1\""),
        Some(AssignmentMode::Event) => ("\"event_id\": \"e-1\"", "\"id\": \"e-1\""),
        _ => ("\"user_id\": \"u-1\"", "\"profileId\": \"u-1\""),
    };
    page.heading("1. Ask for the variant", "");
    for line in [
        format!("curl {api}/experiments/assign \\"),
        "  -H \"Authorization: Bearer $SPLITDECK_TOKEN\" \\".to_owned(),
        "  -H 'Content-Type: application/json' \\".to_owned(),
        format!("  -d '{{\"experimentId\": \"{key}\", {subject}}}'"),
    ] {
        page.line(vec![(line, theme.text)]);
    }
    page.text(
        "Serve \"variantId\"; keep \"attribution\" from the answer.",
        theme.dim,
    );
    page.heading("2. Attach the attribution to every event", "");
    for line in [
        format!("curl {api}/track \\"),
        "  -H \"Authorization: Bearer $SPLITDECK_TOKEN\" \\".to_owned(),
        "  -H 'Content-Type: application/json' \\".to_owned(),
        format!("  -d '{{\"name\": \"checkout\", {id},"),
        "       \"properties\": {…what happened, and all of \"attribution\"…}}'".to_owned(),
    ] {
        page.line(vec![(line, theme.text)]);
    }
    page.text(
        "Every event that carries it counts as an exposure, so the first one belongs where the variant is \
         seen. Events of the primary metric convert a subject from its first exposure on, with or without \
         attribution.",
        theme.dim,
    );
    let height = rows(page.len());
    let title = format!("Wire up {key}");
    let laid = canvas.boxed(&title, "Esc closes", (width, height), |pen| {
        page.draw(pen, scroll)
    });
    (laid, None)
}
