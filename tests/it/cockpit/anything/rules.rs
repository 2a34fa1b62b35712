//! What must hold whatever happens: what is seen before an action, and what may have come of it.

use std::collections::BTreeMap;

use serde_json::Value;
use splitdeck::api::experiments::UpdateExperiment;
use splitdeck::cockpit::change::{Change, Changed};
use splitdeck::cockpit::edit::path::{self, Path};
use splitdeck::cockpit::edit::{Attr, Cell, Draft, DraftKey, FlagDraft, FlagPart, Kept, Of, Side};
use splitdeck::cockpit::intake::{Order, Source, Told};
use splitdeck::cockpit::ports::{Answer, ImportStep, Reply, Request, Slot};
use splitdeck::cockpit::state::ask::{Ask, AskField};
use splitdeck::cockpit::state::form::{Focus, Purpose};
use splitdeck::cockpit::state::import::Focus::Check;
use splitdeck::cockpit::state::import::Stage;
use splitdeck::cockpit::state::overlay::Field;
use splitdeck::cockpit::state::{Level, Overlay, State, Tab};
use splitdeck::cockpit::update::{self, import};
use splitdeck::cockpit::{Action, Effect};
use splitdeck::domain::{Experiment, Flag, Status};
use uuid::Uuid;

use super::server::{name_of, subject_of};
use crate::support::cockpit::{World, changed};

/// What an action is, as far as it matters.
struct Kind {
    enter: bool,
    esc: bool,
    alt: bool,
    key: bool,
    letter: Option<char>,
    leaves: bool,
    discards_ids: bool,
}

fn key(name: &str) -> splitdeck::cockpit::Key {
    name.parse().expect("a key")
}

impl Kind {
    fn of(action: &Action) -> Self {
        let pressed = match action {
            Action::Key(key) => Some(*key),
            _ => None,
        };
        Self {
            enter: pressed == Some(key("enter")),
            esc: pressed == Some(key("esc")),
            // A letter with alt is Esc and that letter, where alt means nothing.
            alt: pressed.is_some_and(|pressed| pressed.alt),
            key: pressed.is_some(),
            letter: pressed.and_then(|key| key.typed()),
            leaves: matches!(action, Action::Connected(_)),
            discards_ids: pressed == Some(key("ctrl-x")),
        }
    }
}

/// A dialog whose button is about to be pressed.
#[derive(Debug, Clone)]
enum Pressed {
    Step(Uuid),
    Ask(Ask),
    Form(Box<Purpose>),
    /// The dry run of these ids is asked for: puts nothing in force.
    Check {
        object: Uuid,
        intake: Option<Uuid>,
    },
}

fn pressed(world: &World, kind: &Kind) -> Option<Pressed> {
    let now = world.now;
    match world.state.overlays.last().filter(|_| kind.enter)? {
        Overlay::Step(d) => {
            (d.focus == Field::Confirm && now >= d.armed_at()).then(|| Pressed::Step(d.experiment.id))
        }
        Overlay::Ask(d) => {
            (d.focus == AskField::Confirm && now >= d.armed_at()).then(|| Pressed::Ask(d.ask.clone()))
        }
        Overlay::Form(form) => (form.focus == Focus::Confirm && now >= form.armed_at())
            .then(|| Pressed::Form(Box::new(form.purpose.clone()))),
        Overlay::Import(panel) => {
            (panel.focus == Check && panel.stage == Stage::Collect).then_some(Pressed::Check {
                object: panel.target.id,
                intake: panel.intake,
            })
        }
        _ => None,
    }
}

