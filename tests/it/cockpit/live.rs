//! Live data: when what is asked, stale runs, held updates, lost services.

use std::time::Duration;

use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::keymap::{Command, Context, Keymap};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service, Slot};
use splitdeck::cockpit::state::preferences::Connected;
use splitdeck::cockpit::state::{Dirty, Health, Settings};
use splitdeck::cockpit::{Action, Effect};

use crate::support::cockpit::{CHECKOUT, World, at, experiments, id, overviews, results, settings};

fn asked(world: &World, slot: Slot) -> usize {
    let of_slot =
        |effect: &&Effect| matches!(effect, Effect::Fetch { request, .. } if request.slot() == slot);
    world.effects.iter().filter(of_slot).count()
}

#[test]
fn the_start_asks_who_and_what_and_nothing_else() {
    let world = World::start(settings(), (80, 24));
    let slots: Vec<Slot> = world.waiting.iter().map(|(_, request)| request.slot()).collect();
    assert_eq!(slots, [Slot::Me, Slot::Experiments]);
}

#[test]
fn an_experiment_is_opened_by_its_key_at_the_start() {
    let settings = Settings {
        experiment: Some("checkout-cta".into()),
        ..settings()
    };
    let mut world = World::start(settings, (80, 24));
    let wanted = Request::Experiment {
        id_or_key: "checkout-cta".into(),
    };
    assert_eq!(world.waiting_for(Slot::Experiment), Some(&wanted));
    assert!(world.screen(80, 24).contains("Asking for checkout-cta"));
    world.answer_all(Role::Viewer, false);
    assert_eq!(world.state.detail().expect("open").id(), Some(id(CHECKOUT)));
}

#[test]
fn an_experiment_that_does_not_exist_says_so() {
    let settings = Settings {
        experiment: Some("nope".into()),
        ..settings()
    };
    let mut world = World::start(settings, (80, 24));
    world.answer_all(Role::Viewer, false);
    let screen = world.screen(80, 24);
    assert!(screen.contains("Cannot load nope: Not found"), "{screen}");
    assert!(screen.contains("Esc shows all experiments"), "{screen}");
}

/// What was to be imported into it goes into no other experiment.
#[test]
fn ids_for_an_experiment_that_does_not_exist_go_nowhere() {
    let settings = Settings {
        experiment: Some("nope".into()),
        import: Some("ids.txt".into()),
        ..settings()
    };
    let mut world = World::start(settings, (80, 24));
    world.answer_all(Role::Editor, false);
    world.keys(&["esc"]).answer_all(Role::Editor, false);
    world.keys(&["enter"]).answer_all(Role::Editor, false);
    assert!(world.state.detail().is_some_and(|detail| detail.id().is_some()));
    assert!(world.state.overlays.is_empty(), "{:?}", world.state.overlays);
}

/// The numbers of the list come after three seconds.
fn answer_slowly(world: &mut World) {
    let (run, _) = world
        .waiting
        .iter()
        .find(|(_, r)| r.slot() == Slot::Overview)
        .cloned()
        .expect("asked");
    world.act(Action::Reply(Box::new(splitdeck::cockpit::ports::Reply {
        run,
        slot: Slot::Overview,
        took: Duration::from_secs(3),
        outcome: Ok(Answer::Overview(overviews())),
    })));
    world.waiting.retain(|(_, r)| r.slot() != Slot::Overview);
}

#[test]
fn the_list_is_asked_every_two_seconds_and_a_slow_query_rests_ten_times_as_long() {
    let mut world = World::list();
    let before = asked(&world, Slot::Overview);
    world.wait(Duration::from_millis(1_900));
    assert_eq!(asked(&world, Slot::Overview), before);
    world.wait(Duration::from_millis(200));
    assert_eq!(asked(&world, Slot::Overview), before + 1);
    // Never twice at once, however long it takes.
    world.wait(Duration::from_secs(30));
    assert_eq!(asked(&world, Slot::Overview), before + 1);
    // One that stalled says nothing about the next one; two that were slow do.
    answer_slowly(&mut world);
    world.wait(Duration::from_secs(3));
    assert_eq!(asked(&world, Slot::Overview), before + 2);
    answer_slowly(&mut world);
    world.wait(Duration::from_secs(29));
    assert_eq!(asked(&world, Slot::Overview), before + 2);
    world.wait(Duration::from_secs(2));
    assert_eq!(asked(&world, Slot::Overview), before + 3);
}

