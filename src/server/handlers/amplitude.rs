//! Amplitude's HTTP API V2: `POST /2/httpapi` and `POST /batch`.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use tokio::sync::Semaphore;

use crate::api::amplitude::{Ingested, Refusal};
use crate::api::problem::Code;
use crate::api::system::Role;
use crate::server::body::{Packed, gunzip, is_gzipped, mended};
use crate::server::error::{ApiError, LIMIT_RETRY_AFTER, verbatim};
use crate::server::extract::{BodyLimit, RawBody};
use crate::server::ingest::amplitude::{read, refusal};
use crate::server::ingest::{self, AppendError, Context, EventRecord};
use crate::server::middleware::auth::{Caller, Need, of_secret};
use crate::server::middleware::limits::Metered;
use crate::server::registry::now;
use crate::server::snapshot::ProjectExperiments;
use crate::server::state::AppState;

/// How many bodies are unpacked and read at the same time: whoever sends one is known only afterwards, as the key is
/// in the body.
static READING: Semaphore = Semaphore::const_new(4);

/// Takes all events or none; answered once they are on the disk.
pub async fn events(
    State(state): State<AppState>,
    headers: HeaderMap,
    Extension(BodyLimit(limit)): Extension<BodyLimit>,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let size = body.len() as u64;
    let decided = {
        let state = state.clone();
        // It is never closed.
        let _turn = READING.acquire().await;
        // A body may be large: reading it in a thread of its own, other requests need not wait.
        tokio::task::spawn_blocking(move || {
            let packed = |error: Packed| refusal(error.code().status(), error.to_string());
            if is_gzipped(&headers).map_err(packed)? {
                decide(&state, &gunzip(&body, limit).map_err(packed)?)
            } else {
                decide(&state, &body)
            }
        })
        .await
        .map_err(|error| ApiError::Internal(format!("reading events failed: {error}")))?
    };
    let (records, unattributed) = match decided {
        Ok(decided) => decided,
        Err(refusal) => {
            let mut response = verbatim(refusal.code, &*refusal)?;
            if refusal.code == Code::RateLimited.status() {
                let second = HeaderValue::from_static(LIMIT_RETRY_AFTER);
                response.headers_mut().insert(header::RETRY_AFTER, second);
            }
            return Ok(response);
        }
    };
    let count = records.len() as u64;
    let ingest = state.ingest();
    if let Err(refused) = ingest.append(records).await {
        return full(&refused);
    }
    ingest.note_unattributed(&unattributed);
    Ok(Json(Ingested {
        code: 200,
        events_ingested: count,
        payload_size_bytes: size,
        server_upload_time: now().as_millisecond(),
    })
    .into_response())
}

type Decided = (Vec<EventRecord>, crate::api::track::Unattributed);

fn decide(state: &AppState, body: &[u8]) -> Result<Decided, Box<Refusal>> {
    let body = read(&mended(body))?;
    let snapshot = state.registry().snapshot();
    let caller = of_secret(&snapshot, &body.api_key, None).and_then(|caller: Caller| {
        Need::deployment_or(Role::Editor).check(&caller)?;
        Ok(caller)
    });
    // Their clients give up on exactly these words, and send anything else again.
    let caller =
        caller.map_err(|error| refusal(400, format!("Invalid API key: {}", error.into_problem().detail)))?;
    let within = state.limits().check(Metered::Track, &caller);
    within.map_err(|error| {
        let mut refusal = refusal(Code::RateLimited.status(), error.into_problem().detail);
        // What is named here their clients keep for half a minute; the rest they would send again at once.
        refusal.throttled_events = (0..body.len()).collect();
        refusal
    })?;
    let context = Context {
        project_id: caller.project.id,
        now: now(),
        experiments: &ProjectExperiments {
            snapshot: &snapshot,
            project: caller.project.id,
        },
        sender: None,
    };
    let (records, answer) = ingest::decide(body.events()?, &context);
    Ok((records, answer.unattributed))
}

fn full(refused: &AppendError) -> Result<Response, ApiError> {
    let code = match refused {
        AppendError::Full { .. } | AppendError::DiskFull { .. } => Code::SpoolFull.status(),
        AppendError::Closed { .. } => Code::ShuttingDown.status(),
        AppendError::TooLarge { .. } => Code::TooLarge.status(),
        AppendError::Disk { .. } => Code::SpoolUnavailable.status(),
    };
    let mut response = verbatim(code, &*refusal(code, refused.to_string()))?;
    if let Some(after) = refused.retry_after() {
        let seconds = HeaderValue::from(after.as_secs());
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}
