//! The configuration store: SQLite in the data directory, or Postgres.
//!
//! One code for both, over sqlx's `Any` driver: `$1` as the placeholder, integers as `i64` (also for yes and
//! no), ids and JSON as text, hashes as bytes; where the two differ, [`Dialect`] says how. The migrations are
//! two folders that are kept parallel.
//!
//! **One transaction writes at a time**, on Postgres over all servers: SQLite takes its write lock at the
//! begin, Postgres a lock of the database that ends with the transaction. So what a change was planned from is
//! still true when it is written, and the [`feed`] has no row that appears late. Changes are made by people:
//! an acknowledged change is on disk, at the cost of one fsync.

pub mod audit;
pub mod experiments;
pub mod feed;
pub mod imports;
pub mod jobs;
pub mod objects;
pub mod overrides;
mod place;
pub mod projects;
pub mod srm;
mod statement;
pub mod sticky;
pub mod tokens;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _, Transaction};

pub use place::{PlaceError, PostgresUrl, StoreUrl};
pub use statement::Statement;

/// The changes of the schema, built into the binary.
static SQLITE: Migrator = sqlx::migrate!("src/server/store/migrations/sqlite");
/// The same for Postgres.
static POSTGRES: Migrator = sqlx::migrate!("src/server/store/migrations/postgres");

/// Name of the database in the data directory.
pub const FILE_NAME: &str = "splitdeck.sqlite";

/// How many connections read at the same time.
const READERS: u32 = 4;

/// How long a connection may take to come.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection may take to roll back what was given up. Shorter than who is next waits for it.
const RELEASE_LIMIT: Duration = Duration::from_secs(3);

/// What each connection of SQLite is told.
const SQLITE_SESSION: &str = "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
                              PRAGMA synchronous = FULL";

/// What each connection of Postgres is told. What is read once the lock is held has to be what was written before it, which
/// only this isolation shows. A server that falls silent in a transaction loses it, and with it
/// the lock that the others wait for.
const POSTGRES_SESSION: &str = "SET lock_timeout = '10s'; SET statement_timeout = '120s'; \
                                SET idle_in_transaction_session_timeout = '30s'; \
                                SET default_transaction_isolation = 'read committed'";

/// Takes the lock that a transaction that writes holds, `splitdec` in ASCII, and asks whether it can write at all.
const WRITE_LOCK: &str = "SELECT current_setting('transaction_read_only') = 'on' \
                          FROM pg_advisory_xact_lock(8318828026117874019)";

/// Asks whether a Postgres refuses changes.
const REFUSES: &str = "SELECT current_setting('transaction_read_only') = 'on'";

/// A transaction that writes.
pub type Tx = Transaction<'static, Any>;

/// Where something is read: a pool, a connection or a transaction.
pub trait Reader<'c>: sqlx::Executor<'c, Database = Any> {}

impl<'c, T: sqlx::Executor<'c, Database = Any>> Reader<'c> for T {}

/// Which of the two databases it is, where that makes a difference.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// Postgres.
    Postgres,
}

impl Dialect {
    /// The one of a connection.
    #[must_use]
    pub fn of(connection: &AnyConnection) -> Self {
        if connection.backend_name() == "SQLite" {
            Self::Sqlite
        } else {
            Self::Postgres
        }
    }

    /// A table with one text column `value`: the elements of the JSON list of texts bound as `placeholder`.
    #[must_use]
    pub fn each_text(self, placeholder: &str) -> String {
        match self {
            Self::Sqlite => format!("json_each({placeholder})"),
            Self::Postgres => format!("jsonb_array_elements_text({placeholder}::jsonb) AS listed(value)"),
        }
    }