impl Pressed {
    /// Whether a request is what the dialog was about.
    fn asked_for(&self, request: &Request) -> bool {
        match (self, request) {
            (Self::Step(of), Request::Status { id, .. } | Request::Delete { id, .. }) => id == of,
            (Self::Ask(Ask::Save { id: of }), Request::Update { id, .. }) => id == of,
            (Self::Ask(Ask::AddOverride { experiment }), Request::SetOverride { id, .. })
            | (Self::Ask(Ask::RemoveOverride { experiment, .. }), Request::RemoveOverride { id, .. })
            | (Self::Ask(Ask::ApplyWinner { experiment, .. }), Request::ApplyWinner { id, .. }) => {
                *id == experiment.id
            }
            (Self::Ask(Ask::Create), Request::Create { .. }) => true,
            (Self::Form(purpose), Request::Change(change)) => changes(purpose, change),
            (Self::Form(purpose), Request::WriteInsight { id }) => {
                matches!(&**purpose, Purpose::WriteInsight(experiment) if experiment.id == *id)
            }
            (Self::Form(purpose), Request::ImportStep { step, .. }) => match (&**purpose, &**step) {
                (Purpose::ApplyImport(of), ImportStep::Apply { import, .. })
                | (Purpose::UndoImport(of), ImportStep::Undo { import, .. })
                | (Purpose::ForgetImport(of), ImportStep::Forget { import }) => of.id == *import,
                _ => false,
            },
            (Self::Check { object, intake: of }, Request::ImportStep { id, step, .. }) => {
                id == object && matches!(&**step, ImportStep::Stage { intake, .. } if Some(*intake) == *of)
            }
            _ => false,
        }
    }
}

fn changes(purpose: &Purpose, change: &Change) -> bool {
    match (purpose, change) {
        (Purpose::CreateFlag, Change::CreateFlag(_))
        | (Purpose::CreateDeployment, Change::CreateDeployment(_))
        | (Purpose::CreateProject, Change::CreateProject(_))
        | (Purpose::CreateLab, Change::CreateLab(_))
        | (Purpose::CreateToken, Change::CreateToken(_)) => true,
        (Purpose::ToggleFlag(flag) | Purpose::ArchiveFlag(flag), Change::UpdateFlag(id, _))
        | (Purpose::ConvertFlag(flag), Change::ConvertFlag(id, _))
        | (Purpose::CopyFlag(flag), Change::CopyFlag(id, _))
        | (Purpose::AddFlagOverride(flag), Change::SetFlagOverrides(id, _))
        | (Purpose::DropFlagOverride(flag, _), Change::DeleteFlagOverride(id, _)) => flag.id == *id,
        (Purpose::SaveFlag(draft), Change::UpdateFlag(id, _)) => draft.base.id == *id,
        (Purpose::ConvertExperiment(experiment), Change::ConvertExperiment(id, _))
        | (Purpose::CopyExperiment(experiment), Change::CopyExperiment(id, _)) => experiment.id == *id,
        (Purpose::RenameDeployment(d), Change::UpdateDeployment(id, _))
        | (Purpose::RotateKey(d), Change::RotateKey(id, _)) => d.id == *id,
        (Purpose::RevokeDeployment(row), Change::RevokeKey(id, _)) => row.deployment.id == *id,
        (Purpose::EditProject(project), Change::UpdateProject(id, _)) => project.id == *id,
        (Purpose::EditLab(lab), Change::UpdateLab(id, _)) => lab.id == *id,
        (Purpose::RevokeToken(token), Change::RevokeToken(id)) => token.id == *id,
        _ => false,
    }
}

/// Both copies of a draft before an action, and what was to be decided.
struct Seen {
    base: Experiment,
    mine: Experiment,
    sending: bool,
    joined: bool,
    open: Vec<Path>,
    theirs: Vec<Path>,
}

struct FlagSeen {
    draft: FlagDraft,
}

