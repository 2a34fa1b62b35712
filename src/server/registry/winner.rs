//! Applying the winner of an experiment.

use std::sync::Arc;

use serde_json::json;

use crate::api::experiments::{ApplyWinner, WinnerApplied};
use crate::api::problem::{Code, Problem};
use crate::api::results::{INCONCLUSIVE, Results, WINNER_PROBABILITY};
use crate::domain::checks::no_variant;
use crate::domain::{AuditAction, EndedReason, Experiment, FieldError, Status};
use crate::server::edit;
use crate::server::error::ApiError;
use crate::server::lifecycle;
use crate::server::middleware::auth::Caller;
use crate::stats::power::{ARM_FLOOR, TOTAL_FLOOR};

use super::batch::Told;
use super::{Registry, carried_through};

/// The probability that the wanted variant is the best, where it may be applied.
///
/// # Errors
/// [`Code::WinnerNotReady`], with the reason.
pub fn ready(experiment: &Experiment, results: &Results, wanted: &str) -> Result<f64, ApiError> {
    let refuse = |why: String| Err(not_ready(experiment, &why));
    if experiment.linked_flag.is_none() {
        return refuse("no flag is linked; link the flag whose key the code asks for".to_owned());
    }
    if experiment.primary_metric.is_none() {
        return refuse("it has no primary metric, so nothing says what is best".to_owned());
    }
    if results.power.gathering {
        let arms = results
            .arms
            .iter()
            .map(|arm| format!("{} {}", arm.variant, arm.n));
        let arms: Vec<String> = arms.collect();
        return refuse(format!(
            "the power floor is not passed: it takes {ARM_FLOOR} in each arm and {TOTAL_FLOOR} in all, and there are {}",
            arms.join(", ")
        ));
    }
    let best = results
        .arms
        .iter()
        .filter_map(|arm| Some((arm, arm.posterior.as_ref()?.prob_best)))
        .max_by(|one, other| one.1.total_cmp(&other.1));
    let Some((arm, p_best)) = best else {
        return refuse("there are no results yet".to_owned());
    };
    if p_best < WINNER_PROBABILITY || results.winner == INCONCLUSIVE {
        return refuse(format!(
            "P(best) of the leading variant {} is {:.3}, needed is {WINNER_PROBABILITY}",
            arm.variant,
            // Downward: what is not enough must not read as if it were.
            (p_best * 1_000.0).floor() / 1_000.0
        ));
    }
    if !arm.variant.eq_ignore_ascii_case(wanted) {
        return refuse(format!(
            "the data of this moment say {} (P(best) {p_best:.3}), not {wanted}",
            arm.variant
        ));
    }
    Ok(p_best)
}

fn not_ready(experiment: &Experiment, why: &str) -> ApiError {
    ApiError::new(
        Code::WinnerNotReady,
        format!("no winner of {} can be applied: {why}", experiment.key),
    )
}

/// Refuses what cannot be applied whatever the data say.
///
/// # Errors
/// [`Code::BadTransition`], [`Code::Invalid`], [`Code::WinnerNotReady`].
pub fn possible(experiment: &Experiment, body: &ApplyWinner) -> Result<(), ApiError> {
    if !experiment.status.may_become(Status::Completed) {
        let mut problem = Problem::new(
            Code::BadTransition,
            format!(
                "{} is {}; a winner is applied to an active or paused experiment",
                experiment.key, experiment.status
            ),
        );
        problem.errors = vec![FieldError::new("status", experiment.status, "active or paused").into()];
        return Err(problem.into());
    }
    if experiment.variant(body.winner.as_str()).is_none() {
        let keys = experiment.variants.iter().map(|v| &v.key);
        return Err(no_variant("winner", &body.winner, keys).into());
    }
    if experiment.linked_flag.is_none() {
        return Err(not_ready(
            experiment,
            "no flag is linked; link the flag whose key the code asks for",
        ));
    }
    Ok(())
}

