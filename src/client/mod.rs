//! The typed HTTP client of the API: one method an endpoint.

pub mod error;
mod imports;
mod insights;
mod objects;
mod overrides;

use std::fmt;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::BEARER;
use crate::api::assign::{AssignRequest, Assignment, ExplainRequest, Explanation};
use crate::api::experiments::{
    ApplyWinner, ChangeStatus, CreateExperiment, ExperimentList, History, HistoryQuery, ListExperiments,
    SetRules, UpdateExperiment, WinnerApplied,
};
use crate::api::jobs::{Jobs, SrmGuardRun};
use crate::api::live::{NameList, NamesQuery, OverviewList, OverviewQuery};
use crate::api::problem::Problem;
use crate::api::projects::PROJECT_HEADER;
use crate::api::results::{Results, ResultsQuery, Srm};
use crate::api::system::{Health, Me, Readiness, WarehouseLogin};
use crate::api::track::{TrackEvent, Tracked};
use crate::domain::{Experiment, User};

pub use error::ClientError;
pub use overrides::Owner;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a job may take.
const JOB_TIMEOUT: Duration = Duration::from_secs(600);
/// After how long without an answer [`Options::slow`] is told.
const SLOW: Duration = Duration::from_secs(3);

/// A client of one server with one token. Cheap to clone: clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// `Bearer …`; marked as sensitive, so that the HTTP stack does not log it.
    authorization: HeaderValue,
    /// Key of the project that every request is about; the token's own without one.
    project: Option<HeaderValue>,
    /// See [`Options::read_only`].
    read_only: bool,
    write_timeout: Duration,
    /// See [`Options::slow`].
    slow: Option<fn(&str)>,
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
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long a whole request may take, the reading of its answer included.
    pub timeout: Duration,
    /// The same of one that changes something: it is given up on only after the server would have.
    pub write_timeout: Duration,
    /// Whether plain HTTP to a host that is not loopback is allowed; the token would cross the network
    /// in the clear.
    pub allow_plain_http: bool,
    /// Whether every request that changes something is refused before it is sent.
    pub read_only: bool,
    /// Is told in words of each request that is not answered for some seconds, once and while it is waited for.
    pub slow: Option<fn(&str)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: REQUEST_TIMEOUT,
            write_timeout: REQUEST_TIMEOUT,
            allow_plain_http: false,
            read_only: false,
            slow: None,
        }
    }
}

