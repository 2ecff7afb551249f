-- What only one process may do at a time. Whoever holds a lease extends it while it works; one that ran out is
-- anybody's.
CREATE TABLE leases (
    name   TEXT        NOT NULL PRIMARY KEY,
    holder UUID        NOT NULL,
    until  TIMESTAMPTZ NOT NULL
);
