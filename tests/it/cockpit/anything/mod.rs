//! Whatever is pressed, pasted, clicked, resized and answered in whatever order, whatever others change meanwhile:
//! nothing panics; nothing is changed without its dialog; no draft, no pasted id and no key that is shown once is
//! lost; what both changed is asked about until it is decided; nothing is shown where it does not belong; and the
//! loop never spins.
//!
//! | file | what it holds |
//! |---|---|
//! | `steps` | what happens |
//! | `server` | what a server answers that keeps what it is sent |
//! | `rules` | what must hold after every action |
//!
//! A failure tells what was done, line by line; the steps that proptest prints can be pasted into [`run`].

mod rules;
mod server;
mod steps;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use splitdeck::api::system::Role;
use splitdeck::cockpit::edit::identity;
use splitdeck::cockpit::edit::{Kept, Of, StoredDraft, StoredFlag};
use splitdeck::cockpit::export;
use splitdeck::cockpit::intake::{Counter, Left, Order, Tally, Told};
use splitdeck::cockpit::ports::{Failure, Reply, Service};
use splitdeck::cockpit::state::ask::AskField;
use splitdeck::cockpit::state::form::{Focus, Input};
use splitdeck::cockpit::state::overlay::{DEAF_FOR, Field};
use splitdeck::cockpit::state::preferences::{Connected, ContextEntry, Look, Read, ThemeEntry};
use splitdeck::cockpit::state::{Overlay, Settings};
use splitdeck::cockpit::update::next_deadline;
use splitdeck::cockpit::{Action, Effect, Key};
use uuid::Uuid;

use crate::support::cockpit::{World, settings, theme};
use rules::Before;
use server::Server;
use steps::{CARDS, DISPUTED, EDITED, PANELS, PLACES, Step, disputes, imports, panels, step};

/// A cockpit, its server, its disk.
struct Run {
    world: World,
    server: Server,
    size: (u16, u16),
    /// Whether the disk answers only when a step says so.
    slow: bool,
    /// The ids that are taken in, by intake.
    ids: BTreeMap<Uuid, String>,
    orders: VecDeque<Order>,
    /// The export that writes its files.
    export: Option<export::Order>,
    script: RefCell<Vec<String>>,
}

impl Run {
    fn start(role: Role, protected: bool, slow: bool) -> Self {
        let mut world = World::start(settings(), (120, 40));
        world.slow_disk = true;
        let mut run = Self {
            world,
            server: Server::new(role, protected),
            size: (120, 40),
            slow,
            ids: BTreeMap::new(),
            orders: VecDeque::new(),
            export: None,
            script: RefCell::default(),
        };
        run.act(read(false));
        run.answer_all();
        run
    }

    fn say(&self, what: impl Into<String>) {
        self.script.borrow_mut().push(what.into());
    }

    /// One action, and everything that must hold after it.
    fn act(&mut self, action: Action) {
        let before = Before::see(&self.world, &action);
        let effects = self.world.act(action);
        for effect in &effects {
            match effect {
                Effect::Fetch { request, .. } if request.writes() => {
                    self.say(format!("    wrote {request:?}"))
                }
                Effect::Intake(order) => self.take_in(order),
                Effect::Export(order) => {
                    assert!(self.export.is_none(), "two exports at once");
                    self.export = Some(order.clone());
                }
                Effect::StopExport(id) => {
                    let running = self.export.take().expect("there is one to be stopped");
                    assert_eq!(running.id, *id, "another one is stopped");
                }
                Effect::Project(key) => self.server.turn_to(key),
                _ => {}
            }
        }
        let (shown, running) = (&self.world.state.export, &self.export);
        assert_eq!(
            shown.as_ref().map(|export| export.id),
            running.as_ref().map(|order| order.id),
            "what is said of an export is true"
        );
        before.check(&self.world, &effects, &self.ids);
        for effect in &effects {
            if let Effect::Intake(Order::Drop { intake }) = effect {
                self.ids.remove(intake);
            }
        }
        if !self.slow {
            self.disk(false);
        }
    }

    fn take_in(&mut self, order: &Order) {
        match order {
            Order::Begin { intake, .. } => {
                self.ids.insert(*intake, String::new());
            }
            Order::Add { intake, text } => self.ids.entry(*intake).or_default().push_str(text),
            Order::Drop { .. } => return,
            _ => {}
        }
        self.orders.push_back(order.clone());
    }

