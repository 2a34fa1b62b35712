//! The snippets that the cockpit and `splitdeck experiments wiring` hand out do what they say.

use std::process::Command;

use serde_json::{Value, json};
use splitdeck::client::Options;
use splitdeck::cockpit::wiring::{Way, Wiring, usable};

use super::{npm, python};
use crate::support::engine;
use crate::support::server::{ADMIN, TestServer};
use crate::support::warehouse::{connect, drained, sql};

/// A server with an active experiment, and what is wired up.
async fn wired() -> (TestServer, Wiring) {
    let server = TestServer::start().await;
    let body = json!({"name": "Checkout CTA", "primaryMetric": {"event": "paid"}});
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await;
    let client = server.client();
    let experiment = client.experiment("checkout-cta").await.expect("there");
    let deployments = client.deployments().await.expect("some").deployments;
    let deployment = usable(&deployments, &experiment.deployments).first().copied();
    assert!(
        deployment.is_some_and(|d| d.key.is_some()),
        "a client's key is known"
    );
    let wiring = Wiring::of_experiment(&server.base, &experiment, deployment);
    (server, wiring)
}

/// What a wired experiment's events are called: nothing that a language could mistake for something of its own.
const EVENT: &str = "it's \"paid\" $HOME \\n {x}";

/// A server with ClickHouse, and its database.
async fn counting() -> (TestServer, String) {
    let server = TestServer::start().await;
    let database = engine::fresh_database();
    connect(&server, &database).await;
    (server, database)
}

/// A new active experiment with these fields, and what is wired up.
async fn active(server: &TestServer, key: &str, fields: Value) -> Wiring {
    let mut body = json!({"name": key, "key": key, "primaryMetric": {"event": EVENT}});
    super::world::set(&mut body, fields);
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await;
    let client = server.client();
    let experiment = client.experiment(key).await.expect("there");
    let deployments = client.deployments().await.expect("some").deployments;
    let deployment = usable(&deployments, &experiment.deployments).first().copied();
    Wiring::of_experiment(&server.base, &experiment, deployment)
}

/// Runs a snippet for this user; what it printed. None where its language is missing on this machine.
async fn shown(wiring: &Wiring, way: Way, user: &str) -> Option<String> {
    ran_as(wiring.snippet(way).replace("u-1", user), way).await
}

/// Runs the text of a snippet.
async fn ran_as(text: String, way: Way) -> Option<String> {
    match way {
        Way::Curl => {
            let mut shell = Command::new("sh");
            shell.args(["-eu", "-c", &text]);
            Some(ran(shell).await)
        }
        Way::JsServer | Way::JsWeb | Way::AmplitudeNode => {
            // Beside the packages, where a module finds them.
            let file = tempfile::Builder::new()
                .suffix(".mjs")
                .tempfile_in(npm()?)
                .expect("a file");
            // A page would stay open; a test must end.
            std::fs::write(file.path(), text + "process.exit(0);\n").expect("written");
            let mut node = Command::new("node");
            node.arg(file.path());
            Some(ran(node).await)
        }
        Way::Python | Way::AmplitudePython => {
            let mut command = Command::new(python()?);
            command.args(["-c", &text]);
            Some(ran(command).await)
        }
        Way::Go => None,
    }
}

/// The ways that run on this machine.
fn ways() -> Vec<Way> {
    let mut ways = vec![Way::Curl];
    if npm().is_some() {
        ways.extend([Way::JsServer, Way::JsWeb, Way::AmplitudeNode]);
    }
    if python().is_some() {
        ways.extend([Way::Python, Way::AmplitudePython]);
    }
    ways
}

/// Runs a program off the threads of the server; what it printed.
async fn ran(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().expect("starts"));
    let output = output.await.expect("no panic");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

