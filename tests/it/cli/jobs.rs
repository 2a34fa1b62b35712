//! `splitdeck jobs run srm-guard`.

use serde_json::json;

use super::{on, run, splitdeck};
use crate::support::server::TestServer;
use crate::support::store::each_store;
use crate::support::warehouse::{drained, exposure, server_with_clickhouse};

each_store!(it_tells_what_the_guard_did);
async fn it_tells_what_the_guard_did() {
    let server = server_with_clickhouse().await;
    assert_eq!(
        on(&server, &["jobs", "run", "srm-guard"]).await.ok(),
        "no active experiments\n"
    );
    let live = server.active("broken").await;
    server.active("empty").await;
    let at = jiff::Timestamp::now().to_string();
    let events: Vec<_> = (0..1000)
        .map(|n| {
            let variant = if n < 600 { "control" } else { "treatment" };
            exposure(&live, &format!("p{n}"), variant, &at)
        })
        .collect();
    server.post("/track", &json!(events)).await.expect(200);
    drained(&server).await;
    let out = on(&server, &["jobs", "run", "srm-guard"]).await.ok();
    let lines: Vec<Vec<&str>> = out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["EXPERIMENT", "OUTCOME", "P", "CHI-SQUARE", "WHY"]);
    assert_eq!(lines[1], ["broken", "paused", "2.5e-10", "40.00"]);
    assert_eq!(lines[2][..4], ["empty", "untested", "-", "-"]);
    let json = on(&server, &["jobs", "run", "srm-guard", "--json"]).await.json();
    assert_eq!(json["experiments"][0]["key"], "empty");
    assert_eq!(
        server.get("/experiments/broken").await.expect(200)["pausedBy"],
        "srm_guard"
    );
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let server = TestServer::start().await;
    let error = on(&server, &["jobs", "run", "srm-guard"]).await.failed(1);
    assert!(error.contains("ClickHouse"), "{error}");
    let error = run(splitdeck(&["jobs", "run", "dishes"]), "").await.failed(2);
    assert!(error.contains("srm-guard"), "{error}");
}
