//! What has to be read whole where there is little room, and what is typed there.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::{Attr, Cell};
use splitdeck::cockpit::effect::Effect;
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Service, Slot};
use splitdeck::cockpit::state::objects::Secret;
use splitdeck::cockpit::state::overlay::Overlay;

use crate::support::cockpit::{NOW, SEARCH, World, at, id, overviews};

/// The words of a screen, without its lines and frames.
fn words(world: &mut World) -> String {
    let screen = world.screen(80, 24);
    let words = screen.split(|c: char| c.is_whitespace() || "│╭╮╰╯─".contains(c));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn explain_says_the_reason_however_much_is_known_of_the_user() {
    let mut world = World::experiment("checkout-cta");
    world.keys(&["x"]);
    world.text("u-1 country=TH event.plan=professional device=d-7 group.company=c-1234567890");
    world.keys(&["enter"]).answer_all(Role::Editor, false);
    let said = words(&mut world);
    assert!(
        said.contains("company=c-1234567890 → ● treatment drawn by its slot"),
        "{said}"
    );
}

#[test]
fn what_comes_during_a_pause_is_not_told_as_subjects() {
    let told = |ago: SignedDuration| {
        let mut world = World::experiment("search-ranking");
        world.keys(&["1"]).wait(Duration::from_secs(2));
        let mut all = overviews();
        let paused = all
            .iter_mut()
            .find(|overview| overview.experiment_id == id(SEARCH));
        paused.expect("there").last_event_at = Some(at(NOW) - ago);
        world.reply(Slot::Overview, Ok(Answer::Overview(all)));
        world.keys(&["end"]);
        words(&mut world)
    };
    let during = told(SignedDuration::from_secs(90));
    assert!(
        during.contains("88,102 subjects; the last exposure 1 min ago"),
        "{during}"
    );
    // What comes of a decision from before the pause counts: nothing is claimed of it.
    assert!(!during.contains("after it was paused"), "{during}");
    let before = told(SignedDuration::from_hours(24 * 5));
    assert!(
        before.contains("88,102 subjects; the last exposure 5 d ago"),
        "{before}"
    );
}

#[test]
fn a_token_is_whole_at_every_width_and_copied_in_one_piece() {
    let token = format!("sd_{}", "0123456789abcdef".repeat(4));
    for width in [120, 80, 60, 40, 24] {
        let mut world = World::list();
        world.state.overlays.push(Overlay::Secret(Box::new(Secret {
            title: "Token of ci".to_owned(),
            text: token.as_str().into(),
            note: "It is shown only now.".to_owned(),
            copied: false,
            asked: false,
        })));
        let screen = world.screen(width, 24);
        let inside: String = screen
            .lines()
            .filter_map(|line| line.split('│').nth(1))
            .map(str::trim)
            .collect();
        assert!(inside.contains(&token), "{width}: {screen}");
        world.keys(&["y"]);
        assert!(world.effects.contains(&Effect::Copy(token.clone())));
    }
}

/// What is typed after tab goes into a field, never to a command: ticks and panels are passed by.
#[test]
fn tab_goes_from_text_to_text_of_one_line_and_of_several() {
    let mut world = World::experiment("checkout-cta");
    let typed = |world: &World| {
        let editing = world.state.editor().expect("a sheet").editing.as_ref();
        editing.map(|editing| editing.cell.clone())
    };
    world.keys(&["1", "home", "down", "enter"]);
    let first = typed(&world);
    world.keys(&["tab"]);
    assert_eq!(
        (first, typed(&world)),
        (Some(Cell::Name), Some(Cell::Description))
    );
    world.keys(&["tab"]);
    assert_eq!(typed(&world), Some(Cell::Hypothesis));
    world.keys(&["shift-tab", "esc"]);
    assert_eq!(typed(&world), None);
    // Name, control, default, payload.
    world.keys(&["2", "home", "right", "right", "enter"]);
    assert!(
        matches!(typed(&world), Some(Cell::Variant(_, Attr::Name))),
        "{:?}",
        typed(&world)
    );
    world.keys(&["tab"]);
    assert!(
        matches!(typed(&world), Some(Cell::Variant(_, Attr::Payload))),
        "{:?}",
        typed(&world)
    );
}

/// Whatever an answer takes and however old the newest event is: no word of the header moves, at any size.
#[test]
fn the_words_of_the_header_stay_where_they_are() {
    for width in [80, 120, 200] {
        let mut places = BTreeSet::new();
        for (took, age) in [
            (3, 1),
            (12, 9),
            (99, 12),
            (140, 3_599),
            (999, 4),
            (1_400, 30),
            (12_300, 2),
        ] {
            let mut world = World::list();
            let took = Duration::from_millis(took);
            let mut all = overviews();
            for overview in &mut all {
                overview.last_event_at = Some(at(NOW) - SignedDuration::from_secs(age));
            }
            world.wait(Duration::from_secs(2));
            world.reply(Slot::Overview, Ok(Answer::Overview(all)));
            world.now = at(NOW);
            world.state.api.latency = Some(took);
            world.state.warehouse.latency = Some(took / 2);
            let screen = world.screen(width, 24);
            let line = screen.lines().next().expect("a header").to_owned();
            let place = |word: &str| line.find(word).map(|at| line[..at].chars().count());
            places.insert(["api", "clickhouse"].map(place));
            let told = if age < 10 { "s old" } else { "until 0" };
            assert!(place(told).is_some(), "{width}: {line}");
        }
        assert_eq!(places.len(), 1, "{width}: {places:?}");
    }
}

/// A service that is lost does not change places with the one that is well.
#[test]
fn services_keep_their_order_whatever_becomes_of_them() {
    let mut world = World::list();
    let now = world.now;
    let lost = Failure::new(Service::Warehouse, FailureKind::Lost, "no answer");
    world.state.warehouse.lost(lost.message, 0.5, now);
    for width in [100, 120, 200] {
        let screen = world.screen(width, 24);
        let line = screen.lines().next().expect("a header");
        let (api, clickhouse) = (line.find("api "), line.find("clickhouse "));
        assert!(api.is_some() && api < clickhouse, "{width}: {line}");
    }
}
