//! OpenFeature: npm `@openfeature/ofrep-provider` and `@openfeature/ofrep-web-provider`, PyPI
//! `openfeature-provider-ofrep`, and the protocol itself.

use reqwest::Method;
use serde_json::{Value, json};

use super::{run, world};
use crate::support::server::{Answer, TestServer, VIEWER, send};
use crate::support::store::each_store;

/// The flags of the questions.
async fn seeded() -> (TestServer, world::Deployment) {
    let server = TestServer::start().await;
    let deployment = world::deployment(&server, "backend", "server").await;
    world::flag(&server, &deployment, "switch", json!({})).await;
    world::flag(&server, &deployment, "switched-off", json!({"enabled": false})).await;
    let colours = json!({"variants": [
        {"key": "red", "trafficPct": 50, "payload": {"hex": "#f00"}},
        {"key": "blue", "trafficPct": 50, "orderIndex": 1, "payload": {"hex": "#00f"}},
    ]});
    world::flag(&server, &deployment, "colour", colours).await;
    let number = json!({"variants": [{"key": "many", "trafficPct": 100, "payload": 42}]});
    world::flag(&server, &deployment, "number", number).await;
    let rules = json!({"rules": [{
        "variant": "treatment", "priority": 1,
        "conditions": [{"scope": "profile", "field": "plan", "operator": "is", "value": "pro"}],
    }]});
    world::experiment(&server, &deployment, "checkout", rules).await;
    (server, deployment)
}

const QUESTIONS: &str = r#"[
    {"type": "Boolean", "flag": "switch", "fallback": false, "context": {"targetingKey": "u1"}},
    {"type": "Boolean", "flag": "switched-off", "fallback": true, "context": {"targetingKey": "u1"}},
    {"type": "Object", "flag": "colour", "fallback": {}, "context": {"targetingKey": "u1"}},
    {"type": "String", "flag": "checkout", "fallback": "none", "context": {"targetingKey": "u1", "plan": "pro"}},
    {"type": "String", "flag": "no-such-flag", "fallback": "none", "context": {"targetingKey": "u1"}},
    {"type": "String", "flag": "checkout", "fallback": "none", "context": {"plan": "pro"}},
    {"type": "String", "flag": "checkout", "fallback": "none", "context": {"targetingKey": "u1", "groups": 7}},
    {"type": "Boolean", "flag": "checkout", "fallback": false, "context": {"targetingKey": "u1"}}
]"#;

/// What both languages must have been answered.
fn check(answers: &Value) {
    let field = |at: usize, name: &str| answers[at][name].clone();
    let rows = [
        (json!(true), json!("on"), json!("SPLIT"), Value::Null),
        (json!(false), json!("off"), json!("DISABLED"), Value::Null),
        (Value::Null, Value::Null, json!("SPLIT"), Value::Null),
        (
            json!("treatment"),
            json!("treatment"),
            json!("TARGETING_MATCH"),
            Value::Null,
        ),
        (
            json!("none"),
            Value::Null,
            json!("ERROR"),
            json!("FLAG_NOT_FOUND"),
        ),
        (
            json!("none"),
            Value::Null,
            json!("ERROR"),
            json!("TARGETING_KEY_MISSING"),
        ),
        (
            json!("none"),
            Value::Null,
            json!("ERROR"),
            json!("INVALID_CONTEXT"),
        ),
        (json!(false), Value::Null, json!("ERROR"), json!("TYPE_MISMATCH")),
    ];
    for (at, (value, variant, reason, code)) in rows.into_iter().enumerate() {
        if at != 2 {
            assert_eq!(field(at, "value"), value, "{at}: {answers:#}");
            assert_eq!(field(at, "variant"), variant, "{at}: {answers:#}");
        }
        assert_eq!(field(at, "reason"), reason, "{at}: {answers:#}");
        assert_eq!(field(at, "errorCode"), code, "{at}: {answers:#}");
    }
    let hex = &answers[2]["value"]["hex"];
    assert!(hex == "#f00" || hex == "#00f", "{answers:#}");
    let metadata = &answers[3]["flagMetadata"];
    assert_eq!(metadata["__variantId"], "treatment");
    assert_eq!(metadata["__assignmentReason"], "rule");
    assert_eq!(metadata["assignmentReason"], "rule");
    assert!(metadata["ruleId"].is_string() && metadata["__experimentId"].is_string());
    assert!(
        answers[4]["errorMessage"]
            .as_str()
            .is_some_and(|m| m.contains("no flag")),
        "{answers:#}"
    );
}

each_store!(the_node_provider_is_answered);
async fn the_node_provider_is_answered() {
    let (server, deployment) = seeded().await;
    let questions: Value = serde_json::from_str(QUESTIONS).expect("JSON");
    let told = json!({"baseUrl": server.base, "key": deployment.key, "questions": questions});
    let Some(answers) = run("ofrep_server.cjs", vec![told.to_string()]).await else {
        return;
    };
    check(&answers);
}