    /// The function that says where its second argument begins in its first one; 0 where it is not in it.
    #[must_use]
    pub fn position(self) -> &'static str {
        match self {
            Self::Sqlite => "instr",
            Self::Postgres => "strpos",
        }
    }
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened or created.
    #[error("cannot open the configuration store {place}: {source}; {hint}")]
    Open {
        /// The file, or the address without its password.
        place: String,
        /// Why.
        source: sqlx::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The schema cannot be brought up to date.
    #[error(
        "cannot bring the configuration store {place} up to date: {source}; was it written by a newer splitdeck?"
    )]
    Migrate {
        /// The file, or the address without its password.
        place: String,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("cannot {what} in the configuration store: {source}{}", remedy(source))]
    Query {
        /// What was being done.
        what: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// A row does not hold what this program writes.
    #[error("the configuration store holds a {what} that cannot be read: {why}; {UNREADABLE}")]
    Corrupt {
        /// Which kind of row: its table and its id, where they are known.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Other changes hold the store for too long. Nothing was changed.
    #[error("other changes have been under way for {} s", waited.as_secs())]
    Busy {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The database takes no changes: it is a stand-by, or was set so. Nothing was changed.
    #[error("the database of the configuration store is read-only")]
    ReadOnly,
    /// This server was cut off for so long that it has to load everything again. Nothing was changed.
    #[error("this server was cut off from the store and is loading what it missed")]
    Behind,
    /// The store stopped answering while it was read.
    #[error("the store has not answered for {} s", waited.as_secs())]
    Silent {
        /// How long it was waited for.
        waited: Duration,
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

    /// The row of a table that cannot be read.
    pub(super) fn row(table: &str, id: impl std::fmt::Display, why: impl ToString) -> Self {
        Self::corrupt(format!("row of the table `{table}`, {id},"), why)
    }

    /// Something that cannot be read.
    pub(super) fn corrupt(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Corrupt {
            what: what.into(),
            why: why.to_string(),
        }
    }

    /// Whether a text holds the character U+0000, which Postgres cannot keep. Bodies of requests are refused before
    /// they get here ([`can_be_kept`](crate::server::extract::can_be_kept)).
    #[must_use]
    pub fn is_unfit_text(&self) -> bool {
        let Self::Query {
            source: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        error.code().as_deref() == Some(INVALID_TEXT)
    }

    /// Whether the disk of the database is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let Self::Query {
            source: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        // SQLite and Postgres.
        error.code().is_some_and(|code| code == "13" || code == "53100")
    }

    /// Whether the database is away, full or too busy: it may be there again later, and nothing is wrong with
    /// what was asked.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        let source = match self {
            Self::Query { source, .. } => source,
            Self::ReadOnly | Self::Silent { .. } => return true,
            _ => return false,
        };
        match source {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        }
    }
}

/// What is said of a row that cannot be read beside why.
const UNREADABLE: &str = "run the splitdeck that wrote it, or put the row back from a backup (docs/operators.md, \
                          \"A row that cannot be read\")";

/// What to do about a file of SQLite that is no sound database.
const DAMAGED: &str = "the file is damaged: check the disk, and put a backup in its place";

/// Whether a file of SQLite is no sound database.
fn is_damaged(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let code = error.code().filter(|code| code.len() < SQLSTATE_LENGTH);
    let code: Option<u32> = code.and_then(|code| code.parse().ok());
    // Corrupt, and not a database, each with its extended codes.
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// What is said of a failure beside its cause.
fn remedy(error: &sqlx::Error) -> String {
    if is_damaged(error) {
        format!("; {DAMAGED}")
    } else {
        String::new()
    }
}

/// The code of Postgres for a text that is none: `character_not_in_repertoire`.
const INVALID_TEXT: &str = "22021";

/// Length of the codes of Postgres; those of SQLite are shorter.
const SQLSTATE_LENGTH: usize = 5;

/// Whether a code of Postgres (SQLSTATE) or SQLite stands for something that passes.
fn is_passing(code: &str) -> bool {
    // SQLite: busy, locked, full and input/output error, each with its extended codes.
    if code.len() < SQLSTATE_LENGTH {
        let code: Option<u32> = code.parse().ok();
        return code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13));
    }
    // Postgres: connection, no room, stopped by an operator, no lock in time, read-only stand-by.
    ["08", "53", "57P", "57014", "55P03", "25006", "25P03"]
        .iter()
        .any(|class| code.starts_with(class))
}

