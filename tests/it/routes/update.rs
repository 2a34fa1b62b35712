//! `PATCH /experiments/{idOrKey}`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{ADMIN, EDITOR, TestServer, fields, send};
use crate::support::store::each_store;

fn version(experiment: &Value) -> u64 {
    experiment["resourceVersion"].as_u64().expect("a version")
}

fn split(cohort: &Value) -> Vec<(String, f64)> {
    let variants = cohort["variants"].as_array().expect("variants");
    let pair = |v: &Value| {
        (
            v["variant"].as_str().expect("a key").to_owned(),
            v["split"].as_f64().expect("a share"),
        )
    };
    variants.iter().map(pair).collect()
}

fn arms(shares: &[(&str, f64)]) -> Value {
    let arm = |(at, (key, pct)): (usize, &(&str, f64))| json!({ "key": key, "isControl": at == 0, "trafficPct": pct, "orderIndex": at });
    shares.iter().enumerate().map(arm).collect()
}

each_store!(what_is_there_changes_and_what_is_missing_stays);
async fn what_is_there_changes_and_what_is_missing_stays() {
    let server = TestServer::start().await;
    let body = json!({ "name": "x", "hypothesis": "stays", "linkedFlag": "flag",
                       "primaryMetric": { "event": "buy" }, "secondaryEvent": { "event": "open", "enabled": true } });
    let made = server.post("/experiments", &body).await.expect(201);
    let change = json!({ "resourceVersion": 1, "name": "y", "holdoutPct": 5, "primaryMetric": null,
                         "linkedFlag": null, "trackedEvents": [{ "event": "scroll" }], "sticky": true,
                         "links": { "doc": "https://a.example/" }, "parentId": "lab", "prior": { "a": 2.0, "b": 3.0 },
                         "defaultVariantId": "TREATMENT", "subjectType": "customer_id", "description": "d" });
    server.post("/labs", &json!({ "key": "lab" })).await.expect(201);
    let answer = server.patch("/experiments/x", &change).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let changed = answer.expect(200);
    assert_eq!(version(&changed), 2);
    assert_eq!(changed["primaryMetric"], Value::Null);
    assert_eq!(changed["linkedFlag"], Value::Null);
    assert_eq!(changed["secondaryEvent"], made["secondaryEvent"]);
    assert_eq!(changed["hypothesis"], "stays");
    assert_eq!(changed["defaultVariantId"], "treatment");
    for field in [
        "name",
        "trackedEvents",
        "sticky",
        "links",
        "parentId",
        "prior",
        "subjectType",
        "description",
    ] {
        if field == "trackedEvents" {
            assert_eq!(changed[field][0]["event"], "scroll");
        } else {
            assert_eq!(changed[field], change[field], "{field}");
        }
    }
    for field in ["id", "key", "salt", "createdAt", "status", "assignmentMode"] {
        assert_eq!(changed[field], made[field], "{field}");
    }
    let at = |e: &Value| {
        e["updatedAt"]
            .as_str()
            .expect("a time")
            .parse::<jiff::Timestamp>()
            .expect("a time")
    };
    assert!(at(&changed) >= at(&made));
    assert_eq!(server.get("/experiments/x").await.expect(200), changed);
}

each_store!(a_change_of_nothing_makes_no_version);
async fn a_change_of_nothing_makes_no_version() {
    let server = TestServer::start().await;
    let made = server.draft("x").await;
    for change in [
        json!({ "resourceVersion": 1 }),
        json!({ "resourceVersion": 1, "name": "x", "holdoutPct": 0.0, "assignmentMode": "profile" }),
        json!({ "resourceVersion": 1, "variants": made["variants"] }),
        json!({ "resourceVersion": 1, "defaultVariantId": "Control" }),
    ] {
        assert_eq!(
            server.patch("/experiments/x", &change).await.expect(200),
            made,
            "{change}"
        );
    }
    let history = server.get("/experiments/x/history").await.expect(200);
    assert_eq!(history["entries"].as_array().map(Vec::len), Some(1));
}

each_store!(the_version_is_asked_for_and_checked);
async fn the_version_is_asked_for_and_checked() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let answer = server.patch("/experiments/x", &json!({ "name": "y" })).await;
    assert_eq!(answer.refused(400, "invalid"), ["resourceVersion"]);
    server
        .patch("/experiments/x", &json!({ "name": "y", "resourceVersion": 1 }))
        .await
        .expect(200);
    for stale in [0, 1, 3, 9] {
        let change = json!({ "name": "z", "resourceVersion": stale });
        let problem = server
            .patch("/experiments/x", &change)
            .await
            .problem(409, "version_conflict");
        assert_eq!(problem["changedBy"], "admin");
        assert_eq!(problem["changedAt"], problem["current"]["updatedAt"]);
        assert_eq!(problem["current"], server.get("/experiments/x").await.expect(200));
    }
    assert_eq!(server.get("/experiments/x").await.expect(200)["name"], "y");
}

