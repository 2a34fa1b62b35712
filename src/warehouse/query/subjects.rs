//! Subjects: each one once, with its first exposure and whether it converted.
//!
//! | | read from | a conversion is |
//! |---|---|---|
//! | one step | `events` of the metric, latest by subject | its latest metric event is not before its first exposure |
//! | two steps | `events` of both metrics | a metric event at or after its earliest starter that is not before its first exposure |
//! | event mode | the exposure itself | the event is the metric |
//!
//! A latest metric time is all that one step needs: were the latest one before the first exposure, so would
//! all be. Two steps need the first exposure *before* the earliest starter can be told, hence the join of
//! rows instead of aggregates.
//!
//! In event mode the one event is the whole subject, so the second of two steps, which is *another* event,
//! never comes: there are starters and no conversions.
//!
//! [`many`] counts the same of many experiments in one statement, from the same pieces.

pub(in crate::warehouse) mod many;

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{FIRST, FIRST_AT, FIRST_VARIANT, NEVER, Scope, inside, words};
use crate::api::results::MultiVariant;
use crate::domain::{AssignmentMode, Experiment, Reason, SecondaryEvent};
use crate::warehouse::sql::{Args, EventSubject, event_subject, metric};
use crate::warehouse::{EVENTS, Warehouse, WarehouseError};

/// How a subject came to its variant at its first exposure.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub(in crate::warehouse) enum Assigned {
    /// By the split: reason `allocation`, or none given. In the sample ratio test.
    AtRandom,
    /// By the memory of a sticky experiment, or, as no reason is given, perhaps by it: drawn at random once, under a
    /// split that is not told. In the test only while there has been no other split.
    Remembered,
    /// By an override or a rule.
    Forced,
    /// By the holdout, or for a reason that this program does not know.
    Otherwise,
}

impl Assigned {
    const AT_RANDOM: [Reason; 1] = [Reason::Allocation];
    const REMEMBERED: [Reason; 1] = [Reason::Sticky];
    const FORCED: [Reason; 2] = [Reason::Override, Reason::Rule];

    fn of_code(code: u8) -> Self {
        match code {
            0 => Self::AtRandom,
            1 => Self::Forced,
            3 => Self::Remembered,
            _ => Self::Otherwise,
        }
    }

    /// The code of a row; `untold` is that of one that tells no reason: 3 in a sticky experiment, else 0.
    fn sql(untold: &str) -> String {
        format!(
            "multiIf(reason = '', {untold}, reason IN ({}), 0, reason IN ({}), 1, reason IN ({}), 3, 2)",
            words(&Self::AT_RANDOM),
            words(&Self::FORCED),
            words(&Self::REMEMBERED)
        )
    }
}

/// Subjects that are alike in all that the results look at.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Row, Deserialize)]
pub(in crate::warehouse) struct SubjectRow {
    /// The code of the variant of the first exposure.
    pub variant: u8,
    assigned: u8,
    /// Position of the cohort among the experiment's, from 1.
    pub cohort: u64,
    /// Whether they were seen in more than one variant.
    pub multi: bool,
    /// Whether they took part at all; of those who did not, nothing else is told.
    pub inside: bool,
    /// How many there are.
    pub subjects: u64,
    /// How many fired the secondary event.
    pub starters: u64,
    /// How many converted.
    pub conversions: u64,
    /// How many were exposed first at [`Scope::recent_since`] or later.
    pub recent: u64,
    /// When the first of them was exposed first, in milliseconds since 1970.
    pub began: u64,
}

impl SubjectRow {
    /// Subjects of one variant who were drawn in one cohort.
    #[cfg(test)]
    pub(in crate::warehouse) fn drawn(variant: u8, cohort: u64, subjects: u64, conversions: u64) -> Self {
        Self {
            variant,
            assigned: 0,
            cohort,
            multi: false,
            inside: true,
            subjects,
            starters: 0,
            conversions,
            recent: 0,
            began: 0,
        }
    }

