//! The guard against sample ratio mismatch: pauses every active experiment whose observed split is too
//! far from the configured one (chi-square test, p < 0.001).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::jobs::{SRM_GUARD, SrmChecked, SrmGuardRun, SrmOutcome};
use crate::api::problem::Code;
use crate::api::results::{Results, ResultsQuery};
use crate::domain::{AuditAction, Experiment, Project, Status};
use crate::server::error::ApiError;
use crate::server::lifecycle;
use crate::server::middleware::auth::Caller;
use crate::server::registry::{Motive, Plan, Registry, now};
use crate::server::snapshot::Entry;
use crate::warehouse::Warehouse;

/// Tests every active experiment of a project and pauses those that fail.
///
/// What goes wrong with one experiment is in its place of the answer, and keeps the guard from no other.
/// An experiment that is not active is left alone, also one that stops being so meanwhile.
pub async fn run(registry: &Arc<Registry>, warehouse: &Warehouse, project: &Arc<Project>) -> SrmGuardRun {
    let guard = Caller::system(SRM_GUARD, Arc::clone(project));
    let started_at = now();
    let mut active: Vec<Arc<Entry>> = registry
        .snapshot()
        .of_project(project.id)
        .filter(|entry| entry.experiment.status == Status::Active)
        .cloned()
        .collect();
    active.sort_by_cached_key(|entry| entry.experiment.key.folded());
    let mut experiments = Vec::with_capacity(active.len());
    // One after the other: a nightly job should not press ClickHouse.
    for entry in active {
        let checked = check(registry, warehouse, &guard, &entry.experiment).await;
        let outcome = checked.outcome.as_str();
        let p = checked.test.map(|test| test.p);
        match checked.outcome {
            SrmOutcome::Failed => {
                tracing::error!(key = %checked.key, outcome, why = checked.why, "SRM guard");
            }
            SrmOutcome::Paused => tracing::warn!(key = %checked.key, outcome, p, "SRM guard"),
            _ => tracing::info!(key = %checked.key, outcome, p, why = checked.why, "SRM guard"),
        }
        experiments.push(checked);
    }
    SrmGuardRun {
        started_at,
        experiments,
    }
}

async fn check(
    registry: &Arc<Registry>,
    warehouse: &Warehouse,
    guard: &Caller,
    experiment: &Experiment,
) -> SrmChecked {
    let mut checked = SrmChecked {
        experiment_id: experiment.id,
        key: experiment.key.clone(),
        outcome: SrmOutcome::Failed,
        test: None,
        why: None,
    };
    let all_time = ResultsQuery::default();
    let results = match warehouse.results(experiment, &all_time, now()).await {
        Ok(results) => results,
        Err(error) => {
            checked.why = Some(error.to_string());
            return checked;
        }
    };
    checked.test = results.srm.test;
    (checked.outcome, checked.why) = if results.srm.alarm {
        match pause(registry, guard, experiment, &results).await {
            Ok(paused) => paused,
            Err(error) => (SrmOutcome::Failed, Some(error.into_problem().detail)),
        }
    } else if results.srm.test.is_none() {
        (SrmOutcome::Untested, results.srm.why_not)
    } else {
        (SrmOutcome::Passed, None)
    };
    checked
}

/// Pauses an experiment that failed the test, unless somebody took it out of `active` or changed its split
/// since its counts were read.
async fn pause(
    registry: &Arc<Registry>,
    guard: &Caller,
    tested: &Experiment,
    results: &Results,
) -> Result<(SrmOutcome, Option<String>), ApiError> {
    let id = tested.id.to_string();
    let left_alone = |why: &str| Ok((SrmOutcome::LeftAlone, Some(why.to_owned())));
    loop {
        let live = Arc::clone(&registry.find(guard, &id)?.experiment);
        if live.status != Status::Active {
            return left_alone("it is not active any more");
        }
        if live.cohorts != tested.cohorts {
            return left_alone(
                "its split was changed while it was being tested; the next run tests it again",
            );
        }
        let motive = Motive {
            comment: results
                .srm
                .test
                .map(|test| format!("sample ratio mismatch, p={:.3e}", test.p)),
            evidence: evidence(results),
        };
        let paused = registry.change(guard.clone(), &id, live.resource_version, |live, _, now| {
            Ok(Plan {
                next: lifecycle::auto_pause(&live.experiment, now),
                actions: vec![AuditAction::AutoPausedSrm, AuditAction::StatusChanged],
                motive,
            })
        });
        match paused.await {
            Ok(_) => return Ok((SrmOutcome::Paused, None)),
            // Somebody changed something in between: what, decides whether it is still to be paused.
            Err(ApiError::Problem(problem)) if problem.code == Code::VersionConflict => {}
            Err(error) => return Err(error),
        }
    }
}

/// The numbers of the test, for the audit log.
#[must_use]
pub fn evidence(results: &Results) -> Value {
    let by_variant = |counts: Vec<Value>| -> BTreeMap<String, Value> {
        let keys = results.arms.iter().map(|arm| arm.variant.clone());
        keys.zip(counts).collect()
    };
    let observed = results.srm.observed.iter().map(|n| json!(n)).collect();
    let expected = results.srm.expected.iter().map(|n| json!(n)).collect();
    let test = results.srm.test;
    json!({
        "p": test.map(|t| t.p),
        "chiSquare": test.map(|t| t.chi_square),
        "df": test.map(|t| t.df),
        "eValue": test.map(|t| t.e_value),
        "observed": by_variant(observed),
        "expected": by_variant(expected),
    })
}
