//! `POST /experiments/assign`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::{ADMIN, TestServer, VIEWER, fields, send};
use crate::support::store::each_store;

each_store!(one_answer_is_complete);
async fn one_answer_is_complete() {
    let server = TestServer::start().await;
    let variants = json!([{ "key": "control", "name": "Blue", "payload": { "color": "blue" }, "isControl": true, "trafficPct": 100 },
                          { "key": "treatment", "orderIndex": 1 }]);
    let draft = server
        .post(
            "/experiments",
            &json!({ "name": "The CTA", "key": "cta", "variants": variants }),
        )
        .await
        .expect(201);
    server.to(&draft, "active").await;
    let attribution = json!({ "__experimentId": draft["id"], "__variantId": "control", "__experimentName": "The CTA",
                              "__variantName": "Blue", "__assignmentReason": "allocation", "__cohort": 1 });
    let expected = json!({ "experimentId": draft["id"], "variantId": "control", "variantName": "Blue",
                           "payload": { "color": "blue" }, "reason": "allocation", "ruleId": null, "cohort": 1,
                           "attribution": attribution });
    for body in [
        json!({ "experimentId": draft["id"], "user_id": "u" }),
        json!({ "experimentId": "CTA", "userId": "u" }),
        json!({ "experimentKey": "cta", "user": { "user_id": "u" } }),
        json!({ "experimentId": "cta", "device_id": "d" }),
    ] {
        let request = server
            .request(Method::POST, "/experiments/assign", VIEWER)
            .json(&body);
        assert_eq!(send(request).await.expect(200), expected, "{body}");
    }
}

each_store!(a_subject_keeps_its_variant_and_the_split_holds);
async fn a_subject_keeps_its_variant_and_the_split_holds() {
    let server = TestServer::start().await;
    server.active("x").await;
    let asks: Vec<Value> = (0..1000)
        .map(|n| json!({ "experimentId": "x", "user_id": format!("u{n}") }))
        .collect();
    let once = server.post("/experiments/assign", &json!(asks)).await.expect(200);
    assert_eq!(
        server.post("/experiments/assign", &json!(asks)).await.expect(200),
        once
    );
    let answers = once.as_array().expect("answers");
    let treated = answers.iter().filter(|a| a["variantId"] == "treatment").count();
    assert!((430..570).contains(&treated), "{treated} of 1,000");
    // One by one, over the typed client, it is the same.
    let client = server.client();
    for n in [0, 500, 999] {
        let request: splitdeck::api::assign::AssignRequest =
            serde_json::from_value(asks[n].clone()).expect("reads");
        let one = client.assign(&request).await.expect("assigned");
        assert_eq!(serde_json::to_value(one).expect("writes"), answers[n]);
    }
}

each_store!(a_list_is_answered_in_its_order_with_problems_in_their_place);
async fn a_list_is_answered_in_its_order_with_problems_in_their_place() {
    let server = TestServer::start().await;
    server.active("x").await;
    let asks = json!([
        { "experimentId": "x", "user_id": "u" },
        { "experimentId": "missing", "user_id": "u" },
        { "experimentId": "x" },
        { "user_id": "u" },
        { "experimentId": "x", "user_id": 7 },
        { "experimentId": "x", "user": { "device_id": ["d"] } },
        "nonsense",
        { "experimentId": "X", "session": { "a": 1 }, "device_id": "d" },
    ]);
    let answers = server.post("/experiments/assign", &asks).await.expect(200);
    let codes: Vec<&Value> = answers
        .as_array()
        .expect("answers")
        .iter()
        .map(|a| &a["code"])
        .collect();
    let none = Value::Null;
    let [invalid, malformed, not_found] = ["invalid", "malformed", "not_found"].map(Value::from);
    assert_eq!(
        codes,
        [
            &none, &not_found, &invalid, &invalid, &invalid, &invalid, &malformed, &none
        ]
    );
    for (at, field) in [
        (2, "user_id"),
        (3, "experimentId"),
        (4, "user_id"),
        (5, "user.device_id"),
    ] {
        assert_eq!(fields(&answers[at]), [field], "{}", answers[at]);
    }
    assert_eq!(
        server.post("/experiments/assign", &json!([])).await.expect(200),
        json!([])
    );
    let client = server.client();
    let requests: Vec<splitdeck::api::assign::AssignRequest> =
        serde_json::from_value(json!([asks[0], asks[1]])).expect("reads");
    let typed = client.assign_many(&requests).await.expect("answers");
    assert!(typed[0].is_ok() && typed[1].is_err());
}

