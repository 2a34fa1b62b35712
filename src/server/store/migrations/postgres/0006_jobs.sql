-- The tables of ../sqlite/0006_jobs.sql.
CREATE TABLE job_runs (
    job             TEXT   COLLATE "C" NOT NULL,
    -- When it was due, milliseconds since 1970.
    slot            BIGINT NOT NULL,
    -- `schedule` or `manual`.
    cause           TEXT   COLLATE "C" NOT NULL,
    -- The project of a manual run; nothing where all are meant.
    project_id      TEXT   COLLATE "C",
    instance        TEXT   COLLATE "C" NOT NULL,
    claimed_at      BIGINT NOT NULL,
    heartbeat_at    BIGINT NOT NULL,
    -- `running`, `waiting` for its next attempt, `done` or `failed`.
    state           TEXT   COLLATE "C" NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT,
    finished_at     BIGINT,
    -- What it did, as JSON.
    report          TEXT   COLLATE "C" NOT NULL,
    -- Why the last attempt failed.
    error           TEXT   COLLATE "C",
    PRIMARY KEY (job, slot)
);

-- The evidence against the configured split at its highest, over all looks of the guard, for each experiment
-- and cohort: natural logarithms of e-values.
CREATE TABLE srm_state (
    experiment_id TEXT   COLLATE "C" NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    cohort        BIGINT NOT NULL,
    log_highest   DOUBLE PRECISION NOT NULL,
    log_last      DOUBLE PRECISION NOT NULL,
    looks         BIGINT NOT NULL,
    first_look_at BIGINT NOT NULL,
    last_look_at  BIGINT NOT NULL,
    PRIMARY KEY (experiment_id, cohort)
);
