//! `POST /experiments/assign`: one request, or a list of them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
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

/// A list of requests: as many as may be in one, and how many there are. A small body may be unpacked into a list of
/// millions, which nobody needs to keep.
struct Requests<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Requests<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Requests<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of requests")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < MAX_ASSIGNMENTS_PER_REQUEST
                    && let Some(request) = list.next_element()?
                {
                    kept.push(request);
                }
                let mut count = kept.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Requests { kept, count })
            }
        }
        deserializer.deserialize_seq(List)
    }
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
    let Requests { kept, count } = serde_json::from_slice(&body)
        .map_err(|error| ApiError::new(Code::Malformed, format!("the body is not JSON: {error}")))?;
    if count > MAX_ASSIGNMENTS_PER_REQUEST {
        return Err(ApiError::new(
            Code::TooLarge,
            format!(
                "the list has {count} requests, allowed are {MAX_ASSIGNMENTS_PER_REQUEST}; send it in several"
            ),
        ));
    }
    let answers: Vec<Answer> = kept
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_counted_and_not_kept() {
        let of = |count: usize| {
            let list = format!("[{}]", vec!["{}"; count].join(", "));
            let requests: Requests<'_> = serde_json::from_str(&list).expect("a list");
            (requests.kept.len(), requests.count)
        };
        for few in [0, 1, 999, MAX_ASSIGNMENTS_PER_REQUEST] {
            assert_eq!(of(few), (few, few));
        }
        assert_eq!(of(50_000), (MAX_ASSIGNMENTS_PER_REQUEST, 50_000));
        assert!(serde_json::from_str::<Requests<'_>>("[{}, {}").is_err());
    }
}
