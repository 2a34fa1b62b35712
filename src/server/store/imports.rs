//! Bulk imports of overrides in the store: what was staged, in chunks, and how far it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use uuid::Uuid;

use crate::api::imports::{Import, ImportEffect, ImportState};

use super::{Reader, StoreError, Tx, millis, word};

/// An import as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredImport {
    /// As it is told.
    pub import: Import,
    /// The entry of the audit log that counts what its chunks do, while they land or are taken back.
    pub entry: Option<RunningEntry>,
}

/// An entry of the audit log that is brought up to date with each chunk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunningEntry {
    /// Its id, once it is written.
    pub id: Option<i64>,
    /// Whose it is: what somebody else does gets an entry of its own.
    pub actor: String,
    /// Whether it counts what is taken back.
    pub undo: bool,
    /// How many chunks it is about.
    pub chunks: u32,
    /// What they did.
    pub effect: ImportEffect,
    /// Of chunks that were taken back: ids that got back what they had.
    pub undone: u64,
    /// Ids that had something else by then and kept it.
    pub kept: u64,
}

fn json(source: serde_json::Error) -> StoreError {
    StoreError::Json {
        what: "import",
        source,
    }
}

fn read(row: &AnyRow) -> Result<StoredImport, StoreError> {
    let document: String = row.get("document");
    serde_json::from_str(&document).map_err(|error| {
        let id: String = row.get("id");
        StoreError::corrupt(format!("import {id}"), error)
    })
}

/// Writes a new import with its chunks, each deflated.
///
/// # Errors
/// See [`StoreError`].
pub async fn insert(
    tx: &mut Tx,
    owner: Uuid,
    idempotency_key: Option<&str>,
    stored: &StoredImport,
    chunks: &[Vec<u8>],
) -> Result<(), StoreError> {
    let failed = || StoreError::query("stage an import");
    let import = &stored.import;
    let id = import.id.to_string();
    let sql = "INSERT INTO override_imports (id, owner_id, idempotency_key, state, document, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(sql)
        .bind(&id)
        .bind(owner.to_string())
        .bind(idempotency_key)
        .bind(word(import.state)?)
        .bind(serde_json::to_string(stored).map_err(json)?)
        .bind(millis(import.created_at))
        .bind(millis(import.updated_at))
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    let sql = "INSERT INTO override_import_chunks (import_id, number, ids) VALUES ($1, $2, $3)";
    for (number, ids) in (0_i64..).zip(chunks) {
        sqlx::query(sql)
            .bind(&id)
            .bind(number)
            .bind(ids.as_slice())
            .execute(&mut **tx)
            .await
            .map_err(failed())?;
    }
    Ok(())
}

/// The import that was sent under this name.
///
/// # Errors
/// See [`StoreError`].
pub async fn by_key(
    from: impl Reader<'_>,
    owner: Uuid,
    idempotency_key: &str,
) -> Result<Option<StoredImport>, StoreError> {
    let sql = "SELECT id, document FROM override_imports WHERE owner_id = $1 AND idempotency_key = $2";
    let row = sqlx::query(sql)
        .bind(owner.to_string())
        .bind(idempotency_key)
        .fetch_optional(from)
        .await
        .map_err(StoreError::query("read an import"))?;
    row.as_ref().map(read).transpose()
}

/// One import.
///
/// # Errors
/// See [`StoreError`].
pub async fn one(from: impl Reader<'_>, owner: Uuid, id: Uuid) -> Result<Option<StoredImport>, StoreError> {
    let sql = "SELECT id, document FROM override_imports WHERE owner_id = $1 AND id = $2";
    let row = sqlx::query(sql)
        .bind(owner.to_string())
        .bind(id.to_string())
        .fetch_optional(from)
        .await
        .map_err(StoreError::query("read an import"))?;
    row.as_ref().map(read).transpose()
}

/// The newest `limit` imports, the newest first.
///
/// # Errors
/// See [`StoreError`].
pub async fn newest(from: impl Reader<'_>, owner: Uuid, limit: u32) -> Result<Vec<StoredImport>, StoreError> {
    let sql = "SELECT id, document FROM override_imports WHERE owner_id = $1 \
               ORDER BY created_at DESC, id DESC LIMIT $2";
    let rows = sqlx::query(sql)
        .bind(owner.to_string())
        .bind(i64::from(limit))
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the imports"))?;
    rows.iter().map(read).collect()
}

/// Writes how far an import is.
///
/// # Errors
/// See [`StoreError`].
pub async fn update(tx: &mut Tx, stored: &StoredImport) -> Result<(), StoreError> {
    sqlx::query("UPDATE override_imports SET state = $2, document = $3, updated_at = $4 WHERE id = $1")
        .bind(stored.import.id.to_string())
        .bind(word(stored.import.state)?)
        .bind(serde_json::to_string(stored).map_err(json)?)
        .bind(millis(stored.import.updated_at))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("write the progress of an import"))?;
    Ok(())
}

/// A chunk of an import.
#[derive(Debug)]
pub struct Chunk {
    /// Its ids, as they were staged.
    pub ids: Vec<u8>,
    /// Where the feed says what it did, if it did anything.
    pub change: Option<i64>,
}

