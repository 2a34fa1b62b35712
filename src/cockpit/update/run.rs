//! What each command does, wherever it came from.

use jiff::Timestamp;

use super::{
    analytics, ask, create, dialog, edit, experiment, export, flag, form, guard, import, list, live, notify,
    objects, overlays, palette, preferences,
};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::Command;
use crate::cockpit::state::objects::Kind;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Level, Screen, State, Tab};
use crate::cockpit::times::Times;

/// Runs a command, wherever it came from. Writes that are not allowed end here.
pub(super) fn run(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let refusal = match command.entry() {
        _ if flag::only_looks(state, command) => None,
        // Without the server one can go on editing: it is saved later.
        _ if flag::only_edits(state, command) => guard::edit_refusal(state),
        // Where there is nothing more to open than the dialog that changes it.
        Some(_) if command == Command::ObjectOpen && state.screen == Screen::Objects(Kind::Labs) => {
            guard::command_refusal(state, Command::ObjectEdit, now)
        }
        Some(entry) if entry.writes => guard::command_refusal(state, command, now),
        _ => None,
    };
    if let Some(why) = refusal {
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
        Command::Evidence => overlays::open_evidence(state, now, effects),
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
        Command::TakeMine | Command::TakeTheirs => overlays::decide(state, command, now),
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
            .or_else(|| {
                state
                    .not_on_disk
                    .as_ref()
                    .map(|_| "Unsaved changes would be lost")
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
    if import::back(state, now, effects) || overlays::keep_secret(state, now) {
        return;
    }
    if !state.overlays.is_empty() {
        dialog::leave(state, now);
        return;
    }
    if edit::back(state, now) || state.failures.pop().is_some() || preferences::dismiss(state) {
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
                    palette::PaletteItem::Elsewhere(command) => palette::go(state, command, now, effects),
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

pub(super) fn move_by(state: &mut State, by: isize, now: Timestamp, effects: &mut Vec<Effect>) {
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
