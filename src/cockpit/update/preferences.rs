//! Settings: theme and glyphs with a live preview, other servers, and what the files say.

use jiff::Timestamp;

use super::{drafts, edit, export, live, notify, objects};
use crate::api::problem::Code;
use crate::cockpit::effect::Effect;
use crate::cockpit::export::file_name;
use crate::cockpit::keymap::Keymap;
use crate::cockpit::ports::{Failure, Slot};
use crate::cockpit::state::overlay::{Overlay, SettingsPanel};
use crate::cockpit::state::preferences::{Connected, GlyphChoice, Look, Preferences, Read};
use crate::cockpit::state::{Health, Level, Link, ListState, Requests, Screen, Settings, State};

/// One line of the settings that can be chosen.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Choice {
    /// A theme, by name.
    Theme(String),
    /// Glyphs.
    Glyphs(GlyphChoice),
}

/// Everything that can be chosen, in the order of the panel.
#[must_use]
pub fn choices(preferences: &Preferences) -> Vec<Choice> {
    let themes = preferences.themes.iter().map(|t| Choice::Theme(t.name.clone()));
    let glyphs = GlyphChoice::ALL.into_iter().map(Choice::Glyphs);
    themes.chain(glyphs).collect()
}

/// The line of the configuration file that keeps a choice for good.
#[must_use]
pub fn line_for(choice: &Choice) -> String {
    match choice {
        Choice::Theme(name) => format!("theme = \"{name}\""),
        Choice::Glyphs(glyphs) => format!("glyphs = \"{}\"", glyphs.as_str()),
    }
}

/// Takes what was read from the files.
pub fn read(state: &mut State, read: Read, now: Timestamp, effects: &mut Vec<Effect>) {
    let mut keymap = Keymap::default();
    // What is wrong with a key was said by whoever knows its line; the command has its own keys.
    let refused = keymap.rebind(&read.keys);
    state.keymap = keymap;
    let preferences = &mut state.preferences;
    preferences.themes = read.themes;
    preferences.contexts = read.contexts;
    let mut keys = read.keys;
    keys.retain(|name, _| refused.iter().all(|problem| problem.command != *name));
    let rebound = preferences.keys != keys;
    preferences.keys = keys;
    if let Some(look) = read.look {
        preferences.look = look;
    }
    if read.again {
        effects.push(Effect::Look);
    }
    // What is wrong has a line of its own, until it is mended or dismissed.
    let fine = read.mistakes.is_empty();
    preferences.mistakes = read.mistakes;
    let before = state.settings.read_only;
    state.settings.read_only = read.read_only.unwrap_or(before);
    // Whether changes are refused is told even where something else in the file is wrong.
    if read.again && (fine || before != state.settings.read_only) {
        let text = words_again(before, state.settings.read_only, &read.later);
        notify(state, Level::Ok, text, now);
    } else if read.again && rebound {
        // What was said before may name keys as they were.
        notify(
            state,
            Level::Ok,
            "The keys were read again, as far as they can be used",
            now,
        );
    }
}

/// What is said when the files were read again.
fn words_again(refused: bool, refuses: bool, later: &[&str]) -> String {
    let mut text = match (refused, refuses) {
        (false, true) => "Read-only from now on: configuration and themes were read again",
        (true, false) => "Changes are possible from now on: configuration and themes were read again",
        _ => "Configuration and themes were read again",
    }
    .to_owned();
    if !later.is_empty() {
        let keys = later.join(", ");
        let takes = if later.len() == 1 { "takes" } else { "take" };
        text.push_str(&format!("; {keys} {takes} effect at the next start"));
    }
    text
}

/// Esc: what is wrong with the files was seen. True when something was said about them.
pub fn dismiss(state: &mut State) -> bool {
    !std::mem::take(&mut state.preferences.mistakes).is_empty()
}

/// What `@` says where the file names no other server.
#[must_use]
pub fn no_contexts(preferences: &Preferences) -> String {
    let file = match preferences.file.as_str() {
        "" => "the configuration file",
        file => file,
    };
    format!("No other contexts: add [contexts.NAME] to {file}")
}

/// `,`: the settings, or away with them as Esc does.
pub fn toggle(state: &mut State, effects: &mut Vec<Effect>) {
    if matches!(state.overlays.last(), Some(Overlay::Settings(_))) {
        close(state, effects);
        return;
    }
    let look = &state.preferences.look;
    let on = Choice::Theme(look.theme.clone());
    let at = choices(&state.preferences)
        .iter()
        .position(|choice| *choice == on);
    state.overlays.push(Overlay::Settings(SettingsPanel {
        selected: at.unwrap_or(0),
        before: look.clone(),
    }));
}

