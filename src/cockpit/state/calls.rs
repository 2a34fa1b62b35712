//! What a person was called for.

use std::collections::BTreeSet;

use uuid::Uuid;

/// What stands now, so that the same is not called out again. None until it was seen once: what stood before is
/// no event.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// Experiments that the guard has paused.
    pub paused: Option<BTreeSet<Uuid>>,
    /// Experiments whose split is off.
    pub srm: Option<BTreeSet<Uuid>>,
}
