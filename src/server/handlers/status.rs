//! `POST /experiments/{idOrKey}/status`.

use axum::extract::State;

use crate::api::experiments::ChangeStatus;
use crate::domain::AuditAction;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, VersionedBody};
use crate::server::lifecycle;
use crate::server::middleware::auth::Caller;
use crate::server::registry::{Motive, Plan};
use crate::server::state::AppState;

use super::{Versioned, versioned};

/// A step of the lifecycle.
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    VersionedBody(body): VersionedBody<ChangeStatus>,
) -> Result<Versioned, ApiError> {
    let version = body.resource_version;
    let experiment = state
        .registry()
        .change(caller, &id, version, move |live, max_variants, now| {
            let next = lifecycle::change(&live.experiment, &body, max_variants, now)?;
            let comment = body.comment.map(|text| text.trim().to_owned());
            Ok(Plan {
                next,
                actions: vec![AuditAction::StatusChanged],
                motive: Motive {
                    comment: comment.filter(|text| !text.is_empty()),
                    ..Motive::default()
                },
            })
        })
        .await?;
    Ok(versioned(experiment))
}
