//! Panels.

use jiff::Timestamp;
use uuid::Uuid;

use super::{experiment, notify, objects, palette, preferences};
use crate::api::assign::{ExplainRequest, Suppose};
use crate::cockpit::edit::Side;
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::lifecycle::Step;
use crate::cockpit::ports::{Failure, FailureKind, Loaded, Request, Service};
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::overlay::{ExplainPanel, Overlay, WiringPanel};
use crate::cockpit::state::{ExperimentDetail, Level, Screen, State, Tab};
use crate::cockpit::wiring::{Way, Wiring, usable};
use crate::domain::{Deployment, Experiment, ExplainStep, Status, User};

/// `?`: the keys that work here, or away with them.
pub fn toggle_help(state: &mut State) {
    if let Some(Overlay::Help { .. }) = state.overlays.last() {
        state.overlays.pop();
    } else {
        state.overlays.push(Overlay::Help { scroll: 0 });
    }
}

/// `H`
pub fn open_history(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if with_target(state, now, effects) {
        let settled = state.open.as_deref().is_some_and(|detail| {
            let version = detail.config().map_or(0, |config| config.resource_version);
            detail.history.entries.value.is_some() && detail.history.version >= version
        });
        state.overlays.push(Overlay::History {
            selected: 0,
            scroll: 0,
            settled,
        });
    }
}

/// `d`: the evidence about the split; of what nobody is drawn for there is none.
pub fn open_evidence(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(target) = experiment::target(state).filter(|e| !can_be_tested(e)) {
        let text = format!(
            "{} is {}: there is no split to test",
            target.key,
            target.status.as_str()
        );
        notify(state, Level::Info, text, now);
        return;
    }
    if with_target(state, now, effects) {
        state.overlays.push(Overlay::Evidence { scroll: 0 });
    }
}

/// Whether subjects were drawn for it whose split is tested.
#[must_use]
pub fn can_be_tested(experiment: &Experiment) -> bool {
    !matches!(experiment.status, Status::Draft | Status::Archived)
}

/// Whether evidence about a split is looked at: by itself, or before an automatic pause is lifted.
#[must_use]
pub fn weighs_evidence(state: &State) -> bool {
    match state.overlays.last() {
        Some(Overlay::Evidence { .. }) => true,
        Some(Overlay::Step(dialog)) => dialog.step == Step::ResumeAutoPaused,
        _ => false,
    }
}

/// `x`
pub fn open_explain(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(flag) = super::flag::target(state) {
        let panel = ExplainPanel {
            flag: Some((flag.id, flag.key.to_string())),
            ..ExplainPanel::default()
        };
        state.overlays.push(Overlay::Explain(Box::new(panel)));
        return;
    }
    if with_target(state, now, effects) {
        state
            .overlays
            .push(Overlay::Explain(Box::<ExplainPanel>::default()));
    }
}

/// `w`
pub fn open_wiring(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if super::flag::target(state).is_some() || with_target(state, now, effects) {
        state.overlays.push(Overlay::Wiring(WiringPanel::default()));
    }
}

/// Moves among the snippets, or copies the one that is shown.
pub fn wiring(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let deployments = wiring_deployments(state).len();
    let Some(Overlay::Wiring(panel)) = state.overlays.last_mut() else {
        return;
    };
    let ways = Way::ALL.len();
    match command {
        Command::NextSnippet => panel.tab = (panel.tab + 1) % ways,
        Command::PreviousSnippet => panel.tab = (panel.tab + ways - 1) % ways,
        Command::NextDeployment if deployments > 0 => panel.deployment = (panel.deployment + 1) % deployments,
        Command::CopySnippet => {
            let panel = panel.clone();
            if let Some(text) = snippet(state, &panel) {
                let way = Way::ALL[panel.tab % ways].title();
                effects.push(Effect::Copy(text));
                notify(state, Level::Ok, format!("Copied the snippet for {way}"), now);
            }
            return;
        }
        _ => {}
    }
    if let Some(Overlay::Wiring(panel)) = state.overlays.last_mut() {
        panel.scroll = 0;
    }
}

/// The deployments whose key can stand in a snippet: those that see what it is about first, revoked ones not at
/// all.
#[must_use]
pub fn wiring_deployments(state: &State) -> Vec<&Deployment> {
    let named: &[Uuid] = match (super::flag::target(state), experiment::target(state)) {
        (Some(flag), _) => &flag.deployments,
        (None, Some(experiment)) => &experiment.deployments,
        (None, None) => &[],
    };
    usable(state.objects.deployments.all(), named)
}

