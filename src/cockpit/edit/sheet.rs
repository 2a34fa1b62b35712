//! Which fields stand on a screen, row by row.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cell::{Attr, Cell, Fact, Part, Which, metric, rule};
use super::rows::in_order;
use crate::cockpit::state::Tab;
use crate::domain::experiment::MAX_TRACKED_EVENTS;
use crate::domain::{Experiment, Status};

/// A screen, or a part of one, that is made of fields.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub enum Sheet {
    /// The Setup tab.
    Setup,
    /// The table of variants.
    Variants,
    /// The list of rules.
    Rules,
    /// A metric with its filters.
    Metric(Which),
    /// A rule with its conditions.
    Rule(Uuid),
    /// First step of a new experiment: name, key, mode, subject.
    Basics,
    /// Second step: what counts.
    Measure,
    /// Third step: variants, holdout.
    Arms,
    /// Fourth step: how long it will take.
    Power,
}

/// One row of a sheet.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Row {
    /// The heading above it, where a section begins.
    pub section: Option<&'static str>,
    /// What stands before its fields.
    pub label: String,
    /// Its fields.
    pub cells: Vec<Cell>,
    /// Whether it stands in the second column, where there is room for two.
    pub right: bool,
}

impl Sheet {
    /// The sheet of a tab.
    #[must_use]
    pub fn of(tab: Tab) -> Option<Self> {
        match tab {
            Tab::Setup => Some(Self::Setup),
            Tab::Variants => Some(Self::Variants),
            Tab::Rules => Some(Self::Rules),
            Tab::Overrides | Tab::Analytics | Tab::Insights => None,
        }
    }

    /// Whether its rows are the variants.
    #[must_use]
    pub fn is_table(self) -> bool {
        matches!(self, Self::Variants | Self::Arms)
    }

    /// Whether it has several fields side by side, among which left and right go.
    #[must_use]
    pub fn has_columns(self) -> bool {
        self.is_table() || matches!(self, Self::Rule(_) | Self::Metric(_))
    }

    /// What it is about; none when that is gone.
    #[must_use]
    pub fn title(self, e: &Experiment) -> Option<String> {
        match self {
            Self::Metric(Which::Primary) => Some("Primary metric".to_owned()),
            Self::Metric(Which::Secondary) => Some("First step".to_owned()),
            Self::Metric(Which::Tracked(at)) => Some(format!("Tracked event {}", at + 1)),
            Self::Rule(id) => {
                let at = in_order(e).iter().position(|r| r.id == id)?;
                Some(format!("Rule {} of {}", at + 1, e.rules.len()))
            }
            _ => Some(String::new()),
        }
    }

    /// Its rows, for an experiment as it stands.
    #[must_use]
    pub fn rows(self, e: &Experiment) -> Vec<Row> {
        match self {
            Self::Setup => setup(e),
            Self::Variants => variants(e),
            Self::Rules => in_order(e)
                .into_iter()
                .map(|r| row("", [Cell::Rule(r.id)]))
                .collect(),
            Self::Metric(which) => metric_rows(e, which),
            Self::Rule(id) => rule_rows(e, id),
            Self::Basics => vec![
                row("name", [Cell::Name]).under("What is it?"),
                row("key", [Cell::NewKey]),
                row("mode", [Cell::Mode]),
                row("subject", [Cell::SubjectType]),
                row("hypothesis", [Cell::Hypothesis]),
                row("lab", [Cell::Lab]).under("Where does it belong?"),
                row("linked flag", [Cell::LinkedFlag]),
            ],
            Self::Measure => {
                let mut rows =
                    vec![row("primary metric", [Cell::Metric(Which::Primary)]).under("What counts?")];
                rows.extend(first_step(e));
                rows.extend(tracked(e));
                rows
            }
            Self::Arms => {
                let mut rows = variants(e);
                rows.push(row("holdout", [Cell::Holdout]).under("Beside the split"));
                rows.push(row("sticky", [Cell::Sticky]));
                rows
            }
            Self::Power => vec![
                row("baseline", [Cell::Baseline]).under("How long will it take?"),
                row("lift to see", [Cell::Lift]),
            ],
        }
    }
}

impl Row {
    fn under(mut self, section: &'static str) -> Self {
        self.section = Some(section);
        self
    }

    fn on_the_right(mut self) -> Self {
        self.right = true;
        self
    }
}

fn row(label: &str, cells: impl IntoIterator<Item = Cell>) -> Row {
    Row {
        section: None,
        label: label.to_owned(),
        cells: cells.into_iter().collect(),
        right: false,
    }
}

fn fact(label: &str, fact: Fact) -> Row {
    row(label, [Cell::Fact(fact)])
}

