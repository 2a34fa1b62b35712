//! `GET|POST /experiments` and `GET /experiments/{idOrKey}`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{ADMIN, EDITOR, TestServer, fields, send};
use crate::support::store::each_store;

each_store!(a_name_is_enough);
async fn a_name_is_enough() {
    let server = TestServer::start().await;
    let answer = server
        .post("/experiments", &json!({ "name": "Checkout CTA: green?" }))
        .await;
    assert_eq!(answer.header("etag"), "\"1\"");
    let made = answer.expect(201);
    assert_eq!(made["key"], "checkout-cta-green");
    assert_eq!(made["salt"], "checkout-cta-green");
    assert_eq!(made["status"], "draft");
    assert_eq!(made["assignmentMode"], "profile");
    assert_eq!(made["subjectType"], "ANY");
    assert_eq!(made["parentId"], "DEFAULT");
    assert_eq!(made["resourceVersion"], 1);
    assert_eq!(made["defaultVariantId"], "control");
    assert_eq!(made["prior"], json!({ "a": 1.0, "b": 1.0 }));
    assert_eq!(made["cohorts"], json!([]));
    let arms: Vec<Value> = made["variants"]
        .as_array()
        .expect("variants")
        .iter()
        .map(|v| json!([v["key"], v["isControl"], v["trafficPct"], v["orderIndex"]]))
        .collect();
    assert_eq!(
        arms,
        [
            json!(["control", true, 50.0, 0]),
            json!(["treatment", false, 50.0, 1])
        ]
    );
    let reserved = server
        .post("/experiments", &json!({ "name": "Assign!" }))
        .await
        .expect(201);
    assert_eq!(reserved["key"], "assign-2", "the plain one is an endpoint");
    // The same name again gets a key of its own; a key that is asked for never does.
    let second = server
        .post("/experiments", &json!({ "name": "Checkout CTA: green?" }))
        .await
        .expect(201);
    assert_eq!(second["key"], "checkout-cta-green-2");
}

each_store!(everything_that_is_sent_is_kept);
async fn everything_that_is_sent_is_kept() {
    let server = TestServer::start().await;
    let body = json!({
        "name": "Pricing", "key": "Pricing.v2", "description": "d", "hypothesis": "h",
        "links": { "Jira": "https://jira.example/1" }, "assignmentMode": "session", "subjectType": "group:org",
        "variants": [
            { "key": "b", "name": "B", "description": "bd", "payload": { "price": 9.5 }, "trafficPct": 33.33, "orderIndex": 2 },
            { "key": "base", "name": "Base", "payload": [1, null], "isControl": true, "trafficPct": 33.34, "orderIndex": 1 },
        ],
        "defaultVariantId": "B", "holdoutPct": 5.5, "sticky": true,
        "primaryMetric": { "event": "buy", "filters": [{ "field": "total", "operator": "gte", "value": 10 }] },
        "secondaryEvent": { "event": "open", "enabled": false },
        "trackedEvents": [{ "event": "scroll" }],
        "rules": [{ "variant": "B", "priority": 3, "conditions": [
            { "scope": "profile", "field": "country", "operator": "is", "value": "TH" }] }],
        "linkedFlag": "pricing-flag", "parentId": "lab-1", "prior": { "a": 2.0, "b": 8.0 },
    });
    let lab = json!({ "key": "lab-1" });
    server.post("/labs", &lab).await.expect(201);
    let made = server.post("/experiments", &body).await.expect(201);
    assert_eq!(made["variants"][0]["key"], "base", "sorted by orderIndex");
    assert_eq!(made["variants"][1]["payload"], json!({ "price": 9.5 }));
    assert_eq!(made["defaultVariantId"], "b", "written as the variant is");
    assert_eq!(made["rules"][0]["variant"], "b");
    assert!(made["rules"][0]["id"].is_string(), "a rule gets an id");
    for field in [
        "name",
        "key",
        "description",
        "hypothesis",
        "links",
        "assignmentMode",
        "subjectType",
        "holdoutPct",
        "sticky",
        "linkedFlag",
        "parentId",
        "prior",
    ] {
        assert_eq!(made[field], body[field], "{field}");
    }
    assert_eq!(made["primaryMetric"]["filters"][0]["value"], "10");
    assert_eq!(made["secondaryEvent"]["enabled"], false);
    for name in [made["id"].as_str().expect("an id"), "Pricing.v2", "pricing.V2"] {
        let answer = server.get(&format!("/experiments/{name}")).await;
        assert!(answer.header("etag").starts_with("\"1-"));
        assert_eq!(answer.expect(200), made);
    }
}

