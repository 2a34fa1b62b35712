//! The lists of flags, deployments, projects, labs and tokens; copies, conversions, the audit log.

use jiff::Timestamp;
use uuid::Uuid;

use super::{drafts, edit, experiment, flag, form, notify};
use crate::api::audit::AuditQuery;
use crate::api::experiments::History;
use crate::api::projects::STILL_TAKEN;
use crate::api::system::Role;
use crate::cockpit::change::Changed;
use crate::cockpit::edit::{Cell, Of};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::Command;
use crate::cockpit::ports::{Answer, Failure, FailureKind, Request, Slot};
use crate::cockpit::state::cursor::follow;
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::import::Stage;
use crate::cockpit::state::objects::{AuditPanel, Kind, Objects, Secret};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::overrides::OverridesState;
use crate::cockpit::state::text::TextField;
use crate::cockpit::state::{Level, ListState, Screen, State, Tab};
use crate::domain::Key;

/// Opens one of the lists.
pub fn go(state: &mut State, kind: Kind, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Experiment {
        experiment::close(state, now, effects);
    }
    state.close_overlays();
    state.screen = Screen::Objects(kind);
}

/// Looks at one object: a flag on its page, of the others the list with the cursor on it.
pub fn show(state: &mut State, kind: Kind, id: Uuid, now: Timestamp, effects: &mut Vec<Effect>) {
    go(state, kind, now, effects);
    let (filter, filtering) = filter_mut(&mut state.objects, kind);
    filter.clear();
    *filtering = false;
    let selected = match kind {
        Kind::Flags => &mut state.objects.flags.selected,
        Kind::Deployments => &mut state.objects.deployments.selected,
        Kind::Projects => &mut state.objects.projects.selected,
        Kind::Tokens => &mut state.objects.tokens.selected,
        Kind::Labs => &mut state.objects.labs.selected,
    };
    *selected = Some(id);
    if kind == Kind::Flags {
        flag::open(state, id);
    }
}

/// Back to the experiments.
pub fn go_home(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Experiment {
        experiment::close(state, now, effects);
    }
    state.close_overlays();
    state.screen = Screen::Experiments;
}

/// The filter of the list that is looked at, and whether it takes the keys.
#[must_use]
pub fn filter(objects: &Objects, kind: Kind) -> (&TextField, bool) {
    match kind {
        Kind::Flags => (&objects.flags.filter, objects.flags.filtering),
        Kind::Deployments => (&objects.deployments.filter, objects.deployments.filtering),
        Kind::Projects => (&objects.projects.filter, objects.projects.filtering),
        Kind::Tokens => (&objects.tokens.filter, objects.tokens.filtering),
        Kind::Labs => (&objects.labs.filter, objects.labs.filtering),
    }
}

/// The same, to be changed.
pub fn filter_mut(objects: &mut Objects, kind: Kind) -> (&mut TextField, &mut bool) {
    match kind {
        Kind::Flags => (&mut objects.flags.filter, &mut objects.flags.filtering),
        Kind::Deployments => (
            &mut objects.deployments.filter,
            &mut objects.deployments.filtering,
        ),
        Kind::Projects => (&mut objects.projects.filter, &mut objects.projects.filtering),
        Kind::Tokens => (&mut objects.tokens.filter, &mut objects.tokens.filtering),
        Kind::Labs => (&mut objects.labs.filter, &mut objects.labs.filtering),
    }
}

/// Moves the cursor of the list.
pub fn move_by(state: &mut State, kind: Kind, by: isize) {
    match kind {
        Kind::Flags => state.objects.flags.move_by(by),
        Kind::Deployments => state.objects.deployments.move_by(by),
        Kind::Projects => state.objects.projects.move_by(by),
        Kind::Tokens => state.objects.tokens.move_by(by),
        Kind::Labs => state.objects.labs.move_by(by),
    }
}