#[test]
fn without_the_focus_everything_is_asked_five_times_less_often() {
    let mut world = World::list();
    world.act(Action::Focus(false));
    world.wait(Duration::from_secs(2)).answer_all(Role::Editor, false);
    let before = asked(&world, Slot::Overview);
    world.wait(Duration::from_secs(9));
    assert_eq!(asked(&world, Slot::Overview), before);
    world.act(Action::Focus(true));
    assert_eq!(
        asked(&world, Slot::Overview),
        before + 1,
        "at once when somebody looks again"
    );
}

/// What anybody changed is seen as soon as somebody looks again, on every screen.
#[test]
fn all_that_is_on_the_screen_is_asked_when_somebody_looks_again() {
    for (keys, slots) in [
        (vec!["F"], vec![Slot::Flags]),
        (vec!["F", "j", "enter"], vec![Slot::Flags]),
        (vec!["j", "enter", "4"], vec![Slot::Overrides, Slot::Me]),
        (vec!["j", "enter", "5"], vec![Slot::SampleRatio]),
        (vec!["j", "enter", "6"], vec![Slot::Insight]),
    ] {
        let mut world = World::list_of(Role::Admin, false);
        for key in &keys {
            world.keys(&[key]).answer_all(Role::Admin, false);
        }
        world.act(Action::Focus(false));
        world.wait(Duration::from_secs(60)).answer_all(Role::Admin, false);
        world.wait(Duration::from_secs(1)).answer_all(Role::Admin, false);
        let before: Vec<usize> = slots.iter().map(|slot| asked(&world, *slot)).collect();
        world.act(Action::Focus(true));
        for (slot, before) in slots.into_iter().zip(before) {
            assert_eq!(asked(&world, slot), before + 1, "{keys:?}: {slot:?}");
        }
    }
}

/// While one experiment is looked at the list is asked less often: what stands in it may be old.
#[test]
fn the_list_is_asked_at_once_when_one_comes_back_to_it() {
    for there in [&["j", "enter"][..], &["F"]] {
        let mut world = World::list();
        for key in there {
            world.keys(&[key]).answer_all(Role::Editor, false);
        }
        world
            .wait(Duration::from_secs(11))
            .answer_all(Role::Editor, false);
        world.wait(Duration::from_secs(1)).answer_all(Role::Editor, false);
        let before = asked(&world, Slot::Experiments);
        world.keys(&["esc"]);
        assert_eq!(asked(&world, Slot::Experiments), before + 1, "{there:?}");
    }
}

#[test]
fn results_are_computed_again_only_when_something_arrived() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(1)).answer_all(Role::Editor, false);
    let settled = asked(&world, Slot::Results);
    let probes = asked(&world, Slot::Probe);
    for _ in 0..5 {
        world.wait(Duration::from_secs(1)).answer_all(Role::Editor, false);
    }
    assert!(asked(&world, Slot::Probe) >= probes + 4);
    assert_eq!(asked(&world, Slot::Results), settled);
    world.wait(Duration::from_secs(1));
    world.reply(Slot::Probe, Ok(Answer::Mark(2)));
    assert_eq!(asked(&world, Slot::Results), settled + 1);
    // Another question is asked at once, though the one before is not answered.
    world.keys(&["i"]);
    assert_eq!(asked(&world, Slot::Results), settled + 2);
    // On a tab that shows no results nothing is computed.
    world.answer_all(Role::Editor, false);
    world.keys(&["1"]).wait(Duration::from_secs(20));
    assert_eq!(asked(&world, Slot::Results), settled + 2);
}

#[test]
fn a_reply_of_a_run_that_was_replaced_is_dropped() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]);
    let (old, _) = world
        .waiting
        .iter()
        .find(|(_, r)| r.slot() == Slot::Results)
        .cloned()
        .expect("asked");
    world.keys(&["i"]);
    let mut late = results(&experiments()[1], &[(1, 1), (1, 1)]);
    late.winner = "late".into();
    world.reply_to(old, Slot::Results, Ok(Answer::Results(Box::new(late.clone()))));
    assert!(world.state.detail().expect("open").results.value.is_none());
    // So is one that comes after the experiment was left.
    let (run, _) = world
        .waiting
        .iter()
        .find(|(_, r)| r.slot() == Slot::Results)
        .cloned()
        .expect("asked");
    let effects = world.act(Action::Key("esc".parse().expect("a key")));
    assert!(effects.contains(&Effect::Cancel(Slot::Results)), "{effects:?}");
    world.keys(&["enter"]);
    world.reply_to(run, Slot::Results, Ok(Answer::Results(Box::new(late))));
    assert!(world.state.detail().expect("open").results.value.is_none());
}

