//! The first page of the card: ids come in, are counted, thrown away and taken up again.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Cut, check, close, panel, panel_mut};
use crate::cockpit::effect::Effect;
use crate::cockpit::format::{count, counted};
use crate::cockpit::intake::{KEPT_DAYS, Left, Order, Source, Told};
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::import::{BURST, Before, Focus, ImportPanel};
use crate::cockpit::state::link::later;
use crate::cockpit::state::{Level, State};
use crate::cockpit::update::{NOTICE_FOR, notify};
use crate::domain::OverrideSubject;

/// Begins an intake where there is none; its name.
pub(super) fn intake(state: &mut State, source: Source, effects: &mut Vec<Effect>) -> Option<Uuid> {
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

pub(super) fn add(state: &mut State, text: &str, now: Timestamp, effects: &mut Vec<Effect>) {
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
pub(super) fn read(state: &mut State, path: Option<String>, now: Timestamp, effects: &mut Vec<Effect>) {
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
pub(super) fn empty(panel: &mut ImportPanel) {
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
pub(super) fn bring_back(panel: &mut ImportPanel) {
    if let Some(before) = panel.before.take() {
        panel.intake = Some(before.intake);
        panel.source = before.source;
        panel.tally = before.tally;
        panel.counting = before.counting;
    }
}

/// Forgets the ids of the card, and their file. Asks first where there are any; a file that is still read is only
/// left.
pub(super) fn discard(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
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
            n => counted(n, "id", "ids"),
        };
        let key = key.map_or_else(|| "The same".to_owned(), |key| key.word());
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
    if let Told::Swept(cards) = told {
        let ids = match cards {
            1 => "The ids of a card that were".to_owned(),
            n => format!("The ids of {} cards that were", count(n)),
        };
        let text = format!("{ids} not sent for {KEPT_DAYS} days are thrown away");
        notify(state, Level::Info, text, now);
        return;
    }
    let Some(panel) = panel_mut(state) else { return };
    match told {
        Told::Found(left) => panel.left = left,
        Told::Swept(_) => {}
        Told::Counted { intake, tally, done } if panel.intake == Some(intake) => {
            panel.tally = *tally;
            panel.counting = !done;
            if done {
                replaced(state, now, effects);
            }
        }
        Told::Failed { intake, message } if panel.intake == Some(intake) => {
            // Nothing of it can be used: another try begins anew.
            if matches!(panel.source, Source::File(_)) && panel.focus != Focus::Ids {
                // What is typed next is another path. Who types ids by now is not disturbed.
                panel.focus = Focus::Path;
            }
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
pub(super) fn replaced(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
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

pub(super) fn collect(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
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
            Focus::Cancel => close(state, now, effects),
            Focus::Check => check(state, now, effects),
        },
        _ => {}
    }
}

/// Return in the card: the end of an id while one is typed or a paste is under way, else on to the next field.
pub(super) fn enter(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(panel) = panel(state) else { return };
    let burst = panel.last_piece.is_some_and(|at| now < later(at, BURST));
    if !panel.line.text().is_empty() || panel.open_line || burst {
        add(state, "\n", now, effects);
    } else {
        go(state, Focus::Variant, now, effects);
    }
}

pub(super) fn go(state: &mut State, to: Focus, now: Timestamp, effects: &mut Vec<Effect>) {
    let leaves_line = panel(state).is_some_and(|p| p.focus == Focus::Ids && !p.line.text().is_empty());
    if leaves_line {
        add(state, "\n", now, effects);
    }
    if let Some(panel) = panel_mut(state) {
        panel.focus = to;
    }
}

pub(super) fn choose(panel: &mut ImportPanel, back: bool) {
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
pub(super) fn take_left(state: &mut State, effects: &mut Vec<Effect>) {
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

/// The part of the card that [`not_ready`] is about; none where one can only wait.
pub(super) fn in_question(panel: &ImportPanel) -> Option<Focus> {
    wants_ids(panel).then_some(Focus::Ids)
}

/// Whether there are no ids yet that a dry run could be made of, and none that are being counted.
#[must_use]
pub fn wants_ids(panel: &ImportPanel) -> bool {
    let waits = panel.intake.is_some() && panel.counting;
    not_ready(panel).is_some() && !waits
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
