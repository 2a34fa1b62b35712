//! Flags, deployments, projects, tokens, the audit log, insights, bulk imports.

use std::time::Duration;

use reqwest::Method;

use super::{Client, ClientError};
use crate::api::assign::Explanation;
use crate::api::audit::AuditQuery;
use crate::api::deployments::{CreateDeployment, DeploymentList, RevokeKey, RotateKey, UpdateDeployment};
use crate::api::experiments::{CopyTo, History, SetRules};
use crate::api::flags::{Convert, Converted, CreateFlag, FlagList, FlagRow, UpdateFlag};
use crate::api::imports::{
    ApplyChunks, IDEMPOTENCY_KEY, Import, ImportList, ImportRows, ListImportRows, StartImport,
};
use crate::api::insights::Insight;
use crate::api::overrides::{DeleteOverride, ListOverrides, OverridePage, OverridesSet, SetOverrides};
use crate::api::projects::{
    CreateLab, CreateProject, CreateToken, LabList, Organization, ProjectList, ProjectRow, TokenList,
    TokenMade, UpdateLab, UpdateOrganization, UpdateProject,
};
use crate::domain::{Deployment, Experiment, Flag, Lab, Project, User};

/// How long the staging or applying of an import may take.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(600);

impl Client {
    /// `GET /flags`
    ///
    /// # Errors
    /// See [`ClientError`]; so for every method below.
    pub async fn flags(&self, archived: bool) -> Result<FlagList, ClientError> {
        let query = crate::api::experiments::ListExperiments { archived };
        self.get_with(&["flags"], &query).await
    }

