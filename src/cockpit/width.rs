//! How wide text is on the screen: the same on every terminal.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::format::steers;

/// The text with only such characters as take the same columns on every terminal.
///
/// Terminals do not agree on sequences: a flag, a family, or a heart with a variation selector is one, two or six
/// columns wide, and what is drawn beyond the cell that it was given to is painted over by nobody. So a flag becomes its
/// letters, a family its members, and what only changes the character before it is left out; and so are the
/// characters that turn the direction of text.
#[must_use]
pub fn certain(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c < FIRST_UNCERTAIN) {
        return Cow::Borrowed(text);
    }
    let mut wide_before = false;
    let kept = text.chars().filter_map(|c| {
        let kept = match c {
            // Joiner, variation selectors, the cap of a key, tags of flags.
            '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}' | '\u{e0000}'..='\u{e0fff}' => None,
            // Tones of skin.
            '\u{1f3fb}'..='\u{1f3ff}' if wide_before => None,
            // The letters that flags are made of.
            '\u{1f1e6}'..='\u{1f1ff}' => char::from_u32(u32::from(c) - 0x1f1e6 + u32::from('A')),
            // Control characters are left out where the text is written.
            c if steers(c) && !c.is_control() => None,
            c => Some(c),
        };
        if let Some(c) = kept {
            wide_before = c.width() == Some(2);
        }
        kept
    });
    Cow::Owned(kept.collect())
}

/// Nothing before it is part of a sequence of uncertain width: the Arabic letter mark.
const FIRST_UNCERTAIN: char = '\u{61c}';

/// Columns that a text takes as [`certain`] has it, at most `u16::MAX`.
#[must_use]
pub fn columns(text: &str) -> u16 {
    u16::try_from(certain(text).width()).unwrap_or(u16::MAX)
}
