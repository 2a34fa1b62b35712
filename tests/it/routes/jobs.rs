//! `POST /jobs/srm-guard`, and resuming what it paused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{EDITOR, TestServer, VIEWER, fields, send};
use crate::support::store::each_store;
use crate::support::warehouse::{drained, exposure, server_with_clickhouse};

/// Events of `counts` people in control and treatment.
async fn expose(server: &TestServer, experiment: &Value, counts: [usize; 2]) {
    let at = jiff::Timestamp::now().to_string();
    let key = experiment["key"].as_str().expect("a key");
    for (variant, count) in ["control", "treatment"].into_iter().zip(counts) {
        let events: Vec<Value> = (0..count)
            .map(|n| exposure(experiment, &format!("{key}-{variant}-{n}"), variant, &at))
            .collect();
        server.post("/track", &json!(events)).await.expect(200);
    }
}

fn outcomes(run: &Value) -> Vec<(String, String)> {
    let text = |e: &Value, name: &str| e[name].as_str().expect("text").to_owned();
    let experiments = run["experiments"].as_array().expect("a list");
    experiments
        .iter()
        .map(|e| (text(e, "key"), text(e, "outcome")))
        .collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

each_store!(only_an_administrator_runs_it);
async fn only_an_administrator_runs_it() {
    let server = TestServer::start().await;
    for token in [VIEWER, EDITOR] {
        let problem = send(server.request(Method::POST, "/jobs/srm-guard", token))
            .await
            .problem(403, "forbidden");
        assert!(problem["detail"].as_str().expect("text").contains("needs admin"));
    }
    send(server.anonymous(Method::POST, "/jobs/srm-guard"))
        .await
        .problem(401, "unauthorized");
    server
        .get("/jobs/srm-guard")
        .await
        .problem(405, "method_not_allowed");
}

each_store!(without_clickhouse_it_pauses_nothing_and_says_so);
async fn without_clickhouse_it_pauses_nothing_and_says_so() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    server
        .post("/jobs/srm-guard", &Value::Null)
        .await
        .problem(503, "warehouse_unavailable");
    assert_eq!(server.get("/experiments/x").await.expect(200), live);
}

each_store!(what_fails_is_paused_with_evidence_and_the_rest_is_left_alone);
async fn what_fails_is_paused_with_evidence_and_the_rest_is_left_alone() {
    let server = server_with_clickhouse().await;
    let broken = server.active("broken").await;
    let healthy = server.active("healthy").await;
    let held = server.active("held").await;
    server.active("empty").await;
    expose(&server, &broken, [600, 400]).await;
    expose(&server, &healthy, [510, 490]).await;
    expose(&server, &held, [600, 400]).await;
    let held = server.to(&held, "paused").await;
    drained(&server).await;

    let run = server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    assert_eq!(
        outcomes(&run),
        named(&[("broken", "paused"), ("empty", "untested"), ("healthy", "passed")]),
        "{run:#}"
    );
    // (100² / 500) * 2; the p-value from the distribution's table.
    let test = &run["experiments"][0]["test"];
    assert_eq!(test["chiSquare"], 40.0);
    assert!(test["p"].as_f64().expect("a number") < 3e-10, "{test}");
    assert!(run["experiments"][1]["why"].is_string());
    assert_eq!(server.get("/experiments/held").await.expect(200), held);

    let paused = server.get("/experiments/broken").await.expect(200);
    assert_eq!(
        (&paused["status"], &paused["pausedBy"]),
        (&"paused".into(), &"srm_guard".into())
    );
    assert_eq!(paused["resourceVersion"], 3, "one change");
    let ask = json!({ "experimentId": "broken", "user_id": "u" });
    let served = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(served["reason"], "experiment_inactive");

    let history = server
        .get("/experiments/broken/history?actor=srm-guard")
        .await
        .expect(200);
    let entries = history["entries"].as_array().expect("entries");
    let actions: Vec<&Value> = entries.iter().map(|e| &e["action"]).collect();
    assert_eq!(
        actions,
        ["experiment.status_changed", "experiment.auto_paused_srm"]
    );
    for entry in entries {
        let evidence = &entry["evidence"];
        assert_eq!(evidence["observed"], json!({ "control": 600, "treatment": 400 }));
        assert_eq!(
            evidence["expected"],
            json!({ "control": 500.0, "treatment": 500.0 })
        );
        assert_eq!(
            (&evidence["chiSquare"], &evidence["p"]),
            (&test["chiSquare"], &test["p"])
        );
        assert!(
            entry["comment"]
                .as_str()
                .expect("a comment")
                .starts_with("sample ratio mismatch, p=")
        );
    }

    // Again: what is paused is left alone.
    let again = server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    assert_eq!(
        outcomes(&again),
        named(&[("empty", "untested"), ("healthy", "passed")])
    );
    assert_eq!(server.get("/experiments/broken").await.expect(200), paused);
}

