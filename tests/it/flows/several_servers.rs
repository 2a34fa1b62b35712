//! Several servers on one Postgres: each follows what the others change, also after a lost connection.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use splitdeck::api::system::Role;
use splitdeck::server::middleware::auth::hash;
use splitdeck::server::registry::now;
use splitdeck::server::store::feed::{self, Kind};
use splitdeck::server::store::tokens::StoredToken;
use splitdeck::server::store::{self, Store};

use crate::support::engine::fresh_database;
use crate::support::postgres::Cluster;
use crate::support::server::{TestServer, send};
use crate::support::store::{on_cluster, on_postgres, place, run_postgres};
use crate::support::warehouse::{connect, drained, expose, exposure, sql, until};

/// Within what time a change is in force on every server.
const IN_FORCE: Duration = Duration::from_secs(2);

/// What a server decides about a user in `x`.
async fn decided(server: &TestServer, user: &str) -> (String, String) {
    let ask = json!({ "experimentId": "x", "user_id": user });
    let answer = server.post("/experiments/assign", &ask).await;
    let text = |name: &str| answer.body[name].as_str().unwrap_or_default().to_owned();
    (text("variantId"), text("reason"))
}

fn pair(variant: &str, reason: &str) -> (String, String) {
    (variant.to_owned(), reason.to_owned())
}

/// Waits until it holds; it has to within the time in which changes are in force.
async fn in_force(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < IN_FORCE, "not in force in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn pair_of_servers() -> (TestServer, TestServer) {
    (TestServer::start().await, TestServer::start().await)
}

/// Two servers with one ClickHouse, and their database in it.
async fn pair_on_clickhouse() -> (TestServer, TestServer, String) {
    let (one, two) = pair_of_servers().await;
    let database = fresh_database();
    connect(&one, &database).await;
    connect(&two, &database).await;
    (one, two, database)
}

#[tokio::test]
async fn a_change_on_one_is_in_force_on_the_other_within_two_seconds() {
    on_postgres(async {
        let (one, two) = pair_of_servers().await;
        let draft = one.draft("x").await;
        in_force("a draft", async || two.get("/experiments/x").await.body == draft).await;
        // Changed on the other one, from what it followed.
        let live = two.to(&draft, "active").await;
        in_force("its activation", async || decided(&one, "u").await.1 == "allocation").await;
        assert_eq!(decided(&one, "u").await, decided(&two, "u").await);

        let set = |variant: &str, ids: &[&str]| json!({ "variant": variant, "subjectType": "user", "subjectIds": ids });
        let path = "/experiments/x/overrides";
        one.put(path, &set("control", &["a", "b"])).await.expect(200);
        one.put(path, &set("treatment", &["b", "c"])).await.expect(200);
        one.delete(&format!("{path}?subjectType=user&subjectId=a")).await.expect(204);
        in_force("three changes of overrides", async || {
            decided(&two, "c").await == pair("treatment", "override")
                && decided(&two, "b").await == pair("treatment", "override")
                && decided(&two, "a").await.1 == "allocation"
        })
        .await;
        let counts = |page: Value| (page["fixed"].clone(), page["manual"].clone());
        assert_eq!(counts(two.get(path).await.expect(200)), counts(one.get(path).await.expect(200)));

        let paused = one.to(&live, "paused").await;
        in_force("a pause", async || decided(&two, "u").await.1 == "experiment_inactive").await;
        assert_eq!(two.get("/experiments/x").await.expect(200), paused);
    })
    .await;
}

#[tokio::test]
async fn what_was_made_through_one_is_there_at_once_for_who_manages_through_the_other() {
    on_postgres(async {
        let (one, two) = pair_of_servers().await;
        for n in 0..8 {
            let key = format!("x{n}");
            let draft = one.draft(&key).await;
            assert_eq!(two.get(&format!("/experiments/{key}")).await.expect(200), draft);
            let body = json!({ "key": format!("f{n}"), "name": "F" });
            two.post("/flags", &body).await.expect(201);
            let body = json!({ "resourceVersion": 1, "enabled": true });
            one.patch(&format!("/flags/f{n}"), &body).await.expect(200);
            let body = json!({ "name": format!("t{n}"), "roles": { "default": "viewer" } });
            let made = one.post("/tokens", &body).await.expect(201);
            let token = made["token"].as_str().expect("a token");
            let asked = send(two.request(Method::GET, &format!("/flags/f{n}"), token)).await;
            assert_eq!(asked.expect(200)["enabled"], true);
        }
        two.get("/experiments/nobody").await.problem(404, "not_found");
    })
    .await;
}