each_store!(one_request_alone_is_refused_by_its_field);
async fn one_request_alone_is_refused_by_its_field() {
    let server = TestServer::start().await;
    server.active("x").await;
    for (field, body) in [
        ("user_id", json!({ "experimentId": "x" })),
        ("user_id", json!({ "experimentId": "x", "user_id": "" })),
        ("user_id", json!({ "experimentId": "x", "user_id": 7 })),
        (
            "groups.org[0]",
            json!({ "experimentId": "x", "groups": { "org": [1] } }),
        ),
        (
            "user_properties",
            json!({ "experimentId": "x", "user_id": "u", "user_properties": [] }),
        ),
        ("experimentId", json!({ "user_id": "u" })),
        ("experimentId", json!({ "experimentId": 7, "user_id": "u" })),
    ] {
        let answer = server.post("/experiments/assign", &body).await;
        assert_eq!(answer.refused(400, "invalid"), [field], "{body}");
    }
}

each_store!(a_list_is_limited);
async fn a_list_is_limited() {
    let server = TestServer::start().await;
    let asks = vec![json!({ "experimentId": "x", "user_id": "u" }); 1001];
    let problem = server
        .post("/experiments/assign", &json!(asks))
        .await
        .problem(413, "too_large");
    assert!(
        problem["detail"].as_str().expect("text").contains("1000"),
        "{problem}"
    );
}

each_store!(holdouts_groups_events_and_odd_ids_are_served);
async fn holdouts_groups_events_and_odd_ids_are_served() {
    let server = TestServer::start().await;
    let held = json!({ "name": "held", "holdoutPct": 25 });
    let draft = server.post("/experiments", &held).await.expect(201);
    server.to(&draft, "active").await;
    let asks: Vec<Value> = (0..1000)
        .map(|n| json!({ "experimentId": "held", "user_id": format!("u{n}") }))
        .collect();
    let answers = server.post("/experiments/assign", &json!(asks)).await.expect(200);
    let out = answers
        .as_array()
        .expect("answers")
        .iter()
        .filter(|a| a["reason"] == "holdout");
    assert!((190..310).contains(&out.count()));

    let group = json!({ "name": "group", "subjectType": "group:org" });
    let draft = server.post("/experiments", &group).await.expect(201);
    server.to(&draft, "active").await;
    let of = |user: &str| json!({ "experimentId": "group", "user_id": user, "groups": { "org": ["acme"] } });
    let asks: Vec<Value> = (0..20).map(|n| of(&format!("u{n}"))).collect();
    let answers = server.post("/experiments/assign", &json!(asks)).await.expect(200);
    let answers = answers.as_array().expect("answers");
    assert!(
        answers.iter().all(|a| a["variantId"] == answers[0]["variantId"]),
        "one group, one variant"
    );
    let without = server
        .post(
            "/experiments/assign",
            &json!({ "experimentId": "group", "user_id": "u" }),
        )
        .await
        .expect(200);
    assert_eq!(without["reason"], "unallocated");

    let event = json!({ "name": "event", "assignmentMode": "event" });
    let draft = server.post("/experiments", &event).await.expect(201);
    server.to(&draft, "active").await;
    let asks = vec![json!({ "experimentId": "event", "user_id": "u" }); 200];
    let answers = server.post("/experiments/assign", &json!(asks)).await.expect(200);
    let treated = answers
        .as_array()
        .expect("answers")
        .iter()
        .filter(|a| a["variantId"] == "treatment")
        .count();
    assert!((40..160).contains(&treated), "drawn at random: {treated} of 200");

    for id in ["", " ", "é", "\u{0}", "𝄞", &"x".repeat(100_000)] {
        let ask = json!({ "experimentId": "held", "user_id": id, "device_id": "d" });
        server.post("/experiments/assign", &ask).await.expect(200);
    }
}

each_store!(assigning_goes_on_while_configuration_changes);
async fn assigning_goes_on_while_configuration_changes() {
    let server = TestServer::start().await;
    let mut live = server.active("x").await;
    let ask = json!({ "experimentId": "x", "user_id": "u" });
    let asking = async {
        for _ in 0..200 {
            let answer = send(
                server
                    .request(Method::POST, "/experiments/assign", ADMIN)
                    .json(&ask),
            )
            .await
            .expect(200);
            assert_eq!(answer["reason"], "allocation");
        }
    };
    let changing = async {
        for round in 0..50 {
            let body =
                json!({ "resourceVersion": live["resourceVersion"], "description": round.to_string() });
            live = server.patch("/experiments/x", &body).await.expect(200);
        }
    };
    tokio::join!(asking, changing);
}

