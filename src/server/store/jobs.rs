//! Runs of jobs in the store: who does what, and what came of it.
//!
//! A run is one row for each job and time at which it was due. Of several servers the first one to claim it
//! does it; another one takes it over when its heartbeat stays away, or when an attempt failed and it is time
//! for the next one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::api::jobs::{JobCause, JobState, SrmChecked};

use super::{Reader, Store, StoreError, Tx, from_word, millis, timestamp, word};

/// How many runs of a job are kept.
const KEPT: i64 = 50;
/// Why a run failed whose server did not end it.
pub const LOST: &str = "its server was lost before the end";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    /// The job.
    pub job: &'a str,
    /// When it was due.
    pub slot: Timestamp,
    /// Why it is done.
    pub cause: JobCause,
    /// The project of a manual run.
    pub project: Option<Uuid>,
    /// Who asks.
    pub instance: &'a str,
    /// After how long without a heartbeat a run counts as abandoned.
    pub lost_after: Duration,
}

/// One experiment in the report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The project it belongs to.
    pub project_id: Uuid,
    /// What came of it.
    #[serde(flatten)]
    pub checked: SrmChecked,
}

/// A run as the store knows it.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// The job.
    pub job: String,
    /// When it was due.
    pub slot: Timestamp,
    /// Why it was done.
    pub cause: JobCause,
    /// The project of a manual run.
    pub project: Option<Uuid>,
    /// Who did it last.
    pub instance: String,
    /// When it was claimed last.
    pub claimed_at: Timestamp,
    /// The last sign of life.
    pub heartbeat_at: Timestamp,
    /// How it stands.
    pub state: JobState,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it did, in all attempts together.
    pub report: Vec<Reported>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How the run stands now.
    pub state: JobState,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// What it did, in all attempts together.
    pub report: Vec<Reported>,
    /// Why the attempt failed.
    pub error: Option<String>,
}

const COLUMNS: &str = "SELECT job, slot, cause, project_id, instance, claimed_at, heartbeat_at, state, attempts, \
                       next_attempt_at, finished_at, report, error FROM job_runs";

fn read(row: &AnyRow) -> Result<StoredRun, StoreError> {
    let job: String = row.get("job");
    let corrupt = |why: String| StoreError::corrupt(format!("run of {job}"), why);
    let time = |name: &str| row.get::<Option<i64>, _>(name).map(timestamp).transpose();
    let project: Option<String> = row.get("project_id");
    let project = project.map(|id| Uuid::parse_str(&id).map_err(|e| corrupt(e.to_string())));
    Ok(StoredRun {
        slot: timestamp(row.get("slot"))?,
        cause: from_word(row.get("cause"))?,
        project: project.transpose()?,
        instance: row.get("instance"),
        claimed_at: timestamp(row.get("claimed_at"))?,
        heartbeat_at: timestamp(row.get("heartbeat_at"))?,
        state: from_word(row.get("state"))?,
        attempts: u64::try_from(row.get::<i64, _>("attempts")).map_err(|e| corrupt(e.to_string()))?,
        next_attempt_at: time("next_attempt_at")?,
        finished_at: time("finished_at")?,
        report: serde_json::from_str(&row.get::<String, _>("report")).map_err(|e| corrupt(e.to_string()))?,
        error: row.get("error"),
        job,
    })
}

/// The run of a job that was due at `slot`.
///
/// # Errors
/// See [`StoreError`].
pub async fn one(from: impl Reader<'_>, job: &str, slot: Timestamp) -> Result<Option<StoredRun>, StoreError> {
    // Put together of constants only, here and below.
    let sql = format!("{COLUMNS} WHERE job = $1 AND slot = $2");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(job)
        .bind(millis(slot))
        .fetch_optional(from)
        .await
        .map_err(StoreError::query("read a run of a job"))?;
    row.as_ref().map(read).transpose()
}

