//! Counts over time: one line for each arm, drawn in braille dots, or as rows of columns where the font
//! has no braille.

use ratatui::style::Style;

use super::Pen;
use super::frame::Tick;
use super::pen::columns;
use crate::cockpit::format::short_count;
use crate::tui::glyphs::Glyphs;

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its glyph and colour.
    pub mark: (&'static str, Style),
    /// Its values, oldest first; all lines have as many.
    pub values: Vec<u64>,
}

/// Lines over one time axis.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// The lines.
    pub lines: Vec<Line>,
}

/// Width of the labels of the value axis, with a blank: the longest short count.
const AXIS: u16 = 6;

impl Series {
    /// How many buckets there are.
    fn buckets(&self) -> usize {
        self.lines.iter().map(|line| line.values.len()).max().unwrap_or(0)
    }

    fn max(&self) -> u64 {
        self.lines
            .iter()
            .flat_map(|line| &line.values)
            .copied()
            .max()
            .unwrap_or(0)
    }

    /// Draws the lines.
    ///
    /// The value axis begins at 0 and ends at the largest value. Where there are more buckets than dots,
    /// a dot is the mean of its buckets.
    pub fn draw(&self, pen: &mut Pen<'_>) {
        if self.buckets() == 0 || pen.is_empty() {
            return;
        }
        match pen.glyphs() {
            Glyphs::Braille => self.braille(pen),
            Glyphs::Block | Glyphs::Ascii => self.rows(pen),
        }
    }

    /// Columns of the labels in front of the lines, in a chart `width` columns wide.
    fn axis(width: u16, glyphs: Glyphs) -> u16 {
        match glyphs {
            Glyphs::Braille if width > AXIS * 3 => AXIS,
            Glyphs::Braille => 0,
            // Glyph, blank, the longest short count, blank.
            Glyphs::Block | Glyphs::Ascii => (AXIS + 2).min(width / 3),
        }
    }

    /// Where ticks go in a chart `width` columns wide: the column of each of the buckets that `label` is
    /// asked for, as many as fit without crowding.
    pub fn ticks(&self, width: u16, glyphs: Glyphs, label: impl Fn(usize) -> String) -> Vec<Tick> {
        let buckets = self.buckets();
        let axis = Self::axis(width, glyphs);
        let plot = width.saturating_sub(axis);
        let (Some(last), true) = (buckets.checked_sub(1), width > AXIS && plot > 0) else {
            return Vec::new();
        };
        let longest = columns(&label(0)).max(columns(&label(last))) + 6;
        let count = usize::from((plot / longest).clamp(1, 8));
        let mut ticks: Vec<Tick> = Vec::new();
        // Inwards by half a label at both ends, so that the first and the last find room.
        for i in 0..count {
            let share = (i * 2 + 1) as f64 / (count * 2) as f64;
            let index = to_index(share * last as f64);
            let column = match glyphs {
                Glyphs::Braille if last == 0 => 0.0,
                Glyphs::Braille => index as f64 / last as f64 * f64::from(plot - 1),
                // A bucket is as wide as its share of the chart: the middle of it.
                Glyphs::Block | Glyphs::Ascii => {
                    ((index as f64 + 0.5) / buckets as f64 * f64::from(plot) - 0.5).max(0.0)
                }
            };
            let tick = Tick {
                at: axis + to_column(column),
                text: label(index),
            };
            if ticks.last().is_none_or(|before| before.text != tick.text) {
                ticks.push(tick);
            }
        }
        ticks
    }

