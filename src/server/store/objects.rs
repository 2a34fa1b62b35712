//! Flags, labs, deployments, summaries and the organization in the store: JSON documents.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{Reader, StoreError, Tx, millis};

/// What kind of object a document is.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Kind {
    /// A flag, without its overrides.
    Flag,
    /// A lab.
    Lab,
    /// A deployment with the hashes of its keys.
    Deployment,
    /// The organization: one, in no project.
    Organization,
    /// The summary of an experiment, under the experiment's id.
    Insight,
}

impl Kind {
    /// The word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Lab => "lab",
            Self::Deployment => "deployment",
            Self::Organization => "organization",
            Self::Insight => "insight",
        }
    }
}

/// What is stored of an object beside its document.
#[derive(Debug, Clone)]
pub struct Row {
    /// What kind it is.
    pub kind: Kind,
    /// Its id.
    pub id: Uuid,
    /// The project it belongs to.
    pub project: Option<Uuid>,
    /// Its key or name in lower case.
    pub name_folded: String,
    /// Its version.
    pub version: u64,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Adds an object.
///
/// # Errors
/// See [`StoreError`].
pub async fn insert(tx: &mut Tx, row: Row, document: &impl Serialize) -> Result<(), StoreError> {
    let sql = "INSERT INTO objects (kind, id, project_id, name_folded, resource_version, document, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(sql)
        .bind(row.kind.as_str())
        .bind(row.id.to_string())
        .bind(row.project.map(|id| id.to_string()))
        .bind(row.name_folded)
        .bind(number(row.version)?)
        .bind(text(row.kind, document)?)
        .bind(millis(row.updated_at))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("add an object"))?;
    Ok(())
}

/// Puts an object in the place of its version `from`. Says whether that version was there.
///
/// # Errors
/// See [`StoreError`].
pub async fn update(tx: &mut Tx, row: Row, document: &impl Serialize, from: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE objects SET name_folded = $1, resource_version = $2, document = $3, updated_at = $4 \
               WHERE kind = $5 AND id = $6 AND resource_version = $7";
    let done = sqlx::query(sql)
        .bind(row.name_folded)
        .bind(number(row.version)?)
        .bind(text(row.kind, document)?)
        .bind(millis(row.updated_at))
        .bind(row.kind.as_str())
        .bind(row.id.to_string())
        .bind(number(from)?)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("change an object"))?;
    Ok(done.rows_affected() == 1)
}

/// Takes an object out, where it is there.
///
/// # Errors
/// See [`StoreError`].
pub async fn delete(tx: &mut Tx, kind: Kind, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM objects WHERE kind = $1 AND id = $2")
        .bind(kind.as_str())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("delete an object"))?;
    Ok(())
}

/// All objects of a kind, each with its project.
///
/// # Errors
/// See [`StoreError`].
pub async fn all<T: DeserializeOwned>(
    from: impl Reader<'_>,
    kind: Kind,
) -> Result<Vec<(Option<Uuid>, T)>, StoreError> {
    each(from, kind).await?.into_iter().collect()
}

/// All objects of a kind by id; of one that this version cannot read, why.
///
/// # Errors
/// See [`StoreError`].
pub async fn each<T: DeserializeOwned>(
    from: impl Reader<'_>,
    kind: Kind,
) -> Result<Vec<Result<(Option<Uuid>, T), StoreError>>, StoreError> {
    let rows = sqlx::query("SELECT id, project_id, document FROM objects WHERE kind = $1 ORDER BY id")
        .bind(kind.as_str())
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the objects"))?;
    Ok(rows.iter().map(|row| read(kind, row)).collect())
}

/// One object with its project; nothing when there is none with this id.
///
/// # Errors
/// See [`StoreError`].
pub async fn one<T: DeserializeOwned>(
    from: impl Reader<'_>,
    kind: Kind,
    id: Uuid,
) -> Result<Option<(Option<Uuid>, T)>, StoreError> {
    let row = sqlx::query("SELECT id, project_id, document FROM objects WHERE kind = $1 AND id = $2")
        .bind(kind.as_str())
        .bind(id.to_string())
        .fetch_optional(from)
        .await
        .map_err(StoreError::query("read an object"))?;
    row.as_ref().map(|row| read(kind, row)).transpose()
}

fn read<T: DeserializeOwned>(kind: Kind, row: &AnyRow) -> Result<(Option<Uuid>, T), StoreError> {
    let id: String = row.get("id");
    let project: Option<String> = row.get("project_id");
    let document: String = row.get("document");
    let corrupt = |why: String| {
        StoreError::row(
            "objects",
            format_args!("a {} with the id {id}", kind.as_str()),
            why,
        )
    };
    let project = project.map(|id| Uuid::parse_str(&id)).transpose();
    let project = project.map_err(|error| corrupt(error.to_string()))?;
    let document = serde_json::from_str(&document).map_err(|error| corrupt(error.to_string()))?;
    Ok((project, document))
}

fn number(version: u64) -> Result<i64, StoreError> {
    i64::try_from(version).map_err(|error| StoreError::corrupt("version", error))
}

fn text(kind: Kind, document: &impl Serialize) -> Result<String, StoreError> {
    let what = kind.as_str();
    serde_json::to_string(document).map_err(|source| StoreError::Json { what, source })
}
