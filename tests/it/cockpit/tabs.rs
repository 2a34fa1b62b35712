//! One experiment: tabs, overrides, panels, palette.

use std::sync::Arc;
use std::time::Duration;

use ratatui::style::Modifier;
use splitdeck::api::experiments::ExperimentList;
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::results::MultiVariant;
use splitdeck::api::system::Role;
use splitdeck::cockpit::action::{Mouse, Target};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service, Slot};
use splitdeck::cockpit::state::analytics::Panel;
use splitdeck::cockpit::state::objects::Kind;
use splitdeck::cockpit::state::preferences::{Read, ThemeEntry};
use splitdeck::cockpit::state::{Dirty, Overlay, Screen, Tab};
use splitdeck::cockpit::update::next_deadline;
use splitdeck::cockpit::{Action, Effect};
use splitdeck::tui::view;

use crate::support::cockpit::{
    CHECKOUT, World, answer, experiments, history, id, override_page, results, text_of, theme,
};

fn tab(world: &World) -> Tab {
    world.state.detail().expect("open").tab
}

#[test]
fn numbers_and_tab_open_the_tabs() {
    let mut world = World::experiment("checkout-cta");
    for (key, expected) in [
        ("2", Tab::Variants),
        ("6", Tab::Insights),
        ("tab", Tab::Setup),
        ("shift-tab", Tab::Insights),
        ("left", Tab::Analytics),
        ("4", Tab::Overrides),
        ("right", Tab::Analytics),
        ("3", Tab::Rules),
    ] {
        world.keys(&[key]);
        assert_eq!(tab(&world), expected, "{key}");
    }
}

#[test]
fn a_page_scrolls_no_further_than_its_end() {
    let mut world = World::experiment("checkout-cta");
    world.screen(60, 15);
    world.keys(&["G"]);
    let end = world.screen(60, 15);
    assert!(end.contains("cohort 1"), "{end}");
    world.keys(&["j", "j", "pagedown"]);
    assert_eq!(world.screen(60, 15), end);
    world.keys(&["g"]);
    assert!(world.screen(60, 15).contains("checkout-cta"));
    assert!(!world.screen(60, 15).contains("cohort 1"));
}

fn overrides(world: &World) -> (Option<String>, Option<String>) {
    match world.waiting_for(Slot::Overrides) {
        Some(Request::Overrides { query, .. }) => (query.search.clone(), query.after.clone()),
        other => panic!("not asked: {other:?}"),
    }
}

#[test]
fn overrides_are_paged_and_searched() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]);
    assert_eq!(overrides(&world), (None, None));
    world.answer_all(Role::Editor, false);
    world.screen(100, 28);
    world.keys(&["]"]);
    assert_eq!(overrides(&world), (None, Some("user:u-000199".into())));
    world.answer_all(Role::Editor, false);
    assert!(world.screen(100, 28).contains("201 of 40,012"));
    world.keys(&["]"]);
    assert!(
        world.waiting_for(Slot::Overrides).is_none(),
        "it is the last page"
    );
    world.keys(&["["]);
    assert_eq!(overrides(&world), (None, None));
    world.answer_all(Role::Editor, false);
    // Past the last row of a page the next one begins.
    world.keys(&["G", "j"]);
    assert_eq!(overrides(&world), (None, Some("user:u-000199".into())));
    world.answer_all(Role::Editor, false);
    world.keys(&["/"]).text("qa");
    assert_eq!(
        overrides(&world),
        (Some("qa".into()), None),
        "a search begins at its first page"
    );
    world.answer_all(Role::Editor, false);
    world.keys(&["esc", "esc"]);
    assert_eq!(overrides(&world), (None, None));
    world.answer_all(Role::Editor, false);
    world.keys(&["j"]);
    let effects = world.act(Action::Key("y".parse().expect("a key")));
    assert_eq!(effects, [Effect::Copy("u-000001".into())]);
}

#[test]
fn explain_asks_for_the_typed_user_and_shows_the_steps() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["x"]).text("u-1").keys(&["enter"]);
    match world.waiting_for(Slot::Explain) {
        Some(Request::Explain { request, .. }) => assert_eq!(request.user.user_id.as_deref(), Some("u-1")),
        other => panic!("not asked: {other:?}"),
    }
    world.answer_all(Role::Viewer, false);
    let screen = world.screen(100, 30);
    for part in [
        "u-1 → ● treatment",
        "bucket 4816",
        "profile.country is TH: it is DE",
        "slot 33,206,554",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    world.keys(&["esc"]);
    assert_eq!(world.state.overlays.len(), 0);
    assert_eq!(world.state.screen, Screen::Experiment);
}