/// The snippet that is shown; none before it is known what it is about.
#[must_use]
pub fn snippet(state: &State, panel: &WiringPanel) -> Option<String> {
    let deployments = wiring_deployments(state);
    let deployment = deployments
        .get(panel.deployment % deployments.len().max(1))
        .copied();
    let api = state.settings.api.as_str();
    let wiring = match (super::flag::target(state), experiment::target(state)) {
        (Some(flag), _) => Wiring::of_flag(api, flag, deployment),
        (None, Some(experiment)) => Wiring::of_experiment(api, experiment, deployment),
        (None, None) => return None,
    };
    Some(wiring.snippet(Way::ALL[panel.tab % Way::ALL.len()]))
}

/// Copies what is shown only once.
pub fn copy_secret(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(Overlay::Secret(secret)) = state.overlays.last_mut() else {
        return;
    };
    secret.copied = true;
    effects.push(Effect::Copy(secret.text.to_string()));
    let text = "Copied, if the terminal takes it (OSC 52): paste it somewhere before closing this";
    notify(state, Level::Ok, text, now);
}

/// Esc on something that is shown only once: the first time it stays. True when it stays.
pub fn keep_secret(state: &mut State, now: Timestamp) -> bool {
    let Some(Overlay::Secret(secret)) = state.overlays.last_mut() else {
        return false;
    };
    if secret.copied || secret.asked {
        return false;
    }
    secret.asked = true;
    let closes = (Context::Always, Command::Back, "once more closes it all the same");
    let text = (state.keymap).after("It was not copied, and is never shown again", ": ", &[closes]);
    notify(state, Level::Warn, text, now);
    true
}

/// Whether something lies there that is shown only once and was not copied.
#[must_use]
pub fn is_lost(overlay: &Overlay) -> bool {
    matches!(overlay, Overlay::Secret(secret) if !secret.copied)
}

/// `R` on the Insights tab: asks whether the summary is to be written anew.
pub fn regenerate(state: &mut State, now: Timestamp) {
    let open = state.detail().filter(|d| d.tab == Tab::Insights);
    match open.and_then(|d| d.config()).map(std::sync::Arc::clone) {
        Some(experiment) => super::form::open(state, Purpose::WriteInsight(experiment), now),
        None => notify(state, Level::Info, "There is no experiment here yet", now),
    }
}

/// Makes the experiment that a panel is about the open one. False, with a word why, without one.
fn with_target(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let target = experiment::target(state).map(|e| e.id);
    let known = target.is_some_and(|id| experiment::load(state, id, now, effects));
    if !known {
        notify(state, Level::Info, "There is no experiment here yet", now);
    }
    known
}

/// Asks for the decision of the typed user.
pub fn ask_explain(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let open = state.open.as_deref().and_then(ExperimentDetail::id);
    let Some(Overlay::Explain(panel)) = state.overlays.last_mut() else {
        return;
    };
    let flag = panel.flag.as_ref().map(|(id, _)| *id);
    let Some(id) = flag.or(open) else { return };
    let text = panel.input.text().trim().to_owned();
    if text.is_empty() {
        return;
    }
    let user = match subject(&text) {
        Ok(user) => user,
        Err(why) => {
            panel.answer = Loaded::default();
            panel
                .answer
                .fail(Failure::new(Service::Api, FailureKind::Refused, why));
            return;
        }
    };
    panel.asked = text;
    panel.answer.value = None;
    panel.answer.failure = None;
    panel.scroll = 0;
    let request = Request::Explain {
        id,
        flag: flag.is_some(),
        request: Box::new(supposed(state, id, user)),
    };
    if let Some(Overlay::Explain(panel)) = state.overlays.last_mut() {
        panel.request = Some(request.clone());
    }
    let run = state.requests.start(&request, now);
    effects.push(Effect::Fetch { run, request });
}

/// What is asked for a subject: with the rules that are not saved yet, and while rules are edited as if the
/// experiment were active.
#[must_use]
pub fn supposed(state: &State, id: Uuid, user: User) -> ExplainRequest {
    let draft = state.drafts.get(&id);
    let rules = draft
        .filter(|draft| draft.mine.rules != draft.base.rules)
        .map(|draft| draft.mine.rules.clone());
    let editing = state.detail().is_some_and(|detail| detail.tab == Tab::Rules);
    let status = state
        .open
        .as_deref()
        .and_then(ExperimentDetail::config)
        .map(|e| e.status);
    ExplainRequest {
        suppose: Suppose {
            as_if_active: editing && matches!(status, Some(Status::Draft | Status::Paused)),
            rules,
        },
        user,
    }
}

