//! `splitdeck experiments`.

use serde_json::json;

use crate::support::server::TestServer;
use crate::support::store::each_store;
use crate::support::warehouse::{measured, observe, server_with_clickhouse};

use super::{on, with_input};

each_store!(a_life_from_the_command_line);
async fn a_life_from_the_command_line() {
    let server = TestServer::start().await;
    let body = json!({"name": "Checkout CTA", "primaryMetric": {"event": "paid"}}).to_string();
    let created = with_input(&server, &["experiments", "create", "--file", "-"], &body)
        .await
        .ok();
    assert_eq!(created, "checkout-cta is draft now (version 1)\n");

    let list = on(&server, &["experiments", "list"]).await.ok();
    let lines: Vec<&str> = list.lines().collect();
    assert!(
        lines[0].starts_with("KEY           STATUS  MODE     SPLIT"),
        "{list}"
    );
    assert!(
        lines[1].starts_with("checkout-cta  draft   profile  control 50 / treatment 50"),
        "{list}"
    );
    let shown = on(&server, &["experiments", "show", "CHECKOUT-cta"]).await.ok();
    assert!(shown.contains("\nprimary  paid\n"), "{shown}");

    let step = async |args: &[&str]| {
        let all = [&["experiments"], args].concat();
        on(&server, &all).await
    };
    let message = step(&["resume", "checkout-cta", "--reason", "why not"])
        .await
        .failed(1);
    assert!(
        message.contains("it is draft, and only a paused one can be"),
        "{message}"
    );
    let active = step(&["activate", "checkout-cta"]).await.ok();
    assert_eq!(active, "checkout-cta is active now (version 2)\n");
    let message = step(&["activate", "checkout-cta"]).await.failed(1);
    assert!(message.contains("it is active"), "{message}");
    step(&["pause", "checkout-cta", "--comment", "lunch"]).await.ok();
    let message = step(&["activate", "checkout-cta"]).await.failed(1);
    assert!(message.contains("`splitdeck experiments resume`"), "{message}");
    step(&["resume", "checkout-cta", "--reason", "lunch is over"])
        .await
        .ok();
    let message = step(&["complete", "checkout-cta", "--winner", "nobody"])
        .await
        .failed(2);
    assert!(message.contains("winningVariant"), "{message}");
    let done = step(&[
        "complete",
        "checkout-cta",
        "--winner",
        "Treatment",
        "--ended-reason",
        "success",
        "--json",
    ]);
    let done = done.await.json();
    assert_eq!(
        (&done["status"], &done["winningVariant"]),
        (&json!("completed"), &json!("treatment"))
    );
    let shown = step(&["show", "checkout-cta"]).await.ok();
    assert!(shown.contains(" completed, winner treatment\n"), "{shown}");
    let message = step(&["pause", "checkout-cta"]).await.failed(1);
    assert!(message.contains("may become ended or archived"), "{message}");
    step(&["end", "checkout-cta"]).await.ok();
    step(&["archive", "checkout-cta"]).await.ok();
    assert!(step(&["list"]).await.ok().starts_with("no experiments"));
    assert!(step(&["list", "--archived"]).await.ok().contains("archived"));

    let history = server.get("/experiments/checkout-cta/history").await.expect(200);
    let comments: Vec<&str> = history["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|entry| entry["comment"].as_str())
        .collect();
    assert_eq!(comments, ["lunch is over", "lunch"]);
}

#[tokio::test]
async fn what_cannot_be_created_says_why() {
    let server = TestServer::start().await;
    let create = async |body: &str| {
        with_input(&server, &["experiments", "create", "--file", "-"], body)
            .await
            .failed(2)
    };
    let message = create(r#"{"name": "X", "varaints": []}"#).await;
    assert!(message.contains("unknown field `varaints`"), "{message}");
    // The file may be somebody else's.
    let message = create("{\"name\": \"X\", \"li\\u001b[31mnks\": 1}").await;
    assert!(
        message.contains("unknown field `li\\u{1b}[31mnks`"),
        "{message:?}"
    );
    assert!(!message.contains('\u{1b}'), "{message:?}");
    assert!(create("{").await.contains("line 1 column 1"));
    let message = create(r#"{"name": "X", "holdoutPct": 30}"#).await;
    assert!(message.contains("holdoutPct: got \"30.00\""), "{message}");
    let missing = on(&server, &["experiments", "create", "--file", "/nonexistent.json"])
        .await
        .failed(1);
    assert!(missing.contains("cannot read /nonexistent.json"), "{missing}");
    let unknown = on(&server, &["experiments", "show", "nowhere"]).await.failed(1);
    assert!(unknown.contains("nowhere"), "{unknown}");
}

#[tokio::test]
async fn json_is_what_the_api_says() {
    let server = TestServer::start().await;
    let draft = server.draft("exp").await;
    let shown = on(&server, &["experiments", "show", "exp", "--json"])
        .await
        .json();
    assert_eq!(shown, draft);
    let list = on(&server, &["experiments", "--json", "list"]).await.json();
    assert_eq!(list["experiments"], json!([draft]));
}

each_store!(a_winner_is_applied_when_the_data_say_so);
async fn a_winner_is_applied_when_the_data_say_so() {
    let server = server_with_clickhouse().await;
    let live = measured(&server, "exp").await;
    let apply = async |winner: &str, more: &[&str]| {
        let args = ["experiments", "apply-winner", "exp", "--winner", winner];
        on(&server, &[&args[..], more].concat()).await
    };
    let early = apply("treatment", &[]).await.failed(1);
    assert!(early.contains("power floor"), "{early}");
    observe(&server, &live, 0, [(300, 20), (300, 120)]).await;
    let other = apply("control", &[]).await.failed(1);
    assert!(other.contains("say treatment"), "{other}");
    let done = apply("TREATMENT", &["--comment", "shipped"]).await.ok();
    assert_eq!(
        done,
        "treatment won exp (P(best) >99.9 %); the flag exp serves it to everybody\n"
    );
    let experiment = server.get("/experiments/exp").await.expect(200);
    assert_eq!(
        (&experiment["status"], &experiment["winningVariant"]),
        (&json!("completed"), &json!("treatment"))
    );
    let flag = server.get("/flags/exp").await.expect(200);
    assert_eq!(
        (&flag["enabled"], &flag["rolloutPct"]),
        (&json!(true), &json!(100.0))
    );
    let ask = json!({ "experimentId": "exp", "user_id": "anybody" });
    let served = server.post("/experiments/assign", &ask).await.expect(200);
    assert_eq!(
        (&served["variantId"], &served["reason"]),
        (&json!("treatment"), &json!("winner"))
    );
    let log = on(&server, &["experiments", "history", "exp"]).await.ok();
    assert!(
        log.contains("experiment.apply_winner") && log.contains("shipped"),
        "{log}"
    );
    let again = apply("treatment", &[]).await.failed(1);
    assert!(again.contains("completed"), "{again}");
}

#[tokio::test]
async fn a_deployment_that_does_not_see_it_is_in_no_snippet() {
    let server = TestServer::start().await;
    server.draft("seen").await;
    let other = json!({ "name": "other", "kind": "client" });
    server.post("/deployments", &other).await.expect(201);
    let ask = |deployment: &'static str| ["experiments", "wiring", "seen", "--deployment", deployment];
    on(&server, &ask("default")).await.ok();
    let message = on(&server, &ask("other")).await.failed(2);
    assert!(
        message.contains("the deployment other does not see seen"),
        "{message}"
    );
}