#[test]
fn the_history_is_loaded_when_it_is_looked_at() {
    let mut world = World::list();
    assert!(world.waiting_for(Slot::History).is_none());
    world.keys(&["H"]);
    assert!(matches!(
        world.waiting_for(Slot::History),
        Some(Request::History { before: None, .. })
    ));
    world.answer_all(Role::Editor, false);
    let screen = world.screen(100, 30);
    assert!(
        screen.contains("deploy-bot") && screen.contains("sample ratio mismatch"),
        "{screen}"
    );
    world.keys(&["j", "j"]);
    assert!(
        world.screen(100, 30).contains("first try"),
        "the comment of the entry under the cursor"
    );
    world.wait(Duration::from_secs(60));
    assert!(
        world.waiting_for(Slot::History).is_none(),
        "it does not change by itself"
    );
}

#[test]
fn the_palette_reaches_commands_and_experiments() {
    let mut world = World::list();
    world.keys(&[":"]).text("onboard").keys(&["enter"]);
    assert_eq!(world.state.screen, Screen::Experiment);
    assert_eq!(world.state.detail().expect("open").name, "onboarding-copy");
    world.keys(&[":"]).text("tab.rules").keys(&["enter"]);
    assert_eq!(tab(&world), Tab::Rules);
    world.keys(&[":"]).text("experiment.pause").keys(&["enter"]);
    assert!(matches!(world.state.overlays.last(), Some(Overlay::Step(_))));
    world
        .keys(&["esc", ":"])
        .text("zzz no such thing")
        .keys(&["enter"]);
    assert_eq!(world.state.overlays.len(), 0, "nothing was chosen");
    let effects = World::list()
        .keys(&[":"])
        .text("quit")
        .act(Action::Key("enter".parse().expect("a key")));
    assert_eq!(effects, [Effect::Quit]);
}

#[test]
fn the_palette_runs_what_was_typed() {
    let first = |world: &mut World, typed: &str| {
        world.keys(&[":"]).answer_all(Role::Admin, false);
        world.text(typed);
        let screen = world.screen(120, 40);
        let lines: Vec<&str> = screen.lines().collect();
        let typed = lines
            .iter()
            .position(|line| line.contains(": "))
            .expect("the line that is typed into");
        let line = lines[typed + 1]
            .split('│')
            .nth(1)
            .unwrap_or_default()
            .trim()
            .to_owned();
        world.keys(&["esc"]);
        line
    };
    let mut world = World::list_of(Role::Admin, false);
    let theme = |name: &str, description: &str| ThemeEntry {
        name: name.to_owned(),
        description: description.to_owned(),
        own: false,
    };
    world.act(Action::Read(Box::new(Read {
        themes: vec![
            theme(
                "default",
                "the terminal's own sixteen colours, legible on dark and light",
            ),
            theme("dark", "of its own ground"),
            theme("light", "of its own ground"),
        ],
        ..Read::default()
    })));
    world.keys(&["j"]);
    for (typed, begins) in [
        ("theme dark", "theme dark"),
        ("dark", "theme dark"),
        ("them", "theme default"),
        ("explain", "experiment.explain"),
        ("pause", "experiment.pause"),
        ("experiment.pa", "experiment.pause"),
        ("hold", "live.hold"),
        ("checkout-cta", "open"),
    ] {
        let line = first(&mut world, typed);
        assert!(line.starts_with(begins), "{typed}: {line}");
    }
    // On an active experiment there is nothing to resume, and no other experiment is meant by that.
    let line = first(&mut world, "resume");
    assert!(!line.starts_with("open"), "{line}");
}

