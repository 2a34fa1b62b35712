//! Errors over the wire: problem details (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::FieldError;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, as a stable word that clients can branch on.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON, or not of the form that the endpoint takes.
    Malformed,
    /// Fields were refused; `errors` names each.
    Invalid,
    /// No token, or one that nobody issued.
    Unauthorized,
    /// The token may not do this.
    Forbidden,
    /// There is no such object.
    NotFound,
    /// There is no such method on this path.
    MethodNotAllowed,
    /// The key is taken.
    KeyTaken,
    /// The object was changed since it was read; `current` is the live one.
    VersionConflict,
    /// The lifecycle does not allow this step.
    BadTransition,
    /// The idempotency key stands for another request.
    IdempotencyConflict,
    /// SDKs cannot evaluate it by themselves as the server does; `errors` says why.
    NotExportable,
    /// It was applied too long ago to be undone.
    ImportExpired,
    /// The data of this moment do not name the winner that was to be applied.
    WinnerNotReady,
    /// Nobody would administer a project any more.
    LastAdmin,
    /// Too many requests; try again after `Retry-After`.
    RateLimited,
    /// The body is larger than allowed.
    TooLarge,
    /// The server cannot take events now; try again after `Retry-After`.
    SpoolFull,
    /// The disk of the events failed; try again after `Retry-After`, with the ids that the events have.
    SpoolUnavailable,
    /// ClickHouse cannot be reached or refused the query.
    WarehouseUnavailable,
    /// The configuration store cannot be reached; try again after `Retry-After`.
    StoreUnavailable,
    /// The server is shutting down; try again after `Retry-After`.
    ShuttingDown,
    /// The body came too slowly.
    RequestTimeout,
    /// The request took too long.
    Timeout,
    /// A fault of the server; the request id helps to find it in the log.
    Internal,
}

impl Code {
    /// The HTTP status that goes with the code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::KeyTaken
            | Self::VersionConflict
            | Self::BadTransition
            | Self::IdempotencyConflict
            | Self::NotExportable
            | Self::WinnerNotReady
            | Self::LastAdmin => 409,
            Self::RateLimited => 429,
            Self::ImportExpired => 410,
            Self::TooLarge => 413,
            Self::Internal => 500,
            Self::SpoolFull
            | Self::SpoolUnavailable
            | Self::WarehouseUnavailable
            | Self::StoreUnavailable
            | Self::ShuttingDown => 503,
            Self::Timeout => 504,
        }
    }

    /// The short text that is the same for every problem of this code.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed request",
            Self::Invalid => "Invalid field",
            Self::Unauthorized => "Not signed in",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::KeyTaken => "Key is taken",
            Self::VersionConflict => "Changed by somebody else",
            Self::BadTransition => "Not possible in this status",
            Self::IdempotencyConflict => "Key of another request",
            Self::NotExportable => "Not for local evaluation",
            Self::ImportExpired => "Too late to undo",
            Self::WinnerNotReady => "No winner to apply",
            Self::LastAdmin => "Last administrator",
            Self::RateLimited => "Too many requests",
            Self::TooLarge => "Too large",
            Self::SpoolFull => "Event spool is full",
            Self::SpoolUnavailable => "Event spool is not available",
            Self::WarehouseUnavailable => "ClickHouse is not available",
            Self::StoreUnavailable => "Configuration store is not available",
            Self::ShuttingDown => "Shutting down",
            Self::RequestTimeout => "Came too slowly",
            Self::Timeout => "Took too long",
            Self::Internal => "Internal error",
        }
    }
}

/// One refused field in a problem.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemField {
    /// Path of the field, such as `variants[1].key`.
    pub field: String,
    /// What was given, shortened.
    pub given: String,
    /// What is allowed.
    pub allowed: String,
}

impl From<ProblemField> for FieldError {
    fn from(error: ProblemField) -> Self {
        let ProblemField {
            field,
            given,
            allowed,
        } = error;
        Self {
            field,
            given,
            allowed,
        }
    }
}

impl From<FieldError> for ProblemField {
    fn from(error: FieldError) -> Self {
        let FieldError {
            field,
            given,
            allowed,
        } = error;
        Self {
            field,
            given,
            allowed,
        }
    }
}

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:splitdeck:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What failed here, on what, and what to do.
    pub detail: String,
    /// The code to branch on.
    pub code: Code,
    /// The refused fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
    /// The request's id, as in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// On a version conflict: the object as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<serde_json::Value>,
    /// On a version conflict: who changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// On a version conflict: when it was changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<jiff::Timestamp>,
}

impl Problem {
    /// A problem of `code` with its own words.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let word = serde_json::to_value(code)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned));
        Self {
            kind: format!("urn:splitdeck:problem:{}", word.unwrap_or_default()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
            request_id: None,
            current: None,
            changed_by: None,
            changed_at: None,
        }
    }

    /// A problem of [`Code::Invalid`] that names every refused field.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        let mut problem = Self::new(Code::Invalid, detail);
        problem.errors = errors.into_iter().map(Into::into).collect();
        problem
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}
