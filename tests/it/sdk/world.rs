//! Flags, experiments and deployments for clients to ask for.

use serde_json::{Value, json};

use crate::support::server::TestServer;

/// A deployment: its id and its key.
pub struct Deployment {
    pub id: String,
    pub key: String,
}

/// A new deployment of this kind.
pub async fn deployment(server: &TestServer, name: &str, kind: &str) -> Deployment {
    let body = json!({"name": name, "kind": kind});
    let made = server.post("/deployments", &body).await.expect(201);
    let text = |field: &str| made[field].as_str().expect("a text").to_owned();
    Deployment {
        id: text("id"),
        key: text("key"),
    }
}

/// A new flag that a deployment sees, with `fields` in the place of the usual ones.
pub async fn flag(server: &TestServer, deployment: &Deployment, key: &str, fields: Value) -> Value {
    let mut body = json!({
        "key": key, "enabled": true, "rolloutPct": 100, "deployments": [deployment.id],
        "variants": [{"key": "on", "trafficPct": 100}],
    });
    set(&mut body, fields);
    server.post("/flags", &body).await.expect(201)
}

/// A new active experiment that a deployment sees, asked for by its own key.
pub async fn experiment(server: &TestServer, deployment: &Deployment, key: &str, fields: Value) -> Value {
    let mut body = json!({"name": key, "key": key, "linkedFlag": key, "deployments": [deployment.id]});
    set(&mut body, fields);
    flag(server, deployment, key, json!({"enabled": false})).await;
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await
}

pub fn set(body: &mut Value, fields: Value) {
    let (Value::Object(body), Value::Object(fields)) = (body, fields) else {
        panic!("objects")
    };
    body.extend(fields);
}
