//! Amplitude's HTTP API V2: `POST /2/httpapi` and `POST /batch`.

use std::sync::Arc;

use axum::body::Bytes;
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
use crate::server::middleware::auth::{Need, of_secret};
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
    let sent = Arc::new((state, headers, limit, body));
    let (state, ..) = &*sent;
    let mut decided = decide_apart(&sent, true).await?;
    // The key may have been made, or the subjects assigned, by another server of the same store a moment ago: clients never
    // send again what was refused for its key, and what is attributed to nothing counts for nothing for ever.
    let (unknown_key, unknown) = match &decided {
        Ok((_, unattributed)) => (false, unattributed.names_unknown()),
        Err(refused) => (refused.unknown_key, refused.unknown_key),
    };
    if unknown && state.registry().freshen().await {
        decided = decide_apart(&sent, unknown_key).await?;
    }
    let decided = decided.map_err(|refused| refused.refusal);
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

/// What was sent, with the most bytes that it may have when unpacked.
type Sent = (AppState, HeaderMap, usize, Bytes);

/// Why nothing is taken.
struct Refused {
    refusal: Box<Refusal>,
    /// Whether the key is not known here.
    unknown_key: bool,
}

impl From<Box<Refusal>> for Refused {
    fn from(refusal: Box<Refusal>) -> Self {
        Self {
            refusal,
            unknown_key: false,
        }
    }
}

/// What becomes of a request by what is known at this moment. A body may be large: reading it in a thread of its own,
/// other requests need not wait.
async fn decide_apart(sent: &Arc<Sent>, metered: bool) -> Result<Result<Decided, Refused>, ApiError> {
    let sent = Arc::clone(sent);
    // It is never closed.
    let _turn = READING.acquire().await;
    tokio::task::spawn_blocking(move || {
        let (state, headers, limit, body) = &*sent;
        let packed = |error: Packed| refusal(error.code().status(), error.to_string());
        if is_gzipped(headers).map_err(packed)? {
            decide(state, &gunzip(body, *limit).map_err(packed)?, metered)
        } else {
            decide(state, body, metered)
        }
    })
    .await
    .map_err(|error| ApiError::Internal(format!("reading events failed: {error}")))
}

/// Takes the events of a body; `metered` unless the limit of its sender has been asked before.
fn decide(state: &AppState, body: &[u8], metered: bool) -> Result<Decided, Refused> {
    let body = read(&mended(body))?;
    let snapshot = state.registry().snapshot();
    // Their clients give up on exactly these words, and send anything else again.
    let invalid = |error: ApiError| refusal(400, format!("Invalid API key: {}", error.into_problem().detail));
    let caller = of_secret(&snapshot, &body.api_key, None).map_err(|error| Refused {
        refusal: invalid(error),
        unknown_key: true,
    })?;
    Need::deployment_or(Role::Editor)
        .check(&caller)
        .map_err(invalid)?;
    if metered {
        let within = state.limits().check(Metered::Track, &caller);
        within.map_err(|error| {
            let mut refusal = refusal(Code::RateLimited.status(), error.into_problem().detail);
            // What is named here their clients keep for half a minute; the rest they would send again at once.
            refusal.throttled_events = (0..body.len()).collect();
            refusal
        })?;
    }
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
