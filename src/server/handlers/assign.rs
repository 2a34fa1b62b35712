//! `POST /experiments/assign`: one request, or a list of them.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::api::assign::{AssignRequest, Assignment, MAX_ASSIGNMENTS_PER_REQUEST};
use crate::api::problem::{Code, Problem};
use crate::domain::{FieldError, User};
use crate::server::body::{Elements, SdkBody};
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
    let snapshot = state.registry().snapshot().clone();
    let is_list = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    if !is_list {
        return decide(&state, &snapshot, &caller, &body).map(|assignment| Json(assignment).into_response());
    }
    let Elements { kept, count } = serde_json::from_slice::<Elements<'_, MAX_ASSIGNMENTS_PER_REQUEST>>(&body)
        .map_err(|error| ApiError::new(Code::Malformed, format!("the body is not JSON: {error}")))?;
    if count > MAX_ASSIGNMENTS_PER_REQUEST {
        return Err(ApiError::new(
            Code::TooLarge,
            format!(
                "the list has {count} requests, allowed are {MAX_ASSIGNMENTS_PER_REQUEST}; send it in several"
            ),
        ));
    }
    let requests: Vec<Bytes> = kept
        .into_iter()
        .map(|request| body.slice_ref(request.get().as_bytes()))
        .collect();
    let mut answers = Answers {
        state: state.clone(),
        snapshot: Arc::clone(&snapshot),
        caller,
        requests: requests.into_iter(),
        written: 0,
        ended: false,
    };
    let internal = |error| ApiError::Internal(format!("an answer as JSON: {error}"));
    let first = answers.write(AT_ONCE).map_err(internal)?;
    let body = match answers.ended {
        true => Body::from(first),
        false => Body::from_stream(stream::once(async { Ok(first) }).chain(stream::iter(answers))),
    };
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], body).into_response())
}

/// How many bytes of a list's answers are written before anything is sent. Hardly a list has more.
const AT_ONCE: usize = 1 << 20;

/// How many are written at a time beyond that.
const PIECE: usize = 64 << 10;

/// The answers to a list: a thousand of them may have a payload of 64 KiB each, so that they are decided and written as
/// fast as they are read, and never held together.
struct Answers {
    state: AppState,
    /// One for all, however long reading them takes.
    snapshot: Arc<Snapshot>,
    caller: Caller,
    requests: std::vec::IntoIter<Bytes>,
    written: usize,
    ended: bool,
}

impl Answers {
    /// The next answers, until they are that long or the list ends.
    fn write(&mut self, long: usize) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::new();
        while json.len() < long && !self.ended {
            let before: u8 = if self.written == 0 { b'[' } else { b',' };
            let Some(request) = self.requests.next() else {
                json.extend_from_slice(if self.written == 0 { b"[]" } else { b"]" });
                self.ended = true;
                break;
            };
            json.push(before);
            self.written += 1;
            let answer = match decide(&self.state, &self.snapshot, &self.caller, &request) {
                Ok(assignment) => Answer::Assigned(Box::new(assignment)),
                Err(refusal) => Answer::Refused(Box::new(refusal.into_problem())),
            };
            serde_json::to_writer(&mut json, &answer)?;
        }
        Ok(json)
    }
}

impl Iterator for Answers {
    type Item = Result<Vec<u8>, serde_json::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.ended).then(|| self.write(PIECE))
    }
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
