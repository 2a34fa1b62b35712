//! The one place that refuses writes.

use jiff::Timestamp;

use super::{ask, dialog, experiment, flag, form, import, notify};
use crate::api::system::{Me, Role};
use crate::cockpit::change::Change;
use crate::cockpit::edit::{Cell, Draft, Sheet};
use crate::cockpit::effect::Effect;
use crate::cockpit::export;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::lifecycle::{self, Step};
use crate::cockpit::ports::Request;
use crate::cockpit::state::ask::AskField;
use crate::cockpit::state::form::Input;
use crate::cockpit::state::objects::Kind;
use crate::cockpit::state::overlay::Field;
use crate::cockpit::state::{Health, Level, Overlay, Screen, State, Tab};
use crate::domain::{Experiment, Status};

/// What is said where neither the token nor the server forbids it.
const READ_ONLY: &str = "Read-only (--read-only or the configuration): nothing can be changed";

/// Why nothing may be changed now; none when it may.
#[must_use]
pub fn refusal(state: &State, now: Timestamp) -> Option<String> {
    if state.settings.read_only {
        return Some(READ_ONLY.to_owned());
    }
    if let Some(context) = &state.going_to {
        return Some(format!("Going to {context}: nothing can be changed on the way"));
    }
    match &state.api.health {
        Health::Lost { retry_at, .. } => {
            let wait = retry_at.duration_since(now).as_secs().max(0) + 1;
            return Some(format!(
                "The server is lost: nothing can be changed (next try in {wait} s)"
            ));
        }
        Health::Stopped { message } => return Some(format!("Nothing can be changed: {message}")),
        Health::Unknown | Health::Up => {}
    }
    match &state.me {
        None => Some("Not connected yet: nothing can be changed".to_owned()),
        Some(me) if me.role < Role::Editor => Some(format!(
            "{} is a {}: nothing can be changed with this token",
            me.actor,
            me.role.as_str()
        )),
        Some(_) => None,
    }
}

/// Whether a command is refused however long one waits: what the footer does not offer.
#[must_use]
pub fn always_refused(state: &State, command: Command) -> bool {
    let writes = command.edits() || command.entry().is_some_and(|entry| entry.writes);
    if !writes || flag::only_looks(state, command) {
        return false;
    }
    let only_managed = of_list(command)
        && managed_list(state).is_some_and(|what| administrators_only(state, what).is_some());
    writes_nothing(state) || only_managed
}

/// Whether nothing can be changed from here, however long one waits: read-only, or a viewer's token.
#[must_use]
pub fn writes_nothing(state: &State) -> bool {
    state.settings.read_only || state.me.as_ref().is_some_and(|me| me.role < Role::Editor)
}

/// What the list on the screen holds, where only administrators change it.
fn managed_list(state: &State) -> Option<&'static str> {
    match state.screen {
        Screen::Objects(Kind::Deployments) => Some("deployments"),
        Screen::Objects(Kind::Projects) => Some("projects"),
        Screen::Objects(Kind::Tokens) => Some("tokens"),
        _ => None,
    }
}

/// Whether a command changes what stands in a list of objects.
fn of_list(command: Command) -> bool {
    matches!(
        command,
        Command::ObjectNew | Command::ObjectEdit | Command::RotateKey | Command::Revoke
    )
}

/// That the experiment on the screen is no more; none while it is.
#[must_use]
pub fn deleted(state: &State) -> Option<String> {
    let detail = state.detail().filter(|detail| detail.deleted)?;
    let text = lifecycle::gone(&detail.name, detail.config());
    let anew = (Context::Edit, Command::Save, "makes a new one of it");
    Some(state.keymap.after(&text, ": ", &[anew]))
}

/// Why a command that writes is refused now; none when it is not.
#[must_use]
pub fn command_refusal(state: &State, command: Command, now: Timestamp) -> Option<String> {
    let elsewhere = matches!(command, Command::Save | Command::Create);
    refusal(state, now)
        .or_else(|| deleted(state).filter(|_| !elsewhere))
        .or_else(|| administrators_only(state, managed_list(state).filter(|_| of_list(command))?))
}

fn administrators_only(state: &State, what: &str) -> Option<String> {
    let me = state.me.as_ref()?;
    (me.role < Role::Admin).then(|| {
        format!(
            "{} is an {}: only administrators change {what}",
            me.actor,
            me.role.as_str()
        )
    })
}

