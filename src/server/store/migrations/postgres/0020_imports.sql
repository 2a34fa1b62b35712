-- The tables of ../sqlite/0020_imports.sql.
CREATE TABLE override_imports (
    id              TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    owner_id        TEXT   COLLATE "C" NOT NULL,
    -- Under which name the client sent it, if it gave one.
    idempotency_key TEXT   COLLATE "C",
    state           TEXT   COLLATE "C" NOT NULL,
    document        TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE (owner_id, idempotency_key)
);

CREATE INDEX override_imports_by_age ON override_imports (owner_id, created_at);

-- The ids of an import, sorted and cut into chunks: one a line, deflated.
CREATE TABLE override_import_chunks (
    import_id  TEXT   COLLATE "C" NOT NULL REFERENCES override_imports (id) ON DELETE CASCADE,
    number     BIGINT NOT NULL,
    ids        BYTEA  NOT NULL,
    -- The row of override_changes that says what it did; null while it is not in force, and where it did nothing.
    change_seq BIGINT,
    PRIMARY KEY (import_id, number)
);
