//! What is true of every route: tokens, roles, request ids, problems, limits.

use reqwest::Method;
use serde_json::{Value, json};
use splitdeck::api::openapi::{self, Access};

use crate::support::server::{ADMIN, EDITOR, TestServer, VIEWER, send};
use crate::support::store::each_store;

/// Every route that asks for a token, with the least role that it takes.
pub(super) fn routes() -> Vec<(Method, &'static str, &'static str)> {
    vec![
        (Method::GET, "/me", "viewer"),
        (Method::GET, "/warehouse", "viewer"),
        (Method::GET, "/overview", "viewer"),
        (Method::GET, "/names", "viewer"),
        (Method::GET, "/experiments", "viewer"),
        (Method::POST, "/experiments", "editor"),
        (Method::GET, "/experiments/x", "viewer"),
        (Method::PATCH, "/experiments/x", "editor"),
        (Method::POST, "/experiments/x/status", "editor"),
        (Method::PUT, "/experiments/x/rules", "editor"),
        (Method::GET, "/experiments/x/overrides", "viewer"),
        (Method::PUT, "/experiments/x/overrides", "editor"),
        (Method::DELETE, "/experiments/x/overrides", "editor"),
        (Method::GET, "/experiments/x/override-imports", "viewer"),
        (Method::POST, "/experiments/x/override-imports", "editor"),
        (Method::GET, "/experiments/x/override-imports/x", "viewer"),
        (Method::DELETE, "/experiments/x/override-imports/x", "editor"),
        (Method::GET, "/experiments/x/override-imports/x/rows", "viewer"),
        (Method::POST, "/experiments/x/override-imports/x/apply", "editor"),
        (Method::POST, "/experiments/x/override-imports/x/undo", "editor"),
        (Method::GET, "/flags/x/override-imports", "viewer"),
        (Method::POST, "/flags/x/override-imports", "editor"),
        (Method::GET, "/flags/x/override-imports/x", "viewer"),
        (Method::DELETE, "/flags/x/override-imports/x", "editor"),
        (Method::GET, "/flags/x/override-imports/x/rows", "viewer"),
        (Method::POST, "/flags/x/override-imports/x/apply", "editor"),
        (Method::POST, "/flags/x/override-imports/x/undo", "editor"),
        (Method::GET, "/experiments/x/history", "viewer"),
        (Method::POST, "/experiments/x/explain", "viewer"),
        (Method::GET, "/experiments/x/results", "viewer"),
        (Method::GET, "/experiments/x/sample-ratio", "viewer"),
        (Method::POST, "/experiments/assign", "viewer"),
        (Method::GET, "/ofrep/v1/configuration", "viewer"),
        (Method::POST, "/ofrep/v1/evaluate/flags", "viewer"),
        (Method::POST, "/ofrep/v1/evaluate/flags/x", "viewer"),
        (Method::GET, "/sdk/v2/flags", "viewer"),
        (Method::GET, "/sdk/v2/flags/x", "viewer"),
        (Method::GET, "/sdk/vardata", "viewer"),
        (Method::POST, "/sdk/vardata", "viewer"),
        (Method::GET, "/sdk/v2/vardata", "viewer"),
        (Method::POST, "/sdk/v2/vardata", "viewer"),
        (Method::GET, "/v1/vardata", "viewer"),
        (Method::POST, "/v1/vardata", "viewer"),
        (Method::POST, "/track", "editor"),
        (Method::GET, "/jobs", "viewer"),
        (Method::POST, "/jobs/srm-guard", "admin"),
        (Method::DELETE, "/experiments/x", "editor"),
        (Method::POST, "/experiments/x/convert", "editor"),
        (Method::POST, "/experiments/x/copy", "editor"),
        (Method::POST, "/experiments/x/apply-winner", "editor"),
        (Method::GET, "/experiments/x/insight", "viewer"),
        (Method::POST, "/experiments/x/insight", "editor"),
        (Method::GET, "/organization", "viewer"),
        (Method::PATCH, "/organization", "admin"),
        (Method::GET, "/projects", "viewer"),
        (Method::POST, "/projects", "admin"),
        (Method::GET, "/projects/x", "viewer"),
        (Method::PATCH, "/projects/x", "viewer"),
        (Method::GET, "/tokens", "admin"),
        (Method::POST, "/tokens", "admin"),
        (Method::DELETE, "/tokens/x", "admin"),
        (Method::GET, "/deployments", "viewer"),
        (Method::POST, "/deployments", "admin"),
        (Method::PATCH, "/deployments/x", "admin"),
        (Method::POST, "/deployments/x/rotate", "admin"),
        (Method::POST, "/deployments/x/revoke", "admin"),
        (Method::GET, "/labs", "viewer"),
        (Method::POST, "/labs", "editor"),
        (Method::GET, "/labs/x", "viewer"),
        (Method::PATCH, "/labs/x", "editor"),
        (Method::GET, "/flags", "viewer"),
        (Method::POST, "/flags", "editor"),
        (Method::GET, "/flags/x", "viewer"),
        (Method::PATCH, "/flags/x", "editor"),
        (Method::PUT, "/flags/x/rules", "editor"),
        (Method::GET, "/flags/x/overrides", "viewer"),
        (Method::PUT, "/flags/x/overrides", "editor"),
        (Method::DELETE, "/flags/x/overrides", "editor"),
        (Method::GET, "/flags/x/history", "viewer"),
        (Method::POST, "/flags/x/explain", "viewer"),
        (Method::POST, "/flags/x/convert", "editor"),
        (Method::POST, "/flags/x/copy", "editor"),
        (Method::GET, "/audit", "viewer"),
    ]
}

