//! A batch counts once, whatever happens to its answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use splitdeck::warehouse::{Class, EventId, Extent, Login, Warehouse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::support::tables::{EXPERIMENT, PROJECT, TS, ask, event, experiment_event, fresh, login, props};

const COUNTS: &str = "SELECT count(), uniqExact(event_id) FROM {db}.events";

/// The turns in which ids were noted, with commas.
const TAKEN: &str = "SELECT arrayStringConcat(groupArray(toString(event_id)), ',') FROM \
                     (SELECT event_id FROM {db}.event_ids WHERE project_id = toUUIDOrZero('') ORDER BY event_id)";

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

/// Events with these ids, taken in at this time.
fn ids(project: Uuid, ids: &[u128], at: i64) -> Vec<EventId> {
    let one = |id: &u128| EventId {
        project_id: project,
        event_id: Uuid::from_u128(*id),
        ingested_at: at,
    };
    ids.iter().map(one).collect()
}

#[tokio::test]
async fn an_id_is_the_first_batchs_and_stays_so() {
    let warehouse = fresh().await;
    let [one, two] = [Uuid::from_u128(1), Uuid::from_u128(2)];
    let claim = async |batch, some: &[u128]| {
        let repeats = warehouse.claim(batch, &ids(PROJECT, some, TS)).await.unwrap();
        let mut repeats: Vec<u128> = repeats.into_iter().map(|(_, id)| id.as_u128()).collect();
        repeats.sort_unstable();
        repeats
    };
    assert_eq!(claim(one, &[1, 2, 3, 3]).await, []);
    assert_eq!(claim(two, &[3, 4, 1]).await, [1, 3]);
    // Sent again, each has what it had, and may get more.
    assert_eq!(claim(one, &[1, 2, 3, 4, 5]).await, [4]);
    assert_eq!(claim(two, &[3, 4, 1, 5]).await, [1, 3, 5]);
    assert_eq!(claim(two, &[]).await, []);
    // Other projects have ids of their own.
    let elsewhere = warehouse.claim(two, &ids(Uuid::from_u128(7), &[1, 2], TS)).await;
    assert_eq!(elsewhere.unwrap(), HashSet::new());
    // More than one query names.
    let many: Vec<u128> = (0..4_000).map(|n| n * 3).collect();
    assert_eq!(claim(Uuid::from_u128(3), &many).await, [3]);
    assert_eq!(claim(Uuid::from_u128(4), &many).await, many);
}

#[tokio::test]
async fn of_batches_that_meet_the_same_new_ids_at_once_one_gets_each() {
    let one = fresh().await;
    let other = || Warehouse::new(&login(one.database())).expect("a login");
    let servers = [one.clone(), other(), other(), other()];
    for round in 0..15_u128 {
        // All of them, and some that two have.
        let claims = servers
            .iter()
            .zip(0..)
            .map(async |(server, n): (&Warehouse, u128)| {
                let mut mine: Vec<u128> = (0..10).map(|id| round * 1_000 + id).collect();
                mine.extend((0..10).map(|id| round * 1_000 + 100 + (n + id) % 40));
                let batch = Uuid::from_u128(1 + round * 10 + n);
                let asked = ids(PROJECT, &mine, TS);
                let repeats = server.claim(batch, &asked).await.expect("claimed");
                // Asked again, as after an answer that was lost, it is as before.
                assert_eq!(server.claim(batch, &asked).await.expect("claimed"), repeats);
                mine.retain(|id| !repeats.contains(&(PROJECT, Uuid::from_u128(*id))));
                mine
            });
        let got = futures_util::future::join_all(claims).await.concat();
        let distinct: HashSet<u128> = got.iter().copied().collect();
        assert_eq!(
            got.len(),
            distinct.len(),
            "round {round}: two got the same of {got:?}"
        );
        // n + id for n in 0..4 and id in 0..10 are 13 numbers.
        assert_eq!(distinct.len(), 10 + 13, "round {round}: nobody got some");
    }
    let noted = "SELECT count(), uniqExact(project_id, event_id) FROM {db}.event_ids";
    let told = ask(&one, noted).await;
    let (rows, distinct) = told.split_once('\t').expect("two numbers");
    assert_eq!(rows, distinct, "ids or turns that two batches noted");
}

