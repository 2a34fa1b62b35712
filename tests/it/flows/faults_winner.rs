//! A server that is shot while a winner is being applied: all of it or nothing, and the log agrees.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use splitdeck::api::audit::AuditQuery;
use splitdeck::api::experiments::{ApplyWinner, ChangeStatus, CreateExperiment};
use splitdeck::api::track::TrackEvent;
use splitdeck::client::Client;
use splitdeck::domain::{AuditAction, Key, Metric, Status};

use crate::support::engine;
use crate::support::process::Process;
use crate::support::store::each_store;
use crate::support::warehouse::exposure;

/// How often it is shot.
const ROUNDS: usize = 6;

/// Long enough for a machine that does a lot else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the binary on a database of the shared engine, and waits until it has found it.
async fn serve(dir: &Path, database: &str) -> Process {
    let process = Process::start(dir, Some(database)).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready = process.client.readiness().await.expect("an answer");
        if ready.warehouse && ready.spooled_events == 0 {
            return process;
        }
        assert!(Instant::now() < deadline, "{ready:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn name(round: usize) -> String {
    format!("exp-{round}")
}

/// An active experiment whose data say that treatment wins.
async fn measured(client: &Client, round: usize) {
    let body = CreateExperiment {
        name: name(round),
        primary_metric: Some(Metric {
            event: "buy".to_owned(),
            filters: Vec::new(),
        }),
        ..CreateExperiment::default()
    };
    let draft = client.create_experiment(&body).await.expect("created");
    let start = ChangeStatus {
        to: Status::Active,
        resource_version: draft.resource_version,
        comment: None,
        winning_variant: None,
        ended_reason: None,
        override_failing_srm: false,
    };
    let live = client.change_status(&name(round), &start).await.expect("active");
    let live = serde_json::to_value(live).expect("JSON");
    let now = jiff::Timestamp::now();
    let seen = (now - jiff::SignedDuration::from_secs(60)).to_string();
    let mut events: Vec<Value> = Vec::new();
    for (variant, buyers) in [("control", 10), ("treatment", 80)] {
        for n in 0..200 {
            let who = format!("{}-{variant}-{n}", name(round));
            events.push(exposure(&live, &who, variant, &seen));
            if n < buyers {
                let buy = json!({ "name": "buy", "profileId": who, "timestamp": now.to_string() });
                events.push(buy);
            }
        }
    }
    let events: Vec<TrackEvent> = serde_json::from_value(events.into()).expect("events");
    client.track(&events).await.expect("tracked");
}

async fn apply(client: &Client, round: usize) -> bool {
    let Ok(live) = client.experiment(&name(round)).await else {
        return false;
    };
    let body = ApplyWinner {
        resource_version: live.resource_version,
        winner: Key::new("treatment").expect("a key"),
        comment: None,
    };
    client.apply_winner(&name(round), &body).await.is_ok()
}

/// Whether the winner was applied: the experiment, the flag and the log have to agree on it.
async fn applied(client: &Client, round: usize) -> bool {
    let experiment = client.experiment(&name(round)).await.expect("there");
    let flag = client.flag(&name(round)).await.expect("there").flag;
    let count = async |action: AuditAction, key: &str| {
        let query = AuditQuery {
            action: Some(action),
            object_key: Some(key.to_owned()),
            ..AuditQuery::default()
        };
        client.audit(&query).await.expect("a page").entries.len()
    };
    let done = experiment.status == Status::Completed;
    let shares: Vec<f64> = flag.variants.iter().map(|v| v.traffic_pct.percent()).collect();
    let key = name(round);
    let told = count(AuditAction::ApplyWinner, &key).await;
    let switched = count(AuditAction::FlagStatusChanged, &key).await;
    if done {
        assert_eq!(
            experiment.winning_variant.as_ref().map(Key::as_str),
            Some("treatment")
        );
        assert!(flag.enabled, "{flag:?}");
        assert_eq!((flag.rollout_pct.percent(), shares), (100.0, vec![0.0, 100.0]));
        assert_eq!((told, switched), (1, 1));
    } else {
        assert_eq!(
            (experiment.status, &experiment.winning_variant),
            (Status::Active, &None)
        );
        assert!(!flag.enabled, "{flag:?}");
        assert_eq!((flag.rollout_pct.percent(), shares), (50.0, vec![50.0, 50.0]));
        assert_eq!((told, switched), (0, 0));
    }
    done
}

each_store!(a_winner_is_applied_as_a_whole_or_not_at_all);
async fn a_winner_is_applied_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = engine::fresh_database();
    let mut server = serve(dir.path(), &database).await;
    for round in 0..=ROUNDS {
        measured(&server.client, round).await;
    }
    server.shoot().await;
    server = serve(dir.path(), &database).await;
    // The first one is left in peace, to see how long it takes.
    let started = Instant::now();
    assert!(apply(&server.client, 0).await);
    let took = started.elapsed();
    assert!(applied(&server.client, 0).await);
    for round in 1..=ROUNDS {
        let client = server.client.clone();
        let applying = tokio::spawn(async move { apply(&client, round).await });
        // No condition is waited for: it is shot at a random moment, from before the request arrives until after it
        // is answered.
        tokio::time::sleep(took.mul_f64(1.2 * fastrand::f64())).await;
        server.shoot().await;
        let answered = applying.await.expect("no panic");
        server = serve(dir.path(), &database).await;
        let done = applied(&server.client, round).await;
        assert!(done || !answered, "what was answered is there");
        if !done {
            assert!(apply(&server.client, round).await, "it can be done again");
            assert!(applied(&server.client, round).await);
        }
    }
}
