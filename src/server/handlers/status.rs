//! `POST /experiments/{idOrKey}/status`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde_json::{Value, json};

use crate::api::experiments::ChangeStatus;
use crate::api::problem::{Code, Problem};
use crate::domain::{AuditAction, Experiment, FieldError, Status};
use crate::server::edit;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, VersionedBody};
use crate::server::jobs::srm_guard::evidence;
use crate::server::lifecycle;
use crate::server::middleware::auth::Caller;
use crate::server::registry::{Motive, Plan, now};
use crate::server::state::AppState;

use super::results::as_guarded;
use super::{Versioned, versioned};

/// How long ClickHouse may take to say whether the sample ratio test still fails.
const SRM_TIME_LIMIT: Duration = Duration::from_secs(10);

/// A step of the lifecycle.
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<ChangeStatus>,
) -> Result<Versioned, ApiError> {
    let version = body.resource_version;
    let evidence = if body.to == Status::Active {
        // Before the change, which waits for nobody: its version says whether this is still the case by then. At that
        // version, as the guard of another server may have paused it a moment ago.
        let live = state.registry().at_version(&caller, &id, version).await?;
        // Who puts away what the test has seen leaves it in the log, whoever paused.
        if live.is_auto_paused() || body.override_failing_srm {
            lifecycle::change(&live, &body, state.registry().max_variants(), now())?;
            test_again(&state, &live, &body).await?
        } else {
            Value::Null
        }
    } else {
        Value::Null
    };
    let registry = Arc::clone(state.registry());
    let experiment = state
        .registry()
        .change(caller, &id, version, move |live, max_variants, now| {
            let mut next = lifecycle::change(&live.experiment, &body, max_variants, now)?;
            if live.experiment.status == Status::Draft && next.status == Status::Active {
                let snapshot = registry.snapshot();
                edit::flag::take_over(&mut next, snapshot.linked_flag(live), now);
            }
            let comment = body.comment.map(|text| text.trim().to_owned());
            Ok(Plan {
                next,
                actions: vec![AuditAction::StatusChanged],
                motive: Motive {
                    comment: comment.filter(|text| !text.is_empty()),
                    evidence,
                },
            })
        })
        .await?;
    Ok(versioned(experiment))
}

/// Refuses to resume, without a word that one knows it, what still fails the test it was paused for.
///
/// Answers with the evidence for the audit log. Where ClickHouse cannot say, that is the evidence: an
/// operator must be able to resume without it.
async fn test_again(
    state: &AppState,
    experiment: &Experiment,
    body: &ChangeStatus,
) -> Result<Value, ApiError> {
    // As the guard tested it.
    let asked = as_guarded(state, experiment);
    let untested = match tokio::time::timeout(SRM_TIME_LIMIT, asked).await {
        Ok(Ok(srm)) => {
            let p = srm.test.map_or(f64::NAN, |test| test.p);
            if srm.alarm && !body.override_failing_srm {
                return Err(still_fails(experiment, p));
            }
            return Ok(evidence(experiment, &srm));
        }
        Ok(Err(error)) => error.into_problem().detail,
        Err(_) => format!("ClickHouse did not answer within {} s", SRM_TIME_LIMIT.as_secs()),
    };
    tracing::warn!(key = %experiment.key, why = untested, "resumed without the sample ratio test");
    Ok(json!({ "srmUntested": untested }))
}

fn still_fails(experiment: &Experiment, p: f64) -> ApiError {
    let mut problem = Problem::new(
        Code::BadTransition,
        format!(
            "{} still fails the sample ratio test it was paused for (p={p:.3e}); find the cause first, or \
             resume with overrideFailingSrm",
            experiment.key
        ),
    );
    let allowed = format!("true, knowing that the test still fails (p={p:.3e})");
    problem.errors = vec![FieldError::new("overrideFailingSrm", false, allowed).into()];
    problem.into()
}
