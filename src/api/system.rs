//! The server about itself: health, readiness, the project behind a token, the way to ClickHouse.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Project;
use crate::domain::experiment::DEFAULT_MAX_VARIANTS;

/// What a token may do. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and changes.
    Editor,
    /// Also manages tokens and runs jobs.
    Admin,
}

impl Role {
    /// The word on the wire and in the header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// Answer of `GET /healthz`: the process runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Always `ok`.
    pub status: String,
    /// Version of the server.
    pub version: String,
}

/// Answer of `GET /readyz`; 200 when everything is ready, else 503.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Whether requests can be served: configuration is loaded and the spool takes events.
    pub ready: bool,
    /// Why the spool takes no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool_error: Option<String>,
    /// Whether the configuration store answers. Without it assignments go on from memory and changes are refused.
    #[serde(default = "yes")]
    pub store: bool,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_error: Option<String>,
    /// Subjects of sticky experiments whose first variant is not in the store yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sticky_pending: u64,
    /// Those that did not fit into the queue while the store was away: this server forgets them when it ends.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sticky_dropped: u64,
    /// Why the last batch of them could not be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_error: Option<String>,
    /// Whether ClickHouse answers. Events are taken without it, results are not.
    pub warehouse: bool,
    /// Events that are acknowledged and not yet in ClickHouse.
    pub spooled_events: u64,
    /// Bytes of the spool in use.
    pub spool_bytes: u64,
    /// Files in the spool's quarantine that may hold acknowledged events which are not in ClickHouse; the log
    /// says of each why.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub quarantined: u64,
    /// The last thing that went wrong with ClickHouse: it does not answer, or takes no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse_error: Option<String>,
}

fn yes() -> bool {
    true
}

pub(super) fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Answer of `GET /me`: who is asking, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Name of the token, as the audit log writes it.
    pub actor: String,
    /// What it may do.
    pub role: Role,
    /// The project it belongs to.
    pub project: Project,
    /// Version of the server.
    pub version: String,
    /// The most variants of an experiment.
    #[serde(default = "default_max_variants")]
    pub max_variants: usize,
    /// Whether the traffic of this server is simulated (the demo).
    #[serde(default)]
    pub demo: bool,
}

fn default_max_variants() -> usize {
    DEFAULT_MAX_VARIANTS
}

/// Answer of `GET /warehouse`: how to read ClickHouse directly, with a user that can only read.
///
/// The cockpit queries ClickHouse itself, so that a slow query never occupies the server. The user reads the
/// events of all projects: only tokens with a role in every project get it, others ask the API.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarehouseLogin {
    /// `http://127.0.0.1:8123`
    pub url: String,
    /// The database of the tables.
    pub database: String,
    /// The reading user.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for WarehouseLogin {
    /// Without the password, so that it cannot reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarehouseLogin")
            .field("url", &self.url)
            .field("database", &self.database)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
