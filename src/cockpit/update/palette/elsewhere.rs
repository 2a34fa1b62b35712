//! Commands of the palette that do nothing where one is: where they work, and the way there.

use jiff::Timestamp;

use super::super::run::run;
use super::super::{ask, experiment, guard, notify, objects};
use crate::api::system::Role;
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::{Command, Context, Does};
use crate::cockpit::lifecycle::Step;
use crate::cockpit::state::objects::Kind;
use crate::cockpit::state::{Level, Screen, State, Tab};

/// Where a command works.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
enum Home {
    /// On every screen, if at all.
    Everywhere,
    /// On the list of experiments.
    List,
    /// Wherever an experiment is open or under the cursor.
    Experiment,
    /// Wherever an experiment or a flag is open or under the cursor.
    Either,
    /// On one tab of an experiment.
    Tab(Tab),
    /// On Setup, Variants and Rules, and in the steps of a new experiment.
    Editing,
    /// On Overrides of an experiment, and of a flag.
    Overrides,
    /// Where there is a table.
    Tables,
    /// On the lists of objects.
    Lists,
    /// On the list of deployments.
    Deployments,
    /// On the lists of deployments and of tokens.
    Keys,
    /// On the list of flags, and on the page of one.
    Flags,
    /// On the page of a flag.
    Flag,
    /// On the overrides of a flag.
    FlagOverrides,
}

impl Home {
    fn of(command: Command) -> Self {
        match command {
            Command::Filter | Command::Archived => Self::List,
            Command::TabSetup
            | Command::TabVariants
            | Command::TabRules
            | Command::TabOverrides
            | Command::TabAnalytics
            | Command::TabInsights
            | Command::Activate
            | Command::Pause
            | Command::Resume
            | Command::Complete
            | Command::End
            | Command::Archive
            | Command::Delete
            | Command::Evidence
            | Command::ApplyWinner => Self::Experiment,
            Command::History
            | Command::Explain
            | Command::Attach
            | Command::CopyKey
            | Command::Convert
            | Command::CopyTo => Self::Either,
            Command::FilterResults
            | Command::NextInterval
            | Command::SegmentBy
            | Command::BreakDownBy
            | Command::Zoom => Self::Tab(Tab::Analytics),
            Command::Regenerate => Self::Tab(Tab::Insights),
            Command::SplitEvenly => Self::Tab(Tab::Variants),
            Command::AddOverride | Command::RemoveOverride => Self::Tab(Tab::Overrides),
            Command::Import | Command::Imports | Command::Search => Self::Overrides,
            Command::Save
            | Command::Add
            | Command::Remove
            | Command::MoveUp
            | Command::MoveDown
            | Command::Undo
            | Command::Redo
            | Command::Restore
            | Command::Discard
            | Command::Decide => Self::Editing,
            Command::Export => Self::Tables,
            Command::ObjectNew | Command::ObjectEdit | Command::ObjectFilter => Self::Lists,
            Command::RotateKey => Self::Deployments,
            Command::Revoke => Self::Keys,
            Command::FlagToggle | Command::FlagArchive => Self::Flags,
            Command::FlagAdd
            | Command::FlagRemove
            | Command::FlagSave
            | Command::FlagUndo
            | Command::FlagMine
            | Command::FlagTheirs => Self::Flag,
            Command::FlagAddOverride | Command::FlagDropOverride => Self::FlagOverrides,
            _ => Self::Everywhere,
        }
    }

    /// Whether one is there.
    fn reached(self, state: &State) -> bool {
        let tab = state.detail().map(|detail| detail.tab);
        let flag_overrides = || {
            let detail = state.objects.flag.as_deref();
            state.screen == Screen::Flag && detail.is_some_and(|detail| detail.overrides.is_some())
        };
        match self {
            Self::Everywhere => true,
            Self::List => state.screen == Screen::Experiments,
            Self::Experiment => experiment::target(state).is_some(),
            Self::Either => {
                experiment::target(state).is_some() || super::super::flag::target(state).is_some()
            }
            // The steps of a new experiment have the table of variants too.
            Self::Tab(Tab::Variants) => state.sheet().is_some_and(|(_, sheet)| sheet.is_table()),
            Self::Tab(of) => tab == Some(of),
            Self::Editing => state.sheet().is_some() || matches!(state.screen, Screen::Flag | Screen::Create),
            Self::Overrides => tab == Some(Tab::Overrides) || flag_overrides(),
            Self::Tables => false,
            Self::Lists => matches!(state.screen, Screen::Objects(_)),
            Self::Deployments => state.screen == Screen::Objects(Kind::Deployments),
            Self::Keys => matches!(state.screen, Screen::Objects(Kind::Deployments | Kind::Tokens)),
            Self::Flags => matches!(state.screen, Screen::Objects(Kind::Flags) | Screen::Flag),
            Self::Flag => state.screen == Screen::Flag && !flag_overrides(),
            Self::FlagOverrides => flag_overrides(),
        }
    }

