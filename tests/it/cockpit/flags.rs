//! The draft of a flag: kept, found again, merged; who changed the same, and when.

use jiff::SignedDuration;
use serde_json::json;
use splitdeck::api::flags::FlagList;
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::change::{Change, Changed};
use splitdeck::cockpit::edit::{FlagPart, Kept, Of};
use splitdeck::cockpit::intake::{Order, Tally, Told};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service, Slot};
use splitdeck::cockpit::state::objects::Kind;
use splitdeck::cockpit::state::overlay::{DEAF_FOR, Overlay};
use splitdeck::cockpit::state::{Screen, Settings};
use splitdeck::cockpit::update::flag::{Item, current};
use splitdeck::cockpit::{Action, Effect};
use splitdeck::domain::{Flag, Key, Percent};

use crate::support::cockpit::{World, history, id, settings};
use crate::support::objects::{self, NEW_CHECKOUT};

/// The page of a flag, with nothing changed yet.
fn page() -> World {
    opened(World::list_of(Role::Admin, false))
}

fn opened(mut world: World) -> World {
    for key in ["F", "j", "enter"] {
        world.keys(&[key]).answer_all(Role::Admin, false);
    }
    world
}

/// Changes the rollout in the draft.
fn roll_out(world: &mut World, share: &str) {
    world.keys(&["g", "j", "j", "j", "enter"]);
    world.wait(DEAF_FOR).keys(&["ctrl-u"]).text(share);
    world.keys(&["enter", "tab", "enter"]);
}

fn draft_of(world: &World) -> &Flag {
    let drafts = &world.state.objects.drafts;
    &drafts
        .iter()
        .find(|d| d.base.id == id(NEW_CHECKOUT))
        .expect("a draft")
        .mine
}

/// The flag as it is edited.
fn draft_or_saved(world: &World) -> &Flag {
    world.state.objects.edited(id(NEW_CHECKOUT)).expect("the flag")
}

fn notice(world: &World) -> &str {
    world.state.notice.as_ref().map_or("", |notice| &notice.text)
}

fn percent(share: f64) -> Percent {
    Percent::new(share).expect("a share")
}

/// The flags as somebody else has left them.
fn newer(version: u64, change: impl FnOnce(&mut Flag)) -> FlagList {
    let mut list: FlagList = serde_json::from_value(objects::flags()).expect("flags");
    let row = list.flags.iter_mut().find(|row| row.flag.id == id(NEW_CHECKOUT));
    let flag = &mut row.expect("there").flag;
    change(flag);
    flag.resource_version = version;
    list
}

fn arrives(world: &mut World, list: FlagList) {
    world.wait(std::time::Duration::from_secs(3));
    world.reply(Slot::Flags, Ok(Answer::Flags(list)));
}

/// The refusal of a change that was made from an older version.
fn conflict(world: &World, list: &FlagList) -> Failure {
    let theirs = list
        .flags
        .iter()
        .find(|row| row.flag.id == id(NEW_CHECKOUT))
        .expect("there");
    let mut problem = Problem::new(Code::VersionConflict, "it is at version 4");
    problem.changed_by = Some("deploy-bot".into());
    problem.changed_at = Some(world.now - SignedDuration::from_secs(4));
    problem.current = Some(json!(theirs.flag));
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    failure
}

