//! The card of a bulk import: ids are never lost by a slip.

use std::time::Duration;

use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::intake::{Order, Source, Tally, Told};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, ImportStep, Request, Service, Slot};
use splitdeck::cockpit::state::import::{Focus, ImportPanel};
use splitdeck::cockpit::state::overlay::{DEAF_FOR, Overlay};
use splitdeck::cockpit::{Action, Effect};
use splitdeck::domain::Status;
use uuid::Uuid;

use crate::support::cockpit::World;

fn panel(world: &World) -> &ImportPanel {
    match world.state.overlays.last() {
        Some(Overlay::Import(panel)) => panel,
        other => panic!("{other:?}"),
    }
}

fn counted(world: &mut World, intake: Uuid, received: u64) {
    let tally = Tally {
        received,
        unique: received,
        bytes: received * 3,
        ..Tally::default()
    };
    world.act(Action::Intake(Told::Counted {
        intake,
        tally: Box::new(tally),
        done: true,
    }));
}

/// A card with two pasted ids; their name.
fn pasted() -> (World, Uuid) {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4", "i"]).answer_all(Role::Editor, false);
    world.act(Action::Paste {
        text: "u1\nu2\n".to_owned(),
        truncated: false,
        more: false,
    });
    let intake = panel(&world).intake.expect("begun");
    counted(&mut world, intake, 2);
    (world, intake)
}

/// Names a file; the intake it is read into.
fn name_a_file(world: &mut World, path: &str) -> Uuid {
    while panel(world).focus != Focus::Path {
        world.keys(&["up"]);
    }
    world.keys(&["ctrl-u"]).text(path).keys(&["enter"]);
    panel(world).intake.expect("begun")
}

fn dropped(world: &World, intake: Uuid) -> bool {
    world.effects.contains(&Effect::Intake(Order::Drop { intake }))
}

fn notice(world: &World) -> &str {
    &world.state.notice.as_ref().expect("said").text
}

#[test]
fn a_wrong_path_leaves_the_pasted_ids() {
    let (mut world, ids) = pasted();
    let file = name_a_file(&mut world, "/no/such/file");
    assert_ne!(file, ids);
    assert!(panel(&world).counting);
    world.act(Action::Intake(Told::Failed {
        intake: file,
        message: "Cannot read /no/such/file".to_owned(),
    }));
    let card = panel(&world);
    assert_eq!((card.intake, card.tally.received), (Some(ids), 2));
    assert_eq!(card.source, Source::Pasted);
    assert!(card.error.as_deref().is_some_and(|e| e.contains("Cannot read")));
    // What is typed next is the right path.
    world.keys(&["ctrl-u"]).text("/some/file");
    assert_eq!(panel(&world).path.text(), "/some/file");
    // What is counted of them while the file is read is not lost either.
    let file = name_a_file(&mut world, "/no/such/file");
    counted(&mut world, ids, 3);
    assert_eq!(panel(&world).intake, Some(file));
    // Nor does leaving the file touch them.
    world.keys(&["ctrl-x"]);
    assert_eq!(
        (panel(&world).intake, panel(&world).tally.received),
        (Some(ids), 3)
    );
    assert!(dropped(&world, file) && !dropped(&world, ids));
}

#[test]
fn a_file_takes_the_place_of_pasted_ids_and_they_are_kept() {
    let (mut world, ids) = pasted();
    let file = name_a_file(&mut world, "ids.txt");
    counted(&mut world, file, 9);
    assert!(!dropped(&world, ids));
    assert!(notice(&world).contains("are kept"), "{}", notice(&world));
    assert_eq!(panel(&world).left[0].intake, ids);
    // Another file in the place of this one: what it held is on disk anyway.
    let other = name_a_file(&mut world, "more.txt");
    counted(&mut world, other, 5);
    assert!(dropped(&world, file));
    // The pasted ones are taken up again.
    world.keys(&["ctrl-x", "ctrl-x", "ctrl-t"]);
    assert_eq!(panel(&world).intake, Some(ids));
    assert!(
        world
            .effects
            .contains(&Effect::Intake(Order::Recount { intake: ids }))
    );
}

#[test]
fn one_id_is_told_as_one() {
    let (mut world, ids) = pasted();
    counted(&mut world, ids, 1);
    world.keys(&["ctrl-x"]);
    assert!(
        notice(&world).contains("ctrl-x once more throws the 1 id away"),
        "{}",
        notice(&world)
    );
}

