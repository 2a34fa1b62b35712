//! Glyphs: one for each arm and status, and the pieces of charts, each with an ASCII fallback.

use crate::domain::Status;

/// How much of Unicode the terminal's font is trusted with.
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq)]
pub enum Glyphs {
    /// Everything: lines are drawn in braille dots.
    #[default]
    Braille,
    /// Block elements and box drawing without braille, as on the Linux console.
    Block,
    /// ASCII only.
    Ascii,
}

/// What a banner is about, by how much it needs a person.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Tone {
    /// Red: something was stopped or is broken.
    Danger,
    /// Yellow: do not trust this blindly.
    Warn,
    /// Blue: good to know.
    Info,
    /// Green: done, as hoped.
    Ok,
}

/// Arms beyond the fourth are beyond the default limit of variants; they still get a mark of their own.
const ARMS: [&str; 10] = ["◆", "●", "▲", "■", "▼", "★", "◇", "○", "△", "□"];
const ARMS_ASCII: [&str; 10] = ["C", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

const EIGHTHS_ACROSS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const EIGHTHS_UP: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LEVELS_ASCII: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '@'];

impl Glyphs {
    /// What the environment promises: ASCII outside a UTF-8 locale, no braille on the Linux console.
    ///
    /// `var` looks up a variable of the environment. As in every C library, the first of `LC_ALL`,
    /// `LC_CTYPE` and `LANG` that is not empty decides; where all are missing the terminal is modern
    /// more often than not, so that UTF-8 is taken for granted.
    pub fn from_env(var: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| var(name).filter(|value| !value.is_empty()));
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        match (utf8, var("TERM").as_deref()) {
            (false, _) => Self::Ascii,
            (true, Some("linux")) => Self::Block,
            (true, _) => Self::Braille,
        }
    }

    /// Whether only ASCII may be drawn.
    #[must_use]
    pub fn is_ascii(self) -> bool {
        self == Self::Ascii
    }

    /// The mark of an arm; `slot` 0 is the control (see [`arm_slots`]).
    #[must_use]
    pub fn arm(self, slot: usize) -> &'static str {
        let marks = if self.is_ascii() { &ARMS_ASCII } else { &ARMS };
        marks[slot % marks.len()]
    }

    /// The mark of a status; the guard's pause has its own.
    #[must_use]
    pub fn status(self, status: Status, auto_paused: bool) -> &'static str {
        match status {
            Status::Draft => self.pick("◌", "."),
            Status::Active => self.pick("●", "*"),
            Status::Paused if auto_paused => self.pick("▲", "!"),
            Status::Paused => self.pick("‖", "="),
            Status::Completed => self.pick("✓", "+"),
            Status::Ended | Status::Archived => self.pick("✕", "x"),
        }
    }

    /// The mark in front of a banner.
    #[must_use]
    pub fn tone(self, tone: Tone) -> &'static str {
        match tone {
            Tone::Danger | Tone::Warn => self.pick("▲", "!"),
            Tone::Info => self.pick("◔", "i"),
            Tone::Ok => self.pick("✓", "+"),
        }
    }

    /// A piece of a horizontal bar, `eighths` of a cell full (0 to 8). ASCII knows halves only.
    #[must_use]
    pub fn across(self, eighths: usize) -> char {
        match self {
            Self::Ascii => match eighths {
                0..=2 => ' ',
                3..=5 => '-',
                _ => '=',
            },
            _ => EIGHTHS_ACROSS[eighths.min(8)],
        }
    }

    /// A piece of a column, `eighths` of a cell high (0 to 8).
    #[must_use]
    pub fn up(self, eighths: usize) -> char {
        let levels = if self.is_ascii() {
            &LEVELS_ASCII
        } else {
            &EIGHTHS_UP
        };
        levels[eighths.min(8)]
    }

    /// The thin rule beside a heading.
    #[must_use]
    pub fn rule(self) -> &'static str {
        self.pick("─", "-")
    }

    /// The vertical line between two columns or along a frame.
    #[must_use]
    pub fn vertical(self) -> &'static str {
        self.pick("│", "|")
    }

    /// Corners of a frame: top left, top right, bottom left, bottom right.
    #[must_use]
    pub fn corners(self) -> [&'static str; 4] {
        match self {
            Self::Ascii => ["+", "+", "+", "+"],
            _ => ["╭", "╮", "╰", "╯"],
        }
    }

    /// What stands where text was cut off; one cell wide.
    #[must_use]
    pub fn ellipsis(self) -> &'static str {
        self.pick("…", "~")
    }

    /// From here to there.
    #[must_use]
    pub fn arrow(self) -> &'static str {
        self.pick("→", "->")
    }

    /// No value.
    #[must_use]
    pub fn none(self) -> &'static str {
        self.pick("–", "-")
    }

    /// Between the ends of an interval, and in place of a long dash.
    #[must_use]
    pub fn dash(self) -> &'static str {
        self.pick("–", "-")
    }

    /// Between words that stand side by side.
    #[must_use]
    pub fn dot(self) -> &'static str {
        self.pick("·", "-")
    }

    /// More above, more below.
    #[must_use]
    pub fn more(self) -> [&'static str; 2] {
        match self {
            Self::Ascii => ["^", "v"],
            _ => ["↑", "↓"],
        }
    }

    /// Ticked and not ticked.
    #[must_use]
    pub fn checkbox(self, on: bool) -> &'static str {
        if on { "[x]" } else { "[ ]" }
    }

    /// In front of a line that is being typed.
    #[must_use]
    pub fn cursor_bar(self) -> &'static str {
        self.pick("▏", "|")
    }

    /// The text with everything that this font lacks replaced by its nearest ASCII.
    ///
    /// For sentences that are written once with typographic characters (wording that comes from
    /// elsewhere). Characters without a known replacement become `?`.
    #[must_use]
    pub fn text(self, text: &str) -> String {
        if !self.is_ascii() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                c if c.is_ascii() => out.push(c),
                '–' | '—' | '−' | '─' => out.push('-'),
                '…' => out.push('~'),
                '·' => out.push('-'),
                '→' => out.push_str("->"),
                '←' => out.push_str("<-"),
                '≥' => out.push_str(">="),
                '≤' => out.push_str("<="),
                '≈' | '~' => out.push('~'),
                '×' => out.push('x'),
                '⏎' => out.push_str("enter"),
                '‘' | '’' => out.push('\''),
                '“' | '”' => out.push('"'),
                '\u{a0}' => out.push(' '),
                _ => out.push('?'),
            }
        }
        out
    }

    fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.is_ascii() { ascii } else { unicode }
    }
}

