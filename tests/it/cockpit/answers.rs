//! An answer is about what was asked: one about another object, another person or another question is not shown.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use splitdeck::api::experiments::ExperimentList;
use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::Of;
use splitdeck::cockpit::keymap::Command;
use splitdeck::cockpit::ports::{Answer, Request, RunId, Slot};
use splitdeck::cockpit::state::overlay::{DEAF_FOR, Overlay};
use splitdeck::cockpit::update::ask;
use splitdeck::cockpit::{Action, Effect};
use splitdeck::domain::{AuditEntry, Key};

use crate::support::cockpit::{
    CHECKOUT, PRICING, World, answer, experiments, history, id, override_page, results,
};
use crate::support::objects::{self, BACKEND, BROWSER};

fn run(world: &World, slot: Slot) -> RunId {
    let waiting = world.waiting.iter().find(|(_, request)| request.slot() == slot);
    waiting.expect("asked").0
}

#[test]
fn the_history_of_one_object_is_not_shown_as_that_of_another() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["D"]).answer_all(Role::Admin, false);
    world.keys(&["H"]);
    let asked = |world: &World| match world.waiting_for(Slot::Audit) {
        Some(Request::Audit { query }) => query.object_id,
        _ => None,
    };
    assert_eq!(asked(&world), Some(id(BACKEND)));
    let old = run(&world, Slot::Audit);
    world.keys(&["esc", "j", "H"]);
    assert_eq!(
        asked(&world),
        Some(id(BROWSER)),
        "at once, not after the old answer"
    );
    let entries = |world: &World| match world.state.overlays.last() {
        Some(Overlay::Audit(panel)) => panel.entries.value.as_ref().map(Vec::len),
        other => panic!("{other:?}"),
    };
    world.reply_to(old, Slot::Audit, Ok(Answer::Audit(history())));
    assert_eq!(entries(&world), None);
    world.reply(Slot::Audit, Ok(Answer::Audit(history())));
    assert_eq!(entries(&world), Some(3));
    // Asked of the project, answered while the history of an object is looked at.
    world.keys(&["esc", "L"]);
    let of_project = run(&world, Slot::Audit);
    world.keys(&["esc"]);
    world.reply_to(of_project, Slot::Audit, Ok(Answer::Audit(history())));
    world.keys(&["H"]);
    assert_eq!(entries(&world), None);
}

#[test]
fn a_list_asked_before_a_deletion_brings_nothing_back() {
    let mut world = World::list();
    let listed = |world: &World| world.state.list.experiment(id(PRICING)).is_some();
    world.keys(&["/"]).text("pricing").keys(&["enter"]);
    assert_eq!(world.state.list.current().map(|e| e.id), Some(id(PRICING)));
    world.act(Action::Command(Command::Delete));
    world.wait(DEAF_FOR).keys(&["right", "enter"]);
    world.wait(Duration::from_secs(2));
    let old = run(&world, Slot::Experiments);
    world.reply(Slot::Status, Ok(Answer::Deleted));
    assert!(!listed(&world));
    let list = ExperimentList {
        experiments: experiments(),
    };
    world.reply_to(old, Slot::Experiments, Ok(Answer::Experiments(list)));
    assert!(!listed(&world), "as it was before it was deleted");
    assert_ne!(
        run(&world, Slot::Experiments),
        old,
        "asked anew, without waiting for the old answer"
    );
}

#[test]
fn an_explanation_is_of_the_person_who_was_asked_about() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["x"]).text("u-1").keys(&["enter"]);
    let request = world.waiting_for(Slot::Explain).expect("asked").clone();
    world.keys(&["esc", "x"]).text("u-2");
    world.reply(Slot::Explain, answer(&request, Role::Editor, false));
    let shown = |world: &World| match world.state.overlays.last() {
        Some(Overlay::Explain(panel)) => panel.answer.value.is_some(),
        other => panic!("{other:?}"),
    };
    assert!(!shown(&world));
    world.keys(&["enter"]).answer_all(Role::Editor, false);
    assert!(shown(&world));
}