/// A subject from a line: `u-1 country=TH event.plan=pro`, or the JSON of a user.
///
/// What has no `=` is the user id; `device=`, `session=` and `event=` give the other ids; a name may begin
/// with the scope that rules give it.
///
/// # Errors
/// What cannot be read, in words.
pub fn subject(line: &str) -> Result<User, String> {
    if line.starts_with('{') {
        return serde_json::from_str(line).map_err(|error| format!("This is no user as JSON: {error}"));
    }
    let mut user = User::default();
    for word in line.split_whitespace() {
        let Some((name, value)) = word.split_once('=') else {
            if let Some(id) = &user.user_id {
                return Err(format!(
                    "{word}: the user id is {id} already; write a property as name=value"
                ));
            }
            user.user_id = Some(word.to_owned());
            continue;
        };
        // A number is a number; anything else is a text.
        let json = serde_json::from_str::<serde_json::Number>(value)
            .map_or_else(|_| serde_json::Value::from(value), serde_json::Value::Number);
        match name.split_once('.') {
            Some(("session", name)) => {
                user.session.insert(name.to_owned(), json);
            }
            Some(("event", name)) => insert_path(&mut user.event, name, json),
            Some(("profile", name)) => {
                user.user_properties.insert(name.to_owned(), json);
            }
            _ => match name {
                "user" => user.user_id = Some(value.to_owned()),
                "device" => user.device_id = Some(value.to_owned()),
                "session" => user.session_id = Some(value.to_owned()),
                "event" => user.event_id = Some(value.to_owned()),
                _ => {
                    user.user_properties.insert(name.to_owned(), json);
                }
            },
        }
    }
    if !user.has_id() {
        // Rules are tried all the same; it is allocated as this id would be.
        user.user_id = Some("somebody".to_owned());
    }
    Ok(user)
}

/// `properties.plan` inside an object.
fn insert_path(map: &mut serde_json::Map<String, serde_json::Value>, path: &str, value: serde_json::Value) {
    match path.split_once('.') {
        None => {
            map.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = map
                .entry(head.to_owned())
                .or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
            if let serde_json::Value::Object(inner) = inner {
                insert_path(inner, rest, value);
            }
        }
    }
}

/// A key in the list of what is to be decided.
pub fn decide(state: &mut State, command: Command, now: Timestamp) {
    let Some((id, _)) = state.sheet() else { return };
    let (page, last) = (state.laid.rows.max(2) - 1, state.laid.last);
    let Some(Overlay::Conflicts { selected, scroll }) = state.overlays.last_mut() else {
        return;
    };
    let Some(draft) = state.drafts.get_mut(&id) else {
        return;
    };
    let count = draft.conflicts.len();
    let at = (*selected).min(count.saturating_sub(1));
    let side = match command {
        Command::TakeMine => Some(Side::Mine),
        Command::TakeTheirs => Some(Side::Theirs),
        Command::Toggle => match draft.conflicts.get(at).and_then(|conflict| conflict.choice) {
            Some(Side::Mine) => Some(Side::Theirs),
            _ => Some(Side::Mine),
        },
        _ => None,
    };
    match command {
        // A long one is read to its end, and then the next one is.
        Command::ScrollDown if *scroll < last => *scroll = (*scroll + page).min(last),
        Command::ScrollUp if *scroll > 0 => *scroll = scroll.saturating_sub(page),
        Command::NextField | Command::ScrollDown => *selected = (at + 1).min(count.saturating_sub(1)),
        Command::PreviousField | Command::ScrollUp => *selected = at.saturating_sub(1),
        Command::Press if at + 1 < count => *selected = at + 1,
        Command::Press if draft.open_conflicts() == 0 => {
            state.overlays.pop();
            let saves = (Context::Edit, Command::Save, "shows the difference and saves");
            let text = state.keymap.after("Decided", "; ", &[saves]);
            notify(state, Level::Ok, text, now);
        }
        Command::Press => *selected = 0,
        _ => {}
    }
    if let Some(Overlay::Conflicts { selected, scroll }) = state.overlays.last_mut()
        && *selected != at
    {
        *scroll = 0;
    }
    if let Some(side) = side
        && let Some(draft) = state.drafts.get_mut(&id)
    {
        draft.decide(at, side, now);
    }
}

/// `y`: the id under the cursor of the Overrides tab, the hashed text in Explain, else the key.
pub fn copy(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let text = match (state.overlays.last(), state.detail()) {
        (Some(Overlay::Settings(_)), _) => preferences::chosen(state).map(|c| preferences::line_for(&c)),
        (Some(Overlay::Explain(panel)), _) => panel.answer.value.as_ref().and_then(|e| {
            e.steps.iter().find_map(|step| match step {
                ExplainStep::Allocation { hashed, .. } => hashed.clone(),
                _ => None,
            })
        }),
        (None, _) if matches!(state.screen, Screen::Objects(_) | Screen::Flag) => objects::copied(state),
        (_, Some(detail)) if detail.tab == Tab::Overrides => detail
            .overrides
            .page
            .value
            .as_ref()
            .and_then(|page| page.overrides.get(detail.overrides.selected))
            .map(|o| o.subject_id.clone()),
        _ => experiment::target(state).map(|e| e.key.to_string()),
    };
    match text {
        Some(text) => {
            notify(state, Level::Ok, format!("Copied {text}"), now);
            effects.push(Effect::Copy(text));
        }
        None => notify(state, Level::Info, "There is nothing to copy here", now),
    }
}

