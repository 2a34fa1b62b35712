//! `POST /track`: one event or a list, plain or in the envelope of the OpenPanel clients.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::api::openpanel::CLIENT_ID;
use crate::api::problem::{Code, Problem};
use crate::api::track::Tracked;
use crate::server::error::{ApiError, problem_response};
use crate::server::extract::RawBody;
use crate::server::ingest::{self, AppendError, Context, EventRecord, Origin, Sender};
use crate::server::middleware::auth::Caller;
use crate::server::registry::now;
use crate::server::snapshot::ProjectExperiments;
use crate::server::state::AppState;

/// From this size on a body is read in a thread of its own, so that other requests need not wait.
const LARGE: usize = 128 << 10;

/// Takes all events or none; answered once they are on the disk. ClickHouse is not needed.
pub async fn track(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let origin = origin(&headers);
    let (records, answer) = if body.len() < LARGE {
        decide(&state, &caller, &body, origin.as_ref())?
    } else {
        let state = state.clone();
        tokio::task::spawn_blocking(move || decide(&state, &caller, &body, origin.as_ref()))
            .await
            .map_err(|error| ApiError::Internal(format!("reading events failed: {error}")))??
    };
    let ingest = state.ingest();
    if let Err(refusal) = ingest.append(records).await {
        return stored(&refusal);
    }
    ingest.note_unattributed(&answer.unattributed);
    Ok(Json(answer).into_response())
}

/// Where an OpenPanel client is: it leaves it to the server to tell devices and visits apart.
fn origin(headers: &HeaderMap) -> Option<Origin> {
    headers.get(CLIENT_ID)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded = text("x-forwarded-for").and_then(|list| list.split(',').next());
    Some(Origin {
        address: forwarded
            .or(text("x-real-ip"))
            .unwrap_or_default()
            .trim()
            .to_owned(),
        user_agent: text("user-agent").unwrap_or_default().to_owned(),
    })
}

fn decide(
    state: &AppState,
    caller: &Caller,
    body: &Bytes,
    origin: Option<&Origin>,
) -> Result<(Vec<EventRecord>, Tracked), ApiError> {
    let events = ingest::read(body).map_err(ApiError::Problem)?;
    let snapshot = state.registry().snapshot();
    let context = Context {
        project_id: caller.project.id,
        now: now(),
        experiments: &ProjectExperiments {
            snapshot: &snapshot,
            project: caller.project.id,
        },
        sender: origin.map(|origin| Sender {
            origin,
            visits: state.visits(),
        }),
    };
    Ok(ingest::decide(events, &context))
}

/// The answer to events that were not taken.
pub(super) fn stored(refusal: &AppendError) -> Result<Response, ApiError> {
    let code = match refusal {
        AppendError::Full { .. } | AppendError::DiskFull { .. } => Code::SpoolFull,
        AppendError::Closed { .. } => Code::ShuttingDown,
        AppendError::TooLarge { .. } => Code::TooLarge,
        AppendError::Disk { .. } => return Err(ApiError::Internal(refusal.to_string())),
    };
    let mut response = problem_response(Problem::new(code, refusal.to_string()));
    if let Some(after) = refusal.retry_after() {
        let seconds = HeaderValue::from(after.as_secs());
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}