/// What only administrators may change of what a request changes.
fn managed(request: &Request) -> Option<&'static str> {
    let Request::Change(change) = request else {
        return None;
    };
    match &**change {
        Change::CreateDeployment(_)
        | Change::UpdateDeployment(..)
        | Change::RotateKey(..)
        | Change::RevokeKey(..) => Some("deployments"),
        Change::CreateToken(_) | Change::RevokeToken(_) => Some("tokens"),
        // A project is changed by its own administrators, who need not be those of the one looked at.
        _ => None,
    }
}

/// Why nothing may be edited; none when it may. Without the server one can go on editing: it is saved later.
#[must_use]
pub fn edit_refusal(state: &State) -> Option<String> {
    if state.settings.read_only {
        return Some(READ_ONLY.to_owned());
    }
    match &state.me {
        None => Some("Not connected yet: nothing can be changed".to_owned()),
        Some(me) if me.role < Role::Editor => Some(format!(
            "{} is a {}: nothing can be changed with this token",
            me.actor,
            me.role.as_str()
        )),
        Some(_) => deleted(state),
    }
}

/// Who is asking and where, as the server says now. A dialog that is open asks for the key from here on where the
/// project was protected meanwhile.
pub fn known(state: &mut State, me: Me, now: Timestamp) {
    let open_before = state.me.as_ref().is_some_and(|me| !me.project.protected);
    let became = me.project.protected && open_before;
    state.me = Some(me);
    let asks = |overlay: &Overlay| matches!(overlay, Overlay::Step(_) | Overlay::Ask(_) | Overlay::Form(_));
    follow(state, now);
    if became && state.overlays.iter().any(asks) {
        notify(state, Level::Warn, "This project is protected now", now);
    }
}

/// What a dialog that is open asks for and says, as things are now.
#[derive(Debug, Default)]
struct Asks {
    /// Whether it can hurt somebody.
    danger: bool,
    /// Whether the key has to be typed.
    key: bool,
    /// Why it has no effect at present.
    held_back: Option<String>,
}

impl Asks {
    fn of(state: &State, overlay: &Overlay) -> Self {
        let protected = state.me.as_ref().is_some_and(|me| me.project.protected);
        match overlay {
            Overlay::Step(_) => Self {
                danger: true,
                key: protected,
                held_back: None,
            },
            Overlay::Ask(dialog) => {
                let danger = ask::is_dangerous(state, &dialog.ask);
                Self {
                    danger,
                    key: protected && danger,
                    held_back: ask::held_back(state, &dialog.ask),
                }
            }
            Overlay::Form(form) => Self {
                danger: form::is_danger(state, &form.purpose),
                key: form::wants_key(state, &form.purpose),
                held_back: form::held_back(state, &form.purpose),
            },
            _ => Self::default(),
        }
    }
}

/// Dialogs that are open follow what is known: whether the key has to be typed, and what they do. Where that changed
/// under somebody's hands the dialog is as if it had just opened.
pub fn follow(state: &mut State, now: Timestamp) {
    let asks: Vec<Asks> = state
        .overlays
        .iter()
        .map(|overlay| Asks::of(state, overlay))
        .collect();
    let mut changed = false;
    for (overlay, asks) in state.overlays.iter_mut().zip(asks) {
        match overlay {
            Overlay::Step(dialog) if !dialog.sending && dialog.protected != asks.key => {
                dialog.protected = asks.key;
                dialog.rearm(now);
                changed = true;
            }
            Overlay::Ask(dialog)
                if !dialog.sending
                    && (dialog.protected != asks.key || dialog.held_back != asks.held_back) =>
            {
                dialog.protected = asks.key;
                dialog.held_back = asks.held_back;
                dialog.rearm(now);
                changed = true;
            }
            Overlay::Form(form)
                if !form.sending
                    && (form.key.is_some() != asks.key
                        || form.danger != asks.danger
                        || form.held_back != asks.held_back) =>
            {
                if form.key.is_some() != asks.key {
                    form.key = form::key_of(&form.purpose).filter(|_| asks.key);
                }
                form.danger = asks.danger;
                form.held_back = asks.held_back;
                form.rearm(now);
                changed = true;
            }
            _ => {}
        }
    }
    if changed {
        let text = "What this does was changed by somebody else: look at it again";
        notify(state, Level::Warn, text, now);
    }
}

