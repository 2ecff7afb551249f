-- What unfinished uploads in pieces were promised counts as if it were stored: their lengths, or what was set aside
-- for them while nobody knows how long they will be. It is counted where it changes, like what is stored (0004), so
-- that a gateway of the version before is counted too.
ALTER TABLE resumable_uploads ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0);
-- Whether its file is 'uploading'.
ALTER TABLE resumable_uploads ADD COLUMN unfinished INTEGER NOT NULL DEFAULT 1 CHECK (unfinished IN (0, 1));
ALTER TABLE usage_totals ADD COLUMN reserved_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_totals ADD COLUMN reserved_files INTEGER NOT NULL DEFAULT 0;

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

CREATE TRIGGER reserved_inserted AFTER INSERT ON resumable_uploads WHEN NEW.unfinished
BEGIN
    INSERT INTO usage_totals (scope, name, bytes, files, reserved_bytes, reserved_files)
        SELECT 'organization', organization, 0, 0, coalesce(NEW.length, NEW.reserved), 1
        FROM files WHERE id = NEW.file_id
        UNION ALL
        SELECT 'owner', owner, 0, 0, coalesce(NEW.length, NEW.reserved), 1 FROM files WHERE id = NEW.file_id
        ON CONFLICT (scope, name) DO UPDATE
        SET reserved_bytes = reserved_bytes + excluded.reserved_bytes, reserved_files = reserved_files + 1;
END;

-- The totals' rows are there: whoever changes it has been inserted.
CREATE TRIGGER reserved_updated AFTER UPDATE OF length, reserved, unfinished ON resumable_uploads
WHEN OLD.unfinished <> NEW.unfinished OR coalesce(OLD.length, OLD.reserved) <> coalesce(NEW.length, NEW.reserved)
BEGIN
    UPDATE usage_totals
        SET reserved_bytes = reserved_bytes + NEW.unfinished * coalesce(NEW.length, NEW.reserved)
                - OLD.unfinished * coalesce(OLD.length, OLD.reserved),
            reserved_files = reserved_files + NEW.unfinished - OLD.unfinished
        WHERE (scope = 'organization' AND name = (SELECT organization FROM files WHERE id = NEW.file_id))
           OR (scope = 'owner' AND name = (SELECT owner FROM files WHERE id = NEW.file_id));
END;

CREATE TRIGGER files_reserved_updated AFTER UPDATE OF status ON files
WHEN (OLD.status = 'uploading') <> (NEW.status = 'uploading')
BEGIN
    UPDATE resumable_uploads SET unfinished = (NEW.status = 'uploading') WHERE file_id = NEW.id;
END;

-- While the file's row still says whose it is.
CREATE TRIGGER files_reserved_deleted BEFORE DELETE ON files WHEN OLD.status = 'uploading'
BEGIN
    UPDATE resumable_uploads SET unfinished = 0 WHERE file_id = OLD.id;
END;