    /// The disk answers everything that it was asked; a file can be read or not.
    fn disk(&mut self, fails: bool) {
        for action in self.world.found() {
            self.act(action);
        }
        // A page each time, and then the end.
        let told = self.export.as_ref().map(|order| order.id);
        if let (Some(id), false) = (told, self.world.state.export.as_ref().is_some_and(|e| e.rows > 0)) {
            self.act(Action::Export(export::Told::Written { id, rows: 3 }));
        }
        if let Some(order) = self.export.take() {
            let outcome = match fails {
                true => Err("Cannot write it".to_owned()),
                false => Ok((
                    3,
                    vec![format!("/{}.csv", order.name), format!("/{}.json", order.name)],
                )),
            };
            self.act(Action::Export(export::Told::Ended {
                id: order.id,
                outcome,
            }));
        }
        while let Some(order) = self.orders.pop_front() {
            let told = match order {
                Order::Begin { .. } | Order::Drop { .. } => continue,
                Order::Find { .. } => Told::Found(
                    (self.ids.iter())
                        .map(|(intake, text)| Left {
                            intake: *intake,
                            bytes: text.len() as u64,
                            at: 0,
                        })
                        .collect(),
                ),
                Order::Read { intake, .. } if fails => Told::Failed {
                    intake,
                    message: "Cannot read it".to_owned(),
                },
                Order::Read { intake, .. } => {
                    self.ids.entry(intake).or_default().push_str("f-1\nf-2\n");
                    self.counted(intake)
                }
                Order::Add { intake, .. } | Order::Recount { intake } => self.counted(intake),
                Order::Complete { path } => Told::Completed {
                    asked: path.clone(),
                    path: format!("{path}s"),
                    names: vec!["ids".to_owned(), "ids.txt".to_owned()],
                },
            };
            self.act(Action::Intake(told));
        }
    }

    fn counted(&self, intake: Uuid) -> Told {
        let mut counter = Counter::default();
        counter.feed(self.ids.get(&intake).map_or("", String::as_str).as_bytes());
        counter.finish();
        let different: HashSet<u64> = counter.hashes().collect();
        let tally: Tally = counter.tally(different.len() as u64);
        Told::Counted {
            intake,
            tally: Box::new(tally),
            done: true,
        }
    }

    fn key(&mut self, name: &str) {
        self.act(Action::Key(name.parse().expect("a key")));
    }

    fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            self.act(Action::Key(Key::char(c)));
        }
    }

    fn pass(&mut self, span: SignedDuration) {
        self.world.now += span;
        self.act(Action::Tick);
    }

    fn answer(&mut self, n: usize, outcome: Option<Failure>) {
        let (run, request) = self.world.waiting.remove(n % self.world.waiting.len());
        let slot = request.slot();
        let failed = outcome.is_some();
        let outcome = match outcome {
            Some(failure) => Err(failure),
            None => self.server.answer(&request),
        };
        self.say(format!(
            "    {slot:?} {}",
            match &outcome {
                Ok(_) => "is answered".to_owned(),
                Err(failure) => format!("fails: {}", failure.message),
            }
        ));
        let before = self.world.effects.len();
        self.act(Action::Reply(Box::new(Reply {
            run,
            slot,
            took: Duration::from_millis(12),
            outcome,
        })));
        let again = self.world.effects[before..]
            .iter()
            // Another question, such as another page, is none that failed.
            .any(|e| matches!(e, Effect::Fetch { request: next, .. } if *next == request));
        assert!(
            !(failed && again),
            "{slot:?} is asked again at once after a failure"
        );
    }

    fn answer_all(&mut self) {
        // A run of chunks goes on by itself.
        for _ in 0..20 {
            if self.world.waiting.is_empty() {
                return;
            }
            self.answer(0, None);
        }
    }

    /// Fills in what the dialog on top requires, and presses its button.
    fn confirm(&mut self) {
        self.pass(SignedDuration::try_from(DEAF_FOR).expect("short"));
        for _ in 0..16 {
            let required = match self.world.state.overlays.last() {
                Some(Overlay::Step(d)) => match d.focus {
                    Field::Confirm => break,
                    Field::Comment if d.comment.is_blank() => Some("because".to_owned()),
                    Field::Override if d.override_failing.is_none() => Some(" ".to_owned()),
                    Field::TypedKey if d.typed_key.is_blank() => Some(d.experiment.key.to_string()),
                    _ => None,
                },
                Some(Overlay::Ask(d)) => match d.focus {
                    AskField::Confirm => break,
                    AskField::Id if d.id.is_blank() => Some("u-1".to_owned()),
                    AskField::TypedKey if d.typed_key.is_blank() => {
                        let about = splitdeck::cockpit::update::ask::about(&self.world.state, d);
                        about.map(|e| e.key.to_string())
                    }
                    _ => None,
                },
                Some(Overlay::Form(form)) => match form.focus {
                    Focus::Confirm => break,
                    Focus::Line(at) => match &form.lines[at].input {
                        Input::Text(field) if field.is_blank() && form.lines[at].word == "required" => {
                            Some("filled-in".to_owned())
                        }
                        Input::Ticks { options, .. } if options.iter().all(|option| !option.on) => {
                            Some(" ".to_owned())
                        }
                        _ => None,
                    },
                    Focus::Key => form.key.as_ref().map(|(name, _)| name.clone()),
                    Focus::Cancel => None,
                },
                Some(Overlay::Import(_)) => None,
                Some(Overlay::Conflicts { .. }) => break,
                _ => return,
            };
            if let Some(text) = required {
                self.type_in(&text);
            }
            // In the card tab completes a path.
            let card = matches!(self.world.state.overlays.last(), Some(Overlay::Import(panel))
                if panel.focus != splitdeck::cockpit::state::import::Focus::Check);
            if matches!(self.world.state.overlays.last(), Some(Overlay::Import(_))) && !card {
                break;
            }
            self.key(if card { "down" } else { "tab" });
        }
        self.key("enter");
    }

    fn step(&mut self, step: Step) {
        self.say(format!("{step:?}"));
        match step {
            Step::Key(key) => self.key(key),
            Step::Text(c) => self.act(Action::Key(Key::char(c))),
            Step::Type(word) => self.type_in(word),
            Step::Confirm => self.confirm(),
            Step::Paste(text) => self.act(Action::Paste {
                text,
                truncated: false,
                more: false,
            }),
            Step::Resize(width, height) => {
                self.size = (width, height);
                self.act(Action::Resize { width, height });
            }
            Step::Wait(ms) => self.pass(SignedDuration::from_millis(i64::try_from(ms).expect("small"))),
            Step::Answer(_) | Step::Fail(..) if self.world.waiting.is_empty() => {}
            Step::Answer(n) => self.answer(n, None),
            Step::AnswerAll => self.answer_all(),
            Step::Fail(n, kind, service) => {
                // The way to ClickHouse leads through the server, so that either can be the one to fail.
                let (_, request) = &self.world.waiting[n % self.world.waiting.len()];
                let service: Service = service.unwrap_or(request.slot().service());
                self.answer(n, Some(Failure::new(service, kind, "made to fail")));
            }
            Step::Focus(focused) => self.act(Action::Focus(focused)),
            Step::Elsewhere(n, what) => self.server.elsewhere(n, what),
            Step::Mouse(mouse) => self.act(Action::Mouse(mouse)),
            Step::Disk(fails) => self.disk(fails),
            Step::Connected(other) => self.act(Action::Connected(Box::new(Connected {
                api: if other {
                    "http://other"
                } else {
                    "http://127.0.0.1:8620"
                }
                .to_owned(),
                context: Some(if other { "other" } else { "local" }.to_owned()),
                token_from_file: true,
                read_only: false,
            }))),
            Step::Read(again) => self.act(read(again)),
            Step::Continued => self.act(Action::Continued),
            Step::Draw => self.draw(),
        }
        // What is due is done: after an action nothing is left that would wake the loop at once.
        let now = self.world.now;
        if let Some(deadline) = next_deadline(&self.world.state, now) {
            assert!(deadline > now, "it would spin: {deadline} at {now}");
        }
    }

    fn draw(&mut self) {
        self.world.buffer(self.size.0, self.size.1, &theme());
    }
}

/// What the files of a person say.
fn read(again: bool) -> Action {
    let theme = |name: &str| ThemeEntry {
        name: name.to_owned(),
        description: String::new(),
        own: false,
    };
    Action::Read(Box::new(Read {
        look: Some(Look {
            theme: "default".to_owned(),
            ..Look::default()
        }),
        themes: ["default", "mine"].map(theme).to_vec(),
        contexts: vec![ContextEntry {
            name: "other".to_owned(),
            api: "http://other".to_owned(),
            project: None,
        }],
        again,
        ..Read::default()
    }))
}

/// Carries the steps out. What failed, with what was done until then.
fn run(
    begin: &[&str],
    steps: Vec<Step>,
    role: Role,
    protected: bool,
    slow: bool,
) -> Result<(), TestCaseError> {
    let mut run = Run::start(role, protected, slow);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for key in begin {
            run.say(format!("begin with {key}"));
            run.key(key);
            run.disk(false);
            run.answer_all();
            run.pass(SignedDuration::try_from(DEAF_FOR).expect("short"));
        }
        for step in steps {
            run.step(step);
            if run.world.state.quitting {
                return;
            }
        }
        run.say("the end: everything is told, drawn and found again");
        run.disk(false);
        run.draw();
        run.world.wait(Duration::from_secs(3));
        after_a_restart(&run.world, role, protected);
    }));
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let script = run.script.borrow().join("\n");
        let text = text.unwrap_or_default();
        TestCaseError::fail(format!(
            "{text}\n{role:?}, protected {protected}, slow disk {slow}:\n{script}\n{text}"
        ))
    })
}