#[test]
fn space_holds_live_updates_and_counts_what_waits() {
    let mut world = World::list();
    world.keys(&["space"]);
    for _ in 0..3 {
        world.wait(Duration::from_secs(2));
        let mut newer = overviews();
        newer[1].subjects = 100_000;
        world.reply(Slot::Overview, Ok(Answer::Overview(newer)));
        world.answer_all(Role::Editor, false);
    }
    let subjects = |world: &World| world.state.list.overview(id(CHECKOUT)).expect("known").subjects;
    assert_eq!(subjects(&world), 90_189);
    assert_eq!(world.state.hold.waiting(), 3);
    let screen = world.screen(100, 28);
    assert!(screen.contains("held, 3 updates wait"), "{screen}");
    world.keys(&["space"]);
    assert_eq!(subjects(&world), 100_000);
    assert!(!world.state.hold.on);
}

/// Where `space` ticks a field another key holds, and the last line says which; so it is back.
#[test]
fn the_live_numbers_of_setup_are_held_by_a_key_that_is_named() {
    let mut world = World::experiment("checkout-cta");
    let last = |world: &mut World| {
        let screen = world.screen(80, 24);
        screen.lines().last().expect("lines").to_owned()
    };
    assert!(last(&mut world).contains(". hold live"), "{}", last(&mut world));
    world.keys(&["."]);
    assert!(world.state.hold.on);
    for _ in 0..2 {
        world.wait(Duration::from_secs(2));
        let mut newer = overviews();
        newer[1].subjects = 100_000;
        world.reply(Slot::Overview, Ok(Answer::Overview(newer)));
        world.answer_all(Role::Editor, false);
    }
    let told = last(&mut world);
    assert!(
        told.contains(". go on") && told.contains("held, 2 updates wait"),
        "{told}"
    );
    assert!(world.screen(120, 60).contains("90,189"));
    world.keys(&["."]);
    assert!(world.screen(120, 60).contains("100,000"));
    // Help says it too, in the words of the registry.
    world.keys(&["?"]);
    assert!(world.screen(120, 80).contains("Hold live updates back"));
    // A key that a person chose is named in its place.
    let mut world = World::experiment("checkout-cta");
    let keys = [("live.hold".to_owned(), vec!["f9".to_owned()])];
    assert_eq!(world.state.keymap.rebind(&keys.into()), []);
    assert!(last(&mut world).contains("f9 hold live"), "{}", last(&mut world));
}

/// Wherever keys work that are not typed, one of them holds what comes.
#[test]
fn live_updates_can_be_held_from_every_screen() {
    let keymap = Keymap::default();
    for chain in Context::CHAINS
        .iter()
        .filter(|chain| chain.contains(&Context::Global))
    {
        assert!(keymap.keys(chain, Command::Hold).next().is_some(), "{chain:?}");
    }
}

