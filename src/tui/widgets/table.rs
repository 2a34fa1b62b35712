//! Tables: a label on the left, numbers right-aligned, columns that give way when there is no room.

use ratatui::style::Style;

use super::Pen;
use super::heading::Heading;
use super::pen::{columns, fit_middle, wrap};
use crate::tui::glyphs::Glyphs;

/// Which side of its column a text keeps to.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    #[default]
    Right,
}

/// A column beside the label.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// Its title; units belong here.
    pub title: String,
    /// Style of the title; the theme's `dim` where none is set.
    pub style: Option<Style>,
    /// Where its texts stand.
    pub align: Align,
    /// Its least width, wide enough for what may come, so that columns do not jump when numbers grow.
    pub min: u16,
    /// How soon it gives way: the highest goes first, 0 never.
    pub rank: u8,
}

/// A text in the table.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How; the theme's `text` where none is set.
    pub style: Option<Style>,
}

impl Cell {
    /// A cell in the style of data.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            style: None,
        }
    }

    /// A cell in another style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style: Some(style),
        }
    }
}

/// A row.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// A glyph in front of the label, such as an arm's.
    pub mark: Option<(&'static str, Style)>,
    /// The label.
    pub label: Cell,
    /// The other columns; missing ones stay blank.
    pub cells: Vec<Cell>,
}

/// A table under its heading.
#[derive(Debug, Clone, Default)]
pub struct Table<'a> {
    /// The heading.
    pub heading: Heading<'a>,
    /// The columns beside the label.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// The least width of the label's column, without its glyph.
    pub label_min: u16,
    /// The first row that is shown.
    pub offset: usize,
    /// How many more rows there are that are not in `rows`.
    pub more: u64,
    /// Whether the titles of the columns always have a line of their own.
    pub stacked: bool,
    /// What is said where there are no rows, and no columns need to be titled.
    pub note: String,
}

/// Blank columns between two columns.
const GAP: u16 = 2;
/// Blank columns at the left edge, and the glyph with its blank.
const LEFT: u16 = 3;
/// The most lines of a note.
const NOTE_LINES: u16 = 3;
/// The least and the most that a label gets.
const LABEL: std::ops::RangeInclusive<u16> = 8..=44;
/// To so many columns a label is shortened before a number goes. One with a glyph is known by that, and is shortened to
/// the least before one of the columns goes that are no extras.
const SHORTENED: u16 = 12;

/// Columns of this rank and above are extras: they also give way so that the titles of the others fit beside
/// the heading.
pub const EXTRA: u8 = 8;

/// Where everything goes.
struct Plan {
    /// Width of the label.
    label: u16,
    /// For each column that is shown: its index, the column of the screen after it, its width.
    columns: Vec<(usize, u16, u16)>,
    /// Whether the titles of the columns fit beside the heading.
    one_line: bool,
}