/// A command of the lists, and what is done to the object under the cursor.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let kind = match state.screen {
        Screen::Objects(kind) => Some(kind),
        Screen::Flag => Some(Kind::Flags),
        _ => None,
    };
    match command {
        Command::ObjectFilter => {
            if let Some(kind) = kind {
                *filter_mut(&mut state.objects, kind).1 = true;
            }
        }
        Command::ObjectNew => {
            let purpose = match kind {
                Some(Kind::Flags) => Purpose::CreateFlag,
                Some(Kind::Deployments) => Purpose::CreateDeployment,
                Some(Kind::Projects) => Purpose::CreateProject,
                Some(Kind::Tokens) => Purpose::CreateToken,
                Some(Kind::Labs) => Purpose::CreateLab,
                None => return,
            };
            form::open(state, purpose, now);
        }
        Command::ObjectOpen => open(state, kind, now, effects),
        Command::ObjectEdit => {
            let purpose = match kind {
                Some(Kind::Flags) => {
                    open(state, kind, now, effects);
                    return;
                }
                Some(Kind::Deployments) => state
                    .objects
                    .deployments
                    .current()
                    .map(|row| Purpose::RenameDeployment(Box::new(row.deployment.clone()))),
                Some(Kind::Projects) => state
                    .objects
                    .projects
                    .current()
                    .map(|row| Purpose::EditProject(Box::new(row.project.clone()))),
                Some(Kind::Labs) => edit_lab(state),
                Some(Kind::Tokens) | None => None,
            };
            ask_about(state, purpose, now);
        }
        Command::FlagToggle => {
            let purpose = flag::target(state).map(|f| Purpose::ToggleFlag(Box::new(f.clone())));
            ask_about(state, purpose, now);
        }
        Command::FlagArchive => {
            let purpose = flag::target(state).map(|f| Purpose::ArchiveFlag(Box::new(f.clone())));
            ask_about(state, purpose, now);
        }
        Command::Convert => {
            let purpose = match flag::target(state) {
                Some(flag) => Some(Purpose::ConvertFlag(Box::new(flag.clone()))),
                None => experiment::target(state).map(|e| Purpose::ConvertExperiment(e.clone())),
            };
            ask_about(state, purpose, now);
        }
        Command::CopyTo => {
            let purpose = match flag::target(state) {
                Some(flag) => Some(Purpose::CopyFlag(Box::new(flag.clone()))),
                None => experiment::target(state).map(|e| Purpose::CopyExperiment(e.clone())),
            };
            if state.objects.projects.rows.value.is_none() {
                // The choice of projects would be empty.
                state.requests.plan(Slot::Projects, now);
                state.wants_projects = true;
                notify(
                    state,
                    Level::Info,
                    "Asking for the projects; try again in a moment",
                    now,
                );
                return;
            }
            ask_about(state, purpose, now);
        }
        Command::RotateKey => {
            let current = state.objects.deployments.current();
            let purpose = current.map(|row| Purpose::RotateKey(Box::new(row.deployment.clone())));
            ask_about(state, purpose, now);
        }
        Command::Revoke => {
            let purpose = match kind {
                Some(Kind::Deployments) => state
                    .objects
                    .deployments
                    .current()
                    .map(|row| Purpose::RevokeDeployment(Box::new(row.clone()))),
                _ => state
                    .objects
                    .tokens
                    .current()
                    .map(|token| Purpose::RevokeToken(Box::new(token.clone()))),
            };
            ask_about(state, purpose, now);
        }
        _ => {}
    }
}

fn ask_about(state: &mut State, purpose: Option<Purpose>, now: Timestamp) {
    let gone = match &purpose {
        Some(Purpose::RotateKey(d)) => d.revoked_at.map(|_| d.name.clone()),
        Some(Purpose::RevokeDeployment(row)) => {
            row.deployment.revoked_at.map(|_| row.deployment.name.clone())
        }
        Some(Purpose::RevokeToken(token)) => token.revoked_at.map(|_| token.name.clone()),
        _ => None,
    };
    match (purpose, gone) {
        (_, Some(name)) => notify(state, Level::Info, format!("{name} is revoked already"), now),
        (Some(purpose), None) => form::open(state, purpose, now),
        (None, None) => notify(state, Level::Info, "There is nothing under the cursor", now),
    }
}

