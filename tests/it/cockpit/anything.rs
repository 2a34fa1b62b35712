//! Whatever is pressed, pasted, resized and answered in whatever order, whatever others change meanwhile:
//! nothing panics, nothing is changed without its dialog, no draft is lost, and the loop never spins.

use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use splitdeck::api::experiments::{ExperimentList, UpdateExperiment};
use splitdeck::api::problem::{Code, Problem};
use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::{Attr, Cell, Draft};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, Request, Service};
use splitdeck::cockpit::state::ask::{Ask, AskField};
use splitdeck::cockpit::state::form::Focus;
use splitdeck::cockpit::state::import::Focus::Check;
use splitdeck::cockpit::state::overlay::Field;
use splitdeck::cockpit::state::{Overlay, Settings, Tab};
use splitdeck::cockpit::update::{self, next_deadline};
use splitdeck::cockpit::{Action, Effect, Key};
use splitdeck::domain::{Experiment, Percent, Status};
use uuid::Uuid;

use crate::support::cockpit::{World, answer, changed, of_experiment};

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
    /// Somebody else changes an experiment.
    Elsewhere(usize, u8),
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
    "S",
    "X",
    "R",
    "M",
    "d",
    "u",
    "U",
    "J",
    "K",
    "h",
    "l",
    "=",
    "W",
    "ctrl-o",
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
        2 => (0_usize..4, any::<u8>()).prop_map(|(n, what)| Step::Elsewhere(n, what)),
        2 => Just(Step::Draw),
    ]
}

/// A server that keeps what it is sent, and that somebody else changes.
struct Server(Vec<Experiment>);

impl Server {
    fn elsewhere(&mut self, n: usize, what: u8) {
        let e = &mut self.0[n];
        match what % 5 {
            0 => e.name = format!("name {what}"),
            1 => e.description = format!("described {what}"),
            2 => e.holdout_pct = Percent::from_basis_points(u32::from(what)).expect("in range"),
            3 => {
                e.variants[1].traffic_pct =
                    Percent::from_basis_points(u32::from(what) * 10).expect("in range")
            }
            _ => e.rules.clear(),
        }
        e.resource_version += 1;
    }

    fn answer(&mut self, request: &Request, role: Role, protected: bool) -> Result<Answer, Failure> {
        match request {
            Request::Experiments { .. } => Ok(Answer::Experiments(ExperimentList {
                experiments: self.0.clone(),
            })),
            Request::Experiment { id_or_key } => {
                let found = self
                    .0
                    .iter()
                    .find(|e| e.id.to_string() == *id_or_key || e.key.as_str() == id_or_key);
                match found {
                    Some(e) => Ok(Answer::Experiment(Box::new(e.clone()))),
                    None => answer(request, role, protected),
                }
            }
            Request::Update { id, change } => {
                let e = self
                    .0
                    .iter_mut()
                    .find(|e| e.id == *id)
                    .expect("an experiment of the list");
                if e.resource_version != change.resource_version {
                    let mut problem = Problem::new(Code::VersionConflict, "it is newer");
                    problem.current = Some(serde_json::to_value(&*e).expect("writes"));
                    problem.changed_by = Some("deploy-bot".to_owned());
                    let mut failure = Failure::new(Service::Api, FailureKind::Refused, problem.to_string());
                    failure.problem = Some(Box::new(problem));
                    return Err(failure);
                }
                *e = changed(e, change);
                Ok(Answer::Experiment(Box::new(e.clone())))
            }
            _ => answer(request, role, protected),
        }
    }
}

/// Whether the dialog on top would be confirmed by this action.
fn confirms(world: &World, action: &Action) -> Option<Ask> {
    let enter = matches!(action, Action::Key(key) if *key == "enter".parse().expect("a key"));
    match world.state.overlays.last() {
        Some(Overlay::Ask(dialog))
            if enter && dialog.focus == AskField::Confirm && world.now >= dialog.armed_at() =>
        {
            Some(dialog.ask.clone())
        }
        _ => None,
    }
}

/// Whether a request only carries the table of variants of a draft, which saves as a field is left.
fn of_the_table(world: &World, effect: &Effect) -> bool {
    let Effect::Fetch {
        request: Request::Update { id, change },
        ..
    } = effect
    else {
        return false;
    };
    let only = UpdateExperiment {
        resource_version: change.resource_version,
        variants: change.variants.clone(),
        default_variant_id: change.default_variant_id.clone(),
        ..UpdateExperiment::default()
    };
    let draft = world.state.drafts.get(id).expect("what is saved is a draft");
    **change == only
        && draft.base.status == Status::Draft
        && world
            .state
            .detail()
            .is_some_and(|detail| detail.tab == Tab::Variants)
}

