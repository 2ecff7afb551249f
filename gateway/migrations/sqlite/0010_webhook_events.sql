-- What the webhook's receiver has not been told yet. A row is written with what it tells of and goes when it was
-- taken in or given up. No reference to files: that a file was deleted is told after its row is gone.
CREATE TABLE webhook_events (
    id          BLOB    NOT NULL PRIMARY KEY,
    type        TEXT    NOT NULL,
    -- What is sent, byte for byte the same each time.
    body        TEXT    NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    -- When it is sent next. Whoever takes it moves this by the length of its lease.
    due_at      TEXT    NOT NULL,
    -- Fences a sender whose lease ran out.
    lease_token BLOB,
    created_at  TEXT    NOT NULL
) STRICT;

CREATE INDEX webhook_events_due ON webhook_events (due_at);
