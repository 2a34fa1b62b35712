//! Editing by keys: fields, saving, drafts, conflicts.

use std::time::Duration;

use jiff::SignedDuration;
use splitdeck::api::experiments::{ExperimentList, UpdateExperiment};
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::{Attr, Cell, Part, Path, Side, StoredDraft};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service, Slot, Suggest};
use splitdeck::cockpit::state::ask::{Ask, AskField};
use splitdeck::cockpit::state::editor::Found;
use splitdeck::cockpit::state::{Overlay, Screen, Tab};
use splitdeck::cockpit::{Action, Effect};
use splitdeck::domain::{Experiment, Percent, Status};

use crate::support::cockpit::{
    CHECKOUT, PRICING, SEARCH, World, changed, experiments, id, me, of_experiment,
};
use crate::support::objects;

const ARMED: Duration = Duration::from_millis(300);

fn sent(world: &World) -> Option<UpdateExperiment> {
    match world.waiting_for(Slot::Update) {
        Some(Request::Update { change, .. }) => Some((**change).clone()),
        _ => None,
    }
}

fn notice(world: &World) -> String {
    world
        .state
        .notice
        .as_ref()
        .map(|n| n.text.clone())
        .unwrap_or_default()
}

fn error(world: &World) -> String {
    match world.state.overlays.last() {
        Some(Overlay::Ask(dialog)) => dialog.error.clone().unwrap_or_default(),
        other => panic!("no dialog: {other:?}"),
    }
}

/// Goes to a field of the sheet on the screen.
pub(super) fn go_to(world: &mut World, cell: &Cell) {
    let (edited, sheet) = world.state.sheet().expect("a sheet");
    let e = world.state.edited(edited).expect("known").clone();
    let rows = sheet.rows(&e);
    let row = rows.iter().position(|row| row.cells.contains(cell));
    let row = row.unwrap_or_else(|| panic!("{cell:?} is not on {sheet:?}"));
    world.keys(&["home"]);
    for _ in 0..row {
        world.keys(&["j"]);
    }
    let column = rows[row]
        .cells
        .iter()
        .position(|other| other == cell)
        .expect("there");
    for _ in 0..7 {
        if sheet.is_table() {
            world.keys(&["h"]);
        }
    }
    for _ in 0..column {
        world.keys(&["l"]);
    }
}

/// Replaces the text of a field.
fn set(world: &mut World, cell: &Cell, text: &str) {
    go_to(world, cell);
    let lines = matches!(cell, Cell::Description | Cell::Hypothesis);
    // In a text of several lines enter is a line.
    let leave = if lines { "esc" } else { "enter" };
    world.keys(&["enter", "ctrl-u"]).text(text).keys(&[leave]);
}

fn traffic(key: &str) -> Cell {
    Cell::Variant(key.into(), Attr::Traffic)
}

/// What the server would send now, one version further.
fn newer(n: u128, change: impl FnOnce(&mut Experiment)) -> Experiment {
    let mut all = experiments();
    let e = all.iter_mut().find(|e| e.id == id(n)).expect("there");
    change(e);
    e.resource_version += 1;
    e.clone()
}

/// The refresh brings a newer version.
fn arrives(world: &mut World, newer: &Experiment) {
    world.wait(Duration::from_secs(3));
    world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(newer.clone()))));
}

#[test]
fn a_change_is_shown_first_and_then_saved_from_its_version() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Taller button");
    assert_eq!(sent(&world), None, "nothing is saved by leaving a field");
    let screen = world.screen(120, 40);
    for part in ["Checkout button → Taller button", "1 Setup*", "1 unsaved change"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    world.keys(&["S"]);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("~ name") && screen.contains("‹ Go on editing ›"),
        "{screen}"
    );
    world.keys(&["right", "enter"]);
    assert_eq!(sent(&world), None, "the dialog is deaf at first");
    world.wait(ARMED).keys(&["enter"]);
    assert_eq!(
        world.state.overlays.len(),
        0,
        "the focus is on the button that changes nothing"
    );
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    let change = sent(&world).expect("sent");
    assert_eq!(change.resource_version, 17);
    assert_eq!(change.name.as_deref(), Some("Taller button"));
    assert_eq!(
        UpdateExperiment { name: None, ..change },
        UpdateExperiment {
            resource_version: 17,
            ..UpdateExperiment::default()
        },
        "only what changed is sent"
    );
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.overlays.len(), 0);
    assert_eq!(notice(&world), "Saved 1 change of checkout-cta (v18)");
    assert!(world.state.drafts[&id(CHECKOUT)].is_clean());
    assert!(world.disk.is_empty(), "nothing is kept of what is saved");
    assert!(!world.screen(120, 40).contains("Setup*"));
}

#[test]
fn a_text_that_cannot_stand_is_said_in_the_servers_words_and_kept() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Holdout, "many");
    let screen = world.screen(120, 40);
    assert!(screen.contains("holdout: got \"many\""), "{screen}");
    world.keys(&["2", "S"]);
    assert_eq!(world.state.overlays.len(), 0);
    assert!(notice(&world).contains("holdout: got"), "{}", notice(&world));
    assert_eq!(
        world.state.detail().expect("open").tab,
        Tab::Setup,
        "it goes to the field"
    );
    world.keys(&["enter"]);
    let editing = world
        .state
        .editor()
        .and_then(|e| e.editing.as_ref())
        .expect("typed");
    assert_eq!(
        (editing.cell.clone(), editing.text()),
        (Cell::Holdout, "many".to_owned())
    );
    world.keys(&["ctrl-u"]).text("30").keys(&["enter"]);
    let screen = world.screen(220, 50);
    assert!(
        screen.contains("holdout: got \"30.00\", allowed is 0 to 25"),
        "{screen}"
    );
    world.keys(&["u", "u"]);
    assert!(world.state.drafts[&id(CHECKOUT)].is_clean());
    world.keys(&["U", "U"]);
    assert_eq!(
        world.state.drafts[&id(CHECKOUT)].mine.holdout_pct.basis_points(),
        3_000
    );
}

#[test]
fn the_consequences_of_a_changed_split_are_named_before_it_is_saved() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["2"]);
    set(&mut world, &traffic("treatment"), "20");
    world.keys(&["S"]);
    let screen = world.screen(120, 40);
    for part in [
        "treatment traffic",
        "40.00 % → 20.00 %",
        "20.00 % of the subjects stop seeing treatment (about 20,042 of 90,189",
        "Cohort 2 is appended",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
}

#[test]
fn in_a_draft_the_table_of_variants_saves_as_a_field_is_left() {
    let mut world = World::experiment("pricing-page-v3");
    set(&mut world, &Cell::Description, "");
    world.keys(&["enter"]).text("waits").keys(&["esc"]);
    world.keys(&["2"]);
    set(&mut world, &traffic("treatment"), "60");
    assert_eq!(
        sent(&world),
        None,
        "110 % cannot be saved: it stays an unsaved change"
    );
    assert!(world.screen(120, 40).contains("10.00 % too much"));
    set(&mut world, &traffic("control"), "40");
    let change = sent(&world).expect("sent as the field was left");
    assert_eq!(change.resource_version, 1);
    let shares: Vec<u32> = (change.variants.as_ref().expect("variants").iter())
        .map(|v| v.traffic_pct.basis_points())
        .collect();
    assert_eq!(shares, [4_000, 6_000]);
    assert_eq!(change.description, None, "what is not in the table waits");
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.drafts[&id(PRICING)].count(), 1);
}

