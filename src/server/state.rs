//! What every handler can reach.

use std::sync::Arc;

use super::evaluate::assigned::Assigned;
use super::imports::Imports;
use super::ingest::Ingest;
use super::link::Link;
use super::registry::Registry;
use super::sticky::Sticky;

/// What every handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Arc<Registry>,
    link: Arc<Link>,
    ingest: Ingest,
    imports: Imports,
    assigned: Assigned,
    sticky: Arc<Sticky>,
    demo: bool,
}

impl AppState {
    /// Puts the parts together. `demo` says that the traffic is simulated.
    #[must_use]
    pub fn new(
        registry: Arc<Registry>,
        link: Arc<Link>,
        ingest: Ingest,
        imports: Imports,
        assigned: Assigned,
        sticky: Arc<Sticky>,
        demo: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            registry,
            link,
            ingest,
            imports,
            assigned,
            sticky,
            demo,
        }))
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

    /// The spool of events.
    #[must_use]
    pub fn ingest(&self) -> &Ingest {
        &self.0.ingest
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
