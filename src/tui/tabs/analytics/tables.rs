//! The tables below the charts: segments, property breakdown, exposures, tracked events.

use super::View;
use super::charts::whole;
use crate::api::results::{Breakdown, MultiVariant};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::analytics::Panel;
use crate::domain::AssignmentMode;
use crate::tui::widgets::heading::Heading;
use crate::tui::widgets::pen::{columns as width_of, fit_middle};
use crate::tui::widgets::sparkline::sparkline;
use crate::tui::widgets::table::{Align, Cell, Column, Row, Table};

/// Titles of arms over columns, glyph and name, are cut to between these.
const ARM_TITLE: std::ops::RangeInclusive<u16> = 6..=20;
/// Blank columns before a value.
const LEFT: u16 = 3;
/// Columns of the values, at least; longer ones get up to a fifth of the table beside the arms.
const LEAST_VALUE: u16 = 9;
/// The least of it: with that, the arms of a narrow screen stand before its values do.
const LEAST_BESIDE: u16 = 7;
/// Width of the sparklines.
const TREND: usize = 16;

/// Distinct subjects (with `all` also events) of each arm by value of a property.
///
/// Names of arms are cut so that all arms have their column at this width.
pub fn breakdown<'a>(view: &View<'_>, panel: Panel, detail: &'a str, width: u16, all: bool) -> Table<'a> {
    let theme = view.theme;
    let (title, data) = match panel {
        Panel::Properties => ("Breakdown", &view.results.properties),
        _ => ("Segments", &view.results.segments),
    };
    let arms = view.arms().max(1);
    let widest = data.rows.iter().filter_map(|row| row.value.as_deref());
    let widest = widest.map(width_of).max().unwrap_or(0);
    let beside = widest.clamp(LEAST_VALUE, LEAST_VALUE.max(width / 5)) + LEFT;
    let each = width.saturating_sub(beside) / arms;
    let each = each.saturating_sub(2).clamp(*ARM_TITLE.start(), *ARM_TITLE.end());
    // An arm that is left out is missed, a value that is cut is not: as many as there is room for always stand.
    let room = width.saturating_sub(LEAST_BESIDE) / (each + 2);
    let standing = room.clamp(1, arms);
    let mut columns: Vec<Column> = Vec::new();
    for (index, arm) in view.results.arms.iter().enumerate().take(usize::from(standing)) {
        let (glyph, style) = view.mark(index);
        // Keys often differ in their ends.
        let name = fit_middle(&arm.variant, each - 2, theme.glyphs);
        columns.push(Column {
            title: format!("{glyph} {name}"),
            style: Some(style),
            min: each.min(9),
            rank: 0,
            ..Column::default()
        });
    }
    let standing = columns.len();
    columns.push(Column {
        title: "events".to_owned(),
        min: 9,
        rank: 2,
        ..Column::default()
    });
    if all {
        for index in 0..view.results.arms.len() {
            let (glyph, style) = view.mark(index);
            columns.push(Column {
                title: format!("{glyph} events"),
                style: Some(style),
                min: 9,
                rank: 3,
                ..Column::default()
            });
        }
    }
    let rows = data.rows.iter().map(|row| {
        let mut cells: Vec<Cell> = (0..standing)
            .map(|arm| {
                let count = row.subjects.get(arm).copied().unwrap_or(0);
                Cell::new(format::count_within(count, each))
            })
            .collect();
        let events = row.events.iter().copied().fold(0, u64::saturating_add);
        cells.push(Cell::styled(format::count(events), theme.dim));
        if all {
            cells.extend((0..view.results.arms.len()).map(|arm| {
                Cell::styled(
                    format::count(row.events.get(arm).copied().unwrap_or(0)),
                    theme.dim,
                )
            }));
        }
        let label = match row.value.as_deref() {
            Some("") => Cell::styled("(empty)", theme.dim),
            Some(value) => Cell::new(value),
            None => Cell::styled("(not set)", theme.dim),
        };
        Row {
            mark: None,
            label,
            cells,
        }
    });
    let right = left_out(view.results.arms.len() - standing);
    // How many are left out has to be read, by what it is broken down has not.
    let cut = [title, detail, right].map(width_of).iter().sum::<u16>() + 8 > width;
    let (detail, right) = if cut && !right.is_empty() {
        (right, "")
    } else {
        (detail, right)
    };
    Table {
        heading: Heading {
            title,
            detail,
            right,
            focused: view.focused(panel),
        },
        rows: rows.collect(),
        columns,
        more: data.more,
        stacked: true,
        note: "No event has this property yet.".to_owned(),
        ..Table::default()
    }
}

/// Says how many arms have no column, at the right of the heading.
fn left_out(arms: usize) -> &'static str {
    match arms {
        0 => "",
        1 => "1 arm more",
        2 => "2 arms more",
        _ => "3 arms more",
    }
}

