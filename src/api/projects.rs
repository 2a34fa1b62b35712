//! The organization, its projects, labs and tokens over the wire.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::system::Role;
use super::{moment, present};
use crate::domain::{Environment, Key, Lab, Project};

/// Request header that says which project is meant, by key or id, where a token has roles in several.
pub const PROJECT_HEADER: &str = "x-splitdeck-project";

/// Answer of `GET /organization`: whose server this is.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Never changes.
    pub id: Uuid,
    /// Slug.
    pub key: Key,
    /// The name that people read.
    pub name: String,
    /// +1 at every change.
    pub resource_version: u64,
}

/// Body of `PATCH /organization`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateOrganization {
    /// The version the change was made from.
    pub resource_version: u64,
    /// New name.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// New slug.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub key: Option<Key>,
}

/// Body of `POST /projects`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateProject {
    /// Slug, such as `shop-prod`; unique.
    pub key: Key,
    /// The name that people read; the key where it is missing.
    #[serde(default)]
    pub name: String,
    /// Which environment this is.
    #[serde(default)]
    pub environment: Environment,
    /// Whether dangerous actions ask for the experiment's key to be typed.
    #[serde(default)]
    pub protected: bool,
}

/// Body of `PATCH /projects/{idOrKey}`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateProject {
    /// The version the change was made from.
    pub resource_version: u64,
    /// New name.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// New environment.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub environment: Option<Environment>,
    /// Protected, or not.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub protected: Option<bool>,
}

/// A project with what the caller may do there and what is in it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectRow {
    /// The project.
    #[serde(flatten)]
    pub project: Project,
    /// The caller's role in it.
    pub role: Role,
    /// Experiments, archived ones aside.
    pub experiments: u64,
    /// Of those, active ones.
    pub active: u64,
    /// Flags, archived ones aside.
    pub flags: u64,
}

/// Answer of `GET /projects`, sorted by key: those in which the caller has a role.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectList {
    /// The projects.
    pub projects: Vec<ProjectRow>,
}

/// Body of `POST /labs`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateLab {
    /// Slug; unique in the project.
    pub key: Key,
    /// The name that people read; the key where it is missing.
    #[serde(default)]
    pub name: String,
    /// What its experiments are about.
    #[serde(default)]
    pub description: String,
}

/// Body of `PATCH /labs/{idOrKey}`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateLab {
    /// The version the change was made from.
    pub resource_version: u64,
    /// New name.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// New description.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// Hidden, or shown again.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub archived: Option<bool>,
}

/// Answer of `GET /labs`, sorted by key. `DEFAULT` is always there and is none of them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabList {
    /// The project's labs.
    pub labs: Vec<Lab>,
}

/// Body of `POST /tokens`: for administrators of every project that it names.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateToken {
    /// What the audit log writes as the actor; unique among those that are not revoked.
    pub name: String,
    /// Project key → role.
    pub roles: BTreeMap<Key, Role>,
    /// When it ends by itself.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "moment::timestamp"
    )]
    pub expires_at: Option<Timestamp>,
}

/// A token, as it is listed: the token itself is nowhere.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenRow {
    /// What it is revoked by.
    pub id: Uuid,
    /// What the audit log writes as the actor.
    pub name: String,
    /// Project key → role.
    pub roles: BTreeMap<Key, Role>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "moment::timestamp"
    )]
    pub expires_at: Option<Timestamp>,
    /// Since when it is not taken any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// What there is to say of a token after `DELETE /tokens/{id}` took its roles and it has more elsewhere.
pub const STILL_TAKEN: &str = "has no role any more in the projects that you administer, and is still taken in others: \
                               whoever administers those revokes it there";

/// Answer of `POST /tokens`: the only time that the token is told.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenMade {
    /// The token, as it is listed from now on.
    #[serde(flatten)]
    pub row: TokenRow,
    /// The token itself.
    pub token: String,
}

impl std::fmt::Debug for TokenMade {
    /// Without the token, so that it cannot reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMade")
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

/// Answer of `GET /tokens`: those with a role in a project that the caller administers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenList {
    /// The tokens, the newest first.
    pub tokens: Vec<TokenRow>,
}