each_store!(a_key_is_taken_whatever_its_case);
async fn a_key_is_taken_whatever_its_case() {
    let server = TestServer::start().await;
    server.draft("Checkout").await;
    let body = json!({ "name": "again", "key": "cHECKOUT" });
    let answer = server.post("/experiments", &body).await;
    assert_eq!(answer.refused(409, "key_taken"), ["key"]);
}

each_store!(every_refusal_names_its_field_what_was_given_and_what_is_allowed);
async fn every_refusal_names_its_field_what_was_given_and_what_is_allowed() {
    let server = TestServer::start().await;
    let variants = |second: Value| {
        let mut second = second;
        if second.get("key").is_none() {
            second["key"] = "b".into();
        }
        json!([{ "key": "a", "isControl": true, "trafficPct": 50 }, second])
    };
    let cases: Vec<(&str, Value)> = vec![
        ("name", json!({ "name": "  " })),
        ("name", json!({})),
        ("name", json!({ "name": 7 })),
        ("key", json!({ "name": "x", "key": "two words" })),
        ("key", json!({ "name": "x", "key": "" })),
        ("key", json!({ "name": "—" })),
        ("key", json!({ "name": "x", "key": "Assign" })),
        ("key", json!({ "name": "x", "key": ".." })),
        (
            "assignmentMode",
            json!({ "name": "x", "assignmentMode": "device" }),
        ),
        (
            "links.doc",
            json!({ "name": "x", "links": { "doc": "javascript:alert(1)" } }),
        ),
        ("variants", json!({ "name": "x", "variants": [] })),
        (
            "variants",
            json!({ "name": "x", "variants": [{ "key": "a", "isControl": true }] }),
        ),
        ("variants", json!({ "name": "x", "variants": "a,b" })),
        (
            "variants[1].key",
            json!({ "name": "x", "variants": variants(json!({ "key": "has space" })) }),
        ),
        (
            "variants[1].key",
            json!({ "name": "x", "variants": variants(json!({ "key": "A" })) }),
        ),
        (
            "variants[1].trafficPct",
            json!({ "name": "x", "variants": variants(json!({ "trafficPct": -1 })) }),
        ),
        (
            "variants[1].trafficPct",
            json!({ "name": "x", "variants": variants(json!({ "trafficPct": 33.333 })) }),
        ),
        (
            "variants[1].trafficPct",
            json!({ "name": "x", "variants": variants(json!({ "trafficPct": "50" })) }),
        ),
        (
            "variants",
            json!({ "name": "x", "variants": variants(json!({ "trafficPct": 50.01 })) }),
        ),
        (
            "variants",
            json!({ "name": "x", "variants": variants(json!({ "isControl": true })) }),
        ),
        (
            "defaultVariantId",
            json!({ "name": "x", "defaultVariantId": "nobody" }),
        ),
        (
            "defaultVariantId",
            json!({ "name": "x", "defaultVariantId": "two words" }),
        ),
        ("holdoutPct", json!({ "name": "x", "holdoutPct": 26 })),
        ("sticky", json!({ "name": "x", "sticky": "yes" })),
        ("primaryMetric.event", json!({ "name": "x", "primaryMetric": {} })),
        (
            "primaryMetric.event",
            json!({ "name": "x", "primaryMetric": { "event": " " } }),
        ),
        (
            "primaryMetric.filters[0].operator",
            json!({ "name": "x", "primaryMetric": { "event": "e", "filters": [
            { "field": "f", "operator": "like", "value": "v" }] } }),
        ),
        (
            "trackedEvents",
            json!({ "name": "x", "trackedEvents": vec![json!({ "event": "e" }); 6] }),
        ),
        (
            "rules[0].variant",
            json!({ "name": "x", "rules": [{ "variant": "nobody" }] }),
        ),
        (
            "rules[0].conditions[0].field",
            json!({ "name": "x", "rules": [{ "variant": "control", "conditions": [
            { "scope": "profile", "field": "", "operator": "is", "value": "v" }] }] }),
        ),
        (
            "rules[0].conditions[0].scope",
            json!({ "name": "x", "rules": [{ "variant": "control", "conditions": [
            { "scope": "planet", "field": "f", "operator": "is", "value": "v" }] }] }),
        ),
        ("linkedFlag", json!({ "name": "x", "linkedFlag": "no spaces" })),
        ("prior.a", json!({ "name": "x", "prior": { "a": 0, "b": 1 } })),
        ("colour", json!({ "name": "x", "colour": "red" })),
        ("status", json!({ "name": "x", "status": "active" })),
    ];
    for (field, body) in cases {
        let problem = server.post("/experiments", &body).await.problem(400, "invalid");
        assert_eq!(fields(&problem), [field], "{body} {problem:#}");
        let error = &problem["errors"][0];
        assert!(error["given"].is_string(), "{problem}");
        assert!(!error["allowed"].as_str().expect("text").is_empty(), "{problem}");
    }
    assert_eq!(
        server.get("/experiments").await.expect(200)["experiments"],
        json!([])
    );
}

