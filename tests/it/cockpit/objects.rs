//! Dialogs about objects: what was ticked is sent, whatever comes in meanwhile; keys that are shown once are shown.

use std::time::Duration;

use serde_json::{Value, json};
use splitdeck::api::problem::{Code, Problem, ProblemField};
use splitdeck::api::system::Role;
use splitdeck::cockpit::change::Change;
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service, Slot};
use splitdeck::cockpit::state::form::Focus;
use splitdeck::cockpit::state::overlay::{DEAF_FOR, Overlay};

use crate::support::cockpit::{World, answer, id};
use crate::support::objects::{self, BACKEND, BROWSER};

fn projects(keys: &[(u128, &str)]) -> Answer {
    let row = |(n, key): &(u128, &str)| {
        json!({
            "id": id(*n), "key": key, "name": "", "environment": "staging", "protected": false,
            "role": "admin", "experiments": 0, "active": 0, "flags": 0, "resourceVersion": 1,
        })
    };
    let rows: Vec<Value> = keys.iter().map(row).collect();
    Answer::Projects(serde_json::from_value(json!({ "projects": rows })).expect("projects"))
}

/// The deployments, with one more in front of them.
fn more_deployments() -> Answer {
    let mut list = objects::deployments();
    let rows = list["deployments"].as_array_mut().expect("rows");
    let mut first = rows[0].clone();
    first["id"] = json!(id(39));
    first["name"] = json!("a-new-one");
    rows.insert(0, first);
    Answer::Deployments(serde_json::from_value(list).expect("deployments"))
}

/// They are asked for once more, and have become these.
pub fn projects_are(world: &mut World, keys: &[(u128, &str)]) {
    world.wait(Duration::from_secs(10));
    world.reply(Slot::Projects, Ok(projects(keys)));
}

fn change(world: &World) -> &Change {
    match world.waiting_for(Slot::Change) {
        Some(Request::Change(change)) => change,
        other => panic!("nothing is sent: {other:?}"),
    }
}

fn notice(world: &World) -> &str {
    world.state.notice.as_ref().map_or("", |notice| &notice.text)
}

#[test]
fn a_token_is_for_the_project_that_was_ticked() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["T"]);
    world.answer_all(Role::Admin, false);
    projects_are(&mut world, &[(71, "demo"), (72, "zzz")]);
    world
        .keys(&["n"])
        .text("bot")
        .keys(&["tab", "tab", "right", "space"]);
    assert!(world.screen(120, 40).contains("[x] zzz"));
    projects_are(&mut world, &[(70, "aaa"), (71, "demo"), (72, "zzz")]);
    world.keys(&["tab", "tab", "right", "enter"]);
    let Change::CreateToken(token) = change(&world) else {
        panic!("{:?}", change(&world));
    };
    let keys: Vec<&str> = token.roles.keys().map(|key| key.as_str()).collect();
    assert_eq!(keys, ["zzz"]);
}

#[test]
fn a_flag_is_seen_by_the_deployments_that_were_ticked() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["F"]).answer_all(Role::Admin, false);
    world.keys(&["n"]).text("Banner").wait(Duration::from_secs(3));
    world.reply(Slot::Deployments, Ok(more_deployments()));
    world.keys(&["shift-tab", "enter"]);
    let Change::CreateFlag(flag) = change(&world) else {
        panic!("{:?}", change(&world));
    };
    assert_eq!(flag.deployments, Some(vec![id(BROWSER)]), "the default one");
}

#[test]
fn without_a_choice_of_deployments_the_server_chooses() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["F", "n"]).text("early flag");
    assert!(world.screen(120, 40).contains("none to choose"));
    world.answer_all(Role::Admin, false);
    assert!(!world.state.objects.deployments.all().is_empty());
    world.keys(&["shift-tab", "enter"]);
    let Change::CreateFlag(flag) = change(&world) else {
        panic!("{:?}", change(&world));
    };
    assert_eq!(flag.deployments, None);
}

/// Whether the dialog on top wants this typed.
fn wants_key(world: &World) -> Option<&str> {
    match world.state.overlays.last() {
        Some(Overlay::Form(form)) => form.key.as_ref().map(|(key, _)| key.as_str()),
        other => panic!("no dialog: {other:?}"),
    }
}

#[test]
fn somebody_is_forced_in_a_protected_project_only_with_its_key() {
    for (protected, key) in [(true, Some("new-checkout")), (false, None)] {
        let mut world = World::list_of(Role::Admin, protected);
        for key in ["F", "j", "enter", "G", "enter"] {
            world.keys(&[key]).answer_all(Role::Admin, protected);
        }
        world.keys(&["n"]);
        assert_eq!(wants_key(&world), key);
        world.keys(&["shift-tab", "enter"]);
        assert!(world.waiting_for(Slot::Change).is_none(), "it is deaf at first");
        world
            .wait(DEAF_FOR)
            .keys(&["tab"])
            .text("qa-1")
            .keys(&["shift-tab", "shift-tab", "enter"]);
        assert_eq!(world.waiting_for(Slot::Change).is_some(), !protected);
    }
}

