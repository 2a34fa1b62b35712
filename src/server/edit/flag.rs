//! Creating and editing flags.

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::flags::{CreateFlag, UpdateFlag};
use crate::decide::flag::follow_rollout;
use crate::decide::split;
use crate::domain::flag::{OFF, ON};
use crate::domain::{Cohort, EvaluationMode, Experiment, FieldError, Flag, Key, Percent, Rule, Variant};

use super::{forcing, free_slug, in_order, set, usable_key};
use crate::server::evaluate::export;

/// The rollout of a flag that is created with an experiment.
const LINKED_ROLLOUT: u32 = 5_000;

/// A new flag.
///
/// `taken` says whether a key is in use, for keys that are made from the name.
///
/// # Errors
/// Every refusal at once.
pub fn create(
    body: CreateFlag,
    deployments: Vec<Uuid>,
    max_variants: usize,
    taken: impl Fn(&Key) -> bool,
    now: Timestamp,
) -> Result<Flag, Vec<FieldError>> {
    let mut errors = Vec::new();
    let key = match &body.key {
        Some(text) => usable_key(text).map_err(|e| errors.push(e)).ok(),
        None if body.name.trim().is_empty() => {
            errors.push(FieldError::new("name", &body.name, "a name, or a key"));
            None
        }
        None => free_slug(&body.name, taken).map_err(|e| errors.push(e)).ok(),
    };
    // Anything sound, so that the other fields are checked as well; it is never stored.
    let Some(key) = key.or_else(|| Key::slug("unnamed")) else {
        return Err(errors);
    };
    let variants = body.variants.map(in_order);
    let mut flag = Flag {
        id: Uuid::new_v4(),
        salt: key.as_str().to_owned(),
        key,
        name: body.name,
        description: body.description,
        enabled: body.enabled,
        rollout_pct: body.rollout_pct,
        variants: variants.unwrap_or_else(|| only_on().into_iter().collect()),
        rules: body.rules,
        evaluation_mode: body.evaluation_mode,
        deployments,
        cohorts: Vec::new(),
        archived: false,
        resource_version: 1,
        created_at: now,
        updated_at: now,
    };
    use_written_keys(&flag.variants, &mut flag.rules);
    errors.extend(flag.check(max_variants).err().unwrap_or_default());
    errors.extend(export::refusals(&flag));
    if !errors.is_empty() {
        return Err(errors);
    }
    follow_rollout(&mut flag, now);
    Ok(flag)
}

fn only_on() -> Option<Variant> {
    Some(Variant {
        key: Key::new(ON).ok()?,
        name: String::new(),
        description: String::new(),
        payload: serde_json::Value::Null,
        is_control: false,
        traffic_pct: Percent::HUNDRED,
        order_index: 0,
    })
}

/// Writes the names of variants as the variants themselves are written.
fn use_written_keys(variants: &[Variant], rules: &mut [Rule]) {
    for rule in rules {
        let folded = rule.variant.folded();
        if let Some(known) = variants.iter().find(|v| v.key.folded() == folded) {
            rule.variant = known.key.clone();
        }
    }
}

/// The state after a change. The version and the time are set by the registry.
///
/// `overrides_of` says how many overrides force subjects into a variant.
///
/// # Errors
/// Every refusal at once.
pub fn update(
    current: &Flag,
    body: UpdateFlag,
    max_variants: usize,
    overrides_of: impl Fn(&Key) -> u64,
    now: Timestamp,
) -> Result<Flag, Vec<FieldError>> {
    let mut next = current.clone();
    let UpdateFlag {
        resource_version: _,
        name,
        description,
        enabled,
        rollout_pct,
        variants,
        rules,
        evaluation_mode,
        deployments,
        archived,
        comment: _,
    } = body;
    set(&mut next.name, name);
    set(&mut next.description, description);
    set(&mut next.enabled, enabled);
    set(&mut next.rollout_pct, rollout_pct);
    set(&mut next.variants, variants.map(in_order));
    set(&mut next.rules, rules);
    set(&mut next.evaluation_mode, evaluation_mode);
    set(&mut next.deployments, deployments);
    set(&mut next.archived, archived);
    use_written_keys(&next.variants, &mut next.rules);
    let mut errors = next.check(max_variants).err().unwrap_or_default();
    errors.extend(export::refusals(&next));
    errors.extend(orphans(current, &next, overrides_of));
    if !errors.is_empty() {
        return Err(errors);
    }
    follow_rollout(&mut next, now);
    Ok(next)
}

/// The refusals of variants that would go although overrides force subjects into them. [`OFF`] is always there.
pub fn orphans(current: &Flag, next: &Flag, overrides_of: impl Fn(&Key) -> u64) -> Vec<FieldError> {
    let gone = current.variants.iter().map(|v| &v.key);
    let gone =
        gone.filter(|key| next.variant(key.as_str()).is_none() && !key.as_str().eq_ignore_ascii_case(OFF));
    let counted = gone.map(|key| (key, overrides_of(key)));
    counted
        .filter(|(_, count)| *count > 0)
        .map(|(key, count)| {
            let allowed = format!("{key} as well: {} into it; remove them first", forcing(count));
            FieldError::new("variants", format!("no variant {key}"), allowed)
        })
        .collect()
}