each_store!(the_python_provider_is_answered);
async fn the_python_provider_is_answered() {
    let (server, deployment) = seeded().await;
    let questions: Value = serde_json::from_str(QUESTIONS).expect("JSON");
    let told = json!({"baseUrl": server.base, "key": deployment.key, "questions": questions});
    let Some(answers) = run("ofrep_server.py", vec![told.to_string()]).await else {
        return;
    };
    check(&answers);
}

#[tokio::test]
async fn a_provider_that_asks_too_often_holds_back_as_it_is_told() {
    let server = TestServer::start_with(|options| options.assign_per_second = 1).await;
    let deployment = world::deployment(&server, "backend", "server").await;
    world::flag(&server, &deployment, "switch", json!({})).await;
    let question =
        json!({"type": "Boolean", "flag": "switch", "fallback": false, "context": {"targetingKey": "u1"}});
    let told = json!({"baseUrl": server.base, "key": deployment.key, "questions": vec![question; 40]});
    let Some(answers) = run("ofrep_server.cjs", vec![told.to_string()]).await else {
        return;
    };
    let answers = answers.as_array().expect("answers");
    assert_eq!(answers[0]["value"], true);
    let said = |words: &str| {
        answers
            .iter()
            .any(|a| a["errorMessage"].as_str().is_some_and(|m| m.contains(words)))
    };
    assert!(said("rate limit exceeded, try again after"), "{answers:#?}");
    assert!(said("paused due to TooManyRequests"), "{answers:#?}");
}

each_store!(the_web_provider_sees_each_change_of_its_context_and_of_the_configuration);
async fn the_web_provider_sees_each_change_of_its_context_and_of_the_configuration() {
    let (server, _) = seeded().await;
    let web = world::deployment(&server, "web", "client").await;
    let experiment = server.get("/experiments/checkout").await.expect(200);
    let body = json!({"resourceVersion": experiment["resourceVersion"], "deployments": [web.id]});
    let experiment = server.patch("/experiments/checkout", &body).await.expect(200);
    let told = json!({
        "baseUrl": server.base, "key": web.key, "flag": "checkout",
        // The second one differs in nothing, the third in what no rule looks at, the fourth in what decides.
        "contexts": [
            {"targetingKey": "u1", "plan": "free"},
            {"targetingKey": "u1", "plan": "free"},
            {"targetingKey": "u1", "plan": "free", "page": "/"},
            {"targetingKey": "u1", "plan": "pro"},
        ],
        "change": {
            "method": "PUT", "url": format!("{}/experiments/checkout/rules", server.base),
            "headers": {"authorization": format!("Bearer {}", crate::support::server::ADMIN)},
            "body": json!({"resourceVersion": experiment["resourceVersion"], "rules": [
                {"variant": "control", "priority": 1, "conditions": [
                    {"scope": "profile", "field": "plan", "operator": "is", "value": "pro"},
                ]},
            ]}).to_string(),
        },
    });
    let Some(seen) = run("ofrep_web.cjs", vec![told.to_string()]).await else {
        return;
    };
    let statuses: Vec<_> = seen["requests"]
        .as_array()
        .expect("requests")
        .iter()
        .map(|r| r["status"].as_u64().expect("a status"))
        .collect();
    assert_eq!(statuses, [200, 304, 200, 200, 200], "{seen:#}");
    for (at, request) in seen["requests"].as_array().expect("requests").iter().enumerate() {
        // It sends the ETag of before along, also after its context has changed.
        assert_eq!(request["sent"].is_null(), at == 0, "{seen:#}");
    }
    let answers = seen["answers"].as_array().expect("answers");
    assert_eq!(answers[3]["variant"], "treatment", "{seen:#}");
    assert_eq!(answers[3]["reason"], "TARGETING_MATCH");
    assert_eq!(answers[4]["variant"], "control", "{seen:#}");
}

async fn ask(server: &TestServer, key: &str, path: &str, body: &Value, etag: Option<&str>) -> Answer {
    let mut request = server.request(Method::POST, path, key).json(body);
    if let Some(etag) = etag {
        request = request.header("if-none-match", etag);
    }
    send(request).await
}

