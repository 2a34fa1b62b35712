//! No acknowledged event is lost, and each counts once: with the server killed, the engine killed, the engine
//! away, and the spool full.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use splitdeck::cli::stack::{ClickHouse, Stack};
use splitdeck::client::{Client, Options};
use splitdeck::engine::{Engine, EngineState, Login};
use splitdeck::server::ingest::{self, Attributed, EventRecord, Ingest};
use splitdeck::server::link::{Access, Whereabouts, nowhere};
use splitdeck::warehouse::Warehouse;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::support::engine::{fresh_database, options, query, shared};
use crate::support::load::{Load, Record};
use crate::support::process::{Process, TOKEN};
use crate::support::server::TestServer;
use crate::support::store::each_store;
use crate::support::tables::{EXPERIMENT, PROJECT, TS, ask, fresh};
use crate::support::warehouse::server_with_clickhouse;

const DEADLINE: Duration = Duration::from_secs(30);
/// What clients track, and not what the server records of assignments.
const TRACKED: &str = "name != '[Experiment] Assignment'";

fn client(base: &str, token: &str) -> Client {
    Client::new(base, token, Options::default()).expect("a client")
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("signalled");
}

/// Waits until nothing is left in the spool.
async fn drained(client: &Client) {
    let begun = Instant::now();
    loop {
        let ready = client.readiness().await.expect("an answer");
        if ready.spooled_events == 0 {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "not drained: {ready:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An active experiment for the events to count for.
async fn experiment(client: &Client) -> String {
    let body = json!({"name": "Load", "key": "load"});
    let draft = client
        .create_experiment(&serde_json::from_value(body).expect("a body"))
        .await
        .expect("created");
    let step = json!({"to": "active", "resourceVersion": draft.resource_version});
    let step = serde_json::from_value(step).expect("a step");
    client.change_status("load", &step).await.expect("active");
    draft.id.to_string()
}

/// Every acknowledged event is in both tables exactly once; what was sent once is stored once even before
/// ClickHouse collapses anything.
pub(super) async fn each_exactly_once(url: &str, login: &Login, database: &str, record: &Record) {
    assert!(
        record.acknowledged.len() > 100,
        "{} events",
        record.acknowledged.len()
    );
    for table in ["events", "experiment_events"] {
        let ask = async |sql: &str| {
            let sql = sql.replace("{table}", &format!("{database}.{table}"));
            query(url, login, &sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"))
        };
        // The server's own record of assignments is another matter.
        let ids: BTreeSet<Uuid> = ask(&format!(
            "SELECT DISTINCT event_id FROM {{table}} WHERE {TRACKED}"
        ))
        .await
        .lines()
        .map(|id| id.parse().expect("a UUID"))
        .collect();
        let lost = record.acknowledged.difference(&ids).count();
        assert_eq!(lost, 0, "acknowledged events that are not in {table}");
        // Every client goes on until its last request is acknowledged.
        let others = ids.difference(&record.acknowledged).count();
        assert_eq!(others, 0, "{table} has what was sent and nothing else");
        let sql = format!("SELECT count(), uniqExact(event_id) FROM {{table}} FINAL WHERE {TRACKED}");
        let counts = ask(&sql).await;
        let n = record.acknowledged.len();
        assert_eq!(counts, format!("{n}\t{n}"), "{table}");
        let sql =
            format!("SELECT event_id FROM {{table}} WHERE {TRACKED} GROUP BY event_id HAVING count() > 1");
        let several = ask(&sql).await;
        let several: Vec<Uuid> = several.lines().map(|id| id.parse().expect("a UUID")).collect();
        let not_repeated = several.iter().filter(|id| !record.repeated.contains(id)).count();
        assert_eq!(
            not_repeated, 0,
            "rows of {table} doubled by the server, not by a client"
        );
    }
}

// --- the server is killed ----------------------------------------------------------------------

each_store!(a_killed_server_loses_nothing_it_acknowledged);
async fn a_killed_server_loses_nothing_it_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = fresh_database();
    let mut serving = Process::start(dir.path(), Some(&database)).await;
    let base = Arc::new(Mutex::new(serving.base.clone()));
    let experiment = experiment(&client(&serving.base, TOKEN)).await;
    let now = Arc::clone(&base);
    let load = Load::start(
        4,
        move || client(&now.lock().expect("an address"), TOKEN),
        &experiment,
    );
    for kill in 0..3 {
        // A little later each time, so that the kills meet different moments of a batch's life.
        load.progress(8 + 13 * kill).await;
        serving.shoot().await;
        serving = Process::start(dir.path(), Some(&database)).await;
        base.lock().expect("an address").clone_from(&serving.base);
    }
    load.progress(10).await;
    let record = load.finish().await;
    assert!(!record.repeated.is_empty(), "the kills hit requests under way");
    drained(&client(&serving.base, TOKEN)).await;
    let engine = shared();
    each_exactly_once(&engine.http_url, &engine.server, &database, &record).await;
    let spool = dir.path().join("data").join("spool").join("quarantine");
    let aside = std::fs::read_dir(spool).into_iter().flatten().flatten();
    let not_torn: Vec<_> = aside
        .map(|e| e.path())
        .filter(|p| p.extension().is_none_or(|e| e != "torn"))
        .collect();
    assert!(not_torn.is_empty(), "{not_torn:?}");
}

// --- the engine is killed ----------------------------------------------------------------------

#[tokio::test]
async fn a_killed_engine_gets_every_event_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = splitdeck::server::Options::new(dir.path().join("data"), nowhere("not yet"));
    server.token = Some(TOKEN.to_owned());
    let engine = options(&dir.path().join("engine"));
    let stack = Stack::open(server, ClickHouse::Embedded(Box::new(engine)))
        .await
        .expect("opens");
    let mut state = stack.engine().expect("an engine");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(stack.serve(listener, async {
        let _ = stopped.await;
    }));
    let client = client(&base, TOKEN);
    let experiment = experiment(&client).await;
    let to = client.clone();
    let load = Load::start(4, move || to.clone(), &experiment);
    let mut killed = None;
    for kill in 0..4 {
        let ready = state.wait_for(|s| match s {
            EngineState::Ready(address) => Some(address.pid) != killed,
            EngineState::Failed { why } => panic!("{why}"),
            _ => false,
        });
        let ready = tokio::time::timeout(DEADLINE, ready).await.expect("in time");
        let EngineState::Ready(address) = ready.expect("a state").clone() else {
            unreachable!("waited for");
        };
        load.progress(15 + 10 * kill).await;
        signal(address.pid, Signal::KILL);
        killed = Some(address.pid);
    }
    load.progress(20).await;
    let record = load.finish().await;
    assert!(
        record.repeated.is_empty(),
        "events are taken without the engine: {:?}",
        record.failures
    );
    drained(&client).await;
    let login = client.warehouse().await.expect("a login");
    let reader = Login {
        user: login.user,
        password: login.password,
    };
    each_exactly_once(&login.url, &reader, &login.database, &record).await;
    stop.send(()).expect("it runs");
    serving.await.expect("no panic").expect("ends well");
}

// --- the engine is away ------------------------------------------------------------------------

fn at(url: &str, engine: &Engine) -> Whereabouts {
    let login = engine.server();
    let server = splitdeck::warehouse::Login::new(url, "splitdeck", &login.user, &login.password);
    Whereabouts::At(Box::new(Access {
        server,
        cockpit: None,
    }))
}

#[tokio::test]
async fn an_engine_that_was_away_gets_every_event_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = TestServer::start().await;
    let experiment = experiment(&server.client()).await;
    let to = server.client();
    let load = Load::start(3, move || to.clone(), &experiment);
    let mut engine = None;
    // There, stopped by a signal, gone, back.
    for _ in 0..2 {
        let started = Engine::start(options(&dir.path().join("engine")))
            .await
            .expect("starts");
        let address = started.ready().await.expect("ready");
        server.warehouse.send_replace(at(&address.http_url, &started));
        load.progress(30).await;
        signal(address.pid, Signal::STOP);
        load.progress(60).await;
        signal(address.pid, Signal::CONT);
        load.progress(10).await;
        started.shutdown().await;
        load.progress(60).await;
        engine = Some(());
    }
    assert!(engine.is_some());
    let waiting = server.client().readiness().await.expect("an answer");
    assert!(waiting.ready && waiting.spooled_events > 0, "{waiting:?}");
    let engine = Engine::start(options(&dir.path().join("engine")))
        .await
        .expect("starts");
    let address = engine.ready().await.expect("ready");
    server.warehouse.send_replace(at(&address.http_url, &engine));
    let record = load.finish().await;
    assert!(
        record.repeated.is_empty(),
        "events are taken without the engine: {:?}",
        record.failures
    );
    drained(&server.client()).await;
    each_exactly_once(&address.http_url, engine.server(), "splitdeck", &record).await;
    server.stop().await;
    engine.shutdown().await;
}

// --- the spool is full -------------------------------------------------------------------------

#[tokio::test]
async fn a_full_spool_turns_clients_away_until_there_is_room_and_loses_nothing() {
    let engine = shared();
    let database = fresh_database();
    let server = TestServer::start_with(|options| options.max_spool_bytes = 200_000).await;
    let experiment = experiment(&server.client()).await;
    let to = server.client();
    let load = Load::start(3, move || to.clone(), &experiment);
    let full = async {
        loop {
            let ready = server.client().readiness().await.expect("an answer");
            assert!(ready.spool_bytes <= 200_028, "{ready:?}");
            let refused = load.refused("SpoolFull");
            if refused > 10 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, full).await.expect("full in time");
    let login = splitdeck::warehouse::Login::new(
        &engine.http_url,
        &database,
        &engine.server.user,
        &engine.server.password,
    );
    server.warehouse.send_replace(Whereabouts::At(Box::new(Access {
        server: login,
        cockpit: None,
    })));
    load.progress(30).await;
    let record = load.finish().await;
    drained(&server.client()).await;
    each_exactly_once(&engine.http_url, &engine.server, &database, &record).await;
    // A refused request left nothing behind: what was repeated is stored once, too.
    let sql = format!("SELECT count() - uniqExact(event_id) FROM {database}.events");
    assert_eq!(
        query(&engine.http_url, &engine.server, &sql)
            .await
            .expect("a count"),
        "0"
    );
    server.stop().await;
}

// --- an orderly end ------------------------------------------------------------------------------

each_store!(a_server_that_is_stopped_sends_what_it_has_if_clickhouse_is_there);
async fn a_server_that_is_stopped_sends_what_it_has_if_clickhouse_is_there() {
    let server = server_with_clickhouse().await;
    let engine = shared();
    let login = server.client().warehouse().await.expect("a login");
    let project = server.client().me().await.expect("a project").project.id;
    let events: Vec<_> = (0..500)
        .map(|n| json!({"name": format!("event {n}"), "profileId": "p"}))
        .collect();
    server.post("/track", &json!(events)).await.expect(200);
    let dir = server.stop().await;
    let sql = format!(
        "SELECT count(), uniqExact(name), any(project_id) FROM {}.events",
        login.database
    );
    let stored = query(&engine.http_url, &engine.server, &sql)
        .await
        .expect("a count");
    assert_eq!(stored, format!("500\t500\t{project}"));
    let spool = std::fs::read_dir(dir.path().join("spool"))
        .expect("a spool")
        .flatten();
    let left: Vec<_> = spool
        .map(|e| e.file_name())
        .filter(|name| name != "lock")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

// --- ClickHouse takes a batch for stored that it does not have -----------------------------------

/// ClickHouse notes a token before it commits the rows. Killed in between it calls the batch a duplicate
/// when it comes again, and stores nothing. Here rows are deleted behind its back to the same effect.
#[tokio::test]
async fn rows_that_a_token_hides_are_found_missing_and_sent_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let warehouse = fresh().await;
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let ingest = Ingest::open(&ingest::Options::new(&first)).expect("opens");
    for request in 0..10_u128 {
        let events = (request * 100..request * 100 + 100)
            .map(attributed_event)
            .collect();
        ingest.append(events).await.expect("taken");
    }
    ingest.shutdown(Duration::ZERO).await;
    std::fs::create_dir(&second).expect("a directory");
    for entry in std::fs::read_dir(&first).expect("segments").flatten() {
        std::fs::copy(entry.path(), second.join(entry.file_name())).expect("copied");
    }
    let counts = "SELECT (SELECT count() FROM {db}.events), (SELECT count() FROM {db}.experiment_events)";

    let ingest = send_all(&first, &warehouse).await;
    assert_eq!(ingest.stats().stored_events, 1000);
    assert_eq!(ask(&warehouse, counts).await, "1000\t1000");
    for (table, which) in [("events", "% 2 = 0"), ("experiment_events", "% 10 = 3")] {
        let delete = format!(
            "ALTER TABLE {{db}}.{table} DELETE WHERE toUInt32(substring(name, 7)) {which} SETTINGS mutations_sync = 2"
        );
        ask(&warehouse, &delete).await;
    }
    assert_eq!(ask(&warehouse, counts).await, "500\t900");

    // To this process the segments are an earlier one's: it cannot know that they were acknowledged.
    let ingest = send_all(&second, &warehouse).await;
    assert_eq!(ingest.stats().repaired_rows, 500 + 100);
    assert_eq!(ask(&warehouse, counts).await, "1000\t1000");
    let unique = "SELECT uniqExact(event_id) FROM {db}.events";
    assert_eq!(ask(&warehouse, unique).await, "1000");
}

fn attributed_event(n: u128) -> EventRecord {
    EventRecord {
        project_id: PROJECT,
        event_id: Uuid::from_u128(n),
        name: format!("event {n}"),
        ts: TS + i64::try_from(n % 7).expect("small") * 40 * 24 * 3_600_000,
        ingested_at: TS,
        profile_id: "p".to_owned(),
        attributions: vec![Attributed {
            experiment_id: EXPERIMENT,
            variant: "treatment".to_owned(),
            reason: "allocation".to_owned(),
            cohort: 1,
            subject: format!("s-{n}"),
        }],
        ..EventRecord::default()
    }
}

/// Sends everything that is left in a spool.
async fn send_all(dir: &Path, warehouse: &Warehouse) -> Ingest {
    let ingest = Ingest::open(&ingest::Options::new(dir)).expect("opens");
    let (_here, at) = watch::channel(Some(warehouse.clone()));
    let drain = tokio::spawn(ingest.clone().drain(at));
    ingest.shutdown(DEADLINE).await;
    drain.await.expect("no panic");
    assert_eq!(ingest.stats().spooled_events, 0);
    ingest
}
