//! `Z`: moments as dates in UTC, and back.

use std::time::Duration;

use splitdeck::api::system::Role;
use splitdeck::cockpit::times::Times;

use crate::support::cockpit::World;

const WIDE: (u16, u16) = (160, 40);

/// The screen after the keys, with what they ask for, and without the notice of the last one.
fn shown(world: &mut World, keys: &[&str]) -> String {
    world.keys(keys).answer_all(Role::Admin, false);
    world.wait(Duration::from_secs(10)).answer_all(Role::Admin, false);
    world.screen(WIDE.0, WIDE.1)
}

/// How many dates without a year, such as `11-18 02:00`, a screen has.
fn dates(screen: &str) -> usize {
    let is_date = |text: &[u8]| {
        text.iter().zip(b"00-00 00:00").all(|(got, like)| match like {
            b'0' => got.is_ascii_digit(),
            other => got == other,
        })
    };
    // Behind a dash the month is that of a date with its year.
    let bytes = format!(" {screen} ").into_bytes();
    let found = |at: &[u8]| !matches!(at[0], b'-' | b'0'..=b'9') && is_date(&at[1..12]) && at[12] != b':';
    bytes.windows(13).filter(|at| found(at)).count()
}

#[test]
fn the_key_switches_every_screen_and_switches_back() {
    for (name, world, keys, says) in [
        (
            "list",
            World::list_of(Role::Admin, false),
            &["E"][..],
            "started UTC",
        ),
        ("flags", World::list_of(Role::Admin, false), &["F"], "changed UTC"),
        (
            "deployments",
            World::list_of(Role::Admin, false),
            &["D"],
            "new key UTC",
        ),
        ("tokens", World::list_of(Role::Admin, false), &["T"], "made UTC"),
        ("labs", World::list_of(Role::Admin, false), &["B"], "changed UTC"),
        (
            "audit",
            World::list_of(Role::Admin, false),
            &["L"],
            "times in UTC",
        ),
        (
            "history",
            World::experiment("checkout-cta"),
            &["H"],
            "times in UTC",
        ),
        (
            "overrides",
            World::experiment("checkout-cta"),
            &["4"],
            "times in UTC",
        ),
        ("tabs", World::experiment("checkout-cta"), &["1"], " UTC  v"),
    ] {
        let mut world = world;
        let ages = shown(&mut world, keys);
        assert_eq!(dates(&ages), 0, "{name}\n{ages}");
        assert!(!ages.contains(says), "{name}\n{ages}");
        let switched = shown(&mut world, &["Z"]);
        assert!(dates(&switched) > 0, "{name}\n{switched}");
        assert!(switched.contains(says), "{name}\n{switched}");
        let back = shown(&mut world, &["Z"]);
        assert_eq!(dates(&back), 0, "{name}\n{back}");
        assert!(!back.contains(says), "{name}\n{back}");
    }
}

#[test]
fn the_choice_is_kept_over_screens_and_told_in_words() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["Z"]);
    assert_eq!(world.state.times, Times::Dates);
    let said = world.state.notice.as_ref().map(|notice| notice.text.clone());
    assert_eq!(said.as_deref(), Some("Times are dates in UTC"));
    for (keys, says) in [
        (&["F"][..], "changed UTC"),
        (&["T"], "made UTC"),
        (&["E"], "started UTC"),
    ] {
        let screen = shown(&mut world, keys);
        assert!(screen.contains(says), "{keys:?}\n{screen}");
    }
    world.keys(&["Z"]);
    assert_eq!(world.state.times, Times::Ages);
    let said = world.state.notice.as_ref().map(|notice| notice.text.clone());
    assert_eq!(said.as_deref(), Some("Times are told as how long ago"));
}

#[test]
fn the_palette_knows_it_and_typed_text_does_not_switch() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["/"]).text("Z");
    assert_eq!(world.state.times, Times::Ages);
    assert_eq!(world.state.list.filter.text(), "Z");
    world.keys(&["esc", ":"]).text("times").keys(&["enter"]);
    assert_eq!(world.state.times, Times::Dates);
}

#[test]
fn spans_that_count_stay_spans() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["Z"]);
    // Nothing was answered for a minute.
    world.wait(Duration::from_secs(60));
    let screen = world.screen(WIDE.0, WIDE.1);
    let waited = screen.split_once("waiting ").map(|(_, rest)| rest);
    let waited = waited
        .and_then(|rest| rest.split_once(" s"))
        .map(|(seconds, _)| seconds.parse::<u32>());
    assert!(matches!(waited, Some(Ok(_))), "{screen}");
}

#[test]
fn the_zone_is_named_in_narrow_windows_too() {
    let mut world = World::experiment("checkout-cta");
    shown(&mut world, &["H"]);
    shown(&mut world, &["Z"]);
    for width in [60, 80, 120] {
        let screen = world.screen(width, 24);
        assert!(screen.contains("times in UTC"), "{screen}");
    }
    for (key, says) in [
        ("T", "ends 12-10"),
        ("B", "changed UTC"),
        ("D", "old key ends 11-"),
    ] {
        let mut world = World::list_of(Role::Admin, false);
        shown(&mut world, &[key]);
        shown(&mut world, &["Z"]);
        let screen = world.screen(80, 24);
        assert!(screen.contains(says), "{screen}");
    }
}

#[test]
fn insights_and_setup_tell_a_date_once() {
    let mut world = World::experiment("checkout-cta");
    for (tab, relative) in [("6", " ago"), ("1", " (")] {
        let ages = shown(&mut world, &[tab]);
        let dated = shown(&mut world, &["Z"]);
        let line = |screen: &str, says: &str| {
            let line = screen.lines().find(|line| line.contains(says));
            line.expect("the line with the date").to_owned()
        };
        let says = if tab == "6" { "Summary" } else { "active since" };
        assert!(line(&ages, says).contains(relative), "{ages}");
        assert!(!line(&dated, says).contains(relative), "{dated}");
        assert!(line(&dated, says).contains(" UTC"), "{dated}");
        shown(&mut world, &["Z"]);
    }
}

#[test]
fn dates_that_were_asked_for_have_room_at_eighty_columns() {
    for (key, says) in [
        ("E", "started UTC"),
        ("F", "changed UTC"),
        ("D", "new key UTC"),
        ("T", "made UTC"),
        ("B", "changed UTC"),
    ] {
        let mut world = World::list_of(Role::Admin, false);
        world.keys(&["Z"]);
        shown(&mut world, &[key]);
        let screen = world.screen(80, 24);
        assert!(screen.contains(says) && dates(&screen) > 0, "{key}: {screen}");
    }
}