/// What an action may lead to: a write only from a dialog that is armed, its button under the focus; and
/// nothing that was typed is lost.
fn act(world: &mut World, action: Action) {
    let confirmed = confirms(world, &action);
    let may_write = match world.state.overlays.last() {
        Some(Overlay::Step(dialog)) => {
            dialog.focus == Field::Confirm
                && world.now >= dialog.armed_at()
                && matches!(&action, Action::Key(key) if *key == "enter".parse().expect("a key"))
        }
        Some(Overlay::Form(form)) => {
            form.focus == Focus::Confirm
                && world.now >= form.armed_at()
                && matches!(&action, Action::Key(key) if *key == "enter".parse().expect("a key"))
        }
        // Asking for the dry run puts nothing in force; the chunks of a run follow from its dialog.
        Some(Overlay::Import(panel)) => match &action {
            Action::Key(key) => panel.focus == Check && *key == "enter".parse().expect("a key"),
            Action::Reply(_) => panel.run.is_some(),
            _ => false,
        },
        _ => confirmed.is_some(),
    };
    let esc = matches!(&action, Action::Key(key) if *key == "esc".parse().expect("a key"));
    let key = matches!(&action, Action::Key(_));
    let typed = typed(world);
    let described = format!("{action:?}");
    let effects = world.act(action);
    for effect in effects.iter().filter(|e| e.writes()) {
        assert!(
            may_write || (key && !esc && of_the_table(world, effect)),
            "{described} wrote: {effect:?}"
        );
    }
    assert!(effects.iter().filter(|e| e.writes()).count() <= 1, "{described}");
    assert!(
        !effects.contains(&Effect::Quit) || world.state.quitting,
        "leaving is decided by the core"
    );
    let thrown_away = matches!(confirmed, Some(Ask::Discard { .. }));
    for effect in &effects {
        if let Effect::DropDraft(key) = effect {
            let draft = world.state.drafts.get(&key.object);
            assert!(
                thrown_away || draft.is_some_and(Draft::is_clean),
                "{described} forgot {draft:?}"
            );
        }
    }
    if let Some((id, cell, text)) = typed.filter(|_| key && !thrown_away) {
        left(world, id, &cell, &text, &described);
    }
    kept(world);
}

/// What is being typed, where leaving the field has a meaning of its own.
fn typed(world: &World) -> Option<(Uuid, Cell, String)> {
    let (id, _) = world.state.sheet().filter(|_| world.state.overlays.is_empty())?;
    let editing = world.state.editor()?.editing.as_ref()?;
    let skipped = matches!(
        editing.cell,
        Cell::NewLink
            | Cell::NewTracked
            | Cell::Link(_)
            | Cell::Baseline
            | Cell::Lift
            | Cell::Variant(_, Attr::Key)
    );
    (editing.changed() && editing.picked.is_none() && !skipped)
        .then(|| (id, editing.cell.clone(), editing.text()))
}

/// When the field was left, the draft says what was typed in it.
fn left(world: &World, id: Uuid, cell: &Cell, text: &str, described: &str) {
    let still = world
        .state
        .editor()
        .and_then(|e| e.editing.as_ref())
        .is_some_and(|e| e.cell == *cell);
    let draft = world.state.drafts.get(&id).expect("typing makes a draft");
    if still {
        return;
    }
    let mut expected = draft.mine.clone();
    let wanted = match cell.apply(text, &mut expected) {
        Ok(()) => cell.text(&expected),
        Err(_) => text.to_owned(),
    };
    let says = match draft.unread.get(cell) {
        Some(unread) => unread.text.clone(),
        None => cell.text(&draft.mine),
    };
    assert_eq!(says, wanted, "{described} lost what was typed in {cell:?}");
}

/// Every draft is on disk as it is, and no other is.
fn kept(world: &World) {
    for (id, draft) in &world.state.drafts {
        let key = world.state.draft_key(*id).expect("known");
        let typing = update::edit::typing(&world.state, *id);
        if draft.is_clean() && typing.is_none() {
            assert_eq!(world.disk.get(&key), None, "nothing is unsaved");
        } else {
            let kept = world.disk.get(&key).map(of_experiment);
            assert_eq!(kept, Some(&draft.stored(key.clone(), typing)));
        }
    }
}

fn run(steps: Vec<Step>, role: Role, protected: bool) {
    let mut world = World::list_of(role, protected);
    let mut server = Server(crate::support::cockpit::experiments());
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
                let outcome = server.answer(&request, role, protected);
                world.reply_to(run, request.slot(), outcome);
                kept(&world);
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
            Step::Elsewhere(n, what) => server.elsewhere(n, what),
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
    after_a_restart(&world, role, protected);
}

/// The next cockpit offers every draft as it was.
fn after_a_restart(before: &World, role: Role, protected: bool) {
    for (key, kept) in &before.disk {
        let stored = of_experiment(kept);
        let settings = Settings {
            experiment: (!key.object.is_nil()).then(|| key.object.to_string()),
            ..crate::support::cockpit::settings()
        };
        let mut world = World::start(settings, (120, 40));
        world.left.insert("of the last one".to_owned(), kept.clone());
        world.answer_all(role, protected);
        if key.object.is_nil() {
            world.keys(&["n"]);
        }
        let editor = world.state.editor().expect("a screen to edit");
        assert_eq!(editor.found.offered(), Some(stored), "{key:?}");
        world.keys(&["R"]);
        assert_eq!(world.left.len(), 0, "it is here now");
        assert!(world.disk.contains_key(key), "and kept");
        // The texts that can be read now are taken, exactly as leaving their fields would have.
        let mut expected = stored.mine.clone();
        let unread = stored
            .texts
            .iter()
            .filter(|(cell, text)| cell.apply(text, &mut expected).is_err());
        let unread: Vec<&Cell> = unread.map(|(cell, _)| cell).collect();
        let restored = &world.state.drafts[&key.object];
        // A newer version on the server may have been merged into it since.
        if restored.base.resource_version == stored.base.resource_version {
            assert_eq!(restored.mine, expected);
        }
        for cell in unread {
            assert!(restored.unread.contains_key(cell), "{cell:?}");
        }
    }
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

    #[test]
    fn no_draft_is_lost_while_editing(
        begin in proptest::sample::select(vec![
            &["j", "enter"][..], &["j", "enter", "2"], &["j", "enter", "3", "enter"], &["G", "enter", "2"], &["n"],
        ]),
        steps in proptest::collection::vec(step(), 0..60),
        protected in any::<bool>(),
    ) {
        let mut all: Vec<Step> = Vec::new();
        for key in begin {
            all.push(Step::Key(key));
            all.extend((0..6).map(|_| Step::Answer(0)));
        }
        all.extend(steps);
        run(all, Role::Editor, protected);
    }
}