#[test]
fn a_protected_project_is_changed_only_with_its_key_wherever_one_is() {
    // One is in a project that is not protected.
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["P"]).answer_all(Role::Admin, false);
    world.keys(&["e"]);
    assert_eq!(wants_key(&world), Some("shop-prod"));
    world.keys(&["esc", "j", "e"]);
    assert_eq!(wants_key(&world), None, "shop-staging is not protected");
}

#[test]
fn a_key_that_was_not_copied_is_not_left_by_one_key() {
    let mut world = rotating();
    world.answer_all(Role::Admin, false);
    world.keys(&["ctrl-c"]);
    assert!(!world.state.quitting);
    assert!(notice(&world).contains("never shown again"), "{}", notice(&world));
    world.keys(&["y", "ctrl-c"]);
    assert!(world.state.quitting, "it is copied");
}

/// A new key for the server is on its way, and nobody looks at the dialog any more.
fn rotating() -> World {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["D"]).answer_all(Role::Admin, false);
    world.keys(&["r"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    assert!(matches!(change(&world), Change::RotateKey(of, _) if *of == id(BACKEND)));
    world.keys(&["esc"]);
    assert!(world.state.overlays.is_empty());
    let said = "New key for backend: this was sent already, and closing does not take it back.";
    assert!(notice(&world).starts_with(said), "{}", notice(&world));
    world.keys(&["j", "k"]);
    let screen = world.screen(80, 24);
    assert!(
        screen.contains("New key for backend: sent, no answer  0 s"),
        "{screen}"
    );
    world
}

#[test]
fn the_key_of_a_server_is_shown_though_its_dialog_was_left() {
    let mut world = rotating();
    world.answer_all(Role::Admin, false);
    assert_eq!(notice(&world), "The new key is valid from now on");
    let screen = world.screen(120, 40);
    assert!(screen.contains("sv_0123456789abcdef"), "{screen}");
    // What else opens leaves it where it is.
    world.state.close_overlays();
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Secret(_))));
}

#[test]
fn what_failed_is_told_though_its_dialog_was_left() {
    let mut world = rotating();
    let failure = Failure::new(Service::Api, FailureKind::Refused, "it is at version 4");
    world.reply(Slot::Change, Err(failure));
    assert_eq!(world.state.failures, ["New key for backend: it is at version 4"]);
    assert!(
        world
            .screen(80, 24)
            .contains("Esc: seen · New key for backend: it is at version 4")
    );
    // Another dialog is not taken for the one that was left.
    let mut world = rotating();
    world.keys(&["e"]);
    let failure = Failure::new(Service::Api, FailureKind::Refused, "it is at version 4");
    world.reply(Slot::Change, Err(failure));
    let Some(Overlay::Form(form)) = world.state.overlays.last() else {
        panic!("the other dialog stays");
    };
    assert_eq!(form.error, None);
    assert_eq!(world.state.failures, ["New key for backend: it is at version 4"]);
}

#[test]
fn what_a_form_is_refused_for_is_typed_next() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["D"]).answer_all(Role::Admin, false);
    world.keys(&["n"]).wait(Duration::from_secs(3));
    let form = |world: &World| match world.state.overlays.last() {
        Some(Overlay::Form(form)) => (form.focus, form.lines[0].problem.clone(), form.error.clone()),
        other => panic!("{other:?}"),
    };
    world.keys(&["shift-tab", "enter"]);
    let name = "a name is required".to_owned();
    assert_eq!(
        form(&world),
        (Focus::Line(0), Some(name), None),
        "said once, where it is"
    );
    assert_eq!(world.screen(80, 24).matches("a name is required").count(), 1);
    world.text("backend-2");
    assert_eq!(form(&world), (Focus::Line(0), None, None));
    // What the server refuses too.
    world.keys(&["shift-tab", "enter"]);
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, "Not so");
    let mut problem = Problem::new(Code::Invalid, "Not so");
    problem.errors.push(ProblemField {
        field: "name".to_owned(),
        given: "backend-2".to_owned(),
        allowed: "another one".to_owned(),
    });
    failure.problem = Some(Box::new(problem));
    world.reply(Slot::Change, Err(failure));
    assert_eq!(form(&world), (Focus::Line(0), None, Some("Not so".to_owned())));
}