    /// Where that is, in words.
    fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::List => "List of experiments",
            Self::Experiment => "An experiment, open or under the cursor",
            Self::Either => "An experiment or a flag, open or under the cursor",
            Self::Tab(Tab::Setup) => "Setup of an experiment",
            Self::Tab(Tab::Variants) => "Variants of an experiment",
            Self::Tab(Tab::Rules) => "Rules of an experiment",
            Self::Tab(Tab::Overrides) => "Overrides of an experiment",
            Self::Tab(Tab::Analytics) => "Analytics of an experiment",
            Self::Tab(Tab::Insights) => "Insights of an experiment",
            Self::Editing => "Setup, Variants and Rules of an experiment",
            Self::Overrides => "Overrides of an experiment, and of a flag",
            Self::Tables => "Lists, Variants, Rules, Overrides, Analytics, histories",
            Self::Lists => "Lists of flags, deployments, projects, labs, tokens",
            Self::Deployments => "List of deployments",
            Self::Keys => "Lists of deployments and of tokens",
            Self::Flags => "A flag, open or under the cursor",
            Self::Flag => "One flag",
            Self::FlagOverrides => "Overrides of a flag",
        }
    }

    /// How one gets there where no experiment is at hand, and where there is more than one way.
    fn ways(self) -> &'static [Does<'static>] {
        const LIST: Does<'_> = (Context::Global, Command::GoExperiments, "lists the experiments");
        const OPENS: Does<'_> = (Context::List, Command::Open, "opens one");
        const FLAGS: Does<'_> = (Context::Global, Command::GoFlags, "lists the flags");
        const DEPLOYMENTS: Does<'_> = (Context::Global, Command::GoDeployments, "the deployments");
        match self {
            Self::Everywhere | Self::List | Self::Deployments => &[],
            Self::Experiment => &[LIST],
            Self::Either => &[LIST, (Context::Global, Command::GoFlags, "the flags")],
            Self::Tab(_) | Self::Editing | Self::Overrides | Self::Tables => &[LIST, OPENS],
            Self::Lists => &[
                FLAGS,
                DEPLOYMENTS,
                (Context::Global, Command::GoProjects, "the projects"),
                (Context::Global, Command::GoLabs, "the labs"),
                (Context::Global, Command::GoTokens, "the tokens"),
            ],
            Self::Keys => &[
                (Context::Global, Command::GoDeployments, "lists the deployments"),
                (Context::Global, Command::GoTokens, "the tokens"),
            ],
            Self::Flags => &[FLAGS],
            Self::Flag | Self::FlagOverrides => {
                &[FLAGS, (Context::Objects, Command::ObjectOpen, "opens one")]
            }
        }
    }

    /// Whether there is one way there from where one is, and no choice.
    fn is_near(self, state: &State) -> bool {
        match self {
            Self::List | Self::Deployments => true,
            Self::Overrides | Self::FlagOverrides if state.screen == Screen::Flag => {
                state.objects.open_flag().is_some()
            }
            Self::Tab(_) | Self::Overrides | Self::Editing => experiment::target(state).is_some(),
            _ => false,
        }
    }

    /// Goes there, where there is one way only. False where there is none, or a choice.
    fn go(self, state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
        if !self.is_near(state) {
            return false;
        }
        let tab = match self {
            Self::List => {
                objects::go_home(state, now, effects);
                return true;
            }
            Self::Deployments => {
                objects::go(state, Kind::Deployments, now, effects);
                return true;
            }
            Self::Overrides | Self::FlagOverrides if state.screen == Screen::Flag => {
                if let Some(detail) = state.objects.flag.as_deref_mut() {
                    detail.overrides.get_or_insert_default();
                }
                return true;
            }
            Self::Tab(tab) => tab,
            Self::Overrides => Tab::Overrides,
            Self::Editing => Tab::Setup,
            _ => return false,
        };
        experiment::tab(state, tab, now, effects);
        state.detail().is_some_and(|detail| detail.tab == tab)
    }
}

