//! A body of Amplitude's HTTP API V2 → events, and refusals in the form that its clients act on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::request::checked;
use super::transform::SET;
use crate::api::amplitude::{Event, Refusal};
use crate::api::sdk_user;
use crate::api::track::{EventTime, MAX_EVENTS_PER_REQUEST, TrackEvent};
use crate::server::body::mended;

/// Fields that say more about a person than an experiment needs; they are not kept.
const NOT_KEPT: [&str; 8] = [
    "ip",
    "idfa",
    "idfv",
    "adid",
    "android_id",
    "location_lat",
    "location_lng",
    "user_agent",
];
/// The event that says something of a group. Their clients send it without a user.
const GROUP_IDENTIFY: &str = "$groupidentify";
/// Fields that have another name here.
const RENAMED: [(&str, &str); 3] = [("os_name", "os"), ("device_model", "device"), ("library", "sdk")];

/// A body, read as far as the key that it was sent with.
#[derive(Debug)]
pub struct Body {
    /// The key of the deployment.
    pub api_key: String,
    events: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Outer {
    #[serde(default)]
    api_key: Option<String>,
    #[serde(default)]
    events: Option<Box<RawValue>>,
    /// A form, and the first version of the API, say it so.
    #[serde(default)]
    event: Option<Box<RawValue>>,
}

/// Reads the key and finds the events of a body: JSON, or a form with `api_key` and `event`.
///
/// # Errors
/// 400 for what is neither, or lacks one of them; 413 for too many events.
pub fn read(body: &[u8]) -> Result<Body, Box<Refusal>> {
    let Outer {
        api_key,
        events,
        event,
    } = if body.trim_ascii_start().first() == Some(&b'{') {
        let not_json = |error: serde_json::Error| refusal(400, format!("the body is not JSON: {error}"));
        serde_json::from_slice(body).map_err(not_json)?
    } else {
        form(body)?
    };
    let missing = |field: &str| {
        let mut refusal = refusal(400, format!("Request missing required field: {field}"));
        refusal.missing_field = Some(field.to_owned());
        refusal
    };
    let api_key = api_key.filter(|key| !key.is_empty());
    let events = events.or(event).ok_or_else(|| missing("events"))?;
    let events = if events.get().starts_with('[') {
        serde_json::from_str(events.get()).map_err(|error| refusal(400, format!("events: {error}")))?
    } else {
        vec![events]
    };
    if events.is_empty() {
        return Err(missing("events"));
    }
    if events.len() > MAX_EVENTS_PER_REQUEST {
        let count = events.len();
        return Err(refusal(
            413,
            format!("{count} events; send at most {MAX_EVENTS_PER_REQUEST} at once"),
        ));
    }
    Ok(Body {
        api_key: api_key.ok_or_else(|| missing("api_key"))?,
        events,
    })
}

/// A refusal without anything about single events.
#[must_use]
pub fn refusal(code: u16, error: impl Into<String>) -> Box<Refusal> {
    Box::new(Refusal {
        code,
        error: error.into(),
        ..Refusal::default()
    })
}

fn form(body: &[u8]) -> Result<Outer, Box<Refusal>> {
    let text = std::str::from_utf8(body)
        .map_err(|error| refusal(400, format!("the body is neither JSON nor a form: {error}")))?;
    let mut outer = Outer {
        api_key: None,
        events: None,
        event: None,
    };
    for pair in text.trim().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "api_key" => outer.api_key = Some(decoded(value)?),
            "event" | "events" | "e" => {
                let json = decoded(value)?;
                let events = serde_json::from_slice(&mended(json.as_bytes()))
                    .map_err(|error| refusal(400, format!("the field {name} is not JSON: {error}")))?;
                outer.events = Some(events);
            }
            _ => {}
        }
    }
    Ok(outer)
}

/// A percent-encoded value of a form.
fn decoded(text: &str) -> Result<String, Box<Refusal>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(
                    byte.ok_or_else(|| refusal(400, "the form has a % without two hexadecimal digits"))?,
                );
                rest = &after[2..];
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|error| refusal(400, format!("the form is not UTF-8: {error}")))
}

