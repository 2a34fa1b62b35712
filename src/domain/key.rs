//! Keys: the slugs by which people and code name objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::FieldError;

/// The longest key, in characters.
pub const MAX_KEY_LENGTH: usize = 200;

/// A slug: letters, digits, `-`, `_` and `.`, 1 to [`MAX_KEY_LENGTH`] characters.
///
/// Two keys that differ in case only name the same object, yet the case is kept as it was written:
/// the hash of an assignment is taken over the exact text.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Ord, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, max_length = 200, pattern = "^[A-Za-z0-9._-]{1,200}$", example = "checkout-cta")]
pub struct Key(String);

impl Key {
    /// Checks and wraps a key.
    ///
    /// # Errors
    /// A [`FieldError`] for the field `key` that says what is allowed.
    pub fn new(text: impl Into<String>) -> Result<Self, FieldError> {
        let text = text.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.chars().count() > MAX_KEY_LENGTH || !text.chars().all(allowed) {
            return Err(FieldError::new(
                "key",
                &text,
                format!("1 to {MAX_KEY_LENGTH} letters, digits, '-', '_' or '.', no spaces"),
            ));
        }
        Ok(Self(text))
    }

    /// The key as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which the key must be unique.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// A key made from free text: in ASCII letters, lower case, runs of anything else folded into one `-`.
    ///
    /// `None` when nothing of the text can stand in a key.
    #[must_use]
    pub fn slug(text: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in deunicode::deunicode(text).chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(MAX_KEY_LENGTH);
        Self::new(slug.trim_end_matches('-')).ok()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Key {
    type Error = FieldError;

    fn try_from(text: String) -> Result<Self, FieldError> {
        Self::new(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_slugs_and_refuses_the_rest() {
        for good in ["a", "checkout-cta", "A_b.C-9", &"x".repeat(MAX_KEY_LENGTH)] {
            assert_eq!(Key::new(good).expect("a key").as_str(), good);
        }
        for bad in [
            "",
            "two words",
            "naïve",
            "a/b",
            "a\n",
            &"x".repeat(MAX_KEY_LENGTH + 1),
        ] {
            let error = Key::new(bad).expect_err("no key");
            assert_eq!(error.field, "key");
        }
    }

    #[test]
    fn slugs_free_text() {
        assert_eq!(
            Key::slug("Pricing copy: test #2!").expect("a slug").as_str(),
            "pricing-copy-test-2"
        );
        for (text, slug) in [
            ("  Ünï ", "uni"),
            ("Größe & Straße", "grosse-strasse"),
            ("Ceník – nová verze", "cenik-nova-verze"),
            ("价格测试", "jia-ge-ce-shi"),
        ] {
            assert_eq!(Key::slug(text), Key::new(slug).ok(), "{text}");
        }
        assert_eq!(Key::slug("—"), None);
    }
}
