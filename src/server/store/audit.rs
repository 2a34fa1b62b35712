//! The audit log in the store.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use crate::domain::{AuditAction, AuditEntry, Change};

use super::{Reader, Statement, Store, StoreError, Tx, millis, timestamp, word};

/// Adds an entry; its `id` is given by the store, and returned.
///
/// # Errors
/// See [`StoreError`].
pub async fn insert(tx: &mut Tx, project: Uuid, entry: &AuditEntry) -> Result<i64, StoreError> {
    let json = |source| StoreError::Json {
        what: "audit entry",
        source,
    };
    let evidence = match &entry.evidence {
        serde_json::Value::Null => None,
        evidence => Some(serde_json::to_string(evidence).map_err(json)?),
    };
    let version = i64::try_from(entry.resource_version).map_err(|e| StoreError::corrupt("version", e))?;
    let sql = "INSERT INTO audit (project_id, at, actor, action, object_id, object_key, resource_version, \
               changes, comment, evidence) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id";
    let row = sqlx::query(sql)
        .bind(project.to_string())
        .bind(millis(entry.at))
        .bind(&entry.actor)
        .bind(word(entry.action)?)
        .bind(entry.object_id.to_string())
        .bind(&entry.object_key)
        .bind(version)
        .bind(serde_json::to_string(&entry.changes).map_err(json)?)
        .bind(entry.comment.as_deref())
        .bind(evidence)
        .fetch_one(&mut **tx)
        .await
        .map_err(StoreError::query("write the audit log"))?;
    Ok(row.get("id"))
}

/// Brings the numbers of an entry up to date: of an import, whose chunks land one after the other.
///
/// # Errors
/// See [`StoreError`].
pub async fn set_evidence(tx: &mut Tx, id: i64, evidence: &serde_json::Value) -> Result<(), StoreError> {
    let evidence = serde_json::to_string(evidence).map_err(|source| StoreError::Json {
        what: "audit entry",
        source,
    })?;
    sqlx::query("UPDATE audit SET evidence = $2 WHERE id = $1")
        .bind(id)
        .bind(evidence)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("write the audit log"))?;
    Ok(())
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only entries before this id.
    pub before: Option<i64>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only of this object.
    pub object: Option<Uuid>,
    /// Only of objects that had this key at that time, whatever the case.
    pub object_key: Option<String>,
    /// Only at or after this time.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub to: Option<Timestamp>,
}

/// The newest `limit` entries of a project that are `wanted`, the newest first.
///
/// # Errors
/// See [`StoreError`].
pub async fn of_project(
    store: &Store,
    project: Uuid,
    wanted: &Wanted,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreError> {
    // Postgres takes no such text, and no actor or key has one.
    let texts = [&wanted.actor, &wanted.object_key];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Ok(Vec::new());
    }
    let mut sql = Statement::new(
        "SELECT id, at, actor, action, object_id, object_key, resource_version, changes, comment, evidence \
         FROM audit WHERE project_id = ",
    );
    sql.bind_text(project.to_string());
    if let Some(before) = wanted.before {
        sql.push(" AND id < ").bind_int(before);
    }
    if let Some(action) = wanted.action {
        sql.push(" AND action = ").bind_text(word(action)?);
    }
    if let Some(actor) = &wanted.actor {
        sql.push(" AND actor = ").bind_text(actor);
    }
    if let Some(object) = wanted.object {
        sql.push(" AND object_id = ").bind_text(object.to_string());
    }
    if let Some(key) = &wanted.object_key {
        sql.push(" AND LOWER(object_key) = ")
            .bind_text(key.to_ascii_lowercase());
    }
    if let Some(from) = wanted.from {
        sql.push(" AND at >= ").bind_int(millis(from));
    }
    if let Some(to) = wanted.to {
        sql.push(" AND at < ").bind_int(millis(to));
    }
    sql.push(" ORDER BY id DESC LIMIT ").bind_int(limit.into());
    let rows = sql
        .build()
        .fetch_all(store.readers())
        .await
        .map_err(StoreError::query("read the audit log"))?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.get("id");
            let corrupt = |why: String| StoreError::corrupt(format!("audit entry {id}"), why);
            let (object, changes): (String, String) = (row.get("object_id"), row.get("changes"));
            let evidence: Option<String> = row.get("evidence");
            let version: i64 = row.get("resource_version");
            Ok(AuditEntry {
                id,
                at: timestamp(row.get("at"))?,
                actor: row.get("actor"),
                action: AuditAction::from(row.get::<String, _>("action").as_str()),
                object_id: Uuid::parse_str(&object).map_err(|e| corrupt(e.to_string()))?,
                object_key: row.get("object_key"),
                resource_version: u64::try_from(version).map_err(|e| corrupt(e.to_string()))?,
                changes: serde_json::from_str(&changes).map_err(|e| corrupt(e.to_string()))?,
                comment: row.get("comment"),
                evidence: match evidence {
                    Some(text) => serde_json::from_str(&text).map_err(|e| corrupt(e.to_string()))?,
                    None => serde_json::Value::Null,
                },
            })
        })
        .collect()
}

