//! Chunks land and are taken back, each in a transaction of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::imports::{Import, ImportState};
use crate::api::problem::Code;
use crate::domain::{AuditEntry, Change, FieldError, Key, OverrideSource};
use crate::server::error::ApiError;
use crate::server::follow::Write;
use crate::server::middleware::auth::Caller;
use crate::server::registry::{Noun, Registry, Target, carried_through};
use crate::server::store::feed::{self, Forced, OverrideChange, OverrideGroup};
use crate::server::store::imports::{self, RunningEntry, StoredImport};
use crate::server::store::overrides::Decree;
use crate::server::store::{self, StoreError};

use super::{not_found, plan, variant};

/// How long one request goes on with further chunks; what is left is for the next one.
const BUDGET: Duration = Duration::from_secs(10);

/// The most ids whose from and to the audit log lists one by one.
const MAX_LISTED: usize = 100;

/// Which way chunks go.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Direction {
    /// The next chunk lands.
    Apply,
    /// The last one is taken back.
    Undo,
}

/// Applies or takes back at most `chunks` chunks, or as many as fit into ten seconds.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::BadTransition`] where the import does not go that way any more;
/// [`Code::ImportExpired`] for an undo that comes too late; [`Code::Invalid`] for a variant that the experiment does not have any more.
pub async fn run(
    registry: &Arc<Registry>,
    caller: &Caller,
    noun: Noun,
    id_or_key: &str,
    id: &str,
    direction: Direction,
    chunks: Option<u32>,
) -> Result<Import, ApiError> {
    if chunks == Some(0) {
        return Err(FieldError::new("chunks", 0, "1 or more, or nothing for all that are left").into());
    }
    let uuid = Uuid::parse_str(id).map_err(|_| not_found(id))?;
    let owner = registry.target(caller, noun, id_or_key)?.id.to_string();
    let started = Instant::now();
    let mut done = 0;
    loop {
        let (registry, caller, owner) = (Arc::clone(registry), caller.clone(), owner.clone());
        // A caller who hangs up does not cut a chunk short.
        let import = carried_through(async move {
            let chunk = Chunk::begin(&registry, &caller, noun, &owner, uuid).await?;
            match direction {
                Direction::Apply => chunk.apply().await,
                Direction::Undo => chunk.undo().await,
            }
        });
        let import = import.await?;
        done += 1;
        let is_over = matches!(import.state, ImportState::Applied | ImportState::Undone);
        if is_over || chunks.is_some_and(|most| done >= most) || started.elapsed() > BUDGET {
            return Ok(import);
        }
    }
}

/// Forgets an import of which all or nothing is in force.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::BadTransition`] while a part of it is in force.
pub async fn forget(
    registry: &Arc<Registry>,
    caller: &Caller,
    noun: Noun,
    id_or_key: &str,
    id: &str,
) -> Result<(), ApiError> {
    let uuid = Uuid::parse_str(id).map_err(|_| not_found(id))?;
    let owner = registry.target(caller, noun, id_or_key)?.id;
    let mut write = registry.begin_for(caller).await?;
    let owner = registry.target(caller, noun, &owner.to_string())?;
    let stored = imports::one(&mut **write.tx(), owner.id, uuid).await?;
    let import = stored.ok_or_else(|| not_found(id))?.import;
    if matches!(import.state, ImportState::Applying | ImportState::Undoing) {
        let wanted = "apply the rest or undo it before it is forgotten";
        return Err(wrong_way(&import, wanted));
    }
    imports::delete(write.tx(), uuid).await?;
    if import.state == ImportState::Applied {
        // It cannot be undone from now on: somebody did that.
        let entry = AuditEntry {
            evidence: json!({
                "import": import.id, "variant": import.variant, "subjectType": import.subject_type,
                "forgotten": true, "expired": import.expired_at.is_some(),
            }),
            ..owner.entry(caller, write.now())
        };
        store::audit::insert(write.tx(), owner.project, &entry).await?;
    }
    write.commit(|_| {}).await?;
    Ok(())
}

fn wrong_way(import: &Import, what_to_do: &str) -> ApiError {
    let state = match import.state {
        ImportState::Staged => "only staged",
        ImportState::Applying => "applied in part",
        ImportState::Applied => "applied",
        ImportState::Undoing => "taken back in part",
        ImportState::Undone => "taken back",
    };
    ApiError::new(
        Code::BadTransition,
        format!(
            "import {} is {state}: {} of its {} chunks are in force; {what_to_do}",
            import.id, import.applied_chunks, import.chunks
        ),
    )
}

