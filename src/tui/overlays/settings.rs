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
use crate::tui::widgets::pen::{broken, columns, fit, wrap};

/// Columns of the names.
const NAME: u16 = 16;
/// The most columns of the name of a command; those of the built-in ones have fewer.
const MOST_NAME: u16 = 28;
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
    let width = canvas.inside_width(WIDEST);
    let names = state.preferences.keys.keys().map(|name| columns(name));
    let of_names = names.max().unwrap_or(0).clamp(NAME + 1, MOST_NAME) + 2;
    let of_keys = width.saturating_sub(1 + LABEL + of_names).max(1);
    for (at, (command, keys)) in state.preferences.keys.iter().enumerate() {
        // All of them, in as many lines as they take.
        let bound = match keys.is_empty() {
            true => vec![("no key".to_owned(), theme.dim)],
            false => wrap(&broken(&keys.join(" "), of_keys), of_keys, u16::MAX, theme.glyphs)
                .into_iter()
                .map(|line| (line, theme.key))
                .collect(),
        };
        for (line, bound) in bound.into_iter().enumerate() {
            let (word, name) = match (at, line) {
                (0, 0) => ("keys", command.as_str()),
                (_, 0) => ("", command.as_str()),
                _ => ("", ""),
            };
            let name = fit(name, of_names - 2, theme.glyphs);
            let name = format!("{name:<width$}", width = usize::from(of_names));
            lines.push(Line::Spans(vec![label(word), (name, theme.text), bound]));
        }
    }
    // The cursor goes on to the keys, line by line: there may be more of them than there is room.
    let last = match state.preferences.keys.is_empty() {
        true => choices.len().saturating_sub(1),
        false => lines.len() - 1,
    };
    let selected = panel.selected.min(last);
    let sample = [
        ("ok", theme.ok),
        ("warn", theme.warn),
        ("danger", theme.danger),
        ("info", theme.info),
        ("changed", theme.dirty),
        ("stale", theme.stale),
        ("accent", theme.accent),
    ];
    let choice = choices.get(selected);
    let keep = match choice {
        Some(choice) => format!("to keep it: {}  below [cockpit] in", line_for(choice)),
        None => "keys are bound below [keys] in".to_owned(),
    };
    let closes = (Context::Always, Command::Back, "back");
    let corner = match choice {
        Some(_) => corner(
            &state.keymap,
            &[
                (Context::Settings, Command::Accept, "keep"),
                (Context::Settings, Command::CopyKey, "copy"),
                closes,
            ],
        ),
        None => corner(&state.keymap, &[closes]),
    };
    let height = rows(lines.len() + FOOT);
    let laid = canvas.boxed("Settings", &corner, (width, height), |pen| {
        let height = usize::from(pen.height());
        let shown = height.saturating_sub(FOOT).max(1);
        let first = selected
            .saturating_sub(shown / 2)
            .min(lines.len().saturating_sub(shown));
        for (y, (row, line)) in (0_u16..).zip(lines.iter().enumerate().skip(first).take(shown)) {
            match line {
                Line::Choice(at, choice) => {
                    let first = *at == 0
                        || matches!((choice, &choices[*at - 1]), (Choice::Glyphs(_), Choice::Theme(_)));
                    choice_line(pen, y, state, choice, first);
                }
                Line::Spans(spans) => draw_spans(pen, 1, y, spans),
            }
            if row == selected {
                pen.restyle_row(y, pen.theme.selection);
            }
        }
        if height > FOOT {
            let y = pen.height() - 3;
            preview(pen, y, &sample);
            let width = pen.width().saturating_sub(1);
            let (dim, glyphs) = (pen.theme.dim, pen.glyphs());
            pen.text_within(1, y + 1, &keep, width, dim);
            let file = from_the_left(&state.preferences.file, width.saturating_sub(2), glyphs);
            pen.text(3, y + 2, &glyphs.text(&file), dim);
        }
        Laid { rows: shown, last }
    });
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
