//! Steps of a life: dialogs, what they ask for, what they send, what is refused.

use std::time::Duration;

use jiff::SignedDuration;
use splitdeck::api::experiments::{ChangeStatus, ExperimentList};
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service, Slot};
use splitdeck::cockpit::state::Overlay;
use splitdeck::cockpit::state::overlay::{Field, StepDialog};
use splitdeck::cockpit::{Action, Effect};
use splitdeck::domain::{EndedReason, Status};

use crate::support::cockpit::{CHECKOUT, PRICING, SEARCH, World, experiments, id, results, status};

const ARMED: Duration = Duration::from_millis(300);

fn dialog(world: &World) -> &StepDialog {
    match world.state.overlays.last() {
        Some(Overlay::Step(dialog)) => dialog,
        other => panic!("no dialog: {other:?}"),
    }
}

fn error(world: &World) -> String {
    dialog(world).error.clone().unwrap_or_default()
}

fn sent(world: &World) -> Option<(uuid::Uuid, ChangeStatus)> {
    match world.waiting_for(Slot::Status) {
        Some(Request::Status { id, change }) => Some((*id, change.clone())),
        _ => None,
    }
}

fn notice(world: &World) -> String {
    world
        .state
        .notice
        .as_ref()
        .map(|n| n.text.clone())
        .unwrap_or_default()
}

/// The list with the cursor on this experiment.
fn on(n: u128) -> World {
    on_as(n, Role::Editor, false)
}

fn on_as(n: u128, role: Role, protected: bool) -> World {
    let mut world = World::list_of(role, protected);
    let row = world.state.list.rows.iter().position(|row| *row == id(n));
    for _ in 0..row.expect("a row") {
        world.keys(&["j"]);
    }
    world
}

#[test]
fn each_step_is_sent_only_from_its_dialog() {
    let from = |to, version| ChangeStatus {
        to,
        resource_version: version,
        comment: None,
        winning_variant: None,
        ended_reason: None,
        override_failing_srm: false,
    };
    for (n, key, expected) in [
        (PRICING, "a", from(Status::Active, 1)),
        (CHECKOUT, "p", from(Status::Paused, 17)),
        (
            CHECKOUT,
            "c",
            ChangeStatus {
                ended_reason: Some(EndedReason::Success),
                ..from(Status::Completed, 17)
            },
        ),
    ] {
        let mut world = on(n);
        world.keys(&[key]);
        assert_eq!(
            dialog(&world).focus,
            Field::Cancel,
            "the focus is on what changes nothing"
        );
        assert_eq!(sent(&world), None);
        world.wait(ARMED).keys(&["right", "enter"]);
        assert_eq!(sent(&world), Some((id(n), expected.clone())), "{key}");
        assert!(dialog(&world).sending);
        world.answer_all(Role::Editor, false);
        assert_eq!(world.state.overlays.len(), 0, "the dialog closes once it is done");
        assert_eq!(status(&world, n), expected.to);
        assert!(notice(&world).contains("is "), "{}", notice(&world));
    }
}

#[test]
fn enter_on_the_focus_of_a_new_dialog_changes_nothing() {
    let mut world = on(CHECKOUT);
    world.keys(&["p"]).wait(ARMED).keys(&["enter"]);
    assert_eq!(world.state.overlays.len(), 0);
    assert_eq!(sent(&world), None);
}

#[test]
fn a_dialog_is_deaf_at_first_but_for_leaving_it() {
    let mut world = on(CHECKOUT);
    world.keys(&["p", "right", "enter", "enter"]);
    assert_eq!(dialog(&world).focus, Field::Cancel);
    world.act(Action::Paste {
        text: "x".into(),
        truncated: false,
        more: false,
    });
    world.wait(Duration::from_millis(299)).keys(&["right", "enter"]);
    assert_eq!(sent(&world), None);
    world.wait(Duration::from_millis(1)).keys(&["right"]);
    assert_eq!(dialog(&world).focus, Field::Confirm);
    // Esc and ctrl-c at once.
    let mut world = on(CHECKOUT);
    world.keys(&["p", "esc"]);
    assert_eq!(world.state.overlays.len(), 0);
    let effects = on(CHECKOUT)
        .keys(&["p"])
        .act(Action::Key("ctrl-c".parse().expect("a key")));
    assert_eq!(effects, [Effect::Quit]);
}

