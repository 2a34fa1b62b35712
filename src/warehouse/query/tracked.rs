//! Tracked events: events that are watched beside the conversion.

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::series::bucket;
use super::subjects::counted;
use super::{FIRST_AT, Scope, inside};
use crate::api::results::Interval;
use crate::warehouse::sql::{Args, event_subject, metric};
use crate::warehouse::{EVENTS, Warehouse, WarehouseError};

/// One tracked event of one variant, in one bucket or in all.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Row, Deserialize)]
pub(in crate::warehouse) struct TrackedRow {
    /// Position among the experiment's tracked events.
    pub tracked: u8,
    /// The code of the variant.
    pub variant: u8,
    /// Whether this is the sum over all buckets, where nothing is counted twice.
    pub total: bool,
    /// The bucket, as in [`super::Bucketed`].
    pub bucket: i64,
    /// Distinct events.
    pub events: u64,
    /// Distinct subjects.
    pub subjects: u64,
}

#[derive(Debug, Row, Deserialize)]
struct LatestRow {
    latest: i64,
}

/// When the latest event with the name of a tracked event happened, milliseconds since 1970: a bound for
/// the time series, asked before its interval is chosen. None where there is none.
pub(in crate::warehouse) async fn latest_tracked(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    project: Uuid,
) -> Result<Option<i64>, WarehouseError> {
    let tracked = &scope.experiment.tracked_events;
    if tracked.is_empty() {
        return Ok(None);
    }
    let mut args = Args::default();
    let project = args.uuid(project);
    let window = scope.window.condition(&mut args);
    let names = args.texts(tracked.iter().map(|m| m.event.as_str()));
    let sql = format!(
        "SELECT toUnixTimestamp64Milli(max(ts)) AS latest FROM {EVENTS}
        WHERE project_id = {project}{window} AND name IN {names} HAVING count() > 0"
    );
    let rows: Vec<LatestRow> = warehouse
        .select("looking for tracked events", &sql, &args)
        .await?;
    Ok(rows.first().map(|row| row.latest))
}

/// Counts all tracked events of the experiment at or after their subject's first exposure, whether or not
/// they carry attribution; in event mode those among the exposures themselves.
///
/// One scan for all of them. An event that was sent again with another time is in the earliest bucket alone. A subject
/// counts for the variant that the results count it for, as do its events.
pub(in crate::warehouse) async fn tracked(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    project: Uuid,
    interval: Interval,
) -> Result<Vec<TrackedRow>, WarehouseError> {
    let tracked = &scope.experiment.tracked_events;
    if tracked.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = Args::default();
    let bucket = bucket(interval, &scope.window, &mut args);
    // The positions of the metrics that the row is an event of. One event may be several.
    let conditions: Vec<String> = tracked
        .iter()
        .enumerate()
        .map(|(at, m)| format!("if({}, [{at}], [])", metric(m, &mut args)))
        .collect();
    let matched = format!("CAST(arrayConcat({}) AS Array(UInt8))", conditions.join(", "));
    let names = args.texts(tracked.iter().map(|m| m.event.as_str()));
    let source = match event_subject(scope.experiment, &mut args) {
        None => {
            let (counted, inside, rows) = (counted(scope, &mut args), inside(), scope.rows(&mut args));
            format!(
                "SELECT variant, arrayJoin(matched) AS tracked, bucket, event_id, m.h AS h
                FROM (
                    SELECT subject_hash AS h, {bucket} AS bucket, event_id, {matched} AS matched
                    {rows} AND {inside} AND has({names}, name) AND notEmpty(matched)
                ) AS m INNER JOIN ({counted}) AS e ON m.h = e.h"
            )
        }
        Some(subject) => {
            let counted = counted(scope, &mut args);
            let project = args.uuid(project);
            let window = scope.window.condition(&mut args);
            let (hash, there) = (subject.hash, subject.there);
            format!(
                "SELECT variant, arrayJoin(matched) AS tracked, bucket, event_id, m.h AS h
                FROM (
                    SELECT {hash} AS h, toUInt64(toUnixTimestamp64Milli(ts)) AS t, {bucket} AS bucket, event_id,
                        {matched} AS matched
                    FROM {EVENTS}
                    WHERE project_id = {project}{window} AND name IN {names} AND {there} AND notEmpty(matched)
                ) AS m INNER JOIN ({counted}) AS e ON m.h = e.h
                WHERE m.t >= {FIRST_AT}"
            )
        }
    };
    let sql = format!(
        "SELECT tracked, variant, CAST(grouping(bucket) AS Bool) AS total, bucket,
            uniqExact(event_id) AS events, uniqExact(h) AS subjects
        FROM (
            SELECT tracked, variant, event_id, h, min(bucket) AS bucket FROM ({source})
            GROUP BY tracked, variant, event_id, h
        )
        GROUP BY GROUPING SETS ((tracked, variant), (tracked, variant, bucket))
        SETTINGS join_use_nulls = 0, group_by_use_nulls = 0"
    );
    warehouse.select("counting tracked events", &sql, &args).await
}
