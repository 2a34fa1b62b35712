//! Horizontal bars with their numbers: the configured split beside the observed one, the steps of a flow.

use ratatui::style::Style;

use super::Pen;
use super::pen::{columns, fit_middle};

/// One bar.
#[derive(Debug, Clone, Default)]
pub struct Bar {
    /// The glyph of an arm, on the first bar of its group.
    pub mark: Option<(&'static str, Style)>,
    /// Name of the group, on its first bar.
    pub group: String,
    /// What this bar is.
    pub label: String,
    /// Its length, in the unit of `max`; what is below 0 or no number is 0.
    pub value: f64,
    /// Its colour.
    pub style: Style,
    /// Numbers at its right end, in columns.
    pub numbers: Vec<(String, Style)>,
}

/// Bars under each other, all on one scale.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    /// The bars.
    pub bars: Vec<Bar>,
    /// The value of a full bar.
    pub max: f64,
    /// The least width of each column of numbers, so that bars do not jump when numbers grow.
    pub number_min: Vec<u16>,
}

/// Bars shorter than this say nothing.
const SHORTEST: u16 = 4;
/// Longer names of groups are cut.
const LONGEST_GROUP: u16 = 14;

impl Bars {
    /// Draws as many bars as there are rows, from the top.
    ///
    /// Where there is little room the bars go first, then the names of the groups (the glyph stays), then
    /// the last columns of numbers; labels and the first numbers stay longest.
    pub fn draw(&self, pen: &mut Pen<'_>) {
        let theme = pen.theme;
        let width = pen.width();
        let marks = if self.bars.iter().any(|bar| bar.mark.is_some()) {
            2
        } else {
            0
        };
        let widest = |of: fn(&Bar) -> &str| self.bars.iter().map(|bar| columns(of(bar))).max().unwrap_or(0);
        let spaced = |width: u16| if width > 0 { width.saturating_add(1) } else { 0 };
        let mut group = spaced(widest(|bar| &bar.group).min(LONGEST_GROUP));
        let label = spaced(widest(|bar| &bar.label));
        let mut numbers = self.number_widths();
        let fixed = |group: u16, numbers: &[u16]| {
            let numbers = numbers.iter().map(|width| width.saturating_add(1));
            numbers.fold((marks + group).saturating_add(label), u16::saturating_add)
        };
        if fixed(group, &numbers) > width {
            group = 0;
        }
        while fixed(group, &numbers) > width && numbers.len() > 1 {
            numbers.pop();
        }
        let room = width.saturating_sub(fixed(group, &numbers));
        let room = if room < SHORTEST { 0 } else { room };

        for (y, bar) in (0..pen.height()).zip(&self.bars) {
            if let Some((glyph, style)) = bar.mark {
                pen.text(0, y, glyph, style);
            }
            // Keys often differ in their ends.
            let name = fit_middle(&bar.group, group.saturating_sub(1), theme.glyphs);
            pen.text_within(marks, y, &name, group.saturating_sub(1), theme.text);
            pen.text_within(marks + group, y, &bar.label, label.saturating_sub(1), theme.dim);
            let start = (marks + group).saturating_add(label);
            self.bar(pen, start, y, room, bar);
            let mut end = start.saturating_add(room);
            for ((text, style), width) in bar.numbers.iter().zip(&numbers) {
                end = end.saturating_add(*width).saturating_add(1);
                pen.text_before(end, y, text, *width, *style);
            }
        }
    }

    fn bar(&self, pen: &mut Pen<'_>, x: u16, y: u16, room: u16, bar: &Bar) {
        let glyphs = pen.glyphs();
        let eighths = eighths(bar.value, self.max, room);
        for (cell, column) in (x..x.saturating_add(room)).enumerate() {
            let filled = eighths.saturating_sub(cell * 8).min(8);
            if filled > 0 {
                pen.char(column, y, glyphs.across(filled), bar.style);
            }
        }
    }

    fn number_widths(&self) -> Vec<u16> {
        let count = self.bars.iter().map(|bar| bar.numbers.len()).max().unwrap_or(0);
        (0..count)
            .map(|index| {
                let texts = self.bars.iter().filter_map(|bar| bar.numbers.get(index));
                let widest = texts.map(|(text, _)| columns(text)).max().unwrap_or(0);
                widest.max(self.number_min.get(index).copied().unwrap_or(0))
            })
            .collect()
    }
}

/// The length of a bar in eighths of a cell: what is not 0 shows at least one.
fn eighths(value: f64, max: f64, room: u16) -> usize {
    if !(value > 0.0 && max > 0.0 && value.is_finite() && max.is_finite()) {
        return 0;
    }
    let full = f64::from(room) * 8.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and eight times a u16"
    )]
    let eighths = ((value / max).min(1.0) * full).round() as usize;
    if room > 0 { eighths.max(1) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::testing::{draw, lines};

    fn split() -> Bars {
        let bar = |mark, group: &str, label: &str, value: f64, numbers: &[&str]| Bar {
            mark,
            group: group.into(),
            label: label.into(),
            value,
            style: Style::default(),
            numbers: numbers
                .iter()
                .map(|text| ((*text).to_owned(), Style::default()))
                .collect(),
        };
        let mark = Some(("◆", Style::default()));
        Bars {
            bars: vec![
                bar(mark, "control", "configured", 50.0, &["50.0"]),
                bar(None, "", "observed", 49.6, &["49.6", "-0.4"]),
            ],
            max: 50.0,
            number_min: vec![5],
        }
    }

    #[test]
    fn bars_are_to_scale_and_numbers_line_up() {
        let buf = draw(50, 2, |pen| split().draw(pen));
        let expected = [
            "◆ control configured ██████████████████  50.0",
            "          observed   █████████████████▉  49.6 -0.4",
        ];
        assert_eq!(lines(&buf), expected);
    }

    #[test]
    fn bars_give_way_first_and_then_names_and_deltas() {
        let buf = draw(34, 2, |pen| split().draw(pen));
        assert_eq!(
            lines(&buf),
            ["◆ control configured   50.0", "          observed     49.6 -0.4"]
        );
        let buf = draw(26, 2, |pen| split().draw(pen));
        assert_eq!(lines(&buf), ["◆ configured   50.0", "  observed     49.6 -0.4"]);
        let buf = draw(20, 1, |pen| split().draw(pen));
        assert_eq!(lines(&buf), ["◆ configured   50.0"]);
    }

    #[test]
    fn a_bar_is_never_longer_than_its_room_and_never_lost() {
        assert_eq!(eighths(1e-9, 1.0, 10), 1);
        assert_eq!(eighths(5.0, 1.0, 10), 80);
        assert_eq!(eighths(f64::NAN, 1.0, 10), 0);
        assert_eq!(eighths(1.0, 0.0, 10), 0);
        assert_eq!(eighths(1.0, 1.0, 0), 0);
        assert_eq!(eighths(f64::INFINITY, f64::INFINITY, 9), 0);
    }
}
