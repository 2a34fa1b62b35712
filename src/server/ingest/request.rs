//! A body of `POST /track` → events; every refusal names the event by its place and the field.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::api::openpanel;
use crate::api::problem::{Code, Problem};
use crate::api::track::{EventTime, MAX_EVENTS_PER_REQUEST, TIME, TrackEvent};
use crate::domain::FieldError;
use crate::server::body::Elements;

/// The longest name of an event, in characters.
pub use crate::domain::checks::MAX_EVENT_LENGTH as MAX_NAME;
/// The longest id (of a person, device, visit or event), in bytes.
pub const MAX_ID: usize = 512;
/// The most properties of an event.
pub const MAX_PROPERTIES: usize = 512;
/// The longest name of a property, in bytes.
pub const MAX_PROPERTY_NAME: usize = 256;
/// The longest text of a property, in bytes.
pub const MAX_PROPERTY_TEXT: usize = 64 << 10;
/// The most bytes of all properties of an event.
pub const MAX_PROPERTY_BYTES: usize = 256 << 10;
/// The most refused fields that one answer lists.
const MAX_ERRORS: usize = 20;

/// An event in the envelope of the OpenPanel clients.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Reads and checks all events of a body: one or a list, each plain or in an envelope.
///
/// # Errors
/// [`Code::Malformed`] for what is no JSON; otherwise [`Code::Invalid`] with the refused fields of all
/// events, up to 20. The whole body is refused: events are taken together or not at all.
pub fn read(body: &[u8]) -> Result<Vec<TrackEvent>, Box<Problem>> {
    let malformed = |error: serde_json::Error| {
        let detail = if body.iter().all(u8::is_ascii_whitespace) {
            "the body is empty; send an event or a list of events as JSON".to_owned()
        } else {
            format!("the body is not JSON: {error}")
        };
        Box::new(Problem::new(Code::Malformed, detail))
    };
    let is_list = body.trim_ascii_start().first() == Some(&b'[');
    let mut events = Vec::new();
    let mut errors = Vec::new();
    if is_list {
        let Elements { kept, count } =
            serde_json::from_slice::<Elements<'_, MAX_EVENTS_PER_REQUEST>>(body).map_err(malformed)?;
        if count > MAX_EVENTS_PER_REQUEST {
            return Err(Box::new(Problem::invalid(vec![FieldError::new(
                "events",
                format!("{count} events"),
                format!("at most {MAX_EVENTS_PER_REQUEST} in one request"),
            )])));
        }
        events.reserve(count);
        for (at, raw) in kept.into_iter().enumerate() {
            match read_event(raw.get()) {
                Ok(event) => events.push(event),
                Err(wrong) => {
                    let place = format!("[{at}]");
                    errors.extend(wrong.into_iter().map(|e| below(&place, e)));
                }
            }
            if errors.len() >= MAX_ERRORS {
                break;
            }
        }
    } else {
        let raw: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
        match read_event(raw.get()) {
            Ok(event) => events.push(event),
            Err(wrong) => errors = wrong,
        }
    }
    errors.truncate(MAX_ERRORS);
    if errors.is_empty() {
        Ok(events)
    } else {
        Err(Box::new(Problem::invalid(errors)))
    }
}

/// `name` below `[3]` is `[3].name`; the event itself is `[3]`.
fn below(place: &str, error: FieldError) -> FieldError {
    if error.field.is_empty() {
        error.named(place)
    } else {
        error.within(place)
    }
}

fn read_event(text: &str) -> Result<TrackEvent, Vec<FieldError>> {
    // Most events are plain and sound: the text is read once, and only what does not fit is looked at closely.
    if let Ok(event) = serde_json::from_str::<TrackEvent>(text) {
        return checked(event);
    }
    if let Ok(Envelope { kind, payload }) = serde_json::from_str(text) {
        let Some(kind) = openpanel::Kind::named(&kind) else {
            let kinds = openpanel::Kind::ALL.map(openpanel::Kind::as_str).join(", ");
            return Err(vec![FieldError::new("type", kind, kinds)]);
        };
        let inside = |wrong: Vec<FieldError>| wrong.into_iter().map(|e| below("payload", e)).collect();
        let Ok(Value::Object(fields)) = serde_json::from_str(payload.get()) else {
            return Err(vec![FieldError::new("payload", payload.get(), "an object")]);
        };
        let event = openpanel::plain(kind, fields).map_err(|(field, allowed)| {
            let given = serde_json::from_str::<Value>(payload.get()).unwrap_or_default();
            let given = given
                .get(field)
                .map_or_else(|| "nothing".to_owned(), Value::to_string);
            inside(vec![FieldError::new(field, given, allowed)])
        })?;
        let event = Value::Object(event);
        return match serde_json::from_value::<TrackEvent>(event.clone()) {
            Ok(event) => checked(event),
            Err(error) => Err(wrong_fields(&event.to_string(), &error)),
        }
        .map_err(inside);
    }
    match serde_json::from_str::<TrackEvent>(text) {
        Ok(event) => checked(event),
        Err(error) => Err(wrong_fields(text, &error)),
    }
}