/// What needs no token, or finds its key in the body.
const OPEN: [(Method, &str); 5] = [
    (Method::GET, "/healthz"),
    (Method::GET, "/readyz"),
    (Method::GET, "/openapi.json"),
    (Method::POST, "/2/httpapi"),
    (Method::POST, "/batch"),
];

/// A path with `x` for everything in braces.
fn filled(path: &str) -> String {
    let filled = |segment: &str| if segment.starts_with('{') { "x" } else { segment }.to_owned();
    path.split('/').map(filled).collect::<Vec<_>>().join("/")
}

#[test]
fn the_document_has_every_route_with_its_role_and_no_other() {
    let open = OPEN.iter().map(|(method, path)| (method.clone(), *path, "none"));
    let mut there: Vec<String> = open
        .chain(routes())
        .map(|(method, path, role)| format!("{method} {path} {role}"))
        .collect();
    let mut said: Vec<String> = openapi::operations()
        .into_iter()
        .map(|(method, path, access)| {
            let role = match access {
                Access::Open => "none",
                Access::Token(role) | Access::DeploymentOr(role) => role.as_str(),
            };
            format!("{method} {} {role}", filled(path))
        })
        .collect();
    there.sort();
    said.sort();
    assert_eq!(said, there, "src/api/openapi.rs and `routes()` here differ");
}

#[test]
fn the_document_names_nothing_that_it_does_not_define() {
    let document: Value = serde_json::from_str(&openapi::text()).expect("JSON");
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(to) if name == "$ref" => found.push(to),
                        value => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{found:?}");
    for reference in found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} is not defined");
    }
}

#[test]
fn no_route_is_left_out_of_these_tests() {
    let source = include_str!("../../../src/server/router.rs");
    let paths = source
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1));
    let paths: Vec<String> = paths.map(filled).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        let known = OPEN.iter().any(|(_, known)| *known == path)
            || routes().iter().any(|(_, known, _)| *known == path);
        assert!(known, "{path} is not in `routes()`");
    }
}

#[tokio::test]
async fn no_method_is_left_out_of_these_tests() {
    let server = TestServer::start().await;
    let mut paths: Vec<&str> = routes().into_iter().map(|(_, path, _)| path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        // A method that no route has: the answer lists those that there are.
        let answer = send(server.request(Method::TRACE, path, ADMIN)).await;
        let allowed = answer.header("allow").to_owned();
        answer.problem(405, "method_not_allowed");
        for method in allowed.split(',').map(str::trim).filter(|m| *m != "HEAD") {
            let known = routes()
                .iter()
                .any(|(m, p, _)| m.as_str() == method && *p == path);
            assert!(known, "{method} {path} is not in `routes()`");
        }
    }
}

