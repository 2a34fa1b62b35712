//! What stands above the content because a person has to know it.

use jiff::Timestamp;

use super::stale_text;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::ports::Service;
use crate::cockpit::state::preferences::Mistake;
use crate::cockpit::state::{Health, State};
use crate::cockpit::update::preferences;
use crate::tui::glyphs::Glyphs;
use crate::tui::widgets::pen::{broken, columns, wrap};

/// The most lines of what is wrong with a connection: an address of 60 characters and what to ask about it, at 80 columns.
const CONNECTION_LINES: u16 = 3;

/// The most lines of what failed meanwhile: why, and what to look at.
const FAILURE_LINES: u16 = 3;

/// What stands above the content because a person has to know it, line by line: what is wrong with a connection, then
/// that unsaved changes are not on disk, what failed meanwhile, then what is wrong with the files. With each line, whether nothing goes on before a person does something.
#[must_use]
pub fn alert(state: &State, glyphs: Glyphs, width: u16, now: Timestamp) -> Vec<(String, bool)> {
    let mistakes = mistakes(state, glyphs, width);
    let mistakes = mistakes.into_iter().map(|line| (line, false));
    let not_on_disk = state.not_on_disk.iter().flat_map(|why| {
        let room = width.saturating_sub(2);
        let lines = wrap(&broken(why, room), room, 2, glyphs);
        lines.into_iter().map(|line| (line, true))
    });
    // Why, and what to do about it, may be longer than a line.
    let connection = connection(state, now).into_iter().flat_map(|(text, stopped)| {
        let room = width.saturating_sub(2);
        let lines = wrap(&broken(&text, room), room, CONNECTION_LINES, glyphs);
        lines.into_iter().map(move |line| (line, stopped))
    });
    let failed = failed(state, glyphs, width);
    let failed = failed.into_iter().map(|line| (line, true));
    connection
        .chain(not_on_disk)
        .chain(failed)
        .chain(mistakes)
        .collect()
}

/// What failed while one went on with something else, the last of it, until Esc says that it was seen.
fn failed(state: &State, glyphs: Glyphs, width: u16) -> Vec<String> {
    let Some(last) = state.failures.last() else {
        return Vec::new();
    };
    let room = width.saturating_sub(2);
    let seen = state.keymap.way(Context::Always, Command::Back);
    let seen = seen.map_or_else(String::new, |key| format!("{key}: seen · "));
    let text = format!("{seen}{last}");
    wrap(&broken(&text, room), room, FAILURE_LINES, glyphs)
}

/// What of the files cannot be used: how much, who lists it, and the first of it. Its path gives way to the reason.
fn mistakes(state: &State, glyphs: Glyphs, width: u16) -> Vec<String> {
    let mistakes = &state.preferences.mistakes;
    let Some(Mistake { file, what }) = mistakes.first() else {
        return Vec::new();
    };
    let count = u64::try_from(mistakes.len()).unwrap_or(u64::MAX);
    let count = format::counted(count, "mistake", "mistakes");
    let text = format!("{count} in your files: `splitdeck config check` lists them");
    let seen = state.keymap.way(Context::Always, Command::Back);
    let mut lines = vec![seen.map_or_else(|| text.clone(), |key| format!("{text} · {key}: seen"))];
    let room = width.saturating_sub(2);
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let left = room.saturating_sub(columns(what) + 2).max(columns(name) + 2);
    let text = format!("{}, {what}", from_the_left(file, left, glyphs));
    lines.extend(wrap(&broken(&text, room), room, 2, glyphs));
    lines
}

/// The end of a path in at most `width` columns.
#[must_use]
pub fn from_the_left(path: &str, width: u16, glyphs: Glyphs) -> String {
    if columns(path) <= width {
        return path.to_owned();
    }
    let mut from = path;
    while columns(from) + columns(glyphs.ellipsis()) > width {
        let mut rest = from.chars();
        if rest.next().is_none() {
            break;
        }
        from = rest.as_str();
    }
    // Names are shown whole.
    let from = from.find(['/', '\\']).map_or(from, |at| &from[at..]);
    format!("{}{from}", glyphs.ellipsis())
}

fn connection(state: &State, now: Timestamp) -> Option<(String, bool)> {
    [Service::Api, Service::Warehouse]
        .into_iter()
        .find_map(|service| {
            let link = state.link(service);
            match &link.health {
                Health::Stopped { message } => {
                    let does = match service {
                        Service::Api if preferences::renewable(&state.settings) => {
                            "reads the credentials anew"
                        }
                        _ => "tries again",
                    };
                    let ways = state.keymap.ways(&[(Context::Global, Command::Reload, does)]);
                    let text = match ways.is_empty() {
                        true => message.clone(),
                        false => format!("{message} ({ways})"),
                    };
                    Some((text, true))
                }
                // First what a narrow line must not lose.
                Health::Lost {
                    message, retry_at, ..
                } => Some((format!("{}: {message}", stale_text(link, *retry_at, now)), false)),
                Health::Up | Health::Unknown => None,
            }
        })
}
