//! What is measured: events with filters.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Filter;

/// An event name, narrowed by filters that all must pass.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// The event's name, exactly as it is tracked.
    pub event: String,
    /// Conditions on the event's properties, joined by AND.
    #[serde(default)]
    pub filters: Vec<Filter>,
}

impl Metric {
    /// An event without filters.
    pub fn event(name: impl Into<String>) -> Self {
        Self {
            event: name.into(),
            filters: Vec::new(),
        }
    }
}

impl fmt::Display for Metric {
    /// `purchase where amount gt 100 and category is shoes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.event)?;
        for (at, filter) in self.filters.iter().enumerate() {
            write!(f, " {} {filter}", if at == 0 { "where" } else { "and" })?;
        }
        Ok(())
    }
}

/// The first step of a two-step conversion, which can be switched off without losing it.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", from = "Wire")]
pub struct SecondaryEvent {
    /// The event and its filters.
    #[serde(flatten)]
    pub metric: Metric,
    /// Whether the step counts.
    pub enabled: bool,
}

/// How it is read: each field by itself, so that one that nobody knows is seen, which flattening would hide.
#[derive(Deserialize)]
#[serde(rename = "SecondaryEvent", rename_all = "camelCase")]
struct Wire {
    event: String,
    #[serde(default)]
    filters: Vec<Filter>,
    enabled: bool,
}

impl From<Wire> for SecondaryEvent {
    fn from(wire: Wire) -> Self {
        let Wire {
            event,
            filters,
            enabled,
        } = wire;
        Self {
            metric: Metric { event, filters },
            enabled,
        }
    }
}
