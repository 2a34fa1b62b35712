//! An event as it lies in the spool: everything about it is decided, so that sending it twice sends the
//! same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::warehouse::WellKnown;

/// One accepted event.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    /// The project it belongs to.
    pub project_id: Uuid,
    /// The same for every retry of the event.
    pub event_id: Uuid,
    /// The event's name.
    pub name: String,
    /// When it happened, in milliseconds since 1970, UTC; within the window of accepted times.
    pub ts: i64,
    /// When the server took it, likewise.
    pub ingested_at: i64,
    /// The person; empty where unknown, as are the next two.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub profile_id: String,
    /// The visit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session_id: String,
    /// The device or browser.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device_id: String,
    /// Properties that have a column of their own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub well_known: WellKnown,
    /// All properties as text; a null one is not there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub props: BTreeMap<String, String>,
    /// The experiments that count it, each at most once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributions: Vec<Attributed>,
}

/// One experiment that an event counts for.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributed {
    /// The experiment.
    pub experiment_id: Uuid,
    /// The variant's key, as the experiment writes it.
    pub variant: String,
    /// The reason of the assignment, empty where the event does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The cohort of the assignment, 0 where the event does not say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cohort: u32,
    /// What the experiment counts: the id of its mode and subject type. Never empty.
    pub subject: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The payload of the spool's record for `events`, which are stored together or not at all.
///
/// # Errors
/// None that is known: every field has a text form.
pub(super) fn encode(events: &[EventRecord]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(events)
}

/// The events of a payload.
///
/// # Errors
/// The payload is whole, yet not what this program writes.
pub(super) fn decode(payload: &[u8]) -> serde_json::Result<Vec<EventRecord>> {
    serde_json::from_slice(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_spool_and_leaves_out_what_is_empty() {
        let full = EventRecord {
            project_id: Uuid::from_u128(1),
            event_id: Uuid::from_u128(2),
            name: "paid \"now\"\n".into(),
            ts: -5,
            ingested_at: 1_768_435_200_123,
            profile_id: "p".into(),
            session_id: "s".into(),
            device_id: "d".into(),
            well_known: WellKnown {
                country: "TH".into(),
                sdk: "web".into(),
                ..WellKnown::default()
            },
            props: BTreeMap::from([("é".to_owned(), "\u{0}x".to_owned())]),
            attributions: vec![Attributed {
                experiment_id: Uuid::from_u128(3),
                variant: "treatment".into(),
                reason: "allocation".into(),
                cohort: 2,
                subject: "p".into(),
            }],
        };
        let bare = EventRecord {
            name: "bare".into(),
            ..EventRecord::default()
        };
        let events = [full, bare];
        let payload = encode(&events).expect("writes");
        assert_eq!(decode(&payload).expect("reads"), events);
        assert_eq!(
            encode(&events).expect("writes"),
            payload,
            "the same bytes each time"
        );
        let text = String::from_utf8(payload).expect("UTF-8");
        let bare = text.rsplit_once("},{").expect("two events").1;
        assert!(!bare.contains("profileId") && !bare.contains("props"), "{bare}");
    }
}
