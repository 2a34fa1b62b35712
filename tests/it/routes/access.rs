//! Who may what: every route with every kind of token and key.

use reqwest::Method;
use serde_json::{Value, json};

use super::every::routes;
use crate::support::server::{ADMIN, EDITOR, TestServer, VIEWER, send};
use crate::support::store::each_store;

/// Whether the key of a deployment is enough for a route.
fn is_for_keys(path: &str) -> bool {
    let sdk = ["/ofrep/", "/sdk/", "/v1/vardata"];
    ["/experiments/assign", "/track"].contains(&path) || sdk.iter().any(|start| path.starts_with(start))
}

async fn deployment(server: &TestServer, name: &str, kind: &str) -> Value {
    let body = json!({ "name": name, "kind": kind });
    server.post("/deployments", &body).await.expect(201)
}

async fn token(server: &TestServer, name: &str, roles: Value) -> Value {
    let body = json!({ "name": name, "roles": roles });
    server.post("/tokens", &body).await.expect(201)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("a text")
}

async fn status(server: &TestServer, method: &Method, path: &str, token: &str, project: Option<&str>) -> u16 {
    let mut request = server.request(method.clone(), path, token);
    if let Some(project) = project {
        request = request.header("x-splitdeck-project", project);
    }
    send(request).await.status
}

#[tokio::test]
async fn every_route_with_every_kind_of_caller() {
    let server = TestServer::start().await;
    let revoked = token(&server, "gone", json!({ "default": "admin" })).await;
    let path = format!("/tokens/{}", text(&revoked, "id"));
    assert_eq!(server.delete(&path).await.status, 204);
    server
        .post("/projects", &json!({ "key": "other" }))
        .await
        .expect(201);
    let elsewhere = token(&server, "elsewhere", json!({ "other": "admin" })).await;
    let client = deployment(&server, "web", "client").await;
    let backend = deployment(&server, "backend", "server").await;
    let old = deployment(&server, "old", "server").await;
    let revoke = format!("/deployments/{}/revoke", text(&old, "id"));
    server
        .post(&revoke, &json!({ "resourceVersion": 1 }))
        .await
        .expect(200);
    let rank = |role: &str| ["viewer", "editor", "admin"].iter().position(|r| *r == role);
    for (method, path, needed) in routes() {
        let what = format!("{method} {path}");
        let anonymous = send(server.anonymous(method.clone(), path)).await;
        assert_eq!(anonymous.status, 401, "{what} without a token");
        for secret in [text(&revoked, "token"), text(&old, "key")] {
            assert_eq!(
                status(&server, &method, path, secret, None).await,
                401,
                "{what} revoked"
            );
        }
        for (token, role) in [(VIEWER, "viewer"), (EDITOR, "editor"), (ADMIN, "admin")] {
            // There are two projects, and the first two have a role in one of them only.
            let of_all = path == "/warehouse" && token != ADMIN;
            let forbidden = rank(role) < rank(needed) || of_all;
            let answered = status(&server, &method, path, token, None).await;
            assert_eq!(answered == 403, forbidden, "{what} as {role}: {answered}");
            assert_ne!(answered, 401, "{what} as {role}");
        }
        // A token of another project is refused in this one, whatever its role there.
        let secret = text(&elsewhere, "token");
        assert_eq!(
            status(&server, &method, path, secret, Some("default")).await,
            403,
            "{what}"
        );
        assert_eq!(
            status(&server, &method, path, VIEWER, Some("other")).await,
            403,
            "{what}"
        );
        for key in [text(&client, "key"), text(&backend, "key")] {
            let answered = status(&server, &method, path, key, None).await;
            let forbidden = !is_for_keys(path);
            assert_eq!(
                answered == 403,
                forbidden,
                "{what} with a deployment's key: {answered}"
            );
        }
    }
}

