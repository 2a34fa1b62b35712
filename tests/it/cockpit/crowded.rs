//! As many arms as there may be, with long keys and wide names, on screens where they have little room.

use std::time::Duration;

use serde_json::json;
use splitdeck::api::experiments::ExperimentList;
use splitdeck::api::problem::{Code, Problem, ProblemField};
use splitdeck::cockpit::edit::Cell;
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Service, Slot};
use splitdeck::domain::Experiment;

use super::editing::go_to;
use crate::support::cockpit::{CHECKOUT, World, experiments, id, override_page, results};

/// Sizes with little room, and some.
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// The names of the arms.
const NAMES: [&str; 4] = [
    "対照群：現在の画面のまま変えない",
    "🚀 rocket",
    "",
    "a name that is longer than any column of it",
];

/// The key of an arm: 60 characters that differ in the last one.
fn key(arm: usize) -> String {
    format!("{:x<58}-{arm}", "checkout-button-says-what-happens-next-")
}

/// The experiment of the design's sketch with four arms that have long keys.
fn four_arms() -> Experiment {
    let mut experiment = experiments().remove(1);
    assert_eq!(experiment.id, id(CHECKOUT));
    let variants = (0..4).map(|arm| {
        json!({
            "key": key(arm), "trafficPct": 25, "orderIndex": arm, "isControl": arm == 0,
            "name": NAMES[arm],
        })
    });
    experiment.variants = serde_json::from_value(variants.collect()).expect("variants");
    experiment.default_variant_id = key(0).parse().expect("a key");
    for (rule, arm) in experiment.rules.iter_mut().zip([3, 2]) {
        rule.variant = key(arm).parse().expect("a key");
    }
    experiment.linked_flag = Some(experiment.key.clone());
    experiment.resource_version += 1;
    experiment
}

/// A world that shows it, with its results.
fn world() -> World {
    let mut world = World::experiment("checkout-cta");
    world.wait(Duration::from_secs(2));
    let experiment = four_arms();
    let mut all = experiments();
    all[1] = experiment.clone();
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(ExperimentList { experiments: all })),
    );
    world.keys(&["5"]);
    let mut results = results(
        &experiment,
        &[(31_480, 1_574), (31_611, 1_602), (31_502, 1_911), (31_333, 1_549)],
    );
    results.segments.rows[0].value = Some("United Kingdom of Great Britain and Northern Ireland".to_owned());
    results.segments.rows[1].value = Some("中国香港特别行政区".to_owned());
    results.properties.rows.clone_from(&results.segments.rows);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(results))));
    world
}

/// Everything of a screen that is scrolled by panels.
fn panels(world: &mut World, (width, height): (u16, u16)) -> Vec<String> {
    world.keys(&["home"]);
    let mut all = vec![world.screen(width, height)];
    for _ in 0..10 {
        world.keys(&["J"]);
        all.push(world.screen(width, height));
    }
    all
}

const GLYPHS: [&str; 4] = ["◆", "●", "▲", "■"];

#[test]
fn every_table_of_arms_shows_all_four() {
    let mut world = world();
    for size in SIZES {
        let all = panels(&mut world, size);
        let line = |needle: &str, after: usize| {
            let mut found = all.iter().filter_map(|screen| {
                let lines: Vec<&str> = screen.lines().collect();
                let at = lines.iter().position(|line| line.contains(needle))?;
                lines.get(at + after).map(|line| (*line).to_owned())
            });
            found
                .next()
                .unwrap_or_else(|| panic!("{size:?}: no {needle}: {all:#?}"))
        };
        for table in ["Segments ·", "Breakdown ·"] {
            let titles = line(table, 1);
            for glyph in GLYPHS {
                assert!(titles.contains(glyph), "{size:?} {table}: {titles}");
            }
        }
        let results = [line("Results ·", 0), line("Results ·", 1)].join("\n");
        for column in ["subjects", "rate", "P(best)", "uplift"] {
            assert!(results.contains(column), "{size:?}: {column}: {results}");
        }
        assert!(
            all.iter().any(|screen| screen.contains("31,480")),
            "{size:?}: {all:#?}"
        );
        // Who is whose in the chart, where anybody is named.
        let legend = [line("exposures per hour", 0), line("exposures per hour", 1)].join("\n");
        if legend.contains(GLYPHS[0]) {
            for glyph in GLYPHS {
                assert!(legend.contains(glyph), "{size:?}: {legend}");
            }
        }
    }
}