#[test]
fn a_switch_that_another_change_overtook_says_to_decide_again() {
    // With a draft of the flag and without one: neither is what the dialog is about.
    for draft in [true, false] {
        let mut world = page();
        if draft {
            roll_out(&mut world, "50");
        }
        world.keys(&["o"]).wait(DEAF_FOR).keys(&["right", "enter"]);
        assert!(world.waiting_for(Slot::Change).is_some());
        let list = newer(4, |flag| flag.name = "New".to_owned());
        let refused = conflict(&world, &list);
        world.reply(Slot::Change, Err(refused));
        match world.state.overlays.last() {
            Some(Overlay::Form(form)) => assert_eq!(
                form.error.as_deref(),
                Some("deploy-bot changed it since this dialog opened. Close it, look, and decide again.")
            ),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_draft_survives_the_cockpit_and_is_offered_again() {
    let mut world = page();
    roll_out(&mut world, "50");
    assert!(world.screen(120, 40).contains("12.50 % → 50.00 %"));
    let disk = world.disk.clone();
    assert_eq!(disk.len(), 1);
    let mut world = World::list_of(Role::Admin, false);
    world.left_behind(disk);
    let mut world = opened(world);
    let screen = world.screen(120, 40);
    assert!(screen.contains("1 unsaved change from"), "{screen}");
    assert!(
        !screen.contains("50.00 %"),
        "offered, never applied by itself: {screen}"
    );
    world.keys(&["j", "enter"]);
    assert!(world.state.overlays.is_empty(), "first things first");
    world.keys(&["R"]);
    assert_eq!(draft_of(&world).rollout_pct, percent(50.0));
    assert_eq!(
        (world.disk.len(), world.left.len()),
        (1, 0),
        "it is this cockpit's now"
    );
    // Undone, nothing is kept.
    world.keys(&["X"]).wait(DEAF_FOR);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("rollout: 12.50 % → 50.00 %"),
        "it is shown what goes: {screen}"
    );
    assert!(!screen.contains("Comment"), "nothing is sent: {screen}");
    world.keys(&["enter"]);
    assert_eq!(
        world.disk.len(),
        1,
        "the focus is on the button that changes nothing"
    );
    world.keys(&["X"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    assert_eq!(world.disk.len(), 0);
    world.keys(&["u"]);
    assert_eq!(draft_of(&world).rollout_pct, percent(50.0));
    assert_eq!(world.disk.len(), 1, "u brings it back, on disk too");
}

#[test]
fn what_was_left_can_be_thrown_away_by_its_dialog() {
    let mut world = page();
    roll_out(&mut world, "50");
    let disk = world.disk.clone();
    let mut world = World::list_of(Role::Admin, false);
    world.left_behind(disk);
    let mut world = opened(world);
    world.keys(&["X"]).wait(DEAF_FOR);
    assert!(world.screen(120, 40).contains("rollout: 12.50 % → 50.00 %"));
    world.keys(&["right", "enter"]);
    assert_eq!((world.disk.len(), world.left.len()), (0, 0));
    roll_out(&mut world, "60");
    assert_eq!(draft_of(&world).rollout_pct, percent(60.0));
}

/// The dialog that forces somebody, at the flag's own overrides.
fn forcing(protected: bool, list: FlagList) -> World {
    let mut world = World::list_of(Role::Admin, protected);
    for key in ["F", "j", "enter", "G", "enter"] {
        world.keys(&[key]).answer_all(Role::Admin, protected);
    }
    arrives(&mut world, list);
    world.keys(&["n"]).wait(DEAF_FOR);
    world
}

#[test]
fn an_override_of_a_flag_says_what_holds_it_back() {
    const IN_FORCE: &str = "In force at once";
    let row = |list: &mut FlagList, experiment: &str| {
        let row = list.flags.iter_mut().find(|row| row.flag.id == id(NEW_CHECKOUT));
        row.expect("there").decided_by = Some(experiment.parse().expect("a key"));
    };
    let mut decided = newer(4, |_| {});
    row(&mut decided, "checkout-test");
    for (list, part) in [
        (newer(4, |_| {}), IN_FORCE),
        (
            newer(4, |flag| flag.enabled = false),
            "new-checkout is off: everybody gets off",
        ),
        (decided, "checkout-test decides new-checkout"),
    ] {
        let mut world = forcing(false, list.clone());
        let screen = world.screen(120, 40);
        assert!(screen.contains(part), "{part}: {screen}");
        assert_eq!(screen.contains(IN_FORCE), part == IN_FORCE, "{screen}");
        world
            .keys(&["tab"])
            .text("u-7")
            .keys(&["shift-tab", "shift-tab", "enter"]);
        let request = world.waiting_for(Slot::Change).cloned().expect("sent");
        world.reply(
            Slot::Change,
            crate::support::cockpit::answer(&request, Role::Admin, false),
        );
        let notice = &world.state.notice.as_ref().expect("told").text;
        assert_eq!(notice == "The override is in force", part == IN_FORCE, "{notice}");
        assert!(part == IN_FORCE || notice.contains("not in force"), "{notice}");
    }
}

#[test]
fn a_flag_that_somebody_switches_on_wants_its_key_for_an_override() {
    let mut world = forcing(true, newer(4, |flag| flag.enabled = false));
    world.keys(&["tab"]).text("u-7").keys(&["shift-tab", "shift-tab"]);
    let screen = world.screen(120, 40);
    assert!(!screen.contains("is protected: type"), "{screen}");
    arrives(&mut world, newer(5, |_| {}));
    let screen = world.screen(120, 40);
    assert!(screen.contains("In force at once"), "{screen}");
    assert!(screen.contains("is protected: type"), "{screen}");
    world
        .keys(&["right", "enter"])
        .wait(DEAF_FOR)
        .keys(&["right", "enter"]);
    assert!(world.waiting_for(Slot::Change).is_none());
    match world.state.overlays.last() {
        Some(Overlay::Form(form)) => assert_eq!(form.error.as_deref(), Some("type the key: new-checkout")),
        other => panic!("{other:?}"),
    }
    // Off again it hurts nobody.
    arrives(&mut world, newer(6, |flag| flag.enabled = false));
    assert!(!world.screen(120, 40).contains("is protected: type"));
}

#[test]
fn drafts_of_two_cockpits_become_one_and_the_same_part_is_decided() {
    let mut first = page();
    roll_out(&mut first, "50");
    let mut second = page();
    roll_out(&mut second, "30");
    second.keys(&["g", "j", "enter"]).wait(DEAF_FOR);
    second
        .keys(&["ctrl-u"])
        .text("Second")
        .keys(&["enter", "tab", "enter"]);
    let mut world = World::list_of(Role::Admin, false);
    world.left_behind(first.disk.clone());
    world.left_behind(second.disk.clone());
    let mut world = opened(world);
    let screen = world.screen(120, 40);
    assert!(screen.contains("1 draft of other cockpits after it"), "{screen}");
    world.keys(&["R"]);
    assert_eq!((world.disk.len(), world.left.len()), (1, 1));
    world.keys(&["R"]);
    assert_eq!(
        (world.disk.len(), world.left.len()),
        (1, 0),
        "nothing is lost, nothing is left"
    );
    assert_eq!(draft_of(&world).name, "Second");
    assert_eq!(draft_of(&world).rollout_pct, percent(50.0));
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("The rollout was changed elsewhere too"),
        "{screen}"
    );
    world.keys(&["t"]);
    assert_eq!(draft_of(&world).rollout_pct, percent(30.0));
}

#[test]
fn a_cockpit_that_edits_the_same_is_told_of() {
    let mut first = page();
    roll_out(&mut first, "50");
    let mut world = World::list_of(Role::Admin, false);
    world.elsewhere = first.disk.values().cloned().collect();
    let mut world = opened(world);
    let notice = &world.state.notice.as_ref().expect("told").text;
    assert!(
        notice.contains("Another cockpit of yours has 1 unsaved change"),
        "{notice}"
    );
    roll_out(&mut world, "30");
    assert_eq!(world.disk.len(), 1, "it keeps its own");
}

#[test]
fn the_same_part_is_asked_about_with_three_copies_who_and_when() {
    let mut world = page();
    roll_out(&mut world, "50");
    arrives(
        &mut world,
        newer(4, |flag| {
            flag.rollout_pct = percent(30.0);
            flag.description = "theirs".to_owned();
        }),
    );
    assert!(matches!(
        world.waiting_for(Slot::FlagHistory),
        Some(Request::FlagHistory { id: of }) if *of == id(NEW_CHECKOUT)
    ));
    let mut told = history();
    told.entries.truncate(2);
    for (entry, version) in told.entries.iter_mut().zip([4, 3]) {
        entry.object_id = id(NEW_CHECKOUT);
        entry.resource_version = version;
        entry.at = world.now - SignedDuration::from_secs(90);
    }
    world.reply(Slot::FlagHistory, Ok(Answer::FlagHistory(told)));
    let screen = world.screen(120, 40);
    for part in [
        "srm-guard saved v4, 1 min ago while you edit: description merged with yours",
        "srm-guard changed the rollout too",
        "it was  12.50 %",
        "yours   50.00 %",
        "theirs  30.00 %",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert_eq!(world.waiting_for(Slot::FlagHistory), None, "asked once");
    world.keys(&["S"]);
    assert!(world.state.overlays.is_empty(), "decided first");
    // What is not decided survives too.
    let Some(Kept::Flag(kept)) = world.disk.values().next() else {
        panic!("{:?}", world.disk);
    };
    assert_eq!(kept.both[0].part, FlagPart::Rollout);
    world.keys(&["m", "S"]);
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Form(_))));
}

#[test]
fn a_conflict_at_saving_merges_and_shows_the_difference_again() {
    let mut world = page();
    roll_out(&mut world, "50");
    world.keys(&["S"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    let theirs = newer(4, |flag| flag.description = "theirs".to_owned());
    let failure = conflict(&world, &theirs);
    world.reply(Slot::Change, Err(failure));
    let screen = world.screen(120, 40);
    assert!(screen.contains("deploy-bot changed it meanwhile"), "{screen}");
    world.keys(&["enter"]);
    let Some(Request::Change(change)) = world.waiting_for(Slot::Change) else {
        panic!("the same button sends the merged change");
    };
    let Change::UpdateFlag(_, update) = &**change else {
        panic!("{change:?}");
    };
    assert_eq!(update.resource_version, 4);
    assert_eq!(
        (update.rollout_pct, &update.description),
        (Some(percent(50.0)), &None)
    );
    world.answer_all(Role::Admin, false);
    assert_eq!(world.disk.len(), 0, "nothing is kept of what is saved");
    // The same part: it is decided first.
    roll_out(&mut world, "60");
    world.keys(&["S"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    let theirs = newer(9, |flag| flag.rollout_pct = percent(30.0));
    let failure = conflict(&world, &theirs);
    world.reply(Slot::Change, Err(failure));
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("deploy-bot changed the same meanwhile"),
        "{screen}"
    );
    world.keys(&["enter"]);
    assert_eq!(world.waiting_for(Slot::Change), None, "nothing is sent before");
    world.keys(&["esc"]);
    assert!(
        world
            .screen(120, 40)
            .contains("deploy-bot changed the rollout too")
    );
}

/// The page with the dialog of this line open.
fn opened_on(item: &Item) -> World {
    let mut world = page();
    put_cursor(&mut world, item);
    world.keys(&["enter"]);
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Form(_))));
    world
}

fn put_cursor(world: &mut World, item: &Item) {
    world.keys(&["g"]);
    for _ in 0..30 {
        if current(&world.state).as_ref() == Some(item) {
            return;
        }
        world.keys(&["j"]);
    }
    panic!("no such line: {item:?}");
}

fn variant(key: &str) -> Item {
    Item::Variant(Key::new(key).expect("a key"))
}

#[test]
fn a_dialog_writes_only_what_was_touched_in_it() {
    let mut world = opened_on(&variant("on"));
    let theirs = newer(4, |flag| {
        flag.variants[0].traffic_pct = percent(50.0);
        let mut first = flag.variants[0].clone();
        first.key = Key::new("first").expect("a key");
        first.traffic_pct = percent(10.0);
        flag.variants.insert(0, first);
    });
    arrives(&mut world, theirs);
    world
        .keys(&["tab"])
        .text("Blue")
        .keys(&["tab", "tab", "tab", "tab", "enter"]);
    let draft = &world.state.objects.drafts[0];
    assert_eq!(draft.both, [], "different lines");
    let shares: Vec<_> = draft
        .mine
        .variants
        .iter()
        .map(|v| (v.key.as_str(), v.name.as_str(), v.traffic_pct))
        .collect();
    assert_eq!(
        shares,
        [
            ("first", "", percent(10.0)),
            ("on", "Blue", percent(50.0)),
            ("on-with-chat", "With chat", percent(20.0))
        ]
    );
}

#[test]
fn what_both_changed_while_a_dialog_was_open_is_asked_about() {
    let mut world = opened_on(&variant("on"));
    arrives(
        &mut world,
        newer(4, |flag| flag.variants[0].traffic_pct = percent(50.0)),
    );
    world
        .keys(&["tab", "tab", "ctrl-u"])
        .text("30")
        .keys(&["tab", "tab", "tab", "enter"]);
    let draft = &world.state.objects.drafts[0];
    let [clash] = &draft.both[..] else {
        panic!("{:?}", draft.both);
    };
    assert_eq!(clash.part, FlagPart::Variants);
    assert_eq!(
        [&clash.start, &draft.mine, &clash.theirs].map(|flag| flag.variants[0].traffic_pct),
        [percent(80.0), percent(30.0), percent(50.0)],
        "three copies"
    );
    assert!(
        world.waiting_for(Slot::FlagHistory).is_some(),
        "who it was is asked"
    );
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("Somebody else changed the variants too"),
        "{screen}"
    );
    world.keys(&["S"]);
    assert!(world.state.overlays.is_empty(), "decided first");
    world.keys(&["t"]);
    assert!(
        world
            .state
            .objects
            .drafts
            .iter()
            .all(|draft| draft.changed().is_empty())
    );
}

