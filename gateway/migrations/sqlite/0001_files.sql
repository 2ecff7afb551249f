-- Times are RFC 3339 text in UTC, ids are 16 bytes, as sqlx writes them.
CREATE TABLE files (
    id           BLOB    NOT NULL PRIMARY KEY,
    organization TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    location     TEXT    NOT NULL UNIQUE,
    content_type TEXT    NOT NULL,
    size         INTEGER NOT NULL CHECK (size >= 0),
    sha256       BLOB    CHECK (sha256 IS NULL OR length(sha256) = 32),
    status       TEXT    NOT NULL CHECK (status IN ('uploading', 'processing', 'ready', 'failed', 'deleting')),
    reason       TEXT,
    visibility   TEXT    NOT NULL CHECK (visibility IN ('private', 'organization')),
    created_at   TEXT    NOT NULL,
    modified_at  TEXT    NOT NULL,
    -- When somebody was last at work on an unsettled row; the janitor's measure of age.
    touched_at   TEXT    NOT NULL,
    CHECK (status IN ('uploading', 'deleting') OR sha256 IS NOT NULL)
) STRICT;

CREATE INDEX files_unsettled ON files (status, touched_at) WHERE status IN ('uploading', 'deleting');

CREATE TABLE media (
    file_id      BLOB    NOT NULL PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
    duration_ms  INTEGER,
    width        INTEGER,
    height       INTEGER,
    video_codec  TEXT,
    audio_codec  TEXT,
    -- Keys of the derived objects, when they were made.
    poster       TEXT,
    faststart    TEXT
) STRICT;

CREATE TABLE jobs (
    id           BLOB    NOT NULL PRIMARY KEY,
    file_id      BLOB    NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    kind         TEXT    NOT NULL CHECK (kind IN ('video')),
    -- A finished job's row is gone; 'dead' waits for a person.
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'dead')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    run_after    TEXT    NOT NULL,
    lease_until  TEXT,
    -- Fences a worker whose lease ran out: only the holder of the current token may write.
    lease_token  BLOB,
    last_error   TEXT,
    created_at   TEXT    NOT NULL,
    UNIQUE (file_id, kind),
    CHECK ((state = 'running') = (lease_token IS NOT NULL AND lease_until IS NOT NULL))
) STRICT;

CREATE INDEX jobs_takeable ON jobs (run_after) WHERE state <> 'dead';
