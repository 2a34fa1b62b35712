//! Amplitude's analytics: npm `@amplitude/analytics-node`, PyPI `amplitude-analytics`.

use serde_json::{Value, json};

use super::{run, world};
use crate::support::engine;
use crate::support::server::TestServer;
use crate::support::store::each_store;
use crate::support::warehouse::{connect, drained, sql};

/// A server with ClickHouse and an experiment, and its database.
pub async fn stage() -> (TestServer, world::Deployment, String, Value) {
    let server = TestServer::start().await;
    let database = engine::fresh_database();
    connect(&server, &database).await;
    let deployment = world::deployment(&server, "backend", "server").await;
    let experiment = world::experiment(&server, &deployment, "checkout", json!({})).await;
    (server, deployment, database, experiment)
}

/// Events that a user of either SDK would send, in its names for the options.
fn events(prefix: &str, experiment: &Value, other: &Value) -> Value {
    let user = |n: u32| format!("{prefix}-{n}");
    json!([
        {"name": "$exposure", "properties": {"flag_key": "checkout", "variant": "treatment"},
         "options": {"user_id": user(1), "insert_id": format!("{prefix}-same")}},
        // Sent again with the same insert_id: counts once.
        {"name": "$exposure", "properties": {"flag_key": "checkout", "variant": "treatment"},
         "options": {"user_id": user(1), "insert_id": format!("{prefix}-same")}},
        {"name": "$exposure", "properties": {"flag_key": "checkout", "experiment_key": "checkout", "variant": "control"},
         "options": {"device_id": format!("{prefix}-device"), "session_id": 1_700_000_000_000_i64}},
        {"name": "$exposure", "properties": {"flag_key": "checkout"}, "options": {"user_id": user(2)}},
        // The other two conventions, and several experiments at once.
        {"name": "buy", "properties": {
            "__experimentId": [experiment["id"], other["id"]], "__variantId": ["treatment", "control"], "price": 5,
         }, "options": {"user_id": user(1), "country": "TH", "platform": "web", "session_id": -1}},
        {"name": "buy", "properties": {"experiment_id": "checkout", "variant": "CONTROL"},
         "options": {"user_id": user(3)}},
        {"name": "view", "properties": {"page": "/"}, "options": {"user_id": user(4)}},
    ])
}

/// What ClickHouse must hold of them.
async fn check(database: &str, prefix: &str, experiment: &Value, other: &Value) {
    let sql = async |text: String| sql(database, &text).await;
    let of = |experiment: &Value| experiment["id"].as_str().expect("an id").to_owned();
    let counted = sql(format!(
        "SELECT variant, name, uniqExact(event_id), uniqExact(subject) FROM {{db}}.experiment_events \
         WHERE experiment_id = '{}' AND (startsWith(subject, '{prefix}-')) GROUP BY variant, name ORDER BY ALL",
        of(experiment)
    ))
    .await;
    assert_eq!(
        counted,
        "control\t[Experiment] Exposure\t1\t1\ncontrol\tbuy\t1\t1\ntreatment\t[Experiment] Exposure\t1\t1\n\
         treatment\tbuy\t1\t1"
    );
    let counted = sql(format!(
        "SELECT variant, uniqExact(event_id) FROM {{db}}.experiment_events \
         WHERE experiment_id = '{}' AND startsWith(subject, '{prefix}-') GROUP BY variant",
        of(other)
    ))
    .await;
    assert_eq!(counted, "control\t1");
    let exposure = sql(format!(
        "SELECT DISTINCT props['[Experiment] Flag Key'], props['[Experiment] Variant'], props['$set'] FROM {{db}}.events \
         WHERE profile_id = '{prefix}-1' AND name = '[Experiment] Exposure'"
    ))
    .await;
    assert_eq!(
        exposure,
        "checkout\ttreatment\t{\"[Experiment] checkout\":\"treatment\"}"
    );
    let unset = sql(format!(
        "SELECT props['$unset'] FROM {{db}}.events WHERE profile_id = '{prefix}-2' AND name = '[Experiment] Exposure'"
    ))
    .await;
    assert_eq!(unset, "{\"[Experiment] checkout\":\"-\"}");
    let columns = sql(format!(
        "SELECT country, platform, session_id, props['price'] FROM {{db}}.events WHERE profile_id = '{prefix}-1' AND name = 'buy'"
    ))
    .await;
    assert_eq!(columns, "TH\tweb\t\t5");
    let visit = sql(format!(
        "SELECT DISTINCT session_id FROM {{db}}.events WHERE device_id = '{prefix}-device'"
    ))
    .await;
    assert_eq!(visit, "1700000000000");
    let told = sql(format!(
        "SELECT props['$set'], props['$unset'] FROM {{db}}.events WHERE profile_id = '{prefix}-identified' AND name = '$identify'"
    ))
    .await;
    assert_eq!(told, "{\"plan\":\"pro\"}\t{\"trial\":\"-\"}");
    let of_group = sql(format!(
        "SELECT profile_id, props['group_properties'] FROM {{db}}.events \
         WHERE name = '$groupidentify' AND JSONExtractString(props['groups'], 'org') = '{prefix}-acme'"
    ))
    .await;
    assert_eq!(of_group, "\t{\"$set\":{\"seats\":5}}");
}

