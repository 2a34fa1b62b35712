//! What every handler can reach.

use std::sync::Arc;

use super::evaluate::assigned::Assigned;
use super::imports::Imports;
use super::ingest::{Ingest, Visits};
use super::jobs::runner::Runner;
use super::link::Link;
use super::middleware::limits::Limits;
use super::overviews::Overviews;
use super::registry::Registry;
use super::sticky::Sticky;

/// What every handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Parts>);

/// The parts of a server.
#[derive(Debug)]
pub struct Parts {
    /// Configuration: in the store, and in memory.
    pub registry: Arc<Registry>,
    /// The way to ClickHouse.
    pub link: Arc<Link>,
    /// The spool of events.
    pub ingest: Ingest,
    /// The visits that may go on.
    pub visits: Arc<Visits>,
    /// What the server does by itself.
    pub runner: Arc<Runner>,
    /// Bulk imports under way.
    pub imports: Imports,
    /// What records evaluations.
    pub assigned: Assigned,
    /// The first variants of sticky experiments.
    pub sticky: Arc<Sticky>,
    /// The live numbers that were counted last.
    pub overviews: Overviews,
    /// How much a caller may send.
    pub limits: Limits,
    /// Whether the traffic is simulated.
    pub demo: bool,
}

impl AppState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Configuration: reading and changing it.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// ClickHouse.
    #[must_use]
    pub fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    /// How much a caller may send.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The live numbers of each project's experiments.
    #[must_use]
    pub fn overviews(&self) -> &Overviews {
        &self.0.overviews
    }

    /// The spool of events.
    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.0.ingest
    }

    /// The visits of those whose clients leave it to the server to tell them apart.
    #[must_use]
    pub fn visits(&self) -> &Arc<Visits> {
        &self.0.visits
    }

    /// What the server does by itself.
    #[must_use]
    pub fn runner(&self) -> &Arc<Runner> {
        &self.0.runner
    }

    /// Bulk imports of overrides.
    #[must_use]
    pub fn imports(&self) -> &Imports {
        &self.0.imports
    }

    /// Takes what was assigned.
    #[must_use]
    pub fn assigned(&self) -> &Assigned {
        &self.0.assigned
    }

    /// The first variants of sticky experiments, and with them every decision for a real user.
    #[must_use]
    pub fn sticky(&self) -> &Arc<Sticky> {
        &self.0.sticky
    }

    /// Whether the traffic is simulated.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.0.demo
    }
}
