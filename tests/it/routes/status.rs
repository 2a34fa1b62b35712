//! `POST /experiments/{idOrKey}/status`.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{EDITOR, TestServer, fields, send};
use crate::support::store::each_store;

/// The lifecycle as product.md draws it.
const STEPS: [(&str, &[&str]); 6] = [
    ("draft", &["active", "archived"]),
    ("active", &["paused", "completed"]),
    ("paused", &["active", "completed"]),
    ("completed", &["ended", "archived"]),
    ("ended", &["archived"]),
    ("archived", &["ended"]),
];

/// A way from a draft to each status.
fn way_to(status: &str) -> &'static [&'static str] {
    match status {
        "draft" => &[],
        "active" => &["active"],
        "paused" => &["active", "paused"],
        "completed" => &["active", "completed"],
        "ended" => &["active", "completed", "ended"],
        "archived" => &["archived"],
        other => panic!("{other}"),
    }
}

async fn in_status(server: &TestServer, key: &str, status: &str) -> Value {
    let mut experiment = server.draft(key).await;
    for step in way_to(status) {
        experiment = server.to(&experiment, step).await;
    }
    experiment
}

fn step(experiment: &Value, to: &str, more: Value) -> Value {
    let mut body = json!({ "to": to, "resourceVersion": experiment["resourceVersion"] });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

fn path(experiment: &Value) -> String {
    format!(
        "/experiments/{}/status",
        experiment["key"].as_str().expect("a key")
    )
}

each_store!(exactly_the_steps_of_the_lifecycle_are_possible);
async fn exactly_the_steps_of_the_lifecycle_are_possible() {
    let server = TestServer::start().await;
    for (from, next) in STEPS {
        for (to, _) in STEPS {
            let experiment = in_status(&server, &format!("{from}-{to}"), from).await;
            assert_eq!(experiment["status"], from);
            let answer = server
                .post(&path(&experiment), &step(&experiment, to, json!({})))
                .await;
            if next.contains(&to) {
                let moved = answer.expect(200);
                assert_eq!(moved["status"], to);
                assert_eq!(moved["statusChangedAt"], moved["updatedAt"]);
            } else {
                let problem = answer.problem(409, "bad_transition");
                assert_eq!(fields(&problem), ["to"]);
                let allowed = problem["errors"][0]["allowed"].as_str().expect("text");
                let allowed: BTreeSet<&str> = allowed.split(" or ").collect();
                assert_eq!(allowed, next.iter().copied().collect());
            }
        }
    }
}

each_store!(activation_lays_the_first_cohort_and_serves_at_once);
async fn activation_lays_the_first_cohort_and_serves_at_once() {
    let server = TestServer::start().await;
    let draft = server.draft("x").await;
    let ask = json!({ "experimentId": "x", "user_id": "u" });
    let inactive = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(
        (&inactive["reason"], &inactive["cohort"]),
        (&"experiment_inactive".into(), &0.into())
    );
    let live = server.to(&draft, "active").await;
    assert_eq!(live["activatedAt"], live["statusChangedAt"]);
    assert_eq!(live["cohorts"][0]["createdAt"], live["activatedAt"]);
    assert_eq!(live["cohorts"][0]["index"], 1);
    let slots: Vec<&Value> = live["cohorts"][0]["variants"]
        .as_array()
        .expect("variants")
        .iter()
        .map(|v| &v["slots"])
        .collect();
    assert_eq!(
        slots,
        [
            &json!([{ "start": 0, "end": 21_474_837 }]),
            &json!([{ "start": 21_474_837, "end": 42_949_673 }])
        ]
    );
    let active = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(
        (&active["reason"], &active["cohort"]),
        (&"allocation".into(), &1.into())
    );
    let paused = server.to(&live, "paused").await;
    assert_eq!(paused["pausedBy"], "person");
    let held = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(held["reason"], "experiment_inactive");
    let resumed = server.to(&paused, "active").await;
    assert_eq!(resumed["pausedBy"], Value::Null);
    assert_eq!(
        resumed["activatedAt"], live["activatedAt"],
        "the first activation stays"
    );
}

each_store!(nothing_is_activated_that_gives_traffic_to_nobody);
async fn nothing_is_activated_that_gives_traffic_to_nobody() {
    let server = TestServer::start().await;
    let variants = json!([{ "key": "a", "isControl": true }, { "key": "b", "orderIndex": 1 }]);
    let draft = server
        .post("/experiments", &json!({ "name": "x", "variants": variants }))
        .await
        .expect(201);
    let problem = server
        .post(&path(&draft), &step(&draft, "active", json!({})))
        .await
        .problem(400, "invalid");
    assert_eq!(fields(&problem), ["variants"]);
    assert!(
        problem["errors"][0]["allowed"]
            .as_str()
            .expect("text")
            .contains("trafficPct above 0")
    );
}

each_store!(a_winner_is_served_to_everybody_until_the_end);
async fn a_winner_is_served_to_everybody_until_the_end() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let wrong = step(&live, "completed", json!({ "winningVariant": "nobody" }));
    assert_eq!(
        server.post(&path(&live), &wrong).await.refused(400, "invalid"),
        ["winningVariant"]
    );
    let won = step(
        &live,
        "completed",
        json!({ "winningVariant": "TREATMENT", "endedReason": "success" }),
    );
    let done = server.post(&path(&live), &won).await.expect(200);
    assert_eq!(
        (&done["winningVariant"], &done["endedReason"]),
        (&"treatment".into(), &"success".into())
    );
    for n in 0..20 {
        let ask = json!({ "experimentId": "x", "user_id": format!("u{n}") });
        let answer = server.post("/experiments/assign", &ask).await.expect(200);
        assert_eq!(
            (&answer["variantId"], &answer["reason"]),
            (&"treatment".into(), &"winner".into())
        );
    }
    let ended = step(
        &done,
        "ended",
        json!({ "endedReason": "other", "comment": " the flag stays " }),
    );
    let ended = server.post(&path(&done), &ended).await.expect(200);
    assert_eq!(
        (&ended["winningVariant"], &ended["endedReason"]),
        (&"treatment".into(), &"other".into())
    );
    let ask = json!({ "experimentId": "x", "user_id": "u" });
    let answer = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(
        (&answer["variantId"], &answer["reason"]),
        (&"control".into(), &"experiment_ended".into())
    );
    let history = server.get("/experiments/x/history").await.expect(200);
    let last = &history["entries"][0];
    assert_eq!(
        (&last["action"], &last["comment"]),
        (&"experiment.status_changed".into(), &"the flag stays".into())
    );
}