    /// The same subjects, but forced into it.
    #[cfg(test)]
    pub(in crate::warehouse) fn forced(mut self) -> Self {
        self.assigned = 1;
        self
    }

    /// How they came to their variant.
    pub(in crate::warehouse) fn assigned(&self) -> Assigned {
        Assigned::of_code(self.assigned)
    }

    /// Whether they were drawn under the split of their cohort. Who is remembered names the newest cohort, whatever
    /// the split was once; in the first one there was no other.
    pub(in crate::warehouse) fn drawn_in_cohort(&self) -> bool {
        match self.assigned() {
            Assigned::AtRandom => true,
            Assigned::Remembered => self.cohort == 1,
            Assigned::Forced | Assigned::Otherwise => false,
        }
    }
}

/// One row for each subject of the window: `h` (its hash), `first` (packed; [`NEVER`] for one that takes no
/// part), `lo` and `hi` (the smallest and largest code of its variants). `extra` adds aggregates over the
/// rows' `inside`, `t`, `name` and `props`.
pub(super) fn exposed(scope: &Scope<'_>, args: &mut Args, extra: &str) -> String {
    exposed_with(scope, args, "", extra)
}

/// [`exposed`] whose `extra` may name what `column` reads of each row, beside [`FIRST`]; it has a comma before it.
fn exposed_with(scope: &Scope<'_>, args: &mut Args, column: &str, extra: &str) -> String {
    let (code, rows) = (scope.code(args), scope.rows(args));
    let untold = if scope.experiment.sticky { "3" } else { "0" };
    format!(
        "SELECT h, {first}{extra}
        FROM (SELECT subject_hash AS h, {EXPOSURE}, {code} AS c, {inside} AS inside, {assigned} AS assigned{column} {rows})
        GROUP BY h",
        first = first_of_rows(),
        inside = inside(),
        assigned = Assigned::sql(untold),
    )
}

/// The subjects of the arms as the results count them, each once: `h`, `first`, `variant`.
pub(super) fn counted(scope: &Scope<'_>, args: &mut Args) -> String {
    let exposed = exposed(scope, args, "");
    let counts = counts(scope);
    format!("SELECT h, first, {FIRST_VARIANT} AS variant FROM ({exposed}) WHERE {counts}")
}

/// The same with `at`, a `UInt64` that `value` reads of the rows of their first exposure. Should these be several in
/// one millisecond, of one variant and of one kind, it is the smallest.
pub(super) fn counted_at_first(scope: &Scope<'_>, args: &mut Args, value: &str) -> String {
    let packed = format!("bitShiftLeft(toUInt128({FIRST}), 64) + value");
    let extra = format!(", min(if(inside, {packed}, bitNot(toUInt128(0)))) AS first_value");
    let exposed = exposed_with(scope, args, &format!(", toUInt64({value}) AS value"), &extra);
    let counts = counts(scope);
    format!(
        "SELECT h, first, {FIRST_VARIANT} AS variant, toUInt64(bitAnd(first_value, toUInt128({NEVER}))) AS at
        FROM ({exposed}) WHERE {counts}"
    )
}

/// Whether a row of [`exposed`], with its `variant`, is a subject that the results count for an arm.
fn counts(scope: &Scope<'_>) -> String {
    let once = match scope.multi {
        MultiVariant::Exclude => " AND lo = hi",
        MultiVariant::FirstSeen => "",
    };
    format!("first != {NEVER} AND variant < {}{once}", scope.arms())
}

/// Of the rows of one subject: the first exposure, and the smallest and largest code. `if(…, NEVER)` instead of
/// `minIf`: that one gives 0 for a subject without rows that pass.
fn first_of_rows() -> String {
    format!(
        "min(if(inside, {FIRST}, {NEVER})) AS first, min(if(inside, c, 255)) AS lo, max(if(inside, c, 0)) AS hi"
    )
}

/// What is read of a row beside its subject, its code and how it was assigned.
const EXPOSURE: &str = "toUInt64(toUnixTimestamp64Milli(ts)) AS t, cohort, name, props";

