//! What no client of a registry sends, and anybody may: other forms of the same, faults, too much.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

use super::world;
use crate::support::server::{Answer, TestServer, VIEWER, send};
use crate::support::store::each_store;

async fn events(server: &TestServer, path: &str, body: Vec<u8>, header: (&str, &str)) -> Answer {
    send(
        server
            .anonymous(Method::POST, path)
            .header(header.0, header.1)
            .body(body),
    )
    .await
}

const PLAIN: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn amplitudes_events_are_taken_in_every_form_and_refused_in_theirs() {
    let server = TestServer::start().await;
    let deployment = world::deployment(&server, "backend", "server").await;
    let body = json!({"api_key": deployment.key, "events": [{"event_type": "view", "user_id": "u1"}]});
    let body = body.to_string();
    let taken = events(&server, "/2/httpapi", body.clone().into_bytes(), PLAIN)
        .await
        .expect(200);
    assert_eq!(
        (&taken["code"], &taken["events_ingested"]),
        (&json!(200), &json!(1))
    );
    assert_eq!(taken["payload_size_bytes"], body.len());
    assert!(taken["server_upload_time"].is_number());
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body.as_bytes()).expect("packs");
    let packed = packed.finish().expect("packs");
    events(&server, "/batch", packed, ("content-encoding", "gzip"))
        .await
        .expect(200);
    let form = format!(
        "api_key={}&event=%7B%22event_type%22%3A%22view%22%2C%22user_id%22%3A%22u%22%7D",
        deployment.key
    );
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    events(&server, "/2/httpapi", form.into_bytes(), form_type)
        .await
        .expect(200);

    let refused = |body: Value| {
        let server = &server;
        async move {
            let answer = events(server, "/2/httpapi", body.to_string().into_bytes(), PLAIN).await;
            assert_eq!(answer.header("content-type"), "application/json");
            answer.expect(400)
        }
    };
    let wrong_key =
        refused(json!({"api_key": "nobody", "events": [{"event_type": "v", "user_id": "u"}]})).await;
    assert!(
        wrong_key["error"]
            .as_str()
            .is_some_and(|e| e.starts_with("Invalid API key:"))
    );
    let viewer = refused(json!({"api_key": VIEWER, "events": [{"event_type": "v", "user_id": "u"}]})).await;
    assert!(
        viewer["error"].as_str().is_some_and(|e| e.contains("editor")),
        "{viewer}"
    );
    let half = r#"{"event_type": "view", "user_id": "u", "event_properties": {"title": "cut \ud83d"}}"#;
    let body = format!(
        "{}{{\"api_key\": \"{}\", \"events\": [{half}]}}",
        "\u{feff}", deployment.key
    );
    let taken = events(&server, "/2/httpapi", body.into_bytes(), PLAIN).await;
    assert_eq!(taken.expect(200)["events_ingested"], 1);
    let missing = refused(json!({"events": []})).await;
    assert_eq!(missing["missing_field"], "events");
    let faulty = refused(json!({"api_key": deployment.key, "events": [
        {"event_type": "v", "user_id": "u"}, {"event_type": "v"}, {"event_type": "v", "user_id": "u", "time": "x"},
    ]}))
    .await;
    assert_eq!(faulty["events_with_missing_fields"], json!({"user_id": [1]}));
    assert_eq!(faulty["events_with_invalid_fields"], json!({"time": [2]}));
    assert_eq!(faulty["code"], 400);
}

#[tokio::test]
async fn too_many_events_are_refused_in_amplitudes_form() {
    let server = TestServer::start_with(|options| options.track_per_second = 1).await;
    let deployment = world::deployment(&server, "backend", "server").await;
    let event = json!({"event_type": "view", "user_id": "u1"});
    let body = json!({"api_key": deployment.key, "events": [event, event]}).to_string();
    let all = (0..20).map(|_| events(&server, "/2/httpapi", body.clone().into_bytes(), PLAIN));
    let answers = futures_util::future::join_all(all).await;
    let refused = answers
        .into_iter()
        .find(|answer| answer.status == 429)
        .expect("one of them");
    assert_eq!(refused.header("retry-after"), "1");
    let refused = refused.expect(429);
    // What is named is kept by the clients and sent later; the rest they would send at once.
    assert_eq!(
        (&refused["code"], &refused["throttled_events"]),
        (&json!(429), &json!([0, 1]))
    );
}