/// Refuses what needs the ids of an import that was applied too long ago.
///
/// # Errors
/// [`Code::ImportExpired`].
pub(super) fn not_expired(import: &Import) -> Result<(), ApiError> {
    let Some(at) = import.expired_at else {
        return Ok(());
    };
    Err(ApiError::new(
        Code::ImportExpired,
        format!(
            "import {} was applied at {} and can neither be undone nor looked at id by id since {at}: what its ids had \
             before is not kept any longer; set or delete the overrides themselves, or import a list of ids into what \
             they should have",
            import.id, import.updated_at
        ),
    ))
}

/// One chunk, from the moment that nobody else writes.
struct Chunk<'a> {
    write: Write<'a>,
    caller: &'a Caller,
    owner: Target,
    stored: StoredImport,
}

impl<'a> Chunk<'a> {
    async fn begin(
        registry: &'a Registry,
        caller: &'a Caller,
        noun: Noun,
        owner: &str,
        id: Uuid,
    ) -> Result<Self, ApiError> {
        let mut write = registry.begin_for(caller).await?;
        let owner = registry.target(caller, noun, owner)?;
        let stored = imports::one(&mut **write.tx(), owner.id, id).await?;
        Ok(Self {
            stored: stored.ok_or_else(|| not_found(&id.to_string()))?,
            write,
            caller,
            owner,
        })
    }

    /// The next chunk lands, if there is one.
    async fn apply(mut self) -> Result<Import, ApiError> {
        let import = &self.stored.import;
        match import.state {
            ImportState::Staged | ImportState::Applying => {}
            ImportState::Applied => return Ok(self.stored.import),
            ImportState::Undoing | ImportState::Undone => {
                return Err(wrong_way(import, "stage the ids again to apply them"));
            }
        }
        let variant = variant(&self.owner, &import.variant)?;
        let number = import.applied_chunks;
        let (text, _) = self.chunk(number).await?;
        let to = Forced {
            variant,
            source: OverrideSource::Manual,
        };
        let subject = self.stored.import.subject_type;
        let listed = if number == 0 { MAX_LISTED } else { 0 };
        let planned = plan::chunk(&self.owner.overrides, subject, &to, text.lines(), listed);
        let import = &mut self.stored.import;
        import.applied_chunks += 1;
        import.state = if import.applied_chunks == import.chunks {
            ImportState::Applied
        } else {
            ImportState::Applying
        };
        if number == 0 {
            // The numbers of the dry run.
            import.effect = <_>::default();
        }
        plan::add(&mut import.effect, &planned.effect, 1);
        self.put(&to, &planned.ids).await?;
        let changes = planned.changes;
        let entry = self.entry(false);
        let entry = RunningEntry {
            chunks: entry.chunks + 1,
            effect: {
                let mut effect = entry.effect;
                plan::add(&mut effect, &planned.effect, 1);
                effect
            },
            ..entry
        };
        self.log(entry, changes).await?;
        let landed = self.record(planned.groups, true).await?;
        if let Some(seq) = landed.1 {
            imports::chunk_landed(self.write.tx(), self.stored.import.id, number, seq).await?;
        }
        self.commit(landed.0).await
    }

    /// The last chunk in force is taken back, if there is one.
    async fn undo(mut self) -> Result<Import, ApiError> {
        let import = &self.stored.import;
        not_expired(import)?;
        match import.state {
            ImportState::Applying | ImportState::Applied | ImportState::Undoing => {}
            ImportState::Undone => return Ok(self.stored.import),
            ImportState::Staged => {
                return Err(wrong_way(
                    import,
                    "there is nothing to undo; delete it to forget it",
                ));
            }
        }
        let number = import.applied_chunks.saturating_sub(1);
        let (text, change) = self.chunk(number).await?;
        let done = match change {
            None => Vec::new(),
            Some(seq) => {
                let change = feed::overrides_at(self.write.tx(), seq).await?;
                let lost =
                    || StoreError::corrupt(format!("import {}", self.stored.import.id), "a change is gone");
                change.ok_or_else(lost)?.groups
            }
        };
        let effect = plan::effect_of(&done, text.lines().count() as u64);
        let is_variant = |key: &Key| self.owner.variant(key).is_some();
        let subject = self.stored.import.subject_type;
        let planned = plan::undo(&self.owner.overrides, subject, done, is_variant);
        let changes = planned.changes(subject, MAX_LISTED);
        for group in &planned.groups {
            let ids: Vec<&str> = group.ids.iter().map(String::as_str).collect();
            match &group.to {
                Some(former) => self.put(former, &ids).await?,
                None => {
                    store::overrides::delete_all(self.write.tx(), self.owner.id, subject, &group.ids).await?;
                }
            }
        }
        let import = &mut self.stored.import;
        import.applied_chunks = number;
        import.state = if number == 0 {
            ImportState::Undone
        } else {
            ImportState::Undoing
        };
        plan::add(&mut import.effect, &effect, -1);
        import.undone += planned.undone;
        import.kept += planned.kept;
        let entry = self.entry(true);
        let entry = RunningEntry {
            chunks: entry.chunks + 1,
            undone: entry.undone + planned.undone,
            kept: entry.kept + planned.kept,
            ..entry
        };
        self.log(entry, changes).await?;
        if let Some(seq) = change {
            imports::chunk_taken_back(self.write.tx(), self.stored.import.id, number, seq).await?;
        }
        let landed = self.record(planned.groups, false).await?;
        self.commit(landed.0).await
    }