#[test]
fn the_palette_reaches_every_object_by_its_name() {
    for (typed, screen, on_it) in [
        ("new-checkout", Screen::Flag, "a rule, tried before the rollout"),
        (
            "deployment backend",
            Screen::Objects(Kind::Deployments),
            "backend",
        ),
        ("project staging", Screen::Objects(Kind::Projects), "shop-staging"),
        ("lab checkout", Screen::Objects(Kind::Labs), "checkout"),
        ("token deploy-bot", Screen::Objects(Kind::Tokens), "deploy-bot"),
    ] {
        // From an experiment, where none of them was looked at before.
        let mut world = World::list_of(Role::Admin, false);
        world.keys(&["enter"]).answer_all(Role::Admin, false);
        world.keys(&[":"]).answer_all(Role::Admin, false);
        world.text(typed);
        let palette = world.screen(100, 30);
        world.keys(&["enter"]).answer_all(Role::Admin, false);
        assert_eq!(world.state.screen, screen, "{typed}: {palette}");
        assert!(world.state.overlays.is_empty());
        let buffer = world.buffer(120, 40, &theme());
        let text = text_of(&buffer);
        assert!(text.contains(on_it), "{typed}: {text}");
        if let Screen::Objects(_) = screen {
            let row = text.lines().position(|line| line.contains(on_it)).expect("a row");
            let row = u16::try_from(row).expect("small");
            let under_the_cursor = buffer[(4, row)].modifier.contains(Modifier::REVERSED);
            assert!(under_the_cursor, "{typed}: {text}");
        }
    }
    // An editor has no list of tokens to look in.
    let mut world = World::list();
    world.keys(&[":"]);
    assert_eq!(world.waiting_for(Slot::Tokens), None);
    assert!(world.waiting_for(Slot::Flags).is_some());
}

#[test]
fn a_panel_has_the_whole_screen_and_each_is_reached_by_key() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    assert!(world.screen(120, 40).contains("1 Setup"));
    world.keys(&["z"]);
    let mut titles = Vec::new();
    for panel in Panel::ALL {
        assert_eq!(world.state.detail().expect("open").analytics.panel, panel);
        let screen = world.screen(120, 40);
        let lines: Vec<&str> = screen.lines().collect();
        assert!(!screen.contains("1 Setup"), "{panel:?}: {screen}");
        assert!(
            lines[0].trim_start().len() > 3,
            "{panel:?} begins in the first line: {screen}"
        );
        let last = lines.last().expect("a line");
        assert!(
            last.contains("checkout-cta · shop-prod · PRODUCTION"),
            "where one is stays: {last}"
        );
        titles.push(lines[0].to_owned());
        world.keys(&["J"]);
    }
    titles.dedup();
    assert_eq!(titles.len(), Panel::ALL.len(), "{titles:?}");
    world.keys(&["K"]);
    for back in ["z", "esc"] {
        assert_eq!(
            world.state.detail().expect("open").analytics.panel,
            Panel::Tracked
        );
        assert!(!world.screen(120, 40).contains("1 Setup"));
        world.keys(&[back]);
        assert!(world.screen(120, 40).contains("1 Setup"), "{back}");
        assert_eq!(world.state.screen, Screen::Experiment);
        world.keys(&["z"]);
    }
}

#[test]
fn a_click_goes_to_the_field_whose_lines_wrap() {
    let mut world = World::experiment("checkout-cta");
    let mut long = (**world.state.detail().and_then(|d| d.config()).expect("known")).clone();
    long.resource_version += 1;
    long.hypothesis = "one two three four five ".repeat(20);
    world.wait(Duration::from_secs(10));
    world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(long))));
    let theme = theme();
    for (width, height) in [(80, 24), (120, 40), (200, 50)] {
        for key in ["1", "2", "3"] {
            world.keys(&[key]);
            let mut reached = std::collections::BTreeSet::new();
            for y in 0..height {
                for x in [3, width / 2 + 4, width - 3] {
                    world.keys(&["home"]);
                    world.screen(width, height);
                    let at = view::target(&world.state, &theme, (width, height), (x, y), world.now);
                    let Some(target @ Target::Field(row, column)) = at else {
                        continue;
                    };
                    world.act(Action::Mouse(Mouse::Click(target)));
                    let editor = world.state.editor().expect("a sheet");
                    let (_, sheet) = world.state.sheet().expect("a sheet");
                    let e = world.state.edited(id(CHECKOUT)).expect("known");
                    assert_eq!(editor.cursor(sheet, e), Some((row, column)), "{key} at {x},{y}");
                    reached.insert((row, column));
                }
            }
            assert!(!reached.is_empty(), "{key} at {width}x{height}");
        }
    }
    // Each further line of the hypothesis is the hypothesis.
    world.keys(&["1", "home"]);
    let screen = world.screen(120, 40);
    let lines = screen
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("two three"));
    let fields: Vec<Option<Target>> = lines
        .map(|(y, _)| {
            let y = u16::try_from(y).expect("small");
            view::target(&world.state, &theme, (120, 40), (25, y), world.now)
        })
        .collect();
    assert!(fields.len() > 3, "{screen}");
    assert!(
        fields.iter().all(|field| field.is_some() && *field == fields[0]),
        "{fields:?}"
    );
}

