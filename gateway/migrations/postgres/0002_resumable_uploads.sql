-- One row per resumable upload, beside its row in files: from its creation until it expires, also
-- after its last byte, so that a client that missed the answer can ask again.
CREATE TABLE resumable_uploads (
    file_id       UUID        NOT NULL PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
    -- NULL until the client tells it.
    length        BIGINT      CHECK (length >= 0),
    -- How many bytes are stored and acknowledged: those of the parts, then those of the tail.
    upload_offset BIGINT      NOT NULL CHECK (upload_offset >= 0),
    -- Upload-Metadata as the client sent it, and the media type in it.
    metadata      TEXT        NOT NULL,
    declared_type TEXT,
    part_size     BIGINT      NOT NULL CHECK (part_size > 0),
    -- Each part takes a number of its own before it is sent; none is used twice.
    next_part     BIGINT      NOT NULL,
    -- S3's id of the upload in parts.
    multipart_id  TEXT,
    -- Key of the object with the bytes after the last part.
    tail          TEXT,
    tail_size     BIGINT      NOT NULL CHECK (tail_size >= 0),
    -- SHA-256 of the bytes before upload_offset, not finished.
    digest        BYTEA       NOT NULL,
    -- Whether the first bytes are a video's.
    video         BOOLEAN     NOT NULL,
    -- Raised by each request that takes the upload over: only the newest one may write.
    fence         BIGINT      NOT NULL,
    -- Until when its holder is believed to be at work without a sign of life.
    lease_until   TIMESTAMPTZ,
    expires_at    TIMESTAMPTZ NOT NULL,
    CHECK (length IS NULL OR upload_offset <= length),
    CHECK ((tail IS NULL) = (tail_size = 0))
);

CREATE INDEX resumable_uploads_expired ON resumable_uploads (expires_at);

CREATE TABLE resumable_parts (
    file_id UUID   NOT NULL REFERENCES resumable_uploads (file_id) ON DELETE CASCADE,
    number  BIGINT NOT NULL,
    etag    TEXT   NOT NULL,
    size    BIGINT NOT NULL CHECK (size > 0),
    PRIMARY KEY (file_id, number)
);
