-- What was made of a video, by the name under which it is asked for. All rows of one video are written at once, when
-- everything is there.
CREATE TABLE outputs (
    file_id      UUID        NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    name         TEXT        NOT NULL,
    location     TEXT        NOT NULL UNIQUE,
    content_type TEXT        NOT NULL,
    size         BIGINT      NOT NULL CHECK (size >= 0),
    sha256       BYTEA       NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (file_id, name)
);

-- The columns poster and faststart stay for workers of the release before.
ALTER TABLE media ADD COLUMN container TEXT;
ALTER TABLE media ADD COLUMN frame_rate DOUBLE PRECISION;
ALTER TABLE media ADD COLUMN rotation BIGINT;
ALTER TABLE media ADD COLUMN bit_rate BIGINT;
-- A JSON array, one object per track.
ALTER TABLE media ADD COLUMN audio_tracks TEXT;

-- How far the work on a file is, in percent.
ALTER TABLE jobs ADD COLUMN progress BIGINT NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100);
