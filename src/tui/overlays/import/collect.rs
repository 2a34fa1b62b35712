//! The first page of the card: where ids come in and are counted.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::counts::{counts, flow};
use super::{arm, malformed, shortened, size};
use crate::cockpit::format::count;
use crate::cockpit::intake::Source;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::Laid;
use crate::cockpit::state::import::{Focus, ImportPanel};
use crate::cockpit::update::import::not_ready;
use crate::tui::field;
use crate::tui::glyphs::Glyphs;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, fit_middle, wrap};

/// Columns of the labels.
const LABEL: u16 = 10;

/// Some ids in one line of `room` columns. Where they are too long all of them give way alike, each in its middle: what
/// tells them apart is mostly at their ends.
fn ends(ids: &[String], room: u16, glyphs: Glyphs) -> String {
    let whole = ids.join("  ");
    if columns(&whole) <= room || ids.is_empty() {
        return whole;
    }
    let count = u16::try_from(ids.len()).unwrap_or(u16::MAX);
    let each = (room + 2) / count;
    let texts: Vec<_> = ids
        .iter()
        .map(|id| fit_middle(id, each.saturating_sub(2), glyphs))
        .collect();
    texts.join("  ")
}

/// Beside a choice that has the focus: nothing is typed there.
fn how_to_choose(pen: &mut Pen<'_>, keymap: &Keymap, (end, y): (u16, u16), focused: bool) {
    let keys = [Command::Less, Command::More].map(|command| keymap.way(Context::Collect, command));
    let keys: Vec<String> = keys.into_iter().flatten().collect();
    let hint = match keys.len() {
        0 => "ids are typed above".to_owned(),
        1 => format!("{} chooses; ids are typed above", keys.concat()),
        _ => format!("{} choose; ids are typed above", keys.join(" and ")),
    };
    if focused && end + 2 + columns(&hint) <= pen.width() {
        let dim = pen.theme.dim;
        pen.text(end + 2, y, &hint, dim);
    }
}

