//! ClickHouse: schema, inserts and queries. The only module that speaks to the `clickhouse` crate.
//!
//! | file | what it does |
//! |---|---|
//! | `login` | address, database and user; refuses what would leak |
//! | `error` | what ClickHouse says, sorted by what is to be done about it |
//! | `schema` | tables and their settings, applied at the start |
//! | `ids` | whose event an id is: the first one that was stored |
//! | `rows` | the rows of the two tables |
//! | `insert` | one batch, one deduplication token |
//! | `stored` | what of a batch is really there, after an uncertain insert |
//! | `sql` | filters and subjects as SQL, every value and key bound |
//! | `query` | what the results need, one query a panel |
//! | `analysis` | what is inferred of the counts |
//! | `results` | all panels of one experiment: [`crate::api::results::Results`] |
//! | `overview` | the list: one line for each experiment |

mod analysis;
mod error;
mod ids;
mod insert;
mod login;
mod overview;
mod query;
mod ramps;
mod results;
mod rows;
mod schema;
mod sql;
mod stored;

use std::future::Future;
use std::time::Duration;

use clickhouse::{Client, Compression};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub use error::{Class, WarehouseError};
pub use ids::EventId;
pub use login::Login;
pub use overview::OverviewMemo;
pub use query::{DataVersion, Names};
pub use results::ResultsError;
pub use rows::{EventRow, ExperimentEventRow, WellKnown};
pub use schema::{EVENT_IDS, EVENTS, EXPERIMENT_EVENTS, SCHEMA_VERSION};
pub use stored::Extent;

/// How long an idle connection is kept. ClickHouse closes them after 30 s (`keep_alive_timeout`), older
/// versions after 10 s; a connection that is closed by the other side first fails a request.
const POOL_IDLE: Duration = Duration::from_secs(8);
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a query may take, unless it says otherwise.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long `ping` may take.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// A ClickHouse with splitdeck's tables. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Warehouse {
    client: Client,
    database: String,
    query_timeout: Duration,
}

impl Warehouse {
    /// Prepares connections; nothing is sent yet.
    ///
    /// # Errors
    /// [`Login::check`]'s, of class [`Class::Configuration`].
    pub fn new(login: &Login) -> Result<Self, WarehouseError> {
        login.check()?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_keepalive(Some(Duration::from_secs(60)));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| WarehouseError::configuration("setting up TLS", e.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let pool = HttpClient::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_timer(TokioTimer::new())
            .build(https);
        let client = Client::with_http_client(pool)
            .with_url(&login.url)
            .with_database(&login.database)
            .with_user(&login.user)
            .with_password(&login.password)
            .with_compression(Compression::Lz4)
            .with_product_info("splitdeck", env!("CARGO_PKG_VERSION"));
        Ok(Self {
            client,
            database: login.database.clone(),
            query_timeout: QUERY_TIMEOUT,
        })
    }

    /// The same warehouse with another limit on the time of a query.
    #[must_use]
    pub fn with_query_timeout(mut self, limit: Duration) -> Self {
        self.query_timeout = limit;
        self
    }

    /// The database of the tables.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Asks ClickHouse whether it answers this user. The database need not be there.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<(), WarehouseError> {
        let client = self
            .client
            .clone()
            .with_database("")
            .with_compression(Compression::None);
        let query = client.query_raw("SELECT 1").fetch_one::<u8>();
        let one = self
            .within(PING_TIMEOUT, "asking whether it answers", query)
            .await?;
        debug_assert_eq!(one, 1);
        Ok(())
    }

    /// Runs one request of the `clickhouse` crate with a limit on its time (the crate has none), and sorts
    /// its error.
    async fn within<T>(
        &self,
        limit: Duration,
        doing: &str,
        request: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, WarehouseError> {
        match tokio::time::timeout(limit, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(WarehouseError::new(doing, &error)),
            Err(_elapsed) => Err(WarehouseError::timed_out(doing, limit)),
        }
    }

    /// [`Self::within`] the usual limit.
    async fn timed<T>(
        &self,
        doing: &str,
        request: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, WarehouseError> {
        self.within(self.query_timeout, doing, request).await
    }
}
