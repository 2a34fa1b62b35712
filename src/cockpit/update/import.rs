//! Bulk import: collecting ids, the dry run, chunks.

use jiff::Timestamp;
use uuid::Uuid;

use super::{NOTICE_FOR, experiment, form, guard, notify};
use crate::api::imports::{ApplyChunks, Import, ImportState, RowEffect, StartImport};
use crate::cockpit::edit::Of;
use crate::cockpit::effect::Effect;
use crate::cockpit::format::count;
use crate::cockpit::intake::{Left, Order, Source, Told};
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::ports::{Failure, FailureKind, ImportStep, Request, Slot};
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::import::{BURST, Before, Focus, ImportPanel, ImportsPanel, Run, Stage, Target};
use crate::cockpit::state::link::later;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::overrides::OverridesState;
use crate::cockpit::state::{Level, Screen, State, Tab};
use crate::domain::OverrideSubject;

/// The panel, wherever it lies.
pub fn panel_mut(state: &mut State) -> Option<&mut ImportPanel> {
    state.overlays.iter_mut().rev().find_map(|overlay| match overlay {
        Overlay::Import(panel) => Some(&mut **panel),
        _ => None,
    })
}

/// The panel, wherever it lies.
#[must_use]
pub fn panel(state: &State) -> Option<&ImportPanel> {
    state.overlays.iter().rev().find_map(|overlay| match overlay {
        Overlay::Import(panel) => Some(&**panel),
        _ => None,
    })
}

/// Whether typed and pasted text goes to the card in pieces of any size.
#[must_use]
pub fn takes_pieces(state: &State) -> bool {
    matches!(
        state.overlays.last(),
        Some(Overlay::Import(panel)) if panel.stage == Stage::Collect && panel.focus == Focus::Ids
    )
}

/// What the overrides that are looked at, or those of what a command is about, are of.
fn target(state: &State) -> Option<Target> {
    match super::flag::target(state) {
        Some(flag) => Some(Target::from(flag)),
        None => experiment::target(state).map(|experiment| Target::from(&**experiment)),
    }
}

/// The overrides that are looked at: of the open flag or experiment.
#[must_use]
pub fn overrides(state: &State) -> Option<&OverridesState> {
    match state.screen {
        Screen::Flag => state.objects.flag.as_deref()?.overrides.as_ref(),
        _ => state.open.as_deref().map(|detail| &detail.overrides),
    }
}

/// The same, to be changed.
pub fn overrides_mut(state: &mut State) -> Option<&mut OverridesState> {
    match state.screen {
        Screen::Flag => state.objects.flag.as_deref_mut()?.overrides.as_mut(),
        _ => state.open.as_deref_mut().map(|detail| &mut detail.overrides),
    }
}

/// `i`: a new import into what is looked at.
pub fn open(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(target) = target(state) else {
        notify(state, Level::Info, "There is no experiment here yet", now);
        return;
    };
    // What the difference is made against lies below.
    match target.of {
        Of::Experiment => {
            experiment::load(state, target.id, now, effects);
            if let Some(detail) = state.open.as_deref_mut() {
                detail.tab = Tab::Overrides;
            }
            state.screen = Screen::Experiment;
        }
        Of::Flag => {
            if let Some(detail) = state.objects.flag.as_deref_mut() {
                detail.overrides.get_or_insert_default();
            }
        }
    }
    effects.push(Effect::Intake(Order::Find {
        experiment: target.id,
    }));
    state
        .overlays
        .push(Overlay::Import(Box::new(ImportPanel::new(target))));
}

/// The cockpit was started with `--import`: opens the panel once everything for it is known.
pub fn open_if_asked(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let known = match state.screen {
        Screen::Flag => state.objects.open_flag().is_some(),
        _ => state.detail().is_some_and(|d| d.config().is_some()),
    };
    if state.me.is_none() || !known {
        return;
    }
    let Some(from) = state.settings.import.take() else {
        return;
    };
    // Of an experiment that there is not, nothing goes to the next one that is opened.
    if let Some(name) = &state.settings.experiment
        && !target(state).is_some_and(|target| target.is_experiment(name))
    {
        return;
    }
    if let Some(why) = guard::refusal(state, now) {
        notify(state, Level::Warn, why, now);
        return;
    }
    open(state, now, effects);
    let path = (from != "-").then_some(from);
    read(state, path, now, effects);
}

