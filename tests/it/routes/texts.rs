//! Texts that one of the stores cannot keep are refused by both, by the field that holds them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::engine::{query, shared};
use crate::support::server::{ADMIN, TestServer, send};
use crate::support::store::each_store;
use crate::support::warehouse::{drained, server_with_clickhouse};

each_store!(u0000_is_refused_by_its_field_wherever_something_is_kept);
async fn u0000_is_refused_by_its_field_wherever_something_is_kept() {
    let server = TestServer::start().await;
    server.draft("x").await;
    server.post("/flags", &json!({ "key": "f" })).await.expect(201);
    server.post("/labs", &json!({ "key": "lab" })).await.expect(201);
    let backend = json!({ "name": "backend", "kind": "server" });
    let backend = server.post("/deployments", &backend).await.expect(201);
    let deployment = format!("/deployments/{}", backend["id"].as_str().expect("an id"));
    let bad = "a\u{0}b";
    let rules = json!({ "resourceVersion": 1, "rules": [{ "variant": "control", "conditions": [
        { "scope": "profile", "field": "country", "operator": "is", "value": bad }] }] });
    let nested = json!({ "resourceVersion": 1, "variants": [
        { "key": "control", "isControl": true, "trafficPct": 50, "payload": { "deep": ["fine", { "er": bad }] } },
        { "key": "treatment", "trafficPct": 50, "orderIndex": 1 }] });
    let link = json!({ "resourceVersion": 1, "links": { bad: "https://example.com" } });
    let ids = json!({ "variant": "control", "subjectType": "user", "subjectIds": ["fine", bad] });
    let one = |field: &str| {
        let mut body = json!({ "resourceVersion": 1 });
        body[field] = bad.into();
        body
    };
    let with = |mut body: Value, field: &str| {
        body[field] = bad.into();
        body
    };
    let all = [
        (Method::POST, "/experiments", with(json!({}), "name"), "name"),
        (
            Method::POST,
            "/experiments",
            with(json!({ "name": "n" }), "hypothesis"),
            "hypothesis",
        ),
        (Method::PATCH, "/experiments/x", one("description"), "description"),
        (Method::PATCH, "/experiments/x", link, "links.a\\u0000b"),
        (
            Method::PATCH,
            "/experiments/x",
            nested,
            "variants[0].payload.deep[1].er",
        ),
        (
            Method::PUT,
            "/experiments/x/rules",
            rules,
            "rules[0].conditions[0].value",
        ),
        (
            Method::PUT,
            "/experiments/x/overrides",
            ids.clone(),
            "subjectIds[1]",
        ),
        (
            Method::POST,
            "/experiments/x/status",
            with(json!({ "resourceVersion": 1, "to": "active" }), "comment"),
            "comment",
        ),
        (
            Method::POST,
            "/experiments/x/copy",
            json!({ "project": bad }),
            "project",
        ),
        (
            Method::POST,
            "/experiments/x/apply-winner",
            with(json!({ "resourceVersion": 1, "winner": "control" }), "comment"),
            "comment",
        ),
        (Method::POST, "/experiments/x/convert", one("key"), "key"),
        (
            Method::POST,
            "/flags",
            with(json!({ "key": "g" }), "description"),
            "description",
        ),
        (Method::PATCH, "/flags/f", one("name"), "name"),
        (Method::PUT, "/flags/f/overrides", ids, "subjectIds[1]"),
        (Method::PATCH, "/labs/lab", one("description"), "description"),
        (
            Method::POST,
            "/projects",
            with(json!({ "key": "p" }), "name"),
            "name",
        ),
        (Method::PATCH, "/projects/default", one("name"), "name"),
        (Method::PATCH, "/organization", one("name"), "name"),
        (
            Method::POST,
            "/tokens",
            json!({ "name": bad, "roles": { "default": "viewer" } }),
            "name",
        ),
        (
            Method::POST,
            "/deployments",
            json!({ "name": bad, "kind": "client" }),
            "name",
        ),
        (Method::PATCH, &deployment, one("name"), "name"),
    ];
    let log = server.get("/audit").await.expect(200);
    for (method, path, body, field) in all {
        let answer = send(server.request(method.clone(), path, ADMIN).json(&body)).await;
        let problem = answer.problem(400, "invalid");
        let errors = problem["errors"].as_array().expect("errors");
        assert_eq!(errors.len(), 1, "{method} {path}: {problem}");
        assert_eq!(errors[0]["field"], field, "{method} {path}");
        assert_eq!(errors[0]["allowed"], "a text without the character U+0000");
    }
    assert_eq!(server.get("/audit").await.expect(200), log, "nothing was done");

    // In a path or a query it is looked for like any other text.
    for path in ["/experiments/a%00b", "/flags/a%00b", "/labs/a%00b"] {
        server.get(path).await.problem(404, "not_found");
    }
    for path in ["/audit?actor=a%00b", "/experiments/x/history?actor=a%00b"] {
        assert_eq!(server.get(path).await.expect(200)["entries"], json!([]));
    }
    let found = server
        .get("/experiments/x/overrides?search=a%00b")
        .await
        .expect(200);
    assert_eq!(found["overrides"], json!([]));
    let remove = "/experiments/x/overrides?subjectType=user&subjectId=a%00b";
    server.delete(remove).await.problem(404, "not_found");
    let import = "/experiments/x/override-imports?variant=control&subjectType=user";
    let named = server.request(Method::POST, &format!("{import}&sourceName=a%00b"), ADMIN);
    assert_eq!(
        send(named.body("u")).await.refused(400, "invalid"),
        ["sourceName"]
    );
    let listed = server.request(Method::POST, import, ADMIN);
    let staged = send(listed.body("fine\nb\u{0}d\n")).await.expect(201);
    assert_eq!(
        (&staged["unique"], &staged["malformedLines"][0]["line"]),
        (&json!(1), &json!(2))
    );
}