each_store!(remote_evaluation_takes_the_user_wherever_it_is);
async fn remote_evaluation_takes_the_user_wherever_it_is() {
    let server = TestServer::start().await;
    let deployment = world::deployment(&server, "backend", "server").await;
    let rule = json!({"rules": [{"variant": "treatment", "conditions": [
        {"scope": "profile", "field": "country", "operator": "is", "value": "TH"},
    ]}]});
    world::experiment(&server, &deployment, "one", rule).await;
    world::flag(&server, &deployment, "two", json!({})).await;
    let key = deployment.key.as_str();
    let get = |path: String| send(server.request(Method::GET, &path, key));
    let context = "%7B%22user_properties%22%3A%7B%22country%22%3A%22TH%22%7D%7D";
    let all = get(format!("/v1/vardata?user_id=u1&context={context}"))
        .await
        .expect(200);
    assert_eq!(all["one"]["key"], "treatment");
    assert_eq!(all["one"]["value"], "treatment");
    assert_eq!(
        all["one"]["metadata"]["segmentName"].as_str().map(|s| &s[..5]),
        Some("rule ")
    );
    assert_eq!(all["two"]["key"], "on");
    let one = get("/v1/vardata?device_id=d1&flag_key=two".to_owned())
        .await
        .expect(200);
    assert_eq!(one.as_object().map(serde_json::Map::len), Some(1));
    let some = get("/sdk/v2/vardata?user_id=u1&flag_keys=one,nobody".to_owned())
        .await
        .expect(200);
    assert_eq!(
        some.as_object().map(|o| o.keys().collect::<Vec<_>>()),
        Some(vec![&"one".to_owned()])
    );
    // Clients from before v2 know from what is not there that code is left with its own fallback.
    let unassigned = json!({"enabled": false});
    world::flag(&server, &deployment, "three", unassigned).await;
    let former = get("/sdk/vardata?user_id=u1&flag_keys=two,three".to_owned())
        .await
        .expect(200);
    assert_eq!(former["two"]["key"], "on");
    assert_eq!(former.as_object().map(serde_json::Map::len), Some(1), "{former}");
    let now = get("/sdk/v2/vardata?user_id=u1&flag_keys=two,three".to_owned())
        .await
        .expect(200);
    assert_eq!(now.as_object().map(serde_json::Map::len), Some(2), "{now}");
    // Where the client looks for it.
    let shouted = get("/sdk/v2/vardata?user_id=u1&flag_keys=ONE,two,one".to_owned())
        .await
        .expect(200);
    assert_eq!(
        shouted.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()),
        Some(["ONE", "one", "two"].map(str::to_owned).to_vec())
    );
    // Base64 of either alphabet: {"user_id":"u1","country":"TH"}
    let user = "eyJ1c2VyX2lkIjoidTEiLCJjb3VudHJ5IjoiVEgifQ";
    for sent in [user.to_owned(), format!("{user}==")] {
        let request = server.request(Method::GET, "/sdk/v2/vardata", key);
        let answer = send(request.header("x-amp-exp-user", sent)).await.expect(200);
        assert_eq!(answer["one"]["key"], "treatment");
    }
    for body in [
        json!({"user_id": "u1", "country": "TH"}).to_string(),
        // A name that JavaScript cut in the middle of an emoji.
        "\u{feff}{\"user_id\": \"u1\", \"country\": \"TH\", \"city\": \"Zo\\ud83d\"}".to_owned(),
        user.to_owned(),
    ] {
        let request = server
            .request(Method::POST, "/sdk/v2/vardata?v=0", key)
            .body(body);
        assert_eq!(send(request).await.expect(200)["one"]["key"], "treatment");
    }
    for path in [
        "/sdk/v2/vardata",
        "/v1/vardata?user_id=",
        "/v1/vardata?flag_key=one",
    ] {
        assert_eq!(
            get(path.to_owned()).await.refused(400, "invalid"),
            ["user_id"],
            "{path}"
        );
    }
    let request = server.request(Method::GET, "/sdk/v2/vardata?user_id=u", key);
    let answer = send(request.header("x-amp-exp-flag-keys", "no list")).await;
    assert_eq!(answer.refused(400, "invalid"), ["x-amp-exp-flag-keys"]);
}

