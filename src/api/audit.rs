//! The audit log of a project over the wire.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa::ToSchema;
use uuid::Uuid;

use super::moment;
use crate::domain::AuditAction;

/// Query of `GET /audit`; the answer is a [`History`](super::experiments::History): newest first, 50 at a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditQuery {
    /// Only entries before this one: the `nextBefore` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// Only this action, such as `experiment.status_changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AuditAction>,
    /// Only by this actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Uuid>,
    /// Only objects that had this key at that time, whatever the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_key: Option<String>,
    /// Only at or after this time.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "moment::timestamp"
    )]
    pub from: Option<Timestamp>,
    /// Only before this time.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "moment::timestamp"
    )]
    pub to: Option<Timestamp>,
}
