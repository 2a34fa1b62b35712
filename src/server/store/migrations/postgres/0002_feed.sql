-- The tables of ../sqlite/0002_feed.sql.
CREATE TABLE changes (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT NOT NULL,
    project_id TEXT   COLLATE "C",
    kind       TEXT   COLLATE "C" NOT NULL,
    object_id  TEXT   COLLATE "C" NOT NULL
);

CREATE INDEX changes_at ON changes (at);

-- Up to where rows of the feed may be gone: who has not seen them all loads everything again.
CREATE TABLE feed (
    one       BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    pruned_to BIGINT NOT NULL
);

INSERT INTO feed (one, pruned_to) VALUES (1, 0);

-- What a change of kind `overrides` did: deflated JSON, ids with what they had and what they have.
CREATE TABLE override_changes (
    seq           BIGINT NOT NULL PRIMARY KEY,
    at            BIGINT NOT NULL,
    experiment_id TEXT   COLLATE "C" NOT NULL,
    subject_type  TEXT   COLLATE "C" NOT NULL,
    -- The import it belongs to; such rows are kept for its undo.
    import_id     TEXT   COLLATE "C",
    document      BYTEA  NOT NULL
);

CREATE INDEX override_changes_of_import ON override_changes (import_id, seq);