/// Counts subjects, starters and conversions.
///
/// `project` is where metric events are looked for.
pub(in crate::warehouse) async fn subjects(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    project: Uuid,
) -> Result<Vec<SubjectRow>, WarehouseError> {
    let mut args = Args::default();
    let per_subject = per_subject(scope, project, &mut args);
    let cohort = cohort(scope, &mut args);
    let sql = alike("", &per_subject, &cohort, scope.recent_since, &mut args);
    warehouse.select("counting subjects", &sql, &args).await
}

/// Counts the rows of `per_subject` that are alike; `also` is a column of it, with a comma after it, that tells them
/// apart, too.
fn alike(also: &str, per_subject: &str, cohort: &str, recent_since: i64, args: &mut Args) -> String {
    let since = args.int(recent_since);
    format!(
        "SELECT {also}{FIRST_VARIANT} AS variant,
            toUInt8(bitAnd(bitShiftRight(first, 14), 3)) AS assigned,
            {cohort} AS cohort,
            CAST(lo < hi AS Bool) AS multi,
            CAST(first != {NEVER} AS Bool) AS inside,
            count() AS subjects, countIf(started) AS starters, countIf(converted) AS conversions,
            countIf({FIRST_AT} >= toUInt64({since})) AS recent, min({FIRST_AT}) AS began
        FROM ({per_subject})
        GROUP BY {also}variant, assigned, cohort, multi, inside
        SETTINGS join_use_nulls = 0"
    )
}

/// Counts subjects by their first exposure alone, those of them whose first exposure ever was at `since` or
/// later.
///
/// Unlike in a window that begins at `since`, one that was exposed before is not counted at all.
pub(in crate::warehouse) async fn first_exposures(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    since: Option<Timestamp>,
) -> Result<Vec<SubjectRow>, WarehouseError> {
    let mut args = Args::default();
    let exposed = exposed(scope, &mut args, "");
    let cohort = cohort(scope, &mut args);
    let since = since.map_or_else(String::new, |since| {
        let since = args.int(since.as_millisecond());
        format!(" AND {FIRST_AT} >= toUInt64({since})")
    });
    let sql = format!(
        "SELECT {FIRST_VARIANT} AS variant,
            toUInt8(bitAnd(bitShiftRight(first, 14), 3)) AS assigned,
            {cohort} AS cohort,
            CAST(lo < hi AS Bool) AS multi,
            CAST(1 AS Bool) AS inside,
            count() AS subjects, toUInt64(0) AS starters, toUInt64(0) AS conversions,
            toUInt64(0) AS recent, min({FIRST_AT}) AS began
        FROM ({exposed})
        WHERE first != {NEVER}{since}
        GROUP BY variant, assigned, cohort, multi"
    );
    warehouse.select("counting first exposures", &sql, &args).await
}

/// Position of the cohort of a packed first exposure, from 1.
fn cohort(scope: &Scope<'_>, args: &mut Args) -> String {
    let (ids, starts) = cohorts(scope.experiment);
    cohort_among(&args.unsigneds(ids), &args.unsigneds(starts))
}

/// The cohorts' indices, and when each began, in milliseconds since 1970.
fn cohorts(experiment: &Experiment) -> (Vec<u64>, Vec<u64>) {
    let cohorts = experiment.cohorts.iter();
    cohorts
        .map(|c| {
            let began = u64::try_from(c.created_at.as_millisecond()).unwrap_or(0);
            (u64::from(c.index), began)
        })
        .unzip()
}

/// [`cohort`] among these, both expressions of arrays.
///
/// An event that names no cohort that there is (0 above all) belongs to the one that held at its time, one
/// from before the first to the first.
fn cohort_among(ids: &str, starts: &str) -> String {
    format!(
        "toUInt64(if(has({ids}, bitAnd(first, 16383)), indexOf({ids}, bitAnd(first, 16383)),
            greatest(arrayCount(begin -> begin <= {FIRST_AT}, {starts}), 1)))"
    )
}

