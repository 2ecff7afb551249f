-- What the webhook's receiver has not been told yet. A row is written with what it tells of and goes when it was
-- taken in or given up. No reference to files: that a file was deleted is told after its row is gone.
CREATE TABLE webhook_events (
    id          UUID        NOT NULL PRIMARY KEY,
    type        TEXT        NOT NULL,
    -- What is sent, byte for byte the same each time.
    body        TEXT        NOT NULL,
    attempts    BIGINT      NOT NULL DEFAULT 0,
    -- When it is sent next. Whoever takes it moves this by the length of its lease.
    due_at      TIMESTAMPTZ NOT NULL,
    -- Fences a sender whose lease ran out.
    lease_token UUID,
    created_at  TIMESTAMPTZ NOT NULL
);

CREATE INDEX webhook_events_due ON webhook_events (due_at);
