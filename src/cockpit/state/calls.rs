//! What a person was called for.

use std::collections::BTreeSet;

use uuid::Uuid;

/// What stands now, so that the same is not called out again. What was not looked at before is no event: what stood
/// before is none.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// Experiments that the guard has paused; none until the list was seen once.
    pub paused: Option<BTreeSet<Uuid>>,
    /// Experiments whose split is known to be off, or to be in order: by their numbers, or as they have none yet.
    pub known: BTreeSet<Uuid>,
    /// Those of them whose split is off.
    pub srm: BTreeSet<Uuid>,
}
