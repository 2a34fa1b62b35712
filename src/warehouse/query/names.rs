//! Names that recent events carry: what a person may want to write into a filter or a rule.

use clickhouse::Row;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use crate::warehouse::sql::{self, Args};
use crate::warehouse::{EVENTS, Warehouse, WarehouseError};

/// How far back is looked.
const RECENT: SignedDuration = SignedDuration::from_hours(24 * 30);
/// The most events that are looked at: suggestions need no exact counts.
const MOST_EVENTS: u64 = 500_000;
/// The most names.
const MOST_NAMES: u64 = 200;

/// Which names.
#[derive(Debug, Clone, Copy)]
pub enum Names<'a> {
    /// Names of events.
    Events,
    /// Names of properties.
    Properties,
    /// Values of a property.
    Values(&'a str),
}

#[derive(Debug, Row, Deserialize)]
struct NameRow {
    name: String,
}

impl Warehouse {
    /// The names that recent events of a project carry, the most frequent first; those of the newest days where
    /// there are many, which the order of the table's key makes a read from its end.
    ///
    /// # Errors
    /// See [`WarehouseError`].
    pub async fn names(
        &self,
        project: Uuid,
        names: Names<'_>,
        now: Timestamp,
    ) -> Result<Vec<String>, WarehouseError> {
        let mut args = Args::default();
        let project = args.uuid(project);
        let since = args.int((now - RECENT).as_millisecond());
        let what = match names {
            Names::Events => "toString(name)".to_owned(),
            Names::Properties => "arrayJoin(mapKeys(props))".to_owned(),
            // Columns of exposures only: in `events` these are properties as any other.
            Names::Values(key @ ("variant" | "reason" | "cohort")) => {
                let property = sql::breakdown(&format!("properties.{key}"), &mut args);
                format!("ifNull(toString({property}), '')")
            }
            Names::Values(key) => format!("ifNull(toString({}), '')", sql::breakdown(key, &mut args)),
        };
        // What the attribution adds says nothing about anybody.
        let bare = match names {
            Names::Properties => " AND NOT startsWith(found, '__')",
            Names::Events | Names::Values(_) => "",
        };
        let sql = format!(
            "SELECT found AS name
            FROM (
                SELECT {what} AS found FROM {EVENTS}
                WHERE project_id = {project} AND ts >= fromUnixTimestamp64Milli({since})
                ORDER BY project_id DESC, toDate(ts) DESC
                LIMIT {MOST_EVENTS}
            )
            WHERE found != ''{bare}
            GROUP BY found
            ORDER BY count() DESC, found
            LIMIT {MOST_NAMES}"
        );
        let rows: Vec<NameRow> = self.select("looking for names to suggest", &sql, &args).await?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }
}
