//! Cells as bytes for the terminal, as few as will do.
//!
//! The backend of the terminal library writes both colours whenever one of them changes and all sixteen
//! colours in their long form, which made a frame of charts 8 to 23 KB. Here only what changed is written, in
//! one sequence, and nothing for what cannot be seen: a blank has no foreground.

use std::fmt::Write as _;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

/// Modifiers that are seen on a blank.
const ON_BLANKS: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::CROSSED_OUT);

/// How the terminal writes the next character.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const PLAIN: Look = Look {
    fg: Color::Reset,
    bg: Color::Reset,
    modifier: Modifier::empty(),
};

/// The bytes that bring these cells onto the screen. Before and after them the terminal writes plainly.
///
/// The cells are in reading order, as a diff of two buffers gives them.
#[must_use]
pub fn bytes<'a>(cells: impl Iterator<Item = (u16, u16, &'a Cell)>) -> String {
    let mut out = String::new();
    let mut look = PLAIN;
    // The column and row after the last character, where they are known.
    let mut at: Option<(u16, u16)> = None;
    for (x, y, cell) in cells {
        let symbol = cell.symbol();
        if at != Some((x, y)) {
            // Writing to a String cannot fail.
            let _ = match at {
                Some((_, row)) if row == y => write!(out, "\x1b[{}G", u32::from(x) + 1),
                _ => write!(out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1),
            };
        }
        let wanted = wanted(cell, look);
        change(&mut out, look, wanted);
        look = wanted;
        out.push_str(symbol);
        // Where the cursor is after a wide character, or one of several, is the terminal's to know; the row is certain.
        let certain = symbol.width() == 1 && symbol.chars().nth(1).is_none();
        at = Some((if certain { x + 1 } else { u16::MAX }, y));
    }
    change(&mut out, look, PLAIN);
    out
}

/// The look of a cell, given that of the one before: on a blank, what is not seen stays as it was.
fn wanted(cell: &Cell, before: Look) -> Look {
    let look = Look {
        fg: cell.fg,
        bg: cell.bg,
        modifier: cell.modifier,
    };
    let same = cell.modifier & ON_BLANKS == before.modifier & ON_BLANKS;
    if cell.symbol() == " " && same && !cell.modifier.contains(Modifier::REVERSED) {
        Look {
            bg: cell.bg,
            ..before
        }
    } else {
        look
    }
}

fn change(out: &mut String, from: Look, to: Look) {
    if from == to {
        return;
    }
    if to == PLAIN {
        out.push_str("\x1b[0m");
        return;
    }
    let mut codes = Vec::new();
    let removed = from.modifier - to.modifier;
    let mut added = to.modifier - from.modifier;
    for (modifiers, off) in [
        (Modifier::BOLD.union(Modifier::DIM), "22"),
        (Modifier::ITALIC, "23"),
        (Modifier::UNDERLINED, "24"),
        (Modifier::SLOW_BLINK.union(Modifier::RAPID_BLINK), "25"),
        (Modifier::REVERSED, "27"),
        (Modifier::HIDDEN, "28"),
        (Modifier::CROSSED_OUT, "29"),
    ] {
        if removed.intersects(modifiers) {
            codes.push(off.to_owned());
            // What is switched off together and should stay is switched on again.
            added |= to.modifier & modifiers;
        }
    }
    for (modifier, on) in [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::ITALIC, "3"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::SLOW_BLINK, "5"),
        (Modifier::RAPID_BLINK, "6"),
        (Modifier::REVERSED, "7"),
        (Modifier::HIDDEN, "8"),
        (Modifier::CROSSED_OUT, "9"),
    ] {
        if added.contains(modifier) {
            codes.push(on.to_owned());
        }
    }
    if from.fg != to.fg {
        codes.push(color(to.fg, 30));
    }
    if from.bg != to.bg {
        codes.push(color(to.bg, 40));
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "\x1b[{}m", codes.join(";"));
}

/// The code of a colour; `base` is 30 for the foreground and 40 for the background.
fn color(color: Color, base: u8) -> String {
    match (color, number_of(color)) {
        (Color::Rgb(r, g, b), _) => format!("{};2;{r};{g};{b}", base + 8),
        (Color::Indexed(index), _) => format!("{};5;{index}", base + 8),
        (_, Some(number @ 0..8)) => (base + number).to_string(),
        // The bright ones have codes of their own.
        (_, Some(number)) => (base + 52 + number).to_string(),
        (_, None) => (base + 9).to_string(),
    }
}

