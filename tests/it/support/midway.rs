//! A transaction of a server that is stopped from outside at one of its statements: refused there, or held there
//! until the server is shot.
//!
//! On Postgres a trigger waits for a lock of the test's. SQLite has none to wait for: there a trigger writes so much
//! that the file beside the database has to take what is not committed, which is seen from outside, and then counts
//! for as long as the server lives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use splitdeck::server::store::FILE_NAME;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use sqlx::{PgConnection, SqliteConnection};

use super::store::address;
use super::warehouse::until;

/// A statement of a transaction: one that changes such a row.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The table.
    pub table: &'static str,
    /// What happens to the row: `INSERT`, `UPDATE` or `DELETE`.
    pub change: &'static str,
    /// Which row it is, in SQL that knows it as `NEW`, and what it was as `OLD`.
    pub row: &'static str,
    /// When the transaction is stopped.
    pub at: Moment,
}

/// When a transaction is stopped.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Moment {
    /// Once the row is changed.
    Statement,
    /// In its commit. Of SQLite there is no such moment to be had.
    Commit,
}

impl Point {
    /// Stopped once such a row is changed.
    pub const fn after(change: &'static str, table: &'static str, row: &'static str) -> Self {
        Self {
            table,
            change,
            row,
            at: Moment::Statement,
        }
    }

    /// Stopped in the commit of what changed such a row.
    pub const fn commit_of(change: &'static str, table: &'static str, row: &'static str) -> Self {
        Self {
            at: Moment::Commit,
            ..Self::after(change, table, row)
        }
    }

    /// Whether a transaction can be stopped there on the store of this test.
    pub fn is_here(self) -> bool {
        self.at == Moment::Statement || address().is_some()
    }

    fn postgres(self, body: &str) -> String {
        let Self {
            table, change, row, ..
        } = self;
        let (kind, deferred) = match self.at {
            Moment::Statement => ("TRIGGER", ""),
            Moment::Commit => ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED"),
        };
        format!(
            "CREATE FUNCTION midway() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$; \
             CREATE {kind} midway AFTER {change} ON {table} {deferred} FOR EACH ROW WHEN ({row}) \
             EXECUTE FUNCTION midway()"
        )
    }

    fn sqlite(self, body: &str) -> String {
        let Self {
            table, change, row, ..
        } = self;
        assert_eq!(self.at, Moment::Statement, "SQLite has no trigger for it");
        format!("CREATE TRIGGER midway AFTER {change} ON {table} WHEN {row} BEGIN {body} END")
    }
}

/// A statement that every transaction fails at.
pub struct Refused(Own);

impl Refused {
    /// From now on, for servers on the store in `data`.
    pub async fn at(point: Point, data: &Path) -> Self {
        let mut own = Own::open(data).await;
        let trigger = match &own {
            Own::Postgres(_) => point.postgres("RAISE EXCEPTION 'stopped midway';"),
            Own::Sqlite(..) => point.sqlite("SELECT RAISE(ABORT, 'stopped midway');"),
        };
        own.run(&trigger).await;
        Self(own)
    }

    /// Nothing fails any more.
    pub async fn lifted(self) {
        self.0.take_away().await;
    }
}

/// A statement that the next transaction stays at.
pub struct Held(Own);

/// The lock that a transaction waits for on Postgres, as [`Held::reached`] looks for it.
const LOCK: i64 = 4_711;

/// How much is written to the file beside the database; much more than SQLite keeps there otherwise.
const BALLAST: u64 = 32 << 20;

impl Held {
    /// From now on, for servers on the store in `data`.
    pub async fn at(point: Point, data: &Path) -> Self {
        let mut own = Own::open(data).await;
        let set_up = match &own {
            Own::Postgres(_) => format!(
                "SELECT pg_advisory_lock({LOCK}); {}",
                point.postgres(&format!("PERFORM pg_advisory_xact_lock({LOCK});"))
            ),
            Own::Sqlite(..) => {
                let endless = ["midway_ten"; 16].join(", ");
                let megabytes = BALLAST >> 20;
                let body = format!(
                    "INSERT INTO midway_ballast SELECT zeroblob(1 << 20) FROM midway_ten a, midway_ten b \
                     LIMIT {megabytes}; SELECT count(*) FROM {};",
                    endless
                );
                format!(
                    "CREATE TABLE midway_ten (n); \
                     INSERT INTO midway_ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9); \
                     CREATE TABLE midway_ballast (filler); {}",
                    point.sqlite(&body)
                )
            }
        };
        own.run(&set_up).await;
        Self(own)
    }

    /// Waits until a transaction stands there.
    pub async fn reached(&mut self) {
        match &mut self.0 {
            Own::Postgres(own) => {
                let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                               WHERE l.locktype = 'advisory' AND NOT l.granted AND l.objid = 4711 \
                               AND d.datname = current_database()";
                counts(own, "a transaction stands at the point", waiting, 1).await;
            }
            Own::Sqlite(_, file) => {
                let beside = PathBuf::from(format!("{}-wal", file.display()));
                until("what is not committed is in the file", async || {
                    std::fs::metadata(&beside).is_ok_and(|file| file.len() > BALLAST * 3 / 4)
                })
                .await;
            }
        }
    }

    /// Takes it away once the server was shot, and waits until the database has ended its transaction.
    pub async fn released(mut self) {
        if let Own::Postgres(own) = &mut self.0 {
            let let_go = format!("SELECT pg_advisory_unlock({LOCK})");
            own.execute(AssertSqlSafe(let_go)).await.expect("let go");
            let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                          AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
            counts(own, "the connections of the dead server are closed", others, 0).await;
        }
        self.0.take_away().await;
    }
}

/// Waits until a statement counts as much.
async fn counts(own: &mut PgConnection, what: &str, sql: &'static str, wanted: i64) {
    let own = tokio::sync::Mutex::new(own);
    until(what, async || {
        let mut own = own.lock().await;
        let count: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut **own)
            .await
            .expect("counted");
        count == wanted
    })
    .await;
}

/// A connection past every server.
enum Own {
    Postgres(PgConnection),
    Sqlite(SqliteConnection, PathBuf),
}

impl Own {
    async fn open(data: &Path) -> Self {
        if let Some(url) = address() {
            return Self::Postgres(PgConnection::connect(&url).await.expect("connects"));
        }
        let file = data.join(FILE_NAME);
        let options = SqliteConnectOptions::new().filename(&file);
        let connection = options.busy_timeout(Duration::from_secs(30)).connect().await;
        Self::Sqlite(connection.expect("opens"), file)
    }

    async fn run(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(own) => sql.execute(own).await.map(drop),
            Self::Sqlite(own, _) => sql.execute(own).await.map(drop),
        }
        .expect("runs");
    }

    /// Takes away what was put into the database.
    async fn take_away(mut self) {
        let gone = match &self {
            Self::Postgres(_) => "DROP FUNCTION midway() CASCADE",
            Self::Sqlite(..) => {
                "DROP TRIGGER midway; DROP TABLE IF EXISTS midway_ten; DROP TABLE IF EXISTS midway_ballast"
            }
        };
        self.run(gone).await;
        match self {
            Self::Postgres(own) => own.close().await,
            Self::Sqlite(own, _) => own.close().await,
        }
        .expect("ends");
    }
}
