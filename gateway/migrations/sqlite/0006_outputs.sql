-- What was made of a video, by the name under which it is asked for. All rows of one video are written at once, when
-- everything is there.
CREATE TABLE outputs (
    file_id      BLOB    NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    location     TEXT    NOT NULL UNIQUE,
    content_type TEXT    NOT NULL,
    size         INTEGER NOT NULL CHECK (size >= 0),
    sha256       BLOB    NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (file_id, name)
) STRICT;

-- The columns poster and faststart stay for workers of the release before.
ALTER TABLE media ADD COLUMN container TEXT;
ALTER TABLE media ADD COLUMN frame_rate REAL;
ALTER TABLE media ADD COLUMN rotation INTEGER;
ALTER TABLE media ADD COLUMN bit_rate INTEGER;
-- A JSON array, one object per track.
ALTER TABLE media ADD COLUMN audio_tracks TEXT;

-- How far the work on a file is, in percent.
ALTER TABLE jobs ADD COLUMN progress INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100);