/// What is seen before an action.
pub struct Before {
    what: String,
    kind: Kind,
    pressed: Option<Pressed>,
    /// What chunks of an import are at work, when its answer comes, or is waited for again.
    running: Option<(Uuid, bool)>,
    typed: Option<(Uuid, Cell, String)>,
    writing: Vec<Slot>,
    drafts: BTreeMap<Uuid, Seen>,
    flags: BTreeMap<Uuid, FlagSeen>,
    disk: BTreeMap<DraftKey, Kept>,
    top: &'static str,
    secrets: Vec<String>,
    /// The key or token that comes, shown only once.
    once: Option<String>,
    replied: Option<Slot>,
    deleted: bool,
    /// Whether the new experiment was created as it stands in its draft.
    created: bool,
    counted: Option<Uuid>,
    failed: Option<Uuid>,
    pasted: Option<String>,
    source: Option<Source>,
    imports: Vec<Uuid>,
    forgotten: Option<Uuid>,
    place: (String, Option<Uuid>),
}

fn top(state: &State) -> &'static str {
    match state.overlays.last() {
        None => "",
        Some(Overlay::Conflicts { .. }) => "conflicts",
        Some(Overlay::Secret(_)) => "secret",
        Some(_) => "other",
    }
}

fn secrets(state: &State) -> Vec<String> {
    let overlays = state.overlays.iter();
    overlays
        .filter_map(|overlay| match overlay {
            Overlay::Secret(secret) => Some(secret.text.to_string()),
            _ => None,
        })
        .collect()
}

fn place(state: &State) -> (String, Option<Uuid>) {
    (
        state.settings.api.clone(),
        state.me.as_ref().map(|me| me.project.id),
    )
}

fn cards(state: &State) -> Vec<Uuid> {
    let overlays = state.overlays.iter();
    overlays
        .filter_map(|overlay| match overlay {
            Overlay::Import(panel) => Some(panel.import.as_ref().map_or(panel.target.id, |import| import.id)),
            _ => None,
        })
        .collect()
}

impl Before {
    pub fn see(world: &World, action: &Action) -> Self {
        let state = &world.state;
        let kind = Kind::of(action);
        let reply: Option<&Reply> = match action {
            Action::Reply(reply) => Some(reply),
            _ => None,
        };
        let waited = reply.and_then(|reply| state.requests.asked(reply.slot));
        let answer = reply.and_then(|reply| reply.outcome.as_ref().ok());
        let told = match action {
            Action::Intake(told) => Some(told),
            _ => None,
        };
        let drafts = state.drafts.iter().map(|(id, draft)| (*id, Seen::of(draft)));
        let flags = state
            .objects
            .drafts
            .iter()
            .map(|draft| (draft.base.id, FlagSeen { draft: draft.clone() }));
        Self {
            what: format!("{action:?}").chars().take(300).collect(),
            pressed: pressed(world, &kind),
            running: import::panel(state).and_then(|panel| {
                let run = panel.run?;
                let answered = reply.is_some_and(|reply| reply.slot == Slot::ImportStep);
                // One that failed on its way is tried again, until Esc.
                let again = run.failed > 0 && !run.stop;
                (answered || again).then_some((panel.import.as_ref()?.id, run.undo))
            }),
            typed: typed(state),
            writing: (world.waiting.iter())
                .filter(|(_, request)| request.writes())
                .map(|(_, request)| request.slot())
                .collect(),
            drafts: drafts.collect(),
            flags: flags.collect(),
            disk: world.disk.clone(),
            top: top(state),
            secrets: secrets(state),
            once: answer.and_then(once),
            replied: reply.map(|reply| reply.slot),
            deleted: matches!(answer, Some(Answer::Deleted)),
            created: matches!(answer, Some(Answer::Experiment(_)))
                && reply.is_some_and(|reply| reply.slot == Slot::Create)
                && state.create.as_deref().is_some_and(|create| {
                    let mine = state.drafts.get(&Uuid::nil()).map(|draft| &draft.mine);
                    create.sent.as_deref() == mine
                }),
            counted: match told {
                Some(Told::Counted {
                    intake, done: true, ..
                }) => Some(*intake),
                _ => None,
            },
            failed: match told {
                Some(Told::Failed { intake, .. }) => Some(*intake),
                _ => None,
            },
            pasted: match action {
                Action::Paste { text, .. } if import::takes_pieces(state) => Some(text.clone()),
                _ => None,
            },
            source: import::panel(state).map(|panel| panel.source.clone()),
            imports: cards(state),
            forgotten: match waited {
                Some(Request::ImportStep { step, .. }) => match &**step {
                    ImportStep::Forget { import } => Some(*import),
                    _ => None,
                },
                _ => None,
            },
            place: place(state),
            kind,
        }
    }

