//! `H`: who changed what, newest first.

mod recorded;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Position;
use serde_json::Value;

use super::{CLOSES, Canvas, corner as closing, rows};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::ports::Loaded;
use crate::cockpit::state::objects::AuditPanel;
use crate::cockpit::state::{Laid, State};
use crate::domain::{AuditAction, AuditEntry};
use crate::tui::chrome::key_text;
use crate::tui::page::Page;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::{empty, retried};
use crate::tui::widgets::pen::{columns, fit_middle};

/// As wide as its lines need.
const WIDEST: u16 = 96;
/// How much of a key is left at least beside what was done to it.
const LEAST_KEY: u16 = 12;

/// What one panel shows.
struct Shown<'s> {
    title: &'s str,
    loaded: &'s Loaded<Vec<AuditEntry>>,
    /// The entry under the cursor.
    selected: usize,
    /// The first line of it that is shown.
    scroll: usize,
    /// Whether the entries are of several objects.
    of_all: bool,
}

/// Draws the panel.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    (selected, scroll): (usize, usize),
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let Some(detail) = state.open.as_deref() else {
        return (Laid::default(), None);
    };
    let shown = Shown {
        title: &format!("History of {}", detail.name),
        loaded: &detail.history.entries,
        selected,
        scroll,
        of_all: false,
    };
    panel(canvas, state, &shown, now)
}

/// Draws the audit log of the project, or of an object that is no experiment.
pub fn draw_audit(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    audit: &AuditPanel,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let shown = Shown {
        title: &audit.title,
        loaded: &audit.entries,
        selected: audit.selected,
        scroll: audit.scroll,
        of_all: audit.object.is_none(),
    };
    panel(canvas, state, &shown, now)
}

/// What the corner of a box with an inside of `width` columns says, with the keys as they are bound now. The zone of
/// dates is the last to go.
fn corner(state: &State, title: &str, width: u16) -> String {
    let keys: Vec<String> = [Command::DetailsDown, Command::DetailsUp]
        .into_iter()
        .filter_map(|command| state.keymap.keys(&[Context::Log], command).next())
        .map(key_text)
        .collect();
    let closes = closing(&state.keymap, &[CLOSES]);
    let whole = match keys.is_empty() {
        true => closes.clone(),
        false => format!("{} scroll the details   {closes}", keys.join(" "))
            .trim_end()
            .to_owned(),
    };
    if !state.times.are_dates() {
        return whole;
    }
    let fits = |text: &String| columns(title) + columns(text) + BESIDE < width;
    [whole, closes]
        .into_iter()
        .map(|rest| format!("{ZONE}   {rest}").trim_end().to_owned())
        .find(fits)
        .unwrap_or_else(|| ZONE.to_owned())
}

/// What the corner says while moments are dates.
const ZONE: &str = "times in UTC";
/// Columns of the inside that the upper edge needs beside its two texts.
const BESIDE: u16 = 4;

fn panel(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    shown: &Shown<'_>,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let width = canvas.inside_width(WIDEST);
    let entries = shown
        .loaded
        .value
        .as_deref()
        .filter(|entries| !entries.is_empty());
    let Some(entries) = entries else {
        let closes = closing(&state.keymap, &[CLOSES]);
        let laid = canvas.boxed(shown.title, &closes, (width, 6), |pen| {
            nothing_yet(pen, state, shown.loaded);
            Laid::default()
        });
        return (laid, None);
    };
    // As many rows as the longest entry may need, up to all there are: the box stays where it is while one moves.
    let longest = entries.iter().map(|entry| entry.changes.len()).max().unwrap_or(0);
    let details = rows(longest).saturating_mul(2).saturating_add(5);
    let wanted = rows(entries.len()).saturating_add(details).max(12);
    let laid = canvas.boxed(
        shown.title,
        &corner(state, shown.title, width),
        (width, wanted),
        |pen| list(pen, entries, shown, now),
    );
    (laid, None)
}