/// Names each field of an event that could not be read.
fn wrong_fields(text: &str, error: &serde_json::Error) -> Vec<FieldError> {
    let fields = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return vec![FieldError::new("", text, "an object with the field name")],
        // Such as a number that is out of range, or a text that is no Unicode.
        Err(_) => return vec![FieldError::new("", text, format!("sound JSON: {error}"))],
    };
    let mut errors = Vec::new();
    match fields.get("name") {
        Some(Value::String(_)) => {}
        Some(other) => errors.push(FieldError::new("name", other, "a text")),
        None => errors.push(FieldError::new("name", "nothing", "a text: it is required")),
    }
    if let Some(other) = fields.get("properties").filter(|value| !value.is_object()) {
        errors.push(FieldError::new("properties", other, "an object"));
    }
    for names in [
        &["profileId", "profile_id", "userId", "user_id"][..],
        &["deviceId", "device_id"],
        &["sessionId", "session_id"],
        &["id", "eventId", "event_id", "insert_id"],
    ] {
        let mut given = names.iter().filter_map(|name| Some((*name, fields.get(*name)?)));
        if let Some((name, other)) = given.clone().find(|(_, v)| !(v.is_string() || v.is_null())) {
            errors.push(FieldError::new(name, other, "a text"));
        }
        if let (Some((first, _)), Some((second, value))) = (given.next(), given.next()) {
            errors.push(FieldError::new(
                second,
                value,
                format!("one of {first} and {second}, not both"),
            ));
        }
    }
    match fields.get("timestamp") {
        None | Some(Value::Null) => {}
        Some(sent) if serde_json::from_value::<EventTime>(sent.clone()).is_ok() => {}
        Some(other) => errors.push(FieldError::new("timestamp", other, TIME)),
    }
    if errors.is_empty() {
        errors.push(FieldError::new("", text, format!("another form: {error}")));
    }
    errors
}

/// Holds an exposure that is told for a client to the limits of those that clients send. Its id was made here.
///
/// # Errors
/// Names the fields of the user.
pub fn checked_exposure(mut event: TrackEvent) -> Result<TrackEvent, Vec<FieldError>> {
    let id = event.id.take();
    let of_user = |error: FieldError| match error.field.as_str() {
        "profileId" => error.named("user_id"),
        "deviceId" => error.named("device_id"),
        "sessionId" => error.named("session_id"),
        _ => error,
    };
    let mut event = checked(event).map_err(|wrong| wrong.into_iter().map(of_user).collect::<Vec<_>>())?;
    event.id = id;
    Ok(event)
}

