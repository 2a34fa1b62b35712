//! A server of a test's own with the shared engine behind it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use splitdeck::api::system::WarehouseLogin;
use splitdeck::server::link::{Access, Whereabouts};
use splitdeck::warehouse::Login;

use super::engine;
use super::server::TestServer;

/// Long enough for a machine that does a lot else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose events go to a database of its own.
pub async fn server_with_clickhouse() -> TestServer {
    let server = TestServer::start().await;
    connect(&server, &engine::fresh_database()).await;
    server
}

/// Lets a server's events go to this database of the shared engine.
pub async fn connect(server: &TestServer, database: &str) {
    connect_at(server, database, &engine::shared().http_url).await;
}

/// The same by another way to the engine.
pub async fn connect_at(server: &TestServer, database: &str, url: &str) {
    let shared = engine::shared();
    let login = Login::new(url, database, &shared.server.user, &shared.server.password);
    server.warehouse.send_replace(Whereabouts::At(Box::new(Access {
        server: login,
        cockpit: Some(WarehouseLogin {
            url: url.to_owned(),
            database: database.to_owned(),
            user: shared.cockpit.user.clone(),
            password: shared.cockpit.password.clone(),
        }),
    })));
    readiness(server, "warehouse", json!(true)).await;
}

/// Waits until every accepted event is in ClickHouse.
pub async fn drained(server: &TestServer) {
    readiness(server, "spooledEvents", json!(0)).await;
}

/// Waits until the server says this of itself, with a deadline.
async fn readiness(server: &TestServer, field: &str, value: Value) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let readiness = server.get("/readyz").await.expect(200);
        if readiness[field] == value {
            return;
        }
        assert!(Instant::now() < deadline, "{field} is not {value}: {readiness}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for the condition, with a deadline.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Events of `counts` people in control and treatment, now.
pub async fn expose(server: &TestServer, experiment: &Value, counts: [usize; 2]) {
    let at = jiff::Timestamp::now().to_string();
    let key = experiment["key"].as_str().expect("a key");
    for (variant, count) in ["control", "treatment"].into_iter().zip(counts) {
        let events: Vec<Value> = (0..count)
            .map(|n| exposure(experiment, &format!("{key}-{variant}-{n}"), variant, &at))
            .collect();
        server.post("/track", &json!(events)).await.expect(200);
    }
}

/// People in control and treatment, and how many of each bought something.
pub async fn observe(server: &TestServer, experiment: &Value, from: usize, arms: [(usize, usize); 2]) {
    let now = jiff::Timestamp::now();
    let seen = (now - jiff::SignedDuration::from_secs(60)).to_string();
    for (variant, (people, buyers)) in ["control", "treatment"].into_iter().zip(arms) {
        let mut events = Vec::new();
        for n in from..from + people {
            let who = format!("{variant}-{n}");
            events.push(exposure(experiment, &who, variant, &seen));
            if n - from < buyers {
                events.push(json!({ "name": "buy", "profileId": who, "timestamp": now.to_string() }));
            }
        }
        server.post("/track", &json!(events)).await.expect(200);
    }
    drained(server).await;
}

/// An active experiment with this key, whose metric is `buy`.
pub async fn measured(server: &TestServer, key: &str) -> Value {
    let body = json!({ "name": key, "key": key, "primaryMetric": { "event": "buy" } });
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await
}

/// An event of a person who was drawn into a variant.
pub fn exposure(experiment: &Value, profile: &str, variant: &str, at: &str) -> Value {
    json!({
        "name": "view", "profileId": profile, "timestamp": at,
        "properties": {
            "__experimentId": experiment["id"], "__variantId": variant, "__assignmentReason": "allocation",
            "__cohort": 1, "country": "TH", "category": "shoes",
        },
    })
}

/// One query against a database of the shared engine; `{db}` stands for it.
pub async fn sql(database: &str, sql: &str) -> String {
    let shared = engine::shared();
    let answer = engine::query(&shared.http_url, &shared.server, &sql.replace("{db}", database)).await;
    answer.expect("an answer")
}
