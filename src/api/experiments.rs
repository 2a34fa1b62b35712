//! Experiments over the wire: create, list, change, move through the lifecycle, explain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::present;
use crate::domain::{
    AssignmentMode, AuditAction, AuditEntry, EndedReason, Experiment, Key, Metric, Percent, Prior, Rule,
    SecondaryEvent, Status, SubjectType, Variant,
};

/// Body of `POST /experiments`. Only `name` is required.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateExperiment {
    /// The name that people read.
    pub name: String,
    /// Slug; made from the name where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the experiment changes.
    #[serde(default)]
    pub description: String,
    /// What is expected and why.
    #[serde(default)]
    pub hypothesis: String,
    /// Label → URL.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// What is assigned; can never be changed.
    #[serde(default)]
    pub assignment_mode: AssignmentMode,
    /// Which id is bucketed and counted.
    #[serde(default)]
    pub subject_type: SubjectType,
    /// The arms; control and treatment at 50 % each where they are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<Variant>>,
    /// The variant served when nothing else decides; the control where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_variant_id: Option<String>,
    /// A fixed share that always sees control.
    #[serde(default)]
    pub holdout_pct: Percent,
    /// Whether a subject keeps its first variant even when the split changes.
    #[serde(default)]
    pub sticky: bool,
    /// What counts as a conversion.
    #[serde(default)]
    pub primary_metric: Option<Metric>,
    /// The first step of a two-step conversion.
    #[serde(default)]
    pub secondary_event: Option<SecondaryEvent>,
    /// Events that are watched beside the conversion.
    #[serde(default)]
    pub tracked_events: Vec<Metric>,
    /// Who gets which variant by their properties.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Key of the flag that code asks for; one is created, with the experiment's key or a slug of its name,
    /// where it is missing or does not exist.
    #[serde(default)]
    pub linked_flag: Option<Key>,
    /// The deployments that see it; the project's default one where they are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<Vec<Uuid>>,
    /// The lab it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The prior of the results.
    #[serde(default)]
    pub prior: Prior,
}

/// Body of `PATCH /experiments/{idOrKey}`: what is there is changed, what is missing stays.
///
/// A field that may be empty is cleared by `null`. `status` is changed by its own endpoint, and
/// `assignmentMode` never: it is read here only to refuse it by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateExperiment {
    /// The version the change was made from; a newer one on the server is a conflict.
    pub resource_version: u64,
    /// New name.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// New description.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// New hypothesis.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub hypothesis: Option<String>,
    /// New links, all of them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub links: Option<BTreeMap<String, String>>,
    /// Refused: fixed at creation.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub assignment_mode: Option<AssignmentMode>,
    /// New subject type; only in a draft.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub subject_type: Option<SubjectType>,
    /// New variants, all of them. While active a changed split appends a cohort.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub variants: Option<Vec<Variant>>,
    /// New default variant.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub default_variant_id: Option<String>,
    /// New holdout.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub holdout_pct: Option<Percent>,
    /// New stickiness.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub sticky: Option<bool>,
    /// New primary metric; null removes it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub primary_metric: Option<Option<Metric>>,
    /// New secondary event; null removes it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub secondary_event: Option<Option<SecondaryEvent>>,
    /// New tracked events, all of them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub tracked_events: Option<Vec<Metric>>,
    /// New rules, all of them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub rules: Option<Vec<Rule>>,
    /// New linked flag; null unlinks.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub linked_flag: Option<Option<Key>>,
    /// New deployments, all of them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub deployments: Option<Vec<Uuid>>,
    /// New lab.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub parent_id: Option<String>,
    /// New prior.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub prior: Option<Prior>,
}

/// Body of `POST /experiments/{idOrKey}/status`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeStatus {
    /// The status to move to.
    pub to: Status,
    /// The version the decision was made from.
    pub resource_version: u64,
    /// Why, in words. Required to resume after an automatic pause, and with `overrideFailingSrm`; allowed everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// With `completed`: the variant to serve to everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winning_variant: Option<Key>,
    /// With `completed` or `ended`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_reason: Option<EndedReason>,
    /// To resume while the sample ratio test still fails: that one knows it.
    #[serde(default)]
    pub override_failing_srm: bool,
}

impl ChangeStatus {
    /// The step alone: without a comment, a winner or a reason.
    #[must_use]
    pub fn new(to: Status, resource_version: u64) -> Self {
        Self {
            to,
            resource_version,
            comment: None,
            winning_variant: None,
            ended_reason: None,
            override_failing_srm: false,
        }
    }
}

/// Body of `PUT /experiments/{idOrKey}/rules`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetRules {
    /// The version the change was made from.
    pub resource_version: u64,
    /// The new rules, all of them.
    pub rules: Vec<Rule>,
}

/// Query of `GET /experiments`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListExperiments {
    /// Whether archived ones are wanted too.
    #[serde(default)]
    pub archived: bool,
}

/// Answer of `GET /experiments`, sorted by key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentList {
    /// The project's experiments; archived ones only when they were asked for.
    pub experiments: Vec<Experiment>,
}

/// Query of `DELETE /experiments/{idOrKey}`: drafts only.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteExperiment {
    /// The version the decision was made from; may be in the header `If-Match` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<u64>,
}

/// How many entries a page of the history has.
pub const HISTORY_PAGE: u32 = 50;

/// Query of `GET /experiments/{idOrKey}/history`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryQuery {
    /// Only entries before this one: the `nextBefore` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// Only this action, such as `experiment.status_changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AuditAction>,
    /// Only by this actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// Answer of `GET /experiments/{idOrKey}/history`: newest first, 50 at a time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The entries of this page.
    pub entries: Vec<AuditEntry>,
    /// To be sent as `before` for the next page; none on the last one.
    #[serde(default)]
    pub next_before: Option<i64>,
}

/// Body of `POST /experiments/{idOrKey}/apply-winner`. Which variant wins is computed by the server from the
/// data of that moment; `winner` only has to agree.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyWinner {
    /// The version the decision was made from.
    pub resource_version: u64,
    /// Key of the variant that the caller saw win.
    pub winner: Key,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Answer to [`ApplyWinner`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WinnerApplied {
    /// The experiment, completed.
    pub experiment: Experiment,
    /// Its flag, which serves the winner to everybody.
    pub flag: crate::domain::Flag,
    /// The probability that the winner is the best, as it was recomputed.
    pub p_best: f64,
}

/// Body of `POST /experiments/{idOrKey}/copy` and `POST /flags/{key}/copy`. The caller needs the role editor
/// in both projects.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopyTo {
    /// Key of the project it is copied to; may be its own, with another `key`.
    pub project: Key,
    /// Key of the copy; the same as the original where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Whether its overrides are copied too.
    #[serde(default)]
    pub overrides: bool,
}