    /// What may have come of it.
    pub fn check(self, world: &World, effects: &[Effect], ids: &BTreeMap<Uuid, String>) {
        self.writes(world, effects);
        self.drops(world, effects, ids);
        self.left(world);
        self.conflicts(world);
        self.flags(world);
        self.shown_once(world);
        kept(world);
        on_the_right_screen(&world.state);
    }

    /// A write only from a dialog that is armed, its button under the focus, and about the same object; or a chunk
    /// that follows another one, or the same again; or the table of variants of a draft. None is forgotten while it is on its way.
    fn writes(&self, world: &World, effects: &[Effect]) {
        let what = &self.what;
        let mut count = 0;
        for effect in effects {
            let (slot, writes) = match effect {
                Effect::Fetch { request, .. } => (request.slot(), request.writes()),
                Effect::Cancel(slot) => (*slot, false),
                _ => continue,
            };
            if self.writing.contains(&slot) {
                let said = world.state.notice.as_ref().is_some_and(|notice| {
                    notice.level == Level::Warn && notice.text.contains("Not known whether")
                });
                assert!(
                    said || self.replied == Some(slot),
                    "{what} forgets the write that is on its way: {effect:?}"
                );
            }
            let Effect::Fetch { request, .. } = effect else {
                continue;
            };
            if !writes {
                continue;
            }
            count += 1;
            let asked_for = self
                .pressed
                .as_ref()
                .is_some_and(|pressed| pressed.asked_for(request));
            assert!(
                asked_for || self.next_chunk(request) || self.of_the_table(world, request),
                "{what} wrote, with {:?} on top: {effect:?}",
                self.pressed
            );
            self.undecided(request);
        }
        assert!(count <= 1, "{what} wrote {count} times");
        assert!(
            !effects.contains(&Effect::Quit) || world.state.quitting,
            "leaving is decided by the core"
        );
    }

    /// Whether it goes on with the chunks that are at work.
    fn next_chunk(&self, request: &Request) -> bool {
        let Request::ImportStep { step, .. } = request else {
            return false;
        };
        match &**step {
            ImportStep::Apply { import, .. } => self.running == Some((*import, false)),
            ImportStep::Undo { import, .. } => self.running == Some((*import, true)),
            _ => false,
        }
    }

    /// Whether a request only carries the table of variants of a draft, which saves as a field is left.
    fn of_the_table(&self, world: &World, request: &Request) -> bool {
        let Request::Update { id, change } = request else {
            return false;
        };
        if self.kind.esc {
            return false;
        }
        let Some(draft) = world.state.drafts.get(id) else {
            return false;
        };
        let only = UpdateExperiment {
            resource_version: change.resource_version,
            variants: change.variants.clone(),
            default_variant_id: change.default_variant_id.clone(),
            // Rules go with a variant that was renamed.
            rules: change.rules.clone().filter(|_| change.variants.is_some()),
            ..UpdateExperiment::default()
        };
        **change == only
            && draft.base.status == Status::Draft
            && (self.kind.key || self.replied == Some(Slot::Update) || self.what.starts_with("DraftFound"))
            // What was left while the table was being saved follows the answer, whatever is looked at by then.
            && (self.replied == Some(Slot::Update)
                || world
                    .state
                    .detail()
                    .is_some_and(|detail| detail.tab == Tab::Variants))
    }

