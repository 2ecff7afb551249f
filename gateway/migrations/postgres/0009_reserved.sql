-- What unfinished uploads in pieces were promised counts as if it were stored: their lengths, or what was set aside
-- for them while nobody knows how long they will be. It is counted where it changes, like what is stored (0004), so
-- that a gateway of the version before is counted too.
ALTER TABLE resumable_uploads
    ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    -- Whether its file is 'uploading'.
    ADD COLUMN unfinished BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE usage_totals
    ADD COLUMN reserved_bytes BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN reserved_files BIGINT NOT NULL DEFAULT 0;

UPDATE resumable_uploads SET reserved = upload_offset,
    unfinished = file_id IN (SELECT id FROM files WHERE status = 'uploading');

INSERT INTO usage_totals (scope, name, bytes, files, reserved_bytes, reserved_files)
    SELECT 'organization', organization, 0, 0, sum(coalesce(length, reserved)), count(*)
    FROM resumable_uploads JOIN files ON id = file_id WHERE unfinished GROUP BY organization
    ON CONFLICT (scope, name) DO UPDATE
    SET reserved_bytes = excluded.reserved_bytes, reserved_files = excluded.reserved_files;
INSERT INTO usage_totals (scope, name, bytes, files, reserved_bytes, reserved_files)
    SELECT 'owner', owner, 0, 0, sum(coalesce(length, reserved)), count(*)
    FROM resumable_uploads JOIN files ON id = file_id WHERE unfinished GROUP BY owner
    ON CONFLICT (scope, name) DO UPDATE
    SET reserved_bytes = excluded.reserved_bytes, reserved_files = excluded.reserved_files;

CREATE FUNCTION add_reserved(file UUID, bytes BIGINT, files BIGINT) RETURNS VOID LANGUAGE sql AS $$
    -- In the order of add_usage.
    INSERT INTO usage_totals AS total (scope, name, bytes, files, reserved_bytes, reserved_files)
        SELECT 'organization', f.organization, 0, 0, $2, $3 FROM files f WHERE f.id = $1
        ON CONFLICT (scope, name) DO UPDATE
        SET reserved_bytes = total.reserved_bytes + excluded.reserved_bytes,
            reserved_files = total.reserved_files + excluded.reserved_files;
    INSERT INTO usage_totals AS total (scope, name, bytes, files, reserved_bytes, reserved_files)
        SELECT 'owner', f.owner, 0, 0, $2, $3 FROM files f WHERE f.id = $1
        ON CONFLICT (scope, name) DO UPDATE
        SET reserved_bytes = total.reserved_bytes + excluded.reserved_bytes,
            reserved_files = total.reserved_files + excluded.reserved_files;
$$;

CREATE FUNCTION count_reserved() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM add_reserved(
            NEW.file_id,
            NEW.unfinished::INT * coalesce(NEW.length, NEW.reserved)
                - OLD.unfinished::INT * coalesce(OLD.length, OLD.reserved),
            NEW.unfinished::INT - OLD.unfinished::INT
        );
    ELSE
        PERFORM add_reserved(NEW.file_id, coalesce(NEW.length, NEW.reserved), 1);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER reserved_inserted AFTER INSERT ON resumable_uploads
    FOR EACH ROW WHEN (NEW.unfinished) EXECUTE FUNCTION count_reserved();
CREATE TRIGGER reserved_updated AFTER UPDATE ON resumable_uploads
    FOR EACH ROW
    WHEN (OLD.unfinished <> NEW.unfinished
        OR coalesce(OLD.length, OLD.reserved) <> coalesce(NEW.length, NEW.reserved))
    EXECUTE FUNCTION count_reserved();

CREATE FUNCTION end_reserved() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE resumable_uploads SET unfinished = FALSE WHERE file_id = OLD.id;
        RETURN OLD;
    END IF;
    UPDATE resumable_uploads SET unfinished = (NEW.status = 'uploading') WHERE file_id = NEW.id;
    RETURN NULL;
END
$$;

-- Named so that it comes before the triggers that count what is stored: the totals are locked last, as by everybody.
CREATE TRIGGER files_reserved_updated AFTER UPDATE ON files
    FOR EACH ROW WHEN ((OLD.status = 'uploading') <> (NEW.status = 'uploading'))
    EXECUTE FUNCTION end_reserved();
-- While the file's row still says whose it is.
CREATE TRIGGER files_reserved_deleted BEFORE DELETE ON files
    FOR EACH ROW WHEN (OLD.status = 'uploading') EXECUTE FUNCTION end_reserved();