impl Body {
    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none; [`read`] lets no such body pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Reads and checks all events.
    ///
    /// # Errors
    /// 400 that names the places of the events at fault by their fields. Nothing of the body is taken; the
    /// clients drop those events and send the others again.
    pub fn events(self) -> Result<Vec<TrackEvent>, Box<Refusal>> {
        let mut faults = Faults::default();
        let mut events = Vec::with_capacity(self.events.len());
        for (at, raw) in self.events.iter().enumerate() {
            match serde_json::from_str::<Event>(raw.get()) {
                Ok(event) => events.extend(faults.event(at, event)),
                Err(_) => faults.invalid("event", at),
            }
        }
        let Faults {
            invalid,
            missing,
            words,
        } = faults;
        if invalid.is_empty() && missing.is_empty() {
            return Ok(events);
        }
        let places: BTreeSet<usize> = invalid
            .values()
            .chain(missing.values())
            .flatten()
            .copied()
            .collect();
        let words = match words {
            // Their clients tell it of each event that they drop: it must not be the fault of another one.
            Some(words) if places.len() == 1 => words,
            _ if invalid.is_empty() => {
                format!(
                    "Events miss required fields: each needs event_type, and user_id or device_id \
                     ({GROUP_IDENTIFY}: groups)"
                )
            }
            _ => format!(
                "{} of the events cannot be taken: fields that are missing, or of another form or size than is \
                 allowed; they are named with the places of the events",
                places.len()
            ),
        };
        let mut refusal = refusal(400, words);
        refusal.events_with_invalid_fields = invalid;
        refusal.events_with_missing_fields = missing;
        Err(refusal)
    }
}

/// What is wrong with the events of a body.
#[derive(Debug, Default)]
struct Faults {
    invalid: BTreeMap<String, Vec<usize>>,
    missing: BTreeMap<String, Vec<usize>>,
    /// The first fault that a name of a field does not tell.
    words: Option<String>,
}

impl Faults {
    fn invalid(&mut self, field: &str, at: usize) {
        add(&mut self.invalid, field, at);
    }

    fn event(&mut self, at: usize, event: Event) -> Option<TrackEvent> {
        let Event {
            event_type,
            user_id,
            device_id,
            time,
            session_id,
            insert_id,
            event_properties,
            user_properties,
            groups,
            group_properties,
            rest,
        } = event;
        let name = match event_type {
            None | Some(Value::Null) => {
                add(&mut self.missing, "event_type", at);
                None
            }
            Some(Value::String(name)) => Some(name),
            Some(_) => {
                self.invalid("event_type", at);
                None
            }
        };
        let user_id = self.id("user_id", user_id, at);
        let device_id = self.id("device_id", device_id, at);
        // Properties of a group are told of nobody.
        let of_group = name.as_deref() == Some(GROUP_IDENTIFY)
            && matches!(&groups, Some(Value::Object(groups)) if !groups.is_empty());
        if let (Ok(None), Ok(None), false) = (&user_id, &device_id, of_group) {
            add(&mut self.missing, "user_id", at);
            return None;
        }
        let session_id = self.id("session_id", session_id, at);
        let insert_id = self.id("insert_id", insert_id, at);
        let time = self.time(time, at);
        let event_properties = self.object("event_properties", event_properties, at);
        let user_properties = self.object("user_properties", user_properties, at);
        let groups = self.object("groups", groups, at);
        let group_properties = self.object("group_properties", group_properties, at);
        let properties = properties(
            event_properties?,
            user_properties?,
            groups?,
            group_properties?,
            rest,
        );
        let event = TrackEvent {
            name: name?,
            properties,
            profile_id: user_id.ok()?,
            device_id: device_id.ok()?,
            // Their SDKs send −1 for an event outside of any visit.
            session_id: session_id.ok()?.filter(|id| id != "-1"),
            timestamp: time.ok()?,
            id: insert_id.ok()?,
        };
        match checked(event) {
            Ok(event) => Some(event),
            Err(wrong) => {
                for error in &wrong {
                    self.invalid(theirs(&error.field), at);
                    self.words.get_or_insert_with(|| format!("event {at}: {error}"));
                }
                None
            }
        }
    }

    fn id(&mut self, field: &str, value: Option<Value>, at: usize) -> Result<Option<String>, ()> {
        let mut fields = Map::new();
        if let Some(value) = value {
            fields.insert(field.to_owned(), value);
        }
        sdk_user::id(&mut fields, &[field]).map_err(|_| self.invalid(field, at))
    }

