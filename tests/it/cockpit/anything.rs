//! Whatever is pressed, resized and answered in whatever order: nothing panics, nothing is changed without
//! its dialog, and the loop never spins.

use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use splitdeck::api::system::Role;
use splitdeck::cockpit::ports::{Failure, FailureKind, Service};
use splitdeck::cockpit::state::Overlay;
use splitdeck::cockpit::state::overlay::Field;
use splitdeck::cockpit::update::next_deadline;
use splitdeck::cockpit::{Action, Effect, Key};

use crate::support::cockpit::{World, answer};

#[derive(Debug, Clone)]
enum Step {
    Key(&'static str),
    Text(char),
    Paste(String),
    Resize(u16, u16),
    Wait(u64),
    Answer(usize),
    Fail(usize, FailureKind, Option<Service>),
    Focus(bool),
    Draw,
}

const KEYS: &[&str] = &[
    "enter",
    "esc",
    "tab",
    "shift-tab",
    "up",
    "down",
    "left",
    "right",
    "pageup",
    "pagedown",
    "home",
    "end",
    "space",
    "backspace",
    "delete",
    "ctrl-r",
    "ctrl-u",
    "ctrl-l",
    "ctrl-w",
    "/",
    ":",
    "?",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "a",
    "b",
    "c",
    "e",
    "g",
    "G",
    "H",
    "i",
    "j",
    "k",
    "n",
    "N",
    "p",
    "r",
    "s",
    "w",
    "x",
    "y",
    "z",
    "[",
    "]",
    "f1",
    "f5",
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => proptest::sample::select(KEYS).prop_map(Step::Key),
        2 => any::<char>().prop_map(Step::Text),
        1 => ".{0,40}".prop_map(Step::Paste),
        2 => (0_u16..210, 0_u16..60).prop_map(|(w, h)| Step::Resize(w, h)),
        4 => (0_u64..4_000).prop_map(Step::Wait),
        8 => (0_usize..8).prop_map(Step::Answer),
        2 => (0_usize..8, proptest::sample::select(vec![
            FailureKind::Lost, FailureKind::Refused, FailureKind::Limit, FailureKind::Configuration,
        ]), proptest::sample::select(vec![None, Some(Service::Api)]))
            .prop_map(|(n, kind, service)| Step::Fail(n, kind, service)),
        1 => any::<bool>().prop_map(Step::Focus),
        2 => Just(Step::Draw),
    ]
}

/// What an action may lead to: a write only from a dialog that is armed, its button under the focus.
fn act(world: &mut World, action: Action) {
    let may_write = match world.state.overlays.last() {
        Some(Overlay::Step(dialog)) => {
            dialog.focus == Field::Confirm
                && world.now >= dialog.armed_at()
                && matches!(&action, Action::Key(key) if *key == "enter".parse().expect("a key"))
        }
        _ => false,
    };
    let described = format!("{action:?}");
    let effects = world.act(action);
    let writes = effects.iter().filter(|e| e.writes()).count();
    assert!(
        writes == 0 || (may_write && writes == 1),
        "{described} wrote: {effects:?}"
    );
    assert!(
        !effects.contains(&Effect::Quit) || world.state.quitting,
        "leaving is decided by the core"
    );
}

fn run(steps: Vec<Step>, role: Role, protected: bool) {
    let mut world = World::list_of(role, protected);
    let mut size = (120, 40);
    for step in steps {
        match step {
            Step::Key(key) => act(&mut world, Action::Key(key.parse().expect("a key"))),
            Step::Text(c) => act(&mut world, Action::Key(Key::char(c))),
            Step::Paste(text) => act(
                &mut world,
                Action::Paste {
                    text,
                    truncated: false,
                    more: false,
                },
            ),
            Step::Resize(width, height) => {
                size = (width, height);
                act(&mut world, Action::Resize { width, height });
            }
            Step::Wait(ms) => {
                world.now += SignedDuration::from_millis(i64::try_from(ms).expect("small"));
                act(&mut world, Action::Tick);
            }
            Step::Answer(n) if !world.waiting.is_empty() => {
                let (run, request) = world.waiting.remove(n % world.waiting.len());
                let outcome = answer(&request, role, protected);
                world.reply_to(run, request.slot(), outcome);
            }
            Step::Fail(n, kind, service) if !world.waiting.is_empty() => {
                let (run, request) = world.waiting.remove(n % world.waiting.len());
                let slot = request.slot();
                let before = world.effects.len();
                // The way to ClickHouse leads through the server, so that either can be the one to fail.
                let failure = Failure::new(service.unwrap_or(slot.service()), kind, "made to fail");
                world.reply_to(run, slot, Err(failure));
                let again = world.effects[before..]
                    .iter()
                    .any(|e| matches!(e, Effect::Fetch { request, .. } if request.slot() == slot));
                assert!(!again, "{slot:?} is asked again at once after {kind:?}");
            }
            Step::Focus(focused) => act(&mut world, Action::Focus(focused)),
            Step::Draw => {
                world.buffer(size.0, size.1, &crate::support::cockpit::theme());
            }
            Step::Answer(_) | Step::Fail(..) => {}
        }
        // What is due is done: after an action nothing is left that would wake the loop at once.
        if let Some(deadline) = next_deadline(&world.state, world.now) {
            assert!(deadline > world.now, "it would spin: {deadline} at {}", world.now);
        }
        if world.state.quitting {
            return;
        }
    }
    world.buffer(size.0, size.1, &crate::support::cockpit::theme());
    world.wait(Duration::from_secs(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_is_written_without_its_dialog(
        steps in proptest::collection::vec(step(), 0..80),
        role in proptest::sample::select(vec![Role::Viewer, Role::Editor]),
        protected in any::<bool>(),
    ) {
        run(steps, role, protected);
    }
}