/// The slot of each arm: 0 for the control, then 1, 2, 3 in their order.
///
/// Slot decides glyph and colour, so that an arm has the same ones on every screen wherever the control
/// stands in the list.
pub fn arm_slots(is_control: impl IntoIterator<Item = bool>) -> Vec<usize> {
    let mut next = 1;
    let mut seen_control = false;
    is_control
        .into_iter()
        .map(|control| {
            if control && !seen_control {
                seen_control = true;
                return 0;
            }
            next += 1;
            next - 1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr as _;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_locale_and_the_console_decide() {
        assert_eq!(Glyphs::from_env(env(&[])), Glyphs::Braille);
        assert_eq!(Glyphs::from_env(env(&[("LANG", "en_US.UTF-8")])), Glyphs::Braille);
        assert_eq!(Glyphs::from_env(env(&[("LANG", "C")])), Glyphs::Ascii);
        let posix_wins = [("LC_ALL", "POSIX"), ("LANG", "de_DE.utf8")];
        assert_eq!(Glyphs::from_env(env(&posix_wins)), Glyphs::Ascii);
        let empty_is_unset = [("LC_ALL", ""), ("LANG", "de_DE.utf8")];
        assert_eq!(Glyphs::from_env(env(&empty_is_unset)), Glyphs::Braille);
        let console = [("TERM", "linux"), ("LANG", "C.UTF-8")];
        assert_eq!(Glyphs::from_env(env(&console)), Glyphs::Block);
    }

    #[test]
    fn every_mark_is_one_cell_and_ascii_is_ascii() {
        for glyphs in [Glyphs::Braille, Glyphs::Block, Glyphs::Ascii] {
            let mut marks: Vec<String> = (0..10).map(|slot| glyphs.arm(slot).to_owned()).collect();
            for status in Status::ALL {
                marks.push(glyphs.status(status, false).to_owned());
                marks.push(glyphs.status(status, true).to_owned());
            }
            for tone in [Tone::Danger, Tone::Warn, Tone::Info, Tone::Ok] {
                marks.push(glyphs.tone(tone).to_owned());
            }
            for eighths in 0..=9 {
                marks.push(glyphs.up(eighths).to_string());
                marks.push(glyphs.across(eighths).to_string());
            }
            marks.extend(glyphs.corners().map(str::to_owned));
            marks.extend(glyphs.more().map(str::to_owned));
            marks.push(glyphs.ellipsis().to_owned());
            marks.push(glyphs.rule().to_owned());
            marks.push(glyphs.cursor_bar().to_owned());
            for mark in marks {
                assert_eq!(mark.width(), 1, "{mark:?} of {glyphs:?}");
                assert!(!glyphs.is_ascii() || mark.is_ascii(), "{mark:?} is not ASCII");
            }
        }
    }

    #[test]
    fn no_two_arms_look_alike() {
        for glyphs in [Glyphs::Braille, Glyphs::Ascii] {
            let marks: std::collections::BTreeSet<_> = (0..10).map(|slot| glyphs.arm(slot)).collect();
            assert_eq!(marks.len(), 10);
        }
    }

    #[test]
    fn the_control_has_slot_zero_wherever_it_stands() {
        assert_eq!(arm_slots([true, false, false]), [0, 1, 2]);
        assert_eq!(arm_slots([false, true, false]), [1, 0, 2]);
        assert_eq!(arm_slots([false, false]), [1, 2]);
        assert_eq!(arm_slots([]), [0; 0]);
    }

    #[test]
    fn sentences_become_ascii_where_they_must() {
        let text = "Auto-paused — p ≤ 0.001 … é";
        assert_eq!(Glyphs::Braille.text(text), text);
        assert_eq!(Glyphs::Ascii.text(text), "Auto-paused - p <= 0.001 ~ ?");
    }
}
