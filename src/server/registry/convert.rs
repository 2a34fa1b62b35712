//! Turning a flag into an experiment, and an experiment into a flag.

use std::sync::Arc;

use serde_json::json;

use crate::api::flags::{Convert, Converted};
#[cfg(doc)]
use crate::api::problem::Code;
use crate::domain::{AuditAction, Status};
use crate::server::edit;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::store::overrides::Copy;

use super::batch::Told;
use super::{Registry, carried_through, object};

impl Registry {
    /// Makes a draft of a flag: its variants, shares, rules and overrides, linked to it. The flag goes on as
    /// it is until the experiment is activated.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live flag, [`Code::KeyTaken`], [`Code::Invalid`].
    pub async fn experiment_of_flag(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: Convert,
    ) -> Result<Converted, ApiError> {
        let this = Arc::clone(self);
        let id = this.find_flag(&caller, id_or_key)?.flag.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.find_flag(&caller, &id)?;
            let flag = &live.flag;
            batch.check_version(&**flag, body.resource_version).await?;
            let key = body.key.unwrap_or_else(|| flag.key.clone());
            if this.snapshot().find(live.project, key.as_str()).is_some() {
                return Err(object::taken("experiment", "key", key.as_str()));
            }
            let experiment = edit::convert::experiment_of(flag, key, this.max_variants, batch.now())?;
            let evidence = json!({ "flagId": flag.id, "flagKey": flag.key });
            let told = Told::actions([AuditAction::Created, AuditAction::Converted]).evidence(evidence);
            let new = experiment.id;
            let experiment = batch
                .experiment(&caller, live.project, None, experiment, told)
                .await?;
            let copy = Copy {
                from: flag.id,
                to: new,
            };
            let overrides = batch
                .copy_overrides(&live.overrides, None, copy, live.project)
                .await?;
            let mut entry = object::entry(&caller, &**flag, AuditAction::FlagConverted, batch.now());
            entry.evidence =
                json!({ "experimentId": new, "experimentKey": experiment.key, "overrides": overrides });
            batch.log(live.project, &entry).await?;
            batch.commit().await?;
            Ok(Converted {
                flag: (**flag).clone(),
                experiment: Arc::unwrap_or_clone(experiment),
            })
        })
        .await
    }

    /// Lets the flag of an experiment that is not running serve what the experiment serves or was to serve,
    /// and ends the experiment.
    ///
    /// # Errors
    /// [`Code::VersionConflict`] with the live experiment; [`Code::BadTransition`] while it is active or paused.
    pub async fn flag_of_experiment(
        self: &Arc<Self>,
        caller: Caller,
        id_or_key: &str,
        body: Convert,
    ) -> Result<Converted, ApiError> {
        let this = Arc::clone(self);
        let id = this.find(&caller, id_or_key)?.experiment.id.to_string();
        carried_through(async move {
            let mut batch = this.batch(&caller).await?;
            let live = this.find(&caller, &id)?;
            let experiment = &live.experiment;
            batch.check_version(&**experiment, body.resource_version).await?;
            let key = body.key.or_else(|| experiment.linked_flag.clone());
            let key = key.unwrap_or_else(|| experiment.key.clone());
            let known = this.snapshot().flags().find(live.project, key.as_str()).cloned();
            let is_linked = experiment
                .linked_flag
                .as_ref()
                .is_some_and(|k| k.folded() == key.folded());
            if known.is_some() && !is_linked {
                return Err(object::taken("flag", "key", key.as_str()));
            }
            let now = batch.now();
            let next_flag = edit::convert::flag_of(
                experiment,
                known.as_ref().map(|entry| &*entry.flag),
                key,
                this.max_variants,
                now,
            )?;
            if let Some(entry) = &known {
                let errors =
                    edit::flag::orphans(&entry.flag, &next_flag, |key| entry.overrides.count_of(key));
                if !errors.is_empty() {
                    return Err(errors.into());
                }
            }
            let evidence = json!({ "experimentId": experiment.id, "experimentKey": experiment.key });
            let flag_id = next_flag.id;
            let actions = match &known {
                None => vec![AuditAction::FlagCreated, AuditAction::FlagConverted],
                Some(_) => vec![AuditAction::FlagConverted],
            };
            let told = Told::actions(actions).evidence(evidence);
            let flag = batch
                .flag(&caller, live.project, known.as_deref(), next_flag, told)
                .await?;
            // Of one that has ended they decided only while it ran, as its rules did.
            let overrides = match experiment.status {
                Status::Draft => {
                    let copy = Copy {
                        from: experiment.id,
                        to: flag_id,
                    };
                    let there = known.as_ref().map(|entry| &entry.overrides);
                    batch
                        .copy_overrides(&live.overrides, there, copy, live.project)
                        .await?
                }
                _ => 0,
            };
            let mut next = edit::convert::retired(experiment, now);
            next.linked_flag = Some(flag.key.clone());
            let mut actions = vec![AuditAction::Converted];
            if next.status != experiment.status {
                actions.push(AuditAction::StatusChanged);
            }
            let evidence = json!({ "flagId": flag_id, "flagKey": flag.key, "overrides": overrides });
            let told = Told::actions(actions).evidence(evidence);
            let experiment = batch
                .experiment(&caller, live.project, Some(&live), next, told)
                .await?;
            batch.commit().await?;
            Ok(Converted {
                flag: Arc::unwrap_or_clone(flag),
                experiment: Arc::unwrap_or_clone(experiment),
            })
        })
        .await
    }
}
