//! Assignments by the crate `growthbook-rust`: in process, then over HTTP in the form of `POST /experiments/assign`.
//!
//! `compare <experiments> <address>`: each experiment has two variants of a half each behind a rule that forces a
//! country, like those that `seed.py` makes in splitdeck. Features are read under the client's lock, without the copy of
//! all of them that its own `feature_result` takes for each question.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use growthbook_rust::client::{GrowthBookClient, GrowthBookClientBuilder};
use growthbook_rust::model_public::{FeatureResult, GrowthBookAttribute, GrowthBookAttributeValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    experiment_id: String,
    #[serde(rename = "user_id")]
    user_id: String,
    #[serde(rename = "user_properties", default)]
    user_properties: serde_json::Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    experiment_id: String,
    variant_id: Value,
    reason: String,
}

fn text(key: &str, value: &str) -> GrowthBookAttribute {
    GrowthBookAttribute {
        key: key.to_owned(),
        value: GrowthBookAttributeValue::String(value.to_owned()),
    }
}

fn decide(client: &GrowthBookClient, experiment: &str, attributes: Vec<GrowthBookAttribute>) -> FeatureResult {
    let features = client.gb.read().expect("nobody writes");
    features.check(experiment, &Some(attributes))
}

async fn client(experiments: usize) -> GrowthBookClient {
    let features: serde_json::Map<String, Value> = (0..experiments)
        .map(|n| {
            let feature = json!({
                "defaultValue": "control",
                "rules": [
                    {"condition": {"country": "TH"}, "force": "treatment"},
                    {"key": format!("exp-{n}"), "hashAttribute": "id", "variations": ["control", "treatment"],
                     "weights": [0.5, 0.5], "coverage": 1.0},
                ],
            });
            (format!("exp-{n}"), feature)
        })
        .collect();
    let builder = GrowthBookClientBuilder::new().features_json(Value::Object(features));
    builder.expect("features").build().await.expect("a client")
}

fn in_process(client: &GrowthBookClient, experiments: usize) {
    let until = Instant::now() + Duration::from_secs(2);
    let started = Instant::now();
    let mut decisions = 0_u64;
    while Instant::now() < until {
        for n in 0..1_000_usize {
            let country = if n % 10 == 0 { "TH" } else { "DE" };
            let attributes = vec![text("id", &format!("user-{n}")), text("country", country)];
            black_box(decide(client, &format!("exp-{}", n % experiments), attributes));
        }
        decisions += 1_000;
    }
    let rate = decisions as f64 / started.elapsed().as_secs_f64();
    eprintln!("growthbook-rust in process, {experiments} experiments: {rate:.0} decisions/s on one core");
}

async fn assign(State(client): State<Arc<GrowthBookClient>>, Json(request): Json<Request>) -> Json<Answer> {
    let mut attributes = vec![text("id", &request.user_id)];
    for (key, value) in &request.user_properties {
        attributes.push(text(key, value.as_str().unwrap_or_default()));
    }
    let result = decide(&client, &request.experiment_id, attributes);
    Json(Answer {
        experiment_id: request.experiment_id,
        variant_id: result.value,
        reason: result.source,
    })
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let experiments = arguments.next().and_then(|n| n.parse().ok()).expect("how many experiments");
    let address = arguments.next().expect("an address");
    let client = client(experiments).await;
    in_process(&client, experiments);
    let router = axum::Router::new()
        .route("/experiments/assign", post(assign))
        .with_state(Arc::new(client));
    let listener = tokio::net::TcpListener::bind(address).await.expect("a port");
    axum::serve(listener, router).await.expect("serves");
}
