//! `GET /experiments/{idOrKey}/history`: the audit log.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{EDITOR, TestServer, send};
use crate::support::store::each_store;

async fn entries(server: &TestServer, query: &str) -> Vec<Value> {
    let history = server
        .get(&format!("/experiments/x/history{query}"))
        .await
        .expect(200);
    history["entries"].as_array().expect("entries").clone()
}

each_store!(every_change_is_told_field_by_field);
async fn every_change_is_told_field_by_field() {
    let server = TestServer::start().await;
    let made = server.draft("x").await;
    let variants = json!([{ "key": "control", "name": "Control", "isControl": true, "trafficPct": 50 },
                          { "key": "treatment", "name": "Treatment", "trafficPct": 20.5, "orderIndex": 1 }]);
    let change = json!({ "resourceVersion": 1, "name": "y", "variants": variants, "rules": [{ "variant": "control" }],
                         "primaryMetric": { "event": "buy" } });
    let request = server
        .request(Method::PATCH, "/experiments/x", EDITOR)
        .json(&change);
    let changed = send(request).await.expect(200);
    let live = server.to(&changed, "active").await;

    let all = entries(&server, "").await;
    let actions: Vec<&str> = all
        .iter()
        .map(|e| e["action"].as_str().expect("an action"))
        .collect();
    assert_eq!(
        actions,
        [
            "experiment.status_changed",
            "experiment.settings_changed",
            "experiment.rules_changed",
            "experiment.variants_changed",
            "experiment.created",
        ]
    );
    for entry in &all {
        assert_eq!(
            (&entry["objectId"], &entry["objectKey"]),
            (&made["id"], &"x".into())
        );
    }
    let [status, settings, rules, arms, created] = &all[..] else {
        panic!("five entries")
    };
    assert_eq!(
        settings["changes"],
        json!([
            { "field": "name", "from": "x", "to": "y" },
            { "field": "primaryMetric", "from": null, "to": { "event": "buy", "filters": [] } },
        ])
    );
    assert_eq!(
        arms["changes"],
        json!([{ "field": "variants.treatment.trafficPct", "from": 50.0, "to": 20.5 }])
    );
    let rule = changed["rules"][0]["id"].as_str().expect("an id");
    assert_eq!(rules["changes"][0]["field"], format!("rules.{rule}"));
    for entry in [settings, rules, arms] {
        assert_eq!(
            (&entry["actor"], &entry["resourceVersion"]),
            (&"editor".into(), &2.into())
        );
        assert_eq!(entry["at"], changed["updatedAt"]);
    }
    assert_eq!(
        (&status["actor"], &status["resourceVersion"]),
        (&"admin".into(), &3.into())
    );
    let moved: Vec<&Value> = status["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|c| &c["field"])
        .collect();
    assert_eq!(moved, ["activatedAt", "cohorts.1", "status"]);
    let cohort = &status["changes"][1]["to"];
    assert_eq!(
        cohort["variants"],
        json!({ "control": 0.5, "treatment": 0.205 }),
        "shares, no slots"
    );
    assert_eq!(status["at"], live["statusChangedAt"]);
    let fields: Vec<&str> = created["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|c| c["field"].as_str().expect("a field"))
        .collect();
    assert!(
        fields.contains(&"key") && fields.contains(&"variants"),
        "{fields:?}"
    );
    assert!(
        !fields.contains(&"description"),
        "what is empty is not told: {fields:?}"
    );
}

each_store!(pages_of_fifty_and_filters);
async fn pages_of_fifty_and_filters() {
    let server = TestServer::start().await;
    server.draft("x").await;
    server.draft("other").await;
    for version in 1..=60 {
        let token = if version % 3 == 0 {
            EDITOR
        } else {
            crate::support::server::ADMIN
        };
        let body = json!({ "resourceVersion": version, "description": version.to_string() });
        send(server.request(Method::PATCH, "/experiments/x", token).json(&body))
            .await
            .expect(200);
    }
    let first = server.get("/experiments/x/history").await.expect(200);
    let page = first["entries"].as_array().expect("entries");
    assert_eq!(page.len(), 50);
    assert_eq!(page[0]["resourceVersion"], 61);
    assert_eq!(first["nextBefore"], page[49]["id"]);
    let rest = server
        .get(&format!("/experiments/x/history?before={}", first["nextBefore"]))
        .await
        .expect(200);
    let page = rest["entries"].as_array().expect("entries");
    assert_eq!((page.len(), &rest["nextBefore"]), (11, &Value::Null));
    assert_eq!(page[10]["action"], "experiment.created");
    assert_eq!(entries(&server, "?actor=editor").await.len(), 20);
    assert_eq!(entries(&server, "?action=experiment.created").await.len(), 1);
    assert_eq!(
        entries(&server, "?action=experiment.created&actor=editor")
            .await
            .len(),
        0
    );
    for (field, query) in [
        ("before", "?before=soon"),
        ("action", "?action=made"),
        ("who", "?who=me"),
    ] {
        let answer = server.get(&format!("/experiments/x/history{query}")).await;
        assert_eq!(answer.refused(400, "invalid"), [field]);
    }
}

each_store!(what_is_refused_leaves_no_trace);
async fn what_is_refused_leaves_no_trace() {
    let server = TestServer::start().await;
    server.active("x").await;
    let before = entries(&server, "").await;
    server
        .patch("/experiments/x", &json!({ "resourceVersion": 2, "name": "" }))
        .await
        .problem(400, "invalid");
    server
        .patch("/experiments/x", &json!({ "resourceVersion": 1, "name": "z" }))
        .await
        .problem(409, "version_conflict");
    let step = json!({ "resourceVersion": 2, "to": "ended" });
    server
        .post("/experiments/x/status", &step)
        .await
        .problem(409, "bad_transition");
    assert_eq!(entries(&server, "").await, before);
}
