-- The tables of ../sqlite/0021_sticky.sql.
CREATE TABLE sticky (
    experiment_id TEXT   COLLATE "C" NOT NULL,
    subject       TEXT   COLLATE "C" NOT NULL,
    variant       TEXT   COLLATE "C" NOT NULL,
    seq           BIGINT NOT NULL,
    PRIMARY KEY (experiment_id, subject)
);

CREATE INDEX sticky_by_batch ON sticky (seq);

CREATE TABLE sticky_batches (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL
);

INSERT INTO sticky_batches (one, seq) VALUES (1, 0);
