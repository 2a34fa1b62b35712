//! The guard against sample ratio mismatch: pauses every active experiment whose observed split is too
//! far from the configured one.
//!
//! Two tests: the fixed one (chi-square, p < 0.001), for a look once a night, and the always-valid one
//! (evidence of 1,000, at its highest over all looks), for looking all the time. Every look of either kind
//! adds to the evidence that is kept.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::banners::p_tight;
use crate::api::jobs::{SRM_GUARD, SrmChecked, SrmGuardRun, SrmOutcome};
use crate::api::problem::Code;
use crate::api::results::{Srm, SrmWatch};
use crate::domain::{AuditAction, Experiment, Project, Status};
use crate::server::error::ApiError;
use crate::server::lifecycle;
use crate::server::middleware::auth::Caller;
use crate::server::registry::{Motive, Plan, Registry, in_time, now};
use crate::server::snapshot::Entry;
use crate::server::store::srm::{self, Watched};
use crate::server::store::{Reader, StoreError};
use crate::stats::sequential::EValue;
use crate::warehouse::Warehouse;

/// Which test decides.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Test {
    /// Chi-square, p < 0.001: right for a look now and then.
    Fixed,
    /// The always-valid one: right however often one looks.
    AlwaysValid,
}

/// Tests every active experiment of a project, but those that are `tested`, and pauses those that fail.
///
/// What goes wrong with one experiment is in its place of the answer, and keeps the guard from no other.
/// An experiment that is not active is left alone, also one that stops being so meanwhile.
pub async fn run(
    registry: &Arc<Registry>,
    warehouse: &Warehouse,
    project: &Arc<Project>,
    test: Test,
    tested: &HashSet<Uuid>,
) -> SrmGuardRun {
    let guard = Caller::system(SRM_GUARD, Arc::clone(project));
    let started_at = now();
    let mut active: Vec<Arc<Entry>> = registry
        .snapshot()
        .of_project(project.id)
        .filter(|entry| entry.experiment.status == Status::Active)
        .filter(|entry| !tested.contains(&entry.experiment.id))
        .cloned()
        .collect();
    active.sort_by_cached_key(|entry| entry.experiment.key.folded());
    let mut experiments = Vec::with_capacity(active.len());
    // One after the other: a nightly job should not press ClickHouse.
    for entry in active {
        let checked = check(registry, warehouse, &guard, &entry.experiment, test).await;
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
    test: Test,
) -> SrmChecked {
    let mut checked = SrmChecked {
        experiment_id: experiment.id,
        key: experiment.key.clone(),
        outcome: SrmOutcome::Failed,
        test: None,
        checked_from: experiment.srm_checked_from,
        why: None,
    };
    let looked = async {
        let srm = warehouse
            .sample_ratio(experiment, experiment.srm_checked_from)
            .await?;
        in_time(look(registry, guard, experiment, srm)).await
    };
    let srm = match looked.await {
        Ok(srm) => srm,
        Err(error) => {
            checked.why = Some(error.into_problem().detail);
            return checked;
        }
    };
    checked.test = srm.test;
    let alarm = match test {
        Test::Fixed => srm.alarm,
        Test::AlwaysValid => srm
            .watch
            .is_some_and(|watch| e_value(watch.highest_e_value).alarm()),
    };
    (checked.outcome, checked.why) = if alarm {
        match pause(registry, guard, experiment, &srm, test).await {
            Ok(paused) => paused,
            Err(error) => (SrmOutcome::Failed, Some(error.into_problem().detail)),
        }
    } else if srm.test.is_none() {
        (SrmOutcome::Untested, srm.why_not)
    } else {
        (SrmOutcome::Passed, None)
    };
    checked
}

fn e_value(value: f64) -> EValue {
    EValue { log: value.ln() }
}

/// Adds a look to the evidence that is kept, and says what all looks come to. An experiment that was changed
/// since its counts were read adds none: its evidence may have begun anew.
async fn look(
    registry: &Arc<Registry>,
    guard: &Caller,
    tested: &Experiment,
    mut srm: Srm,
) -> Result<Srm, ApiError> {
    let Some(test) = srm.test else {
        return Ok(srm);
    };
    let cohort = tested.current_cohort().map_or(1, |cohort| cohort.index);
    let mut write = registry.begin().await?;
    let live = registry.find(guard, &tested.id.to_string())?;
    let same = live.experiment.cohorts == tested.cohorts
        && live.experiment.status_changed_at == tested.status_changed_at;
    if !same {
        return Ok(srm);
    }
    let now = write.now();
    srm::look(write.tx(), tested.id, cohort, test.e_value.ln(), now).await?;
    let watched = srm::watched(&mut **write.tx(), tested.id).await?;
    write.commit(|_| ()).await?;
    if let Some(watched) = watched {
        add_watch(&mut srm, watched, tested.srm_checked_from, true);
    }
    Ok(srm)
}

/// Adds what the guard saw so far to a test. `same_subjects` says that both are about the same subjects: then
/// the always-valid p is the smallest one of all looks.
fn add_watch(srm: &mut Srm, watched: Watched, checked_from: Option<Timestamp>, same_subjects: bool) {
    let highest = EValue {
        log: watched.log_highest,
    };
    if let Some(test) = srm.test.as_mut().filter(|_| same_subjects) {
        test.always_valid_p = test.always_valid_p.min(highest.p());
    }
    srm.watch = Some(SrmWatch {
        checked_from,
        highest_e_value: highest.value(),
        always_valid_p: highest.p(),
        looks: watched.looks,
        first_look_at: watched.first_look_at,
        last_look_at: watched.last_look_at,
    });
}

/// Reads what the guard saw so far, and adds it to a test. `same_subjects` says that the test is about the same
/// subjects: over all time, and from when the guard checks.
///
/// # Errors
/// See [`StoreError`].
pub async fn with_watch(
    srm: &mut Srm,
    from: impl Reader<'_>,
    experiment: &Experiment,
    same_subjects: bool,
) -> Result<(), StoreError> {
    if let Some(watched) = srm::watched(from, experiment.id).await? {
        add_watch(srm, watched, experiment.srm_checked_from, same_subjects);
    }
    Ok(())
}

/// Pauses an experiment that failed the test, unless somebody took it out of `active`, resumed it or changed
/// its split since its counts were read.
async fn pause(
    registry: &Arc<Registry>,
    guard: &Caller,
    tested: &Experiment,
    srm: &Srm,
    test: Test,
) -> Result<(SrmOutcome, Option<String>), ApiError> {
    let id = tested.id.to_string();
    let left_alone = |why: &str| Ok((SrmOutcome::LeftAlone, Some(why.to_owned())));
    let p = srm.test.map(|numbers| match test {
        Test::Fixed => format!("sample ratio mismatch, {}", p_tight(numbers.p)),
        Test::AlwaysValid => {
            format!(
                "sample ratio mismatch, always-valid {}",
                p_tight(numbers.always_valid_p)
            )
        }
    });
    loop {
        let live = Arc::clone(&registry.find(guard, &id)?.experiment);
        if live.status != Status::Active {
            return left_alone("it is not active any more");
        }
        if live.status_changed_at != tested.status_changed_at {
            return left_alone("it was resumed while it was being tested; the next run tests it again");
        }
        if live.cohorts != tested.cohorts {
            return left_alone(
                "its split was changed while it was being tested; the next run tests it again",
            );
        }
        let motive = Motive {
            comment: p.clone(),
            evidence: evidence(tested, srm),
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
pub fn evidence(experiment: &Experiment, srm: &Srm) -> Value {
    let by_variant = |counts: Vec<Value>| -> BTreeMap<String, Value> {
        let keys = experiment.variants.iter().map(|v| v.key.to_string());
        keys.zip(counts).collect()
    };
    let observed = srm.observed.iter().map(|n| json!(n)).collect();
    let expected = srm.expected.iter().map(|n| json!(n)).collect();
    let test = srm.test;
    let mut evidence = json!({
        "p": test.map(|t| t.p),
        "chiSquare": test.map(|t| t.chi_square),
        "df": test.map(|t| t.df),
        "eValue": test.map(|t| t.e_value),
        "alwaysValidP": test.map(|t| t.always_valid_p),
        "observed": by_variant(observed),
        "expected": by_variant(expected),
    });
    if let Some(watch) = srm.watch {
        evidence["highestEValue"] = json!(watch.highest_e_value);
        evidence["looks"] = json!(watch.looks);
    }
    if let Some(from) = experiment.srm_checked_from {
        evidence["checkedFrom"] = json!(from);
    }
    evidence
}