    /// What both changed is not saved before somebody has decided.
    fn undecided(&self, request: &Request) {
        match request {
            Request::Update { id, change } => {
                let Some(seen) = self.drafts.get(id) else { return };
                let next = changed(&seen.base, change);
                for path in &seen.open {
                    assert_eq!(
                        path.get(&next),
                        path.get(&seen.base),
                        "{} saved {path:?}, which nobody has decided",
                        self.what
                    );
                }
            }
            Request::Change(change) => {
                let Change::UpdateFlag(id, update) = &**change else {
                    return;
                };
                // What is made from an older version than theirs is refused by the server, and asked about then.
                let Some(FlagSeen { draft }) = self
                    .flags
                    .get(id)
                    .filter(|seen| seen.draft.base.resource_version == update.resource_version)
                else {
                    return;
                };
                let sent = |part| match part {
                    FlagPart::Name => update.name.is_some(),
                    FlagPart::Description => update.description.is_some(),
                    FlagPart::Rollout => update.rollout_pct.is_some(),
                    FlagPart::Mode => update.evaluation_mode.is_some(),
                    FlagPart::Deployments => update.deployments.is_some(),
                    FlagPart::Variants => update.variants.is_some(),
                    FlagPart::Rules => update.rules.is_some(),
                };
                let open: Vec<FlagPart> = draft.both.iter().map(|clash| clash.part).collect();
                assert!(
                    !open.iter().any(|part| sent(*part)),
                    "{} saved {open:?}, which nobody has decided",
                    self.what
                );
            }
            _ => {}
        }
    }

    fn thrown_away(&self) -> bool {
        match &self.pressed {
            Some(Pressed::Ask(Ask::Discard { .. })) => true,
            Some(Pressed::Form(purpose)) => matches!(**purpose, Purpose::DiscardFlag(_)),
            _ => false,
        }
    }

    /// Nothing that was typed or pasted is forgotten unless somebody throws it away, or it is where it belongs.
    fn drops(&self, world: &World, effects: &[Effect], ids: &BTreeMap<Uuid, String>) {
        let what = &self.what;
        for effect in effects {
            match effect {
                Effect::DropDraft(key) => {
                    let clean = match key.of {
                        Of::Experiment => {
                            let draft = world.state.drafts.get(&key.object);
                            draft.is_some_and(Draft::is_clean)
                                || self.deleted
                                || (key.object.is_nil() && self.created)
                        }
                        Of::Flag => {
                            let draft = world.state.objects.draft(key.object);
                            draft.is_none_or(|draft| draft.changed().is_empty())
                        }
                    };
                    let lost = self.disk.get(key).filter(|kept| kept.count() > 0);
                    assert!(
                        self.thrown_away() || clean || lost.is_none(),
                        "{what} forgot {lost:?}"
                    );
                }
                Effect::Intake(Order::Drop { intake }) => {
                    let text = ids.get(intake).map_or("", String::as_str);
                    let read = matches!(self.source, Some(Source::File(_) | Source::Stdin));
                    let taken_over = self.counted.is_some_and(|other| other != *intake);
                    assert!(
                        text.trim().is_empty()
                            || self.kind.discards_ids
                            || self.replied == Some(Slot::ImportStep)
                            || taken_over
                            || self.failed == Some(*intake)
                            || read,
                        "{what} threw the ids {text:?} away"
                    );
                }
                _ => {}
            }
        }
        if let Some(text) = self.pasted.as_ref().filter(|text| !text.is_empty()) {
            let taken = effects.iter().any(
                |effect| matches!(effect, Effect::Intake(Order::Add { text: added, .. }) if added.ends_with(text)),
            );
            assert!(taken, "{what} was not taken in");
        }
        // A card is closed by the person, by leaving, or by the answer that its import is forgotten.
        if self.replied.is_some() {
            let now = cards(&world.state);
            for card in &self.imports {
                assert!(
                    now.len() == self.imports.len() || self.forgotten == Some(*card),
                    "the answer to {:?} closed the card of {card}",
                    self.replied
                );
            }
        }
    }