/// Moves among the choices, each of which shows at once what it looks like, and on among the lines of keys below them.
pub fn move_by(state: &mut State, by: isize, effects: &mut Vec<Effect>) {
    let choices = choices(&state.preferences);
    let lines = state.laid.last;
    let Some(Overlay::Settings(panel)) = state.overlays.last_mut() else {
        return;
    };
    let last = choices.len().saturating_sub(1).max(lines);
    panel.selected = panel.selected.min(last).saturating_add_signed(by).min(last);
    let mut look = panel.before.clone();
    if let Some(choice) = choices.get(panel.selected) {
        apply(&mut look, choice);
    }
    show(state, look, effects);
}

/// Enter: keeps what is shown until the cockpit is left, and says what keeps it for good.
pub fn accept(state: &mut State, now: Timestamp) {
    let choice = chosen(state);
    state.overlays.pop();
    if let Some(choice) = choice {
        let text = format!(
            "Until you leave. To keep it, write {} below [cockpit] in {}",
            line_for(&choice),
            state.preferences.file
        );
        notify(state, Level::Ok, text, now);
    }
}

/// Esc: back to what was before.
pub fn close(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(Overlay::Settings(panel)) = state.overlays.pop() {
        show(state, panel.before, effects);
    }
}

/// What is under the cursor of the settings; none on a line of keys.
#[must_use]
pub fn chosen(state: &State) -> Option<Choice> {
    let Some(Overlay::Settings(panel)) = state.overlays.last() else {
        return None;
    };
    choices(&state.preferences).get(panel.selected).cloned()
}

/// A theme from the palette.
pub fn wear(state: &mut State, theme: usize, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(entry) = state.preferences.themes.get(theme) else {
        return;
    };
    let choice = Choice::Theme(entry.name.clone());
    let mut look = state.preferences.look.clone();
    apply(&mut look, &choice);
    show(state, look, effects);
    let text = format!(
        "Until you leave. To keep it, write {} below [cockpit] in {}",
        line_for(&choice),
        state.preferences.file
    );
    notify(state, Level::Ok, text, now);
}

fn apply(look: &mut Look, choice: &Choice) {
    match choice {
        Choice::Theme(name) => look.theme.clone_from(name),
        Choice::Glyphs(glyphs) => look.glyphs = *glyphs,
    }
}

fn show(state: &mut State, look: Look, effects: &mut Vec<Effect>) {
    if state.preferences.look != look {
        state.preferences.look = look;
        effects.push(Effect::Look);
    }
}

/// Name of the file for a picture of the screen.
pub fn picture_name(state: &State, now: Timestamp) -> String {
    let (of, what) = match (state.screen, state.detail()) {
        (_, Some(detail)) => (detail.name.as_str(), detail.tab.title()),
        (Screen::Objects(kind), None) => ("", kind.title()),
        (Screen::Flag, None) => {
            let flag = state.objects.open_flag();
            (flag.map_or("", |(_, row)| row.flag.key.as_str()), "flag")
        }
        (Screen::Create, None) => ("", "new"),
        _ => ("", "experiments"),
    };
    let of = if of.is_empty() {
        "splitdeck".to_owned()
    } else {
        format!("splitdeck-{of}")
    };
    format!("{}.svg", file_name(&of, &what.to_lowercase(), now))
}

/// Goes to another server. What is on its way there is dropped; a change on its way here is waited for.
pub fn connect(state: &mut State, context: usize, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(entry) = state.preferences.contexts.get(context) else {
        return;
    };
    let name = entry.name.clone();
    if let Some(why) = objects::cannot_leave(state) {
        notify(state, Level::Warn, why, now);
        return;
    }
    notify(state, Level::Info, format!("Going to {name} …"), now);
    state.going_to = Some(name.clone());
    effects.push(Effect::Connect(name));
}

/// Reads the credentials anew, where a context or the file below `[cockpit]` has them: what a program or file gives may
/// be another token by now. False where they were given some other way.
pub fn renew(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    if !renewable(&state.settings) {
        return false;
    }
    let effect = match &state.settings.context {
        Some(context) => Effect::Connect(context.clone()),
        None => Effect::Reconnect,
    };
    if state.going_to.is_none() {
        let place = credentials(state);
        let text = format!("Reading the credentials of {place} anew …");
        notify(state, Level::Info, text, now);
        state.renewing = true;
        state.going_to = Some(place);
        effects.push(effect);
    }
    true
}

