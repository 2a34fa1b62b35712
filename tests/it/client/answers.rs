//! What the client makes of answers, good and bad, and of none at all.

use std::time::Duration;

use serde_json::json;
use splitdeck::api::experiments::HistoryQuery;
use splitdeck::api::problem::{Code, PROBLEM_JSON};
use splitdeck::api::results::{Interval, MultiVariant, ResultsQuery};
use splitdeck::client::{Client, ClientError, Options};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const TOKEN: &str = "s3cret-token";

fn client(base: &str) -> Client {
    Client::new(base, TOKEN, Options::default()).expect("a client")
}

/// A server that answers every request so.
async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

fn problem(status: u16, code: &str, detail: &str) -> ResponseTemplate {
    let body = json!({
        "type": format!("urn:splitdeck:problem:{code}"), "title": "Title", "status": status, "detail": detail,
        "code": code, "errors": [{"field": "variants[1].key", "given": "a b", "allowed": "a key"}],
    });
    ResponseTemplate::new(status).set_body_raw(body.to_string(), PROBLEM_JSON)
}

#[tokio::test]
async fn the_token_and_the_version_go_along() {
    let server = MockServer::start().await;
    let me = json!({
        "actor": "a", "role": "viewer", "version": "1", "demo": true,
        "project": {"id": uuid::Uuid::nil(), "key": "p", "name": "P", "environment": "staging", "protected": false},
    });
    Mock::given(method("GET"))
        .and(path("/behind/a/proxy/me"))
        .and(header("authorization", format!("Bearer {TOKEN}")))
        .and(header(
            "user-agent",
            concat!("splitdeck/", env!("CARGO_PKG_VERSION")),
        ))
        .respond_with(ResponseTemplate::new(200).set_body_json(me))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&format!("{}/behind/a/proxy", server.uri()));
    assert_eq!(client.me().await.expect("answered").actor, "a");
}

#[tokio::test]
async fn a_problem_keeps_its_words_its_code_and_its_fields() {
    let server = server(problem(400, "invalid", "variants[1].key: no")).await;
    let error = client(&server.uri()).experiment("x").await.expect_err("refused");
    assert_eq!(error.code(), Some(Code::Invalid));
    assert_eq!(error.to_string(), "Title: variants[1].key: no");
    assert_eq!(
        error.problem().expect("a problem").errors[0].field,
        "variants[1].key"
    );
    assert_eq!(error.retry_after(), None);
    assert!(!error.is_unreachable());
}

