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

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{FIRST, FIRST_AT, FIRST_VARIANT, NEVER, Scope, inside, words};
use crate::domain::{Experiment, Metric, Reason, SecondaryEvent};
use crate::warehouse::sql::{Args, event_subject, metric};
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

    /// The code of a row.
    fn sql(experiment: &Experiment) -> String {
        let untold = if experiment.sticky { 3 } else { 0 };
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
    let (code, inside, rows) = (scope.code(args), inside(), scope.rows(args));
    let assigned = Assigned::sql(scope.experiment);
    // `if(…, NEVER)` instead of `minIf`: that one gives 0 for a subject without rows that pass.
    format!(
        "SELECT h, min(if(inside, {FIRST}, {NEVER})) AS first,
            min(if(inside, c, 255)) AS lo, max(if(inside, c, 0)) AS hi{extra}
        FROM (SELECT subject_hash AS h, toUInt64(toUnixTimestamp64Milli(ts)) AS t, {code} AS c,
            {inside} AS inside, {assigned} AS assigned, cohort, name, props {rows})
        GROUP BY h"
    )
}

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
    let since = args.int(scope.recent_since);
    let sql = format!(
        "SELECT {FIRST_VARIANT} AS variant,
            toUInt8(bitAnd(bitShiftRight(first, 14), 3)) AS assigned,
            {cohort} AS cohort,
            CAST(lo < hi AS Bool) AS multi,
            CAST(first != {NEVER} AS Bool) AS inside,
            count() AS subjects, countIf(started) AS starters, countIf(converted) AS conversions,
            countIf({FIRST_AT} >= toUInt64({since})) AS recent, min({FIRST_AT}) AS began
        FROM ({per_subject})
        GROUP BY variant, assigned, cohort, multi, inside
        SETTINGS join_use_nulls = 0"
    );
    warehouse.select("counting subjects", &sql, &args).await
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
///
/// An event that names no cohort that there is (0 above all) belongs to the one that held at its time, one
/// from before the first to the first.
fn cohort(scope: &Scope<'_>, args: &mut Args) -> String {
    let cohorts = &scope.experiment.cohorts;
    let ids = args.unsigneds(cohorts.iter().map(|c| u64::from(c.index)).collect());
    let starts = cohorts
        .iter()
        .map(|c| u64::try_from(c.created_at.as_millisecond()).unwrap_or(0));
    let starts = args.unsigneds(starts.collect());
    format!(
        "toUInt64(if(has({ids}, bitAnd(first, 16383)), indexOf({ids}, bitAnd(first, 16383)),
            greatest(arrayCount(begin -> begin <= {FIRST_AT}, {starts}), 1)))"
    )
}

/// [`exposed`] with `started` and `converted`.
fn per_subject(scope: &Scope<'_>, project: Uuid, args: &mut Args) -> String {
    let experiment = scope.experiment;
    let secondary = experiment.secondary_event.as_ref().filter(|s| s.enabled);
    let Some(primary) = &experiment.primary_metric else {
        let exposed = exposed(scope, args, "");
        return format!("SELECT first, lo, hi, 0 AS started, 0 AS converted FROM ({exposed})");
    };
    let Some(subject) = event_subject(experiment, args) else {
        return same_event(scope, primary, secondary, args);
    };
    let exposed = exposed(scope, args, "");
    let project = args.uuid(project);
    let window = scope.window.condition(args);
    let (hash, there) = (subject.hash, subject.there);
    let Some(SecondaryEvent {
        metric: secondary, ..
    }) = secondary
    else {
        let condition = metric(primary, args);
        return format!(
            "SELECT first, lo, hi, 0 AS started, last >= {FIRST_AT} AS converted
            FROM ({exposed}) AS e LEFT JOIN (
                SELECT {hash} AS h, max(toUInt64(toUnixTimestamp64Milli(ts))) AS last
                FROM {EVENTS} WHERE project_id = {project}{window} AND {condition} AND {there}
                GROUP BY h
            ) AS m ON e.h = m.h"
        );
    };
    let (starts, converts) = (metric(secondary, args), metric(primary, args));
    let steps = format!(
        "SELECT {hash} AS h, toUInt64(toUnixTimestamp64Milli(ts)) AS t, event_id,
            {starts} AS starts, {converts} AS converts
        FROM {EVENTS} WHERE project_id = {project}{window} AND (starts OR converts) AND {there}"
    );
    if secondary.event == primary.event {
        return two_steps_of_one_name(&exposed, &steps);
    }
    // Events of different names are different events: times are enough.
    format!(
        "SELECT first, lo, hi, starter < {NEVER} AS started, started AND conversion >= starter AS converted
        FROM (
            SELECT e.h AS h, first, lo, hi,
                min(if(starts AND t >= {FIRST_AT}, t, {NEVER})) AS starter,
                max(if(converts AND t >= {FIRST_AT}, t, 0)) AS conversion
            FROM ({exposed}) AS e LEFT JOIN ({steps}) AS m ON e.h = m.h
            GROUP BY h, first, lo, hi
        )"
    )
}

/// Two steps that are events of the same name: one event may be both, and must not be the other step of
/// itself.
///
/// Steps are ordered by time and, within a millisecond, by a hash of the event's id, packed into a
/// `UInt128`. With the earliest starter before the latest conversion there is a pair. In the same
/// millisecond there is one unless both are the only ones of their kind there and the same event; so for
/// either kind the smallest and the largest hash of that millisecond are kept (`…_other` is packed with the
/// hash inverted). Rows of one event are folded first, else a retry with another time would be two.
fn two_steps_of_one_name(exposed: &str, steps: &str) -> String {
    let at = |packed: &str| format!("bitShiftRight({packed}, 64)");
    let id = |packed: &str| format!("toUInt64(bitAnd({packed}, toUInt128({NEVER})))");
    let counts = format!("t >= {FIRST_AT}");
    let never = "bitNot(toUInt128(0))";
    format!(
        "SELECT first, lo, hi, starter < {never} AS started,
            started AND conversion > 0 AND ({starter_at} < {conversion_at} OR ({starter_at} = {conversion_at}
                AND NOT ({starter_id} = bitNot({starter_other_id}) AND {starter_id} = {conversion_id}
                    AND {conversion_id} = bitNot({conversion_other_id})))) AS converted
        FROM (
            SELECT e.h AS h, first, lo, hi,
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
            GROUP BY h, first, lo, hi
        )",
        starter_at = at("starter"),
        conversion_at = at("conversion"),
        starter_id = id("starter"),
        starter_other_id = id("starter_other"),
        conversion_id = id("conversion"),
        conversion_other_id = id("conversion_other"),
    )
}

/// Event mode: the exposure is the only event of its subject.
fn same_event(
    scope: &Scope<'_>,
    primary: &Metric,
    secondary: Option<&SecondaryEvent>,
    args: &mut Args,
) -> String {
    let step = secondary.map_or(primary, |s| &s.metric);
    let step = metric(step, args);
    let exposed = exposed(scope, args, &format!(", max(inside AND {step}) AS stepped"));
    let (started, converted) = match secondary {
        Some(_) => ("stepped", "0"),
        None => ("0", "stepped"),
    };
    format!("SELECT first, lo, hi, {started} AS started, {converted} AS converted FROM ({exposed})")
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
