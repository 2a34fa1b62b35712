//! Answers that were lost on their way: what became of what was asked is said once it can be known.

use std::time::Duration;

use splitdeck::api::experiments::ExperimentList;
use splitdeck::cockpit::Action;
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Service, Slot};
use splitdeck::cockpit::state::Overlay;
use splitdeck::domain::{Experiment, Status};

use crate::support::cockpit::{CHECKOUT, World, experiments, id};

const ARMED: Duration = Duration::from_millis(300);

/// A newer version of the experiment, with a flag that can serve a winner.
fn linked() -> Experiment {
    let all = experiments();
    let mut e = all.into_iter().find(|e| e.id == id(CHECKOUT)).expect("there");
    e.linked_flag = Some("cta".parse().expect("a key"));
    e.resource_version += 1;
    e
}

fn error(world: &World) -> String {
    match world.state.overlays.last() {
        Some(Overlay::Ask(dialog)) => dialog.error.clone().unwrap_or_default(),
        other => panic!("no dialog: {other:?}"),
    }
}

fn notice(world: &World) -> &str {
    world.state.notice.as_ref().map_or("", |n| n.text.as_str())
}

/// The dialog says by itself what became of a winner whose answer did not come.
#[test]
fn an_applied_winner_whose_answer_was_lost_is_looked_after() {
    let applying = || {
        let mut world = World::experiment("checkout-cta");
        world.keys(&["1"]);
        let linked = linked();
        world.wait(Duration::from_secs(3));
        world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(linked.clone()))));
        world.keys(&["5"]);
        let results = crate::support::cockpit::results(&linked, &[(50_105, 9_530), (40_084, 7_910)]);
        world.reply(Slot::Results, Ok(Answer::Results(Box::new(results))));
        world.keys(&["W"]).wait(ARMED).keys(&["right", "enter"]);
        world.reply(
            Slot::Winner,
            Err(Failure::new(Service::Api, FailureKind::Lost, "connection reset")),
        );
        assert!(
            error(&world).contains("Not known whether it was done"),
            "{}",
            error(&world)
        );
        (world, linked)
    };
    let tells = |world: &mut World, e: &Experiment| {
        for _ in 0..10 {
            world.answer_all_but_experiments();
            if world.waiting_for(Slot::Experiments).is_none() {
                world.wait(Duration::from_secs(1));
            }
        }
        let experiments = vec![e.clone()];
        world.reply(
            Slot::Experiments,
            Ok(Answer::Experiments(ExperimentList { experiments })),
        );
    };

    let (mut world, linked) = applying();
    let mut done = linked.clone();
    done.resource_version += 1;
    done.status = Status::Completed;
    done.winning_variant = Some("treatment".parse().expect("a key"));
    tells(&mut world, &done);
    assert!(world.state.overlays.is_empty(), "{:?}", world.state.overlays);
    assert_eq!(
        notice(&world),
        "checkout-cta is completed with treatment as its winner: it was done, only the answer was lost"
    );

    let (mut world, linked) = applying();
    tells(&mut world, &linked);
    assert!(
        error(&world).contains("checkout-cta is active at v18 still: it was not done. It can be tried again"),
        "{}",
        error(&world)
    );
    world.keys(&["enter"]);
    assert!(world.waiting_for(Slot::Winner).is_some(), "it is tried again");

    let (mut world, linked) = applying();
    let mut other = linked.clone();
    other.resource_version += 1;
    other.status = Status::Paused;
    tells(&mut world, &other);
    assert!(
        error(&world).contains("It was not done: checkout-cta was changed before (v18 → v19, now paused)"),
        "{}",
        error(&world)
    );
}

/// A full disk, or a home that is read only: what is typed ends with the cockpit, and nobody finds that out by it.
#[test]
fn what_cannot_be_kept_on_disk_stays_said_and_is_not_left_by_one_key() {
    let mut world = World::experiment("checkout-cta");
    let why = "Unsaved changes are in memory only: No space left on device; free some space for \
               /home/ana/.local/state/splitdeck/drafts. It is tried again by itself";
    world.act(Action::DraftLost(why.to_owned()));
    for key in ["2", "esc", "enter"] {
        world.keys(&[key]).wait(Duration::from_secs(20));
        for (width, height) in [(80, 24), (120, 40)] {
            let screen = world.screen(width, height);
            assert!(
                screen.contains("Unsaved changes are in memory only: No space left on device"),
                "{screen}"
            );
        }
    }
    world.keys(&["q"]);
    assert!(!world.state.quitting, "first it is said");
    assert!(notice(&world).contains("would be lost"), "{}", notice(&world));
    // Once it is on disk, leaving loses nothing.
    world.act(Action::DraftsKept);
    let screen = world.screen(80, 24);
    assert!(!screen.contains("in memory only: No space"), "{screen}");
    world.wait(Duration::from_secs(20)).keys(&["q"]);
    assert!(world.state.quitting);
    // Or by the same key again.
    let mut world = World::experiment("checkout-cta");
    world.act(Action::DraftLost(why.to_owned()));
    world.keys(&["q", "q"]);
    assert!(world.state.quitting);
}

/// That nothing was wrong is no news of now.
#[test]
fn while_nothing_is_known_nobody_is_said_to_be_needed_no_more() {
    let mut world = World::list();
    world.wait(Duration::from_secs(10));
    let calm: Vec<_> = experiments()
        .into_iter()
        .filter(|e| e.id == id(CHECKOUT))
        .collect();
    let list = ExperimentList { experiments: calm };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    world.answer_all_but_experiments();
    let screen = world.screen(120, 40);
    assert!(screen.contains("nobody is needed"), "{screen}");
    world.wait(Duration::from_secs(10));
    world.lose(Slot::Experiments);
    let screen = world.screen(120, 40);
    assert!(screen.contains("nobody was needed"), "{screen}");
    assert!(!screen.contains("nobody is needed"), "{screen}");
}
