//! Empty states: what is missing, and what to do about it.

use super::Pen;
use super::pen::wrap;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::ports::{Failure, FailureKind};

/// What happens after what is loaded by itself failed to.
#[must_use]
pub fn retried(keymap: &Keymap, failure: &Failure) -> String {
    let (text, does) = match failure.kind {
        FailureKind::Configuration => ("Not tried again by itself", "tries, once it is mended"),
        _ => ("Tried again by itself", "tries at once"),
    };
    let reload = (Context::Global, Command::Reload, does);
    format!("{}.", keymap.after(text, "; ", &[reload]))
}

/// What lets back in what a filter or a search leaves out; empty where no key does.
#[must_use]
pub fn clears(keymap: &Keymap, what: &str) -> String {
    keymap.sentence(
        "",
        &[(Context::Always, Command::Back, &format!("clears the {what}"))],
    )
}

/// Draws what is missing in plain text and, below it, what to do about it, quieter. Centred in height
/// where there is room, from the left edge; the rows that were used.
pub fn empty(pen: &mut Pen<'_>, what: &str, hint: &str) -> u16 {
    let theme = pen.theme;
    let glyphs = pen.glyphs();
    let (width, height) = (pen.width(), pen.height());
    let what = wrap(what, width, height, glyphs);
    let left = height.saturating_sub(rows(&what));
    let hint = wrap(hint, width, left, glyphs);
    let used = rows(&what) + rows(&hint);
    let mut y = (height - used) / 2;
    for (lines, style) in [(&what, theme.text), (&hint, theme.dim)] {
        for line in lines {
            pen.text(0, y, line, style);
            y += 1;
        }
    }
    used
}

fn rows(lines: &[String]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::testing::{draw, lines};

    #[test]
    fn says_what_is_missing_and_what_to_do() {
        let buf = draw(24, 5, |pen| {
            empty(pen, "No exposures yet.", "Attach the attribution to your events.");
        });
        let expected = [
            "",
            "No exposures yet.",
            "Attach the attribution",
            "to your events.",
            "",
        ];
        assert_eq!(lines(&buf), expected);
        let buf = draw(12, 1, |pen| {
            empty(pen, "No exposures yet.", "Attach.");
        });
        assert_eq!(lines(&buf), ["No exposure…"]);
    }
}
