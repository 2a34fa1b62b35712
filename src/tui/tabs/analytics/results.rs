//! The results table, the winner, and what must be known beside P(best).

use super::View;
use crate::api::results::{ArmResult, INCONCLUSIVE};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::analytics::Panel;
use crate::domain::Metric;
use crate::tui::widgets::Pen;
use crate::tui::widgets::heading::Heading;
use crate::tui::widgets::pen::{columns, fit, wrap};
use crate::tui::widgets::table::{Cell, Column, Row, Table};

const RULE: &str = "P(best) is not a stopping rule; always-valid intervals hold at every look.";

/// The table with what belongs to it.
pub struct ResultsPanel<'a> {
    table: Table<'a>,
    winner: Vec<Part>,
    /// The always-valid intervals, for where the table has no room for their column.
    intervals: Vec<Vec<Part>>,
    /// Whether anything is compared at all.
    compared: bool,
    /// Why not, and what to do.
    without: String,
    /// The place of the column of always-valid intervals.
    always_column: Option<usize>,
    /// Whether every column is wanted.
    all: bool,
}

/// A piece of a line, and how it is meant.
struct Part {
    text: String,
    style: ratatui::style::Style,
}

impl<'a> ResultsPanel<'a> {
    /// With `all`, every column that fits stands, and their titles have a line of their own.
    pub fn new(view: &'a View<'_>, title: &'a str, all: bool) -> Self {
        let results = view.results;
        let compared = results.arms.iter().any(|arm| arm.posterior.is_some());
        let two_steps = results.arms.iter().any(|arm| arm.starters.is_some());
        let mut table = Table {
            heading: Heading {
                title: "Results",
                detail: title,
                right: "",
                focused: view.focused(Panel::Results),
            },
            rows: (0..results.arms.len())
                .map(|index| Row {
                    mark: Some(view.mark(index)),
                    label: Cell::new(results.arms[index].variant.clone()),
                    cells: Vec::new(),
                })
                .collect(),
            stacked: all,
            ..Table::default()
        };
        let none = view.theme.glyphs.none();
        let mut column = |title: &str, min: u16, rank: u8, text: &dyn Fn(&ArmResult) -> Option<String>| {
            table.columns.push(Column {
                title: title.to_owned(),
                min,
                rank,
                ..Column::default()
            });
            for (row, arm) in table.rows.iter_mut().zip(&results.arms) {
                row.cells.push(match text(arm) {
                    Some(text) => Cell::new(view.theme.glyphs.text(&text)),
                    None => Cell::styled(none, view.theme.dim),
                });
            }
            table.columns.len() - 1
        };
        // How many there are says what the rest is worth: it stays longer than what is worked out from it.
        column("subjects", 9, 3, &|arm| Some(format::count(arm.subjects)));
        let mut always_column = None;
        if results.metric.is_some() {
            if two_steps {
                column("started", 9, 7, &|arm| arm.starters.map(format::count));
            }
            column("converted", 9, 5, &|arm| Some(format::count(arm.conversions)));
            column("rate", 7, 0, &|arm| arm.rate.map(format::rate));
        }
        // Of an arm without data only the prior is known, and the prior is no result.
        let known = |arm: &ArmResult| arm.posterior.filter(|_| arm.n > 0);
        let control_known = view.control().is_none_or(|control| results.arms[control].n > 0);
        let uplift = |arm: &ArmResult| known(arm).and_then(|p| p.uplift).filter(|_| control_known);
        if compared {
            column("95 % interval", 13, 4, &|arm| {
                known(arm).map(|p| format::rate_interval(p.ci_low, p.ci_high))
            });
            column("P(best)", 7, 1, &|arm| {
                known(arm).map(|p| format::prob_best(p.prob_best))
            });
            column("uplift", 8, 2, &|arm| {
                uplift(arm).map(|uplift| format::uplift(uplift.median))
            });
            column("uplift 95 %", 13, 9, &|arm| {
                uplift(arm).map(|uplift| format::uplift_interval(uplift.low, uplift.high))
            });
            always_column = Some(column("always-valid points", 13, 8, &|arm| {
                let always = known(arm).and_then(|p| p.always_valid);
                always.map(|interval| format::points_interval(interval.low, interval.high))
            }));
            column("loss points", 9, 10, &|arm| {
                known(arm).map(|p| format!("{:.4}", p.expected_loss * 100.0))
            });
        }
        Self {
            winner: winner(view),
            intervals: intervals(view),
            compared,
            without: if results.metric.is_some() {
                String::new()
            } else {
                format!(
                    "Nothing is compared without a primary metric; choose one in Setup{}.",
                    (view.page.keymap).brackets(&[(Context::Experiment, Command::TabSetup)])
                )
            },
            always_column,
            all,
            table,
        }
    }

