//! A person is called once for what is new, and not for what stood before or still stands.

use splitdeck::api::experiments::ExperimentList;
use splitdeck::api::system::Role;
use splitdeck::cockpit::Effect;
use splitdeck::cockpit::ports::{Answer, Slot};
use splitdeck::cockpit::state::Settings;
use splitdeck::domain::{Experiment, PauseCause, Status};
use std::time::Duration;

use crate::support::cockpit::{CHECKOUT, ONBOARDING, World, experiments, id, overviews, settings};

fn calls(world: &World) -> Vec<String> {
    let call = |effect: &Effect| match effect {
        Effect::Call(text) => Some(text.clone()),
        _ => None,
    };
    world.effects.iter().filter_map(call).collect()
}

/// The experiments and their numbers are asked for once more and answered so.
fn told(world: &mut World, change: impl Fn(&mut Experiment), srm_p: f64) {
    world.keys(&["ctrl-r"]);
    let mut all = experiments();
    all.iter_mut().for_each(&change);
    let list = ExperimentList { experiments: all };
    world.reply(Slot::Experiments, Ok(Answer::Experiments(list)));
    let mut numbers = overviews();
    for overview in &mut numbers {
        if overview.experiment_id == id(CHECKOUT) {
            overview.srm_p = Some(srm_p);
        }
    }
    world.wait(Duration::from_millis(100));
    world.reply(Slot::Overview, Ok(Answer::Overview(numbers)));
    world.answer_all(Role::Editor, false);
}

fn pause(n: u128) -> impl Fn(&mut Experiment) {
    move |experiment| {
        if experiment.id == id(n) {
            experiment.status = Status::Paused;
            experiment.paused_by = Some(PauseCause::SrmGuard);
            experiment.resource_version += 1;
        }
    }
}

#[test]
fn what_stands_in_another_project_is_no_news() {
    let mut world = World::list_of(Role::Admin, false);
    world.keys(&["P"]).answer_all(Role::Admin, false);
    world.keys(&["j", "enter"]);
    assert!(world.state.me.is_none(), "on the way there");
    told(&mut world, pause(ONBOARDING), 1e-12);
    assert_eq!(calls(&world), [""; 0]);
    told(&mut world, pause(CHECKOUT), 1e-12);
    assert_eq!(calls(&world).len(), 1, "what comes from now on is");
}

#[test]
fn each_event_is_called_out_once() {
    let mut world = World::list();
    assert_eq!(calls(&world), [""; 0], "what stood at the start is no news");
    told(&mut world, |_| {}, 0.4);
    assert_eq!(calls(&world), [""; 0]);
    told(&mut world, |_| {}, 1e-9);
    assert_eq!(calls(&world), ["checkout-cta: sample ratio mismatch (p 1.0e-9)"]);
    // It still stands.
    told(&mut world, |_| {}, 1e-12);
    assert_eq!(calls(&world).len(), 1);
    told(&mut world, pause(ONBOARDING), 1e-12);
    assert_eq!(calls(&world).len(), 2);
    assert!(calls(&world)[1].starts_with("onboarding-copy was paused by the guard"));
    told(&mut world, pause(ONBOARDING), 1e-12);
    assert_eq!(calls(&world).len(), 2);
    // Over, and raised again: news again.
    told(&mut world, pause(ONBOARDING), 0.4);
    told(&mut world, pause(ONBOARDING), 1e-9);
    assert_eq!(calls(&world).len(), 3);
}

#[test]
fn what_stood_while_one_experiment_was_open_is_no_news_in_the_list() {
    let only = Settings {
        experiment: Some("onboarding-copy".into()),
        ..settings()
    };
    let mut world = World::start(only, (120, 40));
    world.answer_all(Role::Editor, false);
    assert!(
        world.state.list.overview(id(ONBOARDING)).is_some(),
        "the numbers of the open one are known"
    );
    assert!(world.state.list.overview(id(CHECKOUT)).is_none());
    world.keys(&["esc"]);
    told(&mut world, |_| {}, 1e-12);
    assert!(world.state.list.overview(id(CHECKOUT)).is_some());
    assert_eq!(calls(&world), [""; 0]);
    // What is raised from now on is news.
    told(&mut world, |_| {}, 0.4);
    told(&mut world, |_| {}, 1e-12);
    assert_eq!(calls(&world).len(), 1);
}
