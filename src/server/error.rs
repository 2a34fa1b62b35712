//! The one way in which a request fails: as a problem (RFC 9457).
//!
//! A handler returns [`ApiError`]. Its answer carries the [`Problem`] as an extension, and
//! [`super::middleware::respond`] writes it out with the request's id. The same place turns any other
//! error answer (of a route that does not exist, of an extractor) into a problem.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::problem::{Code, Problem};
use crate::domain::FieldError;

use super::store::StoreError;

/// Seconds after which a request may be tried again while something that it needs is away.
const AWAY_RETRY_AFTER: &str = "2";

/// Seconds after which a caller who sent too much may send again: limits are by the second.
pub const LIMIT_RETRY_AFTER: &str = "1";

/// Why a request could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The caller can do something about it: the problem says what.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The configuration store failed. Logged in full; the caller gets the request id.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else that is the server's fault. Logged in full; the caller gets the request id.
    #[error("{0}")]
    Internal(String),
}

impl ApiError {
    /// A problem of `code` with its own words.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// Refused fields.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Problem::invalid(errors).into()
    }

    /// There is no `what` named `name`.
    #[must_use]
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(
            Code::NotFound,
            format!("there is no {what} `{}` in this project", shorten(name)),
        )
    }

    /// The problem as the caller gets it. What is the server's fault is logged here, and only here.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Problem(problem) => *problem,
            Self::Store(error) if error.is_unfit_text() => Problem::new(
                Code::Invalid,
                "a text holds the character U+0000, which cannot be kept; leave it out",
            ),
            Self::Store(error) if error.is_full() => {
                tracing::error!(error = %error, "the configuration store has no room");
                Problem::new(
                    Code::StoreUnavailable,
                    "the disk of the configuration store is full; assignments go on, changes have to wait until \
                     there is room",
                )
            }
            Self::Store(error @ (StoreError::Busy { .. } | StoreError::Behind)) => {
                tracing::warn!(error = %error, "a change was given up before it began");
                Problem::new(
                    Code::StoreUnavailable,
                    format!("{error}; nothing was changed: try again"),
                )
            }
            Self::Store(error @ StoreError::ReadOnly) => {
                tracing::warn!(error = %error, "the configuration store takes no changes");
                Problem::new(
                    Code::StoreUnavailable,
                    format!("{error}; assignments go on, changes have to wait until it takes them again"),
                )
            }
            Self::Store(error) if error.is_unavailable() => {
                tracing::warn!(error = %error, "the configuration store is not available");
                Problem::new(
                    Code::StoreUnavailable,
                    "the configuration store cannot be reached; assignments go on, the rest has to wait. If this \
                     was a change, read the object again before you repeat it: it may have been made",
                )
            }
            Self::Store(error) => {
                tracing::error!(error = %error, "the configuration store failed");
                Problem::new(
                    Code::Internal,
                    "the configuration store failed; the server's log says why under this request id",
                )
            }
            Self::Internal(error) => {
                tracing::error!(error, "internal error");
                Problem::new(
                    Code::Internal,
                    "the server failed; its log says why under this request id",
                )
            }
        }
    }
}

/// What was given, short enough to be repeated.
fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Vec<FieldError>> for ApiError {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::invalid(errors)
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::invalid(vec![error])
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        problem_response(self.into_problem())
    }
}

/// Marks an error answer whose body stays as it is: its clients expect another form than a problem.
#[derive(Debug, Clone, Copy)]
pub struct Verbatim;

/// An answer in the form that the clients of a foreign protocol expect, also where it is an error.
///
/// # Errors
/// [`ApiError::Internal`] when `body` cannot be written as JSON.
pub fn verbatim(status: u16, body: &impl serde::Serialize) -> Result<Response, ApiError> {
    let json = serde_json::to_vec(body)
        .map_err(|error| ApiError::Internal(format!("an answer as JSON: {error}")))?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json_type = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, json_type, json).into_response();
    response.extensions_mut().insert(Verbatim);
    Ok(response)
}

/// An answer that carries `problem`; its body is written by [`super::middleware::respond`].
#[must_use]
pub fn problem_response(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = status.into_response();
    let retry_after = match problem.code {
        _ if status == StatusCode::SERVICE_UNAVAILABLE => Some(AWAY_RETRY_AFTER),
        Code::RateLimited => Some(LIMIT_RETRY_AFTER),
        _ => None,
    };
    if let Some(seconds) = retry_after {
        let seconds = HeaderValue::from_static(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response.extensions_mut().insert(Box::new(problem));
    response
}
