//! Experiments in the store: a JSON document, with what is searched for as columns.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::domain::Experiment;

use super::{Reader, StoreError, Tx, millis};

/// All experiments of all projects, each with its project.
///
/// # Errors
/// See [`StoreError`].
pub async fn all(from: impl Reader<'_>) -> Result<Vec<(Uuid, Experiment)>, StoreError> {
    let rows = sqlx::query("SELECT id, project_id, document FROM experiments")
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the experiments"))?;
    rows.iter().map(read).collect()
}

/// One experiment, with its project; nothing when there is none with this id.
///
/// # Errors
/// See [`StoreError`].
pub async fn one(from: impl Reader<'_>, id: Uuid) -> Result<Option<(Uuid, Experiment)>, StoreError> {
    let row = sqlx::query("SELECT id, project_id, document FROM experiments WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(from)
        .await
        .map_err(StoreError::query("read an experiment"))?;
    row.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> Result<(Uuid, Experiment), StoreError> {
    let id: String = row.get("id");
    let project: String = row.get("project_id");
    let document: String = row.get("document");
    let corrupt = |why: String| StoreError::row("experiments", format_args!("id {id}"), why);
    let project = Uuid::parse_str(&project).map_err(|e| corrupt(e.to_string()))?;
    let experiment = serde_json::from_str(&document).map_err(|e| corrupt(e.to_string()))?;
    Ok((project, experiment))
}

/// Adds an experiment.
///
/// # Errors
/// See [`StoreError`].
pub async fn insert(tx: &mut Tx, project: Uuid, experiment: &Experiment) -> Result<(), StoreError> {
    let sql = "INSERT INTO experiments \
               (id, project_id, key_folded, status, resource_version, document, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(sql)
        .bind(experiment.id.to_string())
        .bind(project.to_string())
        .bind(experiment.key.folded())
        .bind(experiment.status.as_str())
        .bind(version(experiment)?)
        .bind(document(experiment)?)
        .bind(millis(experiment.updated_at))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("add an experiment"))?;
    Ok(())
}

/// Puts an experiment in the place of its version `from`. Says whether that version was there.
///
/// # Errors
/// See [`StoreError`].
pub async fn update(tx: &mut Tx, experiment: &Experiment, from: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE experiments SET key_folded = $1, status = $2, resource_version = $3, document = $4, \
               updated_at = $5 WHERE id = $6 AND resource_version = $7";
    let done = sqlx::query(sql)
        .bind(experiment.key.folded())
        .bind(experiment.status.as_str())
        .bind(version(experiment)?)
        .bind(document(experiment)?)
        .bind(millis(experiment.updated_at))
        .bind(experiment.id.to_string())
        .bind(i64::try_from(from).map_err(|e| StoreError::corrupt("version", e))?)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("change an experiment"))?;
    Ok(done.rows_affected() == 1)
}

/// Takes an experiment out.
///
/// # Errors
/// See [`StoreError`].
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM experiments WHERE id = $1")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("delete an experiment"))?;
    Ok(())
}

fn version(experiment: &Experiment) -> Result<i64, StoreError> {
    i64::try_from(experiment.resource_version).map_err(|e| StoreError::corrupt("version", e))
}

fn document(experiment: &Experiment) -> Result<String, StoreError> {
    serde_json::to_string(experiment).map_err(|source| StoreError::Json {
        what: "experiment",
        source,
    })
}