/// Moves the cursor or the lines of what is on top.
pub fn move_by(state: &mut State, by: isize, _now: Timestamp) {
    let last = state.laid.last;
    let entries = state
        .open
        .as_deref()
        .and_then(|d| d.history.entries.value.as_ref())
        .map_or(0, Vec::len);
    let imports = super::import::overrides(state)
        .and_then(|overrides| overrides.imports.value.as_ref())
        .map_or(0, Vec::len);
    let items = match state.overlays.last() {
        Some(Overlay::Palette(open)) => palette::items(state, open.input.text()).len(),
        _ => 0,
    };
    let moved = |at: usize, last: usize| at.saturating_add_signed(by).min(last);
    match state.overlays.last_mut() {
        Some(Overlay::Help { scroll } | Overlay::Evidence { scroll }) => *scroll = moved(*scroll, last),
        Some(Overlay::Wiring(panel)) => panel.scroll = moved(panel.scroll, last),
        Some(Overlay::Form(form)) => form.scroll = moved(form.scroll, last),
        Some(Overlay::Audit(panel)) => {
            let entries = panel.entries.value.as_ref().map_or(0, Vec::len);
            let to = moved(panel.selected, entries.saturating_sub(1));
            if to != panel.selected {
                (panel.selected, panel.scroll) = (to, 0);
            }
        }
        Some(Overlay::Imports(panel)) => panel.selected = moved(panel.selected, imports.saturating_sub(1)),
        Some(Overlay::Import(panel)) => super::import::move_by(panel, by),
        Some(Overlay::Secret(_)) => {}
        Some(Overlay::Explain(panel)) => panel.scroll = moved(panel.scroll, last),
        Some(Overlay::Step(dialog)) => dialog.scroll = moved(dialog.scroll, last),
        // Its cursor is moved where its preview is shown.
        Some(Overlay::Settings(_)) => {}
        Some(Overlay::Ask(dialog)) => dialog.scroll = moved(dialog.scroll, last),
        Some(Overlay::Conflicts { .. }) => {}
        Some(Overlay::History {
            selected,
            scroll,
            settled,
        }) => {
            *settled = true;
            let to = moved(*selected, entries.saturating_sub(1));
            if to != *selected {
                (*selected, *scroll) = (to, 0);
            }
        }
        Some(Overlay::Palette(palette)) => {
            palette.selected = moved(palette.selected, items.saturating_sub(1));
        }
        None => {}
    }
}

/// Scrolls the entry under the cursor of a history.
pub fn scroll_entry(state: &mut State, command: Command) {
    // The entry has about half of the screen: no line of it is skipped.
    let rows = usize::from(state.size.1 / 3).max(1);
    let last = state.laid.last;
    let scroll = match state.overlays.last_mut() {
        Some(Overlay::History { scroll, settled, .. }) => {
            *settled = true;
            scroll
        }
        Some(Overlay::Audit(panel)) => &mut panel.scroll,
        _ => return,
    };
    *scroll = match command {
        Command::DetailsUp => scroll.saturating_sub(rows),
        _ => scroll.saturating_add(rows).min(last),
    };
}

/// Nothing is scrolled further than there is something to see.
pub fn clamp(state: &mut State, last: usize) {
    match state.overlays.last_mut() {
        Some(Overlay::Help { scroll } | Overlay::Evidence { scroll }) => *scroll = (*scroll).min(last),
        Some(Overlay::Wiring(panel)) => panel.scroll = panel.scroll.min(last),
        Some(Overlay::Form(form)) => form.scroll = form.scroll.min(last),
        Some(Overlay::Explain(panel)) => panel.scroll = panel.scroll.min(last),
        Some(Overlay::Step(dialog)) => dialog.scroll = dialog.scroll.min(last),
        Some(Overlay::Ask(dialog)) => dialog.scroll = dialog.scroll.min(last),
        Some(Overlay::History { scroll, .. }) => *scroll = (*scroll).min(last),
        Some(Overlay::Audit(panel)) => panel.scroll = panel.scroll.min(last),
        Some(Overlay::Conflicts { scroll, .. }) => *scroll = (*scroll).min(last),
        Some(
            Overlay::Palette(_)
            | Overlay::Settings(_)
            | Overlay::Secret(_)
            | Overlay::Import(_)
            | Overlay::Imports(_),
        )
        | None => {}
    }
}
