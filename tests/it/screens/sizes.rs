//! Any size: nothing panics, nothing is drawn outside, and what matters most stays.

use splitdeck::api::experiments::ExperimentList;
use splitdeck::cockpit::ports::{Answer, Slot};
use splitdeck::tui::glyphs::Glyphs;

use super::worlds::worlds;
use crate::support::cockpit::{World, experiments, override_page, text_of, theme};

/// How many sizes one screen leaves out for each that it draws, of those that its likes draw.
const TURNS: usize = 20;

#[test]
fn every_screen_draws_at_every_small_size() {
    // One of each kind at every size. Their likes take turns: each draws at every height and almost every width, and
    // together they draw at every size several times.
    let every = [
        "list",
        "overrides",
        "insights",
        "history",
        "resume_auto_paused",
        "palette",
    ];
    for (turn, (name, mut world)) in worlds().into_iter().enumerate() {
        for width in 1..=50 {
            for height in 1..=20 {
                let mine = usize::from(width) + 3 * usize::from(height) + turn;
                if !every.contains(&name) && mine % TURNS != 0 {
                    continue;
                }
                let buffer = world.buffer(width, height, &theme());
                assert_eq!((buffer.area.width, buffer.area.height), (width, height), "{name}");
            }
        }
    }
}

#[test]
fn a_huge_screen_draws_too() {
    for (name, mut world) in worlds() {
        let buffer = world.buffer(500, 200, &theme());
        assert_eq!((buffer.area.width, buffer.area.height), (500, 200), "{name}");
    }
}

#[test]
fn ascii_terminals_get_ascii() {
    let theme = theme().with_glyphs(Glyphs::Ascii);
    for (name, mut world) in worlds() {
        for (width, height) in [(120, 40), (80, 24), (40, 10)] {
            let text = text_of(&world.buffer(width, height, &theme));
            let wrong: String = text.chars().filter(|c| !c.is_ascii()).collect();
            assert_eq!(wrong, "", "{name} at {width}x{height}:\n{text}");
        }
    }
}

/// Names come from people, whatever font is here.
#[test]
fn ascii_terminals_get_ascii_whatever_things_are_called() {
    let theme = theme().with_glyphs(Glyphs::Ascii);
    let mut world = World::list();
    world.wait(std::time::Duration::from_secs(2));
    let mut all = experiments();
    for (experiment, name) in all.iter_mut().zip([
        "検索結果の並び順",
        "Größe der Knöpfe",
        "\u{1f469}\u{200d}\u{1f4bb}",
    ]) {
        experiment.name = name.to_owned();
        experiment.description = name.to_owned();
        experiment.resource_version += 1;
    }
    let list = ExperimentList { experiments: all };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    let mut overrides = override_page(0, 2, false);
    overrides.overrides[0].subject_id = "kund-åäö".to_owned();
    for keys in [&[][..], &["enter"], &["2"], &["4"]] {
        world.keys(keys);
        if keys == ["4"] {
            world.reply(Slot::Overrides, Ok(Answer::Overrides(overrides.clone())));
        }
        for (width, height) in [(200, 50), (120, 40), (80, 24)] {
            let text = text_of(&world.buffer(width, height, &theme));
            let wrong: String = text.chars().filter(|c| !c.is_ascii()).collect();
            assert_eq!(wrong, "", "{keys:?} at {width}x{height}:\n{text}");
        }
    }
}

#[test]
fn at_80_by_24_the_essentials_are_there() {
    for (name, mut world) in worlds() {
        let screen = world.screen(80, 24);
        for (screens, essential) in [
            (&["list", "list_lost"][..], "search-ranking"),
            (&["list"], "SRM 2.4e-149"),
            (&["list_lost"], "stale"),
            (&["pause", "pause_protected"], "Keep running"),
            (&["resume_auto_paused"], "I know that the test still fails"),
            (&["resume_auto_paused"], "Keep paused"),
            (&["resume_auto_paused"], "chi-square p < 1e-300"),
            (&["complete"], "Winner"),
            (&["setup"], "checkout-cta"),
        ] {
            if screens.contains(&name) {
                assert!(
                    screen.contains(essential),
                    "{name}: no {essential:?} in\n{screen}"
                );
            }
        }
    }
}

