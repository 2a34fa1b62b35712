//! `GET /experiments/{idOrKey}/results`.

use serde_json::{Value, json};
use splitdeck::api::results::{Results, ResultsQuery};

use crate::support::server::{TestServer, fields};
use crate::support::store::each_store;
use crate::support::warehouse::{drained, exposure, server_with_clickhouse};

each_store!(what_was_tracked_comes_back_as_results);
async fn what_was_tracked_comes_back_as_results() {
    let server = server_with_clickhouse().await;
    let experiment = server.active("exp").await;
    let metric = json!({
        "resourceVersion": experiment["resourceVersion"],
        "primaryMetric": {"event": "buy", "filters": [{"field": "price", "operator": "gte", "value": 10}]},
        "trackedEvents": [{"event": "buy"}],
    });
    server.patch("/experiments/exp", &metric).await.expect(200);
    let now = jiff::Timestamp::now();
    let at = |seconds: i64| (now + jiff::SignedDuration::from_secs(seconds - 600)).to_string();
    let mut events: Vec<Value> = Vec::new();
    for n in 0..40 {
        let variant = if n % 2 == 0 { "control" } else { "treatment" };
        events.push(exposure(&experiment, &format!("p{n}"), variant, &at(0)));
    }
    for (who, price, seconds) in [
        ("p1", json!(10), 1),
        ("p3", json!(9), 1),
        ("p5", json!("11.5"), 2),
        ("p2", json!(10), -1),
    ] {
        events.push(json!({
            "name": "buy", "profileId": who, "timestamp": at(seconds), "properties": {"price": price},
        }));
    }
    server.post("/track", &json!(events)).await.expect(200);
    drained(&server).await;

    let results = server.get("/experiments/EXP/results").await.expect(200);
    assert_eq!(results["key"], "exp");
    assert_eq!(results["arms"][0]["subjects"], 20);
    assert_eq!(results["arms"][0]["conversions"], 0);
    assert_eq!(results["arms"][1]["conversions"], 2);
    assert_eq!(results["arms"][1]["rate"], 0.1);
    assert_eq!(results["tracked"][0]["events"], json!([0, 3]));
    assert_eq!(results["segments"]["rows"][0]["value"], "TH");
    assert_eq!(results["srm"]["test"]["p"], 1.0);
    assert_eq!(results["power"]["gathering"], true);

    let guarded = server.client().sample_ratio("exp").await.expect("tested");
    assert_eq!(guarded.test.map(|test| test.p), Some(1.0));
    assert_eq!((guarded.observed, guarded.watch), (vec![20, 20], None));

    // The typed client reads the same, whatever is asked.
    let query = ResultsQuery {
        start: Some(
            now.in_tz("Europe/Berlin")
                .expect("a time zone")
                .date()
                .tomorrow()
                .expect("a day"),
        ),
        segment_key: "properties.a b&c=d".into(),
        time_zone: "Europe/Berlin".into(),
        ..ResultsQuery::default()
    };
    let id = experiment["id"].as_str().expect("an id");
    let later: Results = server.client().results(id, &query).await.expect("results");
    assert_eq!(later.query, query);
    assert_eq!(later.arms[0].subjects, 0);
    assert_eq!(later.segments.key, "properties.a b&c=d");
}

#[tokio::test]
async fn an_event_that_is_sent_again_at_another_time_is_in_one_bucket() {
    let server = server_with_clickhouse().await;
    let experiment = server.active("exp").await;
    let metric =
        json!({ "resourceVersion": experiment["resourceVersion"], "trackedEvents": [{"event": "buy"}] });
    server.patch("/experiments/exp", &metric).await.expect(200);
    let now = jiff::Timestamp::now();
    // Two days ago, and again on each day since.
    for day in 0..3 {
        let at = (now - jiff::SignedDuration::from_hours(24 * (2 - day))).to_string();
        let mut shown = exposure(&experiment, "p", "control", &at);
        shown["id"] = "shown".into();
        let bought = json!({ "id": "bought", "name": "buy", "profileId": "p", "timestamp": at });
        server.post("/track", &json!([shown, bought])).await.expect(200);
    }
    drained(&server).await;
    let results = server
        .get("/experiments/exp/results?interval=day")
        .await
        .expect(200);
    let counts = |series: &Value| -> Vec<Value> {
        let points = series["points"].as_array().expect("points").iter();
        points.map(|point| point["counts"].clone()).collect()
    };
    assert_eq!(counts(&results["series"])[0], json!([1, 0]), "{results:#}");
    let all: u64 = [&results["series"], &results["tracked"][0]["series"]]
        .into_iter()
        .flat_map(counts)
        .map(|counts| counts[0].as_u64().expect("a number"))
        .sum();
    assert_eq!(all, 2, "{results:#}");
    assert_eq!(results["tracked"][0]["events"], json!([1, 0]));
}

