//! `H`: who changed what, newest first.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Position;
use serde_json::Value;

use super::{Canvas, rows};
use crate::cockpit::format;
use crate::cockpit::ports::Loaded;
use crate::cockpit::state::objects::AuditPanel;
use crate::cockpit::state::{Laid, State};
use crate::domain::{AuditAction, AuditEntry};
use crate::tui::page::Page;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;

/// As wide as its lines need.
const WIDEST: u16 = 96;
/// Rows for the entry under the cursor.
const DETAILS: u16 = 9;

/// Draws the panel.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    selected: usize,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let Some(detail) = state.open.as_deref() else {
        return (Laid::default(), None);
    };
    let title = format!("History of {}", detail.name);
    let more = detail.history.next_before.is_some();
    panel(
        canvas,
        &title,
        &detail.history.entries,
        more,
        selected,
        false,
        now,
    )
}

/// Draws the audit log of the project, or of an object that is no experiment.
pub fn draw_audit(
    canvas: &mut Canvas<'_, '_>,
    audit: &AuditPanel,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let more = audit.next_before.is_some();
    let of_all = audit.object.is_none();
    panel(
        canvas,
        &audit.title,
        &audit.entries,
        more,
        audit.selected,
        of_all,
        now,
    )
}

fn panel(
    canvas: &mut Canvas<'_, '_>,
    title: &str,
    loaded: &Loaded<Vec<AuditEntry>>,
    more: bool,
    selected: usize,
    of_all: bool,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let width = canvas.inside_width(WIDEST);
    let entries = loaded.value.as_deref();
    let wanted = entries.map_or(6, |e| rows(e.len()).saturating_add(DETAILS + 1).max(12));
    let laid = canvas.boxed(title, "Esc closes", (width, wanted), |pen| match entries {
        None | Some([]) => {
            match (&loaded.failure, entries) {
                (Some(failure), _) => {
                    empty(
                        pen,
                        &format!("Cannot load the history: {}", failure.message),
                        "Tried again by itself.",
                    );
                }
                (None, None) => {
                    pen.text(
                        0,
                        0,
                        &pen.glyphs().text("Asking for the history …"),
                        pen.theme.dim,
                    );
                }
                (None, Some(_)) => {
                    empty(pen, "Nothing was changed yet.", "");
                }
            }
            Laid::default()
        }
        Some(entries) => list(pen, entries, selected.min(entries.len() - 1), more, of_all, now),
    });
    (laid, None)
}

fn list(
    pen: &mut Pen<'_>,
    entries: &[AuditEntry],
    selected: usize,
    more: bool,
    of_all: bool,
    now: Timestamp,
) -> Laid {
    let theme = pen.theme;
    let (width, height) = (pen.width(), pen.height());
    // The details give way first.
    let details = if height >= 14 {
        DETAILS
    } else {
        height.saturating_sub(4).min(DETAILS) / 2
    };
    let room = height - details;
    let shown = usize::from(room);
    let first = selected
        .saturating_sub(shown / 2)
        .min(entries.len().saturating_sub(shown));
    for (y, (at, entry)) in (0_u16..).zip(entries.iter().enumerate().skip(first).take(shown)) {
        let age = format::since(entry.at, now);
        let mut x = 0;
        pen.text_within(x, y, &age, 9, theme.dim);
        x += 10;
        if width >= 70 {
            pen.text_within(x, y, &format!("v{}", entry.resource_version), 5, theme.dim);
            x += 6;
            pen.text_within(x, y, &entry.actor, 16, theme.text);
            x += 18;
        }
        let text = if of_all {
            format!("{}: {}", entry.object_key, what(entry))
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
    if details > 0
        && let Some(entry) = entries.get(selected)
    {
        let mut page = Page::new(theme, width);
        describe(&mut page, entry);
        page.draw(&mut pen.part(0, room, width, details), 0);
    }
    Laid {
        rows: shown,
        last: entries.len().saturating_sub(1) + usize::from(more),
    }
}

/// An entry in one line.
#[must_use]
pub fn what(entry: &AuditEntry) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match entry.action {
        AuditAction::Created => "created it".to_owned(),
        AuditAction::Deleted => "deleted it".to_owned(),
        AuditAction::ApplyWinner => "applied the winner".to_owned(),
        AuditAction::AutoPausedSrm => "paused it: sample ratio mismatch".to_owned(),
        AuditAction::OverridesImported => "changed overrides".to_owned(),
        AuditAction::StatusChanged => {
            let status = entry.changes.iter().find(|c| c.field == "status");
            status.map_or_else(
                || "changed the status".to_owned(),
                |c| format!("{} → {}", text(&c.from), text(&c.to)),
            )
        }
        AuditAction::VariantsChanged => named("changed variants", entry),
        AuditAction::RulesChanged => named("changed rules", entry),
        AuditAction::SettingsChanged => named("changed", entry),
        other => named(other.as_str(), entry),
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

/// What was recorded as evidence: a name and a value each, with numbers as they stand everywhere else.
fn evidence(value: &Value) -> String {
    let value_text = |value: &Value| match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(n), _) => format::count(n),
            (None, Some(f)) if f != 0.0 && f.abs() < 0.001 => format!("{f:.1e}"),
            (None, Some(f)) if f.abs() >= 1e9 => format!("{f:.1e}"),
            (None, Some(f)) => format!("{f:.2}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    };
    let Value::Object(fields) = value else {
        return value_text(value);
    };
    let parts: Vec<String> = fields
        .iter()
        .map(|(name, value)| match value {
            Value::Object(inner) => {
                let inner: Vec<String> = inner
                    .iter()
                    .map(|(key, value)| format!("{key} {}", value_text(value)))
                    .collect();
                format!("{} {}", words_of(name), inner.join(" · "))
            }
            value => format!("{} {}", words_of(name), value_text(value)),
        })
        .collect();
    parts.join(", ")
}

/// `alwaysValidP` as a person writes it: `always valid p`.
fn words_of(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
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
        let side = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        page.field(
            &change.field,
            &format!("{} → {}", side(&change.from), side(&change.to)),
        );
    }
    if !entry.evidence.is_null() {
        page.field("evidence", &evidence(&entry.evidence));
    }
    if entry.changes.is_empty() && entry.comment.is_none() && entry.evidence.is_null() {
        page.text("No fields were recorded.", theme.dim);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn evidence_reads_as_words_and_numbers() {
        let recorded = json!({
            "p": 9.1e-20, "chiSquare": 96.674_150_996_351_4, "df": 1, "alwaysValidP": 5.964e-20,
            "observed": {"control": 1000, "treatment": 2000}, "eValue": null,
        });
        let text = evidence(&recorded);
        for part in [
            "p 9.1e-20",
            "chi square 96.67",
            "df 1",
            "always valid p 6.0e-20",
            "observed control 1,000 · treatment 2,000",
            "e value unknown",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
