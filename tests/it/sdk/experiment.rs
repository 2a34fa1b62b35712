//! Amplitude's experiments: npm `@amplitude/experiment-node-server`, PyPI `amplitude-experiment`, both ways of
//! evaluating, against the server itself.

use serde_json::{Map, Value, json};

use super::{exchange, world};
use crate::support::server::TestServer;
use crate::support::store::on_postgres;

/// Users of one request.
const TOGETHER: usize = 1_000;

/// Experiments and a flag with everything that can be said locally: rules, a holdout, several cohorts, overrides,
/// groups, a rollout.
async fn seeded(server: &TestServer, deployment: &world::Deployment) {
    let variants = |shares: [u32; 3]| {
        json!([
            {"key": "control", "isControl": true, "trafficPct": shares[0]},
            {"key": "b", "trafficPct": shares[1], "orderIndex": 1, "payload": {"colour": "blue"}},
            {"key": "c", "trafficPct": shares[2], "orderIndex": 2},
        ])
    };
    let rules = json!([
        {"variant": "c", "priority": 2, "conditions": [
            {"scope": "profile", "field": "plan", "operator": "startsWith", "value": "pr"},
            {"scope": "profile", "field": "age", "operator": "gte", "value": 40},
        ]},
        {"variant": "b", "priority": 1, "conditions": [
            {"scope": "profile", "field": "country", "operator": "isNot", "value": "TH"},
            {"scope": "profile", "field": "email", "operator": "doesNotContain", "value": "example"},
        ]},
    ]);
    let fields = json!({"variants": variants([40, 30, 20]), "holdoutPct": 10, "rules": rules});
    world::experiment(server, deployment, "everything", fields).await;
    let body = json!({"subjectType": "user", "variant": "c", "subjectIds": ["user-3", "user-5"]});
    server
        .put("/experiments/everything/overrides", &body)
        .await
        .expect(200);
    let body = json!({"subjectType": "device", "variant": "b", "subjectIds": ["device-4", "device-5"]});
    server
        .put("/experiments/everything/overrides", &body)
        .await
        .expect(200);
    for shares in [[10, 60, 30], [50, 0, 50], [20, 20, 20]] {
        let current = server.get("/experiments/everything").await.expect(200);
        let body = json!({"resourceVersion": current["resourceVersion"], "variants": variants(shares)});
        server.patch("/experiments/everything", &body).await.expect(200);
    }
    let fields = json!({"subjectType": "group:org", "holdoutPct": 5});
    world::experiment(server, deployment, "by-group", fields).await;
    let rollout = json!({"rolloutPct": 30, "evaluationMode": "local", "variants": [
        {"key": "red", "trafficPct": 70}, {"key": "blue", "trafficPct": 30, "orderIndex": 1},
    ]});
    world::flag(server, deployment, "rollout", rollout).await;
    world::flag(
        server,
        deployment,
        "dark",
        json!({"enabled": false, "evaluationMode": "local"}),
    )
    .await;
}

fn user(n: usize) -> Value {
    let mut properties = Map::new();
    if !n.is_multiple_of(3) {
        properties.insert("plan".to_owned(), ["pro", "prime", "free"][n % 7 % 3].into());
    }
    if !n.is_multiple_of(4) {
        properties.insert("age".to_owned(), (1 + n % 80).into());
    }
    if n.is_multiple_of(5) {
        properties.insert("email".to_owned(), format!("{n}@example.com").into());
    }
    let mut user = json!({"user_properties": properties});
    if n % 10 != 9 {
        user["user_id"] = format!("user-{n}").into();
    }
    if n % 2 == 1 {
        user["device_id"] = format!("device-{n}").into();
        user["country"] = ["TH", "DE"][n / 2 % 2].into();
    }
    if n % 3 == 1 {
        user["groups"] = json!({"org": [format!("org-{}", n % 997)]});
    }
    user
}

