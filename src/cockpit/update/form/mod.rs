//! The dialog that is asked before an object is made, changed or ended.

pub mod fields;
mod rebase;
pub mod request;
pub mod texts;
pub mod words;

use jiff::Timestamp;

pub use self::rebase::rebase;
use super::{dialog, failed_meanwhile, guard, import, notify};
use crate::api::problem::{Code, Problem};
use crate::cockpit::edit::Of;
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::Command;
use crate::cockpit::lifecycle;
use crate::cockpit::ports::{Request, Slot};
use crate::cockpit::state::form::{Focus, Form, Input, Line, Purpose};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::text::TextField;
use crate::cockpit::state::{Level, State};
use crate::domain::{Flag, Key};

/// Opens the dialog.
pub fn open(state: &mut State, purpose: Purpose, now: Timestamp) {
    let lines = fields::lines(state, &purpose);
    let danger = is_danger(state, &purpose);
    let key = key_of(&purpose).filter(|_| wants_key(state, &purpose));
    let held_back = held_back(state, &purpose);
    // By another, perhaps: asked anew before anything can be confirmed.
    state.requests.plan(Slot::Me, now);
    // It offers those that there are now.
    if lines.iter().any(|line| matches!(line.label, PROJECT | PROJECTS)) {
        state.requests.plan(Slot::Projects, now);
    }
    // Where somebody has to be named first, nothing can be confirmed by mistake.
    let named = matches!(purpose, Purpose::AddFlagOverride(_));
    let focus = if (danger && !named) || lines.is_empty() {
        Focus::Cancel
    } else {
        Focus::Line(0)
    };
    state.overlays.push(Overlay::Form(Box::new(Form {
        purpose,
        lines,
        danger,
        key,
        held_back,
        opened_at: now,
        focus,
        sending: false,
        changed_by: None,
        error: None,
        scroll: 0,
    })));
}

/// Whether what it is about has to be typed, as things are now.
#[must_use]
pub fn wants_key(state: &State, purpose: &Purpose) -> bool {
    let protected = match purpose {
        // What counts is the project that is changed, not the one that is looked at.
        Purpose::EditProject(project) => project.protected,
        _ => state.me.as_ref().is_some_and(|me| me.project.protected),
    };
    protected && named(purpose).is_some() && is_danger(state, purpose)
}

/// What has to be typed in a protected project, and the field for it.
pub fn key_of(purpose: &Purpose) -> Option<(String, TextField)> {
    named(purpose).map(|name| (name, TextField::default()))
}

/// A flag as it is known to be now, and what decides in its place: somebody else may have switched it.
fn current<'a>(state: &'a State, flag: &'a Flag) -> (&'a Flag, Option<&'a Key>) {
    let row = state.objects.flags.get(flag.id);
    let now = row.map(|row| &row.flag);
    let now = now.filter(|now| now.resource_version >= flag.resource_version);
    (now.unwrap_or(flag), row.and_then(|row| row.decided_by.as_ref()))
}

/// Why what is asked has no effect for anybody at present; none where it has, or is not about what is forced.
#[must_use]
pub fn held_back(state: &State, purpose: &Purpose) -> Option<String> {
    match purpose {
        Purpose::AddFlagOverride(flag) | Purpose::DropFlagOverride(flag, _) => {
            let (flag, decided_by) = current(state, flag);
            lifecycle::flag_held_back(flag, decided_by)
        }
        Purpose::ApplyImport(_) => import_held_back(state),
        _ => None,
    }
}

/// Why nobody gets another variant by the import that is looked at.
fn import_held_back(state: &State) -> Option<String> {
    let target = &import::panel(state)?.target;
    match target.of {
        Of::Experiment => {
            let open = state.detail().and_then(|detail| detail.config());
            let open = open.filter(|experiment| experiment.id == target.id);
            lifecycle::held_back(state.list.experiment(target.id).or(open)?)
        }
        Of::Flag => {
            let row = state.objects.flags.get(target.id)?;
            lifecycle::flag_held_back(&row.flag, row.decided_by.as_ref())
        }
    }
}