/// What changes the lab under the cursor.
fn edit_lab(state: &State) -> Option<Purpose> {
    let lab = state.objects.labs.current()?;
    Some(Purpose::EditLab(Box::new(lab.clone())))
}

fn open(state: &mut State, kind: Option<Kind>, now: Timestamp, effects: &mut Vec<Effect>) {
    match kind {
        Some(Kind::Flags) => match state.objects.flags.current().map(|row| row.flag.id) {
            Some(id) => flag::open(state, id),
            None => notify(state, Level::Info, "There is no flag under the cursor", now),
        },
        Some(Kind::Projects) => match state
            .objects
            .projects
            .current()
            .map(|row| row.project.key.clone())
        {
            Some(key) => switch(state, key, now, effects),
            None => notify(state, Level::Info, "There is no project under the cursor", now),
        },
        Some(Kind::Labs) => {
            let purpose = edit_lab(state);
            ask_about(state, purpose, now);
        }
        _ => {}
    }
}

/// Why one cannot go to another project or server now; none when one can.
#[must_use]
pub fn cannot_leave(state: &State) -> Option<&'static str> {
    let writing = [
        Slot::Status,
        Slot::Update,
        Slot::Create,
        Slot::Override,
        Slot::Winner,
        Slot::WriteInsight,
        Slot::ImportStep,
        Slot::Change,
    ];
    // What is unsaved is kept on disk.
    writing
        .iter()
        .any(|slot| state.requests.pending(*slot).is_some())
        .then_some("A change is still on its way: wait for its answer before going elsewhere")
}

/// The whole cockpit turns to another project.
pub fn switch(state: &mut State, key: Key, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.me.as_ref().is_some_and(|me| me.project.key == key) {
        go_home(state, now, effects);
        return;
    }
    if let Some(why) = cannot_leave(state) {
        notify(state, Level::Warn, why, now);
        return;
    }
    // What is unsaved is kept on disk under the project it belongs to.
    edit::walk_away(state, now);
    drafts::settle(state, now, effects);
    state.drafts.clear();
    state.create = None;
    go_home(state, now, effects);
    for slot in Slot::ALL {
        if state.requests.cancel(slot) {
            effects.push(Effect::Cancel(slot));
        }
        state.requests.plan(slot, now);
    }
    let projects = std::mem::take(&mut state.objects.projects);
    state.objects = Objects {
        projects,
        ..Objects::default()
    };
    state.list = ListState::default();
    state.open = None;
    state.hold = Default::default();
    state.calls = Default::default();
    state.me = None;
    effects.push(Effect::Project(key.to_string()));
    notify(state, Level::Ok, format!("This is {key} now"), now);
}

/// `H` where no experiment is meant; the log of the whole project where nothing is.
pub fn history(state: &mut State, of_project: bool, now: Timestamp) {
    let object = if of_project { None } else { object(state) };
    let panel = match object {
        Some((id, title)) => AuditPanel {
            title: format!("History of {title}"),
            object: Some(id),
            ..AuditPanel::default()
        },
        None => {
            let project = state
                .me
                .as_ref()
                .map_or_else(String::new, |me| format!(" of {}", me.project.key));
            AuditPanel {
                title: format!("Audit log{project}"),
                ..AuditPanel::default()
            }
        }
    };
    state.requests.plan(Slot::Audit, now);
    state.overlays.push(Overlay::Audit(Box::new(panel)));
}

/// The object that is looked at, if it is no experiment.
fn object(state: &State) -> Option<(Uuid, String)> {
    if let Some(flag) = flag::target(state) {
        return Some((flag.id, flag.key.to_string()));
    }
    let Screen::Objects(kind) = state.screen else {
        return None;
    };
    match kind {
        Kind::Deployments => {
            let d = &state.objects.deployments.current()?.deployment;
            Some((d.id, d.name.clone()))
        }
        Kind::Projects => {
            let p = &state.objects.projects.current()?.project;
            Some((p.id, p.key.to_string()))
        }
        Kind::Tokens => state.objects.tokens.current().map(|t| (t.id, t.name.clone())),
        Kind::Labs => state
            .objects
            .labs
            .current()
            .map(|lab| (lab.id, lab.key.to_string())),
        Kind::Flags => None,
    }
}