/// Where leaving a field saves it, Esc has to be the way to leave it unsaved: what was typed is dropped, and that is said.
#[test]
fn esc_in_a_cell_of_the_variants_drops_what_was_typed_and_saves_nothing() {
    for experiment in ["pricing-page-v3", "checkout-cta"] {
        let mut world = World::experiment(experiment);
        world.keys(&["2"]);
        let cell = Cell::Variant("control".into(), Attr::Name);
        go_to(&mut world, &cell);
        world.keys(&["enter"]).text("Old button").keys(&["esc"]);
        assert_eq!(sent(&world), None);
        let said = notice(&world);
        assert!(said.contains("Old button was dropped; enter keeps"), "{said}");
        let unsaved = |world: &World| {
            world
                .state
                .drafts
                .values()
                .map(|draft| draft.count())
                .sum::<usize>()
        };
        assert_eq!(unsaved(&world), 0, "{experiment}");
        // Nor does it go along with what is saved next, or wait on disk.
        assert!(world.disk.values().all(|kept| {
            !serde_json::to_string(kept)
                .expect("writes")
                .contains("Old button")
        }));
        world.keys(&["l", "h"]).wait(Duration::from_secs(3));
        world.answer_all(Role::Editor, false);
        assert!(!world.screen(120, 40).contains("Old button"));
        assert_eq!((sent(&world), unsaved(&world)), (None, 0));
        // What is left otherwise is kept.
        go_to(&mut world, &cell);
        world.keys(&["enter"]).text("Old button").keys(&["tab", "esc"]);
        if experiment == "pricing-page-v3" {
            assert!(sent(&world).is_some(), "saved as it is left");
        } else {
            assert_eq!((sent(&world), unsaved(&world)), (None, 1));
        }
    }
}

#[test]
fn a_renamed_variant_keeps_its_place_and_undo_takes_it_back_on_the_server_too() {
    let mut world = World::experiment("pricing-page-v3");
    world.keys(&["2"]);
    let keys = |world: &World| -> Vec<(String, u32)> {
        let change = sent(world).expect("sent as the field was left");
        let variants = change.variants.expect("variants");
        variants
            .iter()
            .map(|v| (v.key.to_string(), v.order_index))
            .collect()
    };
    let key = Cell::Variant("control".into(), Attr::Key);
    set(&mut world, &key, "base");
    assert_eq!(
        keys(&world),
        [("base".to_owned(), 0), ("treatment".to_owned(), 1)]
    );
    world.answer_all(Role::Editor, false);
    assert!(world.state.drafts[&id(PRICING)].is_clean());
    assert_eq!(sent(&world), None, "once is enough");
    world.keys(&["u"]);
    assert_eq!(
        keys(&world),
        [("control".to_owned(), 0), ("treatment".to_owned(), 1)]
    );
    world.answer_all(Role::Editor, false);
    assert!(world.state.drafts[&id(PRICING)].is_clean());
    world.keys(&["ctrl-r"]);
    world.keys(&["u"]);
    assert_eq!(notice(&world), "There is nothing to take back");
}

#[test]
fn different_fields_merge_and_say_so_the_moment_they_arrive() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    let theirs = newer(CHECKOUT, |e| {
        e.holdout_pct = Percent::from_basis_points(500).expect("ok")
    });
    arrives(&mut world, &theirs);
    world.answer_all_but_experiments();
    let screen = world.screen(120, 40);
    assert!(screen.contains("saved v18"), "{screen}");
    assert!(screen.contains("holdout merged with yours"), "{screen}");
    assert!(screen.contains("5.00 % always see control"), "{screen}");
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    let change = sent(&world).expect("sent");
    assert_eq!((change.resource_version, change.holdout_pct), (18, None));
}

#[test]
fn the_same_field_is_asked_for_with_who_and_when() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    set(&mut world, &Cell::Description, "Also mine");
    let theirs = newer(CHECKOUT, |e| {
        e.name = "Theirs".into();
        e.description = "Also theirs".into();
    });
    arrives(&mut world, &theirs);
    assert!(matches!(
        world.waiting_for(Slot::History),
        Some(Request::History { before: None, .. })
    ));
    let mut history = crate::support::cockpit::history();
    history.entries[1].resource_version = 18;
    history.entries[1].at = world.now - SignedDuration::from_secs(90);
    world.reply(Slot::History, Ok(Answer::History(history)));
    let screen = world.screen(120, 40);
    assert!(screen.contains("deploy-bot saved v18, 1 min ago"), "{screen}");
    assert!(
        screen.contains("Both of you changed name, description"),
        "{screen}"
    );
    world.keys(&["S"]);
    assert!(matches!(
        world.state.overlays.last(),
        Some(Overlay::Conflicts { .. })
    ));
    let screen = world.screen(120, 40);
    for part in [
        "deploy-bot changed these",
        "it was  Checkout button",
        "mine    Mine",
        "theirs  Theirs",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    // However small the screen and wherever one is in the list.
    for to in ["up", "down"] {
        world.keys(&[to]);
        let screen = world.screen(40, 10);
        assert!(screen.contains("deploy-bot, 1 min ago"), "{to}: {screen}");
        assert!(screen.contains("mine"), "{to}: {screen}");
    }
    world.keys(&["up"]);
    world.keys(&["right", "down", "left", "enter"]);
    assert_eq!(world.state.overlays.len(), 0);
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    let change = sent(&world).expect("sent");
    assert_eq!(
        (change.name, change.description.as_deref()),
        (None, Some("Also mine"))
    );
}

/// Whatever they change while it is decided: the cursor stays on its part, and where I started is where I started.
#[test]
fn what_is_decided_stays_under_the_cursor_whatever_they_change_next() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    set(&mut world, &Cell::Description, "Also mine");
    let their = |name: &str, version: u64| {
        let mut e = newer(CHECKOUT, |e| {
            e.name = name.into();
            e.description = "Also theirs".into();
        });
        e.resource_version = version;
        e
    };
    arrives(&mut world, &their("Theirs", 18));
    world.keys(&["M"]);
    arrives(&mut world, &their("Theirs again", 19));
    let screen = world.screen(120, 40);
    let place = |text: &str| screen.find(text).unwrap_or_else(|| panic!("{text}: {screen}"));
    assert!(
        place("theirs  Theirs again") < place("theirs  Also theirs"),
        "{screen}"
    );
    assert!(screen.contains("theirs  Theirs again"), "{screen}");
    world.keys(&["right"]);
    let mine = |world: &World| {
        let mine = &world.state.drafts[&id(CHECKOUT)].mine;
        (mine.name.clone(), mine.description.clone())
    };
    assert_eq!(mine(&world), ("Theirs again".to_owned(), "Also mine".to_owned()));
    // One part is none any more: the cursor goes with the part it was on.
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    set(&mut world, &Cell::Description, "Also mine");
    set(&mut world, &Cell::Hypothesis, "Mine too");
    let theirs = |name: &str, version: u64| {
        let mut e = their(name, version);
        e.hypothesis = "Theirs too".into();
        e
    };
    arrives(&mut world, &theirs("Theirs", 18));
    world.keys(&["M", "down"]);
    arrives(&mut world, &theirs("Mine", 19));
    assert_eq!(world.state.drafts[&id(CHECKOUT)].open_conflicts(), 2);
    world.keys(&["right"]);
    assert_eq!(mine(&world), ("Mine".to_owned(), "Also theirs".to_owned()));
    assert_eq!(world.state.drafts[&id(CHECKOUT)].mine.hypothesis, "Mine too");
}

