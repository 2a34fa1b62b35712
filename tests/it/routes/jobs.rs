//! `GET /jobs`, `POST /jobs/srm-guard`, and resuming what it paused.

use reqwest::Method;
use serde_json::{Value, json};
use splitdeck::api::banners::format_p;

use crate::support::server::{EDITOR, TestServer, VIEWER, fields, send};
use crate::support::store::{count_sql, each_store, run_sql};
use crate::support::warehouse::{drained, expose, exposure, server_with_clickhouse};

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
        let p = evidence["p"].as_f64().expect("a number");
        let comment = format!("sample ratio mismatch, p={}", format_p(p));
        assert_eq!(entry["comment"], comment);
    }

    // Again: what is paused is left alone.
    let again = server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    assert_eq!(
        outcomes(&again),
        named(&[("empty", "untested"), ("healthy", "passed")])
    );
    assert_eq!(server.get("/experiments/broken").await.expect(200), paused);
    // Whoever decides about it sees its results all the same.
    let results = server.get("/experiments/broken/results").await.expect(200);
    assert_eq!(results["srm"]["test"]["chiSquare"], test["chiSquare"]);
    let arms = results["arms"].as_array().expect("arms").iter();
    assert_eq!(
        arms.map(|arm| arm["subjects"].clone()).collect::<Vec<Value>>(),
        [600, 400]
    );
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
        with(json!({ "comment": " \n\u{200b}" })),
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
    let other = server.active("y").await;
    expose(&server, &other, [600, 400]).await;
    drained(&server).await;
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    let done = json!({ "to": "completed", "resourceVersion": 3 });
    server.post("/experiments/y/status", &done).await.expect(200);
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

each_store!(who_was_resumed_knowingly_is_tested_by_new_subjects_only);
async fn who_was_resumed_knowingly_is_tested_by_new_subjects_only() {
    let server = server_with_clickhouse().await;
    let live = server.active("x").await;
    expose(&server, &live, [600, 400]).await;
    drained(&server).await;
    let guard = async || server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    guard().await;
    let watch = server.get("/experiments/x/results").await.expect(200)["srm"]["watch"].clone();
    assert_eq!(watch["looks"], 1);
    assert!(
        watch["highestEValue"].as_f64().expect("a number") > 1e6,
        "{watch}"
    );
    let resume = |version: u64| {
        json!({ "to": "active", "resourceVersion": version, "comment": "a bot, blocked now",
                "overrideFailingSrm": true })
    };
    let resumed = server.post("/experiments/x/status", &resume(3)).await.expect(200);
    assert_eq!(resumed["srmCheckedFrom"], resumed["statusChangedAt"]);
    let history = server.get("/experiments/x/history").await.expect(200);
    let changes = history["entries"][0]["changes"]
        .as_array()
        .expect("changes")
        .clone();
    let from = json!({ "field": "srmCheckedFrom", "from": null, "to": resumed["srmCheckedFrom"] });
    assert!(changes.contains(&from), "{changes:?}");

    // The old subjects again and some that are drawn as they should be: nothing to pause for.
    expose(&server, &live, [600, 400]).await;
    let at = jiff::Timestamp::now().to_string();
    let people = |prefix: &str, variant: &str, count: usize| -> Vec<Value> {
        let event = |n| exposure(&live, &format!("{prefix}-{variant}-{n}"), variant, &at);
        (0..count).map(event).collect()
    };
    for variant in ["control", "treatment"] {
        server
            .post("/track", &json!(people("new", variant, 50)))
            .await
            .expect(200);
    }
    drained(&server).await;
    let run = guard().await;
    let checked = &run["experiments"][0];
    assert_eq!(outcomes(&run), named(&[("x", "passed")]), "{run:#}");
    assert_eq!(
        (&checked["test"]["chiSquare"], &checked["checkedFrom"]),
        (&0.0.into(), &from["to"])
    );
    // What people see is about all subjects still, beside what the guard looks at.
    let srm = server.get("/experiments/x/results").await.expect(200)["srm"].clone();
    assert_eq!(
        (&srm["alarm"], &srm["observed"]),
        (&true.into(), &json!([650, 450]))
    );
    assert_eq!(
        (&srm["watch"]["looks"], &srm["watch"]["checkedFrom"]),
        (&1.into(), &from["to"])
    );
    assert!(
        srm["watch"]["highestEValue"].as_f64().expect("a number") < 2.0,
        "{srm}"
    );

    // When those are off as well it is paused again, and what is answered for moves on.
    server
        .post("/track", &json!(people("more", "control", 400)))
        .await
        .expect(200);
    drained(&server).await;
    assert_eq!(outcomes(&guard().await), named(&[("x", "paused")]));
    let history = server.get("/experiments/x/history").await.expect(200);
    let evidence = &history["entries"][0]["evidence"];
    assert_eq!(evidence["observed"], json!({ "control": 450, "treatment": 50 }));
    assert_eq!(evidence["checkedFrom"], from["to"]);
    let again = server.post("/experiments/x/status", &resume(5)).await.expect(200);
    assert_ne!(again["srmCheckedFrom"], from["to"]);
    assert_eq!(outcomes(&guard().await), named(&[("x", "untested")]));
}

