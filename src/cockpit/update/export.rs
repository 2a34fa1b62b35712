//! Tables into files: what is on the screen at once, longer ones page by page while one goes on.

use jiff::Timestamp;

use super::{failed_meanwhile, notify, preferences};
use crate::cockpit::effect::Effect;
use crate::cockpit::export::{Order, Table, Told, ended, on_screen};
use crate::cockpit::format;
use crate::cockpit::state::export::Exporting;
use crate::cockpit::state::{Dirty, Level, State};

/// `e`: the table on the screen.
pub fn begin(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let table = match on_screen(state, now) {
        Ok(table) => table,
        Err(why) => {
            notify(state, Level::Warn, why, now);
            return;
        }
    };
    match table {
        Table::Files(files) => effects.push(Effect::Save(files)),
        Table::Pages { .. } if state.export.is_some() => {
            let text = "An export is still under way: wait for its end, or stop it, before the next one";
            notify(state, Level::Warn, text, now);
        }
        Table::Pages { name, source, total } => {
            state.exports += 1;
            let id = state.exports;
            state.export = Some(Exporting {
                id,
                what: source.shape().what,
                rows: 0,
                total,
                began_at: now,
                refused: false,
            });
            // What was said before would stand where it is told how far this is.
            state.notice = None;
            effects.push(Effect::Export(Order { id, name, source }));
        }
    }
}

/// Stops the export that is under way; nothing of it stays.
pub fn stop(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(export) = state.export.take() else {
        notify(state, Level::Info, "No export is under way", now);
        return;
    };
    effects.push(Effect::StopExport(export.id));
    let text = format!(
        "The export of {} is stopped after {}: no file is kept",
        export.what,
        rows(export.rows)
    );
    notify(state, Level::Info, text, now);
}

/// Stops what would go on with another project or another server than the one that is looked at.
pub fn leave(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(export) = state.export.take() {
        effects.push(Effect::StopExport(export.id));
    }
}

/// Other credentials could not be had: an export whose token was refused waits for nothing.
pub fn not_renewed(state: &mut State, why: &str, effects: &mut Vec<Effect>) {
    if state.export.as_ref().is_some_and(|export| export.refused) {
        end(state, why, effects);
    }
}

/// Ends the export that is under way before its time.
fn end(state: &mut State, why: &str, effects: &mut Vec<Effect>) {
    if let Some(export) = state.export.take() {
        effects.push(Effect::StopExport(export.id));
        failed_meanwhile(state, ended(export.what, export.rows, why));
    }
}

/// How far an export is, or how it ended.
pub fn told(state: &mut State, told: Told, now: Timestamp, effects: &mut Vec<Effect>) {
    let of = match &told {
        Told::Written { id, .. } | Told::Refused { id, .. } | Told::Ended { id, .. } => *id,
    };
    let Some(export) = state.export.as_mut().filter(|export| export.id == of) else {
        return;
    };
    match told {
        Told::Written { rows, .. } => {
            export.rows = rows;
            export.refused = false;
        }
        // It goes on with the credentials that the configuration gives by now; once, for each token that was good.
        Told::Refused { why, .. } => {
            let again = std::mem::replace(&mut export.refused, true);
            if again || !preferences::renew(state, now, effects) {
                let why = preferences::refused_words(state).unwrap_or(why);
                end(state, &why, effects);
            }
        }
        Told::Ended { outcome, .. } => {
            let what = export.what;
            state.export = None;
            match outcome {
                Ok((written, paths)) => {
                    let names: Vec<String> = paths.iter().map(|path| name(path).to_owned()).collect();
                    let text = format!("Saved {} of {what}: {}", rows(written), both(&names));
                    notify(state, Level::Ok, text, now);
                }
                // It took its time, and nobody may look by now.
                Err(why) => failed_meanwhile(state, why),
            }
        }
    }
    state.touch(Dirty::Data);
}

/// The name of a file: it stands in the folder that the cockpit was started in.
fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn rows(count: u64) -> String {
    format::counted(count, "row", "rows")
}

/// Files were written, or why not.
pub fn saved(state: &mut State, outcome: Result<Vec<String>, String>, now: Timestamp) {
    match outcome {
        Ok(paths) => notify(state, Level::Ok, saved_text(&paths), now),
        Err(why) => notify(state, Level::Warn, why, now),
    }
}

/// Where files are. Of more than two the folder and the names.
fn saved_text(paths: &[String]) -> String {
    let split = |path: &String| {
        path.rsplit_once('/')
            .map(|(dir, name)| (dir.to_owned(), name.to_owned()))
    };
    let parts: Option<Vec<(String, String)>> = paths.iter().map(split).collect();
    match parts {
        Some(parts) if parts.len() > 2 => {
            let names: Vec<&str> = parts.iter().map(|(_, name)| name.as_str()).collect();
            let dir = parts.first().map_or("", |(dir, _)| dir.as_str());
            format!("Saved {} files in {dir}: {}", parts.len(), names.join(", "))
        }
        _ => format!("Saved {}", both(paths)),
    }
}

/// Paths in a row. Of two that differ in their ending the second is its ending.
fn both(paths: &[String]) -> String {
    if let [first, second] = paths
        && let (Some((stem, _)), Some((other, ending))) = (first.rsplit_once('.'), second.rsplit_once('.'))
        && stem == other
    {
        return format!("{first} and .{ending}");
    }
    paths.join(" and ")
}
