//! The tables, and the step from what is there to what this program needs.

use std::time::Duration;

use uuid::Uuid;

use super::{Warehouse, WarehouseError};

/// Every event, one row.
pub const EVENTS: &str = "events";
/// One row for each event and experiment it is attributed to.
pub const EXPERIMENT_EVENTS: &str = "experiment_events";
/// Whose event an id is, one row each.
pub const EVENT_IDS: &str = "event_ids";
/// Where the applied versions are written down.
const VERSIONS: &str = "schema_versions";

/// The version of the schema that this program reads and writes.
pub const SCHEMA_VERSION: u32 = 2;

/// How long it may take to copy what is in a table. One step reads the ids of all events there are, some seconds for each ten million.
const COPY_TIMEOUT: Duration = Duration::from_secs(2 * 3_600);

/// Properties with a column of their own, in both tables.
const WELL_KNOWN: &str = "
    country LowCardinality(String),
    region LowCardinality(String),
    os LowCardinality(String),
    browser LowCardinality(String),
    device LowCardinality(String),
    platform LowCardinality(String),
    app_version LowCardinality(String),
    sdk LowCardinality(String),
    props Map(LowCardinality(String), String)";

/// What makes an acknowledged insert last, and a repeated one count once.
///
/// - The window of the deduplication tokens defaults to 0 for tables that are not replicated: no token
///   would be remembered at all.
/// - An insert is acknowledged after `fsync` only when told so, and the result of a merge, which replaces
///   parts that were synced, is synced only when told so, too.
const SETTINGS: &str = "
    non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1";

/// The statements that lead from version `n` to `n + 1`, at index `n`. Each may be run again: an attempt
/// may be cut off between two statements. `{db}` is the database.
fn steps() -> [Vec<String>; SCHEMA_VERSION as usize] {
    [first(), ids()]
}

/// The two tables that are counted.
fn first() -> Vec<String> {
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {{db}}.{EVENTS}
(
    project_id UUID,
    event_id UUID,
    name LowCardinality(String),
    ts DateTime64(3, 'UTC'),
    ingested_at DateTime64(3, 'UTC'),
    profile_id String,
    session_id String,
    device_id String,
    profile_hash UInt64 MATERIALIZED cityHash64(profile_id),
    session_hash UInt64 MATERIALIZED cityHash64(session_id),
    device_hash UInt64 MATERIALIZED cityHash64(device_id),{WELL_KNOWN}
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (project_id, toDate(ts), name, profile_hash, event_id)
SETTINGS {SETTINGS}"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {{db}}.{EXPERIMENT_EVENTS}
(
    project_id UUID,
    experiment_id UUID,
    variant LowCardinality(String),
    reason LowCardinality(String),
    cohort UInt32,
    event_id UUID,
    name LowCardinality(String),
    ts DateTime64(3, 'UTC'),
    ingested_at DateTime64(3, 'UTC'),
    profile_id String,
    session_id String,
    device_id String,
    subject String,
    subject_hash UInt64 MATERIALIZED cityHash64(subject),{WELL_KNOWN}
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (experiment_id, toDate(ts), subject_hash, event_id)
SETTINGS {SETTINGS}"
        ),
    ]
}

/// The table of ids, and in it those of the events that there are. It is read by thousands of single ids: little is
/// read for each.
fn ids() -> Vec<String> {
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {{db}}.{EVENT_IDS}
(
    project_id UUID,
    event_id UUID,
    ingested_at DateTime64(3, 'UTC'),
    batch UUID
)
ENGINE = ReplacingMergeTree
ORDER BY (project_id, event_id)
SETTINGS index_granularity = 256, min_compress_block_size = 4096, {SETTINGS}"
        ),
        format!(
            "INSERT INTO {{db}}.{EVENT_IDS} (project_id, event_id, ingested_at, batch)
SELECT project_id, event_id, ingested_at, toUUID('{nil}') FROM {{db}}.{EVENTS} SETTINGS async_insert = 0",
            nil = Uuid::nil()
        ),
    ]
}

