//! Overrides of experiments and of flags.

use reqwest::Method;

use crate::api::overrides::{DeleteOverride, ListOverrides, OverridePage, OverridesSet, SetOverrides};

use super::{Client, ClientError};

/// Whose overrides are meant, by id or key. A text alone means an experiment.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Owner<'a> {
    /// An experiment's.
    Experiment(&'a str),
    /// A flag's.
    Flag(&'a str),
}

impl<'a> Owner<'a> {
    /// The first segments of its paths.
    pub(super) fn segments(self) -> [&'a str; 2] {
        match self {
            Self::Experiment(id_or_key) => ["experiments", id_or_key],
            Self::Flag(id_or_key) => ["flags", id_or_key],
        }
    }
}

impl<'a> From<&'a str> for Owner<'a> {
    fn from(id_or_key: &'a str) -> Self {
        Self::Experiment(id_or_key)
    }
}

impl<'a> From<&'a String> for Owner<'a> {
    fn from(id_or_key: &'a String) -> Self {
        Self::Experiment(id_or_key)
    }
}

impl Client {
    /// `GET /experiments/{idOrKey}/overrides`, or the same of a flag.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn overrides(
        &self,
        owner: impl Into<Owner<'_>>,
        query: &ListOverrides,
    ) -> Result<OverridePage, ClientError> {
        let [noun, id] = owner.into().segments();
        self.get_with(&[noun, id, "overrides"], query).await
    }

    /// `PUT /experiments/{idOrKey}/overrides`, or the same of a flag, at most
    /// [`MAX_OVERRIDES_PER_REQUEST`](crate::api::overrides::MAX_OVERRIDES_PER_REQUEST) ids.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_overrides(
        &self,
        owner: impl Into<Owner<'_>>,
        body: &SetOverrides,
    ) -> Result<OverridesSet, ClientError> {
        let [noun, id] = owner.into().segments();
        let request = self.request(Method::PUT, &[noun, id, "overrides"])?;
        self.send(request.json(body)).await
    }

    /// `DELETE /experiments/{idOrKey}/overrides`, or the same of a flag.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_override(
        &self,
        owner: impl Into<Owner<'_>>,
        query: &DeleteOverride,
    ) -> Result<(), ClientError> {
        let [noun, id] = owner.into().segments();
        self.delete(&[noun, id, "overrides"], query).await
    }
}