    /// When a field was left, the draft says what was typed in it; but in a cell of the variants Esc drops that.
    fn left(&self, world: &World) {
        let Some((id, cell, text)) = self
            .typed
            .as_ref()
            .filter(|_| self.kind.key && !self.thrown_away())
        else {
            return;
        };
        let editing = world.state.editor().and_then(|e| e.editing.as_ref());
        let draft = world.state.drafts.get(id).expect("typing makes a draft");
        if editing.is_some_and(|e| e.cell == *cell) {
            return;
        }
        let of_table = matches!(cell, Cell::Variant(..))
            && cell.kind(&draft.mine) != splitdeck::cockpit::edit::Kind::Lines;
        if (self.kind.esc || self.kind.alt) && of_table {
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
        assert_eq!(says, wanted, "{} lost what was typed in {cell:?}", self.what);
    }

    /// What both changed differently is asked about, and the question ends only by a decision, or when both say the
    /// same.
    fn conflicts(&self, world: &World) {
        if self.kind.leaves || place(&world.state) != self.place {
            return;
        }
        let what = &self.what;
        for (id, seen) in &self.drafts {
            let Some(draft) = world.state.drafts.get(id) else {
                assert!(
                    seen.open.is_empty() || self.thrown_away() || self.deleted,
                    "{what} lost the questions {:?}",
                    seen.open
                );
                continue;
            };
            let find = |path: &Path| draft.conflicts.iter().find(|c| c.both.path == *path);
            for path in &seen.open {
                let said = match find(path) {
                    Some(conflict) => conflict.choice.is_none() || self.top == "conflicts",
                    None => {
                        path.get(&draft.mine) == path.get(&draft.base)
                            || self.thrown_away()
                            || (seen.joined && matches!(self.kind.letter, Some('u' | 'U')))
                    }
                };
                assert!(
                    said,
                    "{what} ended the question about {path:?}: mine {}, theirs {}",
                    path.get(&draft.mine),
                    path.get(&draft.base)
                );
            }
            // What was decided for theirs and is mine again by undo is asked again.
            if matches!(self.kind.letter, Some('u' | 'U')) && self.typed.is_none() && self.top.is_empty() {
                for path in &seen.theirs {
                    let (before, now) = (path.get(&seen.mine), path.get(&draft.mine));
                    if before == path.get(&seen.base) && now != before && now != path.get(&draft.base) {
                        assert!(
                            find(path).is_some_and(|conflict| conflict.choice != Some(Side::Theirs)),
                            "{what} brought back mine of {path:?} without asking"
                        );
                    }
                }
            }
            if draft.base.resource_version > seen.base.resource_version && !seen.sending {
                for path in both_changed(seen, &draft.base) {
                    assert!(
                        find(&path).is_some(),
                        "{what} took {} for {} of {path:?} without asking",
                        path.get(&draft.mine),
                        path.get(&draft.base)
                    );
                }
            }
        }
    }

    /// The same of flags.
    fn flags(&self, world: &World) {
        if self.kind.leaves || place(&world.state) != self.place {
            return;
        }
        let what = &self.what;
        for (id, FlagSeen { draft: seen }) in &self.flags {
            let now = world.state.objects.draft(*id);
            let decides = self.top.is_empty() && matches!(self.kind.letter, Some('m' | 't'));
            for clash in &seen.both {
                let part = clash.part;
                let ended = match now {
                    Some(draft) => {
                        draft.both.iter().any(|c| c.part == part)
                            || part.same(&draft.mine, &draft.base)
                            || part.same(&draft.mine, &clash.theirs)
                    }
                    // Without any difference it is no draft: undo leads there, and what came in can.
                    None => {
                        let row = world.state.objects.flags.get(*id);
                        self.kind.letter == Some('u')
                            || row.is_some_and(|row| part.same(&seen.mine, &row.flag))
                    }
                };
                assert!(
                    ended || decides || self.thrown_away(),
                    "{what} ended the question about the {}",
                    part.label()
                );
            }
            let saved = self.replied == Some(Slot::Change);
            if let Some(draft) =
                now.filter(|d| d.base.resource_version > seen.base.resource_version && !saved)
            {
                let simple = [
                    FlagPart::Name,
                    FlagPart::Description,
                    FlagPart::Rollout,
                    FlagPart::Mode,
                    FlagPart::Deployments,
                ];
                let differ = |part: &FlagPart, a: &Flag, b: &Flag| !part.same(a, b);
                for part in simple.iter().filter(|part| {
                    differ(part, &seen.base, &seen.mine)
                        && differ(part, &seen.base, &draft.base)
                        && differ(part, &seen.mine, &draft.base)
                }) {
                    assert!(
                        draft.both.iter().any(|clash| clash.part == *part),
                        "{what} took one {} for the other without asking",
                        part.label()
                    );
                    assert!(
                        part.same(&draft.mine, &seen.mine),
                        "{what} lost my {}",
                        part.label()
                    );
                }
            }
        }
    }

    /// A key that comes only once is on the screen until the person closes it.
    fn shown_once(&self, world: &World) {
        let now = secrets(&world.state);
        if let Some(once) = &self.once {
            assert!(now.contains(once), "{} lost the key that came", self.what);
        }
        if self.top != "secret" || !self.kind.key {
            for secret in &self.secrets {
                assert!(
                    now.contains(secret),
                    "{} closed a key that is shown once",
                    self.what
                );
            }
        }
    }
}

impl Seen {
    fn of(draft: &Draft) -> Self {
        let chosen = |side| {
            let conflicts = draft.conflicts.iter().filter(move |c| c.choice == side);
            conflicts.map(|c| c.both.path.clone()).collect()
        };
        Self {
            base: (*draft.base).clone(),
            mine: draft.mine.clone(),
            sending: draft.sent.is_some(),
            joined: draft.joined,
            open: chosen(None),
            theirs: chosen(Some(Side::Theirs)),
        }
    }
}

/// The parts that I changed and that came in changed differently.
fn both_changed(seen: &Seen, theirs: &Experiment) -> Vec<Path> {
    let mine: Vec<(Path, Value, Value)> = path::changes(&seen.base, &seen.mine);
    mine.into_iter()
        .filter(|(path, was, here)| {
            let there = path.get(theirs);
            // A variant that is gone on one side, and orders, are other parts in a merge.
            let whole = !matches!(
                path,
                Path::VariantOrder | Path::Variant(_) | Path::VariantAttr(..)
            );
            whole && there != *was && there != *here
        })
        .map(|(path, ..)| path)
        .collect()
}

/// The key or token in an answer that comes only once.
fn once(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Changed(Changed::Token(made)) => Some(made.token.clone()),
        Answer::Changed(Changed::Deployment(d)) if d.kind == splitdeck::domain::DeploymentKind::Server => {
            d.key.as_ref().map(ToString::to_string)
        }
        _ => None,
    }
}

