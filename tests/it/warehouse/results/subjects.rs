//! Who is counted, where, and what is a conversion: each rule by itself.

use serde_json::json;
use splitdeck::api::results::{MultiVariant, Results, ResultsQuery};
use splitdeck::domain::Experiment;

use super::world::{Event, HOUR, T0, World, cohort, experiment};

async fn results(world: &World, experiment: &Experiment) -> Results {
    world.results(experiment, &ResultsQuery::default()).await
}

/// Subjects, starters and conversions of the first arm.
fn funnel(results: &Results) -> (u64, Option<u64>, u64) {
    let arm = &results.arms[0];
    (arm.subjects, arm.starters, arm.conversions)
}

#[tokio::test]
async fn a_conversion_is_never_before_the_first_exposure() {
    let world = World::new().await;
    let experiment = experiment(json!({"primaryMetric": {"event": "buy"}}));
    let exposed = |who: &str| Event::new("view", who, T0).exposed(&experiment, "control");
    world
        .insert(&[
            exposed("before"),
            Event::new("buy", "before", T0 - 1),
            exposed("in the same millisecond"),
            Event::new("buy", "in the same millisecond", T0),
            exposed("before and after"),
            Event::new("buy", "before and after", T0 - 1),
            Event::new("buy", "before and after", T0 + 1),
            // The purchase itself carries the attribution: exposure and conversion at once.
            Event::new("buy", "at once", T0).exposed(&experiment, "control"),
            // Nobody exposed this one.
            Event::new("buy", "a stranger", T0),
        ])
        .await;
    // The exposure arrives last, and is the earlier one all the same.
    world.insert(&[Event::new("buy", "late", T0 + 5)]).await;
    world.insert(&[exposed("late")]).await;
    let results = results(&world, &experiment).await;
    assert_eq!(funnel(&results), (5, None, 4));
    assert_eq!(results.arms[0].rate, Some(0.8));
}

#[tokio::test]
async fn without_a_metric_there_are_exposures_and_no_rates() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    world
        .insert(&[Event::new("view", "p", T0).exposed(&experiment, "treatment")])
        .await;
    let results = results(&world, &experiment).await;
    let arm = &results.arms[1];
    assert_eq!((arm.subjects, arm.n, arm.conversions), (1, 1, 0));
    assert_eq!((arm.rate, arm.posterior), (None, None));
    assert_eq!(results.winner, "inconclusive");
}

#[tokio::test]
async fn nothing_tracked_is_no_error() {
    let world = World::new().await;
    let experiment = experiment(json!({
        "primaryMetric": {"event": "buy"}, "trackedEvents": [{"event": "view"}],
    }));
    let results = results(&world, &experiment).await;
    assert_eq!(funnel(&results), (0, None, 0));
    assert_eq!(results.arms[0].rate, None);
    assert_eq!(results.arms[0].observed_pct, None);
    let posterior = results.arms[0].posterior.expect("the prior");
    assert_eq!((posterior.alpha, posterior.beta), (1.0, 1.0));
    assert!((posterior.prob_best - 0.5).abs() < 1e-9);
    assert_eq!(posterior.always_valid, None);
    assert_eq!(results.data_as_of, None);
    assert!(results.series.points.is_empty());
    assert_eq!(results.tracked.len(), 1);
    assert_eq!(results.segments.key, "country");
    assert!(results.power.gathering);
    assert_eq!((results.power.events, results.power.needed), (0, 2 * 8_158));
    assert_eq!(
        results.srm.why_not.as_deref(),
        Some("no subject was assigned at random yet")
    );
}