/// Holds an event to the limits.
pub(super) fn checked(event: TrackEvent) -> Result<TrackEvent, Vec<FieldError>> {
    let mut errors = Vec::new();
    let name = event.name.chars().count();
    if event.name.trim().is_empty() || name > MAX_NAME {
        errors.push(FieldError::new(
            "name",
            &event.name,
            format!("a text of 1 to {MAX_NAME} characters"),
        ));
    }
    for (field, id) in [
        ("profileId", &event.profile_id),
        ("deviceId", &event.device_id),
        ("sessionId", &event.session_id),
        ("id", &event.id),
    ] {
        if let Some(id) = id.as_deref().filter(|id| id.len() > MAX_ID) {
            errors.push(FieldError::new(field, id, format!("at most {MAX_ID} bytes")));
        }
    }
    // One id for everything would let all events but one vanish.
    let nil = |id: &str| Uuid::parse_str(id).is_ok_and(|id| id.is_nil());
    if let Some(id) = event.id.as_deref().filter(|id| nil(id)) {
        errors.push(FieldError::new("id", id, "an id of its own for each event"));
    }
    if event.properties.len() > MAX_PROPERTIES {
        errors.push(FieldError::new(
            "properties",
            format!("{} properties", event.properties.len()),
            format!("at most {MAX_PROPERTIES}"),
        ));
    }
    let mut total = 0;
    for (key, value) in &event.properties {
        if key.is_empty() || key.len() > MAX_PROPERTY_NAME {
            errors.push(FieldError::new(
                "properties",
                format!("the name {key}"),
                format!("names of 1 to {MAX_PROPERTY_NAME} bytes"),
            ));
        }
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Array(_) | Value::Object(_) => value.to_string().len(),
            // A number or a word is short.
            _ => 8,
        };
        total += key.len() + bytes;
        if bytes > MAX_PROPERTY_TEXT {
            errors.push(FieldError::new(
                format!("properties.{key}"),
                format!("{bytes} bytes"),
                format!("at most {MAX_PROPERTY_TEXT} bytes"),
            ));
        }
    }
    if total > MAX_PROPERTY_BYTES {
        errors.push(FieldError::new(
            "properties",
            format!("{total} bytes"),
            format!("at most {MAX_PROPERTY_BYTES} bytes together"),
        ));
    }
    if errors.is_empty() { Ok(event) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use proptest::prelude::*;

    fn names(body: &Value) -> Vec<String> {
        let events = read(body.to_string().as_bytes()).expect("reads");
        events.into_iter().map(|e| e.name).collect()
    }

    fn refused(body: &Value) -> Vec<String> {
        let problem = read(body.to_string().as_bytes()).expect_err("refused");
        assert_eq!(problem.code, Code::Invalid, "{problem}");
        problem.errors.into_iter().map(|e| e.field).collect()
    }

    #[test]
    fn takes_one_a_list_and_envelopes() {
        assert_eq!(names(&json!({"name": "a"})), ["a"]);
        assert_eq!(names(&json!([])), [""; 0]);
        assert_eq!(
            names(&json!([
                {"name": "a", "unknown": 1},
                {"type": "track", "payload": {"name": "b", "properties": {"x": 1}, "profileId": "p"}},
                {"name": "c", "type": "whatever", "payload": 7},
            ])),
            ["a", "b", "c"]
        );
        let read = read(br#" {"type":"track","payload":{"name":"b","profileId":null,"timestamp":17}}"#)
            .expect("reads");
        assert!(read[0].profile_id.is_none() && read[0].timestamp.is_some());
    }

    #[test]
    fn each_refusal_names_the_event_and_the_field() {
        let long = "x".repeat(MAX_ID + 1);
        let wide: serde_json::Map<String, Value> = (0..=MAX_PROPERTIES)
            .map(|n| (format!("p{n}"), json!(n)))
            .collect();
        let heavy: serde_json::Map<String, Value> = (0..5)
            .map(|n| (format!("p{n}"), json!("x".repeat(MAX_PROPERTY_TEXT))))
            .collect();
        for (event, field) in [
            (json!({}), "name"),
            (json!({"name": 7}), "name"),
            (json!({"name": " "}), "name"),
            (json!({"name": "x".repeat(MAX_NAME + 1)}), "name"),
            (json!({"name": "a", "properties": []}), "properties"),
            (json!({"name": "a", "profileId": 7}), "profileId"),
            (json!({"name": "a", "profileId": "p", "user_id": "p"}), "user_id"),
            (json!({"name": "a", "deviceId": long}), "deviceId"),
            (json!({"name": "a", "sessionId": long}), "sessionId"),
            (json!({"name": "a", "timestamp": "yesterday"}), "timestamp"),
            (json!({"name": "a", "timestamp": 1.5}), "timestamp"),
            (json!({"name": "a", "id": Uuid::nil()}), "id"),
            (json!({"name": "a", "insert_id": []}), "insert_id"),
            (json!({"name": "a", "properties": wide}), "properties"),
            (json!({"name": "a", "properties": heavy}), "properties"),
            (json!({"name": "a", "properties": {"": 1}}), "properties"),
            (
                json!({"name": "a", "properties": {"big": "x".repeat(MAX_PROPERTY_TEXT + 1)}}),
                "properties.big",
            ),
            (json!({"type": "replay", "payload": {}}), "type"),
            (json!({"type": "identify", "payload": {}}), "payload.profileId"),
            (json!({"type": "track", "payload": {}}), "payload.name"),
            (json!({"type": "track", "payload": {"name": ""}}), "payload.name"),
        ] {
            assert_eq!(refused(&event), [field], "{event}");
            let list = json!([{"name": "fine"}, event]);
            assert_eq!(refused(&list), [format!("[1].{field}")], "{list}");
        }
        assert_eq!(refused(&json!([1, {"name": "a"}, "b"])), ["[0]", "[2]"]);
        assert_eq!(refused(&json!(7)), [""]);
    }

    #[test]
    fn the_number_of_events_and_of_refusals_is_limited() {
        let events = vec![json!({"name": "a"}); MAX_EVENTS_PER_REQUEST + 1];
        assert_eq!(refused(&json!(events)), ["events"]);
        assert_eq!(refused(&json!(vec![json!({}); 100])).len(), MAX_ERRORS);
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for body in [
            "",
            " ",
            "{",
            "[{\"name\":\"a\"}",
            "nope",
            "{\"name\":\"a\"} x",
            "[1,]",
        ] {
            let problem = read(body.as_bytes()).expect_err(body);
            assert_eq!(problem.code, Code::Malformed, "{body}");
        }
        assert_eq!(
            read(b"{\"name\":\"\xff\"}").expect_err("bytes").code,
            Code::Malformed
        );
    }

    proptest! {
        /// A request never panics the process, whatever is in it.
        #[test]
        fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }

        /// Any text that is JSON is answered too, and a refusal always names a place.
        #[test]
        fn any_json_is_answered(text in r#"[\[\{"a-c:,1.\}\]]{0,60}|\{"name":"[a-z]*","timestamp":-?[0-9]{0,30}\}"#) {
            if let Err(problem) = read(text.as_bytes()) {
                prop_assert!(problem.code == Code::Malformed || !problem.errors.is_empty());
            }
        }
    }
}
