//! Creating and editing experiments: from a request to the next state, or to every reason against it.
//!
//! Pure functions; [`super::registry`] carries them out.

pub mod convert;
pub mod flag;

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::banners::group;
use crate::api::experiments::{CreateExperiment, UpdateExperiment};
use crate::decide::split;
use crate::domain::experiment::DEFAULT_LAB;
use crate::domain::{Experiment, FieldError, Key, Percent, Rule, Status, Variant};

/// Keys that would stand for something else in a path: an endpoint, or this and the parent directory.
const RESERVED_KEYS: [&str; 3] = ["assign", ".", ".."];

/// A new draft.
///
/// `taken` says whether a key is in use, for keys that are made from the name.
///
/// # Errors
/// Every refusal at once.
pub fn create(
    body: CreateExperiment,
    max_variants: usize,
    taken: impl Fn(&Key) -> bool,
    now: Timestamp,
) -> Result<Experiment, Vec<FieldError>> {
    let mut errors = Vec::new();
    let key = match &body.key {
        Some(text) => usable_key(text).map_err(|e| errors.push(e)).ok(),
        // A blank name is refused by its own field.
        None if body.name.trim().is_empty() => None,
        None => free_slug(&body.name, taken).map_err(|e| errors.push(e)).ok(),
    };
    let variants = in_order(body.variants.unwrap_or_else(control_and_treatment));
    let default = match &body.default_variant_id {
        Some(text) => Key::new(text.as_str())
            .map_err(|e| errors.push(e.named("defaultVariantId")))
            .ok(),
        None => None,
    };
    let control = variants.iter().find(|v| v.is_control).or(variants.first());
    // Without any variant there is no default either; `check` refuses that by its own field.
    let fallback = control.map(|v| v.key.clone()).or_else(|| key.clone());
    let (Some(key), Some(fallback)) = (key.or_else(|| Key::slug("unnamed")), fallback) else {
        return Err(errors);
    };
    let mut experiment = Experiment {
        id: Uuid::new_v4(),
        salt: key.as_str().to_owned(),
        key,
        name: body.name,
        description: body.description,
        hypothesis: body.hypothesis,
        links: body.links,
        assignment_mode: body.assignment_mode,
        subject_type: body.subject_type,
        status: Status::Draft,
        paused_by: None,
        srm_checked_from: None,
        variants,
        default_variant_id: default.unwrap_or(fallback),
        holdout_pct: body.holdout_pct,
        cohorts: Vec::new(),
        sticky: body.sticky,
        primary_metric: body.primary_metric,
        secondary_event: body.secondary_event,
        tracked_events: body.tracked_events,
        rules: body.rules,
        linked_flag: body.linked_flag,
        deployments: body.deployments.unwrap_or_default(),
        parent_id: body.parent_id.unwrap_or_else(|| DEFAULT_LAB.to_owned()),
        winning_variant: None,
        ended_reason: None,
        prior: body.prior,
        resource_version: 1,
        created_at: now,
        updated_at: now,
        activated_at: None,
        status_changed_at: None,
    };
    use_written_keys(&mut experiment);
    errors.extend(experiment.check(max_variants).err().unwrap_or_default());
    if errors.is_empty() {
        Ok(experiment)
    } else {
        Err(errors)
    }
}

fn is_reserved(key: &Key) -> bool {
    RESERVED_KEYS.contains(&key.folded().as_str())
}

/// A key that was asked for.
fn usable_key(text: &str) -> Result<Key, FieldError> {
    let key = Key::new(text)?;
    not_reserved("key", &key)?;
    Ok(key)
}

/// Refuses a key that could not be reached: it stands for something else in a path.
///
/// # Errors
/// The key, with those that are not allowed.
pub fn not_reserved(field: &str, key: &Key) -> Result<(), FieldError> {
    if is_reserved(key) {
        let allowed = format!("any other key than {}", RESERVED_KEYS.join(", "));
        return Err(FieldError::new(field, key, allowed));
    }
    Ok(())
}

/// A key made from the name, with a number behind it where the plain one is taken.
fn free_slug(name: &str, taken: impl Fn(&Key) -> bool) -> Result<Key, FieldError> {
    let slug = Key::slug(name).ok_or_else(|| {
        FieldError::new(
            "key",
            "nothing",
            "a key: the name has no letter or digit of a key",
        )
    })?;
    let taken = |key: &Key| is_reserved(key) || taken(key);
    if !taken(&slug) {
        return Ok(slug);
    }
    let numbered = (2_u32..).filter_map(|n| {
        Key::slug(&format!(
            "{} {n}",
            slug.as_str().get(..190).unwrap_or(slug.as_str())
        ))
    });
    numbered
        .into_iter()
        .find(|key| !taken(key))
        .ok_or_else(|| FieldError::new("key", "nothing", "a key of its own"))
}