    fn braille(&self, pen: &mut Pen<'_>) {
        let theme = pen.theme;
        let (width, height) = (pen.width(), pen.height());
        let axis = Self::axis(width, Glyphs::Braille);
        let plot = width - axis;
        let max = self.max();
        if axis > 0 {
            pen.text_before(axis - 1, 0, &short_count(max), axis - 1, theme.dim);
            if height > 1 {
                pen.text_before(axis - 1, height - 1, "0", axis - 1, theme.dim);
            }
        }
        let mut dots = vec![Dots::default(); usize::from(plot) * usize::from(height)];
        let (across, down) = (usize::from(plot) * 2, usize::from(height) * 4);
        for (number, line) in self.lines.iter().enumerate() {
            let heights = self.dots(&line.values, across, down, max);
            let mut before: Option<usize> = None;
            for (x, y) in heights.into_iter().enumerate() {
                let Some(y) = y else { continue };
                // A line without gaps: from where the last column ended, one dot short of it.
                let from = match before {
                    Some(before) if before < y => before + 1,
                    Some(before) if before > y => before - 1,
                    _ => y,
                };
                for y in from.min(y)..=from.max(y) {
                    let cell = (y / 4) * usize::from(plot) + x / 2;
                    if let Some(cell) = dots.get_mut(cell) {
                        cell.set(number, x % 2, y % 4);
                    }
                }
                before = Some(y);
            }
        }
        for (index, cell) in dots.iter().enumerate() {
            let Ok(index) = u16::try_from(index) else { break };
            let (x, y) = (index % plot, index / plot);
            let Some(number) = cell.owner(x) else { continue };
            let Some(line) = self.lines.get(number) else {
                continue;
            };
            pen.char(axis + x, y, cell.glyph(), line.mark.1);
        }
        self.marks(pen, axis, plot);
    }

    /// Each line's glyph at its right end, so that lines are told apart without their colours. Where two end in
    /// one place the later one steps to the left.
    fn marks(&self, pen: &mut Pen<'_>, axis: u16, plot: u16) {
        let (across, down) = (usize::from(plot) * 2, usize::from(pen.height()) * 4);
        let max = self.max();
        let mut taken: Vec<(u16, u16)> = Vec::new();
        for line in &self.lines {
            let heights = self.dots(&line.values, across, down, max);
            let places = (0..plot).rev().step_by(2).filter_map(|x| {
                let row = heights.get(usize::from(x) * 2 + 1).copied().flatten()?;
                Some((x, u16::try_from(row / 4).ok()?))
            });
            let mut free = places.filter(|place| !taken.contains(place));
            if let Some((x, y)) = free.next() {
                pen.glyph(axis + x, y, line.mark.0, line.mark.1);
                taken.push((x, y));
            }
        }
    }

    /// For each column of dots the row of its dot, from the top; none without a value.
    fn dots(&self, values: &[u64], across: usize, down: usize, max: u64) -> Vec<Option<usize>> {
        let row = |value: f64| {
            let share = if max == 0 {
                0.0
            } else {
                (value / max as f64).clamp(0.0, 1.0)
            };
            to_index((1.0 - share) * (down - 1) as f64)
        };
        let last = values.len().saturating_sub(1);
        (0..across)
            .map(|x| {
                if values.is_empty() {
                    return None;
                }
                if last == 0 {
                    // One bucket is a line as long as the chart: it has no end yet.
                    return Some(row(values[0] as f64));
                }
                let scale = last as f64 / (across - 1).max(1) as f64;
                let value = if scale > 1.0 {
                    mean_around(values, x as f64 * scale, scale)
                } else {
                    between(values, x as f64 * scale)
                };
                Some(row(value))
            })
            .collect()
    }

    /// Columns for each line, with its glyph, below each other: for fonts without braille. All of them have one scale,
    /// as in one chart, and as many rows as there is height for.
    fn rows(&self, pen: &mut Pen<'_>) {
        let theme = pen.theme;
        let label = Self::axis(pen.width(), pen.glyphs());
        let width = usize::from(pen.width() - label);
        let count = u16::try_from(self.lines.len()).unwrap_or(u16::MAX).max(1);
        // A blank row between two of them, once they have more than one.
        let each = match pen.height() / count {
            0 | 1 => 1,
            _ => (pen.height() + 1) / count - 1,
        };
        let step = if each > 1 { each + 1 } else { 1 };
        let max = self.max();
        for (number, line) in (0..count).zip(&self.lines) {
            let top = number * step;
            if top + each > pen.height() {
                break;
            }
            pen.text(0, top, line.mark.0, line.mark.1);
            // Where there are rows for an axis its upper end is named, else the line's own largest value.
            let highest = line.values.iter().copied().max().unwrap_or(0);
            let named = if each > 1 { max } else { highest };
            let mut says = |y: u16, text: &str| {
                pen.text_before(
                    label.saturating_sub(1),
                    y,
                    text,
                    label.saturating_sub(3),
                    theme.dim,
                );
            };
            says(top, &short_count(named));
            if each > 1 {
                says(top + each - 1, "0");
            }
            let values = stretched(&line.values, width);
            for y in 0..each {
                let rows = bars(&values, max, (y, each), pen.glyphs());
                pen.text(label, top + y, &rows, line.mark.1);
            }
        }
    }
}

