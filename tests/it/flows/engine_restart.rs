//! The embedded engine is shot under a running server: the server says so, does without it, and finds it again.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use splitdeck::api::experiments::{ChangeStatus, CreateExperiment};
use splitdeck::api::results::ResultsQuery;
use splitdeck::api::system::Readiness;
use splitdeck::client::Client;
use splitdeck::domain::Status;

use crate::support::engine::shared;
use crate::support::process::{Process, Serve};
use crate::support::warehouse::exposure;

/// Asks until the server says this of itself.
async fn ready(client: &Client, what: &str, says: impl Fn(&Readiness) -> bool) -> Readiness {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let readiness = client.readiness().await.expect("an answer");
        if says(&readiness) {
            return readiness;
        }
        assert!(Instant::now() < deadline, "{what}: {readiness:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_says_that_its_engine_is_away_and_that_it_is_back() {
    // Installs the engine, where it is not.
    shared();
    let dir = tempfile::tempdir().expect("a directory");
    let server = Process::serve(&Serve {
        embedded: true,
        ..Serve::new(dir.path(), None)
    })
    .await;
    let client = &server.client;
    ready(client, "the engine comes up", |now| now.warehouse).await;
    let body = CreateExperiment {
        name: "x".to_owned(),
        ..CreateExperiment::default()
    };
    let draft = client.create_experiment(&body).await.expect("created");
    let start = ChangeStatus::new(Status::Active, draft.resource_version);
    let live = client.change_status("x", &start).await.expect("active");
    let live = serde_json::to_value(live).expect("JSON");
    let see = async |who: &str| {
        let at = jiff::Timestamp::now().to_string();
        let events = json!([exposure(&live, who, "treatment", &at)]);
        let events: Vec<_> = serde_json::from_value(events).expect("events");
        client.track(&events).await.expect("tracked");
    };
    see("before").await;
    ready(client, "the event arrives", |now| now.spooled_events == 0).await;

    let [engine] = server.children()[..] else {
        panic!("one child: {:?}", server.children());
    };
    let pid = Pid::from_raw(i32::try_from(engine).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::KILL).expect("shot");
    let away = ready(client, "it is missed", |now| !now.warehouse).await;
    assert!(away.ready && away.store, "all else goes on: {away:?}");
    assert!(away.warehouse_error.is_some_and(|why| !why.is_empty()));
    see("meanwhile").await;

    let back = ready(client, "it is found again", |now| {
        now.warehouse && now.spooled_events == 0
    })
    .await;
    assert_eq!((back.ready, back.warehouse_error), (true, None));
    assert_ne!(server.children(), [engine]);
    let results = client
        .results("x", &ResultsQuery::default())
        .await
        .expect("results");
    let people: Vec<u64> = results.arms.iter().map(|arm| arm.subjects).collect();
    assert_eq!(people, [0, 2], "what it had, and what came meanwhile");
    server.stop().await;
}
