-- A delivery is one notification to one receiver; a notification may tell of several alerts.
CREATE TABLE delivery (
    id           INTEGER PRIMARY KEY,
    notification TEXT NOT NULL,               -- its idempotency key
    receiver     TEXT NOT NULL,
    event        TEXT NOT NULL,
    severity     TEXT NOT NULL,               -- of the worst of its alerts
    alerts       TEXT NOT NULL,               -- their ids, as a JSON list
    document     TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    state        TEXT NOT NULL DEFAULT 'pending',
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER NOT NULL,
    last_error   TEXT,
    done_at      INTEGER,                     -- null while it is pending
    digest       TEXT,                        -- the notification that tells it, where it is summed up with others
    UNIQUE (notification, receiver)
);
CREATE INDEX delivery_by_state ON delivery (state, receiver, id);
CREATE INDEX delivery_by_end ON delivery (done_at) WHERE done_at IS NOT NULL;

-- Up to version 1 a notification told of one event of one alert, and its key was made of these two.
INSERT INTO delivery (id, notification, receiver, event, severity, alerts, document,
                      created_at, state, attempts, next_at, last_error, done_at)
SELECT id, alert || '-' || event, receiver, event,
       coalesce(CASE WHEN json_valid(document) THEN json_extract(document, '$.alert.severity') END, 'warning'),
       json_array(alert), document, created_at, state, attempts, next_at, last_error,
       CASE WHEN state <> 'pending' THEN coalesce(done_at, created_at) END
FROM outbox ORDER BY id;
DROP TABLE outbox;

-- What is told of each open alert, and to whom, as JSON; and how it ended.
ALTER TABLE alert ADD COLUMN telling TEXT;
ALTER TABLE alert ADD COLUMN resolution TEXT;

-- What is told together, as JSON: who waits for whom, and until when.
CREATE TABLE alert_group (
    name  TEXT PRIMARY KEY,
    state TEXT NOT NULL
);

-- What an operator does not want to be told for a while, as JSON.
CREATE TABLE silence (
    id      TEXT PRIMARY KEY,
    until   INTEGER NOT NULL,
    silence TEXT NOT NULL
);