each_store!(fields_of_another_step_are_refused);
async fn fields_of_another_step_are_refused() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let all = json!({ "winningVariant": "control", "endedReason": "success", "overrideFailingSrm": true });
    let answer = server.post(&path(&live), &step(&live, "paused", all)).await;
    assert_eq!(
        answer.refused(400, "invalid"),
        ["winningVariant", "endedReason", "overrideFailingSrm"]
    );
    let unknown = server
        .post(&path(&live), &step(&live, "paused", json!({ "why": "x" })))
        .await;
    assert_eq!(unknown.refused(400, "invalid"), ["why"]);
    let odd = server
        .post(&path(&live), &step(&live, "stopped", json!({})))
        .await;
    assert_eq!(odd.refused(400, "invalid"), ["to"]);
    let odd = server
        .post(
            &path(&live),
            &step(&live, "completed", json!({ "endedReason": "bored" })),
        )
        .await;
    assert_eq!(odd.refused(400, "invalid"), ["endedReason"]);
}

each_store!(the_version_is_checked_and_one_of_many_wins);
async fn the_version_is_checked_and_one_of_many_wins() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let stale = json!({ "to": "paused", "resourceVersion": 1 });
    server
        .post(&path(&live), &stale)
        .await
        .problem(409, "version_conflict");
    let missing = server.post(&path(&live), &json!({ "to": "paused" })).await;
    assert_eq!(missing.refused(400, "invalid"), ["resourceVersion"]);
    let attempts = ["paused", "completed"].into_iter().cycle().take(12).map(|to| {
        let body = step(&live, to, json!({}));
        send(server.request(Method::POST, &path(&live), EDITOR).json(&body))
    });
    let answers = futures_util::future::join_all(attempts).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 409).count(), 11);
    let by_header = server
        .request(Method::POST, "/experiments/y/status", EDITOR)
        .header("if-match", "\"1\"")
        .json(&json!({ "to": "active" }));
    server.draft("y").await;
    assert_eq!(send(by_header).await.expect(200)["status"], "active");
}

each_store!(a_text_that_cannot_be_kept_is_refused_and_nothing_is_done);
async fn a_text_that_cannot_be_kept_is_refused_and_nothing_is_done() {
    let server = TestServer::start().await;
    let draft = server.draft("x").await;
    let step = json!({ "to": "active", "resourceVersion": 1, "comment": "a\u{0}b" });
    let problem = server
        .post("/experiments/x/status", &step)
        .await
        .problem(400, "invalid");
    assert_eq!(problem["errors"][0]["field"], "comment");
    assert!(
        problem["errors"][0]["allowed"]
            .as_str()
            .expect("text")
            .contains("U+0000"),
        "{problem}"
    );
    assert_eq!(server.get("/experiments/x").await.expect(200), draft);
}

