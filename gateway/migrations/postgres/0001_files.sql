CREATE TABLE files (
    id           UUID        NOT NULL PRIMARY KEY,
    organization TEXT        NOT NULL,
    owner        TEXT        NOT NULL,
    name         TEXT        NOT NULL,
    location     TEXT        NOT NULL UNIQUE,
    content_type TEXT        NOT NULL,
    size         BIGINT      NOT NULL CHECK (size >= 0),
    sha256       BYTEA       CHECK (sha256 IS NULL OR length(sha256) = 32),
    status       TEXT        NOT NULL CHECK (status IN ('uploading', 'processing', 'ready', 'failed', 'deleting')),
    reason       TEXT,
    visibility   TEXT        NOT NULL CHECK (visibility IN ('private', 'organization')),
    created_at   TIMESTAMPTZ NOT NULL,
    modified_at  TIMESTAMPTZ NOT NULL,
    -- When somebody was last at work on an unsettled row; the janitor's measure of age.
    touched_at   TIMESTAMPTZ NOT NULL,
    CHECK (status IN ('uploading', 'deleting') OR sha256 IS NOT NULL)
);

CREATE INDEX files_unsettled ON files (status, touched_at) WHERE status IN ('uploading', 'deleting');

CREATE TABLE media (
    file_id      UUID        NOT NULL PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
    duration_ms  BIGINT,
    width        BIGINT,
    height       BIGINT,
    video_codec  TEXT,
    audio_codec  TEXT,
    -- Keys of the derived objects, when they were made.
    poster       TEXT,
    faststart    TEXT
);

CREATE TABLE jobs (
    id           UUID        NOT NULL PRIMARY KEY,
    file_id      UUID        NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    kind         TEXT        NOT NULL CHECK (kind IN ('video')),
    -- A finished job's row is gone; 'dead' waits for a person.
    state        TEXT        NOT NULL CHECK (state IN ('queued', 'running', 'dead')),
    attempts     BIGINT      NOT NULL DEFAULT 0,
    run_after    TIMESTAMPTZ NOT NULL,
    lease_until  TIMESTAMPTZ,
    -- Fences a worker whose lease ran out: only the holder of the current token may write.
    lease_token  UUID,
    last_error   TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    UNIQUE (file_id, kind),
    CHECK ((state = 'running') = (lease_token IS NOT NULL AND lease_until IS NOT NULL))
);

CREATE INDEX jobs_takeable ON jobs (run_after) WHERE state <> 'dead';