each_store!(if_match_stands_for_the_version);
async fn if_match_stands_for_the_version() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let patch = |etag: &str, body: Value| {
        let request = server.request(Method::PATCH, "/experiments/x", ADMIN);
        request.header("if-match", etag).json(&body)
    };
    send(patch("\"1\"", json!({ "name": "a" }))).await.expect(200);
    send(patch("W/\"2\"", json!({ "name": "b" }))).await.expect(200);
    send(patch("3", json!({ "name": "c", "resourceVersion": 3 })))
        .await
        .expect(200);
    send(patch("\"1\"", json!({ "name": "d" })))
        .await
        .problem(409, "version_conflict");
    let disagree = send(patch("\"4\"", json!({ "name": "d", "resourceVersion": 3 }))).await;
    assert_eq!(disagree.refused(400, "invalid"), ["resourceVersion"]);
    let odd = send(patch("\"latest\"", json!({ "name": "d" }))).await;
    assert_eq!(odd.refused(400, "invalid"), ["If-Match"]);
    let mistyped = send(patch("\"4\"", json!({ "name": 7, "sticky": 1 }))).await;
    assert_eq!(mistyped.refused(400, "invalid"), ["name", "sticky"]);
    let odd_version = send(patch("\"4\"", json!({ "resourceVersion": "4" }))).await;
    assert_eq!(odd_version.refused(400, "invalid"), ["resourceVersion"]);
}

each_store!(of_many_changes_at_once_exactly_one_wins);
async fn of_many_changes_at_once_exactly_one_wins() {
    let server = TestServer::start().await;
    server.draft("x").await;
    for round in 1..=5_u64 {
        let attempts = (0..16).map(|n| {
            let body = json!({ "resourceVersion": round, "description": format!("{round}-{n}") });
            let request = server
                .request(Method::PATCH, "/experiments/x", EDITOR)
                .json(&body);
            async move { (send(request).await, body) }
        });
        let answers = futures_util::future::join_all(attempts).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(a, _)| a.status == 200);
        assert_eq!(won.len(), 1);
        let winner = &won[0].1["description"];
        let live = server.get("/experiments/x").await.expect(200);
        assert_eq!((version(&live), &live["description"]), (round + 1, winner));
        for (answer, _) in lost {
            let problem = answer.problem(409, "version_conflict");
            assert_eq!(problem["current"]["description"], *winner);
            assert_eq!(problem["changedBy"], "editor");
        }
    }
    let history = server.get("/experiments/x/history").await.expect(200);
    assert_eq!(history["entries"].as_array().map(Vec::len), Some(6));
    // Who copies it changes nothing of it.
    let me = server.get("/me").await.expect(200);
    let copy = json!({ "project": me["project"]["key"], "key": "y" });
    server.post("/experiments/x/copy", &copy).await.expect(201);
    let late = json!({ "resourceVersion": 1, "description": "late" });
    let problem = server.patch("/experiments/x", &late).await;
    let problem = problem.problem(409, "version_conflict");
    assert_eq!(problem["changedBy"], "editor");
}

each_store!(what_is_fixed_is_refused_by_name);
async fn what_is_fixed_is_refused_by_name() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let mode = server
        .patch(
            "/experiments/x",
            &json!({ "resourceVersion": 1, "assignmentMode": "event" }),
        )
        .await;
    let problem = mode.problem(400, "invalid");
    assert_eq!(fields(&problem), ["assignmentMode"]);
    assert_eq!(problem["errors"][0]["given"], "event");
    assert!(
        problem["errors"][0]["allowed"]
            .as_str()
            .expect("text")
            .starts_with("profile")
    );
    // What cannot be empty is not cleared; in silence it would stay as it was.
    for field in ["name", "variants", "holdoutPct", "sticky", "rules", "prior"] {
        let body = json!({ "resourceVersion": 1, field: null });
        let answer = server.patch("/experiments/x", &body).await;
        assert_eq!(answer.refused(400, "invalid"), [field]);
    }
    for field in [
        "key",
        "salt",
        "id",
        "status",
        "cohorts",
        "createdAt",
        "winningVariant",
    ] {
        let body = json!({ "resourceVersion": 1, field: "anything" });
        let answer = server.patch("/experiments/x", &body).await;
        assert_eq!(answer.refused(400, "invalid"), [field]);
    }
    // Several at once, with what is wrong for other reasons.
    let body =
        json!({ "resourceVersion": 1, "assignmentMode": "event", "name": "", "defaultVariantId": "no" });
    let mut found = server
        .patch("/experiments/x", &body)
        .await
        .refused(400, "invalid");
    found.sort();
    assert_eq!(found, ["assignmentMode", "defaultVariantId", "name"]);
}

