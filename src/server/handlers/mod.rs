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
use axum::http::{HeaderName, HeaderValue, header};

use crate::domain::Experiment;

/// An object as an answer, with its version as the ETag that `If-Match` takes.
type Versioned<T = Experiment> = ([(HeaderName, HeaderValue); 1], Json<T>);

fn versioned(experiment: Arc<Experiment>) -> Versioned {
    let version = experiment.resource_version;
    with_version(version, Arc::unwrap_or_clone(experiment))
}

fn with_version<T>(version: u64, object: T) -> Versioned<T> {
    let version = format!("\"{version}\"");
    // Quoted digits are always a header value.
    let etag = HeaderValue::try_from(version).unwrap_or(HeaderValue::from_static("\"0\""));
    ([(header::ETAG, etag)], Json(object))
}
