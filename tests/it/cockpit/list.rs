//! The list: order, selection, filter.

use std::time::Duration;

use jiff::SignedDuration;
use splitdeck::api::experiments::ExperimentList;
use splitdeck::api::flags::FlagList;
use splitdeck::api::system::Role;
use splitdeck::cockpit::ports::{Answer, Slot};
use splitdeck::cockpit::state::Screen;

use crate::support::cockpit::{CHECKOUT, ONBOARDING, PRICING, SEARCH, World, experiments, id, overviews};

fn rows(world: &World) -> Vec<u128> {
    world.state.list.rows.iter().map(uuid::Uuid::as_u128).collect()
}

#[test]
fn what_needs_a_person_comes_first_then_active_then_the_rest() {
    let world = World::list();
    assert_eq!(rows(&world), [SEARCH, CHECKOUT, ONBOARDING, PRICING]);
    assert_eq!(world.state.list.counts(world.now), (1, 3 - 1));
}

#[test]
fn the_cursor_moves_and_stops_at_the_ends() {
    let mut world = World::list();
    for (keys, expected) in [
        (&["j"][..], CHECKOUT),
        (&["down", "j", "j", "j"], PRICING),
        (&["k"], ONBOARDING),
        (&["g"], SEARCH),
        (&["k"], SEARCH),
        (&["G"], PRICING),
        (&["home", "pagedown"], CHECKOUT),
    ] {
        world.keys(keys);
        assert_eq!(world.state.list.selected, Some(id(expected)), "{keys:?}");
    }
}

#[test]
fn the_cursor_stays_on_its_experiment_and_the_order_holds_while_it_moves() {
    let mut world = World::list();
    world.keys(&["j"]);
    assert_eq!(world.state.list.selected, Some(id(CHECKOUT)));
    // The mismatch is gone and another one has come: the order would be another one.
    world.wait(Duration::from_secs(2));
    let mut changed = overviews();
    changed[0].srm_p = Some(0.5);
    changed[2].srm_p = Some(1e-9);
    world.reply(Slot::Overview, Ok(Answer::Overview(changed.clone())));
    assert_eq!(rows(&world), [SEARCH, CHECKOUT, ONBOARDING, PRICING], "it holds");
    world.wait(Duration::from_secs(3));
    assert_eq!(
        rows(&world),
        [SEARCH, ONBOARDING, CHECKOUT, PRICING],
        "sorted anew"
    );
    assert_eq!(world.state.list.selected, Some(id(CHECKOUT)));
}

#[test]
fn while_the_order_holds_new_rows_come_last_and_gone_ones_leave() {
    let mut world = World::list();
    world.keys(&["j"]);
    world.wait(Duration::from_secs(2));
    let mut all = experiments();
    all.remove(0);
    let mut new = all[0].clone();
    new.id = id(77);
    new.key = splitdeck::domain::Key::new("a-new-one").expect("a key");
    all.push(new);
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(ExperimentList { experiments: all })),
    );
    assert_eq!(rows(&world), [CHECKOUT, ONBOARDING, PRICING, 77]);
    assert_eq!(world.state.list.selected, Some(id(CHECKOUT)));
}

#[test]
fn until_it_is_moved_the_cursor_stays_on_the_first_row() {
    let mut world = World::list();
    assert_eq!(world.state.list.selected, Some(id(SEARCH)));
    world.wait(Duration::from_secs(2));
    let mut all = experiments();
    all[0].status = splitdeck::domain::Status::Draft;
    all[0].paused_by = None;
    world.reply(
        Slot::Experiments,
        Ok(Answer::Experiments(ExperimentList { experiments: all })),
    );
    assert_eq!(rows(&world)[0], CHECKOUT);
    assert_eq!(world.state.list.selected, Some(id(CHECKOUT)));
}

#[test]
fn the_filter_is_fuzzy_and_esc_clears_it() {
    let mut world = World::list();
    world.keys(&["/"]).text("chkcta");
    assert_eq!(rows(&world), [CHECKOUT]);
    assert_eq!(world.state.list.selected, Some(id(CHECKOUT)));
    // Keys of commands are text here.
    world.text("q");
    assert_eq!(rows(&world), [0_u128; 0]);
    assert!(!world.state.quitting);
    world.keys(&["backspace", "enter"]);
    assert!(!world.state.list.filtering);
    assert_eq!(rows(&world), [CHECKOUT], "the filter stays");
    world.keys(&["esc"]);
    assert_eq!(rows(&world).len(), 4);
    assert_eq!(
        world.state.list.selected,
        Some(id(CHECKOUT)),
        "the cursor stays on it"
    );
    // The status can be searched too.
    world.keys(&["/"]).text("draft");
    assert_eq!(rows(&world), [PRICING]);
}

