//! What stands on the screen follows what is known: a tick, the key of a protected project, what a dialog does.

use std::time::Duration;

use serde_json::json;
use splitdeck::api::results::Srm;
use splitdeck::api::system::Role;
use splitdeck::cockpit::ports::{Answer, Request, Slot};
use splitdeck::cockpit::state::ask::{AskDialog, AskField};
use splitdeck::cockpit::state::overlay::{DEAF_FOR, Field, Overlay, StepDialog};
use splitdeck::domain::{Experiment, Status};

use super::objects::projects_are;
use crate::support::cockpit::{PRICING, SEARCH, World, answer, experiments, id, me, results};

fn step(world: &World) -> &StepDialog {
    match world.state.overlays.last() {
        Some(Overlay::Step(dialog)) => dialog,
        other => panic!("no dialog: {other:?}"),
    }
}

fn ask(world: &World) -> &AskDialog {
    match world.state.overlays.last() {
        Some(Overlay::Ask(dialog)) => dialog,
        other => panic!("no dialog: {other:?}"),
    }
}

fn sent_override(world: &World) -> Option<bool> {
    match world.waiting_for(Slot::Status) {
        Some(Request::Status { change, .. }) => Some(change.override_failing_srm),
        _ => None,
    }
}

fn search() -> Experiment {
    experiments().remove(0)
}

fn passing() -> Srm {
    results(&search(), &[(44_000, 17_000), (44_100, 8_650)]).srm
}

fn failing() -> Srm {
    results(&search(), &[(58_735, 17_000), (29_367, 8_650)]).srm
}

/// The test is made once more, and says this.
fn tested(world: &mut World, srm: Srm) {
    for _ in 0..60 {
        if world.waiting_for(Slot::SampleRatio).is_some() {
            break;
        }
        world.wait(Duration::from_secs(1));
    }
    world.reply(Slot::SampleRatio, Ok(Answer::SampleRatio(Box::new(srm))));
}

/// Search ranking was paused by the guard: the dialog that resumes it, before any answer.
fn resuming() -> World {
    let mut world = World::list();
    world.state.list.selected = Some(id(SEARCH));
    world.keys(&["r"]).wait(DEAF_FOR);
    world
}

#[test]
fn a_tick_is_for_what_was_known_when_it_was_given() {
    let mut world = resuming();
    tested(&mut world, failing());
    world.keys(&["tab", "tab"]).text("looked into it");
    world.keys(&["tab", "space"]);
    assert!(
        world
            .screen(120, 40)
            .contains("[x] I know that the test still fails")
    );
    // It passes, and fails again: that was not known.
    tested(&mut world, passing());
    assert!(!world.screen(120, 40).contains("I know"), "nothing to know");
    assert_eq!(step(&world).focus, Field::Cancel, "what is gone has no focus");
    tested(&mut world, failing());
    assert!(
        world
            .screen(120, 40)
            .contains("[ ] I know that the test still fails")
    );
    world.keys(&["tab", "enter"]);
    assert_eq!(sent_override(&world), None);
    assert!(
        step(&world)
            .error
            .as_deref()
            .unwrap_or_default()
            .contains("still fails")
    );
    // Ticked without a test; then there is one.
    let mut world = resuming();
    world.lose(Slot::Results).lose(Slot::SampleRatio);
    world.keys(&["tab", "tab"]).text("urgent").keys(&["tab", "space"]);
    assert!(
        world
            .screen(120, 40)
            .contains("[x] I know that the test cannot be made now"),
        "{}",
        world.screen(120, 40)
    );
    tested(&mut world, failing());
    assert!(
        world
            .screen(120, 40)
            .contains("[ ] I know that the test still fails")
    );
    world.keys(&["space"]);
    tested(&mut world, passing());
    world.keys(&["right", "enter"]);
    assert_eq!(
        sent_override(&world),
        Some(false),
        "not what is not on the screen"
    );
}

#[test]
fn nothing_is_known_of_a_test_that_is_being_made() {
    let mut world = resuming();
    let screen = world.screen(120, 40);
    assert!(screen.contains("being tested"), "{screen}");
    assert!(
        !screen.contains("cannot be told") && !screen.contains("I know"),
        "{screen}"
    );
    world
        .keys(&["tab", "tab"])
        .text("urgent")
        .keys(&["tab", "right", "enter"]);
    assert_eq!(sent_override(&world), None);
    let error = step(&world).error.clone().unwrap_or_default();
    assert!(error.contains("is being tested"), "{error}");
    tested(&mut world, passing());
    world.keys(&["enter"]);
    assert_eq!(sent_override(&world), Some(false));
}

