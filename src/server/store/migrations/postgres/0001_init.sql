-- The tables of ../sqlite/0001_init.sql. Times are milliseconds since 1970, ids are UUIDs as text, documents are
-- the JSON of the wire. Text sorts by its bytes, as in SQLite.

CREATE TABLE projects (
    id          TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    key         TEXT   COLLATE "C" NOT NULL,
    -- The key in lower case: two keys that differ in case only name the same project.
    key_folded  TEXT   COLLATE "C" NOT NULL UNIQUE,
    name        TEXT   COLLATE "C" NOT NULL,
    environment TEXT   COLLATE "C" NOT NULL,
    protected   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE tokens (
    -- SHA-256 of the token; the token itself is nowhere.
    hash       BYTEA  NOT NULL PRIMARY KEY,
    project_id TEXT   COLLATE "C" NOT NULL REFERENCES projects (id),
    -- What the audit log writes as the actor.
    name       TEXT   COLLATE "C" NOT NULL,
    role       TEXT   COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE experiments (
    id               TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    project_id       TEXT   COLLATE "C" NOT NULL REFERENCES projects (id),
    key_folded       TEXT   COLLATE "C" NOT NULL,
    status           TEXT   COLLATE "C" NOT NULL,
    resource_version BIGINT NOT NULL,
    document         TEXT   COLLATE "C" NOT NULL,
    updated_at       BIGINT NOT NULL,
    UNIQUE (project_id, key_folded)
);

CREATE TABLE overrides (
    experiment_id TEXT   COLLATE "C" NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    subject_type  TEXT   COLLATE "C" NOT NULL,
    subject_id    TEXT   COLLATE "C" NOT NULL,
    variant       TEXT   COLLATE "C" NOT NULL,
    source        TEXT   COLLATE "C" NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (experiment_id, subject_type, subject_id)
);

CREATE TABLE audit (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id       TEXT   COLLATE "C" NOT NULL REFERENCES projects (id),
    at               BIGINT NOT NULL,
    actor            TEXT   COLLATE "C" NOT NULL,
    action           TEXT   COLLATE "C" NOT NULL,
    object_id        TEXT   COLLATE "C" NOT NULL,
    object_key       TEXT   COLLATE "C" NOT NULL,
    resource_version BIGINT NOT NULL,
    changes          TEXT   COLLATE "C" NOT NULL,
    comment          TEXT   COLLATE "C",
    evidence         TEXT   COLLATE "C"
);

CREATE INDEX audit_of_object ON audit (object_id, id);
