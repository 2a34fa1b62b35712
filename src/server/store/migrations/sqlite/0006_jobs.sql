-- What servers did by themselves, one row a job and time at which it was due. A server that wants to do it
-- claims the row, and says by its heartbeat that it is still at it.
CREATE TABLE job_runs (
    job             TEXT    NOT NULL,
    -- When it was due, milliseconds since 1970.
    slot            INTEGER NOT NULL,
    -- `schedule` or `manual`.
    cause           TEXT    NOT NULL,
    -- The project of a manual run; nothing where all are meant.
    project_id      TEXT,
    instance        TEXT    NOT NULL,
    claimed_at      INTEGER NOT NULL,
    heartbeat_at    INTEGER NOT NULL,
    -- `running`, `waiting` for its next attempt, `done` or `failed`.
    state           TEXT    NOT NULL,
    attempts        INTEGER NOT NULL,
    next_attempt_at INTEGER,
    finished_at     INTEGER,
    -- What it did, as JSON.
    report          TEXT    NOT NULL,
    -- Why the last attempt failed.
    error           TEXT,
    PRIMARY KEY (job, slot)
) STRICT, WITHOUT ROWID;

-- The evidence against the configured split at its highest, over all looks of the guard, for each experiment
-- and cohort: natural logarithms of e-values.
CREATE TABLE srm_state (
    experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    cohort        INTEGER NOT NULL,
    log_highest   REAL    NOT NULL,
    log_last      REAL    NOT NULL,
    looks         INTEGER NOT NULL,
    first_look_at INTEGER NOT NULL,
    last_look_at  INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, cohort)
) STRICT, WITHOUT ROWID;