#[test]
fn a_test_of_the_split_is_that_of_the_version_it_was_asked_for() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    let tested = |world: &World| world.state.detail().expect("open").tested().is_some();
    assert!(tested(&world));
    // One of v17 is on its way when v18 comes.
    world.wait(Duration::from_secs(60));
    let of_17 = world.waiting_for(Slot::SampleRatio).expect("asked").clone();
    let old = run(&world, Slot::SampleRatio);
    let mut all = experiments();
    all[1].resource_version = 18;
    let newer = all[1].clone();
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(ExperimentList { experiments: all })),
    );
    assert!(!tested(&world), "that of v17 says nothing about v18");
    world.reply_to(old, Slot::SampleRatio, answer(&of_17, Role::Editor, false));
    assert!(!tested(&world));
    world.waiting.retain(|(run, _)| *run != old);
    assert!(world.waiting_for(Slot::SampleRatio).is_some(), "it is asked anew");
    let since = results(&newer, &[(510, 100), (400, 101)]).srm;
    world.reply(Slot::SampleRatio, Ok(Answer::SampleRatio(Box::new(since))));
    assert!(tested(&world));
}

#[test]
fn a_test_of_the_split_is_that_of_the_open_experiment() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]);
    let old = run(&world, Slot::SampleRatio);
    let asked = world.waiting_for(Slot::SampleRatio).expect("asked").clone();
    world.keys(&["esc", "k", "enter"]);
    assert_ne!(world.state.detail().expect("open").id(), Some(id(CHECKOUT)));
    world.reply_to(old, Slot::SampleRatio, answer(&asked, Role::Editor, false));
    assert!(world.state.detail().expect("open").guarded.value.is_none());
}

#[test]
fn a_summary_that_is_written_belongs_to_its_experiment() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["6"]).answer_all(Role::Editor, false);
    world.keys(&["R"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    let asked = world.waiting_for(Slot::WriteInsight).expect("asked").clone();
    world.keys(&["esc", "k", "enter"]);
    world.reply(Slot::WriteInsight, answer(&asked, Role::Editor, false));
    let detail = world.state.detail().expect("open");
    assert_ne!(detail.id(), Some(id(CHECKOUT)));
    assert!(detail.insight.value.is_none());
    let notice = &world.state.notice.as_ref().expect("told").text;
    assert_eq!(notice, "The summary of checkout-cta is written and saved");
}

#[test]
fn while_updates_are_held_the_first_results_are_shown() {
    let mut world = World::list();
    world.keys(&["space"]);
    let row = world.state.list.rows.iter().position(|row| *row == id(CHECKOUT));
    for _ in 0..row.expect("a row") {
        world.keys(&["j"]);
    }
    world.keys(&["enter", "5"]).answer_all(Role::Editor, false);
    let subjects = |world: &World| {
        let shown = world.state.detail().expect("open").results.value.clone();
        shown.map(|results| results.arms[0].subjects)
    };
    assert_eq!(subjects(&world), Some(50_105));
    // A refresh waits.
    world
        .wait(Duration::from_secs(2))
        .reply(Slot::Probe, Ok(Answer::Mark(2)));
    let newer = results(&experiments()[1], &[(60_000, 9_000), (50_000, 8_000)]);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(newer))));
    assert_eq!(subjects(&world), Some(50_105));
    assert!(world.state.hold.waiting() > 0);
    // Another question is answered, and what was held for the one before is not brought back.
    world.keys(&["/"]).text("last 2d").keys(&["enter"]);
    let mut filtered = results(&experiments()[1], &[(2_000, 300), (1_700, 290)]);
    filtered.query = world.state.detail().expect("open").analytics.query.clone();
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(filtered))));
    assert_eq!(subjects(&world), Some(2_000));
    world.keys(&["space"]);
    assert_eq!(subjects(&world), Some(2_000));
    // What waits for an experiment that was left does not count.
    world.keys(&["space"]).answer_all(Role::Editor, false);
    world
        .wait(Duration::from_secs(2))
        .reply(Slot::Probe, Ok(Answer::Mark(3)));
    let newer = results(&experiments()[1], &[(60_000, 9_000), (50_000, 8_000)]);
    let before = world.state.hold.waiting();
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(newer))));
    assert_eq!(world.state.hold.waiting(), before + 1);
    world.keys(&["esc", "esc"]);
    assert_eq!(world.state.hold.waiting(), before);
}

