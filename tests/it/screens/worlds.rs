//! Every screen with something on it, without terminal and network.

use std::time::Duration;

use splitdeck::api::system::Role;
use splitdeck::cockpit::Action;
use splitdeck::cockpit::ports::{Answer, Slot};
use splitdeck::cockpit::state::overlay::DEAF_FOR;
use splitdeck::cockpit::state::preferences::{ContextEntry, Look, Read, ThemeEntry};
use splitdeck::tui::theme::Theme;

use crate::support::cockpit::{World, settings};

/// Every screen, tab, panel and dialog, each with a name.
pub fn worlds() -> Vec<(&'static str, World)> {
    let mut worlds = vec![
        ("list", World::list()),
        ("list_connecting", World::start(settings(), (120, 40))),
        ("list_lost", lost()),
        ("list_empty", empty()),
    ];
    let mut add = |name, world: World| worlds.push((name, world));
    add("list_filtered", pressed(World::list(), &["/"], "chk"));
    add("list_no_match", pressed(World::list(), &["/"], "zzz"));
    for (name, key) in [
        ("setup", "1"),
        ("variants", "2"),
        ("rules", "3"),
        ("overrides", "4"),
        ("insights", "6"),
    ] {
        add(name, pressed(World::experiment("checkout-cta"), &[key], ""));
    }
    add(
        "rules_none",
        pressed(World::experiment("onboarding-copy"), &["3"], ""),
    );
    add(
        "insights_auto_paused",
        pressed(World::experiment("search-ranking"), &["6"], ""),
    );
    add(
        "setup_draft",
        pressed(World::experiment("pricing-page-v3"), &["1"], ""),
    );
    add("help", pressed(World::list(), &["?"], ""));
    add(
        "settings",
        pressed(with_preferences(World::list()), &[",", "j", "j"], ""),
    );
    add(
        "contexts",
        pressed(with_preferences(World::list()), &[":"], "context"),
    );
    add("palette", pressed(World::list(), &[":"], "pau"));
    add("wiring", pressed(World::experiment("checkout-cta"), &["w"], ""));
    add(
        "history",
        pressed(World::experiment("search-ranking"), &["H", "j"], ""),
    );
    let mut explained = pressed(World::experiment("checkout-cta"), &["x"], "u-1");
    explained.keys(&["enter"]).answer_all(Role::Editor, false);
    add("explain", explained);
    add(
        "explain_empty",
        pressed(World::experiment("checkout-cta"), &["x"], ""),
    );
    add(
        "activate",
        pressed(World::experiment("pricing-page-v3"), &["a"], ""),
    );
    add("pause", pressed(World::experiment("checkout-cta"), &["p"], ""));
    add(
        "complete",
        pressed(World::experiment("checkout-cta"), &["c", "tab", "tab"], ""),
    );
    let mut protected = World::list_of(Role::Editor, true);
    protected
        .keys(&["j", "p"])
        .wait(DEAF_FOR)
        .keys(&["tab", "tab"])
        .text("checking");
    add("pause_protected", protected);
    let mut resume = pressed(World::list(), &["r"], "");
    resume
        .wait(DEAF_FOR)
        .keys(&["tab", "tab"])
        .text("fixed the Safari bundle, deploy 4411");
    add("resume_auto_paused", resume);
    worlds.extend(super::more_worlds::worlds());
    worlds
}

/// A cockpit with what the files of a person say.
fn with_preferences(mut world: World) -> World {
    let theme = |name: &str, description: &str, own| ThemeEntry {
        name: name.to_owned(),
        description: description.to_owned(),
        own,
    };
    let context = |name: &str, api: &str, project: &str| ContextEntry {
        name: name.to_owned(),
        api: api.to_owned(),
        project: Some(project.to_owned()),
    };
    let built_in = Theme::names().into_iter().map(|name| {
        let built_in = Theme::built_in(name).expect("built in");
        theme(name, &built_in.description, false)
    });
    world.state.preferences.file = "/home/ana/.config/splitdeck/config.toml".to_owned();
    world.state.settings.context = Some("prod".to_owned());
    world.act(Action::Read(Box::new(Read {
        look: Some(Look {
            theme: "default".to_owned(),
            ..Look::default()
        }),
        themes: std::iter::once(theme("mine", "of your own", true))
            .chain(built_in)
            .collect(),
        contexts: vec![
            context("prod", "https://splitdeck.internal", "shop-prod"),
            context("staging", "https://splitdeck.staging.internal", "shop-staging"),
        ],
        keys: [("help".to_owned(), vec!["?".to_owned(), "f2".to_owned()])].into(),
        ..Read::default()
    })));
    world
}

/// Keys and a text, everything that is asked answered, dialogs armed.
pub fn pressed(mut world: World, keys: &[&str], text: &str) -> World {
    for key in keys {
        world.keys(&[key]);
        world.wait(DEAF_FOR);
    }
    world.text(text).answer_all(Role::Editor, false);
    world
}

/// The list with both services lost for a while.
fn lost() -> World {
    let mut world = World::list();
    world.wait(Duration::from_secs(2));
    for slot in [Slot::Experiments, Slot::Overview] {
        world.lose(slot);
    }
    for _ in 0..5 {
        world.wait(Duration::from_secs(8));
        for slot in Slot::ALL {
            if world.waiting_for(slot).is_some() {
                world.lose(slot);
            }
        }
    }
    world
}

fn empty() -> World {
    let mut world = World::start(settings(), (120, 40));
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(splitdeck::api::experiments::ExperimentList {
            experiments: Vec::new(),
        })),
    );
    world.answer_all(Role::Editor, false);
    world
}