#[tokio::test]
async fn two_steps_need_a_starter_and_another_event() {
    let world = World::new().await;
    let experiment = experiment(json!({
        "primaryMetric": {"event": "buy"},
        "secondaryEvent": {"event": "add", "enabled": true},
    }));
    let exposed = |who: &str| Event::new("view", who, T0).exposed(&experiment, "control");
    world
        .insert(&[
            exposed("straight to the purchase"),
            Event::new("buy", "straight to the purchase", T0 + 1),
            exposed("the wrong way round"),
            Event::new("buy", "the wrong way round", T0 + 1),
            Event::new("add", "the wrong way round", T0 + 2),
            exposed("started before"),
            Event::new("add", "started before", T0 - 1),
            Event::new("buy", "started before", T0 + 1),
            exposed("both in one millisecond"),
            Event::new("add", "both in one millisecond", T0),
            Event::new("buy", "both in one millisecond", T0),
            exposed("as it should be"),
            Event::new("add", "as it should be", T0 + 1),
            Event::new("buy", "as it should be", T0 + 2),
        ])
        .await;
    let mut one_step = experiment.clone();
    assert_eq!(funnel(&results(&world, &experiment).await), (5, Some(3), 2));
    // Switched off, the step is not asked for.
    one_step.secondary_event.as_mut().expect("a step").enabled = false;
    assert_eq!(funnel(&results(&world, &one_step).await), (5, None, 5));
}

#[tokio::test]
async fn one_event_is_not_both_of_two_steps() {
    let world = World::new().await;
    let step = |value: &str| json!({"event": "view", "filters": [{"field": "page", "operator": "contains", "value": value}]});
    let mut secondary = step("cart");
    secondary["enabled"] = json!(true);
    let experiment = experiment(json!({"primaryMetric": step("pay"), "secondaryEvent": secondary}));
    let view = |who: &str, at: i64, page: &str| Event::new("view", who, at).with("page", page);
    let exposed = |who: &str| Event::new("start", who, T0).exposed(&experiment, "control");
    let once = view("one event is both", T0 + 1, "cart+pay");
    let mut retried = once.clone();
    retried.ts += 5;
    world
        .insert(&[
            exposed("one event is both"),
            once,
            exposed("two in one millisecond"),
            view("two in one millisecond", T0 + 1, "cart+pay"),
            view("two in one millisecond", T0 + 1, "cart+pay"),
            exposed("a starter beside both"),
            view("a starter beside both", T0 + 1, "cart"),
            view("a starter beside both", T0 + 1, "cart+pay"),
            exposed("both, then the metric"),
            view("both, then the metric", T0 + 1, "cart+pay"),
            view("both, then the metric", T0 + 2, "pay"),
            exposed("the metric, then both"),
            view("the metric, then both", T0 + 1, "pay"),
            view("the metric, then both", T0 + 2, "cart+pay"),
        ])
        .await;
    // The same event again, with another time: still one event.
    world.insert(&[retried]).await;
    assert_eq!(funnel(&results(&world, &experiment).await), (5, Some(5), 3));
}

#[tokio::test]
async fn a_subject_of_two_variants_is_counted_apart() {
    let world = World::new().await;
    let experiment = experiment(json!({"primaryMetric": {"event": "buy"}}));
    world
        .insert(&[
            Event::new("view", "faithful", T0).exposed(&experiment, "control"),
            Event::new("view", "faithful", T0 + 1).exposed(&experiment, "CONTROL"),
            Event::new("view", "moved", T0).exposed(&experiment, "treatment"),
            Event::new("view", "moved", T0 + 1).exposed(&experiment, "control"),
            Event::new("buy", "moved", T0 + 2),
            Event::new("view", "only unknown", T0).exposed(&experiment, "tretment"),
            Event::new("view", "also unknown", T0).exposed(&experiment, "tretment"),
            Event::new("view", "also unknown", T0 + 1).exposed(&experiment, "control"),
        ])
        .await;
    let apart = results(&world, &experiment).await;
    assert_eq!(apart.multi_variant_subjects, 2);
    assert_eq!((apart.arms[0].subjects, apart.arms[1].subjects), (1, 0));
    assert_eq!(apart.unknown_variants.len(), 1);
    assert_eq!(apart.unknown_variants[0].variant, "tretment");
    assert_eq!(apart.unknown_variants[0].subjects, 2);
    // The exposures are those of the events, whoever they belong to.
    assert_eq!(apart.arms[0].exposures.events, 4);

    let query = ResultsQuery {
        multi_variant: MultiVariant::FirstSeen,
        ..ResultsQuery::default()
    };
    let first = world.results(&experiment, &query).await;
    assert_eq!(first.multi_variant_subjects, 2);
    assert_eq!((first.arms[0].subjects, first.arms[1].subjects), (1, 1));
    assert_eq!(first.arms[1].conversions, 1);
    // The split is tested on what was drawn first, in either case.
    assert_eq!((apart.srm.observed, first.srm.observed), (vec![1, 1], vec![1, 1]));
}

