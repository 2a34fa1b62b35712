//! Flags from experiments, experiments from flags, and copies of both.

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::experiments::CreateExperiment;
use crate::api::problem::{Code, Problem};
use crate::decide::flag::{follow_rollout, shares};
use crate::domain::flag::OFF;
use crate::domain::{EndedReason, Experiment, FieldError, Flag, Key, Percent, Rule, Status, Variant};
use crate::server::error::ApiError;
use crate::server::evaluate::export;

use super::flag::{of_experiment, serve_to_all};

/// A draft with what a flag serves. Those outside the rollout get [`OFF`] as before: it is the default variant,
/// and the control where no variant is one.
///
/// The salt is the flag's, and while that is on the experiment begins with its slots ([`super::flag::take_over`]): who
/// had a variant keeps it.
///
/// # Errors
/// Every refusal at once; more variants than an experiment may have is one.
pub fn experiment_of(
    flag: &Flag,
    key: Key,
    max_variants: usize,
    now: Timestamp,
) -> Result<Experiment, Vec<FieldError>> {
    let key = super::usable_key(key.as_str()).map_err(|error| vec![error])?;
    let mut variants = shares(flag);
    let served = variants.len();
    let rolled_out: u32 = variants.iter().map(|v| v.traffic_pct.basis_points()).sum();
    let off = flag.variant(OFF);
    let needs_off = rolled_out < 10_000 || variants.len() < 2 || off.is_some();
    let off_key = off.map(|v| v.key.clone()).or_else(|| Key::new(OFF).ok());
    if let (true, Some(key)) = (needs_off, off_key) {
        let last = variants.iter().map(|v| v.order_index).max();
        variants.push(Variant {
            key,
            name: off.map(|v| v.name.clone()).unwrap_or_default(),
            description: off.map(|v| v.description.clone()).unwrap_or_default(),
            payload: off.map(|v| v.payload.clone()).unwrap_or_default(),
            is_control: false,
            traffic_pct: Percent::from_basis_points(10_000 - rolled_out.min(10_000)).unwrap_or_default(),
            order_index: last.map_or(0, |at| at.saturating_add(1)),
        });
    }
    if variants.iter().filter(|v| v.is_control).count() != 1 {
        let control = if needs_off { variants.len() - 1 } else { 0 };
        for (at, variant) in variants.iter_mut().enumerate() {
            variant.is_control = at == control;
        }
    }
    let default = variants.iter().find(|v| v.key.as_str().eq_ignore_ascii_case(OFF));
    let default = default.or_else(|| variants.iter().find(|v| v.is_control));
    let default = default.map(|v| v.key.as_str().to_owned());
    let body = CreateExperiment {
        name: if flag.name.trim().is_empty() {
            flag.key.to_string()
        } else {
            flag.name.clone()
        },
        key: Some(key.as_str().to_owned()),
        description: flag.description.clone(),
        variants: Some(variants),
        default_variant_id: default,
        rules: with_new_ids(&flag.rules),
        deployments: Some(flag.deployments.clone()),
        linked_flag: Some(flag.key.clone()),
        ..CreateExperiment::default()
    };
    let count = body.variants.as_ref().map_or(0, Vec::len);
    if count > max_variants {
        let given = format!("{served} and {OFF}, for those outside of the rollout");
        let allowed = format!(
            "at most {max_variants} together: roll the flag out to 100 %, remove a variant, or raise max_variants"
        );
        return Err(vec![FieldError::new("variants", given, allowed)]);
    }
    let mut experiment = super::create(body, max_variants, |_| false, now)?;
    experiment.salt = flag.salt.clone();
    Ok(experiment)
}

/// Rules as they are, under ids of their own.
fn with_new_ids(rules: &[Rule]) -> Vec<Rule> {
    let renamed = rules.iter().map(|rule| Rule {
        id: Uuid::new_v4(),
        ..rule.clone()
    });
    renamed.collect()
}

