//! Flags, decided as the experiment that each of them is.
//!
//! The rollout is a split: a variant owns `trafficPct × rolloutPct` of the slots, and what is left gets
//! [`OFF`]. As with an experiment's cohorts, slots change hands only where a share makes it necessary.

use jiff::Timestamp;

use super::{PrepareError, Prepared, split};
use crate::domain::experiment::DEFAULT_LAB;
use crate::domain::flag::OFF;
use crate::domain::{AssignmentMode, Experiment, Flag, Key, Percent, Prior, Status, SubjectType, Variant};

fn is_off(key: &Key) -> bool {
    key.as_str().eq_ignore_ascii_case(OFF)
}

/// The variants that are rolled out, each with its share of all subjects.
///
/// A share is rounded down to a basis point, so that it never shrinks while the rollout grows; at a rollout
/// of 100 % it is exact.
#[must_use]
pub fn shares(flag: &Flag) -> Vec<Variant> {
    let rollout = flag.rollout_pct.basis_points();
    let served = flag.variants.iter().filter(|v| !is_off(&v.key));
    let with_share = served.map(|v| Variant {
        traffic_pct: Percent::from_basis_points(v.traffic_pct.basis_points() * rollout / 10_000)
            .unwrap_or_default(),
        ..v.clone()
    });
    with_share.collect()
}

/// Brings the slots in line with the rollout and the variants. Says whether they changed.
pub fn follow_rollout(flag: &mut Flag, now: Timestamp) -> bool {
    let shares = shares(flag);
    let next = match flag.cohorts.last() {
        None => split::first_cohort(&shares, now),
        Some(last) if split::same_split(last, &shares) => return false,
        Some(last) => split::rebalance(last, &shares, now),
    };
    flag.cohorts = vec![next];
    true
}

/// The experiment that decides a flag: one that serves `off` to everybody it does not allocate.
#[must_use]
pub fn as_experiment(flag: &Flag) -> Experiment {
    let mut variants = shares(flag);
    let last = variants.iter().map(|v| v.order_index).max();
    let off = flag.variants.iter().find(|v| is_off(&v.key));
    let off = Variant {
        key: off.map_or_else(|| off_key(flag), |v| v.key.clone()),
        name: off.map(|v| v.name.clone()).unwrap_or_default(),
        description: String::new(),
        payload: off.map(|v| v.payload.clone()).unwrap_or_default(),
        is_control: true,
        traffic_pct: Percent::ZERO,
        order_index: off.map_or(last.map_or(0, |at| at.saturating_add(1)), |v| v.order_index),
    };
    let default_variant_id = off.key.clone();
    variants.iter_mut().for_each(|v| v.is_control = false);
    variants.push(off);
    Experiment {
        id: flag.id,
        key: flag.key.clone(),
        name: if flag.name.is_empty() {
            flag.key.to_string()
        } else {
            flag.name.clone()
        },
        description: String::new(),
        hypothesis: String::new(),
        links: std::collections::BTreeMap::new(),
        assignment_mode: AssignmentMode::Profile,
        subject_type: SubjectType::Any,
        status: if flag.enabled && !flag.archived {
            Status::Active
        } else {
            Status::Paused
        },
        paused_by: None,
        srm_checked_from: None,
        variants,
        default_variant_id,
        holdout_pct: Percent::ZERO,
        cohorts: flag.cohorts.clone(),
        sticky: false,
        primary_metric: None,
        secondary_event: None,
        tracked_events: Vec::new(),
        rules: flag.rules.clone(),
        linked_flag: None,
        deployments: flag.deployments.clone(),
        parent_id: DEFAULT_LAB.to_owned(),
        winning_variant: None,
        ended_reason: None,
        salt: flag.salt.clone(),
        prior: Prior::default(),
        resource_version: flag.resource_version,
        created_at: flag.created_at,
        updated_at: flag.updated_at,
        activated_at: None,
        status_changed_at: None,
    }
}

/// `off` is a sound key; the flag's own one stands in for what cannot be.
fn off_key(flag: &Flag) -> Key {
    Key::new(OFF).unwrap_or_else(|_| flag.key.clone())
}