/// A copy in the wrong project is found late: none is chosen where nobody can know which is meant.
#[test]
fn a_copy_goes_to_the_project_of_the_last_one_and_nowhere_by_itself() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["F"]).answer_all(Role::Admin, false);
    let all = [(9, "shop-prod"), (71, "aaa"), (72, "zzz")];
    world.keys(&["P"]);
    projects_are(&mut world, &all);
    world.keys(&["F", "j", "C"]);
    let screen = world.screen(80, 24);
    assert!(screen.contains("‹ choose one ›"), "{screen}");
    world.keys(&["tab", "tab", "tab", "tab", "enter"]);
    assert!(world.waiting_for(Slot::Change).is_none(), "{:?}", world.waiting);
    let screen = world.screen(80, 24);
    assert!(screen.contains("choose one with ← and →"), "{screen}");
    while !world.screen(80, 24).contains("‹ zzz ›") {
        world.keys(&["right"]);
    }
    world.keys(&["tab", "tab", "tab", "tab", "enter"]);
    let Change::CopyFlag(_, copy) = change(&world) else {
        panic!("{:?}", change(&world));
    };
    assert_eq!(copy.project.as_str(), "zzz");
    let copied = world.waiting_for(Slot::Change).expect("sent").clone();
    world.reply(Slot::Change, answer(&copied, Role::Admin, false));
    world.keys(&["C"]);
    let screen = world.screen(80, 24);
    assert!(screen.contains("‹ zzz ›"), "{screen}");
}

/// One that was made elsewhere a moment ago is there as well, and what is said of one is not said of another.
#[test]
fn a_copy_offers_the_projects_that_there_are_now() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["P"]);
    projects_are(&mut world, &[(9, "shop-prod")]);
    world.keys(&["F"]).answer_all(Role::Admin, false);
    world.keys(&["P"]);
    projects_are(&mut world, &[(9, "shop-prod")]);
    world.keys(&["F", "j", "C"]);
    assert!(world.screen(80, 24).contains("‹ shop-prod ›"));
    assert!(
        world.waiting_for(Slot::Projects).is_some(),
        "asked as it opens: {:?}",
        world.waiting
    );
    world.reply(Slot::Projects, Ok(projects(&[(9, "shop-prod"), (71, "p2")])));
    assert!(
        world.screen(80, 24).contains("‹ shop-prod ›"),
        "what was chosen stays"
    );
    world.keys(&["tab", "tab", "tab", "tab", "enter"]);
    let mut problem = Problem::new(Code::KeyTaken, "the project shop-prod has such a flag");
    problem.errors = vec![];
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    world.reply(Slot::Change, Err(failure));
    assert!(world.screen(80, 24).contains("Key is taken"));
    world.keys(&["shift-tab", "right"]);
    let screen = world.screen(80, 24);
    assert!(screen.contains("‹ p2 ›"), "{screen}");
    assert!(!screen.contains("Key is taken"), "{screen}");
    world.keys(&["tab", "tab", "tab", "tab", "enter"]);
    let Change::CopyFlag(_, copy) = change(&world) else {
        panic!("{:?}", change(&world));
    };
    assert_eq!(copy.project.as_str(), "p2");
}

#[test]
fn everything_that_can_be_ticked_is_seen() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["F"]).answer_all(Role::Admin, false);
    let mut list = objects::deployments();
    let rows = list["deployments"].as_array_mut().expect("rows");
    let first = rows[0].clone();
    rows.clear();
    for n in 0..9 {
        let mut row = first.clone();
        row["id"] = json!(id(200 + n));
        row["name"] = json!(format!("web-shop-{n}"));
        rows.push(row);
    }
    world.wait(Duration::from_secs(10));
    let list = serde_json::from_value(list).expect("deployments");
    world.reply(Slot::Deployments, Ok(Answer::Deployments(list)));
    world.keys(&["n"]);
    let screen = world.screen(80, 24);
    for n in 0..7 {
        assert!(screen.contains(&format!("shop-{n} (server)")), "{n}: {screen}");
    }
    assert!(screen.contains("+1 more"), "{screen}");
    world.keys(&["shift-tab", "shift-tab", "shift-tab"]);
    while !world.screen(80, 24).contains("shop-8") {
        world.keys(&["right"]);
    }
    let screen = world.screen(80, 24);
    assert!(screen.contains("Deployments"), "{screen}");
}

/// How wide a column is follows from all rows: none moves when one with a longer text comes into view.
#[test]
fn columns_stay_where_they_are_while_one_scrolls() {
    let mut world = World::list_of(Role::Editor, false);
    let mut flags = objects::flags();
    let rows = flags["flags"].as_array_mut().expect("rows");
    let pattern = rows[2].clone();
    for n in 0..60_u128 {
        let mut row = pattern.clone();
        row["id"] = json!(id(400 + n));
        row["key"] = json!(format!("flag-{n:02}"));
        row["archived"] = json!(false);
        if n == 59 {
            row["name"] = json!("The longest name of them, by far");
        }
        rows.push(row);
    }
    world.keys(&["F"]).answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(10));
    let list = serde_json::from_value(flags).expect("flags");
    world.reply(Slot::Flags, Ok(Answer::Flags(list)));
    let titles = |world: &mut World| {
        let screen = world.screen(200, 24);
        let line = screen.lines().find(|line| line.contains("rollout %"));
        line.unwrap_or_else(|| panic!("{screen}")).to_owned()
    };
    world.keys(&["home"]);
    let first = titles(&mut world);
    world.keys(&["end"]);
    assert!(
        world.screen(200, 24).contains("by far"),
        "{}",
        world.screen(200, 24)
    );
    assert_eq!(titles(&mut world), first);
}