#[test]
fn no_winner_comes_of_a_part_of_the_results() {
    let mut world = World::experiment("checkout-cta");
    let mut linked = experiments().remove(1);
    linked.linked_flag = Some(Key::new("checkout-cta").expect("a key"));
    world.keys(&["5"]).answer_all(Role::Editor, false);
    assert!(ask::winner(&world.state, &linked).is_ok());
    world
        .keys(&["/"])
        .text("last 2d")
        .keys(&["enter"])
        .answer_all(Role::Editor, false);
    let why = ask::winner(&world.state, &linked).expect_err("of two days");
    assert!(why.contains("leave something out"), "{why}");
    assert!(
        world.state.detail().expect("open").decisive().is_none(),
        "nor is the split tested by them"
    );
    world
        .keys(&["/", "ctrl-u", "enter"])
        .answer_all(Role::Editor, false);
    assert!(ask::winner(&world.state, &linked).is_ok());
    // Those of the version before.
    let detail = world.state.open.as_deref_mut().expect("open");
    let mut newer = linked.clone();
    newer.resource_version = 18;
    detail.experiment.set(Arc::new(newer), world.now);
    let why = ask::winner(&world.state, &linked).expect_err("of v17");
    assert!(why.contains("v17"), "{why}");
}

#[test]
fn the_cursor_stays_on_its_override() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]).answer_all(Role::Editor, false);
    world.keys(&["j", "j", "j"]).wait(Duration::from_secs(15));
    let mut page = override_page(0, 200, true);
    let mut first = page.overrides[0].clone();
    first.subject_id = "u-00000".to_owned();
    page.overrides.insert(0, first);
    world.reply(Slot::Overrides, Ok(Answer::Overrides(page)));
    world.keys(&["y"]);
    assert!(
        world.effects.contains(&Effect::Copy("u-000003".to_owned())),
        "not the one that stands there now"
    );
    // Another page begins at its first row, whatever rows it shares with the one before.
    world.keys(&["/"]).text("u-0000");
    world.reply(
        Slot::Overrides,
        Ok(Answer::Overrides(override_page(0, 100, false))),
    );
    assert_eq!(world.state.detail().expect("open").overrides.selected, 0);
}

#[test]
fn the_cursor_stays_on_its_entry_of_the_history() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["H"]).answer_all(Role::Editor, false);
    world.keys(&["j"]).wait(Duration::from_secs(2));
    let mut all = experiments();
    all[1].resource_version = 18;
    let list = ExperimentList { experiments: all };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    let mut newer = history();
    let mut entry = newer.entries[0].clone();
    entry.id = 13;
    newer.entries.insert(0, entry);
    world.reply(Slot::History, Ok(Answer::History(newer)));
    let Some(Overlay::History { selected, .. }) = world.state.overlays.last() else {
        panic!("closed");
    };
    let entries = &world.state.detail().expect("open").history.entries;
    let entries = entries.value.as_ref().expect("loaded");
    assert_eq!(entries.iter().map(|e| e.id).collect::<Vec<_>>(), [13, 12, 11, 10]);
    assert_eq!(entries[*selected].id, 11);
}

