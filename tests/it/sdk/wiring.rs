//! The snippets that the cockpit and `splitdeck experiments wiring` hand out do what they say.

use std::process::Command;

use serde_json::json;
use splitdeck::client::Options;
use splitdeck::cockpit::wiring::{Way, Wiring, usable};

use super::{npm, python, works};
use crate::support::server::{ADMIN, TestServer};

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
async fn the_snippet_for_curl_runs_as_it_stands() {
    let (server, wiring) = wired().await;
    assert!(works("curl"), "curl is part of every test machine");
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &wiring.snippet(Way::Curl)]);
    let printed = ran(shell).await;
    saw_a_variant(&printed);
    assert!(
        printed.contains("\"accepted\"") || printed.contains('{'),
        "the event was taken: {printed}"
    );
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snippets_for_node_run_as_they_stand() {
    let (server, wiring) = wired().await;
    let Some(packages) = npm() else { return };
    for way in [Way::JsServer, Way::JsWeb, Way::AmplitudeNode] {
        // Beside the packages, where a module finds them.
        let file = tempfile::Builder::new()
            .suffix(".mjs")
            .tempfile_in(packages)
            .expect("a file");
        let mut text = wiring.snippet(way);
        // A page would stay open; a test must end.
        text.push_str("process.exit(0);\n");
        std::fs::write(file.path(), text).expect("written");
        let mut node = Command::new("node");
        node.arg(file.path());
        saw_a_variant(&ran(node).await);
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snippets_for_python_run_as_they_stand() {
    let (server, wiring) = wired().await;
    let Some(interpreter) = python() else { return };
    for way in [Way::Python, Way::AmplitudePython] {
        let mut command = Command::new(interpreter);
        command.args(["-c", &wiring.snippet(way)]);
        saw_a_variant(&ran(command).await);
    }
    drop(server);
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
