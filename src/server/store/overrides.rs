//! Overrides in the store.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use crate::domain::{Key, Override, OverrideSource, OverrideSubject};

use super::{Dialect, Reader, Statement, Store, StoreError, Tx, from_word, millis, timestamp};

/// How many ids one statement takes.
const CHUNK: usize = 5_000;

/// One override with its experiment, as it is loaded at the start.
#[derive(Debug, Clone)]
pub struct StoredOverride {
    /// The experiment.
    pub experiment_id: Uuid,
    /// What kind of id.
    pub subject_type: OverrideSubject,
    /// The id.
    pub subject_id: String,
    /// The forced variant.
    pub variant: Key,
    /// How it came to be.
    pub source: OverrideSource,
}

/// Hands every override of every experiment to `take`; the store may not be silent for longer than `silence`.
///
/// # Errors
/// See [`StoreError`].
pub async fn each(
    from: impl Reader<'_>,
    silence: Duration,
    mut take: impl FnMut(StoredOverride),
) -> Result<(), StoreError> {
    use futures_util::TryStreamExt as _;
    let failed = || StoreError::query("read the overrides");
    let sql = "SELECT experiment_id, subject_type, subject_id, variant, source FROM overrides";
    let mut rows = sqlx::query(sql).fetch(from);
    let silent = |_| StoreError::Silent { waited: silence };
    while let Some(row) = tokio::time::timeout(silence, rows.try_next())
        .await
        .map_err(silent)?
        .map_err(failed())?
    {
        // Rows that are there already are read without a pause: others get their turn.
        tokio::task::consume_budget().await;
        let experiment: String = row.get("experiment_id");
        let subject_id: String = row.get("subject_id");
        let corrupt = |why: String| unreadable(&experiment, &subject_id, why);
        let (subject_type, source) = (from_word(row.get("subject_type")), from_word(row.get("source")));
        let variant: String = row.get("variant");
        take(StoredOverride {
            experiment_id: Uuid::parse_str(&experiment).map_err(|e| corrupt(e.to_string()))?,
            subject_type: subject_type.map_err(|e| corrupt(e.to_string()))?,
            variant: Key::new(variant).map_err(|e| corrupt(e.to_string()))?,
            source: source.map_err(|e| corrupt(e.to_string()))?,
            subject_id,
        });
    }
    Ok(())
}

fn unreadable(object: &str, subject: &str, why: impl ToString) -> StoreError {
    let which = format_args!("experiment_id {object} and subject_id {subject}").to_string();
    StoreError::row("overrides", which, why)
}

/// What is written for each of many subjects.
#[derive(Debug, Clone, Copy)]
pub struct Decree<'a> {
    /// The experiment.
    pub experiment: Uuid,
    /// What kind of ids these are.
    pub subject_type: OverrideSubject,
    /// The forced variant.
    pub variant: &'a Key,
    /// How it came to be.
    pub source: OverrideSource,
    /// When.
    pub now: Timestamp,
}

/// Sets the same variant for all `ids`.
///
/// # Errors
/// See [`StoreError`].
pub async fn put(tx: &mut Tx, decree: Decree<'_>, ids: &[&str]) -> Result<(), StoreError> {
    // The ids are one bound JSON list, so that the statement is the same for any number of them.
    let sql = format!(
        "INSERT INTO overrides (experiment_id, subject_type, subject_id, variant, source, updated_at) \
         SELECT $1, $2, value, $3, $4, $5 FROM {} WHERE true \
         ON CONFLICT (experiment_id, subject_type, subject_id) DO UPDATE SET \
         variant = excluded.variant, source = excluded.source, updated_at = excluded.updated_at",
        Dialect::of(tx).each_text("$6"),
    );
    for chunk in ids.chunks(CHUNK) {
        let list = serde_json::to_string(chunk).map_err(|source| StoreError::Json {
            what: "list of ids",
            source,
        })?;
        sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(decree.experiment.to_string())
            .bind(decree.subject_type.as_str())
            .bind(decree.variant.as_str())
            .bind(decree.source.as_str())
            .bind(millis(decree.now))
            .bind(list)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::query("set overrides"))?;
    }
    Ok(())
}

