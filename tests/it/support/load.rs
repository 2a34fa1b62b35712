//! Clients that send events until they are acknowledged, and remember what was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, json};
use splitdeck::api::track::{EventTime, TrackEvent};
use splitdeck::client::{Client, ClientError};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// What happened so far.
#[derive(Debug, Default)]
pub struct Record {
    /// Events whose request was answered with 200.
    pub acknowledged: BTreeSet<Uuid>,
    /// Events that were sent more than once: the answer to an earlier attempt was not a 200.
    pub repeated: BTreeSet<Uuid>,
    /// Refusals by the server, by code, and `unreachable`.
    pub failures: BTreeMap<String, u64>,
}

/// Some clients at work.
pub struct Load {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

/// Events of one request.
const BATCH: u64 = 20;

impl Load {
    /// Starts `clients` clients. Where the server is they ask `server` before every attempt, as it may move.
    /// Their events belong to `experiment`.
    pub fn start(
        clients: u64,
        server: impl Fn() -> Client + Send + Sync + Clone + 'static,
        experiment: &str,
    ) -> Self {
        let record = Arc::new(Mutex::new(Record::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let clients = (0..clients)
            .map(|client| {
                let (record, stop, sent) = (Arc::clone(&record), Arc::clone(&stop), Arc::clone(&sent));
                let (server, experiment) = (server.clone(), experiment.to_owned());
                tokio::spawn(async move {
                    let mut n = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let events = batch(client, n, &experiment);
                        n += 1;
                        deliver(&events, &server, &record).await;
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        Self {
            record,
            stop,
            sent,
            clients,
        }
    }

    /// How many requests were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How often the server refused with this code.
    pub fn refused(&self, code: &str) -> u64 {
        let record = self.record.lock().expect("a record");
        record.failures.get(code).copied().unwrap_or_default()
    }

    /// Waits until `more` further requests are acknowledged.
    pub async fn progress(&self, more: u64) {
        let until = self.acknowledged() + more;
        let reached = async {
            while self.acknowledged() < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
        reached.unwrap_or_else(|_| panic!("no progress: {:?}", self.record.lock().unwrap().failures));
    }

    /// Lets every client finish what it began, however often that takes, and tells what happened.
    pub async fn finish(self) -> Record {
        self.stop.store(true, Ordering::Relaxed);
        let ended = async {
            for client in self.clients {
                client.await.expect("no panic");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ended)
            .await
            .expect("every event is taken in the end");
        let record = Arc::try_unwrap(self.record).expect("no client is left");
        record.into_inner().expect("a record")
    }
}

/// Sends a request until it is acknowledged.
async fn deliver(events: &[TrackEvent], server: &impl Fn() -> Client, record: &Mutex<Record>) {
    let ids = || {
        events.iter().map(|e| {
            e.id.as_deref()
                .unwrap_or_default()
                .parse::<Uuid>()
                .expect("a UUID")
        })
    };
    loop {
        let failure = match server().track(events).await {
            Ok(answer) => {
                assert_eq!(answer.accepted, events.len() as u64);
                assert!(answer.unattributed.is_none(), "{answer:?}");
                record.lock().expect("a record").acknowledged.extend(ids());
                return;
            }
            Err(ClientError::Refused { problem, .. }) => format!("{:?}", problem.code),
            Err(ClientError::Unreachable { .. }) => "unreachable".to_owned(),
            Err(other) => panic!("{other}"),
        };
        {
            let mut record = record.lock().expect("a record");
            record.repeated.extend(ids());
            *record.failures.entry(failure).or_default() += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Request `n` of a client: always the same.
pub fn batch(client: u64, n: u64, experiment: &str) -> Vec<TrackEvent> {
    let event = |k: u64| {
        let id = Uuid::from_u128(u128::from(client + 1) << 64 | u128::from(n * BATCH + k));
        let properties = json!({
            "__experimentId": experiment, "__variantId": "treatment", "__assignmentReason": "allocation", "plan": "pro",
            "country": "TH", "n": n,
        });
        TrackEvent {
            name: "view".to_owned(),
            properties: properties.as_object().cloned().unwrap_or_else(Map::new),
            profile_id: Some(format!("p-{client}-{}", n % 50)),
            timestamp: Some(EventTime::Text(Timestamp::now())),
            id: Some(id.to_string()),
            ..TrackEvent::default()
        }
    };
    (0..BATCH).map(event).collect()
}