fn setup(e: &Experiment) -> Vec<Row> {
    let mut rows = vec![
        fact("key", Fact::Key).under("Details"),
        row("name", [Cell::Name]),
        row("description", [Cell::Description]),
        row("hypothesis", [Cell::Hypothesis]),
    ];
    for (at, label) in e.links.keys().enumerate() {
        rows.push(row(
            if at == 0 { "links" } else { "" },
            [Cell::Link(label.clone())],
        ));
    }
    rows.push(row(
        if e.links.is_empty() { "links" } else { "" },
        [Cell::NewLink],
    ));
    rows.push(row("lab", [Cell::Lab]));
    rows.extend([
        fact("mode", Fact::Mode).under("Assignment"),
        row("subject", [Cell::SubjectType]),
        row("default", [Cell::DefaultVariant]),
        row("holdout", [Cell::Holdout]),
        row("sticky", [Cell::Sticky]),
        row("linked flag", [Cell::LinkedFlag]),
        fact("salt", Fact::Salt),
    ]);
    let mut right = vec![row("primary metric", [Cell::Metric(Which::Primary)]).under("Conversion")];
    right.extend(first_step(e));
    right.extend(tracked(e));
    right.push(row("prior", [Cell::Prior]));
    right.push(fact("status", Fact::Status).under("Lifecycle"));
    if e.status == Status::Paused && e.paused_by.is_some() {
        right.push(fact("paused by", Fact::PausedBy));
    }
    right.push(fact("created", Fact::Created));
    right.push(fact("activated", Fact::Activated));
    right.push(fact("changed", Fact::Changed));
    if e.winning_variant.is_some() {
        right.push(fact("winner", Fact::Winner));
    }
    if e.ended_reason.is_some() {
        right.push(fact("ended for", Fact::Ended));
    }
    right.push(fact("exposures", Fact::Exposures));
    for at in (0..e.cohorts.len()).rev() {
        let label = format!("cohort {}", e.cohorts[at].index);
        let mut row = fact(&label, Fact::Cohort(at));
        if at + 1 == e.cohorts.len() {
            row = row.under("Splits");
        }
        right.push(row);
    }
    rows.extend(right.into_iter().map(Row::on_the_right));
    rows
}

fn first_step(e: &Experiment) -> Vec<Row> {
    let mut rows = vec![row("first step", [Cell::Metric(Which::Secondary)])];
    if e.secondary_event.is_some() {
        rows.push(row("", [Cell::SecondaryOn]));
    }
    rows
}

fn tracked(e: &Experiment) -> Vec<Row> {
    let count = e.tracked_events.len();
    let mut rows: Vec<Row> = (0..count)
        .map(|at| {
            let label = if at == 0 { "tracked" } else { "" };
            row(label, [Cell::Metric(Which::Tracked(at))])
        })
        .collect();
    if count < MAX_TRACKED_EVENTS {
        rows.push(row(if count == 0 { "tracked" } else { "" }, [Cell::NewTracked]));
    }
    rows
}

fn variants(e: &Experiment) -> Vec<Row> {
    let cells = |key: String| {
        let attr = |attr| Cell::Variant(key.clone(), attr);
        [
            attr(Attr::Key),
            attr(Attr::Traffic),
            attr(Attr::Name),
            attr(Attr::Control),
            Cell::VariantDefault(key.clone()),
            attr(Attr::Payload),
            attr(Attr::Description),
        ]
    };
    e.variants
        .iter()
        .map(|v| row("", cells(v.key.to_string())))
        .collect()
}

fn metric_rows(e: &Experiment, which: Which) -> Vec<Row> {
    let filters = metric(e, which).map_or(0, |m| m.filters.len());
    let mut rows = vec![row("event", [Cell::Event(which)])];
    rows.extend((0..filters).map(|at| {
        let part = |part| Cell::Filter(which, at, part);
        let label = if at == 0 { "where" } else { "and" };
        row(
            label,
            [part(Part::Field), part(Part::Operator), part(Part::Value)],
        )
    }));
    rows
}

fn rule_rows(e: &Experiment, id: Uuid) -> Vec<Row> {
    let Some(rule) = rule(e, id) else {
        return Vec::new();
    };
    let mut rows = vec![
        row("send to", [Cell::RuleVariant(id)]),
        row("priority", [Cell::RulePriority(id)]),
    ];
    rows.extend((0..rule.conditions.len()).map(|at| {
        let part = |part| Cell::Condition(id, at, part);
        let label = if at == 0 { "if" } else { "and" };
        let parts = [Part::Scope, Part::Field, Part::Operator, Part::Value];
        row(label, parts.map(part))
    }));
    rows
}