#[tokio::test]
async fn who_takes_no_part_is_in_no_arm_and_who_was_forced_is_told() {
    let world = World::new().await;
    let experiment = experiment(json!({}));
    let seen = |who: &str, at: i64, variant: &str, reason: &str| {
        Event::new("view", who, at).attributed(&experiment, variant, reason, 1, who)
    };
    world
        .insert(&[
            seen("too early", T0, "control", "experiment_inactive"),
            // The default variant before the start is not a second variant.
            seen("early, then drawn", T0, "control", "experiment_inactive"),
            seen("early, then drawn", T0 + 1, "treatment", "allocation"),
            seen("left over", T0, "control", "unallocated"),
            seen("after the decision", T0, "treatment", "winner"),
            seen("forced", T0, "treatment", "override"),
            seen("ruled", T0, "treatment", "rule"),
            seen("held out", T0, "control", "holdout"),
            seen("sticky", T0, "control", "sticky"),
            seen("says nothing", T0, "control", ""),
            // Drawn first, forced later: randomised.
            seen("drawn, then forced", T0, "control", "allocation"),
            seen("drawn, then forced", T0 + 1, "control", "override"),
        ])
        .await;
    let results = results(&world, &experiment).await;
    assert_eq!((results.arms[0].subjects, results.arms[1].subjects), (4, 3));
    assert_eq!(results.outside_subjects, 3);
    assert_eq!(results.forced_subjects, 2);
    assert_eq!(results.multi_variant_subjects, 0);
    assert_eq!(results.srm.observed, [3, 1]);
    assert_eq!(
        results.arms[0].exposures.events, 5,
        "rows that take no part are no exposures"
    );
}

#[tokio::test]
async fn each_cohort_is_tested_under_its_own_split() {
    let world = World::new().await;
    let second = "2026-01-15T00:00:00Z";
    let experiment = experiment(json!({
        "variants": [
            {"key": "control", "isControl": true, "trafficPct": 10},
            {"key": "treatment", "trafficPct": 90, "orderIndex": 1},
            {"key": "gone", "trafficPct": 0, "orderIndex": 2},
        ],
        "cohorts": [
            cohort(1, "2026-01-14T00:00:00Z", &[("control", 0.5), ("treatment", 0.5)]),
            cohort(2, second, &[("control", 0.1), ("treatment", 0.9), ("gone", 0.0)]),
        ],
    }));
    let mut events = Vec::new();
    let mut draw = |variant: &str, cohort: u32, at: i64, many: usize| {
        for _ in 0..many {
            let who = format!("p{}", events.len());
            events.push(Event::new("view", &who, at).attributed(
                &experiment,
                variant,
                "allocation",
                cohort,
                &who,
            ));
        }
    };
    draw("control", 1, T0 - HOUR, 100);
    draw("treatment", 1, T0 - HOUR, 100);
    draw("control", 2, T0 + HOUR, 20);
    draw("treatment", 2, T0 + HOUR, 180);
    // These do not say which cohort they are of; their time does.
    draw("control", 0, T0 - HOUR, 10);
    draw("treatment", 0, T0 - HOUR, 10);
    draw("treatment", 0, T0 + HOUR, 9);
    draw("control", 7, T0 + HOUR, 1);
    draw("gone", 2, T0 + HOUR, 3);
    // Forty of the first control moved when it shrank. They are no sign of a mismatch.
    for n in 0..40 {
        let who = format!("p{n}");
        events.push(Event::new("view", &who, T0 + HOUR).attributed(
            &experiment,
            "treatment",
            "allocation",
            2,
            &who,
        ));
    }
    world.insert(&events).await;
    let results = results(&world, &experiment).await;
    assert_eq!(results.multi_variant_subjects, 40);
    assert_eq!(results.srm.observed, [131, 299, 0]);
    let test = results.srm.test.expect("a test");
    assert_eq!(test.df, 2);
    assert!(test.chi_square < 1e-20, "{}", test.chi_square);
    assert!((test.p - 1.0).abs() < 1e-12);
    assert!(test.e_value < 1.0);
    assert!(!results.srm.alarm);
    assert_eq!(results.srm.leaks.len(), 1);
    assert_eq!(
        (
            results.srm.leaks[0].variant.as_str(),
            results.srm.leaks[0].subjects
        ),
        ("gone", 3)
    );
}

