//! Who is asking, and whether they may: the one place where tokens and roles are checked.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use crate::api::BEARER;
use crate::api::problem::Code;
use crate::api::system::Role;
use crate::domain::Project;
use crate::server::error::ApiError;
use crate::server::state::AppState;
use crate::server::store::tokens::HASH_LENGTH;

/// Who is asking: the token's name, role and project.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Name of the token, as the audit log writes it.
    pub actor: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// The project it belongs to.
    pub project: Arc<Project>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::Internal("a route without a role asks who is calling".into()))
    }
}

/// The tokens that were issued, by their hash.
#[derive(Debug, Default)]
pub struct Tokens(HashMap<[u8; HASH_LENGTH], Caller>);

impl Tokens {
    /// From pairs of a token's hash and its owner.
    pub fn new(tokens: impl IntoIterator<Item = ([u8; HASH_LENGTH], Caller)>) -> Self {
        Self(tokens.into_iter().collect())
    }

    /// The owner of `token`.
    ///
    /// What is compared is the SHA-256 of what was sent: the time it takes says nothing about the
    /// tokens that exist.
    #[must_use]
    pub fn owner(&self, token: &str) -> Option<&Caller> {
        self.0.get(&hash(token))
    }
}

/// The form in which a token is stored and looked up.
#[must_use]
pub fn hash(token: &str) -> [u8; HASH_LENGTH] {
    Sha256::digest(token.as_bytes()).into()
}

/// Lets a request through when its token has at least the role that the route asks for.
pub async fn require(
    State((state, needed)): State<(AppState, Role)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let caller = authenticate(&state, request.headers())?;
    if caller.role < needed {
        return Err(ApiError::new(
            Code::Forbidden,
            format!(
                "the token `{}` has the role {}; this needs {}",
                caller.actor,
                caller.role.as_str(),
                needed.as_str()
            ),
        ));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Err(ApiError::new(
            Code::Unauthorized,
            "no token; send the header `Authorization: Bearer <token>`",
        ));
    };
    let token = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER).then_some(token.trim())
    });
    let Some(token) = token.filter(|t| !t.is_empty()) else {
        return Err(ApiError::new(
            Code::Unauthorized,
            "the header `Authorization` is not of the form `Bearer <token>`",
        ));
    };
    let owner = state.tokens().owner(token).cloned();
    owner.ok_or_else(|| {
        ApiError::new(
            Code::Unauthorized,
            "this token was never issued, or it was revoked; ask for a new one",
        )
    })
}
