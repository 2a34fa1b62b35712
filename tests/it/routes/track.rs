//! `POST /track`. ClickHouse is nowhere in these tests: events are taken without it.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};
use splitdeck::api::track::MAX_EVENTS_PER_REQUEST;

use crate::support::server::{ADMIN, TestServer, send};
use crate::support::store::each_store;

async fn spooled(server: &TestServer) -> u64 {
    let ready = send(server.anonymous(Method::GET, "/readyz")).await.expect(200);
    ready["spooledEvents"].as_u64().expect("a count")
}

each_store!(one_event_a_list_and_envelopes_are_taken);
async fn one_event_a_list_and_envelopes_are_taken() {
    let server = TestServer::start().await;
    let event = json!({"name": "view", "profileId": "p", "deviceId": "d", "sessionId": "s"});
    let one = server.post("/track", &event).await.expect(200);
    assert_eq!(one, json!({"accepted": 1, "deviceId": "d", "sessionId": "s"}));
    let list = json!([event, {"type": "track", "payload": event}, {"name": "x", "timestamp": 1_768_435_200_000_i64}]);
    let several = server.post("/track", &list).await.expect(200);
    assert_eq!(several["accepted"], 3);
    let none = server.post("/track", &json!([])).await.expect(200);
    assert_eq!(none, json!({"accepted": 0}));
    assert_eq!(spooled(&server).await, 4);
}

each_store!(a_body_is_taken_gzipped_with_a_mark_and_with_half_of_an_emoji);
async fn a_body_is_taken_gzipped_with_a_mark_and_with_half_of_an_emoji() {
    let server = TestServer::start().await;
    let post = |body: Vec<u8>, encoding: &'static str| {
        let request = server.request(Method::POST, "/track", ADMIN);
        send(request.header("content-encoding", encoding).body(body))
    };
    let body =
        "\u{feff}[{\"name\": \"view\", \"properties\": {\"title\": \"cut \\ud83d\"}}, {\"name\": \"buy\"}]";
    let plain = post(body.into(), "identity").await.expect(200);
    assert_eq!(plain["accepted"], 2);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body.as_bytes()).expect("packs");
    let packed = packed.finish().expect("packs");
    let unpacked = post(packed.clone(), "gzip").await.expect(200);
    assert_eq!(unpacked["accepted"], 2);
    assert_eq!(spooled(&server).await, 4);
    for (body, encoding) in [(b"[]".to_vec(), "gzip"), (packed, "br")] {
        let refused = post(body, encoding).await;
        refused.problem(400, "malformed");
    }
}

each_store!(an_anonymous_client_gets_ids_to_send_from_now_on);
async fn an_anonymous_client_gets_ids_to_send_from_now_on() {
    let server = TestServer::start().await;
    let answer = server.post("/track", &json!({"name": "view"})).await.expect(200);
    let (device, session) = (&answer["deviceId"], &answer["sessionId"]);
    assert!(
        device.is_string() && session.is_string() && device != session,
        "{answer}"
    );
    let next = json!({"name": "view", "deviceId": device, "sessionId": session});
    let again = server.post("/track", &next).await.expect(200);
    assert_eq!((&again["deviceId"], &again["sessionId"]), (device, session));
}

each_store!(a_time_that_cannot_be_is_told);
async fn a_time_that_cannot_be_is_told() {
    let server = TestServer::start().await;
    let now = jiff::Timestamp::now().as_second();
    let body = json!([{ "name": "a", "timestamp": now }, { "name": "a", "timestamp": "1970-01-21T00:00:00Z" },
        { "name": "a", "timestamp": now * 1000 }]);
    let answer = server.post("/track", &body).await.expect(200);
    assert_eq!(
        (&answer["accepted"], &answer["timestampsReplaced"]),
        (&json!(3), &json!(2))
    );
    let answer = server.post("/track", &json!({ "name": "a" })).await.expect(200);
    assert!(answer["timestampsReplaced"].is_null(), "{answer}");
    // One that no calendar has keeps nothing from the others, however it is sent; one that is too exact is none of them.
    let exact = format!(
        "{}.12345678901234567890+00:00",
        &jiff::Timestamp::now().to_string()[..19]
    );
    let sound = json!({ "name": "a", "timestamp": exact });
    let far = [
        "+275760-09-13T00:00:00.000Z",
        "2026-02-30T10:00:00Z",
        "9999-12-31T23:59:60.999999Z",
    ];
    for impossible in far
        .map(Value::from)
        .into_iter()
        .chain([json!(1e30), json!(u64::MAX)])
    {
        let wrapped = json!({ "type": "track", "payload": { "name": "b",
            "properties": { "__timestamp": impossible.as_str().unwrap_or("-271821-04-20T00:00:00Z") } } });
        let body = json!([sound, { "name": "a", "timestamp": impossible }, wrapped]);
        let answer = server.post("/track", &body).await.expect(200);
        assert_eq!(
            (&answer["accepted"], &answer["timestampsReplaced"]),
            (&json!(3), &json!(2)),
            "{impossible}"
        );
        let body = json!({ "api_key": ADMIN, "events": [
            { "event_type": "a", "user_id": "someone", "time": impossible }, { "event_type": "a", "user_id": "someone" } ] });
        let taken = server.post("/2/httpapi", &body).await.expect(200);
        assert_eq!(taken["events_ingested"], 2, "{impossible}");
    }
    // What is no time at all is refused, as anywhere.
    for wrong in [
        json!("yesterday"),
        json!("2026-01-01"),
        json!("T-Z"),
        json!(1.5),
        json!(true),
    ] {
        let refused = server
            .post("/track", &json!({ "name": "a", "timestamp": wrong }))
            .await;
        assert_eq!(refused.refused(400, "invalid"), ["timestamp"], "{wrong}");
    }
}

