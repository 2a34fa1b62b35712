//! Sends events and keeps sending until they are acknowledged.

use std::time::Duration;

use crate::api::track::TrackEvent;
use crate::client::{Client, ClientError};

/// The first wait after a failure; doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Sends `events` until the server has acknowledged them.
///
/// A server that is away or full is waited for: the events have ids of their own, so that sending them
/// again counts once.
///
/// # Errors
/// What the server refuses for good, such as a malformed event.
pub async fn send(client: &Client, events: &[TrackEvent]) -> Result<(), ClientError> {
    if events.is_empty() {
        return Ok(());
    }
    let mut wait = FIRST_WAIT;
    loop {
        match client.track(events).await {
            Ok(_) => return Ok(()),
            Err(error) if may_pass(&error) => {
                tracing::warn!(%error, events = events.len(), "events are sent again");
                tokio::time::sleep(error.retry_after().unwrap_or(wait)).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether trying again may help.
#[must_use]
pub fn may_pass(error: &ClientError) -> bool {
    error.is_unreachable()
        || error
            .problem()
            .is_some_and(|p| p.status >= 500 || p.status == 429)
}
