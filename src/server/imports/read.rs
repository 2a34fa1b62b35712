//! How far imports are, and what they do to which id.

use std::collections::HashMap;

use uuid::Uuid;

use crate::api::imports::{
    CHUNK_IDS, Import, ImportEffect, ImportList, ImportRow, ImportRows, ImportState, ListImportRows,
    RowEffect,
};
use crate::domain::FieldError;
use crate::server::error::ApiError;
use crate::server::middleware::auth::Caller;
use crate::server::registry::{Noun, Registry, Target};
use crate::server::store::StoreError;
use crate::server::store::feed;
use crate::server::store::imports::{self, StoredImport};

use super::apply::not_expired;
use super::not_found;
use super::plan::{self, Planner};

/// How many imports a list has.
const LISTED: u32 = 50;

/// Page size where none is asked for, and the largest.
const PAGE_SIZES: (u32, u32) = (100, 1_000);

/// The newest imports.
///
/// # Errors
/// [`Code::NotFound`](crate::api::problem::Code::NotFound) for the experiment.
pub async fn list(
    registry: &Registry,
    caller: &Caller,
    noun: Noun,
    id_or_key: &str,
) -> Result<ImportList, ApiError> {
    let owner = registry.target(caller, noun, id_or_key)?;
    let stored = imports::newest(registry.store().readers(), owner.id, LISTED).await?;
    Ok(ImportList {
        imports: stored.into_iter().map(|stored| stored.import).collect(),
    })
}

/// One import; of one that is only staged, what it would do now.
///
/// # Errors
/// [`Code::NotFound`](crate::api::problem::Code::NotFound).
pub async fn one(
    registry: &Registry,
    caller: &Caller,
    noun: Noun,
    id_or_key: &str,
    id: &str,
) -> Result<Import, ApiError> {
    let owner = registry.target(caller, noun, id_or_key)?;
    let stored = find(registry, &owner, id).await?;
    fresh(registry, &owner, stored).await
}

async fn find(registry: &Registry, owner: &Target, id: &str) -> Result<StoredImport, ApiError> {
    let uuid = Uuid::parse_str(id).map_err(|_| not_found(id))?;
    let found = imports::one(registry.store().readers(), owner.id, uuid).await?;
    found.ok_or_else(|| not_found(id))
}

/// An import as it is told: what it would do is looked up anew while nothing of it is in force.
pub(super) async fn fresh(
    registry: &Registry,
    owner: &Target,
    stored: StoredImport,
) -> Result<Import, ApiError> {
    let mut import = stored.import;
    if import.state == ImportState::Staged {
        let mut effect = ImportEffect::default();
        for number in 0..import.chunks {
            // One planner a chunk: it must not be held while the store is asked.
            let text = chunk_text(registry, &import, number).await?.0;
            let mut planner = Planner::new(&owner.overrides, import.subject_type, &import.variant);
            for id in text.lines() {
                planner.effect(id);
            }
            plan::add(&mut effect, &planner.total(), 1);
        }
        import.effect = effect;
    }
    Ok(import)
}

/// The ids of a chunk, and where the feed says what it did.
async fn chunk_text(
    registry: &Registry,
    import: &Import,
    number: u32,
) -> Result<(String, Option<i64>), ApiError> {
    let chunk = imports::chunk(registry.store().readers(), import.id, number).await?;
    // It may have been forgotten meanwhile.
    let chunk = chunk.ok_or_else(|| not_found(&import.id.to_string()))?;
    let text = plan::inflated(&chunk.ids);
    let text = text.map_err(|error| StoreError::corrupt(format!("chunk of import {}", import.id), error))?;
    Ok((text, chunk.change))
}

/// A page of the ids, in their order, with what is done to each.
///
/// # Errors
/// [`Code::NotFound`](crate::api::problem::Code::NotFound),
/// [`Code::ImportExpired`](crate::api::problem::Code::ImportExpired), and
/// [`Code::Invalid`](crate::api::problem::Code::Invalid) for the size of the page.
pub async fn rows(
    registry: &Registry,
    caller: &Caller,
    noun: Noun,
    id_or_key: &str,
    id: &str,
    query: &ListImportRows,
) -> Result<ImportRows, ApiError> {
    let (usual, most) = PAGE_SIZES;
    let limit = query.limit.unwrap_or(usual);
    if !(1..=most).contains(&limit) {
        return Err(FieldError::new("limit", limit, format!("1 to {most}")).into());
    }
    let owner = registry.target(caller, noun, id_or_key)?;
    let import = find(registry, &owner, id).await?.import;
    not_expired(&import)?;
    let after = query.after.unwrap_or(0);
    let (chunk_ids, limit) = (CHUNK_IDS as u64, limit as usize);
    let mut rows = Vec::new();
    for number in u32::try_from(after / chunk_ids).unwrap_or(u32::MAX)..import.chunks {
        let (text, change) = chunk_text(registry, &import, number).await?;
        let done = recorded(registry, &import, number, change).await?;
        let mut planner = Planner::new(&owner.overrides, import.subject_type, &import.variant);
        let first = u64::from(number) * chunk_ids;
        for (position, id) in (first..)
            .zip(text.lines())
            .filter(|(position, _)| *position >= after)
        {
            if query.search.as_deref().is_some_and(|search| !id.contains(search)) {
                continue;
            }
            let row = match &done {
                Some(done) => done.row(id),
                None => {
                    let (effect, held) = planner.effect(id);
                    ImportRow {
                        subject_id: id.to_owned(),
                        effect,
                        from: held.and_then(|held| Some(planner.key(held)?.as_str().to_owned())),
                    }
                }
            };
            if query.effect.is_some_and(|wanted| wanted != row.effect) {
                continue;
            }
            if rows.len() == limit {
                // The first one of the next page.
                return Ok(ImportRows {
                    rows,
                    next_after: Some(position),
                });
            }
            rows.push(row);
        }
    }
    Ok(ImportRows {
        rows,
        next_after: None,
    })
}

/// What a chunk in force did.
struct Done {
    /// Former variant of each id that was added or changed.
    former: HashMap<String, Option<String>>,
    variant: String,
}

impl Done {
    fn row(&self, id: &str) -> ImportRow {
        let (effect, from) = match self.former.get(id) {
            Some(None) => (RowEffect::Added, None),
            Some(Some(from)) => (RowEffect::Changed, Some(from.clone())),
            None => (RowEffect::Unchanged, Some(self.variant.clone())),
        };
        ImportRow {
            subject_id: id.to_owned(),
            effect,
            from,
        }
    }
}

/// What the feed says of a chunk in force; nothing for one that is not.
async fn recorded(
    registry: &Registry,
    import: &Import,
    number: u32,
    change: Option<i64>,
) -> Result<Option<Done>, ApiError> {
    if number >= import.applied_chunks {
        return Ok(None);
    }
    let mut former = HashMap::new();
    if let Some(seq) = change {
        let failed = || StoreError::query("read a change of overrides");
        let mut connection = registry.store().readers().acquire().await.map_err(failed())?;
        let change = feed::overrides_at(&mut connection, seq).await?;
        for group in change.into_iter().flat_map(|change| change.groups) {
            let from = group.from.map(|forced| forced.variant.as_str().to_owned());
            former.extend(group.ids.into_iter().map(|id| (id, from.clone())));
        }
    }
    Ok(Some(Done {
        former,
        variant: import.variant.as_str().to_owned(),
    }))
}