/// What `y` copies in a list; none where there is nothing.
#[must_use]
pub fn copied(state: &State) -> Option<String> {
    if let Some(flag) = flag::target(state) {
        return Some(flag.key.to_string());
    }
    let Screen::Objects(kind) = state.screen else {
        return None;
    };
    match kind {
        Kind::Deployments => {
            let deployment = &state.objects.deployments.current()?.deployment;
            // A server's key is known to nobody.
            Some(
                deployment
                    .key
                    .clone()
                    .unwrap_or_else(|| deployment.id.to_string()),
            )
        }
        Kind::Projects => Some(state.objects.projects.current()?.project.key.to_string()),
        Kind::Tokens => Some(state.objects.tokens.current()?.name.clone()),
        Kind::Labs => Some(state.objects.labs.current()?.key.to_string()),
        Kind::Flags => None,
    }
}

/// The request of a kind that what is on the screen needs; none when it needs none.
#[must_use]
pub fn wanted(state: &State, slot: Slot) -> Option<Request> {
    let asking = state.overlays.iter().any(|o| matches!(o, Overlay::Form(_)));
    let wiring = state.overlays.iter().any(|o| matches!(o, Overlay::Wiring(_)));
    let list = match state.screen {
        Screen::Objects(kind) => Some(kind),
        _ => None,
    };
    let flags_shown = list == Some(Kind::Flags) || state.screen == Screen::Flag;
    // The palette finds every object by its name.
    let palette = matches!(state.overlays.last(), Some(Overlay::Palette(_)));
    let admin = state.me.as_ref().is_some_and(|me| me.role == Role::Admin);
    match slot {
        Slot::Flags => {
            let named = matches!(named_cell(state), Some(Cell::LinkedFlag));
            let shown = flags_shown || palette || named || !state.objects.drafts.is_empty();
            shown.then_some(Request::Flags)
        }
        Slot::Labs => {
            let named = matches!(named_cell(state), Some(Cell::Lab));
            (list == Some(Kind::Labs) || palette || named).then_some(Request::Labs)
        }
        Slot::Deployments => (list == Some(Kind::Deployments) || flags_shown || wiring || palette)
            .then_some(Request::Deployments),
        Slot::Projects => {
            let wanted = matches!(list, Some(Kind::Projects | Kind::Tokens))
                || asking
                || palette
                || state.wants_projects
                || (state.objects.projects.rows.value.is_none() && (flags_shown || state.detail().is_some()));
            wanted.then_some(Request::Projects)
        }
        Slot::Tokens => (list == Some(Kind::Tokens) || (palette && admin)).then_some(Request::Tokens),
        Slot::FlagOverrides => {
            let detail = state
                .objects
                .flag
                .as_deref()
                .filter(|_| state.screen == Screen::Flag)?;
            Some(Request::FlagOverrides {
                id: detail.id,
                query: detail.overrides.as_ref()?.query(),
            })
        }
        Slot::Audit => {
            let Some(Overlay::Audit(panel)) = state.overlays.last() else {
                return None;
            };
            let loaded = panel.entries.value.as_ref().map_or(0, Vec::len);
            let more = panel.next_before.filter(|_| panel.selected + 10 >= loaded);
            let first = panel.entries.value.is_none();
            (first || more.is_some()).then(|| Request::Audit {
                query: Box::new(AuditQuery {
                    object_id: panel.object,
                    before: more,
                    ..AuditQuery::default()
                }),
            })
        }
        Slot::FlagHistory => flag::wants_history(state),
        Slot::Insight => {
            let detail = state.detail().filter(|d| d.tab == Tab::Insights)?;
            Some(Request::Insight { id: detail.id()? })
        }
        Slot::Imports => {
            if state.screen == Screen::Flag {
                let detail = state.objects.flag.as_deref().filter(|d| d.overrides.is_some())?;
                let (of, id) = (Of::Flag, detail.id);
                return Some(Request::Imports { of, id });
            }
            let detail = state.detail().filter(|d| d.tab == Tab::Overrides)?;
            let (of, id) = (Of::Experiment, detail.id()?);
            Some(Request::Imports { of, id })
        }
        Slot::ImportRows => {
            let panel = super::import::panel(state)?;
            let import = panel.import.as_ref()?;
            (panel.stage == Stage::Review && rows_outdated(state)).then(|| Request::ImportRows {
                of: panel.target.of,
                id: panel.target.id,
                import: import.id,
                query: panel.query(),
            })
        }
        _ => None,
    }
}

