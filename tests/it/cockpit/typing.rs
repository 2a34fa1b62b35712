//! What is being typed while somebody else saves, or as the cockpit ends: it is no change before it is left.

use std::time::Duration;

use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::{Attr, Cell, Path, Sheet, Side, Which};
use splitdeck::cockpit::ports::{Answer, Slot};
use splitdeck::cockpit::state::{Overlay, Tab};
use splitdeck::cockpit::update::edit;
use splitdeck::domain::{Experiment, Filter, Metric, Operator, SecondaryEvent, Status};

use crate::support::cockpit::{CHECKOUT, World, experiments, id};

const PRIMARY: Cell = Cell::Event(Which::Primary);

fn filtered(event: &str) -> Metric {
    let mut metric = Metric::event(event);
    metric.filters.push(Filter {
        field: "country".into(),
        operator: Operator::Is,
        value: "TH".into(),
    });
    metric
}

/// The experiment as the server has it, version by version.
pub(super) struct Server(pub(super) Experiment);

impl Server {
    pub(super) fn new(world: &mut World, change: impl FnOnce(&mut Experiment)) -> Self {
        let all = experiments();
        let e = all.into_iter().find(|e| e.id == id(CHECKOUT)).expect("there");
        let mut server = Self(e);
        server.saves(world, change);
        server
    }

    /// Somebody else saves, and the refresh brings it.
    pub(super) fn saves(&mut self, world: &mut World, change: impl FnOnce(&mut Experiment)) {
        change(&mut self.0);
        self.0.resource_version += 1;
        world.wait(Duration::from_secs(3));
        world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(self.0.clone()))));
    }
}

fn types(world: &mut World, cell: &Cell, text: &str) {
    edit::jump(&mut world.state, id(CHECKOUT), cell);
    world.keys(&["enter", "ctrl-u"]).text(text);
}

fn mine(world: &World) -> &Experiment {
    world.state.edited(id(CHECKOUT)).expect("known")
}

fn changed_paths(world: &World) -> Vec<Path> {
    let changes = world.state.drafts[&id(CHECKOUT)].changes();
    changes.into_iter().map(|(path, ..)| path).collect()
}

#[test]
fn a_tracked_event_that_is_being_typed_is_added_once_however_often_others_save() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |_| {});
    let before = mine(&world).tracked_events.len();
    edit::jump(&mut world.state, id(CHECKOUT), &Cell::NewTracked);
    world.keys(&["enter"]).text("ref");
    for text in ["a", "b"] {
        server.saves(&mut world, |e| e.description = text.into());
    }
    assert_eq!(changed_paths(&world), [], "nothing is entered before it is left");
    // They add one themselves: both are there.
    server.saves(&mut world, |e| {
        e.tracked_events.insert(0, Metric::event("theirs"))
    });
    world.text("und").keys(&["enter"]);
    let events: Vec<&str> = (mine(&world).tracked_events.iter())
        .map(|m| m.event.as_str())
        .collect();
    assert_eq!(events.len(), before + 2, "{events:?}");
    assert_eq!((events[0], events[before + 1]), ("theirs", "refund"));
    assert_eq!(world.state.drafts[&id(CHECKOUT)].open_conflicts(), 0);
}

#[test]
fn a_metric_whose_event_is_emptied_to_be_typed_anew_keeps_its_filters() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |e| {
        e.primary_metric = Some(filtered("purchase"));
        e.secondary_event = Some(SecondaryEvent {
            metric: filtered("viewed"),
            enabled: true,
        });
        e.tracked_events = vec![Metric::event("first"), filtered("second")];
    });
    for which in [Which::Primary, Which::Secondary, Which::Tracked(1)] {
        types(&mut world, &Cell::Event(which), "");
        server.saves(&mut world, |e| e.description.push('.'));
        world.text("other").keys(&["enter", "esc"]);
    }
    let e = mine(&world);
    assert_eq!(e.primary_metric, Some(filtered("other")));
    assert_eq!(
        e.secondary_event.as_ref().map(|s| s.metric.clone()),
        Some(filtered("other"))
    );
    assert_eq!(e.tracked_events, [Metric::event("first"), filtered("other")]);
}

#[test]
fn the_field_stays_on_its_tracked_event_where_others_move_it() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |e| {
        e.tracked_events = vec![Metric::event("first"), filtered("second")];
    });
    types(&mut world, &Cell::Event(Which::Tracked(1)), "oth");
    server.saves(&mut world, |e| {
        e.tracked_events.insert(0, Metric::event("theirs"))
    });
    assert_eq!(
        world.state.sheet().map(|(_, sheet)| sheet),
        Some(Sheet::Metric(Which::Tracked(2)))
    );
    world.text("er").keys(&["enter"]);
    let wanted = [Metric::event("theirs"), Metric::event("first"), filtered("other")];
    assert_eq!(mine(&world).tracked_events, wanted);
    // They take it away: what was typed goes nowhere else, and it is asked.
    world.keys(&["u", "esc"]);
    types(&mut world, &Cell::Event(Which::Tracked(2)), "oth");
    server.saves(&mut world, |e| {
        e.tracked_events.remove(2);
    });
    world.text("er").keys(&["enter"]);
    assert_eq!(mine(&world).tracked_events, wanted);
    assert_eq!(world.state.drafts[&id(CHECKOUT)].open_conflicts(), 1);
}