#[test]
fn a_step_that_the_status_does_not_allow_says_so() {
    for (n, key, says) in [
        (CHECKOUT, "a", "only a draft"),
        (PRICING, "p", "only an active"),
        (CHECKOUT, "r", "only a paused"),
        (PRICING, "c", "only an active or paused"),
    ] {
        let mut world = on(n);
        world.keys(&[key]);
        assert_eq!(world.state.overlays.len(), 0);
        assert!(notice(&world).contains(says), "{key}: {}", notice(&world));
    }
}

#[test]
fn completing_can_name_a_winner_and_a_reason() {
    let mut world = on(CHECKOUT);
    world.keys(&["c"]).wait(ARMED);
    // Cancel → confirm → around to the winner.
    world.keys(&["tab", "tab"]);
    assert_eq!(dialog(&world).focus, Field::Winner);
    world.keys(&["right", "right", "tab", "right", "right", "tab"]);
    assert_eq!(dialog(&world).focus, Field::Comment);
    world.text("shipped").keys(&["enter", "right", "enter"]);
    let (_, change) = sent(&world).expect("sent");
    assert_eq!(change.winning_variant.expect("a winner").as_str(), "treatment");
    assert_eq!(change.ended_reason, Some(EndedReason::NoLongerNeeded));
    assert_eq!(change.comment.as_deref(), Some("shipped"));
}

/// Search ranking was paused by the guard, and its test fails.
fn resuming() -> World {
    let mut world = on(SEARCH);
    world.keys(&["r"]);
    world.answer_all(Role::Editor, false);
    world.wait(ARMED);
    world
}

#[test]
fn resuming_after_an_automatic_pause_needs_a_reason_and_the_override() {
    let mut world = resuming();
    assert!(world.state.detail().is_none(), "the list stays below");
    world.keys(&["right", "enter"]);
    assert_eq!(error(&world), "a reason is required");
    world.keys(&["tab"]).text("fixed the Safari bundle");
    world.keys(&["tab"]);
    assert_eq!(dialog(&world).focus, Field::Override);
    world.keys(&["tab", "right", "enter"]);
    assert!(error(&world).contains("still fails"), "{}", error(&world));
    assert_eq!(sent(&world), None);
    world.keys(&["left", "shift-tab", "space", "tab", "right", "enter"]);
    let (to, change) = sent(&world).expect("sent");
    assert_eq!(to, id(SEARCH));
    assert_eq!(change.to, Status::Active);
    assert!(change.override_failing_srm);
    assert_eq!(change.comment.as_deref(), Some("fixed the Safari bundle"));
}

#[test]
fn once_the_test_passes_nothing_has_to_be_overridden() {
    let mut world = on(SEARCH);
    world.keys(&["r"]);
    let all = experiments();
    let passing = results(&all[0], &[(44_000, 17_000), (44_100, 8_650)]);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(passing))));
    world.wait(ARMED);
    world.keys(&["tab", "tab"]).text("it was one bad hour");
    world.keys(&["tab", "right", "enter"]);
    let (_, change) = sent(&world).expect("sent");
    assert!(!change.override_failing_srm);
}

#[test]
fn what_counts_is_the_test_that_the_server_makes() {
    // Resumed once with the override: the results of all time still fail, those since then pass.
    let mut world = on(SEARCH);
    let mut overridden = experiments()[0].clone();
    overridden.srm_checked_from = Some(world.now - SignedDuration::from_hours(3));
    overridden.resource_version += 1;
    world.wait(Duration::from_secs(2));
    let list = ExperimentList {
        experiments: vec![overridden.clone()],
    };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    world.keys(&["home", "r"]);
    let failing = results(&overridden, &[(58_735, 17_000), (29_367, 8_650)]);
    assert!(failing.srm.alarm);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(failing))));
    world.wait(ARMED);
    assert!(
        world.screen(120, 40).contains("cannot be told"),
        "not by those of all time"
    );
    let since = results(&overridden, &[(510, 100), (500, 101)]).srm;
    world.reply(Slot::SampleRatio, Ok(Answer::SampleRatio(Box::new(since))));
    let screen = world.screen(120, 40);
    assert!(screen.contains("the test passes now"), "{screen}");
    assert!(screen.contains("50.5"), "the split of those since: {screen}");
    assert!(
        screen.contains("all of this is of subjects first seen since"),
        "{screen}"
    );
    world.keys(&["tab", "tab"]).text("it was one bad hour");
    world.keys(&["tab", "right", "enter"]);
    let (_, change) = sent(&world).expect("sent");
    assert!(!change.override_failing_srm);
}

