//! The tables are made once, and a newer schema is left alone.

use splitdeck::warehouse::{Class, Login, SCHEMA_VERSION, Warehouse};

use crate::support::engine::fresh_database;
use crate::support::tables::{TS, ask, cockpit_login, event, fresh, login, props};

#[tokio::test]
async fn tables_are_made_once_even_by_several_at_once() {
    let database = fresh_database();
    let warehouse = Warehouse::new(&login(&database)).unwrap();
    warehouse
        .ping()
        .await
        .expect("it answers before there is anything");
    assert_eq!(warehouse.schema_version().await.unwrap(), 0);
    let (a, b, c) = tokio::join!(warehouse.migrate(), warehouse.migrate(), warehouse.migrate());
    a.and(b).and(c).unwrap();
    warehouse.migrate().await.unwrap();
    assert_eq!(warehouse.schema_version().await.unwrap(), SCHEMA_VERSION);
    let tables = "SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = '{db}'";
    assert_eq!(
        ask(&warehouse, tables).await,
        "['event_ids','events','experiment_events','schema_versions']"
    );
}

#[tokio::test]
async fn the_tables_are_as_the_queries_expect_them() {
    let warehouse = fresh().await;
    let engines = "SELECT name, engine, partition_key, sorting_key FROM system.tables \
                   WHERE database = '{db}' AND name LIKE '%events' ORDER BY name";
    assert_eq!(
        ask(&warehouse, engines).await,
        "events\tReplacingMergeTree\ttoYYYYMM(ts)\tproject_id, toDate(ts), name, profile_hash, event_id\n\
         experiment_events\tReplacingMergeTree\ttoYYYYMM(ts)\texperiment_id, toDate(ts), subject_hash, event_id"
    );
    for table in ["events", "experiment_events", "event_ids"] {
        let create = ask(
            &warehouse,
            &format!("SHOW CREATE TABLE {{db}}.{table} FORMAT TSVRaw"),
        )
        .await;
        for setting in [
            "non_replicated_deduplication_window = 10000",
            "fsync_after_insert = 1",
            "fsync_part_directory = 1",
            "min_rows_to_fsync_after_merge = 1",
        ] {
            assert!(create.contains(setting), "{create}");
        }
    }
}

#[tokio::test]
async fn every_column_is_what_was_inserted() {
    let warehouse = fresh().await;
    let props = props();
    let row = event(7, TS + 1, &props);
    warehouse.insert_events("t", &[row]).await.unwrap();
    let row = ask(
        &warehouse,
        "SELECT event_id, ts, ingested_at, profile_id, session_id, country, region, sdk, \
         profile_hash = cityHash64('p'), session_hash = cityHash64(''), device_hash = cityHash64('d'), \
         length(props), props['plan'], props['é \\' \\\\ {}'], props[''], mapContains(props, 'void'), \
         mapContains(props, 'none') FROM {db}.events FORMAT JSONCompactEachRow",
    )
    .await;
    let row: serde_json::Value = serde_json::from_str(&row).expect("JSON");
    let expected = serde_json::json!([
        "00000000-0000-0000-0000-000000000007",
        "2026-01-15 00:00:00.001",
        "2026-01-15 00:00:00.005",
        "p",
        "",
        "TH",
        "",
        "rust",
        1,
        1,
        1,
        4,
        "pro",
        "a\tb\n\u{0}",
        "empty name",
        1,
        0
    ]);
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_table_that_was_dropped_is_made_again() {
    let warehouse = fresh().await;
    let props = props();
    warehouse
        .insert_events("a", &[event(1, TS, &props)])
        .await
        .unwrap();
    ask(&warehouse, "DROP TABLE {db}.events").await;
    let error = warehouse
        .insert_events("b", &[event(2, TS, &props)])
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code),
        (Class::Configuration, Some(60)),
        "{error}"
    );
    warehouse.migrate().await.unwrap();
    warehouse
        .insert_events("b", &[event(2, TS, &props)])
        .await
        .unwrap();
    assert_eq!(ask(&warehouse, "SELECT count() FROM {db}.events").await, "1");
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let warehouse = fresh().await;
    let newer = SCHEMA_VERSION + 1;
    ask(
        &warehouse,
        &format!("INSERT INTO {{db}}.schema_versions (version) VALUES ({newer})"),
    )
    .await;
    let error = warehouse.migrate().await.unwrap_err();
    assert_eq!(error.class, Class::Configuration);
    assert!(error.to_string().contains("newer splitdeck"), "{error}");
}

#[tokio::test]
async fn a_login_that_cannot_work_says_what_to_do() {
    let warehouse = fresh().await;
    let database = warehouse.database().to_owned();
    let mut wrong = login(&database);
    wrong.password = "not this one".into();
    let error = Warehouse::new(&wrong).unwrap().ping().await.unwrap_err();
    assert_eq!(
        (error.class, error.code),
        (Class::Configuration, Some(516)),
        "{error}"
    );
    assert!(
        error.to_string().contains("check the user and the password"),
        "{error}"
    );
    assert!(!error.to_string().contains("not this one"), "{error}");

    // The cockpit's user reads, and that is all.
    let cockpit = Warehouse::new(&cockpit_login(&database)).unwrap();
    cockpit.ping().await.unwrap();
    let props = props();
    let error = cockpit
        .insert_events("t", &[event(1, TS, &props)])
        .await
        .unwrap_err();
    assert_eq!(error.class, Class::Configuration, "{error}");
    assert!(matches!(error.code, Some(164 | 497)), "{error}");

    let nobody = Login::new("http://127.0.0.1:1", &database, "u", "p");
    let error = Warehouse::new(&nobody).unwrap().ping().await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Retry, None), "{error}");
}
