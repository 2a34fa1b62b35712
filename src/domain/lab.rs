//! Labs: what experiments are grouped by.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Key;

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