fn control_and_treatment() -> Vec<Variant> {
    let half = Percent::from_basis_points(5_000).unwrap_or_default();
    let variant = |name: &str, is_control: bool, order_index: u32| {
        Key::slug(name).map(|key| Variant {
            key,
            name: name.to_owned(),
            description: String::new(),
            payload: serde_json::Value::Null,
            is_control,
            traffic_pct: half,
            order_index,
        })
    };
    [variant("Control", true, 0), variant("Treatment", false, 1)]
        .into_iter()
        .flatten()
        .collect()
}

/// The variants by `orderIndex`; numbered by their position where two have the same.
fn in_order(mut variants: Vec<Variant>) -> Vec<Variant> {
    variants.sort_by_key(|v| v.order_index);
    let twice = variants
        .windows(2)
        .any(|pair| pair[0].order_index == pair[1].order_index);
    if twice {
        for (variant, at) in variants.iter_mut().zip(0..) {
            variant.order_index = at;
        }
    }
    variants
}

/// Writes the names of variants as the variants themselves are written, so that case never matters later.
fn use_written_keys(experiment: &mut Experiment) {
    let keys: Vec<Key> = experiment.variants.iter().map(|v| v.key.clone()).collect();
    let written = |key: &mut Key| {
        if let Some(known) = keys.iter().find(|k| k.folded() == key.folded()) {
            *key = known.clone();
        }
    };
    written(&mut experiment.default_variant_id);
    experiment
        .rules
        .iter_mut()
        .for_each(|rule| written(&mut rule.variant));
    experiment.winning_variant.iter_mut().for_each(written);
}

/// The state after a change. The version and the time are set by the registry.
///
/// `overrides_of` says how many overrides force subjects into a variant.
///
/// # Errors
/// Every refusal at once.
pub fn update(
    current: &Experiment,
    body: UpdateExperiment,
    max_variants: usize,
    overrides_of: impl Fn(&Key) -> u64,
    now: Timestamp,
) -> Result<Experiment, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut next = current.clone();
    let UpdateExperiment {
        resource_version: _,
        name,
        description,
        hypothesis,
        links,
        assignment_mode,
        subject_type,
        variants,
        default_variant_id,
        holdout_pct,
        sticky,
        primary_metric,
        secondary_event,
        tracked_events,
        rules,
        linked_flag,
        deployments,
        parent_id,
        prior,
    } = body;
    set(&mut next.name, name);
    set(&mut next.description, description);
    set(&mut next.hypothesis, hypothesis);
    set(&mut next.links, links);
    set(&mut next.subject_type, subject_type);
    set(&mut next.variants, variants.map(in_order));
    set(&mut next.holdout_pct, holdout_pct);
    set(&mut next.sticky, sticky);
    set(&mut next.primary_metric, primary_metric);
    set(&mut next.secondary_event, secondary_event);
    set(&mut next.tracked_events, tracked_events);
    set(&mut next.rules, rules);
    set(&mut next.linked_flag, linked_flag);
    set(&mut next.deployments, deployments);
    set(&mut next.parent_id, parent_id);
    set(&mut next.prior, prior);
    if let Some(text) = default_variant_id {
        match Key::new(text) {
            Ok(key) => next.default_variant_id = key,
            Err(error) => errors.push(error.named("defaultVariantId")),
        }
    }
    if let Some(mode) = assignment_mode
        && mode != current.assignment_mode
    {
        errors.push(FieldError::new(
            "assignmentMode",
            mode.as_str(),
            format!("{}: it is fixed at creation", current.assignment_mode.as_str()),
        ));
    }
    use_written_keys(&mut next);
    refuse_late_changes(current, &next, &mut errors);
    refuse_orphaned_overrides(current, &next, overrides_of, &mut errors);
    errors.extend(next.check(max_variants).err().unwrap_or_default());
    if !errors.is_empty() {
        return Err(errors);
    }
    follow_split(&mut next, now);
    if next.cohorts.len() > MAX_COHORTS.max(current.cohorts.len()) {
        return Err(vec![FieldError::new(
            "variants",
            format!("split number {}", next.cohorts.len()),
            format!(
                "at most {MAX_COHORTS} splits in the life of an experiment; pause it and go on with a copy"
            ),
        )]);
    }
    Ok(next)
}

