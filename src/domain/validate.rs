//! What a refusal says.

use std::fmt;

/// One field that was refused: which, what was given, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FieldError {
    /// Path of the field in the request, such as `variants[1].key`.
    pub field: String,
    /// What was given, shortened.
    pub given: String,
    /// What is allowed, in words.
    pub allowed: String,
}

/// How much of what was given a message repeats, in characters.
const MAX_GIVEN: usize = 80;
/// How much of a path, which may hold names of somebody else's fields.
const MAX_FIELD: usize = 200;

/// The first characters of a text from outside.
fn shortened(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl FieldError {
    /// A refusal of `field`.
    pub fn new(field: impl Into<String>, given: impl fmt::Display, allowed: impl Into<String>) -> Self {
        Self {
            field: shortened(field.into(), MAX_FIELD),
            given: shortened(given.to_string(), MAX_GIVEN),
            allowed: allowed.into(),
        }
    }

    /// The same refusal under the path of the object that holds the field: `key` in `variants[1]` is
    /// `variants[1].key`.
    #[must_use]
    pub fn within(mut self, parent: impl fmt::Display) -> Self {
        self.field = format!("{parent}.{}", self.field);
        self
    }

    /// The same refusal for another field name.
    #[must_use]
    pub fn named(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            given,
            allowed,
        } = self;
        // One that is about all that was sent has no field.
        let field = if field.is_empty() { "what was sent" } else { field };
        write!(f, "{field}: got \"{given}\", allowed is {allowed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_it_is_about() {
        let error = FieldError::new("key", "a b", "no blank");
        assert_eq!(error.to_string(), "key: got \"a b\", allowed is no blank");
        let error = FieldError::new("", 7, "an object");
        assert_eq!(
            error.to_string(),
            "what was sent: got \"7\", allowed is an object"
        );
    }
}
