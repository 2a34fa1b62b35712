//! Breakdowns and tracked events.

use serde_json::json;
use splitdeck::api::results::{BreakdownRow, MultiVariant, ResultsQuery};

use super::world::{Event, MINUTE, T0, World, experiment};

#[tokio::test]
async fn a_breakdown_shows_fifty_values_and_says_how_many_more() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    let mut events = Vec::new();
    for value in 0..60 {
        // Value n is there 60 - n times.
        for n in 0..60 - value {
            let event = Event::new("view", &format!("p{n}"), T0).with("page", &format!("{value:02}"));
            events.push(event.exposed(&experiment, if n % 2 == 0 { "control" } else { "treatment" }));
        }
    }
    events.push(
        Event::new("view", "p0", T0)
            .with("page", "")
            .exposed(&experiment, "control"),
    );
    for who in ["p0", "p0", "p2"] {
        events.push(Event::new("view", who, T0).exposed(&experiment, "control"));
    }
    world.insert(&events).await;
    let query = ResultsQuery {
        property_key: "properties.page".into(),
        ..ResultsQuery::default()
    };
    let results = world.results(&experiment, &query).await;
    let pages = &results.properties;
    assert_eq!(pages.key, "properties.page");
    assert_eq!((pages.rows.len(), pages.more), (50, 12));
    assert_eq!(pages.rows[0].value.as_deref(), Some("00"));
    assert_eq!(pages.rows[0].events, [30, 30]);
    assert_eq!(pages.rows[0].subjects, [30, 30]);
    // No event has a country.
    assert_eq!(results.segments.rows.len(), 1);
    assert_eq!(results.segments.rows[0].value, None);
    assert_eq!(results.segments.rows[0].events, [930 + 4, 900]);

    assert_eq!(results.segments.rows[0].subjects, [30, 30]);

    // Missing and empty are two things.
    let few = super::world::experiment(json!({}));
    world
        .insert(&[
            Event::new("view", "p0", T0)
                .with("page", "")
                .exposed(&few, "control"),
            Event::new("view", "p0", T0).exposed(&few, "control"),
            Event::new("view", "p0", T0).exposed(&few, "control"),
        ])
        .await;
    let results = world.results(&few, &query).await;
    let rows: Vec<(Option<&str>, &[u64], &[u64])> = results
        .properties
        .rows
        .iter()
        .map(|r| (r.value.as_deref(), &r.events[..], &r.subjects[..]))
        .collect();
    assert_eq!(
        rows,
        [
            (None, &[2, 0][..], &[1, 0][..]),
            (Some(""), &[1, 0][..], &[1, 0][..])
        ]
    );
}

#[tokio::test]
async fn well_known_names_read_their_column_and_the_rest_the_properties() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    let event = Event {
        country: "TH".into(),
        ..Event::new("view", "p", T0)
    };
    world
        .insert(&[event
            .with("country", "sent by hand")
            .with("event", "a property")
            .attributed(&experiment, "control", "sticky", 3, "p")])
        .await;
    for (key, value) in [
        ("country", Some("TH")),
        ("properties.country", Some("sent by hand")),
        ("os", None),
        ("event", Some("view")),
        ("properties.event", Some("a property")),
        ("variant", Some("control")),
        ("reason", Some("sticky")),
        ("cohort", Some("3")),
        ("sdk", None),
    ] {
        let query = ResultsQuery {
            segment_key: key.into(),
            ..ResultsQuery::default()
        };
        let results = world.results(&experiment, &query).await;
        assert_eq!(results.segments.rows.len(), 1, "{key}");
        assert_eq!(results.segments.rows[0].value.as_deref(), value, "{key}");
    }
}

#[tokio::test]
async fn tracked_events_count_from_the_first_exposure_on() {
    let world = World::new().await;
    let experiment = experiment(json!({
        "trackedEvents": [
            {"event": "scroll"},
            {"event": "scroll", "filters": [{"field": "depth", "operator": "gt", "value": "9"}]},
            {"event": "share"},
        ],
    }));
    let scroll = |who: &str, at: i64, depth: &str| Event::new("scroll", who, at).with("depth", depth);
    let repeated = scroll("p", T0 + 2, "5");
    world
        .insert(&[
            Event::new("view", "p", T0).exposed(&experiment, "control"),
            scroll("p", T0 - 1, "10"),
            scroll("p", T0, "10"),
            repeated.clone(),
            repeated,
            Event::new("view", "q", T0).exposed(&experiment, "treatment"),
            scroll("q", T0 + 3 * MINUTE, "100"),
            scroll("nobody", T0, "100"),
            // Whoever saw two variants is left out here as well.
            Event::new("view", "r", T0).exposed(&experiment, "treatment"),
            Event::new("view", "r", T0 + 1).exposed(&experiment, "control"),
            scroll("r", T0 + 5, "100"),
        ])
        .await;
    let results = world.results(&experiment, &ResultsQuery::default()).await;
    let counts: Vec<(&[u64], &[u64])> = results
        .tracked
        .iter()
        .map(|t| (&t.events[..], &t.subjects[..]))
        .collect();
    assert_eq!(
        counts,
        [
            (&[2, 1][..], &[1, 1][..]),
            (&[1, 1][..], &[1, 1][..]),
            (&[0, 0][..], &[0, 0][..])
        ]
    );
    let over_time: Vec<Vec<u64>> = results.tracked[0]
        .series
        .points
        .iter()
        .map(|p| p.counts.clone())
        .collect();
    assert_eq!(over_time, [[2, 0], [0, 0], [0, 0], [0, 1]]);
}

