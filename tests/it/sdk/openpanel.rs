//! OpenPanel: npm `@openpanel/sdk`.

use serde_json::json;

use super::analytics::stage;
use super::{run, world};
use crate::support::store::each_store;
use crate::support::warehouse::{drained, sql};

each_store!(everything_that_the_client_tells_is_taken_in);
async fn everything_that_the_client_tells_is_taken_in() {
    let (server, deployment, database, experiment) = stage().await;
    let told = json!({
        "apiUrl": server.base, "clientId": deployment.id, "clientSecret": deployment.key,
        "attribution": {"__experimentId": experiment["id"], "__variantId": "treatment"},
    });
    let Some(seen) = run("openpanel.cjs", vec![told.to_string()]).await else {
        return;
    };
    for told in [
        "anonymous",
        "again",
        "identify",
        "track",
        "group",
        "assign",
        "increment",
        "decrement",
    ] {
        for id in ["deviceId", "sessionId"] {
            assert!(
                seen[told][id].as_str().is_some_and(|id| !id.is_empty()),
                "{told}: {seen:#}"
            );
        }
    }
    // The client sends no device: the server tells it apart all the same.
    assert_eq!(seen["anonymous"]["deviceId"], seen["again"]["deviceId"]);
    assert_eq!(seen["stranger"], json!(null), "a wrong secret is given up on");
    drained(&server).await;
    let rows = sql(
        &database,
        "SELECT name, profile_id, uniqExact(event_id) FROM {db}.events WHERE startsWith(name, 'op_') OR startsWith(name, '$') \
         GROUP BY name, profile_id ORDER BY name, profile_id",
    )
    .await;
    assert_eq!(
        rows,
        "$assign_group\top-user\t1\n$decrement\top-user\t1\n$group\t\t1\n$identify\top-late\t0\n$identify\top-user\t1\n\
         $increment\top-user\t1\nop_buy\top-user\t1\nop_queued\top-late\t1\nop_view\t\t2"
            .replace("$identify\top-late\t0\n", "")
    );
    let rows = sql(
        &database,
        "SELECT props['plan'], props['firstName'] FROM {db}.events WHERE name = '$identify' \
         UNION ALL SELECT props['property'], props['value'] FROM {db}.events WHERE name = '$increment' \
         UNION ALL SELECT props['type'], props['seats'] FROM {db}.events WHERE name = '$group' \
         UNION ALL SELECT props['groupIds'], '' FROM {db}.events WHERE name = '$assign_group' \
         UNION ALL SELECT props['groups'], props['price'] FROM {db}.events WHERE name = 'op_buy'",
    )
    .await;
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_unstable();
    assert_eq!(
        rows,
        ["[\"acme\"]\t", "[\"acme\"]\t5", "org\t3", "pro\tAda", "visits\t2"]
    );
    let exposed = sql(
        &database,
        "SELECT subject, variant, name FROM {db}.experiment_events WHERE subject = 'op-user'",
    )
    .await;
    assert_eq!(exposed, "op-user\ttreatment\top_buy");
    let same = sql(
        &database,
        "SELECT uniqExact(device_id), uniqExact(session_id), countIf(has(mapKeys(props), '__timestamp')) FROM {db}.events \
         WHERE name IN ('op_view', 'op_queued')",
    )
    .await;
    assert!(
        same.ends_with("\t0"),
        "the time of a queued event is its time, no property: {same}"
    );
}

#[tokio::test]
async fn a_client_of_a_web_page_needs_no_secret() {
    let (server, _, _, _) = stage().await;
    let web = world::deployment(&server, "web", "client").await;
    for client in [&web.id, &web.key] {
        let told = json!({"apiUrl": server.base, "clientId": client, "attribution": {}});
        let Some(seen) = run("openpanel.cjs", vec![told.to_string()]).await else {
            return;
        };
        assert!(seen["track"]["deviceId"].is_string(), "{seen:#}");
    }
}