/// No word of the first line moves as the seconds pass: that of a lost service stands where it stood.
#[test]
fn the_seconds_of_what_is_stale_move_nothing() {
    let mut world = World::list();
    world.wait(Duration::from_secs(2));
    world.lose(Slot::Overview);
    world.answer_all(Role::Editor, false);
    let mut places = std::collections::BTreeSet::new();
    let mut ages = std::collections::BTreeSet::new();
    for _ in 0..75 {
        for _ in 0..2 {
            if world.waiting_for(Slot::Overview).is_some() {
                world.lose(Slot::Overview);
            }
            world.answer_all_but(&[Slot::Overview]);
        }
        let screen = world.screen(120, 40);
        let line = screen.lines().next().expect("a line").to_owned();
        let at = |word: &str| line.find(word).map(|byte| line[..byte].chars().count());
        places.insert((at("api"), at("clickhouse"), at("stale"), at(",")));
        ages.insert(line[line.find("stale").expect("stale")..].trim().to_owned());
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(ages.iter().any(|age| age.starts_with("stale    9 s")), "{ages:?}");
    assert!(ages.iter().any(|age| age.starts_with("stale  1 min")), "{ages:?}");
}

/// However much the first line says of the place, it says how old the newest event is.
#[test]
fn at_80_columns_the_first_line_says_how_old_the_numbers_are() {
    for (project, demo, role) in [("demo", true, Role::Admin), ("shop-prod", false, Role::Editor)] {
        let mut world = World::list_of(role, false);
        let me = world.state.me.as_mut().expect("known");
        me.demo = demo;
        me.project.key = splitdeck::domain::Key::new(project).expect("a key");
        let screen = world.screen(80, 24);
        let line = screen.lines().next().expect("a line");
        for part in [project, "PRODUCTION", "2 s old", "api", "ms"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(demo, line.contains("simulated"), "{line}");
    }
}

#[test]
fn a_lost_server_is_retried_with_growing_pauses_and_comes_back() {
    let mut world = World::list();
    world.wait(Duration::from_secs(2));
    world.lose(Slot::Experiments);
    assert!(matches!(world.state.api.health, Health::Lost { .. }));
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let Health::Lost { retry_at, .. } = world.state.api.health else {
            panic!("lost");
        };
        let pause = retry_at.duration_since(world.now);
        pauses.push(pause.as_millis());
        world.wait(pause.try_into().expect("ahead"));
        let tries: Vec<Slot> = world
            .waiting
            .iter()
            .map(|(_, r)| r.slot())
            .filter(|s| s.service() == Service::Api)
            .collect();
        assert_eq!(tries.len(), 1, "one try at a time: {tries:?}");
        world.lose(tries[0]);
    }
    assert!(
        pauses[0] <= 400 && pauses[8] > 15_000 && pauses[8] <= 30_000,
        "{pauses:?}"
    );
    // The data stays, faded, and keys are answered.
    let screen = world.screen(120, 30);
    assert!(
        screen.contains("stale") && screen.contains("retry in"),
        "{screen}"
    );
    assert!(screen.contains("checkout-cta"), "{screen}");
    world.keys(&["j"]);
    world.wait(Duration::from_secs(31));
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.api.health, Health::Up);
    assert!(!world.screen(120, 30).contains("stale"));
}

#[test]
fn a_lost_clickhouse_does_not_touch_the_server() {
    let mut world = World::list();
    world.wait(Duration::from_secs(2));
    world.lose(Slot::Overview);
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.api.health, Health::Up);
    assert!(matches!(world.state.warehouse.health, Health::Lost { .. }));
    world.keys(&["j", "p"]);
    assert_eq!(world.state.overlays.len(), 1, "the life goes on");
}

#[test]
fn a_wrong_token_is_not_tried_again_until_somebody_asks() {
    let mut world = World::start(settings(), (80, 24));
    for slot in [Slot::Me, Slot::Experiments] {
        world.reply(
            slot,
            Err(Failure::new(
                Service::Api,
                FailureKind::Configuration,
                "the server does not know this token",
            )),
        );
    }
    world.wait(Duration::from_secs(600));
    assert_eq!(world.waiting.len(), 0);
    let screen = world.screen(80, 24);
    assert!(screen.contains("the server does not know this token"), "{screen}");
    world.keys(&["ctrl-r"]);
    assert_eq!(world.waiting.len(), 2);
}

/// A token that the server does not know.
fn unknown_token() -> Failure {
    let why = "the server does not know this token";
    let mut failure = Failure::new(Service::Api, FailureKind::Configuration, why);
    failure.problem = Some(Box::new(Problem::new(Code::Unauthorized, why)));
    failure
}

#[test]
fn a_token_of_a_context_that_ends_is_read_anew_and_everything_stays() {
    let read = |world: &World| {
        let connects = |effect: &&Effect| **effect == Effect::Connect("vault".to_owned());
        world.effects.iter().filter(connects).count()
    };
    let connected = || {
        Action::Connected(Box::new(Connected {
            api: settings().api,
            context: Some("vault".to_owned()),
            token_from_file: true,
            read_only: false,
        }))
    };
    let mut world = World::experiment("checkout-cta");
    world.state.settings.context = Some("vault".to_owned());
    world.keys(&["2"]).wait(Duration::from_secs(3));
    world.reply(Slot::Experiment, Err(unknown_token()));
    assert_eq!(read(&world), 1, "by itself, once");
    world.act(connected());
    assert!(world.state.detail().is_some(), "what is looked at stays");
    assert!(world.effects.contains(&Effect::Project("shop-prod".to_owned())));
    assert!(world.waiting_for(Slot::Experiment).is_some());
    // The new one is not known either: a program is not run for ever.
    world.reply(Slot::Experiment, Err(unknown_token()));
    assert_eq!(read(&world), 1);
    world.wait(Duration::from_secs(60));
    assert_eq!(read(&world), 1);
    let said = notice_of_link(&mut world);
    assert!(said.contains("the token of the context vault"), "{said}");
    world.keys(&["ctrl-r"]);
    assert_eq!(read(&world), 2);
    world.act(Action::Failed("Cannot go to vault: no token".to_owned()));
    world.keys(&["ctrl-r"]);
    assert_eq!(read(&world), 3);
    world.act(connected()).clear();
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.api.health, Health::Up);
    assert!(world.state.detail().is_some());
}

