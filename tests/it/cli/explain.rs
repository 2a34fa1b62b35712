//! `splitdeck explain`.

use serde_json::json;

use crate::support::server::TestServer;

use super::on;

#[tokio::test]
async fn each_step_and_the_same_answer_as_assign() {
    let server = TestServer::start().await;
    let experiment = server.active("exp").await;
    let rules = json!({"resourceVersion": experiment["resourceVersion"], "rules": [{"variant": "treatment", "conditions":
        [{"scope": "profile", "field": "country", "operator": "is", "value": "TH"}]}]});
    server.put("/experiments/exp/rules", &rules).await.expect(200);

    let text = on(
        &server,
        &["explain", "exp", "--user", "alice", "--set", "profile.country=DE"],
    )
    .await
    .ok();
    assert!(text.contains("override    user:alice: none\n"), "{text}");
    assert!(text.contains("profile.country is TH: \"DE\", fails\n"), "{text}");
    assert!(text.contains("allocation  exp/alice → hash "), "{text}");

    let json = on(
        &server,
        &[
            "explain",
            "EXP",
            "--user",
            "alice",
            "--set",
            "profile.country=TH",
            "--json",
        ],
    )
    .await
    .json();
    let asked = json!({"experimentId": "exp", "user_id": "alice", "user_properties": {"country": "TH"}});
    let assigned = server.post("/experiments/assign", &asked).await.expect(200);
    assert_eq!(json["assignment"], assigned);
    assert_eq!(
        (&assigned["reason"], &assigned["variantId"]),
        (&json!("rule"), &json!("treatment"))
    );
}

#[tokio::test]
async fn somebody_must_be_named() {
    let server = TestServer::start().await;
    let message = on(&server, &["explain", "exp"]).await.failed(2);
    assert!(message.contains("--user"), "{message}");
    let message = on(&server, &["explain", "nowhere", "--user", "u"])
        .await
        .failed(1);
    assert!(message.contains("nowhere"), "{message}");
}