#[test]
fn ids_are_thrown_away_only_when_that_is_said_twice() {
    let (mut world, ids) = pasted();
    world.keys(&["ctrl-x"]);
    assert!(
        notice(&world).contains("ctrl-x once more throws the 2 ids away"),
        "{}",
        notice(&world)
    );
    assert!(!dropped(&world, ids));
    // The question ends with its notice, and with anything else that is done.
    world.wait(Duration::from_secs(7)).keys(&["ctrl-x"]);
    assert!(!dropped(&world, ids));
    world.keys(&["down", "ctrl-x"]);
    assert!(!dropped(&world, ids));
    world.keys(&["ctrl-x"]);
    assert!(dropped(&world, ids));
    assert_eq!(panel(&world).intake, None);
    world.keys(&["ctrl-x"]);
    assert!(notice(&world).contains("no ids"), "{}", notice(&world));
}

#[test]
fn a_list_that_was_cut_is_not_sent() {
    let (mut world, ids) = pasted();
    let tally = Tally {
        received: 2,
        unique: 2,
        truncated: true,
        ..Tally::default()
    };
    world.act(Action::Intake(Told::Counted {
        intake: ids,
        tally: Box::new(tally),
        done: true,
    }));
    let why = splitdeck::cockpit::update::import::not_ready(panel(&world));
    assert!(why.is_some_and(|why| why.contains("split the list")), "{why:?}");
}

#[test]
fn tab_goes_through_the_whole_card_and_completes_a_path_once() {
    use splitdeck::cockpit::state::import::Focus;
    let (mut world, _) = pasted();
    let mut seen = Vec::new();
    for _ in Focus::ALL {
        seen.push(panel(&world).focus);
        world.keys(&["tab"]);
    }
    assert_eq!(seen, Focus::ALL, "also past a path that is empty");
    world.keys(&["tab"]).text("/tm");
    assert_eq!(panel(&world).focus, Focus::Path);
    world.keys(&["tab"]);
    let asks = Effect::Intake(Order::Complete {
        path: "/tm".to_owned(),
    });
    assert!(world.effects.contains(&asks));
    world.act(Action::Intake(Told::Completed {
        asked: "/tm".to_owned(),
        path: "/tmp/".to_owned(),
        names: vec!["a".to_owned(), "b".to_owned()],
    }));
    assert_eq!(
        (panel(&world).focus, panel(&world).path.text()),
        (Focus::Path, "/tmp/")
    );
    world.keys(&["tab"]);
    assert_eq!(
        panel(&world).focus,
        Focus::Variant,
        "there is nothing more to complete"
    );
}

#[test]
fn an_answer_for_a_card_that_was_closed_leaves_the_next_one_alone() {
    use splitdeck::cockpit::ports::{Answer, Request, Slot};
    use splitdeck::cockpit::state::import::Stage;
    let (mut world, _) = pasted();
    let Some(Overlay::Import(card)) = world.state.overlays.last_mut() else {
        panic!("no card");
    };
    card.stage = Stage::Review;
    card.intake = None;
    card.import = Some(Box::new(
        serde_json::from_value(crate::support::objects::import("staged", 0)).expect("reads"),
    ));
    world.keys(&["delete"]).wait(Duration::from_millis(300));
    world.keys(&["right", "enter"]);
    let asked = world.waiting_for(Slot::ImportStep).cloned();
    assert!(matches!(asked, Some(Request::ImportStep { .. })), "{asked:?}");
    while !world.state.overlays.is_empty() {
        world.keys(&["esc"]);
    }
    world.keys(&["i"]).text("u7");
    assert!(panel(&world).import.is_none());
    world.reply(Slot::ImportStep, Ok(Answer::Import(None)));
    assert_eq!(
        panel(&world).line.text(),
        "u7",
        "the next card is there as it was"
    );
    assert_eq!(notice(&world), "The staged import is forgotten");
}

