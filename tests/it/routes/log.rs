//! The audit log: every route that changes something leaves an entry; pages and filters.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::engine;
use crate::support::server::{ADMIN, TestServer, send};
use crate::support::store::each_store;
use crate::support::warehouse::{connect, drained, expose, measured, observe};

use super::every::routes;

/// Routes that change no configuration, and why. Every other one that is no `GET` has a [`Case`].
const EXEMPT: [(&str, &str); 14] = [
    ("POST /experiments/assign", "a decision"),
    ("POST /experiments/x/explain", "a question"),
    ("POST /flags/x/explain", "a question"),
    ("POST /ofrep/v1/evaluate/flags", "decisions"),
    ("POST /ofrep/v1/evaluate/flags/x", "a decision"),
    ("POST /sdk/vardata", "decisions"),
    ("POST /sdk/v2/vardata", "decisions"),
    ("POST /v1/vardata", "decisions"),
    ("POST /track", "events, which ClickHouse keeps"),
    (
        "POST /experiments/x/override-imports",
        "a list is staged: nothing is in force",
    ),
    (
        "POST /flags/x/override-imports",
        "a list is staged: nothing is in force",
    ),
    (
        "DELETE /experiments/x/override-imports/x",
        "a list is forgotten: what is in force stays",
    ),
    (
        "DELETE /flags/x/override-imports/x",
        "a list is forgotten: what is in force stays",
    ),
    ("GET", "reading"),
];

/// One change, and the entry that it has to leave.
struct Case {
    method: Method,
    path: String,
    body: Value,
    action: &'static str,
    /// The project in whose log it is.
    project: &'static str,
}

fn case(method: Method, path: impl Into<String>, body: Value, action: &'static str) -> Case {
    Case {
        method,
        path: path.into(),
        body,
        action,
        project: "default",
    }
}

impl Case {
    fn is_of(&self, method: &Method, route: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        let (mut mine, mut its) = (path.split('/'), route.split('/'));
        *method == self.method
            && loop {
                match (mine.next(), its.next()) {
                    (None, None) => break true,
                    (Some(_), Some("x")) => {}
                    (Some(segment), Some(literal)) if segment == literal => {}
                    _ => break false,
                }
            }
    }
}

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

