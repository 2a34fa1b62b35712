//! What Amplitude's SDKs send and get: variants, flag configurations for local evaluation, events.
//!
//! The names on the wire are theirs. Their reader of flag configurations refuses fields that it does not
//! know, so nothing is added to these forms; what is ours stands in `metadata`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::sdk_user::{self, Wrong};
use crate::domain::User;

/// A variant, as remote evaluation answers it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeVariant)]
pub struct Variant {
    /// The variant's key.
    pub key: String,
    /// The same: what code compares.
    pub value: String,
    /// Anything that goes with it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    /// What is known beside it. `default` says that the subject was assigned nothing.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// A flag or an experiment for local evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeFlag)]
pub struct Flag {
    /// What code asks for.
    pub key: String,
    /// By key.
    pub variants: BTreeMap<String, Variant>,
    /// Tried in order; the first that gives a variant decides.
    pub segments: Vec<Segment>,
    /// Part of the metadata of every variant.
    pub metadata: Map<String, Value>,
}

/// One step of a local evaluation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeSegment)]
pub struct Segment {
    /// Lists joined by OR of conditions joined by AND; without any everybody is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Vec<Condition>>>,
    /// Who of these gets which variant by the hash; without it all get `variant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Bucket>,
    /// The variant of those whom the bucket gives none; without it the next segment is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Part of the metadata of the variants that this segment gives.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// A comparison of one value of the context.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeCondition)]
pub struct Condition {
    /// Where it lies, from `context` on.
    pub selector: Vec<String>,
    /// `is`, `is not`, `regex match`, `greater` …
    pub op: String,
    /// With what.
    pub values: Vec<String>,
}

/// A share of the subjects by the hash of `{salt}/{id}`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeBucket)]
pub struct Bucket {
    /// Where the id lies.
    pub selector: Vec<String>,
    /// Hashed before it.
    pub salt: String,
    /// By `hash % 100`.
    pub allocations: Vec<Allocation>,
}

/// A range of `hash % 100`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeAllocation)]
pub struct Allocation {
    /// From and up to, the end not included.
    pub range: [u32; 2],
    /// By `hash / 100`.
    pub distributions: Vec<Distribution>,
}

/// A range of `hash / 100`: our slots.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeDistribution)]
pub struct Distribution {
    /// Its variant.
    pub variant: String,
    /// From and up to, the end not included.
    pub range: [u32; 2],
}

/// The user that an evaluation SDK sends. Fields that have no place of their own, such as `country`, are
/// properties of the person, unless `user_properties` says otherwise.
///
/// # Errors
/// The first field that has another form.
pub fn user(mut fields: Map<String, Value>) -> Result<User, Wrong> {
    let mut user = sdk_user::take(&mut fields)?;
    for (name, value) in fields {
        if !value.is_null() {
            user.user_properties.entry(name).or_insert(value);
        }
    }
    Ok(user)
}

/// An event of the HTTP API V2. Fields that are not named here are properties of the event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeEvent)]
pub struct Event {
    /// The event's name.
    #[serde(default)]
    pub event_type: Option<Value>,
    /// The person.
    #[serde(default)]
    pub user_id: Option<Value>,
    /// The device.
    #[serde(default)]
    pub device_id: Option<Value>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub time: Option<Value>,
    /// When the visit began, milliseconds since 1970; −1 outside of any.
    #[serde(default)]
    pub session_id: Option<Value>,
    /// The client's id of the event.
    #[serde(default)]
    pub insert_id: Option<Value>,
    /// Properties of the event.
    #[serde(default)]
    pub event_properties: Option<Value>,
    /// Properties of the person: plain, or below `$set`, `$unset` and so on.
    #[serde(default)]
    pub user_properties: Option<Value>,
    /// Type → the person's groups.
    #[serde(default)]
    pub groups: Option<Value>,
    /// Properties of those groups.
    #[serde(default)]
    pub group_properties: Option<Value>,
    /// Everything else, such as `country` and `platform`.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Body of the HTTP API V2 and of the batch API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeUpload)]
pub struct Upload {
    /// The key of a deployment, or a token with the role editor.
    pub api_key: String,
    /// What happened.
    pub events: Vec<Event>,
}

/// Answer of the HTTP API V2: all events are durable.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeIngested)]
pub struct Ingested {
    /// 200
    pub code: u16,
    /// How many events.
    pub events_ingested: u64,
    /// Bytes of the body.
    pub payload_size_bytes: u64,
    /// Milliseconds since 1970.
    pub server_upload_time: i64,
}

/// A refusal of the HTTP API V2, in the form its clients act on: events that are named are dropped by
/// them, the others are sent again.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AmplitudeRefusal)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// What failed and what to do.
    pub error: String,
    /// A field that the request lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_field: Option<String>,
    /// Field → places of the events in which it is wrong.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events_with_invalid_fields: BTreeMap<String, Vec<usize>>,
    /// Field → places of the events that lack it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub events_with_missing_fields: BTreeMap<String, Vec<usize>>,
    /// Places of the events to be sent later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub throttled_events: Vec<usize>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn users_of_both_sdks_are_read() {
        let sent = json!({
            "user_id": "u", "device_id": null, "country": "TH", "platform": null, "library": "x/1",
            "user_properties": {"plan": "pro", "country": "DE"}, "groups": {"org": ["acme"]},
            "group_properties": null, "cohort_ids": null,
        });
        let Value::Object(fields) = sent else {
            panic!("an object")
        };
        let user = user(fields).expect("a user");
        assert_eq!(user.user_id.as_deref(), Some("u"));
        assert_eq!(user.device_id, None);
        assert_eq!(
            Value::Object(user.user_properties),
            json!({"plan": "pro", "country": "DE", "library": "x/1"})
        );
        assert_eq!(user.groups["org"], ["acme"]);
    }
}