/// The dry run changes nothing: nobody is held by an answer that does not come.
#[test]
fn a_card_that_waits_for_its_dry_run_may_be_left_and_it_is_told_when_it_is_there() {
    use splitdeck::cockpit::ports::{Answer, Slot};
    let (mut world, ids) = pasted();
    world.keys(&["down", "down", "down", "down", "right", "enter"]);
    assert!(world.waiting_for(Slot::ImportStep).is_some(), "sent");
    world.keys(&["esc"]);
    assert!(world.state.overlays.is_empty());
    assert!(notice(&world).contains("go on being sent"), "{}", notice(&world));
    assert!(!dropped(&world, ids), "kept until they are known to be there");
    world.keys(&["5"]);
    let staged = crate::support::objects::import("staged", 0);
    let staged = Box::new(serde_json::from_value(staged).expect("reads"));
    world.reply(Slot::ImportStep, Ok(Answer::Import(Some(staged))));
    assert!(world.state.overlays.is_empty());
    assert!(notice(&world).starts_with("The dry run of"), "{}", notice(&world));
    assert!(dropped(&world, ids));
    // Where the answer is lost they are offered again.
    let (mut world, ids) = pasted();
    world.keys(&["down", "down", "down", "down", "right", "enter", "esc"]);
    world.lose(Slot::ImportStep);
    assert!(!dropped(&world, ids));
}

/// A card that has taken the same ids up meanwhile keeps them.
#[test]
fn ids_that_were_taken_up_again_while_they_are_sent_stay_in_the_card() {
    use splitdeck::cockpit::ports::{Answer, Slot};
    let (mut world, ids) = pasted();
    world.keys(&["down", "down", "down", "down", "right", "enter", "esc", "i"]);
    let Some(Overlay::Import(card)) = world.state.overlays.last_mut() else {
        panic!("no card");
    };
    card.intake = Some(ids);
    let staged = crate::support::objects::import("staged", 0);
    let staged = Box::new(serde_json::from_value(staged).expect("reads"));
    world.reply(Slot::ImportStep, Ok(Answer::Import(Some(staged))));
    assert!(!dropped(&world, ids));
    assert!(panel(&world).import.is_none());
}

#[test]
fn an_import_into_what_decides_nothing_says_so() {
    let (mut world, _) = pasted();
    world.keys(&["down", "down", "down", "down", "right", "enter"]);
    world.answer_all(Role::Editor, false);
    let all = world.state.list.experiments.value.as_mut().expect("known");
    for experiment in all.iter_mut() {
        let mut over = (**experiment).clone();
        over.status = Status::Ended;
        *experiment = over.into();
    }
    world.keys(&["enter"]).wait(DEAF_FOR);
    let screen = world.screen(120, 40);
    assert!(screen.contains("who had no override get"), "{screen}");
    assert!(
        screen.contains("checkout-cta is over, and this changes nothing"),
        "{screen}"
    );
}

