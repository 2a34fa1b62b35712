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
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body::{Frame, SizeHint};

use crate::api::problem::Code;

use super::error::ApiError;

pub use cross_origin::cross_origin;
pub use drain::drain;
pub use respond::{RequestId, respond};

/// A body that tells whether somebody waits for more of it.
struct Awaited {
    body: Body,
    waits: Arc<AtomicBool>,
}

impl HttpBody for Awaited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.waits.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers with a problem when the request takes longer than `limit`.
///
/// What the request has begun to change is carried through: changes run in tasks of their own. Nothing is begun before
/// the body is there, so that of one that comes too slowly nothing is ever made.
pub async fn time_out(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let waits = Arc::new(AtomicBool::new(false));
    let request = match request.body().is_end_stream() {
        true => request,
        false => {
            let waits = Arc::clone(&waits);
            request.map(|body| Body::new(Awaited { body, waits }))
        }
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) if waits.load(Ordering::Relaxed) => ApiError::new(
            Code::RequestTimeout,
            format!(
                "the body was not there within {} s; nothing was changed, send it again",
                limit.as_secs_f32()
            ),
        )
        .into_response(),
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
