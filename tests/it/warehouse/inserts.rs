//! A batch counts once, whatever happens to its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use splitdeck::warehouse::{Class, Extent, Login, Warehouse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::support::tables::{EXPERIMENT, PROJECT, TS, ask, event, experiment_event, fresh, login, props};

const COUNTS: &str = "SELECT count(), uniqExact(event_id) FROM {db}.events";

/// A month, roughly.
const MONTH: i64 = 31 * 24 * 3_600 * 1_000;

#[tokio::test]
async fn a_repeated_token_counts_once_in_each_table() {
    let warehouse = fresh().await;
    let props = props();
    let events: Vec<_> = (0..5000).map(|n| event(n, TS, &props)).collect();
    let attributed: Vec<_> = (0..5000).map(|n| experiment_event(n, TS, &props)).collect();
    for _ in 0..3 {
        warehouse.insert_events("one", &events).await.unwrap();
        warehouse
            .insert_experiment_events("one", &attributed)
            .await
            .unwrap();
    }
    // Another token is another batch. What collapses it later is the table's own doing.
    warehouse.insert_events("two", &events[..10]).await.unwrap();
    assert_eq!(ask(&warehouse, COUNTS).await, "5010\t5000");
    let collapsed = "SELECT count() FROM {db}.events FINAL";
    assert_eq!(ask(&warehouse, collapsed).await, "5000");
    let rows = "SELECT count(), uniqExact(event_id), any(subject_hash) = cityHash64('p'), any(cohort) \
                FROM {db}.experiment_events";
    assert_eq!(ask(&warehouse, rows).await, "5000\t5000\t1\t3");
}

#[tokio::test]
async fn a_batch_over_many_months_counts_once_too() {
    let warehouse = fresh().await;
    let props = props();
    let events: Vec<_> = (0..110_u32)
        .map(|n| event(u128::from(n), TS - i64::from(n) * MONTH, &props))
        .collect();
    for _ in 0..2 {
        warehouse.insert_events("one", &events).await.unwrap();
    }
    assert_eq!(ask(&warehouse, COUNTS).await, "110\t110");
    let months = "SELECT uniqExact(toYYYYMM(ts)) > 100 FROM {db}.events";
    assert_eq!(ask(&warehouse, months).await, "1");
}

#[tokio::test]
async fn a_large_batch_is_one_insert() {
    let warehouse = fresh().await;
    let mut props = props();
    props.insert("text".into(), "x".repeat(1000));
    let events: Vec<_> = (0..20_000).map(|n| event(n, TS, &props)).collect();
    for _ in 0..2 {
        warehouse.insert_events("one", &events).await.unwrap();
    }
    assert_eq!(ask(&warehouse, COUNTS).await, "20000\t20000");
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_large_batch_says_why() {
    let warehouse = fresh().await;
    let mut props = props();
    props.insert("text".into(), "x".repeat(1000));
    let events: Vec<_> = (0..20_000).map(|n| event(n, TS, &props)).collect();
    warehouse.insert_events("one", &events[..1]).await.unwrap();
    ask(&warehouse, "DROP TABLE {db}.events").await;
    // The columns are known from before: the refusal comes while the rows are being sent.
    let error = warehouse.insert_events("two", &events).await.unwrap_err();
    assert_eq!(
        (error.class, error.code),
        (Class::Configuration, Some(60)),
        "{error}"
    );
}

/// Passes connections on to `to`; while `cut` is set, reads the answers and closes instead of passing them
/// on.
async fn cutting_proxy(to: String, cut: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let to = to.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (to, cut) = (to.clone(), Arc::clone(&cut));
            tokio::spawn(async move {
                let mut server = TcpStream::connect(&to).await.expect("the engine");
                let (mut from_client, mut to_client) = client.split();
                let (mut from_server, mut to_server) = server.split();
                let up = async { tokio::io::copy(&mut from_client, &mut to_server).await };
                let down = async {
                    let mut buffer = [0; 4096];
                    loop {
                        match from_server.read(&mut buffer).await {
                            Ok(0) | Err(_) => return,
                            // ClickHouse has done its work, and nobody hears of it.
                            Ok(_) if cut.load(Ordering::SeqCst) => return,
                            Ok(n) => {
                                if to_client.write_all(&buffer[..n]).await.is_err() {
                                    return;
                                }
                            }
                        }
                    }
                };
                tokio::select! {
                    _ = up => {}
                    () = down => {}
                }
            });
        }
    });
    base
}

#[tokio::test]
async fn a_lost_answer_is_an_unknown_outcome_and_the_same_batch_again_counts_once() {
    let direct = fresh().await;
    let cut = Arc::new(AtomicBool::new(false));
    let to = login(direct.database());
    let through = Login {
        url: cutting_proxy(to.url.clone(), Arc::clone(&cut)).await,
        ..to
    };
    let warehouse = Warehouse::new(&through).unwrap();
    let props = props();
    let events: Vec<_> = (0..3000).map(|n| event(n, TS, &props)).collect();
    warehouse.insert_events("first", &events[..1]).await.unwrap();
    cut.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let error = warehouse.insert_events("second", &events[1..]).await.unwrap_err();
        assert_eq!(
            (error.class, error.code),
            (Class::OutcomeUnknown, None),
            "{error}"
        );
    }
    cut.store(false, Ordering::SeqCst);
    warehouse.insert_events("second", &events[1..]).await.unwrap();
    assert_eq!(ask(&direct, COUNTS).await, "3000\t3000");
}

#[tokio::test]
async fn what_is_stored_can_be_looked_up() {
    let warehouse = fresh().await;
    let props = props();
    let events: Vec<_> = (0..10)
        .map(|n| event(n, TS + i64::try_from(n).unwrap(), &props))
        .collect();
    let attributed: Vec<_> = (0..5).map(|n| experiment_event(n, TS, &props)).collect();
    warehouse.insert_events("one", &events).await.unwrap();
    warehouse
        .insert_experiment_events("one", &attributed)
        .await
        .unwrap();
    let extent = |id: Uuid, from: i64, to: i64| Extent {
        ids: vec![Uuid::max(), id],
        ts: TS + from..=TS + to,
        ingested_at: TS + 5..=TS + 5,
    };
    let found = warehouse.stored_events(&extent(PROJECT, 2, 4)).await.unwrap();
    let expected = (2..=4).map(|n| (PROJECT, Uuid::from_u128(n))).collect();
    assert_eq!(found, expected);
    let found = warehouse
        .stored_experiment_events(&extent(EXPERIMENT, 0, 0))
        .await
        .unwrap();
    assert_eq!(found.len(), 5);
    assert!(found.contains(&(EXPERIMENT, Uuid::from_u128(4))));
    let elsewhere = Extent {
        ingested_at: TS..=TS + 4,
        ..extent(PROJECT, 0, 100)
    };
    assert!(warehouse.stored_events(&elsewhere).await.unwrap().is_empty());
    let nobodys = extent(Uuid::nil(), 0, 100);
    assert!(warehouse.stored_events(&nobodys).await.unwrap().is_empty());
}