each_store!(answers_in_bulk_are_tagged_by_configuration_context_and_overrides);
async fn answers_in_bulk_are_tagged_by_configuration_context_and_overrides() {
    let (server, deployment) = seeded().await;
    let path = "/ofrep/v1/evaluate/flags";
    let one = json!({"context": {"targetingKey": "u1"}});
    let first = ask(&server, &deployment.key, path, &one, None).await;
    let etag = first.header("etag").to_owned();
    let flags = first.expect(200)["flags"].clone();
    let keys: Vec<&str> = flags
        .as_array()
        .expect("flags")
        .iter()
        .map(|f| f["key"].as_str().expect("a key"))
        .collect();
    assert_eq!(keys, ["checkout", "colour", "number", "switch", "switched-off"]);
    for flag in flags.as_array().expect("flags") {
        for field in ["key", "value", "variant", "reason", "metadata"] {
            assert!(!flag[field].is_null(), "{flag}");
        }
    }
    let again = ask(&server, &deployment.key, path, &one, Some(&etag)).await;
    assert_eq!((again.status, again.header("etag")), (304, etag.as_str()));
    let weak = format!("\"other\", W/{etag}");
    assert_eq!(
        ask(&server, &deployment.key, path, &one, Some(&weak))
            .await
            .status,
        304
    );
    // Another subject with the same variants is another answer.
    let other = json!({"context": {"targetingKey": "u1", "page": "/"}});
    assert_eq!(
        ask(&server, &deployment.key, path, &other, Some(&etag))
            .await
            .status,
        200
    );
    // So is a forced variant.
    let current = &flags[0]["variant"];
    let forced = if current == "control" {
        "treatment"
    } else {
        "control"
    };
    let body = json!({"subjectType": "user", "variant": forced, "subjectIds": ["u1"]});
    server
        .put("/experiments/checkout/overrides", &body)
        .await
        .expect(200);
    let after = ask(&server, &deployment.key, path, &one, Some(&etag))
        .await
        .expect(200);
    assert_eq!(after["flags"][0]["variant"], forced);
    assert_eq!(after["flags"][0]["reason"], "TARGETING_MATCH");
}

#[tokio::test]
async fn a_page_is_not_answered_what_is_drawn_for_each_event() {
    let (server, deployment) = seeded().await;
    world::experiment(&server, &deployment, "drawn", json!({"assignmentMode": "event"})).await;
    let path = "/ofrep/v1/evaluate/flags";
    let keys = |answer: &Value| -> Vec<String> {
        let flags = answer["flags"].as_array().expect("flags").iter();
        flags
            .map(|f| f["key"].as_str().expect("a key").to_owned())
            .collect()
    };
    let page = json!({"context": {"targetingKey": "u1"}});
    let first = ask(&server, &deployment.key, path, &page, None).await;
    let etag = first.header("etag").to_owned();
    assert!(!keys(&first.expect(200)).contains(&"drawn".to_owned()));
    // Of twenty draws some would differ.
    for _ in 0..20 {
        let again = ask(&server, &deployment.key, path, &page, Some(&etag)).await;
        assert_eq!(again.status, 304);
    }
    let event = json!({"context": {"targetingKey": "u1", "event_id": "e-1"}});
    let answer = ask(&server, &deployment.key, path, &event, None)
        .await
        .expect(200);
    assert!(keys(&answer).contains(&"drawn".to_owned()));
    // Asked for by its key it is drawn, as ever.
    let path = "/ofrep/v1/evaluate/flags/drawn";
    let one = ask(&server, &deployment.key, path, &page, None).await.expect(200);
    assert_eq!(one["reason"], "SPLIT", "{one}");
}

#[tokio::test]
async fn a_deployment_sees_its_own_a_token_everything_and_a_stranger_nothing() {
    let (server, _) = seeded().await;
    let empty = world::deployment(&server, "empty", "client").await;
    let path = "/ofrep/v1/evaluate/flags";
    let one = json!({"context": {"targetingKey": "u1"}});
    let count = |answer: Value| answer["flags"].as_array().expect("flags").len();
    assert_eq!(
        count(ask(&server, &empty.key, path, &one, None).await.expect(200)),
        0
    );
    assert_eq!(count(ask(&server, VIEWER, path, &one, None).await.expect(200)), 5);
    let hidden = ask(&server, &empty.key, "/ofrep/v1/evaluate/flags/switch", &one, None).await;
    assert_eq!(hidden.header("content-type"), "application/json");
    let hidden = hidden.expect(404);
    assert_eq!(hidden["errorCode"], "FLAG_NOT_FOUND");
    assert_eq!(hidden["key"], "switch");
    assert!(
        hidden["errorDetails"]
            .as_str()
            .is_some_and(|words| words.contains("empty"))
    );
    ask(&server, "nobody", path, &one, None)
        .await
        .problem(401, "unauthorized");
    // A page may ask from anywhere, with the key of its deployment.
    let preflight = server
        .anonymous(Method::OPTIONS, path)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "x-api-key,content-type,if-none-match",
        );
    let preflight = send(preflight).await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("x-api-key")
    );
    let request = server
        .anonymous(Method::POST, path)
        .header("x-api-key", &empty.key);
    let answer = send(request.header("origin", "https://shop.example").json(&one)).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-expose-headers").contains("etag"));
    let configuration = ask_get(&server, &empty.key, "/ofrep/v1/configuration").await;
    assert_eq!(configuration["name"], "splitdeck");
    assert_eq!(
        configuration["capabilities"]["cacheInvalidation"]["polling"]["enabled"],
        true
    );
}

async fn ask_get(server: &TestServer, key: &str, path: &str) -> Value {
    send(server.request(Method::GET, path, key)).await.expect(200)
}
