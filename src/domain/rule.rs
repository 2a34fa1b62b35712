//! Rules and overrides: who gets a variant by decree.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::checks::is_unseen;
use super::filter::quoted;
use super::{Key, Operator};

/// Whose data a condition looks at.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The person: their properties, ids and groups.
    Profile,
    /// The visit.
    Session,
    /// The event.
    Event,
}

impl Scope {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Session => "session",
            Self::Event => "event",
        }
    }

    /// A field without the scope, which may stand in front of it.
    #[must_use]
    pub fn bare(self, field: &str) -> &str {
        let rest = field.strip_prefix(self.as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix('.'));
        rest.filter(|rest| !rest.is_empty()).unwrap_or(field)
    }
}

/// One condition of a rule: `profile.country is TH`.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Whose data.
    pub scope: Scope,
    /// Which field of it, a path with dots: `country`, `properties.plan`. A leading scope is allowed
    /// and ignored (`profile.country`).
    pub field: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    #[serde(default, deserialize_with = "super::filter::value_text")]
    #[schema(value_type = String)]
    pub value: String,
}

impl fmt::Display for Condition {
    /// `profile.country is TH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = self.scope.as_str();
        write!(f, "{scope}.{} {}", self.scope.bare(&self.field), self.operator)?;
        if self.operator.takes_value() {
            write!(f, " {}", quoted(&self.value))?;
        }
        Ok(())
    }
}

/// Routes every subject that passes all its conditions into one variant.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// What a decision names as `ruleId`. Made by the server where it is missing.
    #[serde(default = "Uuid::new_v4")]
    pub id: Uuid,
    /// The variant it routes to.
    pub variant: Key,
    /// Higher is tried first; ties go by the variant's `orderIndex`.
    #[serde(default)]
    pub priority: i32,
    /// Joined by AND; a rule without conditions catches everybody.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// The longest id of an override's subject, in characters.
pub const MAX_SUBJECT_ID_LENGTH: usize = 512;

/// An id of a list without what stands around it by accident: blanks, and the byte order mark of a file that was put
/// behind another one.
#[must_use]
pub fn bare_id(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// What is allowed, where an id cannot be that of a subject. One that looks like another one, for a character that
/// nobody sees, would force nobody.
#[must_use]
pub fn id_refusal(id: &str) -> Option<String> {
    if id.chars().count() > MAX_SUBJECT_ID_LENGTH {
        return Some(format!("at most {MAX_SUBJECT_ID_LENGTH} characters"));
    }
    if id.chars().any(char::is_control) {
        return Some("no control characters".to_owned());
    }
    let unseen = id.chars().find(|c| is_unseen(*c))?;
    Some(format!("no invisible characters ({})", unseen.escape_unicode()))
}

/// What kind of id an override is for.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideSubject {
    /// A user id.
    User,
    /// A device id.
    Device,
}

impl OverrideSubject {
    /// The word on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
        }
    }
}

/// How an override came to be.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideSource {
    /// Entered one by one.
    Fixed,
    /// Part of a bulk import.
    Manual,
}

impl OverrideSource {
    /// The word on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Manual => "manual",
        }
    }
}

/// Forces one subject into one variant. Unique for (experiment, `subjectType`, `subjectId`).
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// What kind of id.
    pub subject_type: OverrideSubject,
    /// The id, exactly as evaluations carry it.
    pub subject_id: String,
    /// The forced variant.
    pub variant: Key,
    /// How it came to be.
    pub source: OverrideSource,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