/// `I`: the imports of what is looked at.
pub fn open_list(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(target) = target(state) else {
        notify(state, Level::Info, "There is no experiment here yet", now);
        return;
    };
    if target.of == Of::Experiment {
        experiment::load(state, target.id, now, effects);
    }
    state.requests.plan(Slot::Imports, now);
    state.overlays.push(Overlay::Imports(ImportsPanel::default()));
}

/// Begins an intake where there is none; its name.
fn intake(state: &mut State, source: Source, effects: &mut Vec<Effect>) -> Option<Uuid> {
    let fresh = state.requests.uuid();
    let panel = panel_mut(state)?;
    if let Some(intake) = panel.intake {
        return Some(intake);
    }
    panel.intake = Some(fresh);
    panel.source = source;
    effects.push(Effect::Intake(Order::Begin {
        intake: fresh,
        experiment: panel.target.id,
    }));
    Some(fresh)
}

/// How a piece of a paste ends.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// The paste was cut because it was longer than the terminal input takes.
    pub truncated: bool,
    /// More of the same paste follows.
    pub more: bool,
}

/// A piece of pasted text, cut anywhere.
///
/// The end of a paste is the end of an id: the card would count all but the last one.
pub fn paste(state: &mut State, text: &str, cut: Cut, now: Timestamp, effects: &mut Vec<Effect>) {
    let Cut { truncated, more } = cut;
    add(state, text, now, effects);
    if !more && !truncated && panel(state).is_some_and(|panel| panel.open_line) {
        add(state, "\n", now, effects);
    }
    if truncated {
        notify(
            state,
            Level::Warn,
            "The end of the paste never came, or it was too long: a file is safer for so many ids",
            now,
        );
    }
}

fn add(state: &mut State, text: &str, now: Timestamp, effects: &mut Vec<Effect>) {
    if text.is_empty() && panel(state).is_none_or(|panel| panel.line.text().is_empty()) {
        return;
    }
    let Some(intake) = intake(state, Source::Pasted, effects) else {
        return;
    };
    let Some(panel) = panel_mut(state) else { return };
    let mut piece = panel.line.text().to_owned();
    panel.line.clear();
    piece.push_str(text);
    panel.open_line = !piece.ends_with(['\n', '\r', ',']);
    panel.last_piece = Some(now);
    panel.counting = true;
    panel.error = None;
    panel.discard_until = None;
    effects.push(Effect::Intake(Order::Add { intake, text: piece }));
}

/// Reads a file, or standard input. What was there stays until that is done.
fn read(state: &mut State, path: Option<String>, now: Timestamp, effects: &mut Vec<Effect>) {
    let source = path.clone().map_or(Source::Stdin, Source::File);
    if panel(state).is_some_and(|panel| !panel.line.text().is_empty()) {
        add(state, "\n", now, effects);
    }
    let Some(panel) = panel_mut(state) else { return };
    if let Some(intake) = panel.intake.take() {
        if panel.before.is_some() {
            // A file that is being read gives way to another one.
            effects.push(Effect::Intake(Order::Drop { intake }));
        } else {
            panel.before = Some(Box::new(Before {
                intake,
                source: std::mem::replace(&mut panel.source, Source::Pasted),
                tally: std::mem::take(&mut panel.tally),
                counting: panel.counting,
            }));
        }
    }
    empty(panel);
    let Some(intake) = intake(state, source, effects) else {
        return;
    };
    if let Some(panel) = panel_mut(state) {
        panel.counting = true;
        panel.focus = Focus::Variant;
        if let Some(path) = &path {
            panel.path = crate::cockpit::state::text::TextField::new(path);
        }
    }
    effects.push(Effect::Intake(Order::Read { intake, path }));
}