#[test]
fn help_lists_the_keys_of_what_lies_below() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4", "?"]).answer_all(Role::Editor, false);
    let help = world.screen(100, 60);
    assert!(
        help.contains("Overrides tab") && help.contains("The next page of overrides"),
        "{help}"
    );
    assert!(!help.contains("Open the experiment under the cursor"), "{help}");
    world.keys(&["?"]);
    assert_eq!(world.state.overlays.len(), 0);
}

#[test]
fn a_paste_goes_into_the_field_or_is_said_to_be_left_out() {
    let mut world = World::experiment("checkout-cta");
    let paste = |text: &str, truncated| Action::Paste {
        text: text.into(),
        truncated,
        more: false,
    };
    world.act(paste("p\nq", false));
    assert!(!world.state.quitting, "pasted text is no key");
    assert!(
        world
            .state
            .notice
            .as_ref()
            .expect("said")
            .text
            .contains("left out")
    );
    world.keys(&["x"]);
    world.act(paste("user 7\n", true));
    match world.state.overlays.last() {
        Some(Overlay::Explain(panel)) => assert_eq!(panel.input.text(), "user 7"),
        other => panic!("{other:?}"),
    }
    assert!(
        world
            .state
            .notice
            .as_ref()
            .expect("said")
            .text
            .contains("was cut")
    );
}

#[test]
fn leaving_works_in_every_state() {
    for keys in [
        &[][..],
        &["/"],
        &[":"],
        &["?"],
        &["H"],
        &["x"],
        &["w"],
        &["j", "p"],
        &["enter"],
        &["enter", "4", "/"],
        &["enter", "5", "/"],
    ] {
        let mut world = World::list();
        world.keys(keys);
        let effects = world.act(Action::Key("ctrl-c".parse().expect("a key")));
        assert!(effects.contains(&Effect::Quit), "{keys:?}");
        // And so many Esc always lead back to the list, and no further.
        let mut world = World::list();
        world.keys(keys).keys(&["esc"; 4]);
        assert_eq!(world.state.screen, Screen::Experiments, "{keys:?}");
        assert_eq!(world.state.overlays.len(), 0, "{keys:?}");
        assert!(!world.state.quitting);
    }
}

/// What is being brought up to date is told at the right of the last line, and moves no key.
#[test]
fn panels_that_are_updated_are_counted() {
    let last = |world: &mut World, width: u16| {
        let screen = world.screen(width, 40);
        screen.lines().last().expect("a line").to_owned()
    };
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    // Until nothing arrives any more.
    for _ in 0..3 {
        world.wait(Duration::from_secs(1)).answer_all(Role::Editor, false);
    }
    let (calm, narrow) = (last(&mut world, 120), last(&mut world, 80));
    assert!(!calm.contains("updating"), "{calm}");
    // Only the key of the segments is another: one panel.
    world.keys(&["s", "ctrl-u"]).text("plan").keys(&["enter"]);
    assert!(world.waiting_for(Slot::Results).is_some());
    assert_eq!(
        last(&mut world, 120).trim_end(),
        calm.trim_end(),
        "what is quick is not told"
    );
    world.state.dirty = Dirty::No;
    let next = next_deadline(&world.state, world.now).expect("a moment");
    assert!(next <= world.now + Duration::from_millis(300), "{next}");
    world.wait(Duration::from_millis(300));
    assert_ne!(world.state.dirty, Dirty::No, "drawn then");
    let told = last(&mut world, 120);
    assert!(told.ends_with(" 1 of 10 updating"), "{told}");
    assert!(told.starts_with(calm.trim_end()), "no key moves: {calm} {told}");
    let told = last(&mut world, 80);
    assert!(told.ends_with(" 1/10 updating"), "{told}");
    assert!(
        told.starts_with(narrow.trim_end()),
        "no key moves: {narrow} {told}"
    );
    assert!(!last(&mut world, 40).contains("updating"), "no room");
    // Other days are all of them.
    world.keys(&["/", "ctrl-u"]).text("last 2d").keys(&["enter"]);
    world.wait(Duration::from_millis(300));
    let told = last(&mut world, 120);
    assert!(told.ends_with("10 of 10 updating"), "{told}");
    assert!(last(&mut world, 80).ends_with("10/10 updating"));
    // Held back they wait for a person, not for an answer.
    world.keys(&["space"]);
    assert!(!last(&mut world, 120).contains("updating"));
    world.keys(&["space"]).answer_all(Role::Editor, false);
    assert!(!last(&mut world, 120).contains("updating"));
}