/// The line in which one of the projects is chosen.
const PROJECT: &str = "Project";
/// The line in which projects are ticked.
const PROJECTS: &str = "Projects";

/// The projects came in: a dialog offers those that there are now. What was chosen or ticked stays so.
pub fn fill(state: &mut State) {
    let offers = |line: &Line| matches!(line.label, PROJECT | PROJECTS);
    let follows = |form: &Form| !form.sending && form.lines.iter().any(offers);
    let filled: Vec<Vec<Line>> = state
        .overlays
        .iter()
        .map(|overlay| match overlay {
            Overlay::Form(form) if follows(form) => fields::lines(state, &form.purpose),
            _ => Vec::new(),
        })
        .collect();
    for (overlay, filled) in state.overlays.iter_mut().zip(filled) {
        let Overlay::Form(form) = overlay else { continue };
        for (line, new) in form.lines.iter_mut().zip(filled) {
            if offers(line) {
                offer(line, new.input);
            }
        }
    }
}

/// Puts what there is now in the place of what there was.
fn offer(line: &mut Line, new: Input) {
    let empty = match (&mut line.input, new) {
        (
            Input::Choice { options, at },
            Input::Choice {
                options: now,
                at: first,
            },
        ) => {
            let empty = options.is_empty();
            let chosen = options.get(*at);
            *at = chosen
                .and_then(|chosen| now.iter().position(|option| option == chosen))
                .unwrap_or(first);
            *options = now;
            empty
        }
        (Input::Ticks { options, at }, Input::Ticks { options: mut now, .. }) => {
            let empty = options.is_empty();
            for option in &mut now {
                let before = options.iter().find(|before| before.id == option.id);
                // What is new is ticked by nobody but a person.
                option.on = before.map_or(empty && option.on, |before| before.on);
            }
            let on = options.get(*at).map(|option| option.id);
            *at = now.iter().position(|option| Some(option.id) == on).unwrap_or(0);
            *options = now;
            empty
        }
        _ => false,
    };
    if empty {
        line.problem = None;
    }
}

/// Whether it can hurt somebody, or loses something, as things are now.
#[must_use]
pub fn is_danger(state: &State, purpose: &Purpose) -> bool {
    if let Purpose::AddFlagOverride(flag) = purpose {
        // While it is off, everybody gets off whatever is forced.
        return current(state, flag).0.enabled;
    }
    !matches!(
        purpose,
        Purpose::CreateFlag
            | Purpose::CopyFlag(_)
            | Purpose::CopyExperiment(_)
            | Purpose::FlagPart(..)
            | Purpose::FlagVariant(..)
            | Purpose::FlagRule(..)
            | Purpose::CreateDeployment
            | Purpose::RenameDeployment(_)
            | Purpose::CreateProject
            | Purpose::CreateLab
            | Purpose::EditLab(_)
            | Purpose::CreateToken
    )
}

/// What has to be typed in a protected project.
fn named(purpose: &Purpose) -> Option<String> {
    Some(match purpose {
        Purpose::ToggleFlag(flag) | Purpose::ArchiveFlag(flag) | Purpose::ConvertFlag(flag) => {
            flag.key.to_string()
        }
        Purpose::SaveFlag(draft) => draft.base.key.to_string(),
        Purpose::AddFlagOverride(flag) | Purpose::DropFlagOverride(flag, _) => flag.key.to_string(),
        Purpose::ConvertExperiment(experiment) => experiment.key.to_string(),
        Purpose::RotateKey(deployment) => deployment.name.clone(),
        Purpose::RevokeDeployment(row) => row.deployment.name.clone(),
        Purpose::EditProject(project) => project.key.to_string(),
        Purpose::RevokeToken(token) => token.name.clone(),
        Purpose::ApplyImport(import) | Purpose::UndoImport(import) | Purpose::ForgetImport(import) => {
            import.experiment.to_string()
        }
        _ => return None,
    })
}

