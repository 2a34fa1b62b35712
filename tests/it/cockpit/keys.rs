//! Every key has one meaning on every screen.

use std::collections::BTreeMap;
use std::time::Duration;

use splitdeck::cockpit::keymap::{Command, Context, Keymap};
use splitdeck::cockpit::state::Overlay;
use splitdeck::cockpit::update;

use crate::screens::worlds::worlds;
use crate::support::cockpit::World;

/// Keys that a special place may take from a more general one, and why.
const TAKEN_OVER: [(Context, &str, Command, Command); 5] = [
    // In a table the arrows go through its columns; the tabs have their numbers and the tab key.
    (Context::Table, "left", Command::ColumnLeft, Command::PreviousTab),
    (Context::Table, "right", Command::ColumnRight, Command::NextTab),
    // In a history the entries have the other keys for a page.
    (Context::Log, "pageup", Command::DetailsUp, Command::PageUp),
    (Context::Log, "pagedown", Command::DetailsDown, Command::PageDown),
    // Where there is nothing live to hold, space ticks.
    (Context::Edit, "space", Command::Edit, Command::Hold),
];

#[test]
fn no_key_has_two_meanings_on_one_screen() {
    let keymap = Keymap::default();
    let mut chains = BTreeMap::new();
    for (name, world) in worlds() {
        chains.entry(update::contexts(&world.state)).or_insert(name);
    }
    assert!(chains.len() > 20, "nearly every place was looked at: {chains:?}");
    for (chain, name) in chains {
        assert!(
            Context::CHAINS.contains(&chain.as_slice()),
            "{name} goes through {chain:?}, which Context::CHAINS does not know"
        );
        let mut meanings = BTreeMap::new();
        for context in &chain {
            for bound in keymap.bindings().iter().filter(|b| b.context == *context) {
                let key = bound.key.to_string();
                let (first, meaning) = *meanings.entry(key.clone()).or_insert((*context, bound.command));
                let taken_over = (first, key.as_str(), meaning, bound.command);
                assert!(
                    meaning == bound.command || TAKEN_OVER.contains(&taken_over),
                    "{key} on {name} is {meaning:?} in {first:?} and {:?} in {context:?}",
                    bound.command
                );
            }
        }
    }
}

/// Texts of Setup name the keys as they are bound, and none where there is none.
#[test]
fn the_texts_of_setup_name_the_keys_as_they_are_bound() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["1"]);
    let screen = world.screen(200, 50);
    assert!(
        screen.contains("; H shows the history") && screen.contains("p pauses"),
        "{screen}"
    );
    let keys = [
        ("experiment.history", vec!["f9".to_owned()]),
        ("experiment.pause", vec![]),
    ];
    let keys = keys.map(|(name, keys)| (name.to_owned(), keys)).into();
    assert!(world.state.keymap.rebind(&keys).is_empty());
    let screen = world.screen(200, 50);
    assert!(screen.contains("; f9 shows the history"), "{screen}");
    assert!(
        !screen.contains("pauses") && screen.contains("; c completes"),
        "{screen}"
    );
}

/// The last line of a dialog names the key that ticks and chooses where a field takes it, and nowhere else.
#[test]
fn a_dialog_offers_to_tick_what_can_be_ticked() {
    let (mut with, mut without) = (0, 0);
    for (name, mut world) in worlds() {
        if !matches!(
            world.state.overlays.last(),
            Some(Overlay::Step(_) | Overlay::Ask(_) | Overlay::Form(_))
        ) {
            continue;
        }
        // A dialog is deaf at first.
        world.wait(Duration::from_secs(1));
        let screen = world.screen(200, 50);
        let offered = screen
            .lines()
            .last()
            .is_some_and(|line| line.contains("space tick"));
        let mut ticks = false;
        for _ in 0..20 {
            let text = match world.state.overlays.last_mut() {
                Some(Overlay::Step(dialog)) => dialog.focused_text().is_some(),
                Some(Overlay::Ask(dialog)) => dialog.focused_text().is_some(),
                Some(Overlay::Form(form)) => form.focused_text().is_some(),
                _ => panic!("{name}: gone\n{screen}"),
            };
            if !text {
                let before = world.screen(200, 50);
                world.keys(&["space"]);
                ticks |= world.screen(200, 50) != before;
            }
            world.keys(&["tab"]);
        }
        assert_eq!(offered, ticks, "{name}\n{screen}");
        *(if ticks { &mut with } else { &mut without }) += 1;
    }
    assert!(with > 3 && without > 3, "{with} with, {without} without");
}