/// The next cockpit offers every draft as it was.
fn after_a_restart(before: &World, role: Role, protected: bool) {
    // What stands in other projects is offered there.
    let home = crate::support::cockpit::id(9);
    for (key, kept) in before.disk.iter().filter(|(key, _)| key.project == home) {
        let of = key.of;
        let name = key.object.to_string();
        let settings = Settings {
            api: key.server.clone(),
            experiment: (of == Of::Experiment && !key.object.is_nil()).then(|| name.clone()),
            flag: (of == Of::Flag).then_some(name),
            ..settings()
        };
        let mut world = World::start(settings, (120, 40));
        world.left.insert("of the last one".to_owned(), kept.clone());
        world.answer_all(role, protected);
        if of == Of::Experiment && key.object.is_nil() {
            world.keys(&["n"]);
        }
        match kept {
            Kept::Experiment(stored) => restored(&mut world, stored),
            Kept::Flag(stored) => restored_flag(&mut world, stored),
        }
        assert_eq!(world.left.len(), 0, "it is here now");
    }
}

fn restored(world: &mut World, stored: &StoredDraft) {
    let Some(editor) = world.state.editor().filter(|_| world.state.sheet().is_some()) else {
        // The server of the next one does not know what was created here.
        world.left.clear();
        return;
    };
    let key = &stored.key;
    assert_eq!(editor.found.offered(), Some(stored), "{key:?}");
    world.keys(&["R"]);
    // No text is taken: what cannot be read, and what was still being typed, waits in its field.
    let nothing = stored.mine == stored.base && stored.texts.is_empty() && stored.open.is_empty();
    assert!(nothing || world.disk.contains_key(key), "and kept");
    let restored = &world.state.drafts[&key.object];
    // A newer version on the server may have been merged into it since.
    if restored.base.resource_version == stored.base.resource_version {
        assert_eq!(restored.mine, stored.mine);
    }
    for (cell, text) in &stored.texts {
        let Some(now) = identity::follow(cell, &stored.mine, &restored.mine) else {
            continue;
        };
        let waits = restored.unread.get(&now).map(|unread| &unread.text);
        assert_eq!(waits, Some(text), "{cell:?}");
    }
    for both in &stored.open {
        let open = restored
            .conflicts
            .iter()
            .any(|c| c.both.path == both.path && c.choice.is_none());
        let same = both.path.get(&restored.mine) == both.path.get(&restored.base);
        assert!(open || same, "{:?} is to be decided still", both.path);
    }
}

fn restored_flag(world: &mut World, stored: &StoredFlag) {
    let Some(detail) = world.state.objects.flag.as_deref() else {
        world.left.clear();
        return;
    };
    assert_eq!(detail.found.offered(), Some(stored));
    world.keys(&["R"]);
    let draft = world.state.objects.draft(stored.key.object).expect("restored");
    assert_eq!(draft.mine, stored.mine);
    assert!(world.disk.contains_key(&stored.key), "and kept");
    for clash in &stored.both {
        assert!(
            draft.both.iter().any(|c| c.part == clash.part),
            "{:?} is to be decided still",
            clash.part
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_is_written_without_its_dialog(
        begin in proptest::sample::select(PLACES),
        steps in proptest::collection::vec(step(), 0..70),
        role in proptest::sample::select(vec![Role::Viewer, Role::Editor, Role::Admin, Role::Admin]),
        protected in any::<bool>(),
        slow in any::<bool>(),
    ) {
        run(begin, steps, role, protected, slow)?;
    }

    #[test]
    fn no_draft_is_lost_while_editing(
        begin in proptest::sample::select(EDITED),
        steps in proptest::collection::vec(step(), 0..60),
        protected in any::<bool>(),
        slow in any::<bool>(),
    ) {
        run(begin, steps, Role::Editor, protected, slow)?;
    }

    #[test]
    fn what_both_changed_is_asked_about_until_it_is_decided(
        begin in proptest::sample::select(DISPUTED),
        steps in proptest::collection::vec(disputes(), 0..60),
        slow in any::<bool>(),
    ) {
        run(begin, steps, Role::Editor, false, slow)?;
    }

    #[test]
    fn no_id_is_lost_and_no_chunk_follows_by_itself(
        begin in proptest::sample::select(CARDS),
        steps in proptest::collection::vec(imports(), 0..40),
        slow in any::<bool>(),
    ) {
        run(begin, steps, Role::Editor, false, slow)?;
    }

    #[test]
    fn keys_that_come_once_are_shown_and_answers_stay_with_what_was_asked(
        begin in proptest::sample::select(PANELS),
        steps in proptest::collection::vec(panels(), 0..50),
        protected in any::<bool>(),
    ) {
        run(begin, steps, Role::Admin, protected, false)?;
    }
}