each_store!(what_cannot_be_evaluated_locally_says_why);
async fn what_cannot_be_evaluated_locally_says_why() {
    let server = TestServer::start().await;
    let deployment = world::deployment(&server, "backend", "server").await;
    world::experiment(&server, &deployment, "fine", json!({})).await;
    world::experiment(
        &server,
        &deployment,
        "visits",
        json!({"assignmentMode": "session"}),
    )
    .await;
    let rules = json!({"rules": [
        {"variant": "treatment", "conditions": [
            {"scope": "event", "field": "name", "operator": "is", "value": "x"},
        ]},
        {"variant": "treatment", "conditions": [
            {"scope": "profile", "field": "vip", "operator": "is", "value": "TRUE"},
        ]},
    ]});
    world::experiment(&server, &deployment, "rules", rules).await;
    world::flag(&server, &deployment, "remote", json!({})).await;
    world::flag(&server, &deployment, "local", json!({"evaluationMode": "local"})).await;
    let key = deployment.key.as_str();
    let all = send(server.request(Method::GET, "/sdk/v2/flags", key)).await;
    assert_eq!(all.header("x-splitdeck-left-out"), "rules,visits");
    let keys: Vec<Value> = all
        .expect(200)
        .as_array()
        .expect("flags")
        .iter()
        .map(|flag| flag["key"].clone())
        .collect();
    assert_eq!(keys, ["fine", "local"]);
    let one = |flag: &str| send(server.request(Method::GET, &format!("/sdk/v2/flags/{flag}"), key));
    assert_eq!(one("fine").await.expect(200)["key"], "fine");
    for (flag, words) in [
        ("visits", &["session"][..]),
        ("rules", &["event.name", "TRUE"]),
        ("remote", &["evaluationMode"]),
    ] {
        let problem = one(flag).await.problem(409, "not_exportable");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
    }
    one("nobody").await.problem(404, "not_found");
    // A flag that says that it is evaluated locally has to be able to.
    let rule = json!([{"variant": "on", "conditions": [
        {"scope": "session", "field": "page", "operator": "is", "value": "/"},
    ]}]);
    let body = json!({"key": "pages", "evaluationMode": "local", "rules": rule});
    let refused = server.post("/flags", &body).await;
    assert_eq!(refused.refused(400, "invalid"), ["evaluationMode"]);
    let flag = server.get("/flags/local").await.expect(200);
    let body = json!({"resourceVersion": flag["resourceVersion"], "rules": rule});
    let refused = server.patch("/flags/local", &body).await;
    assert_eq!(refused.refused(400, "invalid"), ["evaluationMode"]);
}

/// The key of a client deployment stands in web pages.
#[tokio::test]
async fn a_public_key_is_not_told_rules_and_ids_of_people() {
    let server = TestServer::start().await;
    let client = world::deployment(&server, "web", "client").await;
    let rules = json!({"rules": [{"variant": "treatment", "conditions": [
        {"scope": "profile", "field": "email", "operator": "is", "value": "boss@example.com"}]}]});
    world::experiment(&server, &client, "secret", rules).await;
    world::flag(&server, &client, "local", json!({"evaluationMode": "local"})).await;
    world::flag(&server, &client, "forced", json!({"evaluationMode": "local"})).await;
    let forced = json!({"variant": "on", "subjectType": "user", "subjectIds": ["alice@example.com"]});
    server.put("/flags/forced/overrides", &forced).await.expect(200);
    let ask = |path: &str| send(server.request(Method::GET, path, &client.key));
    let all = ask("/sdk/v2/flags").await;
    assert_eq!(all.header("x-splitdeck-left-out"), "forced,secret");
    let all = all.expect(200);
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
    assert!(!all.to_string().contains("example.com"), "{all}");
    for key in ["secret", "forced"] {
        let problem = ask(&format!("/sdk/v2/flags/{key}"))
            .await
            .problem(409, "not_exportable");
        assert!(
            problem["detail"]
                .as_str()
                .expect("a text")
                .contains("server deployment"),
            "{problem}"
        );
        assert!(!problem.to_string().contains("example.com"), "{problem}");
    }
    // They are decided all the same.
    let decided = ask("/sdk/v2/vardata?user_id=alice@example.com").await.expect(200);
    assert_eq!(decided["forced"]["key"], "on");
    assert!(decided["secret"]["key"].is_string(), "{decided}");
}

#[tokio::test]
async fn a_number_that_is_none_costs_no_event() {
    let server = TestServer::start().await;
    let deployment = world::deployment(&server, "backend", "server").await;
    let key = deployment.key.as_str();
    world::flag(&server, &deployment, "two", json!({})).await;
    let theirs = format!(
        r#"{{"api_key": "{key}", "events": [
            {{"event_type": "buy", "user_id": "u", "event_properties": {{"price": NaN, "says": "NaN"}}}},
            {{"event_type": "buy", "user_id": "u", "event_properties": {{"list": [1, -Infinity]}}}}]}}"#
    );
    let ours = r#"[{"name": "buy", "profileId": "u", "properties": {"price": Infinity}}]"#;
    let user = r#"{"user_id": "u", "user_properties": {"score": NaN}}"#;
    for (path, body) in [
        ("/2/httpapi", theirs.as_str()),
        ("/batch", &theirs),
        ("/track", ours),
        ("/sdk/v2/vardata", user),
    ] {
        let request = server.request(Method::POST, path, key).body(body.to_owned());
        send(request.header("content-type", "application/json"))
            .await
            .expect(200);
    }
}
