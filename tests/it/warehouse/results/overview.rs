//! The list, what changed since, and what the reading user may and may not do.

use jiff::{Timestamp, ToSpan};
use serde_json::json;
use splitdeck::api::results::ResultsQuery;
use splitdeck::domain::Experiment;
use splitdeck::warehouse::{Class, OverviewMemo, ResultsError};
use uuid::Uuid;

use super::world::{Event, HOUR, MINUTE, SECOND, T0, World, experiment};

fn now() -> Timestamp {
    Timestamp::from_millisecond(T0 + 30 * SECOND).expect("an instant")
}

#[tokio::test]
async fn one_that_cannot_be_counted_keeps_its_numbers_from_itself_alone() {
    let world = World::new().await;
    let sound = experiment(json!({"key": "sound"}));
    // More fields than ClickHouse takes with a request.
    let filters: Vec<_> = (0..1_500)
        .map(|n| json!({"field": format!("f{n}"), "operator": "is", "value": "x"}))
        .collect();
    let sick = json!({"key": "sick", "primaryMetric": {"event": "buy", "filters": filters}});
    let sick = experiment(sick);
    let shown = |n: i64, of| Event::new("view", &format!("p{n}"), T0 - n).exposed(of, "control");
    world
        .insert(&[shown(1, &sound), shown(2, &sound), shown(3, &sick)])
        .await;
    let list = [sick, sound];
    let overviews = world.reader.overview(&list, now()).await.expect("overviews");
    assert_eq!((overviews[0].subjects, overviews[1].subjects), (0, 2));
    let why = overviews[0].not_counted.as_deref().expect("why");
    assert!(why.contains("ClickHouse"), "{why}");
    assert_eq!(overviews[1].not_counted, None);
}

#[tokio::test]
async fn the_list_tells_who_leads_and_what_is_happening() {
    let world = World::new().await;
    let leading = experiment(json!({"key": "leading", "primaryMetric": {"event": "buy"}}));
    let fresh = experiment(json!({"key": "fresh", "primaryMetric": {"event": "buy"}}));
    let empty = experiment(json!({"key": "empty"}));
    let mut events = Vec::new();
    for n in 0..400 {
        let who = format!("p{n}");
        let variant = if n % 2 == 0 { "control" } else { "treatment" };
        events.push(Event::new("view", &who, T0 - 60 * MINUTE).exposed(&leading, variant));
        if n % 20 == 1 || n % 40 == 0 {
            events.push(Event::new("buy", &who, T0 - 59 * MINUTE));
        }
    }
    // The last full minute ends at T0.
    for (at, many) in [
        (T0 - 1, 3),
        (T0 - 30 * MINUTE, 2),
        (T0 - 30 * MINUTE - 1, 1),
        (T0, 5),
    ] {
        for n in 0..many {
            events.push(Event::new("view", &format!("f{n}"), at).exposed(&fresh, "control"));
        }
    }
    world.insert(&events).await;
    world.insert(&events[..100]).await;

    let list = [empty.clone(), leading.clone(), fresh.clone()];
    let overviews = world.reader.overview(&list, now()).await.expect("overviews");
    let [of_empty, of_leading, of_fresh] = &overviews[..] else {
        panic!("three of them")
    };
    assert_eq!(of_empty.experiment_id, empty.id);
    assert_eq!((of_empty.subjects, of_empty.last_event_at), (0, None));
    assert_eq!(of_empty.per_minute, [0; 30]);
    assert!(of_empty.gathering);

    assert_eq!(of_leading.subjects, 400);
    assert_eq!(of_leading.per_minute, [0; 30]);
    let leader = of_leading.leader.as_ref().expect("a leader");
    assert_eq!(leader.variant, "treatment");
    assert!(leader.prob_best > 0.5, "{}", leader.prob_best);
    assert_eq!(of_leading.srm_p, Some(1.0));
    assert!(!of_leading.gathering);
    let results = world.results(&leading, &ResultsQuery::default()).await;
    let posterior = results.arms[1].posterior.expect("a posterior");
    assert_eq!(posterior.prob_best.to_bits(), leader.prob_best.to_bits());

    assert_eq!(of_fresh.subjects, 5);
    assert_eq!((of_fresh.per_minute[0], of_fresh.per_minute[29]), (2, 3));
    assert_eq!(of_fresh.per_minute.iter().sum::<u64>(), 5);
    assert_eq!(of_fresh.last_event_at.map(Timestamp::as_millisecond), Some(T0));
    assert_eq!(of_fresh.leader, None);
}

