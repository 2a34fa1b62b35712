//! Events by value of a property: the Segments table and the Property breakdown.
//!
//! Two statements. The events say which values there are, and are counted for the variant that each names. The subjects
//! are those that the results count, each in the arm that they count it for: so who was seen in two variants is left
//! out, or in the first one, as everywhere. In the Segments a subject has the value of its first exposure and is in that
//! row alone; in the Property breakdown it is in the rows of all the values that its events have.
//!
//! Between the two, values go by a hash of 64 bits.

use std::collections::HashMap;

use clickhouse::Row;
use serde::Deserialize;

use super::subjects::{counted, counted_at_first};
use super::{EventCount, Scope, inside};
use crate::api::results::{Breakdown, BreakdownRow};
use crate::warehouse::sql::{self, Args};
use crate::warehouse::{Warehouse, WarehouseError};

/// The most values of a breakdown.
const MAX_VALUES: u64 = 50;

/// Which value a subject is counted for.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub(in crate::warehouse) enum By {
    /// The one of its first exposure.
    FirstExposure,
    /// Each that its events have.
    Events,
}

#[derive(Debug, Row, Deserialize)]
struct ValueRow {
    value: Option<String>,
    hash: u64,
    /// Code of the variant, distinct events.
    counts: Vec<(u8, u64)>,
    values: u64,
}

#[derive(Debug, Row, Deserialize)]
struct SubjectsRow {
    hash: u64,
    variant: u8,
    subjects: u64,
}

/// The hash of a value, of which nothing is one, too.
fn hash(value: &str) -> String {
    format!("cityHash64(isNull({value}), ifNull({value}, ''))")
}

/// Counts the experiment's events by the value that `key` has in them: all attributed events of the arms,
/// conversions or not, each for the variant it names; and the subjects by the value that `by` says.
///
/// The values with the most events come first; equally frequent ones in the order of their text.
pub(in crate::warehouse) async fn breakdown(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    key: &str,
    by: By,
    count: EventCount,
) -> Result<Breakdown, WarehouseError> {
    let mut args = Args::default();
    let value = sql::breakdown(key, &mut args);
    let (code, inside, rows) = (scope.code(&mut args), inside(), scope.rows(&mut args));
    let (arms, events) = (scope.arms(), count.sql());
    let sql = format!(
        "SELECT value, {hash} AS hash, groupArray((code, events)) AS counts, count() OVER () AS values
        FROM (
            SELECT {value} AS value, {code} AS code, {events} AS events
            {rows} AND {inside} AND code < {arms}
            GROUP BY value, code
        )
        GROUP BY value
        ORDER BY sum(events) DESC, value ASC NULLS LAST
        LIMIT {MAX_VALUES}",
        hash = hash("value"),
    );
    let found: Vec<ValueRow> = warehouse
        .select("breaking events down by a property", &sql, &args)
        .await?;
    let subjects = subjects(warehouse, scope, key, by, &found).await?;
    let values = found.first().map_or(0, |row| row.values);
    let rows: Vec<BreakdownRow> = found
        .into_iter()
        .map(|row| {
            let mut events = vec![0; arms];
            for (code, some) in row.counts {
                events[usize::from(code)] = some;
            }
            let of_arm = |code: usize| {
                let code = u8::try_from(code).ok();
                code.and_then(|code| subjects.get(&(row.hash, code)).copied())
            };
            BreakdownRow {
                value: row.value,
                events,
                subjects: (0..arms).map(|code| of_arm(code).unwrap_or(0)).collect(),
            }
        })
        .collect();
    Ok(Breakdown {
        key: key.to_owned(),
        more: values - rows.len() as u64,
        rows,
    })
}

/// Subjects by hash of the value and code of the variant, of the values that were found.
async fn subjects(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
    key: &str,
    by: By,
    found: &[ValueRow],
) -> Result<HashMap<(u64, u8), u64>, WarehouseError> {
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let mut args = Args::default();
    let value = hash(&sql::breakdown(key, &mut args));
    let hashes = args.unsigneds(found.iter().map(|row| row.hash).collect());
    let sql = match by {
        By::FirstExposure => {
            let counted = counted_at_first(scope, &mut args, &value);
            format!(
                "SELECT at AS hash, variant, count() AS subjects FROM ({counted})
                WHERE at IN {hashes} GROUP BY hash, variant"
            )
        }
        By::Events => {
            let counted = counted(scope, &mut args);
            let (inside, rows) = (inside(), scope.rows(&mut args));
            format!(
                "SELECT m.hash AS hash, variant, uniqExact(m.h) AS subjects
                FROM (SELECT subject_hash AS h, {value} AS hash {rows} AND {inside} AND hash IN {hashes}) AS m
                INNER JOIN ({counted}) AS e ON m.h = e.h
                GROUP BY hash, variant"
            )
        }
    };
    let rows: Vec<SubjectsRow> = warehouse
        .select("counting subjects by a property", &sql, &args)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.hash, row.variant), row.subjects))
        .collect())
}