/// The most splits of one experiment. All of them are served, tested and told for ever; resuming is never refused for it.
const MAX_COHORTS: usize = 200;

fn set<T>(field: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *field = new;
    }
}

/// The same change for the rules alone.
#[must_use]
pub fn only_rules(resource_version: u64, rules: Vec<Rule>) -> UpdateExperiment {
    UpdateExperiment {
        resource_version,
        rules: Some(rules),
        ..UpdateExperiment::default()
    }
}

/// Appends a cohort when an active experiment's variants are not split as in its last one.
///
/// While it is paused nothing is served by the split: a change then is laid out when it is resumed.
pub fn follow_split(experiment: &mut Experiment, now: Timestamp) {
    if experiment.status != Status::Active {
        return;
    }
    let cohort = match experiment.current_cohort() {
        None => split::first_cohort(&experiment.variants, now),
        Some(last) if split::same_split(last, &experiment.variants) => return,
        Some(last) => split::rebalance(last, &experiment.variants, now),
    };
    experiment.cohorts.push(cohort);
}

/// The refusal of an active experiment that gives traffic to nobody.
#[must_use]
pub fn no_traffic(experiment: &Experiment) -> Option<FieldError> {
    let nobody = experiment.variants.iter().all(|v| v.traffic_pct == Percent::ZERO);
    nobody.then(|| {
        FieldError::new(
            "variants",
            "trafficPct 0 in every variant",
            "a trafficPct above 0 in at least one variant of an active experiment",
        )
    })
}

/// What may not change any more once subjects have been assigned, or once it is over.
fn refuse_late_changes(current: &Experiment, next: &Experiment, errors: &mut Vec<FieldError>) {
    let status = current.status;
    if status != Status::Draft && next.subject_type != current.subject_type {
        errors.push(FieldError::new(
            "subjectType",
            &next.subject_type,
            format!("{}: it can be changed in a draft only", current.subject_type),
        ));
    }
    if current.cohorts.is_empty() {
        return;
    }
    if let (Some(old), Some(new)) = (current.control(), next.control())
        && old.key.folded() != new.key.folded()
    {
        errors.push(FieldError::new(
            "variants",
            format!("{} as the control", new.key),
            format!("{} as the control: it was fixed by the first activation", old.key),
        ));
    }
    let over = matches!(status, Status::Completed | Status::Ended | Status::Archived);
    if over && !same_arms(current, next) {
        errors.push(FieldError::new(
            "variants",
            "other variants or another split",
            format!("the same keys and trafficPct: the experiment is {status}"),
        ));
    }
    if status == Status::Active {
        errors.extend(no_traffic(next));
    }
    // The holdout is hashed with the flag's key: another key would hold out other people.
    if next.linked_flag != current.linked_flag && !over && current.holdout_pct > Percent::ZERO {
        errors.push(FieldError::new(
            "linkedFlag",
            next.linked_flag.as_ref().map_or("null", Key::as_str),
            format!(
                "{}: the holdout of a started experiment is drawn with the flag's key; set holdoutPct to 0 first",
                current.linked_flag.as_ref().map_or("null", Key::as_str)
            ),
        ));
    }
}

fn same_arms(current: &Experiment, next: &Experiment) -> bool {
    current.variants.len() == next.variants.len()
        && current.variants.iter().all(|old| {
            let new = next.variant(old.key.as_str());
            new.is_some_and(|new| new.traffic_pct == old.traffic_pct)
        })
}

/// `1 override forces a subject`, `2 overrides force subjects`.
pub fn forcing(count: u64) -> String {
    match count {
        1 => "1 override forces a subject".to_owned(),
        _ => format!("{} overrides force subjects", group(count)),
    }
}

/// A variant that overrides force subjects into cannot go.
fn refuse_orphaned_overrides(
    current: &Experiment,
    next: &Experiment,
    overrides_of: impl Fn(&Key) -> u64,
    errors: &mut Vec<FieldError>,
) {
    for gone in &current.variants {
        if next.variant(gone.key.as_str()).is_some() {
            continue;
        }
        let count = overrides_of(&gone.key);
        if count > 0 {
            errors.push(FieldError::new(
                "variants",
                format!("no variant {}", gone.key),
                format!(
                    "{} as well: {} into it; remove them first",
                    gone.key,
                    forcing(count)
                ),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_counted_as_everywhere() {
        assert_eq!(forcing(1), "1 override forces a subject");
        assert_eq!(forcing(1_000_000), "1,000,000 overrides force subjects");
    }
}
