//! A server that is asked to stop under load: what was acknowledged is there, what was under way is answered, and
//! what comes later is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use splitdeck::api::experiments::HistoryQuery;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::engine::{fresh_database, shared};
use crate::support::load::{Record, batch};
use crate::support::process::{Process, TOKEN, log};
use crate::support::store::each_store;
use crate::support::warehouse::until;

use super::ingest::each_exactly_once;

/// The drain limit, and room for a machine that does a lot else.
const IN_TIME: Duration = Duration::from_secs(30);

/// How a worker's last request ended.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum End {
    /// Nobody listened any more.
    NotConnected,
    /// An answer that says so.
    ShuttingDown,
    /// The connection was closed between two requests, with the next one on its way: nobody has read it.
    Unread,
}

/// One request on a connection that is kept alive. `Err` once the server takes no more.
async fn ask(http: &reqwest::Client, method: Method, url: &str, body: &Value) -> Result<Value, End> {
    match http
        .request(method, url)
        .bearer_auth(TOKEN)
        .json(body)
        .send()
        .await
    {
        Ok(answer) => {
            let status = answer.status().as_u16();
            let body: Value = answer.json().await.expect("an answer is whole");
            if status == 503 && body["code"] == "shutting_down" {
                return Err(End::ShuttingDown);
            }
            assert!(status == 200 || status == 201, "{status} {body}");
            Ok(body)
        }
        Err(error) if error.is_connect() => Err(End::NotConnected),
        // HTTP/1.1 lets a server close a silent connection at any time. The server waits for a lull before it does,
        // but a client that the machine lets wait for longer than that may be met all the same. That nothing was
        // done with such a request is looked at when the server is back.
        Err(error) if error.is_request() => Err(End::Unread),
        Err(error) => panic!("an answer broke off: {error:?}"),
    }
}

/// A few of each kind of worker, all busy.
struct Workers {
    assigning: Vec<JoinHandle<End>>,
    /// With the experiment and the version that was last acknowledged.
    writing: Vec<JoinHandle<(String, u64, End)>>,
    /// With the acknowledged events.
    tracking: Vec<JoinHandle<(BTreeSet<Uuid>, End)>>,
    /// What was answered so far, of each kind.
    answered: [Arc<AtomicU64>; 3],
}