each_store!(the_node_client_is_taken_in);
async fn the_node_client_is_taken_in() {
    let (server, deployment, database, experiment) = stage().await;
    let other = world::experiment(&server, &deployment, "other", json!({})).await;
    let told = json!({
        "serverUrl": format!("{}/2/httpapi", server.base), "key": deployment.key, "badKey": "nobody",
        "events": events("node", &experiment, &other),
    });
    let Some(seen) = run("analytics.cjs", vec![told.to_string()]).await else {
        return;
    };
    assert_eq!(
        seen["results"],
        json!([200, 200, 200, 200, 200, 200, 200, 200, 200]),
        "{seen:#}"
    );
    // A key that nobody issued is given up on, not tried for ever.
    assert_eq!(seen["refused"]["code"], 400, "{seen:#}");
    assert!(
        seen["refused"]["message"]
            .as_str()
            .is_some_and(|m| m.starts_with("Invalid API key")),
        "{seen:#}"
    );
    drained(&server).await;
    check(&database, "node", &experiment, &other).await;
}

each_store!(the_python_client_is_taken_in);
async fn the_python_client_is_taken_in() {
    let (server, deployment, database, experiment) = stage().await;
    let other = world::experiment(&server, &deployment, "other", json!({})).await;
    let told = json!({
        "serverUrl": format!("{}/2/httpapi", server.base), "key": deployment.key,
        "events": events("python", &experiment, &other),
    });
    let Some(seen) = run("analytics.py", vec![told.to_string()]).await else {
        return;
    };
    let codes = seen.as_array().expect("results").iter().map(|r| &r[1]);
    assert!(
        codes.clone().all(|code| code == 200) && codes.count() == 9,
        "{seen:#}"
    );
    drained(&server).await;
    check(&database, "python", &experiment, &other).await;
}

#[tokio::test]
async fn an_event_with_an_insert_id_that_was_seen_before_is_dropped_whatever_it_says() {
    let (server, deployment, database, _) = stage().await;
    let metric = json!({"primaryMetric": {"event": "buy"}});
    world::experiment(&server, &deployment, "repeated", metric).await;
    // Of the time since the experiment began.
    let now = jiff::Timestamp::now().as_millisecond();
    let event = |id: &str, name: &str, user: &str, seconds: i64, properties: Value| {
        json!({"event_type": name, "user_id": user, "insert_id": id, "time": now + seconds * 1_000,
            "event_properties": properties})
    };
    let seen = |id: &str, user: &str, variant: &str| {
        let properties = json!({"flag_key": "repeated", "variant": variant});
        event(id, "$exposure", user, 20, properties)
    };
    let send = async |events: Vec<Value>| {
        let body = json!({"api_key": deployment.key, "events": events});
        server.post("/2/httpapi", &body).await.expect(200);
        drained(&server).await;
    };
    let with = |id: &str, name: &str, user: &str, seconds: i64| event(id, name, user, seconds, json!({}));
    // In one request, and the last of them in one that ClickHouse gets later.
    let mut several: Vec<Value> = (0..5)
        .map(|n| event("several", "step", "s", n, json!({"i": n})))
        .collect();
    let late = several.pop();
    send(several).await;
    send(vec![
        seen("a-seen", "a", "control"),
        with("order", "view", "a", 30),
        seen("b", "b1", "control"),
        with("early", "buy", "c", 10),
        seen("c-seen", "c", "treatment"),
        seen("d", "d", "control"),
    ])
    .await;
    let repeats = vec![
        with("order", "buy", "a", 40),
        seen("b", "b2", "control"),
        with("early", "buy", "c", 30),
        seen("d", "d", "treatment"),
    ];
    send(repeats.into_iter().chain(late).collect()).await;
    let results = server.get("/experiments/repeated/results").await.expect(200);
    let arms = results["arms"].as_array().expect("arms").iter();
    let counts: Vec<Value> = arms
        .map(|arm| json!([arm["subjects"], arm["conversions"], arm["exposures"]["events"]]))
        .collect();
    assert_eq!(json!(counts), json!([[3, 0, 3], [1, 0, 1]]), "{results}");
    assert_eq!(results["multiVariantSubjects"], 0);
    assert_eq!(
        sql(
            &database,
            "SELECT props['i'] FROM {db}.events WHERE name = 'step'"
        )
        .await,
        "0"
    );
    let counts = "SELECT count(), uniqExact(event_id) FROM {db}.events WHERE profile_id != ''";
    assert_eq!(sql(&database, counts).await, "7\t7");
}
