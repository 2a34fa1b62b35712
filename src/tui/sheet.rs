//! Sheets of fields: what stands in them, what changed, what cannot stand there, what is typed.

mod notes;
mod typed;
mod values;
mod view;

use ratatui::style::Style;

pub use self::notes::{banners, offer, unsaved};
pub use self::typed::typed;
pub use self::values::{arm, differing, one_line, value};
pub use self::view::View;
use super::page::{Drawn, Page, Span, columns_of, draw_two, side_by_side};
use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::pen::{columns, fit};
use crate::cockpit::edit::sheet::Row;
use crate::cockpit::edit::{Cell, Sheet};
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::Laid;
use crate::cockpit::state::editor::Input;

/// Columns before a label: the mark of a change.
const MARK: u16 = 2;
/// Columns of the labels.
const LABEL: u16 = 16;
/// How much of an old value is shown beside the new one.
const OLD: u16 = 24;

/// Where something is to be typed: line and column.
#[derive(Debug, Clone, Copy, Default)]
pub struct Focus {
    /// The line of the page.
    pub line: usize,
    /// The column in it.
    pub x: u16,
    /// Columns for what is typed.
    pub width: u16,
}

/// The fields of a sheet as lines of a page; where the cursor is.
pub struct Lines<'t> {
    /// The lines.
    pub page: Page<'t>,
    /// Where the cursor is, if it is among them.
    pub focus: Option<Focus>,
}

/// Draws a sheet of labelled fields, in two columns where there is room.
pub fn draw(pen: &mut Pen<'_>, view: &View<'_>, drawn: &mut Drawn) -> Laid {
    let theme = pen.theme;
    let rows = view.sheet.rows(view.mine);
    let two = rows.iter().any(|row| row.right) && side_by_side(pen.width());
    let (left_width, right_width) = if two {
        columns_of(pen.width())
    } else {
        (pen.width(), pen.width())
    };
    let mut left = lines(theme, view, &rows, left_width, |row| !two || !row.right);
    let right = lines(theme, view, &rows, right_width, |row| two && row.right);
    if let Some(title) = heading(view) {
        let mut page = Page::new(theme, left_width);
        page.heading(&title, &hint(&view.state.keymap, view.sheet));
        let above = page.len();
        page.append_close(left.page);
        left.page = page;
        if let Some(focus) = &mut left.focus {
            focus.line += above;
        }
    }
    let height = usize::from(pen.height());
    let (focus, x0, len) = match (left.focus, right.focus) {
        (Some(focus), _) => (Some(focus), 0, left.page.len()),
        (None, Some(focus)) => (Some(focus), pen.width() - right_width, right.page.len()),
        (None, None) => (None, 0, left.page.len()),
    };
    let offset = focus.map_or(0, |focus| offset(focus.line, len, height));
    let laid = if two {
        draw_two(left.page, right.page, pen, offset, drawn)
    } else {
        left.page.draw_fields(pen, offset, drawn)
    };
    if let Some(focus) = focus {
        let width = if x0 == 0 { left_width } else { right_width };
        let y = u16::try_from(focus.line.saturating_sub(offset)).unwrap_or(u16::MAX);
        typed(pen, view, (x0, y, width), focus, &mut drawn.cursor);
    }
    laid
}

/// The first line that is shown so that line `at` is in view, of `len` lines in `rows` rows.
#[must_use]
pub fn offset(at: usize, len: usize, rows: usize) -> usize {
    at.saturating_sub(rows / 2).min(len.saturating_sub(rows))
}

/// The heading of a sheet that was opened from another one.
fn heading(view: &View<'_>) -> Option<String> {
    view.sheet.title(view.mine).filter(|title| !title.is_empty())
}

