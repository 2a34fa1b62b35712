//! The running maximum of the guard's evidence, in the store: it has to outlive the server.

use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Reader, StoreError, Tx, millis, timestamp};

/// What the guard's looks at an experiment have come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watched {
    /// Natural logarithm of the largest e-value so far, over all cohorts.
    pub log_highest: f64,
    /// How often the guard has looked.
    pub looks: u64,
    /// When it looked first.
    pub first_look_at: Timestamp,
    /// When it looked last.
    pub last_look_at: Timestamp,
}

/// The smallest logarithm that is kept: databases do not agree on infinity.
const LEAST: f64 = -1e3;

/// Adds a look at an experiment whose newest cohort is `cohort`.
///
/// # Errors
/// See [`StoreError`].
pub async fn look(
    tx: &mut Tx,
    experiment: Uuid,
    cohort: u32,
    log_e: f64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO srm_state \
               (experiment_id, cohort, log_highest, log_last, looks, first_look_at, last_look_at) \
               VALUES ($1, $2, $3, $4, 1, $5, $6) \
               ON CONFLICT (experiment_id, cohort) DO UPDATE SET \
               log_highest = CASE WHEN excluded.log_highest > srm_state.log_highest \
                             THEN excluded.log_highest ELSE srm_state.log_highest END, \
               log_last = excluded.log_last, looks = srm_state.looks + 1, last_look_at = excluded.last_look_at";
    let log_e = log_e.max(LEAST);
    sqlx::query(sql)
        .bind(experiment.to_string())
        .bind(i64::from(cohort))
        .bind(log_e)
        .bind(log_e)
        .bind(millis(now))
        .bind(millis(now))
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("keep what the guard saw"))?;
    Ok(())
}

/// What the looks at an experiment have come to; nothing before the first one.
///
/// # Errors
/// See [`StoreError`].
pub async fn watched(from: impl Reader<'_>, experiment: Uuid) -> Result<Option<Watched>, StoreError> {
    let sql = "SELECT MAX(log_highest) AS log_highest, CAST(SUM(looks) AS BIGINT) AS looks, \
               MIN(first_look_at) AS first_look_at, MAX(last_look_at) AS last_look_at \
               FROM srm_state WHERE experiment_id = $1";
    let row = sqlx::query(sql)
        .bind(experiment.to_string())
        .fetch_one(from)
        .await
        .map_err(StoreError::query("read what the guard saw"))?;
    let Some(log_highest) = row.get::<Option<f64>, _>("log_highest") else {
        return Ok(None);
    };
    Ok(Some(Watched {
        log_highest,
        looks: u64::try_from(row.get::<i64, _>("looks")).map_err(|e| StoreError::corrupt("look", e))?,
        first_look_at: timestamp(row.get("first_look_at"))?,
        last_look_at: timestamp(row.get("last_look_at"))?,
    }))
}

/// Forgets all looks at an experiment: its evidence begins anew.
///
/// # Errors
/// See [`StoreError`].
pub async fn forget(tx: &mut Tx, experiment: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM srm_state WHERE experiment_id = $1")
        .bind(experiment.to_string())
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("forget what the guard saw"))?;
    Ok(())
}
