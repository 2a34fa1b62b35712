//! The evidence about a split by itself, and how old the numbers are that dialogs tell.

use std::time::Duration;

use ratatui::style::Style;
use splitdeck::api::results::ResultsQuery;
use splitdeck::api::system::Role;
use splitdeck::cockpit::ports::{Answer, Request, Slot};
use splitdeck::cockpit::state::overlay::Overlay;
use splitdeck::domain::Status;

use crate::support::cockpit::{CHECKOUT, SEARCH, World, experiments, id, overviews, results, theme};

/// An active experiment whose split is off, in Analytics.
fn off() -> World {
    let mut world = World::list();
    let mut all = experiments();
    let search = all.iter_mut().find(|e| e.id == id(SEARCH)).expect("there");
    search.status = Status::Active;
    search.paused_by = None;
    search.resource_version += 1;
    let search = search.clone();
    world.wait(Duration::from_secs(2));
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(splitdeck::api::experiments::ExperimentList {
            experiments: all,
        })),
    );
    world.answer_all_but_experiments();
    world.keys(&["home", "enter", "5"]);
    world.answer_all_but_experiments();
    assert_eq!(world.state.detail().expect("open").id(), Some(search.id));
    world
}

#[test]
fn beside_the_banner_of_a_mismatch_stands_the_key_to_its_evidence() {
    let mut world = off();
    for size in [(80, 24), (120, 40)] {
        let screen = world.screen(size.0, size.1);
        assert!(screen.contains("d evidence"), "{screen}");
    }
    let detail = world.state.open.as_deref_mut().expect("open");
    // Whatever Analytics filters: the evidence is of all of it.
    detail.analytics.query.start = Some("2026-11-19".parse().expect("a day"));
    world.wait(Duration::from_secs(1));
    world.answer_all_but_experiments();
    world.keys(&["d"]);
    let asked: Vec<&Request> = world.waiting.iter().map(|(_, request)| request).collect();
    assert!(
        asked
            .iter()
            .any(|r| matches!(r, Request::Results { query, .. } if **query == ResultsQuery::default())),
        "{asked:?}"
    );
    assert!(
        asked.iter().any(|r| matches!(r, Request::History { .. })),
        "{asked:?}"
    );
    world.answer_all_but_experiments();
    let screen = world.screen(120, 40);
    for part in [
        "Split of search-ranking",
        "configured",
        "observed",
        "66.7",
        "chi-square p < 1e-300",
        "always valid p",
        "first crossed 2026-11-17",
        "changed rules (by deploy-bot, v16)",
        "the split is off: the test fails, of events until 2026-11-20 05:02",
        "stays in the data from",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    // Of lifting a pause it says nothing: there is none.
    for part in ["moves that to now", "still failing", "Reason"] {
        assert!(!screen.contains(part), "{part}: {screen}");
    }
    assert!(!world.effects.iter().any(|effect| matches!(
        effect,
        splitdeck::cockpit::Effect::Fetch { request, .. } if request.writes()
    )));
    world.keys(&["esc"]);
    assert!(world.state.overlays.is_empty() && world.state.detail().is_some());
}

#[test]
fn the_list_leads_to_the_evidence_also_where_nothing_is_wrong_and_for_who_may_change_nothing() {
    let mut world = World::list_of(Role::Viewer, false);
    world.keys(&["home"]);
    let last = |world: &mut World| {
        let screen = world.screen(80, 24);
        screen.lines().last().expect("lines").to_owned()
    };
    world.keys(&["j"]);
    assert!(!last(&mut world).contains("d evidence"), "nothing to see");
    let overviews = world.state.list.overviews.value.as_mut().expect("known");
    overviews.get_mut(&id(CHECKOUT)).expect("there").srm_p = Some(1e-9);
    assert!(last(&mut world).contains("d evidence"), "an alarm of the split");
    world.keys(&["d"]).answer_all(Role::Viewer, false);
    let screen = world.screen(80, 24);
    for part in [
        "Split of checkout-cta",
        "no mismatch: the test passes",
        "chi-square p = ",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    for part in ["Before it", "Bias"] {
        assert!(!screen.contains(part), "{part}: {screen}");
    }
    // From the palette too, by its name.
    world.keys(&["esc", ":"]).text("srm").keys(&["enter"]);
    assert!(matches!(
        world.state.overlays.last(),
        Some(Overlay::Evidence { .. })
    ));
    // Of a draft there is none.
    world.keys(&["esc", "end", "d"]);
    assert!(world.state.overlays.is_empty());
    let said = &world.state.notice.as_ref().expect("said").text;
    assert_eq!(said, "pricing-page-v3 is draft: there is no split to test");
}

#[test]
fn evidence_that_is_stale_says_so() {
    let mut world = off();
    world.keys(&["d"]);
    world.answer_all_but_experiments();
    assert!(!world.screen(120, 40).contains("stale:"));
    world.wait(Duration::from_secs(2));
    world.lose(Slot::Probe);
    let screen = world.screen(120, 40);
    assert!(screen.contains("stale: the split is off"), "{screen}");
    // Before an automatic pause is lifted as well.
    let mut world = World::list();
    world.keys(&["home", "r"]).answer_all(Role::Editor, false);
    let screen = world.screen(120, 40);
    assert!(
        screen.contains("still failing, of events until 2026-11-20 05:02"),
        "{screen}"
    );
    world.wait(Duration::from_secs(2));
    world.lose(Slot::Probe);
    let screen = world.screen(120, 40);
    assert!(screen.contains("stale: still failing"), "{screen}");
}

/// The style of the first cell of a text.
fn style_of(world: &mut World, text: &str) -> Style {
    let buffer = world.buffer(120, 40, &theme());
    let area = buffer.area;
    for y in 0..area.height {
        let line: String = (0..area.width).map(|x| buffer[(x, y)].symbol()).collect();
        if let Some(byte) = line.find(text) {
            let x = line[..byte].chars().count();
            return buffer[(u16::try_from(x).expect("small"), y)].style();
        }
    }
    panic!("{text}: {}", world.screen(120, 40));
}

/// A number in a dialog is decided by: it says of when it is, is faded once that is too long ago, and says so without a
/// key being pressed.
#[test]
fn numbers_in_dialogs_know_their_age() {
    for (keys, number) in [
        (&["p"][..], "subjects/day stop seeing treatment"),
        (&["c"], "subjects/day stop seeing treatment"),
    ] {
        let mut world = World::experiment("checkout-cta");
        world.keys(keys).answer_all(Role::Editor, false);
        let screen = world.screen(80, 24);
        assert!(
            screen.contains(number) && screen.contains("Counted at 05:03 UTC."),
            "{screen}"
        );
        let fresh = style_of(&mut world, "About");
        world.wait(Duration::from_secs(2));
        world.lose(Slot::Overview);
        world.wait(Duration::from_secs(40));
        let screen = world.screen(80, 24);
        assert!(
            screen.contains("Stale: counted at 05:03 UTC, 42 s ago."),
            "{screen}"
        );
        assert_ne!(style_of(&mut world, "About"), fresh, "faded");
    }
    // A query that stalls makes them stale too.
    let mut world = World::experiment("checkout-cta");
    world.keys(&["p"]).answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(2));
    assert!(world.waiting_for(Slot::Overview).is_some());
    world.wait(Duration::from_secs(6));
    assert!(world.screen(80, 24).contains("Stale: counted at"));
    world.reply(Slot::Overview, Ok(Answer::Overview(overviews())));
    assert!(world.screen(80, 24).contains("Counted at 05:03 UTC."));
    // Where nothing is counted nothing is said of it.
    let mut world = World::experiment("pricing-page-v3");
    world.keys(&["a"]).answer_all(Role::Editor, false);
    assert!(!world.screen(80, 24).contains("ounted at"));
}

#[test]
fn the_other_dialogs_that_count_say_when_too() {
    // How many overrides force subjects into a variant that goes.
    let mut world = World::experiment("checkout-cta");
    world
        .keys(&["2", "n", "home", "j", "d"])
        .answer_all_but_experiments();
    let screen = world.screen(100, 30);
    assert!(
        screen.contains("overrides force subjects into it") && screen.contains("Counted at 05:03 UTC."),
        "{screen}"
    );
    // The server has them: a lost ClickHouse makes them no older.
    world.wait(Duration::from_secs(2));
    world.lose(Slot::Overview);
    assert!(world.state.warehouse.is_down());
    let screen = world.screen(100, 30);
    assert!(
        screen.contains("Counted at 05:03 UTC.") && !screen.contains("Stale: counted"),
        "{screen}"
    );
    // How many lose a variant by a changed split.
    let mut world = World::experiment("checkout-cta");
    world
        .keys(&["2", "j", "l", "enter", "ctrl-u"])
        .text("20")
        .keys(&["enter", "S"]);
    let screen = world.screen(100, 30);
    assert!(
        screen.contains("20,042 of 90,189") && screen.contains("Counted at 05:03 UTC."),
        "{screen}"
    );
    // Who stops seeing what by the winner.
    let mut world = World::list();
    let all = world.state.list.experiments.value.as_mut().expect("known");
    for experiment in all.iter_mut().filter(|e| e.id == id(CHECKOUT)) {
        let mut linked = (**experiment).clone();
        linked.linked_flag = Some(linked.key.clone());
        *experiment = linked.into();
    }
    let checkout = world.state.list.experiment(id(CHECKOUT)).expect("there").clone();
    world.keys(&["home", "j", "enter", "5"]);
    world.answer_all_but(&[Slot::Experiment, Slot::Experiments, Slot::Results]);
    let won = results(&checkout, &[(44_700, 8_000), (45_489, 9_500)]);
    world.reply(Slot::Results, Ok(Answer::Results(Box::new(won))));
    world.keys(&["W"]);
    let screen = world.screen(100, 30);
    assert!(
        screen.contains("subjects/day") && screen.contains("Counted at 05:03 UTC."),
        "{screen}"
    );
}