#[test]
fn enter_opens_and_esc_comes_back_to_the_same_row() {
    let mut world = World::list();
    world.keys(&["j", "j", "enter"]);
    assert_eq!(world.state.screen, Screen::Experiment);
    assert_eq!(world.state.detail().expect("open").name, "onboarding-copy");
    world.keys(&["esc"]);
    assert_eq!(world.state.screen, Screen::Experiments);
    assert_eq!(world.state.list.selected, Some(id(ONBOARDING)));
    // On the list Esc does nothing, whatever is pressed it never leaves.
    world.keys(&["esc", "esc", "esc"]);
    assert!(!world.state.quitting);
}

#[test]
fn an_experiment_without_data_is_an_alarm_after_half_an_hour() {
    let mut world = World::list();
    let quiet = |minutes: i64, world: &World| {
        let mut changed = overviews();
        changed[1].last_event_at = Some(world.now - SignedDuration::from_mins(minutes));
        changed
    };
    world.wait(Duration::from_secs(2));
    let later = quiet(29, &world);
    world.reply(Slot::Overview, Ok(Answer::Overview(later)));
    assert_eq!(world.state.list.counts(world.now).0, 1);
    world.wait(Duration::from_secs(2));
    let later = quiet(31, &world);
    world.reply(Slot::Overview, Ok(Answer::Overview(later)));
    assert_eq!(world.state.list.counts(world.now).0, 2);
    assert_eq!(rows(&world)[1], CHECKOUT);
}

#[test]
fn nothing_jumps_when_numbers_change_their_width() {
    let mut world = World::list();
    let columns_of = |world: &mut World, width: u16| {
        let screen = world.screen(width, 30);
        let titles = screen
            .lines()
            .find(|line| line.contains("status"))
            .expect("titles");
        let ends: Vec<usize> = ["subjects", "/min"]
            .iter()
            .filter_map(|t| titles.find(t).map(|at| at + t.len()))
            .collect();
        (titles.to_owned(), ends)
    };
    for width in [200, 120, 80, 60] {
        let before = columns_of(&mut world, width);
        for (subjects, per_minute) in [(7, 0), (999_999, 88_888), (12_345_678, 5)] {
            let mut numbers = overviews();
            for overview in &mut numbers {
                overview.subjects = subjects;
                overview.per_minute = vec![per_minute; 30];
            }
            world.keys(&["ctrl-r"]);
            world.wait(Duration::from_millis(100));
            world.reply(Slot::Overview, Ok(Answer::Overview(numbers)));
            world.answer_all(Role::Editor, false);
            assert_eq!(columns_of(&mut world, width), before, "{subjects} at {width}");
        }
    }
}

/// A key that is pressed at that moment is not about another one far away.
#[test]
fn where_the_row_under_the_cursor_goes_the_next_one_comes_up() {
    let without = |gone: u128| {
        let mut all = experiments();
        all.retain(|e| e.id != id(gone));
        Answer::Experiments(ExperimentList { experiments: all })
    };
    for (down, gone, expected) in [(2, ONBOARDING, PRICING), (3, PRICING, ONBOARDING)] {
        let mut world = World::list();
        for _ in 0..down {
            world.keys(&["j"]);
        }
        world.wait(Duration::from_secs(2));
        world.reply(Slot::Experiments, Ok(without(gone)));
        assert_eq!(world.state.list.selected, Some(id(expected)));
    }
    let mut world = World::list_of(Role::Admin, false);
    for key in ["F", "j"] {
        world.keys(&[key]).answer_all(Role::Admin, false);
    }
    let mut flags: FlagList = serde_json::from_value(crate::support::objects::flags()).expect("flags");
    let gone = flags.flags.remove(1).flag.id;
    assert_eq!(world.state.objects.flags.selected, Some(gone));
    world.wait(Duration::from_secs(3));
    let next = flags
        .flags
        .get(1)
        .or(flags.flags.first())
        .expect("another")
        .flag
        .id;
    world.reply(Slot::Flags, Ok(Answer::Flags(flags)));
    assert_eq!(world.state.objects.flags.selected, Some(next));
}

/// A draft serves nobody: that its page was looked at puts no numbers into its row.
#[test]
fn a_draft_has_the_same_row_whether_it_was_opened_or_not() {
    let mut world = World::list();
    let row = |world: &mut World| {
        let screen = world.screen(120, 40);
        let row = screen.lines().find(|line| line.contains("pricing-page-v3"));
        row.expect("its row").to_owned()
    };
    world.keys(&["G"]);
    let before = row(&mut world);
    world.keys(&["enter"]).answer_all(Role::Editor, false);
    let mut none = overviews()[0].clone();
    (none.experiment_id, none.subjects, none.srm_p) = (id(PRICING), 0, None);
    world.wait(Duration::from_secs(2));
    world.reply(Slot::Overview, Ok(Answer::Overview(vec![none])));
    assert!(world.state.list.overview(id(PRICING)).is_some());
    world.keys(&["esc"]);
    assert_eq!(row(&mut world), before);
}
