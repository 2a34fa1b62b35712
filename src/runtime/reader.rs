//! Reading ClickHouse directly, with the login that the server hands out.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::effects::api_failure;
use crate::api::problem::Code;
use crate::api::results::{Overview, Results, ResultsQuery};
use crate::client::Client;
use crate::cockpit::ports::{Failure, FailureKind, Service, Suggest};
use crate::domain::Experiment;
use crate::warehouse::{Class, Login, Names, OverviewMemo, ResultsError, Warehouse, WarehouseError};

/// A way to ClickHouse that is opened when it is first needed, and again after it failed: its address and
/// password may have changed since.
#[derive(Debug, Clone)]
pub struct Reader {
    client: Client,
    allow_plain_http: bool,
    open: Arc<Mutex<Option<Warehouse>>>,
    /// What the list was counted from, so that it is counted again only where something changed.
    list: Arc<Mutex<OverviewMemo>>,
    /// The same for one experiment by itself, so that looking at it does not forget the list.
    one: Arc<Mutex<OverviewMemo>>,
}

impl Reader {
    /// Nothing is asked yet.
    pub fn new(client: Client, allow_plain_http: bool) -> Self {
        Self {
            client,
            allow_plain_http,
            open: Arc::default(),
            list: Arc::default(),
            one: Arc::default(),
        }
    }

    /// The live numbers of experiments.
    pub async fn overview(
        &self,
        experiments: &[Arc<Experiment>],
        now: Timestamp,
    ) -> Result<Vec<Overview>, Failure> {
        let warehouse = self.warehouse().await?;
        let experiments: Vec<Experiment> = experiments.iter().map(|e| (**e).clone()).collect();
        let memo = if experiments.len() == 1 {
            &self.one
        } else {
            &self.list
        };
        let mut memo = memo.lock().await;
        let answer = warehouse.overview_since(&mut memo, &experiments, now).await;
        self.checked(answer).await
    }

    /// The results of an experiment.
    pub async fn results(
        &self,
        experiment: &Experiment,
        query: &ResultsQuery,
        now: Timestamp,
    ) -> Result<Results, Failure> {
        let warehouse = self.warehouse().await?;
        let answer = warehouse.results(experiment, query, now).await;
        self.checked(answer).await
    }

    /// A number that changes when something arrived that an experiment's results are made of.
    pub async fn mark(&self, experiment: &Experiment) -> Result<u64, Failure> {
        let warehouse = self.warehouse().await?;
        let version = warehouse.data_version(experiment).await;
        let version = self.checked(version.map_err(ResultsError::from)).await?;
        let mut hasher = DefaultHasher::new();
        version.hash(&mut hasher);
        Ok(hasher.finish())
    }

    /// Names that recent events of a project carry, the most frequent first.
    pub async fn names(&self, project: Uuid, what: &Suggest, now: Timestamp) -> Result<Vec<String>, Failure> {
        let warehouse = self.warehouse().await?;
        let names = match what {
            Suggest::Events => Names::Events,
            Suggest::Fields => Names::Properties,
            Suggest::Values(property) => Names::Values(property),
        };
        let answer = warehouse.names(project, names, now).await;
        self.checked(answer.map_err(ResultsError::from)).await
    }

    async fn warehouse(&self) -> Result<Warehouse, Failure> {
        let mut open = self.open.lock().await;
        if let Some(warehouse) = &*open {
            return Ok(warehouse.clone());
        }
        let login = self
            .client
            .warehouse()
            .await
            .map_err(|error| match error.code() {
                // The server is there; what it leads to is not.
                Some(Code::WarehouseUnavailable) => {
                    Failure::new(Service::Warehouse, FailureKind::Lost, error.to_string())
                }
                _ => api_failure(&error),
            })?;
        let mut login = Login::from(&login);
        login.allow_plain_http = self.allow_plain_http;
        let warehouse = Warehouse::new(&login).map_err(|e| warehouse_failure(&e))?;
        *open = Some(warehouse.clone());
        Ok(warehouse)
    }

    async fn checked<T>(&self, answer: Result<T, ResultsError>) -> Result<T, Failure> {
        match answer {
            Ok(value) => Ok(value),
            Err(ResultsError::Warehouse(error)) => {
                if matches!(error.class, Class::Retry | Class::Configuration) {
                    *self.open.lock().await = None;
                }
                Err(warehouse_failure(&error))
            }
            // ClickHouse is fine; what was asked cannot be answered.
            Err(error) => Err(Failure::new(
                Service::Warehouse,
                FailureKind::Refused,
                error.to_string(),
            )),
        }
    }
}

fn warehouse_failure(error: &WarehouseError) -> Failure {
    let kind = match error.class {
        Class::Retry | Class::OutcomeUnknown => FailureKind::Lost,
        Class::Configuration => FailureKind::Configuration,
        Class::Limit | Class::HoldBack => FailureKind::Limit,
        Class::Content | Class::Other => FailureKind::Refused,
    };
    Failure::new(Service::Warehouse, kind, error.to_string())
}