/// Clients compare keys exactly: another case is another key, though it is the same variant.
#[test]
fn a_key_that_changes_in_its_case_alone_is_saved_with_what_names_it() {
    let mut world = World::experiment("pricing-page-v3");
    world.keys(&["2"]);
    let key = |key: &str| Cell::Variant(key.into(), Attr::Key);
    set(&mut world, &key("control"), "Control");
    let change = sent(&world).expect("sent as the field was left");
    let keys: Vec<String> = (change.variants.iter().flatten())
        .map(|v| v.key.to_string())
        .collect();
    assert_eq!(keys, ["Control", "treatment"]);
    assert_eq!(change.default_variant_id.as_deref(), Some("Control"));
    world.answer_all(Role::Editor, false);
    assert!(world.state.drafts[&id(PRICING)].is_clean());
    assert_eq!(
        world.state.edited(id(PRICING)).expect("there").variants[0]
            .key
            .as_str(),
        "Control"
    );
    // Beside what somebody else changed of the same variant it stays, and the rules name it as it is written.
    let mut world = World::experiment("pricing-page-v3");
    world.keys(&["2"]);
    let ruled = |e: &mut Experiment| {
        let rule = serde_json::json!({"id": id(95), "variant": "control", "priority": 1, "conditions": []});
        e.rules = vec![serde_json::from_value(rule).expect("a rule")];
    };
    set(&mut world, &traffic("treatment"), "many");
    set(&mut world, &key("control"), "Control");
    assert_eq!(sent(&world), None, "the table cannot be saved as it is");
    assert_eq!(
        world.state.drafts[&id(PRICING)].count(),
        3,
        "the share, the key, and the default"
    );
    assert_eq!(world.disk.len(), 1, "it is kept");
    let theirs = newer(PRICING, |e| {
        e.variants[0].name = "As it is".into();
        ruled(e);
    });
    arrives(&mut world, &theirs);
    let mine = world.state.edited(id(PRICING)).expect("there");
    assert_eq!(
        (mine.variants[0].key.as_str(), mine.variants[0].name.as_str()),
        ("Control", "As it is")
    );
    assert_eq!(mine.rules[0].variant.as_str(), "Control");
}

#[test]
fn a_conflict_at_saving_merges_and_shows_the_difference_again() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    let theirs = newer(CHECKOUT, |e| e.description = "theirs".into());
    let mut problem = Problem::new(Code::VersionConflict, "it is at version 18");
    problem.changed_by = Some("deploy-bot".into());
    problem.changed_at = Some(world.now - SignedDuration::from_secs(4));
    problem.current = Some(serde_json::to_value(&theirs).expect("writes"));
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    world.reply(Slot::Update, Err(failure));
    assert!(
        error(&world).contains("deploy-bot changed it meanwhile"),
        "{}",
        error(&world)
    );
    world.keys(&["enter"]);
    let change = sent(&world).expect("the same button sends the merged change");
    assert_eq!((change.resource_version, change.description), (18, None));
    world.keys(&["esc"]);
    assert!(world.screen(120, 40).contains("deploy-bot saved v18, 4 s ago"));
}

#[test]
fn an_answer_that_is_lost_loses_nothing_and_is_cleared_up_by_what_comes_in() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    let change = sent(&world).expect("sent");
    world.lose(Slot::Update);
    assert!(
        error(&world).contains("Not known whether it was saved"),
        "{}",
        error(&world)
    );
    assert_eq!(world.disk.len(), 1, "the draft is kept");
    world.keys(&["esc"]);
    // It was saved: what comes in says the same.
    let all = experiments();
    let saved = changed(&all[1], &change);
    world.wait(Duration::from_secs(10));
    // The first try decides whether the server is there again.
    if world.waiting_for(Slot::Me).is_some() {
        world.reply(Slot::Me, Ok(Answer::Me(me(Role::Editor, false))));
    }
    let slot = if world.waiting_for(Slot::Experiment).is_some() {
        Slot::Experiment
    } else {
        Slot::Experiments
    };
    let answer = match slot {
        Slot::Experiment => Answer::Experiment(Box::new(saved)),
        _ => Answer::Experiments(ExperimentList {
            experiments: vec![saved],
        }),
    };
    world.reply(slot, Ok(answer));
    assert!(world.state.drafts[&id(CHECKOUT)].is_clean());
    assert!(world.disk.is_empty());
}

#[test]
fn a_draft_survives_the_cockpit_and_is_offered_again() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    set(&mut world, &Cell::Holdout, "many");
    go_to(&mut world, &Cell::Hypothesis);
    world.keys(&["enter"]).text(" And more");
    let disk = world.disk.clone();
    assert_eq!(disk.len(), 1);
    // The next cockpit, while somebody changed it in between.
    let mut world = World::list();
    world.left_behind(disk);
    world.keys(&["j", "enter"]).answer_all(Role::Editor, false);
    assert_eq!(world.state.detail().expect("open").name, "checkout-cta");
    let screen = world.screen(120, 40);
    assert!(screen.contains("3 unsaved changes from 05:03 UTC"), "{screen}");
    assert!(!screen.contains("Mine"));
    world.keys(&["enter"]);
    assert!(
        world.state.editor().expect("open").editing.is_none(),
        "first things first"
    );
    world.keys(&["R"]);
    let draft = &world.state.drafts[&id(CHECKOUT)];
    assert_eq!(draft.mine.name, "Mine");
    let typed = &draft.unread[&Cell::Hypothesis];
    assert!(
        typed.text.ends_with("And more") && typed.half,
        "nothing half typed is taken"
    );
    assert_eq!(draft.unread[&Cell::Holdout].text, "many");
    assert_eq!(world.disk.len(), 1);
    // Thrown away only through a dialog, and then nothing is left of it.
    world.keys(&["X"]).wait(ARMED).keys(&["right", "enter"]);
    assert!(world.disk.is_empty());
    world.keys(&["u"]);
    assert_eq!(world.state.drafts[&id(CHECKOUT)].count(), 3, "u brings it back");
    assert_eq!(world.disk.len(), 1);
}

/// An experiment that is opened by a cockpit which was started after another one left a new name of it unsaved.
fn opened_again() -> World {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    let disk = world.disk.clone();
    let mut world = World::list();
    world.left_behind(disk);
    world.keys(&["j", "enter"]).answer_all(Role::Editor, false);
    world
}

#[test]
fn a_draft_of_the_last_time_can_be_thrown_away_unseen_only_by_its_dialog() {
    let mut world = opened_again();
    world.keys(&["X"]);
    assert!(
        matches!(world.state.overlays.last(), Some(Overlay::Ask(d)) if matches!(d.ask, Ask::Discard { .. }))
    );
    assert!(
        world.screen(120, 40).contains("Checkout button → Mine"),
        "it is shown what goes"
    );
    world.wait(ARMED).keys(&["enter"]);
    assert_eq!(world.left.len(), 1);
    world.keys(&["X"]).wait(ARMED).keys(&["right", "enter"]);
    assert!(world.left.is_empty());
    assert!(matches!(
        world.state.editor().expect("open").found,
        Found::Nothing
    ));
}