each_store!(a_token_sees_the_project_that_is_named);
async fn a_token_sees_the_project_that_is_named() {
    let server = TestServer::start().await;
    server.draft("here").await;
    server
        .post(
            "/projects",
            &json!({ "key": "Other", "environment": "production", "protected": true }),
        )
        .await
        .expect(201);
    let in_other = |method: Method, path: &str| {
        server
            .request(method, path, ADMIN)
            .header("x-splitdeck-project", "OTHER")
    };
    let me = send(in_other(Method::GET, "/me")).await.expect(200);
    assert_eq!(
        (&me["project"]["key"], &me["role"]),
        (&json!("Other"), &json!("admin"))
    );
    assert_eq!(
        (&me["project"]["environment"], &me["project"]["protected"]),
        (&json!("production"), &json!(true))
    );
    assert_eq!(
        send(in_other(Method::GET, "/experiments")).await.expect(200)["experiments"],
        json!([])
    );
    let body = json!({ "name": "here", "key": "here" });
    send(in_other(Method::POST, "/experiments").json(&body))
        .await
        .expect(201);
    assert_eq!(
        server.get("/experiments").await.expect(200)["experiments"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let unknown = server
        .request(Method::GET, "/me", VIEWER)
        .header("x-splitdeck-project", "other");
    let problem = send(unknown).await.problem(403, "forbidden");
    assert!(text(&problem, "detail").contains("default (viewer)"), "{problem}");
    let projects = server.get("/projects").await.expect(200);
    let listed: Vec<(&str, &Value, &Value)> = projects["projects"]
        .as_array()
        .expect("projects")
        .iter()
        .map(|p| (text(p, "key"), &p["experiments"], &p["flags"]))
        .collect();
    assert_eq!(
        listed,
        [("default", &json!(1), &json!(1)), ("Other", &json!(1), &json!(1))]
    );
    let seen = send(server.request(Method::GET, "/projects", VIEWER))
        .await
        .expect(200);
    assert_eq!(seen["projects"].as_array().map(Vec::len), Some(1));
    let hidden = server.request(Method::GET, "/projects/other", VIEWER);
    send(hidden).await.problem(404, "not_found");
    let change = json!({ "resourceVersion": 1, "name": "Mine" });
    let request = server
        .request(Method::PATCH, "/projects/default", EDITOR)
        .json(&change);
    send(request).await.problem(403, "forbidden");
    let changed = server.patch("/projects/default", &change).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["resourceVersion"]),
        (&json!("Mine"), &json!(2))
    );
    server
        .patch("/projects/default", &change)
        .await
        .problem(409, "version_conflict");
    let taken = server.post("/projects", &json!({ "key": "DEFAULT" })).await;
    assert_eq!(taken.refused(409, "key_taken"), ["key"]);
}

