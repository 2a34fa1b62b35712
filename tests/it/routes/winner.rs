//! `POST /experiments/{idOrKey}/apply-winner`, and the saved summary.

use serde_json::{Value, json};

use crate::support::engine;
use crate::support::line::{FAST, Line};
use crate::support::server::TestServer;
use crate::support::store::{each_store, run_sql};
use crate::support::warehouse::{connect_at, measured, observe, server_with_clickhouse};

async fn actions(server: &TestServer, path: &str) -> Vec<String> {
    let history = server.get(&format!("{path}/history")).await.expect(200);
    let entries = history["entries"].as_array().expect("entries");
    entries
        .iter()
        .map(|e| e["action"].as_str().expect("an action").to_owned())
        .collect()
}

each_store!(a_winner_is_applied_when_the_data_say_so);
async fn a_winner_is_applied_when_the_data_say_so() {
    let server = server_with_clickhouse().await;
    let live = measured(&server, "x").await;
    let app = json!({ "name": "app", "kind": "server" });
    let app = server.post("/deployments", &app).await.expect(201);
    let both = json!([live["deployments"][0], app["id"]]);
    let seen = json!({ "resourceVersion": live["resourceVersion"], "deployments": both });
    let live = server.patch("/experiments/x", &seen).await.expect(200);
    // It would take the winner away from everybody, once the experiment is over.
    let catches_all = json!({ "resourceVersion": 1, "rules": [{ "variant": "control" }] });
    server.put("/flags/x/rules", &catches_all).await.expect(200);
    let forced = json!({ "variant": "control", "subjectType": "user", "subjectIds": ["forced"] });
    server.put("/flags/x/overrides", &forced).await.expect(200);
    let path = "/experiments/x/apply-winner";
    let body = |winner: &str| json!({ "resourceVersion": live["resourceVersion"], "winner": winner });
    let why = async |winner: &str| {
        let problem = server
            .post(path, &body(winner))
            .await
            .problem(409, "winner_not_ready");
        problem["detail"].as_str().expect("text").to_owned()
    };
    assert!(why("treatment").await.contains("power floor"));
    observe(&server, &live, 0, [(200, 40), (200, 44)]).await;
    let detail = why("treatment").await;
    assert!(detail.contains("P(best)") && detail.contains("0.95"), "{detail}");
    observe(&server, &live, 1_000, [(300, 20), (300, 120)]).await;
    let detail = why("control").await;
    assert!(detail.contains("say treatment"), "{detail}");
    assert_eq!(
        server.get("/experiments/x").await.expect(200),
        live,
        "nothing was changed"
    );
    assert_eq!(
        server.post(path, &body("nobody")).await.refused(400, "invalid"),
        ["winner"]
    );

    let applied = server.post(path, &body("Treatment")).await.expect(200);
    let (experiment, flag) = (&applied["experiment"], &applied["flag"]);
    assert_eq!(
        (
            &experiment["status"],
            &experiment["winningVariant"],
            &experiment["endedReason"]
        ),
        (&json!("completed"), &json!("treatment"), &json!("success"))
    );
    assert_eq!(
        (&flag["enabled"], &flag["rolloutPct"]),
        (&json!(true), &json!(100.0))
    );
    let shares: Vec<&Value> = flag["variants"]
        .as_array()
        .expect("variants")
        .iter()
        .map(|v| &v["trafficPct"])
        .collect();
    assert_eq!(shares, [&json!(0.0), &json!(100.0)]);
    assert!(applied["pBest"].as_f64().expect("a number") >= 0.95);
    for user in ["a", "b", "c", "forced"] {
        let explained = server.post("/flags/x/explain", &json!({ "user_id": user })).await;
        assert_eq!(explained.expect(200)["assignment"]["variantId"], "treatment");
    }
    let told = actions(&server, "/experiments/x").await;
    assert_eq!(
        told[..2],
        ["experiment.status_changed", "experiment.apply_winner"]
    );
    let history = server
        .get("/experiments/x/history?action=experiment.apply_winner")
        .await
        .expect(200);
    let evidence = &history["entries"][0]["evidence"];
    assert_eq!(
        (&evidence["winner"], &evidence["flagId"]),
        (&json!("treatment"), &flag["id"])
    );
    // The same request again is told that it was done.
    let again = server
        .post(path, &body("treatment"))
        .await
        .problem(409, "version_conflict");
    assert_eq!(again["current"]["winningVariant"], "treatment");
    let late = json!({ "resourceVersion": experiment["resourceVersion"], "winner": "treatment" });
    server.post(path, &late).await.problem(409, "bad_transition");
    // Ended tomorrow or next year, everybody goes on getting the winner, whatever they are known by.
    server.to(experiment, "ended").await;
    for who in [
        json!({ "user_id": "a" }),
        json!({ "session_id": "s" }),
        json!({ "groups": { "org": ["o"] } }),
    ] {
        let explained = server.post("/flags/x/explain", &who).await;
        assert_eq!(
            explained.expect(200)["assignment"]["variantId"],
            "treatment",
            "{who}"
        );
    }
    // But for whom the flag's own overrides force: they hold again.
    let explained = server
        .post("/flags/x/explain", &json!({ "user_id": "forced" }))
        .await;
    let made = &explained.expect(200)["assignment"];
    assert_eq!(
        (&made["variantId"], &made["reason"]),
        (&json!("control"), &json!("override"))
    );
    // And whoever saw the experiment sees the flag.
    let flag = server.get("/flags/x").await.expect(200);
    assert_eq!(flag["deployments"], both);
    let history = server.get("/flags/x/history").await.expect(200);
    assert!(history.to_string().contains("flag.rules_changed"), "{history}");
}

