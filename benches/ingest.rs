//! Events through `POST /track` into the embedded ClickHouse: how many a second are acknowledged and stored, what
//! sharing a sync brings, and how soon an event can be queried.
//!
//! `cargo bench --bench ingest`
//!
//! Everything is real and on one machine: server, spool with its syncs, engine, and the load, which is raw HTTP/1.1
//! over kept-alive connections. Each event has ids, five properties and the attribution to one experiment, so it
//! becomes a row in each of the two tables.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and stops at the first fault"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use splitdeck::api::experiments::{ChangeStatus, CreateExperiment};
use splitdeck::cli::stack::{ClickHouse, Stack};
use splitdeck::client::{Client, Options as ClientOptions};
use splitdeck::config::Paths;
use splitdeck::domain::Status;
use splitdeck::engine::{self, Source};
use splitdeck::server::ingest::Ingest;
use splitdeck::server::link::nowhere;
use splitdeck::server::{self};
use splitdeck::warehouse::{Extent, Login, Warehouse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

const TOKEN: &str = "sd_benchmark-token";
const SECONDS: u64 = 8;
/// How long the engine may take to catch up.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let dir = tempfile::tempdir().expect("a directory");
    let bench = Bench::start(dir.path()).await;
    println!("POST /track into ClickHouse, {SECONDS} s each; server, engine and load on one machine");
    println!("\nevents in each request, 32 connections:");
    for many in [1, 10, 100, 1000] {
        bench.measure(32, many).await;
    }
    println!("\nrequests that share a sync, one event in each:");
    for connections in [1, 8, 64, 256] {
        bench.measure(connections, 1).await;
    }
    bench.freshness().await;
}

struct Bench {
    address: SocketAddr,
    client: Client,
    ingest: Ingest,
    experiment: String,
}