/// Links a new experiment to a flag. Where there is none with the key it names, or it names none, this is the
/// flag to be created: with the variants and the deployments of the experiment, a rollout of 50 %, switched off.
///
/// `known` says how the key of a flag that there is is written.
pub fn linked(
    experiment: &mut Experiment,
    wanted: Option<Key>,
    now: Timestamp,
    known: impl Fn(&Key) -> Option<Key>,
) -> Option<Flag> {
    if let Some(written) = wanted.as_ref().and_then(&known) {
        experiment.linked_flag = Some(written);
        return None;
    }
    let key = match wanted {
        Some(key) => key,
        None => free_slug_like(&experiment.key, |key| known(key).is_some())?,
    };
    experiment.linked_flag = Some(key.clone());
    Some(half_of(experiment, key, now))
}

/// The flag that comes with an experiment.
fn half_of(experiment: &Experiment, key: Key, now: Timestamp) -> Flag {
    let mut flag = of_experiment(experiment, key, now);
    flag.rollout_pct = Percent::from_basis_points(LINKED_ROLLOUT).unwrap_or_default();
    follow_rollout(&mut flag, now);
    flag
}

/// Whether a flag came with a draft and is as the draft makes it, switched off: then it has no meaning without the draft.
#[must_use]
pub fn came_with(flag: &Flag, draft: &Experiment) -> bool {
    flag.created_at == draft.created_at && follow_draft(flag, draft, flag.updated_at) == *flag
}

/// The flag that came with a draft, as it comes with the draft as it is now.
#[must_use]
pub fn follow_draft(flag: &Flag, draft: &Experiment, now: Timestamp) -> Flag {
    let mut next = Flag {
        id: flag.id,
        salt: flag.salt.clone(),
        cohorts: flag.cohorts.clone(),
        resource_version: flag.resource_version,
        created_at: flag.created_at,
        updated_at: flag.updated_at,
        ..half_of(draft, flag.key.clone(), now)
    };
    follow_rollout(&mut next, now);
    next
}

/// The key of an experiment, or with a number behind it where a flag has it.
fn free_slug_like(key: &Key, taken: impl Fn(&Key) -> bool) -> Option<Key> {
    if !taken(key) {
        return Some(key.clone());
    }
    let stem = key.as_str().get(..190).unwrap_or(key.as_str());
    let numbered = (2_u32..).filter_map(|n| Key::new(format!("{stem}-{n}")).ok());
    numbered.into_iter().find(|key| !taken(key))
}

/// Lets an experiment that begins take over who has what from the flag that it decides from now on, where both hash
/// alike: slots change hands only where a share makes it necessary, as in any change of a split.
pub fn take_over(experiment: &mut Experiment, flag: Option<&Flag>, now: Timestamp) {
    let serving = flag.filter(|flag| flag.enabled && !flag.archived && flag.salt == experiment.salt);
    if let Some(cohort) = serving.and_then(|flag| flag.cohorts.last()) {
        let begin = split::rebalance(cohort, &experiment.variants, now);
        experiment.cohorts = vec![Cohort { index: 1, ..begin }];
    }
}

/// A flag with what an experiment serves, switched off and rolled out to all.
pub fn of_experiment(experiment: &Experiment, key: Key, now: Timestamp) -> Flag {
    Flag {
        id: Uuid::new_v4(),
        salt: key.as_str().to_owned(),
        key,
        name: experiment.name.clone(),
        description: experiment.description.clone(),
        enabled: false,
        rollout_pct: Percent::HUNDRED,
        variants: experiment.variants.clone(),
        rules: Vec::new(),
        evaluation_mode: EvaluationMode::Remote,
        deployments: experiment.deployments.clone(),
        cohorts: Vec::new(),
        archived: false,
        resource_version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// Rolls one variant out to everybody who sees the flag or the experiment. The flag's rules go: one that routes to another variant would take the winner
/// away again from those it catches, once the experiment is over.
pub fn serve_to_all(flag: &mut Flag, variant: &Variant, deployments: &[Uuid], now: Timestamp) {
    for deployment in deployments {
        if !flag.deployments.contains(deployment) {
            flag.deployments.push(*deployment);
        }
    }
    if flag.variant(variant.key.as_str()).is_none() {
        let last = flag.variants.iter().map(|v| v.order_index).max();
        flag.variants.push(Variant {
            order_index: last.map_or(0, |at| at.saturating_add(1)),
            ..variant.clone()
        });
    }
    let winner = variant.key.folded();
    for one in &mut flag.variants {
        one.traffic_pct = if one.key.folded() == winner {
            Percent::HUNDRED
        } else {
            Percent::ZERO
        };
    }
    flag.enabled = true;
    flag.archived = false;
    flag.rollout_pct = Percent::HUNDRED;
    flag.rules.clear();
    follow_rollout(flag, now);
}
