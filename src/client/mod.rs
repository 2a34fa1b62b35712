//! The typed HTTP client of the API.