    /// Rows at this width.
    pub fn height(&self, width: u16) -> u16 {
        let notes = u16::try_from(self.notes(width).len()).unwrap_or(u16::MAX);
        let winner = u16::from(!self.winner.is_empty());
        let more = self
            .more(width)
            .into_iter()
            .map(|table| table.height(width).saturating_add(1));
        let more = more.fold(0, u16::saturating_add);
        let table = self.table.height(width);
        table
            .saturating_add(winner)
            .saturating_add(notes)
            .saturating_add(more)
    }

    /// What the rows below the winner say.
    fn notes(&self, width: u16) -> Vec<Note<'_>> {
        let room = width.saturating_sub(4);
        if !self.compared {
            let lines = wrap(&self.without, room, 3, crate::tui::glyphs::Glyphs::Braille);
            return lines.into_iter().map(Note::Rule).collect();
        }
        let shown = self.all
            || self
                .always_column
                .is_some_and(|column| self.table.shows(width, column));
        let mut notes: Vec<Note<'_>> = wrap(RULE, room, 3, crate::tui::glyphs::Glyphs::Braille)
            .into_iter()
            .map(Note::Rule)
            .collect();
        if !shown && !self.intervals.is_empty() {
            let mut line: Vec<&Part> = Vec::new();
            let mut used = 0;
            for group in &self.intervals {
                let wide: u16 = group.iter().map(|part| columns(&part.text)).sum();
                if used > 0 && used + wide > room {
                    notes.push(Note::Intervals(std::mem::take(&mut line)));
                    used = 0;
                }
                used += wide;
                line.extend(group);
            }
            notes.push(Note::Intervals(line));
        }
        notes
    }

    /// Draws table, winner, notes, and what found no room in the table.
    pub fn draw(&self, pen: &mut Pen<'_>) {
        let theme = pen.theme;
        let glyphs = pen.glyphs();
        let width = pen.width();
        let rows = self.table.height(width);
        self.table.draw(&mut pen.part(0, 0, width, rows));
        let mut y = rows;
        if !self.winner.is_empty() {
            parts(pen, 3, y, self.winner.iter());
            y += 1;
        }
        for note in self.notes(width) {
            match note {
                Note::Rule(text) => {
                    pen.text(3, y, &glyphs.text(&text), theme.dim);
                }
                Note::Intervals(intervals) => parts(pen, 3, y, intervals),
            }
            y = y.saturating_add(1);
        }
        for table in self.more(width) {
            let rows = table.height(width);
            table.draw(&mut pen.part(0, y.saturating_add(1), width, rows));
            y = y.saturating_add(rows).saturating_add(1);
        }
    }

    /// When all columns are wanted: those that found no room, in tables of their own.
    fn more(&self, width: u16) -> Vec<Table<'_>> {
        let mut tables = Vec::new();
        if !self.all {
            return tables;
        }
        let mut rest = self.table.without_shown(width);
        while let Some(table) = rest.filter(|table| !table.columns.is_empty()) {
            rest = table.without_shown(width);
            if rest
                .as_ref()
                .is_some_and(|rest| rest.columns.len() == table.columns.len())
            {
                break;
            }
            tables.push(Table {
                heading: Heading {
                    title: "Results",
                    detail: "(continued)",
                    ..Heading::default()
                },
                ..table
            });
        }
        tables
    }
}