/// The payload of `on` is changed here and by somebody else.
fn payload_of_both() -> World {
    let mut world = opened_on(&variant("on"));
    world
        .keys(&["tab", "tab", "tab", "ctrl-u"])
        .text("\"mine\"")
        .keys(&["tab", "tab", "enter"]);
    assert_eq!(draft_of(&world).variants[0].payload, json!("mine"));
    arrives(
        &mut world,
        newer(4, |flag| flag.variants[0].payload = json!("theirs")),
    );
    world
}

#[test]
fn a_conflict_names_what_differs() {
    let mut world = payload_of_both();
    world.keys(&["g"]);
    for (width, height) in [(80, 24), (120, 40)] {
        let screen = world.screen(width, height);
        for part in [
            "it was  on payload {\"steps\":1}",
            "yours   on payload \"mine\"",
            "theirs  on payload \"theirs\"",
        ] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
    }
    // Of a rule.
    let mut world = opened_on(&Item::Rule(id(93)));
    world
        .keys(&["tab", "tab", "ctrl-u"])
        .text("6")
        .keys(&["tab", "tab", "enter"]);
    assert_eq!(draft_of(&world).rules[1].priority, 6);
    arrives(&mut world, newer(4, |flag| flag.rules[1].priority = 7));
    let screen = world.screen(120, 40);
    for (word, priority) in [("it was ", 5), ("yours  ", 6), ("theirs ", 7)] {
        let part = format!("{word} rule 2 priority {priority}");
        assert!(screen.contains(&part), "{part}: {screen}");
    }
    // Long ones are told to their end.
    let mut world = page();
    let long = "a very long name of a flag ".repeat(5);
    world.keys(&["g", "j", "enter"]).wait(DEAF_FOR).keys(&["ctrl-u"]);
    world
        .text(&format!("{long}mine"))
        .keys(&["enter", "tab", "enter"]);
    arrives(&mut world, newer(4, |flag| flag.name = format!("{long}theirs")));
    let screen = world.screen(80, 24);
    for end in ["flag mine", "flag theirs"] {
        assert!(screen.contains(end), "{end}: {screen}");
    }
}

