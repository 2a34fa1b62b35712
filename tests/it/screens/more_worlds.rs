//! Flags, deployments, projects, tokens, bulk import: each with something on it.

use splitdeck::api::imports::{Import, ImportList};
use splitdeck::api::system::Role;
use splitdeck::cockpit::Action;
use splitdeck::cockpit::edit::Of;
use splitdeck::cockpit::intake::{Left, Tally, Told};
use splitdeck::cockpit::ports::{Answer, Slot};
use splitdeck::cockpit::state::Overlay;
use splitdeck::cockpit::state::import::ImportPanel;
use splitdeck::cockpit::state::overlay::DEAF_FOR;

use super::worlds::pressed;
use crate::support::cockpit::{CHECKOUT, World, id};
use crate::support::objects;

/// A list of an administrator.
fn list(key: &str) -> World {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&[key]).answer_all(Role::Admin, false);
    world
}

/// As [`pressed`], for an administrator.
fn with(mut world: World, keys: &[&str], text: &str) -> World {
    for key in keys {
        world.keys(&[key]).answer_all(Role::Admin, false);
        world.wait(DEAF_FOR);
    }
    world.text(text).answer_all(Role::Admin, false);
    world
}

/// A flag with a draft.
fn drafted() -> World {
    let mut world = with(list("F"), &["j", "enter", "j", "j", "j", "enter"], "");
    world
        .keys(&["ctrl-u"])
        .text("50")
        .keys(&["enter", "tab", "enter"]);
    world
}

/// The panel of a bulk import of the open experiment.
pub fn panel(world: &mut World) -> &mut ImportPanel {
    match world.state.overlays.last_mut() {
        Some(Overlay::Import(panel)) => panel,
        other => panic!("no import: {other:?}"),
    }
}

/// The card, with ids that were counted.
pub fn counted() -> World {
    let mut world = pressed(World::experiment("checkout-cta"), &["4", "i"], "");
    world.act(Action::Paste {
        text: "u-1\nu-2\n".to_owned(),
        truncated: false,
        more: false,
    });
    let intake = panel(&mut world).intake.expect("begun");
    let import: Import = serde_json::from_value(objects::import("staged", 0)).expect("an import");
    let told = Told::Counted {
        intake,
        tally: Box::new(Tally {
            bytes: 9_000_000,
            received: import.received,
            unique: import.unique,
            duplicates: import.duplicates,
            malformed: import.malformed,
            malformed_lines: import.malformed_lines,
            first: import.first,
            last: import.last,
            ..Tally::default()
        }),
        done: true,
    };
    world.act(Action::Intake(told));
    world
}

/// The dry run of those.
pub fn reviewed() -> World {
    let mut world = counted();
    world.keys(&["down", "down", "down", "down", "right", "enter"]);
    world.answer_all(Role::Editor, false);
    world
}

/// It is asked whether they are to come in force.
fn applying() -> World {
    let mut world = reviewed();
    world
        .keys(&["enter"])
        .answer_all(Role::Editor, false)
        .wait(DEAF_FOR);
    world
}

/// Chunks at work.
pub fn running() -> World {
    let mut world = reviewed();
    world.keys(&["enter"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    world.wait(std::time::Duration::from_secs(30));
    let import = serde_json::from_value(objects::import("applying", 34)).expect("an import");
    world.reply(Slot::ImportStep, Ok(Answer::Import(Some(Box::new(import)))));
    world
}

/// The Overrides tab with an import that was not finished, as after a crash.
pub fn unfinished() -> World {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]);
    let imports = ["applying", "applied", "undone"]
        .into_iter()
        .map(|state| serde_json::from_value(objects::import(state, 34)).expect("an import"))
        .collect();
    world.reply(
        Slot::Imports,
        Ok(Answer::Imports(
            Of::Experiment,
            id(CHECKOUT),
            ImportList { imports },
        )),
    );
    world.answer_all(Role::Editor, false);
    world
}

/// Every screen and overlay of them.
pub fn worlds() -> Vec<(&'static str, World)> {
    let mut kept = pressed(World::experiment("checkout-cta"), &["4", "i"], "");
    kept.act(Action::Intake(Told::Found(vec![Left {
        intake: id(77),
        bytes: 1_500_000,
        at: (kept.now.as_millisecond() - 300_000) / 1_000,
    }])));
    let mut malformed = counted();
    malformed.keys(&["f2"]);
    let mut protected = World::list_of(Role::Admin, true);
    protected.keys(&["F", "j"]).answer_all(Role::Admin, true);
    protected.keys(&["o"]).wait(DEAF_FOR);
    let mut both = drafted();
    let mut theirs = objects::flags();
    theirs["flags"][1]["rolloutPct"] = serde_json::json!(30);
    theirs["flags"][1]["resourceVersion"] = serde_json::json!(4);
    both.wait(std::time::Duration::from_secs(4));
    both.reply(
        Slot::Flags,
        Ok(Answer::Flags(serde_json::from_value(theirs).expect("flags"))),
    );
    both.answer_all(Role::Admin, false);
    let mut asking = World::list_of(Role::Admin, false);
    asking.keys(&["F"]);
    let mut imports = unfinished();
    imports.keys(&["I", "j"]);
    let mut rest = list("F");
    rest.keys(&["/"]).text("zzz");
    vec![
        ("flags", list("F")),
        ("flags_asking", asking),
        ("flags_no_match", rest),
        ("flag", with(list("F"), &["j", "enter"], "")),
        ("flag_draft", drafted()),
        ("flag_both_changed", both),
        ("flag_save", with(drafted(), &["S"], "")),
        ("flag_toggle", with(list("F"), &["j", "o"], "")),
        ("flag_toggle_protected", protected),
        ("flag_new", with(list("F"), &["n"], "Dark mode")),
        (
            "flag_rule",
            with(list("F"), &["j", "enter", "G", "k", "k", "enter"], ""),
        ),
        (
            "flag_overrides",
            with(list("F"), &["j", "enter", "G", "enter"], ""),
        ),
        ("flag_copy", with(list("F"), &["j", "C"], "")),
        ("flag_wiring", with(list("F"), &["j", "w", "tab"], "")),
        ("deployments", list("D")),
        ("deployment_rotate", with(list("D"), &["r"], "")),
        ("deployment_revoke", with(list("D"), &["X"], "")),
        ("deployment_key", with(list("D"), &["r", "tab", "enter"], "")),
        ("projects", list("P")),
        ("labs", list("B")),
        ("project_edit", with(list("P"), &["e"], "")),
        ("tokens", list("T")),
        ("tokens_dates", {
            let mut world = with(list("T"), &["Z"], "");
            world
                .wait(std::time::Duration::from_secs(10))
                .answer_all(Role::Admin, false);
            world
        }),
        ("token_new", with(list("T"), &["n"], "ci")),
        ("audit", with(list("F"), &["L"], "")),
        (
            "import_empty",
            pressed(World::experiment("checkout-cta"), &["4", "i"], ""),
        ),
        ("import_kept", kept),
        ("import_counted", counted()),
        ("import_malformed", malformed),
        ("import_review", reviewed()),
        ("import_apply", applying()),
        ("import_running", running()),
        ("import_unfinished", unfinished()),
        ("imports", imports),
        (
            "insights_not_saved",
            pressed(World::experiment("onboarding-copy"), &["6"], ""),
        ),
    ]
}
