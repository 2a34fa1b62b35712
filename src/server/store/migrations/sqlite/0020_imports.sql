-- Bulk imports of overrides, of an experiment or of a flag. The document is JSON: what was staged and how far it is.
CREATE TABLE override_imports (
    id              TEXT    NOT NULL PRIMARY KEY,
    owner_id        TEXT    NOT NULL,
    -- Under which name the client sent it, if it gave one.
    idempotency_key TEXT,
    state           TEXT    NOT NULL,
    document        TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    UNIQUE (owner_id, idempotency_key)
) STRICT;

CREATE INDEX override_imports_by_age ON override_imports (owner_id, created_at);

-- The ids of an import, sorted and cut into chunks: one a line, deflated.
CREATE TABLE override_import_chunks (
    import_id  TEXT    NOT NULL REFERENCES override_imports (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    ids        BLOB    NOT NULL,
    -- The row of override_changes that says what it did; null while it is not in force, and where it did nothing.
    change_seq INTEGER,
    PRIMARY KEY (import_id, number)
) STRICT;