/// Removes the overrides of all `ids`.
///
/// # Errors
/// See [`StoreError`].
pub async fn delete_all(
    tx: &mut Tx,
    experiment: Uuid,
    subject_type: OverrideSubject,
    ids: &[String],
) -> Result<(), StoreError> {
    let dialect = Dialect::of(tx);
    let each = dialect.each_text("$3");
    let sql = match dialect {
        Dialect::Sqlite => format!(
            "DELETE FROM overrides WHERE experiment_id = $1 AND subject_type = $2 AND subject_id IN \
             (SELECT value FROM {each})"
        ),
        // Row by row from the index. Before the first ANALYZE Postgres believes that an experiment has hardly any
        // overrides, and would compare each of them with each of the ids.
        Dialect::Postgres => format!(
            "DELETE FROM overrides WHERE ctid = ANY (ARRAY(SELECT (SELECT o.ctid FROM overrides AS o \
             WHERE o.experiment_id = $1 AND o.subject_type = $2 AND o.subject_id = value) FROM {each}))"
        ),
    };
    for chunk in ids.chunks(CHUNK) {
        let list = serde_json::to_string(chunk).map_err(|source| StoreError::Json {
            what: "list of ids",
            source,
        })?;
        sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(experiment.to_string())
            .bind(subject_type.as_str())
            .bind(list)
            .execute(&mut **tx)
            .await
            .map_err(StoreError::query("remove overrides"))?;
    }
    Ok(())
}

/// Removes the override of one subject.
///
/// # Errors
/// See [`StoreError`].
pub async fn delete(
    tx: &mut Tx,
    experiment: Uuid,
    subject_type: OverrideSubject,
    subject_id: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM overrides WHERE experiment_id = $1 AND subject_type = $2 AND subject_id = $3")
        .bind(experiment.to_string())
        .bind(subject_type.as_str())
        .bind(subject_id)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("remove an override"))?;
    Ok(())
}

/// Removes all overrides of an experiment or flag.
///
/// # Errors
/// See [`StoreError`].
pub async fn delete_of(tx: &mut Tx, object: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM overrides WHERE experiment_id = $1")
        .bind(object.to_string())
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("remove overrides"))?;
    for import in super::imports::newest(&mut **tx, object, u32::MAX).await? {
        super::imports::delete(tx, import.import.id).await?;
    }
    Ok(())
}

/// Whose overrides are given to whom.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Copy {
    /// The experiment or flag that has them.
    pub from: Uuid,
    /// The one that gets them as well.
    pub to: Uuid,
}

/// Gives all overrides of one experiment or flag to another one, in one statement: whoever has one there already gets the
/// one from here. What is there and alike stays as it is.
///
/// # Errors
/// See [`StoreError`].
pub async fn copy(tx: &mut Tx, copy: Copy, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO overrides (experiment_id, subject_type, subject_id, variant, source, updated_at) \
               SELECT $1, subject_type, subject_id, variant, source, $2 FROM overrides WHERE experiment_id = $3 \
               ON CONFLICT (experiment_id, subject_type, subject_id) DO UPDATE SET \
               variant = excluded.variant, source = excluded.source, updated_at = excluded.updated_at \
               WHERE overrides.variant <> excluded.variant OR overrides.source <> excluded.source";
    sqlx::query(sql)
        .bind(copy.to.to_string())
        .bind(millis(now))
        .bind(copy.from.to_string())
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("copy overrides"))?;
    Ok(())
}

/// At most `limit` overrides of an experiment, sorted by subject type and id: those after `after` whose
/// id contains `search`.
///
/// # Errors
/// See [`StoreError`].
pub async fn page(
    store: &Store,
    experiment: Uuid,
    search: Option<&str>,
    after: Option<(OverrideSubject, &str)>,
    limit: u32,
) -> Result<Vec<Override>, StoreError> {
    // Postgres takes no such text, and no id has one.
    if search.is_some_and(|text| text.contains('\0')) || after.is_some_and(|(_, id)| id.contains('\0')) {
        return Ok(Vec::new());
    }
    let mut sql = Statement::new(
        "SELECT subject_type, subject_id, variant, source, updated_at FROM overrides WHERE experiment_id = ",
    );
    sql.bind_text(experiment.to_string());
    if let Some((subject_type, id)) = after {
        sql.push(" AND (subject_type, subject_id) > (")
            .bind_text(subject_type.as_str())
            .push(", ")
            .bind_text(id)
            .push(")");
    }
    if let Some(search) = search.filter(|s| !s.is_empty()) {
        // A position, not LIKE: `%` and `_` of an id mean themselves.
        sql.push(" AND ")
            .push(store.dialect().position())
            .push("(subject_id, ")
            .bind_text(search)
            .push(") > 0");
    }
    sql.push(" ORDER BY subject_type, subject_id LIMIT ")
        .bind_int(limit.into());
    let rows = sql
        .build()
        .fetch_all(store.readers())
        .await
        .map_err(StoreError::query("read the overrides"))?;
    rows.iter()
        .map(|row| {
            let variant: String = row.get("variant");
            Ok(Override {
                subject_type: from_word(row.get("subject_type"))?,
                subject_id: row.get("subject_id"),
                variant: Key::new(variant).map_err(|e| StoreError::corrupt("override", e))?,
                source: from_word(row.get("source"))?,
                updated_at: timestamp(row.get("updated_at"))?,
            })
        })
        .collect()
}