/// The card as it is without ids.
fn empty(panel: &mut ImportPanel) {
    panel.intake = None;
    panel.line.clear();
    panel.open_line = false;
    panel.tally = Default::default();
    panel.counting = false;
    panel.error = None;
    panel.source = Source::Pasted;
    panel.discard_until = None;
}

/// Nothing comes of what was to take their place: the ids from before are those of the card again.
fn bring_back(panel: &mut ImportPanel) {
    if let Some(before) = panel.before.take() {
        panel.intake = Some(before.intake);
        panel.source = before.source;
        panel.tally = before.tally;
        panel.counting = before.counting;
    }
}

/// Forgets the ids of the card, and their file. Asks first where there are any; a file that is still read is only
/// left.
fn discard(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let key = state
        .keymap
        .keys(&[Context::Collect], Command::ImportDiscard)
        .next();
    let Some(panel) = panel_mut(state) else { return };
    let reading = panel.before.is_some();
    let some = panel.intake.is_some() || !panel.line.text().is_empty();
    let sure = panel.discard_until.is_some_and(|until| now < until);
    if some && !reading && !sure {
        panel.discard_until = Some(later(now, NOTICE_FOR));
        let ids = match panel.tally.received {
            0 => "ids".to_owned(),
            n => format!("{} ids", count(n)),
        };
        let key = key.map_or_else(|| "The same".to_owned(), |key| key.to_string());
        let text = format!("{key} once more throws the {ids} away: nothing brings them back");
        notify(state, Level::Warn, text, now);
        return;
    }
    if let Some(intake) = panel.intake {
        effects.push(Effect::Intake(Order::Drop { intake }));
    }
    empty(panel);
    bring_back(panel);
    let text = if reading {
        "The file is left; the ids from before stay"
    } else if some {
        "The ids are thrown away"
    } else {
        "There are no ids to throw away"
    };
    notify(state, Level::Info, text, now);
}

/// What is told of an intake.
pub fn told(state: &mut State, told: Told, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel_mut(state) else { return };
    match told {
        Told::Found(left) => panel.left = left,
        Told::Counted { intake, tally, done } if panel.intake == Some(intake) => {
            panel.tally = *tally;
            panel.counting = !done;
            if done {
                replaced(state, now, effects);
            }
        }
        Told::Failed { intake, message } if panel.intake == Some(intake) => {
            // Nothing of it can be used: another try begins anew.
            empty(panel);
            bring_back(panel);
            panel.error = Some(message);
        }
        Told::Counted { intake, tally, done } => {
            if let Some(before) = panel.before.as_mut().filter(|b| b.intake == intake) {
                before.tally = *tally;
                before.counting = !done;
            }
        }
        Told::Failed { intake, message } => {
            if panel.before.as_ref().is_some_and(|b| b.intake == intake) {
                panel.before = None;
                panel.error = Some(message);
            }
        }
        Told::Completed { asked, path, names } if panel.path.text() == asked => {
            panel.path = crate::cockpit::state::text::TextField::new(&path);
            panel.completions = names;
            panel.completed = Some(path);
        }
        Told::Completed { .. } => {}
    }
    state.touch(crate::cockpit::state::Dirty::Data);
}

/// A file was read to its end. Ids that are nowhere else stay, and are offered; those of another file go.
fn replaced(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel_mut(state) else { return };
    let Some(before) = panel.before.take() else { return };
    let Before { intake, tally, .. } = *before;
    if matches!(before.source, Source::File(_)) || (tally.received == 0 && !before.counting) {
        effects.push(Effect::Intake(Order::Drop { intake }));
        return;
    }
    panel.left.insert(
        0,
        Left {
            intake,
            bytes: tally.bytes,
            at: now.as_second(),
        },
    );
    notify(
        state,
        Level::Info,
        "The ids from before are kept: the next import into the same offers them",
        now,
    );
}

