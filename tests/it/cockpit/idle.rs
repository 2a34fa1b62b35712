//! Nothing is drawn anew while nothing changes: not a byte goes over the line, however often is asked.

use std::time::Duration;

use splitdeck::api::system::Role;
use splitdeck::cockpit::Action;
use splitdeck::cockpit::ports::{Reply, Service};

use crate::support::cockpit::{World, answer, theme};

/// Lets a second pass, and answers what is asked: with the same answers, as fast as a calm line is.
fn a_second(world: &mut World, n: u64) {
    world.wait(Duration::from_secs(1));
    while let Some((run, request)) = world.waiting.pop() {
        let slot = request.slot();
        let took = match slot.service() {
            Service::Api => 3 + n * 7 % 12,
            Service::Warehouse => 20 + n * 11 % 17,
        };
        let outcome = answer(&request, Role::Editor, false);
        world.act(Action::Reply(Box::new(Reply {
            run,
            slot,
            took: Duration::from_millis(took),
            outcome,
        })));
    }
}

#[test]
fn no_screen_changes_while_nothing_does() {
    let mut screens = vec![("list", World::list())];
    for (name, key) in [
        ("rules", "3"),
        ("overrides", "4"),
        ("analytics", "5"),
        ("insights", "6"),
    ] {
        let mut world = World::experiment("checkout-cta");
        world.keys(&[key]).answer_all(Role::Editor, false);
        screens.push((name, world));
    }
    for (name, mut world) in screens {
        // The newest event is two seconds old at first: its age is written as long as it is one in seconds.
        for n in 0..20 {
            a_second(&mut world, n);
        }
        let theme = theme();
        let before = world.buffer(120, 40, &theme);
        assert!(
            crate::support::cockpit::text_of(&before).contains("events until 05:02 UTC"),
            "{name}"
        );
        for n in 0..45 {
            a_second(&mut world, n);
            let after = world.buffer(120, 40, &theme);
            let changed = before.diff(&after);
            assert!(changed.is_empty(), "{name} after {n} s: {changed:?}");
        }
    }
}

#[test]
fn a_window_without_the_focus_is_asked_for_less() {
    let asked = |focused: bool| {
        let mut world = World::list();
        world.act(Action::Focus(focused));
        let before = world.effects.len();
        for n in 0..60 {
            a_second(&mut world, n);
        }
        world.effects.len() - before
    };
    let (looked_at, not) = (asked(true), asked(false));
    assert!(not * 3 < looked_at, "{not} of {looked_at}");
    assert!(not > 0);
}
