//! `/tokens`: who may do what.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use uuid::Uuid;

use crate::api::projects::{CreateToken, TokenList, TokenMade, TokenRow};
use crate::api::system::Role;
use crate::domain::FieldError;
use crate::server::error::ApiError;
use crate::server::extract::{IdOrKey, JsonBody};
use crate::server::middleware::auth::Caller;
use crate::server::registry;
use crate::server::state::AppState;

/// Tokens with a role in a project that the caller administers, the newest first.
pub async fn list(State(state): State<AppState>, caller: Caller) -> Json<TokenList> {
    let snapshot = state.registry().snapshot();
    let access = &snapshot.access;
    let mine = |project: &Uuid| caller.role_in(*project) == Some(Role::Admin);
    let known = access.tokens().filter(|token| token.roles.keys().any(mine));
    let mut tokens: Vec<TokenRow> = known
        .map(|token| registry::token_row(access, token, &caller))
        .collect();
    tokens.sort_by_key(|row| (std::cmp::Reverse(row.created_at), row.id));
    Json(TokenList { tokens })
}

/// A new token.
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateToken>,
) -> Result<(StatusCode, Json<TokenMade>), ApiError> {
    let made = state.registry().create_token(caller, body).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// The end of a token.
pub async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(id): IdOrKey,
) -> Result<Response, ApiError> {
    let id = Uuid::try_parse(&id)
        .map_err(|_| FieldError::new("idOrKey", &id, "the id of a token, as GET /tokens lists it"))?;
    Ok(match state.registry().revoke_token(caller, id).await? {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(left) => Json(left).into_response(),
    })
}