each_store!(all_refusals_come_at_once);
async fn all_refusals_come_at_once() {
    let server = TestServer::start().await;
    let mistyped = json!({ "name": 7, "sticky": "yes", "assignmentMode": "device", "colour": 1 });
    let mut found = server
        .post("/experiments", &mistyped)
        .await
        .refused(400, "invalid");
    found.sort();
    assert_eq!(found, ["assignmentMode", "colour", "name", "sticky"]);
    let wrong = json!({ "name": "", "key": "a b", "holdoutPct": 30, "defaultVariantId": "x",
                        "prior": { "a": -1, "b": 0 }, "rules": [{ "variant": "y" }] });
    let mut found = server.post("/experiments", &wrong).await.refused(400, "invalid");
    found.sort();
    let expected = [
        "defaultVariantId",
        "holdoutPct",
        "key",
        "name",
        "prior.a",
        "prior.b",
        "rules[0].variant",
    ];
    assert_eq!(found, expected);
}

each_store!(the_number_of_variants_is_configured);
async fn the_number_of_variants_is_configured() {
    let server = TestServer::start_with(|options| options.max_variants = 5).await;
    let variants = |n: u32| -> Vec<Value> {
        let variant = |i| json!({ "key": format!("v{i}"), "isControl": i == 0, "trafficPct": 10 });
        (0..n).map(variant).collect()
    };
    server
        .post(
            "/experiments",
            &json!({ "name": "five", "variants": variants(5) }),
        )
        .await
        .expect(201);
    let answer = server
        .post("/experiments", &json!({ "name": "six", "variants": variants(6) }))
        .await;
    assert_eq!(answer.refused(400, "invalid"), ["variants"]);
}

