//! The endpoints, one file a resource. A handler reads the request, asks the registry or the snapshot,
//! and writes the answer; what is allowed is decided elsewhere.

pub mod amplitude;
pub mod assign;
pub mod audit;
pub mod deployments;
pub mod experiments;
pub mod explain;
pub mod flags;
pub mod imports;
pub mod insights;
pub mod jobs;
pub mod labs;
pub mod live;
pub mod ofrep;
pub mod overrides;
pub mod projects;
pub mod results;
pub mod rules;
pub mod status;
pub mod system;
pub mod tokens;
pub mod track;
pub mod vardata;
pub mod winner;

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::Experiment;
use crate::server::error::ApiError;
use crate::server::extract::Known;

/// An object as an answer, with its version as the ETag that `If-Match` takes.
pub type Versioned<T = Experiment> = ([(HeaderName, HeaderValue); 1], Json<T>);

fn versioned(experiment: Arc<Experiment>) -> Versioned {
    let version = experiment.resource_version;
    with_version(version, Arc::unwrap_or_clone(experiment))
}

fn with_version<T>(version: u64, object: T) -> Versioned<T> {
    ([(header::ETAG, tag(&format!("\"{version}\"")))], Json(object))
}

/// An ETag as a header.
fn tag(etag: &str) -> HeaderValue {
    // Quoted digits, letters and a dash are always a header value.
    HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// What is read: an object, or only that it is what the client has.
pub enum Read<T> {
    /// The object with its ETag.
    Fresh(Versioned<T>),
    /// The client has it, by this ETag.
    Same(HeaderValue),
}

impl<T: Serialize> IntoResponse for Read<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Fresh(fresh) => fresh.into_response(),
            Self::Same(etag) => (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response(),
        }
    }
}

/// An object, unless the client has just that. The version alone would not tell an object from one that was made anew
/// under its key, or from that of another project, or from what changes beside it. `If-Match` takes the ETag's beginning,
/// which is the version.
fn unless_known<T: Serialize>(known: &Known, version: u64, row: T) -> Result<Read<T>, ApiError> {
    let json = serde_json::to_vec(&row)
        .map_err(|error| ApiError::Internal(format!("an answer as JSON: {error}")))?;
    let digest = Sha256::digest(&json);
    let digest: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let etag = format!("\"{version}-{digest}\"");
    if known.has(&etag) {
        return Ok(Read::Same(tag(&etag)));
    }
    Ok(Read::Fresh(([(header::ETAG, tag(&etag))], Json(row))))
}
