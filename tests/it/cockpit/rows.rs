//! Rows and fields stay what they are: under the cursor while others insert and remove, and in what is said of them.

use std::time::Duration;

use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::{Attr, Cell, Draft, Part, Sheet, Which, refused, rows};
use splitdeck::cockpit::ports::{Failure, FailureKind, Request, Service, Slot};
use splitdeck::cockpit::state::{Screen, Tab};
use splitdeck::cockpit::update::edit;
use splitdeck::domain::{Experiment, FieldError, Key, Metric, Status};
use uuid::Uuid;

use super::typing::Server;
use crate::support::cockpit::{CHECKOUT, World, id};

const ARMED: Duration = Duration::from_millis(300);

fn under_the_cursor(world: &World) -> Cell {
    let (edited, sheet) = world.state.sheet().expect("a sheet");
    let e = world.state.edited(edited).expect("known");
    let editor = world.state.editor().expect("a sheet");
    editor.cell(sheet, e).expect("a row")
}

fn rule(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// Adds a rule of this priority with a condition for each field.
fn add_rule(e: &mut Experiment, n: u128, priority: i32, fields: &[&str]) {
    rows::add_rule(e, rule(n));
    let new = e.rules.iter_mut().find(|r| r.id == rule(n)).expect("added");
    new.priority = priority;
    let condition = new.conditions[0].clone();
    new.conditions = (fields.iter())
        .map(|field| {
            let mut condition = condition.clone();
            (*field).clone_into(&mut condition.field);
            condition
        })
        .collect();
}

#[test]
fn the_cursor_stays_on_its_rule_condition_event_and_variant_whatever_others_put_before_it() {
    for unsaved in [false, true] {
        let mut world = World::experiment("checkout-cta");
        let mut server = Server::new(&mut world, |e| {
            e.tracked_events = vec![Metric::event("first")];
            e.rules.clear();
            add_rule(e, 1, 100, &["a", "b"]);
            add_rule(e, 2, 90, &["c"]);
        });
        if unsaved {
            edit::jump(&mut world.state, id(CHECKOUT), &Cell::Name);
            world.keys(&["enter"]).text("!").keys(&["enter"]);
        }
        let metric = Cell::Metric(Which::Tracked(0));
        let key = world.state.edited(id(CHECKOUT)).expect("known").variants[1]
            .key
            .to_string();
        let variant = Cell::Variant(key, Attr::Name);
        for cell in [&metric, &variant, &Cell::Rule(rule(2))] {
            edit::jump(&mut world.state, id(CHECKOUT), cell);
            assert_eq!(under_the_cursor(&world), *cell);
        }
        server.saves(&mut world, |e| {
            e.tracked_events.insert(0, Metric::event("theirs"));
            e.links.insert("a new".into(), "https://example.com/2".into());
            add_rule(e, 3, 200, &["z"]);
            let mut new = e.variants[1].clone();
            new.key = Key::new("theirs").expect("a key");
            e.variants.insert(1, new);
        });
        assert_eq!(under_the_cursor(&world), Cell::Rule(rule(2)), "unsaved {unsaved}");
        let detail = world.state.open.as_deref_mut().expect("open");
        detail.tab = Tab::Setup;
        assert_eq!(under_the_cursor(&world), Cell::Metric(Which::Tracked(1)));
        world.state.open.as_deref_mut().expect("open").tab = Tab::Variants;
        assert_eq!(under_the_cursor(&world), variant);
        // In the panel of a rule, and in that of an event, which is another one by its number.
        let condition = |at| Cell::Condition(rule(1), at, Part::Value);
        edit::jump(&mut world.state, id(CHECKOUT), &condition(1));
        server.saves(&mut world, |e| {
            let rule = e.rules.iter_mut().find(|r| r.id == rule(1)).expect("there");
            rule.conditions.remove(0);
        });
        assert_eq!(under_the_cursor(&world), condition(0));
        edit::jump(&mut world.state, id(CHECKOUT), &Cell::Event(Which::Tracked(1)));
        server.saves(&mut world, |e| {
            e.tracked_events.remove(0);
        });
        assert_eq!(
            world.state.sheet().map(|(_, sheet)| sheet),
            Some(Sheet::Metric(Which::Tracked(0)))
        );
        // What it is about goes: so does the panel.
        server.saves(&mut world, |e| e.tracked_events.clear());
        assert_eq!(world.state.sheet().map(|(_, sheet)| sheet), Some(Sheet::Setup));
    }
}

#[test]
fn undo_brings_no_text_back_of_a_field_that_others_removed() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |e| {
        let mut third = e.variants[1].clone();
        third.key = Key::new("third").expect("a key");
        e.variants.push(third);
    });
    let cell = Cell::Variant("third".into(), Attr::Traffic);
    let said = world
        .state
        .edited(id(CHECKOUT))
        .map(|e| cell.text(e))
        .expect("known");
    for text in ["abc", &said] {
        edit::jump(&mut world.state, id(CHECKOUT), &cell);
        world.keys(&["enter", "ctrl-u"]).text(text).keys(&["enter"]);
    }
    server.saves(&mut world, |e| {
        e.variants.pop();
    });
    world.keys(&["u"]);
    let draft: &Draft = &world.state.drafts[&id(CHECKOUT)];
    assert!(draft.unread.is_empty(), "{:?}", draft.unread);
}

