//! The endpoints of flags, deployments, projects, labs, tokens, the audit log, and of what turns one object into
//! another.

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::api::assign::Explanation;
use crate::api::audit::AuditQuery;
use crate::api::deployments::{CreateDeployment, DeploymentList, RevokeKey, RotateKey, UpdateDeployment};
use crate::api::experiments::{CopyTo, DeleteExperiment, History, HistoryQuery, SetRules};
use crate::api::flags::{Convert, Converted, CreateFlag, FlagList, FlagRow, ListFlags, UpdateFlag};
use crate::api::projects::{
    CreateLab, CreateProject, CreateToken, LabList, Organization, ProjectList, ProjectRow, TokenList,
    TokenMade, TokenRow, UpdateLab, UpdateOrganization, UpdateProject,
};
use crate::domain::{Deployment, Experiment, Flag, Lab, Project, User};

use super::{Client, ClientError};

impl Client {
    async fn patch<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(self.request(Method::PATCH, segments)?.json(body)).await
    }

    pub(super) async fn delete(&self, segments: &[&str], query: &impl Serialize) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, segments)?.query(query);
        self.send::<serde::de::IgnoredAny>(request).await.map(|_| ())
    }

    /// `DELETE /experiments/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_experiment(&self, id_or_key: &str, version: u64) -> Result<(), ClientError> {
        let query = DeleteExperiment {
            resource_version: Some(version),
        };
        self.delete(&["experiments", id_or_key], &query).await
    }

    /// `POST /experiments/{idOrKey}/convert`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flag_of_experiment(
        &self,
        id_or_key: &str,
        body: &Convert,
    ) -> Result<Converted, ClientError> {
        self.post(&["experiments", id_or_key, "convert"], body).await
    }

    /// `POST /experiments/{idOrKey}/copy`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn copy_experiment(&self, id_or_key: &str, body: &CopyTo) -> Result<Experiment, ClientError> {
        self.post(&["experiments", id_or_key, "copy"], body).await
    }

    /// `GET /flags`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flags(&self, archived: bool) -> Result<FlagList, ClientError> {
        self.get_with(&["flags"], &ListFlags { archived }).await
    }

    /// `POST /flags`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_flag(&self, body: &CreateFlag) -> Result<Flag, ClientError> {
        self.post(&["flags"], body).await
    }

    /// `GET /flags/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flag(&self, id_or_key: &str) -> Result<FlagRow, ClientError> {
        self.get(&["flags", id_or_key]).await
    }

    /// `PATCH /flags/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_flag(&self, id_or_key: &str, body: &UpdateFlag) -> Result<Flag, ClientError> {
        self.patch(&["flags", id_or_key], body).await
    }

    /// `PUT /flags/{idOrKey}/rules`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_flag_rules(&self, id_or_key: &str, body: &SetRules) -> Result<Flag, ClientError> {
        let path = ["flags", id_or_key, "rules"];
        self.send(self.request(Method::PUT, &path)?.json(body)).await
    }

    /// `GET /flags/{idOrKey}/history`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flag_history(&self, id_or_key: &str, query: &HistoryQuery) -> Result<History, ClientError> {
        self.get_with(&["flags", id_or_key, "history"], query).await
    }

    /// `POST /flags/{idOrKey}/explain`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain_flag(&self, id_or_key: &str, user: &User) -> Result<Explanation, ClientError> {
        self.post(&["flags", id_or_key, "explain"], user).await
    }

    /// `POST /flags/{idOrKey}/convert`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn experiment_of_flag(
        &self,
        id_or_key: &str,
        body: &Convert,
    ) -> Result<Converted, ClientError> {
        self.post(&["flags", id_or_key, "convert"], body).await
    }

    /// `POST /flags/{idOrKey}/copy`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn copy_flag(&self, id_or_key: &str, body: &CopyTo) -> Result<Flag, ClientError> {
        self.post(&["flags", id_or_key, "copy"], body).await
    }

    /// `GET /deployments`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deployments(&self) -> Result<DeploymentList, ClientError> {
        self.get(&["deployments"]).await
    }

    /// `POST /deployments`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_deployment(&self, body: &CreateDeployment) -> Result<Deployment, ClientError> {
        self.post(&["deployments"], body).await
    }

    /// `PATCH /deployments/{id}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_deployment(
        &self,
        id: &str,
        body: &UpdateDeployment,
    ) -> Result<Deployment, ClientError> {
        self.patch(&["deployments", id], body).await
    }

    /// `POST /deployments/{id}/rotate`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rotate_key(&self, id: &str, body: &RotateKey) -> Result<Deployment, ClientError> {
        self.post(&["deployments", id, "rotate"], body).await
    }

    /// `POST /deployments/{id}/revoke`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_deployment(&self, id: &str, body: &RevokeKey) -> Result<Deployment, ClientError> {
        self.post(&["deployments", id, "revoke"], body).await
    }

    /// `GET /organization`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn organization(&self) -> Result<Organization, ClientError> {
        self.get(&["organization"]).await
    }

    /// `PATCH /organization`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_organization(&self, body: &UpdateOrganization) -> Result<Organization, ClientError> {
        self.patch(&["organization"], body).await
    }

    /// `GET /projects`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn projects(&self) -> Result<ProjectList, ClientError> {
        self.get(&["projects"]).await
    }

    /// `POST /projects`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_project(&self, body: &CreateProject) -> Result<Project, ClientError> {
        self.post(&["projects"], body).await
    }

    /// `GET /projects/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn project(&self, id_or_key: &str) -> Result<ProjectRow, ClientError> {
        self.get(&["projects", id_or_key]).await
    }

    /// `PATCH /projects/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_project(
        &self,
        id_or_key: &str,
        body: &UpdateProject,
    ) -> Result<Project, ClientError> {
        self.patch(&["projects", id_or_key], body).await
    }

    /// `GET /labs`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn labs(&self) -> Result<LabList, ClientError> {
        self.get(&["labs"]).await
    }

    /// `POST /labs`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_lab(&self, body: &CreateLab) -> Result<Lab, ClientError> {
        self.post(&["labs"], body).await
    }

    /// `GET /labs/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lab(&self, id_or_key: &str) -> Result<Lab, ClientError> {
        self.get(&["labs", id_or_key]).await
    }

    /// `PATCH /labs/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_lab(&self, id_or_key: &str, body: &UpdateLab) -> Result<Lab, ClientError> {
        self.patch(&["labs", id_or_key], body).await
    }

    /// `GET /tokens`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tokens(&self) -> Result<TokenList, ClientError> {
        self.get(&["tokens"]).await
    }

    /// `POST /tokens`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_token(&self, body: &CreateToken) -> Result<TokenMade, ClientError> {
        self.post(&["tokens"], body).await
    }

    /// `DELETE /tokens/{id}`. The token, where it is still taken in projects that the caller does not administer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_token(&self, id: Uuid) -> Result<Option<TokenRow>, ClientError> {
        self.send(self.request(Method::DELETE, &["tokens", &id.to_string()])?)
            .await
    }

    /// `GET /audit`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(&self, query: &AuditQuery) -> Result<History, ClientError> {
        self.get_with(&["audit"], query).await
    }
}
