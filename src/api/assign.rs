//! Requests for assignments. The answer is an [`Assignment`], or an [`Explanation`] of one.

use serde::{Deserialize, Serialize};

pub use crate::domain::decision::{Assignment, Explanation};

use crate::domain::User;

/// The most requests of one list.
pub const MAX_ASSIGNMENTS_PER_REQUEST: usize = 1_000;

/// One request for a variant. `POST /experiments/assign` takes one, or a list of them.
///
/// The user's fields stand beside `experimentId`, or below `user`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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

impl AssignRequest {
    /// The subject, whichever way it was sent.
    #[must_use]
    pub fn subject(&self) -> &User {
        self.user.as_ref().unwrap_or(&self.inline)
    }
}