#[test]
fn a_key_and_a_link_that_are_typed_anew_are_renamed_once_and_whole() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |e| {
        e.status = Status::Draft;
        e.cohorts.clear();
        e.links = [("doc".to_owned(), "https://example.com/1".to_owned())].into();
    });
    let key = mine(&world).variants[1].key.to_string();
    types(&mut world, &Cell::Variant(key.clone(), Attr::Key), "ta");
    server.saves(&mut world, |e| e.description = "theirs".into());
    world.text("ll").keys(&["enter"]);
    let keys: Vec<&str> = mine(&world).variants.iter().map(|v| v.key.as_str()).collect();
    assert_eq!(keys[1], "tall", "{keys:?}");
    world.answer_all(Role::Editor, false);
    world.keys(&["X"]);
    types(&mut world, &Cell::Link("doc".into()), "ti https://example.com/2");
    server.saves(&mut world, |e| e.description = "theirs again".into());
    world
        .keys(&["ctrl-u"])
        .text("ticket https://example.com/2")
        .keys(&["enter"]);
    let links: Vec<&str> = mine(&world).links.keys().map(String::as_str).collect();
    assert_eq!(links, ["ticket"]);
}

#[test]
fn what_is_typed_where_others_changed_the_same_is_asked_once_it_is_left() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |_| {});
    types(&mut world, &Cell::Name, "Mi");
    server.saves(&mut world, |e| e.name = "Theirs".into());
    assert_eq!(mine(&world).name, "Theirs");
    world.text("ne").keys(&["enter"]);
    assert_eq!(mine(&world).name, "Mine");
    let draft = &world.state.drafts[&id(CHECKOUT)];
    assert_eq!(draft.open_conflicts(), 1);
    let both = &draft.conflicts[0].both;
    assert_eq!(
        [&both.base, &both.mine, &both.theirs],
        ["Checkout button", "Mine", "Theirs"]
    );
    world.keys(&["S"]);
    assert!(matches!(
        world.state.overlays.last(),
        Some(Overlay::Conflicts { .. })
    ));
    world.keys(&["esc"]);
    let now = world.now;
    let draft = world.state.drafts.get_mut(&id(CHECKOUT)).expect("there");
    draft.decide(0, Side::Theirs, now);
    assert!(draft.is_clean());
    // Left as it was before: nothing of mine is left to ask about.
    types(&mut world, &Cell::Name, "Mi");
    server.saves(&mut world, |e| e.name = "Theirs again".into());
    world.keys(&["ctrl-u"]).text("Theirs again").keys(&["enter"]);
    let draft = &world.state.drafts[&id(CHECKOUT)];
    assert!(draft.is_clean(), "{:?}", draft.conflicts);
}

#[test]
fn a_variant_that_is_typed_into_and_taken_away_is_asked_and_nothing_typed_is_lost() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |_| {});
    let key = mine(&world).variants[1].key.to_string();
    types(&mut world, &Cell::Variant(key.clone(), Attr::Name), "Ta");
    server.saves(&mut world, |e| {
        e.variants.remove(1);
    });
    world.text("ll").keys(&["enter"]);
    assert_eq!(mine(&world).variant(&key).map(|v| v.name.as_str()), Some("Tall"));
    assert_eq!(world.state.drafts[&id(CHECKOUT)].open_conflicts(), 1);
}

#[test]
fn what_was_being_typed_as_the_cockpit_ended_waits_in_its_field() {
    let mut world = World::experiment("checkout-cta");
    let with_filter = |e: &mut Experiment| e.primary_metric = Some(filtered("purchase"));
    let mut server = Server::new(&mut world, with_filter);
    types(&mut world, &PRIMARY, "order");
    server.saves(&mut world, |e| {
        e.primary_metric.as_mut().expect("there").event = "theirs".into();
    });
    world.keys(&["ctrl-u"]);
    let disk = world.disk.clone();
    assert_eq!(disk.len(), 1);
    let mut world = World::list();
    world.left_behind(disk);
    world.keys(&["j", "enter"]).answer_all(Role::Editor, false);
    world.wait(Duration::from_secs(3));
    world.reply(Slot::Experiment, Ok(Answer::Experiment(Box::new(server.0))));
    world.keys(&["R"]);
    assert_eq!(
        mine(&world).primary_metric,
        Some(filtered("theirs")),
        "nothing is taken"
    );
    world.keys(&["S"]);
    assert_eq!(world.state.overlays.len(), 0);
    let notice = world.state.notice.as_ref().expect("said").text.clone();
    assert!(
        notice.contains("primary metric: was still being typed"),
        "{notice}"
    );
    world.wait(Duration::from_secs(7));
    assert!(world.screen(120, 40).contains("1 unsaved change, 1 half typed"));
    // The cursor is there: enter goes on with it.
    world.keys(&["enter"]).text("order_paid").keys(&["enter"]);
    assert_eq!(mine(&world).primary_metric, Some(filtered("order_paid")));
    let draft = &world.state.drafts[&id(CHECKOUT)];
    assert!(draft.unread.is_empty());
    assert_eq!(draft.open_conflicts(), 1, "they had changed the same");
}

#[test]
fn a_text_that_waits_goes_by_typing_what_stands_there() {
    let mut world = World::experiment("checkout-cta");
    let mut server = Server::new(&mut world, |_| {});
    types(&mut world, &Cell::Holdout, "many");
    world.keys(&["enter"]);
    assert_eq!(world.state.drafts[&id(CHECKOUT)].unread.len(), 1);
    let said = mine(&world).holdout_pct.to_string();
    // Somebody saves while it is looked at: it is not thrown out of its field.
    world.keys(&["enter"]);
    server.saves(&mut world, |e| e.description = "theirs".into());
    let typed = world.state.editor().and_then(|editor| editor.editing.as_ref());
    assert_eq!(typed.map(|editing| editing.text()).as_deref(), Some("many"));
    world.keys(&["ctrl-u"]).text(&said).keys(&["enter"]);
    assert!(world.state.drafts[&id(CHECKOUT)].is_clean());
    assert_eq!(world.state.detail().map(|detail| detail.tab), Some(Tab::Setup));
}
