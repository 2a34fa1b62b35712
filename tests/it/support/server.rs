//! A server of a test's own: on a free port, in a temporary directory, spoken to over real HTTP.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use splitdeck::api::system::Role;
use splitdeck::client::Client;
use splitdeck::server::jobs::runner::GuardOptions;
use splitdeck::server::link::Whereabouts;
use splitdeck::server::middleware::auth::hash;
use splitdeck::server::store::tokens::StoredToken;
use splitdeck::server::store::{self, Store};
use splitdeck::server::{Options, Server, ServerError};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::store::place;

/// Its tokens, by role.
pub const ADMIN: &str = "sd_test-token-of-the-admin";
pub const EDITOR: &str = "sd_test-token-of-an-editor";
pub const VIEWER: &str = "sd_test-token-of-a-viewer";

/// A running server. Dropping it ends it.
pub struct TestServer {
    pub base: String,
    pub dir: Arc<TempDir>,
    /// Where the server looks for ClickHouse; nowhere at first.
    pub warehouse: watch::Sender<Whereabouts>,
    http: reqwest::Client,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServerError>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The answer, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The problem, which must have this status and code; with its invariants checked.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{:#}",
            self.body
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("urn:splitdeck:problem:{code}"));
        assert!(!self.body["detail"].as_str().unwrap_or_default().is_empty());
        assert_eq!(self.body["requestId"], self.header("x-request-id"));
        self.body
    }

    /// The fields that a problem names.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Vec<String> {
        fields(&self.problem(status, code))
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |v| v.to_str().expect("a text header"))
    }
}

/// The fields that a problem names.
pub fn fields(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let name = |e: &Value| e["field"].as_str().expect("a field").to_owned();
    errors.iter().map(name).collect()
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With other options than the usual ones.
    /// A server with the drafts `checkout-button` and `pricing-page`.
    pub async fn with_two_drafts() -> Self {
        let server = Self::start().await;
        for name in ["Checkout button", "Pricing page"] {
            let body = serde_json::json!({ "name": name });
            server.post("/experiments", &body).await.expect(201);
        }
        server
    }

    pub async fn start_with(adjust: impl FnOnce(&mut Options)) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        Self::start_in(dir, adjust).await
    }

    /// In a directory that may have been used before.
    pub async fn start_in(dir: Arc<TempDir>, adjust: impl FnOnce(&mut Options)) -> Self {
        let (warehouse, whereabouts) =
            watch::channel(Whereabouts::Nowhere("ClickHouse is not part of this test".into()));
        let mut options = Options::new(dir.path(), whereabouts);
        options.token = Some(ADMIN.to_owned());
        options.store = Some(place(dir.path()));
        adjust(&mut options);
        seed(&options).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Server::open(options).await.expect("opens");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(server.serve(listener, async {
            let _ = stopped.await;
        }));
        // Installs the TLS provider, without which no other client can be built.
        Client::new(&base, ADMIN, splitdeck::client::Options::default()).expect("a client");
        Self {
            base,
            dir,
            warehouse,
            http: reqwest::Client::builder().build().expect("an HTTP client"),
            stop,
            served,
        }
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) -> Arc<TempDir> {
        let _ = self.stop.send(());
        self.served.await.expect("no panic").expect("ends well");
        self.dir
    }

    pub fn client(&self) -> Client {
        Client::new(&self.base, ADMIN, splitdeck::client::Options::default()).expect("a client")
    }

    /// A request with a token, yet to be sent.
    pub fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(token)
    }

    /// A request without a token, yet to be sent.
    pub fn anonymous(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Writes these parts to a connection of its own and reads until the answer's body ends.
    pub async fn raw(&self, parts: impl IntoIterator<Item = String>) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let address = self.base.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
        for part in parts {
            // The server may refuse and close before it has read everything.
            if stream.write_all(part.as_bytes()).await.is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        let mut buffer = [0_u8; 4096];
        while !answer.ends_with(b"}") {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&buffer[..n]),
            }
        }
        String::from_utf8(answer).expect("text")
    }

    /// As [`Self::raw`], with a part that is sent once the beginning of the answer is there.
    pub async fn raw_late(&self, parts: impl IntoIterator<Item = String>, late: String) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let address = self.base.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
        for part in parts {
            stream.write_all(part.as_bytes()).await.expect("written");
        }
        let mut buffer = [0_u8; 4096];
        let read = stream.read(&mut buffer).await.expect("an answer");
        let mut answer = buffer[..read].to_vec();
        // The server may have closed the connection.
        let _ = stream.write_all(late.as_bytes()).await;
        while !answer.ends_with(b"}") {
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            if read == 0 {
                break;
            }
            answer.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path, ADMIN)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path, ADMIN).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, path, ADMIN).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, path, ADMIN).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path, ADMIN)).await
    }

    /// A new draft with this key: `control` and `treatment` at 50 % each.
    pub async fn draft(&self, key: &str) -> Value {
        let body = serde_json::json!({ "name": key, "key": key });
        self.post("/experiments", &body).await.expect(201)
    }

    /// Moves an experiment to a status.
    pub async fn to(&self, experiment: &Value, status: &str) -> Value {
        let path = format!(
            "/experiments/{}/status",
            experiment["id"].as_str().expect("an id")
        );
        let body = serde_json::json!({ "to": status, "resourceVersion": experiment["resourceVersion"] });
        self.post(&path, &body).await.expect(200)
    }

    /// An active experiment with this key.
    pub async fn active(&self, key: &str) -> Value {
        let draft = self.draft(key).await;
        self.to(&draft, "active").await
    }
}

/// Sends a request and reads the answer whole; an empty body is null.
pub async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let bytes = response.bytes().await.expect("a body");
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("no JSON: {bytes:?}"))
    };
    assert!(
        status < 300
            || status == StatusCode::NOT_MODIFIED
            || body["code"].is_string()
            // The forms of Amplitude and of OpenFeature.
            || body["error"].is_string()
            || body["errorCode"].is_string()
            // The same fields as when the server is ready.
            || body["ready"].is_boolean(),
        "{status} {body}"
    );
    Answer {
        status,
        headers,
        body,
    }
}

/// Makes the first start, and adds tokens of the lower roles.
async fn seed(options: &Options) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut first = options.clone();
    // What is due waits for the server that is tested.
    first.guard = GuardOptions::default();
    let first = Server::open(first).await.expect("opens");
    first.serve(listener, std::future::ready(())).await.expect("ends");
    add_token(options, "editor", Role::Editor, EDITOR).await;
    add_token(options, "viewer", Role::Viewer, VIEWER).await;
}

async fn add_token(options: &Options, name: &str, role: Role, token: &str) {
    let place = options.store.as_ref().expect("a store");
    let store = Store::open(place).await.expect("a store");
    let project = store::projects::all(store.readers()).await.expect("projects")[0].id;
    let mut tx = store.begin().await.expect("begins");
    let stored = StoredToken::new(hash(token), name, project, role, jiff::Timestamp::UNIX_EPOCH);
    store::tokens::put(&mut tx, &stored).await.expect("stored");
    store::commit(tx).await.expect("committed");
    store.close().await;
}
