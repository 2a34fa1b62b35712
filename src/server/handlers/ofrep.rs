//! OpenFeature's remote evaluation: `/ofrep/v1/…`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::api::ofrep::{self, Bulk, Configuration, ErrorCode, Failure};
use crate::decide::Subject;
use crate::domain::User;
use crate::server::body::SdkBody;
use crate::server::error::{ApiError, verbatim};
use crate::server::evaluate::{Evaluated, Evaluator};
use crate::server::extract::{IdOrKey, Known};
use crate::server::middleware::auth::Caller;
use crate::server::registry::now;
use crate::server::served::Served;
use crate::server::state::AppState;

/// One flag for the context of the body.
pub async fn evaluate(
    State(state): State<AppState>,
    caller: Caller,
    IdOrKey(key): IdOrKey,
    SdkBody(body): SdkBody,
) -> Result<Response, ApiError> {
    let failed = |error_code, error_details| Failure {
        key: Some(key.clone()),
        error_code,
        error_details,
    };
    let user = match ofrep::user(&body) {
        Ok(user) => user,
        Err((code, words)) => return failure(&failed(code, words)),
    };
    let snapshot = state.registry().snapshot();
    let Some(served) = Evaluator::new(&snapshot, &caller).find(&key) else {
        let whose = match caller.deployment {
            Some(_) => format!("the deployment `{}` sees", caller.actor),
            None => format!("the project {} has", caller.project.key),
        };
        return failure(&failed(
            ErrorCode::FlagNotFound,
            format!("{whose} no flag and no experiment of this key"),
        ));
    };
    let evaluated = Evaluated::new(state.sticky(), served, &user);
    let answer = evaluated.to_ofrep();
    state
        .assigned()
        .note(caller.project.id, &user, &[evaluated], now());
    Ok(Json(answer).into_response())
}

/// Every flag that the caller sees, for the context of the body. What is drawn for each event is left out where
/// there is none: a page that asks again and again would see another variant each time.
///
/// The ETag is made of the answer and of who asked: clients send the old one along after their context has
/// changed, and must not be told that nothing has.
pub async fn bulk(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    SdkBody(body): SdkBody,
) -> Result<Response, ApiError> {
    let user = match ofrep::user(&body) {
        Ok(user) => user,
        Err((error_code, error_details)) => {
            return failure(&Failure {
                key: None,
                error_code,
                error_details,
            });
        }
    };
    let snapshot = state.registry().snapshot();
    let all = Evaluator::new(&snapshot, &caller).all();
    let stays = |s: &Served<'_>| !matches!(s.prepared().subject(&user), Subject::Random);
    let evaluated: Vec<Evaluated<'_>> = all
        .into_iter()
        .filter(stays)
        .map(|s| Evaluated::new(state.sticky(), s, &user))
        .collect();
    let answer = Bulk {
        flags: evaluated.iter().map(Evaluated::to_ofrep).collect(),
    };
    state.assigned().note(caller.project.id, &user, &evaluated, now());
    tagged(&headers, Some(&user), &answer)
}

/// What the server can do.
pub async fn configuration(headers: HeaderMap) -> Result<Response, ApiError> {
    tagged(&headers, None, &Configuration::default())
}

/// An answer with its ETag, or only that it is the one that the client has.
fn tagged(
    headers: &HeaderMap,
    user: Option<&User>,
    answer: &impl serde::Serialize,
) -> Result<Response, ApiError> {
    let internal = |error: serde_json::Error| ApiError::Internal(format!("an answer as JSON: {error}"));
    let json = serde_json::to_vec(answer).map_err(internal)?;
    let mut digest = Sha256::new();
    digest.update(serde_json::to_vec(&user).map_err(internal)?);
    digest.update([0]);
    digest.update(&json);
    let hash: String = digest
        .finalize()
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect();
    let etag = format!("\"{hash}\"");
    let known = Known::of(headers).has(&etag);
    let etag = HeaderValue::try_from(etag)
        .map_err(|error| ApiError::Internal(format!("an ETag as a header: {error}")))?;
    let headers = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let json_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((headers, [json_type], json).into_response())
}

fn failure(failure: &Failure) -> Result<Response, ApiError> {
    verbatim(failure.status(), failure)
}