/// Why it cannot be confirmed as it is, and the part that this is about; none when it can.
#[must_use]
pub fn missing(form: &Form) -> Option<(Option<Focus>, String)> {
    if form.sending {
        return Some((None, "waiting for the server's answer".to_owned()));
    }
    let wrong = (0..form.lines.len()).find_map(|at| Some((at, fields::problem(form, at)?)));
    if let Some((at, problem)) = wrong {
        return Some((Some(Focus::Line(at)), problem));
    }
    if let Some((name, typed)) = &form.key
        && typed.text().trim() != name
    {
        return Some((Some(Focus::Key), format!("type the key: {name}")));
    }
    None
}

/// A key in the dialog.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let last = state.laid.last;
    let Some(Overlay::Form(form)) = state.overlays.last_mut() else {
        return;
    };
    let order = form.order();
    let at = order.iter().position(|focus| *focus == form.focus).unwrap_or(0);
    match command {
        Command::NextField => go(form, order[(at + 1) % order.len()]),
        Command::PreviousField => go(form, order[(at + order.len() - 1) % order.len()]),
        Command::Less => choose(form, false),
        Command::More => choose(form, true),
        Command::Toggle => toggle(form),
        Command::ScrollUp => form.scroll = form.scroll.saturating_sub(4),
        Command::ScrollDown => form.scroll = (form.scroll + 4).min(last),
        Command::Press => match form.focus {
            Focus::Cancel => dialog::leave(state, now),
            Focus::Confirm => send(state, now, effects),
            Focus::Line(_) | Focus::Key => go(form, order[(at + 1) % order.len()]),
        },
        _ => {}
    }
}

/// Moves the focus; what is left is checked.
fn go(form: &mut Form, to: Focus) {
    if let Focus::Line(at) = form.focus {
        let problem = fields::problem(form, at);
        form.lines[at].problem = problem;
    }
    form.focus = to;
}

fn choose(form: &mut Form, forward: bool) {
    let turn = |at: usize, len: usize| (at + if forward { 1 } else { len - 1 }) % len;
    match form.focus {
        Focus::Line(line) => match &mut form.lines[line].input {
            Input::Choice { options, at } if !options.is_empty() => {
                *at = turn(*at, options.len());
                // What was said is about what was chosen before.
                form.error = None;
            }
            Input::Ticks { options, at } if !options.is_empty() => *at = turn(*at, options.len()),
            Input::Tick(on) => {
                *on = !*on;
                form.error = None;
            }
            _ => {}
        },
        Focus::Cancel => form.focus = Focus::Confirm,
        Focus::Confirm => form.focus = Focus::Cancel,
        Focus::Key => {}
    }
}

fn toggle(form: &mut Form) {
    if let Focus::Line(line) = form.focus {
        match &mut form.lines[line].input {
            Input::Tick(on) => {
                *on = !*on;
                form.error = None;
            }
            Input::Ticks { options, at } => {
                if let Some(option) = options.get_mut(*at) {
                    option.on = !option.on;
                    form.error = None;
                }
            }
            Input::Choice { .. } => choose(form, true),
            Input::Text(_) => {}
        }
    }
}

