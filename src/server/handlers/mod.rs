//! The endpoints, one file a resource. A handler reads the request, asks the registry or the snapshot,
//! and writes the answer; what is allowed is decided elsewhere.

pub mod amplitude;
pub mod assign;
pub mod experiments;
pub mod explain;
pub mod history;
pub mod imports;
pub mod jobs;
pub mod ofrep;
pub mod overrides;
pub mod results;
pub mod rules;
pub mod status;
pub mod system;
pub mod track;
pub mod vardata;

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};

use crate::domain::Experiment;

/// An experiment as an answer, with its version as the ETag that `If-Match` takes.
type Versioned = ([(HeaderName, HeaderValue); 1], Json<Experiment>);

fn versioned(experiment: Arc<Experiment>) -> Versioned {
    let version = format!("\"{}\"", experiment.resource_version);
    // Quoted digits are always a header value.
    let etag = HeaderValue::try_from(version).unwrap_or(HeaderValue::from_static("\"0\""));
    ([(header::ETAG, etag)], Json(Arc::unwrap_or_clone(experiment)))
}