each_store!(a_started_experiment_keeps_its_subject_and_its_control);
async fn a_started_experiment_keeps_its_subject_and_its_control() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let v = version(&live);
    let body = json!({ "resourceVersion": v, "subjectType": "customer_id" });
    assert_eq!(
        server
            .patch("/experiments/x", &body)
            .await
            .refused(400, "invalid"),
        ["subjectType"]
    );
    let swapped = json!([{ "key": "treatment", "isControl": true, "trafficPct": 50 },
                         { "key": "control", "trafficPct": 50, "orderIndex": 1 }]);
    let body = json!({ "resourceVersion": v, "variants": swapped });
    assert_eq!(
        server
            .patch("/experiments/x", &body)
            .await
            .refused(400, "invalid"),
        ["variants"]
    );
    let idle = arms(&[("control", 0.0), ("treatment", 0.0)]);
    let body = json!({ "resourceVersion": v, "variants": idle });
    assert_eq!(
        server
            .patch("/experiments/x", &body)
            .await
            .refused(400, "invalid"),
        ["variants"]
    );
    let draft = server.draft("y").await;
    let body = json!({ "resourceVersion": version(&draft), "subjectType": "customer_id", "variants": swapped,
                       "defaultVariantId": "treatment" });
    server.patch("/experiments/y", &body).await.expect(200);
}

each_store!(a_new_split_while_active_appends_a_cohort_that_moves_few);
async fn a_new_split_while_active_appends_a_cohort_that_moves_few() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    assert_eq!(
        split(&live["cohorts"][0]),
        [("control".into(), 0.5), ("treatment".into(), 0.5)]
    );
    let who = |n: u32| json!({ "experimentId": "x", "user_id": format!("user-{n}") });
    let everybody: Vec<Value> = (0..1000).map(who).collect();
    let before = server
        .post("/experiments/assign", &json!(everybody))
        .await
        .expect(200);

    let three = arms(&[("control", 50.0), ("treatment", 20.0), ("third", 30.0)]);
    let body = json!({ "resourceVersion": version(&live), "variants": three });
    let live = server.patch("/experiments/x", &body).await.expect(200);
    assert_eq!(live["cohorts"].as_array().map(Vec::len), Some(2));
    let expected = [
        ("control".into(), 0.5),
        ("treatment".into(), 0.2),
        ("third".into(), 0.3),
    ];
    assert_eq!(split(&live["cohorts"][1]), expected);
    assert_eq!(live["cohorts"][1]["index"], 2);

    let after = server
        .post("/experiments/assign", &json!(everybody))
        .await
        .expect(200);
    let pairs = before
        .as_array()
        .expect("answers")
        .iter()
        .zip(after.as_array().expect("answers"));
    let mut moved = 0;
    for (before, after) in pairs {
        assert_eq!((&before["cohort"], &after["cohort"]), (&1.into(), &2.into()));
        if before["variantId"] != after["variantId"] {
            assert_eq!(
                (&before["variantId"], &after["variantId"]),
                (&"treatment".into(), &"third".into())
            );
            moved += 1;
        }
    }
    assert!((200..400).contains(&moved), "{moved} of 1,000 moved");

    // A change of words alone appends nothing; taking a variant out appends one more.
    let mut words = live["variants"].clone();
    words[0]["description"] = "what it was".into();
    let body = json!({ "resourceVersion": version(&live), "variants": words });
    let live = server.patch("/experiments/x", &body).await.expect(200);
    assert_eq!(live["cohorts"].as_array().map(Vec::len), Some(2));
    let two = arms(&[("control", 50.0), ("third", 50.0)]);
    let body = json!({ "resourceVersion": version(&live), "variants": two });
    let live = server.patch("/experiments/x", &body).await.expect(200);
    assert_eq!(
        split(&live["cohorts"][2]),
        [("control".into(), 0.5), ("third".into(), 0.5)]
    );
}

each_store!(a_new_split_while_paused_is_laid_out_on_resuming);
async fn a_new_split_while_paused_is_laid_out_on_resuming() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let mut live = server.to(&live, "paused").await;
    for treatment in [40.0, 30.0] {
        let variants = arms(&[("control", 50.0), ("treatment", treatment)]);
        let body = json!({ "resourceVersion": version(&live), "variants": variants });
        live = server.patch("/experiments/x", &body).await.expect(200);
        assert_eq!(live["cohorts"].as_array().map(Vec::len), Some(1));
    }
    let live = server.to(&live, "active").await;
    assert_eq!(
        live["cohorts"].as_array().map(Vec::len),
        Some(2),
        "one for both changes"
    );
    assert_eq!(
        split(&live["cohorts"][1]),
        [("control".into(), 0.5), ("treatment".into(), 0.3)]
    );
    // Resuming without a change appends nothing.
    let live = server.to(&live, "paused").await;
    let live = server.to(&live, "active").await;
    assert_eq!(live["cohorts"].as_array().map(Vec::len), Some(2));
}