/// What the server decides for each user, flag by flag.
async fn decided(server: &TestServer, users: &[Value]) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new(); users.len()];
    for key in ["everything", "by-group"] {
        for (chunk, of) in users.chunks(TOGETHER).enumerate() {
            let request = |user: &Value| {
                let mut user = user.clone();
                // The assignment endpoint takes properties where they are looked for.
                if let Some(country) = user.as_object_mut().and_then(|user| user.remove("country")) {
                    user["user_properties"]["country"] = country;
                }
                json!({"experimentId": key, "user": user})
            };
            let requests: Vec<Value> = of.iter().map(request).collect();
            let answers = server
                .post("/experiments/assign", &json!(requests))
                .await
                .expect(200);
            for (at, answer) in answers.as_array().expect("a list").iter().enumerate() {
                let variant = answer["variantId"].as_str().unwrap_or_else(|| panic!("{answer}"));
                let mark = if answer["reason"] == "unallocated" {
                    "!"
                } else {
                    ""
                };
                all[chunk * TOGETHER + at].insert(key.to_owned(), format!("{variant}{mark}").into());
            }
        }
    }
    all
}

/// What both SDKs must say of `count` users.
async fn compare(program: &str, count: usize) {
    let server = TestServer::start().await;
    let deployment = world::deployment(&server, "backend", "server").await;
    seeded(&server, &deployment).await;
    let users: Vec<Value> = (0..count).map(user).collect();
    let told = json!({
        "serverUrl": server.base, "key": deployment.key, "users": users, "remote": users[..50],
        "flagKeys": ["everything", "by-group", "rollout", "nobody"],
    });
    let Some(seen) = exchange(program, &told).await else {
        return;
    };
    let expected = decided(&server, &users).await;
    let evaluated = seen["evaluated"].as_array().expect("a list");
    let mut served = std::collections::BTreeSet::new();
    for (at, (user, expected)) in users.iter().zip(&expected).enumerate() {
        for (key, variant) in expected {
            assert_eq!(&evaluated[at][key], variant, "{key} of {user:#}");
            served.insert(format!("{key}={variant}"));
        }
        assert_eq!(evaluated[at]["dark"], "off!");
        served.insert(format!("rollout={}", evaluated[at]["rollout"]));
    }
    for variant in [
        "everything=\"control\"",
        "everything=\"b\"",
        "everything=\"c\"",
        "everything=\"control!\"",
        "by-group=\"treatment\"",
        "rollout=\"red\"",
        "rollout=\"blue\"",
        "rollout=\"off!\"",
    ] {
        assert!(served.contains(variant), "nobody got {variant}: {served:?}");
    }
    // Remote evaluation agrees with local evaluation, on what was asked for alone.
    for (at, fetched) in seen["fetched"].as_array().expect("a list").iter().enumerate() {
        let keys: Vec<&String> = fetched["v2"].as_object().expect("variants").keys().collect();
        assert_eq!(keys, ["by-group", "everything", "rollout"], "{fetched:#}");
        for (key, variant) in fetched["v2"].as_object().expect("variants") {
            let mark = if variant["metadata"]["default"] == true {
                "!"
            } else {
                ""
            };
            let variant = variant["key"].as_str().expect("a key");
            assert_eq!(
                evaluated[at][key],
                format!("{variant}{mark}"),
                "{key} of {:#}",
                users[at]
            );
        }
    }
    let everything = &seen["fetched"][3]["v2"]["everything"];
    assert_eq!(
        (&everything["key"], &everything["value"]),
        (&json!("c"), &json!("c"))
    );
    assert_eq!(everything["metadata"]["segmentName"], "override");
    assert_eq!(everything["metadata"]["experimentKey"], "everything");
    if let Some(refused) = seen.get("refused") {
        assert_eq!(refused["status"], 400, "a user without an id");
    }
}

#[tokio::test]
async fn the_node_client_decides_20_000_users_as_the_server() {
    compare("experiment.cjs", 20_000).await;
}

#[tokio::test]
async fn the_python_client_decides_20_000_users_as_the_server() {
    compare("experiment.py", 20_000).await;
}

// Decisions are made from memory by the same code: fewer will do to see that what is in this store gets there.

#[tokio::test]
async fn the_node_client_decides_as_a_server_on_postgres() {
    on_postgres(compare("experiment.cjs", 2_000)).await;
}

#[tokio::test]
async fn the_python_client_decides_as_a_server_on_postgres() {
    on_postgres(compare("experiment.py", 2_000)).await;
}