/// Whether the credentials can be read anew: the configuration has them.
#[must_use]
pub fn renewable(settings: &Settings) -> bool {
    settings.context.is_some() || settings.token_from_file
}

/// Where the configuration has the credentials, as its readers know it.
fn credentials(state: &State) -> String {
    let context = state.settings.context.clone();
    context.unwrap_or_else(|| "[cockpit]".to_owned())
}

/// A refused token of the configuration is read anew by itself once, where it was good before: short-lived ones end in
/// the middle of the work. What is said is where it comes from.
pub fn token_refused(state: &mut State, failure: &mut Failure, now: Timestamp, effects: &mut Vec<Effect>) {
    let refused = failure
        .problem
        .as_ref()
        .is_some_and(|p| p.code == Code::Unauthorized);
    let Some(words) = refused_words(state).filter(|_| refused) else {
        return;
    };
    failure.message = words;
    if state.api.health == Health::Up {
        renew(state, now, effects);
    }
}

/// That the token is refused, and where the configuration has it; none where it was given some other way.
#[must_use]
pub fn refused_words(state: &State) -> Option<String> {
    let place = match &state.settings.context {
        Some(context) => format!("of the context {context}"),
        None if state.settings.token_from_file => "below [cockpit] in the configuration".to_owned(),
        None => return None,
    };
    Some(format!("the token {place} is refused: mend it"))
}

/// Whether what was found are other credentials for the server that is spoken to, which were asked for.
#[must_use]
pub fn renews(state: &State, api: &str, context: Option<&String>) -> bool {
    state.renewing && state.settings.api == api && state.settings.context.as_ref() == context
}

/// Other credentials for the same server: what is known stays, and everything is asked anew.
fn renewed(state: &mut State, to: Connected, now: Timestamp, effects: &mut Vec<Effect>) {
    state.settings.read_only = to.read_only;
    for slot in Slot::ALL {
        // What writes is carried through, and answers.
        if state
            .requests
            .asked(slot)
            .is_some_and(|request| !request.writes())
        {
            state.requests.cancel(slot);
        }
    }
    if let Some(me) = &state.me {
        // One may have gone to another project since.
        effects.push(Effect::Project(me.project.key.to_string()));
    }
    live::ask_anew(state, now);
    let text = format!("The credentials of {} were read anew", credentials(state));
    notify(state, Level::Ok, text, now);
}

/// The connection is to another server: everything known is of the one before.
pub fn connected(state: &mut State, to: Connected, now: Timestamp, effects: &mut Vec<Effect>) {
    state.going_to = None;
    let renews = renews(state, &to.api, to.context.as_ref());
    state.renewing = false;
    if renews {
        renewed(state, to, now, effects);
        return;
    }
    export::leave(state, effects);
    // Nothing is changed on the way, unless it was not known that one goes.
    let unanswered = objects::cannot_leave(state).map(|_| state.settings.api.clone());
    // What is unsaved is kept on disk under the server it belongs to.
    edit::walk_away(state, now);
    drafts::settle(state, now, effects);
    state.drafts.clear();
    state.create = None;
    for slot in Slot::ALL {
        if state.requests.cancel(slot) {
            effects.push(Effect::Cancel(slot));
        }
    }
    state.settings.api = to.api;
    state.settings.context = to.context;
    state.settings.token_from_file = to.token_from_file;
    state.settings.read_only = to.read_only;
    state.api = Link::default();
    state.warehouse = Link::default();
    state.me = None;
    state.requests = Requests::after(&state.requests);
    state.left_sent.clear();
    state.screen = Screen::Experiments;
    state.list = ListState::default();
    state.open = None;
    state.objects = Default::default();
    state.close_overlays();
    state.hold = Default::default();
    state.calls = Default::default();
    let name = state.settings.context.clone().unwrap_or_default();
    let now_at = format!("Now at {name}, {}", state.settings.api);
    match unanswered {
        None => notify(state, Level::Ok, now_at, now),
        Some(before) => {
            let text =
                format!("{now_at}. Not known whether the last change at {before} was done: look there");
            notify(state, Level::Warn, text, now);
        }
    }
}
