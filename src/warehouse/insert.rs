//! Inserts: one batch, one table, one token that stays the same however often the batch is sent.

use std::time::Duration;

use clickhouse::error::Error;
use clickhouse::{Row, RowWrite};

use super::{EVENTS, EXPERIMENT_EVENTS, EventRow, ExperimentEventRow, Warehouse, WarehouseError};

/// How long one chunk may take to be written to the socket.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long ClickHouse may take to acknowledge a batch once it is sent.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// An insert whose rows fall into more months than this is refused; far above what the window of accepted
/// timestamps allows. ClickHouse's default of 100 could be met by a batch of one event a month.
const MAX_PARTITIONS: &str = "1000";

/// The most rows of one block, as ClickHouse's default has it; many times what a batch has.
const MAX_BLOCK: &str = "1048449";

impl Warehouse {
    /// Inserts `rows` into `events` and returns once they are on ClickHouse's disk.
    ///
    /// A repeated call with the same `token` and the same rows stores nothing twice, and that holds for a
    /// call whose outcome is unknown, too. The caller keeps the rows until this returns `Ok`; other rows
    /// under a used token would be dropped in silence by ClickHouse, so a token names one batch for ever.
    ///
    /// # Errors
    /// Sorted by [`super::Class`]; [`super::Class::OutcomeUnknown`] where no answer came.
    pub async fn insert_events(&self, token: &str, rows: &[EventRow<'_>]) -> Result<(), WarehouseError> {
        self.insert::<EventRow<'static>>(EVENTS, token, rows.iter()).await
    }

    /// Inserts `rows` into `experiment_events`; see [`Self::insert_events`].
    ///
    /// # Errors
    /// As [`Self::insert_events`].
    pub async fn insert_experiment_events(
        &self,
        token: &str,
        rows: &[ExperimentEventRow<'_>],
    ) -> Result<(), WarehouseError> {
        self.insert::<ExperimentEventRow<'static>>(EXPERIMENT_EVENTS, token, rows.iter())
            .await
    }

    pub(super) async fn insert<'r, T>(
        &self,
        table: &str,
        token: &str,
        rows: impl Iterator<Item = &'r T::Value<'r>>,
    ) -> Result<(), WarehouseError>
    where
        T: Row + RowWrite,
        T::Value<'r>: 'r,
    {
        let doing = format!("insert into {table}");
        // Looking up the columns is a query: where it fails, nothing was sent.
        let mut insert = self
            .timed(&doing, self.client.insert::<T>(table))
            .await?
            .with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT))
            .with_setting("insert_deduplication_token", token)
            .with_setting("insert_deduplicate", "1")
            .with_setting("deduplicate_insert", "enable")
            // ClickHouse 26.7 batches inserts on its own account by default, under tokens of its own.
            .with_setting("async_insert", "0")
            // A batch is one block, whatever the user's profile says: it is there as a whole or not at all.
            .with_setting("max_insert_block_size", MAX_BLOCK)
            .with_setting("min_insert_block_size_rows", MAX_BLOCK)
            .with_setting("max_partitions_per_insert_block", MAX_PARTITIONS);
        for row in rows {
            match insert.write(row).await {
                Ok(()) => {}
                // ClickHouse hung up before it had everything: what it said about it, such as a refusal, is
                // only to be had at the end. The request cannot be completed by that, its body is gone.
                Err(hung_up @ Error::Network(_)) => {
                    let said = insert.end().await.err().unwrap_or(hung_up);
                    return Err(WarehouseError::new(doing, &said).of_insert());
                }
                Err(error) => return Err(WarehouseError::new(doing, &error).of_insert()),
            }
        }
        insert
            .end()
            .await
            .map_err(|error| WarehouseError::new(doing, &error).of_insert())
    }
}
