-- When this catalogue began. Objects that are older are not its own: the janitor leaves them alone.
CREATE TABLE catalogue (
    single   BOOLEAN     NOT NULL PRIMARY KEY DEFAULT TRUE CHECK (single),
    begun_at TIMESTAMPTZ NOT NULL
);

INSERT INTO catalogue (begun_at) SELECT coalesce(min(created_at), clock_timestamp()) FROM files;