each_store!(no_route_answers_without_a_good_token);
async fn no_route_answers_without_a_good_token() {
    let server = TestServer::start().await;
    for (method, path, _) in routes() {
        let without = server.anonymous(method.clone(), path);
        let wrong_scheme = server
            .anonymous(method.clone(), path)
            .header("authorization", format!("Basic {ADMIN}"));
        let unknown = server.request(method.clone(), path, "sd_nobody-issued-this");
        let nearly = server.request(method.clone(), path, &ADMIN[..ADMIN.len() - 1]);
        let empty = server
            .anonymous(method.clone(), path)
            .header("authorization", "Bearer ");
        for request in [without, wrong_scheme, unknown, nearly, empty] {
            let answer = send(request).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{method} {path}");
            let problem = answer.problem(401, "unauthorized");
            assert!(
                !problem.to_string().contains("sd_"),
                "a problem repeats no token: {problem}"
            );
        }
    }
}

each_store!(a_role_may_what_its_route_says_and_no_more);
async fn a_role_may_what_its_route_says_and_no_more() {
    let server = TestServer::start().await;
    let roles = ["viewer", "editor", "admin"];
    let rank = |role: &str| roles.iter().position(|r| *r == role).expect("a role");
    for (method, path, needed) in routes() {
        for (token, role) in [VIEWER, EDITOR, ADMIN].into_iter().zip(roles) {
            let answer = send(server.request(method.clone(), path, token)).await;
            let forbidden = rank(role) < rank(needed);
            assert_eq!(answer.status == 403, forbidden, "{method} {path} as {role}");
            if forbidden {
                let problem = answer.problem(403, "forbidden");
                let detail = problem["detail"].as_str().expect("a detail");
                assert!(detail.contains(role) && detail.contains(needed), "{detail}");
            }
        }
    }
}

each_store!(the_scheme_may_be_written_in_any_case);
async fn the_scheme_may_be_written_in_any_case() {
    let server = TestServer::start().await;
    for scheme in ["bearer", "BEARER"] {
        let request = server
            .anonymous(Method::GET, "/me")
            .header("authorization", format!("{scheme} {ADMIN}"));
        send(request).await.expect(200);
    }
}

each_store!(an_unknown_path_and_a_wrong_method_are_problems);
async fn an_unknown_path_and_a_wrong_method_are_problems() {
    let server = TestServer::start().await;
    for path in [
        "/",
        "/nowhere",
        "/experiments/a/b/c",
        "/Experiments",
        "/experiments/",
    ] {
        let answer = send(server.anonymous(Method::GET, path)).await;
        assert!(
            answer.problem(404, "not_found")["detail"]
                .as_str()
                .expect("text")
                .contains(path)
        );
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/experiments", "GET, HEAD, POST"),
        (Method::GET, "/experiments/assign", "POST"),
        (Method::POST, "/me", "GET, HEAD"),
        (Method::POST, "/healthz", "GET, HEAD"),
        (Method::GET, "/experiments/x/status", "POST"),
    ] {
        let answer = send(server.request(method, path, ADMIN)).await;
        assert_eq!(answer.header("allow").replace(',', ", "), allowed, "{path}");
        let problem = answer.problem(405, "method_not_allowed");
        assert!(
            problem["detail"].as_str().expect("text").ends_with(allowed),
            "{problem}"
        );
    }
}

each_store!(a_request_id_is_kept_or_made);
async fn a_request_id_is_kept_or_made() {
    let server = TestServer::start().await;
    let sent = send(
        server
            .anonymous(Method::GET, "/healthz")
            .header("x-request-id", "deploy-7"),
    )
    .await;
    assert_eq!(sent.header("x-request-id"), "deploy-7");
    let refused = send(
        server
            .anonymous(Method::GET, "/me")
            .header("x-request-id", "deploy-8"),
    )
    .await;
    assert_eq!(refused.problem(401, "unauthorized")["requestId"], "deploy-8");
    let one = server.get("/healthz").await;
    let two = server.get("/healthz").await;
    assert_ne!(one.header("x-request-id"), "");
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    let odd = server
        .anonymous(Method::GET, "/healthz")
        .header("x-request-id", "a b<script>");
    assert!(!send(odd).await.header("x-request-id").contains('<'));
}

#[tokio::test]
async fn a_packed_body_is_refused_where_none_is_unpacked() {
    let server = TestServer::start().await;
    server.draft("x").await;
    for (method, path) in [
        (Method::POST, "/experiments"),
        (Method::PATCH, "/experiments/x"),
        (Method::POST, "/experiments/x/explain"),
        (
            Method::POST,
            "/experiments/x/override-imports?variant=treatment&subjectType=user",
        ),
    ] {
        let request = server
            .request(method, path, ADMIN)
            .header("content-encoding", "gzip");
        let problem = send(request.body(vec![0x1f, 0x8b, 8, 0]))
            .await
            .problem(400, "malformed");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(
            detail.contains("encoded as `gzip`") && detail.contains("without Content-Encoding"),
            "{detail}"
        );
    }
}