/// Panels are queries of their own; what arrives between two of them is in none.
#[tokio::test]
async fn while_exposures_arrive_all_panels_count_the_same_ones() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    let mut batches = (0..40_i64).map(|batch| -> Vec<Event> {
        let of = |n: i64| Event {
            ingested_at: T0 + batch,
            ..Event::new("view", &format!("{batch}-{n}"), T0)
        };
        (0..4).map(|n| of(n).exposed(&experiment, "control")).collect()
    });
    world.insert(&batches.next().expect("some")).await;
    let arriving = async {
        for batch in batches {
            world.insert(&batch).await;
        }
    };
    let looking = async {
        let mut seen = Vec::new();
        while seen.last() != Some(&160) {
            let results = world.results(&experiment, &ResultsQuery::default()).await;
            let arm = &results.arms[0];
            let in_series: u64 = results.series.points.iter().map(|point| point.counts[0]).sum();
            let in_segments: u64 = results.segments.rows.iter().map(|row| row.subjects[0]).sum();
            assert_eq!(
                [arm.exposures.profiles, in_series, in_segments],
                [arm.subjects; 3],
                "{seen:?}"
            );
            seen.push(arm.subjects);
        }
        seen
    };
    let ((), seen) = tokio::join!(arriving, looking);
    assert!(seen.len() > 2, "{seen:?}");
}

/// Who was seen in two variants is in no arm of any panel, or in the first one in all of them.
#[tokio::test]
async fn panels_count_who_saw_two_variants_as_the_arms_do() {
    let world = World::new().await;
    for (mode, subject) in [("profile", "ANY"), ("event", "user_id")] {
        let experiment = experiment(json!({
            "assignmentMode": mode, "subjectType": subject, "trackedEvents": [{"event": "view"}],
        }));
        let seen = |who: &str, minute: i64, variant: &str, plan: &str| {
            let event = Event::new("view", who, T0 + minute * MINUTE).with("plan", plan);
            event.exposed(&experiment, variant)
        };
        world
            .insert(&[
                seen("a", 0, "control", "free"),
                seen("b", 0, "treatment", "free"),
                // From one value to another in one variant, and in both variants.
                seen("b", 1, "treatment", "paid"),
                seen("m", 0, "treatment", "paid"),
                seen("m", 1, "control", "free"),
            ])
            .await;
        let mut query = ResultsQuery {
            segment_key: "plan".into(),
            property_key: "plan".into(),
            ..ResultsQuery::default()
        };
        for (multi, arms, free, paid, paid_events, tracked) in [
            (MultiVariant::Exclude, [1, 1], [1, 1], [0, 0], [0, 1], [1, 2]),
            (MultiVariant::FirstSeen, [1, 2], [1, 1], [0, 1], [0, 2], [1, 4]),
        ] {
            query.multi_variant = multi;
            let results = world.results(&experiment, &query).await;
            let subjects = results.arms.iter().map(|arm| arm.subjects);
            assert_eq!(subjects.collect::<Vec<_>>(), arms, "{mode} {multi:?}");
            let of = |rows: &[BreakdownRow], value: &str| {
                let row = rows.iter().find(|row| row.value.as_deref() == Some(value));
                row.expect("a row").subjects.clone()
            };
            let segments = &results.segments.rows;
            assert_eq!(of(segments, "free"), free, "{mode} {multi:?}");
            assert_eq!(of(segments, "paid"), paid, "{mode} {multi:?}");
            assert_eq!(
                of(&results.properties.rows, "paid"),
                paid_events,
                "{mode} {multi:?}"
            );
            assert_eq!(results.tracked[0].events, tracked, "{mode} {multi:?}");
            assert_eq!(results.tracked[0].subjects, arms, "{mode} {multi:?}");
        }
    }
}
