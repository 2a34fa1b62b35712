//! `/flags` and what belongs to one flag.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{TestServer, VIEWER, fields, send};
use crate::support::store::each_store;

async fn flag(server: &TestServer, body: Value) -> Value {
    server.post("/flags", &body).await.expect(201)
}

each_store!(a_flag_s_life);
async fn a_flag_s_life() {
    let server = TestServer::start().await;
    let made = flag(&server, json!({ "name": "New checkout" })).await;
    assert_eq!(made["key"], "new-checkout");
    assert_eq!(made["variants"][0]["key"], "on");
    assert_eq!(
        (&made["enabled"], &made["rolloutPct"], &made["evaluationMode"]),
        (&json!(false), &json!(0.0), &json!("remote"))
    );
    let default = &server.get("/deployments").await.expect(200)["deployments"][0];
    assert_eq!(made["deployments"], json!([default["id"]]));
    let path = "/flags/NEW-checkout";
    let change = json!({ "resourceVersion": 1, "enabled": true, "rolloutPct": 20.5, "comment": "go" });
    let answer = server.patch(path, &change).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let changed = answer.expect(200);
    assert_eq!(
        (&changed["resourceVersion"], &changed["rolloutPct"]),
        (&json!(2), &json!(20.5))
    );
    // The same again changes nothing.
    let again = json!({ "resourceVersion": 2, "enabled": true });
    assert_eq!(server.patch(path, &again).await.expect(200)["resourceVersion"], 2);
    let problem = server.patch(path, &change).await.problem(409, "version_conflict");
    assert_eq!(problem["current"]["resourceVersion"], 2);
    assert_eq!(problem["changedBy"], "admin");
    let history = server.get("/flags/new-checkout/history").await.expect(200);
    let actions: Vec<&str> = history["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|e| e["action"].as_str().expect("an action"))
        .collect();
    assert_eq!(
        actions,
        ["flag.variants_changed", "flag.status_changed", "flag.created"]
    );
    assert_eq!(history["entries"][1]["comment"], "go");
    let archived = json!({ "resourceVersion": 2, "archived": true });
    server.patch(path, &archived).await.expect(200);
    assert_eq!(server.get("/flags").await.expect(200)["flags"], json!([]));
    let all = server.get("/flags?archived=true").await.expect(200);
    assert_eq!(all["flags"][0]["key"], "new-checkout");
}

each_store!(rules_overrides_and_the_decision);
async fn rules_overrides_and_the_decision() {
    let server = TestServer::start().await;
    flag(&server, json!({ "key": "f", "enabled": true })).await;
    let rules = json!({ "resourceVersion": 1, "rules": [{ "variant": "ON", "conditions": [
        { "scope": "profile", "field": "country", "operator": "is", "value": "TH" }] }] });
    let ruled = server.put("/flags/f/rules", &rules).await.expect(200);
    assert_eq!(ruled["rules"][0]["variant"], "on");
    let explain = async |user: Value| {
        let explained = server.post("/flags/f/explain", &user).await.expect(200);
        let made = &explained["assignment"];
        (made["variantId"].clone(), made["reason"].clone())
    };
    assert_eq!(
        explain(json!({ "user_id": "u" })).await,
        (json!("off"), json!("unallocated"))
    );
    let thai = json!({ "user_id": "u", "user_properties": { "country": "TH" } });
    assert_eq!(explain(thai).await, (json!("on"), json!("rule")));
    let set = json!({ "variant": "on", "subjectType": "user", "subjectIds": ["tester"] });
    let done = server.put("/flags/f/overrides", &set).await.expect(200);
    assert_eq!(done["added"], 1);
    assert_eq!(
        explain(json!({ "user_id": "tester" })).await,
        (json!("on"), json!("override"))
    );
    let known = server.get("/flags/f").await.expect(200);
    assert_eq!(
        (&known["overrides"], &known["overridesByVariant"]),
        (&json!(1), &json!({ "on": 1 }))
    );
    let page = server.get("/flags/f/overrides").await.expect(200);
    assert_eq!(page["overrides"][0]["subjectId"], "tester");
    let remove = "/flags/f/overrides?subjectType=user&subjectId=tester";
    assert_eq!(server.delete(remove).await.status, 204);
    server.delete(remove).await.problem(404, "not_found");
    server
        .post("/flags/f/explain", &json!({}))
        .await
        .problem(400, "invalid");
    // A flag has no status: it is switched on or off.
    let steps = async || {
        let told = server
            .post("/flags/f/explain", &json!({ "user_id": "u" }))
            .await
            .expect(200);
        (told["assignment"]["reason"].clone(), told["steps"].clone())
    };
    assert_eq!(steps().await.1[0], json!({ "step": "flag_enabled" }));
    for (change, archived) in [
        (json!({ "enabled": false }), false),
        (json!({ "archived": true }), true),
    ] {
        let mut change = change;
        change["resourceVersion"] = server.get("/flags/f").await.expect(200)["resourceVersion"].clone();
        server.patch("/flags/f", &change).await.expect(200);
        let expected = json!([{ "step": "flag_disabled", "archived": archived }, { "step": "default", "variant": "off" }]);
        assert_eq!(steps().await, (json!("flag_disabled"), expected));
    }
    let back = json!({ "resourceVersion": server.get("/flags/f").await.expect(200)["resourceVersion"],
                       "enabled": true, "archived": false });
    server.patch("/flags/f", &back).await.expect(200);
    // It survives a restart.
    let set = json!({ "variant": "on", "subjectType": "device", "subjectIds": ["d"] });
    server.put("/flags/f/overrides", &set).await.expect(200);
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    let explained = server
        .post("/flags/f/explain", &json!({ "device_id": "d" }))
        .await;
    assert_eq!(explained.expect(200)["assignment"]["reason"], "override");
}

each_store!(every_refusal_names_its_field);
async fn every_refusal_names_its_field() {
    let server = TestServer::start().await;
    let variant = |key: &str, share: f64| json!({ "key": key, "trafficPct": share });
    for (body, refused) in [
        (json!({}), "name"),
        (json!({ "key": "two words" }), "key"),
        (json!({ "key": ".." }), "key"),
        (json!({ "key": "f", "rolloutPct": 101 }), "rolloutPct"),
        (json!({ "key": "f", "rolloutPct": 33.333 }), "rolloutPct"),
        (json!({ "key": "f", "variants": [] }), "variants"),
        (
            json!({ "key": "f", "variants": [variant("off", 0.0)] }),
            "variants",
        ),
        (
            json!({ "key": "f", "variants": [variant("a", 60.0), variant("b", 60.0)] }),
            "variants",
        ),
        (
            json!({ "key": "f", "variants": [variant("a", 1.0), variant("A", 1.0)] }),
            "variants[1].key",
        ),
        (
            json!({ "key": "f", "variants": [variant("a b", 1.0)] }),
            "variants[0].key",
        ),
        (
            json!({ "key": "f", "rules": [{ "variant": "none" }] }),
            "rules[0].variant",
        ),
        (
            json!({ "key": "f", "deployments": [uuid::Uuid::nil()] }),
            "deployments[0]",
        ),
        (
            json!({ "key": "f", "variants": [{ "key": "a", "payload": "x".repeat(64 << 10) }] }),
            "variants[0].payload",
        ),
        (
            json!({ "key": "f", "rules": vec![json!({ "variant": "on" }); 201] }),
            "rules",
        ),
        (json!({ "key": "f", "evaluationMode": "edge" }), "evaluationMode"),
        (json!({ "key": "f", "unheard": 1 }), "unheard"),
    ] {
        let problem = server.post("/flags", &body).await.problem(400, "invalid");
        assert_eq!(fields(&problem), [refused], "{body}");
        let error = &problem["errors"][0];
        assert!(!error["allowed"].as_str().expect("text").is_empty(), "{error}");
    }
    flag(&server, json!({ "key": "taken" })).await;
    let again = server.post("/flags", &json!({ "key": "TAKEN" })).await;
    assert_eq!(again.refused(409, "key_taken"), ["key"]);
    // A name that is taken is given a number.
    let second = flag(&server, json!({ "name": "Taken" })).await;
    assert_eq!(second["key"], "taken-2");
}

each_store!(a_flag_becomes_an_experiment_and_an_experiment_a_flag);
async fn a_flag_becomes_an_experiment_and_an_experiment_a_flag() {
    let server = TestServer::start().await;
    flag(
        &server,
        json!({ "key": "f", "name": "F", "enabled": true, "rolloutPct": 30 }),
    )
    .await;
    let set = json!({ "variant": "on", "subjectType": "user", "subjectIds": ["tester"] });
    server.put("/flags/f/overrides", &set).await.expect(200);
    let decided = async |path: String| {
        let mut all = Vec::new();
        for user in 0..60 {
            let body = json!({ "user_id": format!("u{user}") });
            let explained = server.post(&format!("{path}/explain"), &body).await.expect(200);
            all.push(explained["assignment"]["variantId"].clone());
        }
        all
    };
    let before = decided("/flags/f".to_owned()).await;
    let converted = server
        .post("/flags/f/convert", &json!({ "resourceVersion": 1, "key": "exp" }))
        .await
        .expect(201);
    let experiment = &converted["experiment"];
    assert_eq!(
        (&experiment["status"], &experiment["linkedFlag"]),
        (&json!("draft"), &json!("f"))
    );
    let shares: Vec<_> = experiment["variants"]
        .as_array()
        .expect("variants")
        .iter()
        .map(|v| (v["key"].clone(), v["trafficPct"].clone(), v["isControl"].clone()))
        .collect();
    assert_eq!(
        shares,
        [
            (json!("on"), json!(30.0), json!(false)),
            (json!("off"), json!(70.0), json!(true))
        ]
    );
    let page = server.get("/experiments/exp/overrides").await.expect(200);
    assert_eq!(page["overrides"][0]["subjectId"], "tester");
    assert_eq!(server.get("/flags/f").await.expect(200)["decidedBy"], Value::Null);
    let active = server.to(experiment, "active").await;
    // Nobody sees another variant than before.
    assert_eq!(decided("/experiments/exp".to_owned()).await, before);
    assert_eq!(server.get("/flags/f").await.expect(200)["decidedBy"], "exp");
    let version = json!({ "resourceVersion": active["resourceVersion"] });
    let refused = server.post("/experiments/exp/convert", &version).await;
    assert_eq!(refused.refused(409, "bad_transition"), ["status"]);
    // Completed with a winner it goes back into the flag, which serves the winner to all, forced or not, id or not.
    let forced = json!({ "variant": "off", "subjectType": "user", "subjectIds": ["u1"] });
    server
        .put("/experiments/exp/overrides", &forced)
        .await
        .expect(200);
    let body =
        json!({ "to": "completed", "winningVariant": "on", "resourceVersion": active["resourceVersion"] });
    let completed = server.post("/experiments/exp/status", &body).await.expect(200);
    let version = json!({ "resourceVersion": completed["resourceVersion"] });
    let back = server
        .post("/experiments/exp/convert", &version)
        .await
        .expect(200);
    assert_eq!(
        (
            &back["experiment"]["status"],
            &back["flag"]["key"],
            &back["flag"]["rolloutPct"]
        ),
        (&json!("ended"), &json!("f"), &json!(100.0))
    );
    assert_eq!(server.get("/flags/f").await.expect(200)["decidedBy"], Value::Null);
    assert!(decided("/flags/f".to_owned()).await.iter().all(|v| v == "on"));
    let visit = json!({ "session_id": "s1" });
    let explained = server.post("/flags/f/explain", &visit).await.expect(200);
    assert_eq!(explained["assignment"]["variantId"], "on");
    for (path, action) in [
        ("/flags/f", "flag.converted"),
        ("/experiments/exp", "experiment.converted"),
    ] {
        let history = server
            .get(&format!("{path}/history?action={action}"))
            .await
            .expect(200);
        assert_eq!(history["entries"].as_array().expect("entries").len(), 2, "{path}");
    }
}

each_store!(an_experiment_comes_with_a_flag);
async fn an_experiment_comes_with_a_flag() {
    let server = TestServer::start().await;
    let body = json!({ "name": "Pricing copy", "variants": [
        { "key": "control", "isControl": true, "trafficPct": 60 }, { "key": "bold", "trafficPct": 40, "orderIndex": 1 }] });
    let made = server.post("/experiments", &body).await.expect(201);
    assert_eq!(made["linkedFlag"], "pricing-copy");
    let flag = server.get("/flags/pricing-copy").await.expect(200);
    assert_eq!(
        (&flag["rolloutPct"], &flag["enabled"]),
        (&json!(50.0), &json!(false))
    );
    assert_eq!(flag["variants"][1]["key"], "bold");
    assert_eq!(flag["deployments"], made["deployments"]);
    // One that there is is linked, one that there is not is made.
    let second = json!({ "name": "Second", "linkedFlag": "PRICING-COPY" });
    assert_eq!(
        server.post("/experiments", &second).await.expect(201)["linkedFlag"],
        "pricing-copy"
    );
    let third = json!({ "name": "Third", "linkedFlag": "other-flag" });
    assert_eq!(
        server.post("/experiments", &third).await.expect(201)["linkedFlag"],
        "other-flag"
    );
    server.get("/flags/other-flag").await.expect(200);
    // A flag of the experiment's key that nobody named is another one's.
    self::flag(&server, json!({ "key": "busy" })).await;
    let fourth = json!({ "name": "Busy" });
    assert_eq!(
        server.post("/experiments", &fourth).await.expect(201)["linkedFlag"],
        "busy-2"
    );
    let change = json!({ "resourceVersion": 1, "linkedFlag": "nowhere" });
    let refused = server.patch("/experiments/busy", &change).await;
    assert_eq!(refused.refused(400, "invalid"), ["linkedFlag"]);
}

each_store!(an_explanation_of_a_flag_is_that_of_what_decides_it);
async fn an_explanation_of_a_flag_is_that_of_what_decides_it() {
    let server = TestServer::start().await;
    let draft = server.draft("checkout").await;
    let flag = draft["linkedFlag"].as_str().expect("a flag").to_owned();
    let asked = json!({ "user_id": "u-1" });
    let explain = async || {
        let path = format!("/flags/{flag}/explain");
        server.post(&path, &asked).await.expect(200)
    };
    let steps = |answer: &Value| -> Vec<String> {
        let steps = answer["steps"].as_array().expect("steps");
        steps
            .iter()
            .map(|s| s["step"].as_str().expect("a word").to_owned())
            .collect()
    };
    assert_eq!(steps(&explain().await), ["flag_disabled", "default"]);
    let started = json!({ "to": "active", "resourceVersion": draft["resourceVersion"] });
    server
        .post("/experiments/checkout/status", &started)
        .await
        .expect(200);
    let answer = explain().await;
    assert_eq!(steps(&answer)[..2], ["decided_by", "status"]);
    assert_eq!(answer["steps"][0]["experiment"], "checkout");
    let context = json!({ "context": { "targetingKey": "u-1" } });
    let path = format!("/ofrep/v1/evaluate/flags/{flag}");
    let served = server.post(&path, &context).await.expect(200);
    assert_eq!(answer["assignment"]["variantId"], served["variant"]);
}

each_store!(an_experiment_of_a_flag_begins_with_who_has_what);
async fn an_experiment_of_a_flag_begins_with_who_has_what() {
    let server = TestServer::start().await;
    let variants =
        json!([{ "key": "a", "trafficPct": 50 }, { "key": "b", "trafficPct": 50, "orderIndex": 1 }]);
    let made = json!({ "key": "f", "enabled": true, "rolloutPct": 20, "variants": variants });
    let mut live = flag(&server, made).await;
    // Rolled out step by step: what each variant owns is not of one piece any more.
    for share in [35, 60] {
        let more = json!({ "resourceVersion": live["resourceVersion"], "rolloutPct": share });
        live = server.patch("/flags/f", &more).await.expect(200);
    }
    let all = async || {
        let mut all = Vec::new();
        for n in 0..200 {
            let context = json!({ "context": { "targetingKey": format!("u{n}") } });
            let answer = server
                .post("/ofrep/v1/evaluate/flags/f", &context)
                .await
                .expect(200);
            all.push(answer["variant"].as_str().expect("a variant").to_owned());
        }
        all
    };
    let before = all().await;
    assert!(
        ["a", "b", "off"]
            .iter()
            .all(|key| before.iter().any(|has| has == key)),
        "{before:?}"
    );
    let convert = json!({ "resourceVersion": live["resourceVersion"] });
    let made = server.post("/flags/f/convert", &convert).await.expect(201);
    let explained = json!({ "user_id": "u0", "asIfActive": true });
    let explained = server
        .post("/experiments/f/explain", &explained)
        .await
        .expect(200);
    assert_eq!(explained["assignment"]["variantId"], before[0].as_str());
    let started = server.to(&made["experiment"], "active").await;
    assert_eq!(started["cohorts"].as_array().map(Vec::len), Some(1));
    assert_eq!(started["cohorts"][0]["index"], 1);
    assert_eq!(all().await, before);
}

each_store!(a_flag_follows_and_goes_with_the_draft_that_it_came_with);
async fn a_flag_follows_and_goes_with_the_draft_that_it_came_with() {
    let server = TestServer::start().await;
    let variants = |second: &str| {
        json!([{ "key": "control", "isControl": true, "trafficPct": 50 },
            { "key": second, "trafficPct": 50, "orderIndex": 1 }])
    };
    let made = async |name: &str| {
        let body = json!({ "name": name, "variants": variants("bold") });
        server.post("/experiments", &body).await.expect(201);
    };
    let renamed = async |key: &str, version: u64| {
        let change = json!({ "resourceVersion": version, "variants": variants("daring") });
        server
            .patch(&format!("/experiments/{key}"), &change)
            .await
            .expect(200);
    };
    let second = async |flag: &str| {
        let flag = server.get(&format!("/flags/{flag}")).await.expect(200);
        flag["variants"][1]["key"].as_str().expect("a key").to_owned()
    };
    made("Alone").await;
    renamed("alone", 1).await;
    assert_eq!(second("alone").await, "daring");
    server
        .delete("/experiments/alone?resourceVersion=2")
        .await
        .expect(204);
    server.get("/flags/alone").await.problem(404, "not_found");
    let log = server.get("/audit?action=flag.deleted").await.expect(200);
    assert_eq!(log["entries"][0]["objectKey"], "alone");
    // The key is free again.
    made("Alone").await;
    assert_eq!(
        server.get("/experiments/alone").await.expect(200)["linkedFlag"],
        "alone"
    );
    // What somebody changed, forces somebody with, linked or made is theirs.
    made("Changed").await;
    let change = json!({ "resourceVersion": 1, "rolloutPct": 60 });
    server.patch("/flags/changed", &change).await.expect(200);
    // Also what was on for a while, and is as it was made again.
    made("Served").await;
    for (version, enabled) in [(1, true), (2, false)] {
        let change = json!({ "resourceVersion": version, "enabled": enabled });
        server.patch("/flags/served", &change).await.expect(200);
    }
    server
        .delete("/experiments/served?resourceVersion=1")
        .await
        .expect(204);
    server.get("/flags/served").await.expect(200);
    made("Forced").await;
    let forced = json!({ "variant": "bold", "subjectType": "user", "subjectIds": ["u1"] });
    server.put("/flags/forced/overrides", &forced).await.expect(200);
    made("Shared").await;
    let other = json!({ "name": "Other", "linkedFlag": "shared" });
    server.post("/experiments", &other).await.expect(201);
    flag(
        &server,
        json!({ "key": "older", "variants": variants("bold"), "rolloutPct": 50 }),
    )
    .await;
    let linked = json!({ "name": "Linked", "linkedFlag": "older", "variants": variants("bold") });
    server.post("/experiments", &linked).await.expect(201);
    for (experiment, flag) in [
        ("changed", "changed"),
        ("forced", "forced"),
        ("shared", "shared"),
        ("linked", "older"),
    ] {
        renamed(experiment, 1).await;
        assert_eq!(second(flag).await, "bold", "{flag}");
        let draft = format!("/experiments/{experiment}?resourceVersion=2");
        server.delete(&draft).await.expect(204);
        assert_eq!(second(flag).await, "bold", "{flag}");
    }
}

#[tokio::test]
async fn a_viewer_reads_and_changes_nothing() {
    let server = TestServer::start().await;
    flag(&server, json!({ "key": "f" })).await;
    let read = send(server.request(Method::GET, "/flags/f", VIEWER)).await;
    read.expect(200);
    let body = json!({ "resourceVersion": 1, "enabled": true });
    let change = server.request(Method::PATCH, "/flags/f", VIEWER).json(&body);
    send(change).await.problem(403, "forbidden");
    assert_eq!(server.get("/flags/f").await.expect(200)["enabled"], false);
}

each_store!(a_draft_does_not_switch_off_the_flag_that_it_was_made_of);
async fn a_draft_does_not_switch_off_the_flag_that_it_was_made_of() {
    let server = TestServer::start().await;
    let body = json!({ "key": "live", "enabled": true, "rolloutPct": 100 });
    server.post("/flags", &body).await.expect(201);
    let converted = server
        .post("/flags/live/convert", &json!({ "resourceVersion": 1 }))
        .await
        .expect(201);
    let back = json!({ "resourceVersion": converted["experiment"]["resourceVersion"] });
    let refused = server.post("/experiments/live/convert", &back).await;
    assert_eq!(refused.refused(409, "bad_transition"), ["linkedFlag"]);
    let flag = server.get("/flags/live").await.expect(200);
    assert_eq!(flag["enabled"], true, "{flag}");
    let off = json!({ "resourceVersion": flag["resourceVersion"], "enabled": false });
    server.patch("/flags/live", &off).await.expect(200);
    server.post("/experiments/live/convert", &back).await.expect(200);
}

each_store!(a_full_flag_says_why_it_cannot_become_an_experiment);
async fn a_full_flag_says_why_it_cannot_become_an_experiment() {
    let server = TestServer::start().await;
    let variants: Vec<Value> = (0..4)
        .map(|n| json!({ "key": format!("v{n}"), "trafficPct": 25 }))
        .collect();
    let body = json!({ "key": "full", "rolloutPct": 50, "variants": variants });
    server.post("/flags", &body).await.expect(201);
    let refused = server
        .post("/flags/full/convert", &json!({ "resourceVersion": 1 }))
        .await;
    let problem = refused.problem(400, "invalid");
    assert!(problem.to_string().contains("4 and off"), "{problem}");
    let whole = json!({ "resourceVersion": 1, "rolloutPct": 100 });
    server.patch("/flags/full", &whole).await.expect(200);
    server
        .post("/flags/full/convert", &json!({ "resourceVersion": 2 }))
        .await
        .expect(201);
}

each_store!(a_flag_that_is_taken_over_leaves_no_override_without_its_variant);
async fn a_flag_that_is_taken_over_leaves_no_override_without_its_variant() {
    let server = TestServer::start().await;
    let body = json!({ "key": "f", "variants": [{ "key": "blue", "trafficPct": 100 }] });
    server.post("/flags", &body).await.expect(201);
    let forced = json!({ "variant": "blue", "subjectType": "user", "subjectIds": ["tester"] });
    server.put("/flags/f/overrides", &forced).await.expect(200);
    let draft = server
        .post("/experiments", &json!({ "name": "x", "linkedFlag": "f" }))
        .await
        .expect(201);
    let body = json!({ "resourceVersion": draft["resourceVersion"] });
    let refused = server.post("/experiments/x/convert", &body).await;
    assert_eq!(refused.refused(400, "invalid"), ["variants"]);
    server
        .delete("/flags/f/overrides?subjectType=user&subjectId=tester")
        .await
        .expect(204);
    server.post("/experiments/x/convert", &body).await.expect(200);
}

each_store!(a_flag_that_sdks_evaluate_takes_over_only_what_they_can_say);
async fn a_flag_that_sdks_evaluate_takes_over_only_what_they_can_say() {
    let server = TestServer::start().await;
    let body = json!({ "key": "f", "evaluationMode": "local" });
    server.post("/flags", &body).await.expect(201);
    let deep = json!({ "scope": "profile", "field": "a.b.c", "operator": "is", "value": "1" });
    let body = json!({
        "name": "x", "linkedFlag": "f", "rules": [{ "variant": "control", "conditions": [deep] }]
    });
    let draft = server.post("/experiments", &body).await.expect(201);
    let body = json!({ "resourceVersion": draft["resourceVersion"] });
    let refused = server.post("/experiments/x/convert", &body).await;
    assert_eq!(refused.refused(400, "invalid"), ["evaluationMode"]);
    let remote = json!({ "resourceVersion": 1, "evaluationMode": "remote" });
    server.patch("/flags/f", &remote).await.expect(200);
    server.post("/experiments/x/convert", &body).await.expect(200);
}
