//! Reading what is counted from events: of ClickHouse directly, with the login that the server hands out, or of
//! the API where the token has no role in some project, as that login would read all of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::effects::api_failure;
use crate::api::live::{MAX_NAMED, NamesOf, NamesQuery, OverviewList, OverviewQuery};
use crate::api::problem::Code;
use crate::api::results::{Overview, Results, ResultsQuery};
use crate::client::{Client, ClientError};
use crate::cockpit::ports::{Failure, FailureKind, Service, Suggest};
use crate::domain::Experiment;
use crate::warehouse::{Class, Login, Names, OverviewMemo, ResultsError, Warehouse, WarehouseError};

/// The way to the numbers.
#[derive(Debug, Clone)]
enum Way {
    /// ClickHouse itself.
    Direct(Box<Warehouse>),
    /// The server counts: it refused its login to this token.
    Api,
}

/// A way to the numbers that is found when it is first needed, and again after ClickHouse failed: its address and
/// password may have changed since. A refusal holds for as long as the reader lives, which is for one token in one
/// project.
#[derive(Debug, Clone)]
pub struct Reader {
    client: Client,
    allow_plain_http: bool,
    open: Arc<Mutex<Option<Way>>>,
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
        let warehouse = match self.way().await? {
            Way::Direct(warehouse) => warehouse,
            Way::Api => return Ok(self.asked(experiments.iter().map(|e| e.id)).await?.overviews),
        };
        let experiments: Vec<Experiment> = experiments.iter().map(|e| (**e).clone()).collect();
        let memo = if experiments.len() == 1 {
            &self.one
        } else {
            &self.list
        };
        let mut memo = memo.lock().await;
        memo.keep(&experiments.iter().map(|e| e.id).collect::<Vec<_>>());
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
        let warehouse = match self.way().await? {
            Way::Direct(warehouse) => warehouse,
            Way::Api => {
                let results = self.client.results(&experiment.id.to_string(), query).await;
                return results.map_err(|error| counting_failure(&error));
            }
        };
        let answer = warehouse.results(experiment, query, now).await;
        self.checked(answer).await
    }

    /// A number that changes when something arrived that an experiment's results are made of.
    pub async fn mark(&self, experiment: &Experiment) -> Result<u64, Failure> {
        let mut hasher = DefaultHasher::new();
        let warehouse = match self.way().await? {
            Way::Direct(warehouse) => warehouse,
            Way::Api => {
                let answer = self.asked(std::iter::once(experiment.id)).await?;
                answer.marks.get(&experiment.id).hash(&mut hasher);
                return Ok(hasher.finish());
            }
        };
        let version = warehouse.data_version(experiment).await;
        let version = self.checked(version.map_err(ResultsError::from)).await?;
        version.hash(&mut hasher);
        Ok(hasher.finish())
    }

    /// Names that recent events of a project carry, the most frequent first. The project is that of the client.
    pub async fn names(&self, project: Uuid, what: &Suggest, now: Timestamp) -> Result<Vec<String>, Failure> {
        let warehouse = match self.way().await? {
            Way::Direct(warehouse) => warehouse,
            Way::Api => {
                let (of, property) = match what {
                    Suggest::Events => (NamesOf::Events, None),
                    Suggest::Fields => (NamesOf::Properties, None),
                    Suggest::Values(property) => (NamesOf::Values, Some(property.clone())),
                };
                let answer = self.client.names(&NamesQuery { of, property }).await;
                return answer
                    .map(|list| list.names)
                    .map_err(|error| counting_failure(&error));
            }
        };
        let names = match what {
            Suggest::Events => Names::Events,
            Suggest::Fields => Names::Properties,
            Suggest::Values(property) => Names::Values(property),
        };
        let answer = warehouse.names(project, names, now).await;
        self.checked(answer.map_err(ResultsError::from)).await
    }

    /// The live numbers of these experiments as the server counts them, in its order.
    async fn asked(&self, experiments: impl Iterator<Item = Uuid>) -> Result<OverviewList, Failure> {
        let ids: Vec<Uuid> = experiments.collect();
        let mut all = OverviewList::default();
        // So many that a proxy in front takes the address.
        for named in ids.chunks(MAX_NAMED) {
            let query = OverviewQuery {
                experiments: Some(named.to_vec()),
            };
            let answer = self.client.overview(&query).await;
            let answer = answer.map_err(|error| counting_failure(&error))?;
            all.overviews.extend(answer.overviews);
            all.marks.extend(answer.marks);
        }
        Ok(all)
    }

    async fn way(&self) -> Result<Way, Failure> {
        let mut open = self.open.lock().await;
        if let Some(way) = &*open {
            return Ok(way.clone());
        }
        let login = match self.client.warehouse().await {
            Ok(login) => login,
            // A token that has no role in this project at all is refused by the other routes as well.
            Err(error) if error.code() == Some(Code::Forbidden) => {
                tracing::info!(%error, "the server counts for this token");
                return Ok(open.insert(Way::Api).clone());
            }
            Err(error) => return Err(counting_failure(&error)),
        };
        let mut login = Login::from(&login);
        login.allow_plain_http = self.allow_plain_http;
        let warehouse = Warehouse::new(&login).map_err(|e| warehouse_failure(&e))?;
        Ok(open.insert(Way::Direct(Box::new(warehouse))).clone())
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

/// A failure of a route that needs ClickHouse: the server may be there when what it leads to is not.
pub(super) fn counting_failure(error: &ClientError) -> Failure {
    let kind = match error.code() {
        Some(Code::WarehouseUnavailable) => FailureKind::Lost,
        Some(Code::Timeout) => FailureKind::Limit,
        _ => return api_failure(error),
    };
    Failure::new(Service::Warehouse, kind, error.to_string())
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
