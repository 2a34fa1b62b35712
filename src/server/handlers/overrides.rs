//! `GET|PUT|DELETE /experiments/{idOrKey}/overrides`, and the same of flags.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::overrides::{
    DeleteOverride, ListOverrides, MAX_OVERRIDES_PER_REQUEST, OverridePage, OverridesSet, SetOverrides,
};
use crate::domain::rule::{MAX_SUBJECT_ID_LENGTH, id_refusal};
use crate::domain::{FieldError, OverrideSubject};
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody, Params};
use crate::server::middleware::auth::Caller;
use crate::server::registry::Noun;
use crate::server::state::AppState;
use crate::server::store;

/// Page size where none is asked for, and the largest.
const PAGE_SIZES: (u32, u32) = (100, 1_000);

/// The most refused ids that one answer lists.
const MAX_REFUSED: usize = 20;

/// A page of the overrides of an experiment.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<ListOverrides>,
) -> Result<Json<OverridePage>, ApiError> {
    page(&state, &caller, Noun::Experiment, &id, query).await
}

/// A page of the overrides of a flag.
pub async fn list_of_flag(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<ListOverrides>,
) -> Result<Json<OverridePage>, ApiError> {
    page(&state, &caller, Noun::Flag, &id, query).await
}

async fn page(
    state: &AppState,
    caller: &Caller,
    noun: Noun,
    id: &str,
    query: ListOverrides,
) -> Result<Json<OverridePage>, ApiError> {
    let registry = state.registry();
    let live = registry.target(caller, noun, id)?;
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
    let mut overrides = store::overrides::page(registry.store(), live.id, search, after, limit + 1).await?;
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
        by_variant: live.overrides.by_variant(),
    }))
}

/// `user:alice`
fn read_after(text: &str) -> Result<(OverrideSubject, &str), FieldError> {
    let kinds = [OverrideSubject::User, OverrideSubject::Device];
    text.split_once(':')
        .and_then(|(kind, id)| Some((kinds.into_iter().find(|k| k.as_str() == kind)?, id)))
        .ok_or_else(|| FieldError::new("after", text, "user:<id> or device:<id>, the nextAfter of a page"))
}

/// Forces many subjects into one variant of an experiment.
pub async fn set(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    JsonBody(body): JsonBody<SetOverrides>,
) -> Result<Json<OverridesSet>, ApiError> {
    put(&state, caller, Noun::Experiment, &id, body).await
}

/// Forces many subjects into one variant of a flag.
pub async fn set_of_flag(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    JsonBody(body): JsonBody<SetOverrides>,
) -> Result<Json<OverridesSet>, ApiError> {
    put(&state, caller, Noun::Flag, &id, body).await
}

async fn put(
    state: &AppState,
    caller: Caller,
    noun: Noun,
    id: &str,
    body: SetOverrides,
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
                format!("1 to {MAX_SUBJECT_ID_LENGTH} characters, none of them control or invisible ones"),
            )
        })
        .collect();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let registry = state.registry();
    registry.set_overrides(caller, noun, id, body).await.map(Json)
}

fn is_subject_id(id: &str) -> bool {
    !id.is_empty() && id_refusal(id).is_none()
}

/// Removes the override of one subject of an experiment.
pub async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<DeleteOverride>,
) -> Result<StatusCode, ApiError> {
    take_out(&state, caller, Noun::Experiment, &id, query).await
}

/// Removes the override of one subject of a flag.
pub async fn remove_of_flag(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
    Params(query): Params<DeleteOverride>,
) -> Result<StatusCode, ApiError> {
    take_out(&state, caller, Noun::Flag, &id, query).await
}

async fn take_out(
    state: &AppState,
    caller: Caller,
    noun: Noun,
    id: &str,
    query: DeleteOverride,
) -> Result<StatusCode, ApiError> {
    let DeleteOverride {
        subject_type,
        subject_id,
    } = query;
    let registry = state.registry();
    registry
        .remove_override(caller, noun, id, subject_type, subject_id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