/// What the entry under the cursor says, line by line, while it is scrolled to its end.
fn read_whole(world: &mut World, width: u16, height: u16) -> String {
    let mut read = String::new();
    for _ in 0..400 {
        let before = world.screen(width, height);
        read.push_str(&before);
        world.keys(&["pagedown"]);
        if world.screen(width, height) == before {
            return read;
        }
    }
    panic!("no end of it");
}

#[test]
fn every_line_of_a_change_can_be_read() {
    let mut long = history();
    long.entries[0].changes = (0..40)
        .map(|n| {
            let change = serde_json::json!({
                "field": format!("field{n:02}"), "from": null,
                "to": {"begin": n, "rest": "x".repeat(90), "end": format!("end{n:02}")},
            });
            serde_json::from_value(change).expect("a change")
        })
        .collect();
    for (width, height) in [(80, 24), (120, 40), (40, 12)] {
        let mut world = World::experiment("checkout-cta");
        world.keys(&["H"]);
        world.reply(Slot::History, Ok(Answer::History(long.clone())));
        let first = world.screen(width, height);
        let read = read_whole(&mut world, width, height);
        let squeezed: String = read.split_whitespace().collect();
        for n in 0..40 {
            assert!(
                squeezed.contains(&format!("field{n:02}")),
                "{n} at {width}:\n{read}"
            );
            let end = format!("end end{n:02}");
            assert!(read.contains(&end) || width < 80, "{end} at {width}:\n{read}");
        }
        // Back, and from another entry on it begins at its top again.
        world.keys(&["J", "down", "up"]);
        assert_eq!(world.screen(width, height), first);
        let rows = first.lines().filter(|line| line.contains("field")).count();
        assert!(height < 24 || rows >= 3, "{first}");
        assert!(width < 80 || first.contains("pagedown details"), "{first}");
    }
}

/// The columns of the arms and the one of the events count whoever saw several variants differently.
#[test]
fn what_several_variants_do_to_the_segments_is_said_as_they_are_counted() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["5"]).answer_all(Role::Editor, false);
    for (multi, wide, narrow) in [
        (
            MultiVariant::Exclude,
            "subjects by country · 12 of several variants in events only",
            "12 in events only",
        ),
        (
            MultiVariant::FirstSeen,
            "subjects by country · 12 of several variants in their first",
            "12 in their first",
        ),
    ] {
        let detail = world.state.open.as_deref_mut().expect("open");
        let results = Arc::make_mut(detail.results.value.as_mut().expect("results"));
        results.query.multi_variant = multi;
        let screen = world.screen(200, 50);
        assert!(screen.contains(wide), "{screen}");
        let screen = world.screen(120, 40);
        assert!(screen.contains(narrow), "{screen}");
    }
}

/// What the server says of an experiment that it does not know.
fn not_known() -> Failure {
    let problem = Problem::new(Code::NotFound, "there is no such experiment");
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
    failure.problem = Some(Box::new(problem));
    failure
}

#[test]
fn every_tab_says_that_the_server_does_not_know_the_experiment_until_it_does_again() {
    for (key, says) in [
        ("pricing-page-v3", "Somebody else deleted it"),
        // Nobody can delete what is active.
        ("checkout-cta", "The server does not know it any more"),
    ] {
        let mut world = World::experiment(key);
        world.wait(Duration::from_secs(2));
        let asked = world.waiting_for(Slot::Experiment).expect("asked").clone();
        world.reply(Slot::Experiment, Err(not_known()));
        for tab in ["1", "2", "3", "4", "5", "6"] {
            world.keys(&[tab]);
            for (width, height) in [(80, 24), (120, 40)] {
                let screen = world.screen(width, height);
                assert!(screen.contains(says), "tab {tab}: {screen}");
            }
        }
        // It is said once, and asked on: another server may have answered.
        world.keys(&["1"]).wait(Duration::from_secs(8));
        world.reply(Slot::Experiment, Err(not_known()));
        assert_eq!(world.state.notice, None);
        assert!(world.screen(80, 24).contains(says));
        world.wait(Duration::from_secs(2));
        world.reply(Slot::Experiment, answer(&asked, Role::Editor, false));
        let screen = world.screen(80, 24);
        assert!(!screen.contains(says), "{screen}");
        assert!(screen.contains("is there again"), "{screen}");
    }
}