/// Everything that the cases need, and they, in the order in which they are possible.
async fn cases(server: &TestServer) -> Vec<Case> {
    use Method as M;
    let post = async |path: &str, body: Value| server.post(path, &body).await.expect(201);
    post("/projects", json!({ "key": "other" })).await;
    let backend = post("/deployments", json!({ "name": "backend", "kind": "server" })).await;
    let robot = post(
        "/tokens",
        json!({ "name": "robot", "roles": { "default": "viewer" } }),
    )
    .await;
    post("/labs", json!({ "key": "lab" })).await;
    for key in ["f", "f-converted", "f-lists"] {
        post("/flags", json!({ "key": key })).await;
    }
    for key in ["x", "gone", "to-flag", "lists"] {
        server.draft(key).await;
    }
    let stage = async |owner: &str, variant: &str| {
        let path = format!("{owner}/override-imports");
        let query = format!("{path}?variant={variant}&subjectType=user");
        let import = send(server.request(M::POST, &query, ADMIN).body("a\nb\n"))
            .await
            .expect(201);
        format!("{path}/{}", id(&import))
    };
    let of_flag = stage("/flags/f-lists", "on").await;
    let of_experiment = stage("/experiments/lists", "control").await;
    // One that wins, and one whose split is broken.
    let won = measured(server, "won").await;
    observe(server, &won, 0, [(300, 20), (300, 120)]).await;
    let broken = server.active("broken").await;
    expose(server, &broken, [500, 200]).await;
    drained(server).await;

    let named = |name: &str| json!({ "resourceVersion": 1, "name": name });
    let overrides = |variant: &str| json!({ "variant": variant, "subjectType": "user", "subjectIds": ["u"] });
    let rules = |variant: &str| json!({ "resourceVersion": 2, "rules": [{ "variant": variant }] });
    let version = |version: u64| json!({ "resourceVersion": version });
    let one_override = "overrides?subjectType=user&subjectId=u";
    let deployment = format!("/deployments/{}", id(&backend));
    let mut all = vec![
        Case {
            project: "third",
            ..case(M::POST, "/projects", json!({ "key": "third" }), "project.created")
        },
        case(
            M::PATCH,
            "/organization",
            named("Acme"),
            "organization.settings_changed",
        ),
        case(
            M::PATCH,
            "/projects/default",
            named("Shop"),
            "project.settings_changed",
        ),
        case(M::POST, "/labs", json!({ "key": "lab-2" }), "lab.created"),
        case(M::PATCH, "/labs/lab", named("Lab"), "lab.settings_changed"),
        case(
            M::POST,
            "/deployments",
            json!({ "name": "ios", "kind": "client" }),
            "deployment.created",
        ),
        case(M::PATCH, &deployment, named("api"), "deployment.settings_changed"),
        case(
            M::POST,
            format!("{deployment}/rotate"),
            version(2),
            "deployment.key_rotated",
        ),
        case(
            M::POST,
            format!("{deployment}/revoke"),
            version(3),
            "deployment.revoked",
        ),
        case(
            M::POST,
            "/tokens",
            json!({ "name": "t", "roles": { "default": "viewer" } }),
            "token.created",
        ),
        case(
            M::DELETE,
            format!("/tokens/{}", id(&robot)),
            Value::Null,
            "token.revoked",
        ),
        case(M::POST, "/flags", json!({ "key": "g" }), "flag.created"),
        case(M::PATCH, "/flags/f", named("F"), "flag.settings_changed"),
        case(M::PUT, "/flags/f/rules", rules("on"), "flag.rules_changed"),
        case(
            M::POST,
            "/flags/f/copy",
            json!({ "project": "other" }),
            "flag.copied",
        ),
        case(
            M::POST,
            "/flags/f-converted/convert",
            version(1),
            "flag.converted",
        ),
        case(
            M::POST,
            "/experiments",
            json!({ "name": "new" }),
            "experiment.created",
        ),
        case(
            M::PATCH,
            "/experiments/x",
            named("X"),
            "experiment.settings_changed",
        ),
        case(
            M::PUT,
            "/experiments/x/rules",
            rules("control"),
            "experiment.rules_changed",
        ),
        case(
            M::POST,
            "/experiments/x/status",
            json!({ "resourceVersion": 3, "to": "active" }),
            "experiment.status_changed",
        ),
        case(
            M::POST,
            "/experiments/x/copy",
            json!({ "project": "other" }),
            "experiment.copied",
        ),
        case(
            M::DELETE,
            "/experiments/gone?resourceVersion=1",
            Value::Null,
            "experiment.deleted",
        ),
        case(
            M::POST,
            "/experiments/to-flag/convert",
            version(1),
            "experiment.converted",
        ),
        case(
            M::POST,
            "/experiments/won/insight",
            Value::Null,
            "experiment.insight_saved",
        ),
        case(
            M::POST,
            "/experiments/won/apply-winner",
            json!({ "resourceVersion": won["resourceVersion"], "winner": "treatment" }),
            "experiment.apply_winner",
        ),
        case(
            M::POST,
            "/jobs/srm-guard",
            Value::Null,
            "experiment.auto_paused_srm",
        ),
    ];
    for (owner, variant, import, action) in [
        ("/flags/f", "on", &of_flag, "flag.overrides_imported"),
        (
            "/experiments/x",
            "control",
            &of_experiment,
            "experiment.overrides_imported",
        ),
    ] {
        all.extend([
            case(M::PUT, format!("{owner}/overrides"), overrides(variant), action),
            case(M::DELETE, format!("{owner}/{one_override}"), Value::Null, action),
            case(M::POST, format!("{import}/apply"), json!({}), action),
            case(M::POST, format!("{import}/undo"), json!({}), action),
        ]);
    }
    all
}

each_store!(every_change_is_in_the_log);
async fn every_change_is_in_the_log() {
    let server = TestServer::start().await;
    connect(&server, &engine::fresh_database()).await;
    let cases = cases(&server).await;
    for (method, route, _) in routes() {
        let exempt =
            |(name, _): &(&str, &str)| *name == method.as_str() || *name == format!("{method} {route}");
        let tried = cases.iter().any(|case| case.is_of(&method, route));
        assert!(
            EXEMPT.iter().any(exempt) != tried,
            "{method} {route} needs a case here, or a reason why it leaves no entry (not both)"
        );
    }
    for Case {
        method,
        path,
        body,
        action,
        project,
    } in &cases
    {
        let newest = async || {
            let log = server
                .request(Method::GET, &format!("/audit?action={action}"), ADMIN)
                .header("x-splitdeck-project", *project);
            let log = send(log).await;
            // A project that is yet to be made has none.
            if log.status == 403 {
                0
            } else {
                log.expect(200)["entries"][0]["id"].as_i64().unwrap_or(0)
            }
        };
        let before = newest().await;
        let request = server.request(method.clone(), path, ADMIN);
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let answer = send(request).await;
        assert!(answer.status < 300, "{method} {path}: {:#}", answer.body);
        assert!(newest().await > before, "{method} {path} left no {action}");
    }
}

