//! Sticky memory: nobody who was seen moves when the split changes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use splitdeck::api::assign::AssignRequest;
use splitdeck::client::Client;
use splitdeck::domain::{Reason, User};
use splitdeck::server::sticky::memory::subject_hash;
use splitdeck::server::store::sticky::SubjectHash;
use splitdeck::server::store::{self, Store};

use crate::support::process::Process;
use crate::support::server::{TestServer, VIEWER, send};
use crate::support::store::{each_store, on_postgres, place, run_sql};
use crate::support::warehouse::until;

/// Variant and reason of each user.
type Decided = BTreeMap<String, (String, String)>;

async fn decide(server: &TestServer, users: std::ops::Range<u32>) -> Decided {
    let asks: Vec<Value> = users
        .map(|n| json!({ "experimentId": "x", "user_id": format!("u{n}") }))
        .collect();
    let request = server
        .request(Method::POST, "/experiments/assign", VIEWER)
        .json(&asks);
    let answers = send(request).await.expect(200);
    let text = |answer: &Value, name: &str| answer[name].as_str().expect("a text").to_owned();
    let answers = answers.as_array().expect("a list").iter().zip(&asks);
    answers
        .map(|(answer, ask)| {
            (
                text(ask, "user_id"),
                (text(answer, "variantId"), text(answer, "reason")),
            )
        })
        .collect()
}

fn count(decided: &Decided, variant: &str, reason: &str) -> usize {
    decided
        .values()
        .filter(|(v, r)| v == variant && r == reason)
        .count()
}

/// An active experiment at 90 to 10.
async fn sticky(server: &TestServer) -> Value {
    let draft = server.draft("x").await;
    let body = json!({ "resourceVersion": 1, "sticky": true, "variants": split(&draft, 90, 10) });
    let draft = server.patch("/experiments/x", &body).await.expect(200);
    server.to(&draft, "active").await
}

fn split(experiment: &Value, control: u32, treatment: u32) -> Value {
    let mut variants = experiment["variants"].clone();
    variants[0]["trafficPct"] = control.into();
    variants[1]["trafficPct"] = treatment.into();
    variants
}

/// Changes the split.
async fn shift(server: &TestServer, control: u32, treatment: u32) -> Value {
    let live = server.get("/experiments/x").await.expect(200);
    let body =
        json!({ "resourceVersion": live["resourceVersion"], "variants": split(&live, control, treatment) });
    server.patch("/experiments/x", &body).await.expect(200)
}

async fn is_written(server: &TestServer) -> bool {
    let ready = server.get("/readyz").await.expect(200);
    ready["stickyPending"] == Value::Null && ready["stickyError"] == Value::Null
}

each_store!(who_was_seen_stays_and_who_is_new_follows_the_split);
async fn who_was_seen_stays_and_who_is_new_follows_the_split() {
    let server = TestServer::start().await;
    sticky(&server).await;
    let first = decide(&server, 0..300).await;
    assert_eq!(
        count(&first, "control", "allocation") + count(&first, "treatment", "allocation"),
        300
    );
    assert!(count(&first, "control", "allocation") > 240);
    shift(&server, 10, 90).await;
    let all_stay = |decided: &Decided| {
        for (user, (variant, _)) in &first {
            assert_eq!(decided[user], (variant.clone(), "sticky".to_owned()), "{user}");
        }
    };
    let second = decide(&server, 0..600).await;
    all_stay(&second);
    assert!(
        count(&second, "treatment", "allocation") > 240,
        "{}",
        count(&second, "treatment", "allocation")
    );

    let explained = server
        .post("/experiments/x/explain", &json!({ "user_id": "u0" }))
        .await
        .expect(200);
    let steps = explained["steps"].as_array().expect("steps");
    assert_eq!(steps.last().expect("a step")["step"], "sticky");
    assert_eq!(explained["assignment"]["reason"], "sticky");
    server
        .post("/experiments/x/explain", &json!({ "user_id": "nobody yet" }))
        .await
        .expect(200);
    let body = json!({ "experimentId": "x", "user_id": "nobody yet" });
    assert_eq!(
        server.post("/experiments/assign", &body).await.expect(200)["reason"],
        "allocation"
    );

    // Nothing is lost when the server ends at once.
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    shift(&server, 50, 50).await;
    let third = decide(&server, 0..600).await;
    all_stay(&third);
    assert_eq!(
        count(&third, "control", "sticky") + count(&third, "treatment", "sticky"),
        600
    );

    // Switched off they follow the split; switched on again they are as they were.
    for (on, reason) in [(false, "allocation"), (true, "sticky")] {
        let live = server.get("/experiments/x").await.expect(200);
        let body = json!({ "resourceVersion": live["resourceVersion"], "sticky": on });
        server.patch("/experiments/x", &body).await.expect(200);
        let now = decide(&server, 0..300).await;
        assert!(now.values().all(|(_, r)| r == reason), "{on}");
        if on {
            all_stay(&now);
        }
    }
}

