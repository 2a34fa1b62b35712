//! Times and days in requests, refused in words that say how one is written.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, de};

use crate::domain::FieldError;

/// How a moment is written.
pub const MOMENT: &str = "a time with its zone, such as 2026-11-20T10:00:00Z";

/// How a day is written.
pub const DAY: &str = "a day of the calendar, such as 2026-11-20";

fn read<'de, D: Deserializer<'de>, T: FromStr>(
    deserializer: D,
    allowed: &str,
) -> Result<Option<T>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    // Serde puts the name of the field in its place.
    let refused = || de::Error::custom(FieldError::new("time", &text, allowed));
    text.trim().parse().map(Some).map_err(|_| refused())
}

/// A moment.
///
/// # Errors
/// A text that is none.
pub fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    read(deserializer, MOMENT)
}

/// A day.
///
/// # Errors
/// A text that is none.
pub fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    read(deserializer, DAY)
}
