//! `POST /experiments/{idOrKey}/explain`.

use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::store::each_store;

fn steps(explanation: &Value) -> Vec<&str> {
    let steps = explanation["steps"].as_array().expect("steps");
    steps
        .iter()
        .map(|s| s["step"].as_str().expect("a name"))
        .collect()
}

each_store!(each_step_is_told_and_the_decision_is_that_of_assign);
async fn each_step_is_told_and_the_decision_is_that_of_assign() {
    let server = TestServer::start().await;
    server.active("x").await;
    let rules = json!([{ "variant": "treatment", "conditions": [
        { "scope": "profile", "field": "country", "operator": "is", "value": "TH" }] }]);
    server
        .put(
            "/experiments/x/rules",
            &json!({ "resourceVersion": 2, "rules": rules }),
        )
        .await
        .expect(200);
    let set = json!({ "variant": "control", "subjectType": "user", "subjectIds": ["vip"] });
    server.put("/experiments/x/overrides", &set).await.expect(200);
    let users = [
        (json!({ "user_id": "vip" }), "override", "override"),
        (
            json!({ "user_id": "u", "user_properties": { "country": "TH" } }),
            "rule",
            "rule",
        ),
        (json!({ "user_id": "u" }), "allocation", "allocation"),
    ];
    for (user, reason, last) in users {
        let told = server.post("/experiments/x/explain", &user).await.expect(200);
        assert_eq!(told["assignment"]["reason"], reason);
        assert_eq!(steps(&told).last(), Some(&last));
        assert_eq!(steps(&told)[0], "status");
        let mut ask = user.clone();
        ask["experimentId"] = "x".into();
        assert_eq!(
            told["assignment"],
            server.post("/experiments/assign", &ask).await.expect(200)
        );
    }
    let told = server
        .post("/experiments/x/explain", &json!({ "user_id": "u" }))
        .await
        .expect(200);
    let slot = told["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .find(|s| s["step"] == "allocation");
    assert_eq!(slot.expect("a step")["hashed"], "x/u");
}

each_store!(rules_are_tried_before_they_are_saved_and_as_if_it_were_active);
async fn rules_are_tried_before_they_are_saved_and_as_if_it_were_active() {
    let server = TestServer::start().await;
    let draft = server.draft("x").await;
    let ask = |extra: Value| {
        let mut body = json!({ "user_id": "u", "user_properties": { "country": "TH" } });
        for (name, value) in extra.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    };
    let rules = json!([{ "variant": "treatment", "conditions": [
        { "scope": "profile", "field": "country", "operator": "is", "value": "TH" }] }]);
    for (extra, reason) in [
        (json!({}), "experiment_inactive"),
        (json!({ "asIfActive": true }), "allocation"),
        (json!({ "rules": rules }), "experiment_inactive"),
        (json!({ "rules": rules, "asIfActive": true }), "rule"),
    ] {
        let told = server
            .post("/experiments/x/explain", &ask(extra.clone()))
            .await
            .expect(200);
        assert_eq!(told["assignment"]["reason"], reason, "{extra}");
    }
    let wrong = json!({ "rules": [{ "variant": "nobody" }] });
    let answer = server.post("/experiments/x/explain", &ask(wrong)).await;
    assert_eq!(answer.refused(400, "invalid"), ["rules[0].variant"]);
    assert_eq!(
        server.get("/experiments/x").await.expect(200),
        draft,
        "nothing was saved"
    );
}

each_store!(a_user_without_an_id_is_refused_and_nothing_is_recorded);
async fn a_user_without_an_id_is_refused_and_nothing_is_recorded() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let answer = server
        .post(
            "/experiments/x/explain",
            &json!({ "user_properties": { "a": 1 } }),
        )
        .await;
    assert_eq!(answer.refused(400, "invalid"), ["user_id"]);
    let answer = server
        .post("/experiments/x/explain", &json!({ "user_id": {} }))
        .await;
    assert_eq!(answer.refused(400, "invalid"), ["user_id"]);
    server
        .post("/experiments/x/explain", &json!({ "user_id": "u" }))
        .await
        .expect(200);
    let history = server.get("/experiments/x/history").await.expect(200);
    assert_eq!(history["entries"].as_array().map(Vec::len), Some(1));
}