/// How an experiment's subjects come to `started` and `converted`.
#[derive(Debug, Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Shape {
    /// Not at all: there is no metric.
    Exposed,
    /// By the exposure itself, in event mode.
    SameEvent,
    /// By the latest event of the metric.
    OneStep,
    /// By events of two names.
    TwoSteps,
    /// By two events of one name.
    TwoOfOneName,
}

impl Shape {
    fn of(experiment: &Experiment) -> Self {
        match (&experiment.primary_metric, secondary(experiment)) {
            (None, _) => Self::Exposed,
            (Some(_), _) if experiment.assignment_mode == AssignmentMode::Event => Self::SameEvent,
            (Some(_), None) => Self::OneStep,
            (Some(primary), Some(secondary)) if primary.event == secondary.metric.event => Self::TwoOfOneName,
            (Some(_), Some(_)) => Self::TwoSteps,
        }
    }

    /// Rows of [`exposed`], which has `also` (a column with a comma after it, or nothing) as well, with `started` and
    /// `converted`. `steps` are those of [`steps`], told apart by the same `h`.
    fn per_subject(self, also: &str, exposed: &str, steps: &str) -> String {
        match self {
            Self::Exposed => {
                format!("SELECT {also}first, lo, hi, 0 AS started, 0 AS converted FROM ({exposed})")
            }
            Self::SameEvent => format!("SELECT {also}first, lo, hi, started, converted FROM ({exposed})"),
            Self::OneStep => format!(
                "SELECT {also}first, lo, hi, 0 AS started, last >= {FIRST_AT} AS converted
                FROM ({exposed}) AS e LEFT JOIN ({steps}) AS m ON e.h = m.h"
            ),
            // Events of different names are different events: times are enough.
            Self::TwoSteps => format!(
                "SELECT {also}first, lo, hi, starter < {NEVER} AS started,
                    started AND conversion >= starter AS converted
                FROM (
                    SELECT {also}e.h AS h, first, lo, hi,
                        min(if(starts AND t >= {FIRST_AT}, t, {NEVER})) AS starter,
                        max(if(converts AND t >= {FIRST_AT}, t, 0)) AS conversion
                    FROM ({exposed}) AS e LEFT JOIN ({steps}) AS m ON e.h = m.h
                    GROUP BY {also}h, first, lo, hi
                )"
            ),
            Self::TwoOfOneName => two_steps_of_one_name(also, exposed, steps),
        }
    }
}

/// The secondary event, where it is asked for.
fn secondary(experiment: &Experiment) -> Option<&SecondaryEvent> {
    experiment.secondary_event.as_ref().filter(|s| s.enabled)
}

/// [`exposed`] with `started` and `converted`.
fn per_subject(scope: &Scope<'_>, project: Uuid, args: &mut Args) -> String {
    let shape = Shape::of(scope.experiment);
    let extra = match shape {
        Shape::SameEvent => {
            let (started, converted) = same_event(scope.experiment, args);
            format!(", max(inside AND {started}) AS started, max(inside AND {converted}) AS converted")
        }
        _ => String::new(),
    };
    let exposed = exposed(scope, args, &extra);
    let steps = steps(scope, project, args).unwrap_or_default();
    shape.per_subject("", &exposed, &steps)
}

/// The metric events of an experiment by subject (`h`): the time of its `last` one where there is one step, each one
/// of both steps where there are two. None without metric, and where the exposure itself is the event.
fn steps(scope: &Scope<'_>, project: Uuid, args: &mut Args) -> Option<String> {
    let primary = scope.experiment.primary_metric.as_ref()?;
    let EventSubject { hash, there } = event_subject(scope.experiment, args)?;
    let project = args.uuid(project);
    let window = scope.window.condition(args);
    let converts = metric(primary, args);
    Some(match secondary(scope.experiment) {
        None => format!(
            "SELECT {hash} AS h, max(toUInt64(toUnixTimestamp64Milli(ts))) AS last
            FROM {EVENTS} WHERE project_id = {project}{window} AND {converts} AND {there}
            GROUP BY h"
        ),
        Some(secondary) => {
            let starts = metric(&secondary.metric, args);
            format!(
                "SELECT {hash} AS h, toUInt64(toUnixTimestamp64Milli(ts)) AS t, event_id,
                    {starts} AS starts, {converts} AS converts
                FROM {EVENTS} WHERE project_id = {project}{window} AND (starts OR converts) AND {there}"
            )
        }
    })
}