/// The effect of a write, or why it is refused.
///
/// # Errors
/// What [`refusal`] says.
pub fn write(state: &mut State, request: Request, now: Timestamp) -> Result<Effect, String> {
    if state.requests.pending(request.slot()).is_some() {
        return Err("The change before is still on its way: wait for its answer".to_owned());
    }
    let why = refusal(state, now).or_else(|| administrators_only(state, managed(&request)?));
    match why {
        Some(why) => Err(why),
        None => {
            let run = state.requests.start(&request, now);
            Ok(Effect::Fetch { run, request })
        }
    }
}

/// Whether a command makes sense for what is looked at: what footer and palette offer.
#[must_use]
pub fn applies(state: &State, command: Command) -> bool {
    let target = experiment::target(state);
    let step = |step: Step| target.is_some_and(|e| step.refusal(e).is_none());
    let objects = matches!(state.screen, Screen::Objects(_) | Screen::Flag);
    let flag = flag::target(state).is_some();
    let draft = state
        .objects
        .flag
        .as_deref()
        .and_then(|d| state.objects.draft(d.id));
    let flag_dirty = draft.is_some_and(|d| !d.changed().is_empty());
    match command {
        Command::Activate => step(Step::Activate),
        Command::Pause => step(Step::Pause),
        Command::Resume => step(Step::Resume),
        Command::Complete => step(Step::Complete),
        Command::End => step(Step::End),
        Command::Archive => target.is_some_and(|e| Step::archive_of(e).refusal(e).is_none()),
        Command::Delete => step(Step::Delete),
        Command::Export => export::any(state),
        Command::StopExport => state.export.is_some(),
        Command::Archived => state.screen == Screen::Experiments,
        Command::History if objects => true,
        Command::CopyKey if objects => super::objects::copied(state).is_some(),
        Command::ObjectOpen | Command::ObjectEdit | Command::RotateKey | Command::Revoke
            if matches!(state.screen, Screen::Objects(_)) && super::objects::copied(state).is_none() =>
        {
            false
        }
        Command::Explain | Command::Attach if flag => true,
        Command::Convert => flag || (target.is_some() && super::objects::not_converted(state).is_none()),
        Command::CopyTo => flag || target.is_some(),
        Command::FlagToggle | Command::FlagArchive => flag,
        Command::ObjectOpen => matches!(
            state.screen,
            Screen::Objects(Kind::Flags | Kind::Projects | Kind::Labs)
        ),
        Command::ObjectEdit => matches!(
            state.screen,
            Screen::Objects(Kind::Flags | Kind::Deployments | Kind::Projects | Kind::Labs)
        ),
        Command::ObjectNew => matches!(state.screen, Screen::Objects(_)),
        Command::GoTokens => state.me.as_ref().is_some_and(|me| me.role == Role::Admin),
        Command::FlagSave => flag_dirty,
        Command::FlagUndo => draft.is_some(),
        Command::FlagMine | Command::FlagTheirs => draft.is_some_and(|d| !d.both.is_empty()),
        Command::Import | Command::Imports => match state.screen {
            Screen::Flag => import::overrides(state).is_some(),
            _ => state.detail().is_some_and(|d| d.tab == Tab::Overrides),
        },
        Command::Regenerate => state.detail().is_some_and(|d| d.tab == Tab::Insights),
        Command::ImportLeft => import::panel(state).is_some_and(|p| p.intake.is_none() && !p.left.is_empty()),
        Command::ImportDiscard => import::panel(state).is_some_and(|p| p.intake.is_some()),
        Command::ImportMalformed => import::panel(state)
            .is_some_and(|p| p.import.as_ref().map_or(p.tally.malformed, |i| i.malformed) > 0),
        Command::ImportUndo => {
            import::panel(state).is_none_or(|p| p.import.as_ref().is_some_and(|i| i.applied_chunks > 0))
        }
        Command::Evidence => target.is_some_and(|e| super::overlays::can_be_tested(e)),
        Command::Open
        | Command::History
        | Command::Explain
        | Command::Attach
        | Command::CopyKey
        | Command::TabSetup
        | Command::TabVariants
        | Command::TabRules
        | Command::TabOverrides
        | Command::TabAnalytics
        | Command::TabInsights => target.is_some(),
        Command::NextPage | Command::PreviousPage if objects || import::panel(state).is_some() => true,
        Command::NextPage => {
            let page = state.detail().and_then(|d| d.overrides.page.value.as_ref());
            page.is_some_and(|page| page.next_after.is_some())
        }
        Command::PreviousPage => state.detail().is_some_and(|d| d.overrides.trail.page() > 0),
        Command::Save => dirty(state) || deleted(state).is_some(),
        Command::Discard => dirty(state) || flag_dirty || offered(state),
        Command::Undo | Command::Redo => edited(state).is_some(),
        Command::Restore => offered(state),
        Command::Decide => edited(state).is_some_and(|draft| !draft.conflicts.is_empty()),
        Command::Add | Command::Remove | Command::SplitEvenly if variants_stay(state) => false,
        Command::Add | Command::MoveUp | Command::MoveDown => state.sheet().is_some_and(|(_, sheet)| {
            !matches!(
                sheet,
                Sheet::Setup | Sheet::Basics | Sheet::Power | Sheet::Measure
            )
        }),
        Command::SplitEvenly => state.sheet().is_some_and(|(_, sheet)| sheet.is_table()),
        Command::Remove => removable(state),
        Command::ApplyWinner => target.is_some_and(|e| ask::winner(state, e).is_ok()),
        Command::AddOverride => target.is_some(),
        Command::RemoveOverride => state
            .detail()
            .and_then(|d| d.overrides.page.value.as_ref())
            .is_some_and(|page| !page.overrides.is_empty()),
        Command::Toggle => toggles(state),
        Command::Back => {
            let filtered = state.list.filtering || !state.list.filter.text().is_empty();
            !state.overlays.is_empty() || state.screen != Screen::Experiments || filtered
        }
        _ => true,
    }
}

