//! Chunks that land or are taken back: each answer asks for the next one, and says what is in force.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{overrides, overrides_mut, panel, panel_mut};
use crate::api::imports::{ApplyChunks, Import, ImportState};
use crate::api::problem::Code;
use crate::cockpit::effect::Effect;
use crate::cockpit::format::{self, count, counted};
use crate::cockpit::intake::Order;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::ports::{Failure, FailureKind, ImportStep, Request, Slot};
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::import::{Focus, ImportPanel, Run, Stage};
use crate::cockpit::state::link::later;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Health, Level, State};
use crate::cockpit::update::{guard, notify};

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
            failed: 0,
        });
    }
    Ok(())
}

/// One chunk: small enough that Esc is obeyed soon.
pub(super) fn chunk(import: Uuid, undo: bool) -> ImportStep {
    let body = ApplyChunks { chunks: Some(1) };
    if undo {
        ImportStep::Undo { import, body }
    } else {
        ImportStep::Apply { import, body }
    }
}

/// Whether a step was asked for by what the card shows now: it may have been closed, and another one opened.
fn is_of(panel: &ImportPanel, request: &Request) -> bool {
    let Request::ImportStep { step, .. } = request else {
        return false;
    };
    match &**step {
        ImportStep::Stage { intake, .. } => panel.stage == Stage::Sending && panel.intake == Some(*intake),
        ImportStep::Apply { import, .. }
        | ImportStep::Undo { import, .. }
        | ImportStep::Forget { import } => panel.import.as_ref().is_some_and(|shown| shown.id == *import),
    }
}

/// The server answered a step.
pub fn stepped(
    state: &mut State,
    request: &Request,
    import: Option<Box<Import>>,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    state.requests.plan(Slot::Imports, now);
    let shown = panel(state).is_some_and(|panel| is_of(panel, request));
    let Some(import) = import else {
        if shown {
            state
                .overlays
                .retain(|overlay| !matches!(overlay, Overlay::Import(_)));
        }
        notify(state, Level::Ok, "The staged import is forgotten", now);
        return;
    };
    let Some(panel) = panel_mut(state).filter(|_| shown) else {
        arrived(state, request, &import, now, effects);
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
    if let Some(run) = &mut panel.run {
        run.failed = 0;
        panel.error = None;
    }
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
        Err(why) => refused(state, &why),
    }
}

/// The chunk that is next may not be sent: the run ends, and it is said why, what landed, and that the rest may follow.
pub fn refused(state: &mut State, why: &str) {
    let Some(panel) = panel_mut(state) else { return };
    let Some(run) = panel.run.take() else { return };
    panel.stage = Stage::Review;
    // Before the first chunk the counts are those of the dry run.
    let landed = |import: &&Import| run.undo || import.applied_chunks > 0;
    let so_far = panel.import.as_deref().filter(landed);
    let so_far = so_far.map_or_else(|| "nothing is in force".to_owned(), |import| outcome(import, run));
    let rest = if run.undo {
        "the rest can be taken back"
    } else {
        "the rest can be applied"
    };
    panel.error = Some(format!("{why}. So far {so_far}; {rest} once that may be."));
}

/// Ids arrived whose card was closed meanwhile: they need not be kept any more, and it is said where they are.
fn arrived(state: &mut State, request: &Request, import: &Import, now: Timestamp, effects: &mut Vec<Effect>) {
    let Request::ImportStep { step, .. } = request else {
        return;
    };
    let ImportStep::Stage { intake, .. } = &**step else {
        return;
    };
    // Another card may have taken them up: what is added to them there is not sent.
    if panel(state).is_none_or(|panel| panel.intake != Some(*intake)) {
        effects.push(Effect::Intake(Order::Drop { intake: *intake }));
    }
    let text = format!(
        "The dry run of {} into {} is there",
        counted(import.unique, "id", "ids"),
        import.experiment
    );
    let lists = (Context::Overrides, Command::Imports, "on its Overrides lists it");
    let text = state.keymap.after(&text, ": ", &[lists]);
    notify(state, Level::Ok, text, now);
}

/// What landed, exactly.
#[must_use]
pub fn outcome(import: &Import, run: Run) -> String {
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

/// How often a chunk is tried again by itself before a person has to: about five minutes.
const TRIES: u32 = 12;

/// Whether the same may work a moment later.
fn passes(failure: &Failure) -> bool {
    let code = failure.problem.as_ref().map(|problem| problem.code);
    failure.kind == FailureKind::Lost
        || matches!(
            code,
            Some(Code::RateLimited | Code::StoreUnavailable | Code::ShuttingDown | Code::Timeout)
        )
}

/// The chunk that is tried again; none where none failed, or one is on its way. While the server is lost, or is gone to,
/// others find out whether it is there: that passes, and ends no run.
#[must_use]
pub fn again(state: &State) -> Option<Request> {
    let there = matches!(state.api.health, Health::Unknown | Health::Up) && state.me.is_some();
    if !there || state.going_to.is_some() {
        return None;
    }
    let panel = panel(state)?;
    let run = panel.run.filter(|run| run.failed > 0)?;
    Some(Request::ImportStep {
        of: panel.target.of,
        id: panel.target.id,
        step: Box::new(chunk(panel.import.as_ref()?.id, run.undo)),
    })
}

/// Esc while nothing is on its way: the run ends at once, and the reason stays. False where a chunk is on its way.
pub(super) fn stop_waiting(state: &mut State) -> bool {
    if state.requests.pending(Slot::ImportStep).is_some() {
        return false;
    }
    if let Some(panel) = panel_mut(state) {
        panel.run = None;
        panel.stage = Stage::Review;
    }
    true
}

/// A step did not work.
pub fn failed(state: &mut State, request: &Request, failure: &Failure, now: Timestamp) {
    state.requests.plan(Slot::Imports, now);
    let again = state.keymap.sentence(
        "The chunk is tried again by itself, which is harmless: one that landed is not applied again.",
        &[(Context::Running, Command::Back, "stops")],
    );
    let Some(panel) = panel_mut(state).filter(|panel| is_of(panel, request)) else {
        notify(state, Level::Warn, failure.message.clone(), now);
        return;
    };
    if let Some(run) = panel
        .run
        .filter(|run| !run.stop && run.failed < TRIES && passes(failure))
    {
        panel.run = Some(Run {
            failed: run.failed + 1,
            ..run
        });
        panel.error = Some(format!("{again} {}", failure.message));
        let pause = Duration::from_secs(1_u64 << run.failed.min(5));
        state.requests.plan(Slot::ImportStep, later(now, pause));
        return;
    }
    let running = panel.run.take();
    panel.error = Some(match (failure.kind, running, panel.stage) {
        (FailureKind::Lost, None, Stage::Sending) => format!(
            "Not known whether the ids arrived: {} Sending them again is harmless.",
            format::ended(&failure.message)
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
        if matches!(newer.state, ImportState::Applied | ImportState::Undone) {
            // Whatever failed on the way: it is done.
            panel.error = None;
        }
    }
}
