//! Requests for assignments. The answer is an [`Assignment`], or an [`Explanation`] of one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::domain::decision::{Assignment, Explanation};

use crate::domain::{Rule, User};

/// The most requests of one list.
pub const MAX_ASSIGNMENTS_PER_REQUEST: usize = 1_000;

/// One request for a variant. `POST /experiments/assign` takes one, or a list of them.
///
/// The user's fields stand beside `experimentId`, or below `user`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignRequest {
    /// The experiment's UUID, or its key.
    #[serde(alias = "experimentKey")]
    pub experiment_id: String,
    /// The subject, when it is sent as an object of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The subject, when its fields are sent side by side with the experiment.
    #[serde(flatten)]
    pub inline: User,
}

/// What to suppose in an explanation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suppose {
    /// These rules in the place of the saved ones, to try them before they are saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Rule>>,
    /// Decide as if the experiment were active, whatever its status.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_if_active: bool,
}

/// Body of `POST /experiments/{idOrKey}/explain`: a user, and what to suppose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct ExplainRequest {
    /// What to suppose.
    #[serde(flatten)]
    pub suppose: Suppose,
    /// The subject; its fields stand beside the others.
    #[serde(flatten)]
    pub user: User,
}

impl AssignRequest {
    /// The subject, whichever way it was sent.
    #[must_use]
    pub fn subject(&self) -> &User {
        self.user.as_ref().unwrap_or(&self.inline)
    }
}