/// Draws it.
pub(super) fn collect(
    pen: &mut Pen<'_>,
    keymap: &Keymap,
    panel: &ImportPanel,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = pen.theme;
    let glyphs = theme.glyphs;
    let tally = &panel.tally;
    let (width, height) = (pen.width(), pen.height());
    if panel.malformed {
        malformed(pen, &tally.malformed_lines, tally.malformed, 0);
        return (Laid::default(), None);
    }
    let mut cursor = None;
    let mut y = 0;
    // What cannot be seen at once on a small screen: what has the focus stays.
    let small = height < 14;
    let shows = |focus: Focus| height >= 9 || panel.focus == focus;
    let in_card = panel.focus == Focus::Ids;
    let label = |focused: bool| if focused { theme.accent } else { theme.dim };
    if shows(Focus::Ids) {
        pen.text(0, y, "Ids", label(in_card));
        let bar = pen.text(LABEL, y, glyphs.cursor_bar(), label(in_card));
        let press = keymap.way(Context::Collect, Command::Press);
        let press = press.map_or_else(String::new, |key| format!(" and press {key}"));
        let hint = format!("paste here, or type one{press}");
        if panel.line.text().is_empty() && !(panel.open_line && panel.intake.is_some()) {
            pen.text(bar, y, &hint, theme.dim);
        }
        let at = field::draw(pen, bar, y, width.saturating_sub(bar), &panel.line, theme.text);
        cursor = at.filter(|_| in_card).or(cursor);
        y += 1;
    }
    let source = match (&panel.source, panel.intake) {
        (_, None) => "one a line or with commas; as many as 64 MB hold".to_owned(),
        (Source::Pasted, _) => "pasted".to_owned(),
        (Source::File(path), _) => format!("from {path}"),
        (Source::Stdin, _) => "from standard input".to_owned(),
        (Source::Kept, _) => "kept from the last time".to_owned(),
    };
    let source = if panel.counting {
        format!("{source}, counting …")
    } else {
        source
    };
    pen.text(LABEL, y, &glyphs.text(&source), theme.dim);
    y += 1;
    if panel.intake.is_some() {
        let groups = counts(
            theme,
            [tally.received, tally.unique, tally.duplicates, tally.malformed],
        );
        // Where there are few columns the labels go without theirs.
        let x = if width < 2 * LABEL + 20 { 0 } else { LABEL };
        y += flow(pen, (x, y), groups, if height < 9 { 1 } else { 2 });
        if !small {
            for (name, ids) in [("first", &tally.first), ("last", &tally.last)] {
                pen.text(LABEL, y, name, theme.dim);
                let room = width.saturating_sub(LABEL + 6);
                let text = glyphs.text(&ends(ids, room, glyphs));
                pen.text_within(LABEL + 6, y, &text, room, theme.text);
                y += 1;
            }
            for bad in tally.malformed_lines.iter().take(3) {
                let line = format!("line {}: ", count(bad.line));
                let room = width.saturating_sub(LABEL + columns(&line) + columns(&bad.allowed) + 4);
                let text = format!("{line}\"{}\": {}", shortened(&bad.given, room), bad.allowed);
                pen.text_within(
                    LABEL,
                    y,
                    &glyphs.text(&text),
                    width.saturating_sub(LABEL),
                    theme.warn,
                );
                y += 1;
            }
            if tally.malformed > 3 {
                let text = format!("and {} more", count(tally.malformed - 3));
                let shows = (Context::Collect, Command::ImportMalformed, "shows them");
                let text = keymap.after(&text, ", ", &[shows]);
                pen.text(LABEL, y, &text, theme.dim);
                y += 1;
            }
        }
    } else if let Some(left) = panel.left.first() {
        let at = Timestamp::from_second(left.at).unwrap_or(now);
        let text = format!(
            "{} of ids were not sent {}",
            size(left.bytes),
            theme.times.ago(at, now)
        );
        let takes = (Context::Collect, Command::ImportLeft, "takes them up");
        let text = keymap.after(&text, ": ", &[takes]);
        pen.text(LABEL, y, &text, theme.info);
        y += 1;
    }
    if !small {
        y += 1;
    }
    let focused = panel.focus == Focus::Path;
    if shows(Focus::Path) {
        pen.text(0, y, "File", label(focused));
        let bar = pen.text(LABEL, y, glyphs.cursor_bar(), label(focused));
        let at = field::draw(pen, bar, y, width.saturating_sub(bar), &panel.path, theme.text);
        cursor = at.filter(|_| focused).or(cursor);
        if focused && panel.path.text().is_empty() {
            let keys = [
                (Context::Collect, Command::ImportComplete, "completes"),
                (Context::Collect, Command::Press, "reads it"),
            ];
            pen.text(bar, y, &keymap.after("its path", "; ", &keys), theme.dim);
        }
        y += 1;
    }
    if !panel.completions.is_empty() {
        let text = glyphs.text(&panel.completions.join("  "));
        pen.text_within(LABEL, y, &text, width.saturating_sub(LABEL), theme.dim);
        y += 1;
    }
    let choice = |text: &str| {
        if glyphs.is_ascii() {
            format!("< {text} >")
        } else {
            format!("‹ {text} ›")
        }
    };
    let style = |focused: bool| if focused { theme.selection } else { theme.text };
    let focused = panel.focus == Focus::Variant;
    if let Some(variant) = panel.target.variants.get(panel.variant)
        && shows(Focus::Variant)
    {
        pen.text(0, y, "Variant", label(focused));
        let (mark, _) = arm(theme, &panel.target.variants, variant.key.as_str());
        let text = choice(&format!("{mark} {}", variant.key));
        let end = pen.text(LABEL, y, &text, style(focused));
        how_to_choose(pen, keymap, (end, y), focused);
        y += 1;
    }
    let focused = panel.focus == Focus::Subject;
    if shows(Focus::Subject) {
        pen.text(0, y, "Kind", label(focused));
        let end = pen.text(LABEL, y, &choice(panel.subject.as_str()), style(focused));
        how_to_choose(pen, keymap, (end, y), focused);
        y += 1;
    }
    if !small {
        y += 1;
    }
    let (text, style) = match (&panel.error, not_ready(panel)) {
        (Some(error), _) => (error.clone(), theme.danger),
        (None, Some(why)) if panel.intake.is_some() => (why.to_owned(), theme.dim),
        (None, _) => (
            "Nothing is in force before you have seen what it would do.".to_owned(),
            theme.dim,
        ),
    };
    // The buttons are always there, on the last row.
    let room = height.saturating_sub(y + 1);
    for line in wrap(&text, width, room, glyphs) {
        pen.text(0, y, &glyphs.text(&line), style);
        y += 1;
    }
    super::super::form::buttons(
        pen,
        height.saturating_sub(1),
        ("Close", "Show what it would do"),
        (panel.focus == Focus::Cancel, panel.focus == Focus::Check),
        true,
    );
    (Laid::default(), cursor)
}
