-- What changed, one row an object and transaction, for the servers that hold it in memory. Transactions that
-- write come one after the other, so that no row appears before one that was seen.
CREATE TABLE changes (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    project_id TEXT,
    kind       TEXT    NOT NULL,
    object_id  TEXT    NOT NULL
) STRICT;

CREATE INDEX changes_at ON changes (at);

-- Up to where rows of the feed may be gone: who has not seen them all loads everything again.
CREATE TABLE feed (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    pruned_to INTEGER NOT NULL
) STRICT;

INSERT INTO feed (one, pruned_to) VALUES (1, 0);

-- What a change of kind `overrides` did: deflated JSON, ids with what they had and what they have.
CREATE TABLE override_changes (
    seq           INTEGER NOT NULL PRIMARY KEY,
    at            INTEGER NOT NULL,
    experiment_id TEXT    NOT NULL,
    subject_type  TEXT    NOT NULL,
    -- The import it belongs to; such rows are kept for its undo.
    import_id     TEXT,
    document      BLOB    NOT NULL
) STRICT;

CREATE INDEX override_changes_of_import ON override_changes (import_id, seq);