/// Most people have no contexts: one server, and the program that prints its token, below `[cockpit]`.
#[test]
fn a_token_below_cockpit_is_read_anew_too() {
    let read = |world: &World| {
        let again = |effect: &&Effect| **effect == Effect::Reconnect;
        world.effects.iter().filter(again).count()
    };
    let mut world = World::experiment("checkout-cta");
    world.state.settings.token_from_file = true;
    world.keys(&["2"]).wait(Duration::from_secs(3));
    world.reply(Slot::Experiment, Err(unknown_token()));
    assert_eq!(read(&world), 1, "by itself, once");
    world.act(Action::Failed("Cannot read the token anew: no token".to_owned()));
    let said = notice_of_link(&mut world);
    assert!(
        said.contains("the token below [cockpit] in the configuration is refused"),
        "{said}"
    );
    world.keys(&["ctrl-r"]);
    assert_eq!(read(&world), 2);
    world.act(Action::Connected(Box::new(Connected {
        api: settings().api,
        context: None,
        token_from_file: true,
        read_only: false,
    })));
    assert!(world.state.detail().is_some(), "what is looked at stays");
    world.answer_all(Role::Editor, false);
    assert_eq!(world.state.api.health, Health::Up);
}

/// What is said of a server that refuses.
fn notice_of_link(world: &mut World) -> String {
    match &world.state.api.health {
        Health::Stopped { message } => message.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_refused_token_comes_to_is_said_as_it_is() {
    let mut world = World::start(settings(), (100, 30));
    world.reply(Slot::Experiments, Err(unknown_token()));
    let screen = world.screen(100, 30);
    assert!(screen.contains("Not tried again by itself"), "{screen}");
    assert!(!screen.contains("Tried again by itself"), "{screen}");
    world.keys(&["ctrl-r"]);
    assert!(
        !world.effects.iter().any(|e| matches!(e, Effect::Connect(_))),
        "no context to read"
    );
}

#[test]
fn a_clickhouse_that_hangs_is_no_lost_server() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]);
    world.reply(
        Slot::SampleRatio,
        Err(Failure::new(
            Slot::SampleRatio.service(),
            FailureKind::Lost,
            "no answer within 35 s",
        )),
    );
    assert_eq!(world.state.api.health, Health::Up);
    // What the server could not count says nothing of the way from here, which has its own answers.
    assert!(!world.state.warehouse.is_down());
    let guarded = &world.state.detail().expect("open").guarded;
    assert!(guarded.failure.is_some(), "it is said where it stands");
    let before = asked(&world, Slot::SampleRatio);
    world.wait(Duration::from_secs(5));
    assert_eq!(asked(&world, Slot::SampleRatio), before, "no blind retry");
    world.wait(Duration::from_secs(6));
    assert_eq!(asked(&world, Slot::SampleRatio), before + 1);
    world.keys(&["p"]);
    assert_eq!(world.state.overlays.len(), 1, "it can be paused by hand");
}

/// Whoever cannot reach ClickHouse from here still learns of the server how the split stands.
#[test]
fn the_test_of_a_split_needs_no_way_from_here_to_clickhouse() {
    let mut world = World::experiment("search-ranking");
    world.wait(Duration::from_secs(2));
    world.lose(Slot::Overview);
    world.answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(1));
    world.keys(&["r"]);
    assert!(world.waiting_for(Slot::SampleRatio).is_some());
    world.reply(
        Slot::SampleRatio,
        Ok(Answer::SampleRatio(Box::new(
            results(&experiments()[0], &[(500, 5), (500, 5)]).srm,
        ))),
    );
    assert!(
        world.state.warehouse.is_down(),
        "the way from here is as lost as before"
    );
    assert!(world.state.detail().expect("open").guarded.value.is_some());
}

