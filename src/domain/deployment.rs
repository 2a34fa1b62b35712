//! Deployments: the programs that ask for variants, and the keys they ask with.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where the key of a deployment lives.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentKind {
    /// In browsers and apps: everybody can read the key, so it is no secret.
    Client,
    /// In servers: the key is a secret, stored as a hash and shown once.
    Server,
}

impl DeploymentKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A program that evaluates and tracks with a key of its own. It sees the flags and experiments that name it.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Never changes. SDKs that ask for a client id beside a secret send this one.
    pub id: Uuid,
    /// Unique in the project, whatever the case.
    pub name: String,
    /// Where its key lives.
    pub kind: DeploymentKind,
    /// The key: always there for a client; for a server only in the answer that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The beginning and the end of the key, to tell keys apart.
    pub key_hint: String,
    /// Whether it came with the project: new flags and experiments name it unless they name others.
    #[serde(default)]
    pub is_default: bool,
    /// When the key was last replaced.
    #[serde(default)]
    pub rotated_at: Option<Timestamp>,
    /// The key before the last rotation is taken until then.
    #[serde(default)]
    pub previous_key_until: Option<Timestamp>,
    /// Since when no key is taken any more.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// +1 at every change.
    pub resource_version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for Deployment {
    /// Without the key, so that it cannot reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployment")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("key_hint", &self.key_hint)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}