each_store!(where_nothing_is_kept_any_text_is_decided_for);
async fn where_nothing_is_kept_any_text_is_decided_for() {
    let server = TestServer::start().await;
    let body = json!({ "name": "x", "sticky": true });
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await;
    server
        .post("/flags", &json!({ "key": "f", "enabled": true }))
        .await
        .expect(201);
    let user = json!({ "user_id": "a\u{0}b", "user_properties": { "c\u{0}": "\u{0}" } });
    let mut ask = user.clone();
    ask["experimentId"] = "x".into();
    let first = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(first["reason"], "allocation");
    server.post("/experiments/x/explain", &user).await.expect(200);
    server.post("/flags/f/explain", &user).await.expect(200);
    let context = json!({ "context": { "targetingKey": "a\u{0}b" } });
    server
        .post("/ofrep/v1/evaluate/flags", &context)
        .await
        .expect(200);
    server.post("/sdk/v2/vardata", &user).await.expect(200);
    // It is remembered as its hash.
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    let second = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(
        (&second["reason"], &second["variantId"]),
        (&json!("sticky"), &first["variantId"])
    );
}

#[tokio::test]
async fn events_keep_every_text_as_it_was_sent() {
    let server = server_with_clickhouse().await;
    let event = json!({ "name": "n\u{0}", "profileId": "p\u{0}q", "properties": { "plan\u{0}": "\u{0}pro", "x": "\\u0000" } });
    server.post("/track", &event).await.expect(200);
    drained(&server).await;
    let database = server.client().warehouse().await.expect("a login").database;
    let engine = shared();
    let sql = format!(
        "SELECT name = 'n\\0', profile_id = 'p\\0q', props['plan\\0'] = '\\0pro', props['x'] = '\\\\u0000' \
         FROM {database}.events"
    );
    let kept = query(&engine.http_url, &engine.server, &sql)
        .await
        .expect("an answer");
    assert_eq!(kept, "1\t1\t1\t1");
}