/// The button that does it.
fn send(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(Overlay::Form(form)) = state.overlays.last_mut() else {
        return;
    };
    if let Some((part, why)) = missing(form) {
        form.focus = part.unwrap_or(form.focus);
        form.error = match part {
            // Said below the field itself.
            Some(Focus::Line(at)) => {
                form.lines[at].problem = Some(why);
                None
            }
            _ => Some(why),
        };
        return;
    }
    let Some(Overlay::Form(form)) = state.overlays.last() else {
        return;
    };
    let outcome = match &form.purpose {
        Purpose::FlagPart(start, _) | Purpose::FlagVariant(start, _) | Purpose::FlagRule(start, _) => {
            let start = start.clone();
            request::edit(state, form).map(|edited| {
                state.overlays.pop();
                if let Some(flag) = edited {
                    super::flag::take_edit(state, &start, &flag, now);
                }
            })
        }
        Purpose::ApplyImport(_) | Purpose::UndoImport(_) | Purpose::ForgetImport(_) => {
            import::confirmed(state, now, effects)
        }
        Purpose::SaveFlag(draft) if !draft.both.is_empty() => {
            let text = "Close this and decide first what both changed";
            Err(state.keymap.after(text, ": ", &super::flag::DECIDES))
        }
        Purpose::DiscardFlag(_) => {
            state.overlays.pop();
            super::flag::discarded(state, now, effects);
            Ok(())
        }
        Purpose::WriteInsight(experiment) => {
            let request = Request::WriteInsight { id: experiment.id };
            guard::write(state, request, now).map(|effect| {
                effects.push(effect);
                state.overlays.pop();
                notify(state, Level::Info, "Writing the summary anew …", now);
            })
        }
        _ => match request::change(form, now) {
            Ok(Some(change)) => guard::write(state, Request::Change(Box::new(change)), now).map(|effect| {
                if let Some(Overlay::Form(form)) = state.overlays.last_mut() {
                    form.sending = true;
                    form.error = None;
                    state.objects.changing = Some(Box::new(form.purpose.clone()));
                }
                effects.push(effect);
            }),
            Ok(None) => Ok(()),
            Err(problem) => Err(problem),
        },
    };
    if let Err(problem) = outcome {
        fail(state, problem);
    }
}

fn fail(state: &mut State, problem: String) {
    if let Some(Overlay::Form(form)) = state.overlays.last_mut() {
        form.error = Some(problem);
    }
}

/// Takes the dialog away that waits for an answer, where it is still there.
pub fn close_sent(state: &mut State) {
    state
        .overlays
        .retain(|overlay| !matches!(overlay, Overlay::Form(form) if form.sending));
}

/// Something was typed: what was said about it is told anew.
pub fn text_changed(form: &mut Form) {
    form.error = None;
    if let Focus::Line(at) = form.focus
        && form.lines[at].problem.is_some()
    {
        let problem = fields::problem(form, at);
        form.lines[at].problem = problem;
    }
}

/// The line that a refusal names.
fn named_by(form: &Form, problem: &Problem) -> Option<usize> {
    let line = |label: &str| {
        let mut lines = form.lines.iter();
        lines.position(|line| line.label.eq_ignore_ascii_case(label))
    };
    let last = |path: &str| path.rsplit('.').next().and_then(line);
    let named = problem.errors.iter().find_map(|error| last(&error.field));
    let taken = (problem.code == Code::KeyTaken).then(|| line("Key").or_else(|| line("Name")));
    named.or(taken.flatten())
}

/// What was sent did not work: the dialog stays, and says why. Where it is gone, it is said what did not work. What
/// the server's own words name of it has the focus.
pub fn refused(state: &mut State, text: String, problem: Option<&Problem>, now: Timestamp) {
    let asked = state.objects.changing.take();
    let waiting = state.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Form(form) if form.sending => Some(form),
        _ => None,
    });
    match waiting {
        Some(form) => {
            form.sending = false;
            let conflict = problem.filter(|problem| problem.code == Code::VersionConflict);
            form.changed_by = conflict.filter(|_| rebase::can(&form.purpose)).map(|problem| {
                problem
                    .changed_by
                    .clone()
                    .unwrap_or_else(|| "Somebody".to_owned())
            });
            form.error = Some(match &form.changed_by {
                Some(by) => {
                    format!("{by} changed it since this dialog opened: asking for theirs, yours is kept …")
                }
                None => text,
            });
            let at = problem.and_then(|problem| named_by(form, problem));
            form.focus = at.map_or(form.focus, Focus::Line);
        }
        None => {
            let text = match asked {
                Some(purpose) => format!("{}: {text}", words::titles(&purpose).0),
                None => text,
            };
            match state.left_sent.remove(&Slot::Change) {
                Some(_) => failed_meanwhile(state, text),
                None => notify(state, Level::Warn, text, now),
            }
        }
    }
}
