-- Whose video was taken last, and when: owners take turns.
CREATE TABLE turns (
    owner    TEXT        NOT NULL PRIMARY KEY,
    taken_at TIMESTAMPTZ NOT NULL
);