each_store!(visitors_are_told_apart_by_their_address);
async fn visitors_are_told_apart_by_their_address() {
    let server = TestServer::start().await;
    let device = |from: Option<(&'static str, &'static str)>| {
        let mut request = server.request(Method::POST, "/track", ADMIN);
        request = request
            .header("openpanel-client-id", "web")
            .header("user-agent", "Mozilla/5.0");
        if let Some((name, address)) = from {
            request = request.header(name, address);
        }
        async move { send(request.body("{\"name\": \"view\"}")).await.expect(200)["deviceId"].clone() }
    };
    let here = device(None).await;
    assert_eq!(here, device(None).await);
    assert_eq!(here, device(Some(("openpanel-client-ip", "127.0.0.1"))).await);
    let there = device(Some(("openpanel-client-ip", "192.0.2.7"))).await;
    assert_eq!(
        there,
        device(Some(("x-forwarded-for", "192.0.2.7, 127.0.0.1"))).await
    );
    assert_ne!(here, there);
}

each_store!(a_refusal_names_the_event_and_takes_none);
async fn a_refusal_names_the_event_and_takes_none() {
    let server = TestServer::start().await;
    let good = json!({"name": "view"});
    for (body, code, fields) in [
        (
            json!([good, {"name": ""}, {"profileId": 7}]),
            "invalid",
            vec!["[1].name", "[2].name", "[2].profileId"],
        ),
        (json!({"type": "replay", "payload": {}}), "invalid", vec!["type"]),
        (
            json!({"type": "identify", "payload": {}}),
            "invalid",
            vec!["payload.profileId"],
        ),
        (
            json!([good, {"type": "track", "payload": {"name": 1}}]),
            "invalid",
            vec!["[1].payload.name"],
        ),
        (
            json!(vec![&good; MAX_EVENTS_PER_REQUEST + 1]),
            "invalid",
            vec!["events"],
        ),
    ] {
        assert_eq!(server.post("/track", &body).await.refused(400, code), fields);
    }
    for body in ["", "{", "[1,", "\u{0}"] {
        let request = server.request(Method::POST, "/track", ADMIN).body(body);
        send(request).await.problem(400, "malformed");
    }
    let huge = format!("[{}]", "{\"name\":\"x\"},".repeat(1_400_000));
    let request = server.request(Method::POST, "/track", ADMIN).body(huge);
    send(request).await.problem(413, "too_large");
    assert_eq!(
        spooled(&server).await,
        0,
        "nothing of a refused request is stored"
    );
}

each_store!(attributions_that_count_for_none_are_told);
async fn attributions_that_count_for_none_are_told() {
    let server = TestServer::start().await;
    let experiment = server.active("checkout").await;
    let event = |id: &Value, variant: &str| json!({"name": "buy", "profileId": "p", "properties": {"__experimentId": id, "__variantId": variant}});
    let good = json!([
        event(&experiment["id"], "control"),
        event(&json!("CHECKOUT"), "Treatment")
    ]);
    let answer = server.post("/track", &good).await.expect(200);
    assert_eq!(answer, json!({"accepted": 2}));
    let bad = json!([
        event(&json!("gone"), "control"),
        event(&experiment["id"], "purple")
    ]);
    let answer = server.post("/track", &bad).await.expect(200);
    let left_out = json!({"unknownExperiment": 1, "unknownVariant": 1, "withoutSubject": 0, "contradictory": 0,
                          "incomplete": 0});
    assert_eq!(answer, json!({"accepted": 2, "unattributed": left_out}));
}