/// The number of one of the sixteen colours, or of the two hundred and forty behind them; none of what has no number.
#[must_use]
pub fn number_of(color: Color) -> Option<u8> {
    Some(match color {
        Color::Reset | Color::Rgb(..) => return None,
        Color::Indexed(index) => index,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn of(buf: &Buffer) -> String {
        let empty = Buffer::empty(buf.area);
        bytes(empty.diff(buf).into_iter())
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 2));
        let red = Style::new().fg(Color::Red);
        buf.set_string(0, 0, "ab", red);
        buf.set_string(2, 0, "cd", red.bg(Color::Rgb(1, 2, 3)));
        buf.set_string(
            4,
            0,
            "ef",
            Style::new().fg(Color::LightBlue).add_modifier(Modifier::BOLD),
        );
        buf.set_string(8, 0, "g", Style::new().add_modifier(Modifier::DIM));
        buf.set_string(0, 1, "h", Style::new());
        assert_eq!(
            of(&buf),
            "\x1b[1;1H\x1b[31mab\x1b[48;2;1;2;3mcd\x1b[1;94;49mef\x1b[9G\x1b[22;2;39mg\x1b[2;1H\x1b[0mh"
        );
        assert_eq!(bytes(std::iter::empty()), "");
    }

    #[test]
    fn a_blank_costs_one_byte_unless_it_is_seen() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 1));
        let dim = Style::new().fg(Color::Indexed(240)).add_modifier(Modifier::DIM);
        buf.set_string(0, 0, "a", Style::new().fg(Color::Cyan));
        buf.set_string(1, 0, "  ", dim);
        buf.set_string(3, 0, "b", Style::new().fg(Color::Cyan));
        buf.set_string(4, 0, " ", Style::new().add_modifier(Modifier::REVERSED));
        assert_eq!(of(&buf), "\x1b[1;1H\x1b[36ma  b\x1b[7;39m \x1b[0m");
    }

    #[test]
    fn after_a_wide_character_the_column_is_said() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 6, 1));
        buf.set_string(0, 0, "日x", Style::new());
        assert_eq!(of(&buf), "\x1b[1;1H日\x1b[3Gx");
    }

    fn any_color() -> impl Strategy<Value = Color> {
        prop_oneof![
            Just(Color::Reset),
            Just(Color::Red),
            Just(Color::LightCyan),
            Just(Color::White),
            (16..=255_u8).prop_map(Color::Indexed),
            (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(r, g, b)| Color::Rgb(r, g, b)),
        ]
    }

    fn any_style() -> impl Strategy<Value = Style> {
        let modifiers = [
            Modifier::BOLD,
            Modifier::DIM,
            Modifier::ITALIC,
            Modifier::UNDERLINED,
            Modifier::REVERSED,
        ];
        let set = proptest::sample::subsequence(modifiers.to_vec(), 0..=5);
        (any_color(), any_color(), set).prop_map(|(fg, bg, set)| {
            let mut modifier = set.into_iter().fold(Modifier::empty(), Modifier::union);
            if modifier.contains(Modifier::BOLD) {
                // The terminal of these tests knows one of the two at a time.
                modifier -= Modifier::DIM;
            }
            // Instead of what a cell had before, not on top of it.
            let style = Style::new().fg(fg).bg(bg);
            style.remove_modifier(Modifier::all()).add_modifier(modifier)
        })
    }

    fn shown(color: Color) -> vt100::Color {
        match color {
            Color::Red => vt100::Color::Idx(1),
            Color::LightCyan => vt100::Color::Idx(14),
            Color::White => vt100::Color::Idx(15),
            Color::Indexed(index) => vt100::Color::Idx(index),
            Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
            _ => vt100::Color::Default,
        }
    }

    fn size(cells: u16) -> std::num::NonZeroU16 {
        std::num::NonZeroU16::new(cells).expect("not zero")
    }

    proptest! {
        #[test]
        fn a_terminal_shows_exactly_the_cells(
            first in proptest::collection::vec((0..12_u16, 0..4_u16, "[a-c ◆█é]{1,6}", any_style()), 0..12),
            second in proptest::collection::vec((0..12_u16, 0..4_u16, "[a-c ◆█é]{1,6}", any_style()), 0..12),
        ) {
            let area = Rect::new(0, 0, 12, 4);
            let mut terminal = vt100::Parser::new(size(4), size(12), 0);
            let mut before = Buffer::empty(area);
            for texts in [first, second] {
                let mut after = before.clone();
                for (x, y, text, style) in texts {
                    after.set_string(x, y, text, style);
                }
                terminal.process(bytes(before.diff(&after).into_iter()).as_bytes());
                before = after;
            }
            for (index, cell) in before.content.iter().enumerate() {
                let (x, y) = (index % 12, index / 12);
                let (row, column) = (u16::try_from(y).expect("small"), u16::try_from(x).expect("small"));
                let seen = terminal.screen().cell(row, column).expect("on the screen");
                let text = if seen.has_contents() { seen.contents() } else { " " };
                prop_assert_eq!(text, cell.symbol(), "at {}, {}", x, y);
                prop_assert_eq!(seen.bgcolor(), shown(cell.bg));
                prop_assert_eq!(seen.inverse(), cell.modifier.contains(Modifier::REVERSED));
                prop_assert_eq!(seen.underline(), cell.modifier.contains(Modifier::UNDERLINED));
                if cell.symbol() != " " || cell.modifier.contains(Modifier::REVERSED) {
                    prop_assert_eq!(seen.fgcolor(), shown(cell.fg));
                    prop_assert_eq!(seen.bold(), cell.modifier.contains(Modifier::BOLD));
                    prop_assert_eq!(seen.dim(), cell.modifier.contains(Modifier::DIM));
                    prop_assert_eq!(seen.italic(), cell.modifier.contains(Modifier::ITALIC));
                }
            }
        }
    }
}