#[tokio::test]
async fn only_what_changed_is_counted_again() {
    let world = World::new().await;
    let mut one = experiment(json!({"primaryMetric": {"event": "buy"}}));
    let seen = |who: &str| Event::new("view", who, T0).exposed(&one, "control");
    world.insert(&[seen("p")]).await;
    let version = async |experiment: &Experiment| {
        let version = world.reader.data_version(experiment).await;
        version.expect("a version")
    };
    let first = version(&one).await;
    assert_eq!(version(&one).await, first);
    let mut memo = OverviewMemo::default();
    let mut counted = async |experiment: &Experiment| {
        let list = [experiment.clone()];
        memo.keep(&[experiment.id]);
        let overviews = world.reader.overview_since(&mut memo, &list, now()).await;
        overviews.expect("overviews")[0].subjects
    };
    assert_eq!(counted(&one).await, 1);

    // An event of somebody else's changes nothing.
    let other = experiment(json!({}));
    world
        .insert(&[Event::new("view", "x", T0).exposed(&other, "control")])
        .await;
    assert_eq!(version(&one).await, first);

    world.insert(&[seen("q")]).await;
    let second = version(&one).await;
    assert_ne!(second, first);
    assert_eq!(counted(&one).await, 2);

    // A metric event without attribution is news, and so is one that happened long ago.
    world.insert(&[Event::new("buy", "p", T0 - 1)]).await;
    assert_ne!(version(&one).await, second);

    // Another metric is another question.
    one.primary_metric = None;
    one.resource_version += 1;
    assert_eq!(counted(&one).await, 2);
    // An experiment that left the list is forgotten and counted anew when it comes back.
    assert_eq!(counted(&other).await, 1);
    assert_eq!(counted(&one).await, 2);
}

#[tokio::test]
async fn the_reading_user_can_do_all_that_and_nothing_else() {
    let world = World::new().await;
    let metric = json!({"event": "buy", "filters": [{"field": "price", "operator": "gt", "value": "3"}]});
    let mut secondary = metric.clone();
    secondary["enabled"] = json!(true);
    for (mode, subject, secondary) in [
        ("profile", "ANY", json!(null)),
        ("profile", "ANY", secondary.clone()),
        ("profile", "ANY", json!({"event": "add", "enabled": true})),
        ("session", "ANY", secondary.clone()),
        ("event", "ANY", json!(null)),
        ("event", "ANY", secondary),
        ("profile", "customer", json!(null)),
        ("profile", "device_id", json!(null)),
        ("profile", "event_id", json!(null)),
        ("profile", "group:org", json!(null)),
    ] {
        let experiment = experiment(json!({
            "assignmentMode": mode, "subjectType": subject,
            "primaryMetric": metric, "secondaryEvent": secondary, "trackedEvents": [metric],
        }));
        let event =
            Event::new("buy", "p", T0)
                .with("price", "4")
                .attributed(&experiment, "ghost", "", 0, "p");
        world.insert(&[event]).await;
        let results = world.results(&experiment, &ResultsQuery::default()).await;
        assert_eq!(results.unknown_variants.len(), 1);
        world
            .reader
            .overview(&[experiment], now())
            .await
            .expect("overviews");
    }
    let row = Event::new("buy", "p", T0);
    let refused = world
        .reader
        .insert_events(&Uuid::new_v4().to_string(), &[row.row(world.project)])
        .await
        .expect_err("no right to write");
    assert_eq!(refused.class, Class::Configuration, "{refused}");
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_names_its_field() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    for (query, field) in [
        (json!({"timeZone": "Mars/Olympus"}), "timeZone"),
        (json!({"start": "2026-02-01", "end": "2026-01-01"}), "end"),
        (json!({"segmentKey": " "}), "segmentKey"),
        (json!({"propertyKey": ""}), "propertyKey"),
    ] {
        let query: ResultsQuery = serde_json::from_value(query).expect("a query");
        let refused = world.reader.results(&experiment, &query, now() + 1.hours()).await;
        match refused {
            Err(ResultsError::Query(error)) => assert_eq!(error.field, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn subjects_a_day_are_the_new_ones_of_the_last_day() {
    let world = World::new().await;
    let mut events = Vec::new();
    let mut began = |moments: &[(i64, usize)]| {
        let experiment = experiment(json!({}));
        for (at, many) in moments {
            for n in 0..*many {
                // Everybody comes again later, which makes nobody new.
                for ts in [*at, T0 - SECOND] {
                    events.push(Event::new("view", &format!("{at}-{n}"), ts).exposed(&experiment, "control"));
                }
            }
        }
        experiment
    };
    let list = [
        began(&[(T0 - 72 * HOUR, 50), (T0 - 12 * HOUR, 10)]),
        // A quarter of a day.
        began(&[(T0 + 30 * SECOND - 6 * HOUR, 1), (T0 - 3 * HOUR, 99)]),
        // Imported from long ago: nobody is new.
        began(&[(T0 - 200 * HOUR, 5_000)]),
        // Too young to say.
        began(&[(T0 - SECOND, 20)]),
        began(&[]),
    ];
    world.insert(&events).await;
    let overviews = world.reader.overview(&list, now()).await.expect("overviews");
    let a_day: Vec<Option<u64>> = overviews.iter().map(|o| o.subjects_per_day).collect();
    assert_eq!(a_day, [Some(10), Some(400), None, None, None]);
    let over: Vec<Option<u64>> = overviews.iter().map(|o| o.subjects_per_day_seconds).collect();
    let quarter = u64::try_from(6 * HOUR / SECOND).expect("seconds");
    assert_eq!(over, [Some(86_400), Some(quarter), None, None, None]);
    // Numbers that were kept are not kept for another day.
    let mut memo = OverviewMemo::default();
    let mut per_day = async |at: Timestamp| {
        let overviews = world.reader.overview_since(&mut memo, &list[..1], at).await;
        overviews.expect("overviews")[0].subjects_per_day
    };
    assert_eq!(per_day(now()).await, Some(10));
    assert_eq!(per_day(now() + 20.hours()).await, None);
}
