//! The configuration store: SQLite in WAL mode.
//!
//! One connection writes, several read. Every change and its audit entries are one transaction, and an
//! acknowledged change is on disk: `synchronous = FULL` costs one fsync a change, and changes are made by
//! people. A store of another kind takes the place of this module behind the same functions.

pub mod audit;
pub mod experiments;
pub mod overrides;
pub mod projects;
pub mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

/// The changes of the schema, built into the binary.
static MIGRATIONS: Migrator = sqlx::migrate!("src/server/store/migrations");

/// Name of the database in the data directory.
pub const FILE_NAME: &str = "splitdeck.sqlite";

/// How many connections read at the same time.
const READERS: u32 = 4;

/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction that writes.
pub type Tx = Transaction<'static, Sqlite>;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened or created.
    #[error("cannot open the configuration store {path}: {source}; check the directory and its rights")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error(
        "cannot bring the configuration store {path} up to date: {source}; was it written by a newer splitdeck?"
    )]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("cannot {what} in the configuration store: {source}")]
    Query {
        /// What was being done.
        what: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// A row does not hold what this program writes.
    #[error("the configuration store holds a {what} that cannot be read: {why}")]
    Corrupt {
        /// Which kind of object, and its id where it is known.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something could not be written as JSON.
    #[error("cannot write a {what} as JSON: {source}")]
    Json {
        /// Which kind of object.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// For `map_err`: a statement that was to do `what`.
    pub(super) fn query(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Query { what, source }
    }

    /// A row that cannot be read.
    pub(super) fn corrupt(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Corrupt {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

/// The open store.
#[derive(Debug, Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens the database in `dir`, creates it at the first start, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Migrate`].
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE_NAME);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let cannot_open = |source| StoreError::Open {
            path: path.clone(),
            source,
        };
        owners_only(&path).map_err(|error| cannot_open(sqlx::Error::Io(error)))?;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(cannot_open)?;
        let migrated = MIGRATIONS.run(&writer).await;
        migrated.map_err(|source| StoreError::Migrate {
            path: path.clone(),
            source,
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(cannot_open)?;
        Ok(Self { writer, readers })
    }

    /// Begins a transaction that writes. It is rolled back when it is dropped.
    ///
    /// # Errors
    /// [`StoreError::Query`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        // IMMEDIATE takes the write lock now, so that what is read in the transaction stays true.
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(StoreError::query("begin a change"))
    }

    /// The connections that read.
    #[must_use]
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Waits for what is under way and closes the files.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Creates the file, where it is missing, for its owner only; the files beside it follow its rights.
fn owners_only(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::File::options();
    options
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(|_| ())
}

/// Ends a transaction: from here on the change is on disk.
///
/// # Errors
/// [`StoreError::Query`]; nothing was changed then.
pub async fn commit(tx: Tx) -> Result<(), StoreError> {
    tx.commit().await.map_err(StoreError::query("commit a change"))
}

/// A time as the store keeps it.
fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A time that the store kept.
fn timestamp(millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|error| StoreError::corrupt("time", error))
}

/// The word of a JSON enum, as the store keeps it.
fn word<T: serde::Serialize>(value: T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(other) => Err(StoreError::corrupt("word", other)),
        Err(source) => Err(StoreError::Json { what: "word", source }),
    }
}

/// The JSON enum of a word that the store kept.
fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word))
        .map_err(|error| StoreError::corrupt("word", error))
}