each_store!(each_kind_of_subject_is_bucketed_by_its_id_in_each_mode);
async fn each_kind_of_subject_is_bucketed_by_its_id_in_each_mode() {
    let server = TestServer::start().await;
    let customer = json!({ "customer_id": "c" });
    for (n, (mode, kind, user, id)) in [
        (
            "profile",
            "ANY",
            json!({ "user_id": "u", "device_id": "d" }),
            Some("u"),
        ),
        ("profile", "ANY", json!({ "device_id": "d" }), Some("d")),
        ("profile", "ANY", json!({ "session_id": "s" }), None),
        (
            "session",
            "ANY",
            json!({ "user_id": "u", "session_id": "s" }),
            Some("s"),
        ),
        ("session", "ANY", json!({ "user_id": "u" }), None),
        (
            "event",
            "ANY",
            json!({ "user_id": "u", "event_id": "e" }),
            Some("e"),
        ),
        (
            "profile",
            "customer_id",
            json!({ "user_id": "u", "user_properties": customer }),
            Some("c"),
        ),
        (
            "profile",
            "customer_id",
            json!({ "user_id": "u", "user_properties": { "customer_id": 17 } }),
            Some("17"),
        ),
        ("profile", "customer_id", json!({ "user_id": "u" }), None),
        (
            "session",
            "customer_id",
            json!({ "session_id": "s", "session": { "customer_id": "cs" }, "user_properties": customer }),
            Some("cs"),
        ),
        (
            "event",
            "customer_id",
            json!({ "event_id": "e", "event": { "customer_id": "ce" } }),
            Some("ce"),
        ),
        (
            "profile",
            "device_id",
            json!({ "user_id": "u", "device_id": "d" }),
            Some("d"),
        ),
        (
            "profile",
            "group:org",
            json!({ "user_id": "u", "groups": { "org": ["g", "h"] } }),
            Some("g"),
        ),
        (
            "profile",
            "group:org",
            json!({ "user_id": "u", "groups": { "team": ["t"] } }),
            None,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("e{n}");
        let body = json!({ "name": key, "assignmentMode": mode, "subjectType": kind });
        let draft = server.post("/experiments", &body).await.expect(201);
        server.to(&draft, "active").await;
        let told = server
            .post(&format!("/experiments/{key}/explain"), &user)
            .await
            .expect(200);
        let steps = told["steps"].as_array().expect("steps").iter();
        let hashed: Vec<&Value> = steps
            .filter(|s| s["step"] == "allocation")
            .map(|s| &s["hashed"])
            .collect();
        let expected = id.map(|id| format!("{key}/{id}"));
        assert_eq!(hashed, [&json!(expected)], "{mode} {kind} {user}");
        let mut ask = user;
        ask["experimentId"] = key.into();
        let served = server.post("/experiments/assign", &ask).await.expect(200);
        assert_eq!(
            served["reason"],
            if id.is_some() { "allocation" } else { "unallocated" }
        );
        assert_eq!(served, told["assignment"]);
    }
}

each_store!(a_list_with_large_payloads_is_sent_as_it_is_decided);
async fn a_list_with_large_payloads_is_sent_as_it_is_decided() {
    let server = TestServer::start().await;
    let payload = "x".repeat(60_000);
    let variant = |key: &str| json!({ "key": key, "isControl": key == "control", "trafficPct": 50, "payload": payload });
    let body = json!({ "name": "x", "key": "x", "variants": [variant("control"), variant("treatment")] });
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await;
    let ask = |n: usize| match n % 50 {
        7 => json!({ "experimentId": "nobody", "user_id": "u" }),
        _ => json!({ "experimentId": "x", "user_id": format!("u{n}") }),
    };
    let long = server
        .post(
            "/experiments/assign",
            &json!((0..100).map(ask).collect::<Vec<_>>()),
        )
        .await;
    assert_eq!(long.header("transfer-encoding"), "chunked");
    assert_eq!(long.header("content-type"), "application/json");
    let answers = long.expect(200);
    let answers = answers.as_array().expect("a list");
    assert_eq!(answers.len(), 100);
    for (n, answer) in answers.iter().enumerate() {
        match n % 50 {
            7 => assert_eq!(answer["code"], "not_found", "{n}"),
            _ => assert_eq!(
                *answer,
                server.post("/experiments/assign", &ask(n)).await.expect(200),
                "{n}"
            ),
        }
    }
    // A short one, and one of nothing, are sent as a whole.
    for (list, many) in [(json!([ask(1), ask(2)]), 2), (json!([]), 0)] {
        let short = server.post("/experiments/assign", &list).await;
        assert!(!short.header("content-length").is_empty());
        assert_eq!(short.expect(200).as_array().map(Vec::len), Some(many));
    }
}
