//! Users: what an evaluation gets to know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The subject of an evaluation, with everything that rules may look at.
///
/// Both the snake_case names of evaluation SDKs and the camelCase names of the API are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct User {
    /// The person, as the operator's systems know them.
    #[serde(
        alias = "userId",
        alias = "profileId",
        alias = "profile_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_id: Option<String>,
    /// The device or browser.
    #[serde(alias = "deviceId", skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The visit.
    #[serde(alias = "sessionId", skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The event that is being decided, in event mode.
    #[serde(alias = "eventId", skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Properties of the person; the scope `profile` of rules.
    #[serde(
        alias = "userProperties",
        alias = "profile",
        skip_serializing_if = "Map::is_empty"
    )]
    pub user_properties: Map<String, Value>,
    /// Data of the visit; the scope `session` of rules.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub session: Map<String, Value>,
    /// Data of the event; the scope `event` of rules.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub event: Map<String, Value>,
    /// Group type → the groups of that type the user belongs to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Group type → group → properties.
    #[serde(alias = "groupProperties", skip_serializing_if = "BTreeMap::is_empty")]
    pub group_properties: BTreeMap<String, BTreeMap<String, Map<String, Value>>>,
}

impl User {
    /// A user known by a user id only.
    pub fn with_user_id(id: impl Into<String>) -> Self {
        Self {
            user_id: Some(id.into()),
            ..Self::default()
        }
    }

    /// Whether any id is there at all; without one nothing can be evaluated.
    #[must_use]
    pub fn has_id(&self) -> bool {
        [&self.user_id, &self.device_id, &self.session_id, &self.event_id]
            .into_iter()
            .any(|id| id.as_deref().is_some_and(|id| !id.is_empty()))
            || self
                .groups
                .values()
                .any(|ids| ids.iter().any(|id| !id.is_empty()))
    }
}