    /// The text of a chunk, and where the feed says what it did.
    async fn chunk(&mut self, number: u32) -> Result<(String, Option<i64>), ApiError> {
        let id = self.stored.import.id;
        let corrupt = |why: String| StoreError::corrupt(format!("chunk {number} of import {id}"), why);
        let chunk = imports::chunk(&mut **self.write.tx(), id, number).await?;
        let chunk = chunk.ok_or_else(|| corrupt("it is gone".to_owned()))?;
        let text = plan::inflated(&chunk.ids).map_err(|error| corrupt(error.to_string()))?;
        Ok((text, chunk.change))
    }

    async fn put(&mut self, to: &Forced, ids: &[&str]) -> Result<(), StoreError> {
        let decree = Decree {
            experiment: self.owner.id,
            subject_type: self.stored.import.subject_type,
            variant: &to.variant,
            source: to.source,
            now: self.write.now(),
        };
        store::overrides::put(self.write.tx(), decree, ids).await
    }

    /// The entry of the audit log that goes on, or one that is yet to be written.
    fn entry(&self, undo: bool) -> RunningEntry {
        let going_on = self.stored.entry.clone();
        let going_on = going_on.filter(|e| e.undo == undo && *e.actor == *self.caller.actor);
        going_on.unwrap_or_else(|| RunningEntry {
            id: None,
            actor: self.caller.actor.to_string(),
            undo,
            chunks: 0,
            effect: <_>::default(),
            undone: 0,
            kept: 0,
        })
    }

    async fn log(&mut self, mut entry: RunningEntry, changes: Vec<Change>) -> Result<(), StoreError> {
        let evidence = evidence(&self.stored.import, &entry);
        match entry.id {
            Some(id) => store::audit::set_evidence(self.write.tx(), id, &evidence).await?,
            None => {
                let written = AuditEntry {
                    changes,
                    evidence,
                    ..self.owner.entry(self.caller, self.write.now())
                };
                let project = self.owner.project;
                entry.id = Some(store::audit::insert(self.write.tx(), project, &written).await?);
            }
        }
        self.stored.entry = Some(entry);
        Ok(())
    }

    /// Tells the other servers; what an import did is kept for its undo.
    async fn record(
        &mut self,
        groups: Vec<OverrideGroup>,
        keep: bool,
    ) -> Result<(Option<OverrideChange>, Option<i64>), StoreError> {
        if groups.is_empty() {
            return Ok((None, None));
        }
        let change = OverrideChange {
            experiment: self.owner.id,
            subject_type: self.stored.import.subject_type,
            import: keep.then_some(self.stored.import.id),
            groups,
        };
        let seq = self.write.touched_overrides(self.owner.project, &change).await?;
        Ok((Some(change), Some(seq)))
    }

    async fn commit(mut self, change: Option<OverrideChange>) -> Result<Import, ApiError> {
        self.stored.import.updated_at = self.write.now();
        imports::update(self.write.tx(), &self.stored).await?;
        let overrides = self.owner.overrides;
        self.write
            .commit(|_| change.iter().for_each(|change| overrides.apply(change)))
            .await?;
        Ok(self.stored.import)
    }
}

/// What the audit log says of an import.
fn evidence(import: &Import, entry: &RunningEntry) -> Value {
    let mut evidence = json!({
        "import": import.id, "variant": import.variant, "subjectType": import.subject_type,
        "source": OverrideSource::Manual, "sha256": import.sha256, "chunks": entry.chunks, "ofChunks": import.chunks,
    });
    if let Some(name) = &import.source_name {
        evidence["sourceName"] = name.as_str().into();
    }
    if entry.undo {
        evidence["undone"] = entry.undone.into();
        evidence["kept"] = entry.kept.into();
    } else {
        evidence["added"] = entry.effect.added.into();
        evidence["changed"] = entry.effect.changed.into();
        evidence["unchanged"] = entry.effect.unchanged.into();
        evidence["changedFrom"] = json!(entry.effect.changed_from);
    }
    evidence
}