#[test]
fn an_automatic_pause_is_lifted_by_the_results_of_all_days() {
    let mut world = World::experiment("search-ranking");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    let some_days = |world: &mut World| {
        let detail = world.state.open.as_deref_mut().expect("open");
        detail.analytics.query.start = Some("2026-11-19".parse().expect("a day"));
        detail.analytics.query.clone()
    };
    let filter = some_days(&mut world);
    world.wait(Duration::from_secs(1));
    let mut of_some_days = results(&search(), &[(58_735, 17_000), (29_367, 8_650)]);
    of_some_days.query = filter.clone();
    of_some_days.series.points.drain(..48);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(of_some_days))));
    world.keys(&["r"]);
    match world.waiting_for(Slot::Results) {
        Some(Request::Results { query, .. }) => {
            assert_eq!(
                (query.start, query.end),
                (None, None),
                "all of them are asked for"
            );
        }
        other => panic!("not asked for: {other:?}"),
    }
    let request = world.waiting_for(Slot::History).cloned().expect("asked for");
    world.reply(Slot::History, answer(&request, Role::Editor, false));
    let screen = world.screen(120, 40);
    assert!(
        !screen.contains("data from 2026-11-19"),
        "not by the filtered ones: {screen}"
    );
    let request = world.waiting_for(Slot::Results).cloned().expect("asked for");
    world.reply(Slot::Results, answer(&request, Role::Editor, false));
    let screen = world.screen(120, 40);
    assert!(screen.contains("data from 2026-11-17 02:00"), "{screen}");
    // Analytics goes on with its filter.
    world.keys(&["esc"]);
    match world.waiting_for(Slot::Results) {
        Some(Request::Results { query, .. }) => assert_eq!(**query, filter),
        other => panic!("not asked for: {other:?}"),
    }
}

/// The pricing page, a draft, in a protected project, at its overrides.
fn draft_overrides() -> World {
    let mut world = World::experiment("pricing-page-v3");
    world.keys(&["4"]).answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(10));
    world.reply(Slot::Me, Ok(Answer::Me(me(Role::Editor, true))));
    world
}

/// Somebody else takes the pricing page a step further.
fn becomes(world: &mut World, status: Status, version: u64) {
    let mut all = experiments();
    let pricing = all.iter_mut().find(|e| e.id == id(PRICING)).expect("there");
    pricing.status = status;
    pricing.resource_version = version;
    let pricing = pricing.clone();
    if world.waiting_for(Slot::Experiment).is_none() {
        world.wait(Duration::from_secs(2));
    }
    world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(pricing))));
}

