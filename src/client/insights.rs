//! The saved summary of an experiment.

use reqwest::Method;

use super::{Client, ClientError};
use crate::api::insights::Insight;

impl Client {
    /// `GET /experiments/{idOrKey}/insight`: the saved summary; a 404 while there is none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn insight(&self, id_or_key: &str) -> Result<Insight, ClientError> {
        self.get(&["experiments", id_or_key, "insight"]).await
    }

    /// `POST /experiments/{idOrKey}/insight`: writes the summary anew, from the numbers of now.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn write_insight(&self, id_or_key: &str) -> Result<Insight, ClientError> {
        let path = ["experiments", id_or_key, "insight"];
        // The results are counted first.
        let request = self.request(Method::POST, &path)?;
        self.send(request.timeout(super::REQUEST_TIMEOUT)).await
    }
}
