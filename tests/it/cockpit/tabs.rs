//! One experiment: tabs, overrides, panels, palette.

use std::time::Duration;

use splitdeck::api::system::Role;
use splitdeck::cockpit::ports::{Request, Slot};
use splitdeck::cockpit::state::{Overlay, Screen, Tab};
use splitdeck::cockpit::{Action, Effect};

use crate::support::cockpit::World;

fn tab(world: &World) -> Tab {
    world.state.detail().expect("open").tab
}

#[test]
fn numbers_and_tab_open_the_tabs() {
    let mut world = World::experiment("checkout-cta");
    for (key, expected) in [
        ("2", Tab::Variants),
        ("6", Tab::Insights),
        ("tab", Tab::Setup),
        ("shift-tab", Tab::Insights),
        ("left", Tab::Analytics),
        ("4", Tab::Overrides),
        ("right", Tab::Analytics),
        ("3", Tab::Rules),
    ] {
        world.keys(&[key]);
        assert_eq!(tab(&world), expected, "{key}");
    }
}

#[test]
fn a_page_scrolls_no_further_than_its_end() {
    let mut world = World::experiment("checkout-cta");
    world.screen(60, 15);
    world.keys(&["G"]);
    let end = world.screen(60, 15);
    assert!(end.contains("cohort 1"), "{end}");
    world.keys(&["j", "j", "pagedown"]);
    assert_eq!(world.screen(60, 15), end);
    world.keys(&["g"]);
    assert!(world.screen(60, 15).contains("checkout-cta"));
    assert!(!world.screen(60, 15).contains("cohort 1"));
}

fn overrides(world: &World) -> (Option<String>, Option<String>) {
    match world.waiting_for(Slot::Overrides) {
        Some(Request::Overrides { query, .. }) => (query.search.clone(), query.after.clone()),
        other => panic!("not asked: {other:?}"),
    }
}

#[test]
fn overrides_are_paged_and_searched() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]);
    assert_eq!(overrides(&world), (None, None));
    world.answer_all(Role::Editor, false);
    world.screen(100, 28);
    world.keys(&["]"]);
    assert_eq!(overrides(&world), (None, Some("user:u-000199".into())));
    world.answer_all(Role::Editor, false);
    assert!(world.screen(100, 28).contains("201 of 40,012"));
    world.keys(&["]"]);
    assert!(
        world.waiting_for(Slot::Overrides).is_none(),
        "it is the last page"
    );
    world.keys(&["["]);
    assert_eq!(overrides(&world), (None, None));
    world.answer_all(Role::Editor, false);
    // Past the last row of a page the next one begins.
    world.keys(&["G", "j"]);
    assert_eq!(overrides(&world), (None, Some("user:u-000199".into())));
    world.answer_all(Role::Editor, false);
    world.keys(&["/"]).text("qa");
    assert_eq!(
        overrides(&world),
        (Some("qa".into()), None),
        "a search begins at its first page"
    );
    world.answer_all(Role::Editor, false);
    world.keys(&["esc", "esc"]);
    assert_eq!(overrides(&world), (None, None));
    world.answer_all(Role::Editor, false);
    world.keys(&["j"]);
    let effects = world.act(Action::Key("y".parse().expect("a key")));
    assert_eq!(effects, [Effect::Copy("u-000001".into())]);
}

#[test]
fn explain_asks_for_the_typed_user_and_shows_the_steps() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["x"]).text("u-1").keys(&["enter"]);
    match world.waiting_for(Slot::Explain) {
        Some(Request::Explain { request, .. }) => assert_eq!(request.user.user_id.as_deref(), Some("u-1")),
        other => panic!("not asked: {other:?}"),
    }
    world.answer_all(Role::Viewer, false);
    let screen = world.screen(100, 30);
    for part in [
        "u-1 → ● treatment",
        "bucket 4816",
        "profile.country is TH: it is DE",
        "slot 33,206,554",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    world.keys(&["esc"]);
    assert_eq!(world.state.overlays.len(), 0);
    assert_eq!(world.state.screen, Screen::Experiment);
}