each_store!(the_word_of_labs_for_a_winner_is_taken);
async fn the_word_of_labs_for_a_winner_is_taken() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let step = json!({ "to": "winner_declared", "winningVariant": "treatment", "endedReason": "success",
                       "resourceVersion": live["resourceVersion"] });
    let done = server.post("/experiments/x/status", &step).await.expect(200);
    assert_eq!(
        (&done["status"], &done["winningVariant"]),
        (&json!("completed"), &json!("treatment"))
    );
    let ask = json!({ "experimentId": "x", "user_id": "u" });
    let served = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(
        (&served["variantId"], &served["reason"]),
        (&json!("treatment"), &json!("winner"))
    );
}

each_store!(a_pause_and_its_end_may_say_why);
async fn a_pause_and_its_end_may_say_why() {
    let server = TestServer::start().await;
    let mut live = server.active("x").await;
    for (to, by, comment) in [
        ("paused", json!("person"), "the checkout is down"),
        ("active", Value::Null, "it is up again"),
    ] {
        let step = json!({ "to": to, "resourceVersion": live["resourceVersion"], "comment": comment });
        live = server.post("/experiments/x/status", &step).await.expect(200);
        assert_eq!((&live["status"], &live["pausedBy"]), (&json!(to), &by));
        let log = server.get("/experiments/x/history").await.expect(200);
        let newest = &log["entries"][0];
        assert_eq!(
            (&newest["comment"], &newest["actor"]),
            (&json!(comment), &json!("admin"))
        );
        let mut changes = newest["changes"].as_array().expect("changes").iter();
        assert!(
            changes.any(|change| change["field"] == "status" && change["to"] == to),
            "{newest}"
        );
    }
}

each_store!(of_two_that_are_over_the_one_decided_last_is_served);
async fn of_two_that_are_over_the_one_decided_last_is_served() {
    let server = TestServer::start().await;
    let older = server.draft("planned-first").await;
    let flag = &older["linkedFlag"];
    let newer = json!({ "name": "ran-first", "linkedFlag": flag });
    let newer = server.post("/experiments", &newer).await.expect(201);
    let win = async |experiment: &Value, winner: &str| {
        let live = server.to(experiment, "active").await;
        let body = json!({ "to": "completed", "resourceVersion": live["resourceVersion"], "winningVariant": winner });
        let path = format!("/experiments/{}/status", live["key"].as_str().expect("a key"));
        server.post(&path, &body).await.expect(200);
    };
    win(&newer, "treatment").await;
    win(&older, "control").await;
    let path = format!("/ofrep/v1/evaluate/flags/{}", flag.as_str().expect("a key"));
    let context = json!({ "context": { "targetingKey": "u-1" } });
    let served = server.post(&path, &context).await.expect(200);
    assert_eq!(served["variant"], "control", "{served}");
}

each_store!(one_running_experiment_decides_a_flag);
async fn one_running_experiment_decides_a_flag() {
    let server = TestServer::start().await;
    let first = server.active("first").await;
    let body = json!({ "name": "second", "linkedFlag": first["linkedFlag"] });
    let second = server.post("/experiments", &body).await.expect(201);
    let start = json!({ "to": "active", "resourceVersion": second["resourceVersion"] });
    let refused = server.post("/experiments/second/status", &start).await;
    let problem = refused.problem(409, "bad_transition");
    assert!(
        problem["detail"]
            .as_str()
            .expect("text")
            .contains("decided by first"),
        "{problem}"
    );
    server.to(&first, "paused").await;
    server
        .post("/experiments/second/status", &start)
        .await
        .expect(200);
    // Nor does one that runs already come to it, by its link or without one.
    let third = server.active("third").await;
    let link = json!({ "resourceVersion": third["resourceVersion"], "linkedFlag": first["linkedFlag"] });
    let refused = server.patch("/experiments/third", &link).await;
    assert_eq!(fields(&refused.problem(409, "bad_transition")), ["linkedFlag"]);
    server.to(&third, "paused").await;
    let owner = json!({ "name": "owner", "linkedFlag": "bare" });
    let owner = server.post("/experiments", &owner).await.expect(201);
    server.to(&owner, "active").await;
    let bare = server
        .post("/experiments", &json!({ "name": "bare", "linkedFlag": "other" }))
        .await
        .expect(201);
    let unlink = json!({ "resourceVersion": bare["resourceVersion"], "linkedFlag": null });
    let bare = server.patch("/experiments/bare", &unlink).await.expect(200);
    let start_bare = json!({ "to": "active", "resourceVersion": bare["resourceVersion"] });
    server
        .post("/experiments/bare/status", &start_bare)
        .await
        .problem(409, "bad_transition");
    // Nor does the other one come back meanwhile.
    let resume = json!({ "to": "active", "resourceVersion": 3, "comment": "again" });
    server
        .post("/experiments/first/status", &resume)
        .await
        .problem(409, "bad_transition");
}
