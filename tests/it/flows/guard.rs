//! The guard by itself: on time, made up for, once for all servers, again after a failure, after a crash.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splitdeck::server::Options;
use splitdeck::server::jobs::runner::Timing;
use splitdeck::server::jobs::schedule::Schedule;
use splitdeck::server::store::Store;

use crate::support::engine::fresh_database;
use crate::support::front::Front;
use crate::support::midway::{Held, Moment, Point};
use crate::support::process::{Process, Serve};
use crate::support::server::{ADMIN, TestServer};
use crate::support::store::{count_sql, each_store, on_postgres, place, run_sql};
use crate::support::warehouse::{connect, drained, expose, server_with_clickhouse, until};

/// Every second: what a night is to people.
const EVERY_SECOND: &str = "* * * * * *";

/// For tests that cannot wait for minutes.
fn hurried() -> Timing {
    Timing {
        tick: Duration::from_millis(50),
        heartbeat: Duration::from_millis(100),
        lost_after: Duration::from_secs(2),
        grace: Duration::from_secs(20),
        pauses: (Duration::from_millis(100), Duration::from_millis(400)),
        store: Duration::from_secs(20),
    }
}

fn nightly(expression: &str) -> impl Fn(&mut Options) {
    let schedule = Schedule::new(expression, "UTC").expect("a schedule");
    move |options| {
        options.guard.nightly = Some(schedule.clone());
        options.guard.timing = hurried();
    }
}

/// The one second that is over now, once, as a cron expression.
async fn a_moment_ago() -> String {
    let moment = jiff::Timestamp::now();
    let second = moment.as_second() + 1;
    until("the second is over", async || {
        jiff::Timestamp::now().as_second() > second
    })
    .await;
    let moment = jiff::Timestamp::from_second(second).expect("an instant");
    moment.strftime("%S %M %H %d %m *").to_string()
}

async fn runs(server: &TestServer) -> Vec<Value> {
    server.get("/jobs").await.expect(200)["runs"]
        .as_array()
        .expect("runs")
        .clone()
}

/// Null while the server does not know it yet.
async fn status(server: &TestServer, key: &str) -> Value {
    server.get(&format!("/experiments/{key}")).await.body["status"].clone()
}

/// What the audit log says of the guard, the newest first.
async fn guarded(server: &TestServer, key: &str) -> Vec<String> {
    let path = format!("/experiments/{key}/history?actor=srm-guard");
    let history = server.get(&path).await.expect(200);
    let entries = history["entries"].as_array().expect("entries").clone();
    entries
        .iter()
        .map(|e| e["action"].as_str().expect("an action").to_owned())
        .collect()
}

const BOTH: [&str; 2] = ["experiment.status_changed", "experiment.auto_paused_srm"];

each_store!(a_run_that_was_missed_is_made_up_for_once);
async fn a_run_that_was_missed_is_made_up_for_once() {
    let database = fresh_database();
    let server = TestServer::start().await;
    connect(&server, &database).await;
    let broken = server.active("broken").await;
    expose(&server, &broken, [600, 400]).await;
    drained(&server).await;
    let moment = a_moment_ago().await;
    let dir = server.stop().await;
    for _ in 0..2 {
        let server = TestServer::start_in(Arc::clone(&dir), nightly(&moment)).await;
        connect(&server, &database).await;
        until("it is paused", async || {
            status(&server, "broken").await == "paused"
        })
        .await;
        until("the run is done", async || {
            runs(&server).await.iter().all(|run| run["state"] == "done")
        })
        .await;
        let all = runs(&server).await;
        let [run] = &all[..] else {
            panic!("one run: {all:#?}")
        };
        assert_eq!((&run["cause"], &run["attempts"]), (&"schedule".into(), &1.into()));
        assert_eq!(run["experiments"][0]["outcome"], "paused");
        assert_eq!(guarded(&server, "broken").await, BOTH);
        let told = server.get("/jobs").await.expect(200);
        assert_eq!(told["schedules"][0]["schedule"], moment.as_str());
        server.stop().await;
    }
}

