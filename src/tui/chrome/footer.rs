//! The last line: the keys that work here, or what just happened.

use jiff::{SignedDuration, Timestamp};

use super::{GAP, key_text, right};
use crate::cockpit::alarms::SRM_ALARM_P;
use crate::cockpit::format;
use crate::cockpit::keymap::{COMMANDS, Command, Entry};
use crate::cockpit::state::analytics::Panel;
use crate::cockpit::state::editor::Input;
use crate::cockpit::state::export::Exporting;
use crate::cockpit::state::{Level, Overlay, Screen, State, Tab};
use crate::cockpit::update::{age, contexts, guard, updating};
use crate::tui::page::{Span, width_of};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{broken, columns, fit_middle, wrap};

/// Which experiment of which project, where the lines that say so are given to a panel.
fn place_of_panel(state: &State, theme: &Theme) -> Vec<Span> {
    let Some(detail) = state.detail().filter(|detail| detail.zoomed()) else {
        return Vec::new();
    };
    let mut spans = vec![(detail.name.clone(), theme.heading)];
    if let Some(me) = &state.me {
        let environment = me.project.environment;
        let dot = (format!(" {} ", theme.glyphs.dot()), theme.dim);
        spans.extend([
            dot.clone(),
            (me.project.key.to_string(), theme.dim),
            dot,
            (
                environment.as_str().to_uppercase(),
                theme.environment(environment),
            ),
        ]);
    }
    spans
}

/// The most lines of a notice.
const NOTICE_LINES: u16 = 3;

/// What just happened, line by line: what it says last is often what to do. Where there are few rows it has one.
#[must_use]
pub fn notice(state: &State, theme: &Theme, (width, height): (u16, u16)) -> Vec<Span> {
    let Some(notice) = &state.notice else {
        return Vec::new();
    };
    let style = match notice.level {
        Level::Ok => theme.ok,
        Level::Info => theme.info,
        Level::Warn => theme.warn,
    };
    let text = theme.glyphs.text(&notice.text);
    if columns(&text) < width || height < 15 {
        return vec![(text, style)];
    }
    let room = width.saturating_sub(2);
    let lines = wrap(&broken(&text, room), room, NOTICE_LINES, theme.glyphs);
    lines.into_iter().map(|line| (line, style)).collect()
}

/// The last line: the keys that work here, as many as fit. What just happened stands in its place: see [`notice`].
pub fn footer(pen: &mut Pen<'_>, state: &State, place: &str, now: Timestamp) {
    let theme = pen.theme;
    if state.notice.is_some() {
        return;
    }
    let mut right_part: Vec<Span> = Vec::new();
    if let Some(text) = left_sent(state, pen, now) {
        right_part.push((text, theme.warn));
    } else if state.hold.on {
        let text = match state.hold.waiting() {
            0 => "held".to_owned(),
            n => format!(
                "held, {}",
                format::counted(u64::from(n), "update waits", "updates wait")
            ),
        };
        right_part.push((text, theme.warn));
    } else if let Some(export) = &state.export {
        right_part.push((exporting(export, now), theme.info));
    } else if let panel = place_of_panel(state, theme)
        && !panel.is_empty()
    {
        right_part.extend(panel);
    } else if !place.is_empty() {
        right_part.push((place.to_owned(), theme.dim));
    }
    let mut keep = width_of(&right_part);
    let uncovered = state.overlays.is_empty();
    if keep == 0 && uncovered && state.detail().is_some_and(|detail| detail.tab == Tab::Analytics) {
        let of = Panel::ALL.len();
        // The place is kept, so that no key moves. A narrow line has a short form; the narrowest tells it where keys leave
        // room.
        let word = |count: usize| match pen.width() {
            100.. => format!("{count:>2} of {of} updating"),
            _ => format!("{count:>2}/{of} updating"),
        };
        keep = if pen.width() >= 60 { columns(&word(of)) } else { 0 };
        let count = updating::count(state, now);
        if count > 0 {
            right_part.push((word(count), theme.dim));
        }
    }
    let reserved = match keep {
        0 => 0,
        width => width + GAP,
    };
    let room = pen.width().saturating_sub(reserved + 1);
    let (mut ways_out, others): (Vec<_>, Vec<_>) = hints(state)
        .into_iter()
        .partition(|(command, ..)| WAYS_OUT.contains(command));
    let wide =
        |(_, keys, label): &(Command, String, &str)| columns(&theme.glyphs.text(keys)) + 1 + columns(label);
    // The way to everything else is kept before other keys; but for the first of them, in a very narrow line.
    let kept =
        |ways_out: &[(Command, String, &str)]| ways_out.iter().map(|hint| wide(hint) + GAP).sum::<u16>();
    let first = others.first().map_or(0, wide);
    while !ways_out.is_empty() && 1 + first + kept(&ways_out) > room {
        ways_out.remove(0);
    }
    let kept = kept(&ways_out);
    let for_others = room.saturating_sub(kept);
    let mut end = 1;
    let fitting = others.iter().take_while(|hint| {
        // A shorter one may still fit, but holes in the order confuse more than they help.
        end += wide(hint) + GAP;
        end <= for_others + GAP
    });
    let mut x = 1;
    for hint in fitting.chain(&ways_out) {
        if x + wide(hint) > room {
            break;
        }
        let (_, keys, label) = hint;
        x = pen.text(x, 0, &theme.glyphs.text(keys), theme.key);
        x = pen.text(x + 1, 0, label, theme.dim) + GAP;
    }
    right(pen, 0, x.saturating_sub(GAP), &right_part);
}

