//! A running engine: its users, its restarts, its end.

use crate::support::engine::{fresh_database, query, shared};

#[tokio::test]
async fn the_server_user_writes_and_the_cockpit_user_reads() {
    let engine = shared();
    let db = fresh_database();
    let server = async |sql: &str| query(&engine.http_url, &engine.server, sql).await.unwrap();
    server(&format!("CREATE DATABASE {db}")).await;
    server(&format!(
        "CREATE TABLE {db}.events (n UInt64, ts DateTime) ENGINE = MergeTree ORDER BY n"
    ))
    .await;
    server(&format!(
        "INSERT INTO {db}.events SELECT number, 0 FROM numbers(1000)"
    ))
    .await;
    let read = query(
        &engine.http_url,
        &engine.cockpit,
        &format!("SELECT sum(n), min(ts) FROM {db}.events"),
    )
    .await;
    assert_eq!(read.unwrap(), "499500\t1970-01-01 00:00:00");
    assert_eq!(server("SELECT timezone(), serverTimezone()").await, "UTC\tUTC");
}
