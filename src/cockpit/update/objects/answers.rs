//! What answers and failures about these objects come to.

use jiff::Timestamp;

use super::super::{flag, form, guard, import, notify};
use super::audit;
use crate::api::problem::Code;
use crate::api::projects::STILL_TAKEN;
use crate::api::system::Me;
use crate::cockpit::change::Changed;
use crate::cockpit::edit::Of;
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::ports::{Answer, Failure, FailureKind, Request, Slot};
use crate::cockpit::state::cursor::follow;
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::objects::Secret;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::overrides::OverridesState;
use crate::cockpit::state::{Level, State};
use crate::domain::Key;

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
        Answer::Deployments(list) => {
            state.objects.deployments.set(list.deployments, now);
            form::rebase(state);
        }
        Answer::Projects(list) => {
            state.wants_projects = false;
            let newer = state.me.as_ref().and_then(|me| {
                let (id, version) = (me.project.id, me.project.resource_version);
                let mut rows = list.projects.iter().map(|row| &row.project);
                let project = rows.find(|p| p.id == id && p.resource_version > version)?;
                Some(Me {
                    project: project.clone(),
                    ..me.clone()
                })
            });
            if let Some(me) = newer {
                guard::known(state, me, now);
            }
            state.objects.projects.set(list.projects, now);
            form::rebase(state);
            form::fill(state);
        }
        Answer::Tokens(list) => state.objects.tokens.set(list.tokens, now),
        Answer::Labs(list) => {
            state.objects.labs.set(list.labs, now);
            form::rebase(state);
        }
        Answer::FlagOverrides(page) => {
            if let (Request::FlagOverrides { query, .. }, Some(overrides)) =
                (request, flag_overrides(state, request))
            {
                overrides.take(query, page, now);
            }
        }
        Answer::Audit(page) => audit::take(state, request, page, now),
        Answer::Insight(insight) => {
            let asked = request.experiment();
            let open = state.open.as_deref_mut();
            if let Some(detail) = open.filter(|detail| detail.id() == asked) {
                detail.insight.set(insight, now);
            }
            if request.slot() == Slot::WriteInsight {
                let experiment = asked.and_then(|id| state.list.experiment(id));
                let of = experiment.map_or_else(String::new, |e| format!(" of {}", e.key));
                let text = format!("The summary{of} is written and saved");
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
                import::adopt(state);
            }
        }
        Answer::ImportRows(rows) => {
            let of = match request {
                Request::ImportRows { import, .. } => Some(*import),
                _ => None,
            };
            let panel = import::panel_mut(state);
            if let Some(panel) = panel.filter(|p| p.import.as_ref().map(|i| i.id) == of) {
                panel.selected = panel.selected.min(rows.rows.len().saturating_sub(1));
                panel.rows.set(rows, now);
            }
        }
        Answer::Import(import) => import::stepped(state, request, import, now, effects),
        Answer::Changed(changed) => took(state, changed, now),
        other => return Some(other),
    }
    state.objects.measure();
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

fn ask_for_lists(state: &mut State, now: Timestamp) {
    for slot in [
        Slot::Flags,
        Slot::Deployments,
        Slot::Projects,
        Slot::Tokens,
        Slot::Labs,
    ] {
        state.requests.plan(slot, now);
    }
}

/// The project that the copy which is on its way goes to, where its dialog is still there.
fn copied_to(state: &State) -> Option<Key> {
    let mut forms = state.overlays.iter().filter_map(|overlay| match overlay {
        Overlay::Form(form) if form.sending => Some(form),
        _ => None,
    });
    let copies = |purpose: &Purpose| matches!(purpose, Purpose::CopyFlag(_) | Purpose::CopyExperiment(_));
    let form = forms.find(|form| copies(&form.purpose))?;
    Key::new(form.chosen("Project")).ok()
}

/// A change was made: the lists are asked anew, and a new key is shown.
fn took(state: &mut State, changed: Changed, now: Timestamp) {
    let asked = state.objects.changing.take();
    if let Some(project) = copied_to(state) {
        state.objects.copied_to = Some(project);
    }
    form::close_sent(state);
    ask_for_lists(state, now);
    for slot in [Slot::Experiments, Slot::Experiment, Slot::Me] {
        state.requests.plan(slot, now);
    }
    let text = match &changed {
        Changed::TokenLeft(token) => format!("{} {STILL_TAKEN}", token.name),
        _ => asked
            .as_ref()
            .map_or_else(String::new, |purpose| form::words::done(state, purpose)),
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
                            .to_owned()
                    } else {
                        let again = (Context::Objects, Command::CopyKey, "in the list copies it again");
                        format!(
                            "{}.",
                            state
                                .keymap
                                .after("The key of a client is no secret", ": ", &[again])
                        )
                    },
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
            if let Some(panel) = audit::waiting(state, request) {
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
            if let Some(overrides) = import::overrides_mut(state) {
                overrides.imports.fail(failure);
            }
        }
        Slot::ImportRows => {
            if let Some(panel) = import::panel_mut(state) {
                panel.rows.fail(failure);
            }
        }
        Slot::ImportStep => import::failed(state, request, &failure, now),
        Slot::Change => {
            let conflict = flag::conflict(state, &failure, now);
            let problem = failure.problem;
            let changed = problem.as_deref().filter(|p| p.code == Code::VersionConflict);
            let text = match (failure.kind, conflict) {
                (_, Some(text)) => text,
                // The dialog is about what was there when it opened: the same again would be refused again.
                (_, None) if changed.is_some() => format!(
                    "{} changed it since this dialog opened. Close it, look, and decide again.",
                    changed
                        .and_then(|p| p.changed_by.as_deref())
                        .unwrap_or("Somebody")
                ),
                (FailureKind::Lost, None) => format!(
                    "Not known whether it was done: {} Look at the list before trying again.",
                    format::ended(&failure.message)
                ),
                (_, None) => failure.message,
            };
            ask_for_lists(state, now);
            form::refused(state, text, problem.as_deref(), now);
        }
        _ => return false,
    }
    true
}
