//! A screen as an SVG picture: the cells of a buffer with the colours of its theme.
//!
//! Text stays text, so that a picture can be searched and read aloud. Each run of cells with one look is one
//! element with its width said, so that columns stand where they stood whatever font shows them.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

use super::sgr::number_of;

/// Width of a cell in hundredths of a pixel; of 14 px in most fonts of one width.
const CELL: u32 = 840;
/// Height of a cell, pixels.
const LINE: u32 = 18;
/// From the top of a cell to the line its letters stand on, pixels.
const BASE: u32 = 14;
/// Around the screen, pixels.
const MARGIN: u32 = 12;

/// What stands in place of the terminal's own colours.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Ground {
    /// The terminal's text.
    pub text: (u8, u8, u8),
    /// The terminal's background.
    pub background: (u8, u8, u8),
    /// The sixteen colours, as a terminal numbers them.
    pub sixteen: &'static [(u8, u8, u8); 16],
}

/// A dark terminal: Modus Vivendi, whose sixteen colours all stand out from its ground by 7:1 or more, the two
/// blacks aside.
pub const DARK: Ground = Ground {
    text: (0xff, 0xff, 0xff),
    background: (0x00, 0x00, 0x00),
    sixteen: &[
        (0x1e, 0x1e, 0x1e),
        (0xff, 0x5f, 0x59),
        (0x44, 0xbc, 0x44),
        (0xd0, 0xbc, 0x00),
        (0x2f, 0xaf, 0xff),
        (0xfe, 0xac, 0xd0),
        (0x00, 0xd3, 0xd0),
        (0xa6, 0xa6, 0xa6),
        (0x59, 0x59, 0x59),
        (0xff, 0x6b, 0x55),
        (0x00, 0xc0, 0x6f),
        (0xfe, 0xc4, 0x3f),
        (0x79, 0xa8, 0xff),
        (0xb6, 0xa0, 0xff),
        (0x6a, 0xe4, 0xb9),
        (0xff, 0xff, 0xff),
    ],
};

/// A light terminal: Modus Operandi.
pub const LIGHT: Ground = Ground {
    text: (0x00, 0x00, 0x00),
    background: (0xff, 0xff, 0xff),
    sixteen: &[
        (0x00, 0x00, 0x00),
        (0xa6, 0x00, 0x00),
        (0x00, 0x68, 0x00),
        (0x6f, 0x55, 0x00),
        (0x00, 0x31, 0xa9),
        (0x72, 0x10, 0x45),
        (0x00, 0x5e, 0x8b),
        (0xa6, 0xa6, 0xa6),
        (0x59, 0x59, 0x59),
        (0x97, 0x25, 0x00),
        (0x00, 0x66, 0x3f),
        (0x88, 0x49, 0x00),
        (0x35, 0x48, 0xcf),
        (0x53, 0x1a, 0xb6),
        (0x00, 0x5f, 0x5f),
        (0xff, 0xff, 0xff),
    ],
};

/// How a run of cells looks.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

/// The picture; `title` is what a screen reader says of it.
#[must_use]
pub fn render(buffer: &Buffer, ground: &Ground, title: &str) -> String {
    let (columns, rows) = (u32::from(buffer.area.width), u32::from(buffer.area.height));
    let width = (columns * CELL).div_ceil(100) + 2 * MARGIN;
    let height = rows * LINE + 2 * MARGIN;
    // The whole screen has one background in all themes: the commonest is that of the picture.
    let page = commonest(buffer);
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
         {height}\" role=\"img\">\n<title>{}</title>\n<style>text{{font:14px ui-monospace,'DejaVu Sans \
         Mono','Cascadia Mono',Menlo,Consolas,monospace;white-space:pre}}.b{{font-weight:bold}}\
         .i{{font-style:italic}}.u{{text-decoration:underline}}.d{{opacity:.62}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{}\"/>",
        escaped(title),
        hex(rgb(page, ground, true)),
    );
    for y in 0..buffer.area.height {
        let mut runs: Vec<(u16, u16, String, Look)> = Vec::new();
        let mut skip = 0;
        let mut after_wide = false;
        for x in 0..buffer.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let cell = &buffer[(buffer.area.x + x, buffer.area.y + y)];
            let look = Look {
                fg: cell.fg,
                bg: cell.bg,
                modifier: cell.modifier,
            };
            let symbol = cell.symbol();
            let cells = u16::try_from(symbol.width().max(1)).unwrap_or(1);
            skip = cells - 1;
            // A wide character ends its run: where the next one stands is said again.
            match runs.last_mut() {
                Some((_, length, text, before)) if *before == look && cells == 1 && !after_wide => {
                    *length += 1;
                    text.push_str(symbol);
                }
                _ => runs.push((x, cells, symbol.to_owned(), look)),
            }
            after_wide = cells > 1;
        }
        for (x, length, text, look) in runs {
            run(&mut svg, (x, y), length, &text, look, page, ground);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn run(
    svg: &mut String,
    (x, y): (u16, u16),
    length: u16,
    text: &str,
    look: Look,
    page: Color,
    ground: &Ground,
) {
    let (mut fg, mut bg) = (rgb(look.fg, ground, false), rgb(look.bg, ground, true));
    if look.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    let at = |column: u32| pixels(MARGIN * 100 + column * CELL);
    let top = MARGIN + u32::from(y) * LINE;
    if bg != rgb(page, ground, true) {
        let _ = writeln!(
            svg,
            "<rect x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{LINE}\" fill=\"{}\"/>",
            at(u32::from(x)),
            pixels(u32::from(length) * CELL),
            hex(bg)
        );
    }
    if look.modifier.contains(Modifier::HIDDEN) {
        return;
    }
    let classes: Vec<&str> = [
        (Modifier::BOLD, "b"),
        (Modifier::ITALIC, "i"),
        (Modifier::UNDERLINED, "u"),
        (Modifier::DIM, "d"),
    ]
    .into_iter()
    .filter(|(modifier, _)| look.modifier.contains(*modifier))
    .map(|(_, class)| class)
    .collect();
    let class = if classes.is_empty() {
        String::new()
    } else {
        format!(" class=\"{}\"", classes.join(" "))
    };
    let mut column = u32::from(x);
    // Two blanks or more are not text: not every reader keeps them.
    for (words, blanks) in phrases(text) {
        let cells = u32::try_from(words.width()).unwrap_or(0);
        if cells > 0 {
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{}\"{class}>{}</text>",
                at(column),
                top + BASE,
                pixels(cells * CELL),
                hex(fg),
                escaped(words)
            );
        }
        column += cells + blanks;
    }
}