#[test]
fn keys_are_shortened_before_anything_beside_them_goes() {
    let mut world = world();
    for (width, height) in SIZES {
        let variants = world.keys(&["2"]).screen(width, height);
        for title in ["key", "traffic %", "name", "control", "default"] {
            assert!(variants.contains(title), "{width}: {title}: {variants}");
        }
        for arm in 0..4 {
            assert!(variants.contains(&format!("-{arm} ")), "{width}: {variants}");
        }
        let rules = world.keys(&["3"]).screen(width, height);
        for words in ["x-3   priority 5", "x-2   priority 10"] {
            assert!(rules.contains(words), "{width}: {words}: {rules}");
        }
        world.keys(&["4"]);
        if world.waiting_for(Slot::Overrides).is_some() {
            let mut page = override_page(0, 1, false);
            page.overrides[0].variant = key(2).parse().expect("a key");
            world.reply(Slot::Overrides, Ok(Answer::Overrides(page)));
        }
        let overrides = world.screen(width, height);
        assert!(overrides.contains("x-2  manual"), "{width}: {overrides}");
        let force = world.keys(&["n"]).screen(width, height);
        assert!(force.contains("-0 ›"), "{width}: {force}");
        world.keys(&["esc", "c"]);
        world.wait(Duration::from_secs(1));
        world.keys(&["tab", "tab", "right", "right"]);
        let complete = world.screen(width, height);
        world.keys(&["esc"]);
        assert!(complete.contains("Complete checkout-cta"), "{complete}");
    }
}

#[test]
fn long_lines_of_a_text_are_broken_and_the_cursor_goes_through_them() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["1"]);
    go_to(&mut world, &Cell::Hypothesis);
    world.screen(80, 24);
    world.keys(&["enter", "ctrl-u"]);
    let words: Vec<String> = (1..=40).map(|n| format!("word{n:02}")).collect();
    world.text(&words.join(" "));
    let screen = world.screen(80, 24);
    for word in &words {
        assert!(screen.contains(word), "{word}: {screen}");
    }
    // One row up, not to the beginning of a text that is one line.
    world.keys(&["up"]).text("X");
    let typed = world
        .state
        .editor()
        .and_then(|e| e.editing.as_ref())
        .expect("typed")
        .text();
    let at = typed.find('X').expect("there");
    assert!((150..260).contains(&at), "{at}: {typed}");
    let wide = world.screen(200, 50);
    let edge = wide
        .lines()
        .find(|line| line.contains("tab goes on"))
        .expect("a box");
    let place = |corner| edge.chars().position(|c| c == corner).expect("a corner");
    let columns = place('╮') + 1 - place('╭');
    assert!(columns <= 80, "{columns}: {edge}");
}

#[test]
fn explain_names_a_refused_rule_as_the_screen_does() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["3", "d", "x"]).text("u-1").keys(&["enter"]);
    let mut problem = Problem::new(
        Code::Invalid,
        "rules[0].conditions[0].value: got \"\", allowed is a value",
    );
    problem.errors = vec![ProblemField {
        field: "rules[0].conditions[0].value".to_owned(),
        given: "\"\"".to_owned(),
        allowed: "a value".to_owned(),
    }];
    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.detail.clone());
    failure.problem = Some(Box::new(problem));
    world.reply(Slot::Explain, Err(failure));
    let screen = world.screen(80, 24);
    assert!(!screen.contains("rules[0]"), "{screen}");
    assert!(screen.contains("condition 1 value"), "{screen}");
    assert!(screen.contains("with the unsaved rules"), "{screen}");
}