each_store!(a_new_store_has_missed_nothing);
async fn a_new_store_has_missed_nothing() {
    let moment = a_moment_ago().await;
    let second = Schedule::new(&moment, "UTC")
        .expect("a schedule")
        .last(jiff::Timestamp::now());
    let over = second.expect("due").as_second();
    // Due once before the store came to be, and once soon after.
    let soon = (jiff::Timestamp::now().as_second() + 4) % 60;
    let server = TestServer::start_with(nightly(&format!("{},{soon} * * * * *", over % 60))).await;
    connect(&server, &fresh_database()).await;
    until("the first run after its creation is done", async || {
        runs(&server).await.iter().any(|run| run["state"] == "done")
    })
    .await;
    let due: Vec<i64> = runs(&server)
        .await
        .iter()
        .map(|run| {
            let at: jiff::Timestamp = run["dueAt"].as_str().expect("a time").parse().expect("a time");
            at.as_second()
        })
        .collect();
    assert!(
        !due.is_empty() && due.iter().all(|at| *at > over),
        "{due:?} after {over}"
    );
}

each_store!(a_run_that_fails_is_tried_again_and_says_why);
async fn a_run_that_fails_is_tried_again_and_says_why() {
    let first = TestServer::start().await;
    let live = first.active("x").await;
    let moment = a_moment_ago().await;
    let dir = first.stop().await;
    let server = TestServer::start_in(dir, |options| {
        nightly(&moment)(options);
        options.guard.timing.grace = Duration::from_millis(10);
    })
    .await;
    until("it was tried a second time", async || {
        runs(&server)
            .await
            .first()
            .is_some_and(|run| run["attempts"].as_u64() >= Some(2))
    })
    .await;
    let run = runs(&server).await.remove(0);
    assert!(
        run["error"]
            .as_str()
            .expect("why")
            .contains("ClickHouse is not part of this test"),
        "{run}"
    );
    assert_ne!(run["state"], "done");
    until("it waits for the next attempt", async || {
        let run = runs(&server).await.remove(0);
        run["state"] == "waiting" && run["nextAttemptAt"].is_string()
    })
    .await;
    connect(&server, &fresh_database()).await;
    expose(&server, &live, [10, 10]).await;
    until("it is done", async || runs(&server).await[0]["state"] == "done").await;
    let run = runs(&server).await.remove(0);
    assert!(run["error"].is_null() && run["nextAttemptAt"].is_null(), "{run}");
    assert_eq!(run["experiments"][0]["key"], "x");
}

each_store!(what_was_tested_rests_when_a_run_is_tried_again);
async fn what_was_tested_rests_when_a_run_is_tried_again() {
    let server = TestServer::start().await;
    let (tested, failed) = (server.active("tested").await, server.active("failed").await);
    let me = server.get("/me").await.expect(200);
    let moment = a_moment_ago().await;
    let schedule = Schedule::new(&moment, "UTC").expect("a schedule");
    let slot = schedule
        .last(jiff::Timestamp::now())
        .expect("due")
        .as_millisecond();
    let told = |experiment: &Value, outcome: &str| {
        json!({ "projectId": me["project"]["id"], "experimentId": experiment["id"], "key": experiment["key"],
            "outcome": outcome, "why": "the first attempt" })
    };
    let report = json!([told(&tested, "passed"), told(&failed, "failed")]);
    let waiting = format!(
        "INSERT INTO job_runs (job, slot, cause, instance, claimed_at, heartbeat_at, state, attempts, \
         next_attempt_at, report) VALUES ('srm-guard', {slot}, 'schedule', 'other', 1, 1, 'waiting', 1, 1, '{report}')",
    );
    run_sql(server.dir.path(), waiting).await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, nightly(&moment)).await;
    connect(&server, &fresh_database()).await;
    until("it is done", async || runs(&server).await[0]["state"] == "done").await;
    let run = runs(&server).await.remove(0);
    let all = run["experiments"].as_array().expect("a list");
    let outcomes: Vec<_> = all
        .iter()
        .map(|e| (&e["key"], &e["outcome"], &e["why"] == "the first attempt"))
        .collect();
    let (is, untested) = (json!("passed"), json!("untested"));
    assert_eq!(
        outcomes,
        [
            (&json!("failed"), &untested, false),
            (&json!("tested"), &is, true)
        ],
        "{run:#}"
    );
    assert_eq!(run["attempts"], 2);
}