#[test]
fn a_draft_waits_in_memory_while_something_else_is_looked_at() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    world.keys(&["esc"]);
    assert_eq!(world.state.screen, Screen::Experiments);
    world.keys(&["enter"]).answer_all(Role::Editor, false);
    assert!(world.screen(120, 40).contains("Checkout button → Mine"));
}

#[test]
fn editing_goes_on_without_the_server_and_saving_says_why_not() {
    let mut world = World::experiment("checkout-cta");
    world.wait(Duration::from_secs(3));
    world.lose(Slot::Experiment);
    set(&mut world, &Cell::Name, "Mine");
    assert_eq!(world.disk.len(), 1);
    world.keys(&["S"]);
    assert!(notice(&world).contains("server is lost"), "{}", notice(&world));
    assert_eq!(world.state.overlays.len(), 0);
}

#[test]
fn who_may_not_write_cannot_begin_to_edit() {
    let mut viewer = World::list_of(Role::Viewer, false);
    viewer.keys(&["j", "enter", "j"]).answer_all(Role::Viewer, false);
    let mut read_only = World::experiment("checkout-cta");
    read_only.keys(&["j"]);
    read_only.state.settings.read_only = true;
    for (mut world, says) in [(viewer, "is a viewer"), (read_only, "--read-only")] {
        for key in ["enter", "space", "d"] {
            world.state.notice = None;
            world.keys(&[key]);
            assert!(world.state.editor().expect("open").editing.is_none());
            assert!(notice(&world).contains(says), "{key}: {}", notice(&world));
        }
        world.keys(&["2", "n", "="]);
        assert!(world.state.drafts.is_empty());
        world.keys(&["4"]).answer_all(Role::Viewer, false);
        for key in ["n", "d"] {
            world.keys(&[key]);
            assert_eq!(world.state.overlays.len(), 0, "{key}");
        }
        assert!(!world.effects.iter().any(Effect::writes));
    }
}

#[test]
fn variants_are_added_to_the_limit_moved_and_removed_with_a_warning() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["2", "n", "n", "n"]);
    assert!(notice(&world).contains("allows 4 variants"), "{}", notice(&world));
    let keys = |world: &World| -> Vec<String> {
        let e = world.state.edited(id(CHECKOUT)).expect("known");
        e.variants.iter().map(|v| v.key.to_string()).collect()
    };
    assert_eq!(
        keys(&world),
        ["control", "treatment", "treatment-2", "treatment-3"]
    );
    world.keys(&["K", "="]);
    assert_eq!(
        keys(&world),
        ["control", "treatment", "treatment-3", "treatment-2"]
    );
    let e = world.state.edited(id(CHECKOUT)).expect("known");
    assert!(e.variants.iter().all(|v| v.traffic_pct.basis_points() == 2_500));
    go_to(&mut world, &traffic("treatment"));
    world.keys(&["d"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("Counting the overrides"), "{screen}");
    world.answer_all_but_experiments();
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("600 overrides force subjects into it"),
        "{screen}"
    );
    assert!(screen.contains("saving is"), "{screen}");
    assert!(screen.contains("1 rule that routes to it"), "{screen}");
    assert!(screen.contains("25.00 % of the traffic"), "{screen}");
    world.wait(ARMED).keys(&["right", "enter"]);
    assert_eq!(keys(&world), ["control", "treatment-3", "treatment-2"]);
    assert_eq!(
        sent(&world),
        None,
        "an active experiment is changed by saving only"
    );
    world.keys(&["u"]);
    assert_eq!(keys(&world).len(), 4);
}

#[test]
fn a_payload_is_checked_while_it_is_typed() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["2"]);
    go_to(&mut world, &Cell::Variant("control".into(), Attr::Payload));
    world.keys(&["enter"]);
    world.act(Action::Paste {
        text: "{\n  \"height\": 48,\n  \"label\": }".into(),
        truncated: false,
        more: false,
    });
    let screen = world.screen(120, 40);
    // In a box of 80 columns its last words stand on a line of their own.
    assert!(
        screen.contains("line 3") && screen.contains("column 12"),
        "{screen}"
    );
    world.keys(&["left", "end", "backspace"]).text("\"Buy\"}");
    assert!(!world.screen(120, 40).contains("allowed is JSON"));
    world.keys(&["esc"]);
    let draft = &world.state.drafts[&id(CHECKOUT)];
    assert_eq!(draft.mine.variants[0].payload["label"], "Buy");
}

#[test]
fn a_rule_is_built_by_keys_with_suggestions_and_tried_unsaved() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["3", "n"]);
    assert!(world.screen(120, 40).contains("Rule 3 of 3"));
    // The field of its condition.
    world.keys(&["j", "j", "tab"]);
    assert_eq!(world.state.screen, Screen::Experiment);
    world.keys(&["1", "3", "G", "enter"]);
    let sheet = world.state.sheet().expect("a sheet").1;
    assert!(world.screen(120, 40).contains("Rule 3 of 3"), "{sheet:?}");
    world.keys(&["d"]);
    world.keys(&["G", "n"]);
    // Scope, then on through its parts.
    world.keys(&["enter"]);
    assert!(matches!(
        world.waiting_for(Slot::Suggest),
        Some(Request::Suggest {
            what: Suggest::Fields,
            ..
        })
    ));
    world.answer_all(Role::Editor, false);
    world.text("pl");
    assert!(
        world.screen(120, 40).contains(" plan"),
        "{}",
        world.screen(120, 40)
    );
    world.keys(&["down", "enter", "enter"]);
    assert!(matches!(
        world.waiting_for(Slot::Suggest),
        Some(Request::Suggest { what: Suggest::Values(name), .. }) if name == "plan"
    ));
    world.text("pro").keys(&["enter", "esc"]);
    let e = world.state.edited(id(CHECKOUT)).expect("known");
    let rule = e.rules.last().expect("there");
    let texts: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
    assert_eq!(texts.last().expect("a condition"), "profile.plan is pro");
    world.keys(&["K"]);
    let order: Vec<i32> =
        splitdeck::cockpit::edit::rows::in_order(world.state.edited(id(CHECKOUT)).expect("known"))
            .iter()
            .map(|r| r.priority)
            .collect();
    assert!(order.windows(2).all(|p| p[0] >= p[1]));
    world
        .keys(&["x"])
        .text("u-1 plan=pro event.properties.plan=x")
        .keys(&["enter"]);
    match world.waiting_for(Slot::Explain) {
        Some(Request::Explain { request, .. }) => {
            assert_eq!(request.user.user_properties["plan"], "pro");
            assert_eq!(request.user.event["properties"]["plan"], "x");
            assert_eq!(
                request.suppose.rules.as_ref().expect("the unsaved rules").len(),
                3
            );
        }
        other => panic!("not asked: {other:?}"),
    }
}

