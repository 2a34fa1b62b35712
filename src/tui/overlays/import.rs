//! Bulk import: the card with the ids, the difference, the chunks.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::Canvas;
use crate::api::imports::{Import, ImportState, Malformed, RowEffect};
use crate::cockpit::format::{self, count};
use crate::cockpit::intake::Source;
use crate::cockpit::state::import::{Focus, ImportPanel, Stage};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::import::not_ready;
use crate::domain::Variant;
use crate::tui::field;
use crate::tui::glyphs::arm_slots;
use crate::tui::objects::again;
use crate::tui::page::{Span, draw_spans, width_of};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;
use crate::tui::widgets::pen::{columns, wrap};

/// As wide as its lines need.
const WIDEST: u16 = 96;
/// Columns of the labels.
const LABEL: u16 = 10;

/// Draws the panel.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
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
    let title = format!(
        "Import overrides into {} {} {mark} {variant}, by {}",
        panel.target.key,
        glyphs.arrow(),
        subject.as_str()
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
        Stage::Collect => canvas.boxed(&title, step, (width, 19), |pen| collect(pen, panel, now)),
        Stage::Sending => {
            let laid = canvas.boxed(&title, step, (width, 5), |pen| {
                sending(pen, panel, now);
                Laid::default()
            });
            (laid, None)
        }
        Stage::Review | Stage::Running => {
            let height = canvas.area.height.saturating_sub(4).max(12);
            canvas.boxed(&title, step, (width, height), |pen| {
                review(pen, state, panel, now)
            })
        }
    }
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

/// Counts in one line: received, unique, duplicates, malformed.
fn counts(theme: &Theme, [received, unique, duplicates, malformed]: [u64; 4]) -> Vec<Span> {
    let style = |n: u64, other| if n > 0 { other } else { theme.dim };
    let mut spans = Vec::new();
    let all = [
        ("received", received, theme.text),
        ("unique", unique, theme.heading),
        ("duplicates", duplicates, style(duplicates, theme.text)),
        ("malformed", malformed, style(malformed, theme.warn)),
    ];
    for (label, n, style) in all {
        spans.push((format!("{label} "), theme.dim));
        spans.push((format!("{}   ", count(n)), style));
    }
    spans
}