#[test]
fn the_difference_before_a_save_names_what_differs() {
    let mut world = opened_on(&variant("on"));
    world
        .keys(&["tab", "tab", "tab", "ctrl-u"])
        .text("\"mine\"")
        .keys(&["tab", "tab", "enter"]);
    let change = "on payload {\"steps\":1} → \"mine\"";
    let screen = world.screen(120, 40);
    assert!(screen.contains(&format!("changed: {change}")), "{screen}");
    world.keys(&["S"]);
    for (width, height) in [(80, 24), (120, 40)] {
        let screen = world.screen(width, height);
        for part in [
            format!("variants: {change}").as_str(),
            "! Whoever gets on gets its new payload from the next decision on.",
        ] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
    }
}

/// What the screen says, wherever its lines are broken.
fn words(world: &mut World) -> String {
    let screen = world.screen(120, 40).replace('│', " ");
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn saving_another_rollout_says_who_loses_or_gets_a_variant() {
    for (share, part) in [
        (
            "5",
            "! 7.50 % of subjects lose their variant (on 6.00 %, on-with-chat 1.50 %) and get off.",
        ),
        (
            "0",
            "! 12.50 % of subjects lose their variant (on 10.00 %, on-with-chat 2.50 %) and get off.",
        ),
        (
            "50",
            "! 37.50 % of subjects get a variant (on 30.00 %, on-with-chat 7.50 %) in place of off.",
        ),
    ] {
        let mut world = page();
        roll_out(&mut world, share);
        world.keys(&["S"]);
        let screen = words(&mut world);
        for part in [
            part,
            "! Whoever its overrides force or its rules catch is not among them.",
        ] {
            assert!(screen.contains(part), "{part}: {screen}");
        }
        // Off it is nobody's.
        arrives(&mut world, newer(4, |flag| flag.enabled = false));
        world.keys(&["esc", "S"]);
        let screen = world.screen(120, 40);
        assert!(screen.contains("rollout: 12.50 %"), "{screen}");
        for not in ["lose their variant", "get a variant (", "not among them"] {
            assert!(!screen.contains(not), "{not}: {screen}");
        }
    }
}

#[test]
fn what_somebody_saved_is_no_news_once_nothing_is_edited() {
    const NEWS: &str = "while you edit";
    let mut world = payload_of_both();
    assert!(world.screen(120, 40).contains(NEWS));
    world.keys(&["t"]);
    let screen = world.screen(120, 40);
    assert!(!screen.contains(NEWS), "{screen}");
    // An undone decision is asked again, with who it was.
    world.keys(&["u"]);
    assert!(world.screen(120, 40).contains(NEWS));
    world.keys(&["t"]);
    // What is begun now begins from what they saved.
    roll_out(&mut world, "50");
    let screen = world.screen(120, 40);
    assert!(screen.contains("12.50 % → 50.00 %"), "{screen}");
    assert!(!screen.contains(NEWS), "{screen}");
    // Mine stays, and is saved.
    let mut world = payload_of_both();
    world.keys(&["m"]);
    assert!(
        world.screen(120, 40).contains(NEWS),
        "there is still something to save"
    );
    world.keys(&["S"]).wait(DEAF_FOR).keys(&["right", "enter"]);
    let saved = newer(5, |flag| flag.variants[0].payload = json!("mine"));
    // The list may be there before the answer.
    arrives(&mut world, saved);
    let screen = world.screen(120, 40);
    assert!(!screen.contains(NEWS), "{screen}");
}

#[test]
fn a_rule_is_found_by_its_id() {
    let mut world = opened_on(&Item::Rule(id(93)));
    arrives(
        &mut world,
        newer(4, |flag| {
            flag.rules.remove(0);
            flag.rules[0].conditions = vec![];
        }),
    );
    world
        .keys(&["tab", "tab", "ctrl-u"])
        .text("7")
        .keys(&["tab", "tab", "enter"]);
    let rules = &draft_of(&world).rules;
    let seen: Vec<_> = rules.iter().map(|rule| (rule.id, rule.priority)).collect();
    assert_eq!(seen, [(id(93), 7)]);
    // A new one has an id that no other cockpit gives to a new one.
    let mut one = page();
    put_cursor(&mut one, &Item::AddRule);
    let mut two = opened(World::start(
        Settings {
            seed: 99,
            ..settings()
        },
        (120, 40),
    ));
    two.answer_all(Role::Admin, false);
    put_cursor(&mut two, &Item::AddRule);
    let new = |world: &mut World| {
        world.keys(&["enter", "tab", "tab", "tab", "tab", "enter"]);
        draft_of(world).rules.last().expect("a rule").id
    };
    assert_ne!(new(&mut one), new(&mut two));
}

#[test]
fn the_cursor_stays_on_its_line() {
    let mut world = page();
    put_cursor(&mut world, &Item::Rule(id(93)));
    arrives(
        &mut world,
        newer(4, |flag| {
            let mut more = flag.variants[1].clone();
            more.key = Key::new("more").expect("a key");
            more.traffic_pct = percent(0.0);
            flag.variants.push(more);
        }),
    );
    assert_eq!(current(&world.state), Some(Item::Rule(id(93))));
}

#[test]
fn what_is_changed_while_a_draft_is_being_saved_is_still_to_be_saved() {
    let mut world = page();
    roll_out(&mut world, "50");
    world.keys(&["S"]).wait(DEAF_FOR).keys(&["right", "enter", "esc"]);
    world
        .keys(&["g", "j", "enter", "ctrl-u"])
        .text("Later")
        .keys(&["enter", "tab", "enter"]);
    let mut saved = newer(4, |flag| flag.rollout_pct = percent(50.0));
    let at = saved
        .flags
        .iter()
        .position(|row| row.flag.id == id(NEW_CHECKOUT))
        .expect("there");
    let saved = Box::new(saved.flags.remove(at).flag);
    world.reply(Slot::Change, Ok(Answer::Changed(Changed::Flag(saved))));
    let notice = &world.state.notice.as_ref().expect("told").text;
    assert_eq!(notice, "new-checkout is saved");
    let draft = &world.state.objects.drafts[0];
    assert_eq!(draft.changed(), [FlagPart::Name]);
    assert_eq!(
        (draft.mine.name.as_str(), draft.base.resource_version),
        ("Later", 4)
    );
    assert_eq!(draft.mine.rollout_pct, percent(50.0));
    assert_eq!(world.disk.len(), 1, "and kept on disk");
}

#[test]
fn undo_of_a_flag_reaches_beyond_a_save_and_one_that_is_on_its_way() {
    let saved = || {
        let mut list = newer(4, |flag| flag.rollout_pct = percent(50.0));
        list.flags.retain(|row| row.flag.id == id(NEW_CHECKOUT));
        let flag = list.flags.remove(0).flag;
        Ok(Answer::Changed(Changed::Flag(Box::new(flag))))
    };
    for on_its_way in [true, false] {
        let mut world = page();
        roll_out(&mut world, "50");
        world.keys(&["S"]).wait(DEAF_FOR).keys(&["right", "enter", "esc"]);
        if on_its_way {
            world.keys(&["u"]);
            world.reply(Slot::Change, saved());
        } else {
            world.reply(Slot::Change, saved());
            assert_eq!(world.disk.len(), 0, "nothing is kept of what is saved");
            assert!(!world.screen(120, 40).contains("not saved"));
            world.keys(&["u"]);
        }
        let draft = &world.state.objects.drafts[0];
        assert_eq!(draft.changed(), [FlagPart::Rollout], "{on_its_way}");
        assert_eq!(
            (draft.mine.rollout_pct, draft.base.resource_version),
            (percent(12.5), 4)
        );
        assert_eq!(world.disk.len(), 1, "and kept on disk");
    }
    // What others change later is no news where nothing is unsaved.
    let mut world = page();
    roll_out(&mut world, "50");
    world.keys(&["S"]).wait(DEAF_FOR).keys(&["right", "enter", "esc"]);
    world.reply(Slot::Change, saved());
    let list = newer(5, |flag| {
        flag.rollout_pct = percent(50.0);
        flag.description = "theirs".to_owned();
    });
    arrives(&mut world, list);
    let screen = world.screen(120, 40);
    assert!(screen.contains("theirs"), "{screen}");
    assert!(!screen.contains("Somebody else"), "{screen}");
    assert_eq!(world.disk.len(), 0);
}

#[test]
fn ids_are_imported_into_a_flag_as_into_an_experiment() {
    imported(page());
}

/// As an experiment does: a dialog that counts who gets what must not say so of a flag that gives nobody anything.
#[test]
fn an_import_into_a_flag_that_gives_nobody_a_variant_says_so() {
    let mut world = page();
    arrives(&mut world, newer(4, |flag| flag.enabled = false));
    let mut world = imported_until_asked(world);
    let screen = world.screen(120, 40);
    assert!(screen.contains("who had no override get"), "{screen}");
    assert!(
        screen.contains("new-checkout is off: everybody gets off, overrides or not"),
        "{screen}"
    );
    // Switched on under the open dialog: it is as if it had just opened, and says so no longer.
    world.keys(&["right"]);
    arrives(&mut world, newer(5, |flag| flag.enabled = true));
    let screen = world.screen(120, 40);
    assert!(!screen.contains("everybody gets off"), "{screen}");
    assert!(screen.contains("was changed by somebody else"), "{screen}");
    let mut list = newer(5, |_| {});
    let row = list.flags.iter_mut().find(|row| row.flag.id == id(NEW_CHECKOUT));
    row.expect("there").decided_by = Some(Key::new("checkout-cta").expect("a key"));
    arrives(&mut world, list);
    let screen = world.screen(120, 40);
    assert!(screen.contains("checkout-cta decides new-checkout"), "{screen}");
}

fn imported(world: World) {
    let mut world = imported_until_asked(world);
    world.keys(&["right", "enter"]);
    let asked = world.waiting_for(Slot::ImportStep).expect("sent");
    assert!(
        matches!(asked, Request::ImportStep { of: Of::Flag, .. }),
        "{asked:?}"
    );
}

/// Until its dialog is open.
fn imported_until_asked(mut world: World) -> World {
    world.keys(&["end", "enter"]).answer_all(Role::Admin, false);
    assert!(world.screen(120, 40).contains("i many") || world.screen(120, 40).contains("u-000000"));
    world.keys(&["i"]);
    assert!(world.effects.contains(&Effect::Intake(Order::Find {
        experiment: id(NEW_CHECKOUT)
    })));
    assert!(
        world
            .screen(120, 40)
            .contains("Import overrides into new-checkout")
    );
    world.act(Action::Paste {
        text: "u-1\nu-2\n".to_owned(),
        truncated: false,
        more: false,
    });
    let Some(Overlay::Import(panel)) = world.state.overlays.last() else {
        panic!("no import");
    };
    let intake = panel.intake.expect("begun");
    let tally = Box::new(Tally {
        received: 2,
        unique: 2,
        ..Tally::default()
    });
    let done = true;
    world.act(Action::Intake(Told::Counted { intake, tally, done }));
    world.keys(&["down", "down", "down", "down", "right", "enter"]);
    let asked = world.waiting_for(Slot::ImportStep).expect("sent");
    assert!(
        matches!(asked, Request::ImportStep { of: Of::Flag, id: of, .. } if *of == id(NEW_CHECKOUT)),
        "{asked:?}"
    );
    world.answer_all_but(&[Slot::Flags]);
    assert!(matches!(world.state.screen, Screen::Flag), "the flag lies below");
    world.keys(&["enter"]).wait(DEAF_FOR);
    world
}

#[test]
fn drafts_stay_on_disk_when_another_project_is_looked_at() {
    let mut world = page();
    roll_out(&mut world, "50");
    world.keys(&["P", "j", "enter"]);
    assert!(world.state.objects.drafts.is_empty());
    assert_eq!(world.disk.len(), 1);
}

/// Started as `splitdeck --flag NAME --import FILE`.
fn started(name: &str, role: Role) -> World {
    let settings = Settings {
        flag: Some(name.to_owned()),
        import: Some("ids.txt".to_owned()),
        ..settings()
    };
    let mut world = World::start(settings, (120, 40));
    world.answer_all(role, false);
    world
}

fn reads(world: &World) -> Vec<&Order> {
    let orders = world.effects.iter().filter_map(|effect| match effect {
        Effect::Intake(order @ Order::Read { .. }) => Some(order),
        _ => None,
    });
    orders.collect()
}

#[test]
fn a_flag_is_opened_at_the_start_and_ids_are_read_into_it() {
    let key = page()
        .state
        .objects
        .open_flag()
        .expect("open")
        .1
        .flag
        .key
        .to_string();
    for name in [key, id(NEW_CHECKOUT).to_string()] {
        let mut world = started(&name, Role::Editor);
        assert_eq!(world.state.screen, Screen::Flag);
        let Some(Overlay::Import(panel)) = world.state.overlays.last() else {
            panic!("{:?}", world.state.overlays)
        };
        assert_eq!((panel.target.of, panel.target.id), (Of::Flag, id(NEW_CHECKOUT)));
        assert_eq!(reads(&world).len(), 1, "{:?}", world.effects);
        // Below it are the overrides of the flag, below these its page, below that the flags.
        world.keys(&["esc"]);
        assert!(
            world
                .state
                .objects
                .flag
                .as_ref()
                .expect("open")
                .overrides
                .is_some()
        );
        world.keys(&["esc", "esc"]);
        assert_eq!(world.state.screen, Screen::Objects(Kind::Flags));
        // Once is enough.
        world.wait(std::time::Duration::from_secs(5));
        world.answer_all(Role::Editor, false);
        assert_eq!(reads(&world).len(), 1);
    }
}

#[test]
fn ids_for_a_flag_that_is_not_there_go_nowhere() {
    let mut world = started("nope", Role::Editor);
    assert!(world.screen(120, 40).contains("There is no flag nope"));
    assert_eq!(world.state.screen, Screen::Objects(Kind::Flags));
    world.keys(&["enter"]).answer_all(Role::Editor, false);
    assert_eq!(world.state.screen, Screen::Flag);
    assert_eq!(reads(&world).len(), 0, "{:?}", world.effects);
    // Whoever may change nothing is told so, and sees the flag.
    let mut world = started(&id(NEW_CHECKOUT).to_string(), Role::Viewer);
    assert_eq!(world.state.screen, Screen::Flag);
    assert_eq!(reads(&world).len(), 0);
    assert!(world.screen(120, 40).contains("nothing can be changed"));
}

/// Without the server one can go on editing a flag: it is saved later. The switch is saved at once.
#[test]
fn a_flag_is_edited_while_the_server_is_lost() {
    let rule = |world: &World| {
        draft_or_saved(world)
            .rules
            .first()
            .map(|rule| Item::Rule(rule.id))
    };
    let mut world = page();
    world.wait(std::time::Duration::from_secs(3)).lose(Slot::Flags);
    assert!(world.state.api.is_down());
    let editable = [
        Some(Item::Part(FlagPart::Rollout)),
        Some(Item::AddVariant),
        Some(Item::AddRule),
        rule(&world),
    ];
    for item in editable.iter().flatten() {
        put_cursor(&mut world, item);
        world.keys(&["enter"]);
        let form = world.state.overlays.last();
        assert!(matches!(form, Some(Overlay::Form(_))), "{item:?}: {form:?}");
        world.keys(&["esc"]);
    }
    roll_out(&mut world, "7");
    assert_eq!(draft_of(&world).rollout_pct, percent(7.0));
    let first = rule(&world).expect("a rule");
    put_cursor(&mut world, &first);
    world.keys(&["n"]);
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Form(_))));
    world.keys(&["esc", "delete"]);
    assert_eq!(draft_of(&world).rules.len(), 1, "removed, unsaved");
    for (item, key) in [(Item::Enabled, "enter"), (Item::Part(FlagPart::Rollout), "S")] {
        put_cursor(&mut world, &item);
        world.keys(&[key]);
        assert!(world.state.overlays.is_empty(), "{item:?}");
        assert!(notice(&world).starts_with("The server is lost: nothing can be changed"));
    }
    assert!(!world.effects.iter().any(Effect::writes));
}

