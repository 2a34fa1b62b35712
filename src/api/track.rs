//! Events over the wire.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The most events of one `POST /track`.
pub const MAX_EVENTS_PER_REQUEST: usize = 10_000;

/// One event. `POST /track` takes one, or a list of them, plain or as `{"type":"track","payload":…}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EventTime {
    /// RFC 3339.
    Text(Timestamp),
    /// Milliseconds since 1970.
    Millis(i64),
}

impl EventTime {
    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millisecond(self) -> i64 {
        match self {
            Self::Text(time) => time.as_millisecond(),
            Self::Millis(millis) => millis,
        }
    }
}

impl std::fmt::Display for EventTime {
    /// As it was sent, except that RFC 3339 is written in UTC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(time) => time.fmt(f),
            Self::Millis(millis) => millis.fmt(f),
        }
    }
}

/// Answer of `POST /track`: the events are durable.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracked {
    /// How many events were taken.
    pub accepted: u64,
    /// The device of the request's first event: the one that was sent, or, where neither a person nor a
    /// device was, a new one to be sent from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The visit of the request's first event: the one that was sent, or a new one beside a new device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// How many events named a time that cannot be, more than five years ago or an hour ahead, and count as of now;
    /// what was sent is kept in their property `__clientTimestamp`.
    #[serde(default, skip_serializing_if = "super::system::is_zero")]
    pub timestamps_replaced: u64,
    /// Attributions that count for no experiment. Their events were taken all the same.
    #[serde(default, skip_serializing_if = "Unattributed::is_none")]
    pub unattributed: Unattributed,
}

/// How many attributions count for no experiment, by cause.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Unattributed {
    /// There is no such experiment.
    pub unknown_experiment: u64,
    /// The experiment has no such variant.
    pub unknown_variant: u64,
    /// The event has no id of the kind that the experiment counts.
    pub without_subject: u64,
    /// The event names the same experiment twice, with different variants; the first one holds.
    pub contradictory: u64,
    /// An experiment without a variant, or lists of different lengths.
    pub incomplete: u64,
}

impl Unattributed {
    /// Whether every attribution counts.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.total() == 0
    }

    /// All causes together.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
            unknown_experiment,
            unknown_variant,
            without_subject,
            contradictory,
            incomplete,
        } = self;
        unknown_experiment + unknown_variant + without_subject + contradictory + incomplete
    }
}