/// A command in the panel.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel(state) else { return };
    match panel.stage {
        Stage::Collect => collect(state, command, now, effects),
        Stage::Review => review(state, command, now),
        Stage::Sending | Stage::Running => {}
    }
}

fn collect(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel_mut(state) else { return };
    if command != Command::ImportDiscard {
        panel.discard_until = None;
    }
    let at = Focus::ALL.iter().position(|f| *f == panel.focus).unwrap_or(0);
    let step = |by: usize| Focus::ALL[(at + by) % Focus::ALL.len()];
    match command {
        Command::NextField => go(state, step(1), now, effects),
        Command::PreviousField => go(state, step(Focus::ALL.len() - 1), now, effects),
        Command::Less | Command::More | Command::Toggle => choose(panel, command == Command::Less),
        // Where nothing is typed, or nothing more can be completed, it goes on like everywhere else.
        Command::ImportComplete
            if panel.focus == Focus::Path
                && !panel.path.is_blank()
                && panel.completed.as_deref() != Some(panel.path.text()) =>
        {
            let path = panel.path.text().to_owned();
            effects.push(Effect::Intake(Order::Complete { path }));
        }
        Command::ImportDiscard => discard(state, now, effects),
        Command::ImportComplete => go(state, step(1), now, effects),
        Command::ImportLeft => take_left(state, effects),
        Command::ImportMalformed => panel.malformed = !panel.malformed,
        Command::Press => match panel.focus {
            Focus::Ids => enter(state, now, effects),
            Focus::Path if panel.path.is_blank() => go(state, step(1), now, effects),
            Focus::Path => {
                let path = panel.path.text().trim().to_owned();
                read(state, Some(path), now, effects);
            }
            Focus::Variant | Focus::Subject => go(state, step(1), now, effects),
            Focus::Cancel => close(state, now),
            Focus::Check => check(state, now, effects),
        },
        _ => {}
    }
}

/// Return in the card: the end of an id while one is typed or a paste is under way, else on to the next field.
fn enter(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel(state) else { return };
    let burst = panel.last_piece.is_some_and(|at| now < later(at, BURST));
    if !panel.line.text().is_empty() || panel.open_line || burst {
        add(state, "\n", now, effects);
    } else {
        go(state, Focus::Variant, now, effects);
    }
}

fn go(state: &mut State, to: Focus, now: Timestamp, effects: &mut Vec<Effect>) {
    let leaves_line = panel(state).is_some_and(|p| p.focus == Focus::Ids && !p.line.text().is_empty());
    if leaves_line {
        add(state, "\n", now, effects);
    }
    if let Some(panel) = panel_mut(state) {
        panel.focus = to;
    }
}

fn choose(panel: &mut ImportPanel, back: bool) {
    match panel.focus {
        Focus::Variant => {
            let len = panel.target.variants.len().max(1);
            panel.variant = (panel.variant + if back { len - 1 } else { 1 }) % len;
        }
        Focus::Subject => {
            panel.subject = match panel.subject {
                OverrideSubject::User => OverrideSubject::Device,
                OverrideSubject::Device => OverrideSubject::User,
            };
        }
        Focus::Cancel => panel.focus = Focus::Check,
        Focus::Check => panel.focus = Focus::Cancel,
        Focus::Ids | Focus::Path => {}
    }
}

/// Takes up what a former cockpit left.
fn take_left(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(panel) = panel_mut(state) else { return };
    if panel.intake.is_some() || panel.left.is_empty() {
        return;
    }
    let left = panel.left.remove(0);
    panel.intake = Some(left.intake);
    panel.source = Source::Kept;
    panel.counting = true;
    effects.push(Effect::Intake(Order::Recount { intake: left.intake }));
}

/// Why the dry run cannot be asked for; none when it can.
#[must_use]
pub fn not_ready(panel: &ImportPanel) -> Option<&'static str> {
    if panel.intake.is_none() {
        Some("There are no ids yet: paste them, or name a file")
    } else if panel.counting {
        Some("The ids are still being counted")
    } else if panel.tally.truncated {
        Some("Only the first 64 MB were taken: split the list, and send one part after the other")
    } else if panel.tally.unique == 0 {
        Some("None of the ids can be used")
    } else {
        None
    }
}

