//! `I`: the bulk imports of an experiment, and how far each is.

use jiff::Timestamp;
use ratatui::layout::Position;
use ratatui::style::Style;

use super::{CLOSES, Canvas, WIDEST, corner, rows};
use crate::api::imports::{Import, ImportState};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::import::ImportsPanel;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::{flag, import};
use crate::tui::objects::again;
use crate::tui::theme::Theme;
use crate::tui::widgets::empty::empty;
use crate::tui::widgets::pen::{columns, fit_middle};

/// Columns of a key and of the name of a file, at least, where they have as many.
const LEAST_KEY: u16 = 12;

/// How far an import is, in words.
#[must_use]
pub fn progress(theme: &Theme, import: &Import) -> (String, Style) {
    let of = format!("{} of {} chunks in force", import.applied_chunks, import.chunks);
    match import.state {
        ImportState::Staged => ("staged, nothing in force".to_owned(), theme.warn),
        ImportState::Applying => (format!("unfinished: {of}"), theme.warn),
        ImportState::Applied => ("in force".to_owned(), theme.ok),
        ImportState::Undoing => (format!("undo unfinished: {of}"), theme.warn),
        ImportState::Undone => (
            match import.kept {
                0 => "undone".to_owned(),
                n => format!("undone, {} left alone", format::count(n)),
            },
            theme.dim,
        ),
    }
}

/// Draws the panel.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    panel: &ImportsPanel,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let Some(overrides) = import::overrides(state) else {
        return (Laid::default(), None);
    };
    let imports = overrides.imports.value.as_deref();
    let height = imports.map_or(4, |all| rows(all.len() * 2)).clamp(4, 30);
    let name = match (flag::target(state), state.open.as_deref()) {
        (Some(flag), _) => flag.key.as_str(),
        (None, detail) => detail.map_or("", |detail| detail.name.as_str()),
    };
    let title = format!("Imports into {name}");
    let hint = corner(
        &state.keymap,
        &[
            (Context::Imports, Command::Press, "open"),
            (Context::Imports, Command::ImportUndo, "undo"),
            (Context::Imports, Command::ImportForget, "forgets"),
            CLOSES,
        ],
    );
    let laid = canvas.boxed(&title, &hint, (width, height), |pen| match imports {
        None | Some([]) => {
            match (&overrides.imports.failure, imports) {
                (Some(failure), None) => {
                    let text = format!("Cannot load the imports: {}", failure.message);
                    empty(pen, &text, &again(&state.keymap, failure));
                }
                (None, None) => {
                    pen.text(0, 0, &theme.glyphs.text("Asking for the imports …"), theme.dim);
                }
                (_, Some(_)) => {
                    let takes = "among the overrides takes up to a million ids at once, with a dry run first";
                    let takes = (Context::Overrides, Command::Import, takes);
                    let hint = state.keymap.sentence("", &[takes]);
                    empty(pen, "Nothing was imported in bulk yet.", &hint);
                }
            }
            Laid::default()
        }
        Some(all) => {
            let selected = panel.selected.min(all.len() - 1);
            let shown = usize::from(pen.height() / 2).max(1);
            let first = selected
                .saturating_sub(shown / 2)
                .min(all.len().saturating_sub(shown));
            for (n, (at, import)) in (0_u16..).zip(all.iter().enumerate().skip(first).take(shown)) {
                let y = n * 2;
                let (text, style) = progress(theme, import);
                let from = import.source_name.as_deref().unwrap_or("somewhere");
                // How far it is stands behind the key, which gives way to it.
                let text = theme.glyphs.text(&text);
                let head = format!("{} ids {} ", format::count(import.unique), theme.glyphs.arrow());
                let by = format!(", by {}", import.subject_type.as_str());
                let beside = columns(&head) + columns(&by) + columns(&text) + 2;
                let room = pen.width().saturating_sub(beside).max(LEAST_KEY);
                let key = fit_middle(import.variant.as_str(), room, theme.glyphs);
                let end = pen.text(0, y, &format!("{head}{key}{by}"), theme.text);
                pen.text(end + 2, y, &text, style);
                if at == selected {
                    pen.restyle_row(y, theme.selection);
                }
                let rest = format!(
                    ", {} by {}, {}",
                    import.sha256.get(..8).unwrap_or_default(),
                    import.actor,
                    theme.times.ago(import.updated_at, now)
                );
                let room = pen.width().saturating_sub(columns(&rest) + 7).max(LEAST_KEY);
                let from = fit_middle(from, room, theme.glyphs);
                let below = format!("  from {from}{rest}");
                pen.text(0, y + 1, &theme.glyphs.text(&below), theme.dim);
            }
            Laid {
                rows: shown,
                last: all.len() - 1,
            }
        }
    });
    (laid, None)
}
