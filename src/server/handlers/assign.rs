//! `POST /experiments/assign`: one request, or a list of them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::api::assign::{AssignRequest, Assignment, MAX_ASSIGNMENTS_PER_REQUEST};
use crate::api::problem::{Code, Problem};
use crate::domain::{FieldError, User};
use crate::server::body::SdkBody;
use crate::server::error::ApiError;
use crate::server::evaluate::Evaluated;
use crate::server::extract::read_json;
use crate::server::middleware::auth::Caller;
use crate::server::registry::now;
use crate::server::served::Served;
use crate::server::snapshot::{Entry, Snapshot};
use crate::server::state::AppState;

/// One answer of a list.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Assigned(Box<Assignment>),
    Refused(Box<Problem>),
}

/// A variant for each request. In a list each request is answered in its place, also with a problem.
pub async fn assign(
    State(state): State<AppState>,
    caller: Caller,
    SdkBody(body): SdkBody,
) -> Result<Response, ApiError> {
    // One snapshot for the whole list: its answers agree with each other.
    let snapshot = state.registry().snapshot();
    let is_list = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    if !is_list {
        return decide(&state, &snapshot, &caller, &body).map(|assignment| Json(assignment).into_response());
    }
    let requests: Vec<&RawValue> = serde_json::from_slice(&body)
        .map_err(|error| ApiError::new(Code::Malformed, format!("the body is not JSON: {error}")))?;
    if requests.len() > MAX_ASSIGNMENTS_PER_REQUEST {
        return Err(ApiError::new(
            Code::TooLarge,
            format!(
                "the list has {} requests, allowed are {MAX_ASSIGNMENTS_PER_REQUEST}; send it in several",
                requests.len()
            ),
        ));
    }
    let answers: Vec<Answer> = requests
        .into_iter()
        .map(
            |request| match decide(&state, &snapshot, &caller, request.get().as_bytes()) {
                Ok(assignment) => Answer::Assigned(Box::new(assignment)),
                Err(refusal) => Answer::Refused(Box::new(refusal.into_problem())),
            },
        )
        .collect();
    Ok(Json(answers).into_response())
}

fn decide(
    state: &AppState,
    snapshot: &Snapshot,
    caller: &Caller,
    request: &[u8],
) -> Result<Assignment, ApiError> {
    let request = read(request)?;
    let user = request.subject();
    if !user.has_id() {
        return Err(no_id().into());
    }
    let entry = snapshot
        .find(caller.project.id, &request.experiment_id)
        .filter(|entry| is_seen_by(entry, caller))
        .ok_or_else(|| ApiError::not_found("experiment", &request.experiment_id))?;
    let evaluated = Evaluated::new(state.sticky(), Served::Experiment(entry), user);
    let project = caller.project.id;
    state
        .assigned()
        .note(project, user, std::slice::from_ref(&evaluated), now());
    Ok(evaluated.assignment)
}

/// A deployment sees what names it.
fn is_seen_by(entry: &Entry, caller: &Caller) -> bool {
    let named = |deployment: &Uuid| entry.experiment.deployments.contains(deployment);
    caller.deployment.as_ref().is_none_or(named)
}

/// Reads one request. The fields of the user stand beside `experimentId`, where serde loses their names:
/// a faulty one is read again on its own.
fn read(request: &[u8]) -> Result<AssignRequest, ApiError> {
    if let Ok(request) = serde_json::from_slice(request) {
        return Ok(request);
    }
    let value: Value = read_json(request)?;
    if value.is_object() && value.get("user").is_none() {
        read_json::<User>(request)?;
    }
    read_json(request)
}

/// The refusal of a user without any id.
pub(super) fn no_id() -> FieldError {
    FieldError::new(
        "user_id",
        "no id",
        "at least one id that is not empty: user_id, device_id, session_id, event_id or groups",
    )
}