#[test]
fn metrics_have_filters_that_need_a_value_only_where_it_means_something() {
    let mut world = World::experiment("checkout-cta");
    go_to(
        &mut world,
        &Cell::Metric(splitdeck::cockpit::edit::Which::Primary),
    );
    world.keys(&["enter", "n"]).text("amount").keys(&["enter"]);
    for c in ["i", "i", "i", "i"] {
        world.keys(&[c]);
    }
    world.keys(&["end", "enter"]);
    let e = world.state.edited(id(CHECKOUT)).expect("known");
    let metric = e.primary_metric.as_ref().expect("there");
    assert_eq!(metric.to_string(), "purchase where amount isNotNull");
    assert!(
        world.state.editor().expect("open").editing.is_none(),
        "there is no value to type"
    );
    world.keys(&["esc"]);
    let screen = world.screen(220, 50);
    assert!(
        screen.contains("purchase → purchase where amount isNotNull"),
        "{screen}"
    );
    // Up to five tracked events.
    world
        .keys(&["n"])
        .text("page_view")
        .keys(&["enter", "n"])
        .text("login")
        .keys(&["enter", "n"]);
    world.text("logout").keys(&["enter", "n"]);
    assert!(
        notice(&world).contains("5 tracked events already"),
        "{}",
        notice(&world)
    );
}

#[test]
fn one_override_is_set_and_removed_by_its_dialog() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]).answer_all(Role::Editor, false);
    world.keys(&["n"]).wait(ARMED);
    match world.state.overlays.last() {
        Some(Overlay::Ask(dialog)) => assert_eq!(dialog.focus, AskField::Id),
        other => panic!("{other:?}"),
    }
    world.keys(&["tab", "tab", "tab", "right", "enter"]);
    assert_eq!(error(&world), "an id is required");
    world
        .text(" qa-7 ")
        .keys(&["enter", "space", "enter", "right", "enter", "right", "enter"]);
    match world.waiting_for(Slot::Override) {
        Some(Request::SetOverride { change, .. }) => {
            assert_eq!(change.subject_ids, ["qa-7"]);
            assert_eq!(change.subject_type.as_str(), "device");
            assert_eq!(change.variant.as_str(), "treatment");
        }
        other => panic!("not sent: {other:?}"),
    }
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.overlays.len(), 0);
    assert_eq!(notice(&world), "The subject is forced from now on");
    world.keys(&["j", "d"]).wait(ARMED).keys(&["right", "enter"]);
    match world.waiting_for(Slot::Override) {
        Some(Request::RemoveOverride { change, .. }) => assert_eq!(change.subject_id, "u-000001"),
        other => panic!("not sent: {other:?}"),
    }
}

#[test]
fn a_new_experiment_goes_step_by_step() {
    let mut world = World::list();
    world.keys(&["n"]);
    assert_eq!(world.state.screen, Screen::Create);
    world.text("Faster search: page 2");
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("faster-search-page-2"),
        "the key follows the name live: {screen}"
    );
    assert!(
        screen.contains("8,158 subjects per arm × 2 arms = 16,316"),
        "{screen}"
    );
    world
        .keys(&["enter", "tab", "enter"])
        .text("purchase")
        .keys(&["enter", "esc", "tab"]);
    world.keys(&["n", "="]);
    assert!(
        world.screen(120, 40).contains("8,159 + 8,157 + 8,157"),
        "{}",
        world.screen(120, 40)
    );
    world.keys(&["tab", "j", "enter", "ctrl-u"]).text("10");
    let screen = world.screen(120, 40);
    assert!(
        !screen.contains("8,158"),
        "the estimate follows every key: {screen}"
    );
    world.keys(&["enter", "tab"]);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("Review") && screen.contains("faster-search-page-2"),
        "{screen}"
    );
    assert!(!world.effects.iter().any(Effect::writes));
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    match world.waiting_for(Slot::Create) {
        Some(Request::Create { experiment }) => {
            assert_eq!(experiment.name, "Faster search: page 2");
            assert_eq!(experiment.key.as_deref(), Some("faster-search-page-2"));
            assert_eq!(experiment.variants.as_ref().expect("variants").len(), 3);
            assert_eq!(
                experiment.primary_metric.as_ref().expect("a metric").event,
                "purchase"
            );
        }
        other => panic!("not sent: {other:?}"),
    }
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.screen, Screen::Experiment);
    assert_eq!(world.state.detail().expect("open").name, "faster-search-page-2");
    assert!(world.disk.is_empty());
}

/// A new experiment that was sent and is not answered; its dialog is left.
fn creating() -> World {
    let mut world = World::list();
    world.keys(&["n"]).text("Faster search").keys(&["enter"]);
    while world.state.overlays.is_empty() {
        world.keys(&["S"]);
    }
    world.wait(ARMED).keys(&["right", "enter", "esc"]);
    assert!(world.waiting_for(Slot::Create).is_some());
    world.keys(&["shift-tab", "shift-tab", "shift-tab", "shift-tab", "shift-tab"]);
    world
}

/// What its dialog says and what is said afterwards is the same: a draft serves the default to everybody.
#[test]
fn a_new_experiment_is_told_to_serve_the_default() {
    let mut world = World::list();
    world.keys(&["n"]).text("Faster search").keys(&["enter"]);
    while world.state.overlays.is_empty() {
        world.keys(&["S"]);
    }
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("everybody sees the default until it is activated"),
        "{screen}"
    );
    world
        .wait(ARMED)
        .keys(&["right", "enter"])
        .answer_all(Role::Editor, false);
    assert_eq!(
        notice(&world),
        "Created faster-search: a draft, everybody sees the default until it is activated"
    );
}

/// What ctrl-o does is told by the field as the footer tells it.
#[test]
fn the_hypothesis_of_a_new_experiment_says_that_it_is_created() {
    let mut world = World::list();
    world.keys(&["n"]).text("Faster search").keys(&["enter"]);
    splitdeck::cockpit::update::edit::jump(&mut world.state, uuid::Uuid::nil(), &Cell::Hypothesis);
    world.keys(&["enter"]);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("ctrl-o creates") && !screen.contains("ctrl-o saves"),
        "{screen}"
    );
    let mut world = World::experiment("checkout-cta");
    go_to(&mut world, &Cell::Hypothesis);
    world.keys(&["enter"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("ctrl-o saves"), "{screen}");
}

#[test]
fn what_is_typed_while_a_new_experiment_is_on_its_way_are_its_unsaved_changes() {
    let mut world = creating();
    // Half typed when the answer comes.
    world.keys(&["enter", "ctrl-u"]).text("Much faster search");
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.screen, Screen::Experiment);
    let notice = &world.state.notice.as_ref().expect("told").text;
    assert!(notice.contains("1 change was made since then"), "{notice}");
    let draft = &world.state.drafts[&id(99)];
    assert_eq!(draft.base.name, "Faster search");
    assert_eq!(draft.mine.name, "Much faster search");
    assert_eq!(draft.mine.id, id(99));
    let kept: Vec<_> = world.disk.keys().map(|key| key.object).collect();
    assert_eq!(kept, [id(99)], "on disk under its own name");
}

#[test]
fn another_one_that_is_begun_meanwhile_stays() {
    let mut world = creating();
    world.keys(&["X"]).wait(ARMED).keys(&["right", "enter"]);
    world.keys(&["enter"]).text("Another idea").keys(&["enter"]);
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.screen, Screen::Create);
    assert_eq!(
        world.state.edited(uuid::Uuid::nil()).expect("there").name,
        "Another idea"
    );
    assert!(world.state.list.experiment(id(99)).is_some());
    assert!(!world.state.drafts.contains_key(&id(99)));
}