impl Workers {
    fn start(base: &str, experiment: &str, keys: &[String]) -> Self {
        let answered: [Arc<AtomicU64>; 3] = std::array::from_fn(|_| Arc::default());
        let http = || {
            reqwest::Client::builder()
                .pool_max_idle_per_host(1)
                .build()
                .expect("a client")
        };
        let assigning = (0..8).map(|worker| {
            let (http, answered) = (http(), Arc::clone(&answered[0]));
            let url = format!("{base}/experiments/assign");
            let experiment = experiment.to_owned();
            tokio::spawn(async move {
                for n in 0_u64.. {
                    let user = |k: u64| json!({ "experimentId": experiment, "user_id": format!("u{worker}-{n}-{k}") });
                    let users: Value = (0..50).map(user).collect();
                    match ask(&http, Method::POST, &url, &users).await {
                        Ok(all) => assert_eq!(all.as_array().map(Vec::len), Some(50)),
                        Err(end) => return end,
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                unreachable!("it goes on until the server ends")
            })
        });
        let writing = keys.iter().map(|key| {
            let (http, answered) = (http(), Arc::clone(&answered[1]));
            let (key, url) = (key.clone(), format!("{base}/experiments/{key}"));
            tokio::spawn(async move {
                for version in 1_u64.. {
                    let change = json!({ "resourceVersion": version, "description": format!("after {}", version + 1) });
                    if let Err(end) = ask(&http, Method::PATCH, &url, &change).await {
                        return (key, version, end);
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                unreachable!("it goes on until the server ends")
            })
        });
        let tracking = (0..4).map(|worker| {
            let (http, answered) = (http(), Arc::clone(&answered[2]));
            let (url, experiment) = (format!("{base}/track"), experiment.to_owned());
            tokio::spawn(async move {
                let mut acknowledged = BTreeSet::new();
                for n in 0.. {
                    let events = batch(worker, n, &experiment);
                    let body = serde_json::to_value(&events).expect("JSON");
                    if let Err(end) = ask(&http, Method::POST, &url, &body).await {
                        return (acknowledged, end);
                    }
                    let ids = events
                        .iter()
                        .map(|e| e.id.as_deref().expect("an id").parse::<Uuid>().expect("a UUID"));
                    acknowledged.extend(ids);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                unreachable!("it goes on until the server ends")
            })
        });
        Self {
            assigning: assigning.collect(),
            writing: writing.collect(),
            tracking: tracking.collect(),
            answered,
        }
    }

    /// Waits until `least` requests of each kind were answered.
    async fn busy(&self, least: u64) {
        until("all workers are busy", async || {
            self.answered.iter().all(|n| n.load(Ordering::Relaxed) >= least)
        })
        .await;
    }
}

each_store!(under_load_what_was_sent_is_answered_and_what_was_acknowledged_stays);
async fn under_load_what_was_sent_is_answered_and_what_was_acknowledged_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = fresh_database();
    let server = Process::start(dir.path(), Some(&database)).await;
    let keys: Vec<String> = (0..3).map(|n| format!("written-{n}")).collect();
    let http = reqwest::Client::new();
    for key in keys.iter().map(String::as_str).chain(["load"]) {
        let url = format!("{}/experiments", server.base);
        ask(&http, Method::POST, &url, &json!({ "name": key, "key": key }))
            .await
            .expect("created");
    }
    let url = format!("{}/experiments/load/status", server.base);
    let live = ask(
        &http,
        Method::POST,
        &url,
        &json!({ "to": "active", "resourceVersion": 1 }),
    )
    .await;
    let live = live.expect("active");
    let workers = Workers::start(&server.base, live["id"].as_str().expect("an id"), &keys);
    workers.busy(20).await;
    server.signal(Signal::TERM);

    let mut ends = Vec::new();
    for worker in workers.assigning {
        ends.push(worker.await.expect("answered until the end"));
    }
    let mut versions = Vec::new();
    for worker in workers.writing {
        let (key, version, end) = worker.await.expect("answered until the end");
        versions.push((key, version));
        ends.push(end);
    }
    let mut record = Record::default();
    for worker in workers.tracking {
        let (acknowledged, end) = worker.await.expect("answered until the end");
        record.acknowledged.extend(acknowledged);
        ends.push(end);
    }
    assert!(
        ends.contains(&End::NotConnected),
        "new connections are refused: {ends:?}"
    );
    let code = server.ended(IN_TIME).await;
    assert_eq!(code, Some(0), "{}", log(dir.path()));
    assert!(!log(dir.path()).contains("cut off"), "{}", log(dir.path()));

    let server = Process::start(dir.path(), Some(&database)).await;
    for (key, version) in versions {
        let live = server.client.experiment(&key).await.expect("there");
        // Nothing was done without an answer.
        assert_eq!(live.resource_version, version, "{key}");
        assert_eq!(live.description, format!("after {version}"), "{key}");
        let log = server
            .client
            .history(&key, &HistoryQuery::default())
            .await
            .expect("a log");
        assert_eq!(log.entries[0].resource_version, version, "{key}");
    }
    until("everything is in ClickHouse", async || {
        let ready = server.client.readiness().await.expect("an answer");
        ready.warehouse && ready.spooled_events == 0
    })
    .await;
    let engine = shared();
    each_exactly_once(&engine.http_url, &engine.server, &database, &record).await;
    server.stop().await;
}

/// A request whose body does not come, which the server has begun to read.
async fn half_a_request(server: &Process) -> tokio::net::TcpStream {
    let address = server.base.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "POST /experiments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 9\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    // On another connection, so that the first one was accepted before.
    server.client.me().await.expect("an answer");
    stream
}

#[tokio::test]
async fn the_second_signal_ends_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Process::start(dir.path(), None).await;
    let _waiting = half_a_request(&server).await;
    server.signal(Signal::TERM);
    let address = server.base.trim_start_matches("http://").to_owned();
    until("nobody is let in any more", async || {
        tokio::net::TcpStream::connect(&address).await.is_err()
    })
    .await;
    // It would wait for the rest of that request for as long as the drain limit.
    server.signal(Signal::TERM);
    assert_eq!(server.ended(Duration::from_secs(5)).await, Some(130));
}

#[tokio::test]
async fn who_never_sends_the_rest_does_not_keep_it_from_ending_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Process::start(dir.path(), None).await;
    let _waiting = half_a_request(&server).await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended(IN_TIME).await, Some(0));
    assert!(log(dir.path()).contains("cut off"), "{}", log(dir.path()));
}