/// What is being typed, where leaving the field has a meaning of its own.
fn typed(state: &State) -> Option<(Uuid, Cell, String)> {
    let (id, _) = state.sheet().filter(|_| state.overlays.is_empty())?;
    let editing = state.editor()?.editing.as_ref()?;
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

/// Every draft is on disk as it is, and no other is.
fn kept(world: &World) {
    for (id, draft) in &world.state.drafts {
        let Some(key) = world.state.draft_key(*id) else {
            continue;
        };
        let typing = update::edit::typing(&world.state, *id);
        if draft.is_clean() && typing.is_none() {
            // What a wizard of before left is offered to this one, and stays until it is taken or thrown away.
            let create = world.state.create.as_deref().filter(|_| id.is_nil());
            let offers =
                create.is_some_and(|c| c.editor.found.is_open() || c.editor.found.offered().is_some());
            assert!(
                offers || !world.disk.contains_key(&key),
                "nothing is unsaved: {:?}",
                world.disk.get(&key)
            );
        } else {
            let stored = Kept::Experiment(Box::new(draft.stored(key.clone(), typing)));
            assert_eq!(world.disk.get(&key), Some(&stored));
        }
    }
    for draft in &world.state.objects.drafts {
        let Some(key) = world.state.key_of(Of::Flag, draft.base.id) else {
            continue;
        };
        if draft.changed().is_empty() {
            assert_eq!(world.disk.get(&key), None, "nothing is unsaved");
        } else {
            let stored = Kept::Flag(Box::new(draft.stored(key.clone())));
            assert_eq!(world.disk.get(&key), Some(&stored));
        }
    }
}

/// What is shown of an object is of that object.
fn on_the_right_screen(state: &State) {
    let mine = |of: Uuid, rows: &[splitdeck::domain::Override]| {
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.subject_id, subject_of(of, n), "the overrides of another");
        }
    };
    let imported = |of: Uuid, imports: &[splitdeck::api::imports::Import]| {
        for import in imports {
            assert_eq!(import.actor, of.to_string(), "the imports of another");
        }
    };
    if let Some((detail, id)) = state
        .open
        .as_deref()
        .and_then(|detail| Some((detail, detail.id()?)))
    {
        for entry in detail.history.entries.value.iter().flatten() {
            assert_eq!(entry.object_id, id, "the history of another experiment");
        }
        if let Some(results) = &detail.results.value {
            assert_eq!(results.experiment_id, id, "the results of another experiment");
            let of = detail.results_of.as_ref().map(|(query, _)| query);
            assert_eq!(of, Some(&results.query), "the answer to another question");
        }
        if let Some(srm) = &detail.guarded.value {
            assert_eq!(
                srm.why_not,
                Some(id.to_string()),
                "the test of another experiment"
            );
        }
        if let Some(Some(insight)) = &detail.insight.value {
            assert_eq!(insight.actor, id.to_string(), "the summary of another experiment");
        }
        if let Some(page) = &detail.overrides.page.value {
            mine(id, &page.overrides);
        }
        imported(id, detail.overrides.imports.value.as_deref().unwrap_or_default());
    }
    if let Some(detail) = state.objects.flag.as_deref()
        && let Some(overrides) = &detail.overrides
    {
        if let Some(page) = &overrides.page.value {
            mine(detail.id, &page.overrides);
        }
        imported(detail.id, overrides.imports.value.as_deref().unwrap_or_default());
    }
    if let Some(suggestions) = state.editor().map(|editor| &editor.suggestions)
        && let (Some(what), Some(names)) = (&suggestions.asked, &suggestions.names.value)
    {
        assert_eq!(*names, [name_of(what)], "names of something else");
    }
    for overlay in &state.overlays {
        match overlay {
            Overlay::Audit(panel) => {
                for entry in panel.entries.value.iter().flatten() {
                    assert_eq!(
                        entry.object_id,
                        panel.object.unwrap_or_default(),
                        "{}",
                        panel.title
                    );
                }
            }
            Overlay::Explain(panel) => {
                let of = panel.flag.as_ref().map(|(id, _)| *id);
                let of = of.or_else(|| state.open.as_deref().and_then(|detail| detail.id()));
                if let Some(explanation) = &panel.answer.value {
                    let told = &explanation.assignment;
                    assert_eq!(Some(told.experiment_id), of, "the decision of another");
                    let user = update::overlays::subject(&panel.asked).expect("was asked");
                    assert_eq!(
                        told.variant_name,
                        format!("{user:?}"),
                        "the decision of another user"
                    );
                }
            }
            Overlay::Import(panel) => {
                if let Some(import) = &panel.import {
                    imported(panel.target.id, std::slice::from_ref(import));
                    for (n, row) in panel.rows.value.iter().flat_map(|page| &page.rows).enumerate() {
                        assert_eq!(
                            row.subject_id,
                            subject_of(import.id, n),
                            "the rows of another import"
                        );
                    }
                }
            }
            _ => {}
        }
    }
}