/// The newest `limit` runs of each job, the newest first.
///
/// # Errors
/// See [`StoreError`].
pub async fn latest(from: impl Reader<'_>, limit: u32) -> Result<Vec<StoredRun>, StoreError> {
    let sql = format!(
        "{COLUMNS} AS r WHERE (SELECT COUNT(*) FROM job_runs AS n WHERE n.job = r.job AND n.slot > r.slot) < $1 \
         ORDER BY slot DESC, job"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(i64::from(limit))
        .fetch_all(from)
        .await
        .map_err(StoreError::query("read the runs of jobs"))?;
    rows.iter().map(read).collect()
}

/// Whether the run may be claimed: nobody has done it, is at it, or waits before doing it again.
#[must_use]
pub fn is_free(run: Option<&StoredRun>, lost_after: Duration, now: Timestamp) -> bool {
    let Some(run) = run else {
        return true;
    };
    match run.state {
        JobState::Done | JobState::Failed => false,
        JobState::Waiting => run.next_attempt_at.is_none_or(|at| at <= now),
        JobState::Running => {
            let silent = now.duration_since(run.heartbeat_at);
            Duration::try_from(silent).is_ok_and(|silent| silent > lost_after)
        }
    }
}

/// Claims a run; nothing when somebody else does it, did it, or it is too early for the next attempt. Runs of
/// the job that were due before and wait, or were abandoned, end here.
///
/// # Errors
/// See [`StoreError`].
pub async fn claim(store: &Store, due: Due<'_>, now: Timestamp) -> Result<Option<StoredRun>, StoreError> {
    // Without a lock first: mostly there is nothing to be claimed.
    let seen = one(store.readers(), due.job, due.slot).await?;
    if !is_free(seen.as_ref(), due.lost_after, now) {
        return Ok(None);
    }
    let failed = || StoreError::query("claim a run of a job");
    let mut tx = store.begin().await?;
    let seen = one(&mut *tx, due.job, due.slot).await?;
    if !is_free(seen.as_ref(), due.lost_after, now) {
        return Ok(None);
    }
    let sql = "INSERT INTO job_runs \
               (job, slot, cause, project_id, instance, claimed_at, heartbeat_at, state, attempts, report) \
               VALUES ($1, $2, $3, $4, $5, $6, $6, $7, 1, '[]') \
               ON CONFLICT (job, slot) DO UPDATE SET instance = excluded.instance, \
               claimed_at = excluded.claimed_at, heartbeat_at = excluded.heartbeat_at, state = excluded.state, \
               attempts = job_runs.attempts + 1, next_attempt_at = NULL";
    sqlx::query(sql)
        .bind(due.job)
        .bind(millis(due.slot))
        .bind(word(due.cause)?)
        .bind(due.project.map(|id| id.to_string()))
        .bind(due.instance)
        .bind(millis(now))
        .bind(word(JobState::Running)?)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
    supersede(&mut tx, due, now).await?;
    // Of each cause by itself, and only what is over: runs by hand must not take the place of a night's, nor of one that
    // waits for its next attempt.
    let sql = "DELETE FROM job_runs WHERE job = $1 AND cause = $2 AND state IN ($3, $4) AND slot <= \
               (SELECT slot FROM job_runs WHERE job = $1 AND cause = $2 AND state IN ($3, $4) \
               ORDER BY slot DESC LIMIT 1 OFFSET $5)";
    sqlx::query(sql)
        .bind(due.job)
        .bind(word(due.cause)?)
        .bind(word(JobState::Done)?)
        .bind(word(JobState::Failed)?)
        .bind(KEPT)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
    let claimed = one(&mut *tx, due.job, due.slot).await?;
    super::commit(tx).await?;
    Ok(claimed)
}

/// Ends what was due before and will not be done any more.
async fn supersede(tx: &mut Tx, due: Due<'_>, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE job_runs SET state = $1, finished_at = $2, next_attempt_at = NULL, \
               error = COALESCE(error, $9) \
               WHERE job = $3 AND slot < $4 AND (state = $5 OR (state = $6 AND heartbeat_at < $7)) AND cause = $8";
    let lost_after = i64::try_from(due.lost_after.as_millis()).unwrap_or(i64::MAX);
    sqlx::query(sql)
        .bind(word(JobState::Failed)?)
        .bind(millis(now))
        .bind(due.job)
        .bind(millis(due.slot))
        .bind(word(JobState::Waiting)?)
        .bind(word(JobState::Running)?)
        .bind(millis(now).saturating_sub(lost_after))
        .bind(word(due.cause)?)
        .bind(LOST)
        .execute(&mut **tx)
        .await
        .map_err(StoreError::query("end an old run of a job"))?;
    Ok(())
}

/// Says that `instance` is still at it. False when the run is not its own any more.
///
/// # Errors
/// See [`StoreError`].
pub async fn beat(store: &Store, run: &StoredRun, now: Timestamp) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let sql = "UPDATE job_runs SET heartbeat_at = $1 WHERE job = $2 AND slot = $3 AND instance = $4 AND state = $5 \
               AND attempts = $6";
    let done = sqlx::query(sql)
        .bind(millis(now))
        .bind(&run.job)
        .bind(millis(run.slot))
        .bind(&run.instance)
        .bind(word(JobState::Running)?)
        .bind(i64::try_from(run.attempts).map_err(|e| StoreError::corrupt("attempt", e))?)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::query("keep a run of a job"))?;
    super::commit(tx).await?;
    Ok(done.rows_affected() == 1)
}