/// Why there is no entry to be seen.
fn nothing_yet(pen: &mut Pen<'_>, state: &State, loaded: &Loaded<Vec<AuditEntry>>) {
    match (&loaded.failure, &loaded.value) {
        (Some(failure), _) => {
            empty(
                pen,
                &format!("Cannot load the history: {}", failure.message),
                &retried(&state.keymap, failure),
            );
        }
        (None, None) => {
            let text = pen.glyphs().text("Asking for the history …");
            pen.text(0, 0, &text, pen.theme.dim);
        }
        (None, Some(_)) => {
            empty(pen, "Nothing was changed yet.", "");
        }
    }
}

fn list(pen: &mut Pen<'_>, entries: &[AuditEntry], panel: &Shown<'_>, now: Timestamp) -> Laid {
    let theme = pen.theme;
    let selected = panel.selected.min(entries.len().saturating_sub(1));
    let (width, height) = (pen.width(), pen.height());
    // At most half of the rows: the details have what the entries leave.
    let room = match height {
        0..=2 => height,
        _ => rows(entries.len()).min(((height - 1) / 2).max(1)),
    };
    let details = height - room;
    let age_width = theme.times.width(9);
    let shown = usize::from(room);
    let first = selected
        .saturating_sub(shown / 2)
        .min(entries.len().saturating_sub(shown));
    for (y, (at, entry)) in (0_u16..).zip(entries.iter().enumerate().skip(first).take(shown)) {
        let age = theme.times.cell(entry.at, now);
        let mut x = 0;
        pen.text_within(x, y, &age, age_width, theme.dim);
        x += age_width + 1;
        if width >= 70 {
            pen.text_within(x, y, &format!("v{}", entry.resource_version), 5, theme.dim);
            x += 6;
            pen.text_within(x, y, &entry.actor, 16, theme.text);
            x += 18;
        }
        let text = if panel.of_all {
            // A flag often has the key of its experiment.
            let noun = match entry.action.as_str().split_once('.') {
                Some(("experiment", _)) | None => String::new(),
                Some((noun, _)) => format!("{noun} "),
            };
            let done = theme.glyphs.text(&what(entry));
            // What was done is read before the key is read whole: that stands below, in the details.
            let least = columns(&entry.object_key).min(LEAST_KEY);
            let left = width.saturating_sub(x + columns(&noun) + columns(&done) + 2);
            let key = fit_middle(&entry.object_key, left.max(least), theme.glyphs);
            format!("{noun}{key}: {done}")
        } else {
            what(entry)
        };
        pen.text_within(
            x,
            y,
            &theme.glyphs.text(&text),
            width.saturating_sub(x),
            theme.text,
        );
        if at == selected {
            pen.restyle_row(y, theme.selection);
        }
    }
    let mut last = 0;
    if details > 0
        && let Some(entry) = entries.get(selected)
    {
        let mut page = Page::new(theme, width);
        describe(&mut page, entry);
        last = page
            .draw(&mut pen.part(0, room, width, details), panel.scroll)
            .last;
    }
    // What is scrolled is the entry under the cursor.
    Laid { rows: shown, last }
}

