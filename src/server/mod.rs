//! The HTTP API, the configuration store, ingest and jobs.
