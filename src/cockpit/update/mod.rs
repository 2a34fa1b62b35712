//! What each action does to the state. Pure: the time is a parameter, effects are plain data.

pub mod age;
pub mod analytics;
pub mod ask;
pub mod calls;
pub mod create;
mod cursors;
pub mod dialog;
pub mod drafts;
pub mod edit;
mod experiment;
pub mod export;
pub mod flag;
pub mod form;
pub mod guard;
pub mod import;
mod keys;
mod list;
pub mod live;
mod mouse;
pub mod objects;
pub mod overlays;
pub mod palette;
pub mod preferences;
mod refresh;
mod replies;
mod run;
pub mod save;
pub mod updating;

use std::time::Duration;

use jiff::Timestamp;

use super::action::Action;
use super::effect::Effect;
use super::ports::Slot;
use super::state::link::later;
use super::state::objects::Kind;
use super::state::{Dirty, Level, Notice, Screen, State};

pub use keys::{armed_at, contexts, contexts_under};
pub use refresh::next_deadline;

use keys::{lead_paste, paste, press};
use run::run;

/// How long a notice stands.
const NOTICE_FOR: Duration = Duration::from_secs(6);

/// Takes one action: changes the state and says what is to be done.
///
/// `now` must never go backwards from one call to the next.
pub fn update(state: &mut State, action: Action, now: Timestamp) -> Vec<Effect> {
    let mut effects = Vec::new();
    let lists = cursors::before(state);
    let shown = cursors::shown(state);
    let screen = state.screen;
    let by_hand = matches!(
        action,
        Action::Key(_) | Action::Command(_) | Action::Mouse(_) | Action::Paste { .. }
    );
    let (looked, said) = (state.looked(), state.notice.clone());
    match action {
        Action::Start => {
            if let Some(name) = state.settings.experiment.clone() {
                experiment::open_by_name(state, name);
            } else if state.settings.flag.is_some() {
                // Its page is opened from the list, once that is known.
                state.screen = Screen::Objects(Kind::Flags);
            }
            state.touch(Dirty::Now);
        }
        Action::Key(key) => {
            press(state, key, now, &mut effects);
            state.touch(Dirty::Now);
        }
        Action::Paste {
            text,
            truncated,
            more,
        } => {
            lead_paste(state, &text, now);
            if import::takes_pieces(state) {
                let truncated = truncated && !more;
                import::paste(state, &text, import::Cut { truncated, more }, now, &mut effects);
            } else {
                paste(state, &text, truncated && !more, now);
            }
            if truncated && more {
                notify(
                    state,
                    Level::Warn,
                    "The paste pauses: what comes is still text, until its end, ten seconds of silence, or Esc. The \
                     path of a file does without a paste",
                    now,
                );
            }
            state.touch(Dirty::Now);
        }
        Action::Command(command) => {
            run(state, command, now, &mut effects);
            state.touch(Dirty::Now);
        }
        Action::Resize { width, height } => {
            if state.size != (width, height) {
                state.size = (width, height);
                state.touch(Dirty::Now);
            }
        }
        Action::Focus(focused) => {
            if focused && !state.focused {
                live::catch_up(state, now);
            }
            state.focused = focused;
        }
        Action::Tick => {}
        Action::Continued => {
            effects.push(Effect::Repaint);
            state.touch(Dirty::Now);
        }
        Action::Laid { rows, last } => {
            // Told after each frame: nothing else may come of it.
            experiment::laid(state, rows, last);
            return effects;
        }
        Action::Saved(outcome) => {
            export::saved(state, outcome, now);
            state.touch(Dirty::Now);
        }
        Action::Export(told) => export::told(state, told, now, &mut effects),
        Action::Read(read) => {
            preferences::read(state, *read, now, &mut effects);
            state.touch(Dirty::Now);
        }
        Action::Connected(to) => {
            preferences::connected(state, *to, now, &mut effects);
            state.touch(Dirty::Now);
        }
        Action::Failed(why) => {
            state.going_to = None;
            state.renewing = false;
            notify(state, Level::Warn, why.clone(), now);
            export::not_renewed(state, &why, &mut effects);
        }
        Action::Mouse(mouse) => {
            mouse::take(state, mouse, now, &mut effects);
            state.touch(Dirty::Now);
        }
        Action::Intake(told) => import::told(state, told, now, &mut effects),
        Action::DraftFound { key, found } => {
            drafts::found(state, &key, found, now, &mut effects);
            create::begin(state, now);
            let mut waited = edit::let_go(state).into_iter();
            if !edit::takes_text(state)
                && let Some(first) = waited.next()
            {
                press(state, first, now, &mut effects);
            }
            // What was typed blind behind a key that opened nothing is no commands.
            if edit::takes_text(state) {
                for key in waited {
                    press(state, key, now, &mut effects);
                }
            }
            state.touch(Dirty::Now);
        }
        Action::DraftsListed { place, objects } => {
            drafts::listed(state, &place, objects);
            state.touch(Dirty::Data);
        }
        Action::DraftLost(why) => {
            // It stands above everything until it is not so any more.
            state.not_on_disk = Some(why);
            state.touch(Dirty::Now);
        }
        Action::DraftsKept => {
            state.not_on_disk = None;
            state.touch(Dirty::Now);
        }
        Action::Reply(reply) => {
            replies::take(state, *reply, now, &mut effects);
            calls::look(state, now, &mut effects);
        }
    }
    if state.notice != said {
        if let Some(notice) = &mut state.notice {
            notice.here = by_hand;
        }
    } else if by_hand && said.is_some_and(|notice| notice.here) && state.looked() != looked {
        // It spoke of what was looked at before: `Copied …`, `This is the last page`.
        state.notice = None;
    }
    create::begin(state, now);
    drafts::settle(state, now, &mut effects);
    guard::follow(state, now);
    dialog::follow_test(state);
    cursors::stay(state, lists);
    cursors::stay_on_rows(state, shown);
    if state.screen == Screen::Experiments && screen != state.screen {
        // It was asked less often while nobody looked at it.
        state.requests.plan(Slot::Experiments, now);
    }
    refresh::start_due(state, now, &mut effects);
    // Last: what is on its way now decides how often relative times are brought up to date.
    live::pass_time(state, now);
    effects
}

/// What was sent failed. Where its dialog was left before, nobody may look: it stands above everything until it was seen.
fn not_done(state: &mut State, slot: Slot, text: String, now: Timestamp) {
    match state.left_sent.remove(&slot) {
        Some(what) => failed_meanwhile(state, format!("{what}: {text}")),
        None => notify(state, Level::Warn, text, now),
    }
}

/// What failed while one goes on with something else stands above everything until Esc says that it was seen.
fn failed_meanwhile(state: &mut State, text: String) {
    state.failures.push(text);
    state.touch(Dirty::Data);
}

/// Says in one line what just happened.
pub fn notify(state: &mut State, level: Level, text: impl Into<String>, now: Timestamp) {
    state.notice = Some(Notice {
        text: text.into(),
        level,
        until: later(now, NOTICE_FOR),
        here: false,
    });
    state.touch(Dirty::Data);
}