#[tokio::test]
async fn the_unit_is_that_of_the_mode() {
    let world = World::new().await;
    let visit = |who: &str, session: &str, at: i64| Event {
        session: session.into(),
        device: "d".into(),
        ..Event::new("view", who, at)
    };
    let session = experiment(json!({"assignmentMode": "session", "primaryMetric": {"event": "buy"}}));
    let of_session = |e: Event| {
        let subject = e.session.clone();
        e.attributed(&session, "control", "allocation", 1, &subject)
    };
    let event = experiment(json!({
        "assignmentMode": "event", "primaryMetric": {"event": "buy"}, "trackedEvents": [{"event": "view"}],
    }));
    let of_event = |e: Event, variant: &str| {
        let subject = e.id.to_string();
        e.attributed(&event, variant, "allocation", 1, &subject)
    };
    let buy = |who: &str, session: &str, at: i64| Event {
        name: "buy".into(),
        ..visit(who, session, at)
    };
    world
        .insert(&[
            of_event(of_session(visit("p", "s1", T0)), "control"),
            of_event(of_session(visit("p", "s1", T0 + 1)), "treatment"),
            of_session(visit("p", "s2", T0)),
            // In the same visit without attribution: counts for the session, not for the event.
            buy("p", "s1", T0 + 2),
            // The same person in another visit.
            buy("p", "s3", T0 + 2),
            of_event(buy("q", "s4", T0), "control"),
        ])
        .await;
    let results_of_sessions = results(&world, &session).await;
    assert_eq!(funnel(&results_of_sessions), (2, None, 1));
    let exposures = results_of_sessions.arms[0].exposures;
    assert_eq!(
        (
            exposures.events,
            exposures.profiles,
            exposures.sessions,
            exposures.devices
        ),
        (3, 1, 2, 1)
    );
    let results_of_events = results(&world, &event).await;
    assert_eq!(funnel(&results_of_events), (2, None, 1));
    assert_eq!(results_of_events.arms[1].subjects, 1);
    assert_eq!(results_of_events.tracked[0].events, [1, 1]);
}

#[tokio::test]
async fn dates_narrow_everything() {
    let world = World::new().await;
    let experiment = experiment(json!({
        "primaryMetric": {"event": "buy"}, "trackedEvents": [{"event": "buy"}],
    }));
    let day = 24 * HOUR;
    world
        .insert(&[
            Event::new("view", "p", T0 - 1).exposed(&experiment, "control"),
            Event::new("view", "q", T0).exposed(&experiment, "control"),
            Event::new("buy", "q", T0 + day - 1),
            Event::new("view", "r", T0 + day - 1).exposed(&experiment, "treatment"),
            Event::new("buy", "r", T0 + day),
            Event::new("view", "s", T0 + day).exposed(&experiment, "treatment"),
        ])
        .await;
    let query = ResultsQuery {
        start: Some(jiff::civil::date(2026, 1, 15)),
        end: Some(jiff::civil::date(2026, 1, 15)),
        ..ResultsQuery::default()
    };
    let results = world.results(&experiment, &query).await;
    let counts: Vec<(u64, u64)> = results.arms.iter().map(|a| (a.subjects, a.conversions)).collect();
    assert_eq!(counts, [(1, 1), (1, 0)]);
    assert_eq!(results.tracked[0].events, [1, 0]);
    // The same day, an hour earlier.
    let query = ResultsQuery {
        time_zone: "Europe/Berlin".into(),
        ..query
    };
    let results = world.results(&experiment, &query).await;
    let counts: Vec<(u64, u64)> = results.arms.iter().map(|a| (a.subjects, a.conversions)).collect();
    assert_eq!(counts, [(2, 0), (0, 0)]);
}

