//! The subjects of many experiments in a few statements: for the list, which asks of all of them again and again.
//!
//! One statement for each experiment costs a round trip, a plan and a scan of its metric's events. Here the
//! exposures of a [`Part`] are read in one scan, told apart by `x` (the experiment's position in the part), and
//! what several experiments convert by is read once. The expressions are those of [`super::subjects`], so the
//! numbers are, too.
//!
//! A part is bounded by what ClickHouse takes of a request and by the memory that its subjects need: all of them are
//! held at once. Whatever is too large for that is asked by itself.

use std::collections::HashSet;

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::{Assigned, secondary};
use super::{EXPOSURE, Shape, SubjectRow, alike, cohort_among, cohorts, first_of_rows, same_event, steps};
use crate::domain::{AssignmentMode, Experiment, Metric};
use crate::warehouse::query::{DataVersion, Scope, UNKNOWN, inside};
use crate::warehouse::sql::Args;
use crate::warehouse::{EXPERIMENT_EVENTS, Warehouse, WarehouseError};

/// How many experiments one statement counts.
const EXPERIMENTS: usize = 200;
/// How many bytes the values of one statement have; ClickHouse takes 128 KiB for each, in which a byte may be two.
const VALUES: usize = 60 << 10;
/// How many bytes one statement has; ClickHouse parses 256 KiB.
const STATEMENT: usize = 160 << 10;
/// How many rows of exposures one statement reads at most, of all its experiments.
const ROWS: u64 = 2_000_000;
/// How many rows of metric events.
const METRIC_ROWS: u64 = 10_000_000;

/// One experiment whose subjects are to be counted.
#[derive(Debug)]
pub(in crate::warehouse) struct Asked<'a> {
    /// What is counted: all time, and the same [`Scope::recent_since`] for all that are asked together.
    pub scope: Scope<'a>,
    /// Where its metric events are looked for.
    pub project: Uuid,
    /// What there is to be read of it.
    pub data: DataVersion,
}

/// Experiments that one statement counts: at least one, all alike in how subjects convert.
#[derive(Debug, Default)]
pub(in crate::warehouse) struct Part<'a> {
    /// In the order of the answer.
    pub asked: Vec<Asked<'a>>,
    values: usize,
    statement: usize,
    rows: u64,
    metric_rows: u64,
    metrics: HashSet<(Uuid, &'a str)>,
}

impl<'a> Part<'a> {
    /// All that are asked, in as few parts as their bounds allow.
    pub(in crate::warehouse) fn all(mut asked: Vec<Asked<'a>>) -> Vec<Self> {
        asked.sort_by_key(|one| Shape::of(one.scope.experiment));
        let mut parts: Vec<Self> = Vec::new();
        for one in asked {
            match parts.last_mut() {
                Some(part) if part.takes(&one) => part.push(one),
                _ => {
                    let mut part = Self::default();
                    part.push(one);
                    parts.push(part);
                }
            }
        }
        parts
    }

    fn takes(&self, one: &Asked<'_>) -> bool {
        let alike = |other: &Asked<'_>| Shape::of(other.scope.experiment) == Shape::of(one.scope.experiment);
        let size = Size::of(one.scope.experiment);
        self.asked.first().is_none_or(alike)
            && self.asked.len() < EXPERIMENTS
            && self.values + size.values <= VALUES
            && self.statement + size.statement <= STATEMENT
            && self.rows.saturating_add(one.data.rows()) <= ROWS
            && self.metric_rows.saturating_add(self.new_metric_rows(one)) <= METRIC_ROWS
    }

    /// The metric events that nobody else in the part reads.
    fn new_metric_rows(&self, one: &Asked<'_>) -> u64 {
        let known =
            event_of(one.scope.experiment).is_none_or(|name| self.metrics.contains(&(one.project, name)));
        if known { 0 } else { one.data.metric_rows() }
    }

    fn push(&mut self, one: Asked<'a>) {
        let size = Size::of(one.scope.experiment);
        self.values += size.values;
        self.statement += size.statement;
        self.rows = self.rows.saturating_add(one.data.rows());
        self.metric_rows = self.metric_rows.saturating_add(self.new_metric_rows(&one));
        self.metrics
            .extend(event_of(one.scope.experiment).map(|name| (one.project, name)));
        self.asked.push(one);
    }
}

/// The name of the events that decide about conversions, if there are any.
fn event_of(experiment: &Experiment) -> Option<&str> {
    experiment.primary_metric.as_ref().map(|m| m.event.as_str())
}

/// About how many bytes an experiment adds to a statement, rather too many.
struct Size {
    values: usize,
    statement: usize,
}

impl Size {
    fn of(experiment: &Experiment) -> Self {
        let metrics = || {
            let secondary = secondary(experiment).map(|s| &s.metric);
            experiment.primary_metric.iter().chain(secondary)
        };
        let filters = metrics().flat_map(|m: &Metric| &m.filters);
        let texts: usize = filters.clone().map(|f| f.field.len() + f.value.len() + 8).sum();
        // Each with its position, which stands before it, quotes and commas.
        let variants: usize = experiment
            .variants
            .iter()
            .map(|v| v.key.as_str().len() + 16)
            .sum();
        let subject = experiment.subject_type.to_string().len();
        Self {
            values: 80
                + subject
                + texts
                + variants
                + 32 * experiment.cohorts.len()
                + metrics().map(|m| m.event.len()).sum::<usize>(),
            statement: 1_500 + 250 * filters.count(),
        }
    }
}

/// A row of the answer: `x`, and what [`SubjectRow`] has.
#[derive(Debug, Row, Deserialize)]
struct TaggedRow {
    x: u64,
    variant: u8,
    assigned: u8,
    cohort: u64,
    multi: bool,
    inside: bool,
    subjects: u64,
    starters: u64,
    conversions: u64,
    recent: u64,
    began: u64,
}