/// Overrides are there for everybody to be looked at; all else of the page is for those who may change it.
#[test]
fn a_viewer_looks_at_the_overrides_of_a_flag() {
    let mut world = World::list_of(Role::Viewer, false);
    for key in ["F", "j", "enter"] {
        world.keys(&[key]).answer_all(Role::Viewer, false);
    }
    let shown = |world: &World| {
        world
            .state
            .objects
            .flag
            .as_deref()
            .is_some_and(|flag| flag.overrides.is_some())
    };
    for item in [
        Item::Enabled,
        Item::Part(FlagPart::Rollout),
        Item::AddVariant,
        Item::AddRule,
    ] {
        put_cursor(&mut world, &item);
        world.keys(&["enter"]);
        assert!(world.state.overlays.is_empty() && !shown(&world), "{item:?}");
        assert!(notice(&world).contains("nothing can be changed"), "{item:?}");
        assert!(!world.screen(120, 40).contains("⏎ edit"), "{item:?}");
        world.wait(std::time::Duration::from_secs(7));
    }
    for key in ["n", "delete"] {
        world.keys(&[key]);
        assert!(world.state.overlays.is_empty(), "{key}");
        assert!(notice(&world).contains("nothing can be changed"), "{key}");
    }
    put_cursor(&mut world, &Item::Overrides);
    world.wait(std::time::Duration::from_secs(7));
    assert!(world.screen(120, 40).contains("⏎ edit"));
    world.keys(&["enter"]).answer_all(Role::Viewer, false);
    assert!(shown(&world));
    let screen = world.screen(120, 40);
    assert!(
        !screen.contains("i import") && !screen.contains("nothing can be changed"),
        "{screen}"
    );
    // So they are while the server is lost.
    let mut world = page();
    world.wait(std::time::Duration::from_secs(3)).lose(Slot::Flags);
    put_cursor(&mut world, &Item::Overrides);
    world.keys(&["enter"]);
    assert!(shown(&world));
}

#[test]
fn undo_of_a_restored_draft_says_how_far_it_reaches() {
    let mut world = page();
    roll_out(&mut world, "50");
    let disk = world.disk.clone();
    let mut world = World::list_of(Role::Admin, false);
    world.left_behind(disk);
    let mut world = opened(world);
    world.keys(&["R", "u"]);
    let notice = &world.state.notice.as_ref().expect("told").text;
    assert!(
        notice.starts_with("What is left was changed before the restart") && notice.contains("X throws"),
        "{notice}"
    );
    assert_eq!(draft_of(&world).rollout_pct, percent(50.0));
}
