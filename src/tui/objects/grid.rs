//! Rows with a cursor: a label, and columns that give way where there is no room.

use ratatui::style::Style;

use crate::cockpit::state::Laid;
use crate::cockpit::times::Times;
use crate::tui::page::Span;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::columns;

/// A column beside the label.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Its width.
    pub width: u16,
    /// Its width where there is room to spare.
    pub most: u16,
    /// Whether its texts keep to the right side, as numbers do.
    pub right: bool,
    /// How soon it gives way: the highest goes first. That of dates goes last, while they are asked for.
    pub rank: u8,
    /// Its width while moments are written as dates; none where it has no moments.
    pub dates: Option<u16>,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub const fn left(title: &'static str, width: u16, rank: u8) -> Self {
        Self {
            title,
            width,
            most: width,
            right: false,
            rank,
            dates: None,
        }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn right(title: &'static str, width: u16, rank: u8) -> Self {
        Self {
            title,
            width,
            most: width,
            right: true,
            rank,
            dates: None,
        }
    }

    /// The same of moments, or of words with moments in them, which take `dates` columns as dates.
    #[must_use]
    pub const fn of_times(self, dates: u16) -> Self {
        Self {
            dates: Some(dates),
            ..self
        }
    }

    /// The same of words that may be long: it has up to `most` columns where there is room to spare.
    #[must_use]
    pub const fn growing(self, most: u16) -> Self {
        Self { most, ..self }
    }

    /// As it is while moments are written so: its title, and the column with its width.
    fn written(self, times: Times) -> (String, Self) {
        match self.dates.filter(|_| times.are_dates()) {
            // Dates were asked for: other columns give way before them.
            Some(width) => (
                times.title(self.title),
                Self {
                    width,
                    most: width,
                    rank: 0,
                    ..self
                },
            ),
            None => (self.title.to_owned(), self),
        }
    }
}

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    /// A glyph in front.
    pub mark: (&'static str, Style),
    /// What it is.
    pub label: Span,
    /// The other columns.
    pub cells: Vec<Span>,
}

/// Blank columns between two columns.
const GAP: u16 = 2;
/// The glyph with the blanks around it.
const MARK: u16 = 3;
/// The least that a label gets before columns give way.
const LEAST_LABEL: u16 = 14;

/// Draws titles and those rows that are in view; `longest_label` is the width of the longest label. How wide a column
/// is follows from all rows, so that none moves while one scrolls.
pub fn draw(
    pen: &mut Pen<'_>,
    title: &str,
    longest_label: u16,
    all: &[Column],
    count: usize,
    selected: usize,
    row: impl Fn(usize) -> Row,
) -> Laid {
    let (width, height) = (pen.width(), pen.height());
    let times = pen.theme.times;
    let (titles, mut all): (Vec<String>, Vec<Column>) =
        all.iter().map(|column| column.written(times)).unzip();
    let mut shown: Vec<usize> = (0..all.len()).collect();
    let taken =
        |shown: &[usize], all: &[Column]| -> u16 { shown.iter().map(|at| all[*at].width + GAP).sum() };
    let wanted = longest_label.clamp(LEAST_LABEL, 40);
    while MARK + wanted + taken(&shown, &all) > width {
        let Some(last) = shown
            .iter()
            .enumerate()
            .max_by_key(|(_, at)| all[**at].rank)
            .map(|(n, _)| n)
        else {
            break;
        };
        shown.remove(last);
    }
    let label = width
        .saturating_sub(MARK + taken(&shown, &all))
        .min(wanted.max(LEAST_LABEL));
    let dim = pen.theme.dim;
    let titled = u16::from(height >= 3);
    let rows = usize::from(height - titled);
    let first = selected.saturating_sub(rows / 2).min(count.saturating_sub(rows));
    let grows = shown.iter().any(|at| all[*at].most > all[*at].width);
    let (measured, above) = if grows {
        (0..count, first)
    } else {
        (first..count.min(first + rows), 0)
    };
    let measured: Vec<Row> = measured.map(row).collect();
    // What there is room for beside all of it goes to words that are longer than their column.
    let mut spare = width.saturating_sub(MARK + label + taken(&shown, &all));
    let mut by_rank = shown.clone();
    by_rank.sort_by_key(|at| all[*at].rank);
    for at in by_rank {
        let texts = measured.iter().filter_map(|row| row.cells.get(at));
        let wanted = longest(texts.map(|(text, _)| text.as_str())).min(all[at].most);
        let more = wanted.saturating_sub(all[at].width).min(spare);
        all[at].width += more;
        spare -= more;
    }
    if titled > 0 {
        pen.text_within(MARK, 0, title, label, dim);
        let mut x = MARK + label + GAP;
        for at in &shown {
            cell(pen, x, 0, &all[*at], &(titles[*at].clone(), dim));
            x += all[*at].width + GAP;
        }
    }
    for ((y, at), row) in (titled..height)
        .zip(first..)
        .zip(measured.into_iter().skip(above))
    {
        pen.text(1, y, row.mark.0, row.mark.1);
        let text = pen.glyphs().text(&row.label.0);
        pen.text_within(MARK, y, &text, label, row.label.1);
        let mut x = MARK + label + GAP;
        for column in &shown {
            if let Some(span) = row.cells.get(*column) {
                cell(pen, x, y, &all[*column], span);
            }
            x += all[*column].width + GAP;
        }
        if at == selected {
            pen.restyle_row(y, pen.theme.selection);
        }
    }
    Laid {
        rows,
        last: count.saturating_sub(1),
    }
}

fn cell(pen: &mut Pen<'_>, x: u16, y: u16, column: &Column, (text, style): &Span) {
    let text = pen.glyphs().text(text);
    if column.right {
        pen.text_before(x + column.width, y, &text, column.width, *style);
    } else {
        pen.text_within(x, y, &text, column.width, *style);
    }
}

/// The width of the longest of some labels.
pub fn longest<'a>(labels: impl Iterator<Item = &'a str>) -> u16 {
    labels.map(columns).max().unwrap_or(0)
}