/// Whether what is on top has a box to tick or a choice to take.
fn toggles(state: &State) -> bool {
    match state.overlays.last() {
        Some(Overlay::Step(dialog)) => {
            let fields = dialog.fields(dialog::test_now(state));
            let has = |field| fields.contains(&field);
            has(Field::Override) || has(Field::Winner) || has(Field::EndedReason)
        }
        Some(Overlay::Ask(dialog)) => {
            let fields = dialog.fields();
            fields.contains(&AskField::Kind) || fields.contains(&AskField::Variant)
        }
        Some(Overlay::Form(form)) => form
            .lines
            .iter()
            .any(|line| !matches!(line.input, Input::Text(_))),
        _ => true,
    }
}

/// The draft of what is on the screen.
fn edited(state: &State) -> Option<&Draft> {
    let (id, _) = state.sheet()?;
    state.drafts.get(&id)
}

/// Whether the table of variants is that of an experiment that is over: they stay as they were.
#[must_use]
pub fn variants_stay(state: &State) -> bool {
    let Some((id, sheet)) = state.sheet() else {
        return false;
    };
    let over = |e: &Experiment| matches!(e.status, Status::Completed | Status::Ended | Status::Archived);
    sheet.is_table() && state.edited(id).is_some_and(over)
}

/// Whether there are unsaved changes of the last time.
fn offered(state: &State) -> bool {
    match state.screen {
        Screen::Flag => {
            let detail = state.objects.flag.as_deref();
            detail.is_some_and(|detail| detail.found.offered().is_some())
        }
        _ => state
            .editor()
            .is_some_and(|editor| editor.found.offered().is_some()),
    }
}

/// Whether the field under the cursor stands in a row that can go, or can be emptied.
fn removable(state: &State) -> bool {
    let Some((id, sheet)) = state.sheet() else {
        return false;
    };
    let cell = (state.edited(id)).and_then(|e| state.editor().and_then(|editor| editor.cell(sheet, e)));
    cell.is_some_and(|cell| {
        matches!(
            cell,
            Cell::Variant(..)
                | Cell::VariantDefault(_)
                | Cell::Rule(_)
                | Cell::Condition(..)
                | Cell::Filter(..)
                | Cell::Metric(_)
                | Cell::Link(_)
                | Cell::LinkedFlag
                | Cell::Lab
                | Cell::Description
                | Cell::Hypothesis
        )
    })
}

/// Whether there is something unsaved on the screen.
fn dirty(state: &State) -> bool {
    let typing = state.editor().is_some_and(|editor| editor.editing.is_some());
    typing || edited(state).is_some_and(|draft| !draft.is_clean()) || state.screen == Screen::Create
}