each_store!(a_body_that_is_no_json_says_where);
async fn a_body_that_is_no_json_says_where() {
    let server = TestServer::start().await;
    server.draft("x").await;
    for (method, path) in [
        (Method::POST, "/experiments"),
        (Method::PATCH, "/experiments/x"),
        (Method::POST, "/experiments/x/status"),
        (Method::PUT, "/experiments/x/rules"),
        (Method::PUT, "/experiments/x/overrides"),
        (Method::POST, "/experiments/x/explain"),
        (Method::POST, "/experiments/assign"),
    ] {
        for body in ["", "{", "nonsense", "{\"name\": }", "\u{0}", "[1,", "{} {}"] {
            let answer = send(server.request(method.clone(), path, ADMIN).body(body)).await;
            answer.problem(400, "malformed");
        }
        for body in ["null", "7", "\"text\"", "true", "[\"x\"]"] {
            if path.ends_with("assign") && body.starts_with('[') {
                continue;
            }
            let answer = send(server.request(method.clone(), path, ADMIN).body(body)).await;
            answer.problem(400, "malformed");
        }
        let latin1 = b"{\"name\":\"caf\xe9\"}".to_vec();
        let answer = send(server.request(method, path, ADMIN).body(latin1)).await;
        answer.problem(400, "malformed");
    }
    let twice = r#"{"name": "a", "name": "b"}"#;
    let answer = send(server.request(Method::POST, "/experiments", ADMIN).body(twice)).await;
    assert_eq!(answer.refused(400, "invalid"), ["name"]);
    // Of a question, of which nothing is kept, too.
    let twice = r#"{"user_id": "a", "user_id": "b"}"#;
    let answer = send(
        server
            .request(Method::POST, "/experiments/x/explain", ADMIN)
            .body(twice),
    )
    .await;
    assert_eq!(answer.refused(400, "invalid"), ["user_id"]);
}

#[tokio::test]
async fn no_name_stands_twice_in_a_change() {
    // What asks, brings events or lists, or has no body.
    const OTHERS: [&str; 7] = [
        "assign",
        "evaluate",
        "vardata",
        "track",
        "explain",
        "srm-guard",
        "insight",
    ];
    let server = TestServer::start().await;
    server.draft("x").await;
    let body = r#"{"resourceVersion": 1, "name": "a", "name": "b",
        "variants": [{"payload": {"a": 1, "b": [{"c": 1, "c": 2}], "a": 2}}]}"#;
    let mut changes = 0;
    for (method, path, _) in routes() {
        let is_other = OTHERS.iter().any(|part| path.contains(part)) || path.ends_with("override-imports");
        if [Method::GET, Method::DELETE].contains(&method) || is_other {
            continue;
        }
        changes += 1;
        for version in [None, Some("\"1\"")] {
            let mut request = server.request(method.clone(), path, ADMIN).body(body);
            if let Some(version) = version {
                request = request.header("if-match", version);
            }
            let answer = send(request).await;
            let named = ["name", "variants[0].payload.b[0].c", "variants[0].payload.a"];
            assert_eq!(answer.refused(400, "invalid"), named, "{method} {path}");
        }
    }
    assert!(changes > 25, "{changes}");
    assert_eq!(
        server.get("/experiments/x").await.expect(200)["resourceVersion"],
        1
    );
}

each_store!(a_huge_body_is_refused);
async fn a_huge_body_is_refused() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let mib = "x".repeat(1 << 20);
    for (method, path) in [
        (Method::POST, "/experiments"),
        (Method::PATCH, "/experiments/x"),
        (Method::POST, "/experiments/assign"),
        (Method::POST, "/experiments/x/explain"),
    ] {
        let body = json!({ "name": mib, "resourceVersion": 1 }).to_string();
        let answer = send(server.request(method, path, ADMIN).body(body)).await;
        answer.problem(413, "too_large");
    }
    // Without a length in front, too.
    let head = format!(
        "PUT /experiments/x/overrides HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    let chunk = format!("80000\r\n{}\r\n", "y".repeat(0x80000));
    let answer = server
        .raw(std::iter::once(head).chain(std::iter::repeat_n(chunk, 33)))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("\"too_large\""), "{answer}");
}