/// Chunks are on their way.
fn running() -> World {
    let (mut world, _) = pasted();
    world.keys(&["down", "down", "down", "down", "right", "enter"]);
    world.answer_all(Role::Editor, false);
    world.keys(&["enter"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    assert!(applies(&world));
    world
}

fn applies(world: &World) -> bool {
    matches!(world.waiting_for(Slot::ImportStep),
        Some(Request::ImportStep { step, .. }) if matches!(&**step, ImportStep::Apply { .. }))
}

#[test]
fn a_chunk_that_fails_on_its_way_is_tried_again_and_the_reason_stays() {
    let refused = |code: Code, why: &str| {
        let mut failure = Failure::new(Service::Api, FailureKind::Refused, why);
        failure.problem = Some(Box::new(Problem::new(code, why)));
        failure
    };
    let error = |world: &World| panel(world).error.clone().unwrap_or_default();
    let mut world = running();
    let busy = refused(Code::StoreUnavailable, "the store is not available");
    world.reply(Slot::ImportStep, Err(busy.clone()));
    assert!(
        error(&world).contains("tried again by itself"),
        "{}",
        error(&world)
    );
    assert!(!applies(&world));
    let screen = world.screen(80, 24);
    assert!(screen.contains("waiting to apply the next chunk"), "{screen}");
    assert!(!screen.contains(" left"), "nobody knows how long: {screen}");
    // The lists come in meanwhile: they wipe nothing.
    world.answer_all(Role::Editor, false);
    assert!(
        error(&world).contains("the store is not available"),
        "{}",
        error(&world)
    );
    assert!(!applies(&world));
    world.wait(Duration::from_secs(1));
    assert!(applies(&world), "again, by itself");
    // A lost line, too: once the server is there again.
    world.lose(Slot::ImportStep);
    world.wait(Duration::from_secs(60));
    // The first try decides whether it is.
    while let Some((_, request)) = world
        .waiting
        .iter()
        .find(|(_, r)| r.slot() != Slot::ImportStep)
        .cloned()
    {
        let outcome = crate::support::cockpit::answer(&request, Role::Editor, false);
        world.reply(request.slot(), outcome);
    }
    world.wait(Duration::from_secs(2));
    assert!(applies(&world));
    // Esc while it waits ends the run, and says why it stands where it stands.
    world.reply(Slot::ImportStep, Err(busy));
    world.keys(&["esc"]);
    assert!(panel(&world).run.is_none());
    assert!(
        error(&world).contains("the store is not available"),
        "{}",
        error(&world)
    );
    world.wait(Duration::from_secs(60));
    assert!(!applies(&world), "nothing is sent any more");
}

/// What is tried again by itself is a write like any other: a token that was lowered, or a file that says read-only
/// since, ends it. What landed is said, and the rest can follow.
#[test]
fn a_chunk_that_is_tried_again_is_refused_where_writes_are() {
    let busy = || {
        let why = "the store is not available";
        let mut failure = Failure::new(Service::Api, FailureKind::Refused, why);
        failure.problem = Some(Box::new(Problem::new(Code::StoreUnavailable, why)));
        failure
    };
    for (lowered, why) in [
        (true, "ana is a viewer: nothing can be changed"),
        (false, "Read-only"),
    ] {
        let mut world = running();
        let landed = crate::support::objects::import("applying", 1);
        let landed = Box::new(serde_json::from_value(landed).expect("reads"));
        world.reply(Slot::ImportStep, Ok(Answer::Import(Some(landed))));
        // The next one is tried for a while, so that the try after that is not at once.
        for wait in [1, 2, 4, 8] {
            world.reply(Slot::ImportStep, Err(busy()));
            assert!(!applies(&world));
            world
                .wait(Duration::from_secs(wait))
                .answer_all_but(&[Slot::ImportStep]);
            assert!(applies(&world));
        }
        world.reply(Slot::ImportStep, Err(busy()));
        world.wait(Duration::from_secs(11));
        assert!(!applies(&world));
        if lowered {
            world.answer_all(Role::Viewer, false);
        } else {
            world.state.settings.read_only = true;
            world.act(Action::Tick);
        }
        let said = panel(&world).error.clone().unwrap_or_default();
        assert!(said.contains(why), "{said}");
        assert!(
            said.contains("So far 1 of 100 chunks in force: 812,004 added"),
            "{said}"
        );
        assert!(said.contains("the rest can be applied"), "{said}");
        assert!(panel(&world).run.is_none() && !applies(&world), "{said}");
        world
            .wait(Duration::from_secs(120))
            .answer_all(if lowered { Role::Viewer } else { Role::Editor }, false);
        assert!(!applies(&world), "never by itself");
        // Who may again goes on from there.
        world.state.settings.read_only = false;
        world
            .wait(Duration::from_secs(20))
            .answer_all(Role::Editor, false);
        world.keys(&["enter"]).wait(DEAF_FOR).keys(&["right", "enter"]);
        assert!(applies(&world), "{:?}", world.state.notice);
    }
}

#[test]
fn what_is_refused_for_good_is_not_tried_again() {
    let mut world = running();
    let gone = Failure::new(Service::Api, FailureKind::Refused, "this import was undone");
    world.reply(Slot::ImportStep, Err(gone));
    world.answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(30));
    assert!(!applies(&world));
    assert_eq!(panel(&world).error.as_deref(), Some("this import was undone"));
}

#[test]
fn it_is_said_that_ids_which_nobody_sent_are_thrown_away() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4", "i"]);
    for (cards, says) in [
        (
            1,
            "The ids of a card that were not sent for 30 days are thrown away",
        ),
        (
            2,
            "The ids of 2 cards that were not sent for 30 days are thrown away",
        ),
    ] {
        world.act(Action::Intake(Told::Swept(cards)));
        let screen = world.screen(80, 24);
        assert!(screen.contains(says), "{screen}");
    }
}

#[test]
fn a_filter_that_no_id_matches_is_named() {
    let mut worlds = crate::screens::worlds::worlds();
    let (_, world) = worlds
        .iter_mut()
        .find(|(name, _)| *name == "import_review")
        .expect("there");
    world.keys(&["/"]).text("nobody-1").wait(Duration::from_secs(1));
    let none = serde_json::from_value(serde_json::json!({ "rows": [] })).expect("rows");
    world.reply(Slot::ImportRows, Ok(Answer::ImportRows(none)));
    for (width, height) in [(80, 24), (120, 40), (40, 16)] {
        let screen = world.screen(width, height);
        assert!(
            screen.contains("No id matches \"nobody-1\""),
            "{width}x{height}:\n{screen}"
        );
    }
}