/// Words that one blank parts, each phrase with the number of blanks behind it.
fn phrases(text: &str) -> Vec<(&str, u32)> {
    let mut phrases = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        // A single blank at the beginning stands alone as well.
        let end = if rest.starts_with(' ') {
            0
        } else {
            rest.find("  ").unwrap_or(rest.len())
        };
        let words = rest[..end].trim_end_matches(' ');
        let after = &rest[words.len()..];
        let blanks = after.len() - after.trim_start_matches(' ').len();
        phrases.push((words, u32::try_from(blanks).unwrap_or(0)));
        rest = &after[blanks..];
    }
    phrases
}

/// The background of most cells.
fn commonest(buffer: &Buffer) -> Color {
    let mut counts: Vec<(Color, usize)> = Vec::new();
    for cell in &buffer.content {
        match counts.iter_mut().find(|(color, _)| *color == cell.bg) {
            Some((_, count)) => *count += 1,
            None => counts.push((cell.bg, 1)),
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or(Color::Reset, |(color, _)| color)
}

/// Hundredths of a pixel as pixels.
fn pixels(hundredths: u32) -> String {
    match hundredths % 100 {
        0 => (hundredths / 100).to_string(),
        rest => format!(
            "{}.{}",
            hundredths / 100,
            format!("{rest:02}").trim_end_matches('0')
        ),
    }
}

/// A colour as it is shown. The two hundred and forty above the sixteen are a cube of six steps and a ramp of
/// greys, as in xterm.
#[must_use]
pub fn rgb(color: Color, ground: &Ground, background: bool) -> (u8, u8, u8) {
    let index = match (color, number_of(color)) {
        (Color::Rgb(r, g, b), _) => return (r, g, b),
        (_, Some(index)) => index,
        (_, None) if background => return ground.background,
        (_, None) => return ground.text,
    };
    match index {
        0..16 => ground.sixteen[usize::from(index)],
        16..232 => {
            let cube = index - 16;
            let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            (step(cube / 36), step(cube / 6 % 6), step(cube % 6))
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn runs_stand_where_their_cells_stood() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 2));
        buffer.set_string(
            1,
            0,
            "a<b",
            Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD),
        );
        buffer.set_string(0, 1, "x", Style::new().add_modifier(Modifier::REVERSED));
        let svg = render(&buffer, &DARK, "two & more");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>two &amp; more</title>"));
        assert!(
            svg.contains(
                "<text x=\"20.4\" y=\"26\" textLength=\"25.2\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"#010203\" class=\"b\">a&lt;b</text>"
            ),
            "{svg}"
        );
        // Reversed: the text's colour behind it.
        assert!(
            svg.contains("<rect x=\"12\" y=\"30\" width=\"8.4\" height=\"18\" fill=\"#ffffff\"/>"),
            "{svg}"
        );
        assert!(svg.contains("fill=\"#000000\">x</text>"), "{svg}");
    }

    #[test]
    fn blanks_part_phrases_and_keep_their_room() {
        assert_eq!(phrases("a b   c "), [("a b", 3), ("c", 1)]);
        assert_eq!(phrases("  x"), [("", 2), ("x", 0)]);
        assert_eq!(phrases(" x y"), [("", 1), ("x y", 0)]);
        assert_eq!(phrases(""), []);
    }

    #[test]
    fn wide_characters_keep_the_columns() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        buffer.set_string(0, 0, "日x", Style::new());
        let svg = render(&buffer, &LIGHT, "");
        assert!(svg.contains("textLength=\"16.8\""), "{svg}");
        assert!(svg.contains("x=\"28.8\"") && svg.contains(">x<"), "{svg}");
    }

    #[test]
    fn the_colours_of_the_cube_are_those_of_xterm() {
        assert_eq!(rgb(Color::Indexed(196), &DARK, false), (255, 0, 0));
        assert_eq!(rgb(Color::Indexed(67), &DARK, false), (95, 135, 175));
        assert_eq!(rgb(Color::Indexed(244), &DARK, false), (128, 128, 128));
    }
}
