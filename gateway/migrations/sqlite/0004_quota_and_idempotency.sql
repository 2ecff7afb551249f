-- What is stored, counted where it changes: every way to a row passes here, also a gateway's of the version
-- before.
CREATE TABLE usage_totals (
    scope TEXT    NOT NULL CHECK (scope IN ('organization', 'owner')),
    name  TEXT    NOT NULL,
    bytes INTEGER NOT NULL,
    files INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT;

CREATE TRIGGER files_usage_inserted AFTER INSERT ON files
WHEN NEW.status IN ('processing', 'ready', 'failed')
BEGIN
    INSERT INTO usage_totals (scope, name, bytes, files)
        VALUES ('organization', NEW.organization, NEW.size, 1), ('owner', NEW.owner, NEW.size, 1)
        ON CONFLICT (scope, name) DO UPDATE
        SET bytes = bytes + excluded.bytes, files = files + excluded.files;
END;

CREATE TRIGGER files_usage_deleted AFTER DELETE ON files
WHEN OLD.status IN ('processing', 'ready', 'failed')
BEGIN
    UPDATE usage_totals SET bytes = bytes - OLD.size, files = files - 1
        WHERE (scope = 'organization' AND name = OLD.organization) OR (scope = 'owner' AND name = OLD.owner);
END;

CREATE TRIGGER files_usage_subtracted AFTER UPDATE ON files
WHEN OLD.status IN ('processing', 'ready', 'failed')
BEGIN
    UPDATE usage_totals SET bytes = bytes - OLD.size, files = files - 1
        WHERE (scope = 'organization' AND name = OLD.organization) OR (scope = 'owner' AND name = OLD.owner);
END;

CREATE TRIGGER files_usage_added AFTER UPDATE ON files
WHEN NEW.status IN ('processing', 'ready', 'failed')
BEGIN
    INSERT INTO usage_totals (scope, name, bytes, files)
        VALUES ('organization', NEW.organization, NEW.size, 1), ('owner', NEW.owner, NEW.size, 1)
        ON CONFLICT (scope, name) DO UPDATE
        SET bytes = bytes + excluded.bytes, files = files + excluded.files;
END;

INSERT INTO usage_totals (scope, name, bytes, files)
    SELECT 'organization', organization, sum(size), count(*) FROM files
    WHERE status IN ('processing', 'ready', 'failed') GROUP BY organization;
INSERT INTO usage_totals (scope, name, bytes, files)
    SELECT 'owner', owner, sum(size), count(*) FROM files
    WHERE status IN ('processing', 'ready', 'failed') GROUP BY owner;

CREATE TABLE idempotency_keys (
    owner       TEXT NOT NULL,
    key         TEXT NOT NULL,
    -- Who is at work on it, and until when that is believed.
    holder      BLOB NOT NULL,
    lease_until TEXT NOT NULL,
    -- The hashes of the request's files and the answer, once there is one.
    fingerprint TEXT,
    answer      TEXT,
    created_at  TEXT NOT NULL,
    PRIMARY KEY (owner, key),
    CHECK ((fingerprint IS NULL) = (answer IS NULL))
) STRICT;

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
