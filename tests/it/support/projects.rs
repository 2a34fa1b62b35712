//! Two projects with events in both, and a token for one of them.

use reqwest::Method;
use serde_json::{Value, json};

use super::server::{ADMIN, TestServer, send};
use super::warehouse::{drained, exposure, server_with_clickhouse};

/// The key of the project that the token is for.
pub const SECOND: &str = "second";

/// A server with two projects: each has an active experiment with events of its own.
pub struct TwoProjects {
    pub server: TestServer,
    /// The experiment `ours` of the project `default`: four people, who saw `secret-view`.
    pub ours: Value,
    /// The experiment `theirs` of the project `second`: six people.
    pub theirs: Value,
    /// A viewer of `second`, and of nothing else.
    pub viewer: String,
}

impl TwoProjects {
    /// Waits until all events are in ClickHouse.
    pub async fn start() -> Self {
        let server = server_with_clickhouse().await;
        server
            .post("/projects", &json!({ "key": SECOND }))
            .await
            .expect(201);
        let body = json!({ "name": "the one who looks", "roles": { SECOND: "viewer" } });
        let viewer = server.post("/tokens", &body).await.expect(201);
        let viewer = viewer["token"].as_str().expect("a token").to_owned();
        let mut experiments = Vec::new();
        for (project, key, people) in [("default", "ours", 4), (SECOND, "theirs", 6)] {
            let body = json!({ "name": key, "key": key, "primaryMetric": { "event": "buy" } });
            let draft = posted(&server, project, "/experiments", &body).await;
            let path = format!("/experiments/{key}/status");
            let body = json!({ "to": "active", "resourceVersion": draft["resourceVersion"] });
            let live = posted(&server, project, &path, &body).await;
            expose_in(&server, project, &live, 0..people).await;
            experiments.push(live);
        }
        let secret = json!([{
            "name": "secret-view", "profileId": "somebody", "properties": { "secret-property": "secret-value" },
        }]);
        posted(&server, "default", "/track", &secret).await;
        drained(&server).await;
        let [ours, theirs] = experiments.try_into().expect("two");
        Self {
            server,
            ours,
            theirs,
            viewer,
        }
    }

    /// What the viewer of the second project gets.
    pub async fn seen(&self, path: &str) -> super::server::Answer {
        send(self.server.request(Method::GET, path, &self.viewer)).await
    }
}

/// A request of the administrator in a project, which must be taken.
pub async fn posted(server: &TestServer, project: &str, path: &str, body: &Value) -> Value {
    let request = server.request(Method::POST, path, ADMIN).json(body);
    let answer = send(request.header("x-splitdeck-project", project)).await;
    assert!(answer.status < 300, "{:#}", answer.body);
    answer.body
}

/// People who see the arms of an experiment by turns, now.
pub async fn expose_in(
    server: &TestServer,
    project: &str,
    experiment: &Value,
    people: std::ops::Range<usize>,
) {
    let at = jiff::Timestamp::now().to_string();
    let events: Vec<Value> = people
        .map(|n| {
            let variant = ["control", "treatment"][n % 2];
            exposure(experiment, &format!("p{n}"), variant, &at)
        })
        .collect();
    posted(server, project, "/track", &json!(events)).await;
}
