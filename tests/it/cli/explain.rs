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
async fn a_flag_says_that_it_is_switched_off() {
    let server = TestServer::start().await;
    on(&server, &["flags", "create", "dark", "--rollout", "100"])
        .await
        .ok();
    let ask = ["explain", "--flag", "dark", "--user", "alice"];
    assert_eq!(
        on(&server, &ask).await.ok(),
        "off (flag_disabled)\n\n\
         flag     switched off: nobody gets it, whatever its overrides and rules say\n\
         default  off\n"
    );
    on(&server, &["flags", "enable", "dark"]).await.ok();
    let text = on(&server, &ask).await.ok();
    assert!(text.starts_with("on (allocation, cohort "), "{text}");
    assert!(text.contains("flag        switched on: go on\n"), "{text}");
    // The key of a flag is none of an experiment.
    let message = on(&server, &["explain", "dark", "--user", "alice"])
        .await
        .failed(1);
    assert!(message.contains("no experiment `dark`"), "{message}");
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
