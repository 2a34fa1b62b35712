//! Every screen with something on it, without terminal and network.

use std::time::Duration;

use splitdeck::api::experiments::ExperimentList;
use splitdeck::api::system::Role;
use splitdeck::cockpit::Action;
use splitdeck::cockpit::ports::{Answer, Slot};
use splitdeck::cockpit::state::overlay::DEAF_FOR;
use splitdeck::cockpit::state::preferences::{ContextEntry, Look, Read, ThemeEntry};
use splitdeck::domain::{EndedReason, Status};
use splitdeck::tui::theme::Theme;

use crate::support::cockpit::{World, experiments, settings};

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
    // The notice that the switch brings has gone before the frame.
    for (name, world, keys) in [
        ("list_dates", World::list(), &["Z"][..]),
        (
            "history_dates",
            World::experiment("search-ranking"),
            &["Z", "H", "j"],
        ),
    ] {
        let mut world = pressed(world, keys, "");
        world
            .wait(Duration::from_secs(10))
            .answer_all(Role::Editor, false);
        add(name, world);
    }
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
    add("end", ending());
    add(
        "archive",
        pressed(World::experiment("pricing-page-v3"), &["A"], ""),
    );
    add(
        "delete",
        pressed(World::experiment("pricing-page-v3"), &["esc", "delete"], ""),
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
    add("evidence", pressed(World::list(), &["home", "d"], ""));
    add(
        "evidence_sound",
        pressed(World::experiment("checkout-cta"), &["5", "d"], ""),
    );
    worlds.extend(super::more_worlds::worlds());
    worlds.extend(editing());
    worlds
}

/// A completed experiment whose winner a flag serves is to be ended.
fn ending() -> World {
    let mut world = World::list();
    world.wait(Duration::from_secs(2));
    let mut all = experiments();
    let completed = &mut all[1];
    completed.status = Status::Completed;
    completed.winning_variant = completed.variants.get(1).map(|variant| variant.key.clone());
    completed.linked_flag = Some(completed.key.clone());
    completed.ended_reason = Some(EndedReason::Success);
    let at = completed.id;
    let list = ExperimentList { experiments: all };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    world.state.list.selected = Some(at);
    world.keys(&["f"]).wait(DEAF_FOR);
    world
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

/// Fields, unsaved changes, and the dialogs about them.
fn editing() -> Vec<(&'static str, World)> {
    let checkout = || World::experiment("checkout-cta");
    let mut worlds = Vec::new();
    let mut add = |name, world: World| worlds.push((name, world));
    add(
        "edit_name",
        pressed(checkout(), &["j", "enter"], " for everybody"),
    );
    let mut changed = pressed(checkout(), &["j", "enter"], " for everybody");
    changed.keys(&["enter"]);
    changed
        .keys(&["j", "j", "enter"])
        .text(" Shoppers told us so.")
        .keys(&["esc"]);
    add("edit_changed", changed);
    // The holdout is the first field of its section that takes a number.
    let mut refused = checkout();
    refused
        .keys(&["j"; 10])
        .keys(&["enter", "ctrl-u"])
        .text("many")
        .keys(&["enter"]);
    add("edit_refused", refused);
    add("edit_text", pressed(checkout(), &["j", "j", "j", "enter"], ""));
    let mut variants = pressed(checkout(), &["2", "l", "j", "enter", "ctrl-u"], "20");
    variants.keys(&["enter", "n"]);
    add("edit_variants", variants);
    let mut split = pressed(checkout(), &["2", "l", "j", "enter", "ctrl-u"], "20");
    split.keys(&["enter", "S"]).wait(DEAF_FOR);
    add("save", split);
    add(
        "edit_payload",
        pressed(checkout(), &["2", "j", "l", "l", "l", "l", "l", "enter"], ","),
    );
    add("remove_variant", pressed(checkout(), &["2", "n", "k", "d"], ""));
    add("edit_rule", pressed(checkout(), &["3", "enter", "G"], ""));
    let mut rule = pressed(checkout(), &["3", "enter", "n", "enter"], "c");
    rule.keys(&["down"]);
    add("edit_condition", rule);
    let mut rules = pressed(checkout(), &["3", "J", "n", "esc"], "");
    rules.keys(&["k"]);
    add("edit_rules", rules);
    let mut metric = checkout();
    metric.keys(&["j"; 14]);
    let metric = pressed(metric, &["enter", "n"], "amount");
    add("edit_metric", metric);
    add("override_add", pressed(checkout(), &["4", "n"], "qa-17"));
    add(
        "override_remove",
        pressed(pressed(checkout(), &["4"], ""), &["j", "d"], ""),
    );
    add("discard", pressed(changed_name(), &["X"], ""));
    let mut offered = World::list();
    offered.disk = changed_name().disk;
    add("draft_offered", pressed(offered, &["j", "enter"], ""));
    add("news", disagreed(false));
    add("conflict", disagreed(true));
    add("conflicts", pressed(disagreed(true), &["S", "right"], ""));
    add("create", pressed(World::list(), &["n"], "Faster search"));
    let named = || {
        let mut world = pressed(World::list(), &["n"], "Faster search");
        world.keys(&["enter"]);
        world
    };
    add("create_measure", pressed(named(), &["tab", "enter"], "pur"));
    add("create_variants", pressed(named(), &["tab", "tab", "n", "="], ""));
    add("create_power", pressed(named(), &["tab", "tab", "tab"], ""));
    add(
        "create_review",
        pressed(named(), &["tab", "tab", "tab", "tab"], ""),
    );
    add("create_confirm", pressed(named(), &["S", "S"], ""));
    let mut winner = checkout();
    winner.wait(Duration::from_secs(3));
    let mut linked = experiments().remove(1);
    linked.linked_flag = Some("checkout".parse().expect("a key"));
    linked.resource_version += 1;
    winner.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(linked))));
    winner.keys(&["5"]).answer_all_but_experiments();
    winner.keys(&["W"]).wait(DEAF_FOR);
    add("apply_winner", winner);
    worlds
}

fn changed_name() -> World {
    let mut world = pressed(
        World::experiment("checkout-cta"),
        &["j", "enter"],
        " for everybody",
    );
    world.keys(&["enter"]);
    world
}

/// Somebody else saves while there are unsaved changes: something else, or the same too.
fn disagreed(same: bool) -> World {
    let mut world = changed_name();
    world.wait(Duration::from_secs(3));
    let mut theirs = experiments().remove(1);
    theirs.hypothesis = "It is seen by more.".to_owned();
    if same {
        theirs.name = "Tall button".to_owned();
    }
    theirs.resource_version += 1;
    world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(theirs))));
    let mut history = crate::support::cockpit::history();
    history.entries[1].resource_version = 18;
    history.entries[1].at = world.now - jiff::SignedDuration::from_secs(12);
    world.reply(Slot::History, Ok(Answer::History(history)));
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
        Ok(Answer::Experiments(ExperimentList {
            experiments: Vec::new(),
        })),
    );
    world.answer_all(Role::Editor, false);
    world
}
