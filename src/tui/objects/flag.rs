//! The page of a flag: what is configured, with the changes that are not saved.

use jiff::Timestamp;
use ratatui::layout::Position;
use ratatui::style::Style;

use crate::api::flags::FlagRow;
use crate::cockpit::edit::{FlagDraft, FlagPart};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::rule_text;
use crate::cockpit::state::objects::FlagDetail;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::flag::{DECIDES, Item, items};
use crate::cockpit::update::form::words::{part_changes, part_text, sides};
use crate::domain::Flag;
use crate::tui::chrome::keyed;
use crate::tui::glyphs::Tone;
use crate::tui::page::{Span, draw_spans};
use crate::tui::sheet;
use crate::tui::tabs::overrides;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;
use crate::tui::widgets::heading::Heading;
use crate::tui::widgets::pen::{broken, columns, fit_middle, padded, wrap};

/// Columns of the labels.
const LABEL: usize = 13;
/// Columns before what each copy says of what both changed.
const SIDES: u16 = 12;
/// The most lines of the conditions of a rule.
const MOST_LINES: u16 = 200;

/// A line of the page.
enum Line {
    Blank,
    Heading(&'static str, String),
    /// A line that can be chosen, or one that only tells.
    Spans(Option<Item>, Vec<Span>),
}

/// Draws the page, or the overrides in its place.
pub fn draw(pen: &mut Pen<'_>, state: &State, now: Timestamp, cursor: &mut Option<Position>) -> Laid {
    let Some((detail, row)) = state.objects.open_flag() else {
        let (width, height) = (pen.width(), pen.height());
        let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
        match &state.objects.flags.rows.failure {
            Some(failure) => {
                let text = format!("Cannot load the flag: {}", failure.message);
                empty(&mut inside, &text, &super::again(&state.keymap, failure));
            }
            None => {
                let back = (Context::Always, Command::Back, "goes back to the list");
                empty(
                    &mut inside,
                    "The flag is gone.",
                    &state.keymap.sentence("", &[back]),
                );
            }
        }
        return Laid::default();
    };
    if let Some(page) = &detail.overrides {
        return overrides::draw_flag(pen, &row.flag, (page, &state.keymap), now, cursor);
    }
    let draft = state.objects.draft(detail.id);
    let lines = lines(pen, state, detail, row, draft, now);
    let flag = draft.map_or(&row.flag, |d| &d.mine);
    let items = items(flag);
    let chosen = items.get(detail.item.min(items.len() - 1));
    let at = lines
        .iter()
        .position(|line| matches!(line, Line::Spans(Some(item), _) if Some(item) == chosen))
        .unwrap_or(0);
    let rows = usize::from(pen.height());
    // The cursor in the middle, and no lines wasted at the end; the first item shows what is above it.
    let above = if detail.item == 0 {
        rows - rows.min(1)
    } else {
        rows / 2
    };
    let first = at.saturating_sub(above).min(lines.len().saturating_sub(rows));
    let width = pen.width();
    for (y, (n, line)) in (0_u16..).zip(lines.iter().enumerate().skip(first).take(rows)) {
        match line {
            Line::Blank => {}
            Line::Heading(title, detail) => {
                let heading = Heading {
                    title,
                    detail,
                    ..Heading::default()
                };
                heading.draw(&mut pen.part(0, y, width, 1));
            }
            Line::Spans(_, spans) => draw_spans(pen, 1, y, spans),
        }
        if n == at {
            pen.restyle_row(y, pen.theme.selection);
        }
    }
    Laid {
        rows,
        last: items.len().saturating_sub(1),
    }
}

/// How many changes are not saved, for the footer.
#[must_use]
pub fn place(state: &State) -> String {
    let draft = state
        .objects
        .flag
        .as_deref()
        .and_then(|d| state.objects.draft(d.id));
    match draft.map_or(0, |d| d.changed().len()) {
        0 => String::new(),
        n => format::counted(n as u64, "change not saved", "changes not saved"),
    }
}

fn lines(
    pen: &Pen<'_>,
    state: &State,
    detail: &FlagDetail,
    row: &FlagRow,
    draft: Option<&FlagDraft>,
    now: Timestamp,
) -> Vec<Line> {
    let theme = pen.theme;
    let flag = draft.map_or(&row.flag, |d| &d.mine);
    let mut lines = Vec::new();
    let told = told(pen, state, detail, draft, now);
    if !told.is_empty() {
        lines.extend(told.into_iter().map(|spans| Line::Spans(None, spans)));
        lines.push(Line::Blank);
    }
    lines.push(Line::Heading("Flag", String::new()));
    let (mark, word, style) = super::rows::standing(theme, &row.flag);
    lines.push(Line::Spans(
        Some(Item::Enabled),
        vec![
            (format!("{:<LABEL$}", "state"), theme.dim),
            (format!("{mark} {word}"), style),
            (
                match &row.decided_by {
                    Some(experiment) => format!("   by itself; {experiment} decides it now"),
                    None if row.flag.enabled => String::new(),
                    None => "   everybody gets off".to_owned(),
                },
                theme.dim,
            ),
        ],
    ));
    for part in [
        FlagPart::Name,
        FlagPart::Description,
        FlagPart::Rollout,
        FlagPart::Mode,
        FlagPart::Deployments,
    ] {
        lines.push(Line::Spans(
            Some(Item::Part(part)),
            part_spans(pen, state, flag, draft, part),
        ));
    }
    if let Some(experiment) = &row.decided_by {
        lines.push(Line::Spans(
            None,
            vec![
                (format!("{:<LABEL$}", "decided by"), theme.dim),
                (experiment.to_string(), theme.info),
                (
                    "   while it runs, rollout and rules below do not count".to_owned(),
                    theme.dim,
                ),
            ],
        ));
    }
    let note = |part: FlagPart| match draft {
        Some(draft) if !part.same(&draft.base, &draft.mine) => {
            format!(
                "{} changed: {}",
                theme.glyphs.dot(),
                part_changes(state, draft, part).join("; ")
            )
        }
        _ => String::new(),
    };
    lines.push(Line::Blank);
    lines.push(Line::Heading("Variants", note(FlagPart::Variants)));
    // Shares line up below each other.
    let widest = flag.variants.iter().map(|v| columns(v.key.as_str())).max();
    let key = widest.unwrap_or(0).clamp(16, (pen.width() / 3).clamp(16, 48));
    for (at, variant) in flag.variants.iter().enumerate() {
        let payload = if variant.payload.is_null() {
            String::new()
        } else {
            format!("   {}", variant.payload)
        };
        let name = if variant.name.is_empty() {
            String::new()
        } else {
            format!("   {}", variant.name)
        };
        lines.push(Line::Spans(
            Some(Item::Variant(variant.key.clone())),
            vec![
                (
                    format!(
                        "{} {}",
                        theme.glyphs.arm(at),
                        padded(&fit_middle(variant.key.as_str(), key, theme.glyphs), key)
                    ),
                    theme.arm(at),
                ),
                (format!("{:>6} %", variant.traffic_pct.to_string()), theme.text),
                (name, theme.dim),
                (payload, theme.text),
            ],
        ));
    }
    lines.push(Line::Spans(
        Some(Item::AddVariant),
        vec![("+ a variant".to_owned(), theme.dim)],
    ));
    lines.push(Line::Blank);
    lines.push(Line::Heading("Rules", note(FlagPart::Rules)));
    for rule in &flag.rules {
        let arm = flag.variants.iter().position(|v| v.key == rule.variant);
        let style: Style = arm.map_or(theme.warn, |arm| theme.arm(arm));
        let text = if rule.conditions.is_empty() {
            "everybody".to_owned()
        } else {
            rule_text::write(&rule.conditions)
        };
        // What it gives stands first: conditions may be long.
        let before = format!("{:>5}  ", rule.priority);
        let variant = format!("{} {}  ", theme.glyphs.arrow(), rule.variant);
        let begins = columns(&before).saturating_add(columns(&variant));
        let (indent, apart) = match pen.width().saturating_sub(begins + 2) {
            0..24 => (columns(&before) + 2, true),
            _ => (begins, false),
        };
        let room = pen.width().saturating_sub(indent + 2).max(8);
        let mut wrapped = wrap(&broken(&text, room), room, MOST_LINES, theme.glyphs).into_iter();
        let mut spans = vec![(before, theme.dim), (variant, style)];
        if !apart && let Some(line) = wrapped.next() {
            spans.push((line, theme.text));
        }
        lines.push(Line::Spans(Some(Item::Rule(rule.id)), spans));
        let blanks = " ".repeat(usize::from(indent));
        lines.extend(wrapped.map(|line| Line::Spans(None, vec![(blanks.clone() + &line, theme.text)])));
    }
    lines.push(Line::Spans(
        Some(Item::AddRule),
        vec![("+ a rule, tried before the rollout".to_owned(), theme.dim)],
    ));
    lines.push(Line::Blank);
    lines.push(Line::Heading("Overrides", String::new()));
    lines.push(Line::Spans(
        Some(Item::Overrides),
        vec![
            (
                format::counted(row.overrides, "subject is", "subjects are"),
                theme.text,
            ),
            (" forced into a variant".to_owned(), theme.text),
        ],
    ));
    lines
}

/// What is to be known before anything is edited: a draft of the last time, what came in from others, what both
/// changed, with all three copies.
fn told(
    pen: &Pen<'_>,
    state: &State,
    detail: &FlagDetail,
    draft: Option<&FlagDraft>,
    now: Timestamp,
) -> Vec<Vec<Span>> {
    let theme = pen.theme;
    let mut lines = Vec::new();
    if let Some(stored) = detail.found.offered() {
        lines.push(sheet::offer(
            (theme, &state.keymap),
            Context::Flag,
            (stored.count(), stored.at),
            detail.found.more(),
            crate::cockpit::update::guard::edit_refusal(state),
            now,
        ));
    }
    let Some(draft) = draft else { return lines };
    let who = draft.news.as_ref().and_then(|news| news.who.as_ref());
    // Where nothing is edited any more, nobody saved anything meanwhile.
    if let Some(news) = draft.news.as_ref().filter(|_| !draft.is_idle()) {
        let (name, when) = match who {
            Some((name, at)) => (name.as_str(), format!(", {}", theme.times.ago(*at, now))),
            None => ("Somebody", String::new()),
        };
        let mut text = format!("! {name} saved v{}{when} while you edit", news.to);
        if !news.taken.is_empty() {
            let labels: Vec<&str> = news.taken.iter().map(|part| part.label()).collect();
            text.push_str(&format!(": {} merged with yours", labels.join(", ")));
        }
        lines.push(vec![(text, theme.info)]);
    }
    for clash in &draft.both {
        let part = clash.part;
        // By another cockpit of the same person, or by somebody before this one was started.
        let title = match (&draft.news, who) {
            (None, _) => format!("The {} was changed elsewhere too", part.label()),
            (_, Some((name, _))) => format!("{name} changed the {} too", part.label()),
            _ => format!("Somebody else changed the {} too", part.label()),
        };
        let mut line = vec![(format!("{} {title}", theme.glyphs.tone(Tone::Warn)), theme.warn)];
        line.extend(keyed(theme, &state.keymap, &DECIDES));
        lines.push(line);
        let copies = sides(state, [&clash.start, &draft.mine, &clash.theirs], part);
        let words = [
            ("it was", theme.dim),
            ("yours", theme.dirty),
            ("theirs", theme.text),
        ];
        for ((word, style), text) in words.into_iter().zip(copies) {
            let room = pen.width().saturating_sub(SIDES + 2).max(8);
            // Whole: what is cut off may be what differs.
            let wrapped = wrap(&broken(&text, room), room, MOST_LINES, theme.glyphs);
            for (at, line) in wrapped.into_iter().enumerate() {
                let word = if at == 0 { word } else { "" };
                lines.push(vec![(format!("    {word:<8}"), theme.dim), (line, style)]);
            }
        }
    }
    lines
}

fn part_spans(
    pen: &Pen<'_>,
    state: &State,
    flag: &Flag,
    draft: Option<&FlagDraft>,
    part: FlagPart,
) -> Vec<Span> {
    let theme = pen.theme;
    let mut spans = vec![(format!("{:<LABEL$}", part.label()), theme.dim)];
    match draft.filter(|d| !part.same(&d.base, &d.mine)) {
        Some(draft) => {
            let change = part_changes(state, draft, part).join("; ");
            spans.push((format!("~ {change}"), theme.dirty));
        }
        None => {
            let text = part_text(state, flag, part);
            let style = if text == "none" { theme.dim } else { theme.text };
            spans.push((text, style));
        }
    }
    if part == FlagPart::Rollout {
        spans.push(("   of subjects get a variant, the rest off".to_owned(), theme.dim));
    }
    spans
}