/// An entry in one line.
#[must_use]
pub fn what(entry: &AuditEntry) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match entry.action {
        AuditAction::Created
        | AuditAction::FlagCreated
        | AuditAction::DeploymentCreated
        | AuditAction::ProjectCreated
        | AuditAction::LabCreated
        | AuditAction::TokenCreated => "created it".to_owned(),
        AuditAction::Deleted | AuditAction::FlagDeleted => "deleted it".to_owned(),
        AuditAction::ApplyWinner => "applied the winner".to_owned(),
        AuditAction::AutoPausedSrm => "paused it: sample ratio mismatch".to_owned(),
        AuditAction::OverridesImported | AuditAction::FlagOverridesImported => "changed overrides".to_owned(),
        AuditAction::Copied | AuditAction::FlagCopied => copied(entry),
        // The log has it on both sides, and the same words are true of both.
        AuditAction::Converted => with_evidence("converted it", " with the flag ", entry, "flagKey"),
        AuditAction::FlagConverted => {
            with_evidence("converted it", " with the experiment ", entry, "experimentKey")
        }
        AuditAction::InsightSaved => "saved a summary of the results".to_owned(),
        AuditAction::DeploymentKeyRotated => "gave it a new key".to_owned(),
        AuditAction::DeploymentRevoked | AuditAction::TokenRevoked => "revoked it".to_owned(),
        AuditAction::FlagStatusChanged => switched(entry),
        AuditAction::StatusChanged => {
            let status = entry.changes.iter().find(|c| c.field == "status");
            status.map_or_else(
                || "changed the status".to_owned(),
                |c| format!("{} → {}", text(&c.from), text(&c.to)),
            )
        }
        AuditAction::VariantsChanged | AuditAction::FlagVariantsChanged => named("changed variants", entry),
        AuditAction::RulesChanged | AuditAction::FlagRulesChanged => named("changed rules", entry),
        AuditAction::TokenRolesChanged => named("changed roles", entry),
        AuditAction::SettingsChanged
        | AuditAction::FlagSettingsChanged
        | AuditAction::DeploymentSettingsChanged
        | AuditAction::ProjectSettingsChanged
        | AuditAction::OrganizationSettingsChanged
        | AuditAction::LabSettingsChanged
        | AuditAction::Other => named("changed", entry),
    }
}

/// On and off, hidden and shown: what became of a flag.
fn switched(entry: &AuditEntry) -> String {
    let words: Vec<&str> = entry
        .changes
        .iter()
        .filter_map(|change| match (change.field.as_str(), change.to.as_bool()?) {
            ("enabled", true) => Some("switched it on"),
            ("enabled", false) => Some("switched it off"),
            ("archived", true) => Some("archived it"),
            ("archived", false) => Some("showed it again"),
            _ => None,
        })
        .collect();
    if words.is_empty() {
        named("changed", entry)
    } else {
        words.join(", ")
    }
}

/// Written to the log of the original and of the copy: each says where the other one is.
fn copied(entry: &AuditEntry) -> String {
    let text = |name: &str| entry.evidence.get(name).and_then(Value::as_str);
    match (
        text("fromKey"),
        text("fromProject"),
        text("toKey"),
        text("toProject"),
    ) {
        (Some(key), Some(project), ..) => format!("made it as a copy of {key} in {project}"),
        (_, _, Some(key), Some(project)) => format!("copied it to {key} in {project}"),
        _ => "copied it".to_owned(),
    }
}

/// Words, and behind them what the evidence names.
fn with_evidence(words: &str, before: &str, entry: &AuditEntry, name: &str) -> String {
    match entry.evidence.get(name).and_then(Value::as_str) {
        Some(text) => format!("{words}{before}{text}"),
        None => words.to_owned(),
    }
}

fn named(what: &str, entry: &AuditEntry) -> String {
    let mut fields: Vec<&str> = entry.changes.iter().map(|c| c.field.as_str()).collect();
    fields.dedup();
    match fields.len() {
        1 if what.ends_with(fields[0]) => what.to_owned(),
        0 => what.to_owned(),
        1..=3 => format!("{what}: {}", fields.join(", ")),
        n => format!("{what}: {} and {} more", fields[..2].join(", "), n - 2),
    }
}