impl Prepared {
    /// Compiles a flag. What it decides names the flag where an experiment's decision names the experiment.
    ///
    /// # Errors
    /// [`PrepareError`] when a rule names a variant that the flag does not have; a checked flag
    /// ([`Flag::check`]) has none of these.
    pub fn of_flag(flag: &Flag) -> Result<Self, PrepareError> {
        Ok(Self::new(&as_experiment(flag))?.of(flag))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::fixtures::Known;
    use super::*;
    use crate::domain::{OverrideSubject, Reason, User};

    fn flag(fields: serde_json::Value) -> Flag {
        let mut json = json!({
            "id": uuid::Uuid::nil(), "key": "f", "salt": "f", "resourceVersion": 1, "enabled": true,
            "rolloutPct": 50, "variants": [{"key": "on", "trafficPct": 100}],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        let fields = fields.as_object().expect("an object").clone();
        json.as_object_mut().expect("an object").extend(fields);
        let mut flag: Flag = serde_json::from_value(json).expect("a flag");
        flag.check(4).expect("sound");
        follow_rollout(&mut flag, Timestamp::UNIX_EPOCH);
        flag
    }

    fn decided(flag: &Flag, user: &str) -> (String, Reason) {
        let prepared = Prepared::of_flag(flag).expect("compiles");
        let made = prepared.decide(&User::with_user_id(user), &Known::default());
        (made.variant_id, made.reason)
    }

    #[test]
    fn outside_the_rollout_and_switched_off_everybody_gets_off() {
        let half = flag(json!({}));
        let served: Vec<(String, Reason)> = (0..100).map(|n| decided(&half, &n.to_string())).collect();
        assert!(served.contains(&("on".to_owned(), Reason::Allocation)));
        assert!(served.contains(&("off".to_owned(), Reason::Unallocated)));
        let off = flag(json!({"enabled": false, "rolloutPct": 100}));
        assert_eq!(decided(&off, "u"), ("off".to_owned(), Reason::FlagDisabled));
        let gone = flag(json!({"archived": true, "rolloutPct": 100}));
        assert_eq!(decided(&gone, "u"), ("off".to_owned(), Reason::FlagDisabled));
        assert_eq!(
            decided(&flag(json!({"rolloutPct": 100})), "u"),
            ("on".to_owned(), Reason::Allocation)
        );
    }

    #[test]
    fn rules_and_overrides_go_before_the_rollout_and_off_carries_its_payload() {
        let rule = uuid::Uuid::from_u128(7);
        let flag = flag(json!({"rolloutPct": 0, "variants": [
            {"key": "on", "trafficPct": 100}, {"key": "Off", "payload": {"colour": "grey"}, "orderIndex": 1}],
            "rules": [{"id": rule, "variant": "on", "conditions": [
                {"scope": "profile", "field": "country", "operator": "is", "value": "TH"}]}]}));
        let prepared = Prepared::of_flag(&flag).expect("compiles");
        let known = Known::default().force(OverrideSubject::User, "tester", "on");
        let made = prepared.decide(&User::with_user_id("tester"), &known);
        assert_eq!((made.variant_id.as_str(), made.reason), ("on", Reason::Override));
        let mut thai = User::with_user_id("u");
        thai.user_properties.insert("country".to_owned(), "TH".into());
        let made = prepared.decide(&thai, &known);
        assert_eq!(
            (made.variant_id.as_str(), made.rule_id),
            ("on", Some(rule)),
            "{:?}",
            made.reason
        );
        let other = prepared.decide(&User::with_user_id("u"), &known);
        assert_eq!(
            (other.variant_id.as_str(), other.payload),
            ("Off", json!({"colour": "grey"}))
        );
    }

    proptest! {
        #[test]
        fn nobody_loses_a_variant_while_the_rollout_grows(
            mut rollouts in prop::collection::vec(0..=10_000_u32, 1..6),
            shares in prop::collection::vec(1..=3_333_u32, 1..=3),
        ) {
            rollouts.sort_unstable();
            let percent = |points: u32| f64::from(points) / 100.0;
            let variants: Vec<_> = shares.iter().enumerate().map(|(at, share)| {
                json!({"key": format!("v{at}"), "trafficPct": percent(*share), "orderIndex": at})
            }).collect();
            let mut flag = flag(json!({"rolloutPct": 0, "variants": variants}));
            let mut had: HashMap<u32, String> = HashMap::new();
            for points in rollouts {
                flag.rollout_pct = Percent::from_basis_points(points).expect("a share");
                follow_rollout(&mut flag, Timestamp::UNIX_EPOCH);
                let prepared = Prepared::of_flag(&flag).expect("compiles");
                for user in 0..300_u32 {
                    let made = prepared.decide(&User::with_user_id(user.to_string()), &Known::default());
                    if let Some(before) = had.get(&user) {
                        prop_assert_eq!(&made.variant_id, before, "user {} at {}", user, points);
                    }
                    if made.variant_id != OFF {
                        had.insert(user, made.variant_id);
                    }
                }
            }
        }
    }
}