/// Ids that a program makes in a row differ at their ends.
#[test]
fn two_overrides_of_one_batch_are_told_apart_on_a_small_screen() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["4"]);
    let mut page = override_page(0, 2, false);
    let ids = [
        "0190b6e2-7c1a-7f3e-8a44-0123456789ab",
        "0190b6e2-7c1a-7f3e-8a44-01234567beef",
    ];
    for (item, id) in page.overrides.iter_mut().zip(ids) {
        item.subject_id = id.to_owned();
    }
    world.reply(Slot::Overrides, Ok(Answer::Overrides(page)));
    for (width, height) in [(80, 24), (60, 15), (40, 10)] {
        let screen = world.screen(width, height);
        for words in ["0190", "89ab", "beef"] {
            assert!(screen.contains(words), "{words}: {screen}");
        }
    }
}

#[test]
fn a_difference_of_wide_characters_is_read_before_it_is_saved() {
    let mut world = World::experiment("checkout-cta");
    let new = "購入ボタンの文言を変えたときの成約率を比べる実験";
    world
        .keys(&["1", "home", "j", "enter", "ctrl-u"])
        .text(new)
        .keys(&["enter", "S"]);
    for (width, height) in [(80, 24), (60, 20), (40, 16)] {
        let screen = world.screen(width, height);
        let plain: String = screen
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '│')
            .collect();
        assert!(plain.contains(new), "{width}x{height}:\n{screen}");
    }
}

/// What a rule gives stands first, and its conditions are read to their end.
#[test]
fn a_rule_of_a_flag_is_read_whole_on_a_small_screen() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["F"]);
    let Ok(Answer::Flags(mut list)) = answer(&Request::Flags, Role::Admin, false) else {
        panic!("no flags");
    };
    let row = list
        .flags
        .iter_mut()
        .find(|row| row.flag.key.as_str() == "new-checkout");
    let rule = &mut row.expect("there").flag.rules[0];
    rule.conditions[0].value = "a subscription of the enterprise plan that was renewed".to_owned();
    let mut shares = list.clone();
    world.reply(Slot::Flags, Ok(Answer::Flags(list)));
    world.answer_all(Role::Admin, false);
    world.keys(&["j", "enter", "G"]);
    let plain = |screen: String| screen.split_whitespace().collect::<Vec<_>>().join(" ");
    for (width, height) in [(80, 24), (40, 24)] {
        let screen = plain(world.screen(width, height));
        for words in [
            "10 → on ",
            "enterprise plan that was renewed\" and event.plan contains \"pro plus\"",
        ] {
            assert!(screen.contains(words), "{words} at {width}x{height}: {screen}");
        }
    }
    // However long a key is, the shares stand below each other.
    let row = shares
        .flags
        .iter_mut()
        .find(|row| row.flag.key.as_str() == "new-checkout");
    let flag = &mut row.expect("there").flag;
    flag.variants[1].key = "arm-with-a-very-long-key-of-48-characters-in-all"
        .parse()
        .expect("a key");
    flag.resource_version += 1;
    world.wait(Duration::from_secs(5));
    world.reply(Slot::Flags, Ok(Answer::Flags(shares)));
    for (width, height) in [(80, 40), (120, 40)] {
        let screen = world.screen(width, height);
        let at = |share: &str| {
            let line = screen
                .lines()
                .find(|line| line.contains(share) && !line.contains("rollout"));
            let line = line.unwrap_or_else(|| panic!("no {share}: {screen}"));
            line.chars().take_while(|c| *c != '%').count()
        };
        assert_eq!(at("80.00 %"), at("20.00 %"), "{screen}");
        assert!(screen.contains("in-all"), "the end of the key: {screen}");
    }
}

