//! Whatever is sent, the answer is never a fault of the server's.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{ADMIN, TestServer, send};

/// Field names of the API, and some that are none.
const NAMES: &[&str] = &[
    "name",
    "key",
    "description",
    "hypothesis",
    "links",
    "assignmentMode",
    "subjectType",
    "variants",
    "isControl",
    "trafficPct",
    "orderIndex",
    "payload",
    "defaultVariantId",
    "holdoutPct",
    "sticky",
    "primaryMetric",
    "event",
    "filters",
    "field",
    "operator",
    "value",
    "secondaryEvent",
    "enabled",
    "trackedEvents",
    "rules",
    "variant",
    "priority",
    "conditions",
    "scope",
    "linkedFlag",
    "parentId",
    "prior",
    "a",
    "b",
    "resourceVersion",
    "to",
    "comment",
    "winningVariant",
    "endedReason",
    "overrideFailingSrm",
    "subjectIds",
    "source",
    "experimentId",
    "experimentKey",
    "user",
    "user_id",
    "userId",
    "device_id",
    "session",
    "groups",
    "group_properties",
    "user_properties",
    "id",
    "properties",
    "profileId",
    "timestamp",
    "type",
    "__experimentId",
    "__variantId",
    "zzz",
];

/// Texts that mean something somewhere.
const TEXTS: &[&str] = &[
    "",
    "x",
    "control",
    "treatment",
    "Control",
    "active",
    "paused",
    "completed",
    "archived",
    "draft",
    "profile",
    "event",
    "user",
    "device",
    "is",
    "gt",
    "fixed",
    "manual",
    "group:org",
    "two words",
    "é\u{0}𝄞",
    "success",
    "0d9e1f0a-3c8e-4f57-9a53-6a1d3b0f9a11",
];

fn documents() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..5_i64).prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        prop::sample::select(TEXTS).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop::sample::select(NAMES).prop_map(str::to_owned);
    prop::collection::hash_map(name, inner, 0..6).prop_map(|m| Value::Object(m.into_iter().collect()))
}

/// A sound body with one part of it replaced: gets further than noise does.
fn spoiled() -> impl Strategy<Value = Value> {
    let sound = prop::sample::select(vec![
        json!({ "name": "n", "variants": [{ "key": "a", "isControl": true, "trafficPct": 50, "orderIndex": 0 },
                                          { "key": "b", "trafficPct": 50, "orderIndex": 1 }],
                "rules": [{ "variant": "a", "priority": 1, "conditions": [
                    { "scope": "profile", "field": "f", "operator": "is", "value": "v" }] }],
                "primaryMetric": { "event": "e", "filters": [{ "field": "f", "operator": "gt", "value": 1 }] } }),
        json!({ "resourceVersion": 2, "holdoutPct": 1, "prior": { "a": 1, "b": 1 }, "links": { "l": "https://x" } }),
        json!({ "resourceVersion": 2, "to": "paused", "comment": "c" }),
        json!({ "variant": "control", "subjectType": "user", "subjectIds": ["u"], "source": "fixed" }),
        json!({ "experimentId": "x", "user_id": "u", "groups": { "org": ["a"] }, "user_properties": { "f": 1 } }),
        json!({ "name": "n", "key": "k", "profileId": "p", "timestamp": 1, "id": "i", "type": "track",
                "properties": { "__experimentId": ["x"], "__variantId": ["a"], "__cohort": 1, "groups": { "org": "a" } } }),
    ]);
    (sound, prop::sample::select(NAMES), documents()).prop_map(|(mut body, name, value)| {
        replace(&mut body, name, &value);
        body
    })
}

fn replace(body: &mut Value, name: &str, value: &Value) {
    match body {
        Value::Object(fields) => {
            if fields.contains_key(name) {
                fields.insert(name.to_owned(), value.clone());
            } else {
                fields.values_mut().for_each(|v| replace(v, name, value));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| replace(v, name, value)),
        _ => {}
    }
}

#[test]
fn no_body_makes_the_server_fail() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(TestServer::start());
    runtime.block_on(server.active("x"));
    let routes = [
        (Method::POST, "/experiments"),
        (Method::PATCH, "/experiments/x"),
        (Method::POST, "/experiments/x/status"),
        (Method::PUT, "/experiments/x/rules"),
        (Method::PUT, "/experiments/x/overrides"),
        (Method::POST, "/experiments/x/explain"),
        (Method::POST, "/experiments/assign"),
        (Method::POST, "/track"),
    ];
    let mut runner = TestRunner::default();
    let bodies = prop_oneof![
        documents(),
        documents().prop_flat_map(|d| object(Just(d))),
        spoiled()
    ];
    runner
        .run(&bodies, |body| {
            for (method, path) in &routes {
                let request = server.request(method.clone(), path, ADMIN).json(&body);
                let answer = runtime.block_on(send(request));
                prop_assert!(answer.status < 500, "{method} {path} {body}: {}", answer.body);
            }
            Ok(())
        })
        .expect("no fault");
    // What came through left a state that is whole.
    let all = runtime
        .block_on(server.get("/experiments?archived=true"))
        .expect(200);
    for experiment in all["experiments"].as_array().expect("a list") {
        let read: splitdeck::domain::Experiment =
            serde_json::from_value(experiment.clone()).expect("an experiment");
        read.check(4).expect("sound");
    }
}