impl Warehouse {
    /// Brings the tables to the version that this program needs; does nothing when they are there.
    ///
    /// Safe to run by two servers at once and after being cut off: each statement may be repeated.
    ///
    /// # Errors
    /// What ClickHouse refused; and a schema that is newer than this program, which is left alone.
    pub async fn migrate(&self) -> Result<(), WarehouseError> {
        let db = format!("`{}`", self.database);
        let found = self.schema_version().await?;
        if found > SCHEMA_VERSION {
            return Err(WarehouseError::configuration(
                "checking the schema",
                format!(
                    "the tables in {db} have version {found} and this program knows up to {SCHEMA_VERSION}; \
                     use the newer splitdeck"
                ),
            ));
        }
        if found == SCHEMA_VERSION
            && self.has_table(EVENTS).await?
            && self.has_table(EXPERIMENT_EVENTS).await?
            && self.has_table(EVENT_IDS).await?
        {
            // A user that may not create tables is enough from here on.
            return Ok(());
        }
        if !self.database_exists().await? {
            self.statement(
                self.query_timeout,
                "creating the database",
                &format!("CREATE DATABASE IF NOT EXISTS {db}"),
            )
            .await?;
        }
        let versions = format!(
            "CREATE TABLE IF NOT EXISTS {db}.{VERSIONS} (version UInt32, applied_at DateTime DEFAULT now()) \
             ENGINE = ReplacingMergeTree ORDER BY version"
        );
        let doing = "creating the table of schema versions";
        self.statement(self.query_timeout, doing, &versions).await?;
        // Steps that were taken before do nothing, unless somebody dropped a table since.
        for (to, statements) in (1_u32..).zip(steps()) {
            for statement in statements {
                let doing = format!("bringing the tables to version {to}");
                let limit = match statement.starts_with("INSERT") {
                    true => COPY_TIMEOUT,
                    false => self.query_timeout,
                };
                self.statement(limit, &doing, &statement.replace("{db}", &db))
                    .await?;
            }
            let written =
                format!("INSERT INTO {db}.{VERSIONS} (version) SETTINGS async_insert = 0 VALUES ({to})");
            let doing = "writing down the schema version";
            self.statement(self.query_timeout, doing, &written).await?;
            tracing::info!(database = %self.database, version = to, "ClickHouse tables are up to date");
        }
        // Columns that an earlier insert has looked up may have changed.
        self.client.clear_cached_metadata().await;
        Ok(())
    }

    /// The version of the tables; 0 where there are none.
    ///
    /// # Errors
    /// Why ClickHouse cannot be asked.
    pub async fn schema_version(&self) -> Result<u32, WarehouseError> {
        let sql = format!("SELECT max(version) FROM `{}`.{VERSIONS}", self.database);
        let query = self.client.query_raw(&sql).fetch_one::<u32>();
        match self.timed("reading the schema version", query).await {
            Err(error) if matches!(error.code, Some(60 | 81)) => Ok(0),
            other => other,
        }
    }

    async fn has_table(&self, table: &str) -> Result<bool, WarehouseError> {
        let sql = format!("SELECT count() FROM `{}`.{table} WHERE false", self.database);
        let query = self.client.query_raw(&sql).fetch_one::<u64>();
        match self.timed("looking for a table", query).await {
            Ok(_) => Ok(true),
            Err(error) if error.code == Some(60) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn database_exists(&self) -> Result<bool, WarehouseError> {
        // Every query names the database as its current one.
        let query = self.client.query_raw("SELECT 1").fetch_one::<u8>();
        match self.timed("looking for the database", query).await {
            Ok(_) => Ok(true),
            Err(error) if error.code == Some(81) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs a statement that returns nothing, without a current database (it may not exist yet).
    async fn statement(&self, limit: Duration, doing: &str, sql: &str) -> Result<(), WarehouseError> {
        let client = self.client.clone().with_database("");
        self.within(limit, doing, client.query_raw(sql).execute()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_may_be_repeated_and_names_the_database() {
        for statement in steps().into_iter().flatten() {
            // Ids that are there twice are one.
            if statement.starts_with(&format!("INSERT INTO {{db}}.{EVENT_IDS} ")) {
                continue;
            }
            assert!(statement.contains("IF NOT EXISTS {db}."), "{statement}");
            assert!(
                statement.contains("non_replicated_deduplication_window = 10000"),
                "{statement}"
            );
        }
    }
}