#[test]
fn the_history_is_loaded_when_it_is_looked_at() {
    let mut world = World::list();
    assert!(world.waiting_for(Slot::History).is_none());
    world.keys(&["H"]);
    assert!(matches!(
        world.waiting_for(Slot::History),
        Some(Request::History { before: None, .. })
    ));
    world.answer_all(Role::Editor, false);
    let screen = world.screen(100, 30);
    assert!(
        screen.contains("deploy-bot") && screen.contains("sample ratio mismatch"),
        "{screen}"
    );
    world.keys(&["j", "j"]);
    assert!(
        world.screen(100, 30).contains("first try"),
        "the comment of the entry under the cursor"
    );
    world.wait(Duration::from_secs(60));
    assert!(
        world.waiting_for(Slot::History).is_none(),
        "it does not change by itself"
    );
}

#[test]
fn the_palette_reaches_commands_and_experiments() {
    let mut world = World::list();
    world.keys(&[":"]).text("onboard").keys(&["enter"]);
    assert_eq!(world.state.screen, Screen::Experiment);
    assert_eq!(world.state.detail().expect("open").name, "onboarding-copy");
    world.keys(&[":"]).text("tab.rules").keys(&["enter"]);
    assert_eq!(tab(&world), Tab::Rules);
    world.keys(&[":"]).text("experiment.pause").keys(&["enter"]);
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Step(_))));
    world
        .keys(&["esc", ":"])
        .text("zzz no such thing")
        .keys(&["enter"]);
    assert_eq!(world.state.overlays.len(), 0, "nothing was chosen");
    let effects = World::list()
        .keys(&[":"])
        .text("quit")
        .act(Action::Key("enter".parse().expect("a key")));
    assert_eq!(effects, [Effect::Quit]);
}

#[test]
fn help_lists_the_keys_of_what_lies_below() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4", "?"]).answer_all(Role::Editor, false);
    let help = world.screen(100, 60);
    assert!(
        help.contains("Overrides tab") && help.contains("The next page of overrides"),
        "{help}"
    );
    assert!(!help.contains("Open the experiment under the cursor"), "{help}");
    world.keys(&["?"]);
    assert_eq!(world.state.overlays.len(), 0);
}

#[test]
fn a_paste_goes_into_the_field_or_is_said_to_be_left_out() {
    let mut world = World::experiment("checkout-cta");
    let paste = |text: &str, truncated| Action::Paste {
        text: text.into(),
        truncated,
        more: false,
    };
    world.act(paste("p\nq", false));
    assert!(!world.state.quitting, "pasted text is no key");
    assert!(
        world
            .state
            .notice
            .as_ref()
            .expect("said")
            .text
            .contains("left out")
    );
    world.keys(&["x"]);
    world.act(paste("user 7\n", true));
    match world.state.overlays.last() {
        Some(Overlay::Explain(panel)) => assert_eq!(panel.input.text(), "user 7"),
        other => panic!("{other:?}"),
    }
    assert!(
        world
            .state
            .notice
            .as_ref()
            .expect("said")
            .text
            .contains("was cut")
    );
}

#[test]
fn leaving_works_in_every_state() {
    for keys in [
        &[][..],
        &["/"],
        &[":"],
        &["?"],
        &["H"],
        &["x"],
        &["w"],
        &["j", "p"],
        &["enter"],
        &["enter", "4", "/"],
        &["enter", "5", "/"],
    ] {
        let mut world = World::list();
        world.keys(keys);
        let effects = world.act(Action::Key("ctrl-c".parse().expect("a key")));
        assert!(effects.contains(&Effect::Quit), "{keys:?}");
        // And so many Esc always lead back to the list, and no further.
        let mut world = World::list();
        world.keys(keys).keys(&["esc"; 4]);
        assert_eq!(world.state.screen, Screen::Experiments, "{keys:?}");
        assert_eq!(world.state.overlays.len(), 0, "{keys:?}");
        assert!(!world.state.quitting);
    }
}
