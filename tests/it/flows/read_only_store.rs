//! A Postgres that takes no changes any more, as a stand-by that took over the address does, and takes them again.

use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::server::{ADMIN, TestServer, send};
use crate::support::store::{address, on_postgres};
use crate::support::warehouse::until;

/// Lets connections that are opened from now on take changes or not.
async fn takes_changes(yes: bool) {
    let url = address().expect("a test on Postgres");
    let mut own = PgConnection::connect(&url).await.expect("connects");
    let allowed = "SET default_transaction_read_only = off";
    own.execute(allowed).await.expect("set");
    let change = if yes {
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$"
    } else {
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$"
    };
    own.execute(change).await.expect("changed");
    own.close().await.expect("ends");
}

/// Breaks all connections.
async fn broken_off() {
    crate::support::store::run_postgres(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
}

#[tokio::test]
async fn changes_are_refused_in_plain_words_and_decisions_go_on() {
    on_postgres(async {
        let server = TestServer::start().await;
        let live = server.active("x").await;
        let set = json!({ "variant": "treatment", "subjectType": "user", "subjectIds": ["forced"] });
        server.put("/experiments/x/overrides", &set).await.expect(200);
        let ask = json!([
            { "experimentId": "x", "user_id": "forced" },
            { "experimentId": "x", "user_id": "u1" },
            { "experimentId": "x", "user_id": "u2" },
        ]);
        let decided = async || server.post("/experiments/assign", &ask).await.expect(200);
        let before = decided().await;

        takes_changes(false).await;
        broken_off().await;
        let renamed = json!({ "resourceVersion": live["resourceVersion"], "name": "renamed" });
        until("a new connection says that it is read-only", async || {
            let refused = server.patch("/experiments/x", &renamed).await;
            let detail = refused.problem(503, "store_unavailable")["detail"].to_string();
            detail.contains("is read-only")
        })
        .await;
        let other = json!({ "variant": "control", "subjectType": "user", "subjectIds": ["other"] });
        for (method, path, body) in [
            (Method::PATCH, "/experiments/x", renamed.clone()),
            (Method::POST, "/experiments", json!({ "name": "y" })),
            (Method::PUT, "/experiments/x/overrides", other),
            (
                Method::POST,
                "/deployments",
                json!({ "name": "app", "kind": "server" }),
            ),
            (
                Method::POST,
                "/tokens",
                json!({ "name": "t", "roles": { "default": "viewer" } }),
            ),
            (
                Method::DELETE,
                "/experiments/x/overrides?subjectType=user&subjectId=forced",
                json!({}),
            ),
        ] {
            let answer = send(server.request(method, path, ADMIN).json(&body)).await;
            assert_eq!(answer.header("retry-after"), "2", "{path}");
            let problem = answer.problem(503, "store_unavailable");
            let detail = problem["detail"].as_str().expect("text");
            for part in [
                "the database of the configuration store is read-only",
                "assignments go on",
            ] {
                assert!(detail.contains(part), "{path}: {detail}");
            }
        }
        assert_eq!(decided().await, before);
        assert_eq!(server.get("/experiments/x").await.expect(200), live);
        let history = server.get("/experiments/x/history").await.expect(200);
        assert_eq!(history["entries"][0]["resourceVersion"], live["resourceVersion"]);
        let ready = server.get("/readyz").await.expect(200);
        assert_eq!((&ready["ready"], &ready["store"]), (&json!(true), &json!(false)));
        let why = ready["storeError"].as_str().expect("why");
        assert!(why.contains("read-only"), "{why}");

        // A connection that began read-only stays it: another one has to take its place.
        takes_changes(true).await;
        // Whoever looks is told so, though nobody has tried a change since.
        until("it says that it takes changes", async || {
            server.get("/readyz").await.expect(200)["store"] == json!(true)
        })
        .await;
        until("changes are taken again", async || {
            server.patch("/experiments/x", &renamed).await.status == 200
        })
        .await;
        let ready = server.get("/readyz").await.expect(200);
        assert_eq!(
            (&ready["store"], &ready["storeError"]),
            (&json!(true), &json!(null))
        );
        server
            .post("/experiments", &json!({ "name": "y" }))
            .await
            .expect(201);
        assert_eq!(decided().await[0]["variantId"], before[0]["variantId"]);
    })
    .await;
}
