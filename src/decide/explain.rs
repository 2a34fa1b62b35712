//! The same decision, with what each step saw.

use super::lookups::Lookups;
use super::prepared::Prepared;
use crate::domain::{ExplainStep, Explanation, User};

/// Listens to a decision while it is made. It cannot change it.
pub(super) trait Trace {
    /// One step was tried; `step` tells what it saw.
    fn step(&mut self, step: impl FnOnce() -> ExplainStep);
}

/// Listens to nothing, at no cost.
pub(super) struct Silent;

impl Trace for Silent {
    fn step(&mut self, _: impl FnOnce() -> ExplainStep) {}
}

/// Writes every step down.
#[derive(Default)]
struct Steps(Vec<ExplainStep>);

impl Trace for Steps {
    fn step(&mut self, step: impl FnOnce() -> ExplainStep) {
        self.0.push(step());
    }
}

impl Prepared {
    /// The decision for a user with the steps that led to it, the deciding one last.
    ///
    /// It is made by the same code as [`Self::decide`], so it is the decision, not an account of it. With
    /// a subject that is drawn at random each asking draws anew.
    #[must_use]
    pub fn explain(&self, user: &User, lookups: &impl Lookups) -> Explanation {
        let mut steps = Steps::default();
        let outcome = self.run(user, lookups, &mut steps);
        Explanation {
            assignment: self.assignment(outcome),
            steps: steps.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::fixtures::{Known, drawn, experiment, user};
    use super::super::hash;
    use super::*;
    use crate::domain::{Experiment, OverrideSubject, Reason, Status};

    fn explain(fields: Value, json: Value, lookups: &Known) -> Vec<ExplainStep> {
        let prepared = Prepared::new(&experiment(fields)).expect("prepares");
        prepared.explain(&user(json), lookups).steps
    }

    fn names(steps: &[ExplainStep]) -> Vec<String> {
        let name = |step| {
            serde_json::to_value(step).expect("writes")["step"]
                .as_str()
                .expect("a name")
                .to_owned()
        };
        steps.iter().map(name).collect()
    }

    #[test]
    fn every_step_says_what_it_saw() {
        let rule = "018f2c7e-0000-7000-8000-000000000009";
        let fields = json!({
            "holdoutPct": 0.01, "sticky": true, "linkedFlag": "f",
            "rules": [{"id": rule, "variant": "off", "priority": 3, "conditions": [
                {"scope": "profile", "field": "country", "operator": "is", "value": "TH"},
                {"scope": "event", "field": "plan", "operator": "isNull"},
            ]}],
        });
        let ids = json!({"user_id": "user-1", "device_id": "d", "user_properties": {"country": "DE"}});
        let steps = explain(fields, ids, &Known::default());
        let hash = hash::murmur3(b"exp/user-1");
        let variant = experiment(json!({})).cohorts[0]
            .owner(hash / 100)
            .map(ToString::to_string);
        assert!(variant.is_some(), "user-1 is allocated");
        assert_eq!(
            serde_json::to_value(steps).expect("writes"),
            json!([
                {"step": "status", "status": "active", "decides": true},
                {"step": "override", "subject": "user:user-1", "variant": null, "unknown": false},
                {"step": "override", "subject": "device:d", "variant": null, "unknown": false},
                {"step": "holdout", "hashed": "f:holdout/user-1", "bucket": hash::bucket("user-1", "f:holdout"),
                 "threshold": 1, "heldOut": false},
                {"step": "rule", "ruleId": rule, "variant": "off", "priority": 3, "matched": false, "conditions": [
                    {"condition": "profile.country is TH", "found": "DE", "passed": false},
                    {"condition": "event.plan isNull", "found": null, "passed": true},
                ]},
                {"step": "sticky", "enabled": true, "variant": null, "unknown": false},
                {"step": "allocation", "missing": null, "hashed": "exp/user-1", "hash": hash, "slot": hash / 100,
                 "cohort": 1, "variant": variant},
            ])
        );
    }

    #[test]
    fn what_is_ignored_or_missing_is_said() {
        let stale = Known::default()
            .force(OverrideSubject::User, "u", "gone")
            .remember("u", "gone");
        let steps = explain(json!({"sticky": true}), json!({"user_id": "u"}), &stale);
        let gone = Some("gone".to_owned());
        assert!(steps.contains(&ExplainStep::Override {
            subject: Some("user:u".to_owned()),
            variant: gone.clone(),
            unknown: true,
        }));
        assert!(steps.contains(&ExplainStep::Sticky {
            enabled: true,
            variant: gone,
            unknown: true,
        }));

        let steps = explain(
            json!({"assignmentMode": "session", "holdoutPct": 5}),
            json!({"event_id": "e"}),
            &Known::default(),
        );
        assert_eq!(
            steps[1..],
            [
                ExplainStep::Override {
                    subject: None,
                    variant: None,
                    unknown: false
                },
                ExplainStep::Holdout {
                    hashed: None,
                    bucket: None,
                    threshold: 500,
                    held_out: false
                },
                ExplainStep::Sticky {
                    enabled: false,
                    variant: None,
                    unknown: false
                },
                ExplainStep::Allocation {
                    missing: Some("session_id".to_owned()),
                    hashed: None,
                    hash: None,
                    slot: None,
                    cohort: 1,
                    variant: None,
                },
                ExplainStep::Default {
                    variant: "off".to_owned()
                },
            ]
        );
    }

    #[test]
    fn a_draw_is_told_as_one() {
        let steps = explain(
            json!({"assignmentMode": "event", "holdoutPct": 1}),
            json!({"user_id": "u"}),
            &Known::default(),
        );
        assert_eq!(
            steps[2],
            ExplainStep::Holdout {
                hashed: None,
                bucket: Some(hash::bucket_of(hash::slot(drawn(1)))),
                threshold: 100,
                held_out: false,
            }
        );
        let ExplainStep::Allocation {
            hashed,
            hash,
            missing,
            ..
        } = &steps[4]
        else {
            panic!("{steps:?}");
        };
        assert_eq!((hashed, *hash, missing), (&None, Some(drawn(2)), &None));
    }

    #[test]
    fn a_status_that_decides_ends_the_account() {
        let steps = |fields: Value| names(&explain(fields, json!({"user_id": "u"}), &Known::default()));
        for status in ["draft", "paused", "completed", "ended", "archived"] {
            assert_eq!(
                steps(json!({"status": status})),
                ["status", "default"],
                "{status}"
            );
        }
        let won = json!({"status": "completed", "winningVariant": "off"});
        assert_eq!(steps(won), ["status"]);
    }

    /// Any experiment of three variants with up to three rules.
    fn experiments() -> impl Strategy<Value = Experiment> {
        let status = prop_oneof![3 => Just(Status::Active), 1 => proptest::sample::select(&Status::ALL[..])];
        let mode = proptest::sample::select(&["profile", "session", "event"][..]);
        let kind = proptest::sample::select(&["ANY", "ANY", "customer", "group:org"][..]);
        let variant = || proptest::sample::select(&["control", "Treatment", "off"][..]);
        let condition = (
            proptest::sample::select(&["profile", "session", "event"][..]),
            proptest::sample::select(&["x", "a.b", "profile.x", "user_id", "groups.org"][..]),
            proptest::sample::select(&crate::domain::Operator::ALL[..]),
            proptest::sample::select(&["1", "u1", "", "b"][..]),
        );
        let condition = condition.prop_map(|(scope, field, operator, value)| {
            json!({"scope": scope, "field": field, "operator": operator, "value": value})
        });
        let rule = (variant(), -2..3_i32, proptest::collection::vec(condition, 0..3));
        let rule = rule.prop_map(|(variant, priority, conditions)| {
            json!({"variant": variant, "priority": priority, "conditions": conditions})
        });
        let rules = proptest::collection::vec(rule, 0..4);
        let winner = proptest::option::of(variant());
        (status, mode, kind, rules, winner, 0..=2_500_u32, any::<bool>()).prop_map(
            |(status, mode, kind, rules, winner, holdout, sticky)| {
                experiment(json!({
                    "status": status, "assignmentMode": mode, "subjectType": kind, "rules": rules,
                    "winningVariant": winner, "holdoutPct": f64::from(holdout) / 100.0, "sticky": sticky,
                }))
            },
        )
    }

    fn users() -> impl Strategy<Value = User> {
        let id = || proptest::option::of(proptest::sample::select(&["", "u1", "u2", "用户", "d"][..]));
        let data = || {
            proptest::sample::select(vec![
                json!({}),
                json!({"x": 1}),
                json!({"x": "u1", "a": {"b": "b"}, "customer": 7}),
                json!({"a.b": [1]}),
            ])
        };
        (id(), id(), id(), id(), data(), data(), data(), id()).prop_map(
            |(user_id, device_id, session_id, event_id, profile, session, event, org)| {
                user(json!({
                    "user_id": user_id, "device_id": device_id, "session_id": session_id, "event_id": event_id,
                    "user_properties": profile, "session": session, "event": event,
                    "groups": {"org": org.into_iter().collect::<Vec<_>>()},
                }))
            },
        )
    }

    fn lookups() -> impl Strategy<Value = Vec<(u8, &'static str, &'static str)>> {
        let id = proptest::sample::select(&["u1", "u2", "用户", "d", "7"][..]);
        let variant = proptest::sample::select(&["control", "TREATMENT", "off", "gone"][..]);
        proptest::collection::vec((0..3_u8, id, variant), 0..4)
    }

    fn known(entries: &[(u8, &str, &str)]) -> Known {
        entries
            .iter()
            .fold(Known::default(), |known, (kind, id, variant)| match kind {
                0 => known.force(OverrideSubject::User, id, variant),
                1 => known.force(OverrideSubject::Device, id, variant),
                _ => known.remember(id, variant),
            })
    }

    /// What the last step says was decided, read without knowing how.
    fn told(experiment: &Experiment, step: &ExplainStep) -> (Option<String>, Vec<Reason>) {
        let default = vec![
            Reason::Unallocated,
            Reason::ExperimentInactive,
            Reason::ExperimentEnded,
        ];
        match step {
            ExplainStep::Status { .. } => {
                let winner = experiment.winning_variant.as_ref().map(ToString::to_string);
                (winner, vec![Reason::Winner])
            }
            ExplainStep::Override {
                variant,
                unknown: false,
                ..
            } => (variant.clone(), vec![Reason::Override]),
            ExplainStep::Holdout { held_out: true, .. } => {
                (Some("control".to_owned()), vec![Reason::Holdout])
            }
            ExplainStep::Rule {
                variant,
                matched: true,
                ..
            } => (Some(variant.clone()), vec![Reason::Rule]),
            ExplainStep::Sticky {
                variant,
                unknown: false,
                ..
            } => (variant.clone(), vec![Reason::Sticky]),
            ExplainStep::Allocation { variant, .. } => (variant.clone(), vec![Reason::Allocation]),
            ExplainStep::Default { variant } => (Some(variant.clone()), default),
            _ => (None, vec![]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn the_explanation_is_the_decision(experiment in experiments(), user in users(), entries in lookups()) {
            let prepared = Prepared::new(&experiment).expect("prepares");
            let decided = prepared.decide(&user, &known(&entries));
            let Explanation { assignment, steps } = prepared.explain(&user, &known(&entries));
            prop_assert_eq!(&assignment, &decided);

            let last = steps.last().expect("a step");
            let (variant, reasons) = told(&experiment, last);
            let same = variant.is_some_and(|v| v.eq_ignore_ascii_case(&decided.variant_id));
            prop_assert!(same && reasons.contains(&decided.reason), "{last:?} but {decided:?}");
            // No step before the last one decided.
            for step in &steps[..steps.len() - 1] {
                let decides = match step {
                    ExplainStep::Status { .. } => false,
                    step => told(&experiment, step).0.is_some(),
                };
                prop_assert!(!decides, "{step:?} is not the last of {steps:?}");
                if let ExplainStep::Rule { matched, conditions, .. } = step {
                    prop_assert_eq!(*matched, conditions.iter().all(|c| c.passed));
                }
            }
        }
    }
}