    fn time(&mut self, value: Option<Value>, at: usize) -> Result<Option<EventTime>, ()> {
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match time(&value) {
                Some(time) => Ok(Some(time)),
                None => {
                    self.invalid("time", at);
                    Err(())
                }
            },
        }
    }

    fn object(&mut self, field: &str, value: Option<Value>, at: usize) -> Option<Map<String, Value>> {
        match value {
            None | Some(Value::Null) => Some(Map::new()),
            Some(Value::Object(object)) => Some(object),
            Some(_) => {
                self.invalid(field, at);
                None
            }
        }
    }
}

/// Whole milliseconds; some clients send them as 1.7e12. A larger number is a time that cannot be, and so may a text be
/// that says one as RFC 3339 does.
fn time(value: &Value) -> Option<EventTime> {
    if let Ok(time) = serde_json::from_value(value.clone()) {
        return Some(time);
    }
    let millis = value.as_f64().filter(|millis| millis.abs() < 9e15)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a millisecond is cut off, and the range was checked"
    )]
    Some(EventTime::Millis(millis as i64))
}

fn add(to: &mut BTreeMap<String, Vec<usize>>, field: &str, at: usize) {
    let places = to.entry(field.to_owned()).or_default();
    if places.last() != Some(&at) {
        places.push(at);
    }
}

/// The name that a field of ours has in their events.
fn theirs(field: &str) -> &str {
    match field {
        "name" => "event_type",
        "profileId" => "user_id",
        "deviceId" => "device_id",
        "sessionId" => "session_id",
        "id" => "insert_id",
        _ => "event_properties",
    }
}

