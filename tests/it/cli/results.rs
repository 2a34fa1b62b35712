//! `splitdeck results`.

use serde_json::json;

use crate::support::server::TestServer;
use crate::support::warehouse::{drained, expose, exposure, server_with_clickhouse};

use super::on;

#[tokio::test]
async fn a_table_for_people_and_json_for_programs() {
    let server = server_with_clickhouse().await;
    let experiment = server.active("exp").await;
    let metric = json!({
        "resourceVersion": experiment["resourceVersion"],
        "primaryMetric": {"event": "buy", "filters": [{"field": "price", "operator": "gt", "value": "9"}]},
        "trackedEvents": [{"event": "buy"}],
    });
    server.patch("/experiments/exp", &metric).await.expect(200);
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let at = format!("{day}T00:00:30Z");
    let mut events = Vec::new();
    for n in 0..1_200 {
        // Two thirds in one arm of two equal ones.
        let variant = if n % 3 == 0 { "control" } else { "treatment" };
        events.push(exposure(&experiment, &format!("p{n}"), variant, &at));
        if n % 10 == 1 {
            events.push(json!({
                "name": "buy", "profileId": format!("p{n}"), "timestamp": at, "properties": {"price": 10},
            }));
        }
    }
    events.push(exposure(&experiment, "p0", "treatment", &at));
    server.post("/track", &json!(events)).await.expect(200);
    drained(&server).await;

    // What is named in a heading steers no terminal.
    let steering = on(&server, &["results", "exp", "--segment", "c\u{1b}[31m"])
        .await
        .ok();
    assert!(
        steering.contains("SEGMENT c\\u{1b}[31m") && !steering.contains('\u{1b}'),
        "{steering:?}"
    );
    let text = on(&server, &["results", "exp"]).await.ok();
    let line = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("{start} in\n{text}")).to_owned()
    };
    let words = |start: &str| line(start).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words("metric"), "metric buy where price gt 9");
    assert_eq!(
        words("Sample ratio"),
        "Sample ratio mismatch detected — actual split differs from expected (p=7.6e-31). Check for bucketing \
         bugs or traffic source bias before trusting results."
    );
    assert!(
        words("control (control)").starts_with("control (control) 399 40 10.03 % 7.46 – 13.37 %"),
        "{text}"
    );
    assert!(words("winner").starts_with("winner inconclusive"), "{text}");
    assert_eq!(
        words("1 subject"),
        "1 subject saw two variants or more and is left out"
    );
    assert_eq!(
        words("split"),
        "split p=7.6e-31 (chi-square 133.33, df 1), always valid p=9.4e-27 (E 1.1e26)"
    );
    assert_eq!(words(&format!("{day} 00:00")), format!("{day} 00:00 400 801"));
    assert_eq!(words("buy "), "buy 40 / 40 80 / 80");
    assert_eq!(words("TH "), "TH 400 / 399 801 / 800");
    // As the row above has it: an event more than subjects, in both arms.
    assert!(
        text.contains("In EVENTS, not in SUBJECTS: 1 of several variants\n"),
        "{text}"
    );

    let json = on(
        &server,
        &["results", "exp", "--first-seen", "--interval", "day", "--json"],
    )
    .await
    .json();
    assert_eq!(json["arms"][0]["subjects"], 400);
    let first = on(&server, &["results", "exp", "--first-seen"]).await.ok();
    assert!(
        first.contains(
            "In EVENTS of each of their variants, in SUBJECTS of the first: 1 of several variants\n"
        ),
        "{first}"
    );
    assert_eq!(json["series"]["interval"], "day");
}

#[tokio::test]
async fn what_cannot_be_asked_is_a_fault_of_the_arguments() {
    let server = TestServer::start().await;
    server.active("exp").await;
    let no_day = on(&server, &["results", "exp", "--start", "yesterday"])
        .await
        .failed(2);
    assert!(no_day.contains("--start"), "{no_day}");
    let no_interval = on(&server, &["results", "exp", "--interval", "year"])
        .await
        .failed(2);
    assert!(no_interval.contains("minute, hour, day, week"), "{no_interval}");
    let away = on(&server, &["results", "exp"]).await.failed(1);
    assert!(away.contains("ClickHouse"), "{away}");
}

/// A hypothesis must not read as a finding, whoever pipes the words into a report.
#[tokio::test]
async fn insights_are_told_below_their_titles() {
    let server = server_with_clickhouse().await;
    let body = json!({"name": "exp", "key": "exp", "hypothesis": "Green sells more."});
    let draft = server.post("/experiments", &body).await.expect(201);
    server.to(&draft, "active").await;
    let text = on(&server, &["insights", "exp"]).await.ok();
    assert!(
        text.starts_with(
            "In short\n\
             No exposures yet, so there is nothing to say about the variants.\n\n\
             Hypothesis\n\
             Green sells more.\n\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("\nSplit\nThe split is not tested: no subject was assigned at random yet.\n"),
        "{text}"
    );
    let none = on(&server, &["insights", "exp", "--saved"]).await.failed(1);
    assert!(none.contains("ot found") || none.contains("no summary"), "{none}");
    server
        .post("/experiments/exp/insight", &json!({}))
        .await
        .expect(200);
    let saved = on(&server, &["insights", "exp", "--saved"]).await.ok();
    assert!(saved.contains("by admin from version 2, 0 subjects"), "{saved}");
    assert!(
        saved.contains("nothing was changed since\n\nIn short\n"),
        "{saved}"
    );
    let live = server.client().experiment("exp").await.expect("there");
    server
        .to(&serde_json::to_value(&live).expect("JSON"), "paused")
        .await;
    let saved = on(&server, &["insights", "exp", "--saved", "--json"])
        .await
        .json();
    assert!(
        saved["generatedAt"].is_string() && saved["changedSince"].is_array(),
        "{saved}"
    );
    let json = on(&server, &["insights", "exp", "--json"]).await.json();
    assert_eq!(
        json[1],
        json!({"title": "Hypothesis", "text": "Green sells more."})
    );
}

#[tokio::test]
async fn the_test_of_the_split_is_told_with_what_was_changed_before() {
    let server = server_with_clickhouse().await;
    let experiment = server.active("exp").await;
    let none = on(&server, &["experiments", "sample-ratio", "exp"]).await.ok();
    assert!(none.starts_with("now  cannot be told\n"), "{none}");
    expose(&server, &experiment, [380, 120]).await;
    drained(&server).await;
    let text = on(&server, &["experiments", "sample-ratio", "exp"]).await.ok();
    assert!(
        text.contains("the split fails the test") && text.contains("h ago (by exposures)"),
        "{text}"
    );
    assert!(
        text.contains("changed before it:\n") && text.contains("experiment.status_changed"),
        "{text}"
    );
    let json = on(&server, &["experiments", "sample-ratio", "exp", "--json"])
        .await
        .json();
    assert_eq!(
        (json["alarm"].clone(), json["observed"][0].clone()),
        (json!(true), json!(380))
    );
    assert!(
        json["hoursSince"].as_f64().is_some_and(|hours| hours >= 0.0),
        "{json}"
    );
    assert_eq!(json["changesBefore"][0]["action"], "experiment.status_changed");
}
