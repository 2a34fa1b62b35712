//! The rows of each list.

use jiff::Timestamp;
use ratatui::style::Style;

use super::grid::{self, Column, Row};
use crate::api::deployments::DeploymentRow;
use crate::api::flags::FlagRow;
use crate::api::projects::{ProjectRow, TokenRow};
use crate::cockpit::edit::Of;
use crate::cockpit::format;
use crate::cockpit::state::objects::{names, roles, serves};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::drafts;
use crate::domain::{Environment, Flag, Lab, Status};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;

/// Glyph, word and style of how a flag stands.
#[must_use]
pub fn standing(theme: &Theme, flag: &Flag) -> (&'static str, &'static str, Style) {
    if flag.archived {
        (
            theme.glyphs.status(Status::Archived, false),
            "archived",
            theme.dim,
        )
    } else if flag.enabled {
        (theme.glyphs.status(Status::Active, false), "on", theme.ok)
    } else {
        (theme.glyphs.status(Status::Draft, false), "off", theme.dim)
    }
}

pub fn flags(pen: &mut Pen<'_>, state: &State, shown: &[&FlagRow], at: usize, now: Timestamp) -> Laid {
    const COLUMNS: [Column; 9] = [
        Column::left("state", 10, 0),
        Column::right("rollout %", 9, 1),
        Column::left("serves %", 22, 3).growing(48),
        Column::left("decided by", 18, 2).growing(40),
        Column::left("name", 22, 7).growing(60),
        Column::left("evaluation", 10, 6),
        Column::left("deployments", 18, 8).growing(40),
        Column::right("overrides", 9, 5),
        Column::left("changed", 8, 4).of_times(11),
    ];
    let theme = pen.theme;
    let none = theme.glyphs.none();
    // A mark stands behind the key of one with unsaved changes.
    let mut widths = state.objects.flags.widths().clone();
    widths.label += 1;
    grid::draw(pen, "key", &widths, &COLUMNS, shown.len(), at, |at| {
        let row = shown[at];
        let flag = &row.flag;
        // Where an experiment decides, neither its switch nor its rollout does.
        let (mark, word, style) = match &row.decided_by {
            Some(_) if !flag.archived => (
                theme.glyphs.status(Status::Active, false),
                "experiment",
                theme.info,
            ),
            _ => standing(theme, flag),
        };
        let rollout = if row.decided_by.is_some() {
            theme.dim
        } else {
            theme.text
        };
        let dirty = drafts::unsaved(state, Of::Flag, flag.id);
        let decided = match &row.decided_by {
            Some(key) => (key.to_string(), theme.info),
            None => (none.to_owned(), theme.dim),
        };
        Row {
            mark: (mark, style),
            label: (
                format!("{}{}", flag.key, if dirty { "*" } else { "" }),
                if dirty {
                    theme.dirty
                } else if flag.enabled {
                    theme.heading
                } else {
                    theme.text
                },
            ),
            cells: vec![
                (word.to_owned(), style),
                (flag.rollout_pct.to_string(), rollout),
                (serves(flag), theme.text),
                decided,
                (flag.name.clone(), theme.dim),
                (flag.evaluation_mode.as_str().to_owned(), theme.dim),
                (
                    names(&flag.deployments, state.objects.deployments.all()),
                    theme.dim,
                ),
                (format::count(row.overrides), theme.text),
                (theme.times.cell(flag.updated_at, now), theme.dim),
            ],
        }
    })
}

pub fn deployments(
    pen: &mut Pen<'_>,
    state: &State,
    shown: &[&DeploymentRow],
    at: usize,
    now: Timestamp,
) -> Laid {
    const COLUMNS: [Column; 6] = [
        Column::left("kind", 6, 0),
        Column::left("key", 20, 1),
        Column::left("state", 24, 2).of_times(24),
        Column::right("experiments", 11, 3),
        Column::right("flags", 5, 4),
        Column::left("new key", 8, 5).of_times(11),
    ];
    let theme = pen.theme;
    let none = theme.glyphs.none();
    let widths = state.objects.deployments.widths();
    grid::draw(pen, "name", widths, &COLUMNS, shown.len(), at, |at| {
        let row = shown[at];
        let d = &row.deployment;
        let grace = d.previous_key_until.filter(|until| *until > now);
        let (mark, state, style) = match (d.revoked_at, grace) {
            (Some(at), _) => (
                theme.glyphs.status(Status::Ended, false),
                format!("revoked {}", theme.times.cell_ago(at, now)),
                theme.danger,
            ),
            (None, Some(until)) => (
                theme.glyphs.status(Status::Active, false),
                format!("old key ends {}", theme.times.until(until, now)),
                theme.warn,
            ),
            (None, None) => (
                theme.glyphs.status(Status::Active, false),
                if d.is_default { "valid, default" } else { "valid" }.to_owned(),
                theme.ok,
            ),
        };
        let rotated = d
            .rotated_at
            .map_or_else(|| none.to_owned(), |at| theme.times.cell(at, now));
        Row {
            mark: (mark, style),
            label: (d.name.clone(), theme.heading),
            cells: vec![
                (d.kind.as_str().to_owned(), theme.text),
                (d.key_hint.clone(), theme.dim),
                (state, style),
                (format::count(row.experiments), theme.text),
                (format::count(row.flags), theme.text),
                (rotated, theme.dim),
            ],
        }
    })
}