#[tokio::test]
async fn a_full_spool_says_when_to_come_back() {
    let full = problem(503, "spool_full", "full").insert_header("retry-after", "7");
    let server = server(full).await;
    let error = client(&server.uri()).track(&[]).await.expect_err("refused");
    assert_eq!(error.code(), Some(Code::SpoolFull));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn answers_that_are_not_understood_name_the_request() {
    for (answer, expected) in [
        (
            ResponseTemplate::new(200).set_body_string("<html>"),
            "(HTTP 200): expected value",
        ),
        (
            ResponseTemplate::new(200).set_body_json(json!({"entries": 1})),
            "(HTTP 200): invalid type",
        ),
        (ResponseTemplate::new(200), "(HTTP 200): invalid type: null"),
        (
            ResponseTemplate::new(502).set_body_string("Bad gateway"),
            "(HTTP 502): it is not a problem document",
        ),
        (
            ResponseTemplate::new(404),
            "(HTTP 404): it is not a problem document",
        ),
        // A word that this version does not know is still shown.
        (
            problem(418, "teapot", "short and stout"),
            "(HTTP 418): unknown problem \"teapot\": short and stout",
        ),
    ] {
        let server = server(answer).await;
        let (client, query) = (client(&server.uri()), HistoryQuery::default());
        let error = client.history("exp", &query).await.expect_err("not understood");
        assert!(matches!(error, ClientError::BadAnswer { .. }), "{error:?}");
        let words = error.to_string();
        let start = format!(
            "cannot read the answer of {} to GET /experiments/exp/history {expected}",
            server.uri()
        );
        assert!(words.starts_with(&start), "{words}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200))
        .expect(0)
        .mount(&elsewhere)
        .await;
    let server = server(ResponseTemplate::new(307).insert_header("location", elsewhere.uri())).await;
    let error = client(&server.uri()).me().await.expect_err("not followed");
    assert!(
        matches!(error, ClientError::BadAnswer { status: 307, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn nobody_there() {
    // Bound and dropped: nobody listens there now.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = client(&base).me().await.expect_err("nobody there");
    assert!(error.is_unreachable());
    let words = error.to_string();
    assert!(
        words.starts_with(&format!("cannot reach the server at {base}: ")),
        "{words}"
    );
    // What a narrow screen cuts is the end: there stands what matters least.
    assert!(words.ends_with("is that its address? (GET /me)"), "{words}");
    assert!(words.contains("refused"), "{words}");
    assert!(!format!("{error:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_connection_that_breaks_is_nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let hang_up = tokio::spawn(async move {
        // Accepts and hangs up, as often as it is tried.
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let error = client(&base).me().await.expect_err("hung up");
    assert!(error.is_unreachable(), "{error:?}");
    hang_up.abort();
}

#[tokio::test]
async fn a_server_that_is_silent_times_out_and_says_what_is_not_known() {
    let server = server(ResponseTemplate::new(200).set_delay(Duration::from_secs(30))).await;
    let options = Options {
        timeout: Duration::from_millis(50),
        write_timeout: Duration::from_millis(100),
        ..Options::default()
    };
    let client = Client::new(&server.uri(), TOKEN, options).expect("a client");
    let asked = client.me().await.expect_err("too late").to_string();
    assert!(asked.contains("did not answer GET /me in time"), "{asked}");
    assert!(
        !asked.contains("carried out"),
        "nothing was to be changed: {asked}"
    );
    let error = client.track(&[]).await.expect_err("too late");
    assert!(error.is_unreachable());
    let words = error.to_string();
    assert!(words.contains("did not answer POST /track in time"), "{words}");
    assert!(words.contains("may have been carried out"), "{words}");
}

#[tokio::test]
async fn not_ready_is_an_answer() {
    let body = json!({"ready": false, "warehouse": false, "spooledEvents": 3, "spoolBytes": 9, "warehouseError": "gone"});
    let server = server(ResponseTemplate::new(503).set_body_json(body)).await;
    let readiness = client(&server.uri()).readiness().await.expect("an answer");
    assert_eq!((readiness.ready, readiness.spooled_events), (false, 3));
    assert_eq!(readiness.warehouse_error.as_deref(), Some("gone"));
}

#[tokio::test]
async fn not_ready_without_saying_how_is_none() {
    let server = server(problem(500, "internal", "broken")).await;
    let error = client(&server.uri()).readiness().await.expect_err("refused");
    assert_eq!(error.code(), Some(Code::Internal));
}

#[tokio::test]
async fn a_list_of_assignments_may_hold_problems() {
    let assignment = json!({
        "experimentId": uuid::Uuid::nil(), "variantId": "a", "variantName": "A", "payload": null, "reason": "allocation",
        "ruleId": null, "cohort": 1, "attribution": {
            "__experimentId": uuid::Uuid::nil(), "__variantId": "a", "__experimentName": "E", "__variantName": "A",
            "__assignmentReason": "allocation", "__cohort": 1,
        },
    });
    let not_found =
        json!({"type": "t", "title": "Not found", "status": 404, "detail": "no x", "code": "not_found"});
    let server = server(ResponseTemplate::new(200).set_body_json(json!([assignment, not_found]))).await;
    let answers = client(&server.uri()).assign_many(&[]).await.expect("answered");
    assert_eq!(answers[0].as_ref().expect("assigned").variant_id, "a");
    assert_eq!(answers[1].as_ref().expect_err("refused").code, Code::NotFound);
}

#[tokio::test]
async fn results_carry_their_query() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/experiments/a%2Fb/results"))
        .and(query_param("timeZone", "Asia/Bangkok"))
        .and(query_param("start", "2026-01-31"))
        .and(query_param("interval", "day"))
        .and(query_param("multiVariant", "first_seen"))
        .and(|request: &Request| !request.url.query().unwrap_or_default().contains("end="))
        .respond_with(problem(404, "not_found", "no such experiment"))
        .expect(1)
        .mount(&server)
        .await;
    let query = ResultsQuery {
        start: Some(jiff::civil::date(2026, 1, 31)),
        interval: Some(Interval::Day),
        time_zone: "Asia/Bangkok".to_owned(),
        multi_variant: MultiVariant::FirstSeen,
        ..Default::default()
    };
    let error = client(&server.uri())
        .results("a/b", &query)
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some(Code::NotFound), "{error}");
}