#[tokio::test]
async fn a_turn_whose_answer_was_lost_is_the_batchs_own_and_turns_go_on_behind_it() {
    let warehouse = fresh().await;
    let batch = Uuid::from_u128(77);
    // What an attempt left behind which nobody heard of: its ids, and the turn.
    let left = format!(
        "INSERT INTO {{db}}.event_ids (project_id, event_id, ingested_at, batch)
        SETTINGS insert_deduplication_token = 'turn:300', async_insert = 0
        VALUES ('{PROJECT}', '{}', fromUnixTimestamp64Milli({TS}), '{batch}'),
        ('{}', '{}', fromUnixTimestamp64Milli({TS}), '{batch}')",
        Uuid::from_u128(1),
        Uuid::nil(),
        Uuid::from_u128(300)
    );
    ask(&warehouse, &left).await;
    assert_eq!(
        warehouse.claim(batch, &ids(PROJECT, &[1, 2], TS)).await.unwrap(),
        HashSet::new()
    );
    let of_another = warehouse
        .claim(Uuid::from_u128(78), &ids(PROJECT, &[1, 2, 3], TS))
        .await
        .unwrap();
    assert_eq!(of_another.len(), 2, "{of_another:?}");
    let turns = [300, 301, 302].map(Uuid::from_u128);
    assert_eq!(
        ask(&warehouse, TAKEN).await,
        turns.map(|turn| turn.to_string()).join(",")
    );
}

#[tokio::test]
async fn a_large_batch_gets_its_turn_beside_small_ones_that_never_rest() {
    let one = fresh().await;
    let other = Warehouse::new(&login(one.database())).expect("a login");
    let many: Vec<u128> = (0..12_000).collect();
    let is_done = AtomicBool::new(false);
    let small = async {
        let mut n = 0_u128;
        while !is_done.load(Ordering::Acquire) {
            n += 1;
            let claimed = other
                .claim(Uuid::from_u128(1_000 + n), &ids(PROJECT, &[1_000_000 + n], TS))
                .await;
            claimed.expect("claimed");
        }
        n
    };
    let large = async {
        let claimed = one.claim(Uuid::from_u128(1), &ids(PROJECT, &many, TS)).await;
        is_done.store(true, Ordering::Release);
        claimed.expect("claimed")
    };
    let (beside, repeats) = tokio::join!(small, large);
    assert_eq!(repeats, HashSet::new());
    let rows =
        format!("SELECT count(), uniqExact(event_id) FROM {{db}}.event_ids WHERE project_id = '{PROJECT}'");
    let all = 12_000 + beside;
    assert_eq!(ask(&one, &rows).await, format!("{all}\t{all}"));
}

#[tokio::test]
async fn ids_of_a_batch_that_is_not_stored_are_free_again() {
    let warehouse = fresh().await;
    let claim = async |batch, some: &[u128]| {
        let claimed = warehouse
            .claim(Uuid::from_u128(batch), &ids(PROJECT, some, TS))
            .await;
        claimed.expect("claimed").len()
    };
    assert_eq!((claim(1, &[1, 2]).await, claim(2, &[3]).await), (0, 0));
    warehouse.forget(Uuid::from_u128(1)).await.expect("forgotten");
    assert_eq!(claim(3, &[1, 2, 3]).await, 1);
    // The one that was set aside and comes back after all finds them to be another's.
    assert_eq!(claim(1, &[1, 2]).await, 2);
    let turns = [1, 2, 3].map(Uuid::from_u128);
    assert_eq!(
        ask(&warehouse, TAKEN).await,
        turns.map(|turn| turn.to_string()).join(",")
    );
}

#[tokio::test]
async fn the_ids_of_a_large_batch_are_there_with_its_turn_or_not_at_all() {
    let warehouse = fresh().await;
    // More events than a segment of the spool holds.
    let many: Vec<u128> = (0..200_000).collect();
    let claimed = warehouse
        .claim(Uuid::from_u128(1), &ids(PROJECT, &many, TS))
        .await;
    assert_eq!(claimed.unwrap(), HashSet::new());
    // Blocks are numbered as they are inserted, whatever is merged since.
    let blocks = "SELECT max(max_block_number) - min(min_block_number), sum(rows) FROM system.parts \
                  WHERE active AND database = '{db}' AND table = 'event_ids'";
    assert_eq!(ask(&warehouse, blocks).await, "0\t200001");
}

