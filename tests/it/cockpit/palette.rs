//! The palette finds every command from everywhere: what works there runs, to what works elsewhere it leads.

use splitdeck::api::system::Role;
use splitdeck::cockpit::keymap::{COMMANDS, Command, Context};
use splitdeck::cockpit::state::objects::Kind;
use splitdeck::cockpit::state::{Overlay, Screen, Tab};
use splitdeck::cockpit::update::palette::{self, PaletteItem};

use crate::support::cockpit::World;

/// What the palette lists for what is typed, the best match first.
fn listed(world: &mut World, typed: &str) -> Vec<PaletteItem> {
    world.keys(&[":"]).text(typed);
    let Some(Overlay::Palette(open)) = world.state.overlays.last() else {
        panic!("no palette");
    };
    let items = palette::items(&world.state, open.input.text());
    world.keys(&["esc"]);
    items
}

fn notice(world: &World) -> &str {
    world.state.notice.as_ref().map_or("", |notice| &notice.text)
}

/// Each screen from which the palette opens.
fn places() -> Vec<(&'static str, World)> {
    let mut places = vec![("list", World::list_of(Role::Admin, false))];
    for (name, keys) in [
        ("setup", &["enter"][..]),
        ("variants", &["enter", "2"]),
        ("overrides", &["enter", "4"]),
        ("analytics", &["enter", "5"]),
        ("insights", &["enter", "6"]),
        ("flags", &["F"]),
        ("deployments", &["D"]),
        ("tokens", &["T"]),
        ("a flag", &["F", "enter"]),
        ("a new experiment", &["n"]),
    ] {
        let mut world = World::list_of(Role::Admin, false);
        for key in keys {
            world.keys(&[key]).answer_all(Role::Admin, false);
        }
        if world
            .state
            .editor()
            .is_some_and(|editor| editor.editing.is_some())
        {
            world.keys(&["esc"]);
        }
        places.push((name, world));
    }
    places
}

#[test]
fn every_command_is_found_by_its_name_from_everywhere() {
    for (place, mut world) in places() {
        for entry in COMMANDS.iter().filter(|entry| entry.palette) {
            if entry.command == Command::Contexts {
                // Its name lists the servers of the configuration.
                continue;
            }
            let first = listed(&mut world, entry.name).first().copied();
            let wanted = [
                PaletteItem::Command(entry.command),
                PaletteItem::Elsewhere(entry.command),
            ];
            assert!(
                first.is_some_and(|first| wanted.contains(&first)),
                "{} on {place}: {first:?}",
                entry.name
            );
        }
    }
}

/// What is not in the palette moves, types, or belongs to a panel that the palette would close.
#[test]
fn what_is_not_in_the_palette_needs_a_cursor_a_text_or_a_panel() {
    for entry in COMMANDS.iter().filter(|entry| !entry.palette) {
        let panel = |context: &Context| {
            matches!(
                context,
                Context::Wiring
                    | Context::Log
                    | Context::Secret
                    | Context::Collect
                    | Context::Review
                    | Context::Imports
                    | Context::Dialog
                    | Context::Conflicts
            )
        };
        let of_panel = entry.keys.iter().all(|(context, _)| panel(context));
        let group = entry.name.split('.').next().unwrap_or_default();
        let moves = matches!(
            group,
            "move" | "field" | "accept" | "back" | "palette" | "repaint" | "suspend"
        ) || [
            "list.open",
            "object.open",
            "tab.next",
            "tab.previous",
            "edit.field",
            "edit.left",
            "edit.right",
            "flag.edit",
            "create.next",
            "create.previous",
            "analytics.next-panel",
            "analytics.previous-panel",
            "overrides.next-page",
            "overrides.previous-page",
        ]
        .contains(&entry.name);
        assert!(of_panel || moves, "{} is found by no name", entry.name);
    }
}

#[test]
fn what_works_here_comes_first_and_what_works_elsewhere_says_where() {
    let mut world = World::list_of(Role::Admin, false);
    // The footer of the list offers it, so that it works there.
    for (typed, command) in [("export", Command::Export), ("list.filter", Command::Filter)] {
        assert_eq!(
            listed(&mut world, typed).first(),
            Some(&PaletteItem::Command(command)),
            "{typed}"
        );
    }
    for (typed, command, place) in [
        (
            "import",
            Command::Import,
            "Overrides of an experiment, and of a flag",
        ),
        ("regenerate", Command::Regenerate, "Insights of an experiment"),
        ("interval", Command::NextInterval, "Analytics of an experiment"),
        (
            "analytics.filter",
            Command::FilterResults,
            "Analytics of an experiment",
        ),
        ("toggle", Command::FlagToggle, "A flag, open or under the cursor"),
        ("rotate", Command::RotateKey, "List of deployments"),
        (
            "pause",
            Command::Pause,
            "search-ranking is paused: only an active experiment",
        ),
    ] {
        assert_eq!(
            listed(&mut world, typed).first(),
            Some(&PaletteItem::Elsewhere(command)),
            "{typed}"
        );
        world.keys(&[":"]).text(typed);
        let screen = world.screen(120, 40);
        world.keys(&["esc"]);
        assert!(screen.contains(place), "{typed}: {screen}");
    }
    // Without anything typed, those are the last.
    let all = listed(&mut world, "");
    let first = all
        .iter()
        .position(|item| matches!(item, PaletteItem::Elsewhere(_)));
    let first = first.expect("something works elsewhere");
    assert!(first > 20);
    let rest = &all[first..];
    assert!(rest.iter().all(|item| matches!(item, PaletteItem::Elsewhere(_))));
}