    /// `GET /flags/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flag(&self, id_or_key: &str) -> Result<FlagRow, ClientError> {
        self.get(&["flags", id_or_key]).await
    }

    /// `POST /flags`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_flag(&self, body: &CreateFlag) -> Result<Flag, ClientError> {
        self.post(&["flags"], body).await
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
        self.send(self.request(Method::PUT, &path).json(body)).await
    }

    /// `GET /flags/{idOrKey}/overrides`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn flag_overrides(
        &self,
        id_or_key: &str,
        query: &ListOverrides,
    ) -> Result<OverridePage, ClientError> {
        self.get_with(&["flags", id_or_key, "overrides"], query).await
    }

    /// `PUT /flags/{idOrKey}/overrides`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_flag_overrides(
        &self,
        id_or_key: &str,
        body: &SetOverrides,
    ) -> Result<OverridesSet, ClientError> {
        let path = ["flags", id_or_key, "overrides"];
        self.send(self.request(Method::PUT, &path).json(body)).await
    }

    /// `DELETE /flags/{idOrKey}/overrides`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_flag_override(
        &self,
        id_or_key: &str,
        query: &DeleteOverride,
    ) -> Result<(), ClientError> {
        let path = ["flags", id_or_key, "overrides"];
        self.gone(self.request(Method::DELETE, &path).query(query)).await
    }

    /// `POST /flags/{idOrKey}/explain`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain_flag(&self, id_or_key: &str, user: &User) -> Result<Explanation, ClientError> {
        self.post(&["flags", id_or_key, "explain"], user).await
    }

    /// `POST /flags/{idOrKey}/convert`: an experiment is made of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn convert_flag(&self, id_or_key: &str, body: &Convert) -> Result<Converted, ClientError> {
        self.post(&["flags", id_or_key, "convert"], body).await
    }

    /// `POST /flags/{idOrKey}/copy`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn copy_flag(&self, id_or_key: &str, body: &CopyTo) -> Result<Flag, ClientError> {
        self.post(&["flags", id_or_key, "copy"], body).await
    }

    /// `POST /experiments/{idOrKey}/convert`: a flag is made of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn convert_experiment(
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

    /// `GET /deployments`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deployments(&self) -> Result<DeploymentList, ClientError> {
        self.get(&["deployments"]).await
    }

    /// `POST /deployments`: the answer has the key.
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

    /// `POST /deployments/{id}/rotate`: the answer has the new key.
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
    pub async fn revoke_key(&self, id: &str, body: &RevokeKey) -> Result<Deployment, ClientError> {
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

    /// `GET /projects/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn project(&self, id_or_key: &str) -> Result<ProjectRow, ClientError> {
        self.get(&["projects", id_or_key]).await
    }

    /// `POST /projects`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_project(&self, body: &CreateProject) -> Result<Project, ClientError> {
        self.post(&["projects"], body).await
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

    /// `GET /labs/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lab(&self, id_or_key: &str) -> Result<Lab, ClientError> {
        self.get(&["labs", id_or_key]).await
    }

    /// `POST /labs`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_lab(&self, body: &CreateLab) -> Result<Lab, ClientError> {
        self.post(&["labs"], body).await
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

    /// `POST /tokens`: the answer has the token.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_token(&self, body: &CreateToken) -> Result<TokenMade, ClientError> {
        self.post(&["tokens"], body).await
    }

    /// `DELETE /tokens/{id}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_token(&self, id: &str) -> Result<(), ClientError> {
        self.gone(self.request(Method::DELETE, &["tokens", id])).await
    }

    /// `GET /audit`: a page of the audit log of the project, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(&self, query: &AuditQuery) -> Result<History, ClientError> {
        self.get_with(&["audit"], query).await
    }

    /// `GET /experiments/{idOrKey}/insight`: the saved summary; a 404 while there is none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn insight(&self, id_or_key: &str) -> Result<Insight, ClientError> {
        self.get(&["experiments", id_or_key, "insight"]).await
    }

    /// `POST /experiments/{idOrKey}/insight`: writes the summary anew.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn write_insight(&self, id_or_key: &str) -> Result<Insight, ClientError> {
        let path = ["experiments", id_or_key, "insight"];
        self.send(self.request(Method::POST, &path)).await
    }

    /// `GET /experiments/{idOrKey}/override-imports`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn imports(&self, id_or_key: &str) -> Result<ImportList, ClientError> {
        self.get(&["experiments", id_or_key, "override-imports"]).await
    }

    /// `GET /experiments/{idOrKey}/override-imports/{import}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn import(&self, id_or_key: &str, import: &str) -> Result<Import, ClientError> {
        self.get(&["experiments", id_or_key, "override-imports", import])
            .await
    }

    /// `POST /experiments/{idOrKey}/override-imports`: stages ids and makes the dry run. Sending them again under
    /// the same `idempotency_key` changes nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn start_import(
        &self,
        id_or_key: &str,
        query: &StartImport,
        idempotency_key: &str,
        ids: impl Into<reqwest::Body>,
    ) -> Result<Import, ClientError> {
        let request = self
            .request(Method::POST, &["experiments", id_or_key, "override-imports"])
            .query(query)
            .header(IDEMPOTENCY_KEY, idempotency_key)
            .header(reqwest::header::CONTENT_TYPE, "text/plain; charset=utf-8");
        self.send(request.body(ids).timeout(IMPORT_TIMEOUT)).await
    }

    /// `GET /experiments/{idOrKey}/override-imports/{import}/rows`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn import_rows(
        &self,
        id_or_key: &str,
        import: &str,
        query: &ListImportRows,
    ) -> Result<ImportRows, ClientError> {
        let path = ["experiments", id_or_key, "override-imports", import, "rows"];
        self.get_with(&path, query).await
    }

    /// `POST /experiments/{idOrKey}/override-imports/{import}/apply`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn apply_import(
        &self,
        id_or_key: &str,
        import: &str,
        body: ApplyChunks,
    ) -> Result<Import, ClientError> {
        let path = ["experiments", id_or_key, "override-imports", import, "apply"];
        let request = self.request(Method::POST, &path).json(&body);
        self.send(request.timeout(IMPORT_TIMEOUT)).await
    }

    /// `POST /experiments/{idOrKey}/override-imports/{import}/undo`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn undo_import(
        &self,
        id_or_key: &str,
        import: &str,
        body: ApplyChunks,
    ) -> Result<Import, ClientError> {
        let path = ["experiments", id_or_key, "override-imports", import, "undo"];
        let request = self.request(Method::POST, &path).json(&body);
        self.send(request.timeout(IMPORT_TIMEOUT)).await
    }

    /// `DELETE /experiments/{idOrKey}/override-imports/{import}`: a staged one is forgotten.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn forget_import(&self, id_or_key: &str, import: &str) -> Result<(), ClientError> {
        let path = ["experiments", id_or_key, "override-imports", import];
        self.gone(self.request(Method::DELETE, &path)).await
    }
}