#[test]
fn a_new_experiment_that_is_left_waits_also_across_cockpits() {
    let mut world = World::list();
    world.keys(&["n"]).text("Half an idea").keys(&["enter", "esc"]);
    assert_eq!(world.state.screen, Screen::Experiments);
    world.keys(&["n"]);
    assert!(world.screen(120, 40).contains("half-an-idea"));
    let disk = world.disk.clone();
    let mut world = World::list();
    world.left_behind(disk);
    world.keys(&["n"]);
    assert!(world.screen(120, 40).contains("R restore"));
    world.keys(&["R"]);
    assert_eq!(
        world.state.edited(uuid::Uuid::nil()).expect("there").name,
        "Half an idea"
    );
    // A name later still carries the key along.
    world
        .keys(&["home", "enter", "ctrl-u"])
        .text("A whole one")
        .keys(&["enter"]);
    assert_eq!(
        world.state.edited(uuid::Uuid::nil()).expect("there").key.as_str(),
        "a-whole-one"
    );
}

#[test]
fn a_key_that_is_taken_is_said_before_it_is_sent() {
    let mut world = World::list();
    world
        .keys(&["n"])
        .text("Checkout CTA")
        .keys(&["enter", "tab", "tab", "tab", "tab", "tab"]);
    assert!(notice(&world).contains("key is taken"), "{}", notice(&world));
    assert_eq!(world.state.create.as_ref().expect("open").wizard.step, 0);
    assert_eq!(world.state.overlays.len(), 0);
    let mut world = World::list();
    world.keys(&["n", "esc", "S"]);
    assert!(notice(&world).contains("name"), "{}", notice(&world));
}

#[test]
fn what_a_winner_gains_is_told_however_long_its_key_is() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    let long = newer(CHECKOUT, |e| {
        e.linked_flag = Some("cta".parse().expect("a key"));
        e.variants[1].key = "treatment-with-the-large-green-button-below-the-fold"
            .parse()
            .expect("a key");
    });
    arrives(&mut world, &long);
    let results = crate::support::cockpit::results(&long, &[(50_105, 9_530), (40_084, 7_910)]);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(results))));
    world.keys(&["W"]);
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        let screen = world.screen(width, height);
        for part in ["P(best) ", "uplift +3.8 %"] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
    }
}

#[test]
fn the_winner_is_applied_only_when_everything_speaks_for_it() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    world.keys(&["W"]);
    assert!(notice(&world).contains("no linked flag"), "{}", notice(&world));
    let mut world = World::experiment("checkout-cta");
    world.keys(&["1"]);
    let linked = newer(CHECKOUT, |e| e.linked_flag = Some("cta".parse().expect("a key")));
    arrives(&mut world, &linked);
    world.keys(&["W"]);
    assert!(notice(&world).contains("not known yet"), "{}", notice(&world));
    world.keys(&["5"]);
    let results = crate::support::cockpit::results(&linked, &[(50_105, 9_530), (40_084, 7_910)]);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(results))));
    world.keys(&["W"]);
    let screen = world.screen(120, 40);
    for part in [
        "Apply treatment as the winner",
        "The flag cta is switched on",
        "49.00 % of the subjects stop seeing control (about 7,160 subjects/day)",
        "until the experiment is ended; then overrides of",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    // How many there are is asked for.
    let mut flags = objects::flags();
    let flag = &mut flags["flags"][0];
    (flag["key"], flag["overrides"]) = ("cta".into(), 5.into());
    flag["overridesByVariant"] = serde_json::json!({"control": 3, "treatment": 2});
    let flags = serde_json::from_value(flags).expect("flags");
    world.reply(Slot::Flags, Ok(Answer::Flags(flags)));
    let screen = world.screen(120, 40).replace('│', " ");
    let said = screen.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("force 3 subjects (control 3)."), "{said}");
    world.wait(ARMED).keys(&["right", "enter"]);
    match world.waiting_for(Slot::Winner) {
        Some(Request::ApplyWinner { change, .. }) => {
            assert_eq!(
                (change.winner.as_str(), change.resource_version),
                ("treatment", 18)
            );
        }
        other => panic!("not sent: {other:?}"),
    }
    world.answer_all_but_experiments();
    assert!(
        error(&world).contains("results say otherwise"),
        "{}",
        error(&world)
    );
}

#[test]
fn a_protected_project_wants_the_key_for_what_changes_people() {
    let mut world = World::list_of(Role::Editor, true);
    world.keys(&["j", "enter"]).answer_all(Role::Editor, true);
    set(&mut world, &Cell::Name, "Mine");
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    assert!(
        error(&world).contains("type the key: checkout-cta"),
        "{}",
        error(&world)
    );
    world.text("checkout-cta").keys(&["enter", "right", "enter"]);
    assert!(sent(&world).is_some());
}

#[test]
fn what_is_kept_is_what_the_file_says() {
    let mut world = World::experiment("checkout-cta");
    set(&mut world, &Cell::Name, "Mine");
    let kept: Vec<&StoredDraft> = world.disk.values().map(of_experiment).collect();
    assert_eq!(kept[0].key.server, "http://127.0.0.1:8620");
    assert_eq!(kept[0].key.object, id(CHECKOUT));
    let paths: Vec<Path> = splitdeck::cockpit::edit::path::changes(&kept[0].base, &kept[0].mine)
        .into_iter()
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(paths, [Path::Name]);
    assert_eq!(Side::Mine, Side::Mine);
}

/// From `splitdeck --experiment KEY` to a resumed experiment, by the evidence, with a reason: the keys that
/// are not the reason's own text are counted.
#[test]
fn on_call_it_takes_less_than_ten_keys_to_resume_from_evidence() {
    let settings = splitdeck::cockpit::state::Settings {
        experiment: Some("search-ranking".into()),
        ..crate::support::cockpit::settings()
    };
    let mut world = World::start(settings, (120, 40));
    world.answer_all(Role::Editor, false);
    let mut pressed = 0;
    let mut press = |world: &mut World, keys: &[&str]| {
        pressed += keys.len();
        world.keys(keys);
    };
    press(&mut world, &["r"]);
    world.answer_all(Role::Editor, false);
    let screen = world.screen(120, 40);
    for evidence in [
        "configured",
        "observed",
        "chi-square",
        "first crossed",
        "Before it",
        "still failing",
    ] {
        assert!(screen.contains(evidence), "{evidence}: {screen}");
    }
    world.wait(ARMED);
    press(&mut world, &["tab", "tab"]);
    world.text("fixed the Safari bundle");
    press(&mut world, &["tab", "space", "tab", "right", "enter"]);
    match world.waiting_for(Slot::Status) {
        Some(Request::Status { id: of, change }) => {
            assert_eq!(*of, id(SEARCH));
            assert_eq!(change.to, Status::Active);
            assert_eq!(change.comment.as_deref(), Some("fixed the Safari bundle"));
            assert!(change.override_failing_srm);
        }
        other => panic!("not sent: {other:?}"),
    }
    world.answer_all(Role::Editor, false);
    assert_eq!(notice(&world), "search-ranking is active again");
    assert!(pressed < 10, "{pressed} keys");
}