/// What stands beside the heading of a breakdown.
///
/// `wanted` is the key that was asked for last: until its rows are there, those of the key before stay. In `width`
/// columns, or as few as can be.
pub fn breakdown_detail(view: &View<'_>, data: &Breakdown, wanted: &str, width: u16) -> String {
    let dot = view.theme.glyphs.dot();
    let mut detail = format!("{dot} subjects by {}", data.key);
    if data.key != wanted {
        detail.push_str(&format!(" {dot} {wanted} is being computed"));
    }
    let several = view.results.multi_variant_subjects;
    if several > 0 {
        let several = format::count(several);
        // The arms have subjects, the column beside them events: of who saw several variants these are not the same.
        let counted = match view.results.query.multi_variant {
            MultiVariant::Exclude => ["of several variants in events only", "in events only", "left out"],
            MultiVariant::FirstSeen => ["of several variants in their first", "in their first", "in first"],
        };
        let longs = counted.map(|words| format!("{detail} {dot} {several} {words}"));
        let fits = |text: &&String| width_of(text) <= width;
        detail.clone_from(longs.iter().find(fits).unwrap_or(&longs[2]));
    }
    detail
}

/// Exposures counted by event, profile, session and device; what the mode counts stands out.
pub fn exposures<'a>(view: &View<'_>, detail: &'a str) -> Table<'a> {
    let theme = view.theme;
    let mode = view.results.assignment_mode;
    let column = |title: &str, counted: bool, rank: u8| Column {
        title: title.to_owned(),
        style: Some(if counted { theme.heading } else { theme.dim }),
        min: 9,
        rank: if counted { 0 } else { rank },
        ..Column::default()
    };
    Table {
        heading: Heading {
            title: "Exposures",
            detail,
            right: "",
            focused: view.focused(Panel::Exposures),
        },
        columns: vec![
            column("events", mode == AssignmentMode::Event, 1),
            column("profiles", mode == AssignmentMode::Profile, 2),
            column("sessions", mode == AssignmentMode::Session, 3),
            column("devices", false, 4),
        ],
        rows: (view.results.arms.iter().enumerate())
            .map(|(index, arm)| Row {
                mark: Some(view.mark(index)),
                label: Cell::new(arm.variant.clone()),
                cells: [
                    arm.exposures.events,
                    arm.exposures.profiles,
                    arm.exposures.sessions,
                    arm.exposures.devices,
                ]
                .map(|count| Cell::new(format::count(count)))
                .into(),
            })
            .collect(),
        stacked: true,
        ..Table::default()
    }
}

/// What stands beside the heading of the exposures.
pub fn exposures_detail(view: &View<'_>) -> String {
    format!(
        "{} counted by {}",
        view.theme.glyphs.dot(),
        view.results.assignment_mode.as_str()
    )
}

/// For each tracked event a row of its own, and one for each arm below it.
pub fn tracked(view: &View<'_>) -> Table<'static> {
    let theme = view.theme;
    let results = view.results;
    let mut rows = Vec::new();
    for tracked in &results.tracked {
        rows.push(Row {
            mark: None,
            label: Cell::styled(tracked.metric.to_string(), theme.heading),
            cells: Vec::new(),
        });
        for (index, arm) in results.arms.iter().enumerate() {
            let events = tracked.events.get(index).copied().unwrap_or(0);
            let subjects = tracked.subjects.get(index).copied().unwrap_or(0);
            let share = (arm.subjects > 0).then(|| subjects as f64 / arm.subjects as f64);
            let counts: Vec<u64> = whole(&tracked.series, results.computed_at)
                .iter()
                .map(|point| point.counts.get(index).copied().unwrap_or(0))
                .collect();
            let mark = view.mark(index);
            rows.push(Row {
                mark: Some(mark),
                label: Cell::new(arm.variant.clone()),
                cells: vec![
                    Cell::new(format::count(events)),
                    Cell::new(format::count(subjects)),
                    match share {
                        Some(share) => Cell::new(format::rate(share)),
                        None => Cell::styled(theme.glyphs.none(), theme.dim),
                    },
                    Cell::styled(sparkline(&counts, TREND, theme.glyphs), mark.1),
                ],
            });
        }
    }
    let column = |title: &str, min: u16, rank: u8, align| Column {
        title: title.to_owned(),
        min,
        rank,
        align,
        ..Column::default()
    };
    let columns = vec![
        column("events", 9, 2, Align::Right),
        column("subjects", 9, 1, Align::Right),
        column("of exposed", 10, 0, Align::Right),
        column("trend", 16, 3, Align::Left),
    ];
    Table {
        heading: Heading {
            title: "Tracked events",
            detail: "",
            right: "",
            focused: view.focused(Panel::Tracked),
        },
        columns,
        rows,
        stacked: true,
        note: format!(
            "None yet. Up to five can be named in Setup{}.",
            (view.page.keymap).brackets(&[(Context::Experiment, Command::TabSetup)])
        ),
        ..Table::default()
    }
}