/// One chunk of an import, from 0.
///
/// # Errors
/// See [`StoreError`].
pub async fn chunk(from: impl Reader<'_>, import: Uuid, number: u32) -> Result<Option<Chunk>, StoreError> {
    let sql = "SELECT ids, change_seq FROM override_import_chunks WHERE import_id = $1 AND number = $2";
    let row = sqlx::query(sql)
        .bind(import.to_string())
        .bind(i64::from(number))
        .fetch_optional(from)
        .await
        .map_err(StoreError::query("read a chunk of an import"))?;
    Ok(row.map(|row| Chunk {
        ids: row.get("ids"),
        change: row.get("change_seq"),
    }))
}

/// Notes where the feed says what a chunk did.
///
/// # Errors
/// See [`StoreError`].
pub async fn chunk_landed(tx: &mut Tx, import: Uuid, number: u32, change: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE override_import_chunks SET change_seq = $3 WHERE import_id = $1 AND number = $2")
        .bind(import.to_string())
        .bind(i64::from(number))
        .bind(change)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("write the progress of an import"))?;
    Ok(())
}

/// Notes that a chunk was taken back: what the feed says of it is kept no longer than other changes.
///
/// # Errors
/// See [`StoreError`].
pub async fn chunk_taken_back(tx: &mut Tx, import: Uuid, number: u32, change: i64) -> Result<(), StoreError> {
    let failed = || StoreError::query("write the progress of an import");
    let sql = "UPDATE override_import_chunks SET change_seq = NULL WHERE import_id = $1 AND number = $2";
    sqlx::query(sql)
        .bind(import.to_string())
        .bind(i64::from(number))
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    sqlx::query("UPDATE override_changes SET import_id = NULL WHERE seq = $1")
        .bind(change)
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    Ok(())
}

/// Forgets an import: it can neither be applied nor undone any more.
///
/// # Errors
/// See [`StoreError`].
pub async fn delete(connection: &mut AnyConnection, id: Uuid) -> Result<(), StoreError> {
    release(connection, id).await?;
    sqlx::query("DELETE FROM override_imports WHERE id = $1")
        .bind(id.to_string())
        .execute(connection)
        .await
        .map_err(StoreError::query("forget an import"))?;
    Ok(())
}

/// Imports of which nothing is in force, and that nobody has touched since `before`.
///
/// # Errors
/// See [`StoreError`].
pub async fn forgotten(from: impl Reader<'_>, before: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT id FROM override_imports WHERE state IN ($1, $2) AND updated_at < $3";
    let rows = sqlx::query(sql)
        .bind(word(ImportState::Staged)?)
        .bind(word(ImportState::Undone)?)
        .bind(millis(before))
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the imports"))?;
    rows.iter().map(id_of).collect()
}

/// Imports that are in force as a whole, whose last chunk landed before `before`, and that can be undone still.
///
/// # Errors
/// See [`StoreError`].
pub async fn applied(from: impl Reader<'_>, before: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT id FROM override_imports WHERE state = $1 AND updated_at < $2 AND EXISTS \
               (SELECT 1 FROM override_import_chunks WHERE import_id = override_imports.id)";
    let rows = sqlx::query(sql)
        .bind(word(ImportState::Applied)?)
        .bind(millis(before))
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the imports"))?;
    rows.iter().map(id_of).collect()
}

fn id_of(row: &AnyRow) -> Result<Uuid, StoreError> {
    let id: String = row.get("id");
    Uuid::parse_str(&id).map_err(|error| StoreError::corrupt("import", error))
}

/// Forgets the ids of an import that is in force, and what they had before, unless it was touched since `before`:
/// it cannot be undone any more. Whether it was there to be forgotten.
///
/// # Errors
/// See [`StoreError`].
pub async fn expire(
    connection: &mut AnyConnection,
    id: Uuid,
    before: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let failed = || StoreError::query("forget what an import changed");
    let sql = "SELECT id, document FROM override_imports WHERE id = $1 AND state = $2 AND updated_at < $3";
    let row = sqlx::query(sql)
        .bind(id.to_string())
        .bind(word(ImportState::Applied)?)
        .bind(millis(before))
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed())?;
    let Some(row) = row else {
        return Ok(false);
    };
    let mut stored = read(&row)?;
    stored.import.expired_at = Some(now);
    sqlx::query("UPDATE override_imports SET document = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(serde_json::to_string(&stored).map_err(json)?)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    release(connection, id).await?;
    Ok(true)
}

/// The chunks of an import go, and what the feed says of it is kept no longer than other changes.
async fn release(connection: &mut AnyConnection, id: Uuid) -> Result<(), StoreError> {
    for sql in [
        "UPDATE override_changes SET import_id = NULL WHERE import_id = $1",
        "DELETE FROM override_import_chunks WHERE import_id = $1",
    ] {
        sqlx::query(sql)
            .bind(id.to_string())
            .execute(&mut *connection)
            .await
            .map_err(StoreError::query("forget an import"))?;
    }
    Ok(())
}
