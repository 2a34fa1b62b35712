//! What happens around every request.
//!
//! From the outside in: [`respond()`] gives the request its id, logs it and writes problems out; [`drain()`] reads what
//! the others left of the body; a panic is caught; [`time_out`] bounds the time; [`auth`] checks the token and the role of the route.

pub mod auth;
mod cross_origin;
mod drain;
pub mod limits;
mod respond;

use std::any::Any;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::api::problem::Code;

use super::error::ApiError;

pub use cross_origin::cross_origin;
pub use drain::drain;
pub use respond::{RequestId, respond};

/// Answers with a problem when the request takes longer than `limit`.
///
/// What the request has begun to change is carried through: changes run in tasks of their own.
pub async fn time_out(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            Code::Timeout,
            format!(
                "no answer within {} s; read the object again before you repeat a change",
                limit.as_secs_f32()
            ),
        )
        .into_response(),
    }
}

/// The answer to a request whose handler panicked.
#[must_use]
pub fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    ApiError::Internal(format!("a handler panicked: {message}")).into_response()
}