impl Table<'_> {
    /// The rows it takes when all are shown.
    #[must_use]
    pub fn height(&self, width: u16) -> u16 {
        if self.rows.is_empty() {
            let note = wrap(
                &self.note,
                width.saturating_sub(LEFT),
                NOTE_LINES,
                Glyphs::Braille,
            );
            return 1 + u16::try_from(note.len()).unwrap_or(u16::MAX);
        }
        let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        rows.saturating_add(self.heading_height(width))
            .saturating_add(u16::from(self.more > 0))
    }

    /// The rows of the heading: one, or two when the titles of the columns do not fit beside it.
    #[must_use]
    pub fn heading_height(&self, width: u16) -> u16 {
        if self.rows.is_empty() || self.plan(width).one_line {
            1
        } else {
            2
        }
    }

    /// Whether a column is shown at this width.
    #[must_use]
    pub fn shows(&self, width: u16, column: usize) -> bool {
        self.plan(width)
            .columns
            .iter()
            .any(|(index, ..)| *index == column)
    }

    /// The same rows with the columns that are not shown at this width; none when all are.
    #[must_use]
    pub fn without_shown(&self, width: u16) -> Option<Self> {
        let hidden: Vec<usize> = (0..self.columns.len())
            .filter(|index| !self.shows(width, *index))
            .collect();
        if hidden.is_empty() {
            return None;
        }
        let pick = |row: &Row| Row {
            cells: hidden
                .iter()
                .map(|index| row.cells.get(*index).cloned().unwrap_or_default())
                .collect(),
            ..row.clone()
        };
        Some(Self {
            columns: hidden.iter().map(|index| self.columns[*index].clone()).collect(),
            rows: self.rows.iter().map(pick).collect(),
            ..self.clone()
        })
    }

    fn plan(&self, width: u16) -> Plan {
        let all = self.plan_of(width, u8::MAX);
        if all.one_line || self.stacked {
            return all;
        }
        let without_extras = self.plan_of(width, EXTRA - 1);
        if without_extras.one_line {
            without_extras
        } else {
            all
        }
    }

    /// The plan with columns up to a rank.
    fn plan_of(&self, width: u16, highest: u8) -> Plan {
        let widths: Vec<u16> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
                let widest = cells.map(|cell| columns(&cell.text)).max().unwrap_or(0);
                widest.max(columns(&column.title)).max(column.min)
            })
            .collect();
        let labels = self
            .rows
            .iter()
            .map(|row| columns(&row.label.text))
            .max()
            .unwrap_or(0);
        let label = labels.max(self.label_min).clamp(*LABEL.start(), *LABEL.end());
        let mut shown: Vec<usize> = (0..self.columns.len())
            .filter(|index| self.columns[*index].rank <= highest)
            .collect();
        let total = |shown: &[usize], label: u16| {
            let cells: u32 = shown
                .iter()
                .map(|index| u32::from(widths[*index]) + u32::from(GAP))
                .sum();
            cells + u32::from(label) + u32::from(LEFT)
        };
        // Columns give way before the label is cut to less than half of what it needs. A long one needs less: its ends
        // tell it from the others, and no other place has the numbers.
        let short = (label / 2).min(SHORTENED).max(*LABEL.start());
        let marked = self.rows.iter().all(|row| row.mark.is_some());
        let least = |shown: &[usize]| {
            let extras = shown.iter().any(|index| self.columns[*index].rank >= EXTRA);
            if marked && !extras { *LABEL.start() } else { short }
        };
        while total(&shown, least(&shown)) > u32::from(width) {
            let goes = shown
                .iter()
                .enumerate()
                .filter(|(_, index)| self.columns[**index].rank > 0)
                .max_by_key(|(at, index)| (self.columns[**index].rank, *at));
            let Some((at, _)) = goes else { break };
            shown.remove(at);
        }
        let cells = total(&shown, 0);
        let room = u32::from(width).saturating_sub(cells);
        let title = u32::from(self.title_width());
        // The heading and the columns' titles share a line where they can.
        let one_line = !self.stacked
            && (shown.iter().all(|index| self.columns[*index].title.is_empty())
                || title < room.min(u32::from(*LABEL.end())) + u32::from(LEFT));
        let mut label = u32::from(label).min(room);
        if one_line && !shown.is_empty() {
            label = label.max((title + 1).saturating_sub(u32::from(LEFT)).min(room));
        }
        let label = u16::try_from(label).unwrap_or(u16::MAX);
        let mut end = label.saturating_add(LEFT);
        let columns = shown
            .into_iter()
            .map(|index| {
                end = end.saturating_add(GAP).saturating_add(widths[index]);
                (index, end, widths[index])
            })
            .collect();
        Plan {
            label,
            columns,
            one_line,
        }
    }

    /// Columns of title and detail, with the blank before them.
    fn title_width(&self) -> u16 {
        let detail = columns(self.heading.detail);
        let detail = if detail > 0 { detail.saturating_add(1) } else { 0 };
        columns(self.heading.title)
            .saturating_add(1)
            .saturating_add(detail)
    }

    /// Draws heading and rows; where rows are left over, the last line says how many.
    pub fn draw(&self, pen: &mut Pen<'_>) {
        let theme = pen.theme;
        if self.rows.is_empty() {
            self.heading.draw(pen);
            let glyphs = pen.glyphs();
            let width = pen.width().saturating_sub(LEFT);
            for (y, line) in (1..).zip(wrap(&self.note, width, NOTE_LINES, glyphs)) {
                pen.text(LEFT, y, &glyphs.text(&line), theme.dim);
            }
            return;
        }
        let plan = self.plan(pen.width());
        let titles = if plan.one_line { 0 } else { 1 };
        if plan.one_line
            && plan
                .columns
                .iter()
                .any(|(index, ..)| !self.columns[*index].title.is_empty())
        {
            let end = self.heading.draw_title(pen, 0);
            let first = plan
                .columns
                .first()
                .map_or(pen.width(), |(index, column_end, width)| {
                    let title = columns(&self.columns[*index].title);
                    match self.columns[*index].align {
                        Align::Right => column_end.saturating_sub(title),
                        Align::Left => column_end.saturating_sub(*width),
                    }
                });
            let style = self.heading.rule_style(pen);
            let rule = pen.glyphs().rule();
            // A rule shorter than this is a speck.
            if end + 4 < first {
                pen.repeat(end + 1, 0, first - end - 3, rule, style);
            }
        } else {
            self.heading.draw(pen);
        }
        for (index, end, width) in &plan.columns {
            let column = &self.columns[*index];
            let style = column.style.unwrap_or(theme.dim);
            self.cell(pen, titles, *end, *width, column.align, &column.title, style);
        }

        let top = titles + 1;
        let room = usize::from(pen.height().saturating_sub(top));
        let offset = self.offset.min(self.rows.len().saturating_sub(1));
        let left = &self.rows[offset.min(self.rows.len())..];
        let hidden = |shown: usize| {
            u64::try_from(left.len().saturating_sub(shown))
                .unwrap_or(u64::MAX)
                .saturating_add(self.more)
        };
        let shown = if hidden(room) > 0 && room > 0 {
            (room - 1).min(left.len())
        } else {
            room.min(left.len())
        };
        let mut y = top;
        for row in &left[..shown] {
            self.row(pen, y, row, &plan);
            y += 1;
        }
        if hidden(shown) > 0 {
            let text = format!(
                "{} {} more",
                pen.glyphs().more()[1],
                crate::cockpit::format::count(hidden(shown))
            );
            pen.text(LEFT, y, &text, theme.dim);
        }
    }

    fn row(&self, pen: &mut Pen<'_>, y: u16, row: &Row, plan: &Plan) {
        let theme = pen.theme;
        if let Some((glyph, style)) = row.mark {
            pen.text(1, y, glyph, style);
        }
        let style = row.label.style.unwrap_or(theme.text);
        let label = match row.mark {
            // Keys often differ in their ends.
            Some(_) => fit_middle(&row.label.text, plan.label, pen.glyphs()),
            None => row.label.text.as_str().into(),
        };
        pen.text_within(LEFT, y, &label, plan.label, style);
        for (index, end, width) in &plan.columns {
            if let Some(cell) = row.cells.get(*index) {
                let style = cell.style.unwrap_or(theme.text);
                self.cell(
                    pen,
                    y,
                    *end,
                    *width,
                    self.columns[*index].align,
                    &cell.text,
                    style,
                );
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a place, a text and how it stands there"
    )]
    fn cell(&self, pen: &mut Pen<'_>, y: u16, end: u16, width: u16, align: Align, text: &str, style: Style) {
        match align {
            Align::Right => {
                pen.text_before(end, y, text, width, style);
            }
            Align::Left => {
                pen.text_within(end.saturating_sub(width), y, text, width, style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::testing::{draw, lines};

    fn table() -> Table<'static> {
        let column = |title: &str, min, rank| Column {
            title: title.into(),
            min,
            rank,
            ..Column::default()
        };
        let row = |label: &str, cells: [&str; 3]| Row {
            mark: Some(("◆", Style::default())),
            label: Cell::new(label),
            cells: cells.map(Cell::new).into(),
        };
        Table {
            heading: Heading {
                title: "Results",
                detail: "· buy",
                ..Heading::default()
            },
            columns: vec![
                column("subjects", 9, 2),
                column("rate", 7, 0),
                column("P(best)", 7, 1),
            ],
            rows: vec![
                row("control", ["44,700", "19.02 %", "99.9 %"]),
                row("gate_40", ["45,489", "18.20 %", "0.1 %"]),
            ],
            ..Table::default()
        }
    }

    /// The results at 80 columns: where a key ends tells more than where a number was.
    #[test]
    fn a_long_label_is_shortened_before_a_number_goes() {
        let long = [
            "a-treatment-with-a-key-of-forty-letters1",
            "a-treatment-with-a-key-of-forty-letters2",
        ];
        let columns = [
            ("subjects", 9, 6),
            ("converted", 9, 5),
            ("rate", 7, 0),
            ("95 % interval", 13, 4),
        ];
        let columns = columns.into_iter().chain([("P(best)", 7, 1), ("uplift", 8, 3)]);
        let table = Table {
            columns: columns
                .map(|(title, min, rank)| Column {
                    title: title.into(),
                    min,
                    rank,
                    ..Column::default()
                })
                .collect(),
            rows: long
                .map(|label| Row {
                    mark: Some(("◆", Style::default())),
                    label: Cell::new(label),
                    cells: vec![Cell::new("31,502")],
                })
                .into(),
            ..Table::default()
        };
        assert!((0..6).all(|column| table.shows(80, column)));
        let seen = lines(&draw(80, 4, |pen| table.draw(pen))).join("\n");
        for words in ["subjects", "31,502", "rs1 ", "rs2 ", "a-treat"] {
            assert!(seen.contains(words), "{words}: {seen}");
        }
    }

    #[test]
    fn numbers_stand_under_their_titles() {
        let buf = draw(50, 3, |pen| table().draw(pen));
        let expected = [
            " Results · buy    subjects     rate  P(best)",
            " ◆ control          44,700  19.02 %   99.9 %",
            " ◆ gate_40          45,489  18.20 %    0.1 %",
        ];
        assert_eq!(lines(&buf), expected);
    }

    #[test]
    fn columns_give_way_by_rank_and_the_titles_take_a_line_of_their_own() {
        let buf = draw(30, 4, |pen| table().draw(pen));
        let expected = [
            " Results · buy ───────────────",
            "                rate  P(best)",
            " ◆ control   19.02 %   99.9 %",
            " ◆ gate_40   18.20 %    0.1 %",
        ];
        assert_eq!(lines(&buf), expected);
        let buf = draw(20, 4, |pen| table().draw(pen));
        let expected = [
            " Results · buy ─────",
            "                rate",
            " ◆ control   19.02 %",
            " ◆ gate_40   18.20 %",
        ];
        assert_eq!(lines(&buf), expected);
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let mut table = table();
        table.more = 40;
        table.rows = table.rows.into_iter().cycle().take(10).collect();
        let last = |table: &Table<'_>| lines(&draw(50, 4, |pen| table.draw(pen)))[3].clone();
        assert_eq!(last(&table), "   ↓ 48 more");
        table.offset = 9;
        assert_eq!(lines(&draw(50, 3, |pen| table.draw(pen)))[2], "   ↓ 40 more");
        table.more = 0;
        table.offset = 99;
        assert_eq!(last(&table), "");
    }
}