/// All that an event says, as its properties: those of the event, and what stands beside them. The properties
/// of the person stay below the operation that they are sent with (`$set`, `$unset`, `$add` …).
fn properties(
    mut event: Map<String, Value>,
    user: Map<String, Value>,
    groups: Map<String, Value>,
    group_properties: Map<String, Value>,
    rest: Map<String, Value>,
) -> Map<String, Value> {
    let (operations, plain): (Map<_, _>, Map<_, _>) =
        user.into_iter().partition(|(name, _)| name.starts_with('$'));
    let mut beside = operations;
    if !plain.is_empty() {
        let set = beside.entry(SET).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(set) = set {
            set.extend(plain);
        }
    }
    beside.retain(|_, values| !matches!(values, Value::Object(values) if values.is_empty()));
    for (name, object) in [("groups", groups), ("group_properties", group_properties)] {
        if !object.is_empty() {
            beside.insert(name.to_owned(), object.into());
        }
    }
    for (name, value) in rest {
        if NOT_KEPT.contains(&name.as_str()) || value.is_null() {
            continue;
        }
        let renamed = RENAMED.iter().find(|(theirs, _)| *theirs == name);
        let name = renamed.map_or(name.as_str(), |(_, ours)| ours).to_owned();
        beside.entry(name).or_insert(value);
    }
    for (name, value) in beside {
        event.entry(name).or_insert(value);
    }
    event
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn events(body: &Value) -> Result<Vec<TrackEvent>, Box<Refusal>> {
        read(body.to_string().as_bytes())?.events()
    }

    #[test]
    fn what_is_said_of_a_group_needs_no_user() {
        let event = |name: &str, groups: Value| {
            let event = json!({"event_type": name, "groups": groups, "group_properties": {"$set": {"s": 1}}});
            events(&json!({"api_key": "k", "events": [event]}))
        };
        let read = event("$groupidentify", json!({"org": "acme"})).expect("taken");
        assert_eq!(read[0].properties["groups"], json!({"org": "acme"}));
        assert_eq!(read[0].properties["group_properties"], json!({"$set": {"s": 1}}));
        for (name, groups) in [
            ("$groupidentify", json!({})),
            ("$groupidentify", Value::Null),
            ("buy", json!({"org": "acme"})),
        ] {
            let refused = event(name, groups).expect_err("nobody's");
            assert_eq!(refused.events_with_missing_fields["user_id"], [0]);
        }
    }

    #[test]
    fn an_event_of_their_sdks_is_read() {
        let event = json!({
            "event_type": "buy", "user_id": "u", "device_id": 5, "session_id": -1, "time": 1.7e12, "insert_id": "i",
            "event_properties": {"price": 5, "country": "own"}, "user_properties": {"plan": "pro", "$unset": {"a": "-"}},
            "groups": {"org": "acme"}, "country": "TH", "os_name": "linux", "ip": "10.0.0.1", "platform": null,
            "library": "x/1", "event_id": 3,
        });
        let read = events(&json!({"api_key": "k", "events": [event]})).expect("events");
        let TrackEvent {
            properties,
            session_id,
            device_id,
            timestamp,
            ..
        } = read[0].clone();
        assert_eq!(
            Value::Object(properties),
            json!({
                "price": 5, "country": "own", "$set": {"plan": "pro"}, "$unset": {"a": "-"},
                "groups": {"org": "acme"}, "os": "linux", "sdk": "x/1", "event_id": 3,
            })
        );
        assert_eq!((session_id, device_id.as_deref()), (None, Some("5")));
        assert_eq!(timestamp, Some(EventTime::Millis(1_700_000_000_000)));
    }

    #[test]
    fn a_form_and_json_sent_as_a_form_are_read() {
        let form = b"api_key=a%20b&event=%5B%7B%22event_type%22%3A%22x%22%2C%22user_id%22%3A%22u+v%22%7D%5D";
        let body = read(form).expect("a form");
        assert_eq!(body.api_key, "a b");
        assert_eq!(
            body.events().expect("events")[0].profile_id.as_deref(),
            Some("u v")
        );
        let one = json!({"api_key": "k", "event": {"event_type": "x", "device_id": "d"}});
        assert_eq!(events(&one).expect("events").len(), 1);
        for broken in [&b"event=%5"[..], b"event=%zz", b"api_key=k", b"event={}", b"\xff"] {
            assert_eq!(
                read(broken).map(|body| body.api_key).map_err(|r| r.code),
                Err(400)
            );
        }
    }

    #[test]
    fn each_refusal_names_field_and_place() {
        let ok = json!({"event_type": "x", "user_id": "u"});
        for (bad, field, missing) in [
            (json!({"user_id": "u"}), "event_type", true),
            (json!({"event_type": "x"}), "user_id", true),
            (json!({"event_type": "x", "user_id": ""}), "user_id", true),
            (json!({"event_type": "", "user_id": "u"}), "event_type", false),
            (json!({"event_type": "x", "user_id": []}), "user_id", false),
            (
                json!({"event_type": "x", "user_id": "u", "time": "now"}),
                "time",
                false,
            ),
            (
                json!({"event_type": "x", "user_id": "u", "groups": 1}),
                "groups",
                false,
            ),
            (json!(7), "event", false),
        ] {
            let refusal = events(&json!({"api_key": "k", "events": [ok, bad]})).expect_err("refused");
            let (named, other) = if missing {
                (
                    &refusal.events_with_missing_fields,
                    &refusal.events_with_invalid_fields,
                )
            } else {
                (
                    &refusal.events_with_invalid_fields,
                    &refusal.events_with_missing_fields,
                )
            };
            assert_eq!(named, &BTreeMap::from([(field.to_owned(), vec![1])]), "{bad}");
            assert!(other.is_empty() && !refusal.error.is_empty(), "{bad}");
        }
        let missing = |body: Value| events(&body).expect_err("refused").missing_field;
        assert_eq!(missing(json!({"events": [ok]})).as_deref(), Some("api_key"));
        assert_eq!(missing(json!({"api_key": "k"})).as_deref(), Some("events"));
    }

    #[test]
    fn no_event_is_told_the_fault_of_another_one() {
        let ok = json!({"event_type": "x", "user_id": "u"});
        let nameless = json!({"event_type": "x", "user_id": "u", "event_properties": {"": 1}});
        let of = |list: &[&Value]| events(&json!({"api_key": "k", "events": list})).expect_err("refused");
        let one = of(&[&ok, &nameless]).error;
        assert!(one.starts_with("event 1: properties: "), "{one}");
        for other in [
            json!({"event_type": "x"}),
            json!({"event_type": "x", "user_id": "u", "time": "now"}),
            nameless.clone(),
        ] {
            let refusal = of(&[&nameless, &ok, &other]);
            assert!(refusal.error.starts_with("2 of the events "), "{}", refusal.error);
            assert_eq!(refusal.events_with_invalid_fields["event_properties"][0], 0);
        }
        let both = of(&[&json!({"event_type": "x"}), &json!({"user_id": "u"})]).error;
        assert!(both.starts_with("Events miss required fields"), "{both}");
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\PC%&=+{}\\[\\]\",:]{0,80}") {
            let _ = read(&bytes).map(Body::events);
            let _ = read(text.as_bytes()).map(Body::events);
        }
    }
}
