//! Reading requests: JSON bodies, query strings and path segments, with errors that name the field.

mod json;
mod twice;

use std::convert::Infallible;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::problem::{Code, Problem};
use crate::domain::FieldError;

use self::json::{check_change, field_error, from_value, known_only};
use super::error::ApiError;
use super::registry::Noun;

pub use json::{can_be_kept, read_change, read_json};

/// axum's own limit, of a route that has none.
const DEFAULT_BODY_LIMIT: usize = 2_097_152;

/// The most bytes that a body of the route has, also once it is unpacked. A request's own, as axum tells nobody what
/// its `DefaultBodyLimit` is.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

impl BodyLimit {
    /// The layers that limit the bodies of a route; the innermost holds.
    pub fn layers(self) -> (DefaultBodyLimit, Extension<Self>) {
        (DefaultBodyLimit::max(self.0), Extension(self))
    }

    /// That of the request's route.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let limit = request.extensions().get().copied();
        limit.unwrap_or(Self(DEFAULT_BODY_LIMIT))
    }
}

/// A body as it came, within the route's size limit.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let BodyLimit(limit) = BodyLimit::of(&request);
        let bytes = Bytes::from_request(request, state).await;
        bytes.map(Self).map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::new(
                    Code::TooLarge,
                    format!(
                        "the body is larger than {limit} bytes, the most that this endpoint takes; send less, or in \
                         several requests"
                    ),
                )
            } else {
                ApiError::new(
                    Code::Malformed,
                    "the body ended early or could not be read; send it again",
                )
            }
        })
    }
}

/// Refuses a body that would have to be unpacked: only those of events and evaluations are.
///
/// # Errors
/// [`Code::Malformed`].
pub fn as_it_is(headers: &HeaderMap) -> Result<(), ApiError> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    let encoding = encoding.map(|value| {
        String::from_utf8_lossy(value.as_bytes())
            .trim()
            .to_ascii_lowercase()
    });
    match encoding.filter(|encoding| !encoding.is_empty() && encoding != "identity") {
        None => Ok(()),
        Some(encoding) => Err(ApiError::new(
            Code::Malformed,
            format!(
                "the body is encoded as `{encoding}`; this endpoint takes it as it is, without Content-Encoding"
            ),
        )),
    }
}

/// A body of JSON as it came.
struct Plain(Bytes);

impl<S: Send + Sync> FromRequest<S> for Plain {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        as_it_is(request.headers())?;
        RawBody::from_request(request, state)
            .await
            .map(|RawBody(bytes)| Self(bytes))
    }
}

/// A JSON body of the form `T`.
///
/// Any content type is taken, as `curl -d` sends a wrong one. A body that does not fit names every
/// field at fault.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Plain(bytes) = Plain::from_request(request, state).await?;
        read_change(&bytes).map(Self)
    }
}

/// A JSON body of which nothing is kept: a question. Any text may stand in it.
#[derive(Debug)]
pub struct Question<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Question<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Plain(bytes) = Plain::from_request(request, state).await?;
        read_json(&bytes).map(Self)
    }
}

/// The same [`Question`] read as two types, where fields of one stand beside those of the other. Each names its
/// own fields at fault, which reading them as one flattened type would not.
#[derive(Debug)]
pub struct JsonBoth<A, B>(pub A, pub B);

impl<S: Send + Sync, A: DeserializeOwned, B: DeserializeOwned> FromRequest<S> for JsonBoth<A, B> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Plain(bytes) = Plain::from_request(request, state).await?;
        Ok(Self(read_json(&bytes)?, read_json(&bytes)?))
    }
}