each_store!(switched_on_while_it_runs_it_remembers_from_then_on);
async fn switched_on_while_it_runs_it_remembers_from_then_on() {
    let server = TestServer::start().await;
    let live = server.active("x").await;
    let before = decide(&server, 0..100).await;
    let body = json!({ "resourceVersion": live["resourceVersion"], "sticky": true });
    server.patch("/experiments/x", &body).await.expect(200);
    let seen = decide(&server, 0..50).await;
    assert!(seen.iter().all(|(user, decided)| before[user] == *decided));
    shift(&server, 0, 100).await;
    let after = decide(&server, 0..100).await;
    assert_eq!(
        count(&after, "control", "sticky"),
        count(&seen, "control", "allocation")
    );
    assert_eq!(
        count(&after, "treatment", "allocation"),
        50,
        "nobody remembers the others"
    );
}

each_store!(a_variant_that_is_gone_is_no_memory);
async fn a_variant_that_is_gone_is_no_memory() {
    let server = TestServer::start().await;
    let live = sticky(&server).await;
    let mut variants = split(&live, 0, 10).as_array().expect("variants").clone();
    variants.push(json!({ "key": "extra", "name": "Extra", "trafficPct": 90, "orderIndex": 2 }));
    let body = json!({ "resourceVersion": live["resourceVersion"], "variants": variants });
    let live = server.patch("/experiments/x", &body).await.expect(200);
    let first = decide(&server, 0..100).await;
    assert!(count(&first, "extra", "allocation") > 70);
    until("it is written", async || is_written(&server).await).await;
    variants.pop();
    variants[0]["trafficPct"] = 100.into();
    variants[1]["trafficPct"] = 0.into();
    let body = json!({ "resourceVersion": live["resourceVersion"], "variants": variants });
    server.patch("/experiments/x", &body).await.expect(200);
    let second = decide(&server, 0..100).await;
    assert_eq!(
        count(&second, "control", "allocation"),
        count(&first, "extra", "allocation")
    );
    // From now on that is what is remembered, here and after a restart.
    shift(&server, 0, 100).await;
    assert_eq!(
        count(&decide(&server, 0..100).await, "control", "sticky"),
        count(&second, "control", "allocation")
    );
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    let last = decide(&server, 0..100).await;
    assert_eq!(
        count(&last, "control", "sticky"),
        count(&second, "control", "allocation")
    );
    assert_eq!(
        count(&last, "treatment", "sticky"),
        100 - count(&second, "control", "allocation")
    );
}

each_store!(a_store_that_fails_is_waited_for_and_told);
async fn a_store_that_fails_is_waited_for_and_told() {
    let server = TestServer::start().await;
    sticky(&server).await;
    run_sql(server.dir.path(), "ALTER TABLE sticky RENAME TO elsewhere").await;
    let first = decide(&server, 0..100).await;
    until("it says so", async || {
        let ready = server.get("/readyz").await.expect(200);
        ready["stickyPending"] == 100 && ready["stickyError"].is_string()
    })
    .await;
    let second = decide(&server, 0..150).await;
    for (user, (variant, _)) in &first {
        assert_eq!(
            second[user],
            (variant.clone(), "sticky".to_owned()),
            "from memory"
        );
    }
    run_sql(server.dir.path(), "ALTER TABLE elsewhere RENAME TO sticky").await;
    until("it is written", async || is_written(&server).await).await;
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    let third = decide(&server, 0..150).await;
    assert_eq!(
        count(&third, "control", "sticky") + count(&third, "treatment", "sticky"),
        150
    );
}

each_store!(what_is_over_is_forgotten);
async fn what_is_over_is_forgotten() {
    let server = TestServer::start().await;
    let live = sticky(&server).await;
    decide(&server, 0..100).await;
    until("it is written", async || is_written(&server).await).await;
    server.to(&live, "completed").await;
    let dir = server.stop().await;
    // It is looked for at each start.
    let server = TestServer::start_in(dir, |_| {}).await;
    let store = Store::open(&place(server.dir.path())).await.expect("a store");
    until("nothing is left", async || {
        let mut left = 0;
        let read = store::sticky::since(store.readers(), 0, |_| left += 1);
        read.await.expect("read");
        left == 0
    })
    .await;
    store.close().await;
}

#[tokio::test]
async fn two_servers_remember_together() {
    on_postgres(async {
        let (one, two) = (TestServer::start().await, TestServer::start().await);
        sticky(&one).await;
        until("both have it", async || {
            two.get("/experiments/x").await.body["status"] == "active"
        })
        .await;
        let first = decide(&one, 0..200).await;
        let second = decide(&two, 200..400).await;
        until("both are written", async || {
            is_written(&one).await && is_written(&two).await
        })
        .await;
        let seen: Decided = first.into_iter().chain(second).collect();
        // Explaining remembers nothing, so that what it shows came from the other server.
        let follows = async |server: &TestServer, user: &str| {
            let explained = server
                .post("/experiments/x/explain", &json!({ "user_id": user }))
                .await
                .expect(200);
            explained["assignment"]["reason"] == "sticky"
        };
        until("each knows what the other saw", async || {
            follows(&one, "u399").await && follows(&two, "u199").await
        })
        .await;
        let live = shift(&one, 10, 90).await;
        until("both have the new split", async || {
            two.get("/experiments/x").await.body["resourceVersion"] == live["resourceVersion"]
        })
        .await;
        for server in [&one, &two] {
            let now = decide(server, 0..400).await;
            for (user, (variant, _)) in &seen {
                assert_eq!(now[user], (variant.clone(), "sticky".to_owned()), "{user}");
            }
        }
        // Both decide the same new subjects at the same time: they end up with the same.
        let (a, b) = tokio::join!(decide(&one, 400..700), decide(&two, 400..700));
        assert_eq!(a, b);
    })
    .await;
}

