//! The dry run: the difference, and the chunks while they are at work.

use jiff::Timestamp;
use ratatui::layout::Position;
use ratatui::style::Style;

use super::counts::{Group, counts, flow};
use super::{arm, malformed, shared};
use crate::api::imports::{Import, ImportState, RowEffect};
use crate::cockpit::format::{self, count};
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::Laid;
use crate::cockpit::state::import::{ImportPanel, Stage};
use crate::tui::chrome::key_text;
use crate::tui::field;
use crate::tui::objects::again;
use crate::tui::page::{Span, draw_spans, width_of};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;
use crate::tui::widgets::pen::{columns, fit_middle, wrap};

/// The difference, and the chunks while they are at work.
pub(super) fn review(
    pen: &mut Pen<'_>,
    keymap: &Keymap,
    panel: &ImportPanel,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = pen.theme;
    let glyphs = theme.glyphs;
    let Some(import) = &panel.import else {
        return (Laid::default(), None);
    };
    let (width, height) = (pen.width(), pen.height());
    // On a small screen nothing has a second line.
    let small = height < 12;
    let most = if small { 1 } else { 2 };
    let mut y = 0;
    let groups = counts(
        theme,
        [
            import.received,
            import.unique,
            import.duplicates,
            import.malformed,
        ],
    );
    let from = format!(
        "from {}, sha256 {}",
        import.source_name.as_deref().unwrap_or("somewhere"),
        import.sha256.get(..8).unwrap_or_default()
    );
    let counted = groups.iter().map(|group| width_of(&group.spans) + 3).sum::<u16>();
    y += flow(pen, (0, y), groups, most);
    if counted + columns(&from) < width {
        pen.text(width - columns(&from), 0, &from, theme.dim);
    }
    if import.state == ImportState::Undone {
        draw_spans(pen, 0, y, &taken_back(theme, import));
        y += 1;
    } else {
        y += flow(pen, (0, y), effect(theme, panel, import), most);
    }
    // It was said before the first chunk: where there is no room for both, how far it is goes before.
    let at_work = import.state != ImportState::Staged || panel.run.is_some();
    if let Some((text, style)) = exposed(theme, import).filter(|_| height >= 7 || !at_work) {
        for line in wrap(&text, width, most, glyphs) {
            pen.text(0, y, &glyphs.text(&line), style);
            y += 1;
        }
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
        let laid = difference(&mut pen.part(0, y, width, room), keymap, panel, import);
        hints(pen, last, keymap, panel, import);
        return (laid, cursor);
    }
    hints(pen, last, keymap, panel, import);
    (Laid::default(), cursor)
}

