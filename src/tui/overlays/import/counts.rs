//! Numbers with their names, in as many lines as they need.

use crate::cockpit::format::count;
use crate::tui::page::{Span, draw_spans, width_of};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;

/// Columns between two numbers, and where they would not fit otherwise.
const GAPS: [u16; 2] = [3, 2];

/// A number with its name.
pub(super) struct Group {
    /// What is written.
    pub(super) spans: Vec<Span>,
    /// Where there is no room for all of them, those with the highest go first; those with 0 stay.
    pub(super) rank: u8,
}

/// Received, unique, duplicates, malformed. Of the malformed ones somebody has to do something: they are read at any
/// size.
pub(super) fn counts(theme: &Theme, [received, unique, duplicates, malformed]: [u64; 4]) -> Vec<Group> {
    let style = |n: u64, other| if n > 0 { other } else { theme.dim };
    [
        ("received", received, theme.text, 1),
        ("unique", unique, theme.heading, 0),
        ("duplicates", duplicates, style(duplicates, theme.text), 2),
        ("malformed", malformed, style(malformed, theme.warn), 0),
    ]
    .into_iter()
    .map(|(label, n, style, rank)| Group {
        spans: vec![(format!("{label} "), theme.dim), (count(n), style)],
        rank,
    })
    .collect()
}

/// Writes groups from `(x, y)` on in at most `rows` lines, none of them cut in two; how many lines it took.
pub(super) fn flow(pen: &mut Pen<'_>, (x, y): (u16, u16), mut groups: Vec<Group>, rows: u16) -> u16 {
    let width = pen.width().saturating_sub(x);
    let (lines, gap) = loop {
        let fitting = GAPS
            .into_iter()
            .map(|gap| (lines(&groups, width, gap), gap))
            .min_by_key(|(lines, _)| lines.len());
        let Some((lines, gap)) = fitting else { return 0 };
        if lines.len() <= usize::from(rows.max(1)) {
            break (lines, gap);
        }
        let least = groups.iter().map(|group| group.rank).max().unwrap_or(0);
        if least == 0 {
            break (lines, gap);
        }
        groups.retain(|group| group.rank < least);
    };
    let taken = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    for (y, line) in (y..).zip(lines) {
        let mut x = x;
        for group in line {
            draw_spans(pen, x, y, &group.spans);
            x += width_of(&group.spans) + gap;
        }
    }
    taken
}

/// The groups in lines of at most `width` columns.
fn lines(groups: &[Group], width: u16, gap: u16) -> Vec<Vec<&Group>> {
    let mut lines: Vec<Vec<&Group>> = Vec::new();
    let mut used = 0;
    for group in groups {
        let wide = width_of(&group.spans);
        match lines.last_mut() {
            Some(line) if used + gap + wide <= width => {
                used += gap + wide;
                line.push(group);
            }
            _ => {
                used = wide;
                lines.push(vec![group]);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::*;

    fn drawn(numbers: [u64; 4], width: u16, rows: u16) -> Vec<String> {
        let theme = Theme::built_in("default").expect("built in");
        let area = Rect::new(0, 0, width, 6);
        let mut buf = Buffer::empty(area);
        let taken = flow(
            &mut Pen::new(&theme, area, &mut buf),
            (0, 0),
            counts(&theme, numbers),
            rows,
        );
        (0..taken)
            .map(|y| {
                let row: String = (0..width).map(|x| buf[(x, y)].symbol()).collect();
                row.trim_end().to_owned()
            })
            .collect()
    }

    #[test]
    fn malformed_is_read_at_any_width() {
        let few = [4, 2, 1, 1];
        let many = [1_000_000, 998_412, 1_571, 17];
        assert_eq!(
            drawn(few, 60, 1),
            ["received 4   unique 2   duplicates 1   malformed 1"]
        );
        assert_eq!(
            drawn(many, 65, 2),
            [
                "received 1,000,000   unique 998,412   duplicates 1,571",
                "malformed 17"
            ]
        );
        // A column too few for wide gaps.
        assert_eq!(
            drawn(many, 66, 2),
            ["received 1,000,000  unique 998,412  duplicates 1,571  malformed 17"]
        );
        // One line: what asks for nothing goes.
        assert_eq!(
            drawn(many, 50, 1),
            ["received 1,000,000   unique 998,412   malformed 17"]
        );
        assert_eq!(drawn(many, 36, 1), ["unique 998,412   malformed 17"]);
        // Too narrow for both: a line more rather than none of them.
        assert_eq!(drawn(many, 20, 1), ["unique 998,412", "malformed 17"]);
    }
}