each_store!(a_finished_experiment_keeps_its_arms);
async fn a_finished_experiment_keeps_its_arms() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let live = server.to(&live, "completed").await;
    for variants in [
        arms(&[("control", 40.0), ("treatment", 50.0)]),
        arms(&[("control", 50.0), ("other", 50.0)]),
    ] {
        let body = json!({ "resourceVersion": version(&live), "variants": variants });
        assert_eq!(
            server
                .patch("/experiments/x", &body)
                .await
                .refused(400, "invalid"),
            ["variants"]
        );
    }
    let mut words = live["variants"].clone();
    words[1]["payload"] = json!({ "color": "green" });
    let body = json!({ "resourceVersion": version(&live), "variants": words, "description": "done" });
    server.patch("/experiments/x", &body).await.expect(200);
}

each_store!(a_variant_that_something_points_at_cannot_go);
async fn a_variant_that_something_points_at_cannot_go() {
    let server = TestServer::start().await;
    let draft = server.draft("x").await;
    let body = json!({ "resourceVersion": 1, "rules": [{ "variant": "treatment" }], "defaultVariantId": "treatment" });
    let draft_with_rule = server.patch("/experiments/x", &body).await.expect(200);
    let ids: Vec<String> = (0..12).map(|n| format!("u{n}")).collect();
    let set = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ids });
    server.put("/experiments/x/overrides", &set).await.expect(200);
    let body = json!({ "resourceVersion": version(&draft_with_rule), "variants": arms(&[("control", 50.0), ("b", 50.0)]) });
    let problem = server
        .patch("/experiments/x", &body)
        .await
        .problem(400, "invalid");
    assert_eq!(
        fields(&problem),
        ["variants", "defaultVariantId", "rules[0].variant"]
    );
    assert!(
        problem["errors"][0]["allowed"]
            .as_str()
            .expect("text")
            .contains("12 overrides")
    );
    assert_ne!(draft["resourceVersion"], draft_with_rule["resourceVersion"]);
}

each_store!(the_holdout_of_a_started_experiment_is_not_redrawn_by_another_flag);
async fn the_holdout_of_a_started_experiment_is_not_redrawn_by_another_flag() {
    let server = TestServer::start().await;
    let body = json!({ "name": "x", "holdoutPct": 10, "linkedFlag": "one" });
    let draft = server.post("/experiments", &body).await.expect(201);
    let live = server.to(&draft, "active").await;
    server.post("/flags", &json!({ "key": "two" })).await.expect(201);
    let change = json!({ "resourceVersion": version(&live), "linkedFlag": "two" });
    assert_eq!(
        server
            .patch("/experiments/x", &change)
            .await
            .refused(400, "invalid"),
        ["linkedFlag"]
    );
    let none = json!({ "resourceVersion": version(&live), "holdoutPct": 0 });
    let live = server.patch("/experiments/x", &none).await.expect(200);
    let change = json!({ "resourceVersion": version(&live), "linkedFlag": "two" });
    server.patch("/experiments/x", &change).await.expect(200);
}

each_store!(what_is_linked_keeps_its_own_writing);
async fn what_is_linked_keeps_its_own_writing() {
    let server = TestServer::start().await;
    server.post("/flags", &json!({ "key": "Hold" })).await.expect(201);
    server
        .post("/labs", &json!({ "key": "Lab-1", "name": "Lab" }))
        .await
        .expect(201);
    let body = json!({ "name": "x", "holdoutPct": 20, "parentId": "lab-1" });
    let draft = server.post("/experiments", &body).await.expect(201);
    assert_eq!(draft["parentId"], "Lab-1");
    let change = json!({ "resourceVersion": 1, "linkedFlag": "hOLD", "parentId": "DEFAULT" });
    let changed = server.patch("/experiments/x", &change).await.expect(200);
    assert_eq!(
        (&changed["linkedFlag"], &changed["parentId"]),
        (&json!("Hold"), &json!("DEFAULT"))
    );
    let change = json!({ "resourceVersion": 2, "parentId": "LAB-1" });
    assert_eq!(
        server.patch("/experiments/x", &change).await.expect(200)["parentId"],
        "Lab-1"
    );
    // The holdout is drawn with the flag's key, however it was asked for.
    server
        .to(&server.get("/experiments/x").await.expect(200), "active")
        .await;
    let explained = server
        .post("/experiments/x/explain", &json!({ "user_id": "u" }))
        .await
        .expect(200);
    assert!(explained.to_string().contains("Hold:holdout"), "{explained}");
}