/// Who of them saw another variant before.
fn exposed(theme: &Theme, import: &Import) -> Option<(String, Style)> {
    match (import.exposed_elsewhere, &import.exposed_unknown) {
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
    }
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

/// Columns of a key among the numbers, at most: three of them find room in a line.
const MOST_KEY: u16 = 12;

/// How many ids get another variant than they have.
fn effect(theme: &Theme, panel: &ImportPanel, import: &Import) -> Vec<Group> {
    let effect = &import.effect;
    let number = |label: &str, style, n: u64, rank| Group {
        spans: vec![(format!("{label} "), style), (count(n), theme.text)],
        rank,
    };
    let mut groups = vec![
        number("+ added", theme.ok, effect.added, 0),
        number("~ changed", theme.warn, effect.changed, 0),
    ];
    if !effect.changed_from.is_empty() {
        let mut spans = vec![("from".to_owned(), theme.dim)];
        for (key, n) in &effect.changed_from {
            let (mark, style) = arm(theme, &panel.target.variants, key);
            let key = fit_middle(key, MOST_KEY, theme.glyphs);
            spans.push((format!(" {mark} {key}"), style));
            spans.push((format!(" {}", count(*n)), theme.dim));
        }
        groups.push(Group { spans, rank: 2 });
    }
    groups.push(number("= unchanged", theme.dim, effect.unchanged, 1));
    groups
}

/// Columns of the bar.
const LEAST_BAR: u16 = 8;
const MOST_BAR: u16 = 40;

/// How far it is: a bar, the rate, the time left.
fn chunks(pen: &mut Pen<'_>, y: u16, panel: &ImportPanel, import: &Import, now: Timestamp) -> u16 {
    let theme = pen.theme;
    let untouched = import.state == ImportState::Staged && panel.run.is_none();
    if untouched {
        return y;
    }
    let (bar_width, text) = progress(pen.width(), import);
    let pace = match (panel.pace(now), panel.run) {
        // A chunk that does not go through has no rate, and nobody knows how long it will take.
        (_, Some(run)) if run.failed > 0 => match run.undo {
            true => "waiting to take the next chunk back".to_owned(),
            false => "waiting to apply the next chunk".to_owned(),
        },
        (Some((rate, left)), Some(run)) => {
            let left = match left.as_secs() {
                0 => "< 1 s".to_owned(),
                _ => jiff::SignedDuration::try_from(left).map_or_else(|_| String::new(), format::span),
            };
            let verb = if run.undo { "taken back" } else { "applied" };
            format!("{} ids/s {verb}, {left} left", format::rounded(rate))
        }
        (None, Some(run)) if run.undo => "taking back …".to_owned(),
        (None, Some(_)) => "applying …".to_owned(),
        (_, None) => super::super::imports::progress(theme, import).0,
    };
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

/// How many columns the bar has, and what is said beside it: as much of it as stays when every number has become as
/// long as it can. The bar is as wide at the last chunk as at the first.
fn progress(width: u16, import: &Import) -> (u16, String) {
    let all = format::counted(u64::from(import.chunks), "chunk", "chunks");
    let unique = count(import.unique);
    let texts = |chunks: u32, ids: u64| {
        let ids = count(ids);
        [
            format!("{chunks} of {all} in force, {ids} of {unique} ids"),
            format!("{chunks} of {all}, {ids} of {unique} ids"),
            format!("{chunks} of {all} in force"),
            format!("{chunks} of {all}"),
        ]
    };
    let longest = texts(import.chunks, import.unique);
    let now = texts(import.applied_chunks, ImportPanel::landed(import));
    let room = |text: &str| width.saturating_sub(columns(text) + 2);
    longest
        .iter()
        .zip(now)
        .map(|(longest, now)| (room(longest), now))
        .filter(|(room, _)| *room >= LEAST_BAR)
        .map(|(room, now)| (room.min(MOST_BAR), now))
        .next()
        .unwrap_or_else(|| (LEAST_BAR.min(width), String::new()))
}

fn effect_word(effect: RowEffect) -> &'static str {
    match effect {
        RowEffect::Added => "added",
        RowEffect::Changed => "changed",
        RowEffect::Unchanged => "unchanged",
    }
}

/// That no row is left, and what lets them in again.
fn none_found(keymap: &Keymap, panel: &ImportPanel) -> (String, String) {
    let all = (Context::Review, Command::ImportEffect, "shows all of them");
    let clear = (Context::Always, Command::Back, "clears the filter");
    let only = panel.effect.map(effect_word);
    let typed = panel.filter.text().trim();
    match (typed, only) {
        ("", Some(only)) => (format!("No id is {only}."), keymap.sentence("", &[all])),
        ("", None) => ("There is no id in it.".to_owned(), String::new()),
        (typed, None) => (
            format!("No id matches \"{typed}\"."),
            keymap.sentence("", &[clear]),
        ),
        (typed, Some(only)) => (
            format!("No id matches \"{typed}\" among the {only}."),
            keymap.sentence("", &[clear, all]),
        ),
    }
}

fn difference(pen: &mut Pen<'_>, keymap: &Keymap, panel: &ImportPanel, import: &Import) -> Laid {
    let theme = pen.theme;
    let Some(page) = &panel.rows.value else {
        match &panel.rows.failure {
            Some(failure) => {
                let text = format!("Cannot load the rows: {}", failure.message);
                empty(pen, &text, &again(keymap, failure));
            }
            None => {
                pen.text(0, 0, &theme.glyphs.text("Asking for the rows …"), theme.dim);
            }
        }
        return Laid::default();
    };
    if page.rows.is_empty() {
        let (text, hint) = none_found(keymap, panel);
        empty(pen, &text, &hint);
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
        // Both keys of a change are read, each shortened alike.
        let room = width.saturating_sub(x);
        let key = |key: &str, room: u16| fit_middle(key, room, theme.glyphs).into_owned();
        let to = key(import.variant.as_str(), room.saturating_sub(4));
        // Of what was taken back it is said what each has now.
        let undone = import.state == ImportState::Undone;
        match row.effect {
            RowEffect::Added if undone => {
                pen.text(x, y, "no override", theme.dim);
            }
            RowEffect::Changed if undone => {
                let has = row.from.as_deref().unwrap_or("?");
                let (mark, style) = arm(theme, &panel.target.variants, has);
                pen.text(
                    x,
                    y,
                    &format!("{mark} {}", key(has, room.saturating_sub(2))),
                    style,
                );
            }
            RowEffect::Unchanged if undone => {
                pen.text(x, y, &format!("{to_mark} {to}"), to_style);
            }
            RowEffect::Added => {
                x = pen.text(x, y, "+ ", theme.ok);
                pen.text(x, y, &format!("{to_mark} {to}"), to_style);
            }
            RowEffect::Changed => {
                let from = row.from.as_deref().unwrap_or("?");
                let (mark, style) = arm(theme, &panel.target.variants, from);
                x = pen.text(x, y, "~ ", theme.warn);
                // Both glyphs with their blanks, the mark of a change, the arrow.
                let beside = 2 + 2 + 2 + columns(theme.glyphs.arrow()) + 2;
                let (from, to) = shared(
                    (from, import.variant.as_str()),
                    room.saturating_sub(beside),
                    theme.glyphs,
                );
                x = pen.text(x, y, &format!("{mark} {from}"), style);
                x = pen.text(x, y, &format!(" {} ", theme.glyphs.arrow()), theme.dim);
                pen.text(x, y, &format!("{to_mark} {to}"), to_style);
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
fn hints(pen: &mut Pen<'_>, y: u16, keymap: &Keymap, panel: &ImportPanel, import: &Import) {
    let theme = pen.theme;
    let left = import.chunks.saturating_sub(import.applied_chunks);
    let many = count(u64::from(left));
    // Each at length, and in short for where that has no room.
    let mut parts: Vec<(Option<Command>, String, String)> = Vec::new();
    let same = |command, text: &'static str| (Some(command), text.to_owned(), text.to_owned());
    let undo = same(Command::ImportUndo, "undo");
    match (panel.stage, import.state) {
        (Stage::Running, _) if panel.run.is_some_and(|run| run.stop) => {
            let text = "Stops after the chunk that is on its way.";
            parts.push((None, text.to_owned(), "Stops after this chunk.".to_owned()));
        }
        (Stage::Running, _) => parts.push(same(Command::Back, "stops after this chunk")),
        (_, ImportState::Staged) if left == 1 => parts.push(same(Command::Press, "apply")),
        (_, ImportState::Staged) => {
            let chunk = count(crate::api::imports::CHUNK_IDS as u64);
            parts.push((
                Some(Command::Press),
                format!("apply in {many} chunks of {chunk}"),
                format!("apply {many} chunks"),
            ));
        }
        (_, ImportState::Applying) => {
            let text = match left {
                1 => "go on with the chunk left".to_owned(),
                _ => format!("go on with the {many} chunks left"),
            };
            parts.extend([(Some(Command::Press), text, "go on".to_owned()), undo]);
        }
        (_, ImportState::Undoing) => {
            let text = "go on with the undo".to_owned();
            parts.push((Some(Command::Press), text, "go on".to_owned()));
        }
        (_, ImportState::Applied) => parts.push(undo),
        (_, ImportState::Undone) => {}
    }
    if panel.stage == Stage::Review {
        if import.malformed > 0 {
            let short = if pen.width() < 50 {
                "malformed"
            } else {
                "views malformed"
            };
            let command = Some(Command::ImportMalformed);
            parts.push((command, "views malformed".to_owned(), short.to_owned()));
        }
        parts.push(same(Command::Back, "back"));
        parts.push(same(Command::Search, "filter"));
        parts.push(same(Command::ImportEffect, "added/changed"));
    }
    let place = match panel.stage {
        Stage::Review => Context::Review,
        _ => Context::Running,
    };
    // What has no key is left out.
    let parts: Vec<(String, String, String)> = parts
        .into_iter()
        .filter_map(|(command, text, short)| match command {
            Some(command) => Some((key_text(keymap.key_at(place, command)?), text, short)),
            None => Some((String::new(), text, short)),
        })
        .collect();
    let wide = |key: &str, text: &str| columns(key) + u16::from(!key.is_empty()) + columns(text);
    let length: u16 = parts.iter().map(|(key, text, _)| wide(key, text) + 3).sum();
    let in_short = length > pen.width() + 3;
    let mut x = 0;
    for (key, text, short) in parts {
        let key = theme.glyphs.text(&key);
        let text = if in_short { short } else { text };
        if x + wide(&key, &text) > pen.width() {
            // A shorter one may fit behind it.
            continue;
        }
        if !key.is_empty() {
            x = pen.text(x, y, &key, theme.key) + 1;
        }
        x = pen.text(x, y, &text, theme.dim) + 3;
    }
}
