-- Times are milliseconds since the Unix epoch, durations microseconds. Words (state, finding, kind ...)
-- are those of vipwatch-model. A migration that has landed is never edited: add the next one.

-- Every probe that ever ran, by its name.
CREATE TABLE probe (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    service TEXT,
    node    TEXT,
    target  TEXT NOT NULL
);

-- The state machine of each probe and the last verdict, as JSON: what a restart goes on from.
CREATE TABLE probe_state (
    probe   INTEGER PRIMARY KEY REFERENCES probe (id),
    at      INTEGER NOT NULL,
    machine TEXT NOT NULL,
    verdict TEXT NOT NULL
);

-- One row per round.
CREATE TABLE round (
    id          INTEGER PRIMARY KEY,
    probe       INTEGER NOT NULL REFERENCES probe (id),
    at          INTEGER NOT NULL,
    finding     TEXT NOT NULL,
    state       TEXT NOT NULL,
    answered    INTEGER NOT NULL,
    flows       INTEGER NOT NULL,
    latency     INTEGER,
    endpoints   INTEGER,
    weight      INTEGER
);
CREATE INDEX round_of_probe ON round (probe, at);
CREATE INDEX round_by_time ON round (at);

-- One row per flow of a round; bodies are never stored.
CREATE TABLE flow (
    round      INTEGER NOT NULL REFERENCES round (id) ON DELETE CASCADE,
    nth        INTEGER NOT NULL,
    local      TEXT,
    remote     TEXT,
    source     TEXT,
    port       INTEGER,
    node       TEXT,
    pod        TEXT,
    failure    TEXT,
    detail     TEXT,
    resolve    INTEGER,
    connect    INTEGER,
    tls        INTEGER,
    first_byte INTEGER,
    body       INTEGER,
    PRIMARY KEY (round, nth)
) WITHOUT ROWID;

-- Every confirmed change of state.
CREATE TABLE transition (
    id         INTEGER PRIMARY KEY,
    probe      INTEGER NOT NULL REFERENCES probe (id),
    at         INTEGER NOT NULL,
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX transition_by_time ON transition (at);

-- Every alert with its story as JSON; open while resolved_at is null. The index makes sure that
-- there is at most one open alert of a kind for a subject.
CREATE TABLE alert (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    resolved_at INTEGER,
    story       TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX alert_open ON alert (kind, subject) WHERE resolved_at IS NULL;
CREATE INDEX alert_by_time ON alert (opened_at);

-- What is to be told to whom. Written in the transaction of the alert, delivered afterwards.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY,
    alert      TEXT NOT NULL,
    receiver   TEXT NOT NULL,
    event      TEXT NOT NULL,
    document   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    state      TEXT NOT NULL DEFAULT 'pending',
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    last_error TEXT,
    done_at    INTEGER,
    UNIQUE (alert, receiver, event)
);
CREATE INDEX outbox_pending ON outbox (state, id);