#[test]
fn a_draft_that_somebody_activates_wants_its_key_for_an_override() {
    const PROTECTED: &str = "This project is protected: type pricing-page-v3";
    let mut world = draft_overrides();
    world.keys(&["n"]).wait(DEAF_FOR);
    world.text("u-7").keys(&["tab", "tab", "tab", "right"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("nobody gets it before it is active"), "{screen}");
    assert!(!screen.contains(PROTECTED), "{screen}");
    becomes(&mut world, Status::Active, 2);
    let screen = world.screen(120, 40);
    assert!(!screen.contains("nobody gets it before"), "{screen}");
    assert!(screen.contains("From the next decision on"), "{screen}");
    assert!(screen.contains(PROTECTED), "{screen}");
    assert_eq!(ask(&world).focus, AskField::Cancel);
    world.keys(&["right", "enter"]);
    assert_eq!(ask(&world).error, None, "it is deaf, as a new one is");
    world.wait(DEAF_FOR).keys(&["right", "enter"]);
    assert!(world.waiting_for(Slot::Override).is_none());
    assert_eq!(
        ask(&world).error.as_deref(),
        Some("type the key: pricing-page-v3")
    );
    world.text("pricing-page-v3").keys(&["tab", "right", "enter"]);
    assert!(world.waiting_for(Slot::Override).is_some());
    // What somebody is typing goes on.
    let mut world = draft_overrides();
    world.keys(&["n"]).wait(DEAF_FOR).text("u-");
    becomes(&mut world, Status::Active, 2);
    world.text("7");
    assert_eq!((ask(&world).focus, ask(&world).id.text()), (AskField::Id, "u-7"));
    assert!(ask(&world).fields().contains(&AskField::TypedKey));
}

#[test]
fn releasing_somebody_follows_the_experiment_too() {
    let mut world = draft_overrides();
    world.keys(&["d"]).wait(DEAF_FOR).keys(&["right"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("pricing-page-v3 is a draft"), "{screen}");
    assert!(!screen.contains("the split decide again"), "{screen}");
    becomes(&mut world, Status::Active, 2);
    assert_eq!(ask(&world).focus, AskField::Cancel);
    assert!(ask(&world).protected);
    let screen = world.screen(120, 40);
    assert!(screen.contains("rules and the split"), "{screen}");
    // And paused again: it changes nothing for anybody.
    becomes(&mut world, Status::Paused, 3);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("everybody sees control until it is resumed"),
        "{screen}"
    );
}

/// What changed since is asked for anew with the change, and named.
#[test]
fn a_saved_summary_names_what_was_changed_since() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["6"]);
    let insight = |changed: &[&str]| {
        let insight = json!({
            "paragraphs": [{"title": "In short", "text": "Treatment is ahead."}],
            "author": "rules", "actor": "ana", "generatedAt": "2026-11-18T05:03:00Z", "resourceVersion": 17,
            "subjects": 90_189, "conversions": 17_440, "changedSince": changed,
        });
        let insight = serde_json::from_value(insight).expect("a summary");
        Ok(Answer::Insight(Some(Box::new(insight))))
    };
    world.reply(Slot::Insight, insight(&[]));
    world.wait(Duration::from_secs(3));
    assert!(world.waiting_for(Slot::Insight).is_none(), "it rests");
    let mut theirs = experiments().remove(1);
    theirs.resource_version += 1;
    theirs.hypothesis = "Bigger is better".to_owned();
    world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(theirs))));
    world.reply(Slot::Insight, insight(&["hypothesis"]));
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("the configuration changed (v17 to v18): hypothesis."),
        "{screen}"
    );
}

#[test]
fn a_saved_summary_says_what_is_known_of_the_data_since() {
    const NOTHING: &str = "Nothing has changed since.";
    let mut world = World::experiment("checkout-cta");
    world.keys(&["6"]);
    let insight = json!({
        "paragraphs": [{"title": "In short", "text": "Treatment is ahead."}],
        "author": "rules", "actor": "ana", "generatedAt": "2026-11-18T05:03:00Z", "resourceVersion": 17,
        "subjects": 90_189, "conversions": 17_440, "changedSince": [],
    });
    let insight = serde_json::from_value(insight).expect("a summary");
    world.reply(Slot::Insight, Ok(Answer::Insight(Some(Box::new(insight)))));
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("since is not known: there are no results yet"),
        "{screen}"
    );
    assert!(!screen.contains(NOTHING), "{screen}");
    let request = world.waiting_for(Slot::Results).cloned().expect("asked for");
    world.reply(Slot::Results, answer(&request, Role::Editor, false));
    let screen = world.screen(120, 40);
    assert!(screen.contains(NOTHING), "{screen}");
    let detail = world.state.open.as_deref_mut().expect("open");
    detail.analytics.query.start = Some("2026-11-19".parse().expect("a day"));
    world.wait(Duration::from_secs(1));
    let request = world.waiting_for(Slot::Results).cloned().expect("asked for");
    world.reply(Slot::Results, answer(&request, Role::Editor, false));
    let screen = world.screen(120, 40);
    assert!(screen.contains("not known: only some days are shown"), "{screen}");
    assert!(!screen.contains(NOTHING), "{screen}");
}

#[test]
fn projects_that_come_late_can_be_ticked() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["T", "n"]).text("bot");
    assert!(world.screen(120, 40).contains("none to choose"));
    projects_are(&mut world, &[(9, "shop-prod"), (71, "demo")]);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("[x] shop-prod") && screen.contains("[ ] demo"),
        "{screen}"
    );
    assert!(screen.contains("bot"), "what was typed stays: {screen}");
}
