//! Decisions: the variant that was served, why, and step by step how it came about.
//!
//! Made by the `decide` module; sent as they are.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a variant was served.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An override for the user or the device.
    Override,
    /// The subject is in the holdout.
    Holdout,
    /// A rule matched.
    Rule,
    /// The subject was seen before and keeps its variant.
    Sticky,
    /// The subject's slot belongs to the variant.
    Allocation,
    /// The subject's slot belongs to nobody, or it has no id of the experiment's kind.
    Unallocated,
    /// The experiment is a draft, paused, or completed without a winner.
    ExperimentInactive,
    /// The experiment is completed with a winner.
    Winner,
    /// The experiment is ended or archived.
    ExperimentEnded,
    /// The flag is switched off.
    FlagDisabled,
}

impl Reason {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Holdout => "holdout",
            Self::Rule => "rule",
            Self::Sticky => "sticky",
            Self::Allocation => "allocation",
            Self::Unallocated => "unallocated",
            Self::ExperimentInactive => "experiment_inactive",
            Self::Winner => "winner",
            Self::ExperimentEnded => "experiment_ended",
            Self::FlagDisabled => "flag_disabled",
        }
    }
}

/// What is to be attached to the properties of every tracked event.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attribution {
    /// The experiment's id.
    #[serde(rename = "__experimentId")]
    pub experiment_id: Uuid,
    /// The variant's key.
    #[serde(rename = "__variantId")]
    pub variant_id: String,
    /// The experiment's name.
    #[serde(rename = "__experimentName")]
    pub experiment_name: String,
    /// The variant's name.
    #[serde(rename = "__variantName")]
    pub variant_name: String,
    /// Why the variant was served.
    #[serde(rename = "__assignmentReason")]
    pub assignment_reason: Reason,
    /// The cohort the decision was made in; 0 outside of any.
    #[serde(rename = "__cohort")]
    pub cohort: u32,
}

/// The answer: always a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The experiment's id.
    pub experiment_id: Uuid,
    /// The variant's key.
    pub variant_id: String,
    /// The variant's name.
    pub variant_name: String,
    /// The variant's payload.
    pub payload: Value,
    /// Why it was served.
    pub reason: Reason,
    /// The rule that matched, with reason `rule`.
    pub rule_id: Option<Uuid>,
    /// The cohort the decision was made in; 0 outside of any.
    pub cohort: u32,
    /// To be attached to every tracked event.
    pub attribution: Attribution,
}

/// One step of a decision, in the order they are tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ExplainStep {
    /// The status alone decided, or let the decision go on.
    Status {
        /// The experiment's status.
        status: super::Status,
        /// Whether a decision is made at all.
        decides: bool,
    },
    /// Of a flag: a linked experiment decides in its place, by the steps that follow.
    #[serde(rename = "decided_by")]
    DecidedBy {
        /// Its key.
        experiment: super::Key,
    },
    /// Of a flag, in the place of the status: it is switched on, and the decision goes on.
    #[serde(rename = "flag_enabled")]
    FlagEnabled,
    /// Of a flag, in the place of the status: it is switched off, which decides.
    #[serde(rename = "flag_disabled")]
    FlagDisabled {
        /// Whether it is archived, which switches it off as well.
        #[serde(default)]
        archived: bool,
    },
    /// The override of the user id or the device id.
    Override {
        /// Which id was looked up (`user:alice`, `device:d1`); none when neither was given.
        subject: Option<String>,
        /// The forced variant, if there is an override.
        variant: Option<String>,
        /// Whether the override was ignored because the experiment has no such variant (any more).
        #[serde(default)]
        unknown: bool,
    },
    /// The holdout.
    Holdout {
        /// The text that was hashed; none when the subject has no id, or there is no holdout.
        hashed: Option<String>,
        /// The subject's bucket, 0 to 9,999. Without `hashed` it was drawn at random.
        bucket: Option<u32>,
        /// Buckets below this are in the holdout.
        threshold: u32,
        /// Whether the subject is held out.
        #[schema(rename = "heldOut")]
        held_out: bool,
    },
    /// One rule.
    Rule {
        /// Its id.
        #[schema(rename = "ruleId")]
        rule_id: Uuid,
        /// The variant it routes to.
        variant: String,
        /// Its priority.
        priority: i32,
        /// Each condition with what was found.
        conditions: Vec<ExplainCondition>,
        /// Whether all passed.
        matched: bool,
    },
    /// The sticky memory.
    Sticky {
        /// Whether the experiment remembers.
        enabled: bool,
        /// The remembered variant.
        variant: Option<String>,
        /// Whether it was ignored because the experiment has no such variant (any more).
        #[serde(default)]
        unknown: bool,
    },
    /// The slot.
    Allocation {
        /// The id that the subject would need and does not have (`session_id`): why nothing was hashed.
        #[serde(default)]
        missing: Option<String>,
        /// The text that was hashed.
        hashed: Option<String>,
        /// Its murmur3 hash. Without `hashed` it was drawn at random.
        hash: Option<u32>,
        /// `hash / 100`.
        slot: Option<u32>,
        /// The cohort whose split holds.
        cohort: u32,
        /// The slot's owner.
        variant: Option<String>,
    },
    /// Nothing decided: the default variant.
    Default {
        /// The default variant.
        variant: String,
    },
}

/// One condition of a rule as it was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainCondition {
    /// `profile.country is TH`
    pub condition: String,
    /// What the field held, of a long text its first 1,000 characters; none when it is missing.
    pub found: Option<String>,
    /// Whether it passed.
    pub passed: bool,
}

/// Answer of `POST /experiments/{idOrKey}/explain`: the decision and how it came about.
///
/// Nothing is recorded by asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The decision, exactly as `assign` answers it.
    pub assignment: Assignment,
    /// The steps that were tried, the deciding one last.
    pub steps: Vec<ExplainStep>,
}