#[tokio::test]
async fn events_for_what_was_made_through_one_count_at_once_through_the_other() {
    on_postgres(async {
        let (one, two, _) = pair_on_clickhouse().await;
        let at = jiff::Timestamp::now().to_string();
        for n in 0..6 {
            let key = format!("x{n}");
            let live = one.active(&key).await;
            let events = json!([
                exposure(&live, "u", "control", &at),
                exposure(&live, "v", "treatment", &at)
            ]);
            if n % 3 == 0 {
                // Who sends them is known for long.
                let tracked = two.post("/track", &events).await.expect(200);
                assert_eq!(tracked.get("unattributed"), None, "{tracked}");
                continue;
            }
            let deployment = json!({ "name": format!("d{n}"), "kind": "client" });
            let made = one.post("/deployments", &deployment).await.expect(201);
            let secret = made["key"].as_str().expect("a key");
            if n % 3 == 1 {
                let tracked = send(two.request(Method::POST, "/track", secret).json(&events)).await;
                assert_eq!(tracked.expect(200).get("unattributed"), None);
            } else {
                let event = |user: &str, variant: &str| {
                    json!({ "event_type": "$exposure", "user_id": user, "event_properties": {
                        "flag_key": live["linkedFlag"], "experiment_key": key, "variant": variant } })
                };
                let events = [event("u", "control"), event("v", "treatment")];
                let body = json!({ "api_key": secret, "events": events });
                two.post("/2/httpapi", &body).await.expect(200);
            }
        }
        drained(&two).await;
        for n in 0..6 {
            let results = one.get(&format!("/experiments/x{n}/results")).await.expect(200);
            assert_eq!(results["srm"]["observed"], json!([1, 1]), "x{n}: {results:#}");
        }
        // Who is really unknown stays so.
        let body = json!({ "api_key": "nobody", "events": [{ "event_type": "e", "user_id": "u" }] });
        let refused = two.post("/2/httpapi", &body).await.expect(400);
        assert!(
            refused["error"]
                .as_str()
                .expect("text")
                .starts_with("Invalid API key"),
            "{refused}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_token_is_known_everywhere_and_so_is_its_end() {
    on_postgres(async {
        let server = TestServer::start().await;
        let store = Store::open(&place(server.dir.path())).await.expect("a store");
        let project = store::projects::all(store.readers()).await.expect("projects")[0].id;
        let robot = StoredToken::new(hash(""), "robot", project, Role::Viewer, now());
        let issue = async |token: &str| {
            let stored = StoredToken {
                hash: hash(token),
                ..robot.clone()
            };
            let mut tx = store.begin().await.expect("begins");
            store::tokens::put(&mut tx, &stored).await.expect("stored");
            let recorded = feed::record(&mut tx, Kind::Token, Some(project), "robot", now()).await;
            recorded.expect("recorded");
            store::commit(tx).await.expect("committed");
        };
        let asked = async |token: &str| send(server.request(Method::GET, "/me", token)).await.status;
        assert_eq!(asked("sd_the-first-token-of-it").await, 401);
        issue("sd_the-first-token-of-it").await;
        in_force("a token", async || asked("sd_the-first-token-of-it").await == 200).await;
        issue("sd_the-second-token-of-it").await;
        in_force("its end", async || asked("sd_the-first-token-of-it").await == 401).await;
        assert_eq!(asked("sd_the-second-token-of-it").await, 200);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_was_revoked_or_may_do_less_by_the_turn_of_its_change_changes_nothing() {
    let revoked = |token: &mut StoredToken| token.revoked_at = Some(now());
    minted_too_late(revoked, 401, "unauthorized").await;
    let lowered = |token: &mut StoredToken| token.roles.values_mut().for_each(|role| *role = Role::Viewer);
    minted_too_late(lowered, 403, "forbidden").await;
}

/// A token of an administrator makes another one, and is changed while it waits for that.
async fn minted_too_late(change: impl Fn(&mut StoredToken), status: u16, code: &str) {
    on_postgres(async {
        let server = TestServer::start().await;
        let body = json!({ "name": "leaked", "roles": { "default": "admin" } });
        let leaked = server.post("/tokens", &body).await.expect(201);
        let secret = leaked["token"].as_str().expect("a token").to_owned();
        let store = Store::open(&place(server.dir.path())).await.expect("a store");
        let tokens = store::tokens::all(store.readers()).await.expect("tokens");
        let mut token = tokens.into_iter().find(|t| t.name == "leaked").expect("the token");
        change(&mut token);
        // Somebody takes it away, and is not done yet.
        let mut tx = store.begin().await.expect("begins");
        store::tokens::put(&mut tx, &token).await.expect("stored");
        let recorded = feed::record(&mut tx, Kind::Token, Some(token.home), "admin", now()).await;
        recorded.expect("recorded");
        let body = json!({ "name": "minted", "roles": { "default": "admin" } });
        let minted = server.request(Method::POST, "/tokens", &secret).json(&body);
        let minted = tokio::spawn(send(minted));
        until("its change waits for its turn", async || {
            let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                           WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()";
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(store.readers()).await.expect("counted");
            count == 1
        })
        .await;
        store::commit(tx).await.expect("committed");
        minted.await.expect("no panic").problem(status, code);
        let list = server.get("/tokens").await.expect(200);
        assert!(!list.to_string().contains("minted"), "{list}");
    })
    .await;
}

#[tokio::test]
async fn of_two_changes_from_one_version_one_wins_and_the_other_is_shown_it() {
    on_postgres(async {
        let (one, two) = pair_of_servers().await;
        one.draft("x").await;
        until("both know it", async || {
            two.get("/experiments/x").await.status == 200
        })
        .await;
        for round in 1..=20 {
            let body = |by: &str| json!({ "resourceVersion": round, "description": format!("{by} {round}") });
            let (of_one, of_two) = (body("one"), body("two"));
            let (a, b) = tokio::join!(
                one.patch("/experiments/x", &of_one),
                two.patch("/experiments/x", &of_two)
            );
            let (won, lost) = if a.status == 200 { (a, b) } else { (b, a) };
            let won = won.expect(200);
            let problem = lost.problem(409, "version_conflict");
            // Although the server that refuses has not followed the other one yet.
            assert_eq!(problem["current"], won);
            assert_eq!(problem["changedBy"], "admin");
            assert_eq!(problem["changedAt"], won["updatedAt"]);
        }
        let history = one.get("/experiments/x/history").await.expect(200);
        assert_eq!(history["entries"].as_array().map(Vec::len), Some(21));
        until("both hold the same", async || {
            one.get("/experiments/x").await.body == two.get("/experiments/x").await.body
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn broken_connections_are_made_again_and_nothing_is_missed() {
    on_postgres(async {
        let (one, two) = pair_of_servers().await;
        let draft = one.draft("x").await;
        let mut live = one.to(&draft, "active").await;
        for round in 0..5 {
            run_postgres(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
            let body =
                json!({ "resourceVersion": live["resourceVersion"], "description": round.to_string() });
            // A connection that was cut between two statements may be noticed as late as in the change.
            let mut answer = one.patch("/experiments/x", &body).await;
            while answer.status != 200 {
                answer.problem(503, "store_unavailable");
                answer = one.patch("/experiments/x", &body).await;
            }
            live = answer.expect(200);
            in_force("a change after the cut", async || {
                two.get("/experiments/x").await.body == live
            })
            .await;
        }
    })
    .await;
}

#[tokio::test]
async fn while_postgres_is_away_decisions_go_on_and_changes_are_refused() {
    let Some(cluster) = Cluster::own() else {
        return;
    };
    on_cluster(&cluster, async {
        let (one, two) = pair_of_servers().await;
        let draft = one.draft("x").await;
        let live = one.to(&draft, "active").await;
        let set = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ["forced"] });
        one.put("/experiments/x/overrides", &set).await.expect(200);
        let forced = pair("treatment", "override");
        until("both know it", async || decided(&two, "forced").await == forced).await;
        let before = decided(&one, "u").await;

        cluster.stop();
        for server in [&one, &two] {
            assert_eq!(decided(server, "forced").await, forced);
            assert_eq!(decided(server, "u").await, before);
            let body = json!({ "resourceVersion": live["resourceVersion"], "name": "away" });
            let answer = server.patch("/experiments/x", &body).await;
            assert_eq!(answer.header("retry-after"), "2");
            let problem = answer.problem(503, "store_unavailable");
            let detail = problem["detail"].as_str().expect("text");
            assert!(
                detail.contains("assignments go on") && !detail.contains("sd-pg"),
                "{detail}"
            );
            server
                .get("/experiments/x/history")
                .await
                .problem(503, "store_unavailable");
            let ready = server.get("/readyz").await.expect(200);
            assert_eq!((&ready["ready"], &ready["store"]), (&true.into(), &false.into()));
            let why = ready["storeError"].as_str().expect("why");
            assert!(why.contains("os error"), "the cause: {why}");
        }

        cluster.resume();
        let body = json!({ "resourceVersion": live["resourceVersion"], "name": "back" });
        until("changes are taken again", async || {
            one.patch("/experiments/x", &body).await.status == 200
        })
        .await;
        until("the other one follows again", async || {
            two.get("/experiments/x").await.body["name"] == "back"
        })
        .await;
        for server in [&one, &two] {
            assert_eq!(server.get("/readyz").await.expect(200)["store"], true);
            assert_eq!(decided(server, "forced").await, forced);
        }
    })
    .await;
}

#[tokio::test]
async fn who_missed_too_much_loads_everything_again() {
    on_postgres(async {
        let server = TestServer::start().await;
        server.active("x").await;
        // What others wrote while this server was away, told by rows that are pruned by now.
        run_postgres(
            "INSERT INTO overrides SELECT id, 'user', 'forced', 'control', 'fixed', 0 FROM experiments; \
             UPDATE experiments SET document = replace(document, '\"name\":\"x\"', '\"name\":\"renamed\"'); \
             INSERT INTO changes (at, kind, object_id) VALUES (0, 'experiment', 'pruned'); \
             UPDATE feed SET pruned_to = (SELECT max(seq) FROM changes); DELETE FROM changes",
        )
        .await;
        in_force("what was missed", async || {
            server.get("/experiments/x").await.body["name"] == "renamed"
                && decided(&server, "forced").await == pair("control", "override")
        })
        .await;
        // From there on it follows row by row.
        let live = server.get("/experiments/x").await.expect(200);
        server.to(&live, "paused").await;
        let other = TestServer::start().await;
        let live = other.get("/experiments/x").await.expect(200);
        other.to(&live, "active").await;
        in_force("the next change", async || {
            decided(&server, "forced").await.1 == "override"
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn one_unreadable_object_keeps_no_other_from_being_followed() {
    on_postgres(async {
        let server = TestServer::start().await;
        server.draft("x").await;
        run_postgres(
            "UPDATE experiments SET document = '{}'; \
             INSERT INTO changes (at, kind, object_id) SELECT 0, 'experiment', id FROM experiments; \
             INSERT INTO changes (at, kind, object_id) VALUES (0, 'of_a_newer_version', 'x')",
        )
        .await;
        let made = server.draft("y").await;
        assert_eq!(server.get("/experiments/y").await.expect(200), made);
        assert_eq!(
            server.get("/experiments/x").await.expect(200)["key"],
            "x",
            "the former state"
        );
        // Of what opens the projects as well.
        let app = json!({ "name": "app", "kind": "server" });
        server.post("/deployments", &app).await.expect(201);
        run_postgres(
            "UPDATE objects SET document = '{}' WHERE kind = 'deployment'; \
             INSERT INTO changes (at, kind, object_id) SELECT 0, 'deployment', id FROM objects WHERE kind = 'deployment'",
        )
        .await;
        let token = json!({ "name": "late", "roles": { "default": "viewer" } });
        server.post("/tokens", &token).await.expect(201);
        let all = server.get("/deployments").await.expect(200);
        assert_eq!(all["deployments"].as_array().map(Vec::len), Some(2), "{all}");
    })
    .await;
}

#[tokio::test]
async fn each_has_its_own_spool_and_all_share_clickhouse() {
    on_postgres(async {
        let (one, two, _) = pair_on_clickhouse().await;
        assert_ne!(one.dir.path(), two.dir.path());
        let live = one.active("x").await;
        until("both know it", async || {
            decided(&two, "u").await.1 == "allocation"
        })
        .await;
        let at = jiff::Timestamp::now().to_string();
        for (server, variant) in [(&one, "control"), (&two, "treatment")] {
            let events: Vec<Value> = (0..40)
                .map(|n| exposure(&live, &format!("{variant}-{n}"), variant, &at))
                .collect();
            server.post("/track", &json!(events)).await.expect(200);
            assert!(server.dir.path().join("spool").is_dir());
        }
        drained(&one).await;
        drained(&two).await;
        let results = one.get("/experiments/x/results").await.expect(200);
        assert_eq!(results["srm"]["observed"], json!([40, 40]), "{results:#}");
        let of_two = two.get("/experiments/x/results").await.expect(200);
        assert_eq!(of_two["srm"], results["srm"]);
    })
    .await;
}

#[tokio::test]
async fn an_id_that_reaches_both_at_once_counts_once() {
    on_postgres(async {
        let (one, two, database) = pair_on_clickhouse().await;
        const ROUNDS: usize = 20;
        const IDS: usize = 30;
        for round in 0..ROUNDS {
            let send = async |server: &TestServer, name: &str| {
                let events: Vec<Value> = (0..IDS)
                    .map(|n| json!({ "name": name, "profileId": format!("{name}-{n}"), "id": format!("{round}-{n}") }))
                    .collect();
                server.post("/track", &json!(events)).await.expect(200);
                drained(server).await;
            };
            tokio::join!(send(&one, "one"), send(&two, "two"));
        }
        let counts = "SELECT count(), uniqExact(event_id) FROM {db}.events WHERE name IN ('one', 'two')";
        let all = ROUNDS * IDS;
        assert_eq!(sql(&database, counts).await, format!("{all}\t{all}"));
    })
    .await;
}

#[tokio::test]
async fn what_the_guard_paused_elsewhere_a_moment_ago_is_tested_before_it_is_resumed() {
    on_postgres(async {
        let (one, two, _) = pair_on_clickhouse().await;
        let live = one.active("x").await;
        in_force("its activation", async || {
            two.get("/experiments/x").await.body == live
        })
        .await;
        expose(&one, &live, [600, 400]).await;
        drained(&one).await;
        one.post("/jobs/srm-guard", &Value::Null).await.expect(200);
        // The other server may not have heard of it yet.
        let step = json!({ "to": "active", "resourceVersion": 3, "comment": "it looks fine to me" });
        let problem = two
            .post("/experiments/x/status", &step)
            .await
            .problem(409, "bad_transition");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains("still fails the sample ratio test"), "{detail}");
        let paused = one.get("/experiments/x").await.expect(200);
        assert_eq!(
            (&paused["status"], &paused["resourceVersion"]),
            (&json!("paused"), &json!(3))
        );
    })
    .await;
}

#[tokio::test]
async fn overrides_that_are_copied_are_in_force_on_the_other_too() {
    on_postgres(async {
        let (one, two) = pair_of_servers().await;
        let draft = one.draft("x").await;
        let set = |variant: &str, kind: &str, ids: &[&str]| json!({ "variant": variant, "subjectType": kind, "subjectIds": ids });
        for (of, variant, kind, ids) in [
            ("/flags/x", "control", "user", &["own", "both"][..]),
            ("/flags/x", "treatment", "user", &["same"]),
            ("/experiments/x", "treatment", "user", &["both", "new", "same"]),
            ("/experiments/x", "control", "device", &["both"]),
        ] {
            one.put(&format!("{of}/overrides"), &set(variant, kind, ids)).await.expect(200);
        }
        let version = json!({ "resourceVersion": draft["resourceVersion"] });
        one.post("/experiments/x/convert", &version).await.expect(200);
        let page = one.get("/flags/x/overrides").await.expect(200);
        let all: Vec<_> = page["overrides"].as_array().expect("overrides").iter().map(|o| {
            let text = |name: &str| o[name].as_str().expect("a text").to_owned();
            (text("subjectType"), text("subjectId"), text("variant"))
        }).collect();
        let expected = [
            ("device", "both", "control"), ("user", "both", "treatment"), ("user", "new", "treatment"),
            ("user", "own", "control"), ("user", "same", "treatment"),
        ].map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(all, expected, "in the store");
        // Switched on, it decides by them, on both servers.
        let flag = one.get("/flags/x").await.expect(200);
        let on = json!({ "resourceVersion": flag["resourceVersion"], "enabled": true });
        one.patch("/flags/x", &on).await.expect(200);
        for server in [&one, &two] {
            in_force("copied overrides", async || {
                let mut right = true;
                for (user, variant) in [("own", "control"), ("both", "treatment"), ("new", "treatment")] {
                    let told = server.post("/flags/x/explain", &json!({ "user_id": user })).await;
                    let got = &told.body["assignment"];
                    right &= (&got["variantId"], &got["reason"]) == (&json!(variant), &json!("override"));
                }
                right && server.get("/flags/x").await.body["overrides"] == 5
            })
            .await;
        }
    })
    .await;
}
