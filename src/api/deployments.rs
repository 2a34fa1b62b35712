//! Deployments over the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::present;
use crate::domain::{Deployment, DeploymentKind};

/// Body of `POST /deployments`. The answer is the [`Deployment`] with its key: the only time that a server's
/// key is told.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateDeployment {
    /// Unique in the project.
    pub name: String,
    /// Where its key lives.
    pub kind: DeploymentKind,
}

/// Body of `PATCH /deployments/{id}`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateDeployment {
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
}

/// Body of `POST /deployments/{id}/rotate`; the answer carries the new key.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateKey {
    /// The version the decision was made from.
    pub resource_version: u64,
    /// How long the old key is still taken, seconds; 0 ends it at once. At most 30 days.
    #[serde(default)]
    pub grace_seconds: u32,
}

/// Body of `POST /deployments/{id}/revoke`: no key of it is taken any more.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeKey {
    /// The version the decision was made from.
    pub resource_version: u64,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A deployment with what names it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentRow {
    /// The deployment.
    #[serde(flatten)]
    pub deployment: Deployment,
    /// Experiments that name it, archived ones aside.
    pub experiments: u64,
    /// Flags that name it, archived ones aside.
    pub flags: u64,
}

/// Answer of `GET /deployments`, sorted by name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentList {
    /// The project's deployments, revoked ones included.
    pub deployments: Vec<DeploymentRow>,
}
