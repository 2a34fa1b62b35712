//! What the core asks of the outside, what it gets back, and how that can fail.
//!
//! `runtime` carries a [`Request`] out against the API or ClickHouse and sends an [`Answer`] or a
//! [`Failure`] back. Nothing here does any of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::assign::ExplainRequest;
use crate::api::experiments::{
    ApplyWinner, ChangeStatus, CreateExperiment, ExperimentList, History, UpdateExperiment, WinnerApplied,
};
use crate::api::overrides::{DeleteOverride, ListOverrides, OverridePage, OverridesSet, SetOverrides};
use crate::api::problem::Problem;
use crate::api::results::{Overview, Results, ResultsQuery};
use crate::api::system::Me;
use crate::domain::{Experiment, Explanation};

/// Who a request goes to.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd)]
pub enum Service {
    /// splitdeck's own server.
    Api,
    /// ClickHouse, read directly.
    Warehouse,
}

impl Service {
    /// The word in the header and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Warehouse => "clickhouse",
        }
    }
}

/// One kind of request. At most one of each kind is on its way; a new one replaces the one before.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd)]
pub enum Slot {
    /// Who is asking, and where.
    Me,
    /// All experiments.
    Experiments,
    /// The open experiment.
    Experiment,
    /// The live numbers of the list.
    Overview,
    /// The cheap look whether something arrived for the open experiment.
    Probe,
    /// The results of the open experiment.
    Results,
    /// Its history.
    History,
    /// A page of its overrides.
    Overrides,
    /// The steps of a decision.
    Explain,
    /// A step of its life.
    Status,
    /// A change of its configuration.
    Update,
    /// A new experiment.
    Create,
    /// One override, set or removed.
    Override,
    /// A winner for everybody.
    Winner,
    /// Names to choose from.
    Suggest,
}

impl Slot {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Me,
        Self::Experiments,
        Self::Experiment,
        Self::Overview,
        Self::Probe,
        Self::Results,
        Self::History,
        Self::Overrides,
        Self::Explain,
        Self::Status,
        Self::Update,
        Self::Create,
        Self::Override,
        Self::Winner,
        Self::Suggest,
    ];

    /// Who requests of this kind go to.
    #[must_use]
    pub fn service(self) -> Service {
        match self {
            Self::Overview | Self::Probe | Self::Results | Self::Suggest => Service::Warehouse,
            _ => Service::Api,
        }
    }
}

/// What is asked, complete in itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `GET /me`.
    Me,
    /// `GET /experiments`.
    Experiments,
    /// `GET /experiments/{idOrKey}`.
    Experiment {
        /// Id or key.
        id_or_key: String,
    },
    /// The live numbers of these experiments.
    Overview {
        /// Which, as they are configured now.
        experiments: Vec<Arc<Experiment>>,
    },
    /// Whether anything arrived that could change the results of the open experiment.
    Probe {
        /// As it is configured now.
        experiment: Arc<Experiment>,
    },
    /// The results of one experiment.
    Results {
        /// As it is configured now.
        experiment: Arc<Experiment>,
        /// Which results.
        query: Box<ResultsQuery>,
    },
    /// `GET /experiments/{id}/history`.
    History {
        /// Of which experiment.
        id: Uuid,
        /// Only entries before this one.
        before: Option<i64>,
    },
    /// `GET /experiments/{id}/overrides`.
    Overrides {
        /// Of which experiment.
        id: Uuid,
        /// Which page.
        query: ListOverrides,
    },
    /// `POST /experiments/{id}/explain`.
    Explain {
        /// Of which experiment.
        id: Uuid,
        /// For whom, and what to suppose.
        request: Box<ExplainRequest>,
    },
    /// `POST /experiments/{id}/status`
    Status {
        /// Of which experiment.
        id: Uuid,
        /// The step.
        change: ChangeStatus,
    },
    /// `PATCH /experiments/{id}`
    Update {
        /// Which experiment.
        id: Uuid,
        /// What is changed, from which version.
        change: Box<UpdateExperiment>,
    },
    /// `POST /experiments`
    Create {
        /// The new one.
        experiment: Box<CreateExperiment>,
    },
    /// `PUT /experiments/{id}/overrides` for one subject.
    SetOverride {
        /// Of which experiment.
        id: Uuid,
        /// Who is forced into what.
        change: SetOverrides,
    },
    /// `DELETE /experiments/{id}/overrides`
    RemoveOverride {
        /// Of which experiment.
        id: Uuid,
        /// Who is forced no longer.
        change: DeleteOverride,
    },
    /// `POST /experiments/{id}/apply-winner`
    ApplyWinner {
        /// Which experiment.
        id: Uuid,
        /// Which winner.
        change: ApplyWinner,
    },
    /// The names that events of the project carry.
    Suggest {
        /// Of which project.
        project: Uuid,
        /// Which names.
        what: Suggest,
    },
}