/// The field that is typed into, where it takes the name of an object.
fn named_cell(state: &State) -> Option<&Cell> {
    Some(&state.editor()?.editing.as_ref()?.cell)
}

/// Whether other rows of the dry run are wanted than those that were asked for last.
#[must_use]
pub fn rows_outdated(state: &State) -> bool {
    super::import::panel(state).is_some_and(|p| {
        p.import.is_some() && (p.asked.as_ref() != Some(&p.query()) || p.rows.failure.is_some())
    })
}

/// Whether a page of rows is wanted that was not asked for yet.
#[must_use]
pub fn rows_asked_anew(state: &State) -> bool {
    super::import::panel(state).is_some_and(|p| {
        p.import.is_some() && p.stage == Stage::Review && p.asked.as_ref() != Some(&p.query())
    })
}

/// Whether another page of the flag's overrides is wanted than the one that was asked for last.
#[must_use]
pub fn flag_overrides_outdated(state: &State) -> bool {
    let detail = state.objects.flag.as_deref();
    detail
        .and_then(|d| d.overrides.as_ref())
        .is_some_and(|o| o.asked.as_ref() != Some(&o.query()))
}

/// Takes an answer about these objects; gives it back when it is about something else.
pub fn answered(
    state: &mut State,
    request: &Request,
    answer: Answer,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> Option<Answer> {
    match answer {
        Answer::Flags(list) => {
            state.objects.flags.set(list.flags, now);
            flag::merge(state, now);
        }
        Answer::FlagHistory(page) => {
            if let Request::FlagHistory { id } = request {
                flag::told(state, *id, &page.entries);
            }
        }
        Answer::Deployments(list) => state.objects.deployments.set(list.deployments, now),
        Answer::Projects(list) => {
            state.wants_projects = false;
            state.objects.projects.set(list.projects, now);
        }
        Answer::Tokens(list) => state.objects.tokens.set(list.tokens, now),
        Answer::Labs(list) => state.objects.labs.set(list.labs, now),
        Answer::FlagOverrides(page) => {
            if let (Request::FlagOverrides { query, .. }, Some(overrides)) =
                (request, flag_overrides(state, request))
            {
                overrides.take(query, page, now);
            }
        }
        Answer::Audit(page) => audit(state, request, page, now),
        Answer::Insight(insight) => {
            let asked = request.experiment();
            let open = state.open.as_deref_mut();
            if let Some(detail) = open.filter(|detail| detail.id() == asked) {
                detail.insight.set(insight, now);
            }
            if request.slot() == Slot::WriteInsight {
                let experiment = asked.and_then(|id| state.list.experiment(id));
                let of = experiment.map_or_else(String::new, |e| format!(" of {}", e.key));
                let text = format!("The summary{of} is written anew and saved");
                notify(state, Level::Ok, text, now);
            }
        }
        Answer::Imports(of, id, list) => {
            let overrides = match of {
                Of::Experiment => {
                    let detail = state.open.as_deref_mut().filter(|d| d.id() == Some(id));
                    detail.map(|detail| &mut detail.overrides)
                }
                Of::Flag => {
                    let detail = state.objects.flag.as_deref_mut().filter(|d| d.id == id);
                    detail.and_then(|detail| detail.overrides.as_mut())
                }
            };
            if let Some(overrides) = overrides {
                let before = overrides.imports.value.take().unwrap_or_default();
                overrides.imports.set(list.imports.clone(), now);
                for overlay in &mut state.overlays {
                    if let Overlay::Imports(panel) = overlay {
                        panel.selected = follow(&before, &list.imports, panel.selected, |i| i.id);
                    }
                }
                super::import::adopt(state);
            }
        }
        Answer::ImportRows(rows) => {
            let of = match request {
                Request::ImportRows { import, .. } => Some(*import),
                _ => None,
            };
            let panel = super::import::panel_mut(state);
            if let Some(panel) = panel.filter(|p| p.import.as_ref().map(|i| i.id) == of) {
                panel.selected = panel.selected.min(rows.rows.len().saturating_sub(1));
                panel.rows.set(rows, now);
            }
        }
        Answer::Import(import) => super::import::stepped(state, request, import, now, effects),
        Answer::Changed(changed) => took(state, changed, now),
        other => return Some(other),
    }
    None
}

/// The overrides of the open flag, if a request was about them.
fn flag_overrides<'a>(state: &'a mut State, request: &Request) -> Option<&'a mut OverridesState> {
    let Request::FlagOverrides { id, .. } = request else {
        return None;
    };
    let detail = state.objects.flag.as_deref_mut()?;
    detail.overrides.as_mut().filter(|_| detail.id == *id)
}