each_store!(tokens_are_made_listed_and_revoked);
async fn tokens_are_made_listed_and_revoked() {
    let server = TestServer::start().await;
    let made = token(&server, "ci", json!({ "default": "editor" })).await;
    let secret = text(&made, "token").to_owned();
    let me = send(server.request(Method::GET, "/me", &secret))
        .await
        .expect(200);
    assert_eq!((&me["actor"], &me["role"]), (&json!("ci"), &json!("editor")));
    let list = server.get("/tokens").await.expect(200);
    assert_eq!(list["tokens"][0]["name"], "ci");
    assert!(
        !list.to_string().contains(&secret),
        "the token itself is told once"
    );
    let again = json!({ "name": "ci", "roles": { "default": "viewer" } });
    assert_eq!(
        server.post("/tokens", &again).await.refused(409, "key_taken"),
        ["name"]
    );
    for (body, refused) in [
        (json!({ "name": "", "roles": { "default": "viewer" } }), "name"),
        (
            json!({ "name": "system\u{2060}", "roles": { "default": "viewer" } }),
            "name",
        ),
        (json!({ "name": "a", "roles": {} }), "roles"),
        (
            json!({ "name": "a", "roles": { "default": "viewer", "DEFAULT": "admin" } }),
            "roles.default",
        ),
        (
            json!({ "name": "a", "roles": { "nowhere": "viewer" } }),
            "roles.nowhere",
        ),
        (
            json!({ "name": "a", "roles": { "default": "owner" } }),
            "roles.default",
        ),
        (
            json!({ "name": "a", "roles": { "default": "viewer" }, "expiresAt": "2020-01-01T00:00:00Z" }),
            "expiresAt",
        ),
    ] {
        assert_eq!(
            server.post("/tokens", &body).await.refused(400, "invalid"),
            [refused],
            "{body}"
        );
    }
    let path = format!("/tokens/{}", text(&made, "id"));
    assert_eq!(server.delete(&path).await.status, 204);
    let refused = send(server.request(Method::GET, "/me", &secret)).await;
    refused.problem(401, "unauthorized");
    server.delete(&path).await.problem(404, "not_found");
    let log = server.get("/audit?objectKey=CI").await.expect(200);
    let actions: Vec<&str> = log["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|e| text(e, "action"))
        .collect();
    assert_eq!(actions, ["token.revoked", "token.created"]);
    assert!(!log.to_string().contains(&secret));
    // It stays revoked after a restart, and its name is free again.
    token(&server, "ci", json!({ "default": "viewer" })).await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    send(server.request(Method::GET, "/me", &secret))
        .await
        .problem(401, "unauthorized");
}

each_store!(the_last_administrator_stays);
async fn the_last_administrator_stays() {
    let server = TestServer::start().await;
    let list = server.get("/tokens").await.expect(200);
    let admin = list["tokens"]
        .as_array()
        .expect("tokens")
        .iter()
        .find(|t| t["name"] == "admin")
        .expect("the first one");
    let path = format!("/tokens/{}", text(admin, "id"));
    let problem = server.delete(&path).await.problem(409, "last_admin");
    assert!(text(&problem, "detail").contains("default"), "{problem}");
    // One that ends by itself takes nobody's place.
    let body =
        json!({ "name": "short", "roles": { "default": "admin" }, "expiresAt": "2999-01-01T00:00:00Z" });
    server.post("/tokens", &body).await.expect(201);
    server.delete(&path).await.problem(409, "last_admin");
    let second = token(&server, "second", json!({ "default": "admin" })).await;
    assert_eq!(server.delete(&path).await.status, 204);
    server.get("/me").await.problem(401, "unauthorized");
    send(server.request(Method::GET, "/tokens", text(&second, "token")))
        .await
        .expect(200);
}

each_store!(keys_of_deployments);
async fn keys_of_deployments() {
    let server = TestServer::start().await;
    let experiment = server.active("x").await;
    let web = deployment(&server, "Web", "client").await;
    let backend = deployment(&server, "Backend", "server").await;
    let list = send(server.request(Method::GET, "/deployments", VIEWER))
        .await
        .expect(200);
    let rows = list["deployments"].as_array().expect("rows");
    let row = |name: &str| rows.iter().find(|r| r["name"] == name).expect("listed");
    assert_eq!(row("Web")["key"], web["key"], "the key of a client is no secret");
    assert_eq!(
        row("Backend")["key"],
        Value::Null,
        "the key of a server is told once"
    );
    assert_eq!(
        (&row("default")["experiments"], &row("default")["flags"]),
        (&json!(1), &json!(1))
    );
    let user = json!({ "experimentId": "x", "user_id": "u" });
    let assign = async |key: &str, headers: &[(&str, &str)]| {
        let mut request = server.anonymous(Method::POST, "/experiments/assign").json(&user);
        if !key.is_empty() {
            request = request.header("authorization", format!("Api-Key {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await
    };
    let key = text(&backend, "key");
    // It does not see what does not name it.
    assign(key, &[]).await.problem(404, "not_found");
    let ids = json!([web["id"], backend["id"]]);
    let change = json!({ "resourceVersion": experiment["resourceVersion"], "deployments": ids });
    server.patch("/experiments/x", &change).await.expect(200);
    assign(key, &[]).await.expect(200);
    assign("", &[("x-api-key", key)]).await.expect(200);
    assign("", &[("openpanel-client-id", text(&web, "key"))])
        .await
        .expect(200);
    assign("", &[("openpanel-client-id", text(&web, "id"))])
        .await
        .expect(200);
    let (id, wrong) = (text(&backend, "id"), text(&web, "id"));
    assign(
        "",
        &[("openpanel-client-id", id), ("openpanel-client-secret", key)],
    )
    .await
    .expect(200);
    for headers in [
        [
            ("openpanel-client-id", id),
            ("openpanel-client-secret", "nonsense"),
        ],
        [("openpanel-client-id", wrong), ("openpanel-client-secret", key)],
        [("openpanel-client-id", id), ("openpanel-client-secret", "")],
    ] {
        assign("", &headers).await.problem(401, "unauthorized");
    }
    let secretless = assign("", &[("openpanel-client-id", id)])
        .await
        .problem(401, "unauthorized");
    assert!(
        text(&secretless, "detail").contains("send the key as the client's secret"),
        "{secretless}"
    );
    let track = server
        .anonymous(Method::POST, "/track")
        .header("authorization", format!("Bearer {key}"))
        .json(&json!({ "name": "buy", "profileId": "u" }));
    send(track).await.expect(200);
    // A new key, the old one for an hour more; then the end of both.
    let path = format!("/deployments/{id}");
    let too_long = json!({ "resourceVersion": 1, "graceSeconds": 2_592_001 });
    let refused = server.post(&format!("{path}/rotate"), &too_long).await;
    assert_eq!(refused.refused(400, "invalid"), ["graceSeconds"]);
    let rotate = json!({ "resourceVersion": 1, "graceSeconds": 3600 });
    let rotated = server.post(&format!("{path}/rotate"), &rotate).await.expect(200);
    let new = text(&rotated, "key");
    assert_ne!(new, key);
    assign(key, &[]).await.expect(200);
    assign(new, &[]).await.expect(200);
    let at_once = json!({ "resourceVersion": 2 });
    let newest = server.post(&format!("{path}/rotate"), &at_once).await.expect(200);
    assign(new, &[]).await.problem(401, "unauthorized");
    assign(key, &[]).await.problem(401, "unauthorized");
    assign(text(&newest, "key"), &[]).await.expect(200);
    let stale = server.post(&format!("{path}/revoke"), &at_once).await;
    assert_eq!(
        stale.problem(409, "version_conflict")["current"]["key"],
        Value::Null
    );
    let revoke = json!({ "resourceVersion": 3, "comment": "leaked" });
    server.post(&format!("{path}/revoke"), &revoke).await.expect(200);
    assign(text(&newest, "key"), &[])
        .await
        .problem(401, "unauthorized");
    let revived = json!({ "resourceVersion": 4 });
    server
        .post(&format!("{path}/rotate"), &revived)
        .await
        .problem(409, "bad_transition");
    let log = server.get(&format!("/audit?objectId={id}")).await.expect(200);
    let told: Vec<(&str, &Value)> = log["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|e| (text(e, "action"), &e["comment"]))
        .collect();
    assert_eq!(
        told,
        [
            ("deployment.revoked", &json!("leaked")),
            ("deployment.key_rotated", &Value::Null),
            ("deployment.key_rotated", &Value::Null),
            ("deployment.created", &Value::Null)
        ]
    );
    for secret in [key, new, text(&newest, "key")] {
        assert!(!log.to_string().contains(secret), "no key is in the log");
    }
    let renamed = json!({ "resourceVersion": 1, "name": "WEB app" });
    let path = format!("/deployments/{}", text(&web, "id"));
    assert_eq!(server.patch(&path, &renamed).await.expect(200)["name"], "WEB app");
    let taken = json!({ "resourceVersion": 2, "name": "BACKEND" });
    assert_eq!(
        server.patch(&path, &taken).await.refused(409, "key_taken"),
        ["name"]
    );
}

each_store!(a_revoked_default_deployment_leaves_the_place_to_the_next);
async fn a_revoked_default_deployment_leaves_the_place_to_the_next() {
    let server = TestServer::start().await;
    let next = deployment(&server, "Web", "client").await;
    let revoke = async |name: &str| {
        let list = server.get("/deployments").await.expect(200);
        let rows = list["deployments"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["name"] == name).expect("listed");
        let body = json!({ "resourceVersion": row["resourceVersion"] });
        let path = format!("/deployments/{}/revoke", text(row, "id"));
        server.post(&path, &body).await.expect(200);
    };
    revoke("default").await;
    let made = server
        .post("/experiments", &json!({ "name": "x" }))
        .await
        .expect(201);
    assert_eq!(made["deployments"], json!([next["id"]]));
    let made = server.post("/flags", &json!({ "key": "f" })).await.expect(201);
    assert_eq!(made["deployments"], json!([next["id"]]));
    // Without any there is nothing to begin with, and that is what is said.
    revoke("Web").await;
    let refused = server.post("/experiments", &json!({ "name": "y" })).await;
    let problem = refused.problem(400, "invalid");
    assert!(
        problem
            .to_string()
            .contains("every deployment of the project is revoked"),
        "{problem}"
    );
    let body = json!({ "name": "y", "deployments": [] });
    server.post("/experiments", &body).await.expect(201);
}

each_store!(a_token_cannot_hide_a_project_or_itself);
async fn a_token_cannot_hide_a_project_or_itself() {
    let server = TestServer::start().await;
    let leaked = token(&server, "leaked", json!({ "default": "admin" })).await;
    let secret = text(&leaked, "token").to_owned();
    let request = server.request(Method::POST, "/projects", &secret);
    send(request.json(&json!({ "key": "hide" }))).await.expect(201);
    // Who administers where it was made administers it too, and sees all that the token may.
    let list = server.get("/tokens").await.expect(200);
    let row = list["tokens"]
        .as_array()
        .expect("tokens")
        .iter()
        .find(|t| t["name"] == "leaked");
    let roles = &row.expect("listed")["roles"];
    assert_eq!(*roles, json!({ "default": "admin", "hide": "admin" }));
    let path = format!("/tokens/{}", text(&leaked, "id"));
    assert_eq!(server.delete(&path).await.status, 204);
    let me = send(server.request(Method::GET, "/me", &secret)).await;
    me.problem(401, "unauthorized");
    // One with a role where the caller has none goes on there, and that is said.
    let other = json!({ "key": "other" });
    server.post("/projects", &other).await.expect(201);
    let of_other = token(&server, "of-other", json!({ "other": "admin" })).await;
    let both = token(&server, "both", json!({ "default": "viewer", "other": "viewer" })).await;
    let path = format!("/tokens/{}", text(&both, "id"));
    let request = server.request(Method::DELETE, &path, text(&of_other, "token"));
    let left = send(request.header("x-splitdeck-project", "other"))
        .await
        .expect(200);
    assert_eq!((&left["name"], &left["roles"]), (&json!("both"), &json!({})));
    let me = send(server.request(Method::GET, "/me", text(&both, "token")))
        .await
        .expect(200);
    assert_eq!(me["project"]["key"], "default");
    for name in ["srm-guard", "system", "Admin"] {
        let body = json!({ "name": name, "roles": { "default": "viewer" } });
        assert_eq!(
            server.post("/tokens", &body).await.refused(400, "invalid"),
            ["name"]
        );
    }
}

each_store!(what_all_projects_share_is_changed_by_who_administers_all);
async fn what_all_projects_share_is_changed_by_who_administers_all() {
    let server = TestServer::start().await;
    server
        .post("/projects", &json!({ "key": "secret-project" }))
        .await
        .expect(201);
    let body = json!({ "name": "of one", "roles": { "default": "admin" } });
    let made = server.post("/tokens", &body).await.expect(201);
    let token = made["token"].as_str().expect("a token");
    let change = json!({ "resourceVersion": 1, "name": "Mine" });
    let refused = send(
        server
            .request(Method::PATCH, "/organization", token)
            .json(&change),
    )
    .await;
    let problem = refused.problem(403, "forbidden");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(
        detail.contains("admin in every project") && !detail.contains("secret-project"),
        "{detail}"
    );
    assert_eq!(server.get("/organization").await.expect(200)["name"], "default");
    assert_eq!(
        server.patch("/organization", &change).await.expect(200)["name"],
        "Mine"
    );
}