each_store!(the_list_is_sorted_and_hides_what_is_archived);
async fn the_list_is_sorted_and_hides_what_is_archived() {
    let server = TestServer::start().await;
    for key in ["zebra", "Alpha", "middle"] {
        server.draft(key).await;
    }
    let gone = server.draft("gone").await;
    server.to(&gone, "archived").await;
    let keys = |list: &Value| -> Vec<String> {
        let list = list["experiments"].as_array().expect("a list");
        list.iter()
            .map(|e| e["key"].as_str().expect("a key").to_owned())
            .collect()
    };
    for path in ["/experiments", "/experiments?archived=false"] {
        assert_eq!(
            keys(&server.get(path).await.expect(200)),
            ["Alpha", "middle", "zebra"]
        );
    }
    let all = server.get("/experiments?archived=true").await.expect(200);
    assert_eq!(keys(&all), ["Alpha", "gone", "middle", "zebra"]);
    let odd = server.get("/experiments?archived=maybe").await;
    assert_eq!(odd.refused(400, "invalid"), ["archived"]);
    let odd = server.get("/experiments?archived=maybe").await;
    assert_eq!(
        odd.problem(400, "invalid")["errors"][0]["allowed"],
        "true or false"
    );
    let unknown = server.get("/experiments?colour=red").await;
    assert_eq!(unknown.refused(400, "invalid"), ["colour"]);
}

each_store!(an_editor_creates_in_its_own_name);
async fn an_editor_creates_in_its_own_name() {
    let server = TestServer::start().await;
    let request = server
        .request(Method::POST, "/experiments", EDITOR)
        .json(&json!({ "name": "mine" }));
    send(request).await.expect(201);
    let history = server.get("/experiments/mine/history").await.expect(200);
    assert_eq!(history["entries"][0]["actor"], "editor");
}

each_store!(what_a_client_has_is_not_sent_again);
async fn what_a_client_has_is_not_sent_again() {
    let server = TestServer::start().await;
    server.draft("x").await;
    server
        .post("/labs", &json!({ "key": "growth", "name": "Growth" }))
        .await
        .expect(201);
    let read = |path: &'static str, known: String| {
        let request = server.request(Method::GET, path, ADMIN);
        send(request.header("if-none-match", known))
    };
    for path in [
        "/experiments/x",
        "/flags/x",
        "/labs/growth",
        "/organization",
        "/projects/default",
    ] {
        let first = server.get(path).await;
        let etag = first.header("etag").to_owned();
        let version = first.body["resourceVersion"].to_string();
        assert!(etag.starts_with(&format!("\"{version}")), "{path}: {etag}");
        for known in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"other\", {etag}"),
            "*".to_owned(),
        ] {
            let again = read(path, known).await;
            assert_eq!((again.status, again.header("etag")), (304, &*etag), "{path}");
            assert_eq!(again.body, Value::Null);
        }
        let other = read(path, "\"77\"".to_owned()).await;
        assert_eq!(other.expect(200), first.body, "{path}");
    }
    // What was made anew under a key is something else, though its version is the same.
    let body = json!({ "name": "y", "key": "y" });
    server.post("/experiments", &body).await.expect(201);
    let before = server.get("/experiments/y").await;
    let gone = server.request(Method::DELETE, "/experiments/y", ADMIN);
    let gone = gone.header("if-match", before.header("etag"));
    assert_eq!(send(gone).await.status, 204);
    server.post("/experiments", &body).await.expect(201);
    let anew = read("/experiments/y", before.header("etag").to_owned())
        .await
        .expect(200);
    assert_eq!(anew["resourceVersion"], before.body["resourceVersion"]);
    assert_ne!(anew["id"], before.body["id"]);
    // An override changes what is shown of a flag, and not its version.
    let of_flag = server.get("/flags/x").await;
    let etag = of_flag.header("etag").to_owned();
    let body = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ["u"] });
    server.put("/flags/x/overrides", &body).await.expect(200);
    let after = read("/flags/x", etag.clone()).await.expect(200);
    assert_eq!(
        (&after["overrides"], &after["resourceVersion"]),
        (&json!(1), &of_flag.body["resourceVersion"])
    );
    // Such an ETag names the version that a change is made from.
    let patch = server
        .request(Method::PATCH, "/flags/x", ADMIN)
        .header("if-match", etag);
    send(patch.json(&json!({ "name": "New" }))).await.expect(200);
}