/// After a step of one's own: what it wrote into the history stands under the cursor, though older entries were known.
#[test]
fn the_history_opens_on_the_newest_entry_and_then_keeps_to_it() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["H"]).answer_all(Role::Editor, false);
    world.keys(&["esc"]).wait(Duration::from_secs(2));
    let put = |world: &mut World, version: u64, newest: &[i64]| {
        let mut all = experiments();
        all[1].resource_version = version;
        world.wait(Duration::from_secs(2));
        let newer = Answer::Experiment(Box::new(all.remove(1)));
        world.reply(Slot::Experiment, Ok(newer));
        if world.state.overlays.is_empty() {
            world.keys(&["H"]);
        }
        let mut page = history();
        for id in newest {
            let mut entry = page.entries[0].clone();
            entry.id = *id;
            page.entries.insert(0, entry);
        }
        world.reply(Slot::History, Ok(Answer::History(page)));
        let Some(Overlay::History { selected, .. }) = world.state.overlays.last() else {
            panic!("closed");
        };
        let entries = &world.state.detail().expect("open").history.entries;
        entries.value.as_ref().expect("loaded")[*selected].id
    };
    assert_eq!(put(&mut world, 18, &[13]), 13);
    // From here on it is read: what others do meanwhile does not take it away.
    assert_eq!(put(&mut world, 19, &[13, 14]), 13);
}

#[test]
fn the_cursor_stays_on_its_import() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]).answer_all(Role::Editor, false);
    let list = |ids: &[u128]| {
        let import = |n: &u128| {
            let mut import = objects::import("applied", 100);
            import["id"] = json!(id(*n));
            import
        };
        let imports: Vec<_> = ids.iter().map(import).collect();
        serde_json::from_value(json!({ "imports": imports })).expect("imports")
    };
    world.wait(Duration::from_secs(10));
    world.reply(
        Slot::Imports,
        Ok(Answer::Imports(Of::Experiment, id(CHECKOUT), list(&[2, 1]))),
    );
    world.keys(&["I", "j"]).wait(Duration::from_secs(10));
    world.reply(
        Slot::Imports,
        Ok(Answer::Imports(Of::Experiment, id(CHECKOUT), list(&[3, 2, 1]))),
    );
    world.keys(&["enter"]);
    let Some(Overlay::Import(panel)) = world.state.overlays.last() else {
        panic!("not opened");
    };
    assert_eq!(panel.import.as_ref().map(|import| import.id), Some(id(1)));
}

/// What was read far down stays under the cursor, with what came since above it and what is older below.
#[test]
fn the_cursor_of_an_audit_log_stays_on_its_entry_when_it_is_read_anew() {
    let page = |ids: std::ops::RangeInclusive<i64>, next: Option<i64>| {
        let mut page = history();
        let one = page.entries.remove(0);
        page.entries = ids.rev().map(|id| AuditEntry { id, ..one.clone() }).collect();
        page.next_before = next;
        Ok(Answer::Audit(page))
    };
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["L"]);
    world.reply(Slot::Audit, page(51..=100, Some(51)));
    world.keys(&["end"]);
    world.wait(Duration::from_secs(1));
    world.reply(Slot::Audit, page(1..=50, None));
    for _ in 0..10 {
        world.keys(&["j"]);
    }
    let seen = |world: &World| match world.state.overlays.last() {
        Some(Overlay::Audit(panel)) => {
            let entries = panel.entries.value.as_ref().expect("entries");
            let ids: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
            (ids.clone(), ids[panel.selected])
        }
        other => panic!("{other:?}"),
    };
    let (all, under) = seen(&world);
    assert_eq!((all.len(), under), (100, 41));
    world.keys(&["ctrl-r"]);
    assert_eq!(
        seen(&world),
        (all, under),
        "what is shown stays until there is an answer"
    );
    world.reply(Slot::Audit, page(53..=102, Some(53)));
    assert_eq!(seen(&world), ((1..=102).rev().collect(), under));
    // So much came that what lies between is not known: it begins anew.
    world.keys(&["ctrl-r"]);
    world.reply(Slot::Audit, page(951..=1_000, Some(951)));
    let (all, under) = seen(&world);
    assert_eq!((all.len(), under), (50, 951));
}
