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
mod list;
pub mod live;
mod mouse;
pub mod objects;
pub mod overlays;
pub mod palette;
pub mod preferences;
mod refresh;
mod replies;
pub mod save;
pub mod updating;

use std::time::Duration;

use jiff::Timestamp;

use super::action::Action;
use super::effect::Effect;
use super::keymap::{Command, Context};
use super::ports::Slot;
use super::state::editor::Input;
use super::state::import::{Focus, Stage};
use super::state::link::later;
use super::state::objects::Kind;
use super::state::overlay::Overlay;
use super::state::text::TextField;
use super::state::{Dirty, Level, Notice, Screen, State, Tab};
use super::times::Times;
use super::{Code, Key};

pub use refresh::next_deadline;

/// How long a notice stands.
const NOTICE_FOR: Duration = Duration::from_secs(6);

/// Takes one action: changes the state and says what is to be done.
///
/// `now` must never go backwards from one call to the next.
pub fn update(state: &mut State, action: Action, now: Timestamp) -> Vec<Effect> {
    let mut effects = Vec::new();
    let lists = cursors::before(state);
    let screen = state.screen;
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
        Action::Export(told) => export::told(state, told, now),
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
            notify(state, Level::Warn, why, now);
        }
        Action::Mouse(mouse) => {
            mouse::take(state, mouse, now, &mut effects);
            state.touch(Dirty::Now);
        }
        Action::Intake(told) => import::told(state, told, now, &mut effects),
        Action::DraftFound { key, found } => {
            drafts::found(state, &key, found, now, &mut effects);
            create::begin(state, now);
            for key in edit::let_go(state) {
                press(state, key, now, &mut effects);
            }
            state.touch(Dirty::Now);
        }
        Action::DraftsListed { place, objects } => {
            drafts::listed(state, &place, objects);
            state.touch(Dirty::Data);
        }
        Action::DraftLost(why) => {
            notify(state, Level::Warn, why, now);
            state.touch(Dirty::Now);
        }
        Action::Reply(reply) => {
            replies::take(state, *reply, now, &mut effects);
            calls::look(state, now, &mut effects);
        }
    }
    create::begin(state, now);
    drafts::settle(state, now, &mut effects);
    cursors::stay(state, lists);
    if state.screen == Screen::Experiments && screen != state.screen {
        // It was asked less often while nobody looked at it.
        state.requests.plan(Slot::Experiments, now);
    }
    refresh::start_due(state, now, &mut effects);
    // Last: what is on its way now decides how often relative times are brought up to date.
    live::pass_time(state, now);
    effects
}

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
            Overlay::Help { .. } => {
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
            Overlay::Step(_) | Overlay::Ask(_) | Overlay::Conflicts { .. } | Overlay::Form(_) => {
                vec![Context::Dialog, Context::Always]
            }
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
            let rest = [
                Context::Experiment,
                Context::Rows,
                Context::Global,
                Context::Always,
            ];
            table.into_iter().chain(tab).chain(rest).collect()
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

fn press(state: &mut State, key: Key, now: Timestamp, effects: &mut Vec<Effect>) {
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
    } else if let Some(typed) = behind_esc(key) {
        // Over a slow line Esc and the key after it may come as one: what terminals send for alt. Where alt means
        // nothing they are the two keys that they were.
        press(state, Key::plain(Code::Esc), now, effects);
        press(state, typed, now, effects);
    }
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

/// Puts a paste, or a piece of one, where text is typed. `cut` is whether the terminal's input cut it.
fn paste(state: &mut State, text: &str, cut: bool, now: Timestamp) {
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

/// Says in one line what just happened.
pub fn notify(state: &mut State, level: Level, text: impl Into<String>, now: Timestamp) {
    state.notice = Some(Notice {
        text: text.into(),
        level,
        until: later(now, NOTICE_FOR),
    });
    state.touch(Dirty::Data);
}

/// Runs a command, wherever it came from. Writes that are not allowed end here.
fn run(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    if command.entry().is_some_and(|entry| entry.writes)
        && let Some(why) = guard::command_refusal(state, command, now)
    {
        notify(state, Level::Warn, why, now);
        return;
    }
    if command == Command::Restore
        && let Some(why) = guard::edit_refusal(state)
    {
        notify(state, Level::Warn, why, now);
        return;
    }
    match command {
        Command::Quit => quit(state, now, effects),
        Command::Suspend => effects.push(Effect::Suspend),
        Command::Repaint => effects.push(Effect::Repaint),
        Command::Back => back(state, now, effects),
        Command::Help => overlays::toggle_help(state),
        Command::Palette => palette::open(state, "", effects),
        Command::Contexts if state.preferences.contexts.is_empty() => {
            let text = preferences::no_contexts(&state.preferences);
            notify(state, Level::Info, text, now);
        }
        Command::Contexts => palette::open(state, palette::CONTEXTS, effects),
        Command::Settings => preferences::toggle(state, effects),
        Command::Times => {
            state.times = state.times.other();
            let text = match state.times {
                Times::Dates => "Times are dates in UTC",
                Times::Ages => "Times are told as how long ago",
            };
            notify(state, Level::Info, text, now);
        }
        Command::Picture => effects.push(Effect::Picture(preferences::picture_name(state, now))),
        Command::Hold => live::toggle_hold(state, now),
        Command::Reload => live::reload(state, now, effects),
        Command::Up => move_by(state, -1, now, effects),
        Command::Down => move_by(state, 1, now, effects),
        Command::PageUp => move_by(state, -page(state), now, effects),
        Command::PageDown => move_by(state, page(state), now, effects),
        Command::Top => move_by(state, isize::MIN + 1, now, effects),
        Command::Bottom => move_by(state, isize::MAX, now, effects),
        Command::Open => list::open(state, now, effects),
        Command::Filter => state.list.filtering = true,
        Command::Accept => accept(state, now, effects),
        Command::TabSetup => experiment::tab(state, Tab::Setup, now, effects),
        Command::TabVariants => experiment::tab(state, Tab::Variants, now, effects),
        Command::TabRules => experiment::tab(state, Tab::Rules, now, effects),
        Command::TabOverrides => experiment::tab(state, Tab::Overrides, now, effects),
        Command::TabAnalytics => experiment::tab(state, Tab::Analytics, now, effects),
        Command::TabInsights => experiment::tab(state, Tab::Insights, now, effects),
        Command::NextTab => experiment::step_tab(state, 1, now, effects),
        Command::PreviousTab => experiment::step_tab(state, -1, now, effects),
        Command::Search | Command::NextPage | Command::PreviousPage => match state.overlays.last() {
            Some(Overlay::Import(_)) => import::command(state, command, now, effects),
            _ if state.screen == Screen::Flag => flag::overrides(state, command, now),
            _ => experiment::overrides(state, command, now),
        },
        Command::Zoom
        | Command::NextPanel
        | Command::PreviousPanel
        | Command::FilterResults
        | Command::NextInterval
        | Command::SegmentBy
        | Command::BreakDownBy => analytics::command(state, command),
        Command::Export => export::begin(state, now, effects),
        Command::StopExport => export::stop(state, now, effects),
        Command::Activate
        | Command::Pause
        | Command::Resume
        | Command::Complete
        | Command::End
        | Command::Archive
        | Command::Delete => {
            dialog::open(state, command, now, effects);
        }
        Command::Archived => list::toggle_archived(state, now),
        Command::Create => create::open(state, now),
        Command::Save if state.overlays.is_empty() => edit::command(state, command, now, effects),
        Command::Restore if state.screen == Screen::Flag => flag::restore(state, now),
        Command::Discard if state.screen == Screen::Flag => flag::discard(state, now),
        Command::Edit
        | Command::Add
        | Command::Remove
        | Command::MoveUp
        | Command::MoveDown
        | Command::ColumnLeft
        | Command::ColumnRight
        | Command::SplitEvenly
        | Command::Undo
        | Command::Redo
        | Command::Discard
        | Command::Restore
        | Command::Decide
        | Command::NextCell
        | Command::PreviousCell => edit::command(state, command, now, effects),
        Command::Save => {}
        Command::NextStep => create::step(state, true, now),
        Command::PreviousStep => create::step(state, false, now),
        Command::ApplyWinner => ask::apply_winner(state, now, effects),
        Command::AddOverride => ask::add_override(state, now),
        Command::RemoveOverride => ask::remove_override(state, now),
        Command::History => match state.screen {
            Screen::Objects(_) | Screen::Flag => objects::history(state, false, now),
            _ => overlays::open_history(state, now, effects),
        },
        Command::DetailsUp | Command::DetailsDown => overlays::scroll_entry(state, command),
        Command::Explain => overlays::open_explain(state, now, effects),
        Command::Attach => overlays::open_wiring(state, now, effects),
        Command::NextSnippet | Command::PreviousSnippet | Command::NextDeployment | Command::CopySnippet => {
            overlays::wiring(state, command, now, effects)
        }
        Command::CopySecret => overlays::copy_secret(state, now, effects),
        Command::GoExperiments => objects::go_home(state, now, effects),
        Command::GoFlags => objects::go(state, Kind::Flags, now, effects),
        Command::GoDeployments => objects::go(state, Kind::Deployments, now, effects),
        Command::GoProjects => objects::go(state, Kind::Projects, now, effects),
        Command::GoTokens => objects::go(state, Kind::Tokens, now, effects),
        Command::GoLabs => objects::go(state, Kind::Labs, now, effects),
        Command::AuditLog => objects::history(state, true, now),
        Command::ObjectOpen
        | Command::ObjectEdit
        | Command::ObjectNew
        | Command::ObjectFilter
        | Command::FlagToggle
        | Command::FlagArchive
        | Command::Convert
        | Command::CopyTo
        | Command::RotateKey
        | Command::Revoke => objects::command(state, command, now, effects),
        Command::FlagEdit
        | Command::FlagAdd
        | Command::FlagRemove
        | Command::FlagSave
        | Command::FlagUndo
        | Command::FlagMine
        | Command::FlagTheirs => flag::command(state, command, now),
        Command::FlagAddOverride | Command::FlagDropOverride => flag::overrides(state, command, now),
        Command::Regenerate => overlays::regenerate(state, now),
        Command::Import => import::open(state, now, effects),
        Command::Imports => import::open_list(state, now, effects),
        Command::ImportComplete
        | Command::ImportDiscard
        | Command::ImportLeft
        | Command::ImportMalformed
        | Command::ImportEffect => import::command(state, command, now, effects),
        Command::ImportUndo | Command::ImportForget => match state.overlays.last() {
            Some(Overlay::Imports(_)) => import::list_command(state, command, now),
            _ => import::command(state, command, now, effects),
        },
        Command::CopyKey => overlays::copy(state, now, effects),
        Command::NextField
        | Command::PreviousField
        | Command::Less
        | Command::More
        | Command::Toggle
        | Command::Press
        | Command::ScrollUp
        | Command::ScrollDown => match state.overlays.last() {
            Some(Overlay::Form(_)) => form::command(state, command, now, effects),
            Some(Overlay::Import(_)) => import::command(state, command, now, effects),
            Some(Overlay::Imports(_)) => import::list_command(state, command, now),
            Some(Overlay::Ask(_)) => ask::command(state, command, now, effects),
            Some(Overlay::Conflicts { .. }) => overlays::decide(state, command, now),
            _ => dialog::command(state, command, now, effects),
        },
    }
}

/// Leaves. Where something would be lost, it is said first: the same key again leaves all the same.
fn quit(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let loses = if state.overlays.iter().any(overlays::is_lost) {
        Some("What is shown here was not copied, and is never shown again")
    } else {
        objects::cannot_leave(state)
            .map(|_| "A change is on its way, and its answer would not be seen")
            .or_else(|| {
                state
                    .export
                    .as_ref()
                    .map(|_| "An export is under way, and nothing of it would stay")
            })
    };
    match loses.filter(|_| !state.warned) {
        Some(why) => {
            state.warned = true;
            notify(
                state,
                Level::Warn,
                format!("{why}: the same key again leaves all the same"),
                now,
            );
        }
        None => {
            state.quitting = true;
            effects.push(Effect::Quit);
        }
    }
}

/// Esc: one step back. Never changes anything on the server, never leaves.
fn back(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if matches!(state.overlays.last(), Some(Overlay::Settings(_))) {
        preferences::close(state, effects);
        return;
    }
    if import::back(state, now) || overlays::keep_secret(state, now) {
        return;
    }
    if !state.overlays.is_empty() {
        dialog::leave(state);
        return;
    }
    if edit::back(state, now) || preferences::dismiss(state) {
        return;
    }
    if state.screen == Screen::Experiment
        && let Some(detail) = state.open.as_deref_mut()
        && detail.tab == Tab::Analytics
        && analytics::back(detail)
    {
        return;
    }
    match (state.screen, state.open.as_deref_mut()) {
        (Screen::Experiment, Some(detail)) if detail.tab == Tab::Overrides && detail.overrides.searching => {
            detail.overrides.searching = false;
        }
        (Screen::Experiment, Some(detail))
            if detail.tab == Tab::Overrides && !detail.overrides.search.text().is_empty() =>
        {
            detail.overrides.search.clear();
            detail.overrides.search_changed();
        }
        (Screen::Experiment, _) => experiment::close(state, now, effects),
        (Screen::Flag, _) => {
            let closed = flag::back(state);
            if !closed {
                state.screen = Screen::Objects(Kind::Flags);
            }
        }
        (Screen::Objects(kind), _) => {
            let (filter, filtering) = objects::filter_mut(&mut state.objects, kind);
            if *filtering || !filter.text().is_empty() {
                filter.clear();
                *filtering = false;
            } else {
                state.screen = Screen::Experiments;
            }
        }
        (Screen::Create, _) => state.screen = Screen::Experiments,
        _ if !state.list.filter.text().is_empty() || state.list.filtering => {
            state.list.filter.clear();
            state.list.filtering = false;
            state.list.filter_changed(now);
        }
        _ => {}
    }
}

fn accept(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    match state.overlays.last() {
        Some(Overlay::Palette(_)) => {
            if let Some(item) = palette::take(state) {
                match item {
                    palette::PaletteItem::Command(command) => run(state, command, now, effects),
                    palette::PaletteItem::Experiment(id) => experiment::open(state, id, now, effects),
                    palette::PaletteItem::Object(kind, id) => objects::show(state, kind, id, now, effects),
                    palette::PaletteItem::Context(at) => preferences::connect(state, at, now, effects),
                    palette::PaletteItem::Theme(at) => preferences::wear(state, at, now, effects),
                }
            }
        }
        Some(Overlay::Explain(_)) => overlays::ask_explain(state, now, effects),
        Some(Overlay::Settings(_)) => preferences::accept(state, now),
        Some(Overlay::Import(_)) => {
            if let Some(panel) = import::panel_mut(state) {
                panel.filtering = false;
            }
        }
        Some(_) => {}
        None if state.sheet().is_some() => edit::accept(state, now, effects),
        None => match (state.screen, state.open.as_deref_mut()) {
            (Screen::Experiment, Some(detail)) if detail.tab == Tab::Analytics => {
                analytics::accept(detail, now);
            }
            (Screen::Experiment, Some(detail)) => detail.overrides.searching = false,
            (Screen::Objects(kind), _) => *objects::filter_mut(&mut state.objects, kind).1 = false,
            (Screen::Flag, _) => {
                let detail = state.objects.flag.as_deref_mut();
                if let Some(overrides) = detail.and_then(|d| d.overrides.as_mut()) {
                    overrides.searching = false;
                }
            }
            _ => state.list.filtering = false,
        },
    }
}

/// How many rows a page has.
fn page(state: &State) -> isize {
    isize::try_from(state.laid.rows.max(2) - 1).unwrap_or(1)
}

fn move_by(state: &mut State, by: isize, now: Timestamp, effects: &mut Vec<Effect>) {
    if matches!(state.overlays.last(), Some(Overlay::Settings(_))) {
        preferences::move_by(state, by, effects);
    } else if state.overlays.is_empty() {
        match state.screen {
            Screen::Experiments => state.list.move_by(by, now),
            Screen::Experiment | Screen::Create => experiment::move_by(state, by),
            Screen::Objects(kind) => objects::move_by(state, kind, by),
            Screen::Flag => flag::move_by(state, by),
        }
    } else {
        overlays::move_by(state, by, now);
    }
}
