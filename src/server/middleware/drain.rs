//! Reading what is left of a refused request, so that its sender reads the answer.
//!
//! A connection that is closed with bytes unread is reset, and the reset may overtake the answer: the sender of a large
//! body with a wrong token would see a broken pipe.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// The most that is read for nothing.
const MOST: usize = 64 << 20;

/// How long a sender is waited for.
const LONGEST: Duration = Duration::from_secs(10);

/// A body that two hold: the handler, and whoever reads what the handler left.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Body) -> T) -> T {
        // Nothing is left half done by a reader that panicked.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// Answers, and reads to its end what the handler did not read.
pub async fn drain(request: Request, next: Next) -> Response {
    // Whoever waits to be asked for the body has not sent it.
    let waits = request.headers().contains_key(header::EXPECT);
    if waits || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let left = Shared(Arc::new(Mutex::new(body)));
    let request = Request::from_parts(parts, Body::new(left.clone()));
    let response = next.run(request).await;
    // Who was too slow already is not waited for once more.
    if !left.is_end_stream() && response.status() != StatusCode::REQUEST_TIMEOUT {
        // Who sends too much or too slowly is cut off, as everybody was before.
        let _ = tokio::time::timeout(LONGEST, read(left)).await;
    }
    response
}

async fn read(mut body: Shared) {
    let mut most = MOST;
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let Some(Ok(frame)) = frame else { return };
        let length = frame.data_ref().map_or(0, Bytes::len);
        match most.checked_sub(length) {
            Some(rest) => most = rest,
            None => return,
        }
    }
}