#[test]
fn enter_on_what_works_elsewhere_goes_there_and_does_it() {
    let enter = |world: &mut World, typed: &str| {
        world.keys(&[":"]).text(typed).keys(&["enter"]);
        world.answer_all(Role::Admin, false);
    };
    let mut world = World::list_of(Role::Admin, false);
    enter(&mut world, "overrides.import");
    assert_eq!(world.state.detail().map(|d| d.tab), Some(Tab::Overrides));
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Import(_))));

    let mut world = World::list_of(Role::Admin, false);
    enter(&mut world, "analytics.filter");
    let detail = world.state.detail().expect("an experiment");
    assert_eq!(detail.tab, Tab::Analytics);
    assert!(detail.analytics.prompt.is_some());
    world.keys(&["esc"]);
    enter(&mut world, "insights.regenerate");
    assert_eq!(world.state.detail().map(|d| d.tab), Some(Tab::Insights));
    assert!(
        matches!(world.state.overlays.last(), Some(Overlay::Form(_))),
        "it asks first"
    );
    world.keys(&["esc"]);
    enter(&mut world, "list.filter");
    assert_eq!(
        (world.state.screen, world.state.list.filtering),
        (Screen::Experiments, true)
    );
}

#[test]
fn what_needs_a_choice_first_is_told_and_changes_nothing() {
    let mut world = World::list_of(Role::Admin, false);
    let enter = |world: &mut World, typed: &str| {
        world.keys(&[":"]).text(typed).keys(&["enter"]);
        world.answer_all(Role::Admin, false);
        notice(world).to_owned()
    };
    // Nobody has put the cursor on the deployment that is meant.
    let said = enter(&mut world, "deployment.rotate");
    assert_eq!(world.state.screen, Screen::Objects(Kind::Deployments));
    assert_eq!(said, "deployment.rotate: with the cursor on what is meant, r");
    assert!(world.state.overlays.is_empty());
    // No experiment is at hand there.
    let said = enter(&mut world, "overrides.import");
    assert_eq!(
        said,
        "overrides.import works in: Overrides of an experiment, and of a flag; E lists the experiments, enter opens one"
    );
    assert_eq!(world.state.screen, Screen::Objects(Kind::Deployments));
    // More than one list has it.
    world.keys(&["E"]);
    let said = enter(&mut world, "object.new");
    assert!(said.starts_with("object.new works in: Lists of flags"), "{said}");
    assert!(said.contains("F lists the flags, D the deployments"), "{said}");
    assert_eq!(world.state.screen, Screen::Experiments);
    // What the state forbids says so.
    let said = enter(&mut world, "experiment.pause");
    assert!(said.contains("only an active experiment can be paused"), "{said}");
    assert!(world.state.overlays.is_empty());
    // What takes a share or a force away waits for its key.
    enter(&mut world, "overrides.remove");
    assert!(world.state.overlays.is_empty(), "nothing is under the cursor yet");
    world.keys(&["1"]);
    let said = enter(&mut world, "edit.even-split");
    assert_eq!(world.state.detail().map(|d| d.tab), Some(Tab::Variants));
    assert!(said.starts_with("edit.even-split: "), "{said}");
    assert!(world.state.drafts.is_empty());
}

#[test]
fn what_is_refused_is_refused_before_one_is_led_anywhere() {
    let mut world = World::list_of(Role::Viewer, false);
    world.keys(&[":"]).text("overrides.import").keys(&["enter"]);
    assert!(notice(&world).contains("is a viewer"), "{}", notice(&world));
    assert_eq!(world.state.screen, Screen::Experiments);
    assert!(world.state.overlays.is_empty());
}

/// What the corner says of Enter is what comes of it, and nothing is said where nothing does.
#[test]
fn the_corner_says_what_enter_does_with_the_line() {
    let mut seen = std::collections::BTreeSet::new();
    for role in [Role::Admin, Role::Viewer] {
        for entry in COMMANDS.iter().filter(|entry| entry.palette) {
            let mut world = World::list_of(role, false);
            world.keys(&[":"]).text(entry.name);
            let screen = world.screen(120, 40);
            let edge = screen.lines().find(|line| line.contains("Commands ─"));
            let edge = edge.expect("the palette");
            let word = ["run", "go there", "open", "try on"]
                .into_iter()
                .find(|word| edge.contains(&format!("⏎ {word}")));
            seen.insert(word);
            world.effects.clear();
            world.keys(&["enter"]);
            let moved = world.state.screen != Screen::Experiments || world.state.list.filtering;
            match word {
                Some("go there") => assert!(moved, "{}: {edge}", entry.name),
                Some(_) => {}
                None => {
                    assert!(!edge.contains('⏎'), "{edge}");
                    assert!(!moved && world.state.overlays.is_empty(), "{}", entry.name);
                    assert!(!notice(&world).is_empty(), "{}: it says why", entry.name);
                }
            }
        }
    }
    assert!(seen.contains(&None) && seen.contains(&Some("run")), "{seen:?}");
    assert!(seen.contains(&Some("go there")), "{seen:?}");
}