#[test]
fn keys_that_are_typed_before_the_disk_has_answered_are_not_lost() {
    let mut world = World::list();
    world.slow_disk = true;
    world.keys(&["n"]).text("Aside").keys(&["enter"]);
    assert_eq!(world.state.edited(uuid::Uuid::nil()).expect("there").name, "");
    world.disk_answers();
    assert_eq!(
        world.state.edited(uuid::Uuid::nil()).expect("there").name,
        "Aside"
    );
    // Esc and leaving never wait.
    let mut world = World::list();
    world.slow_disk = true;
    world.keys(&["j", "enter", "j", "enter", "x", "esc"]);
    assert_eq!(world.state.screen, Screen::Experiments);
    world.disk_answers();
    assert_eq!(world.state.overlays.len(), 0);
}

#[test]
fn a_name_is_typed_into_the_wizard_and_runs_no_commands() {
    let mut world = World::list();
    world.slow_disk = true;
    // Letters that are commands of the list, before and after the disk has answered.
    world.keys(&["n"]).text("Fq");
    world.disk_answers();
    world.text("Tq P").keys(&["tab"]);
    assert_eq!(world.state.screen, Screen::Create);
    assert!(!world.state.quitting);
    assert_eq!(
        world.state.edited(uuid::Uuid::nil()).expect("there").name,
        "FqTq P"
    );
}

#[test]
fn undo_in_the_wizard_takes_the_name_and_the_key_that_follows_it() {
    let mut world = World::list();
    world.keys(&["n"]).text("Wizard Two").keys(&["enter"]);
    let made = |world: &World| {
        let e = world.state.edited(uuid::Uuid::nil()).expect("there");
        (e.name.clone(), e.key.to_string())
    };
    let text = |name: &str, key: &str| (name.to_owned(), key.to_owned());
    assert_eq!(made(&world), text("Wizard Two", "wizard-two"));
    world.keys(&["u"]);
    assert_eq!(made(&world), text("", "unnamed"));
    world.keys(&["U"]);
    assert_eq!(made(&world), text("Wizard Two", "wizard-two"));
}

#[test]
fn tab_takes_the_suggestion_under_the_cursor_and_arrows_stay_in_a_condition() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["3", "n", "n", "tab"]);
    world.answer_all(Role::Editor, false);
    world.text("co");
    let suggestions = splitdeck::cockpit::update::edit::suggestions(&world.state);
    let first = suggestions.first().cloned().expect("a name that goes with it");
    world.keys(&["down", "tab", "esc"]);
    let (_, sheet) = world.state.sheet().expect("a rule");
    let of_rule = |world: &World| {
        let e = world
            .state
            .edited(world.state.sheet().expect("a rule").0)
            .expect("edited");
        e.rules
            .last()
            .expect("the new rule")
            .conditions
            .last()
            .expect("a condition")
            .field
            .clone()
    };
    assert!(of_rule(&world).ends_with(&first), "{} {first}", of_rule(&world));
    let column = |world: &World| {
        world
            .state
            .editor()
            .expect("editing")
            .at
            .get(&sheet)
            .expect("there")
            .1
    };
    let before = column(&world);
    world.keys(&["left"]);
    assert_eq!(column(&world), before - 1);
    world.keys(&["right", "right", "right", "right", "right"]);
    assert_eq!(column(&world), 3, "the last of the four");
    assert_eq!(world.state.detail().expect("open").tab, Tab::Rules);
}

/// A payload that cannot stand is shown as it was typed beside what it was, with its reason below.
#[test]
fn a_payload_that_was_refused_is_not_said_to_be_none() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["2"]);
    go_to(&mut world, &Cell::Variant("control".into(), Attr::Payload));
    world.keys(&["enter"]).text("{oops").keys(&["esc"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("payload none → {oops"), "{screen}");
    assert!(screen.contains("allowed is JSON"), "{screen}");
}

/// What runs may have run for too short a time to tell how many subjects a day brings.
#[test]
fn how_long_a_new_experiment_takes_is_not_known_for_the_right_reason() {
    let power = |world: &mut World| {
        world.keys(&["n"]).text("Faster").keys(&["enter"]);
        (0..6)
            .find_map(|_| {
                world.keys(&["tab"]);
                let screen = world.screen(120, 40);
                let told = ["How many days", "with the new subjects"];
                told.iter().any(|told| screen.contains(told)).then_some(screen)
            })
            .expect("the step of the power estimate")
    };
    let mut world = World::list();
    for overview in world
        .state
        .list
        .overviews
        .value
        .as_mut()
        .expect("numbers")
        .values_mut()
    {
        overview.subjects_per_day = None;
    }
    let screen = power(&mut world);
    assert!(screen.contains("had no new subjects in the last day"), "{screen}");
    // Minutes that are taken for a day, and days of which nothing came lately, are called that.
    let mut world = World::list();
    for overview in (world.state.list.overviews.value.as_mut().expect("numbers")).values_mut() {
        overview.subjects_per_day = Some(72_000);
        overview.subjects_per_day_seconds = Some(20 * 60);
        overview.per_minute = vec![0; 30];
    }
    let screen = power(&mut world);
    let said = "A day is reckoned from only 20 min of data. No exposure came in the last 30 min.";
    assert!(screen.contains(said), "{screen}");
    let mut world = World::list();
    for experiment in world.state.list.experiments.value.as_mut().expect("a list") {
        std::sync::Arc::make_mut(experiment).status = Status::Draft;
    }
    let screen = power(&mut world);
    assert!(screen.contains("nothing runs yet"), "{screen}");
}

#[test]
fn what_is_refused_in_a_rule_is_told_in_its_panel_and_in_the_list() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["3"]).answer_all(Role::Editor, false);
    world.keys(&["home", "enter"]);
    go_to(&mut world, &Cell::Condition(id(91), 0, Part::Operator));
    let (_, sheet) = world.state.sheet().expect("a sheet");
    assert!(
        matches!(sheet, splitdeck::cockpit::edit::Sheet::Rule(_)),
        "{sheet:?}"
    );
    // The other parts are not told while one is still typing.
    world.keys(&["enter"]);
    while !world.screen(120, 40).contains("‹ gt ›") {
        world.keys(&["right"]);
    }
    world.keys(&["enter"]);
    assert!(!world.screen(120, 40).contains("allowed is a number"));
    world.keys(&["ctrl-u"]).text("abc").keys(&["enter"]);
    let screen = world.screen(120, 40);
    assert!(screen.contains("got \"abc\", allowed is a number"), "{screen}");
    set(&mut world, &Cell::RulePriority(id(91)), "99999999999");
    let screen = world.screen(120, 40);
    assert!(screen.contains("from -2147483648 to 2147483647"), "{screen}");
    world.keys(&["esc"]);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("from -2147483648 to 2147483647"),
        "also in the list: {screen}"
    );
    // Saving leads into the panel, to the field.
    world.keys(&["S"]);
    let (edited, sheet) = world.state.sheet().expect("a sheet");
    let mine = world.state.edited(edited).expect("edited");
    let detail = world.state.detail().expect("open");
    assert_eq!(detail.editor.cell(sheet, mine), Some(Cell::RulePriority(id(91))));
    set(&mut world, &Cell::RulePriority(id(91)), "7");
    world.keys(&["esc", "S"]);
    let (edited, sheet) = world.state.sheet().expect("a sheet");
    let mine = world.state.edited(edited).expect("edited");
    let detail = world.state.detail().expect("open");
    assert_eq!(
        detail.editor.cell(sheet, mine),
        Some(Cell::Condition(id(91), 0, Part::Value))
    );
}

