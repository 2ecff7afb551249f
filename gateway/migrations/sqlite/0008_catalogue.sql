-- When this catalogue began. Objects that are older are not its own: the janitor leaves them alone.
CREATE TABLE catalogue (
    single   INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    begun_at TEXT    NOT NULL
) STRICT;

INSERT INTO catalogue (begun_at)
    SELECT coalesce(min(created_at), strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')) FROM files;