each_store!(what_a_server_left_is_taken_over_once_it_gives_no_sign_of_life);
async fn what_a_server_left_is_taken_over_once_it_gives_no_sign_of_life() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let moment = a_moment_ago().await;
    let second = Schedule::new(&moment, "UTC")
        .expect("a schedule")
        .last(jiff::Timestamp::now())
        .expect("due");
    let now = jiff::Timestamp::now();
    let claimed = format!(
        "INSERT INTO job_runs (job, slot, cause, instance, claimed_at, heartbeat_at, state, attempts, report) \
         VALUES ('srm-guard', {}, 'schedule', 'dead', {at}, {at}, 'running', 1, '[]')",
        second.as_millisecond(),
        at = now.as_millisecond(),
    );
    run_sql(server.dir.path(), claimed).await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, nightly(&moment)).await;
    connect(&server, &fresh_database()).await;
    until("it is done", async || runs(&server).await[0]["state"] == "done").await;
    let run = runs(&server).await.remove(0);
    assert_eq!(run["attempts"], 2);
    assert_ne!(run["instance"], "dead");
    let started: jiff::Timestamp = run["startedAt"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    assert!(
        started.duration_since(now) > jiff::SignedDuration::from_secs(2),
        "while it might have lived: {run}"
    );
}

each_store!(a_run_by_hand_whose_server_was_lost_has_failed);
async fn a_run_by_hand_whose_server_was_lost_has_failed() {
    let server = TestServer::start_with(nightly("0 0 3 1 1 *")).await;
    let lost = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    for (slot, cause) in [(1, "manual"), (2, "schedule")] {
        let run = format!(
            "INSERT INTO job_runs (job, slot, cause, instance, claimed_at, heartbeat_at, state, attempts, report) \
             VALUES ('srm-guard', {slot}, '{cause}', 'dead', {at}, {at}, 'running', 1, '[]')",
            at = lost.as_millisecond(),
        );
        run_sql(server.dir.path(), run).await;
    }
    let told = runs(&server).await;
    let of = |cause: &str| told.iter().find(|run| run["cause"] == cause).expect("a run");
    assert_eq!(of("manual")["state"], "failed");
    assert_eq!(of("manual")["error"], "its server was lost before the end");
    // This one is taken up by whoever looks next.
    assert_eq!(of("schedule")["state"], "running");
}

#[tokio::test]
async fn of_two_servers_one_does_each_run() {
    on_postgres(async {
        let database = fresh_database();
        let one = TestServer::start_with(nightly(EVERY_SECOND)).await;
        let two = TestServer::start_with(nightly(EVERY_SECOND)).await;
        connect(&one, &database).await;
        connect(&two, &database).await;
        let broken = one.active("broken").await;
        expose(&one, &broken, [600, 400]).await;
        until("it is paused", async || status(&two, "broken").await == "paused").await;
        let done = async || {
            let all = runs(&one).await;
            all.into_iter()
                .filter(|run| run["state"] == "done")
                .collect::<Vec<_>>()
        };
        until("several runs are done", async || done().await.len() >= 4).await;
        for run in done().await {
            assert_eq!(run["attempts"], 1, "{run}");
        }
        assert_eq!(guarded(&one, "broken").await, BOTH, "paused once");
        assert_eq!(runs(&one).await.len(), runs(&two).await.len());
    })
    .await;
}