/// Sends the ids for the dry run.
fn check(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel(state) else { return };
    let outcome = match (not_ready(panel), panel.intake) {
        (Some(why), _) => Err(why.to_owned()),
        (None, None) => return,
        (None, Some(intake)) => {
            let Some(variant) = panel.target.variants.get(panel.variant) else {
                return;
            };
            let request = Request::ImportStep {
                of: panel.target.of,
                id: panel.target.id,
                step: Box::new(ImportStep::Stage {
                    intake,
                    query: StartImport {
                        variant: variant.key.clone(),
                        subject_type: panel.subject,
                        source_name: Some(panel.source.name()),
                    },
                }),
            };
            guard::write(state, request, now)
        }
    };
    let Some(panel) = panel_mut(state) else { return };
    match outcome {
        Ok(effect) => {
            panel.stage = Stage::Sending;
            panel.sent_at = Some(now);
            panel.error = None;
            effects.push(effect);
        }
        Err(why) => panel.error = Some(why),
    }
}

fn review(state: &mut State, command: Command, now: Timestamp) {
    let Some(panel) = panel_mut(state) else { return };
    match command {
        Command::Search => panel.filtering = true,
        Command::ImportEffect => {
            panel.effect = match panel.effect {
                None => Some(RowEffect::Added),
                Some(RowEffect::Added) => Some(RowEffect::Changed),
                Some(RowEffect::Changed) => Some(RowEffect::Unchanged),
                Some(RowEffect::Unchanged) => None,
            };
            panel.question_changed();
        }
        Command::ImportMalformed => panel.malformed = !panel.malformed,
        Command::NextPage | Command::PreviousPage => {
            let moved = if command == Command::NextPage {
                panel.next_page()
            } else {
                panel.previous_page()
            };
            if !moved {
                notify(state, Level::Info, "There are no more rows that way", now);
            }
        }
        Command::Press => {
            let import = panel.import.clone();
            match import {
                Some(import) if may_apply(&import) => form::open(state, Purpose::ApplyImport(import), now),
                Some(import) if import.state == ImportState::Undoing => {
                    form::open(state, Purpose::UndoImport(import), now);
                }
                _ => notify(state, Level::Info, "It is in force already; u takes it back", now),
            }
        }
        Command::ImportUndo => match panel.import.clone() {
            Some(import) if import.applied_chunks > 0 => form::open(state, Purpose::UndoImport(import), now),
            _ => notify(
                state,
                Level::Info,
                "Nothing of it is in force: there is nothing to undo",
                now,
            ),
        },
        Command::ImportForget => match panel.import.clone() {
            Some(import) if import.state == ImportState::Staged => {
                form::open(state, Purpose::ForgetImport(import), now);
            }
            _ => notify(
                state,
                Level::Info,
                "Only an import of which nothing is in force is forgotten",
                now,
            ),
        },
        _ => {}
    }
}

/// Whether chunks of it may be applied.
#[must_use]
pub fn may_apply(import: &Import) -> bool {
    matches!(import.state, ImportState::Staged | ImportState::Applying)
}

/// A command in the list of imports.
pub fn list_command(state: &mut State, command: Command, now: Timestamp) {
    let Some(Overlay::Imports(list)) = state.overlays.last() else {
        return;
    };
    let selected = list.selected;
    let imports = overrides(state).and_then(|overrides| overrides.imports.value.as_ref());
    let (Some(target), Some(imports)) = (target(state), imports) else {
        return;
    };
    let Some(import) = imports.get(selected.min(imports.len().saturating_sub(1))) else {
        return;
    };
    let panel = ImportPanel::of(target, import.clone());
    match command {
        Command::Press | Command::ImportUndo | Command::ImportForget => {
            state.overlays.push(Overlay::Import(Box::new(panel)));
            if command != Command::Press {
                review(state, command, now);
            }
        }
        _ => {}
    }
}