each_store!(without_a_flag_or_clickhouse_nothing_is_applied);
async fn without_a_flag_or_clickhouse_nothing_is_applied() {
    let server = TestServer::start().await;
    let live = measured(&server, "x").await;
    let path = "/experiments/x/apply-winner";
    let body = json!({ "resourceVersion": live["resourceVersion"], "winner": "control" });
    server
        .post(path, &body)
        .await
        .problem(503, "warehouse_unavailable");
    let unlink = json!({ "resourceVersion": live["resourceVersion"], "linkedFlag": null });
    let free = server.patch("/experiments/x", &unlink).await.expect(200);
    let body = json!({ "resourceVersion": free["resourceVersion"], "winner": "control" });
    let problem = server.post(path, &body).await.problem(409, "winner_not_ready");
    assert!(
        problem["detail"].as_str().expect("text").contains("no flag"),
        "{problem}"
    );
    let draft = server.draft("draft").await;
    let body = json!({ "resourceVersion": draft["resourceVersion"], "winner": "control" });
    let refused = server.post("/experiments/draft/apply-winner", &body).await;
    refused.problem(409, "bad_transition");
}

each_store!(a_summary_is_saved_and_knows_what_changed_since);
async fn a_summary_is_saved_and_knows_what_changed_since() {
    let server = server_with_clickhouse().await;
    let live = measured(&server, "x").await;
    let path = "/experiments/x/insight";
    server.get(path).await.problem(404, "not_found");
    observe(&server, &live, 0, [(3, 1), (3, 2)]).await;
    let written = server.post(path, &Value::Null).await.expect(200);
    assert_eq!(
        (
            &written["author"],
            &written["actor"],
            &written["subjects"],
            &written["conversions"]
        ),
        (&json!("rules"), &json!("admin"), &json!(6), &json!(3))
    );
    assert!(!written["paragraphs"].as_array().expect("paragraphs").is_empty());
    assert_eq!(server.get(path).await.expect(200), written);
    let change = json!({ "resourceVersion": live["resourceVersion"], "hypothesis": "It helps" });
    server.patch("/experiments/x", &change).await.expect(200);
    let set = json!({ "variant": "control", "subjectType": "user", "subjectIds": ["u"] });
    server.put("/experiments/x/overrides", &set).await.expect(200);
    let read = server.get(path).await.expect(200);
    assert_eq!(read["changedSince"], json!(["hypothesis", "overrides"]));
    assert_eq!(
        read["paragraphs"], written["paragraphs"],
        "it does not refresh by itself"
    );
    // However much happened since.
    let change = json!({ "resourceVersion": 3, "description": "Many times over" });
    server.patch("/experiments/x", &change).await.expect(200);
    let many = "INSERT INTO audit (project_id, at, actor, action, object_id, object_key, resource_version, changes) \
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) \
                SELECT project_id, at, actor, action, object_id, object_key, resource_version + i, changes \
                FROM audit, n WHERE resource_version = 4 AND action = 'experiment.settings_changed'";
    run_sql(server.dir.path(), many).await;
    let read = server.get(path).await.expect(200);
    assert_eq!(
        read["changedSince"],
        json!(["description", "hypothesis", "overrides"])
    );
    let again = server.post(path, &Value::Null).await.expect(200);
    assert_eq!(again["resourceVersion"], 4);
    assert!(
        actions(&server, "/experiments/x")
            .await
            .contains(&"experiment.insight_saved".to_owned())
    );
}

#[tokio::test]
async fn a_clickhouse_that_is_silent_is_told_of_before_it_is_asked_for_results() {
    let server = TestServer::start().await;
    let line = Line::to(&engine::shared().http_url, FAST).await;
    connect_at(&server, &engine::fresh_database(), &line.base).await;
    let live = measured(&server, "x").await;
    line.hold("");
    let body = json!({ "resourceVersion": live["resourceVersion"], "winner": "treatment" });
    let answer = server.post("/experiments/x/apply-winner", &body).await;
    let problem = answer.problem(503, "warehouse_unavailable");
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("asking whether it answers"), "{detail}");
    line.release();
    assert_eq!(server.get("/experiments/x").await.expect(200), live);
}
