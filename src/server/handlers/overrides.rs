//! `GET|PUT|DELETE /experiments/{idOrKey}/overrides`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::overrides::{
    DeleteOverride, ListOverrides, MAX_OVERRIDES_PER_REQUEST, OverridePage, OverridesSet, SetOverrides,
};
use crate::domain::rule::MAX_SUBJECT_ID_LENGTH;
use crate::domain::{FieldError, OverrideSubject};
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody, Params};
use crate::server::middleware::auth::Caller;
use crate::server::state::AppState;
use crate::server::store;

/// Page size where none is asked for, and the largest.
const PAGE_SIZES: (u32, u32) = (100, 1_000);

/// The most refused ids that one answer lists.
const MAX_REFUSED: usize = 20;

/// A page of overrides.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<ListOverrides>,
) -> Result<Json<OverridePage>, ApiError> {
    let registry = state.registry();
    let live = registry.find(&caller, &id)?;
    let (usual, most) = PAGE_SIZES;
    let limit = query.limit.unwrap_or(usual);
    let mut errors = Vec::new();
    if !(1..=most).contains(&limit) {
        errors.push(FieldError::new("limit", limit, format!("1 to {most}")));
    }
    let after = query.after.as_deref().map(read_after).transpose();
    let after = after.map_err(|error| errors.push(error)).ok().flatten();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    // One more than a page, to know whether there is another.
    let search = query.search.as_deref();
    let mut overrides =
        store::overrides::page(registry.store(), live.experiment.id, search, after, limit + 1).await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = overrides.len() > page;
    overrides.truncate(page);
    let last = overrides.last().filter(|_| more);
    let next_after = last.map(|o| format!("{}:{}", o.subject_type.as_str(), o.subject_id));
    let counts = live.overrides.counts();
    Ok(Json(OverridePage {
        overrides,
        next_after,
        fixed: counts.fixed,
        manual: counts.manual,
    }))
}

/// `user:alice`
fn read_after(text: &str) -> Result<(OverrideSubject, &str), FieldError> {
    let kinds = [OverrideSubject::User, OverrideSubject::Device];
    text.split_once(':')
        .and_then(|(kind, id)| Some((kinds.into_iter().find(|k| k.as_str() == kind)?, id)))
        .ok_or_else(|| FieldError::new("after", text, "user:<id> or device:<id>, the nextAfter of a page"))
}

/// Forces many subjects into one variant.
pub async fn set(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    JsonBody(body): JsonBody<SetOverrides>,
) -> Result<Json<OverridesSet>, ApiError> {
    let count = body.subject_ids.len();
    if !(1..=MAX_OVERRIDES_PER_REQUEST).contains(&count) {
        let allowed = format!("1 to {MAX_OVERRIDES_PER_REQUEST} ids; send more in several requests");
        return Err(FieldError::new("subjectIds", format!("{count} ids"), allowed).into());
    }
    let wrong = body.subject_ids.iter().enumerate();
    let errors: Vec<FieldError> = wrong
        .filter(|(_, id)| !is_subject_id(id))
        .take(MAX_REFUSED)
        .map(|(at, id)| {
            FieldError::new(
                format!("subjectIds[{at}]"),
                id.escape_debug(),
                format!("1 to {MAX_SUBJECT_ID_LENGTH} characters without control characters"),
            )
        })
        .collect();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    state.registry().set_overrides(caller, &id, body).await.map(Json)
}

fn is_subject_id(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= MAX_SUBJECT_ID_LENGTH && !id.chars().any(char::is_control)
}

/// Removes the override of one subject.
pub async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<DeleteOverride>,
) -> Result<StatusCode, ApiError> {
    let DeleteOverride {
        subject_type,
        subject_id,
    } = query;
    let registry = state.registry();
    registry
        .remove_override(caller, &id, subject_type, subject_id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