/// One of `rows` rows, counted from the top, of columns whose highest value would be `max`.
fn bars(values: &[u64], max: u64, (row, rows): (u16, u16), glyphs: Glyphs) -> String {
    let below = u128::from(rows - 1 - row) * 8;
    // On the ground nothing at all is told from no data, and next to nothing from nothing, as in a sparkline.
    let on_ground = row + 1 == rows;
    values
        .iter()
        .map(|value| {
            let all = u128::from(*value) * 8 * u128::from(rows) + u128::from(max) / 2;
            let eighths = all.checked_div(u128::from(max)).unwrap_or(0);
            let least = match value {
                _ if !on_ground => 0,
                0 => 1,
                _ => 2,
            };
            let here = eighths.saturating_sub(below).clamp(least, 8);
            glyphs.up(usize::try_from(here).unwrap_or(8))
        })
        .collect()
}

/// The mean of the buckets within half of `width` around `at`.
fn mean_around(values: &[u64], at: f64, width: f64) -> f64 {
    let last = values.len() - 1;
    let from = to_index((at - width / 2.0).ceil().max(0.0)).min(last);
    let to = to_index((at + width / 2.0).floor()).min(last).max(from);
    let window = &values[from..=to];
    window.iter().map(|value| *value as f64).sum::<f64>() / window.len() as f64
}

/// The value at a place between two buckets.
fn between(values: &[u64], at: f64) -> f64 {
    let last = values.len() - 1;
    let left = to_index(at.floor()).min(last);
    let right = (left + 1).min(last);
    let share = at - at.floor();
    values[left] as f64 * (1.0 - share) + values[right] as f64 * share
}

/// The values over `width` columns, each column the mean of its buckets or the nearest one.
fn stretched(values: &[u64], width: usize) -> Vec<u64> {
    if values.is_empty() {
        return Vec::new();
    }
    (0..width)
        .map(|column| {
            let from = column * values.len() / width;
            let to = ((column + 1) * values.len() / width).clamp(from + 1, values.len().max(from + 1));
            let window = &values[from.min(values.len() - 1)..to.min(values.len())];
            let sum: u128 = window.iter().map(|value| u128::from(*value)).sum();
            u64::try_from(sum / (window.len().max(1) as u128)).unwrap_or(u64::MAX)
        })
        .collect()
}

/// Nearest index; below 0 is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded, and as saturates at both ends"
)]
fn to_index(at: f64) -> usize {
    at.round() as usize
}

/// Nearest column; below 0 is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded, and as saturates at both ends"
)]
fn to_column(at: f64) -> u16 {
    at.round() as u16
}

/// The bit of a dot in a braille glyph: two columns, four rows from the top.
pub(super) fn dot(x: usize, y: usize) -> u8 {
    const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    BITS[x % 2][y % 4]
}

/// The braille glyph with these dots.
pub(super) fn braille(mask: u8) -> char {
    char::from_u32(0x2800 + u32::from(mask)).unwrap_or(' ')
}

/// The dots of one cell: all of them together, and how many each line set.
#[derive(Debug, Clone, Copy, Default)]
struct Dots {
    mask: u8,
    counts: [u8; 10],
}

impl Dots {
    fn set(&mut self, line: usize, x: usize, y: usize) {
        self.mask |= dot(x, y);
        self.counts[line % 10] += 1;
    }