/// What is to be done stands last in most of what is said.
#[test]
fn what_is_said_is_read_to_its_end_on_a_small_screen() {
    let mut world = World::experiment("checkout-cta");
    let end = "and start the cockpit again with another one";
    let text = format!(
        "Cannot read the token anew: the program that prints it ended with 1: vault is locked; unlock it {end}"
    );
    world.act(Action::Failed(text));
    let plain = |screen: String| screen.split_whitespace().collect::<Vec<_>>().join(" ");
    for (width, height) in [(80, 24), (60, 15), (200, 50)] {
        let screen = plain(world.screen(width, height));
        assert!(screen.contains(end), "{width}x{height}: {screen}");
    }
    // It goes like every other, and what it covered is there again.
    world.wait(Duration::from_secs(60));
    assert!(!plain(world.screen(80, 24)).contains("vault is locked"));
}

#[test]
fn why_the_server_is_not_reached_is_read_to_its_end() {
    let mut world = World::list();
    world.wait(Duration::from_secs(5));
    let why = "cannot reach the server at https://experiments.internal.shop.example.com:8443: tcp connect error: \
               Connection refused (os error 111); is it running, and is that its address? (GET /experiments)";
    let failure = Failure::new(Service::Api, FailureKind::Lost, why);
    world.reply(Slot::Experiments, Err(failure));
    let screen = world.screen(80, 24);
    let plain = screen.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["Connection refused", "is it running, and is that its address?"] {
        assert!(plain.contains(words), "{screen}");
    }
}

#[test]
fn the_health_of_the_data_stands_beside_read_only() {
    let mut world = World::list();
    if let Some(me) = &mut world.state.me {
        me.demo = true;
    }
    world.state.settings.read_only = true;
    let header = |world: &mut World, width| {
        let screen = world.screen(width, 24);
        screen.lines().next().unwrap_or_default().to_owned()
    };
    // Where it is narrow the age of the numbers goes before how fast they came.
    for (width, words) in [
        (100, "api 12 ms   clickhouse 31 ms        2 s old"),
        (80, "api 12 ms        2 s old"),
        (60, "api 12 ms"),
    ] {
        let seen = header(&mut world, width);
        assert!(
            seen.contains(words) && seen.contains("read-only"),
            "{width}: {seen}"
        );
    }
}

/// From the list the winner is one key away from what it hangs on, and one more from its dialog.
#[test]
fn a_winner_is_applied_from_the_list_by_way_of_its_results() {
    let mut world = World::list();
    world.wait(Duration::from_secs(2));
    let mut all = experiments();
    let linked = &mut all[1];
    linked.linked_flag = Some(linked.key.clone());
    linked.resource_version += 1;
    let linked = linked.clone();
    assert_eq!(linked.id, id(CHECKOUT));
    let list = ExperimentList { experiments: all };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    world.keys(&["home", "j", "W"]);
    assert_eq!(
        (world.state.screen, tab(&world)),
        (Screen::Experiment, Tab::Analytics)
    );
    let said = world.state.notice.as_ref().map_or("", |n| n.text.as_str());
    assert_eq!(
        said,
        "W applies the winner that these results name, once they are there"
    );
    let results = results(&linked, &[(50_105, 9_530), (40_084, 7_910)]);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(results))));
    world.keys(&["W"]);
    let screen = world.screen(80, 24);
    assert!(screen.contains("Apply treatment as the winner"), "{screen}");
}

#[test]
fn the_last_step_of_a_new_experiment_says_what_enter_does() {
    let mut world = World::list();
    world.keys(&["n"]).text("Faster search").keys(&["enter", "S"]);
    let footer = |world: &mut World| world.screen(80, 24).lines().last().unwrap_or_default().to_owned();
    while world
        .state
        .create
        .as_ref()
        .is_some_and(|c| c.wizard.sheet().is_some())
    {
        let step = world.state.create.as_ref().map(|c| c.wizard.step);
        world.keys(&["tab"]);
        assert_ne!(
            world.state.create.as_ref().map(|c| c.wizard.step),
            step,
            "no way on"
        );
    }
    let seen = footer(&mut world);
    assert!(seen.contains("create") && !seen.contains("edit"), "{seen}");
}

/// The words of the first line stay where they are while somebody is waited for.
#[test]
fn nothing_of_the_header_moves_as_a_wait_gets_longer() {
    let mut world = World::list();
    let mut seen = std::collections::BTreeSet::new();
    world.wait(Duration::from_secs(4));
    for _ in 0..30 {
        world.wait(Duration::from_secs(1));
        for width in [80, 120] {
            let screen = world.screen(width, 24);
            let header = screen.lines().next().unwrap_or_default();
            if header.contains("waiting") {
                seen.insert((width, header.find("api "), header.find("clickhouse ")));
            }
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}
