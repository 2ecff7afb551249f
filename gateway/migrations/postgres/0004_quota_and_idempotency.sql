-- What is stored, counted where it changes: every way to a row passes here, also a gateway's of the version
-- before, and the row of a total is the lock under which a quota holds.
CREATE TABLE usage_totals (
    scope TEXT   NOT NULL CHECK (scope IN ('organization', 'owner')),
    name  TEXT   NOT NULL,
    bytes BIGINT NOT NULL,
    files BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

CREATE FUNCTION add_usage(organization TEXT, owner TEXT, bytes BIGINT, files BIGINT) RETURNS VOID LANGUAGE sql AS $$
    -- Always in this order, so that two transactions can't wait for each other.
    INSERT INTO usage_totals AS total (scope, name, bytes, files) VALUES ('organization', $1, $3, $4)
        ON CONFLICT (scope, name) DO UPDATE
        SET bytes = total.bytes + excluded.bytes, files = total.files + excluded.files;
    INSERT INTO usage_totals AS total (scope, name, bytes, files) VALUES ('owner', $2, $3, $4)
        ON CONFLICT (scope, name) DO UPDATE
        SET bytes = total.bytes + excluded.bytes, files = total.files + excluded.files;
$$;

CREATE FUNCTION count_usage() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        IF OLD.status IN ('processing', 'ready', 'failed') THEN
            PERFORM add_usage(OLD.organization, OLD.owner, -OLD.size, -1);
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF NEW.status IN ('processing', 'ready', 'failed') THEN
            PERFORM add_usage(NEW.organization, NEW.owner, NEW.size, 1);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER files_usage_inserted AFTER INSERT ON files
    FOR EACH ROW EXECUTE FUNCTION count_usage();
CREATE TRIGGER files_usage_deleted AFTER DELETE ON files
    FOR EACH ROW EXECUTE FUNCTION count_usage();
-- Not when only a video's status moves: nothing is counted anew then, and no lock taken.
CREATE TRIGGER files_usage_updated AFTER UPDATE ON files
    FOR EACH ROW
    WHEN ((OLD.status IN ('processing', 'ready', 'failed')) <> (NEW.status IN ('processing', 'ready', 'failed'))
        OR OLD.size <> NEW.size OR OLD.owner <> NEW.owner OR OLD.organization <> NEW.organization)
    EXECUTE FUNCTION count_usage();

INSERT INTO usage_totals (scope, name, bytes, files)
    SELECT 'organization', organization, sum(size), count(*) FROM files
    WHERE status IN ('processing', 'ready', 'failed') GROUP BY organization;
INSERT INTO usage_totals (scope, name, bytes, files)
    SELECT 'owner', owner, sum(size), count(*) FROM files
    WHERE status IN ('processing', 'ready', 'failed') GROUP BY owner;

CREATE TABLE idempotency_keys (
    owner       TEXT        NOT NULL,
    key         TEXT        NOT NULL,
    -- Who is at work on it, and until when that is believed.
    holder      UUID        NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    -- The hashes of the request's files and the answer, once there is one.
    fingerprint TEXT,
    answer      TEXT,
    created_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (owner, key),
    CHECK ((fingerprint IS NULL) = (answer IS NULL))
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