each_store!(resuming_what_still_fails_takes_a_reason_and_a_word);
async fn resuming_what_still_fails_takes_a_reason_and_a_word() {
    let server = server_with_clickhouse().await;
    let live = server.active("x").await;
    expose(&server, &live, [600, 400]).await;
    drained(&server).await;
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    let path = "/experiments/x/status";
    let resume = json!({ "to": "active", "resourceVersion": 3 });
    let with = |more: Value| {
        let mut body = resume.clone();
        for (name, value) in more.as_object().expect("fields") {
            body[name] = value.clone();
        }
        body
    };
    for body in [
        with(json!({})),
        with(json!({ "comment": " \n" })),
        with(json!({ "overrideFailingSrm": true })),
    ] {
        assert_eq!(
            server.post(path, &body).await.refused(400, "invalid"),
            ["comment"]
        );
    }
    let stale = json!({ "to": "active", "resourceVersion": 2, "comment": "fixed" });
    server.post(path, &stale).await.problem(409, "version_conflict");
    let fixed = with(json!({ "comment": "the tracker was fixed" }));
    let problem = server.post(path, &fixed).await.problem(409, "bad_transition");
    assert_eq!(fields(&problem), ["overrideFailingSrm"]);
    assert!(
        problem["detail"].as_str().expect("text").contains("still fails"),
        "{problem}"
    );
    let knowing = with(json!({ "comment": "known, a bot", "overrideFailingSrm": true }));
    let resumed = server.post(path, &knowing).await.expect(200);
    assert_eq!(
        (&resumed["status"], &resumed["pausedBy"]),
        (&"active".into(), &Value::Null)
    );
    let history = server.get("/experiments/x/history").await.expect(200);
    let last = &history["entries"][0];
    assert_eq!(
        (&last["actor"], &last["comment"]),
        (&"admin".into(), &"known, a bot".into())
    );
    assert_eq!(last["evidence"]["chiSquare"], 40.0, "what was known is on record");
    // Completing what the guard paused takes neither.
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    let done = json!({ "to": "completed", "resourceVersion": 5 });
    server.post(path, &done).await.expect(200);
}

each_store!(resuming_what_passes_again_or_cannot_be_tested_takes_a_reason_only);
async fn resuming_what_passes_again_or_cannot_be_tested_takes_a_reason_only() {
    let server = server_with_clickhouse().await;
    let live = server.active("x").await;
    expose(&server, &live, [600, 400]).await;
    drained(&server).await;
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    // The people that the tracker had kept back arrive.
    let at = jiff::Timestamp::now().to_string();
    let late: Vec<Value> = (0..200)
        .map(|n| exposure(&live, &format!("late-{n}"), "treatment", &at))
        .collect();
    server.post("/track", &json!(late)).await.expect(200);
    drained(&server).await;
    let resume = json!({ "to": "active", "resourceVersion": 3, "comment": "the tracker was fixed" });
    server.post("/experiments/x/status", &resume).await.expect(200);

    let gone = server.active("y").await;
    expose(&server, &gone, [600, 400]).await;
    drained(&server).await;
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    let why = "stopped by the test".to_owned();
    server
        .warehouse
        .send_replace(splitdeck::server::link::Whereabouts::Nowhere(why));
    crate::support::warehouse::until("ClickHouse is gone", async || {
        server.get("/readyz").await.expect(200)["warehouse"] == false
    })
    .await;
    server.post("/experiments/y/status", &resume).await.expect(200);
    let history = server.get("/experiments/y/history").await.expect(200);
    let evidence = &history["entries"][0]["evidence"];
    assert!(
        evidence["srmUntested"]
            .as_str()
            .expect("a reason")
            .contains("stopped by the test"),
        "{evidence}"
    );
}
