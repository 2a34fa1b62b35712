//! Copying to another project, deleting drafts, and labs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{ADMIN, Answer, EDITOR, TestServer, fields, send};
use crate::support::store::each_store;

async fn in_project(server: &TestServer, project: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = server
        .request(method, path, ADMIN)
        .header("x-splitdeck-project", project);
    let request = if body.is_null() {
        request
    } else {
        request.json(body)
    };
    send(request).await
}

each_store!(a_copy_has_what_is_configured_and_nothing_that_happened);
async fn a_copy_has_what_is_configured_and_nothing_that_happened() {
    let server = TestServer::start().await;
    server
        .post("/projects", &json!({ "key": "prod" }))
        .await
        .expect(201);
    let web = json!({ "name": "Web", "kind": "client" });
    let here = server.post("/deployments", &web).await.expect(201);
    let lower = json!({ "name": "web", "kind": "client" });
    let there = in_project(&server, "prod", Method::POST, "/deployments", &lower)
        .await
        .expect(201);
    server
        .post("/labs", &json!({ "key": "growth" }))
        .await
        .expect(201);
    let body = json!({ "name": "Exp", "key": "exp", "deployments": [here["id"]], "parentId": "growth",
        "hypothesis": "h", "holdoutPct": 5, "primaryMetric": { "event": "buy" },
        "rules": [{ "variant": "treatment", "conditions": [
            { "scope": "profile", "field": "country", "operator": "is", "value": "TH" }] }] });
    let draft = server.post("/experiments", &body).await.expect(201);
    let original = server.to(&draft, "active").await;
    let set = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ["tester"] });
    server.put("/experiments/exp/overrides", &set).await.expect(200);
    // More than one document of the feed holds.
    for part in 0..3 {
        let ids: Vec<String> = (0..6_000).map(|n| format!("u{part}-{n}")).collect();
        let set = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ids });
        server.put("/experiments/exp/overrides", &set).await.expect(200);
    }

    let copy = server
        .post(
            "/experiments/exp/copy",
            &json!({ "project": "PROD", "overrides": true }),
        )
        .await
        .expect(201);
    assert_ne!(copy["id"], original["id"]);
    assert_eq!(
        copy["deployments"],
        json!([there["id"]]),
        "the one of the same name"
    );
    assert_eq!(copy["parentId"], "DEFAULT", "the other project has no such lab");
    assert_eq!(
        (&copy["status"], &copy["cohorts"], &copy["resourceVersion"]),
        (&json!("draft"), &json!([]), &json!(1))
    );
    for field in [
        "key",
        "hypothesis",
        "holdoutPct",
        "primaryMetric",
        "variants",
        "linkedFlag",
    ] {
        assert_eq!(copy[field], original[field], "{field}");
    }
    assert_eq!(copy["rules"][0]["conditions"], original["rules"][0]["conditions"]);
    assert_ne!(copy["rules"][0]["id"], original["rules"][0]["id"]);
    let page = in_project(
        &server,
        "prod",
        Method::GET,
        "/experiments/exp/overrides",
        &Value::Null,
    )
    .await;
    let page = page.expect(200);
    assert_eq!(
        (&page["overrides"][0]["subjectId"], &page["fixed"]),
        (&json!("tester"), &json!(18_001))
    );
    let flag = in_project(&server, "prod", Method::GET, "/flags/exp", &Value::Null).await;
    assert_eq!(flag.expect(200)["enabled"], false);
    let told = in_project(
        &server,
        "prod",
        Method::GET,
        "/audit?action=experiment.copied",
        &Value::Null,
    )
    .await;
    assert_eq!(
        told.expect(200)["entries"][0]["evidence"]["fromProject"],
        "default"
    );
    let told = server.get("/audit?action=experiment.copied").await.expect(200);
    assert_eq!(told["entries"][0]["evidence"]["toProject"], "prod");
    let carried = &told["entries"][0]["evidence"]["overrides"];
    assert!(carried.as_u64() > Some(18_000), "{told}");

    let again = server
        .post("/experiments/exp/copy", &json!({ "project": "prod" }))
        .await;
    assert_eq!(again.refused(409, "key_taken"), ["key"]);
    let nowhere = server
        .post("/experiments/exp/copy", &json!({ "project": "nowhere" }))
        .await;
    nowhere.problem(404, "not_found");
    let request = server.request(Method::POST, "/experiments/exp/copy", EDITOR);
    send(request.json(&json!({ "project": "prod", "key": "other" })))
        .await
        .problem(404, "not_found");
    let twin = server
        .post(
            "/experiments/exp/copy",
            &json!({ "project": "default", "key": "exp-2" }),
        )
        .await
        .expect(201);
    assert_eq!(twin["linkedFlag"], "exp-2", "the original keeps its flag");
    let flag = server
        .post("/flags/exp/copy", &json!({ "project": "prod", "key": "f2" }))
        .await;
    assert_eq!(flag.expect(201)["enabled"], false);
}

each_store!(drafts_are_deleted_and_nothing_else);
async fn drafts_are_deleted_and_nothing_else() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let set = json!({ "variant": "control", "subjectType": "user", "subjectIds": ["u"] });
    server.put("/experiments/x/overrides", &set).await.expect(200);
    let refused = server.delete("/experiments/x").await;
    assert_eq!(refused.refused(400, "invalid"), ["resourceVersion"]);
    server
        .delete("/experiments/x?resourceVersion=7")
        .await
        .problem(409, "version_conflict");
    let request = server.request(Method::DELETE, "/experiments/x", ADMIN);
    assert_eq!(send(request.header("if-match", "\"1\"")).await.status, 204);
    server.get("/experiments/x").await.problem(404, "not_found");
    let told = server.get("/audit?action=experiment.deleted").await.expect(200);
    assert_eq!(told["entries"][0]["objectKey"], "x");
    // Its key is free, and nothing is left of its overrides.
    server.draft("x").await;
    assert_eq!(
        server.get("/experiments/x/overrides").await.expect(200)["fixed"],
        0
    );
    server.active("y").await;
    let refused = server.delete("/experiments/y?resourceVersion=2").await;
    refused.problem(409, "bad_transition");
}