/// The paths of all fields of an object that changed after `version`, sorted; and `overrides` when some were set or
/// imported from `at` on, as they are no part of the version.
///
/// # Errors
/// See [`StoreError`].
pub async fn fields_since(
    store: &Store,
    object: Uuid,
    at: Timestamp,
    version: u64,
) -> Result<Vec<String>, StoreError> {
    let failed = || StoreError::query("read the audit log");
    let mut fields = BTreeSet::new();
    let overrides = AuditAction::OverridesImported.as_str();
    let imported =
        sqlx::query("SELECT id FROM audit WHERE object_id = $1 AND action = $2 AND at >= $3 LIMIT 1")
            .bind(object.to_string())
            .bind(overrides)
            .bind(millis(at))
            .fetch_optional(store.readers())
            .await
            .map_err(failed())?;
    if imported.is_some() {
        fields.insert("overrides".to_owned());
    }
    let sql = "SELECT id, changes FROM audit WHERE object_id = $1 AND resource_version > $2 \
               AND action NOT IN ($3, $4)";
    let mut rows = sqlx::query(sql)
        .bind(object.to_string())
        .bind(i64::try_from(version).map_err(|e| StoreError::corrupt("version", e))?)
        .bind(overrides)
        .bind(AuditAction::InsightSaved.as_str())
        .fetch(store.readers());
    while let Some(row) = rows.try_next().await.map_err(failed())? {
        let (id, changes): (i64, String) = (row.get("id"), row.get("changes"));
        let changes: Vec<Change> = serde_json::from_str(&changes)
            .map_err(|error| StoreError::corrupt(format!("audit entry {id}"), error))?;
        fields.extend(changes.into_iter().map(|change| change.field));
    }
    Ok(fields.into_iter().collect())
}

/// Who brought an object to `version`, and when.
///
/// # Errors
/// See [`StoreError`].
pub async fn last_change(
    from: impl Reader<'_>,
    object: Uuid,
    version: u64,
) -> Result<Option<(String, Timestamp)>, StoreError> {
    // The first entry of a version is what made it: to copy an object is told at the version it had.
    let sql = "SELECT actor, at FROM audit WHERE object_id = $1 AND resource_version = $2 \
               AND action NOT IN ($3, $4, $5) ORDER BY id LIMIT 1";
    let row = sqlx::query(sql)
        .bind(object.to_string())
        .bind(i64::try_from(version).map_err(|e| StoreError::corrupt("version", e))?)
        // Overrides and summaries are no part of the version.
        .bind(AuditAction::OverridesImported.as_str())
        .bind(AuditAction::FlagOverridesImported.as_str())
        .bind(AuditAction::InsightSaved.as_str())
        .fetch_optional(from)
        .await
        .map_err(StoreError::query("read the audit log"))?;
    row.map(|row| Ok((row.get("actor"), timestamp(row.get("at"))?)))
        .transpose()
}
