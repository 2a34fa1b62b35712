//! `,`: theme and glyphs, with the theme itself as the preview, and which keys are the user's own.

use ratatui::layout::Position;
use ratatui::style::Style;

use super::{Canvas, WIDEST, corner, rows};
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::overlay::SettingsPanel;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::preferences::{Choice, choices, line_for};
use crate::tui::chrome::from_the_left;
use crate::tui::page::{Span, draw_spans};
use crate::tui::widgets::Pen;

/// Columns of the names.
const NAME: u16 = 16;
/// Columns of what is chosen.
const LABEL: u16 = 8;

/// A line of the panel.
enum Line<'s> {
    Choice(usize, &'s Choice),
    Spans(Vec<Span>),
}

/// Draws the panel.
pub fn draw(canvas: &mut Canvas<'_, '_>, state: &State, panel: &SettingsPanel) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let choices = choices(&state.preferences);
    // One line a choice, so that a click finds it.
    let mut lines: Vec<Line<'_>> = choices
        .iter()
        .enumerate()
        .map(|(at, choice)| Line::Choice(at, choice))
        .collect();
    let label = |word: &str| (format!("{word:<width$}", width = usize::from(LABEL)), theme.dim);
    if state.preferences.keys.is_empty() {
        let text = "as built in; [keys] in the configuration changes them";
        let shows = (Context::Global, Command::Help, "shows them");
        let text = state.keymap.after(text, ", ", &[shows]);
        lines.push(Line::Spans(vec![label("keys"), (text, theme.dim)]));
    }
    for (at, (command, keys)) in state.preferences.keys.iter().enumerate() {
        let name = format!("{command:<width$}", width = usize::from(NAME) + 3);
        let bound = match keys.is_empty() {
            true => ("no key".to_owned(), theme.dim),
            false => (keys.join(" "), theme.key),
        };
        lines.push(Line::Spans(vec![
            label(if at == 0 { "keys" } else { "" }),
            (name, theme.text),
            bound,
        ]));
    }
    let selected = lines
        .iter()
        .position(|line| matches!(line, Line::Choice(at, _) if *at == panel.selected))
        .unwrap_or(0);
    let sample = [
        ("ok", theme.ok),
        ("warn", theme.warn),
        ("danger", theme.danger),
        ("info", theme.info),
        ("changed", theme.dirty),
        ("stale", theme.stale),
        ("accent", theme.accent),
    ];
    let keep = choices.get(panel.selected).map(line_for).unwrap_or_default();
    let width = canvas.inside_width(WIDEST);
    let height = rows(lines.len() + FOOT);
    let laid = canvas.boxed(
        "Settings",
        &corner(
            &state.keymap,
            &[
                (Context::Settings, Command::Accept, "keep"),
                (Context::Settings, Command::CopyKey, "copy"),
                (Context::Always, Command::Back, "back"),
            ],
        ),
        (width, height),
        |pen| {
            let height = usize::from(pen.height());
            let shown = height.saturating_sub(FOOT).max(1);
            let first = selected
                .saturating_sub(shown / 2)
                .min(lines.len().saturating_sub(shown));
            for (y, line) in (0_u16..).zip(lines.iter().skip(first).take(shown)) {
                match line {
                    Line::Choice(at, choice) => {
                        let first = *at == 0
                            || matches!((choice, &choices[*at - 1]), (Choice::Glyphs(_), Choice::Theme(_)));
                        choice_line(pen, y, state, choice, first);
                        if *at == panel.selected {
                            pen.restyle_row(y, pen.theme.selection);
                        }
                    }
                    Line::Spans(spans) => draw_spans(pen, 1, y, spans),
                }
            }
            if height > FOOT {
                let y = pen.height() - 3;
                preview(pen, y, &sample);
                let width = pen.width().saturating_sub(1);
                let (dim, glyphs) = (pen.theme.dim, pen.glyphs());
                let keep = format!("to keep it: {keep}  below [cockpit] in");
                pen.text_within(1, y + 1, &keep, width, dim);
                let file = from_the_left(&state.preferences.file, width.saturating_sub(2), glyphs);
                pen.text(3, y + 2, &glyphs.text(&file), dim);
            }
            Laid {
                rows: shown,
                last: choices.len().saturating_sub(1),
            }
        },
    );
    (laid, None)
}

/// Lines below the choices: a blank, the colours, what to write, and where.
const FOOT: usize = 4;

/// The arms and the words of the theme, as it draws them.
fn preview(pen: &mut Pen<'_>, y: u16, sample: &[(&str, Style)]) {
    let theme = pen.theme;
    let mut x = 1;
    for slot in 0..4 {
        x = pen.text(x, y, theme.glyphs.arm(slot), theme.arm(slot)) + 1;
    }
    for (word, style) in sample {
        x = pen.text(x + 1, y, word, *style) + 1;
    }
}

fn choice_line(pen: &mut Pen<'_>, y: u16, state: &State, choice: &Choice, first: bool) {
    let theme = pen.theme;
    let look = &state.preferences.look;
    let (label, name, help, on, own) = match choice {
        Choice::Theme(name) => {
            let entry = state.preferences.themes.iter().find(|t| t.name == *name);
            let help = entry.map_or("", |t| t.description.as_str());
            let own = entry.is_some_and(|t| t.own);
            ("theme", name.as_str(), help, look.theme == *name, own)
        }
        Choice::Glyphs(glyphs) => (
            "glyphs",
            glyphs.as_str(),
            glyphs.help(),
            look.glyphs == *glyphs,
            false,
        ),
    };
    if first {
        pen.text(1, y, label, theme.dim);
    }
    let mark = if on { "*" } else { " " };
    let x = 1 + LABEL;
    pen.text(x, y, mark, theme.accent);
    pen.text_within(x + 2, y, name, NAME, theme.text);
    let width = pen.width();
    let end = if own {
        let at = width.saturating_sub(6);
        pen.text(at, y, "yours", theme.info);
        at
    } else {
        width
    };
    let start = x + 3 + NAME;
    pen.text_within(
        start,
        y,
        &theme.glyphs.text(help),
        end.saturating_sub(start + 1),
        theme.dim,
    );
}