each_store!(labs_group_experiments);
async fn labs_group_experiments() {
    let server = TestServer::start().await;
    let made = server
        .post("/labs", &json!({ "key": "growth" }))
        .await
        .expect(201);
    assert_eq!(made["name"], "growth");
    let taken = server.post("/labs", &json!({ "key": "GROWTH" })).await;
    assert_eq!(taken.refused(409, "key_taken"), ["key"]);
    let default = server.post("/labs", &json!({ "key": "default" })).await;
    assert_eq!(default.refused(400, "invalid"), ["key"]);
    for (body, field) in [
        (json!({ "key": "l", "name": "a\u{1b}]0;b\u{7}" }), "name"),
        (json!({ "key": "l", "name": "a\nb" }), "name"),
        (json!({ "key": "l", "name": "x".repeat(201) }), "name"),
        (
            json!({ "key": "l", "description": "x".repeat(20_001) }),
            "description",
        ),
    ] {
        assert_eq!(server.post("/labs", &body).await.refused(400, "invalid"), [field]);
    }
    let nameless = json!({ "resourceVersion": 1, "name": " " });
    let refused = server.patch("/labs/growth", &nameless).await;
    assert_eq!(refused.refused(400, "invalid"), ["name"]);
    let body = json!({ "name": "a", "parentId": "nowhere" });
    let problem = server.post("/experiments", &body).await.problem(400, "invalid");
    assert_eq!(fields(&problem), ["parentId"]);
    let body = json!({ "name": "a", "parentId": "growth" });
    assert_eq!(
        server.post("/experiments", &body).await.expect(201)["parentId"],
        "growth"
    );
    let archive = json!({ "resourceVersion": 1, "archived": true });
    server.patch("/labs/growth", &archive).await.expect(200);
    server
        .patch("/labs/growth", &archive)
        .await
        .problem(409, "version_conflict");
    let late = json!({ "name": "b", "parentId": "growth" });
    assert_eq!(
        server.post("/experiments", &late).await.refused(400, "invalid"),
        ["parentId"]
    );
    assert_eq!(server.get("/labs").await.expect(200)["labs"][0]["archived"], true);
    let organization = server.get("/organization").await.expect(200);
    let change = json!({ "resourceVersion": organization["resourceVersion"], "name": "Acme", "key": "acme" });
    assert_eq!(
        server.patch("/organization", &change).await.expect(200)["key"],
        "acme"
    );
    server
        .patch("/organization", &change)
        .await
        .problem(409, "version_conflict");
}

each_store!(a_copy_is_shown_to_nobody_who_could_not_see_the_original);
async fn a_copy_is_shown_to_nobody_who_could_not_see_the_original() {
    let server = TestServer::start().await;
    server
        .post("/projects", &json!({ "key": "app" }))
        .await
        .expect(201);
    let made = async |project: &str, name: &str, kind: &str| {
        let body = json!({ "name": name, "kind": kind });
        let made = in_project(&server, project, Method::POST, "/deployments", &body).await;
        made.expect(201)
    };
    let backend = made("default", "backend", "server").await;
    let web = made("default", "web", "client").await;
    let old_page = made("default", "oldpage", "client").await;
    // Of the same name, and of another kind.
    made("app", "Backend", "client").await;
    let web_there = made("app", "web", "client").await;
    let copied = async |key: &str, deployments: &[&Value]| {
        let body = json!({ "name": key, "key": key, "deployments": deployments });
        server.post("/experiments", &body).await.expect(201);
        let copy = format!("/experiments/{key}/copy");
        let body = json!({ "project": "app" });
        server.post(&copy, &body).await.expect(201)["deployments"].clone()
    };
    assert_eq!(copied("secret", &[&backend["id"]]).await, json!([]));
    let both = copied("both", &[&backend["id"], &web["id"]]).await;
    assert_eq!(both, json!([web_there["id"]]));

    // Who saw it once, and sees nothing any more, does not count.
    let body = json!({ "name": "revoked", "key": "revoked", "deployments": [backend["id"], old_page["id"]] });
    server.post("/experiments", &body).await.expect(201);
    let path = format!("/deployments/{}/revoke", old_page["id"].as_str().expect("an id"));
    server
        .post(&path, &json!({ "resourceVersion": 1 }))
        .await
        .expect(200);
    let copy = server
        .post("/experiments/revoked/copy", &json!({ "project": "app" }))
        .await;
    assert_eq!(copy.expect(201)["deployments"], json!([]));

    // The flag was seen by servers only, and its copy is not seen by more.
    let body = json!({ "key": "narrow", "deployments": [backend["id"]] });
    server.post("/flags", &body).await.expect(201);
    let body = json!({ "name": "wide", "linkedFlag": "narrow", "deployments": [backend["id"], web["id"]] });
    server.post("/experiments", &body).await.expect(201);
    let body = json!({ "project": "app" });
    let copy = server.post("/experiments/wide/copy", &body).await.expect(201);
    assert_eq!(copy["deployments"], json!([web_there["id"]]));
    let flag = in_project(&server, "app", Method::GET, "/flags/narrow", &Value::Null).await;
    assert_eq!(flag.expect(200)["deployments"], json!([]));
}