each_store!(refusals_name_the_field);
async fn refusals_name_the_field() {
    let server = server_with_clickhouse().await;
    server.active("exp").await;
    for (query, field) in [
        ("start=yesterday", "start"),
        ("start=2026-02-02&end=2026-02-01", "end"),
        ("interval=fortnight", "interval"),
        ("timeZone=Mars", "timeZone"),
        ("segmentKey=", "segmentKey"),
        ("multiVariant=both", "multiVariant"),
    ] {
        let answer = server.get(&format!("/experiments/exp/results?{query}")).await;
        assert_eq!(fields(&answer.problem(400, "invalid")), [field], "{query}");
    }
    server
        .get("/experiments/exp/results?nonsense=1")
        .await
        .problem(400, "invalid");
    server
        .get("/experiments/nobody/results")
        .await
        .problem(404, "not_found");
}

each_store!(without_clickhouse_there_are_none_and_the_answer_says_why);
async fn without_clickhouse_there_are_none_and_the_answer_says_why() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let answer = server.get("/experiments/exp/results").await;
    assert_eq!(answer.header("retry-after"), "2");
    let problem = answer.problem(503, "warehouse_unavailable");
    assert!(problem["detail"].as_str().expect("words").contains("ClickHouse"));
}

each_store!(each_way_of_attributing_an_event_counts_and_one_event_may_count_for_several);
async fn each_way_of_attributing_an_event_counts_and_one_event_may_count_for_several() {
    let server = server_with_clickhouse().await;
    let (a, b) = (server.active("a").await, server.active("b").await);
    let events = json!([
        { "name": "view", "profileId": "p1", "properties": { "__experimentId": a["id"], "__variantId": "control" } },
        { "name": "view", "profileId": "p2", "properties": { "experiment_id": "a", "variant": "treatment" } },
        { "name": "[Experiment] Exposure", "profileId": "p3", "properties": {
            "[Experiment] Flag Key": "a", "[Experiment] Variant": "control" } },
        { "name": "view", "profileId": "p4", "properties": {
            "__experimentId": [a["id"], b["id"]], "__variantId": ["control", "treatment"] } },
        { "name": "view", "profileId": "p5", "properties": { "plan": "pro" } },
    ]);
    let answer = server.post("/track", &events).await.expect(200);
    assert_eq!(
        (&answer["accepted"], &answer["unattributed"]),
        (&json!(5), &Value::Null)
    );
    drained(&server).await;
    let subjects = async |key: &str| {
        let results = server
            .get(&format!("/experiments/{key}/results"))
            .await
            .expect(200);
        let arms = results["arms"].as_array().expect("arms").clone();
        arms.into_iter()
            .map(|arm| arm["subjects"].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(subjects("a").await, [3, 1]);
    assert_eq!(subjects("b").await, [0, 1]);
}

each_store!(a_group_converts_under_the_id_that_was_exposed_however_it_is_written);
async fn a_group_converts_under_the_id_that_was_exposed_however_it_is_written() {
    let server = server_with_clickhouse().await;
    let body = json!({
        "name": "orgs", "key": "orgs", "subjectType": "group:org", "primaryMetric": { "event": "buy" },
    });
    let draft = server.post("/experiments", &body).await.expect(201);
    let live = server.to(&draft, "active").await;
    // Numbers as the clients of many languages write them; JSON keeps each as it was sent.
    let ids = [
        "1042.0",
        "7",
        "1e21",
        "100000.0",
        "-0.0",
        "2E5",
        "123456789012345678901234567890",
        "0.3",
        "1.10",
        "\"acme\"",
        "[2.0, \"x\"]",
        "[\"\", 3.0]",
    ];
    let at = |seconds: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds - 600);
        at.to_string()
    };
    let mut events = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let groups = if n % 2 == 0 { "groups" } else { "$groups" };
        for (name, more, seconds) in [
            (
                "seen",
                format!(
                    r#", "__experimentId": {}, "__variantId": "control", "__assignmentReason": "allocation""#,
                    live["id"]
                ),
                0,
            ),
            ("buy", String::new(), 60),
        ] {
            events.push(format!(
                r#"{{"name": "{name}", "profileId": "p{n}", "timestamp": "{}",
                "properties": {{"{groups}": {{"org": {id}}}{more}}}}}"#,
                at(seconds)
            ));
        }
    }
    let sent = server
        .request(reqwest::Method::POST, "/track", crate::support::server::ADMIN)
        .header("content-type", "application/json")
        .body(format!("[{}]", events.join(",")));
    crate::support::server::send(sent).await.expect(200);
    drained(&server).await;
    let results = server.get("/experiments/orgs/results").await.expect(200);
    let control = &results["arms"][0];
    let many = ids.len();
    assert_eq!(
        (&control["subjects"], &control["conversions"]),
        (&json!(many), &json!(many))
    );
}