impl Registry {
    /// Refuses a change that was made from another version than the live one, before anything is computed
    /// for it.
    ///
    /// # Errors
    /// [`Code::NotFound`], [`Code::VersionConflict`].
    pub async fn at_version(
        &self,
        caller: &Caller,
        id_or_key: &str,
        version: u64,
    ) -> Result<Arc<Experiment>, ApiError> {
        let experiment = Arc::clone(&self.find(caller, id_or_key)?.experiment);
        if experiment.resource_version == version {
            return Ok(experiment);
        }
        let mut batch = self.batch(caller).await?;
        let live = Arc::clone(&self.find(caller, id_or_key)?.experiment);
        batch.check_version(&*live, version).await?;
        Ok(live)
    }

    /// Applies the winner that `results` name, computed from the version that `body` says: the flag serves it
    /// to everybody, the experiment is completed with it, in one transaction.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live object, also when it was applied already;
    /// [`Code::WinnerNotReady`].
    pub async fn apply_winner(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: ApplyWinner,
        results: Results,
    ) -> Result<WinnerApplied, ApiError> {
        let this = Arc::clone(self);
        let id = this.find(&caller, id_or_key)?.experiment.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.find(&caller, &id)?;
            let current = &live.experiment;
            batch.check_version(&**current, body.resource_version).await?;
            possible(current, &body)?;
            let p_best = ready(current, &results, body.winner.as_str())?;
            let (Some(winner), Some(flag_key)) =
                (current.variant(body.winner.as_str()), &current.linked_flag)
            else {
                return Err(ApiError::Internal(
                    "a winner without a variant or a flag".to_owned(),
                ));
            };
            let found = this
                .snapshot()
                .flags()
                .find(live.project, flag_key.as_str())
                .cloned();
            let Some(flag) = found else {
                let why = format!("its flag {flag_key} does not exist; create it, or link another one");
                return Err(not_ready(current, &why));
            };
            let now = batch.now();
            let mut next_flag = (*flag.flag).clone();
            edit::flag::serve_to_all(&mut next_flag, winner, &current.deployments, now);
            if let Err(errors) = next_flag.check(this.max_variants) {
                let why: Vec<String> = errors.iter().map(ToString::to_string).collect();
                let why = format!(
                    "its flag {flag_key} cannot serve {}: {}",
                    winner.key,
                    why.join("; ")
                );
                return Err(not_ready(current, &why));
            }
            let evidence = json!({
                "winner": winner.key, "flagId": flag.flag.id, "flagKey": flag.flag.key, "pBest": p_best,
                "computedAt": results.computed_at, "dataAsOf": results.data_as_of,
                "srmAlarm": results.srm.alarm,
                "arms": results.arms.iter().map(|arm| json!({
                    "variant": arm.variant, "n": arm.n, "conversions": arm.conversions,
                    "probBest": arm.posterior.as_ref().map(|p| p.prob_best),
                })).collect::<Vec<_>>(),
            });
            let comment = body.comment.as_deref();
            if next_flag != *flag.flag {
                let evidence = json!({ "experimentId": current.id, "experimentKey": current.key });
                let told = Told::default().comment(comment).evidence(evidence);
                batch
                    .flag(&caller, live.project, Some(&flag), next_flag, told)
                    .await?;
            }
            let mut next = lifecycle::complete(current, Some(winner.key.clone()), now);
            next.ended_reason = Some(EndedReason::Success);
            let told = Told::actions([AuditAction::ApplyWinner, AuditAction::StatusChanged])
                .comment(comment)
                .evidence(evidence);
            let experiment = batch
                .experiment(&caller, live.project, Some(&live), next, told)
                .await?;
            batch.commit().await?;
            let flag = this.find_flag(&caller, &flag.flag.id.to_string())?;
            Ok(WinnerApplied {
                experiment: Arc::unwrap_or_clone(experiment),
                flag: (*flag.flag).clone(),
                p_best,
            })
        })
        .await
    }
}