enum Note<'a> {
    Rule(String),
    Intervals(Vec<&'a Part>),
}

fn parts<'a>(pen: &mut Pen<'_>, mut x: u16, y: u16, parts: impl IntoIterator<Item = &'a Part>) {
    for part in parts {
        x = pen.text(x, y, &part.text, part.style);
    }
}

/// What stands beside the heading: the metric and the prior. Where there is little room the metric is cut,
/// never the prior.
pub fn title(view: &View<'_>, width: u16) -> String {
    let results = view.results;
    let dot = view.theme.glyphs.dot();
    match &results.metric {
        Some(metric) => {
            let prior = format!(" {dot} Beta({},{})", results.prior.a, results.prior.b);
            let room = width.saturating_sub(columns(&prior).saturating_add(columns(" Results ·  ")));
            let metrics = metrics(view, metric);
            format!("{dot} {}{prior}", fit(&metrics, room.max(4), view.theme.glyphs))
        }
        None => format!("{dot} no primary metric"),
    }
}

/// The steps of the conversion.
pub fn metrics(view: &View<'_>, metric: &Metric) -> String {
    match &view.results.secondary {
        Some(first) => format!("{} {} {}", first, view.theme.glyphs.arrow(), metric),
        None => metric.to_string(),
    }
}

fn winner(view: &View<'_>) -> Vec<Part> {
    let theme = view.theme;
    let results = view.results;
    let part = |text: &str, style| Part {
        text: text.to_owned(),
        style,
    };
    if results.metric.is_none() {
        return Vec::new();
    }
    let found = results.arms.iter().position(|arm| arm.variant == results.winner);
    match found {
        Some(index) if results.winner != INCONCLUSIVE => {
            let (glyph, style) = view.mark(index);
            let best = results.arms[index]
                .posterior
                .map(|p| format::prob_best(p.prob_best));
            vec![
                part("winner ", theme.dim),
                part(glyph, style),
                part(" ", theme.text),
                part(&results.winner, theme.ok),
                part(&format!(" {} P(best) ", theme.glyphs.dot()), theme.dim),
                part(&theme.glyphs.text(&best.unwrap_or_default()), theme.text),
            ]
        }
        _ => {
            let why = if results.power.gathering {
                ": too little data"
            } else {
                ": no P(best) ≥ 95 %"
            };
            vec![
                part("winner ", theme.dim),
                part(INCONCLUSIVE, theme.text),
                part(&theme.glyphs.text(why), theme.dim),
            ]
        }
    }
}

/// The always-valid interval of each arm's difference to control, in points: what it is, then a group of
/// pieces for each arm.
fn intervals(view: &View<'_>) -> Vec<Vec<Part>> {
    let theme = view.theme;
    let part = |text: String, style| Part { text, style };
    let mut groups = Vec::new();
    for (index, arm) in view.results.arms.iter().enumerate() {
        let Some(interval) = arm.posterior.and_then(|p| p.always_valid) else {
            continue;
        };
        let (glyph, style) = view.mark(index);
        let text = theme
            .glyphs
            .text(&format::points_interval(interval.low, interval.high));
        groups.push(vec![
            part(glyph.to_owned(), style),
            part(format!(" {text}  "), theme.text),
        ]);
    }
    if let (Some(control), false) = (view.control(), groups.is_empty()) {
        let (glyph, style) = view.mark(control);
        let head = vec![
            part("Always-valid difference to ".to_owned(), theme.dim),
            part(glyph.to_owned(), style),
            part(", points:  ".to_owned(), theme.dim),
        ];
        groups.insert(0, head);
    }
    groups
}