#[tokio::test]
async fn turns_whose_rows_somebody_deleted_are_passed_over() {
    let warehouse = fresh().await;
    let claim = async |batch, some: &[u128]| {
        let claimed = warehouse
            .claim(Uuid::from_u128(batch), &ids(PROJECT, some, TS))
            .await;
        claimed.expect("claimed").len()
    };
    for batch in 1..=70 {
        assert_eq!(claim(batch, &[batch]).await, 0);
    }
    // The tokens of the turns stay.
    ask(
        &warehouse,
        "DELETE FROM {db}.event_ids WHERE batch != toUUIDOrZero('') SETTINGS lightweight_deletes_sync = 2",
    )
    .await;
    assert_eq!(ask(&warehouse, "SELECT count() FROM {db}.event_ids").await, "0");
    assert_eq!(claim(3, &[3]).await, 0);
    assert_eq!(claim(4, &[3, 4]).await, 1, "an id of another");
    let turns = [71, 72].map(Uuid::from_u128);
    assert_eq!(
        ask(&warehouse, TAKEN).await,
        turns.map(|turn| turn.to_string()).join(",")
    );
}

#[tokio::test]
async fn ids_of_events_from_before_the_table_of_ids_are_known() {
    let warehouse = fresh().await;
    let props = props();
    let row = event(1, TS, &props);
    let taken = row.ingested_at;
    warehouse.insert_events("a", &[row]).await.unwrap();
    ask(&warehouse, "DROP TABLE {db}.event_ids").await;
    warehouse.migrate().await.unwrap();
    let claim = async |at| {
        warehouse
            .claim(Uuid::new_v4(), &ids(PROJECT, &[1, 2], at))
            .await
            .unwrap()
    };
    // The batch that brought it, which another program had begun to send.
    assert_eq!(claim(taken).await, HashSet::new());
    let later = claim(taken + 1).await;
    assert_eq!(later.len(), 2, "{later:?}");
}

#[tokio::test]
async fn few_rows_are_read_to_look_an_id_up() {
    let warehouse = fresh().await;
    let many = format!(
        "INSERT INTO {{db}}.event_ids (project_id, event_id, ingested_at, batch)
        SELECT '{PROJECT}', generateUUIDv4(), now64(3), '{PROJECT}' FROM numbers(300000)"
    );
    ask(&warehouse, &many).await;
    let looked_up = format!(
        "EXPLAIN ESTIMATE SELECT event_id FROM {{db}}.event_ids
        WHERE project_id = '{PROJECT}' AND event_id IN ['{}', '{}']",
        Uuid::new_v4(),
        Uuid::new_v4()
    );
    let told = ask(&warehouse, &looked_up).await;
    // Database, table, parts, rows, marks; nothing where no row is read at all.
    let rows = told
        .split('\t')
        .nth(3)
        .map_or(0, |rows| rows.parse::<u64>().expect("rows"));
    assert!(rows <= 4 * 256, "{told}");
}

#[tokio::test]
async fn few_rows_are_read_to_find_the_last_turn() {
    let warehouse = fresh().await;
    let many = format!(
        "INSERT INTO {{db}}.event_ids (project_id, event_id, ingested_at, batch)
        SELECT '{nil}', toUUID(concat('00000000-0000-0000-', substring(lpad(hex(number), 16, '0'), 1, 4), '-', \
        substring(lpad(hex(number), 16, '0'), 5))), now64(3), '{PROJECT}' FROM numbers(1, 300000)",
        nil = Uuid::nil()
    );
    ask(&warehouse, &many).await;
    let one = ids(PROJECT, &[5], TS);
    assert_eq!(
        warehouse.claim(Uuid::from_u128(4), &one).await.unwrap(),
        HashSet::new()
    );
    let taken = format!(
        "SELECT count() FROM {{db}}.event_ids WHERE event_id = '{}'",
        Uuid::from_u128(300_001)
    );
    assert_eq!(ask(&warehouse, &taken).await, "1", "the turn after the last");
    let looked = format!(
        "SELECT event_id FROM {{db}}.event_ids WHERE project_id = '{}' ORDER BY project_id DESC, event_id DESC LIMIT 1 FORMAT JSON",
        Uuid::nil()
    );
    let told: serde_json::Value = serde_json::from_str(&ask(&warehouse, &looked).await).expect("JSON");
    assert_eq!(
        told["data"][0]["event_id"],
        json!(Uuid::from_u128(300_001)),
        "{told}"
    );
    let read = told["statistics"]["rows_read"].as_u64().expect("rows");
    assert!(read <= 2 * 256, "{read} rows were read");
}