/// Gives back what `instance` is at, as it stops: others need not wait until it counts as lost.
///
/// # Errors
/// See [`StoreError`].
pub async fn give_back(store: &Store, instance: &str, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    // Nobody does again what somebody asked for once.
    let sql = "UPDATE job_runs SET state = CASE WHEN cause = $1 THEN $2 ELSE $3 END, \
               finished_at = CASE WHEN cause = $1 THEN $4 END, \
               next_attempt_at = CASE WHEN cause = $1 THEN NULL ELSE $4 END, \
               error = 'its server was stopped before the end' WHERE instance = $5 AND state = $6";
    sqlx::query(sql)
        .bind(word(JobCause::Manual)?)
        .bind(word(JobState::Failed)?)
        .bind(word(JobState::Waiting)?)
        .bind(millis(now))
        .bind(instance)
        .bind(word(JobState::Running)?)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::query("give back a run of a job"))?;
    super::commit(tx).await
}

/// Writes how an attempt ended. False when the run is not its own any more; nothing is written then.
///
/// # Errors
/// See [`StoreError`].
pub async fn end(store: &Store, run: &StoredRun, ended: &Ended, now: Timestamp) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let finished = matches!(ended.state, JobState::Done | JobState::Failed).then(|| millis(now));
    let report = serde_json::to_string(&ended.report).map_err(|source| StoreError::Json {
        what: "report of a job",
        source,
    })?;
    let sql = "UPDATE job_runs SET state = $1, heartbeat_at = $2, finished_at = $3, next_attempt_at = $4, \
               report = $5, error = $6 WHERE job = $7 AND slot = $8 AND instance = $9 AND state = $10 \
               AND attempts = $11";
    let done = sqlx::query(sql)
        .bind(word(ended.state)?)
        .bind(millis(now))
        .bind(finished)
        .bind(ended.next_attempt_at.map(millis))
        .bind(report)
        .bind(ended.error.as_deref())
        .bind(&run.job)
        .bind(millis(run.slot))
        .bind(&run.instance)
        .bind(word(JobState::Running)?)
        .bind(i64::try_from(run.attempts).map_err(|e| StoreError::corrupt("attempt", e))?)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::query("end a run of a job"))?;
    super::commit(tx).await?;
    Ok(done.rows_affected() == 1)
}