fn describe(page: &mut Page<'_>, entry: &AuditEntry) {
    let theme = page.theme;
    page.heading(
        &format!("{} UTC", format::moment(entry.at, &TimeZone::UTC)),
        &format!("{} by {}", entry.object_key, entry.actor),
    );
    if let Some(comment) = &entry.comment {
        page.field("comment", comment);
    }
    for change in &entry.changes {
        let side = |value: &Value| recorded::side(&change.field, value);
        page.field(
            &change.field,
            &format!("{} → {}", side(&change.from), side(&change.to)),
        );
    }
    if !entry.evidence.is_null() {
        page.field("evidence", &recorded::evidence(&entry.evidence));
    }
    if entry.changes.is_empty() && entry.comment.is_none() && entry.evidence.is_null() {
        page.text("No fields were recorded.", theme.dim);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tui::widgets::testing::{draw as draw_into, lines};

    /// However long the keys are, the rows of the log tell what was done, and which of two keys is meant.
    #[test]
    fn a_long_key_gives_way_to_what_was_done() {
        let entry = |key: &str, field: &str| -> AuditEntry {
            serde_json::from_value(json!({
                "id": 1, "at": "2026-11-18T02:00:00Z", "actor": "a-deploy-bot-with-a-long-name",
                "action": "flag.settings_changed", "objectId": uuid::Uuid::nil(), "objectKey": key,
                "resourceVersion": 12, "changes": [{"field": field, "from": null, "to": "x"}],
            }))
            .expect("an entry")
        };
        let long = "checkout-of-the-shop-with-a-very-long-key-that-says-everything-";
        let keys = [format!("{long}1"), format!("{long}2"), "short".to_owned()];
        let entries: Vec<AuditEntry> = (keys.iter().zip(["name", "rolloutPct", "description"]))
            .map(|(key, field)| entry(key, field))
            .collect();
        let loaded = Loaded::default();
        let panel = Shown {
            title: "",
            loaded: &loaded,
            selected: 0,
            scroll: 0,
            of_all: true,
        };
        let now = "2026-11-18T03:00:00Z".parse().expect("a time");
        for width in [76, 96] {
            let drawn = draw_into(width, 12, |pen| {
                list(pen, &entries, &panel, now);
            });
            let rows = lines(&drawn);
            assert!(rows[0].ends_with("1: changed: name"), "{rows:#?}");
            assert!(rows[1].ends_with("2: changed: rolloutPct"), "{rows:#?}");
            assert!(rows[2].ends_with("flag short: changed: description"), "{rows:#?}");
            assert!(rows[0].contains("flag check"), "{rows:#?}");
        }
    }

    #[test]
    fn every_action_has_words_of_its_own() {
        for action in AuditAction::ALL {
            let entry: AuditEntry = serde_json::from_value(json!({
                "id": 1, "at": "2026-11-18T02:00:00Z", "actor": "ana", "action": action.as_str(),
                "objectId": uuid::Uuid::nil(), "objectKey": "checkout", "resourceVersion": 1,
                "changes": [{"field": "name", "from": null, "to": "x"}],
            }))
            .expect("an entry");
            let words = what(&entry);
            assert!(!words.contains(action.as_str()), "{words}");
            assert!(!words.contains('_'), "{words}");
        }
    }

    #[test]
    fn what_became_of_a_flag_is_said() {
        let entry = |patch: Value| -> AuditEntry {
            let mut entry = json!({
                "id": 1, "at": "2026-11-18T02:00:00Z", "actor": "ana", "action": "flag.status_changed",
                "objectId": uuid::Uuid::nil(), "objectKey": "checkout", "resourceVersion": 2,
                "changes": [{"field": "enabled", "from": false, "to": true}],
            });
            for (name, value) in patch.as_object().expect("an object") {
                entry[name] = value.clone();
            }
            serde_json::from_value(entry).expect("an entry")
        };
        assert_eq!(what(&entry(json!({}))), "switched it on");
        let archived = json!({"changes": [{"field": "archived", "from": false, "to": true}]});
        assert_eq!(what(&entry(archived)), "archived it");
        let copy = json!({"action": "flag.copied", "evidence": {"fromKey": "a", "fromProject": "shop"}});
        assert_eq!(what(&entry(copy)), "made it as a copy of a in shop");
        let original = json!({"action": "flag.copied", "evidence": {"toKey": "b", "toProject": "web"}});
        assert_eq!(what(&entry(original)), "copied it to b in web");
        let turned = json!({"action": "flag.converted", "evidence": {"experimentKey": "cta"}});
        assert_eq!(what(&entry(turned)), "converted it with the experiment cta");
    }
}
