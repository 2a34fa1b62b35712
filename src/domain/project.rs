//! Projects: one product in one environment.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Key;

/// How careful one must be in a project; decides the colour and the word in the cockpit's header.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// A person's own machine, or a demo.
    #[default]
    Development,
    /// Shared, without real users.
    Staging,
    /// Real users.
    Production,
}

impl Environment {
    /// The word on the wire and on the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// One product in one environment. Every object lives in exactly one project.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Never changes; what events are stored under.
    pub id: Uuid,
    /// The name in paths and in the header, such as `shop-prod`.
    pub key: Key,
    /// The name that people read.
    pub name: String,
    /// Which environment this is.
    pub environment: Environment,
    /// Whether dangerous actions ask for the experiment's key to be typed.
    pub protected: bool,
    /// +1 at every change.
    #[serde(default = "first_version")]
    pub resource_version: u64,
}

/// The version of a project of a server that does not tell it.
fn first_version() -> u64 {
    1
}