/// Installs the TLS provider, once for the process.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that somebody installed one before: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Whether a `POST` to this path changes nothing: it asks for a decision.
fn only_asks(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("explain" | "assign"))
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Checks an address and gives it a path that ends in `/`.
fn address(base: &str, options: Options) -> Result<Url, ClientError> {
    let bad = |given: &str, why: &str| ClientError::BadAddress {
        given: given.to_owned(),
        why: why.to_owned(),
    };
    // What stands before an @ may be a password.
    let shown = if base.contains('@') { "…@…" } else { base };
    let parsed = Url::parse(base).ok().filter(|url| !url.cannot_be_a_base());
    let mut url = parsed.ok_or_else(|| bad(shown, "allowed is one such as http://127.0.0.1:8620"))?;
    if !url.username().is_empty() || url.password().is_some() {
        let why = "it carries a user or a password; the server takes a token instead";
        return Err(bad(shown, why));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(base, "it is not an http or https address"));
    }
    if url.scheme() == "http" && !is_loopback(&url) && !options.allow_plain_http {
        return Err(bad(
            base,
            "plain http to another machine would send the token in the clear; use https, or a tunnel to loopback",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8620`. Nothing is sent yet.
    ///
    /// A server on this machine is spoken to directly, whatever proxy the environment names. Redirects are
    /// not followed: the API sends none, and the token is for this server only.
    ///
    /// # Errors
    /// [`ClientError::BadAddress`] when `base` is no HTTP address, carries a password, or is plain HTTP to
    /// another machine without leave; [`ClientError::BadToken`] when the token does not fit into a header;
    /// [`ClientError::Setup`] when the HTTP stack cannot be set up.
    pub fn new(base: &str, token: impl AsRef<str>, options: Options) -> Result<Self, ClientError> {
        install_tls();
        let base = address(base, options)?;
        let mut authorization = HeaderValue::from_str(&format!("{BEARER}{}", token.as_ref()))
            .map_err(|_| ClientError::BadToken)?;
        authorization.set_sensitive(true);
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("splitdeck/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build().map_err(ClientError::Setup)?,
            base,
            authorization,
            project: None,
            read_only: options.read_only,
            write_timeout: options.write_timeout,
            slow: options.slow,
        })
    }

    /// The same client without a word about slow answers, for what shows itself how far it is.
    #[must_use]
    pub fn unremarked(self) -> Self {
        Self { slow: None, ..self }
    }

    /// The same client for requests about one project, named by its key; without one they are about the
    /// token's own project.
    ///
    /// # Errors
    /// [`ClientError::BadProject`] when the key does not fit into a header.
    pub fn in_project(mut self, key: Option<&str>) -> Result<Self, ClientError> {
        let value = |key: &str| {
            HeaderValue::from_str(key).map_err(|_| ClientError::BadProject {
                given: key.to_owned(),
            })
        };
        self.project = key.map(value).transpose()?;
        Ok(self)
    }

    /// The server's address.
    #[must_use]
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn request(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder, ClientError> {
        // Nothing is called so, and an address would lose them.
        if let Some(given) = segments.iter().find(|s| matches!(**s, "" | "." | "..")) {
            let given = (*given).to_owned();
            return Err(ClientError::BadKey { given });
        }
        let mut url = self.base.clone();
        // `new` refused addresses that cannot carry a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let authorization = self.authorization.clone();
        let request = self
            .http
            .request(method, url)
            .header(AUTHORIZATION, authorization);
        Ok(match &self.project {
            Some(project) => request.header(PROJECT_HEADER, project.clone()),
            None => request,
        })
    }

    /// Sends a request and reads the whole answer, whatever its status.
    async fn exchange(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        let mut request = request.build().map_err(ClientError::Setup)?;
        let path = request.url().path().strip_prefix(self.base.path());
        let words = format!("{} /{}", request.method(), path.unwrap_or_default());
        let asks = request.method() == Method::GET || path.is_some_and(only_asks);
        if self.read_only && !asks {
            return Err(ClientError::ReadOnly { request: words });
        }
        if !asks {
            request.timeout_mut().get_or_insert(self.write_timeout);
        }
        let unreachable = |source| ClientError::Unreachable {
            base: self.base().to_owned(),
            request: words.clone(),
            source,
        };
        let response = self.remarked(self.http.execute(request), &words).await;
        let response = response.map_err(unreachable)?;
        let retry_after = response.headers().get(RETRY_AFTER);
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: retry_after
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .map(Duration::from_secs),
            body: response.bytes().await.map_err(unreachable)?.into(),
            base: self.base().to_owned(),
            request: words,
        })
    }

    /// Waits for the beginning of an answer, and says so where that takes long.
    async fn remarked<T>(&self, answer: impl Future<Output = T>, words: &str) -> T {
        let mut answer = std::pin::pin!(answer);
        if let Some(tell) = self.slow {
            match tokio::time::timeout(SLOW, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => tell(&format!("waiting for {} to answer {words}", self.base())),
            }
        }
        answer.await
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let answer = self.exchange(request).await?;
        if matches!(answer.status, 200..=299) {
            answer.read()
        } else {
            Err(answer.refusal())
        }
    }

    async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, ClientError> {
        self.send(self.request(Method::GET, segments)?).await
    }

    async fn get_with<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(self.request(Method::GET, segments)?.query(query)).await
    }

    /// [`Self::get_with`] of what is counted from events, which may take longer than what a client otherwise
    /// waits for.
    async fn count<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::GET, segments)?.query(query);
        self.send(request.timeout(REQUEST_TIMEOUT)).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(self.request(Method::POST, segments)?.json(body)).await
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
        let answer = self.exchange(self.request(Method::GET, &["readyz"])?).await?;
        match answer.status {
            200 | 503 => answer.read(),
            _ => Err(answer.refusal()),
        }
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

    /// `GET /overview`: of these experiments, at most [`MAX_NAMED`](crate::api::live::MAX_NAMED), or of all that
    /// are not archived.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn overview(&self, query: &OverviewQuery) -> Result<OverviewList, ClientError> {
        self.count(&["overview"], query).await
    }

    /// `GET /names`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn names(&self, query: &NamesQuery) -> Result<NameList, ClientError> {
        self.count(&["names"], query).await
    }

    /// `GET /experiments`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn experiments(&self, archived: bool) -> Result<ExperimentList, ClientError> {
        self.get_with(&["experiments"], &ListExperiments { archived })
            .await
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
            self.request(Method::PATCH, &["experiments", id_or_key])?
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
    pub async fn set_rules(&self, id_or_key: &str, body: &SetRules) -> Result<Experiment, ClientError> {
        let path = ["experiments", id_or_key, "rules"];
        self.send(self.request(Method::PUT, &path)?.json(body)).await
    }

    /// `GET /experiments/{idOrKey}/history`: a page of the audit log, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn history(&self, id_or_key: &str, query: &HistoryQuery) -> Result<History, ClientError> {
        self.get_with(&["experiments", id_or_key, "history"], query).await
    }

    /// `POST /experiments/{idOrKey}/explain`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain(&self, id_or_key: &str, user: &User) -> Result<Explanation, ClientError> {
        self.post(&["experiments", id_or_key, "explain"], user).await
    }

    /// `POST /experiments/{idOrKey}/explain`, with other rules or another status where that is supposed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain_supposing(
        &self,
        id_or_key: &str,
        request: &ExplainRequest,
    ) -> Result<Explanation, ClientError> {
        self.post(&["experiments", id_or_key, "explain"], request).await
    }

    /// `POST /experiments/{idOrKey}/apply-winner`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn apply_winner(
        &self,
        id_or_key: &str,
        body: &ApplyWinner,
    ) -> Result<WinnerApplied, ClientError> {
        self.post(&["experiments", id_or_key, "apply-winner"], body).await
    }

    /// `GET /jobs`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn jobs(&self) -> Result<Jobs, ClientError> {
        self.get(&["jobs"]).await
    }

    /// `POST /jobs/srm-guard`: tests every active experiment now, and waits for the end of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn run_srm_guard(&self) -> Result<SrmGuardRun, ClientError> {
        let request = self.request(Method::POST, &["jobs", "srm-guard"])?;
        self.send(request.timeout(JOB_TIMEOUT)).await
    }

    /// `GET /experiments/{idOrKey}/results`
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn results(&self, id_or_key: &str, query: &ResultsQuery) -> Result<Results, ClientError> {
        self.count(&["experiments", id_or_key, "results"], query).await
    }

    /// `GET /experiments/{idOrKey}/sample-ratio`: the test as the guard makes it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sample_ratio(&self, id_or_key: &str) -> Result<Srm, ClientError> {
        self.count(&["experiments", id_or_key, "sample-ratio"], &()).await
    }

    /// `POST /experiments/assign` for one subject.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn assign(&self, request: &AssignRequest) -> Result<Assignment, ClientError> {
        self.post(&["experiments", "assign"], request).await
    }

    /// `POST /experiments/assign` for at most
    /// [`MAX_ASSIGNMENTS_PER_REQUEST`](crate::api::assign::MAX_ASSIGNMENTS_PER_REQUEST) subjects; the answers
    /// stand in the order of the requests.
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

    /// `POST /track`, at most [`MAX_EVENTS_PER_REQUEST`](crate::api::track::MAX_EVENTS_PER_REQUEST) events: when
    /// it returns, they are durable.
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

/// An answer, read whole.
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
    base: String,
    request: String,
}

impl Answer {
    fn read<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        // 204 has no body; JSON has no empty document.
        let body: &[u8] = if self.body.is_empty() { b"null" } else { &self.body };
        match serde_json::from_slice(body) {
            Ok(read) => Ok(read),
            Err(error) => Err(self.bad(format!(
                "{error}; is this a splitdeck server of version {}?",
                env!("CARGO_PKG_VERSION")
            ))),
        }
    }

    /// What an answer that is not a success says.
    fn refusal(self) -> ClientError {
        if let Ok(problem) = serde_json::from_slice(&self.body) {
            return ClientError::Refused {
                problem: Box::new(problem),
                retry_after: self.retry_after,
            };
        }
        // A server of another version, not a splitdeck server, or a proxy in between.
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let why = match value["detail"].as_str() {
            Some(detail) => format!(
                "unknown problem \"{}\": {detail}",
                value["code"].as_str().unwrap_or("?")
            ),
            None => "it is not a problem document; is this a splitdeck server?".to_owned(),
        };
        self.bad(why)
    }

    fn bad(self, why: String) -> ClientError {
        ClientError::BadAnswer {
            base: self.base,
            request: self.request,
            status: self.status,
            why,
        }
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
            ..Options::default()
        };
        assert!(Client::new("http://example.com", "t", options).is_ok());
    }

    #[test]
    fn the_token_is_not_in_the_debug_text() {
        let client = Client::new("http://127.0.0.1:1", "s3cret", Options::default()).expect("a client");
        assert!(!format!("{client:?}").contains("s3cret"));
    }

    #[test]
    fn secrets_that_cannot_be_sent_are_not_repeated() {
        let error = Client::new("http://127.0.0.1:1", "s3cret\n", Options::default()).expect_err("refused");
        assert!(matches!(error, ClientError::BadToken));
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        let error = Client::new("https://me:s3cret@host", "t", Options::default()).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        assert!(error.to_string().contains("password"), "{error}");
        let error = Client::new("me:s3cret@host:80", "t", Options::default()).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        let error = Client::new("127.0.0.1:80", "t", Options::default()).expect_err("refused");
        assert!(
            error.to_string().contains("such as http://127.0.0.1:8620"),
            "{error}"
        );
    }

    #[test]
    fn a_path_segment_cannot_leave_its_place() {
        let client = Client::new("http://127.0.0.1:1/base", "t", Options::default()).expect("a client");
        let request = client
            .request(Method::GET, &["experiments", "../a b/c?d"])
            .expect("a request")
            .build()
            .expect("a request");
        assert_eq!(
            request.url().as_str(),
            "http://127.0.0.1:1/base/experiments/..%2Fa%20b%2Fc%3Fd"
        );
        for none in ["", ".", ".."] {
            let refused = client.request(Method::GET, &["experiments", none, "results"]);
            let error = refused.expect_err("refused").to_string();
            assert!(error.contains(&format!("\"{none}\" is no key")), "{error}");
        }
    }
}