fn hint(keymap: &Keymap, sheet: Sheet) -> String {
    let keys = |adds: &str| {
        keymap.ways(&[
            (Context::Edit, Command::Add, adds),
            (Context::Edit, Command::Remove, "removes one"),
            (Context::Always, Command::Back, "goes back"),
        ])
    };
    match sheet {
        Sheet::Metric(_) => keys("adds a filter"),
        Sheet::Rule(_) => match keys("adds one") {
            keys if keys.is_empty() => "all must hold".to_owned(),
            keys => format!("all must hold; {keys}"),
        },
        _ => String::new(),
    }
}

fn lines<'t>(
    theme: &'t Theme,
    view: &View<'_>,
    rows: &[Row],
    width: u16,
    wanted: impl Fn(&Row) -> bool,
) -> Lines<'t> {
    let mut page = Page::new(theme, width);
    let mut focus = None;
    let widths = widths(theme, view, rows, width);
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| wanted(row)) {
        if let Some(section) = row.section {
            page.heading(section, "");
        }
        let first = page.len();
        let x = if row.cells.len() == 1 {
            one(&mut page, view, at, row)
        } else {
            several(&mut page, view, at, row, &widths)
        };
        if view.cursor.is_some_and(|(y, _)| y == at) {
            focus = Some(Focus {
                line: first,
                x,
                width: width.saturating_sub(x + 1),
            });
        }
        for cell in &row.cells {
            if let Some(why) = view.problem(cell) {
                below(&mut page, &why, theme.danger);
            }
        }
        if row.cells.len() == 1 {
            // Its further lines and what is wrong with it are the field too.
            page.field_at(first..page.len(), 0..width, (at, 0));
        }
    }
    Lines { page, focus }
}

/// A line below a field, where its value stands.
fn below(page: &mut Page<'_>, text: &str, style: Style) {
    let indent = MARK + label_width(page.width());
    page.hanging(&[(" ".repeat(usize::from(indent)), style)], text, style);
}

fn label_width(width: u16) -> u16 {
    if width < 40 { LABEL.min(width / 3) } else { LABEL }
}

/// The mark and the label of a row.
fn label_spans(theme: &Theme, width: u16, label: &str, mark: &str, on: bool) -> Vec<Span> {
    let room = label_width(width);
    let label = fit(label, room.saturating_sub(1), theme.glyphs).into_owned();
    let blanks = usize::from(room.saturating_sub(columns(&label)));
    vec![
        (mark.to_owned(), theme.dirty),
        (
            format!("{label}{}", " ".repeat(blanks)),
            if on { theme.accent } else { theme.dim },
        ),
    ]
}

