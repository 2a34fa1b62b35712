//! What the core asks of the outside, what it gets back, and how that can fail.
//!
//! `runtime` carries a [`Request`] out against the API or ClickHouse and sends an [`Answer`] or a
//! [`Failure`] back. Nothing here does any of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::change::{Change, Changed};
use super::edit::Of;
use crate::api::assign::ExplainRequest;
use crate::api::audit::AuditQuery;
use crate::api::deployments::DeploymentList;
use crate::api::experiments::{
    ApplyWinner, ChangeStatus, CreateExperiment, ExperimentList, History, UpdateExperiment, WinnerApplied,
};
use crate::api::flags::FlagList;
use crate::api::imports::{ApplyChunks, Import, ImportList, ImportRows, ListImportRows, StartImport};
use crate::api::insights::Insight;
use crate::api::overrides::{DeleteOverride, ListOverrides, OverridePage, OverridesSet, SetOverrides};
use crate::api::problem::Problem;
use crate::api::projects::{LabList, ProjectList, TokenList};
use crate::api::results::{Overview, Results, ResultsQuery, Srm};
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
    /// The test of its split, as the guard makes it.
    SampleRatio,
    /// Its history.
    History,
    /// A page of its overrides.
    Overrides,
    /// The steps of a decision.
    Explain,
    /// A step of its life, deletion included.
    Status,
    /// All flags.
    Flags,
    /// All deployments.
    Deployments,
    /// The projects in which the caller has a role.
    Projects,
    /// The tokens of the projects that the caller administers.
    Tokens,
    /// The labs of the project.
    Labs,
    /// A page of the overrides of the open flag.
    FlagOverrides,
    /// The history of the open flag, to tell who changed it.
    FlagHistory,
    /// The audit log of the project, or of one object.
    Audit,
    /// The saved summary of the open experiment.
    Insight,
    /// The summary, written anew.
    WriteInsight,
    /// The bulk imports of the open experiment.
    Imports,
    /// A page of the dry run of an import.
    ImportRows,
    /// A step of an import.
    ImportStep,
    /// A change of an object that is no experiment, or a copy.
    Change,
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
    pub const ALL: [Self; 30] = [
        Self::Me,
        Self::Experiments,
        Self::Experiment,
        Self::Overview,
        Self::Probe,
        Self::Results,
        Self::SampleRatio,
        Self::History,
        Self::Overrides,
        Self::Explain,
        Self::Status,
        Self::Flags,
        Self::Deployments,
        Self::Projects,
        Self::Tokens,
        Self::Labs,
        Self::FlagOverrides,
        Self::FlagHistory,
        Self::Audit,
        Self::Insight,
        Self::WriteInsight,
        Self::Imports,
        Self::ImportRows,
        Self::ImportStep,
        Self::Change,
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
            // By the server, but counted: it hangs where ClickHouse does.
            _ if self.is_counted_there() => Service::Warehouse,
            _ => Service::Api,
        }
    }

    /// Whether the server itself counts in ClickHouse before it answers. That needs no way from here to ClickHouse, and
    /// says nothing of the one there is, nor of how fast the server is.
    #[must_use]
    pub fn is_counted_there(self) -> bool {
        matches!(self, Self::SampleRatio | Self::WriteInsight)
    }

    /// Who has to be there for it to be asked.
    #[must_use]
    pub fn needs(self) -> Service {
        if self.is_counted_there() {
            Service::Api
        } else {
            self.service()
        }
    }
}