/// The flag that serves what an experiment serves: the split that was planned while it is a draft, later the
/// winner or the default variant to everybody. `known` is the flag that is linked to it.
///
/// # Errors
/// [`Code::BadTransition`] while the experiment runs, [`Code::Invalid`] with every refused field.
pub fn flag_of(
    experiment: &Experiment,
    known: Option<&Flag>,
    key: Key,
    max_variants: usize,
    now: Timestamp,
) -> Result<Flag, ApiError> {
    let status = experiment.status;
    if matches!(status, Status::Active | Status::Paused) {
        let mut problem = Problem::new(
            Code::BadTransition,
            format!(
                "{} is {status}: turning it into a flag would end it without a word; complete it first",
                experiment.key
            ),
        );
        let allowed = "draft, completed, ended or archived";
        problem.errors = vec![FieldError::new("status", status, allowed).into()];
        return Err(problem.into());
    }
    if let (Status::Draft, Some(live)) = (status, known.filter(|flag| flag.enabled)) {
        let mut problem = Problem::new(
            Code::BadTransition,
            format!(
                "the flag {} is on, and serves its own variants: taking the draft {} for it would switch it off; \
                 delete or archive the draft if it is not needed, or switch the flag off first",
                live.key, experiment.key
            ),
        );
        let allowed = "a flag that is off, while the experiment is a draft";
        problem.errors = vec![FieldError::new("linkedFlag", &live.key, allowed).into()];
        return Err(problem.into());
    }
    super::usable_key(key.as_str())?;
    let mut flag = Flag {
        rules: with_new_ids(&experiment.rules),
        salt: experiment.salt.clone(),
        ..of_experiment(experiment, key, now)
    };
    if let Some(known) = known {
        flag = Flag {
            id: known.id,
            key: known.key.clone(),
            evaluation_mode: known.evaluation_mode,
            resource_version: known.resource_version,
            created_at: known.created_at,
            ..flag
        };
    }
    if status == Status::Draft {
        follow_rollout(&mut flag, now);
    } else {
        let served = experiment.winning_variant.as_ref();
        let served = served.unwrap_or(&experiment.default_variant_id);
        if let Some(variant) = experiment.variant(served.as_str()) {
            // Those of the experiment are there; whoever saw the flag besides goes on seeing it.
            let before = known.map_or(&[][..], |flag| &flag.deployments);
            serve_to_all(&mut flag, variant, before, now);
        }
    }
    flag.check(max_variants)?;
    // A flag that SDKs evaluate themselves keeps its mode, and what it takes over may be too much for them.
    match export::refusals(&flag) {
        refused if refused.is_empty() => Ok(flag),
        refused => Err(refused.into()),
    }
}

/// The experiment after its flag has taken its place: over, and out of the flag's way.
#[must_use]
pub fn retired(experiment: &Experiment, now: Timestamp) -> Experiment {
    let status = match experiment.status {
        Status::Draft | Status::Archived => Status::Archived,
        Status::Active | Status::Paused | Status::Completed | Status::Ended => Status::Ended,
    };
    let mut next = experiment.clone();
    if status != experiment.status {
        next.status = status;
        next.status_changed_at = Some(now);
    }
    next.ended_reason = next.ended_reason.or(Some(EndedReason::NoLongerNeeded));
    next
}

/// A draft with everything that is configured about an experiment, and nothing that happened to it.
///
/// # Errors
/// Every refusal at once.
pub fn copy_of_experiment(
    original: &Experiment,
    key: Key,
    deployments: Vec<Uuid>,
    parent_id: String,
    max_variants: usize,
    now: Timestamp,
) -> Result<Experiment, Vec<FieldError>> {
    let body = CreateExperiment {
        name: original.name.clone(),
        key: Some(key.as_str().to_owned()),
        description: original.description.clone(),
        hypothesis: original.hypothesis.clone(),
        links: original.links.clone(),
        assignment_mode: original.assignment_mode,
        subject_type: original.subject_type.clone(),
        variants: Some(original.variants.clone()),
        default_variant_id: Some(original.default_variant_id.as_str().to_owned()),
        holdout_pct: original.holdout_pct,
        sticky: original.sticky,
        primary_metric: original.primary_metric.clone(),
        secondary_event: original.secondary_event.clone(),
        tracked_events: original.tracked_events.clone(),
        rules: with_new_ids(&original.rules),
        linked_flag: None,
        deployments: Some(deployments),
        parent_id: Some(parent_id),
        prior: original.prior,
    };
    super::create(body, max_variants, |_| false, now)
}

/// A flag with everything that is configured about another one, switched off.
///
/// # Errors
/// Every refusal at once.
pub fn copy_of_flag(
    original: &Flag,
    key: Key,
    deployments: Vec<Uuid>,
    max_variants: usize,
    now: Timestamp,
) -> Result<Flag, Vec<FieldError>> {
    let key = super::usable_key(key.as_str()).map_err(|error| vec![error])?;
    let mut flag = Flag {
        id: Uuid::new_v4(),
        salt: key.as_str().to_owned(),
        key,
        enabled: false,
        archived: false,
        rules: with_new_ids(&original.rules),
        deployments,
        cohorts: Vec::new(),
        resource_version: 1,
        created_at: now,
        updated_at: now,
        ..original.clone()
    };
    flag.check(max_variants)?;
    follow_rollout(&mut flag, now);
    Ok(flag)
}