impl Bench {
    async fn start(dir: &std::path::Path) -> Self {
        let mut server = server::Options::new(dir.join("data"), nowhere("not started"));
        server.token = Some(TOKEN.to_owned());
        server.max_spool_bytes = 16 << 30;
        let library = Paths::from_env().expect("the user's directories").engine;
        let source = Source::Library {
            dir: library,
            install: true,
        };
        let mut engine = engine::Options::new(source, dir.join("engine"));
        engine.program = env!("CARGO_BIN_EXE_splitdeck").into();
        let stack = Stack::open(server, ClickHouse::Embedded(Box::new(engine)))
            .await
            .expect("opens");
        let ingest = stack.server().state().ingest().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(stack.serve(listener, std::future::pending()));
        let client = Client::new(&format!("http://{address}"), TOKEN, ClientOptions::default());
        let client = client.expect("a client");
        let began = Instant::now();
        while !client.readiness().await.is_ok_and(|r| r.warehouse) {
            assert!(began.elapsed() < PATIENCE, "no engine");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let body = CreateExperiment {
            name: "Benchmark".to_owned(),
            key: Some("bench".to_owned()),
            ..CreateExperiment::default()
        };
        let draft = client.create_experiment(&body).await.expect("created");
        let step = ChangeStatus::new(Status::Active, draft.resource_version);
        client.change_status("bench", &step).await.expect("active");
        Self {
            address,
            client,
            ingest,
            experiment: draft.id.to_string(),
        }
    }

    /// Keeps `connections` busy with requests of `many` events each; then waits until all are stored.
    async fn measure(&self, connections: u64, many: u64) {
        let before = self.ingest.stats();
        let began = Instant::now();
        let until = began + Duration::from_secs(SECONDS);
        let sent = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..connections)
            .map(|_| {
                let (address, sent) = (self.address, Arc::clone(&sent));
                let experiment = self.experiment.clone();
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.expect("connects");
                    stream.set_nodelay(true).expect("a socket option");
                    let mut latencies = Vec::new();
                    let mut buffer = Vec::with_capacity(1 << 12);
                    while Instant::now() < until {
                        let first = sent.fetch_add(many, Ordering::Relaxed);
                        let request = request(&experiment, first, many);
                        let asked = Instant::now();
                        stream.write_all(&request).await.expect("sends");
                        read_answer(&mut stream, &mut buffer).await;
                        latencies.push(asked.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.expect("runs"));
        }
        let accepting = began.elapsed();
        while self.ingest.stats().spooled_events > 0 {
            assert!(began.elapsed() < PATIENCE, "the engine does not catch up");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let storing = began.elapsed();
        let after = self.ingest.stats();
        latencies.sort_unstable();
        let events = after.accepted_events - before.accepted_events;
        assert_eq!(after.stored_events - before.stored_events, events);
        let requests = after.accepted_requests - before.accepted_requests;
        let syncs = after.syncs - before.syncs;
        let batches = after.stored_batches - before.stored_batches;
        let at = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
        println!(
            "{connections:>4} connections, {many:>4} a request: {:>8.0} events/s acknowledged, {:>8.0} events/s stored, \
             {:>6.0} requests/s, p50 {:>5.1} ms, p99 {:>6.1} ms, {:>5.1} requests a sync, {:>6.0} events a batch",
            events as f64 / accepting.as_secs_f64(),
            events as f64 / storing.as_secs_f64(),
            requests as f64 / accepting.as_secs_f64(),
            at(0.5),
            at(0.99),
            requests as f64 / syncs as f64,
            events as f64 / batches as f64,
        );
    }

    /// How long after its acknowledgement a single event is found by a query.
    async fn freshness(&self) {
        let login = self.client.warehouse().await.expect("a login");
        let warehouse = Warehouse::new(&Login::from(&login)).expect("a warehouse");
        let project = self.client.me().await.expect("a project").project.id;
        let mut waits = Vec::new();
        for n in 0..30_u128 {
            let id = Uuid::from_u128(u128::MAX - n);
            let event = serde_json::json!({"name": "fresh", "profileId": "p", "id": id});
            let event = serde_json::from_value(event).expect("an event");
            self.client.track(&[event]).await.expect("taken");
            let acknowledged = Instant::now();
            let now = jiff::Timestamp::now().as_millisecond();
            let extent = Extent {
                ids: vec![project],
                ts: now - 60_000..=now + 60_000,
                ingested_at: now - 1_000..=now + 1_000,
            };
            while !warehouse
                .stored_events(&extent)
                .await
                .expect("a query")
                .contains(&(project, id))
            {
                assert!(acknowledged.elapsed() < PATIENCE, "never there");
            }
            waits.push(acknowledged.elapsed());
        }
        waits.sort_unstable();
        println!(
            "\nfrom the acknowledgement of one event until a query finds it: p50 {:.0} ms, most {:.0} ms",
            waits[waits.len() / 2].as_secs_f64() * 1e3,
            waits[waits.len() - 1].as_secs_f64() * 1e3
        );
    }
}

fn request(experiment: &str, first: u64, many: u64) -> Vec<u8> {
    let one = |n: u64| {
        let person = n % 50_021;
        format!(
            r#"{{"name":"checkout","profileId":"user-{person}","sessionId":"s-{}","properties":{{"country":"TH","$os":"Android","plan":"pro","amount":{n},"path":"/cart/checkout","__experimentId":"{experiment}","__variantId":"treatment","__assignmentReason":"allocation","__cohort":1}}}}"#,
            n / 7
        )
    };
    let body = if many == 1 {
        one(first)
    } else {
        let events: Vec<String> = (first..first + many).map(one).collect();
        format!("[{}]", events.join(","))
    };
    format!(
        "POST /track HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads one whole answer, which must be a 200.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        let n = stream.read_buf(buffer).await.expect("reads");
        assert!(n > 0, "the server hung up");
        let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let body = String::from_utf8_lossy(&buffer[end + 4..]);
        assert!(head.starts_with("http/1.1 200"), "{head}\n{body}");
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .expect("a length")
            .parse()
            .expect("a number");
        if buffer.len() >= end + 4 + length {
            return;
        }
    }
}