#[track_caller]
fn saw_a_variant(printed: &str) {
    let seen = ["u-1 sees control", "u-1 sees treatment"];
    assert!(seen.iter().any(|line| printed.contains(line)), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_snippet_runs_as_it_stands() {
    let (server, wiring) = wired().await;
    for way in ways() {
        let printed = shown(&wiring, way, "u-1").await.expect("it runs");
        saw_a_variant(&printed);
        if way == Way::Curl {
            assert!(
                printed.contains("\"accepted\":1") && !printed.contains("unattributed"),
                "{printed}"
            );
        }
    }
    drop(server);
}

/// A snippet asks for the type that every variant is answered with, so that all of them are attributed.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_payloads_are_each_variant_is_attributed() {
    let (server, database) = counting().await;
    let none = Value::Null;
    let cases = [
        ("plain", ["control", "treatment"], [none.clone(), none.clone()]),
        ("switch", ["off", "on"], [none.clone(), none.clone()]),
        ("texts", ["control", "treatment"], [none.clone(), json!("x")]),
        ("whole", ["control", "treatment"], [json!(10), json!(12)]),
        ("fractions", ["control", "treatment"], [json!(10), json!(9.5)]),
        ("one-number", ["control", "treatment"], [none.clone(), json!(12)]),
        ("booleans", ["control", "treatment"], [none.clone(), json!(true)]),
        (
            "objects",
            ["control", "treatment"],
            [none.clone(), json!({"a": 1})],
        ),
        ("lists", ["control", "treatment"], [json!([1]), none]),
        ("mixed", ["control", "treatment"], [json!({"a": 1}), json!(3)]),
    ];
    let ways = ways();
    let typed: Vec<Way> = ways
        .into_iter()
        .filter(|way| matches!(way, Way::JsServer | Way::JsWeb | Way::Python))
        .collect();
    let mut expected = Vec::new();
    for (key, variants, payloads) in cases {
        let variant = |at: usize| json!({"key": variants[at], "payload": payloads[at], "isControl": at == 0, "orderIndex": at, "trafficPct": 50});
        let wiring = active(&server, key, json!({"variants": [variant(0), variant(1)]})).await;
        for variant in variants {
            let user = format!("{key}-{variant}");
            let body = json!({"subjectType": "user", "variant": variant, "subjectIds": [user]});
            let path = format!("/experiments/{key}/overrides");
            if !typed.is_empty() {
                expected.push(format!("{user}\t{variant}\toverride\t{}", typed.len()));
            }
            server.put(&path, &body).await.expect(200);
            for way in &typed {
                let printed = shown(&wiring, *way, &user).await.expect("it runs");
                assert!(
                    printed.contains(&format!("{user} sees {variant} ")),
                    "{way:?} of {key}: {printed}"
                );
            }
        }
    }
    drained(&server).await;
    let attributed = sql(
        &database,
        "SELECT subject, variant, reason, count() FROM {db}.experiment_events GROUP BY ALL ORDER BY ALL",
    )
    .await;
    expected.sort();
    assert_eq!(attributed.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_counted_as_drawn_who_was_not() {
    let (server, database) = counting().await;
    let variants = json!([
        {"key": "control", "isControl": true, "trafficPct": 20},
        {"key": "treatment", "trafficPct": 20, "orderIndex": 1},
    ]);
    let wiring = active(&server, "partial", json!({"variants": variants})).await;
    let of_reason = async |reason: &str| {
        for n in 0..1_000 {
            let body = json!({"experimentId": "partial", "user_id": format!("n-{n}")});
            let answer = server.post("/experiments/assign", &body).await.expect(200);
            if answer["reason"] == reason {
                return format!("n-{n}");
            }
        }
        panic!("nobody with the reason {reason}")
    };
    let (outside, inside) = (of_reason("unallocated").await, of_reason("allocation").await);
    let body = json!({"subjectType": "user", "variant": "treatment", "subjectIds": ["forced"]});
    server
        .put("/experiments/partial/overrides", &body)
        .await
        .expect(200);
    let ways = ways();
    for way in &ways {
        for user in [&outside, &inside, "forced"] {
            shown(&wiring, *way, user).await.expect("it runs");
        }
    }
    let current = server.get("/experiments/partial").await.expect(200);
    server.to(&current, "paused").await;
    for way in &ways {
        shown(&wiring, *way, "late").await.expect("it runs");
    }
    drained(&server).await;
    let reasons = sql(
        &database,
        "SELECT subject, groupUniqArray(reason) FROM {db}.experiment_events GROUP BY subject ORDER BY subject",
    )
    .await;
    let mut expected = vec![
        "forced\t['override']".to_owned(),
        "late\t['experiment_inactive']".to_owned(),
        format!("{inside}\t['allocation']"),
        format!("{outside}\t['unallocated']"),
    ];
    expected.sort();
    assert_eq!(reasons.lines().collect::<Vec<_>>(), expected);
    let exposed = sql(
        &database,
        "SELECT DISTINCT subject FROM {db}.experiment_events WHERE name = '[Experiment] Exposure' ORDER BY subject",
    )
    .await;
    if ways.len() > 1 {
        assert_eq!(exposed.lines().collect::<Vec<_>>(), ["forced", inside.as_str()]);
    }
    let results = server.get("/experiments/partial/results").await.expect(200);
    // Who was forced is in an arm, and not in the test of the split.
    assert_eq!(drawn(&results), (2, 2), "{results:#}");
    let observed = results["srm"]["observed"].as_array().expect("counts");
    assert_eq!(
        observed.iter().filter_map(Value::as_u64).sum::<u64>(),
        1,
        "{results:#}"
    );
}

/// Subjects and conversions of all arms together.
fn drawn(results: &Value) -> (u64, u64) {
    let sum = |field: &str| {
        let arms = results["arms"].as_array().expect("arms").iter();
        arms.map(|arm| arm[field].as_u64().expect("a number")).sum()
    };
    (sum("subjects"), sum("conversions"))
}

/// All snippets ask and track with the id that the experiment buckets by: one subject, which converts.
#[tokio::test(flavor = "multi_thread")]
async fn every_snippet_knows_what_an_experiment_buckets_by() {
    let (server, database) = counting().await;
    let ways = ways();
    for (key, mode, subject) in [
        ("group", "profile", "group:o'rg \"x\""),
        ("property", "profile", "customer-id"),
        ("below", "profile", "profile.customer"),
        ("device", "profile", "device_id"),
        ("user", "profile", "user_id"),
        ("visit-of-all", "profile", "session_id"),
        ("visit", "session", "ANY"),
        ("visit-group", "session", "group:org"),
        ("visit-property", "session", "cart_id"),
        ("event", "event", "ANY"),
        ("event-group", "event", "group:org"),
        ("event-property", "event", "cart_id"),
    ] {
        let fields = json!({"assignmentMode": mode, "subjectType": subject});
        let wiring = active(&server, key, fields).await;
        let mut seen = std::collections::BTreeSet::new();
        for way in &ways {
            // An event is one of one project: each experiment has one of its own.
            let text = wiring.snippet(*way).replace("e-1", &format!("e-{key}"));
            let printed = ran_as(text, *way).await.expect("it runs");
            saw_a_variant(&printed);
            let sees = printed
                .split("sees ")
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next());
            seen.insert(sees.unwrap_or_default().to_owned());
        }
        assert_eq!(seen.len(), 1, "{key}: {seen:?}");
        drained(&server).await;
        let results = server
            .get(&format!("/experiments/{key}/results"))
            .await
            .expect(200);
        assert_eq!(drawn(&results), (1, 1), "{key}: {results:#}");
        let id = &server.get(&format!("/experiments/{key}")).await.expect(200)["id"];
        let reasons = sql(
            &database,
            &format!(
                "SELECT groupUniqArray(reason), uniqExact(subject), uniqExactIf(event_id, name != '[Experiment] Exposure') \
                 FROM {{db}}.experiment_events WHERE experiment_id = '{}'",
                id.as_str().expect("an id")
            ),
        )
        .await;
        let events = if mode == "event" { 1 } else { ways.len() };
        assert_eq!(reasons, format!("['allocation']\t1\t{events}"), "{key}");
    }
}

#[tokio::test]
async fn the_key_of_a_server_is_read_from_the_environment() {
    let server = TestServer::start().await;
    let body = json!({"name": "backend", "kind": "server"});
    let made = server.post("/deployments", &body).await.expect(201);
    let body = json!({"name": "Checkout CTA", "deployments": [made["id"]]});
    server.post("/experiments", &body).await.expect(201);
    let client = splitdeck::client::Client::new(&server.base, ADMIN, Options::default()).expect("a client");
    let experiment = client.experiment("checkout-cta").await.expect("there");
    let deployments = client.deployments().await.expect("some").deployments;
    let usable = usable(&deployments, &experiment.deployments);
    assert_eq!(usable[0].name, "backend", "what the experiment names comes first");
    let wiring = Wiring::of_experiment(&server.base, &experiment, Some(usable[0]));
    let key = made["key"].as_str().expect("a key");
    for way in Way::ALL {
        let text = wiring.snippet(way);
        assert!(!text.contains(key), "{way:?}");
        // A page has no environment, and no secret belongs into one.
        assert_eq!(
            text.contains("SPLITDECK_KEY"),
            way != Way::JsWeb,
            "{way:?}: {text}"
        );
        assert!(text.contains(&server.base), "{way:?}");
    }
}