/// The dialog about an import was confirmed.
///
/// # Errors
/// Why it is refused.
pub fn confirmed(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) -> Result<(), String> {
    let Some(Overlay::Form(form)) = state.overlays.last() else {
        return Ok(());
    };
    let undo = matches!(form.purpose, Purpose::UndoImport(_));
    let (Purpose::ApplyImport(import) | Purpose::UndoImport(import) | Purpose::ForgetImport(import)) =
        &form.purpose
    else {
        return Ok(());
    };
    let forget = matches!(form.purpose, Purpose::ForgetImport(_));
    let (id, began_chunks) = (import.id, import.applied_chunks);
    let (of, target) = panel(state)
        .map(|p| (p.target.of, p.target.id))
        .ok_or("the import is gone")?;
    let step = if forget {
        ImportStep::Forget { import: id }
    } else {
        chunk(id, undo)
    };
    let request = Request::ImportStep {
        of,
        id: target,
        step: Box::new(step),
    };
    let effect = guard::write(state, request, now)?;
    effects.push(effect);
    state.overlays.pop();
    if let Some(panel) = panel_mut(state)
        && !forget
    {
        panel.stage = Stage::Running;
        panel.error = None;
        panel.run = Some(Run {
            undo,
            began_at: now,
            began_chunks,
            stop: false,
        });
    }
    Ok(())
}

/// One chunk: small enough that Esc is obeyed soon.
fn chunk(import: Uuid, undo: bool) -> ImportStep {
    let body = ApplyChunks { chunks: Some(1) };
    if undo {
        ImportStep::Undo { import, body }
    } else {
        ImportStep::Apply { import, body }
    }
}

/// The server answered a step.
pub fn stepped(state: &mut State, import: Option<Box<Import>>, now: Timestamp, effects: &mut Vec<Effect>) {
    state.requests.plan(Slot::Imports, now);
    let Some(panel) = panel_mut(state) else { return };
    let Some(import) = import else {
        state
            .overlays
            .retain(|overlay| !matches!(overlay, Overlay::Import(_)));
        notify(state, Level::Ok, "The staged import is forgotten", now);
        return;
    };
    if panel.stage == Stage::Sending {
        panel.stage = Stage::Review;
        panel.focus = Focus::Ids;
        if let Some(intake) = panel.intake.take() {
            effects.push(Effect::Intake(Order::Drop { intake }));
        }
    }
    if panel
        .import
        .as_ref()
        .is_none_or(|known| known.id == import.id || panel.run.is_none())
    {
        panel.import = Some(import);
    }
    panel.asked = None;
    let (Some(run), Some(import)) = (panel.run, &panel.import) else {
        return;
    };
    let whole = if run.undo {
        matches!(import.state, ImportState::Undone | ImportState::Staged) || import.applied_chunks == 0
    } else {
        import.state == ImportState::Applied
    };
    if whole || run.stop {
        let text = outcome(import, run);
        panel.run = None;
        panel.stage = Stage::Review;
        // The table below has other rows now.
        if let Some(overrides) = overrides_mut(state) {
            overrides.asked = None;
        }
        notify(state, Level::Ok, text, now);
        return;
    }
    let request = Request::ImportStep {
        of: panel.target.of,
        id: panel.target.id,
        step: Box::new(chunk(import.id, run.undo)),
    };
    match guard::write(state, request, now) {
        Ok(effect) => effects.push(effect),
        Err(why) => {
            if let Some(panel) = panel_mut(state) {
                panel.run = None;
                panel.stage = Stage::Review;
                panel.error = Some(why);
            }
        }
    }
}