each_store!(a_full_spool_is_503_with_retry_after_and_drops_nothing);
async fn a_full_spool_is_503_with_retry_after_and_drops_nothing() {
    let server = TestServer::start_with(|options| options.max_spool_bytes = 20_000).await;
    let events = json!(vec![json!({"name": "view", "profileId": "p"}); 20]);
    let mut accepted = 0;
    let refused = loop {
        let answer = server.post("/track", &events).await;
        if answer.status != 200 {
            break answer;
        }
        accepted += 20;
        assert!(accepted < 10_000, "never full");
    };
    assert_eq!(refused.header("retry-after"), "5");
    refused.problem(503, "spool_full");
    let ready = send(server.anonymous(Method::GET, "/readyz")).await;
    assert!(accepted > 0);
    assert_eq!(
        ready.body["spooledEvents"], accepted,
        "all or none of a request is stored"
    );
    let larger = json!(vec![json!({"name": "view", "profileId": "p".repeat(500)}); 100]);
    server.post("/track", &larger).await.problem(413, "too_large");
    // Smaller requests still find room.
    server.post("/track", &json!({"name": "view"})).await.expect(200);
}

each_store!(what_was_taken_is_there_after_a_restart);
async fn what_was_taken_is_there_after_a_restart() {
    let server = TestServer::start().await;
    server
        .post("/track", &json!(vec![json!({"name": "view"}); 7]))
        .await
        .expect(200);
    let dir = server.stop().await;
    let again = TestServer::start_in(Arc::clone(&dir), |_| {}).await;
    assert_eq!(spooled(&again).await, 7);
}

each_store!(a_visit_that_no_client_names_outlasts_a_restart);
async fn a_visit_that_no_client_names_outlasts_a_restart() {
    let server = TestServer::start().await;
    let app = json!({ "name": "app", "kind": "server" });
    let app = server.post("/deployments", &app).await.expect(201);
    let text = |name: &str| app[name].as_str().expect("a text").to_owned();
    let (client, secret) = (text("id"), text("key"));
    let began = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(200);
    let at = async |server: &TestServer, minutes: i64| {
        let time = began + jiff::SignedDuration::from_mins(minutes);
        let event = json!({ "type": "track", "payload": { "name": "view", "profileId": "ada", "properties": {
            "__timestamp": time.to_string() } } });
        let request = server
            .anonymous(Method::POST, "/track")
            .header("openpanel-client-id", &client)
            .header("openpanel-client-secret", &secret)
            .json(&event);
        let answer = send(request).await.expect(200);
        (answer["deviceId"].clone(), answer["sessionId"].clone())
    };
    let first = at(&server, 0).await;
    assert_eq!(at(&server, 25).await, first);
    assert_eq!(at(&server, 50).await, first, "it goes on with every event");
    let dir = server.stop().await;
    let server = TestServer::start_in(dir, |_| {}).await;
    assert_eq!(at(&server, 75).await, first);
    let next = at(&server, 106).await;
    assert_eq!(next.0, first.0);
    assert_ne!(next.1, first.1, "31 minutes after the last one");
    assert_eq!(at(&server, 110).await, next);
}

each_store!(a_packed_body_holds_no_more_than_a_plain_one_may);
async fn a_packed_body_holds_no_more_than_a_plain_one_may() {
    let server = TestServer::start().await;
    let packed = |size: usize| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&vec![b' '; size]).expect("packs");
        packed.write_all(b"[]").expect("packs");
        packed.finish().expect("packs")
    };
    let post = |path: &'static str, size| {
        let request = server.request(Method::POST, path, ADMIN);
        send(request.header("content-encoding", "gzip").body(packed(size)))
    };
    for (path, limit) in [
        ("/experiments/assign", 1 << 20),
        ("/ofrep/v1/evaluate/flags", 1 << 20),
        ("/sdk/v2/vardata", 1 << 20),
        ("/track", 16 << 20),
    ] {
        let problem = post(path, limit).await.problem(413, "too_large");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(
            detail.contains(&format!("{limit} bytes")) && detail.contains("unpacked"),
            "{path}: {detail}"
        );
        // As large as it may be.
        assert_ne!(post(path, limit - 2).await.status, 413, "{path}");
    }
    for path in ["/2/httpapi", "/batch"] {
        let refused = post(path, 16 << 20).await;
        assert_eq!(refused.status, 413, "{path}");
        assert!(
            refused.body.to_string().contains("16777216 bytes"),
            "{:#}",
            refused.body
        );
    }
    let plain = server.request(Method::POST, "/experiments/assign", ADMIN);
    let problem = send(plain.body(vec![b' '; (1 << 20) + 1]))
        .await
        .problem(413, "too_large");
    assert!(
        problem["detail"]
            .as_str()
            .expect("a text")
            .contains("1048576 bytes"),
        "{problem}"
    );
}