/// Whether a command works where one is, as far as the place goes.
#[must_use]
pub fn at_home(state: &State, command: Command) -> bool {
    let home = Home::of(command);
    // These know their places themselves.
    matches!(home, Home::Tables | Home::Editing) || home.reached(state)
}

/// Whether Enter on a command that does nothing where one is leads to where it works. Elsewhere it says why not.
#[must_use]
pub fn leads(state: &State, command: Command, now: Timestamp) -> bool {
    let refused = command.entry().is_some_and(|entry| entry.writes) && guard::refusal(state, now).is_some();
    let home = Home::of(command);
    !refused && !home.reached(state) && home.is_near(state)
}

/// Where a command works; where one is there already, why it does nothing now.
#[must_use]
pub fn told(state: &State, command: Command) -> String {
    let home = Home::of(command);
    match home.reached(state) {
        true => why_not(state, command),
        false => home.title().to_owned(),
    }
}

/// Why a command does nothing in the place where it works.
fn why_not(state: &State, command: Command) -> String {
    let why = experiment::target(state).and_then(|e| match command {
        Command::Activate => Step::Activate.refusal(e),
        Command::Pause => Step::Pause.refusal(e),
        Command::Resume => Step::Resume.refusal(e),
        Command::Complete => Step::Complete.refusal(e),
        Command::End => Step::End.refusal(e),
        Command::Archive => Step::archive_of(e).refusal(e),
        Command::Delete => Step::Delete.refusal(e),
        Command::Evidence => Some(format!("{} is {}: there is no split to test", e.key, e.status)),
        Command::ApplyWinner => ask::winner(state, e).err(),
        Command::Convert => objects::not_converted(state),
        _ => None,
    });
    let said = match command {
        Command::Save | Command::FlagSave | Command::Discard => "Nothing is unsaved here",
        Command::Undo | Command::Redo | Command::FlagUndo => "There is nothing to take back",
        Command::Restore => "There are no unsaved changes of the last time",
        Command::Decide | Command::FlagMine | Command::FlagTheirs => "There is nothing to decide",
        Command::StopExport => "No export is under way",
        Command::GoTokens if state.me.as_ref().is_some_and(|me| me.role < Role::Admin) => {
            "Only administrators see the tokens"
        }
        Command::RemoveOverride => "There are no overrides here",
        _ => "Nothing here that it could be done to",
    };
    why.unwrap_or_else(|| said.to_owned())
}

/// Whether a command is run as soon as one is where it works: not what changes something without asking, and not what
/// is done to a row that nobody has put the cursor on.
fn runs_there(command: Command) -> bool {
    matches!(
        command,
        Command::Filter
            | Command::Archived
            | Command::FilterResults
            | Command::NextInterval
            | Command::SegmentBy
            | Command::BreakDownBy
            | Command::Zoom
            | Command::Regenerate
            | Command::Import
            | Command::Imports
            | Command::Search
            | Command::AddOverride
            | Command::FlagAddOverride
            | Command::Save
            | Command::Decide
    )
}

/// Enter on a command that does nothing where one is: goes where it works and does it, where that is clear; else says
/// where it works, and how one gets there.
pub fn go(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(entry) = command.entry() else {
        return;
    };
    // Before one is led anywhere.
    if let Some(why) = entry.writes.then(|| guard::refusal(state, now)).flatten() {
        notify(state, Level::Warn, why, now);
        return;
    }
    let home = Home::of(command);
    let name = entry.name;
    if home.reached(state) {
        let text = format!("{name}: {}", why_not(state, command));
        notify(state, Level::Info, text, now);
        return;
    }
    if !home.go(state, now, effects) {
        let text = format!("{name} works in: {}", home.title());
        let text = state.keymap.after(&text, "; ", home.ways());
        notify(state, Level::Info, text, now);
        return;
    }
    // What stands in a list that was only just asked for is not known yet.
    let known = runs_there(command) || matches!(home, Home::Editing | Home::Tab(Tab::Variants));
    if known && !guard::applies(state, command) {
        let text = format!("{name}: {}", why_not(state, command));
        notify(state, Level::Info, text, now);
    } else if runs_there(command) {
        run(state, command, now, effects);
    } else {
        let key = entry
            .keys
            .iter()
            .find_map(|(place, _)| state.keymap.way(*place, command));
        let text = match key {
            Some(key) => format!("{name}: with the cursor on what is meant, {key}"),
            None => format!("{name} works here"),
        };
        notify(state, Level::Info, text, now);
    }
}
