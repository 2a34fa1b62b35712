//! The stores that tests run on: SQLite, and a private Postgres where the machine has one.

use std::path::{Path, PathBuf};

use splitdeck::server::store::{self, PostgresUrl, Store, StoreUrl};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::postgres::{Cluster, Database};

tokio::task_local! {
    /// The database of the running test; without one it is SQLite.
    static DATABASE: Database;
}

/// Runs each of these tests on both stores:
///
/// ```ignore
/// each_store!(something_holds);
/// async fn something_holds() { … }
/// ```
macro_rules! each_store {
    ($name:ident) => {
        mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                super::$name().await;
            }

            #[tokio::test]
            async fn on_postgres() {
                $crate::support::store::on_postgres(super::$name()).await;
            }
        }
    };
}
pub(crate) use each_store;

/// Runs a test on a new database of the tests' Postgres.
pub async fn on_postgres(test: impl Future<Output = ()>) {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    on_cluster(cluster, test).await;
}

/// Runs a test on a new database of this Postgres.
pub async fn on_cluster(cluster: &Cluster, test: impl Future<Output = ()>) {
    DATABASE.scope(cluster.database().await, test).await;
}

/// Runs statements on the test's Postgres as one transaction, past every server.
pub async fn run_postgres(sql: &'static str) {
    let url = address().expect("a test on Postgres");
    let mut connection = PgConnection::connect(&url).await.expect("connects");
    connection.execute(sql).await.expect("runs");
    connection.close().await.expect("ends");
}

/// Where the store of a server in `dir` is, in the test that is running.
pub fn place(dir: &Path) -> StoreUrl {
    match address() {
        Some(address) => StoreUrl::Postgres(PostgresUrl::new(&address, None).expect("an address")),
        None => StoreUrl::in_dir(dir),
    }
}

/// Runs a statement on the store of a server in `dir`, past the server.
pub async fn run_sql(dir: &Path, sql: impl Into<String>) {
    let store = Store::open(&place(dir)).await.expect("a store");
    let mut tx = store.begin().await.expect("begins");
    sqlx::query(AssertSqlSafe(sql.into()))
        .execute(&mut *tx)
        .await
        .expect("runs");
    store::commit(tx).await.expect("committed");
    store.close().await;
}

/// The number that a statement answers on the store of a server in `dir`.
pub async fn count_sql(dir: &Path, sql: String) -> i64 {
    let store = Store::open(&place(dir)).await.expect("a store");
    let asked = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(store.readers());
    let count = asked.await.expect("a number");
    store.close().await;
    count
}

/// The address of the test's Postgres; nothing on SQLite.
pub fn address() -> Option<String> {
    DATABASE.try_with(Database::url).ok()
}

/// Where `initdb` and its like are, if the machine has them.
pub fn postgres_programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    // The newest first; those of the path last, as they may be links.
    dirs.sort();
    dirs.reverse();
    dirs.extend(std::env::split_paths(&path));
    dirs.into_iter()
        .find(|dir| dir.join("initdb").exists() && dir.join("postgres").exists())
}
