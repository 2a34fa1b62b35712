//! Assignments over HTTP: how many a second one server answers, with the load generator on the same machine.
//!
//! `cargo bench --bench http`
//!
//! The server is the real one (SQLite, tokens, request ids); the load is raw HTTP/1.1 over kept-alive
//! connections, so that what is measured is the server rather than a client library.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and stops at the first fault"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use splitdeck::api::experiments::{ChangeStatus, CreateExperiment};
use splitdeck::client::Client;
use splitdeck::domain::Status;
use splitdeck::server::link::nowhere;
use splitdeck::server::{Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const TOKEN: &str = "sd_benchmark-token";
const CONNECTIONS: usize = 32;
const SECONDS: u64 = 5;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        println!("assignments over HTTP, {CONNECTIONS} connections, {SECONDS} s each, server and load on one machine");
        for experiments in [1, 100, 1_000] {
            let dir = tempfile::tempdir().expect("a directory");
            let address = serve(dir.path()).await;
            let client = Client::new(&format!("http://{address}"), TOKEN, splitdeck::client::Options::default());
            let client = client.expect("a client");
            for n in 0..experiments {
                active(&client, n).await;
            }
            for many in [1, 100] {
                let figures = load(address, experiments, many).await;
                report(experiments, many, figures);
            }
        }
    });
}

/// Starts a server without ClickHouse: assignments do without it.
async fn serve(dir: &std::path::Path) -> SocketAddr {
    let mut options = Options::new(dir, nowhere("a benchmark without ClickHouse"));
    options.token = Some(TOKEN.to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::open(options).await.expect("opens");
    tokio::spawn(server.serve(listener, std::future::pending()));
    address
}

async fn active(client: &Client, n: usize) {
    let body = CreateExperiment {
        name: format!("Experiment {n}"),
        key: Some(format!("exp-{n}")),
        ..CreateExperiment::default()
    };
    let created = client.create_experiment(&body).await.expect("created");
    let change = ChangeStatus::new(Status::Active, created.resource_version);
    client
        .change_status(created.key.as_str(), &change)
        .await
        .expect("activated");
}

struct Figures {
    requests: u64,
    elapsed: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

async fn load(address: SocketAddr, experiments: usize, many: usize) -> Figures {
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let began = Instant::now();
    let connections = (0..CONNECTIONS).map(|c| {
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            stream.set_nodelay(true).expect("a socket option");
            let mut latencies = Vec::new();
            let mut buffer = Vec::with_capacity(1 << 16);
            let mut user = c;
            while Instant::now() < until {
                let request = request(experiments, many, &mut user);
                let sent = Instant::now();
                stream.write_all(&request).await.expect("sends");
                read_answer(&mut stream, &mut buffer).await;
                latencies.push(sent.elapsed());
            }
            latencies
        })
    });
    let mut latencies = Vec::new();
    for connection in connections.collect::<Vec<_>>() {
        latencies.extend(connection.await.expect("runs"));
    }
    let elapsed = began.elapsed();
    latencies.sort_unstable();
    Figures {
        requests: latencies.len() as u64,
        elapsed,
        latencies,
    }
}

fn request(experiments: usize, many: usize, user: &mut usize) -> Vec<u8> {
    let one = |user: &mut usize| {
        *user += CONNECTIONS;
        let experiment = *user % experiments;
        format!(
            r#"{{"experimentId":"exp-{experiment}","user_id":"user-{user}","user_properties":{{"country":"TH"}}}}"#
        )
    };
    let body = if many == 1 {
        one(user)
    } else {
        format!("[{}]", (0..many).map(|_| one(user)).collect::<Vec<_>>().join(","))
    };
    format!(
        "POST /experiments/assign HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
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
        assert!(head.starts_with("http/1.1 200"), "{head}");
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

fn report(experiments: usize, many: usize, figures: Figures) {
    let Figures {
        requests,
        elapsed,
        latencies,
    } = figures;
    let rate = requests as f64 / elapsed.as_secs_f64();
    let at = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "{experiments:>5} experiments, {many:>3} a request: {rate:>9.0} requests/s, {:>9.0} assignments/s, \
         p50 {:.2} ms, p99 {:.2} ms",
        rate * many as f64,
        at(0.5),
        at(0.99),
    );
}
