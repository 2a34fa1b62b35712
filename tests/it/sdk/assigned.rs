//! Assignment events: what evaluations leave behind.

use reqwest::Method;
use serde_json::{Value, json};

use super::analytics::stage;
use super::world;
use crate::support::server::{TestServer, send};
use crate::support::warehouse::{connect, drained, sql, until};

const COUNT: &str =
    "SELECT count(), uniqExact(event_id) FROM {db}.events WHERE name = '[Experiment] Assignment'";

/// Waits until this many are in ClickHouse, as rows and as events.
async fn counted(server: &TestServer, database: &str, rows_and_events: &str) {
    until("the assignments are stored", async || {
        drained(server).await;
        sql(database, COUNT).await == rows_and_events
    })
    .await;
}

async fn evaluate(server: &TestServer, key: &str, user: &str) -> Value {
    let body = json!({"context": {"targetingKey": user}});
    let request = server.request(Method::POST, "/ofrep/v1/evaluate/flags", key);
    send(request.json(&body)).await.expect(200)
}

#[tokio::test]
async fn an_assignment_is_said_once_per_subject_and_result_a_day() {
    let (server, deployment, database, _) = stage().await;
    world::flag(&server, &deployment, "switched-off", json!({"enabled": false})).await;
    let key = deployment.key.as_str();
    for _ in 0..3 {
        evaluate(&server, key, "u1").await;
    }
    counted(&server, &database, "1\t1").await;
    // The same result, asked for in another way.
    let request = server.request(Method::GET, "/sdk/v2/vardata?user_id=u1", key);
    send(request).await.expect(200);
    for keys in ["switched-off,checkout", "checkout,switched-off,checkout"] {
        let path = format!("/sdk/v2/vardata?user_id=u1&flag_keys={keys}");
        send(server.request(Method::GET, &path, key)).await.expect(200);
    }
    // Another subject; and part of the flags, which is another result.
    evaluate(&server, key, "u2").await;
    let request = server.request(Method::GET, "/v1/vardata?user_id=u1&flag_key=checkout", key);
    send(request).await.expect(200);
    // Nothing, where the client says so.
    let request = server.request(Method::GET, "/sdk/v2/vardata?user_id=u3", key);
    send(request.header("x-amp-exp-track", "no-track"))
        .await
        .expect(200);
    counted(&server, &database, "3\t3").await;
    let told = sql(
        &database,
        "SELECT props['[Experiment] checkout.variant'] IN ('control', 'treatment'), props['[Experiment] switched-off.variant'], \
         props['[Experiment] switched-off.details'], props['$unset'], position(props['$set'], '[Experiment] checkout') > 0 \
         FROM {db}.events WHERE name = '[Experiment] Assignment' AND profile_id = 'u2'",
    )
    .await;
    let version = server.get("/flags/switched-off").await.expect(200)["resourceVersion"].clone();
    assert_eq!(
        told,
        format!("1\toff\tv{version} rule:flag_disabled\t{{\"[Experiment] switched-off\":\"-\"}}\t1")
    );
    // Assigned is not exposed.
    assert_eq!(
        sql(&database, "SELECT count() FROM {db}.experiment_events").await,
        "0"
    );
}

/// A client's key stands in web pages: no one fills the spool with it.
#[tokio::test]
async fn what_no_event_may_have_leaves_none() {
    let (server, deployment, database, _) = stage().await;
    let long = "u".repeat(513);
    let group = "g".repeat(70_000);
    for user in [
        json!({"user_id": long}),
        json!({"user_id": "u", "device_id": long}),
        json!({"user_id": "u", "groups": {"org": [group]}}),
    ] {
        let ask = || {
            server
                .request(Method::POST, "/sdk/v2/vardata", &deployment.key)
                .json(&user)
        };
        let told = send(ask()).await.expect(200);
        assert!(told["checkout"]["key"].is_string(), "{told}");
        let exposed = send(ask().header("x-amp-exp-exposure-track", "track")).await;
        assert_eq!(exposed.refused(400, "invalid").len(), 1);
    }
    // What comes after them is in ClickHouse, and nothing else.
    evaluate(&server, &deployment.key, "u").await;
    counted(&server, &database, "1\t1").await;
}