/// The open store.
#[derive(Debug, Clone)]
pub struct Store {
    writer: AnyPool,
    readers: AnyPool,
    dialect: Dialect,
    /// How a connection is opened.
    options: AnyConnectOptions,
    /// Whether Postgres was read-only when a change was last begun.
    refuses: Arc<AtomicBool>,
}

impl Store {
    /// Opens the database, creates the file of SQLite at the first start, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Migrate`].
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        // Does nothing the second time.
        sqlx::any::install_default_drivers();
        let cannot_open = |source| StoreError::Open {
            place: url.to_string(),
            hint: match (url, is_damaged(&source)) {
                (_, true) => DAMAGED,
                (StoreUrl::Sqlite(_), _) => "check the directory and its rights",
                (StoreUrl::Postgres(_), _) => "check that it runs, its address, user, password and rights",
            },
            source,
        };
        if let StoreUrl::Sqlite(path) = url {
            owners_only(path).map_err(|error| cannot_open(sqlx::Error::Io(error)))?;
        }
        let options = url.connect_options().map_err(cannot_open)?;
        let (dialect, migrations, session, read_only) = match url {
            StoreUrl::Sqlite(_) => (Dialect::Sqlite, &SQLITE, SQLITE_SESSION, "PRAGMA query_only = ON"),
            StoreUrl::Postgres(_) => (
                Dialect::Postgres,
                &POSTGRES,
                POSTGRES_SESSION,
                "SET default_transaction_read_only = on",
            ),
        };
        // The pool tries for a while, and then has no word for why it did not succeed.
        let first = async {
            let mut first = options.connect().await?;
            first.execute(session).await?;
            first.close().await
        };
        let first = tokio::time::timeout(CONNECT_LIMIT, first).await;
        first
            .map_err(|_| cannot_open(sqlx::Error::PoolTimedOut))?
            .map_err(cannot_open)?;
        let mut writer = AnyPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_LIMIT);
        if dialect == Dialect::Sqlite {
            writer = writer.idle_timeout(None).max_lifetime(None);
        }
        let refuses = Arc::<AtomicBool>::default();
        let closes = Arc::clone(&refuses);
        let writer = connect(writer, options.clone(), session, None, closes)
            .await
            .map_err(cannot_open)?;
        let migrated = migrations.run(&writer).await;
        migrated.map_err(|source| StoreError::Migrate {
            place: url.to_string(),
            source,
        })?;
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT_LIMIT);
        let readers = connect(readers, options.clone(), session, Some(read_only), Arc::default())
            .await
            .map_err(cannot_open)?;
        Ok(Self {
            writer,
            readers,
            dialect,
            options,
            refuses,
        })
    }

    /// Which database it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether other servers may write to it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Begins a transaction that writes, once no other one does. It is rolled back when it is dropped.
    ///
    /// What others hold in memory follows only what is recorded in the [`feed`]: changes of configuration
    /// begin at the registry.
    ///
    /// # Errors
    /// [`StoreError::Query`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let failed = || StoreError::query("begin a change");
        match self.dialect {
            // IMMEDIATE takes the write lock now, so that what is read in the transaction stays true.
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed()),
            Dialect::Postgres => {
                let mut tx = self.writer.begin().await.map_err(failed())?;
                let locked = sqlx::query_scalar(WRITE_LOCK).fetch_one(&mut *tx).await;
                let refuses: bool = locked.map_err(failed())?;
                self.refuses.store(refuses, Ordering::Release);
                if refuses {
                    return Err(StoreError::ReadOnly);
                }
                Ok(tx)
            }
        }
    }

    /// The connections that read.
    #[must_use]
    pub fn readers(&self) -> &AnyPool {
        &self.readers
    }

    /// Whether the database answers, and takes changes. Where it did not when it was asked last, it is asked again.
    ///
    /// # Errors
    /// [`StoreError::Query`] when it does not, and [`StoreError::ReadOnly`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.refuses.load(Ordering::Acquire) && self.refuses_now().await? {
            return Err(StoreError::ReadOnly);
        }
        let asked = sqlx::query("SELECT 1").execute(&self.readers).await;
        asked
            .map(|_| ())
            .map_err(StoreError::query("ask for a sign of life"))
    }

    /// Whether it still takes no changes, by a connection of its own: what a role prefers holds from its next one on.
    async fn refuses_now(&self) -> Result<bool, StoreError> {
        let asked = async {
            let mut connection = self.options.connect().await?;
            let refuses: bool = sqlx::query_scalar(REFUSES).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(refuses)
        };
        let refuses = asked
            .await
            .map_err(StoreError::query("ask whether it takes changes"))?;
        self.refuses.store(refuses, Ordering::Release);
        Ok(refuses)
    }

    /// Why no connection can be opened now; none where one can.
    pub async fn why_away(&self) -> Option<StoreError> {
        let opened = async {
            let connection = self.options.connect().await?;
            connection.close().await
        };
        opened.await.map_err(StoreError::query("connect")).err()
    }

    /// Waits for what is under way and closes the files or connections.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Opens a pool.
