//! What every handler can reach.

use std::sync::Arc;

use super::ingest::Ingest;
use super::link::Link;
use super::registry::Registry;

/// What every handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Arc<Registry>,
    link: Arc<Link>,
    ingest: Ingest,
    demo: bool,
}

impl AppState {
    /// Puts the parts together. `demo` says that the traffic is simulated.
    #[must_use]
    pub fn new(registry: Arc<Registry>, link: Arc<Link>, ingest: Ingest, demo: bool) -> Self {
        Self(Arc::new(Inner {
            registry,
            link,
            ingest,
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

    /// Whether the traffic is simulated.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.0.demo
    }
}
