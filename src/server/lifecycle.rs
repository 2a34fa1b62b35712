//! Moving an experiment through its life: which step is possible, and what it changes.
//!
//! A pure function; [`super::registry`] carries it out.

use jiff::Timestamp;

use crate::api::experiments::ChangeStatus;
use crate::api::problem::{Code, Problem};
use crate::domain::checks::{self, is_blank};
use crate::domain::{EndedReason, Experiment, FieldError, Key, PauseCause, Status};

use super::edit;
use super::error::ApiError;

/// The state after a step of the lifecycle. The version and the time of change are set by the registry.
///
/// # Errors
/// [`Code::BadTransition`] when the step is not possible from the current status, [`Code::Invalid`] with
/// every refused field otherwise.
pub fn change(
    current: &Experiment,
    body: &ChangeStatus,
    max_variants: usize,
    now: Timestamp,
) -> Result<Experiment, ApiError> {
    let (from, to) = (current.status, body.to);
    if !from.may_become(to) {
        return Err(bad_transition(current, to));
    }
    let mut errors = misplaced_fields(body, from);
    let mut next = current.clone();
    next.status = to;
    next.status_changed_at = Some(now);
    next.paused_by = (to == Status::Paused).then_some(PauseCause::Person);
    match to {
        Status::Active => {
            let because = if current.is_auto_paused() {
                Some("the guard paused this experiment for a sample ratio mismatch")
            } else if body.override_failing_srm {
                Some("with overrideFailingSrm the test begins anew, and what it has seen so far is put away")
            } else {
                None
            };
            let is_silent = body.comment.as_deref().is_none_or(is_blank);
            if let Some(because) = because.filter(|_| is_silent) {
                let allowed = format!("the reason in words: {because}");
                errors.push(FieldError::new("comment", "nothing", allowed));
            }
            errors.extend(edit::no_traffic(&next));
            errors.extend(next.check(max_variants).err().unwrap_or_default());
            if body.override_failing_srm {
                // What is known to be wrong must not pause it again: the guard begins anew here.
                next.srm_checked_from = Some(now);
            }
            next.activated_at = next.activated_at.or(Some(now));
            edit::follow_split(&mut next, now);
        }
        Status::Completed => {
            if let Some(winner) = &body.winning_variant {
                match current.variant(winner.as_str()) {
                    Some(variant) => next.winning_variant = Some(variant.key.clone()),
                    None => errors.push(no_variant(current, winner.as_str())),
                }
            }
            next.ended_reason = body.ended_reason.or(next.ended_reason);
        }
        Status::Ended => next.ended_reason = body.ended_reason.or(next.ended_reason),
        Status::Draft | Status::Paused | Status::Archived => {}
    }
    if errors.is_empty() {
        Ok(next)
    } else {
        Err(errors.into())
    }
}

/// The state after it was completed, with the winner that is served to everybody from then on.
#[must_use]
pub fn complete(current: &Experiment, winner: Option<Key>, now: Timestamp) -> Experiment {
    Experiment {
        status: Status::Completed,
        paused_by: None,
        winning_variant: winner.or_else(|| current.winning_variant.clone()),
        status_changed_at: Some(now),
        ..current.clone()
    }
}

/// The state after the guard paused it.
#[must_use]
pub fn auto_pause(current: &Experiment, now: Timestamp) -> Experiment {
    Experiment {
        status: Status::Paused,
        paused_by: Some(PauseCause::SrmGuard),
        status_changed_at: Some(now),
        ..current.clone()
    }
}

/// Fields that say something about another step than this one.
fn misplaced_fields(body: &ChangeStatus, from: Status) -> Vec<FieldError> {
    let to = body.to;
    let mut errors = Vec::new();
    if let Some(winner) = &body.winning_variant
        && to != Status::Completed
    {
        let allowed = format!("nothing with to {to}; it goes with completed");
        errors.push(FieldError::new("winningVariant", winner, allowed));
    }
    if let Some(reason) = body.ended_reason
        && !matches!(to, Status::Completed | Status::Ended)
    {
        let allowed = format!("nothing with to {to}; it goes with completed and ended");
        errors.push(FieldError::new("endedReason", word(reason), allowed));
    }
    if body.override_failing_srm && (from, to) != (Status::Paused, Status::Active) {
        errors.push(FieldError::new(
            "overrideFailingSrm",
            true,
            "false: it goes with resuming a paused experiment",
        ));
    }
    errors
}

fn word(reason: EndedReason) -> &'static str {
    match reason {
        EndedReason::Success => "success",
        EndedReason::TechIssue => "tech_issue",
        EndedReason::NoLongerNeeded => "no_longer_needed",
        EndedReason::NoStatSig => "no_stat_sig",
        EndedReason::Other => "other",
    }
}

fn no_variant(experiment: &Experiment, given: &str) -> FieldError {
    checks::no_variant(
        "winningVariant",
        given,
        experiment.variants.iter().map(|v| &v.key),
    )
}

fn bad_transition(current: &Experiment, to: Status) -> ApiError {
    let next: Vec<&str> = current.status.next().iter().map(|s| s.as_str()).collect();
    let allowed = next.join(" or ");
    let mut problem = Problem::new(
        Code::BadTransition,
        format!(
            "{} is {} and cannot become {to}; it may become {allowed}",
            current.key, current.status
        ),
    );
    problem.errors = vec![FieldError::new("to", to, allowed).into()];
    problem.into()
}
