//! Events by value of a property: the Segments table and the Property breakdown.

use clickhouse::Row;
use serde::Deserialize;

use super::{EventCount, Scope, inside};
use crate::api::results::{Breakdown, BreakdownRow};
use crate::warehouse::sql::{self, Args};
use crate::warehouse::{Warehouse, WarehouseError};

/// The most values of a breakdown.
const MAX_VALUES: u64 = 50;

#[derive(Debug, Row, Deserialize)]
struct ValueRow {
    value: Option<String>,
    /// Code of the variant, distinct events, distinct subjects.
    counts: Vec<(u8, u64, u64)>,
    values: u64,
}

/// Counts the experiment's events by the value that `key` has in them: all attributed events of the arms,
/// conversions or not, each for the variant it names.
///
/// The values with the most events come first; equally frequent ones in the order of their text.
pub(in crate::warehouse) async fn breakdown(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    key: &str,
    count: EventCount,
) -> Result<Breakdown, WarehouseError> {
    let mut args = Args::default();
    let by = sql::breakdown(key, &mut args);
    let (code, inside, rows) = (scope.code(&mut args), inside(), scope.rows(&mut args));
    let (arms, events) = (scope.arms(), count.sql());
    let sql = format!(
        "SELECT by AS value, groupArray((code, events, subjects)) AS counts, count() OVER () AS values
        FROM (
            SELECT {by} AS by, {code} AS code, {events} AS events,
                uniqExact(subject_hash) AS subjects
            {rows} AND {inside} AND code < {arms}
            GROUP BY by, code
        )
        GROUP BY by
        ORDER BY sum(events) DESC, by ASC NULLS LAST
        LIMIT {MAX_VALUES}"
    );
    let found: Vec<ValueRow> = warehouse
        .select("breaking events down by a property", &sql, &args)
        .await?;
    let values = found.first().map_or(0, |row| row.values);
    let rows: Vec<BreakdownRow> = found
        .into_iter()
        .map(|row| {
            let (mut events, mut subjects) = (vec![0; arms], vec![0; arms]);
            for (code, some_events, some_subjects) in row.counts {
                events[usize::from(code)] = some_events;
                subjects[usize::from(code)] = some_subjects;
            }
            BreakdownRow {
                value: row.value,
                events,
                subjects,
            }
        })
        .collect();
    Ok(Breakdown {
        key: key.to_owned(),
        more: values - rows.len() as u64,
        rows,
    })
}
