//! Projects in the store.

use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use crate::domain::{Key, Project};

use super::{Reader, StoreError, Tx, from_word, millis, timestamp, word};

/// All projects, the oldest first.
///
/// # Errors
/// See [`StoreError`].
pub async fn all(from: impl Reader<'_>) -> Result<Vec<Project>, StoreError> {
    let sql = "SELECT id, key, name, environment, protected, resource_version FROM projects \
               ORDER BY created_at, id";
    let rows = sqlx::query(sql)
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the projects"))?;
    rows.iter()
        .map(|row| {
            let (id, key): (String, String) = (row.get("id"), row.get("key"));
            Ok(Project {
                id: Uuid::parse_str(&id)
                    .map_err(|e| StoreError::row("projects", format_args!("id {id}"), e))?,
                key: Key::new(key).map_err(|e| StoreError::row("projects", format_args!("id {id}"), e))?,
                name: row.get("name"),
                environment: from_word(row.get("environment"))?,
                protected: row.get::<i64, _>("protected") != 0,
                resource_version: u64::try_from(row.get::<i64, _>("resource_version"))
                    .map_err(|e| StoreError::row("projects", format_args!("id {id}"), e))?,
            })
        })
        .collect()
}

/// When the oldest project was created; nothing while there is none.
///
/// # Errors
/// See [`StoreError`].
pub async fn first_created_at(from: impl Reader<'_>) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query("SELECT MIN(created_at) AS first FROM projects")
        .fetch_one(from)
        .await
        .map_err(StoreError::query("read the projects"))?;
    row.get::<Option<i64>, _>("first").map(timestamp).transpose()
}

/// Adds a project.
///
/// # Errors
/// See [`StoreError`].
pub async fn insert(tx: &mut Tx, project: &Project, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO projects (id, key, key_folded, name, environment, protected, resource_version, \
               created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(sql)
        .bind(project.id.to_string())
        .bind(project.key.as_str())
        .bind(project.key.folded())
        .bind(&project.name)
        .bind(word(project.environment)?)
        .bind(i64::from(project.protected))
        .bind(version(project.resource_version)?)
        .bind(millis(now))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("add a project"))?;
    Ok(())
}

/// Puts a project in the place of its version `from`. Says whether that version was there.
///
/// # Errors
/// See [`StoreError`].
pub async fn update(tx: &mut Tx, project: &Project, from: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE projects SET name = $1, environment = $2, protected = $3, resource_version = $4 \
               WHERE id = $5 AND resource_version = $6";
    let done = sqlx::query(sql)
        .bind(&project.name)
        .bind(word(project.environment)?)
        .bind(i64::from(project.protected))
        .bind(version(project.resource_version)?)
        .bind(project.id.to_string())
        .bind(version(from)?)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("change a project"))?;
    Ok(done.rows_affected() == 1)
}

fn version(version: u64) -> Result<i64, StoreError> {
    i64::try_from(version).map_err(|e| StoreError::corrupt("version", e))
}
