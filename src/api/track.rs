//! Events over the wire.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most events of one `POST /track`.
pub const MAX_EVENTS_PER_REQUEST: usize = 10_000;

/// One event. `POST /track` takes one, or a list of them, plain or as `{"type":"track","payload":…}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackEvent {
    /// The event's name.
    pub name: String,
    /// Anything about it, attribution included.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// The person.
    #[serde(
        default,
        alias = "profile_id",
        alias = "userId",
        alias = "user_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub profile_id: Option<String>,
    /// The device or browser.
    #[serde(default, alias = "device_id", skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The visit.
    #[serde(default, alias = "session_id", skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// When it happened: RFC 3339, or milliseconds since 1970; now where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<EventTime>,
    /// The client's id of the event: a retry with the same id counts once.
    #[serde(
        default,
        alias = "eventId",
        alias = "event_id",
        alias = "insert_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<String>,
}

/// A time in either of the two ways that clients send it.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EventTime {
    /// RFC 3339.
    Text(Timestamp),
    /// Milliseconds since 1970.
    Millis(i64),
}

/// Answer of `POST /track`: the events are durable.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tracked {
    /// How many events were taken.
    pub accepted: u64,
    /// The device the events belong to: the one that was sent, or a new one to be sent from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The visit the events belong to, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}