#[test]
fn a_query_that_was_refused_is_shown_and_the_connection_is_fine() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["6"]);
    world.reply(
        Slot::Results,
        Err(Failure::new(
            Service::Warehouse,
            FailureKind::Limit,
            "memory limit; choose a narrower window",
        )),
    );
    assert_eq!(world.state.warehouse.health, Health::Up);
    assert!(world.screen(80, 24).contains("choose a narrower window"));
    let before = asked(&world, Slot::Results);
    world.wait(Duration::from_secs(25));
    assert_eq!(asked(&world, Slot::Results), before, "no blind retry");
    world.wait(Duration::from_secs(10));
    assert_eq!(asked(&world, Slot::Results), before + 1);
}

#[test]
fn only_what_changed_asks_for_a_frame() {
    let mut world = World::list();
    world.state.dirty = Dirty::No;
    // Nothing is pressed, nothing arrives: an old number changes its text once a minute.
    let mut quiet = overviews();
    for overview in &mut quiet {
        overview.last_event_at = Some(at("2026-11-20T01:00:00Z"));
    }
    world.wait(Duration::from_secs(2));
    world.reply(Slot::Overview, Ok(Answer::Overview(quiet)));
    world.state.dirty = Dirty::No;
    world.act(Action::Tick);
    assert_eq!(world.state.dirty, Dirty::No);
    world.act(Action::Resize {
        width: 120,
        height: 40,
    });
    assert_eq!(world.state.dirty, Dirty::No, "the same size is no news");
    world.keys(&["j"]);
    assert_eq!(world.state.dirty, Dirty::Now);
}

#[test]
fn one_stalled_query_neither_stops_the_results_nor_passes_for_the_present() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]);
    for _ in 0..4 {
        world.wait(Duration::from_secs(1));
        world.answer_all(Role::Editor, false);
    }
    assert!(
        !world.screen(120, 40).contains("Stale"),
        "{}",
        world.screen(120, 40)
    );
    // ClickHouse hangs: after five seconds the numbers are old, and say so.
    world.wait(Duration::from_secs(4));
    assert!(
        !world.screen(120, 40).contains("Stale"),
        "{}",
        world.screen(120, 40)
    );
    world.wait(Duration::from_secs(4));
    let screen = world.screen(120, 40);
    assert!(screen.contains("ClickHouse has not answered for"), "{screen}");
    // It goes on after 27 s: what stalled is no measure for the rest that follows.
    world.wait(Duration::from_secs(19));
    let stalled: Vec<_> = world
        .waiting
        .iter()
        .map(|(run, request)| (*run, request.slot()))
        .collect();
    let (run, _) = *stalled
        .iter()
        .find(|(_, slot)| *slot == Slot::Probe)
        .expect("asked");
    world.act(Action::Reply(Box::new(splitdeck::cockpit::ports::Reply {
        run,
        slot: Slot::Probe,
        took: Duration::from_secs(27),
        outcome: Ok(Answer::Mark(99)),
    })));
    world.waiting.retain(|(_, request)| request.slot() != Slot::Probe);
    let before = asked(&world, Slot::Probe);
    world.wait(Duration::from_secs(2));
    assert_eq!(asked(&world, Slot::Probe), before + 1);
}

/// Setup tells of exposures what ClickHouse said last: once that is old it says so, and is as it was again after.
#[test]
fn the_live_numbers_of_setup_say_when_they_are_old() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["1"]).wait(Duration::from_secs(3));
    world.answer_all(Role::Editor, false);
    world.keys(&["end"]);
    let line = |world: &mut World| {
        let screen = world.screen(120, 40);
        let line = screen.lines().find(|line| line.contains("90,189 subjects"));
        line.unwrap_or_else(|| panic!("{screen}")).to_owned()
    };
    assert!(!line(&mut world).contains("stale"));
    world.wait(Duration::from_secs(3));
    world.lose(Slot::Overview);
    world.wait(Duration::from_secs(1));
    assert!(line(&mut world).contains("stale"), "{}", line(&mut world));
    let due = splitdeck::cockpit::update::next_deadline(&world.state, world.now).expect("counts on");
    assert!(
        due <= world.now + jiff::SignedDuration::from_secs(1),
        "its age is told in seconds"
    );
    world
        .wait(Duration::from_secs(60))
        .answer_all(Role::Editor, false);
    assert!(!line(&mut world).contains("stale"));
}