    /// The line with the most dots here. Lines that lie on each other take turns from column to column, so
    /// that each is seen.
    fn owner(&self, column: u16) -> Option<usize> {
        let most = self.counts.iter().copied().max().filter(|most| *most > 0)?;
        let tied = || (0..self.counts.len()).filter(|line| self.counts[*line] == most);
        tied().nth(usize::from(column) % tied().count().max(1))
    }

    fn glyph(&self) -> char {
        braille(self.mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Theme;
    use crate::tui::widgets::testing::{draw, lines};
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    fn series(values: &[&[u64]]) -> Series {
        Series {
            lines: values
                .iter()
                .map(|values| Line {
                    mark: ("◆", Style::default()),
                    values: values.to_vec(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_rising_line_rises() {
        let buf = draw(26, 3, |pen| series(&[&[0, 1200]]).draw(pen));
        let expected = [
            " 1.2k              ⢀⣀⡠⠤⠒⠒◆",
            "            ⢀⣀⠤⠤⠒⠒⠉⠁",
            "    0 ⣀⠤⠤⠒⠊⠉⠁",
        ];
        assert_eq!(lines(&buf), expected);
    }

    #[test]
    fn a_flat_line_is_at_the_top_and_nothing_at_the_bottom() {
        let drawn = lines(&draw(20, 2, |pen| series(&[&[5, 5, 5]]).draw(pen)));
        assert_eq!(drawn, ["    5 ⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉◆", "    0"]);
        let drawn = lines(&draw(20, 2, |pen| series(&[&[0, 0, 0]]).draw(pen)));
        assert_eq!(drawn, ["    0", "    0 ⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀◆"]);
        let drawn = lines(&draw(20, 2, |pen| series(&[&[7]]).draw(pen)));
        assert_eq!(drawn, ["    7 ⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉◆", "    0"]);
    }

    #[test]
    fn every_line_of_the_crowd_is_seen_in_its_colour() {
        let theme = Theme::built_in("dark").expect("built in");
        let area = Rect::new(0, 0, 26, 4);
        let mut buf = Buffer::empty(area);
        let mut both = series(&[&[10, 10], &[2, 2]]);
        both.lines[0].mark.1 = theme.arm_1;
        both.lines[1].mark.1 = theme.arm_2;
        both.draw(&mut Pen::new(&theme, area, &mut buf));
        let colour = |y| buf.cell((10, y)).expect("inside").fg;
        assert_eq!(Some(colour(0)), theme.arm_1.fg);
        assert_eq!(Some(colour(3)), theme.arm_2.fg);
    }

    #[test]
    fn lines_on_each_other_take_turns() {
        let theme = Theme::built_in("dark").expect("built in");
        let area = Rect::new(0, 0, 26, 1);
        let mut buf = Buffer::empty(area);
        let mut both = series(&[&[10, 10], &[10, 10]]);
        both.lines[0].mark.1 = theme.arm_1;
        both.lines[1].mark.1 = theme.arm_2;
        both.draw(&mut Pen::new(&theme, area, &mut buf));
        let colour = |x| Some(buf.cell((x, 0)).expect("inside").fg);
        assert_eq!((colour(10), colour(11)), (theme.arm_1.fg, theme.arm_2.fg));
    }

    #[test]
    fn each_line_ends_in_its_glyph() {
        let mut both = series(&[&[10, 10], &[10, 10], &[0, 0]]);
        for (line, mark) in both.lines.iter_mut().zip(["◆", "●", "▲"]) {
            line.mark.0 = mark;
        }
        let drawn = lines(&draw(26, 2, |pen| both.draw(pen)));
        assert_eq!(
            drawn,
            ["   10 ⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉●⠉◆", "    0 ⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀▲"]
        );
    }

    fn without_braille(glyphs: Glyphs, height: u16, series: &Series) -> Vec<String> {
        let theme = Theme::built_in("default").expect("built in").with_glyphs(glyphs);
        let area = Rect::new(0, 0, 18, height);
        let mut buf = Buffer::empty(area);
        let mut series = series.clone();
        for line in &mut series.lines {
            line.mark.0 = glyphs.arm(0);
        }
        series.draw(&mut Pen::new(&theme, area, &mut buf));
        lines(&buf)
    }

    /// A line that holds a quarter of the other is a quarter as high: a split that is wrong is seen to be.
    #[test]
    fn without_braille_each_line_has_a_row_and_all_have_one_scale() {
        let series = series(&[&[0, 1, 4, 8], &[2, 2, 0, 0]]);
        for (glyphs, expected) in [
            (Glyphs::Block, ["◆   8 ▁▁▁▂▂▂▄▄▄███", "◆   2 ▂▂▂▂▂▂▁▁▁▁▁▁"]),
            (Glyphs::Ascii, ["C   8 ...:::===@@@", "C   2 ::::::......"]),
        ] {
            assert_eq!(without_braille(glyphs, 2, &series), expected);
        }
    }

    #[test]
    fn without_braille_the_rows_fill_the_height_there_is() {
        let series = series(&[&[0, 1, 4, 8], &[2, 2, 0, 0]]);
        assert_eq!(
            without_braille(Glyphs::Block, 8, &series),
            [
                "◆   8          ███",
                "            ▄▄▄███",
                "    0 ▁▁▁▃▃▃██████",
                "",
                "◆   8",
                "",
                "    0 ▆▆▆▆▆▆▁▁▁▁▁▁",
                "",
            ]
        );
    }

    #[test]
    fn more_buckets_than_dots_are_averaged() {
        let many: Vec<u64> = (0..10_000).map(|i| if i % 2 == 0 { 10 } else { 0 }).collect();
        let drawn = lines(&draw(30, 3, |pen| series(&[&many]).draw(pen)));
        assert!(
            drawn[1].chars().filter(|c| !c.is_whitespace()).count() > 20,
            "{drawn:#?}"
        );
        assert_eq!(drawn[0].trim(), "10", "{drawn:#?}");
    }

    #[test]
    fn ticks_are_evenly_spread_and_never_repeated() {
        let hours = series(&[&[1; 48]]);
        let braille = Glyphs::Braille;
        let ticks = hours.ticks(60, braille, |index| format!("{:02}:00", index % 24));
        assert!((2..=5).contains(&ticks.len()), "{ticks:?}");
        assert!(ticks.windows(2).all(|pair| pair[0].at < pair[1].at), "{ticks:?}");
        assert_eq!(series(&[&[1; 48]]).ticks(60, braille, |_| "same".into()).len(), 1);
        assert_eq!(series(&[]).ticks(60, braille, |_| String::new()), []);
        assert_eq!(series(&[&[1]]).ticks(3, braille, |_| String::new()), []);
    }

    /// In every kind of glyphs a time stands below what happened then.
    #[test]
    fn a_tick_stands_below_its_bucket() {
        let theme = Theme::built_in("default").expect("built in");
        for glyphs in [Glyphs::Braille, Glyphs::Block, Glyphs::Ascii] {
            for (width, buckets) in [(66, 48), (80, 7), (190, 12), (34, 31), (20, 4)] {
                let all = series(&[&vec![1; buckets]]);
                for tick in all.ticks(width, glyphs, |index| index.to_string()) {
                    let index: usize = tick.text.parse().expect("a number");
                    // One bucket alone has something.
                    let mut values = vec![0; buckets];
                    values[index] = 1_000_000;
                    let theme = theme.clone().with_glyphs(glyphs);
                    let area = Rect::new(0, 0, width, 9);
                    let mut buf = Buffer::empty(area);
                    series(&[&values]).draw(&mut Pen::new(&theme, area, &mut buf));
                    let from = Series::axis(width, glyphs);
                    let high: Vec<u16> = (from..width)
                        .filter(|x| (0..8).any(|y| buf[(*x, y)].symbol() != " "))
                        .collect();
                    let (first, last) = (high[0], high[high.len() - 1]);
                    let middle = f64::from(first + last) / 2.0;
                    let off = (f64::from(tick.at) - middle).abs();
                    // Where a braille line begins or ends it has one flank.
                    let edge = glyphs == Glyphs::Braille && (index == 0 || index + 1 == buckets);
                    assert!(
                        off <= 1.0 || edge,
                        "{glyphs:?} {width} {buckets}: {tick:?} for {high:?}"
                    );
                }
            }
        }
    }
}
