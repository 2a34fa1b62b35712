//! Labs: the list, a new one, its change, and the field of an experiment that names one.

use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::change::Change;
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service, Slot};
use splitdeck::cockpit::state::objects::Kind;
use splitdeck::cockpit::state::overlay::DEAF_FOR;
use splitdeck::cockpit::state::{Overlay, Screen};
use splitdeck::cockpit::update::edit::suggestions;

use crate::support::cockpit::{World, answer, experiments};

fn list() -> World {
    let mut world = World::list_of(Role::Editor, false);
    world.keys(&["B"]).answer_all(Role::Editor, false);
    assert_eq!(world.state.screen, Screen::Objects(Kind::Labs));
    world
}

fn sent(world: &World) -> &Change {
    match world.waiting_for(Slot::Change) {
        Some(Request::Change(change)) => change,
        other => panic!("not sent: {other:?}"),
    }
}

#[test]
fn a_lab_is_made_by_its_dialog() {
    let mut world = list();
    let screen = world.screen(120, 40);
    assert!(screen.contains("Everything between the cart"), "{screen}");
    assert!(screen.contains("archived"), "{screen}");
    world.keys(&["n"]).wait(DEAF_FOR);
    world.text("search").keys(&["tab"]).text("Search");
    world.keys(&["tab", "tab", "tab", "enter"]);
    match sent(&world) {
        Change::CreateLab(body) => {
            assert_eq!((body.key.as_str(), body.name.as_str()), ("search", "Search"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lab_is_renamed_and_archived() {
    let mut world = list();
    world.keys(&["enter"]).wait(DEAF_FOR);
    world
        .keys(&["ctrl-u"])
        .text("Till")
        .keys(&["tab", "tab", "space", "tab", "tab", "enter"]);
    match sent(&world) {
        Change::UpdateLab(_, body) => {
            assert_eq!(body.resource_version, 2);
            assert_eq!(body.name.as_deref(), Some("Till"));
            assert_eq!((body.description.as_deref(), body.archived), (None, Some(true)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_filled_in_stands_upon_what_another_changed_meanwhile() {
    let mut world = list();
    world.keys(&["enter"]).wait(DEAF_FOR);
    world
        .keys(&["ctrl-u"])
        .text("Till")
        .keys(&["tab", "tab", "tab", "tab", "enter"]);
    let mut problem = Problem::new(Code::VersionConflict, "it is at version 3");
    problem.changed_by = Some("ben".to_owned());
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    world.reply(Slot::Change, Err(failure));
    let Some(Overlay::Form(form)) = world.state.overlays.last() else {
        panic!("closed: {:?}", world.state.overlays);
    };
    assert_eq!(form.text("Name"), "Till");
    let Ok(Answer::Labs(mut theirs)) = answer(&Request::Labs, Role::Editor, false) else {
        panic!("no labs");
    };
    let lab = &mut theirs.labs[0];
    let key = lab.key.clone();
    (lab.name, lab.description) = ("Checkout lab".to_owned(), "All of the cart".to_owned());
    lab.resource_version += 1;
    world.reply(Slot::Labs, Ok(Answer::Labs(theirs)));
    let screen = world.screen(80, 24);
    for words in [
        "Till",
        "ben changed it to Checkout lab",
        "All of the cart",
        "ben changed it from ",
        "ben changed it too: Change puts yours in the place of theirs",
    ] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    assert!(screen.contains(&format!("Change {key}")), "{screen}");
    world.keys(&["enter"]);
    match sent(&world) {
        Change::UpdateLab(_, body) => {
            assert_eq!(body.resource_version, 3);
            assert_eq!(body.name.as_deref(), Some("Till"));
            assert_eq!((body.description.as_deref(), body.archived), (None, None));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_viewer_is_not_offered_a_new_lab() {
    let mut world = World::list_of(Role::Viewer, false);
    world.keys(&["B"]).answer_all(Role::Viewer, false);
    let screen = world.screen(120, 40);
    assert!(!screen.contains("n new") && screen.contains("? help"), "{screen}");
}

#[test]
fn a_new_experiment_names_its_lab_and_its_flag() {
    let mut world = World::list();
    world
        .keys(&["n"])
        .text("Faster search")
        .keys(&["enter", "end", "k", "enter", "ctrl-u"]);
    world.answer_all(Role::Editor, false);
    world.text("che");
    assert_eq!(suggestions(&world.state), ["checkout"], "no lab that is archived");
    world.keys(&["down", "tab"]).answer_all(Role::Editor, false);
    world.text("new-ch").keys(&["down", "enter"]);
    world.keys(&["tab", "tab", "tab", "tab", "S"]);
    world.wait(DEAF_FOR).keys(&["right", "enter"]);
    match world.waiting_for(Slot::Create) {
        Some(Request::Create { experiment }) => {
            assert_eq!(experiment.parent_id.as_deref(), Some("checkout"));
            assert_eq!(
                experiment.linked_flag.as_ref().expect("a flag").as_str(),
                "new-checkout"
            );
        }
        other => panic!("not sent: {other:?}"),
    }
}

#[test]
fn the_lab_of_an_experiment_is_changed_in_setup() {
    use splitdeck::cockpit::edit::path;

    let base = experiments().remove(1);
    let mut mine = base.clone();
    splitdeck::cockpit::edit::Cell::Lab
        .apply("checkout", &mut mine)
        .expect("any name of a lab");
    let body = path::request(&base, &mine);
    assert_eq!(body.parent_id.as_deref(), Some("checkout"));
    assert_eq!(body.linked_flag, None);
}

/// Where there is nothing to open or to edit the keys for it are not offered.
#[test]
fn an_empty_list_offers_only_what_can_be_done() {
    let mut world = list();
    world.wait(std::time::Duration::from_secs(10));
    let footer = |world: &mut World| world.screen(120, 40).lines().last().expect("lines").to_owned();
    let some = footer(&mut world);
    assert!(some.contains("⏎ open") && some.contains("e edit"), "{some}");
    let none = serde_json::from_value(serde_json::json!({ "labs": [] })).expect("a list");
    world.reply(Slot::Labs, Ok(Answer::Labs(none)));
    let none = footer(&mut world);
    assert!(!none.contains("open") && !none.contains("edit"), "{none}");
    assert!(none.contains("n new"), "{none}");
}

/// What is given and what there is stands under the field as soon as it is left, and keeps the steps from their end.
#[test]
fn a_lab_that_does_not_exist_is_told_as_its_field_is_left() {
    let mut world = World::list();
    world
        .keys(&["n"])
        .text("Faster search")
        .keys(&["enter", "end", "k", "enter", "ctrl-u"]);
    world.text("bad key ü").keys(&["tab"]);
    let says = "lab: got \"bad key ü\", allowed is one of DEFAULT, checkout";
    // Whether it exists is not known yet.
    assert!(!world.screen(160, 50).contains("allowed is one of"));
    world.answer_all(Role::Editor, false);
    let screen = world.screen(160, 50);
    assert!(screen.contains(says), "{screen}");
    world.keys(&["esc", "S"]);
    let notice = world.state.notice.as_ref().map_or("", |notice| &notice.text);
    assert_eq!(notice, format!("Cannot be created yet: {says}"));
    // Whatever the case, as the server finds it.
    world.keys(&["enter", "ctrl-u"]).text("Checkout").keys(&["enter"]);
    let screen = world.screen(160, 50);
    assert!(!screen.contains("allowed is one of"), "{screen}");
}

/// The same of an experiment that there is, where a flag is not made along.
#[test]
fn a_flag_that_does_not_exist_is_told_as_its_field_is_left() {
    use splitdeck::cockpit::edit::Cell;
    use splitdeck::cockpit::update::edit::jump;

    use crate::support::cockpit::{CHECKOUT, id};

    let mut world = World::experiment("checkout-cta");
    jump(&mut world.state, id(CHECKOUT), &Cell::LinkedFlag);
    world.keys(&["enter", "ctrl-u"]).answer_all(Role::Editor, false);
    world
        .text("nowhere")
        .keys(&["enter"])
        .answer_all(Role::Editor, false);
    let screen = world.screen(160, 50);
    assert!(screen.contains("got \"nowhere\", allowed is "), "{screen}");
    assert!(screen.contains("new-checkout"), "{screen}");
    world.keys(&["S"]);
    assert!(world.state.overlays.is_empty(), "nothing is asked about");
    let notice = world.state.notice.as_ref().map_or("", |notice| &notice.text);
    assert!(
        notice.starts_with("Cannot be saved: linked flag: got \"nowhere\""),
        "{notice}"
    );
}
