//! Rows with a cursor: a label, and columns that give way where there is no room.

use ratatui::style::Style;

use crate::cockpit::state::Laid;
use crate::cockpit::state::objects::Widths;
use crate::cockpit::times::Times;
use crate::tui::page::Span;
use crate::tui::widgets::Pen;

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

/// Draws titles and those rows that are in view, and builds no others. How wide a column is follows from `widths`,
/// which are those of all rows, so that none moves while one scrolls.
pub fn draw(
    pen: &mut Pen<'_>,
    title: &str,
    widths: &Widths,
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
    let wanted = widths.label.clamp(LEAST_LABEL, 40);
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
    // What there is room for beside all of it goes to words that are longer than their column.
    let growing = (0..all.len()).filter(|at| all[*at].most > all[*at].width);
    let mut growing: Vec<(usize, u16)> = growing.zip(widths.words.iter().copied()).collect();
    growing.retain(|(at, _)| shown.contains(at));
    growing.sort_by_key(|(at, _)| all[*at].rank);
    let mut spare = width.saturating_sub(MARK + label + taken(&shown, &all));
    for (at, longest) in growing {
        let wanted = longest.min(all[at].most);
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
    for (y, at) in (titled..height).zip(first..count) {
        let row = row(at);
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::tui::widgets::testing;

    /// What a frame builds is what it shows, however many rows there are; and where it shows them moves no column.
    #[test]
    fn only_the_rows_in_view_are_built() {
        let columns = [Column::left("words", 6, 1).growing(30), Column::right("n", 9, 0)];
        let widths = Widths {
            label: 12,
            words: vec![24],
        };
        let mut titles = Vec::new();
        for (count, selected) in [(5, 0), (100_000, 0), (100_000, 50_000), (100_000, 99_999)] {
            let built = Cell::new(0);
            let drawn = testing::draw(80, 20, |pen| {
                let style = pen.theme.text;
                let row = |at: usize| {
                    built.set(built.get() + 1);
                    Row {
                        mark: ("*", style),
                        label: (format!("row-{at}"), style),
                        cells: vec![("short".to_owned(), style), (at.to_string(), style)],
                    }
                };
                draw(pen, "key", &widths, &columns, count, selected, row);
            });
            assert_eq!(built.get(), count.min(19));
            let lines = testing::lines(&drawn);
            let there = lines
                .iter()
                .any(|line| line.contains(&format!("row-{selected} ")));
            assert!(there, "{lines:?}");
            titles.push(lines[0].clone());
        }
        assert!(titles.iter().all(|title| *title == titles[0]), "{titles:?}");
        let apart = titles[0].rfind(" n").expect("a title") - titles[0].find("words").expect("a title");
        assert_eq!(
            apart,
            usize::from(24 + GAP + 9 - 2),
            "as wide as its longest word"
        );
    }
}