each_store!(looking_all_the_time_pauses_by_the_evidence_that_is_kept);
async fn looking_all_the_time_pauses_by_the_evidence_that_is_kept() {
    let database = fresh_database();
    let watching = |options: &mut Options| {
        options.guard.continuous = Some(Duration::from_millis(300));
        options.guard.timing = hurried();
    };
    let server = TestServer::start_with(watching).await;
    connect(&server, &database).await;
    let broken = server.active("broken").await;
    let healthy = server.active("healthy").await;
    expose(&server, &healthy, [70, 40]).await;
    drained(&server).await;
    let watch = async |server: &TestServer, key: &str| {
        server
            .get(&format!("/experiments/{key}/results"))
            .await
            .expect(200)["srm"]["watch"]
            .clone()
    };
    until("it has looked twice", async || {
        watch(&server, "healthy").await["looks"].as_u64() >= Some(2)
    })
    .await;
    expose(&server, &broken, [600, 400]).await;
    until("it is paused", async || {
        status(&server, "broken").await == "paused"
    })
    .await;
    assert_eq!(guarded(&server, "broken").await, BOTH);
    let history = server.get("/experiments/broken/history").await.expect(200);
    let entry = &history["entries"][0];
    assert!(
        entry["comment"]
            .as_str()
            .expect("a comment")
            .contains("always-valid p="),
        "{entry}"
    );
    assert!(
        entry["evidence"]["highestEValue"].as_f64().expect("a number") >= 1000.0,
        "{entry}"
    );
    let told = server.get("/jobs").await.expect(200);
    assert_eq!(told["schedules"][1]["schedule"], "every 0.3 s");

    // The evidence at its highest outlives the server, and what has come to look even since.
    let before = watch(&server, "healthy").await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    connect(&server, &database).await;
    let mut late = healthy.clone();
    late["key"] = "late".into();
    expose(&server, &late, [0, 30]).await;
    drained(&server).await;
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    let results = server.get("/experiments/healthy/results").await.expect(200);
    let srm = &results["srm"];
    assert_eq!(srm["observed"], json!([70, 70]));
    let after = &srm["watch"];
    assert_eq!(after["firstLookAt"], before["firstLookAt"]);
    assert!(
        after["looks"].as_u64() > before["looks"].as_u64(),
        "{before} {after}"
    );
    assert_eq!(after["highestEValue"], before["highestEValue"]);
    assert!(
        srm["test"]["eValue"].as_f64() < after["highestEValue"].as_f64(),
        "{srm}"
    );
    assert_eq!(srm["test"]["alwaysValidP"], after["alwaysValidP"]);
}

each_store!(a_server_that_stops_in_order_gives_its_run_back);
async fn a_server_that_stops_in_order_gives_its_run_back() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let moment = a_moment_ago().await;
    let dir = server.stop().await;
    let patient = |options: &mut Options| {
        nightly(&moment)(options);
        options.guard.timing.lost_after = Duration::from_secs(3600);
    };
    // It waits for ClickHouse, which does not come.
    let server = TestServer::start_in(dir, patient).await;
    until("it is at it", async || !runs(&server).await.is_empty()).await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, patient).await;
    connect(&server, &fresh_database()).await;
    until("it is done", async || runs(&server).await[0]["state"] == "done").await;
    assert_eq!(runs(&server).await[0]["attempts"], 2);
}

each_store!(runs_by_hand_do_not_take_the_place_of_a_nights);
async fn runs_by_hand_do_not_take_the_place_of_a_nights() {
    let server = TestServer::start().await;
    server.draft("x").await;
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    for (slot, state) in [(1, "done"), (2, "waiting")] {
        let row = format!(
            "INSERT INTO job_runs (job, slot, cause, instance, claimed_at, heartbeat_at, state, attempts, \
             next_attempt_at, report) VALUES ('srm-guard', {slot}, 'schedule', 'other', 1, 1, '{state}', 1, {}, '[]')",
            later.as_millisecond()
        );
        run_sql(server.dir.path(), row).await;
    }
    connect(&server, &fresh_database()).await;
    for _ in 0..60 {
        server.post("/jobs/srm-guard", &json!({})).await.expect(200);
    }
    let count = async |cause: &str| {
        let sql = format!("SELECT count(*) FROM job_runs WHERE cause = '{cause}'");
        count_sql(server.dir.path(), sql).await
    };
    assert_eq!(count("schedule").await, 2);
    let by_hand = count("manual").await;
    assert!((50..=52).contains(&by_hand), "{by_hand}");
}

// --- the server is shot ------------------------------------------------------------------------

/// Starts a server on what is in `dir`, whose guard runs by `schedule`, and shoots it when it stands at `point`.
async fn shot_at(dir: &Path, database: &str, schedule: &str, point: Point) {
    let mut held = Held::at(point, dir).await;
    let process = Process::serve(&Serve {
        data: dir.to_owned(),
        config: &format!("[guard]\nschedule = \"{schedule}\"\n"),
        token: ADMIN,
        ..Serve::new(dir, Some(database))
    })
    .await;
    held.reached().await;
    process.shoot().await;
    held.released().await;
}

