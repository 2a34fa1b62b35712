//! Bulk import: the card with the ids, the difference, the chunks.

mod collect;
mod counts;
mod review;

use jiff::Timestamp;
use ratatui::layout::Position;

use self::collect::collect;
use self::review::review;
use super::Canvas;
use crate::api::imports::{Import, ImportState, Malformed};
use crate::cockpit::format::{self, count};
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::Laid;
use crate::cockpit::state::import::{ImportPanel, Stage};
use crate::domain::Variant;
use crate::tui::glyphs::{Glyphs, arm_slots};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, fit_middle};

/// As wide as its lines need.
const WIDEST: u16 = 96;

/// Draws the panel.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    keymap: &Keymap,
    panel: &ImportPanel,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let variant = panel
        .import
        .as_ref()
        .map(|i| i.variant.as_str())
        .or_else(|| panel.target.variants.get(panel.variant).map(|v| v.key.as_str()))
        .unwrap_or_default();
    let subject = panel.import.as_ref().map_or(panel.subject, |i| i.subject_type);
    let glyphs = theme.glyphs;
    let (mark, _) = arm(theme, &panel.target.variants, variant);
    let arrow = format!(" {} {mark} ", glyphs.arrow());
    let title = title(
        (panel.target.key.as_str(), &arrow, variant),
        &format!(", by {}", subject.as_str()),
        width,
        glyphs,
    );
    let undone = |import: &Import| import.state == ImportState::Undone;
    let step = match panel.stage {
        // Nothing is left to be done.
        Stage::Review if panel.import.as_deref().is_some_and(undone) => "undone",
        Stage::Collect => "step 1 of 3",
        Stage::Running => "step 3 of 3",
        Stage::Review if panel.import.as_ref().is_some_and(|i| i.applied_chunks > 0) => "step 3 of 3",
        Stage::Sending | Stage::Review => "step 2 of 3",
    };
    match panel.stage {
        Stage::Collect => canvas.boxed(&title, step, (width, 19), |pen| collect(pen, keymap, panel, now)),
        Stage::Sending => {
            let laid = canvas.boxed(&title, step, (width, 5), |pen| {
                sending(pen, keymap, panel, now);
                Laid::default()
            });
            (laid, None)
        }
        Stage::Review | Stage::Running => {
            let height = canvas.area.height.saturating_sub(4).max(12);
            canvas.boxed(&title, step, (width, height), |pen| {
                review(pen, keymap, panel, now)
            })
        }
    }
}

/// What goes where, in `width` columns: what has to be read anyway gives way to the keys, then those lose their middles.
fn title((key, arrow, variant): (&str, &str, &str), by: &str, width: u16, glyphs: Glyphs) -> String {
    let tellings = [
        ("Import overrides into ", by),
        ("Import into ", by),
        ("Import into ", ""),
    ];
    let room = |(into, by): (&str, &str)| width.saturating_sub(columns(into) + columns(arrow) + columns(by));
    let keys = columns(key).saturating_add(columns(variant));
    let whole = tellings.into_iter().find(|told| room(*told) >= keys);
    let long = || tellings.into_iter().find(|told| room(*told) >= LEAST_KEYS);
    let (into, by) = whole.or_else(long).unwrap_or(tellings[2]);
    let (key, variant) = shared((key, variant), room((into, by)), glyphs);
    format!("{into}{key}{arrow}{variant}{by}")
}

/// Columns of both keys in the title, at least, before something else goes.
const LEAST_KEYS: u16 = 32;

/// Two keys in `room` columns together: the shorter one whole where that leaves the other at least half.
fn shared((one, two): (&str, &str), room: u16, glyphs: Glyphs) -> (String, String) {
    let (first, second) = (columns(one), columns(two));
    let half = room / 2;
    let first_room = first.min(half.max(room.saturating_sub(second)));
    (
        fit_middle(one, first_room, glyphs).into_owned(),
        fit_middle(two, room - first_room, glyphs).into_owned(),
    )
}

/// The glyph and style of a variant.
fn arm(theme: &Theme, variants: &[Variant], key: &str) -> (&'static str, ratatui::style::Style) {
    let slots = arm_slots(variants.iter().map(|v| v.is_control));
    let slot = variants
        .iter()
        .position(|v| v.key.as_str().eq_ignore_ascii_case(key))
        .and_then(|at| slots.get(at).copied());
    match slot {
        Some(slot) => (theme.glyphs.arm(slot), theme.arm(slot)),
        None => ("?", theme.warn),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KB", bytes >> 10),
        _ => format!("{} MB", bytes >> 20),
    }
}

/// An id that can be seen, in so many columns (at least eight): what is wrong with it stands behind it.
fn shortened(given: &str, room: u16) -> String {
    let text = printable(given);
    let room = room.max(8);
    if columns(&text) <= room {
        return text;
    }
    let mut kept = String::new();
    for c in text.chars() {
        if columns(&kept) + 2 > room {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

/// Characters that steer the terminal as signs that can be seen.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if format::steers(c) {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

fn sending(pen: &mut Pen<'_>, keymap: &Keymap, panel: &ImportPanel, now: Timestamp) {
    let theme = pen.theme;
    let waited = panel.sent_at.map_or_else(String::new, |at| format::age(at, now));
    let text = format!(
        "Sending {} ids, {}, and asking what they would change … {waited}",
        count(panel.tally.unique),
        size(panel.tally.bytes)
    );
    pen.text(0, 1, &theme.glyphs.text(&text), theme.text);
    let leaves = (Context::Running, Command::Back, "does not wait");
    let lists = (Context::Overrides, Command::Imports, "lists it");
    let text = match keymap.ways(&[leaves]) {
        ways if ways.is_empty() => "Nothing is in force yet.".to_owned(),
        ways => format!(
            "Nothing is in force yet. {}.",
            keymap.after(&ways, ": ", &[lists])
        ),
    };
    pen.text(0, 2, &text, theme.dim);
}

fn malformed(pen: &mut Pen<'_>, lines: &[Malformed], all: u64, top: u16) {
    let theme = pen.theme;
    let text = if all > lines.len() as u64 {
        format!("The first {} of {} refused ids", lines.len(), count(all))
    } else {
        format::counted(all, "refused id", "refused ids")
    };
    pen.text(0, top, &text, theme.heading);
    for (y, bad) in (top + 1..pen.height()).zip(lines) {
        let line = count(bad.line);
        pen.text_before(9, y, &line, 9, theme.dim);
        let room = pen.width().saturating_sub(11 + 2 + 2 + columns(&bad.allowed));
        let text = format!("\"{}\"", shortened(&bad.given, room));
        let end = pen.text(11, y, &theme.glyphs.text(&text), theme.warn);
        pen.text(end + 2, y, &bad.allowed, theme.dim);
    }
}
