//! Bulk imports of overrides: a million ids, staged, looked at, put into force chunk by chunk, taken back.
//!
//! | file | what it does |
//! |---|---|
//! | `parse` | the body, read as it comes |
//! | `ids` | the ids in memory, sorted |
//! | `stage` | an upload becomes an import, of which nothing is in force |
//! | `plan` | what ids do to the overrides there are: pure |
//! | `apply` | chunks land and are taken back, each in a transaction of its own |
//! | `read` | how far imports are, and what they do to which id |
//!
//! Everything that a chunk does is in one transaction: the overrides, what they were before (for the undo, and
//! for the other servers), how far the import is, and the numbers of its entry in the audit log. So the log says
//! what landed, whatever ends the server; and any server of a shared store can go on.

pub mod apply;
pub mod ids;
pub mod parse;
pub mod plan;
pub mod read;
pub mod stage;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Key;
use crate::domain::checks::no_variant;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::error::ApiError;
use super::registry::{Registry, Target, in_time};
use super::store::{self, StoreError};

pub use parse::Limits;

/// How many uploads are read at the same time: each may hold as much as its limit in memory.
const UPLOADS: usize = 2;

/// How long an import of which nothing is in force is kept after it was last touched.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long after it was applied an import can be undone, where nothing else is said.
pub const UNDO_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often old imports are looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// What imports of this server may do.
#[derive(Debug)]
pub struct Imports {
    limits: Limits,
    uploads: Semaphore,
}

impl Imports {
    /// With these limits on each upload.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            uploads: Semaphore::new(UPLOADS),
        }
    }
}

/// The variant with this key, as it is written.
fn variant(owner: &Target, key: &Key) -> Result<Key, ApiError> {
    let refused = || no_variant("variant", key, &owner.variants).into();
    owner.variant(key).ok_or_else(refused)
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found("import", id)
}

/// Forgets old imports of which nothing is in force, and what those had before that were applied longer than
/// `undo_for` ago; for as long as the server runs.
pub async fn sweep(registry: Arc<Registry>, undo_for: Option<Duration>) {
    loop {
        match in_time(sweep_once(&registry, undo_for, super::registry::now())).await {
            Ok(Swept {
                forgotten: 0,
                expired: 0,
            }) => {}
            Ok(Swept { forgotten, expired }) => tracing::info!(
                forgotten,
                expired,
                "old imports of overrides: those not in force are forgotten, of those in force what was there before"
            ),
            // The store being away is told by who follows it.
            Err(error) if error.is_unavailable() => {}
            Err(error) => tracing::warn!(%error, "old imports of overrides cannot be forgotten"),
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// What was swept away.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub struct Swept {
    /// Imports of which nothing was in force.
    pub forgotten: usize,
    /// Imports that are in force and cannot be undone any more.
    pub expired: usize,
}

/// Forgets imports of which nothing is in force and that nobody has touched for a week; and of imports that are
/// in force, longer than `undo_for` after the last chunk landed, the list of ids and what they had before.
///
/// # Errors
/// See [`StoreError`].
pub async fn sweep_once(
    registry: &Registry,
    undo_for: Option<Duration>,
    now: Timestamp,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    if let Ok(before) = now.checked_sub(KEPT) {
        swept.forgotten = forget_untouched(registry, before).await?;
    }
    if let Some(before) = undo_for.and_then(|age| now.checked_sub(age).ok()) {
        // A transaction each: a large one takes a while, and nobody else writes meanwhile.
        for id in store::imports::applied(registry.store().readers(), before).await? {
            let mut write = registry.begin().await?;
            if store::imports::expire(write.tx(), id, before, now).await? {
                swept.expired += 1;
            }
            write.commit(|_| {}).await?;
        }
    }
    Ok(swept)
}

async fn forget_untouched(registry: &Registry, before: Timestamp) -> Result<usize, StoreError> {
    if store::imports::forgotten(registry.store().readers(), before)
        .await?
        .is_empty()
    {
        return Ok(0);
    }
    let mut write = registry.begin().await?;
    // Again, now that nobody else writes.
    let old = store::imports::forgotten(&mut **write.tx(), before).await?;
    for id in &old {
        store::imports::delete(write.tx(), *id).await?;
    }
    write.commit(|_| {}).await?;
    Ok(old.len())
}
