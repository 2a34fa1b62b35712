//! What can go wrong between client and server.

use std::time::Duration;

use crate::api::problem::{Code, Problem};

/// A request that was not answered as it should have been.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error("cannot use \"{given}\" as the server's address: {why}")]
    BadAddress {
        /// The address.
        given: String,
        /// Why not.
        why: String,
    },
    /// The HTTP stack cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Setup(#[source] reqwest::Error),
    /// Nobody answered, or the connection broke; whether the request was carried out is not known.
    #[error("cannot reach the server at {base}: {}; is it running?", root_cause(.source))]
    Unreachable {
        /// The server's address.
        base: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server refused, and said why.
    #[error("{problem}")]
    Refused {
        /// What it said.
        problem: Box<Problem>,
        /// When to try again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The answer is not one that this version understands.
    #[error("cannot read the answer to {path} (HTTP {status}): {why}")]
    BadAnswer {
        /// Path of the request.
        path: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        why: String,
    },
}

impl ClientError {
    /// What the server said, where it said something.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// The problem's code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.problem().map(|problem| problem.code)
    }

    /// How long the server asked to wait, where it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the server did not answer at all.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
