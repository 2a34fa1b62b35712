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
    /// The token cannot be sent. It is not repeated here.
    #[error(
        "cannot use the token: it holds characters that do not fit into a header; copy it again, without blanks"
    )]
    BadToken,
    /// The key of the project cannot be sent.
    #[error(
        "cannot use \"{given}\" as the key of a project: it holds characters that do not fit into a header"
    )]
    BadProject {
        /// The key.
        given: String,
    },
    /// No object is called so.
    #[error("\"{given}\" is no key and no id: name the object that is meant")]
    BadKey {
        /// The key.
        given: String,
    },
    /// It would change something, which was not to be.
    #[error(
        "{request} would change something: refused, because this is read-only (--read-only, SPLITDECK_READ_ONLY, or read_only in the configuration)"
    )]
    ReadOnly {
        /// Method and path of the request, such as `POST /experiments`.
        request: String,
    },
    /// The HTTP stack cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Setup(#[source] reqwest::Error),
    /// Nobody answered, or the connection broke; whether the request was carried out is not known.
    #[error("{}", unreachable(.base, .request, .source))]
    Unreachable {
        /// The server's address.
        base: String,
        /// Method and path of the request, such as `GET /me`.
        request: String,
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
    #[error("cannot read the answer of {base} to {request} (HTTP {status}): {why}")]
    BadAnswer {
        /// The server's address.
        base: String,
        /// Method and path of the request, such as `GET /me`.
        request: String,
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

fn unreachable(base: &str, request: &str, source: &reqwest::Error) -> String {
    if source.is_timeout() && !source.is_connect() && request.starts_with("GET ") {
        return format!("the server at {base} did not answer {request} in time");
    }
    if source.is_timeout() && !source.is_connect() {
        return format!(
            "the server at {base} did not answer {request} in time; it may have been carried out all the same: \
             look before you try again"
        );
    }
    let cause = root_cause(source);
    // What a narrow screen cuts is the end.
    format!("cannot reach the server at {base}: {cause}; is it running, and is that its address? ({request})")
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