#[test]
fn a_draft_that_somebody_else_deletes_is_said_and_made_anew() {
    let mut world = World::experiment("pricing-page-v3");
    set(&mut world, &Cell::Name, "Pricing, the new way");
    world.wait(Duration::from_secs(2));
    let mut problem = Problem::new(Code::NotFound, "there is no such experiment");
    problem.errors.clear();
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    world.reply(Slot::Experiment, Err(failure));
    assert!(
        notice(&world).contains("pricing-page-v3 was deleted"),
        "{}",
        notice(&world)
    );
    let screen = world.screen(100, 30);
    assert!(screen.contains("Somebody else deleted it"), "{screen}");
    for key in ["a", "enter"] {
        world.keys(&[key]);
        assert!(world.state.overlays.is_empty());
        assert!(
            notice(&world).contains("was deleted"),
            "{key}: {}",
            notice(&world)
        );
    }
    world.keys(&["S"]);
    assert_eq!(world.state.screen, Screen::Create);
    let made = world.state.edited(uuid::Uuid::nil()).expect("begun");
    assert_eq!(
        (made.name.as_str(), made.key.as_str()),
        ("Pricing, the new way", "pricing-page-v3")
    );
    assert_eq!(world.disk.len(), 1, "kept as a new one");
    world.keys(&["S"]).wait(ARMED).keys(&["right", "enter"]);
    assert!(world.waiting_for(Slot::Create).is_some(), "{:?}", notice(&world));
}

/// A text of many lines that both changed is read to its end, and what it was before too.
#[test]
fn a_conflict_that_is_longer_than_the_screen_is_read_to_its_end() {
    let mut world = World::experiment("checkout-cta");
    let text = |of: &str| (1..=40).map(|n| format!("{of} word {n}, ")).collect::<String>() + of + " end";
    let base = newer(CHECKOUT, |e| e.description = text("base"));
    arrives(&mut world, &base);
    set(&mut world, &Cell::Description, &text("mine"));
    let mut theirs = base;
    theirs.description = text("theirs");
    theirs.resource_version += 1;
    arrives(&mut world, &theirs);
    world.keys(&["M"]);
    let screen = world.screen(80, 24);
    assert!(
        screen.contains("description") && screen.contains("base word 1,"),
        "{screen}"
    );
    assert!(
        screen.contains("base end"),
        "what it was is written whole: {screen}"
    );
    assert!(
        !screen.contains("theirs end"),
        "there is more of it than that: {screen}"
    );
    assert!(screen.contains("pagedown further"), "{screen}");
    let mut seen = screen;
    for _ in 0..6 {
        world.keys(&["pagedown"]);
        seen += &world.screen(80, 24);
    }
    for part in ["mine end", "theirs end"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    for _ in 0..6 {
        world.keys(&["pageup"]);
        world.screen(80, 24);
    }
    let screen = world.screen(80, 24);
    assert!(
        screen.contains("base word 1,"),
        "and back to its beginning: {screen}"
    );
    world.keys(&["right"]);
    assert_eq!(
        world.state.drafts[&id(CHECKOUT)].conflicts[0].choice,
        Some(Side::Theirs)
    );
}

/// What was changed of a variant is told, however long its key is.
#[test]
fn the_difference_names_the_part_of_a_variant_with_a_long_key() {
    let mut world = World::experiment("checkout-cta");
    let long = |end: &str| format!("checkout-with-one-page-and-{end}");
    let keyed = newer(CHECKOUT, |e| {
        for (variant, end) in e.variants.iter_mut().zip(["aa", "bb"]) {
            variant.key = long(end).parse().expect("a key");
        }
        e.default_variant_id = long("aa").parse().expect("a key");
        e.rules.clear();
    });
    arrives(&mut world, &keyed);
    world.keys(&["2"]);
    for end in ["aa", "bb"] {
        set(&mut world, &Cell::Variant(long(end), Attr::Name), "Another");
        set(&mut world, &Cell::Variant(long(end), Attr::Traffic), "30");
    }
    world.keys(&["S"]);
    let screen = world.screen(80, 24);
    for label in ["aa name", "bb name", "aa traffic", "bb traffic"] {
        assert!(screen.contains(label), "{label}: {screen}");
    }
}

/// The mark of what is unsaved comes and goes, and no name of a tab moves.
#[test]
fn the_tabs_stay_where_they_are_whatever_is_unsaved() {
    for width in [80, 96, 100, 120, 160, 200] {
        for open in ["1", "2", "3", "4", "5", "6"] {
            let mut world = World::experiment("checkout-cta");
            let tabs = |world: &mut World| {
                world.keys(&[open]);
                let screen = world.screen(width, 40);
                screen.lines().nth(1).expect("the second line").to_owned()
            };
            let before = tabs(&mut world);
            assert!(!before.contains('*'), "{before}");
            world.keys(&["1"]);
            set(&mut world, &Cell::Name, "Taller button");
            world.keys(&["2"]);
            set(&mut world, &Cell::Variant("treatment".into(), Attr::Name), "Tall");
            world.keys(&["3", "d"]);
            let after = tabs(&mut world);
            assert_eq!(after.matches('*').count(), 3, "{width}: {after}");
            let unmarked = after.replace('*', " ");
            assert_eq!(unmarked.trim_end(), before.trim_end(), "{width}");
        }
    }
}

/// An arm has its glyph also while its key is typed, and while the key cannot stand.
#[test]
fn the_glyph_of_an_arm_stays_while_its_key_is_typed() {
    let mut world = World::experiment("pricing-page-v3");
    world.keys(&["2"]);
    let key = Cell::Variant("treatment".into(), Attr::Key);
    let glyph = |world: &mut World, key: &str| {
        let screen = world.screen(120, 40);
        let row = |line: &&str| line.contains('●') && line.contains(key);
        let row = screen.lines().skip(3).find(row);
        let row = row.unwrap_or_else(|| panic!("no {key} with its glyph: {screen}"));
        let at = row.find('●').expect("there");
        assert!(at < row.find(key).expect("there"), "{row}");
        row[..at].chars().count()
    };
    let before = glyph(&mut world, "treatment");
    go_to(&mut world, &key);
    world.keys(&["enter"]);
    assert_eq!(glyph(&mut world, "treatment"), before);
    world.keys(&["ctrl-u"]).text("not a key");
    assert_eq!(glyph(&mut world, "not a key"), before);
    world.keys(&["enter"]);
    assert_eq!(glyph(&mut world, "not a key"), before, "it waits there");
}

/// Undo does not reach over a restart, and says so.
#[test]
fn undo_says_that_it_does_not_reach_over_a_restart() {
    let mut world = opened_again();
    world.keys(&["R", "u"]);
    assert_eq!(
        notice(&world),
        "What is left was changed before the restart, which undo does not reach; X throws all of it away"
    );
    // What was done since can be taken back.
    set(&mut world, &Cell::Name, "Newer");
    world.keys(&["u"]);
    assert_eq!(world.state.drafts[&id(CHECKOUT)].mine.name, "Mine");
    world.keys(&["X"]).wait(ARMED).keys(&["right", "enter"]);
    world.keys(&["u", "u", "u"]);
    assert_eq!(world.state.drafts[&id(CHECKOUT)].mine.name, "Mine");
}
