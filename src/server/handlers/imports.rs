//! `/experiments/{idOrKey}/override-imports`: bulk imports of overrides; and the same of flags.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};

use crate::api::imports::{
    ApplyChunks, IDEMPOTENCY_KEY, Import, ImportList, ImportRows, ListImportRows, StartImport,
};
use crate::domain::FieldError;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, Params, RawBody, as_it_is, read_change};
use crate::server::imports::apply::{self, Direction};
use crate::server::imports::parse::BodyError;
use crate::server::imports::{read, stage};
use crate::server::middleware::auth::Caller;
use crate::server::registry::Noun;
use crate::server::state::AppState;

/// Whose import, and which one.
type Which = Path<(String, String)>;

/// Stages the ids of the body.
pub async fn start(
    State(state): State<AppState>,
    caller: Caller,
    noun: Noun,
    IdOrKey(id): IdOrKey,
    Params(query): Params<StartImport>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Import>), ApiError> {
    as_it_is(&headers)?;
    if is_json(&headers) {
        return Err(stage::refused(BodyError::Json));
    }
    let key = headers.get(IDEMPOTENCY_KEY).map(|key| {
        key.to_str().map(str::to_owned).map_err(|_| {
            let given = String::from_utf8_lossy(key.as_bytes()).into_owned();
            FieldError::new(IDEMPOTENCY_KEY, given, "characters of ASCII")
        })
    });
    let staged = stage::stage(&state, caller, noun, &id, query, key.transpose()?, body).await?;
    let status = if staged.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(staged.import)))
}

/// Whether the body is JSON, by what the request says.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media = kind.split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

/// The newest imports.
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    noun: Noun,
    IdOrKey(id): IdOrKey,
) -> Result<Json<ImportList>, ApiError> {
    read::list(state.registry(), &caller, noun, &id).await.map(Json)
}

/// One import.
pub async fn one(
    State(state): State<AppState>,
    caller: Caller,
    noun: Noun,
    Path((id, import)): Which,
) -> Result<Json<Import>, ApiError> {
    read::one(state.registry(), &caller, noun, &id, &import)
        .await
        .map(Json)
}

/// A page of its ids.
pub async fn rows(
    State(state): State<AppState>,
    caller: Caller,
    noun: Noun,
    Path((id, import)): Which,
    Params(query): Params<ListImportRows>,
) -> Result<Json<ImportRows>, ApiError> {
    let rows = read::rows(state.registry(), &caller, noun, &id, &import, &query);
    rows.await.map(Json)
}

/// Applies the next chunks.
pub async fn apply(
    State(state): State<AppState>,
    caller: Caller,
    noun: Noun,
    Path((id, import)): Which,
    RawBody(body): RawBody,
) -> Result<Json<Import>, ApiError> {
    let registry = state.registry();
    let chunks = wanted(&body)?.chunks;
    let run = apply::run(registry, &caller, noun, &id, &import, Direction::Apply, chunks);
    run.await.map(Json)
}

/// Takes the last chunks back.
pub async fn undo(
    State(state): State<AppState>,
    caller: Caller,
    noun: Noun,
    Path((id, import)): Which,
    RawBody(body): RawBody,
) -> Result<Json<Import>, ApiError> {
    let registry = state.registry();
    let chunks = wanted(&body)?.chunks;
    let run = apply::run(registry, &caller, noun, &id, &import, Direction::Undo, chunks);
    run.await.map(Json)
}

/// No body asks for all.
fn wanted(body: &[u8]) -> Result<ApplyChunks, ApiError> {
    if body.is_empty() {
        Ok(ApplyChunks::default())
    } else {
        read_change(body)
    }
}

/// Forgets an import.
pub async fn forget(
    State(state): State<AppState>,
    caller: Caller,
    noun: Noun,
    Path((id, import)): Which,
) -> Result<StatusCode, ApiError> {
    apply::forget(state.registry(), &caller, noun, &id, &import).await?;
    Ok(StatusCode::NO_CONTENT)
}
