//! Bulk imports of overrides, of experiments and of flags.

use futures_util::Stream;
use reqwest::{Body, Method};

use crate::api::imports::{
    ApplyChunks, IDEMPOTENCY_KEY, Import, ImportList, ImportRows, ListImportRows, StartImport,
};

use super::{Client, ClientError, JOB_TIMEOUT, Owner};

impl Client {
    /// `POST /experiments/{idOrKey}/override-imports`: stages the ids of `body`, which is sent as it comes. With
    /// an idempotency key the same upload is the same import, however often it is sent.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn start_import<S, E>(
        &self,
        owner: impl Into<Owner<'_>>,
        query: &StartImport,
        idempotency_key: Option<&str>,
        body: S,
    ) -> Result<Import, ClientError>
    where
        S: Stream<Item = Result<Vec<u8>, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let [noun, id] = owner.into().segments();
        let path = [noun, id, "override-imports"];
        let mut request = self.request(Method::POST, &path)?.query(query);
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        self.send(request.body(Body::wrap_stream(body)).timeout(JOB_TIMEOUT))
            .await
    }

    /// `GET /experiments/{idOrKey}/override-imports`: the newest first. Here and below the same of a flag with
    /// [`Owner::Flag`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn imports(&self, owner: impl Into<Owner<'_>>) -> Result<ImportList, ClientError> {
        let [noun, id] = owner.into().segments();
        self.get(&[noun, id, "override-imports"]).await
    }

    /// `GET /experiments/{idOrKey}/override-imports/{import}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn import(&self, owner: impl Into<Owner<'_>>, import: &str) -> Result<Import, ClientError> {
        let [noun, id] = owner.into().segments();
        self.get(&[noun, id, "override-imports", import]).await
    }

    /// `GET /experiments/{idOrKey}/override-imports/{import}/rows`: a page of its ids.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn import_rows(
        &self,
        owner: impl Into<Owner<'_>>,
        import: &str,
        query: &ListImportRows,
    ) -> Result<ImportRows, ClientError> {
        let [noun, id] = owner.into().segments();
        let path = [noun, id, "override-imports", import, "rows"];
        self.get_with(&path, query).await
    }

    /// `POST /experiments/{idOrKey}/override-imports/{import}/apply`: applies the next chunks. The answer says how
    /// far it is, which may be less than was asked for: ask again until it is applied.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn apply_import(
        &self,
        owner: impl Into<Owner<'_>>,
        import: &str,
        chunks: ApplyChunks,
    ) -> Result<Import, ClientError> {
        let [noun, id] = owner.into().segments();
        let path = [noun, id, "override-imports", import, "apply"];
        self.post(&path, &chunks).await
    }

    /// `POST /experiments/{idOrKey}/override-imports/{import}/undo`: takes the last chunks back, as
    /// [`Self::apply_import`] applies them.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn undo_import(
        &self,
        owner: impl Into<Owner<'_>>,
        import: &str,
        chunks: ApplyChunks,
    ) -> Result<Import, ClientError> {
        let [noun, id] = owner.into().segments();
        let path = [noun, id, "override-imports", import, "undo"];
        self.post(&path, &chunks).await
    }

    /// `DELETE /experiments/{idOrKey}/override-imports/{import}`: forgets an import of which all or nothing is in
    /// force. It can be neither applied nor undone then.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn forget_import(&self, owner: impl Into<Owner<'_>>, import: &str) -> Result<(), ClientError> {
        let [noun, id] = owner.into().segments();
        let path = [noun, id, "override-imports", import];
        let request = self.request(Method::DELETE, &path)?;
        self.send::<serde::de::IgnoredAny>(request).await.map(|_| ())
    }
}