#[tokio::test]
async fn customers_of_one_person_are_several_subjects() {
    let (server, _, database, _) = stage().await;
    let body = json!({ "name": "by-customer", "subjectType": "customer_id" });
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await;
    for customer in ["c1", "c2", "c3", "c1"] {
        let who = json!({ "experimentId": "by-customer", "user_id": "u1", "user_properties": { "customer_id": customer } });
        server.post("/experiments/assign", &who).await.expect(200);
    }
    counted(&server, &database, "3\t3").await;
    let sql_text = "SELECT arraySort(groupUniqArray(props['customer_id'])) FROM {db}.events \
                    WHERE name = '[Experiment] Assignment'";
    assert_eq!(sql(&database, sql_text).await, "['c1','c2','c3']");
}

#[tokio::test]
async fn a_restarted_server_says_again_only_what_counts_once() {
    let (server, deployment, database, _) = stage().await;
    evaluate(&server, &deployment.key, "u1").await;
    counted(&server, &database, "1\t1").await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    connect(&server, &database).await;
    evaluate(&server, &deployment.key, "u1").await;
    until("it is said again", async || {
        drained(&server).await;
        sql(&database, COUNT).await.ends_with("\t1")
            && server.get("/readyz").await.expect(200)["spooledEvents"] == 0
    })
    .await;
    // Ended in good order, the server has sent all that it recorded.
    server.stop().await;
    assert!(sql(&database, COUNT).await.ends_with("\t1"));
}

#[tokio::test]
async fn it_can_be_turned_off_and_exposures_asked_for() {
    let server = TestServer::start_with(|options| options.assignment_events = false).await;
    let database = crate::support::engine::fresh_database();
    connect(&server, &database).await;
    let deployment = world::deployment(&server, "backend", "server").await;
    world::experiment(&server, &deployment, "checkout", json!({})).await;
    evaluate(&server, &deployment.key, "u1").await;
    for _ in 0..2 {
        let request = server.request(Method::GET, "/sdk/v2/vardata?user_id=u1", &deployment.key);
        send(request.header("x-amp-exp-exposure-track", "track"))
            .await
            .expect(200);
    }
    drained(&server).await;
    assert_eq!(sql(&database, COUNT).await, "0\t0");
    let exposed = sql(
        &database,
        "SELECT subject, name, uniqExact(event_id) FROM {db}.experiment_events GROUP BY subject, name",
    )
    .await;
    assert_eq!(exposed, "u1\t[Experiment] Exposure\t1");
    let set = sql(
        &database,
        "SELECT any(props['$set']) = concat('{\"[Experiment] checkout\":\"', any(props['[Experiment] Variant']), '\"}') \
         FROM {db}.events WHERE name = '[Experiment] Exposure'",
    )
    .await;
    assert_eq!(
        set, "1",
        "the user's property, as exposures that clients send set it"
    );
}

/// How each subject came to its variant, as the answer said it and as it is stored, is the same.
#[tokio::test]
async fn exposures_say_how_the_subject_came_to_its_variant() {
    let (server, deployment, database, _) = stage().await;
    let key = deployment.key.as_str();
    let rules = json!([{"variant": "treatment",
        "conditions": [{"scope": "profile", "field": "plan", "operator": "is", "value": "staff"}]}]);
    let more = json!({"holdoutPct": 25, "rules": rules});
    let experiment = world::experiment(&server, &deployment, "held", more).await["id"].clone();
    let forced = json!({"variant": "treatment", "subjectType": "user", "subjectIds": ["forced"]});
    server
        .put("/experiments/held/overrides", &forced)
        .await
        .expect(200);
    let ask = async |user: &str, plan: &str, tracking: &str| -> Value {
        let path = format!(
            "/sdk/v2/vardata?user_id={user}&flag_key=held&context=%7B%22user_properties%22%3A%7B%22plan%22%3A%22{plan}%22%7D%7D"
        );
        let request = server.request(Method::GET, &path, key);
        let request = request.header("x-amp-exp-exposure-track", tracking);
        send(request).await.expect(200)["held"].clone()
    };
    let mut expected: Vec<String> = Vec::new();
    let mut expect = |user: &str, variant: &Value| {
        let metadata = &variant["metadata"];
        let reason = metadata["reason"].as_str().expect("a reason").to_owned();
        expected.push(format!(
            "{user}\t{}\t{reason}\t{}",
            variant["key"].as_str().expect("a key"),
            metadata["cohort"]
        ));
        reason
    };
    let mut reasons = std::collections::BTreeSet::new();
    for n in 0..40 {
        // The server tells it for half of them, their client for the others.
        let user = format!("u{n:02}");
        let tracking = if n < 20 { "track" } else { "no-track" };
        let variant = ask(&user, "free", tracking).await;
        reasons.insert(expect(&user, &variant));
        if n >= 20 {
            let exposure = json!({"event_type": "$exposure", "user_id": user, "event_properties":
                {"flag_key": "held", "variant": variant["key"], "metadata": variant["metadata"]}});
            let body = json!({"api_key": key, "events": [exposure]});
            server.post("/2/httpapi", &body).await.expect(200);
        }
    }
    for (user, plan) in [("forced", "free"), ("staff", "staff")] {
        let variant = ask(user, plan, "track").await;
        reasons.insert(expect(user, &variant));
    }
    let live = server.get("/experiments/held").await.expect(200);
    let end =
        json!({"to": "completed", "winningVariant": "treatment", "resourceVersion": live["resourceVersion"]});
    server.post("/experiments/held/status", &end).await.expect(200);
    let variant = ask("late", "free", "track").await;
    reasons.insert(expect("late", &variant));
    assert_eq!(
        reasons.iter().map(String::as_str).collect::<Vec<_>>(),
        ["allocation", "holdout", "override", "rule", "winner"],
    );
    expected.sort();
    let sql_text = format!(
        "SELECT subject, variant, reason, cohort FROM {{db}}.experiment_events WHERE experiment_id = '{}' \
         GROUP BY ALL ORDER BY subject",
        experiment.as_str().expect("an id")
    );
    drained(&server).await;
    let stored = sql(&database, &sql_text).await;
    assert_eq!(stored.lines().collect::<Vec<_>>(), expected);
}