/// The history that waits for this answer, wherever it lies.
fn audited<'a>(state: &'a mut State, request: &Request) -> Option<&'a mut AuditPanel> {
    let Request::Audit { query } = request else {
        return None;
    };
    state.overlays.iter_mut().rev().find_map(|overlay| match overlay {
        Overlay::Audit(panel) if panel.object == query.object_id && panel.next_before == query.before => {
            Some(&mut **panel)
        }
        _ => None,
    })
}

/// Whether the history on top is of something else than what is being asked.
#[must_use]
pub fn other_history(state: &State) -> bool {
    match (state.overlays.last(), state.requests.asked(Slot::Audit)) {
        (Some(Overlay::Audit(panel)), Some(Request::Audit { query })) => panel.object != query.object_id,
        _ => false,
    }
}

fn audit(state: &mut State, request: &Request, page: History, now: Timestamp) {
    if let Some(panel) = audited(state, request) {
        match (&mut panel.entries.value, panel.next_before) {
            (Some(entries), Some(_)) => entries.extend(page.entries),
            _ => panel.entries.set(page.entries, now),
        }
        panel.entries.failure = None;
        panel.next_before = page.next_before;
    }
}

/// A change was made: the lists are asked anew, and a new key is shown.
fn took(state: &mut State, changed: Changed, now: Timestamp) {
    let asked = state.objects.changing.take();
    form::close_sent(state);
    for slot in [
        Slot::Flags,
        Slot::Deployments,
        Slot::Projects,
        Slot::Tokens,
        Slot::Labs,
        Slot::Experiments,
        Slot::Experiment,
        Slot::Me,
    ] {
        state.requests.plan(slot, now);
    }
    let text = match &changed {
        Changed::TokenLeft(token) => format!("{} {STILL_TAKEN}", token.name),
        _ => asked
            .as_ref()
            .map_or_else(String::new, |purpose| form::words::done(purpose)),
    };
    if let (Some(Purpose::SaveFlag(sent)), Changed::Flag(saved)) = (asked.as_deref(), &changed) {
        flag::saved(state, sent, saved, now);
    }
    let mut secret = None;
    match changed {
        Changed::Flag(flag) => {
            let in_list = state.objects.flags.rows.value.as_mut();
            if let Some(row) = in_list.and_then(|rows| rows.iter_mut().find(|r| r.flag.id == flag.id)) {
                row.flag = *flag;
            } else if matches!(asked.as_deref(), Some(Purpose::CreateFlag)) {
                state.objects.flags.selected = Some(flag.id);
            }
        }
        Changed::Converted(both) => state.objects.flags.selected = Some(both.flag.id),
        Changed::Experiment(_) | Changed::Project(_) | Changed::TokenLeft(_) | Changed::Gone => {}
        Changed::Overrides(_) => {}
        Changed::Lab(lab) => state.objects.labs.selected = Some(lab.id),
        Changed::Deployment(deployment) => {
            state.objects.deployments.selected = Some(deployment.id);
            // The key of a server comes once, and is lost where it is not shown.
            let once = deployment.kind == crate::domain::DeploymentKind::Server;
            let made = matches!(
                asked.as_deref(),
                Some(Purpose::CreateDeployment | Purpose::RotateKey(_))
            );
            if (made || once)
                && let Some(key) = &deployment.key
            {
                secret = Some(Secret {
                    title: format!("Key of {}", deployment.name),
                    text: key.as_str().into(),
                    note: if once {
                        "This key is shown only now: the server keeps a hash of it. Put it where your secrets are."
                    } else {
                        "The key of a client is no secret: y in the list copies it again."
                    }
                    .to_owned(),
                    // Nothing is lost by closing what can be seen again.
                    copied: !once,
                    asked: false,
                });
            }
        }
        Changed::Token(made) => {
            state.objects.tokens.selected = Some(made.row.id);
            secret = Some(Secret {
                title: format!("Token {}", made.row.name),
                text: made.token.as_str().into(),
                note: "This token is shown only now: the server keeps a hash of it. Put it where your secrets are."
                    .to_owned(),
                copied: false,
                asked: false,
            });
        }
    }
    if let Some(detail) = state.objects.flag.as_deref_mut()
        && let Some(overrides) = &mut detail.overrides
    {
        overrides.asked = None;
    }
    if !text.is_empty() {
        notify(state, Level::Ok, text, now);
    }
    state
        .overlays
        .extend(secret.map(|s| Overlay::Secret(Box::new(s))));
}

