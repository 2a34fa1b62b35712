//! What of a batch is really there.
//!
//! ClickHouse writes a token to its deduplication log before it commits the part that goes with it. Killed
//! between the two, it will answer the same batch with success and store nothing. So after an attempt whose
//! outcome was uncertain the success of the next one proves nothing, and the rows are looked for.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use super::{EVENTS, EXPERIMENT_EVENTS, Warehouse, WarehouseError};

/// Where the rows of a batch lie. Times are milliseconds since 1970.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Extent {
    /// The projects, or for `experiment_events` the experiments, of the rows.
    pub ids: Vec<Uuid>,
    /// From the first to the last `ts`.
    pub ts: RangeInclusive<i64>,
    /// From the first to the last `ingested_at`.
    pub ingested_at: RangeInclusive<i64>,
}

#[derive(Row, Deserialize)]
struct Found {
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
}

impl Warehouse {
    /// The (project, event) pairs that `events` has within `extent`. It may have more than the batch.
    ///
    /// # Errors
    /// Why ClickHouse cannot be asked.
    pub async fn stored_events(&self, extent: &Extent) -> Result<HashSet<(Uuid, Uuid)>, WarehouseError> {
        self.stored(EVENTS, "project_id", extent).await
    }

    /// The (experiment, event) pairs that `experiment_events` has within `extent`.
    ///
    /// # Errors
    /// Why ClickHouse cannot be asked.
    pub async fn stored_experiment_events(
        &self,
        extent: &Extent,
    ) -> Result<HashSet<(Uuid, Uuid)>, WarehouseError> {
        self.stored(EXPERIMENT_EVENTS, "experiment_id", extent).await
    }

    async fn stored(
        &self,
        table: &str,
        id: &str,
        extent: &Extent,
    ) -> Result<HashSet<(Uuid, Uuid)>, WarehouseError> {
        let sql = format!(
            "SELECT {id} AS id, event_id FROM `{}`.{table} WHERE {id} IN {{ids:Array(UUID)}} \
             AND ts BETWEEN fromUnixTimestamp64Milli({{ts_from:Int64}}, 'UTC') \
             AND fromUnixTimestamp64Milli({{ts_to:Int64}}, 'UTC') \
             AND ingested_at BETWEEN fromUnixTimestamp64Milli({{in_from:Int64}}, 'UTC') \
             AND fromUnixTimestamp64Milli({{in_to:Int64}}, 'UTC')",
            self.database
        );
        let ids: Vec<String> = extent.ids.iter().map(Uuid::to_string).collect();
        let query = self
            .client
            .query_raw(&sql)
            .param("ids", ids)
            .param("ts_from", extent.ts.start())
            .param("ts_to", extent.ts.end())
            .param("in_from", extent.ingested_at.start())
            .param("in_to", extent.ingested_at.end())
            .fetch_all::<Found>();
        let doing = format!("looking in {table} for the rows of a batch");
        let found = self.timed(&doing, query).await?;
        Ok(found.into_iter().map(|row| (row.id, row.event_id)).collect())
    }
}