#[test]
fn without_results_the_override_is_asked_for_too() {
    let mut world = on(SEARCH);
    world.keys(&["r"]);
    world.lose(Slot::Results);
    world.wait(ARMED);
    world
        .keys(&["tab", "tab"])
        .text("urgent")
        .keys(&["tab", "tab", "right", "enter"]);
    assert!(error(&world).contains("cannot be made"), "{}", error(&world));
    assert_eq!(sent(&world), None);
}

#[test]
fn a_protected_project_wants_the_key_typed() {
    let mut world = on_as(CHECKOUT, Role::Editor, true);
    world.keys(&["p"]).wait(ARMED);
    world.keys(&["right", "enter"]);
    assert!(error(&world).contains("type the key"), "{}", error(&world));
    world
        .keys(&["tab", "tab"])
        .text("checkout-ct")
        .keys(&["tab", "right", "enter"]);
    assert_eq!(sent(&world), None);
    world
        .keys(&["left", "shift-tab", "end"])
        .text("a")
        .keys(&["tab", "right", "enter"]);
    assert!(sent(&world).is_some());
}

#[test]
fn who_may_not_write_is_told_why_in_one_place() {
    let viewer = on_as(CHECKOUT, Role::Viewer, false);
    let mut read_only = on(CHECKOUT);
    read_only.state.settings.read_only = true;
    let mut lost = on(CHECKOUT);
    lost.wait(Duration::from_secs(2));
    lost.lose(Slot::Experiments);
    for (mut world, says) in [
        (viewer, "is a viewer"),
        (read_only, "--read-only"),
        (lost, "server is lost"),
    ] {
        for key in ["a", "p", "r", "c"] {
            world.keys(&[key]);
            assert_eq!(world.state.overlays.len(), 0, "{key}");
            assert!(notice(&world).contains(says), "{key}: {}", notice(&world));
        }
        assert!(!world.effects.iter().any(Effect::writes));
    }
}

#[test]
fn a_server_lost_while_the_dialog_is_open_refuses_the_button() {
    let mut world = on(CHECKOUT);
    world.keys(&["p"]).wait(Duration::from_secs(2));
    world.lose(Slot::Experiments);
    world.keys(&["right", "enter"]);
    assert!(error(&world).contains("server is lost"), "{}", error(&world));
    assert_eq!(sent(&world), None);
}

#[test]
fn refusals_conflicts_and_lost_answers_are_told_apart() {
    let conflict = || {
        let mut problem = Problem::new(Code::VersionConflict, "it is at version 18");
        problem.changed_by = Some("deploy-bot".into());
        let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
        failure.problem = Some(Box::new(problem));
        failure
    };
    let lost = || Failure::new(Service::Api, FailureKind::Lost, "connection reset");
    let refused = || Failure::new(Service::Api, FailureKind::Refused, "Not allowed: no");
    for (failure, says) in [
        (conflict(), "deploy-bot changed it"),
        (lost(), "Not known whether it was done"),
        (refused(), "Not allowed"),
    ] {
        let mut world = on(CHECKOUT);
        world.keys(&["p"]).wait(ARMED).keys(&["right", "enter"]);
        world.reply(Slot::Status, Err(failure));
        assert!(error(&world).contains(says), "{}", error(&world));
        assert!(!dialog(&world).sending, "it can be tried again or left");
    }
}

#[test]
fn a_second_change_waits_for_the_answer_to_the_first() {
    let mut world = on(CHECKOUT);
    world.keys(&["p"]).wait(ARMED).keys(&["right", "enter", "enter"]);
    let writes = |world: &World| world.effects.iter().filter(|e| e.writes()).count();
    assert_eq!(writes(&world), 1, "a second enter sends nothing");
    world.keys(&["esc", "p"]).wait(ARMED).keys(&["right", "enter"]);
    assert_eq!(writes(&world), 1);
    assert!(error(&world).contains("still on its way"), "{}", error(&world));
    // Its answer is told, though its dialog is gone.
    world.keys(&["esc"]);
    world.answer_all(Role::Editor, false);
    assert_eq!(notice(&world), "checkout-cta is paused");
}

#[test]
fn a_change_by_somebody_else_is_said_while_the_dialog_is_open() {
    let mut world = on(CHECKOUT);
    world.keys(&["p"]).wait(Duration::from_secs(2));
    let mut all = experiments();
    all[1].resource_version = 18;
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(ExperimentList { experiments: all })),
    );
    let screen = world.screen(100, 28);
    assert!(
        screen.contains("changed since this dialog opened (v17 → v18"),
        "{screen}"
    );
}