/// Takes a failure about these objects. False when it is about something else.
pub fn failed(state: &mut State, request: &Request, failure: &Failure, now: Timestamp) -> bool {
    let failure = failure.clone();
    match request.slot() {
        Slot::Flags => state.objects.flags.rows.fail(failure),
        Slot::Deployments => state.objects.deployments.rows.fail(failure),
        Slot::Projects => {
            state.wants_projects = false;
            state.objects.projects.rows.fail(failure);
        }
        Slot::Tokens => state.objects.tokens.rows.fail(failure),
        Slot::Labs => state.objects.labs.rows.fail(failure),
        Slot::FlagOverrides => {
            if let Some(overrides) = flag_overrides(state, request) {
                overrides.page.fail(failure);
            }
        }
        Slot::Audit => {
            if let Some(panel) = audited(state, request) {
                panel.entries.fail(failure);
            }
        }
        Slot::Insight => {
            let asked = request.experiment();
            let open = state.open.as_deref_mut();
            if let Some(detail) = open.filter(|detail| detail.id() == asked) {
                detail.insight.fail(failure);
            }
        }
        // Asked again as long as it is wanted.
        Slot::FlagHistory => {}
        Slot::WriteInsight => notify(state, Level::Warn, failure.message, now),
        Slot::Imports => {
            if let Some(overrides) = super::import::overrides_mut(state) {
                overrides.imports.fail(failure);
            }
        }
        Slot::ImportRows => {
            if let Some(panel) = super::import::panel_mut(state) {
                panel.rows.fail(failure);
            }
        }
        Slot::ImportStep => super::import::failed(state, request, &failure, now),
        Slot::Change => {
            let conflict = flag::conflict(state, &failure, now);
            let text = match (failure.kind, conflict) {
                (_, Some(text)) => text,
                (FailureKind::Lost, None) => format!(
                    "Not known whether it was done: {}. Look at the list before trying again.",
                    failure.message
                ),
                (_, None) => failure.message,
            };
            for slot in [
                Slot::Flags,
                Slot::Deployments,
                Slot::Projects,
                Slot::Tokens,
                Slot::Labs,
            ] {
                state.requests.plan(slot, now);
            }
            form::refused(state, text, now);
        }
        _ => return false,
    }
    true
}
