//! A line of text that shows how a count went.

use crate::tui::glyphs::Glyphs;

/// The last `width` values as one glyph each, scaled to the largest of them.
///
/// A zero is the lowest step, not a blank, so that "nothing" is told from "no data"; missing values on
/// the left are blanks. ASCII shows a zero as `.` too.
#[must_use]
pub fn sparkline(values: &[u64], width: usize, glyphs: Glyphs) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let max = shown.iter().copied().max().unwrap_or(0);
    let blanks = std::iter::repeat_n(' ', width - shown.len());
    blanks
        .chain(shown.iter().map(|value| glyphs.up(step(*value, max))))
        .collect()
}

/// 1 to 8: the share of `max`, rounded to the nearest, and at least 2 for what is not zero.
fn step(value: u64, max: u64) -> usize {
    if value == 0 || max == 0 {
        return 1;
    }
    let eighths = (u128::from(value) * 8 + u128::from(max) / 2) / u128::from(max);
    usize::try_from(eighths).unwrap_or(8).clamp(2, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_to_the_largest_shown() {
        assert_eq!(sparkline(&[0, 1, 2, 4, 8], 5, Glyphs::Braille), "▁▂▂▄█");
        assert_eq!(sparkline(&[900, 0, 1, 2, 4, 8], 5, Glyphs::Braille), "▁▂▂▄█");
        assert_eq!(sparkline(&[5, 5], 4, Glyphs::Braille), "  ██");
        assert_eq!(sparkline(&[0, 0, 0], 3, Glyphs::Braille), "▁▁▁");
        assert_eq!(sparkline(&[u64::MAX, u64::MAX / 2, 0], 3, Glyphs::Ascii), "@=.");
        assert_eq!(sparkline(&[], 2, Glyphs::Braille), "  ");
        assert_eq!(sparkline(&[1], 0, Glyphs::Braille), "");
    }
}