/// A JSON body of a change, with its `resourceVersion` in the body or in the header `If-Match`.
#[derive(Debug)]
pub struct VersionedBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for VersionedBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let expected = if_match(request.headers())?;
        let Plain(bytes) = Plain::from_request(request, state).await?;
        let Some(expected) = expected else {
            return read_change(&bytes).map(Self);
        };
        check_change(&bytes)?;
        let mut value: Value = read_json(&bytes)?;
        if let Value::Object(fields) = &mut value {
            match fields.get("resourceVersion").and_then(Value::as_u64) {
                Some(version) if version != expected => {
                    return Err(FieldError::new(
                        "resourceVersion",
                        version,
                        format!("{expected} as in the header If-Match, or one of the two"),
                    )
                    .into());
                }
                _ if fields.contains_key("resourceVersion") => {}
                _ => {
                    fields.insert("resourceVersion".to_owned(), expected.into());
                }
            }
        }
        known_only::<T>(&value)?;
        from_value(value).map(Self)
    }
}

/// The version in the header `If-Match`, of requests without a body.
#[derive(Debug)]
pub struct Expected(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        if_match(&parts.headers).map(Self)
    }
}

/// The header `If-None-Match`: which answers the client has already.
#[derive(Debug, Default)]
pub struct Known(Vec<String>);

impl Known {
    /// What these headers say.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let all = headers.get_all(header::IF_NONE_MATCH).iter();
        let tags = all.flat_map(|sent| sent.to_str().unwrap_or_default().split(','));
        let plain = tags.map(|tag| tag.trim().trim_start_matches("W/").to_owned());
        Self(plain.collect())
    }

    /// Whether the answer with this ETag is among them.
    #[must_use]
    pub fn has(&self, etag: &str) -> bool {
        self.0.iter().any(|tag| tag == etag || tag == "*")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// The version in the header `If-Match`, written as `"3"`, `W/"3"` or `3`, or as the ETag of an answer that has more
/// than the object, `"3-5f0c"`.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(header) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = header.to_str().unwrap_or_default().trim();
    let tag = text.trim_start_matches("W/").trim_matches('"');
    let version = tag.split_once('-').map_or(tag, |(version, _)| version);
    version.parse().map(Some).map_err(|_| {
        FieldError::new(
            "If-Match",
            text,
            "the resourceVersion the change was made from, such as \"3\"",
        )
        .into()
    })
}

/// A query string of the form `T`.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|rejection| {
                let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
                    .map_or_else(|_| Vec::new(), |Query(pairs)| pairs);
                let sent = pairs.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
                refuse_query(&rejection, &Value::Object(sent))
            })
    }
}

fn refuse_query(rejection: &axum::extract::rejection::QueryRejection, sent: &Value) -> ApiError {
    type Fault = serde_path_to_error::Error<serde::de::value::Error>;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(rejection);
    while let Some(error) = source {
        if let Some(fault) = error.downcast_ref::<Fault>() {
            let (path, message) = (fault.path().to_string(), fault.inner().to_string());
            if let Some(error) = field_error(&path, &message, sent) {
                return error.into();
            }
        }
        source = error.source();
    }
    let mut problem = Problem::new(Code::Malformed, rejection.body_text());
    problem.detail.push_str("; see the endpoint's parameters");
    problem.into()
}

/// The path segment `{idOrKey}`.
#[derive(Debug)]
pub struct IdOrKey(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdOrKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let wrong = || {
            ApiError::from(FieldError::new(
                "idOrKey",
                parts.uri.path(),
                "an experiment's UUID or key, percent-encoded UTF-8",
            ))
        };
        let Ok(params) = RawPathParams::from_request_parts(&mut parts.clone(), state).await else {
            return Err(wrong());
        };
        let found = params.iter().find(|(name, _)| *name == "id_or_key");
        found.map(|(_, text)| Self(text.to_owned())).ok_or_else(wrong)
    }
}

/// Whose path it is, for handlers that serve experiments and flags alike.
impl<S: Send + Sync> FromRequestParts<S> for Noun {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(match parts.uri.path().starts_with("/flags/") {
            true => Self::Flag,
            false => Self::Experiment,
        })
    }
}
