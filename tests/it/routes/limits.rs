//! How many requests a token may send.

use reqwest::Method;
use serde_json::json;

use crate::support::server::{ADMIN, Answer, EDITOR, TestServer, send};

const EVENT: &str = r#"{"name": "seen", "profileId": "alice"}"#;

/// Sends ten requests of a kind, faster than a bucket of two a second fills.
async fn ten(server: &TestServer, path: &str, token: &str, body: &str) -> Vec<Answer> {
    let request = || {
        let request = server.request(Method::POST, path, token).body(body.to_owned());
        send(request.header("content-type", "application/json"))
    };
    futures_util::future::join_all((0..10).map(|_| request())).await
}

fn refused(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 429).count()
}

#[tokio::test]
async fn each_token_may_send_so_much_of_each_kind() {
    let server = TestServer::start_with(|options| {
        options.assign_per_second = 2;
        options.track_per_second = 2;
    })
    .await;
    let assign = json!({"experimentId": "none", "user_id": "alice"}).to_string();
    let answers = ten(&server, "/experiments/assign", EDITOR, &assign).await;
    assert!((1..=8).contains(&refused(&answers)), "{answers:?}");
    let late = answers.into_iter().find(|answer| answer.status == 429);
    let late = late.expect("one of them");
    assert_eq!(late.header("retry-after"), "1");
    let detail = late.problem(429, "rate_limited")["detail"].to_string();
    assert!(
        detail.contains("more than 2 requests for variants a second"),
        "{detail}"
    );

    // Another kind and another token have buckets of their own.
    let first = server.request(Method::POST, "/track", EDITOR).body(EVENT);
    assert_eq!(
        send(first.header("content-type", "application/json"))
            .await
            .status,
        200
    );
    let other = server
        .request(Method::POST, "/experiments/assign", ADMIN)
        .body(assign);
    assert_eq!(
        send(other.header("content-type", "application/json"))
            .await
            .status,
        404
    );

    let answers = ten(&server, "/track", ADMIN, EVENT).await;
    assert!((1..=8).contains(&refused(&answers)), "{answers:?}");
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(
        taken + refused(&answers),
        10,
        "what is not refused is taken: {answers:?}"
    );

    // Configuration has no limit.
    for _ in 0..10 {
        assert_eq!(send(server.request(Method::GET, "/me", EDITOR)).await.status, 200);
    }
}

#[tokio::test]
async fn an_evaluation_that_brings_exposures_is_one_of_each_kind() {
    let path = "/sdk/v2/vardata?user_id=alice";
    for (assign, track, of_assign, of_track) in [(2, 0, true, true), (0, 2, false, true)] {
        let server = TestServer::start_with(|options| {
            options.assign_per_second = assign;
            options.track_per_second = track;
        })
        .await;
        server.active("x").await;
        for (exposes, limited) in [(false, of_assign), (true, of_track)] {
            let token = if exposes { EDITOR } else { ADMIN };
            let request = || {
                let request = server.request(Method::GET, path, token);
                let exposes = if exposes { "track" } else { "no-track" };
                send(request.header("x-amp-exp-exposure-track", exposes))
            };
            let answers = futures_util::future::join_all((0..10).map(|_| request())).await;
            let refused = refused(&answers);
            let taken = answers.iter().filter(|answer| answer.status == 200).count();
            assert_eq!(refused > 0, limited, "{assign} {track} {exposes}: {answers:?}");
            assert!(taken > 0 && taken + refused == 10, "{answers:?}");
            let Some(late) = answers.into_iter().find(|answer| answer.status == 429) else {
                continue;
            };
            assert_eq!(late.header("retry-after"), "1");
            let what = if assign > 0 { "for variants" } else { "with events" };
            let problem = late.problem(429, "rate_limited");
            let detail = problem["detail"].as_str().expect("a text");
            assert!(
                detail.contains(&format!("more than 2 requests {what} a second")),
                "{detail}"
            );
        }
    }
}

#[tokio::test]
async fn without_limits_nothing_is_refused() {
    let server = TestServer::start().await;
    let answers = ten(&server, "/track", EDITOR, EVENT).await;
    assert_eq!(refused(&answers), 0, "{answers:?}");
}