/// What landed, exactly.
#[must_use]
pub fn outcome(import: &Import, run: Run) -> String {
    use crate::cockpit::format::counted;
    let chunks = |n: u32| counted(u64::from(n), "chunk", "chunks");
    if run.undo {
        let kept = match import.kept {
            0 => String::new(),
            n => format!("; {} left alone, changed by somebody else meanwhile", count(n)),
        };
        return format!(
            "{} taken back, {} of {} still in force: {} have their former override{kept}",
            chunks(run.began_chunks.saturating_sub(import.applied_chunks)),
            import.applied_chunks,
            import.chunks,
            count(import.undone),
        );
    }
    format!(
        "{} of {} in force: {} added, {} changed, {} unchanged",
        import.applied_chunks,
        chunks(import.chunks),
        count(import.effect.added),
        count(import.effect.changed),
        count(import.effect.unchanged),
    )
}

/// A step did not work.
pub fn failed(state: &mut State, failure: &Failure, now: Timestamp) {
    state.requests.plan(Slot::Imports, now);
    let Some(panel) = panel_mut(state) else {
        notify(state, Level::Warn, failure.message.clone(), now);
        return;
    };
    let running = panel.run.take();
    panel.error = Some(match (failure.kind, running, panel.stage) {
        (FailureKind::Lost, None, Stage::Sending) => format!(
            "Not known whether the ids arrived: {}. Sending them again is harmless.",
            failure.message
        ),
        (FailureKind::Lost, Some(_), _) => format!(
            "Not known whether the last chunk landed; going on is harmless, a chunk that landed is not applied \
             again. {}",
            failure.message
        ),
        _ => failure.message.clone(),
    });
    panel.stage = match panel.stage {
        Stage::Sending | Stage::Collect => Stage::Collect,
        Stage::Running | Stage::Review => Stage::Review,
    };
    if panel.stage == Stage::Collect {
        panel.focus = Focus::Check;
    }
}

/// The server told of all imports: the open one may have gone on.
pub fn adopt(state: &mut State) {
    let Some(imports) = overrides(state).and_then(|overrides| overrides.imports.value.clone()) else {
        return;
    };
    if let Some(panel) = panel_mut(state)
        && panel.run.is_none()
        && let Some(known) = &mut panel.import
        && let Some(newer) = imports.iter().find(|i| i.id == known.id)
    {
        **known = newer.clone();
        // What was not known is known now: the server says how far it is.
        panel.error = None;
    }
}

/// Esc: out of the filter, back from the malformed ids, stop after the chunk, close. True when it was used up.
pub fn back(state: &mut State, now: Timestamp) -> bool {
    let Some(Overlay::Import(panel)) = state.overlays.last_mut() else {
        return false;
    };
    if panel.filtering {
        panel.filtering = false;
    } else if panel.malformed {
        panel.malformed = false;
    } else if let Some(run) = &mut panel.run {
        run.stop = true;
        notify(
            state,
            Level::Info,
            "Stops after the chunk that is on its way",
            now,
        );
    } else if panel.stage == Stage::Sending {
        notify(
            state,
            Level::Info,
            "The ids are on their way; the dry run puts nothing in force, and can be forgotten",
            now,
        );
    } else if panel.stage == Stage::Review && !panel.filter.text().is_empty() {
        panel.filter.clear();
        panel.question_changed();
    } else {
        close(state, now);
    }
    true
}

fn close(state: &mut State, now: Timestamp) {
    let kept = panel(state).is_some_and(|p| p.before.is_some() || p.intake.is_some() && p.tally.received > 0);
    if matches!(state.overlays.last(), Some(Overlay::Import(_))) {
        state.overlays.pop();
    }
    if kept {
        notify(
            state,
            Level::Info,
            "The ids are kept: the next import into the same offers them",
            now,
        );
    }
}

/// Moves the cursor among the rows.
pub fn move_by(panel: &mut ImportPanel, by: isize) {
    let rows = panel.rows.value.as_ref().map_or(0, |page| page.rows.len());
    let at = panel.selected;
    if by == 1 && at + 1 >= rows && panel.next_page() {
        return;
    }
    panel.selected = at.saturating_add_signed(by).min(rows.saturating_sub(1));
}
