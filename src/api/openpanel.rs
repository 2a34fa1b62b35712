//! What the OpenPanel clients send to `POST /track`, beside plain events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Header with the deployment's id, or the key of a client deployment.
pub const CLIENT_ID: &str = "openpanel-client-id";
/// Header with the key of a server deployment.
pub const CLIENT_SECRET: &str = "openpanel-client-secret";
/// Header with the address of the visitor, from the proxies that OpenPanel has for web frameworks.
pub const CLIENT_IP: &str = "openpanel-client-ip";
/// Property that holds the time of an event that had to wait in the client; taken out.
pub const TIMESTAMP: &str = "__timestamp";
/// Property that names the device; taken out.
pub const DEVICE_ID: &str = "__deviceId";

/// What an envelope is about.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something happened.
    Track,
    /// Who somebody is.
    Identify,
    /// What a group is.
    Group,
    /// Which groups somebody is in.
    AssignGroup,
    /// A property of somebody grows.
    Increment,
    /// A property of somebody shrinks.
    Decrement,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Track,
        Self::Identify,
        Self::Group,
        Self::AssignGroup,
        Self::Increment,
        Self::Decrement,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Group => "group",
            Self::AssignGroup => "assign_group",
            Self::Increment => "increment",
            Self::Decrement => "decrement",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name under which it is stored as an event; none for [`Kind::Track`], whose payload names it.
    #[must_use]
    pub fn event_name(self) -> Option<&'static str> {
        match self {
            Self::Track => None,
            Self::Identify => Some("$identify"),
            Self::Group => Some("$group"),
            Self::AssignGroup => Some("$assign_group"),
            Self::Increment => Some("$increment"),
            Self::Decrement => Some("$decrement"),
        }
    }
}

/// A field of a payload that may not be as it is: its name, and what is allowed.
pub type Wrong = (&'static str, &'static str);

/// A payload of `kind` as a plain event ([`super::track::TrackEvent`]).
///
/// The properties of an identification or a group are those of the event, beside the fields that OpenPanel
/// gives a place of their own (`firstName`, `email`, `id`, `type`, `value` …). The groups of a tracked event
/// are its property `groups`.
///
/// # Errors
/// The first field that lacks or has another form.
pub fn plain(kind: Kind, mut payload: Map<String, Value>) -> Result<Map<String, Value>, Wrong> {
    payload.retain(|_, value| !value.is_null());
    if let Some(number @ Value::Number(_)) = payload.get_mut("profileId") {
        *number = Value::String(number.to_string());
    }
    let mut properties = match payload.remove("properties") {
        None => Map::new(),
        Some(Value::Object(properties)) => properties,
        Some(_) => return Err(("properties", "an object")),
    };
    let mut event = match kind.event_name() {
        Some(name) => {
            required(kind, &payload)?;
            let mut event = Map::new();
            event.insert("name".to_owned(), name.into());
            if let Some(profile) = payload.remove("profileId") {
                event.insert("profileId".to_owned(), profile);
            }
            for (field, value) in payload {
                properties.entry(field).or_insert(value);
            }
            event
        }
        None => {
            if let Some(groups) = payload.remove("groups") {
                properties.entry("groups").or_insert(groups);
            }
            payload
        }
    };
    for (property, field) in [(TIMESTAMP, "timestamp"), (DEVICE_ID, "deviceId")] {
        if let Some(value @ Value::String(_)) = properties.remove(property) {
            event.entry(field).or_insert(value);
        }
    }
    event.insert("properties".to_owned(), properties.into());
    Ok(event)
}

/// What a payload cannot do without.
fn required(kind: Kind, payload: &Map<String, Value>) -> Result<(), Wrong> {
    let text = |field| matches!(payload.get(field), Some(Value::String(text)) if !text.is_empty());
    let holds = |field, is: bool, allowed| if is { Ok(()) } else { Err((field, allowed)) };
    match kind {
        Kind::Track => Ok(()),
        Kind::Identify => holds("profileId", text("profileId"), "a text: it is required"),
        Kind::Group => {
            holds("id", text("id"), "a text: it is required")?;
            holds("type", text("type"), "a text: it is required")
        }
        Kind::AssignGroup => {
            let groups = payload.get("groupIds").and_then(Value::as_array);
            let texts = groups.is_some_and(|ids| ids.iter().all(Value::is_string));
            holds("groupIds", texts, "a list of texts: it is required")
        }
        Kind::Increment | Kind::Decrement => {
            holds("profileId", text("profileId"), "a text: it is required")?;
            holds("property", text("property"), "a text: it is required")?;
            let number = payload.get("value").is_none_or(Value::is_number);
            holds("value", number, "a number")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: Kind, payload: Value) -> Result<Value, Wrong> {
        match payload {
            Value::Object(payload) => plain(kind, payload).map(Value::Object),
            _ => panic!("an object"),
        }
    }

    #[test]
    fn names_are_those_on_the_wire() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("writes"), kind.as_str());
            assert_eq!(Kind::named(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::named("replay"), None);
    }

    #[test]
    fn a_payload_of_any_kind_is_an_event() {
        let identify = json!({
            "profileId": 7, "firstName": "A", "email": null, "properties": {"plan": "pro", "firstName": "B"},
        });
        assert_eq!(
            of(Kind::Identify, identify),
            Ok(
                json!({"name": "$identify", "profileId": "7", "properties": {"plan": "pro", "firstName": "B"}})
            )
        );
        assert_eq!(
            of(
                Kind::Increment,
                json!({"profileId": "u", "property": "visits", "value": 2})
            ),
            Ok(
                json!({"name": "$increment", "profileId": "u", "properties": {"property": "visits", "value": 2}})
            )
        );
        let track = json!({
            "name": "buy", "groups": ["g1"], "sessionId": "s",
            "properties": {"a": 1, "__timestamp": "2026-01-01T00:00:00Z", "__deviceId": "d"},
        });
        assert_eq!(
            of(Kind::Track, track),
            Ok(json!({
                "name": "buy", "sessionId": "s", "deviceId": "d", "timestamp": "2026-01-01T00:00:00Z",
                "properties": {"a": 1, "groups": ["g1"]},
            }))
        );
    }

    #[test]
    fn each_refusal_names_its_field() {
        for (kind, payload, field) in [
            (Kind::Track, json!({"name": "a", "properties": 1}), "properties"),
            (Kind::Identify, json!({"email": "a@b.example"}), "profileId"),
            (Kind::Group, json!({"id": "g"}), "type"),
            (Kind::AssignGroup, json!({"groupIds": "g"}), "groupIds"),
            (Kind::Increment, json!({"profileId": "u"}), "property"),
            (
                Kind::Decrement,
                json!({"profileId": "u", "property": "p", "value": "1"}),
                "value",
            ),
        ] {
            assert_eq!(of(kind, payload).map_err(|wrong| wrong.0), Err(field), "{kind:?}");
        }
    }
}