/// Active experiments of these keys that all fail the test.
async fn broken(server: &TestServer, keys: &[String]) {
    for key in keys {
        let live = server.active(key).await;
        expose(server, &live, [60, 20]).await;
    }
    drained(server).await;
}

/// How many of these are paused; each has both audit entries then, and else none.
async fn whole(server: &TestServer, keys: &[String]) -> usize {
    let mut paused = 0;
    for key in keys {
        let is_paused = status(server, key).await == "paused";
        let expected: &[&str] = if is_paused { &BOTH } else { &[] };
        assert_eq!(guarded(server, key).await, expected, "{key}");
        paused += usize::from(is_paused);
    }
    paused
}

/// What a pause writes, in this order.
const PAUSE: [Point; 5] = [
    Point::after("INSERT", "audit", "NEW.action = 'experiment.auto_paused_srm'"),
    Point::after("INSERT", "audit", "NEW.action = 'experiment.status_changed'"),
    Point::after("UPDATE", "experiments", "NEW.status = 'paused'"),
    Point::after("INSERT", "changes", "NEW.kind = 'experiment'"),
    Point::commit_of("UPDATE", "experiments", "NEW.status = 'paused'"),
];

each_store!(shot_at_any_statement_of_a_pause_nothing_of_it_is_there);
async fn shot_at_any_statement_of_a_pause_nothing_of_it_is_there() {
    let database = fresh_database();
    let server = TestServer::start().await;
    connect(&server, &database).await;
    let keys = ["x".to_owned()];
    broken(&server, &keys).await;
    let mut dir = server.stop().await;
    for point in PAUSE.into_iter().filter(|point| point.is_here()) {
        shot_at(dir.path(), &database, EVERY_SECOND, point).await;
        let server = TestServer::start_in(dir, |_| {}).await;
        let paused = whole(&server, &keys).await;
        assert!(paused == 0 || point.at == Moment::Commit, "{point:?}");
        dir = server.stop().await;
    }
    let server = TestServer::start_in(dir, |_| {}).await;
    connect(&server, &database).await;
    server.post("/jobs/srm-guard", &Value::Null).await.expect(200);
    assert_eq!(whole(&server, &keys).await, 1);
}

each_store!(shot_in_the_middle_of_a_run_another_server_goes_on_with_it);
async fn shot_in_the_middle_of_a_run_another_server_goes_on_with_it() {
    let database = fresh_database();
    let server = TestServer::start().await;
    connect(&server, &database).await;
    let keys: Vec<String> = (0..9).map(|n| format!("x{n}")).collect();
    broken(&server, &keys).await;
    let moment = a_moment_ago().await;
    let dir = server.stop().await;
    let fifth = Point::after(
        "UPDATE",
        "experiments",
        "NEW.key_folded = 'x4' AND NEW.status = 'paused'",
    );
    shot_at(dir.path(), &database, &moment, fifth).await;

    let server = TestServer::start_in(dir, |_| {}).await;
    assert_eq!(whole(&server, &keys).await, 4, "one after the other");
    let begun = runs(&server).await.remove(0);
    assert_eq!(
        (&begun["state"], &begun["attempts"]),
        (&json!("running"), &json!(1))
    );
    let dir = server.stop().await;

    let server = TestServer::start_in(dir, nightly(&moment)).await;
    connect(&server, &database).await;
    until("the run is done", async || {
        runs(&server).await[0]["state"] == "done"
    })
    .await;
    let all = runs(&server).await;
    let [run] = &all[..] else {
        panic!("one run: {all:#?}")
    };
    assert_eq!((&run["dueAt"], &run["attempts"]), (&begun["dueAt"], &json!(2)));
    let process = format!("-{}-", std::process::id());
    assert!(
        run["instance"].as_str().expect("text").contains(&process),
        "{run}"
    );
    // The report has all that was done after the shot.
    let rest = run["experiments"].as_array().expect("a list").iter();
    let rest: Vec<_> = rest.map(|e| (&e["key"], &e["outcome"])).collect();
    let (left, outcome) = (keys[4..].iter().map(|key| json!(key)), json!("paused"));
    let left: Vec<Value> = left.collect();
    let expected: Vec<_> = left.iter().map(|key| (key, &outcome)).collect();
    assert_eq!(rest, expected, "{run:#}");
    assert_eq!(whole(&server, &keys).await, keys.len());
}

