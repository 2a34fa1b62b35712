//! `POST /track`: one event or a list, plain or in the envelope of the OpenPanel clients.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use crate::api::openpanel::{CLIENT_ID, CLIENT_IP};
use crate::api::problem::{Code, Problem};
use crate::api::track::Tracked;
use crate::server::body::SdkBody;
use crate::server::error::{ApiError, problem_response};
use crate::server::ingest::{self, AppendError, Context, EventRecord, Origin, Sender};
use crate::server::middleware::auth::Caller;
use crate::server::registry::now;
use crate::server::snapshot::ProjectExperiments;
use crate::server::state::AppState;

/// From this size on a body is read in a thread of its own, so that other requests need not wait.
const LARGE: usize = 128 << 10;

/// Takes all events or none; answered once they are on the disk. ClickHouse is not needed.
///
/// What is attributed to an experiment or a variant that is not known here is looked for once more, as the subject may
/// have been assigned by another server of the same store: such an event would count for nothing for ever.
pub async fn track(
    State(state): State<AppState>,
    caller: Caller,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    SdkBody(body): SdkBody,
) -> Result<Response, ApiError> {
    let origin = origin(&headers, peer.map(|Extension(ConnectInfo(peer))| peer));
    let request = Arc::new((state, caller, body, origin));
    let (mut records, mut answer) = decided(&request).await?;
    let (state, ..) = &*request;
    if answer.unattributed.names_unknown() && state.registry().freshen().await {
        (records, answer) = decided(&request).await?;
    }
    let ingest = state.ingest();
    if let Err(refusal) = ingest.append(records).await {
        return stored(&refusal);
    }
    ingest.note_unattributed(&answer.unattributed);
    Ok(Json(answer).into_response())
}

/// Where an OpenPanel client is: it leaves it to the server to tell devices and visits apart.
///
/// The address is the one that OpenPanel's own proxies name (whoever is in front of them is no client), else
/// the first that any proxy names, else the connection's.
fn origin(headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<Origin> {
    headers.get(CLIENT_ID)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let named = [CLIENT_IP, "x-forwarded-for", "x-real-ip"]
        .into_iter()
        .filter_map(text)
        .filter_map(|list| list.split(',').next())
        .map(str::trim)
        .find(|address| !address.is_empty());
    let connection = || peer.map(|peer| peer.ip().to_canonical().to_string());
    Some(Origin {
        address: named.map(str::to_owned).or_else(connection).unwrap_or_default(),
        user_agent: text("user-agent").unwrap_or_default().to_owned(),
    })
}

/// Who sent what, and from where.
type Sent = (AppState, Caller, Bytes, Option<Origin>);

/// What becomes of a request by what is known at this moment.
async fn decided(sent: &Arc<Sent>) -> Result<(Vec<EventRecord>, Tracked), ApiError> {
    let by_it = |(state, caller, body, origin): &Sent| decide(state, caller, body, origin.as_ref());
    if sent.2.len() < LARGE {
        return by_it(sent);
    }
    let sent = Arc::clone(sent);
    tokio::task::spawn_blocking(move || by_it(&sent))
        .await
        .map_err(|error| ApiError::Internal(format!("reading events failed: {error}")))?
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
        AppendError::Disk { .. } => Code::SpoolUnavailable,
    };
    let mut response = problem_response(Problem::new(code, refusal.to_string()));
    if let Some(after) = refusal.retry_after() {
        let seconds = HeaderValue::from(after.as_secs());
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_s_address_is_the_proxy_s_word_else_the_connection_s() {
        let peer = Some("[::ffff:192.0.2.1]:4711".parse().expect("an address"));
        for (given, address) in [
            (&[][..], "192.0.2.1"),
            (&[("x-real-ip", "192.0.2.2")], "192.0.2.2"),
            (&[("x-forwarded-for", " 192.0.2.3 , 192.0.2.4")], "192.0.2.3"),
            (&[("x-forwarded-for", "")], "192.0.2.1"),
            (
                &[("x-forwarded-for", "192.0.2.3"), (CLIENT_IP, "192.0.2.5")],
                "192.0.2.5",
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CLIENT_ID, HeaderValue::from_static("client"));
            for (name, value) in given {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            let origin = origin(&headers, peer).expect("a client of OpenPanel");
            assert_eq!(origin.address, address, "{given:?}");
        }
        assert!(
            origin(&HeaderMap::new(), peer).is_none(),
            "no client of OpenPanel"
        );
    }
}
