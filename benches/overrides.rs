//! A million overrides: memory, and the import of them over HTTP, end to end.
//!
//! `cargo bench --bench overrides`; with `SPLITDECK_BENCH_STORE=postgres://…` on that Postgres as well.
//!
//! Everything is real and on one machine: the server, its store with its syncs, and the client that sends the list.
//! The ids are random UUIDs as text, 36 characters, in no order. ClickHouse is away.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and stops at the first fault"
)]

use std::time::Instant;

use futures_util::stream;
use splitdeck::api::experiments::CreateExperiment;
use splitdeck::api::imports::{ApplyChunks, Import, ImportState, StartImport};
use splitdeck::client::{Client, Options as ClientOptions};
use splitdeck::domain::{Key, OverrideSource, OverrideSubject};
use splitdeck::server::link::nowhere;
use splitdeck::server::override_table::OverrideTable;
use splitdeck::server::sticky::memory::{Memory, subject_hash};
use splitdeck::server::store::{PostgresUrl, StoreUrl};
use splitdeck::server::{self};
use tokio::net::TcpListener;
use uuid::Uuid;

const TOKEN: &str = "sd_benchmark-token";
const IDS: usize = 1_000_000;

fn main() {
    let ids: Vec<String> = (0..IDS).map(|_| Uuid::new_v4().to_string()).collect();
    memory(&ids);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        import("SQLite", None, &ids).await;
        if let Ok(url) = std::env::var("SPLITDECK_BENCH_STORE") {
            let url = PostgresUrl::new(&url, None).expect("an address");
            import("Postgres", Some(StoreUrl::Postgres(url)), &ids).await;
        }
    });
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .expect("a field")
        .parse()
        .expect("a number");
    pages * 4096
}

fn memory(ids: &[String]) {
    let mib = |from: usize| (resident() - from) >> 20;
    let (before, began) = (resident(), Instant::now());
    let table = OverrideTable::default();
    let variant = Key::new("treatment").expect("a key");
    table.put(
        OverrideSubject::User,
        &variant,
        OverrideSource::Manual,
        ids.iter().map(String::as_str),
    );
    println!(
        "overrides in memory: {} MiB for {IDS}, put in {:.2} s",
        mib(before),
        began.elapsed().as_secs_f64()
    );
    let (before, began) = (resident(), Instant::now());
    let first = Memory::default();
    for id in ids {
        first.remember(&subject_hash(id), &variant, |_| true);
    }
    println!(
        "sticky memory: {} MiB for {}, put in {:.2} s",
        mib(before),
        first.len(),
        began.elapsed().as_secs_f64()
    );
    assert_eq!(table.counts().manual, IDS as u64);
}

async fn import(name: &str, store: Option<StoreUrl>, ids: &[String]) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut options = server::Options::new(dir.path(), nowhere("it is not measured"));
    options.token = Some(TOKEN.to_owned());
    options.store = store;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let server = server::Server::open(options.clone()).await.expect("opens");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    let client = Client::new(&base, TOKEN, ClientOptions::default()).expect("a client");
    let key = format!("bench-{}", Uuid::new_v4().simple());
    let body = CreateExperiment {
        name: key.clone(),
        key: Some(key.clone()),
        ..CreateExperiment::default()
    };
    client.create_experiment(&body).await.expect("created");
    let query = StartImport {
        variant: Key::new("treatment").expect("a key"),
        subject_type: OverrideSubject::User,
        source_name: None,
    };
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = ids
        .chunks(2_000)
        .map(|ids| Ok((ids.join("\n") + "\n").into_bytes()))
        .collect();

    let began = Instant::now();
    let staged = client
        .start_import(&key, &query, None, stream::iter(pieces))
        .await
        .expect("staged");
    let staged_in = began.elapsed();
    let applied = until(&client, &key, &staged, ImportState::Applied).await;
    let all_in = began.elapsed();
    assert_eq!(applied.effect.added, IDS as u64);
    let began = Instant::now();
    let undone = until(&client, &key, &staged, ImportState::Undone).await;
    assert_eq!(undone.undone, IDS as u64);
    println!(
        "{name}: {IDS} ids imported in {:.1} s, of which staged in {:.1} s; undone in {:.1} s",
        all_in.as_secs_f64(),
        staged_in.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    let _ = stop.send(());
    serving.await.expect("no panic").expect("ends well");
}

/// Chunk by chunk, as the command line does it.
async fn until(client: &Client, key: &str, import: &Import, state: ImportState) -> Import {
    let (id, one) = (import.id.to_string(), ApplyChunks { chunks: Some(1) });
    loop {
        let now = match state {
            ImportState::Applied => client.apply_import(key, &id, one).await,
            _ => client.undo_import(key, &id, one).await,
        };
        let now = now.expect("a chunk");
        if now.state == state {
            return now;
        }
    }
}