each_store!(a_path_that_is_no_text_is_refused);
async fn a_path_that_is_no_text_is_refused() {
    let server = TestServer::start().await;
    let answer = send(server.request(Method::GET, "/experiments/%FF", ADMIN)).await;
    assert_eq!(answer.refused(400, "invalid"), ["idOrKey"]);
    let answer = send(server.request(Method::GET, "/experiments/no%20such%2Fkey", ADMIN)).await;
    let problem = answer.problem(404, "not_found");
    assert!(problem["detail"].as_str().expect("text").contains("no such/key"));
}

each_store!(an_unknown_experiment_is_not_found_everywhere);
async fn an_unknown_experiment_is_not_found_everywhere() {
    let server = TestServer::start().await;
    let body = json!({ "resourceVersion": 1, "rules": [], "to": "active", "variant": "a", "subjectType": "user",
                       "subjectIds": ["u"] });
    let pick = |fields: &[&str]| {
        let kept = fields.iter().map(|f| ((*f).to_owned(), body[*f].clone()));
        Value::Object(kept.collect())
    };
    let id = "0d9e1f0a-3c8e-4f57-9a53-6a1d3b0f9a11";
    for name in ["missing", id] {
        let path = format!("/experiments/{name}");
        server.get(&path).await.problem(404, "not_found");
        server
            .patch(&path, &pick(&["resourceVersion"]))
            .await
            .problem(404, "not_found");
        let status = pick(&["resourceVersion", "to"]);
        server
            .post(&format!("{path}/status"), &status)
            .await
            .problem(404, "not_found");
        let rules = pick(&["resourceVersion", "rules"]);
        server
            .put(&format!("{path}/rules"), &rules)
            .await
            .problem(404, "not_found");
        server
            .get(&format!("{path}/overrides"))
            .await
            .problem(404, "not_found");
        let set = pick(&["variant", "subjectType", "subjectIds"]);
        server
            .put(&format!("{path}/overrides"), &set)
            .await
            .problem(404, "not_found");
        let remove = format!("{path}/overrides?subjectType=user&subjectId=u");
        server.delete(&remove).await.problem(404, "not_found");
        server
            .get(&format!("{path}/history"))
            .await
            .problem(404, "not_found");
        let user = json!({ "user_id": "u" });
        server
            .post(&format!("{path}/explain"), &user)
            .await
            .problem(404, "not_found");
        let assign = json!({ "experimentId": name, "user_id": "u" });
        server
            .post("/experiments/assign", &assign)
            .await
            .problem(404, "not_found");
    }
}

each_store!(a_body_that_comes_too_slowly_is_told_so_and_changes_nothing);
async fn a_body_that_comes_too_slowly_is_told_so_and_changes_nothing() {
    let limit = std::time::Duration::from_secs(2);
    let server = TestServer::start_with(|options| options.time_limit = limit).await;
    // A body that never comes.
    let head = format!(
        "POST /experiments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-length: 100\r\n\r\n{{"
    );
    let answer = server.raw([head]).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"request_timeout\""), "{answer}");
    assert!(answer.contains("nothing was changed"), "{answer}");
    // Also where the rest comes once the time is over.
    let body = r#"{"name": "late"}"#;
    let head = format!(
        "POST /experiments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\ncontent-length: {}\r\n\r\n{{",
        body.len()
    );
    let answer = server.raw_late([head], body[1..].to_owned()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let all = server.get("/experiments").await.expect(200);
    assert_eq!(all["experiments"], json!([]));
}

/// Where types are written in a way of their own, the description says what is sent.
#[tokio::test]
async fn the_description_says_what_is_sent() {
    let server = TestServer::start().await;
    let described = server.get("/openapi.json").await.expect(200);
    let schemas = &described["components"]["schemas"];
    assert_eq!(schemas["Filter"]["properties"]["value"]["type"], "string");
    let steps = schemas["ExplainStep"].to_string();
    for (name, ours) in [("heldOut", "held_out"), ("ruleId", "rule_id")] {
        assert!(
            steps.contains(&format!("\"{name}\"")) && !steps.contains(ours),
            "{steps}"
        );
    }
    let flags = &described["paths"]["/sdk/v2/flags"]["get"]["responses"]["200"]["content"];
    assert_eq!(flags["application/json"]["schema"]["type"], "array", "{flags}");
}
