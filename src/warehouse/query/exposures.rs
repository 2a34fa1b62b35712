//! Exposures: what the experiment's own events say, before any subject is set apart.

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::{Scope, inside};
use crate::warehouse::sql::Args;
use crate::warehouse::{Warehouse, WarehouseError};

/// Exposures of one variant.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Row, Deserialize)]
pub(in crate::warehouse) struct ExposureRow {
    /// The code of the variant.
    pub variant: u8,
    /// Whether the rows take part in the experiment.
    pub inside: bool,
    /// Rows, those that were sent twice included.
    rows: u64,
    /// Distinct events.
    pub events: u64,
    /// Distinct profiles.
    pub profiles: u64,
    /// Distinct sessions.
    pub sessions: u64,
    /// Distinct devices.
    pub devices: u64,
    /// The earliest event, milliseconds since 1970.
    pub first: i64,
    /// The latest event.
    pub last: i64,
    /// When the newest event was taken in.
    pub ingested: i64,
    /// The project the events belong to.
    #[serde(with = "clickhouse::serde::uuid")]
    pub project_id: Uuid,
}

/// How to count the events of the same rows in another query.
///
/// Distinct ids cost three to five times what rows do, so rows are counted where these exposures show that
/// no event is there twice, which is the rule. Should one be sent again between the two queries, it counts
/// twice until the next ones; the data's version has changed by then, so there will be next ones.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub(in crate::warehouse) enum EventCount {
    /// No event is there twice: by row.
    Rows,
    /// By distinct id.
    Distinct,
}

impl EventCount {
    /// What fits these exposures. Ids are compared within a variant, as all queries count them.
    pub(in crate::warehouse) fn of(exposures: &[ExposureRow]) -> Self {
        if exposures.iter().all(|row| row.rows == row.events) {
            Self::Rows
        } else {
            Self::Distinct
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Rows => "count()",
            Self::Distinct => "uniqExact(event_id)",
        }
    }
}

/// Counts the exposures in the window.
///
/// One scan. The time series and the breakdowns are scans of their own: as further `GROUPING SETS` of this
/// one they took as long and three times the memory (979 against 263 MB at 5 million rows), because every
/// set keeps all of the distinct counts; and what is found here makes them cheaper ([`EventCount`]).
pub(in crate::warehouse) async fn exposures(
    warehouse: &Warehouse,
    scope: &Scope<'_>,
) -> Result<Vec<ExposureRow>, WarehouseError> {
    let mut args = Args::default();
    let (code, inside, rows) = (scope.code(&mut args), inside(), scope.rows(&mut args));
    let sql = format!(
        "SELECT {code} AS variant, CAST({inside} AS Bool) AS inside,
            count() AS rows, uniqExact(event_id) AS events,
            uniqExactIf(cityHash64(profile_id), profile_id != '') AS profiles,
            uniqExactIf(cityHash64(session_id), session_id != '') AS sessions,
            uniqExactIf(cityHash64(device_id), device_id != '') AS devices,
            toUnixTimestamp64Milli(min(ts)) AS first,
            toUnixTimestamp64Milli(max(ts)) AS last,
            toUnixTimestamp64Milli(max(ingested_at)) AS ingested,
            any(project_id) AS project_id
        {rows}
        GROUP BY variant, inside"
    );
    warehouse.select("counting exposures", &sql, &args).await
}
