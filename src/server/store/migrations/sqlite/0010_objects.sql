-- Flags, labs, deployments, summaries and the organization: JSON documents, with what is searched for as columns.
CREATE TABLE objects (
    kind             TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    -- None for the organization.
    project_id       TEXT    REFERENCES projects (id),
    -- Key or name in lower case; unique in the project.
    name_folded      TEXT    NOT NULL,
    resource_version INTEGER NOT NULL,
    document         TEXT    NOT NULL,
    updated_at       INTEGER NOT NULL,
    PRIMARY KEY (kind, id),
    UNIQUE (project_id, kind, name_folded)
) STRICT;

ALTER TABLE projects ADD COLUMN resource_version INTEGER NOT NULL DEFAULT 1;

-- A token has a role in each of several projects.
CREATE TABLE bearers (
    id         TEXT    NOT NULL PRIMARY KEY,
    -- SHA-256 of the token; the token itself is nowhere.
    hash       BLOB    NOT NULL UNIQUE,
    -- What the audit log writes as the actor.
    name       TEXT    NOT NULL,
    -- The project that is meant where a request names none.
    home_id    TEXT    NOT NULL REFERENCES projects (id),
    -- JSON: id of a project → role.
    roles      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

INSERT INTO bearers (id, hash, name, home_id, roles, created_at)
SELECT lower(hex(randomblob(16))), hash, name, project_id, json_object(project_id, role), created_at FROM tokens;

DROP TABLE tokens;

-- Overrides are those of an experiment or of a flag.
CREATE TABLE overrides_of_all (
    experiment_id TEXT    NOT NULL,
    subject_type  TEXT    NOT NULL,
    subject_id    TEXT    NOT NULL,
    variant       TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, subject_type, subject_id)
) STRICT, WITHOUT ROWID;

INSERT INTO overrides_of_all (experiment_id, subject_type, subject_id, variant, source, updated_at)
SELECT experiment_id, subject_type, subject_id, variant, source, updated_at FROM overrides;

DROP TABLE overrides;

ALTER TABLE overrides_of_all RENAME TO overrides;

CREATE INDEX audit_of_project ON audit (project_id, id);
