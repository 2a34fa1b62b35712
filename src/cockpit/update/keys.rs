//! Where a key or a paste goes: what is on top, the field that is typed into, or a command.

use jiff::Timestamp;

use super::run::run;
use super::{analytics, edit, form, notify, objects};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::editor::Input;
use crate::cockpit::state::import::{Focus, Stage};
use crate::cockpit::state::objects::Kind;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::text::TextField;
use crate::cockpit::state::{Level, Screen, State, Tab};
use crate::cockpit::{Code, Key};

/// Where the keys go, the most specific first.
#[must_use]
pub fn contexts(state: &State) -> Vec<Context> {
    contexts_under(state, &state.overlays)
}

/// Where the keys would go with only these overlays open: help speaks of what lies below it.
#[must_use]
pub fn contexts_under(state: &State, overlays: &[Overlay]) -> Vec<Context> {
    if let Some(overlay) = overlays.last() {
        return match overlay {
            Overlay::Help { .. } | Overlay::Evidence { .. } => {
                vec![Context::Panel, Context::Rows, Context::Global, Context::Always]
            }
            Overlay::History { .. } | Overlay::Audit(_) => vec![
                Context::Log,
                Context::Panel,
                Context::Rows,
                Context::Global,
                Context::Always,
            ],
            Overlay::Palette(_) => vec![Context::Palette, Context::Always],
            Overlay::Step(_) | Overlay::Ask(_) | Overlay::Form(_) => {
                vec![Context::Dialog, Context::Always]
            }
            Overlay::Conflicts { .. } => vec![Context::Conflicts, Context::Always],
            Overlay::Wiring(_) => vec![
                Context::Wiring,
                Context::Panel,
                Context::Rows,
                Context::Global,
                Context::Always,
            ],
            Overlay::Secret(_) => vec![Context::Secret, Context::Always],
            Overlay::Imports(_) => vec![Context::Imports, Context::Rows, Context::Always],
            Overlay::Import(panel) => match panel.stage {
                Stage::Collect => vec![Context::Collect, Context::Always],
                Stage::Review if panel.filtering => vec![Context::Search, Context::Always],
                Stage::Review => vec![Context::Review, Context::Rows, Context::Always],
                Stage::Sending | Stage::Running => vec![Context::Running, Context::Always],
            },
            Overlay::Explain(_) => vec![Context::Explain, Context::Always],
            Overlay::Settings(_) => {
                vec![Context::Settings, Context::Rows, Context::Global, Context::Always]
            }
        };
    }
    if state.editor().is_some_and(|editor| editor.editing.is_some()) {
        return vec![Context::Field, Context::Always];
    }
    let sheet = state.sheet().map(|(_, sheet)| sheet);
    let table = sheet.filter(|sheet| sheet.has_columns()).map(|_| Context::Table);
    match (state.screen, state.open.as_deref()) {
        (Screen::Create, _) => {
            let rest = [
                Context::Create,
                Context::Edit,
                Context::Rows,
                Context::Global,
                Context::Always,
            ];
            table.into_iter().chain(rest).collect()
        }
        (Screen::Experiment, Some(detail)) => {
            let tab = match detail.tab {
                Tab::Overrides if detail.overrides.searching => {
                    return vec![Context::Search, Context::Always];
                }
                Tab::Overrides => Some(Context::Overrides),
                Tab::Analytics if detail.analytics.prompt.is_some() => {
                    return vec![Context::Prompt, Context::Always];
                }
                Tab::Analytics => Some(Context::Analytics),
                Tab::Insights => Some(Context::Insights),
                Tab::Setup | Tab::Variants | Tab::Rules => Some(Context::Edit),
            };
            let tables = matches!(detail.tab, Tab::Variants | Tab::Rules).then_some(Context::Tables);
            let rest = [
                Context::Experiment,
                Context::Rows,
                Context::Global,
                Context::Always,
            ];
            table.into_iter().chain(tables).chain(tab).chain(rest).collect()
        }
        (Screen::Objects(kind), _) if objects::filter(&state.objects, kind).1 => {
            vec![Context::Filter, Context::Always]
        }
        (Screen::Objects(kind), _) => {
            let own = match kind {
                Kind::Flags => Some(Context::Flags),
                Kind::Deployments => Some(Context::Deployments),
                Kind::Tokens => Some(Context::Tokens),
                Kind::Projects | Kind::Labs => None,
            };
            let rest = [Context::Objects, Context::Rows, Context::Global, Context::Always];
            own.into_iter().chain(rest).collect()
        }
        (Screen::Flag, _) => {
            let detail = state.objects.flag.as_deref();
            let own = match detail.and_then(|d| d.overrides.as_ref()) {
                Some(overrides) if overrides.searching => return vec![Context::Search, Context::Always],
                Some(_) => vec![Context::FlagOverrides],
                None => vec![Context::Flag, Context::Flags],
            };
            let rest = [Context::Rows, Context::Global, Context::Always];
            own.into_iter().chain(rest).collect()
        }
        _ if state.list.filtering => vec![Context::Filter, Context::Always],
        _ => vec![Context::List, Context::Rows, Context::Global, Context::Always],
    }
}

