-- The first variant of each subject of a sticky experiment. A subject is the first half of the SHA-256 of its id,
-- in base64; `seq` is the batch it was written in.
CREATE TABLE sticky (
    experiment_id TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    variant       TEXT    NOT NULL,
    seq           INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX sticky_by_batch ON sticky (seq);

-- The last batch there was.
CREATE TABLE sticky_batches (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO sticky_batches (one, seq) VALUES (1, 0);
