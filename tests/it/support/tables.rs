//! A database of a test's own on the shared engine, and rows to put into it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use splitdeck::warehouse::{EventRow, ExperimentEventRow, Login, Warehouse};
use uuid::Uuid;

use super::engine::{fresh_database, query, shared};

/// 2026-01-15T00:00:00Z in milliseconds.
pub const TS: i64 = 1_768_435_200_000;
/// The project of all rows.
pub const PROJECT: Uuid = Uuid::from_u128(0xA11CE);
/// The experiment of all rows.
pub const EXPERIMENT: Uuid = Uuid::from_u128(0xE);

/// How the server logs in to `database` on the shared engine.
pub fn login(database: &str) -> Login {
    let engine = shared();
    Login::new(
        &engine.http_url,
        database,
        &engine.server.user,
        &engine.server.password,
    )
}

/// How the cockpit does.
pub fn cockpit_login(database: &str) -> Login {
    let engine = shared();
    Login::new(
        &engine.http_url,
        database,
        &engine.cockpit.user,
        &engine.cockpit.password,
    )
}

/// A warehouse in a database of its own; the tables are there.
pub async fn fresh() -> Warehouse {
    let warehouse = Warehouse::new(&login(&fresh_database())).expect("a login");
    warehouse.migrate().await.expect("tables");
    warehouse
}

/// The answer of the server's user to `sql`, in which `{db}` is the database of `warehouse`.
pub async fn ask(warehouse: &Warehouse, sql: &str) -> String {
    let engine = shared();
    let sql = sql.replace("{db}", warehouse.database());
    let answer = query(&engine.http_url, &engine.server, &sql).await;
    answer.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Properties with everything that is awkward to write.
pub fn props() -> BTreeMap<String, String> {
    [
        ("plan", "pro"),
        ("é ' \\ {}", "a\tb\n\u{0}"),
        ("", "empty name"),
        ("void", ""),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Event number `n`, at `ts`.
pub fn event(n: u128, ts: i64, props: &BTreeMap<String, String>) -> EventRow<'_> {
    EventRow {
        project_id: PROJECT,
        event_id: Uuid::from_u128(n),
        name: "view",
        ts,
        ingested_at: TS + 5,
        profile_id: "p",
        session_id: "",
        device_id: "d",
        country: "TH",
        region: "",
        os: "Linux",
        browser: "",
        device: "",
        platform: "",
        app_version: "",
        sdk: "rust",
        props: Cow::Borrowed(props),
    }
}

/// The same event as a row of an experiment.
pub fn experiment_event(n: u128, ts: i64, props: &BTreeMap<String, String>) -> ExperimentEventRow<'_> {
    ExperimentEventRow {
        project_id: PROJECT,
        experiment_id: EXPERIMENT,
        variant: "treatment",
        reason: "allocation",
        cohort: 3,
        event_id: Uuid::from_u128(n),
        name: "view",
        ts,
        ingested_at: TS + 5,
        profile_id: "p",
        session_id: "",
        device_id: "d",
        subject: "p",
        country: "TH",
        region: "",
        os: "Linux",
        browser: "",
        device: "",
        platform: "",
        app_version: "",
        sdk: "rust",
        props: Cow::Borrowed(props),
    }
}
