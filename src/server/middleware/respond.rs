//! Request ids, the request log, and problems as JSON.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::api::problem::{Code, PROBLEM_JSON, Problem};
use crate::server::error::Verbatim;

/// The header that carries a request's id, both ways.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller.
const MAX_REQUEST_ID: usize = 128;

/// How much of an extractor's own error text is read.
const MAX_DETAIL: usize = 4096;

/// The id of a request: the caller's own where it is a sane one, else a new UUID.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
        let sane = |id: &&str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/+=".contains(c);
            (1..=MAX_REQUEST_ID).contains(&id.len()) && id.chars().all(plain)
        };
        match sent.filter(sane) {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().to_string().into()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives the request its id, logs it, and writes every error answer as a problem.
///
/// The log has the method, the path without the query, the status and the time: no header, no body.
pub async fn respond(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", %id, %method, path);
    let started = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();
    let status = response.status();
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if status.is_server_error() {
        tracing::warn!(status = status.as_u16(), took_ms, "answered");
    } else {
        tracing::debug!(status = status.as_u16(), took_ms, "answered");
    }
    drop(_entered);
    let failed = status.is_client_error() || status.is_server_error();
    let verbatim = response.extensions().get::<Verbatim>().is_some();
    let mut response = if failed && !verbatim {
        as_problem(response, &method, &path, &id).await
    } else {
        response
    };
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// The same error answer with a problem as its body.
async fn as_problem(response: Response, method: &Method, path: &str, id: &RequestId) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut problem = match parts.extensions.remove::<Box<Problem>>() {
        Some(problem) => *problem,
        // An answer of axum's own: a path or a method that does not exist, an extractor's refusal.
        None => {
            let text = to_bytes(body, MAX_DETAIL).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            plain_problem(parts.status, method, path, &parts.headers, text.trim())
        }
    };
    parts.status = StatusCode::from_u16(problem.status).unwrap_or(parts.status);
    problem.request_id = Some(id.to_string());
    if problem.code == Code::Unauthorized {
        let challenge = HeaderValue::from_static("Bearer");
        parts.headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    match serde_json::to_vec(&problem) {
        Ok(json) => Response::from_parts(parts, Body::from(json)),
        Err(error) => {
            tracing::error!(%error, "a problem cannot be written as JSON");
            Response::from_parts(parts, Body::empty())
        }
    }
}

fn plain_problem(
    status: StatusCode,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    text: &str,
) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound, format!("there is no endpoint {path}")),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = headers.get(header::ALLOW).and_then(|h| h.to_str().ok());
            let allowed = allowed.unwrap_or("none").replace(',', ", ");
            Problem::new(
                Code::MethodNotAllowed,
                format!("{method} is not possible on {path}; possible: {allowed}"),
            )
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::TooLarge, text),
        StatusCode::UNAUTHORIZED => Problem::new(Code::Unauthorized, text),
        StatusCode::FORBIDDEN => Problem::new(Code::Forbidden, text),
        status if status.is_client_error() => {
            let mut problem = Problem::new(Code::Malformed, text);
            problem.status = status.as_u16();
            problem
        }
        status => {
            tracing::error!(
                status = status.as_u16(),
                text,
                "an error answer without a problem"
            );
            Problem::new(
                Code::Internal,
                "the server failed; its log says why under this request id",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(sent: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(sent).expect("a header"));
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_sane_id_is_kept_and_another_replaced() {
        assert_eq!(id_of(b"deploy-7/step:2"), "deploy-7/step:2");
        for bad in [
            &b""[..],
            b"with blank",
            b"caf\xc3\xa9",
            &[b'x'; MAX_REQUEST_ID + 1],
        ] {
            let made = id_of(bad);
            assert!(Uuid::parse_str(&made).is_ok(), "{made}");
        }
    }
}