/// What was sent by a dialog that was left, and for how long it has had no answer; none where there is nothing. As wide
/// with one digit as with two.
fn left_sent(state: &State, pen: &Pen<'_>, now: Timestamp) -> Option<String> {
    let mut sent = state.left_sent.iter();
    let (what, since) = sent.find_map(|(slot, what)| Some((what, state.requests.pending(*slot)?.since)))?;
    let seconds = now.duration_since(since).as_secs().max(0);
    let words = if pen.width() >= 100 {
        "sent, awaiting the answer"
    } else {
        "sent, no answer"
    };
    let what = fit_middle(what, pen.width() / 3, pen.glyphs());
    Some(pen.glyphs().text(&format!("{what}: {words} {seconds:>2} s")))
}

/// How far an export is. As wide with the first row as with the last one, where it is known how many there are.
fn exporting(export: &Exporting, now: Timestamp) -> String {
    let what = export.what;
    let Some(total) = export.total else {
        let rows = format::counted(export.rows, "row", "rows");
        return format!("exporting {what}, {rows}");
    };
    let total = format::count(total);
    let rows = format!("{:>width$}", format::count(export.rows), width = total.len());
    let left = export.left(now).map_or_else(String::new, |left| {
        let left = SignedDuration::try_from(left).unwrap_or_default();
        format!(", {} left", format::span(left))
    });
    format!("exporting {what}, {rows} of {total}{left}")
}

/// What the footer ends with wherever it works: from there everything else is found.
const WAYS_OUT: [Command; 2] = [Command::Palette, Command::Help];

/// Keys and labels for the footer, the most important first. What is refused anyway is left out.
fn hints(state: &State) -> Vec<(Command, String, &'static str)> {
    let contexts = contexts(state);
    let mut entries: Vec<_> = COMMANDS
        .iter()
        .filter(|entry| priority(state, entry) > 0 && guard::applies(state, entry.command))
        .filter(|entry| !guard::always_refused(state, entry.command))
        .filter(|entry| !is_clear(state, entry.command))
        .filter_map(|entry| {
            let key = state.keymap.keys(&contexts, entry.command).next()?;
            let label = hint_label(state, entry.command).unwrap_or(entry.label);
            Some((priority(state, entry), entry.command, key_text(key), label))
        })
        .collect();
    entries.sort_by_key(|(priority, ..)| *priority);
    let hints = entries.into_iter();
    hints
        .map(|(_, command, key, label)| (command, key, label))
        .collect()
}

/// The place of a command in the footer; 0 where it is not shown. Beside fields, whose commands are many, to hold live
/// numbers stands among the first where there are any, and not at all where there are none.
fn priority(state: &State, entry: &Entry) -> u8 {
    let edited = state.overlays.is_empty() && state.sheet().is_some();
    match entry.command {
        Command::Hold if state.hold.on => 1,
        Command::Hold if edited && age::live_numbers(state) => 3,
        // Where the row under the cursor says that there is something to look at.
        Command::Evidence if state.screen == Screen::Experiments && mismatched(state) => 2,
        Command::Hold if edited || state.screen == Screen::Create => 0,
        _ => entry.priority,
    }
}

/// Whether the split of the experiment under the cursor is told to be off. Where it is paused for that, the evidence is
/// seen before it is resumed.
fn mismatched(state: &State) -> bool {
    let current = state.list.current().filter(|e| !e.is_auto_paused());
    let overview = current.and_then(|e| state.list.overview(e.id));
    overview.and_then(|o| o.srm_p).is_some_and(|p| p < SRM_ALARM_P)
}

/// Whether a key needs no word, because that of another one says as much: `left` and `right` decide a conflict, `tab` leads
/// to the next one, as it does on the card of an import.
fn is_clear(state: &State, command: Command) -> bool {
    match state.overlays.last() {
        Some(Overlay::Conflicts { .. }) => matches!(command, Command::Toggle | Command::PreviousField),
        Some(Overlay::Import(_)) => command == Command::NextField,
        _ => false,
    }
}

/// What a command is called where it does something else than its usual; none elsewhere.
fn hint_label(state: &State, command: Command) -> Option<&'static str> {
    if let Some(Overlay::Conflicts { .. }) = state.overlays.last() {
        let open = state
            .sheet()
            .and_then(|(id, _)| Some(state.drafts.get(&id)?.open_conflicts()));
        return match command {
            Command::Press if open == Some(0) => Some("go back"),
            Command::Press => Some("go on"),
            Command::Back => Some("later"),
            _ => None,
        };
    }
    match command {
        Command::Hold => state.hold.on.then_some("go on"),
        Command::Zoom => state.detail()?.zoomed().then_some("all panels"),
        Command::Back => match state.overlays.last() {
            Some(Overlay::Import(panel)) if panel.run.is_some() => Some("stop after the chunk"),
            _ => None,
        },
        Command::Save if state.screen == Screen::Create => Some("create"),
        // On its last step nothing is edited.
        Command::Edit if state.screen == Screen::Create => {
            let create = state.create.as_ref()?;
            create.wizard.sheet().is_none().then_some("create")
        }
        Command::Save => state.detail()?.deleted.then_some("make a new one of it"),
        // What was begun is not lost.
        Command::Create => state.create.is_some().then_some("new, go on"),
        // In a text of several lines it is a line break.
        Command::Accept => {
            let editing = state.editor()?.editing.as_ref()?;
            matches!(editing.input, Input::Area(_)).then_some("new line")
        }
        _ => None,
    }
}