pub fn projects(pen: &mut Pen<'_>, state: &State, shown: &[&ProjectRow], at: usize) -> Laid {
    const COLUMNS: [Column; 7] = [
        Column::left("environment", 11, 0),
        Column::left("protected", 9, 1),
        Column::left("you", 6, 2),
        Column::right("experiments", 11, 4),
        Column::right("active", 6, 3),
        Column::right("flags", 5, 5),
        Column::left("name", 26, 6).growing(60),
    ];
    let theme = pen.theme;
    let none = theme.glyphs.none();
    let here = state.me.as_ref().map(|me| me.project.id);
    let widths = state.objects.projects.widths();
    grid::draw(pen, "key", widths, &COLUMNS, shown.len(), at, |at| {
        let row = shown[at];
        let project = &row.project;
        let open = here == Some(project.id);
        let environment = match project.environment {
            Environment::Production => project.environment.as_str().to_uppercase(),
            other => other.as_str().to_owned(),
        };
        let protected = if project.protected {
            ("protected".to_owned(), theme.warn)
        } else {
            (none.to_owned(), theme.dim)
        };
        Row {
            mark: if open {
                (theme.glyphs.status(Status::Active, false), theme.accent)
            } else {
                (" ", theme.dim)
            },
            label: (
                project.key.to_string(),
                if open { theme.accent } else { theme.heading },
            ),
            cells: vec![
                (environment, theme.environment(project.environment)),
                protected,
                (row.role.as_str().to_owned(), theme.text),
                (format::count(row.experiments), theme.text),
                (format::count(row.active), theme.text),
                (format::count(row.flags), theme.text),
                (project.name.clone(), theme.dim),
            ],
        }
    })
}

pub fn tokens(pen: &mut Pen<'_>, state: &State, shown: &[&TokenRow], at: usize, now: Timestamp) -> Laid {
    const COLUMNS: [Column; 3] = [
        Column::left("state", 19, 2).of_times(19),
        Column::left("roles", 40, 1).growing(120),
        Column::left("made", 9, 3).of_times(11),
    ];
    let theme = pen.theme;
    let widths = state.objects.tokens.widths();
    grid::draw(pen, "name", widths, &COLUMNS, shown.len(), at, |at| {
        let token = shown[at];
        let ended = token.expires_at.filter(|at| *at <= now);
        let (mark, state, style) = match (token.revoked_at, ended, token.expires_at) {
            (Some(at), ..) => (
                "x",
                format!("revoked {}", theme.times.cell_ago(at, now)),
                theme.danger,
            ),
            (None, Some(at), _) => (
                "x",
                format!("ended {}", theme.times.cell_ago(at, now)),
                theme.danger,
            ),
            (None, None, Some(at)) => ("*", format!("ends {}", theme.times.until(at, now)), theme.ok),
            (None, None, None) => ("*", "valid".to_owned(), theme.ok),
        };
        let status = if mark == "x" {
            Status::Ended
        } else {
            Status::Active
        };
        Row {
            mark: (theme.glyphs.status(status, false), style),
            label: (token.name.clone(), theme.heading),
            cells: vec![
                (state, style),
                (roles(token), theme.text),
                (theme.times.cell(token.created_at, now), theme.dim),
            ],
        }
    })
}

pub fn labs(pen: &mut Pen<'_>, state: &State, shown: &[&Lab], at: usize, now: Timestamp) -> Laid {
    const COLUMNS: [Column; 5] = [
        Column::left("name", 24, 1).growing(48),
        Column::right("experiments", 11, 0),
        Column::left("state", 8, 2),
        Column::left("about", 40, 4).growing(100),
        Column::left("changed", 8, 3).of_times(11),
    ];
    let theme = pen.theme;
    let widths = state.objects.labs.widths();
    grid::draw(pen, "key", widths, &COLUMNS, shown.len(), at, |at| {
        let lab = shown[at];
        let all = state.list.all().iter();
        let inside = all
            .filter(|e| e.parent_id.eq_ignore_ascii_case(lab.key.as_str()))
            .count();
        let (status, word, style) = if lab.archived {
            (Status::Archived, "archived", theme.dim)
        } else {
            (Status::Active, "open", theme.ok)
        };
        Row {
            mark: (theme.glyphs.status(status, false), style),
            label: (lab.key.to_string(), theme.heading),
            cells: vec![
                (lab.name.clone(), theme.text),
                (format::count(inside as u64), theme.text),
                (word.to_owned(), style),
                (lab.description.clone(), theme.dim),
                (theme.times.cell(lab.updated_at, now), theme.dim),
            ],
        }
    })
}
