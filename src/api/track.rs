//! Events over the wire.

use jiff::Timestamp;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
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
#[derive(Debug, Clone, Eq, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventTime {
    /// RFC 3339.
    Text(Timestamp),
    /// Milliseconds since 1970.
    Millis(i64),
    /// One that is written as either of them and that there is not, such as the year 275760 or the 30th of February.
    Impossible(String),
}

/// How a time is written, for refusals.
pub const TIME: &str = "RFC 3339 such as 2026-01-31T12:00:00Z, or whole milliseconds since 1970";

/// The longest text that is taken for a time.
const LONGEST_TIME: usize = 100;

impl EventTime {
    /// Milliseconds since 1970; none of one that cannot be.
    #[must_use]
    pub fn as_millisecond(&self) -> Option<i64> {
        match self {
            Self::Text(time) => Some(time.as_millisecond()),
            Self::Millis(millis) => Some(*millis),
            Self::Impossible(_) => None,
        }
    }

    /// A time as a text. Digits behind those of nanoseconds are cut off.
    fn of_text(text: &str) -> Option<Self> {
        if let Ok(time) = text.parse() {
            return Some(Self::Text(time));
        }
        let parts = Parts::of(text)?;
        let nanos = parts.fraction.get(..9).unwrap_or(parts.fraction);
        let dot = if nanos.is_empty() { "" } else { "." };
        let shorter = format!("{}{dot}{nanos}{}", parts.before, parts.zone);
        Some(match shorter.parse() {
            Ok(time) => Self::Text(time),
            Err(_) => Self::Impossible(text.to_owned()),
        })
    }
}

/// A text that is written as RFC 3339 is, whether or not there is such a time.
struct Parts<'a> {
    /// Date and time up to whole seconds.
    before: &'a str,
    /// The digits of a fraction of a second, if there are any.
    fraction: &'a str,
    /// `Z` or an offset.
    zone: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST_TIME || !text.is_ascii() {
            return None;
        }
        let at = text.find(['T', 't', ' '])?;
        let (date, rest) = (text.get(..at)?, text.get(at + 1..)?);
        let time = rest.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = rest.split_at(time);
        let (whole, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let of_two = |text: &str, sign: char, least: usize, most: usize| {
            let parts: Vec<&str> = text.split(sign).collect();
            (least..=most).contains(&parts.len()) && parts.iter().all(|part| part.len() == 2 && digits(part))
        };
        // Years before 0 and after 9999 have a sign and six digits in ECMAScript.
        let (year, day) = date.strip_prefix(['+', '-']).unwrap_or(date).split_once('-')?;
        let is_time = digits(year)
            && (4..=6).contains(&year.len())
            && of_two(day, '-', 2, 2)
            && of_two(whole, ':', 2, 3)
            && (fraction.is_empty() || digits(fraction))
            && (zone.eq_ignore_ascii_case("z")
                || of_two(zone.get(1..)?, ':', 1, 2)
                || digits(zone.get(1..)?));
        let before = text.get(..at + 1 + whole.len())?;
        is_time.then_some(Self {
            before,
            fraction,
            zone,
        })
    }
}

impl<'de> Deserialize<'de> for EventTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sent;

        impl Visitor<'_> for Sent {
            type Value = EventTime;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(TIME)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<EventTime, E> {
                EventTime::of_text(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, millis: i64) -> Result<EventTime, E> {
                Ok(EventTime::Millis(millis))
            }

            fn visit_u64<E: de::Error>(self, millis: u64) -> Result<EventTime, E> {
                let whole = i64::try_from(millis).map(EventTime::Millis);
                Ok(whole.unwrap_or_else(|_| EventTime::Impossible(millis.to_string())))
            }

            fn visit_f64<E: de::Error>(self, millis: f64) -> Result<EventTime, E> {
                // As JSON has no larger whole numbers. A fraction is refused: it is no millisecond.
                if millis.abs() >= 9e15 {
                    Ok(EventTime::Impossible(format!("{millis:e}")))
                } else {
                    Err(E::invalid_value(Unexpected::Float(millis), &self))
                }
            }
        }

        deserializer.deserialize_any(Sent)
    }
}

impl std::fmt::Display for EventTime {
    /// As it was sent, except that RFC 3339 is written in UTC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(time) => time.fmt(f),
            Self::Millis(millis) => millis.fmt(f),
            Self::Impossible(text) => text.fmt(f),
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
    /// How many events named a time that cannot be, more than five years ago, an hour ahead or in no calendar, and count
    /// as of now; what was sent is kept in their property `__clientTimestamp`.
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

    /// Whether some of it may be known by now: another server of the same store may have made it a moment ago.
    #[must_use]
    pub fn names_unknown(&self) -> bool {
        self.unknown_experiment + self.unknown_variant > 0
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_time_is_read_is_impossible_or_is_none() {
        let read = |sent: Value| serde_json::from_value::<EventTime>(sent).ok();
        let at = |text: &str| Some(EventTime::Text(text.parse().expect("a time")));
        for (sent, is) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            (
                "2026-01-01T02:00:00.1234567891234+02:00",
                "2026-01-01T00:00:00.123456789Z",
            ),
            ("2026-01-01t00:00:00.0000000000z", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(json!(sent)), at(is), "{sent}");
        }
        assert_eq!(read(json!(-17)), Some(EventTime::Millis(-17)));
        for impossible in [
            "+275760-09-13T00:00:00.000Z",
            "-271821-04-20T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-01-01T25:00:00+01:00",
            "2026-13-01T00:00:00.123456789012345Z",
        ] {
            let read = read(json!(impossible));
            assert_eq!(read, Some(EventTime::Impossible(impossible.to_owned())));
            assert_eq!(read.and_then(|time| time.as_millisecond()), None);
        }
        assert_eq!(
            read(json!(1e300)),
            Some(EventTime::Impossible("1e300".to_owned()))
        );
        let long = format!("2026-01-01T00:00:00.{}Z", "1".repeat(100));
        for none in [
            "",
            "T",
            "now",
            "2026-01-01",
            "2026-1-1T00:00:00Z",
            "2026-01-01T00:00:00",
            "é",
            &long,
        ] {
            assert_eq!(read(json!(none)), None, "{none}");
        }
        for none in [json!(1.5), json!(null), json!([]), json!(true)] {
            assert_eq!(read(none.clone()), None, "{none}");
        }
    }
}