// --- the store is silent -----------------------------------------------------------------------

/// A server that does not wait for a silent Postgres for long, with what stands before it.
async fn before_a_silent_postgres(schedule: &str, heartbeat: Duration) -> (TestServer, Front) {
    let front = Front::new();
    let server = TestServer::start_with(|options| {
        nightly(schedule)(options);
        options.guard.timing.store = Duration::from_secs(1);
        options.guard.timing.heartbeat = heartbeat;
        options.guard.timing.lost_after = Duration::from_secs(3_600);
        options.guard.timing.grace = Duration::from_secs(3_600);
        options.store = Some(front.url());
    })
    .await;
    (server, front)
}

/// Lets the guard's connection fall silent while a change of its own is under way on it: one that is silent from before it is
/// found out by the pool.
async fn silent_midway(server: &TestServer, front: &Front) {
    let store = Store::open(&place(server.dir.path())).await.expect("a store");
    let others = store.begin().await.expect("begins");
    until("the guard waits for its turn to write", async || {
        let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                       WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()";
        let count: i64 = sqlx::query_scalar(waiting)
            .fetch_one(store.readers())
            .await
            .expect("counted");
        count == 1
    })
    .await;
    front.fall_silent();
    drop(others);
    store.close().await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_does_not_end_the_guard() {
    on_postgres(async {
        let (server, front) = before_a_silent_postgres(EVERY_SECOND, hurried().heartbeat).await;
        connect(&server, &fresh_database()).await;
        let done = "SELECT COALESCE(max(slot), 0) FROM job_runs WHERE state = 'done'";
        let done = async || count_sql(server.dir.path(), done.to_owned()).await;
        until("a run is done", async || done().await > 0).await;
        silent_midway(&server, &front).await;
        let now = jiff::Timestamp::now().as_millisecond();
        until("it goes on by other connections", async || done().await > now).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_under_a_run_does_not_take_it_away() {
    on_postgres(async {
        // What waits for its turn to write is a sign of life, or the end of the run.
        for (round, heartbeat) in [(1, hurried().heartbeat), (2, Duration::from_secs(3_600))] {
            let begun = TestServer::start().await;
            let moment = a_moment_ago().await;
            begun.stop().await;
            let (server, front) = before_a_silent_postgres(&moment, heartbeat).await;
            let ask = async |sql: &str| count_sql(server.dir.path(), sql.to_owned()).await;
            // It waits for ClickHouse.
            let running = "SELECT count(*) FROM job_runs WHERE state = 'running'";
            until("it is at it", async || ask(running).await == 1).await;
            if heartbeat == hurried().heartbeat {
                silent_midway(&server, &front).await;
                let beat = "SELECT max(heartbeat_at) FROM job_runs";
                let last = ask(beat).await;
                until("it gives another sign of life", async || ask(beat).await > last).await;
                connect(&server, &fresh_database()).await;
            } else {
                let database = fresh_database();
                tokio::join!(silent_midway(&server, &front), connect(&server, &database));
            }
            // What it reads by other silent connections may fail as well; then it is tried again.
            let done = "SELECT count(*) FROM job_runs WHERE state = 'done'";
            until("its end is written down", async || ask(done).await == round).await;
            assert_eq!(ask("SELECT count(*) FROM job_runs").await, round);
        }
    })
    .await;
}

/// Who of three thousand people comes on a day: so many of ten, by luck that is the same in every run.
fn comers(day: u64, of_ten: u64) -> Vec<u64> {
    let comes = |n: &u64| {
        let mixed = (n ^ (day << 32))
            .wrapping_add(1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 32) % 10 < of_ten
    };
    (0..3_000).filter(comes).collect()
}

/// A split that is widened while the same people come day after day is as right as before; one that loses an arm is not.
#[tokio::test]
async fn a_ramp_is_no_mismatch_and_a_loss_after_it_is_one() {
    let server = server_with_clickhouse().await;
    // What is bucketed how; the split of each day, and how many of ten come on it; of whose last day two of three are lost.
    type Ramp = (
        &'static str,
        [&'static str; 2],
        &'static [([u32; 3], u64)],
        Option<&'static str>,
    );
    const PEOPLE: [&str; 2] = ["profile", "ANY"];
    // Up, down for long, and up again: those who were out in the meantime are hardly gone.
    const DOWN: &[([u32; 3], u64)] = &[
        ([30, 30, 0], 1),
        ([30, 50, 0], 1),
        ([10, 50, 0], 8),
        ([30, 50, 0], 10),
    ];
    const ONE: &[([u32; 3], u64)] = &[([50, 10, 0], 6), ([50, 50, 0], 6)];
    const ARM: &[([u32; 3], u64)] = &[([30, 30, 0], 6), ([30, 30, 30], 6)];
    const MOVED: &[([u32; 3], u64)] = &[([90, 10, 0], 6), ([50, 50, 0], 6)];
    let ramps: [Ramp; 9] = [
        ("both", PEOPLE, &[([10, 10, 0], 6), ([50, 50, 0], 6)], None),
        ("moved", PEOPLE, MOVED, None),
        ("one", PEOPLE, ONE, None),
        ("one-by-visit", ["session", "user_id"], ONE, None),
        ("one-by-event", ["event", "user_id"], ONE, None),
        ("new-arm", PEOPLE, ARM, None),
        ("down-and-up", PEOPLE, DOWN, None),
        ("lost", PEOPLE, ARM, Some("b")),
        ("lost-moved", PEOPLE, MOVED, Some("b")),
    ];
    let variants = |shares: [u32; 3]| -> Value {
        let keys = ["a", "b", "c"].into_iter().zip(shares).enumerate();
        keys.map(|(at, (key, share))| {
            json!({ "key": key, "trafficPct": share, "isControl": at == 0, "orderIndex": at })
        })
        .collect()
    };
    let come = async |key: &str, people: Vec<u64>, lost: Option<&str>| {
        for some in people.chunks(500) {
            let asked: Vec<Value> = some
                .iter()
                .map(|n| json!({ "experimentId": key, "user_id": format!("person-{n}") }))
                .collect();
            let answers = server
                .post("/experiments/assign", &json!(asked))
                .await
                .expect(200);
            let answers = answers.as_array().expect("a list").iter().zip(some);
            let seen = answers.filter(|(answer, n)| {
                let in_it = answer["reason"] == "allocation";
                in_it && !(lost.is_some_and(|arm| answer["variantId"] == arm) && *n % 3 > 0)
            });
            let events: Vec<Value> = seen
                .map(|(answer, n)| {
                    json!({ "name": "view", "profileId": format!("person-{n}"), "properties": {
                        "__experimentId": key, "__variantId": answer["variantId"],
                        "__assignmentReason": answer["reason"], "__cohort": answer["cohort"],
                    }})
                })
                .collect();
            server.post("/track", &json!(events)).await.expect(200);
        }
    };
    for (key, [mode, subject], days, lost) in ramps {
        let body = json!({ "name": key, "key": key, "assignmentMode": mode, "subjectType": subject,
            "variants": variants(days[0].0) });
        let draft = server.post("/experiments", &body).await.expect(201);
        let mut live = server.to(&draft, "active").await;
        for (day, (shares, of_ten)) in (1_u64..).zip(days) {
            if day > 1 {
                let body =
                    json!({ "resourceVersion": live["resourceVersion"], "variants": variants(*shares) });
                live = server
                    .patch(&format!("/experiments/{key}"), &body)
                    .await
                    .expect(200);
            }
            let is_last = day as usize == days.len();
            come(key, comers(day, *of_ten), lost.filter(|_| is_last)).await;
        }
    }
    drained(&server).await;
    for (key, _, _, lost) in ramps {
        let results = server
            .get(&format!("/experiments/{key}/results"))
            .await
            .expect(200);
        let srm = &results["srm"];
        assert_eq!(srm["alarm"], lost.is_some(), "{key}: {srm:#}");
        let e = srm["test"]["eValue"].as_f64().expect("a number");
        assert_eq!(e > 1_000.0, lost.is_some(), "{key}: {srm:#}");
        let sum = |name: &str| -> f64 {
            let all = srm[name].as_array().expect("a list").iter();
            all.map(|n| n.as_f64().expect("a number")).sum()
        };
        assert!((sum("observed") - sum("expected")).abs() < 1e-6, "{key}: {srm:#}");
    }
}