#[test]
fn a_variant_that_is_removed_from_a_draft_is_saved_like_every_other_change_of_its_table() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |e| {
        e.status = Status::Draft;
        e.cohorts.clear();
        let mut third = e.variants[1].clone();
        third.key = Key::new("third").expect("a key");
        third.traffic_pct = splitdeck::domain::Percent::ZERO;
        e.variants.push(third);
    });
    server.saves(&mut world, |e| e.description = "theirs".into());
    let cell = Cell::Variant("third".into(), Attr::Name);
    edit::jump(&mut world.state, id(CHECKOUT), &cell);
    world.keys(&["d"]);
    assert!(
        world.waiting_for(Slot::Update).is_none(),
        "its dialog comes first"
    );
    world.wait(ARMED).keys(&["right", "enter"]);
    let Some(Request::Update { change, .. }) = world.waiting_for(Slot::Update) else {
        panic!("not sent");
    };
    assert_eq!(change.variants.as_ref().map(Vec::len), Some(2));
}

#[test]
fn what_is_typed_blind_while_the_disk_is_asked_runs_no_commands() {
    // A draft is offered: the field does not open.
    let mut world = World::experiment("checkout-cta");
    edit::jump(&mut world.state, id(CHECKOUT), &Cell::Name);
    world.keys(&["enter"]).text("!").keys(&["enter"]);
    let disk = world.disk.clone();
    let mut world = World::list();
    world.left_behind(disk);
    world.slow_disk = true;
    world.keys(&["j", "enter"]).answer_all(Role::Editor, false);
    world.keys(&["enter"]).text("pRq");
    world.disk_answers();
    assert!(
        world.state.editor().expect("open").found.offered().is_some(),
        "R ran"
    );
    assert!(world.state.overlays.is_empty() && !world.state.quitting);
    // None is, but the field is one to read.
    let mut world = World::list();
    world.slow_disk = true;
    world.keys(&["j", "enter"]).answer_all(Role::Editor, false);
    world.keys(&["home", "enter"]).text("pq");
    world.disk_answers();
    assert!(world.state.overlays.is_empty() && !world.state.quitting);
    assert_eq!(world.state.screen, Screen::Experiment);
}

#[test]
fn a_refusal_of_a_variant_is_said_of_the_attribute_it_is_about() {
    let world = World::experiment("checkout-cta");
    let e = world.state.edited(id(CHECKOUT)).expect("known");
    let key = &e.variants[1].key;
    for (field, attr) in [
        ("key", Attr::Key),
        ("name", Attr::Name),
        ("description", Attr::Description),
        ("isControl", Attr::Control),
        ("payload", Attr::Payload),
        ("trafficPct", Attr::Traffic),
    ] {
        let error = FieldError::new(format!("variants[1].{field}"), "x", "something else");
        assert_eq!(
            Cell::of_refusal(&error.field, e),
            Some(Cell::Variant(key.to_string(), attr))
        );
        if attr != Attr::Key {
            let said = refused(&error, e);
            let words = format!("{key} {}", attr.label());
            assert!(said.starts_with(&words), "{said}");
        }
    }
}

#[test]
fn a_link_never_takes_the_place_of_another() {
    let mut world = World::experiment("checkout-cta");
    let links = |names: &[&str]| {
        let link = |name: &&str| ((*name).to_owned(), format!("https://example.com/{name}"));
        names.iter().map(link).collect()
    };
    let _server = Server::new(&mut world, |e| e.links = links(&["a", "b"]));
    for cell in [Cell::NewLink, Cell::Link("a".into())] {
        edit::jump(&mut world.state, id(CHECKOUT), &cell);
        world.keys(&["enter", "ctrl-u"]);
        world.text("b https://example.com/other").keys(&["enter"]);
        let draft = &world.state.drafts[&id(CHECKOUT)];
        assert_eq!(draft.mine.links, links(&["a", "b"]), "{cell:?}");
        let why = &draft.unread[&cell].why;
        assert!(why.contains("b is there already"), "{why}");
    }
    // From another tab S goes to it.
    world.keys(&["2", "S"]);
    assert_eq!(world.state.detail().map(|d| d.tab), Some(Tab::Setup));
    // Its own label stays its own.
    let cell = Cell::Link("a".into());
    edit::jump(&mut world.state, id(CHECKOUT), &cell);
    world
        .keys(&["enter", "ctrl-u"])
        .text("a https://example.com/2")
        .keys(&["enter"]);
    let draft = &world.state.drafts[&id(CHECKOUT)];
    assert_eq!(draft.mine.links["a"], "https://example.com/2");
}

#[test]
fn texts_that_wait_go_along_when_what_was_deleted_is_made_anew() {
    let mut world = World::experiment("pricing-page-v3");
    for (cell, text) in [(Cell::Holdout, "many"), (Cell::Prior, "few")] {
        let opened = world.state.sheet().expect("open").0;
        edit::jump(&mut world.state, opened, &cell);
        world.keys(&["enter", "ctrl-u"]).text(text).keys(&["enter"]);
    }
    world.wait(Duration::from_secs(2));
    let mut problem = Problem::new(Code::NotFound, "there is no such experiment");
    problem.errors.clear();
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    world.reply(Slot::Experiment, Err(failure));
    world.keys(&["S"]);
    assert_eq!(world.state.screen, Screen::Create);
    let draft = &world.state.drafts[&Uuid::nil()];
    assert_eq!(draft.unread[&Cell::Holdout].text, "many");
    assert_eq!(draft.unread.len(), 1, "no step has the other one");
    let notice = world.state.notice.as_ref().expect("said").text.clone();
    assert!(notice.contains("left behind: prior (few)"), "{notice}");
    world.keys(&["S"]);
    assert_eq!(under_the_cursor(&world), Cell::Holdout, "it is gone to");
}
