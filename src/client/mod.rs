//! The typed HTTP client of the API: one method an endpoint.

pub mod error;

use std::fmt;
use std::sync::Once;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::assign::{AssignRequest, Assignment, Explanation};
use crate::api::experiments::{ChangeStatus, CreateExperiment, ExperimentList, History, UpdateExperiment};
use crate::api::overrides::{DeleteOverride, ListOverrides, OverridePage, OverridesSet, SetOverrides};
use crate::api::problem::Problem;
use crate::api::results::{Results, ResultsQuery};
use crate::api::system::{Health, Me, Readiness, WarehouseLogin};
use crate::api::track::{TrackEvent, Tracked};
use crate::domain::{Experiment, Rule, User};

pub use error::ClientError;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of one server with one token. Cheap to clone: clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: String,
}

impl fmt::Debug for Client {
    /// Without the token, so that it cannot reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Options of a [`Client`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether plain HTTP to a host that is not loopback is allowed; the token would cross the network
    /// in the clear.
    pub allow_plain_http: bool,
}

/// Installs the TLS provider, once for the process.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that somebody installed one before: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8620`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadAddress`] when `base` is no HTTP address, or is plain HTTP to another machine
    /// without leave; [`ClientError::Setup`] when the HTTP stack cannot be set up.
    pub fn new(base: &str, token: impl Into<String>, options: Options) -> Result<Self, ClientError> {
        install_tls();
        let bad = |why: &str| ClientError::BadAddress {
            given: base.to_owned(),
            why: why.to_owned(),
        };
        let mut url = Url::parse(base).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(bad("it is not an http or https address"));
        }
        if url.scheme() == "http" && !is_loopback(&url) && !options.allow_plain_http {
            return Err(bad(
                "plain http to another machine would send the token in the clear; use https, or a tunnel to loopback",
            ));
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("splitdeck/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self {
            http,
            base: url,
            token: token.into(),
        })
    }

    /// The server's address.
    #[must_use]
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        // `new` refused addresses that cannot carry a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        self.http.request(method, url).bearer_auth(&self.token)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = request.send().await.map_err(|source| ClientError::Unreachable {
            base: self.base().to_owned(),
            source,
        })?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let path = response.url().path().to_owned();
        let body = response
            .bytes()
            .await
            .map_err(|source| ClientError::Unreachable {
                base: self.base().to_owned(),
                source,
            })?;
        if status.is_success() {
            // 204 has no body; JSON has no empty document.
            let body: &[u8] = if body.is_empty() { b"null" } else { &body };
            return serde_json::from_slice(body).map_err(|error| ClientError::BadAnswer {
                path,
                status: status.as_u16(),
                why: error.to_string(),
            });
        }
        Err(refusal(status, path, retry_after, &body))
    }

    async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, ClientError> {
        self.send(self.request(Method::GET, segments)).await
    }

    async fn get_with<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(self.request(Method::GET, segments).query(query)).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(self.request(Method::POST, segments).json(body)).await
    }

    /// `GET /healthz`
    ///
    /// # Errors
    /// See [`ClientError`]; so for every method below.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get(&["healthz"]).await
    }

    /// `GET /readyz`. A server that is not ready is an answer here, not an error.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn readiness(&self) -> Result<Readiness, ClientError> {
        let request = self.request(Method::GET, &["readyz"]);
        let response = request.send().await.map_err(|source| ClientError::Unreachable {
            base: self.base().to_owned(),
            source,
        })?;
        let status = response.status().as_u16();
        response.json().await.map_err(|error| ClientError::BadAnswer {
            path: "/readyz".to_owned(),
            status,
            why: error.to_string(),
        })
    }

    /// `GET /me`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn me(&self) -> Result<Me, ClientError> {
        self.get(&["me"]).await
    }

    /// `GET /warehouse`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn warehouse(&self) -> Result<WarehouseLogin, ClientError> {
        self.get(&["warehouse"]).await
    }

    /// `GET /experiments`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn experiments(&self, archived: bool) -> Result<ExperimentList, ClientError> {
        self.get_with(&["experiments"], &[("archived", archived)]).await
    }

    /// `POST /experiments`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_experiment(&self, body: &CreateExperiment) -> Result<Experiment, ClientError> {
        self.post(&["experiments"], body).await
    }

    /// `GET /experiments/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn experiment(&self, id_or_key: &str) -> Result<Experiment, ClientError> {
        self.get(&["experiments", id_or_key]).await
    }

    /// `PATCH /experiments/{idOrKey}`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_experiment(
        &self,
        id_or_key: &str,
        body: &UpdateExperiment,
    ) -> Result<Experiment, ClientError> {
        self.send(
            self.request(Method::PATCH, &["experiments", id_or_key])
                .json(body),
        )
        .await
    }

    /// `POST /experiments/{idOrKey}/status`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_status(
        &self,
        id_or_key: &str,
        body: &ChangeStatus,
    ) -> Result<Experiment, ClientError> {
        self.post(&["experiments", id_or_key, "status"], body).await
    }

    /// `PUT /experiments/{idOrKey}/rules`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_rules(
        &self,
        id_or_key: &str,
        resource_version: u64,
        rules: &[Rule],
    ) -> Result<Experiment, ClientError> {
        let body = serde_json::json!({ "resourceVersion": resource_version, "rules": rules });
        self.send(
            self.request(Method::PUT, &["experiments", id_or_key, "rules"])
                .json(&body),
        )
        .await
    }

    /// `GET /experiments/{idOrKey}/overrides`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn overrides(
        &self,
        id_or_key: &str,
        query: &ListOverrides,
    ) -> Result<OverridePage, ClientError> {
        self.get_with(&["experiments", id_or_key, "overrides"], query)
            .await
    }

    /// `PUT /experiments/{idOrKey}/overrides`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set_overrides(
        &self,
        id_or_key: &str,
        body: &SetOverrides,
    ) -> Result<OverridesSet, ClientError> {
        self.send(
            self.request(Method::PUT, &["experiments", id_or_key, "overrides"])
                .json(body),
        )
        .await
    }

    /// `DELETE /experiments/{idOrKey}/overrides`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_override(&self, id_or_key: &str, query: &DeleteOverride) -> Result<(), ClientError> {
        let path = ["experiments", id_or_key, "overrides"];
        let request = self.request(Method::DELETE, &path).query(query);
        self.send::<serde::de::IgnoredAny>(request).await.map(|_| ())
    }

    /// `GET /experiments/{idOrKey}/history`: the page before the entry `before`, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn history(&self, id_or_key: &str, before: Option<i64>) -> Result<History, ClientError> {
        let query: Vec<(&str, i64)> = before.map(|id| ("before", id)).into_iter().collect();
        self.get_with(&["experiments", id_or_key, "history"], &query)
            .await
    }

    /// `POST /experiments/{idOrKey}/explain`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain(&self, id_or_key: &str, user: &User) -> Result<Explanation, ClientError> {
        self.post(&["experiments", id_or_key, "explain"], user).await
    }

    /// `GET /experiments/{idOrKey}/results`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn results(&self, id_or_key: &str, query: &ResultsQuery) -> Result<Results, ClientError> {
        self.get_with(&["experiments", id_or_key, "results"], query).await
    }

    /// `POST /experiments/assign` for one subject.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn assign(&self, request: &AssignRequest) -> Result<Assignment, ClientError> {
        self.post(&["experiments", "assign"], request).await
    }

    /// `POST /experiments/assign` for many subjects; the answers stand in the order of the requests.
    ///
    /// # Errors
    /// See [`ClientError`]. What is wrong with one request only is in its place of the answer.
    pub async fn assign_many(
        &self,
        requests: &[AssignRequest],
    ) -> Result<Vec<Result<Assignment, Box<Problem>>>, ClientError> {
        let answers: Vec<OneOfMany> = self.post(&["experiments", "assign"], &requests).await?;
        Ok(answers.into_iter().map(OneOfMany::into_result).collect())
    }

    /// `POST /track`: when it returns, the events are durable.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::retry_after`] tells when the server asked to wait.
    pub async fn track(&self, events: &[TrackEvent]) -> Result<Tracked, ClientError> {
        self.post(&["track"], &events).await
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOfMany {
    Assigned(Box<Assignment>),
    Refused(Box<Problem>),
}

impl OneOfMany {
    fn into_result(self) -> Result<Assignment, Box<Problem>> {
        match self {
            Self::Assigned(assignment) => Ok(*assignment),
            Self::Refused(problem) => Err(problem),
        }
    }
}

/// What an answer that is not a success says.
fn refusal(status: StatusCode, path: String, retry_after: Option<Duration>, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => ClientError::Refused {
            problem: Box::new(problem),
            retry_after,
        },
        // Not a splitdeck server, or a proxy in between.
        Err(_) => ClientError::BadAnswer {
            path,
            status: status.as_u16(),
            why: "the answer is not a problem document; is this a splitdeck server?".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in [
            "http://127.0.0.1:1",
            "http://localhost:1/x",
            "http://[::1]:1",
            "https://example.com",
        ] {
            assert!(Client::new(good, "t", Options::default()).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "ftp://127.0.0.1",
            "127.0.0.1:80",
            "",
            "http://127.0.0.1.example.com",
        ] {
            let error = Client::new(bad, "t", Options::default()).expect_err("refused");
            assert!(matches!(error, ClientError::BadAddress { .. }), "{bad}: {error}");
        }
        let options = Options {
            allow_plain_http: true,
        };
        assert!(Client::new("http://example.com", "t", options).is_ok());
    }

    #[test]
    fn the_token_is_not_in_the_debug_text() {
        let client = Client::new("http://127.0.0.1:1", "s3cret", Options::default()).expect("a client");
        assert!(!format!("{client:?}").contains("s3cret"));
    }

    #[test]
    fn a_path_segment_cannot_leave_its_place() {
        let client = Client::new("http://127.0.0.1:1/base", "t", Options::default()).expect("a client");
        let request = client
            .request(Method::GET, &["experiments", "../a b/c?d"])
            .build()
            .expect("a request");
        assert_eq!(
            request.url().as_str(),
            "http://127.0.0.1:1/base/experiments/..%2Fa%20b%2Fc%3Fd"
        );
    }
}