/// Names to choose from, as recent events carry them.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Suggest {
    /// Names of events.
    Events,
    /// Names of properties.
    Fields,
    /// Values of a property.
    Values(String),
}

impl Request {
    /// Its kind.
    #[must_use]
    pub fn slot(&self) -> Slot {
        match self {
            Self::Me => Slot::Me,
            Self::Experiments => Slot::Experiments,
            Self::Experiment { .. } => Slot::Experiment,
            Self::Overview { .. } => Slot::Overview,
            Self::Probe { .. } => Slot::Probe,
            Self::Results { .. } => Slot::Results,
            Self::History { .. } => Slot::History,
            Self::Overrides { .. } => Slot::Overrides,
            Self::Explain { .. } => Slot::Explain,
            Self::Status { .. } => Slot::Status,
            Self::Update { .. } => Slot::Update,
            Self::Create { .. } => Slot::Create,
            Self::SetOverride { .. } | Self::RemoveOverride { .. } => Slot::Override,
            Self::ApplyWinner { .. } => Slot::Winner,
            Self::Suggest { .. } => Slot::Suggest,
        }
    }

    /// Whether it changes something on the server. Such a request is never cancelled once sent.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::Update { .. }
                | Self::Create { .. }
                | Self::SetOverride { .. }
                | Self::RemoveOverride { .. }
                | Self::ApplyWinner { .. }
        )
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Request::Me`].
    Me(Me),
    /// To [`Request::Experiments`].
    Experiments(ExperimentList),
    /// To [`Request::Experiment`], [`Request::Status`], [`Request::Update`] and [`Request::Create`]: the
    /// experiment as it is now.
    Experiment(Box<Experiment>),
    /// To [`Request::Overview`].
    Overview(Vec<Overview>),
    /// To [`Request::Probe`]: equal marks mean that nothing arrived in between.
    Mark(u64),
    /// To [`Request::Results`].
    Results(Box<Results>),
    /// To [`Request::History`].
    History(History),
    /// To [`Request::Overrides`].
    Overrides(OverridePage),
    /// To [`Request::Explain`].
    Explain(Box<Explanation>),
    /// To [`Request::SetOverride`].
    OverridesSet(OverridesSet),
    /// To [`Request::RemoveOverride`].
    OverrideRemoved,
    /// To [`Request::ApplyWinner`].
    WinnerApplied(Box<WinnerApplied>),
    /// To [`Request::Suggest`]: the most frequent first.
    Names(Vec<String>),
}

/// What kind of failure it is, which decides what is done next.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum FailureKind {
    /// Not reachable, or it gave up: tried again by itself, with growing pauses.
    Lost,
    /// It answered and said no: the connection is fine, the message is for the person.
    Refused,
    /// Too large or too slow: the same again would fail the same way, so it waits longer.
    Limit,
    /// A wrong token, a missing right: only a person can mend it, so nothing is tried until asked.
    Configuration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Who failed.
    pub service: Service,
    /// What kind of failure.
    pub kind: FailureKind,
    /// What failed, on what, and what to do.
    pub message: String,
    /// The server's own words about a refusal.
    pub problem: Option<Box<Problem>>,
}

impl Failure {
    /// A failure without a problem document.
    pub fn new(service: Service, kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            service,
            kind,
            message: message.into(),
            problem: None,
        }
    }
}

/// The number of a run; later runs have higher ones.
pub type RunId = u64;

/// An answer or a failure, with the run it belongs to.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The run.
    pub run: RunId,
    /// What kind of request it was.
    pub slot: Slot,
    /// How long it took, from sending to the last byte.
    pub took: Duration,
    /// What came of it.
    pub outcome: Result<Answer, Failure>,
}

/// A value from outside, with its age and what went wrong since.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The last good value.
    pub value: Option<T>,
    /// When it was received.
    pub at: Option<Timestamp>,
    /// Why the last try gave none; the value stays.
    pub failure: Option<Failure>,
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self {
            value: None,
            at: None,
            failure: None,
        }
    }
}

impl<T> Loaded<T> {
    /// Takes a new value.
    pub fn set(&mut self, value: T, now: Timestamp) {
        self.value = Some(value);
        self.at = Some(now);
        self.failure = None;
    }

    /// Keeps the value and remembers why there is no newer one.
    pub fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }
}