fn collect(pen: &mut Pen<'_>, panel: &ImportPanel, now: Timestamp) -> (Laid, Option<Position>) {
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
        let hint = "paste here, or type one and press enter";
        if panel.line.text().is_empty() && !(panel.open_line && panel.intake.is_some()) {
            pen.text(bar, y, hint, theme.dim);
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
        let spans = counts(
            theme,
            [tally.received, tally.unique, tally.duplicates, tally.malformed],
        );
        draw_spans(pen, LABEL, y, &spans);
        y += 1;
        if !small {
            for (name, ids) in [("first", &tally.first), ("last", &tally.last)] {
                pen.text(LABEL, y, name, theme.dim);
                let text = glyphs.text(&ids.join("  "));
                pen.text_within(LABEL + 6, y, &text, width.saturating_sub(LABEL + 6), theme.text);
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
                let text = format!("and {} more, F2 shows them", count(tally.malformed - 3));
                pen.text(LABEL, y, &text, theme.dim);
                y += 1;
            }
        }
    } else if let Some(left) = panel.left.first() {
        let at = Timestamp::from_second(left.at).unwrap_or(now);
        let text = format!(
            "{} of ids were not sent {}: ctrl-t takes them up",
            size(left.bytes),
            theme.times.ago(at, now)
        );
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
            pen.text(bar, y, "its path; tab completes, enter reads it", theme.dim);
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
        pen.text(
            LABEL,
            y,
            &choice(&format!("{mark} {}", variant.key)),
            style(focused),
        );
        y += 1;
    }
    let focused = panel.focus == Focus::Subject;
    if shows(Focus::Subject) {
        pen.text(0, y, "Kind", label(focused));
        pen.text(LABEL, y, &choice(panel.subject.as_str()), style(focused));
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
    super::form::buttons(
        pen,
        height.saturating_sub(1),
        ("Close", "Show what it would do"),
        (panel.focus == Focus::Cancel, panel.focus == Focus::Check),
        true,
    );
    (Laid::default(), cursor)
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

fn sending(pen: &mut Pen<'_>, panel: &ImportPanel, now: Timestamp) {
    let theme = pen.theme;
    let waited = panel.sent_at.map_or_else(String::new, |at| format::age(at, now));
    let text = format!(
        "Sending {} ids, {}, and asking what they would change … {waited}",
        count(panel.tally.unique),
        size(panel.tally.bytes)
    );
    pen.text(0, 1, &theme.glyphs.text(&text), theme.text);
    pen.text(
        0,
        2,
        "Nothing is in force yet. Esc does not wait: I lists it.",
        theme.dim,
    );
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

/// The difference, and the chunks while they are at work.
fn review(pen: &mut Pen<'_>, state: &State, panel: &ImportPanel, now: Timestamp) -> (Laid, Option<Position>) {
    let theme = pen.theme;
    let glyphs = theme.glyphs;
    let Some(import) = &panel.import else {
        return (Laid::default(), None);
    };
    let (width, height) = (pen.width(), pen.height());
    let mut y = 0;
    let spans = counts(
        theme,
        [
            import.received,
            import.unique,
            import.duplicates,
            import.malformed,
        ],
    );
    draw_spans(pen, 0, y, &spans);
    let from = format!(
        "from {}, sha256 {}",
        import.source_name.as_deref().unwrap_or("somewhere"),
        import.sha256.get(..8).unwrap_or_default()
    );
    if width_of(&spans) + columns(&from) + 2 < width {
        pen.text(width - columns(&from), y, &from, theme.dim);
    }
    y += 1;
    if import.state == ImportState::Undone {
        draw_spans(pen, 0, y, &taken_back(theme, import));
    } else {
        draw_spans(pen, 0, y, &effect(theme, panel, import));
    }
    y += 1;
    let exposed = match (import.exposed_elsewhere, &import.exposed_unknown) {
        (Some(0), _) => None,
        (Some(n), _) => Some((
            format!(
                "! already exposed to another variant {}, their past exposures stay counted there",
                count(n)
            ),
            theme.warn,
        )),
        (None, why) => Some((
            format!(
                "? not known who was exposed to another variant already: {}",
                why.as_deref().unwrap_or("ClickHouse was not asked")
            ),
            theme.dim,
        )),
    };
    if let Some((text, style)) = exposed {
        pen.text(0, y, &glyphs.text(&text), style);
        y += 1;
    }
    y = chunks(pen, y, panel, import, now);
    if let Some(error) = &panel.error {
        for line in wrap(error, width, 3, glyphs) {
            pen.text(0, y, &glyphs.text(&line), theme.danger);
            y += 1;
        }
    }
    if height > y + 3 {
        y += 1;
    }
    if panel.malformed {
        malformed(pen, &import.malformed_lines, import.malformed, y);
        return (Laid::default(), None);
    }
    let last = height.saturating_sub(1);
    let mut cursor = None;
    if panel.stage == Stage::Review {
        if panel.filtering || !panel.filter.text().is_empty() || panel.effect.is_some() {
            let mut x = pen.text(0, y, "/ ", theme.key);
            let at = field::draw(pen, x, y, width.saturating_sub(x + 16), &panel.filter, theme.text);
            cursor = at.filter(|_| panel.filtering);
            if let Some(effect) = panel.effect {
                let word = format!("only {}", effect_word(effect));
                x = width.saturating_sub(columns(&word));
                pen.text(x, y, &word, theme.info);
            }
            y += 1;
        }
        let room = last.saturating_sub(y);
        let laid = difference(&mut pen.part(0, y, width, room), panel, import);
        hints(pen, last, state, panel, import);
        return (laid, cursor);
    }
    hints(pen, last, state, panel, import);
    (Laid::default(), cursor)
}

/// What the undo did.
fn taken_back(theme: &Theme, import: &Import) -> Vec<Span> {
    let noun = import.subject_type.as_str();
    let people = format::counted(import.undone, noun, &format!("{noun}s"));
    let have = if import.undone == 1 { "has" } else { "have" };
    let mut spans = vec![
        ("taken back: ".to_owned(), theme.ok),
        (format!("{people} {have} what they had before"), theme.text),
    ];
    if import.kept > 0 {
        let kept = format!("   left alone, changed by somebody else: {}", count(import.kept));
        spans.push((kept, theme.warn));
    }
    spans
}

fn effect(theme: &Theme, panel: &ImportPanel, import: &Import) -> Vec<Span> {
    let effect = &import.effect;
    let mut spans = vec![
        ("+ added ".to_owned(), theme.ok),
        (format!("{}   ", count(effect.added)), theme.text),
        ("~ changed ".to_owned(), theme.warn),
        (count(effect.changed), theme.text),
    ];
    if !effect.changed_from.is_empty() {
        spans.push((" (from".to_owned(), theme.dim));
        for (key, n) in &effect.changed_from {
            let (mark, style) = arm(theme, &panel.target.variants, key);
            spans.push((format!(" {mark} {key}"), style));
            spans.push((format!(" {}", count(*n)), theme.dim));
        }
        spans.push((")".to_owned(), theme.dim));
    }
    spans.push(("   = unchanged ".to_owned(), theme.dim));
    spans.push((count(effect.unchanged), theme.text));
    spans
}

/// How far it is: a bar, the rate, the time left.
fn chunks(pen: &mut Pen<'_>, y: u16, panel: &ImportPanel, import: &Import, now: Timestamp) -> u16 {
    let theme = pen.theme;
    let untouched = import.state == ImportState::Staged && panel.run.is_none();
    if untouched {
        return y;
    }
    let width = pen.width();
    let text = format!(
        "{} of {} in force, {} of {} ids",
        import.applied_chunks,
        format::counted(u64::from(import.chunks), "chunk", "chunks"),
        count(ImportPanel::landed(import)),
        count(import.unique)
    );
    let pace = match (panel.pace(now), panel.run) {
        (Some((rate, left)), Some(run)) => {
            let left = jiff::SignedDuration::try_from(left).map_or_else(|_| String::new(), format::span);
            let verb = if run.undo { "taken back" } else { "applied" };
            format!("{} ids/s {verb}, {left} left", format::rounded(rate))
        }
        (None, Some(run)) if run.undo => "taking back …".to_owned(),
        (None, Some(_)) => "applying …".to_owned(),
        (_, None) => super::imports::progress(theme, import).0,
    };
    // What is said goes before the bar.
    let bar_width = width.saturating_sub(columns(&text) + 2).clamp(8, 40);
    let eighths =
        u64::from(bar_width) * 8 * u64::from(import.applied_chunks) / u64::from(import.chunks.max(1));
    for n in 0..bar_width {
        let full = eighths.saturating_sub(u64::from(n) * 8).min(8);
        let glyph = theme.glyphs.across(usize::try_from(full).unwrap_or(8));
        if full > 0 {
            pen.char(n, y, glyph, theme.accent);
        } else {
            pen.glyph(n, y, theme.glyphs.dot(), theme.rule);
        }
    }
    pen.text(bar_width + 2, y, &theme.glyphs.text(&text), theme.text);
    pen.text(0, y + 1, &theme.glyphs.text(&pace), theme.dim);
    y + 2
}

fn effect_word(effect: RowEffect) -> &'static str {
    match effect {
        RowEffect::Added => "added",
        RowEffect::Changed => "changed",
        RowEffect::Unchanged => "unchanged",
    }
}

fn difference(pen: &mut Pen<'_>, panel: &ImportPanel, import: &Import) -> Laid {
    let theme = pen.theme;
    let Some(page) = &panel.rows.value else {
        match &panel.rows.failure {
            Some(failure) => {
                let text = format!("Cannot load the rows: {}", failure.message);
                empty(pen, &text, again(failure));
            }
            None => {
                pen.text(0, 0, &theme.glyphs.text("Asking for the rows …"), theme.dim);
            }
        }
        return Laid::default();
    };
    if page.rows.is_empty() {
        empty(
            pen,
            "No id matches.",
            "Esc clears the filter, f shows all of them.",
        );
        return Laid::default();
    }
    let width = pen.width();
    let rows = usize::from(pen.height());
    let selected = panel.selected.min(page.rows.len() - 1);
    let first = selected
        .saturating_sub(rows / 2)
        .min(page.rows.len().saturating_sub(rows));
    let id_width = (width / 2).clamp(8, 48);
    let (to_mark, to_style) = arm(theme, &panel.target.variants, import.variant.as_str());
    for (y, (at, row)) in (0_u16..).zip(page.rows.iter().enumerate().skip(first).take(rows)) {
        pen.text_within(0, y, &row.subject_id, id_width, theme.text);
        let x = id_width + 1;
        let mut x = pen.text(x, y, theme.glyphs.vertical(), theme.rule) + 1;
        // Of what was taken back it is said what each has now.
        let undone = import.state == ImportState::Undone;
        match row.effect {
            RowEffect::Added if undone => {
                pen.text(x, y, "no override", theme.dim);
            }
            RowEffect::Changed if undone => {
                let has = row.from.as_deref().unwrap_or("?");
                let (mark, style) = arm(theme, &panel.target.variants, has);
                pen.text(x, y, &format!("{mark} {has}"), style);
            }
            RowEffect::Unchanged if undone => {
                pen.text(x, y, &format!("{to_mark} {}", import.variant), to_style);
            }
            RowEffect::Added => {
                x = pen.text(x, y, "+ ", theme.ok);
                pen.text(x, y, &format!("{to_mark} {}", import.variant), to_style);
            }
            RowEffect::Changed => {
                let from = row.from.as_deref().unwrap_or("?");
                let (mark, style) = arm(theme, &panel.target.variants, from);
                x = pen.text(x, y, "~ ", theme.warn);
                x = pen.text(x, y, &format!("{mark} {from}"), style);
                x = pen.text(x, y, &format!(" {} ", theme.glyphs.arrow()), theme.dim);
                pen.text(x, y, &format!("{to_mark} {}", import.variant), to_style);
            }
            RowEffect::Unchanged => {
                pen.text(x, y, "= unchanged", theme.dim);
            }
        }
        if at == selected {
            pen.restyle_row(y, theme.selection);
        }
    }
    Laid {
        rows,
        last: page.rows.len() - 1,
    }
}

/// What the keys do, in the panel itself: the footer may be far away.
fn hints(pen: &mut Pen<'_>, y: u16, _state: &State, panel: &ImportPanel, import: &Import) {
    let theme = pen.theme;
    let chunk_ids = count(crate::api::imports::CHUNK_IDS as u64);
    let left = import.chunks.saturating_sub(import.applied_chunks);
    let mut parts: Vec<(&str, String)> = Vec::new();
    match (panel.stage, import.state) {
        (Stage::Running, _) => {
            let text = match panel.run {
                Some(run) if run.stop => "stops after this chunk".to_owned(),
                _ => "stops after this chunk".to_owned(),
            };
            parts.push(("Esc", text));
        }
        (_, ImportState::Staged) => parts.push((
            "⏎",
            match left {
                1 => "apply".to_owned(),
                n => format!("apply in {} chunks of {chunk_ids}", count(u64::from(n))),
            },
        )),
        (_, ImportState::Applying) => {
            parts.push((
                "⏎",
                match left {
                    1 => "go on with the chunk left".to_owned(),
                    n => format!("go on with the {} chunks left", count(u64::from(n))),
                },
            ));
            parts.push(("u", "undo".to_owned()));
        }
        (_, ImportState::Undoing) => parts.push(("⏎", "go on with the undo".to_owned())),
        (_, ImportState::Applied) => parts.push(("u", "undo".to_owned())),
        (_, ImportState::Undone) => {}
    }
    if panel.stage == Stage::Review {
        parts.push(("Esc", "back".to_owned()));
        if import.malformed > 0 {
            parts.push(("v", format!("malformed {}", count(import.malformed))));
        }
        parts.push(("/", "filter".to_owned()));
        parts.push(("f", "added/changed".to_owned()));
    }
    let mut x = 0;
    for (key, text) in parts {
        let key = theme.glyphs.text(key);
        if x + columns(&key) + 1 + columns(&text) > pen.width() {
            break;
        }
        x = pen.text(x, y, &key, theme.key);
        x = pen.text(x + 1, y, &text, theme.dim) + 3;
    }
}