/// Who is remembered was drawn under the split of once and names the newest cohort: a change of the split is no mismatch.
#[tokio::test]
async fn who_is_remembered_is_not_tested_under_a_split_they_were_not_drawn_by() {
    let world = World::new().await;
    let experiment = experiment(json!({
        "sticky": true,
        "variants": [
            {"key": "control", "isControl": true, "trafficPct": 90},
            {"key": "treatment", "trafficPct": 10, "orderIndex": 1},
        ],
        "cohorts": [
            cohort(1, "2026-01-01T00:00:00Z", &[("control", 0.5), ("treatment", 0.5)]),
            cohort(2, "2026-01-02T00:00:00Z", &[("control", 0.9), ("treatment", 0.1)]),
        ],
    }));
    let mut events = Vec::new();
    let mut seen = |who: &str, variant: &str, reason: &str, cohort: u32, many: usize| {
        for n in 0..many {
            let subject = format!("{who}{n}");
            events.push(Event::new("view", &subject, T0).attributed(
                &experiment,
                variant,
                reason,
                cohort,
                &subject,
            ));
        }
    };
    // Assigned before the change, exposed for the first time after it.
    seen("old-c", "control", "sticky", 2, 250);
    seen("old-t", "treatment", "sticky", 2, 250);
    // Their client says nothing but flag and variant: the same people, for all that is known.
    seen("bare-c", "control", "", 2, 50);
    seen("bare-t", "treatment", "", 2, 50);
    // Remembered while there was no other split: as good as drawn.
    seen("first-c", "control", "sticky", 1, 100);
    seen("first-t", "treatment", "sticky", 1, 100);
    seen("new-c", "control", "allocation", 2, 90);
    seen("new-t", "treatment", "allocation", 2, 10);
    world.insert(&events).await;
    let results = results(&world, &experiment).await;
    assert_eq!((results.arms[0].subjects, results.arms[1].subjects), (490, 410));
    assert_eq!(results.srm.observed, [190, 110]);
    assert!(!results.srm.alarm, "{:?}", results.srm.test);
}

#[tokio::test]
async fn a_group_that_a_property_lists_as_a_number_converts() {
    let world = World::new().await;
    let experiment = experiment(json!({"subjectType": "group:org", "primaryMetric": {"event": "buy"}}));
    // The list as it is stored, and the subject that attribution reads in it.
    let lists = [
        ("[42]", "42"),
        ("[\"\",-7,8]", "-7"),
        ("[1042.0]", "1042.0"),
        ("[null,[1],{\"a\":2},true,0.5]", "0.5"),
        ("[1e300]", "1e300"),
        ("[18446744073709551615]", "18446744073709551615"),
        ("[1.5e-7,\"x\"]", "1.5e-7"),
        ("[\"a,1\",2]", "a,1"),
    ];
    let mut events = Vec::new();
    for (list, subject) in lists {
        events.push(Event::new("view", "", T0).attributed(&experiment, "control", "allocation", 1, subject));
        events.push(Event::new("buy", "", T0 + 1).with("org", list));
        // Who is in no such list.
        events.push(Event::new("buy", "", T0 + 1).with("org", "[]"));
    }
    world.insert(&events).await;
    let mut found = Vec::new();
    for (list, subject) in lists {
        let one = super::world::experiment(json!({"subjectType": "group:org", "primaryMetric": {
            "event": "buy", "filters": [{"field": "org", "operator": "is", "value": list}]}}));
        let seen = Event::new("view", "", T0).attributed(&one, "control", "allocation", 1, subject);
        world.insert(&[seen]).await;
        found.push((list, funnel(&results(&world, &one).await).2));
    }
    assert_eq!(found, lists.map(|(list, _)| (list, 1)));
    let many = lists.len() as u64;
    assert_eq!(funnel(&results(&world, &experiment).await), (many, None, many));
}
