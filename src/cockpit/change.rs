//! Changes of flags, deployments, projects, labs, tokens and copies: each is one request with its own dialog.

use uuid::Uuid;

use crate::api::deployments::{CreateDeployment, RevokeKey, RotateKey, UpdateDeployment};
use crate::api::experiments::CopyTo;
use crate::api::flags::{Convert, Converted, CreateFlag, UpdateFlag};
use crate::api::overrides::{DeleteOverride, OverridesSet, SetOverrides};
use crate::api::projects::{
    CreateLab, CreateProject, CreateToken, TokenMade, TokenRow, UpdateLab, UpdateProject,
};
use crate::domain::{Deployment, Experiment, Flag, Lab, Project};

/// What is to be changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// `POST /flags`
    CreateFlag(Box<CreateFlag>),
    /// `PATCH /flags/{id}`
    UpdateFlag(Uuid, Box<UpdateFlag>),
    /// `POST /flags/{id}/convert`
    ConvertFlag(Uuid, Convert),
    /// `POST /flags/{id}/copy`
    CopyFlag(Uuid, CopyTo),
    /// `PUT /flags/{id}/overrides`
    SetFlagOverrides(Uuid, SetOverrides),
    /// `DELETE /flags/{id}/overrides`
    DeleteFlagOverride(Uuid, DeleteOverride),
    /// `POST /experiments/{id}/convert`
    ConvertExperiment(Uuid, Convert),
    /// `POST /experiments/{id}/copy`
    CopyExperiment(Uuid, CopyTo),
    /// `POST /deployments`
    CreateDeployment(CreateDeployment),
    /// `PATCH /deployments/{id}`
    UpdateDeployment(Uuid, UpdateDeployment),
    /// `POST /deployments/{id}/rotate`
    RotateKey(Uuid, RotateKey),
    /// `POST /deployments/{id}/revoke`
    RevokeKey(Uuid, RevokeKey),
    /// `POST /projects`
    CreateProject(CreateProject),
    /// `PATCH /projects/{id}`
    UpdateProject(Uuid, UpdateProject),
    /// `POST /labs`
    CreateLab(CreateLab),
    /// `PATCH /labs/{id}`
    UpdateLab(Uuid, UpdateLab),
    /// `POST /tokens`
    CreateToken(CreateToken),
    /// `DELETE /tokens/{id}`
    RevokeToken(Uuid),
}

/// What came of a [`Change`]: the objects as they are now.
#[derive(Debug, Clone)]
pub enum Changed {
    /// A flag was made, changed or copied.
    Flag(Box<Flag>),
    /// A flag and the experiment that is linked to it now.
    Converted(Box<Converted>),
    /// The copy of an experiment.
    Experiment(Box<Experiment>),
    /// Overrides were set.
    Overrides(OverridesSet),
    /// A deployment; with its key where one was made.
    Deployment(Box<Deployment>),
    /// A project.
    Project(Box<Project>),
    /// A lab.
    Lab(Box<Lab>),
    /// A token that was made.
    Token(Box<TokenMade>),
    /// A token that was to be revoked and is still taken, in projects of others.
    TokenLeft(Box<TokenRow>),
    /// Something is gone: an override, a token.
    Gone,
}