impl TaggedRow {
    fn untagged(self) -> SubjectRow {
        SubjectRow {
            variant: self.variant,
            assigned: self.assigned,
            cohort: self.cohort,
            multi: self.multi,
            inside: self.inside,
            subjects: self.subjects,
            starters: self.starters,
            conversions: self.conversions,
            recent: self.recent,
            began: self.began,
        }
    }
}

/// [`super::subjects`] of each experiment of a part, in its order.
pub(in crate::warehouse) async fn subjects_of_part(
    warehouse: &Warehouse,
    part: &Part<'_>,
) -> Result<Vec<Vec<SubjectRow>>, WarehouseError> {
    let (sql, args) = statement(&part.asked);
    let rows: Vec<TaggedRow> = warehouse
        .select("counting the subjects of many experiments", &sql, &args)
        .await?;
    let mut of_each: Vec<Vec<SubjectRow>> = part.asked.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let at = usize::try_from(row.x).ok().and_then(|x| x.checked_sub(1));
        if let Some(rows) = at.and_then(|at| of_each.get_mut(at)) {
            rows.push(row.untagged());
        }
    }
    Ok(of_each)
}

/// The statement that counts them. `x` is counted from 1, as ClickHouse's arrays are.
fn statement(asked: &[Asked<'_>]) -> (String, Args) {
    let mut args = Args::default();
    let experiments = || asked.iter().map(|one| one.scope.experiment);
    let shape = experiments().next().map_or(Shape::Exposed, Shape::of);
    let (steps, metrics) = all_steps(asked, &mut args);

    let ids = args.uuids(experiments().map(|e| e.id));
    let positions = args.unsigneds((1..=asked.len() as u64).collect());
    let sticky = (1_u64..).zip(experiments()).filter(|(_, e)| e.sticky);
    let sticky: Vec<u64> = sticky.map(|(x, _)| x).collect();
    let sticky = args.unsigneds(sticky);
    let (keys, codes): (Vec<String>, Vec<u64>) = (1_u64..)
        .zip(experiments())
        .flat_map(|(x, e)| {
            (0_u64..)
                .zip(&e.variants)
                .map(move |(code, v)| (format!("{x}/{}", v.key.folded()), code))
        })
        .unzip();
    let (keys, codes) = (args.texts(keys), args.unsigneds(codes));
    let extra = match shape {
        Shape::SameEvent => of_the_same_event(asked, &mut args),
        _ => String::new(),
    };
    let assigned = Assigned::sql(&format!("if(has({sticky}, x), 3, 0)"));
    let metrics = args.unsigneds(metrics);
    // A subject is told apart by its metric's position beside its hash: who converts by one may not by another.
    let exposed = format!(
        "SELECT bitShiftLeft(toUInt128(arrayElement({metrics}, x)), 64) + k AS h, x, {first}{extra}
        FROM (SELECT transform(experiment_id, {ids}, {positions}, 0) AS x, subject_hash AS k, {EXPOSURE},
            toUInt8(transform(concat(toString(x), '/', lower(variant)), {keys}, {codes}, {UNKNOWN})) AS c,
            {inside} AS inside, {assigned} AS assigned
            FROM {EXPERIMENT_EVENTS} WHERE experiment_id IN {ids})
        GROUP BY x, k",
        first = first_of_rows(),
        inside = inside(),
    );
    let per_subject = shape.per_subject("x, ", &exposed, &steps);
    let (ids, starts) = experiments().map(cohorts).unzip();
    let of_x = |lists: String| format!("arrayElement({lists}, x)");
    let cohort = cohort_among(&of_x(args.lists(ids)), &of_x(args.lists(starts)));
    let recent_since = asked.first().map_or(0, |one| one.scope.recent_since);
    (alike("x, ", &per_subject, &cohort, recent_since, &mut args), args)
}

/// The metric events of all, and for each experiment the position of those it looks at, from 1; 0 for none.
fn all_steps(asked: &[Asked<'_>], args: &mut Args) -> (String, Vec<u64>) {
    let mut known: Vec<String> = Vec::new();
    let mut metrics = Vec::new();
    for one in asked {
        let Some(steps) = steps(&one.scope, one.project, args) else {
            metrics.push(0);
            continue;
        };
        // The same values have the same placeholders: what is written alike is alike.
        let at = known
            .iter()
            .position(|other| *other == steps)
            .unwrap_or(known.len());
        if at == known.len() {
            known.push(steps);
        }
        metrics.push(at as u64 + 1);
    }
    let branches: Vec<String> = (1_u64..)
        .zip(known)
        .map(|(metric, steps)| {
            format!(
                "SELECT bitShiftLeft(toUInt128({metric}), 64) + s.h AS h, s.* EXCEPT h FROM ({steps}) AS s"
            )
        })
        .collect();
    (branches.join(" UNION ALL "), metrics)
}

/// `started` and `converted` where the exposure itself is the event.
fn of_the_same_event(asked: &[Asked<'_>], args: &mut Args) -> String {
    let (mut starts, mut converts) = (Vec::new(), Vec::new());
    for (x, one) in (1_u64..).zip(asked) {
        debug_assert_eq!(one.scope.experiment.assignment_mode, AssignmentMode::Event);
        let (started, converted) = same_event(one.scope.experiment, args);
        starts.push(format!("x = {x}, {started}"));
        converts.push(format!("x = {x}, {converted}"));
    }
    format!(
        ", max(inside AND multiIf({}, 0)) AS started, max(inside AND multiIf({}, 0)) AS converted",
        starts.join(", "),
        converts.join(", ")
    )
}