each_store!(runs_are_told_to_who_may_read);
async fn runs_are_told_to_who_may_read() {
    let server = server_with_clickhouse().await;
    let nothing = server.get("/jobs").await.expect(200);
    assert_eq!(nothing["runs"], json!([]));
    assert_eq!(
        nothing["schedules"],
        json!([{ "job": "srm-guard", "schedule": null }, { "job": "srm-watch", "schedule": null }])
    );
    server.active("x").await;
    let run = server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    let told = send(server.request(Method::GET, "/jobs", VIEWER))
        .await
        .expect(200);
    let [job] = &told["runs"].as_array().expect("runs")[..] else {
        panic!("one run: {told:#}")
    };
    assert_eq!(job["experiments"], run["experiments"]);
    assert_eq!(
        (&job["job"], &job["cause"], &job["state"], &job["attempts"]),
        (&"srm-guard".into(), &"manual".into(), &"done".into(), &1.into())
    );
    assert!(job["finishedAt"].is_string() && job["error"].is_null(), "{job}");
    let process = format!("-{}-", std::process::id());
    assert!(
        job["instance"].as_str().expect("text").contains(&process),
        "{job}"
    );
    // Only the last ones are kept and told.
    for _ in 0..25 {
        server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    }
    let told = server.get("/jobs").await.expect(200);
    assert_eq!(told["runs"].as_array().map(Vec::len), Some(20));
    let due: Vec<jiff::Timestamp> = told["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| run["dueAt"].as_str().expect("a time").parse().expect("a time"))
        .collect();
    assert!(due.is_sorted_by(|a, b| a > b), "{due:?}");
}

each_store!(what_was_seen_is_forgotten_once_it_is_declared_known_whoever_paused);
async fn what_was_seen_is_forgotten_once_it_is_declared_known_whoever_paused() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let id = live["id"].as_str().expect("an id");
    let seen = format!(
        "INSERT INTO srm_state (experiment_id, cohort, log_highest, log_last, looks, first_look_at, last_look_at) \
         VALUES ('{id}', 1, 9.2, 9.2, 5, 1, 2)"
    );
    run_sql(server.dir.path(), seen).await;
    let kept = async || count_sql(server.dir.path(), "SELECT COUNT(*) FROM srm_state".to_owned()).await;
    let paused = server.to(&live, "paused").await;
    // Nothing is said of the split: what was seen stays.
    let live = server.to(&paused, "active").await;
    assert_eq!(kept().await, 1);
    let paused = server.to(&live, "paused").await;
    let resume = json!({
        "to": "active", "resourceVersion": paused["resourceVersion"], "comment": "known", "overrideFailingSrm": true,
    });
    server.post("/experiments/x/status", &resume).await.expect(200);
    assert_eq!(kept().await, 0);
}

each_store!(what_was_seen_is_put_away_with_a_reason_and_on_record_whoever_paused);
async fn what_was_seen_is_put_away_with_a_reason_and_on_record_whoever_paused() {
    let server = server_with_clickhouse().await;
    let live = server.active("x").await;
    expose(&server, &live, [600, 400]).await;
    drained(&server).await;
    let paused = server.to(&live, "paused").await;
    let mut resume = json!({
        "to": "active", "resourceVersion": paused["resourceVersion"], "overrideFailingSrm": true,
    });
    let path = "/experiments/x/status";
    let refused = server.post(path, &resume).await;
    assert_eq!(refused.refused(400, "invalid"), ["comment"]);
    resume["comment"] = "a bot, blocked now".into();
    server.post(path, &resume).await.expect(200);
    let history = server.get("/experiments/x/history").await.expect(200);
    let last = &history["entries"][0];
    assert_eq!(last["comment"], "a bot, blocked now");
    assert_eq!(last["evidence"]["chiSquare"], 40.0, "{last}");
}