/// Whether a row is new, changed, or as it was.
#[must_use]
pub fn mark(view: &View<'_>, cells: &[Cell]) -> &'static str {
    if cells.iter().any(|cell| view.fresh(cell)) {
        "+ "
    } else if cells.iter().any(|cell| view.old(cell).is_some()) {
        "~ "
    } else {
        "  "
    }
}

/// A row of one field; the column where its value begins.
fn one(page: &mut Page<'_>, view: &View<'_>, at: usize, row: &Row) -> u16 {
    let theme = page.theme;
    let on = view.on(at, 0);
    let Some(cell) = row.cells.first() else { return 0 };
    let old = view.old(cell);
    let width = page.width();
    let mut spans = label_spans(theme, width, &row.label, mark(view, &row.cells), on);
    let x = 1 + MARK + label_width(width);
    let editing = view.editing.filter(|editing| editing.cell == *cell);
    if let Some(editing) = editing {
        match &editing.input {
            Input::Choice { options, at } => {
                choice(page, spans, options, *at);
                return x;
            }
            Input::Line(_) => {
                spans.push((theme.glyphs.cursor_bar().to_owned(), theme.accent));
                page.line(spans);
                return x;
            }
            Input::Area(_) => {}
        }
    }
    let (text, style) = value(theme, view, cell);
    let style = match (&old, on) {
        (_, true) if !text.contains('\n') => view.style(theme, true, style),
        (Some(_), _) => theme.dirty,
        (None, _) => style,
    };
    if let Some(old) = old {
        let old = if old.trim().is_empty() {
            "none".to_owned()
        } else {
            one_line(&old)
        };
        let old = fit(&old, OLD.min(width / 3), theme.glyphs).into_owned();
        spans.push((old, theme.dim));
        spans.push((format!(" {} ", theme.glyphs.arrow()), theme.dim));
    }
    page.hanging(&spans, &text, style);
    x
}

/// The words of a choice, the chosen one marked.
fn choice(page: &mut Page<'_>, mut spans: Vec<Span>, options: &[String], at: usize) {
    let theme = page.theme;
    let (open, close) = if theme.glyphs.is_ascii() {
        ("<", ">")
    } else {
        ("‹", "›")
    };
    let chosen = options.get(at).map_or("", String::as_str);
    spans.push((format!("{open} {chosen} {close}"), theme.selection));
    page.line(spans);
    if options.len() > 1 {
        let all = options.join(" · ");
        let indent = MARK + label_width(page.width());
        page.hanging(&[(" ".repeat(usize::from(indent)), theme.dim)], &all, theme.dim);
    }
}

/// The widest value of each column of the rows with several fields, so that they line up.
fn widths(theme: &Theme, view: &View<'_>, rows: &[Row], width: u16) -> Vec<u16> {
    let mut widths: Vec<u16> = Vec::new();
    for row in rows.iter().filter(|row| row.cells.len() > 1) {
        for (at, cell) in row.cells.iter().enumerate() {
            let wide = columns(&value(theme, view, cell).0).min(width / 4);
            match widths.get_mut(at) {
                Some(widest) => *widest = (*widest).max(wide),
                None => widths.push(wide),
            }
        }
    }
    widths
}

/// A row of several fields side by side; the column where the one under the cursor begins.
fn several(page: &mut Page<'_>, view: &View<'_>, at: usize, row: &Row, widths: &[u16]) -> u16 {
    let theme = page.theme;
    let on_row = view.cursor.is_some_and(|(y, _)| y == at);
    let mark = mark(view, &row.cells);
    let mut spans = label_spans(theme, page.width(), &row.label, mark, on_row);
    let mut x = 1 + MARK + label_width(page.width());
    let mut focus = x;
    let mut options: Option<(&[String], usize)> = None;
    let line = page.len();
    for (column, cell) in row.cells.iter().enumerate() {
        let on = view.on(at, column);
        if on {
            focus = x;
        }
        let editing = view.editing.filter(|editing| editing.cell == *cell);
        let (text, style) = match editing.map(|editing| &editing.input) {
            Some(Input::Choice { options: all, at }) => {
                options = Some((all, *at));
                let chosen = all.get(*at).map_or("", String::as_str);
                (format!("‹ {chosen} ›"), theme.selection)
            }
            // What is typed is drawn over it; the others stay where they are.
            Some(Input::Line(input)) => {
                let wide = columns(input.text()).max(12) + 2;
                (" ".repeat(usize::from(wide)), theme.accent)
            }
            _ => {
                let (text, style) = value(theme, view, cell);
                let style = if view.old(cell).is_some() {
                    theme.dirty
                } else {
                    style
                };
                (text, view.style(theme, on, style))
            }
        };
        let text = if theme.glyphs.is_ascii() {
            text.replace('‹', "<").replace('›', ">")
        } else {
            text
        };
        let wide = columns(&text);
        let rest = widths.get(column).map_or(0, |width| width.saturating_sub(wide)) + 2;
        let last = column + 1 == row.cells.len();
        // The label belongs to the first field, the rest of the line to the last one.
        let from = if column == 0 { 0 } else { x };
        x += wide + rest;
        let to = if last { page.width() } else { x };
        page.field_at(line..line + 1, from..to, (at, column));
        spans.push((text, style));
        if !last {
            spans.push((" ".repeat(usize::from(rest)), theme.dim));
        }
    }
    page.line(spans);
    if let Some((options, _)) = options {
        below(page, &options.join(" · "), theme.dim);
    }
    focus
}