/// An exposure that the server tells is told of the id that the experiment buckets by.
#[tokio::test]
async fn exposures_are_told_of_whatever_an_experiment_buckets_by() {
    let (server, deployment, database, _) = stage().await;
    for (key, mode, subject) in [
        ("named", "profile", "customer_id"),
        ("visit", "session", "ANY"),
        ("single", "event", "ANY"),
    ] {
        let fields = json!({"assignmentMode": mode, "subjectType": subject});
        world::experiment(&server, &deployment, key, fields).await;
    }
    for (customer, visit) in [("c-1", "s-1"), ("c-2", "s-2"), ("c-1", "s-1")] {
        let body = json!({"user_id": "u1", "session_id": visit, "event_id": "e-1", "user_properties": {"customer_id": customer}});
        let path = "/sdk/v2/vardata?flag_keys=named,visit,single";
        let request = server.request(Method::POST, path, &deployment.key).json(&body);
        send(request.header("x-amp-exp-exposure-track", "track"))
            .await
            .expect(200);
    }
    drained(&server).await;
    // In event mode the event itself is what was exposed.
    let exposed = sql(
        &database,
        "SELECT subject, uniqExact(event_id) FROM {db}.experiment_events GROUP BY subject ORDER BY subject",
    )
    .await;
    assert_eq!(exposed, "c-1\t1\nc-2\t1\ns-1\t1\ns-2\t1");
}

/// What a flag gives by itself, before its experiment is active and once it has ended, is no draw of the experiment.
#[tokio::test]
async fn what_a_flag_decides_itself_counts_for_no_experiment() {
    let (server, deployment, database, _) = stage().await;
    let key = deployment.key.as_str();
    let body = json!({"name": "later", "key": "later", "deployments": [deployment.id]});
    let mut live = server.post("/experiments", &body).await.expect(201);
    let flag = server.get("/flags/later").await.expect(200);
    let on = json!({"resourceVersion": flag["resourceVersion"], "enabled": true, "rolloutPct": 100});
    server.patch("/flags/later", &on).await.expect(200);
    // By the server and by a client that says nothing but flag and variant.
    let expose = async |who: &str| {
        let path = format!("/sdk/v2/vardata?user_id={who}&flag_key=later");
        let request = server.request(Method::GET, &path, key);
        let answer = send(request.header("x-amp-exp-exposure-track", "track"))
            .await
            .expect(200);
        let exposure = json!({"event_type": "$exposure", "user_id": format!("{who}-client"),
            "event_properties": {"flag_key": "later", "variant": answer["later"]["key"]}});
        let body = json!({"api_key": key, "events": [exposure]});
        server.post("/2/httpapi", &body).await.expect(200);
    };
    expose("draft").await;
    live = server.to(&live, "active").await;
    expose("active").await;
    live = server.to(&live, "completed").await;
    expose("completed").await;
    server.to(&live, "ended").await;
    expose("ended").await;
    drained(&server).await;
    let text = "SELECT subject, reason FROM {db}.experiment_events GROUP BY ALL ORDER BY subject";
    let stored = sql(&database, text).await;
    let rows: Vec<&str> = stored.lines().collect();
    assert_eq!(
        rows,
        [
            "active\tallocation",
            "active-client\t",
            "completed-client\texperiment_ended",
        ]
    );
}
