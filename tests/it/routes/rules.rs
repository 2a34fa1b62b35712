//! `PUT /experiments/{idOrKey}/rules`.

use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::store::each_store;

fn rule(variant: &str, priority: i32, country: &str) -> Value {
    json!({ "variant": variant, "priority": priority, "conditions": [
        { "scope": "profile", "field": "country", "operator": "is", "value": country }] })
}

each_store!(rules_are_replaced_and_decide_at_once);
async fn rules_are_replaced_and_decide_at_once() {
    let server = TestServer::start().await;
    server.active("x").await;
    let body =
        json!({ "resourceVersion": 2, "rules": [rule("TREATMENT", 1, "TH"), rule("control", 2, "DE")] });
    let answer = server.put("/experiments/x/rules", &body).await;
    assert_eq!(answer.header("etag"), "\"3\"");
    let live = answer.expect(200);
    assert_eq!(live["rules"][0]["variant"], "treatment");
    for (country, variant) in [("TH", "treatment"), ("DE", "control")] {
        for n in 0..10 {
            let ask = json!({ "experimentId": "x", "user_id": format!("u{n}"), "user_properties": { "country": country } });
            let answer = server.post("/experiments/assign", &ask).await.expect(200);
            assert_eq!(
                (&answer["variantId"], &answer["reason"]),
                (&variant.into(), &"rule".into())
            );
            let rule = live["rules"]
                .as_array()
                .expect("rules")
                .iter()
                .find(|r| r["variant"] == variant);
            assert_eq!(answer["ruleId"], rule.expect("a rule")["id"]);
        }
    }
    // The same rules with their ids change nothing; none remove them all.
    let same = json!({ "resourceVersion": 3, "rules": live["rules"] });
    assert_eq!(server.put("/experiments/x/rules", &same).await.expect(200), live);
    let none = json!({ "resourceVersion": 3, "rules": [] });
    assert_eq!(
        server.put("/experiments/x/rules", &none).await.expect(200)["rules"],
        json!([])
    );
    let history = server
        .get("/experiments/x/history?action=experiment.rules_changed")
        .await
        .expect(200);
    assert_eq!(history["entries"].as_array().map(Vec::len), Some(2));
}

each_store!(every_faulty_rule_is_named);
async fn every_faulty_rule_is_named() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let id = "0d9e1f0a-3c8e-4f57-9a53-6a1d3b0f9a11";
    let mut twin = rule("control", 1, "TH");
    twin["id"] = id.into();
    let rules = json!([twin, twin, rule("nobody", 1, "TH")]);
    let body = json!({ "resourceVersion": 1, "rules": rules });
    let answer = server.put("/experiments/x/rules", &body).await;
    assert_eq!(
        answer.refused(400, "invalid"),
        ["rules[1].id", "rules[2].variant"]
    );
    for (field, rules) in [
        ("rules", json!("none")),
        ("rules[0].variant", json!([{ "priority": 1 }])),
        (
            "rules[0].priority",
            json!([{ "variant": "control", "priority": "high" }]),
        ),
        (
            "rules[0].priority",
            json!([{ "variant": "control", "priority": 3_000_000_000_u64 }]),
        ),
        (
            "rules[0].conditions[0].operator",
            json!([{ "variant": "control", "conditions": [
            { "scope": "profile", "field": "f", "operator": "~", "value": "v" }] }]),
        ),
        (
            "rules[0].conditions[0].value",
            json!([{ "variant": "control", "conditions": [
            { "scope": "profile", "field": "f", "operator": "is", "value": ["v"] }] }]),
        ),
        // A forgotten value would catch everybody, one that is no number nobody.
        (
            "rules[0].conditions[0].value",
            json!([{ "variant": "control", "conditions": [
            { "scope": "profile", "field": "f", "operator": "contains" }] }]),
        ),
        (
            "rules[0].conditions[0].value",
            json!([{ "variant": "control", "conditions": [
            { "scope": "profile", "field": "f", "operator": "gt", "value": "abc" }] }]),
        ),
    ] {
        let body = json!({ "resourceVersion": 1, "rules": rules });
        assert_eq!(
            server
                .put("/experiments/x/rules", &body)
                .await
                .refused(400, "invalid"),
            [field]
        );
    }
    let missing = server.put("/experiments/x/rules", &json!({})).await;
    assert_eq!(missing.refused(400, "invalid"), ["resourceVersion"]);
    let stale = json!({ "resourceVersion": 7, "rules": [] });
    server
        .put("/experiments/x/rules", &stale)
        .await
        .problem(409, "version_conflict");
}