each_store!(pages_and_filters);
async fn pages_and_filters() {
    let server = TestServer::start().await;
    server.post("/labs", &json!({ "key": "lab" })).await.expect(201);
    server.draft("x").await;
    for version in 1..=60 {
        let body = json!({ "resourceVersion": version, "description": format!("{version}") });
        server.patch("/labs/lab", &body).await.expect(200);
    }
    let log = server.get("/audit").await.expect(200);
    let entries = log["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 50, "a page");
    for entry in entries {
        assert_eq!(entry["actor"], "admin");
        for field in ["at", "objectId", "objectKey", "resourceVersion"] {
            assert!(!entry[field].is_null(), "{field} of {entry}");
        }
    }
    let ids: Vec<i64> = entries.iter().map(|e| e["id"].as_i64().expect("an id")).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first: {ids:?}");
    let next = format!("/audit?before={}", log["nextBefore"]);
    let rest = server.get(&next).await.expect(200);
    let older = rest["entries"].as_array().expect("entries");
    assert!(!older.is_empty() && older.iter().all(|e| e["id"].as_i64() < ids.last().copied()));
    assert_eq!(rest["nextBefore"], Value::Null, "the last page");

    let of = async |query: &str| {
        let page = server.get(&format!("/audit?{query}")).await.expect(200);
        page["entries"].as_array().expect("entries").clone()
    };
    let at = entries[10]["at"].as_str().expect("a time");
    assert!(
        of(&format!("to={at}"))
            .await
            .iter()
            .all(|e| time(&e["at"]) < time(&entries[10]["at"]))
    );
    let from = of(&format!("from={at}&actor=admin")).await;
    assert!(from.len() > 10 && from.iter().all(|e| time(&e["at"]) >= time(&entries[10]["at"])));
    assert!(of("actor=nobody").await.is_empty());
    let created = of("action=experiment.created&objectKey=X").await;
    assert_eq!((created.len(), &created[0]["objectKey"]), (1, &json!("x")));
    let lab = format!("objectId={}", entries[0]["objectId"].as_str().expect("an id"));
    assert!(of(&lab).await.iter().all(|e| e["objectKey"] == "lab"));
    let answer = server.get("/audit?action=experiment.teleported").await;
    assert_eq!(answer.refused(400, "invalid"), ["action"]);
}

/// A time of the wire. Not compared as text: zeros at the end of the fraction are left out.
fn time(value: &Value) -> jiff::Timestamp {
    let text = value.as_str().expect("a text");
    text.parse().expect("a time")
}

each_store!(what_is_deleted_stays_in_the_log);
async fn what_is_deleted_stays_in_the_log() {
    let server = TestServer::start().await;
    let body = json!({ "name": "Gone", "key": "gone", "hypothesis": "it helps", "holdoutPct": 5 });
    server.post("/experiments", &body).await.expect(201);
    let gone = server.delete("/experiments/gone?resourceVersion=1").await;
    assert_eq!(gone.status, 204, "{:#}", gone.body);
    let log = server.get("/audit").await.expect(200);
    let entries = log["entries"].as_array().expect("entries");
    for (action, field, was) in [
        ("experiment.deleted", "hypothesis", json!("it helps")),
        ("experiment.deleted", "holdoutPct", json!(5.0)),
        ("flag.deleted", "rolloutPct", json!(50.0)),
    ] {
        let entry = entries.iter().find(|e| e["action"] == action).expect("an entry");
        let change = entry["changes"]
            .as_array()
            .and_then(|all| all.iter().find(|c| c["field"] == field));
        let change = change.unwrap_or_else(|| panic!("{field}: {entry:#}"));
        assert_eq!((&change["from"], &change["to"]), (&was, &Value::Null));
    }
    let deleted = entries
        .iter()
        .find(|e| e["action"] == "experiment.deleted")
        .expect("an entry");
    let variants = deleted["changes"].as_array().expect("changes").iter();
    let variants = variants.filter(|c| c["field"] == "variants");
    assert_eq!(
        variants.map(|c| c["from"][0]["key"].clone()).collect::<Vec<_>>(),
        [json!("control")]
    );
}

each_store!(what_a_first_start_creates_is_in_the_log);
async fn what_a_first_start_creates_is_in_the_log() {
    let server = TestServer::start().await;
    let log = server.get("/audit").await.expect(200);
    let entries = log["entries"].as_array().expect("entries");
    for (action, field) in [
        ("project.created", "environment"),
        ("deployment.created", "kind"),
        ("organization.settings_changed", "name"),
    ] {
        let of_start: Vec<&Value> = entries.iter().filter(|e| e["action"] == action).collect();
        let [entry] = of_start[..] else {
            panic!("{action}: {log:#}")
        };
        assert_eq!(
            (&entry["actor"], &entry["evidence"]["atStart"]),
            (&json!("system"), &json!(true))
        );
        let changes = entry["changes"].as_array().expect("changes");
        assert!(
            changes.iter().any(|c| c["field"] == field && c["from"].is_null()),
            "{entry:#}"
        );
        assert!(!entry.to_string().contains("hash"), "no secret: {entry:#}");
    }
    // A second start adds nothing.
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    assert_eq!(server.get("/audit").await.expect(200)["entries"], log["entries"]);
}
