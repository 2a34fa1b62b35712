-- The tables of ../sqlite/0010_objects.sql.
CREATE TABLE objects (
    kind             TEXT   COLLATE "C" NOT NULL,
    id               TEXT   COLLATE "C" NOT NULL,
    -- None for the organization.
    project_id       TEXT   COLLATE "C" REFERENCES projects (id),
    -- Key or name in lower case; unique in the project.
    name_folded      TEXT   COLLATE "C" NOT NULL,
    resource_version BIGINT NOT NULL,
    document         TEXT   COLLATE "C" NOT NULL,
    updated_at       BIGINT NOT NULL,
    PRIMARY KEY (kind, id),
    UNIQUE (project_id, kind, name_folded)
);

ALTER TABLE projects ADD COLUMN resource_version BIGINT NOT NULL DEFAULT 1;

-- A token has a role in each of several projects.
CREATE TABLE bearers (
    id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    -- SHA-256 of the token; the token itself is nowhere.
    hash       BYTEA  NOT NULL UNIQUE,
    -- What the audit log writes as the actor.
    name       TEXT   COLLATE "C" NOT NULL,
    -- The project that is meant where a request names none.
    home_id    TEXT   COLLATE "C" NOT NULL REFERENCES projects (id),
    -- JSON: id of a project → role.
    roles      TEXT   COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

INSERT INTO bearers (id, hash, name, home_id, roles, created_at)
SELECT gen_random_uuid()::text, hash, name, project_id, json_build_object(project_id, role)::text, created_at
FROM tokens;

DROP TABLE tokens;

-- Overrides are those of an experiment or of a flag.
ALTER TABLE overrides DROP CONSTRAINT overrides_experiment_id_fkey;

CREATE INDEX audit_of_project ON audit (project_id, id);