/// The text field that takes the keys now.
fn text_field(state: &mut State) -> Option<&mut TextField> {
    if let Some(overlay) = state.overlays.last_mut() {
        return match overlay {
            Overlay::Palette(palette) => Some(&mut palette.input),
            Overlay::Explain(panel) => Some(&mut panel.input),
            Overlay::Step(dialog) => dialog.focused_text(),
            Overlay::Form(form) => form.focused_text(),
            Overlay::Import(panel) => match panel.stage {
                Stage::Collect => match panel.focus {
                    Focus::Ids => Some(&mut panel.line),
                    Focus::Path => Some(&mut panel.path),
                    _ => None,
                },
                Stage::Review if panel.filtering => Some(&mut panel.filter),
                _ => None,
            },
            Overlay::Ask(dialog) => dialog.focused_text(),
            _ => None,
        };
    }
    match (state.screen, state.open.as_deref_mut()) {
        (Screen::Experiment, Some(detail)) => match detail.tab {
            Tab::Overrides if detail.overrides.searching => Some(&mut detail.overrides.search),
            Tab::Analytics => detail.analytics.text_field(),
            _ => None,
        },
        (Screen::Objects(kind), _) => {
            let (filter, filtering) = objects::filter_mut(&mut state.objects, kind);
            filtering.then_some(filter)
        }
        (Screen::Flag, _) => {
            let detail = state.objects.flag.as_deref_mut()?;
            let overrides = detail.overrides.as_mut()?;
            overrides.searching.then_some(&mut overrides.search)
        }
        _ if state.list.filtering => Some(&mut state.list.filter),
        _ => None,
    }
}

pub(super) fn press(state: &mut State, key: Key, now: Timestamp, effects: &mut Vec<Effect>) {
    let contexts = contexts(state);
    let always = state.keymap.command(&[Context::Always], key);
    let quits = state.keymap.command(&contexts, key) == Some(Command::Quit);
    state.warned &= quits;
    if always != Some(Command::Quit)
        && key.code != Code::Esc
        && armed_at(state).is_some_and(|armed| now < armed)
    {
        // A dialog that has just opened is deaf: the key was meant for what lay below.
        return;
    }
    if state.notice.as_ref().is_some_and(|n| n.level != Level::Ok) {
        state.notice = None;
    }
    let bound = state.keymap.command(&contexts, key);
    if always.is_none() && state.overlays.is_empty() && edit::hold(state, key, bound) {
        return;
    }
    if always.is_none() && state.overlays.is_empty() && !suggesting(state, key) && edit::key(state, key, now)
    {
        return;
    }
    if always.is_none()
        && let Some(field) = text_field(state)
        && field.key(key)
    {
        text_changed(state, now);
        return;
    }
    if let Some(command) = bound {
        run(state, command, now, effects);
    } else if key.typed().is_some() && type_beside(state, key, now) {
        // It stands where it was missing, or it was said where text goes.
    } else if let Some(typed) = behind_esc(key) {
        // Over a slow line Esc and the key after it may come as one: what terminals send for alt. Where alt means
        // nothing they are the two keys that they were.
        press(state, Key::plain(Code::Esc), now, effects);
        press(state, typed, now, effects);
    }
}

