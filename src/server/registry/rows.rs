//! How objects stand in the store and in its log.

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::projects::Organization;
use crate::domain::{Flag, Lab};
use crate::server::access::StoredDeployment;
use crate::server::shelf::Shelved as _;
use crate::server::store::objects::{Kind, Row};

pub(in crate::server) use super::object::{Object, contents};

/// The row of a flag.
#[must_use]
pub fn row_of_flag(project: Uuid, flag: &Flag) -> Row {
    Row {
        kind: Kind::Flag,
        id: flag.id,
        project: Some(project),
        name_folded: flag.key.folded(),
        version: flag.resource_version,
        updated_at: flag.updated_at,
    }
}

/// The row of a lab.
#[must_use]
pub fn row_of_lab(project: Uuid, lab: &Lab) -> Row {
    Row {
        kind: Kind::Lab,
        id: lab.id,
        project: Some(project),
        name_folded: lab.key.folded(),
        version: lab.resource_version,
        updated_at: lab.updated_at,
    }
}

/// The row of a deployment.
#[must_use]
pub fn row_of_deployment(stored: &StoredDeployment) -> Row {
    Row {
        kind: Kind::Deployment,
        id: stored.deployment.id,
        project: Some(stored.project),
        name_folded: stored.name_folded(),
        version: stored.deployment.resource_version,
        updated_at: stored.deployment.updated_at,
    }
}

/// The row of the organization.
#[must_use]
pub fn row_of_organization(organization: &Organization, now: Timestamp) -> Row {
    Row {
        kind: Kind::Organization,
        id: organization.id,
        project: None,
        name_folded: organization.key.folded(),
        version: organization.resource_version,
        updated_at: now,
    }
}