/// Esc on an id that is typed and not yet entered takes it in: it is kept with the others, and said.
#[test]
fn an_id_that_is_typed_and_not_entered_is_kept_when_the_card_is_closed() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4", "i"]).answer_all(Role::Editor, false);
    world.text("u-7");
    world.keys(&["esc"]);
    assert!(world.state.overlays.is_empty());
    let added =
        |effect: &Effect| matches!(effect, Effect::Intake(Order::Add { text, .. }) if text == "u-7\n");
    assert!(world.effects.iter().any(added), "{:?}", world.effects);
    let notice = world.state.notice.as_ref().map_or("", |notice| &notice.text);
    assert!(notice.contains("The ids are kept"), "{notice}");
    // A card without any says nothing.
    world.keys(&["i"]).answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(60));
    world.keys(&["esc"]);
    assert!(world.state.notice.is_none(), "{:?}", world.state.notice);
}

/// Where a choice has the focus it is said how it is made: ids that are typed there go nowhere.
#[test]
fn a_choice_of_the_card_says_how_it_is_made() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4", "i"]).answer_all(Role::Editor, false);
    let hint = "left and right choose; ids are typed above";
    assert!(!world.screen(80, 24).contains(hint));
    for _ in 0..2 {
        world.keys(&["down"]);
    }
    for _ in [Focus::Variant, Focus::Subject] {
        let screen = world.screen(80, 24);
        assert!(screen.contains(hint), "{screen}");
        world.keys(&["down"]);
    }
    assert!(!world.screen(80, 24).contains(hint));
}

/// What a letter on a button or a choice begins is what is still missing: the ids, or the path of a file of them.
#[test]
fn what_is_typed_beside_the_ids_begins_what_is_missing() {
    for (focus, text, path) in [
        (Focus::Check, "/tmp/ids.txt", true),
        (Focus::Check, "./ids.txt", true),
        (Focus::Cancel, "~/ids.txt", true),
        (Focus::Check, "u-1", false),
        (Focus::Variant, "u-1", false),
        (Focus::Subject, "/tmp/ids.txt", true),
    ] {
        for pasted in [false, true] {
            let mut world = World::experiment("checkout-cta");
            world.keys(&["4", "i"]).answer_all(Role::Editor, false);
            while panel(&world).focus != focus {
                world.keys(&["up"]);
            }
            if pasted {
                world.act(Action::Paste {
                    text: text.to_owned(),
                    truncated: false,
                    more: false,
                });
            } else {
                world.text(text);
            }
            let card = panel(&world);
            let case = format!("{focus:?} {text} {pasted}");
            assert_eq!(card.path.text(), if path { text } else { "" }, "{case}");
            match (path, pasted) {
                (true, _) => {
                    assert_eq!((card.focus, card.intake), (Focus::Path, None), "{case}");
                    world.keys(&["enter"]);
                    let intake = panel(&world).intake.expect("it is read");
                    let path = Some(text.to_owned());
                    let reads = Effect::Intake(Order::Read { intake, path });
                    assert!(world.effects.contains(&reads), "{case}");
                }
                (false, false) => assert_eq!((card.focus, card.line.text()), (Focus::Ids, text), "{case}"),
                // A paste is whole: its last id too.
                (false, true) => assert!(card.intake.is_some() && card.line.text().is_empty(), "{case}"),
            }
        }
    }
    // A list of ids is none of paths, whatever it begins with.
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4", "i", "up"]).answer_all(Role::Editor, false);
    world.act(Action::Paste {
        text: "/a\n/b\n".to_owned(),
        truncated: false,
        more: false,
    });
    assert!(panel(&world).intake.is_some() && panel(&world).path.text().is_empty());
    // Where nothing is missing, it is said where text goes, and nothing is pressed.
    let (mut world, _) = pasted();
    world.keys(&["up", "u"]);
    assert_eq!(notice(&world), "Nothing is typed here: down goes to Ids");
    assert_eq!(panel(&world).focus, Focus::Check);
    assert!(!world.effects.iter().any(Effect::writes));
}
