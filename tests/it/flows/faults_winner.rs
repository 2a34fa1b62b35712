//! A server that is shot, or whose store fails, at each statement of applying a winner: all of it or nothing, and the
//! log agrees.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use splitdeck::api::audit::AuditQuery;
use splitdeck::api::experiments::{ApplyWinner, ChangeStatus, CreateExperiment};
use splitdeck::api::track::TrackEvent;
use splitdeck::client::Client;
use splitdeck::domain::{AuditAction, Key, Metric, Status};

use crate::support::engine;
use crate::support::midway::{Held, Moment, Point, Refused};
use crate::support::process::Process;
use crate::support::store::each_store;
use crate::support::warehouse::exposure;

/// The experiment; its flag has the same key.
const KEY: &str = "exp";

/// What applying a winner writes, in this order.
const POINTS: [Point; 8] = [
    Point::after("INSERT", "audit", "NEW.action = 'flag.status_changed'"),
    Point::after("UPDATE", "objects", "NEW.kind = 'flag'"),
    Point::after("INSERT", "changes", "NEW.kind = 'flag'"),
    Point::after("INSERT", "audit", "NEW.action = 'experiment.apply_winner'"),
    Point::after("INSERT", "audit", "NEW.action = 'experiment.status_changed'"),
    Point::after("UPDATE", "experiments", "NEW.status = 'completed'"),
    Point::after("INSERT", "changes", "NEW.kind = 'experiment'"),
    Point::commit_of("UPDATE", "experiments", "NEW.status = 'completed'"),
];

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

/// An active experiment whose data say that treatment wins.
async fn measured(client: &Client) {
    let body = CreateExperiment {
        name: KEY.to_owned(),
        primary_metric: Some(Metric {
            event: "buy".to_owned(),
            filters: Vec::new(),
        }),
        ..CreateExperiment::default()
    };
    let draft = client.create_experiment(&body).await.expect("created");
    let start = ChangeStatus::new(Status::Active, draft.resource_version);
    let live = client.change_status(KEY, &start).await.expect("active");
    let live = serde_json::to_value(live).expect("JSON");
    let now = jiff::Timestamp::now();
    let seen = (now - jiff::SignedDuration::from_secs(60)).to_string();
    let mut events: Vec<Value> = Vec::new();
    for (variant, buyers) in [("control", 10), ("treatment", 80)] {
        for n in 0..200 {
            let who = format!("{variant}-{n}");
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

async fn apply(client: &Client) -> bool {
    let Ok(live) = client.experiment(KEY).await else {
        return false;
    };
    let body = ApplyWinner {
        resource_version: live.resource_version,
        winner: Key::new("treatment").expect("a key"),
        comment: None,
    };
    client.apply_winner(KEY, &body).await.is_ok()
}

/// Whether the winner was applied: the experiment, the flag and the log have to agree on it.
async fn applied(client: &Client) -> bool {
    let experiment = client.experiment(KEY).await.expect("there");
    let flag = client.flag(KEY).await.expect("there").flag;
    let count = async |action: AuditAction| {
        let query = AuditQuery {
            action: Some(action),
            object_key: Some(KEY.to_owned()),
            ..AuditQuery::default()
        };
        client.audit(&query).await.expect("a page").entries.len()
    };
    let done = experiment.status == Status::Completed;
    let shares: Vec<f64> = flag.variants.iter().map(|v| v.traffic_pct.percent()).collect();
    let told = count(AuditAction::ApplyWinner).await;
    let switched = count(AuditAction::FlagStatusChanged).await;
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
    let data = dir.path().join("data");
    let database = engine::fresh_database();
    let mut server = serve(dir.path(), &database).await;
    measured(&server.client).await;
    server.shoot().await;
    server = serve(dir.path(), &database).await;
    for point in POINTS.into_iter().filter(|point| point.is_here()) {
        let refused = Refused::at(point, &data).await;
        assert!(!apply(&server.client).await, "{point:?}");
        refused.lifted().await;
        assert!(!applied(&server.client).await, "{point:?}");

        let mut held = Held::at(point, &data).await;
        let client = server.client.clone();
        let applying = tokio::spawn(async move { apply(&client).await });
        held.reached().await;
        server.shoot().await;
        assert!(!applying.await.expect("no panic"), "{point:?}");
        held.released().await;
        server = serve(dir.path(), &database).await;
        let done = applied(&server.client).await;
        assert!(!done || point.at == Moment::Commit, "{point:?}");
    }
    if !applied(&server.client).await {
        assert!(apply(&server.client).await, "it can be done again");
    }
    // What was answered is there.
    server.shoot().await;
    server = serve(dir.path(), &database).await;
    assert!(applied(&server.client).await);
}