#[test]
fn on_a_small_screen_the_focused_field_of_a_dialog_stays_in_view() {
    let mut worlds = worlds();
    let (_, world) = worlds
        .iter_mut()
        .find(|(name, _)| *name == "resume_auto_paused")
        .expect("there");
    for (keys, essential) in [
        (&[][..], "Reason"),
        (&["tab"], "I know"),
        (&["tab"], "Keep paused"),
        (&["tab"], "Resume"),
    ] {
        world.keys(keys);
        for (width, height) in [(40, 10), (30, 6), (34, 4)] {
            let screen = world.screen(width, height);
            assert!(
                screen.contains(essential),
                "{essential} at {width}x{height}:\n{screen}"
            );
        }
    }
}

/// The panels that may be wider than questions, as ADR 11 names them: columns of what stands in each, at most.
const WIDER: [(&str, u16); 12] = [
    ("history", 96),
    ("history_dates", 96),
    ("audit", 96),
    ("resume_auto_paused", 92),
    ("evidence", 92),
    ("evidence_sound", 92),
    ("wiring", 116),
    ("flag_wiring", 116),
    ("import_empty", 96),
    ("import_kept", 96),
    ("import_counted", 96),
    ("import_malformed", 96),
];
/// Others of the card of an import.
const WIDER_IMPORTS: [&str; 4] = [
    "import_review",
    "import_running",
    "import_unfinished",
    "import_apply",
];

/// Columns of the border.
const BORDER: u16 = 4;

#[test]
fn only_the_named_panels_are_wider_than_questions() {
    let mut seen = std::collections::BTreeMap::new();
    for (name, mut world) in worlds() {
        let over = world.buffer(200, 50, &theme());
        let typing = world
            .state
            .editor()
            .is_some_and(|editor| editor.editing.is_some());
        if world.state.overlays.is_empty() && !typing {
            continue;
        }
        // A corner that is not there without them is theirs.
        world.state.overlays.clear();
        let under = world.buffer(200, 50, &theme());
        let widest = (0..50)
            .filter_map(|y| {
                let is_new =
                    |x: &u16| over[(*x, y)].symbol() == "╭" && (typing || under[(*x, y)].symbol() != "╭");
                let left = (0..200).find(is_new)?;
                let right = (left..200).find(|x| over[(*x, y)].symbol() == "╮")?;
                (over[(left + 1, y)].symbol() == " ").then_some(right + 1 - left)
            })
            .max();
        seen.insert(name, widest.unwrap_or(0));
    }
    assert!(seen.len() > 40, "{seen:?}");
    for (name, wide) in &seen {
        let named = WIDER
            .iter()
            .find(|(wider, _)| wider == name)
            .map(|(_, most)| *most);
        let most = named.or(WIDER_IMPORTS.contains(name).then_some(96)).unwrap_or(76);
        assert!(
            *wide <= most + BORDER,
            "{name}: {wide} of {}: {seen:?}",
            most + BORDER
        );
        // And needs what it was given.
        assert!(
            named.is_none() || *wide > 76 + BORDER,
            "{name}: {wide}: take it off the list"
        );
    }
}

#[test]
fn on_the_smallest_screens_a_dialog_says_what_it_asks() {
    let mut worlds = worlds();
    for (name, question) in [
        ("pause", "Pause checkout"),
        ("activate", "Activate pricing"),
        ("flag_toggle", "Switch"),
        ("resume_auto_paused", "Resume search"),
    ] {
        let (_, world) = worlds
            .iter_mut()
            .find(|(other, _)| *other == name)
            .expect("there");
        for (width, height) in [(20, 6), (30, 6), (20, 7), (40, 5)] {
            let screen = world.screen(width, height);
            assert!(screen.contains(question), "{name} at {width}x{height}:\n{screen}");
        }
    }
}
