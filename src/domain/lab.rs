//! Labs: what experiments are grouped by.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{FieldError, Key, checks};

/// A group of experiments. `parentId` of an experiment is the key of one, or `DEFAULT`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lab {
    /// Never changes.
    pub id: Uuid,
    /// What experiments name as `parentId`; unique in the project, whatever the case.
    pub key: Key,
    /// The name that people read.
    pub name: String,
    /// What its experiments are about.
    #[serde(default)]
    pub description: String,
    /// Whether it takes no new experiments and is hidden from lists.
    #[serde(default)]
    pub archived: bool,
    /// +1 at every change.
    pub resource_version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Lab {
    /// Everything that is refused about its texts.
    ///
    /// # Errors
    /// Names `name` and `description`.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if self.name.trim().is_empty() {
            errors.push(FieldError::new("name", &self.name, "a text that is not empty"));
        }
        checks::name("name", &self.name, &mut errors);
        checks::text("description", &self.description, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}
