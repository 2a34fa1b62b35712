-- Times are milliseconds since 1970, ids are UUIDs as text, documents are the JSON of the wire.

CREATE TABLE projects (
    id          TEXT    NOT NULL PRIMARY KEY,
    key         TEXT    NOT NULL,
    -- The key in lower case: two keys that differ in case only name the same project.
    key_folded  TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    protected   INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    -- SHA-256 of the token; the token itself is nowhere.
    hash       BLOB    NOT NULL PRIMARY KEY,
    project_id TEXT    NOT NULL REFERENCES projects (id),
    -- What the audit log writes as the actor.
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT;

CREATE TABLE experiments (
    id               TEXT    NOT NULL PRIMARY KEY,
    project_id       TEXT    NOT NULL REFERENCES projects (id),
    key_folded       TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    resource_version INTEGER NOT NULL,
    document         TEXT    NOT NULL,
    updated_at       INTEGER NOT NULL,
    UNIQUE (project_id, key_folded)
) STRICT;

CREATE TABLE overrides (
    experiment_id TEXT    NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    subject_type  TEXT    NOT NULL,
    subject_id    TEXT    NOT NULL,
    variant       TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, subject_type, subject_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id               INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id       TEXT    NOT NULL REFERENCES projects (id),
    at               INTEGER NOT NULL,
    actor            TEXT    NOT NULL,
    action           TEXT    NOT NULL,
    object_id        TEXT    NOT NULL,
    object_key       TEXT    NOT NULL,
    resource_version INTEGER NOT NULL,
    changes          TEXT    NOT NULL,
    comment          TEXT,
    evidence         TEXT
) STRICT;

CREATE INDEX audit_of_object ON audit (object_id, id);
