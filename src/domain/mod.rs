//! The model: validated types without input or output.
//!
//! The types here are also the shape on the wire and in the store (JSON, camelCase), so that there is
//! one definition of an experiment. What a request may contain beyond that is in the `api` module,
//! which imports this one, never the other way round.

pub mod audit;
pub mod checks;
pub mod decision;
pub mod deployment;
pub mod experiment;
pub mod filter;
pub mod flag;
pub mod id_list;
pub mod key;
pub mod lab;
pub mod metric;
pub mod percent;
pub mod project;
pub mod rule;
pub mod slots;
pub mod status;
pub mod user;
pub mod validate;
pub mod value;
pub mod variant;

pub use audit::{AuditAction, AuditEntry, Change};
pub use decision::{Assignment, Attribution, ExplainCondition, ExplainStep, Explanation, Reason};
pub use deployment::{Deployment, DeploymentKind};
pub use experiment::{AssignmentMode, EndedReason, Experiment, PauseCause, Prior, SubjectType};
pub use filter::{Filter, Operator};
pub use flag::{EvaluationMode, Flag};
pub use key::Key;
pub use lab::Lab;
pub use metric::{Metric, SecondaryEvent};
pub use percent::Percent;
pub use project::{Environment, Project};
pub use rule::{Condition, Override, OverrideSource, OverrideSubject, Rule, Scope};
pub use slots::{Cohort, CohortVariant, SLOTS, SlotRange};
pub use status::Status;
pub use user::User;
pub use validate::FieldError;
pub use value::ValueKind;
pub use variant::Variant;