///
/// A connection that is given back is closed, so that another one takes its place, where it does not answer (what was given
/// up for that would keep its place in the pool for ever), where `closes` says so (one that is read-only stays it), and where
/// it is in a transaction still: SQLite itself rolls back what found the disk full, which is not seen, and no other
/// transaction would ever begin.
async fn connect(
    pool: AnyPoolOptions,
    options: AnyConnectOptions,
    session: &'static str,
    read_only: Option<&'static str>,
    closes: Arc<AtomicBool>,
) -> Result<AnyPool, sqlx::Error> {
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move {
            connection.execute(session).await?;
            if let Some(read_only) = read_only {
                connection.execute(read_only).await?;
            }
            Ok(())
        })
    });
    let pool = pool.after_release(move |connection, _| {
        let closes = closes.load(Ordering::Acquire);
        Box::pin(async move {
            let answered = tokio::time::timeout(RELEASE_LIMIT, connection.ping()).await;
            answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
            Ok(!(closes || connection.is_in_transaction()))
        })
    });
    pool.connect_with(options).await
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

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn changes_go_on_once_a_full_disk_has_room_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&StoreUrl::in_dir(dir.path())).await.expect("opens");
        let mut tx = store.begin().await.expect("begins");
        tx.execute("CREATE TABLE filled (text TEXT)").await.expect("room");
        // As on a disk without room; the limit is that of this connection.
        tx.execute("PRAGMA max_page_count = 1").await.expect("is set");
        let fill = "INSERT INTO filled VALUES (zeroblob(9999999))";
        let source = tx.execute(fill).await.expect_err("no room");
        let full = StoreError::query("write")(source);
        assert!(full.is_full(), "{full}");
        drop(tx);
        let mut tx = store.begin().await.expect("the next change begins");
        tx.execute("CREATE TABLE filled (text TEXT)").await.expect("room");
        tx.execute(fill).await.expect("room");
        commit(tx).await.expect("on disk");
    }

    #[tokio::test]
    async fn a_full_disk_is_told_from_a_database_that_is_away() {
        let mut small = SqliteConnection::connect("sqlite::memory:").await.expect("opens");
        let fill = "PRAGMA max_page_count = 2; CREATE TABLE full (text TEXT); INSERT INTO full VALUES (zeroblob(99999))";
        let source = sqlx::raw_sql(fill)
            .execute(&mut small)
            .await
            .expect_err("no room");
        let full = StoreError::query("write")(source);
        assert!(full.is_full() && full.is_unavailable(), "{full}");
        let away = StoreError::query("write")(sqlx::Error::PoolTimedOut);
        assert!(!away.is_full() && away.is_unavailable());
    }
}