/// Users who are decided for one after the other until the server is gone, each with the variant that it said.
async fn decide_until_it_is_gone(client: Client, round: u32, decided: Arc<Mutex<Vec<(String, String)>>>) {
    for n in 0.. {
        let user = format!("u{round}-{n}");
        let ask = AssignRequest {
            experiment_id: "x".to_owned(),
            inline: User::with_user_id(&user),
            ..AssignRequest::default()
        };
        let Ok(answer) = client.assign(&ask).await else {
            return;
        };
        assert_eq!(answer.reason, Reason::Allocation, "{user} is new");
        decided.lock().expect("a list").push((user, answer.variant_id));
    }
}

/// What the store remembers, past every server.
async fn remembered(dir: &Path) -> HashMap<SubjectHash, String> {
    let store = Store::open(&place(&dir.join("data"))).await.expect("a store");
    let mut all = HashMap::new();
    let read = store::sticky::since(store.readers(), 0, |first| {
        all.insert(first.subject, first.variant.to_string());
    });
    read.await.expect("read");
    store.close().await;
    all
}

each_store!(a_killed_server_forgets_its_last_subjects_at_most);
async fn a_killed_server_forgets_its_last_subjects_at_most() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Process::start(dir.path(), None).await;
    let variants = |treatment: u32| {
        json!([{ "key": "control", "isControl": true, "trafficPct": 100 - treatment },
               { "key": "treatment", "trafficPct": treatment, "orderIndex": 1 }])
    };
    let body = json!({ "name": "x", "sticky": true, "variants": variants(10) });
    let body = serde_json::from_value(body).expect("a body");
    server.client.create_experiment(&body).await.expect("created");
    let step = serde_json::from_value(json!({ "to": "active", "resourceVersion": 1 })).expect("a step");
    let mut version = server
        .client
        .change_status("x", &step)
        .await
        .expect("active")
        .resource_version;
    let mut known = HashMap::new();
    for round in 0..3 {
        let decided = Arc::new(Mutex::new(Vec::new()));
        let deciding = tokio::spawn(decide_until_it_is_gone(
            server.client.clone(),
            round,
            Arc::clone(&decided),
        ));
        until("many were decided for, over more than one batch", async || {
            let pending = server.client.readiness().await.expect("an answer").sticky_pending;
            decided.lock().expect("a list").len() as u64 > pending + 100
        })
        .await;
        // No condition is waited for: the moment within a batch is random.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..250))).await;
        server.shoot().await;
        deciding.await.expect("every answer was an allocation");
        let decided = std::mem::take(&mut *decided.lock().expect("a list"));

        let stored = remembered(dir.path()).await;
        let kept: Vec<bool> = decided
            .iter()
            .map(|(user, _)| stored.contains_key(&subject_hash(user)))
            .collect();
        assert!(kept[0], "what was written stays");
        assert!(
            kept.is_sorted_by(|before, after| before >= after),
            "only the last ones are gone"
        );
        for (subject, variant) in &known {
            assert_eq!(
                stored.get(subject),
                Some(variant),
                "what earlier rounds remembered stays"
            );
        }

        server = Process::start(dir.path(), None).await;
        let change =
            json!({ "resourceVersion": version, "variants": variants(if round % 2 == 0 { 90 } else { 10 }) });
        let change = serde_json::from_value(change).expect("a change");
        version = server
            .client
            .update_experiment("x", &change)
            .await
            .expect("changed")
            .resource_version;
        for ((user, variant), kept) in decided.iter().zip(kept) {
            let ask = AssignRequest {
                experiment_id: "x".to_owned(),
                inline: User::with_user_id(user),
                ..AssignRequest::default()
            };
            let now = server.client.assign(&ask).await.expect("decided");
            if kept {
                assert_eq!(
                    (&now.variant_id, now.reason),
                    (variant, Reason::Sticky),
                    "{user}: the store had it"
                );
                assert_eq!(stored[&subject_hash(user)], *variant);
            } else {
                assert_eq!(
                    now.reason,
                    Reason::Allocation,
                    "{user} is as one who was never seen"
                );
            }
            known.insert(subject_hash(user), now.variant_id);
        }
        until("it is written", async || {
            let ready = server.client.readiness().await.expect("an answer");
            ready.sticky_pending == 0 && ready.sticky_error.is_none()
        })
        .await;
    }
    server.stop().await;
}