/// Two steps that are events of the same name: one event may be both, and must not be the other step of
/// itself.
///
/// Steps are ordered by time and, within a millisecond, by a hash of the event's id, packed into a
/// `UInt128`. With the earliest starter before the latest conversion there is a pair. In the same
/// millisecond there is one unless both are the only ones of their kind there and the same event; so for
/// either kind the smallest and the largest hash of that millisecond are kept (`…_other` is packed with the
/// hash inverted). Rows of one event are folded first, else a retry with another time would be two.
fn two_steps_of_one_name(also: &str, exposed: &str, steps: &str) -> String {
    let at = |packed: &str| format!("bitShiftRight({packed}, 64)");
    let id = |packed: &str| format!("toUInt64(bitAnd({packed}, toUInt128({NEVER})))");
    let counts = format!("t >= {FIRST_AT}");
    let never = "bitNot(toUInt128(0))";
    format!(
        "SELECT {also}first, lo, hi, starter < {never} AS started,
            started AND conversion > 0 AND ({starter_at} < {conversion_at} OR ({starter_at} = {conversion_at}
                AND NOT ({starter_id} = bitNot({starter_other_id}) AND {starter_id} = {conversion_id}
                    AND {conversion_id} = bitNot({conversion_other_id})))) AS converted
        FROM (
            SELECT {also}e.h AS h, first, lo, hi,
                min(if(starts AND {counts}, step, {never})) AS starter,
                min(if(starts AND {counts}, step_other, {never})) AS starter_other,
                max(if(converts AND {counts}, step, toUInt128(0))) AS conversion,
                max(if(converts AND {counts}, step_other, toUInt128(0))) AS conversion_other
            FROM ({exposed}) AS e LEFT JOIN (
                SELECT h, min(m.t) AS t, max(m.starts) AS starts, max(m.converts) AS converts,
                    bitShiftLeft(toUInt128(t), 64) + cityHash64(event_id) AS step,
                    bitShiftLeft(toUInt128(t), 64) + bitNot(cityHash64(event_id)) AS step_other
                FROM ({steps}) AS m GROUP BY h, event_id
            ) AS s ON e.h = s.h
            GROUP BY {also}h, first, lo, hi
        )",
        starter_at = at("starter"),
        conversion_at = at("conversion"),
        starter_id = id("starter"),
        starter_other_id = id("starter_other"),
        conversion_id = id("conversion"),
        conversion_other_id = id("conversion_other"),
    )
}

/// Event mode, where the exposure is the only event of its subject: whether a row starts and whether it converts.
fn same_event(experiment: &Experiment, args: &mut Args) -> (String, String) {
    let primary = experiment.primary_metric.as_ref();
    let converts = |args: &mut Args| primary.map_or_else(|| "0".to_owned(), |primary| metric(primary, args));
    match secondary(experiment) {
        Some(secondary) => (metric(&secondary.metric, args), "0".to_owned()),
        None => ("0".to_owned(), converts(args)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_that_takes_part_has_one_kind() {
        for reason in super::super::OUTSIDE {
            assert!(!Assigned::AT_RANDOM.contains(&reason) && !Assigned::FORCED.contains(&reason));
        }
        for reason in Assigned::AT_RANDOM {
            assert!(!Assigned::FORCED.contains(&reason) && !Assigned::REMEMBERED.contains(&reason));
        }
        assert_eq!(Assigned::of_code(2), Assigned::Otherwise);
    }
}