/// A letter in a dialog while a button or a choice has the focus. It is the first one of the text that is still
/// missing; where none is, it is said where text goes. It never presses anything. False outside dialogs.
fn type_beside(state: &mut State, key: Key, now: Timestamp) -> bool {
    let text = key.typed().map(String::from).unwrap_or_default();
    let Some(texts) = form::texts::of(state, &text) else {
        return false;
    };
    if texts.missing.is_some_and(|to| form::texts::focus(state, to)) {
        if let Some(field) = text_field(state) {
            field.key(key);
            text_changed(state, now);
        }
        return true;
    }
    let tab = (state.keymap.keys(&contexts(state), Command::NextField)).next();
    let tab = tab.map_or_else(|| "the next field".to_owned(), |key| key.word());
    let text = match texts.any {
        Some(label) => format!("Nothing is typed here: {tab} goes to {label}"),
        None => format!("Nothing is typed here: {tab} goes from button to button"),
    };
    notify(state, Level::Info, text, now);
    true
}

/// The key that was typed after Esc, if it may have been.
fn behind_esc(key: Key) -> Option<Key> {
    let typed = Key { alt: false, ..key };
    (key.alt && typed.typed().is_some()).then_some(typed)
}

/// From when on what is on top takes keys, where it is a dialog.
#[must_use]
pub fn armed_at(state: &State) -> Option<Timestamp> {
    match state.overlays.last() {
        Some(Overlay::Step(dialog)) => Some(dialog.armed_at()),
        Some(Overlay::Ask(dialog)) => Some(dialog.armed_at()),
        Some(Overlay::Form(form)) => Some(form.armed_at()),
        _ => None,
    }
}

/// Whether a key goes through the suggestions below a field, not through its text.
fn suggesting(state: &State, key: Key) -> bool {
    matches!(key.code, Code::Up | Code::Down)
        && state
            .editor()
            .and_then(|editor| editor.editing.as_ref())
            .is_some_and(|editing| matches!(editing.input, Input::Line(_)))
}

/// A paste while a button or a choice of a dialog has the focus goes where text is missing.
pub(super) fn lead_paste(state: &mut State, text: &str, now: Timestamp) {
    if armed_at(state).is_some_and(|armed| now < armed) || text_field(state).is_some() {
        return;
    }
    if let Some(missing) = form::texts::of(state, text).and_then(|texts| texts.missing) {
        form::texts::focus(state, missing);
    }
}

/// Puts a paste, or a piece of one, where text is typed. `cut` is whether the terminal's input cut it.
pub(super) fn paste(state: &mut State, text: &str, cut: bool, now: Timestamp) {
    if armed_at(state).is_some_and(|armed| now < armed) {
        return;
    }
    let edited = if state.overlays.is_empty() {
        edit::paste(state, text, now)
    } else {
        None
    };
    let taken = edited.or_else(|| {
        let whole = text_field(state)?.paste(text);
        text_changed(state, now);
        Some(whole)
    });
    let (level, said) = match taken {
        Some(false) => (Level::Warn, "The paste was cut: it is too long for this field"),
        Some(true) if cut => (
            Level::Warn,
            "The paste was cut: its end did not come, or it is longer than 64 MiB. A file path does without it",
        ),
        Some(true) => return,
        None => (Level::Info, "Nothing takes text here: the paste was left out"),
    };
    notify(state, level, said, now);
}

fn text_changed(state: &mut State, now: Timestamp) {
    if let Some(overlay) = state.overlays.last_mut() {
        match overlay {
            Overlay::Palette(palette) => palette.selected = 0,
            // What was missing is told anew when the button is pressed.
            Overlay::Step(dialog) => dialog.error = None,
            Overlay::Ask(dialog) => dialog.error = None,
            Overlay::Form(form) => form::text_changed(form),
            Overlay::Import(panel) if panel.stage == Stage::Collect => panel.completions.clear(),
            Overlay::Import(panel) => panel.question_changed(),
            _ => {}
        }
        return;
    }
    match (state.screen, state.open.as_deref_mut()) {
        (Screen::Experiment, Some(detail)) => match detail.tab {
            Tab::Overrides => detail.overrides.search_changed(),
            Tab::Analytics => analytics::text_changed(detail),
            _ => {}
        },
        (Screen::Objects(_), _) => {}
        (Screen::Flag, _) => {
            let detail = state.objects.flag.as_deref_mut();
            if let Some(overrides) = detail.and_then(|d| d.overrides.as_mut()) {
                overrides.search_changed();
            }
        }
        _ => state.list.filter_changed(now),
    }
}