/// What is asked, complete in itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `GET /me`.
    Me,
    /// `GET /experiments`.
    Experiments {
        /// Whether archived ones are wanted too.
        archived: bool,
    },
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
    /// `GET /experiments/{id}/sample-ratio`.
    SampleRatio {
        /// Of which experiment.
        id: Uuid,
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
    /// `POST /experiments/{id}/explain`, or the same of a flag.
    Explain {
        /// Of which experiment or flag.
        id: Uuid,
        /// Whether it is a flag.
        flag: bool,
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
    /// `DELETE /experiments/{id}`
    Delete {
        /// Of which experiment.
        id: Uuid,
        /// Its version: what the person decided upon.
        version: u64,
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
    /// `GET /flags`, archived ones included.
    Flags,
    /// `GET /deployments`.
    Deployments,
    /// `GET /projects`.
    Projects,
    /// `GET /labs`.
    Labs,
    /// `GET /tokens`.
    Tokens,
    /// `GET /flags/{id}/overrides`.
    FlagOverrides {
        /// Of which flag.
        id: Uuid,
        /// Which page.
        query: ListOverrides,
    },
    /// `GET /flags/{id}/history`.
    FlagHistory {
        /// Of which flag.
        id: Uuid,
    },
    /// `GET /audit`.
    Audit {
        /// Which entries.
        query: Box<AuditQuery>,
    },
    /// `GET /experiments/{id}/insight`.
    Insight {
        /// Of which experiment.
        id: Uuid,
    },
    /// `POST /experiments/{id}/insight`.
    WriteInsight {
        /// Of which experiment.
        id: Uuid,
    },
    /// `GET /experiments/{id}/override-imports`, or the same of a flag.
    Imports {
        /// Of what.
        of: Of,
        /// Of which one.
        id: Uuid,
    },
    /// `GET /experiments/{id}/override-imports/{import}/rows`, or the same of a flag.
    ImportRows {
        /// Of what.
        of: Of,
        /// Of which one.
        id: Uuid,
        /// Of which import.
        import: Uuid,
        /// Which rows.
        query: ListImportRows,
    },
    /// One step of a bulk import.
    ImportStep {
        /// Of what.
        of: Of,
        /// Of which one.
        id: Uuid,
        /// The step.
        step: Box<ImportStep>,
    },
    /// A change of an object that is no experiment, or a copy.
    Change(Box<Change>),
}

/// A step of a bulk import.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportStep {
    /// `POST /experiments/{id}/override-imports` with the ids that were taken in.
    Stage {
        /// Which of the kept ids; also what makes sending it again harmless.
        intake: Uuid,
        /// Variant, kind of ids, where they come from.
        query: StartImport,
    },
    /// `POST …/override-imports/{import}/apply`.
    Apply {
        /// Which import.
        import: Uuid,
        /// How far.
        body: ApplyChunks,
    },
    /// `POST …/override-imports/{import}/undo`.
    Undo {
        /// Which import.
        import: Uuid,
        /// How far.
        body: ApplyChunks,
    },
    /// `DELETE …/override-imports/{import}`: a staged one is forgotten.
    Forget {
        /// Which import.
        import: Uuid,
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
            Self::Experiments { .. } => Slot::Experiments,
            Self::Experiment { .. } => Slot::Experiment,
            Self::Overview { .. } => Slot::Overview,
            Self::Probe { .. } => Slot::Probe,
            Self::Results { .. } => Slot::Results,
            Self::SampleRatio { .. } => Slot::SampleRatio,
            Self::History { .. } => Slot::History,
            Self::Overrides { .. } => Slot::Overrides,
            Self::Explain { .. } => Slot::Explain,
            Self::Status { .. } | Self::Delete { .. } => Slot::Status,
            Self::Flags => Slot::Flags,
            Self::Deployments => Slot::Deployments,
            Self::Projects => Slot::Projects,
            Self::Labs => Slot::Labs,
            Self::Tokens => Slot::Tokens,
            Self::FlagOverrides { .. } => Slot::FlagOverrides,
            Self::FlagHistory { .. } => Slot::FlagHistory,
            Self::Audit { .. } => Slot::Audit,
            Self::Insight { .. } => Slot::Insight,
            Self::WriteInsight { .. } => Slot::WriteInsight,
            Self::Imports { .. } => Slot::Imports,
            Self::ImportRows { .. } => Slot::ImportRows,
            Self::ImportStep { .. } => Slot::ImportStep,
            Self::Change(_) => Slot::Change,
            Self::Update { .. } => Slot::Update,
            Self::Create { .. } => Slot::Create,
            Self::SetOverride { .. } | Self::RemoveOverride { .. } => Slot::Override,
            Self::ApplyWinner { .. } => Slot::Winner,
            Self::Suggest { .. } => Slot::Suggest,
        }
    }

    /// The experiment that it asks something of; none where it is about something else, or about several.
    #[must_use]
    pub fn experiment(&self) -> Option<Uuid> {
        match self {
            Self::Probe { experiment } | Self::Results { experiment, .. } => Some(experiment.id),
            Self::SampleRatio { id }
            | Self::History { id, .. }
            | Self::Overrides { id, .. }
            | Self::Insight { id }
            | Self::WriteInsight { id } => Some(*id),
            _ => None,
        }
    }

    /// Whether it changes something on the server. Such a request is never cancelled once sent.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::Delete { .. }
                | Self::Update { .. }
                | Self::Create { .. }
                | Self::SetOverride { .. }
                | Self::RemoveOverride { .. }
                | Self::ApplyWinner { .. }
                | Self::WriteInsight { .. }
                | Self::ImportStep { .. }
                | Self::Change(_)
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
    /// To [`Request::Delete`].
    Deleted,
    /// To [`Request::Overview`].
    Overview(Vec<Overview>),
    /// To [`Request::Probe`]: equal marks mean that nothing arrived in between.
    Mark(u64),
    /// To [`Request::Results`].
    Results(Box<Results>),
    /// To [`Request::SampleRatio`].
    SampleRatio(Box<Srm>),
    /// To [`Request::History`].
    History(History),
    /// To [`Request::Overrides`].
    Overrides(OverridePage),
    /// To [`Request::Explain`].
    Explain(Box<Explanation>),
    /// To [`Request::Flags`].
    Flags(FlagList),
    /// To [`Request::Deployments`].
    Deployments(DeploymentList),
    /// To [`Request::Projects`].
    Projects(ProjectList),
    /// To [`Request::Labs`].
    Labs(LabList),
    /// To [`Request::Tokens`].
    Tokens(TokenList),
    /// To [`Request::FlagOverrides`].
    FlagOverrides(OverridePage),
    /// To [`Request::FlagHistory`].
    FlagHistory(History),
    /// To [`Request::Audit`].
    Audit(History),
    /// To [`Request::Insight`] and [`Request::WriteInsight`]; none while none was saved.
    Insight(Option<Box<Insight>>),
    /// To [`Request::Imports`].
    Imports(Of, Uuid, ImportList),
    /// To [`Request::ImportRows`].
    ImportRows(ImportRows),
    /// To [`Request::ImportStep`]; none when it was forgotten.
    Import(Option<Box<Import>>),
    /// To [`Request::Change`].
    Changed(Changed),
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
