//! The first variants of sticky experiments in the store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use crate::domain::{Key, Status};

use super::{Dialect, Reader, StoreError, Tx, word};

/// A subject as it is kept: the first half of the SHA-256 of its id.
pub type SubjectHash = [u8; 16];

/// How many rows of an experiment that is over are removed in one transaction.
const REMOVED: i64 = 20_000;

/// What a subject was given first.
#[derive(Debug, Clone)]
pub struct First {
    /// The experiment.
    pub experiment: Uuid,
    /// Who.
    pub subject: SubjectHash,
    /// The variant.
    pub variant: Key,
    /// The batch it was written in.
    pub seq: i64,
}

/// Hands everything that was written after the batch `seen` to `take`, in no order.
///
/// # Errors
/// See [`StoreError`].
pub async fn since(from: impl Reader<'_>, seen: i64, mut take: impl FnMut(First)) -> Result<(), StoreError> {
    let failed = || StoreError::query("read the first variants");
    let sql = "SELECT experiment_id, subject, variant, seq FROM sticky WHERE seq > $1";
    let mut rows = sqlx::query(sql).bind(seen).fetch(from);
    while let Some(row) = rows.try_next().await.map_err(failed())? {
        let (experiment, subject, variant): (String, String, String) =
            (row.get("experiment_id"), row.get("subject"), row.get("variant"));
        take(First {
            experiment: Uuid::parse_str(&experiment).map_err(corrupt)?,
            subject: unhashed(&subject)?,
            variant: Key::new(variant).map_err(corrupt)?,
            seq: row.get("seq"),
        });
    }
    Ok(())
}

fn corrupt(why: impl ToString) -> StoreError {
    StoreError::corrupt("first variant", why)
}

fn unhashed(text: &str) -> Result<SubjectHash, StoreError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(corrupt)?;
    <SubjectHash>::try_from(bytes).map_err(|_| corrupt("its subject has another length"))
}

/// The number of a new batch.
///
/// # Errors
/// See [`StoreError`].
pub async fn next_batch(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = sqlx::query("UPDATE sticky_batches SET seq = seq + 1 RETURNING seq")
        .fetch_one(&mut **tx)
        .await
        .map_err(StoreError::query("begin a batch of first variants"))?;
    Ok(row.get("seq"))
}

/// Writes a variant as the first one of subjects that have none yet, or one that is none of `variants` any more.
/// What they have now, in no order.
///
/// # Errors
/// See [`StoreError`].
pub async fn put(
    tx: &mut Tx,
    seq: i64,
    experiment: Uuid,
    variant: &Key,
    subjects: &[SubjectHash],
    variants: &[Key],
) -> Result<Vec<(SubjectHash, Key)>, StoreError> {
    let failed = || StoreError::query("write first variants");
    let json = |source| StoreError::Json {
        what: "list of subjects",
        source,
    };
    let subjects: Vec<String> = subjects.iter().map(|hash| URL_SAFE_NO_PAD.encode(hash)).collect();
    let subjects = serde_json::to_string(&subjects).map_err(json)?;
    let folded: Vec<String> = variants.iter().map(Key::folded).collect();
    let folded = serde_json::to_string(&folded).map_err(json)?;
    let dialect = Dialect::of(tx);
    let sql = format!(
        "INSERT INTO sticky (experiment_id, subject, variant, seq) SELECT $1, value, $2, $3 FROM {} WHERE true \
         ON CONFLICT (experiment_id, subject) DO UPDATE SET variant = excluded.variant, seq = excluded.seq \
         WHERE lower(sticky.variant) NOT IN (SELECT value FROM {})",
        dialect.each_text("$4"),
        dialect.each_text("$5"),
    );
    sqlx::query(AssertSqlSafe(sql.as_str()))
        .bind(experiment.to_string())
        .bind(variant.as_str())
        .bind(seq)
        .bind(&subjects)
        .bind(folded)
        .execute(&mut **tx)
        .await
        .map_err(failed())?;
    let sql = format!(
        "SELECT value AS subject, (SELECT s.variant FROM sticky AS s WHERE s.experiment_id = $1 AND s.subject = value) \
         AS variant FROM {}",
        dialect.each_text("$2"),
    );
    let rows = sqlx::query(AssertSqlSafe(sql.as_str()))
        .bind(experiment.to_string())
        .bind(&subjects)
        .fetch_all(&mut **tx)
        .await
        .map_err(failed())?;
    rows.iter()
        .map(|row| {
            let (subject, variant): (String, String) = (row.get("subject"), row.get("variant"));
            Ok((unhashed(&subject)?, Key::new(variant).map_err(corrupt)?))
        })
        .collect()
}

/// Experiments that are over for good and have first variants.
///
/// # Errors
/// See [`StoreError`].
pub async fn over(from: impl Reader<'_>) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT id FROM experiments WHERE status IN ($1, $2, $3) \
               AND EXISTS (SELECT 1 FROM sticky WHERE sticky.experiment_id = experiments.id)";
    let rows = sqlx::query(sql)
        .bind(word(Status::Completed)?)
        .bind(word(Status::Ended)?)
        .bind(word(Status::Archived)?)
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the first variants"))?;
    let id = |text: String| Uuid::parse_str(&text).map_err(corrupt);
    rows.iter().map(|row| id(row.get("id"))).collect()
}

/// Removes first variants of an experiment; whether that were all.
///
/// # Errors
/// See [`StoreError`].
pub async fn remove_some(tx: &mut Tx, experiment: Uuid) -> Result<bool, StoreError> {
    let failed = || StoreError::query("remove first variants");
    let sql = "SELECT subject FROM sticky WHERE experiment_id = $1 ORDER BY subject LIMIT 1 OFFSET $2";
    let some = sqlx::query(sql)
        .bind(experiment.to_string())
        .bind(REMOVED)
        .fetch_optional(&mut **tx)
        .await
        .map_err(failed())?;
    let all = some.is_none();
    let removed = match some {
        Some(row) => {
            let up_to: String = row.get("subject");
            sqlx::query("DELETE FROM sticky WHERE experiment_id = $1 AND subject < $2")
                .bind(experiment.to_string())
                .bind(up_to)
                .execute(&mut **tx)
                .await
        }
        None => {
            sqlx::query("DELETE FROM sticky WHERE experiment_id = $1")
                .bind(experiment.to_string())
                .execute(&mut **tx)
                .await
        }
    };
    removed.map(|_| all).map_err(failed())
}
