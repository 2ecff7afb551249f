//! The tables `resumable_uploads` and `resumable_parts`: how far each upload in pieces has come, and
//! who may go on with it.
//!
//! Whoever takes an upload raises its fence; every later write names the fence that it was given and
//! changes nothing when that is no longer the newest. Each transaction locks the file's row first, so
//! that an upload that is being undone can't move. `files.touched_at` is set ahead of time, to the
//! moment at which the upload expires: also a janitor that knows nothing of this table lets it rest.

mod rows;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::files::NewRow;
use super::pool::{read, write};
use super::usage::keep_to;
use super::{Catalog, CatalogError, Quota};

pub use rows::{
    Advance, Allowance, Fence, NewResumableRow, PartRow, ResumableRow, Terms, TooManyUnfinished,
};

fn signed(number: u64) -> Result<i64, sqlx::Error> {
    i64::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Locks an uploading file's row and puts the janitor off; its value says whether there is one.
macro_rules! touch {
    ($tx:ident, $id:expr, $until:expr) => {
        sqlx::query("UPDATE files SET touched_at = $2 WHERE id = $1 AND status = 'uploading'")
            .bind($id)
            .bind($until)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            == 1
    };
}

impl Catalog {
    /// Writes the rows of a new upload: the file's, `uploading`, and its own, within what its owner
    /// may have.
    ///
    /// # Errors
    /// [`CatalogError::Quota`], [`CatalogError::Unfinished`]; nothing is written then.
    pub async fn insert_resumable(
        &self,
        file: NewRow,
        upload: NewResumableRow,
        allowance: Allowance,
    ) -> Result<(), CatalogError> {
        let inserted = write!(self, "record an upload", |tx| {
            let owner = file.owner.clone();
            sqlx::query(
                "INSERT INTO files (id, organization, owner, name, location, content_type, size, \
                 status, visibility, created_at, modified_at, touched_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 0, 'uploading', $7, $8, $8, $9)",
            )
            .bind(file.id)
            .bind(file.organization)
            .bind(file.owner)
            .bind(file.name)
            .bind(file.location)
            .bind(file.content_type)
            .bind(file.visibility.as_str())
            .bind(Utc::now())
            .bind(upload.expires_at)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "INSERT INTO resumable_uploads (file_id, length, upload_offset, metadata, \
                 declared_type, part_size, next_part, tail_size, digest, video, fence, expires_at) \
                 VALUES ($1, $2, 0, $3, $4, $5, 1, 0, $6, $7, 0, $8)",
            )
            .bind(file.id)
            .bind(upload.length.map(signed).transpose()?)
            .bind(upload.metadata)
            .bind(upload.declared_type)
            .bind(signed(upload.part_size)?)
            .bind(upload.digest)
            .bind(false)
            .bind(upload.expires_at)
            .execute(&mut *tx)
            .await?;
            let unfinished = sqlx::query_scalar::<_, i64>(
                "SELECT reserved_files FROM usage_totals WHERE scope = 'owner' AND name = $1",
            )
            .bind(owner)
            .fetch_one(&mut *tx)
            .await?;
            let limit = allowance.unfinished;
            if unfinished > i64::from(limit) {
                let too_many = TooManyUnfinished { limit };
                return Err(sqlx::Error::Encode(too_many.into()));
            }
            keep_to!(tx, allowance.quota, file.id);
        });
        inserted.map_err(CatalogError::or_rule)
    }

    /// An upload, finished or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_resumable(&self, id: Uuid) -> Result<Option<ResumableRow>, CatalogError> {
        read!(self, "find an upload", |db| {
            sqlx::query_as::<_, ResumableRow>(
                "SELECT r.file_id, f.organization, f.owner, f.location, f.content_type, f.status, \
             r.length, r.upload_offset, r.metadata, r.declared_type, r.part_size, r.next_part, \
             r.multipart_id, r.tail, r.tail_size, r.digest, r.video, r.fence, r.lease_until, \
             r.reserved, f.created_at, r.expires_at FROM resumable_uploads r JOIN files f ON f.id = r.file_id \
             WHERE r.file_id = $1",
            )
            .bind(id)
            .fetch_optional(db)
        })
    }

    /// Takes an upload that stands at `offset`, whoever holds it, and sets its length if it has none,
    /// within the quota. `None` when it does not stand there, has another length, expired, or is no
    /// longer uploading.
    ///
    /// # Errors
    /// [`CatalogError::Quota`]; nothing changes then.
    pub async fn take_resumable(
        &self,
        id: Uuid,
        offset: u64,
        terms: Terms,
    ) -> Result<Option<Fence>, CatalogError> {
        let number = write!(self, "take an upload", |tx| {
            match touch!(tx, id, terms.expires_at) {
                false => None,
                true => {
                    let number = sqlx::query_scalar::<_, i64>(
                        "UPDATE resumable_uploads SET fence = fence + 1, \
                         length = COALESCE(length, $3), lease_until = $4, expires_at = $5 \
                         WHERE file_id = $1 AND upload_offset = $2 AND expires_at > $6 \
                         AND COALESCE(length, $3, -1) = COALESCE($3, length, -1) RETURNING fence",
                    )
                    .bind(id)
                    .bind(signed(offset)?)
                    .bind(terms.length.map(signed).transpose()?)
                    .bind(terms.lease_until)
                    .bind(terms.expires_at)
                    .bind(Utc::now())
                    .fetch_optional(&mut *tx)
                    .await?;
                    keep_to!(tx, terms.quota, id);
                    number
                }
            }
        });
        let number = number.map_err(CatalogError::or_rule)?;
        Ok(number.map(|number| Fence { id, number }))
    }

    /// Sets room aside for the first `bytes` bytes of an upload whose length is not known, within the
    /// quota; false when the upload is no longer ours.
    ///
    /// # Errors
    /// [`CatalogError::Quota`]; nothing changes then.
    pub async fn reserve_resumable(
        &self,
        held: Fence,
        bytes: u64,
        quota: Quota,
    ) -> Result<bool, CatalogError> {
        let reserved = write!(self, "set room aside for an upload", |tx| {
            // The file's row first, as everybody does.
            let ours = sqlx::query(
                "UPDATE files SET touched_at = touched_at WHERE id = $1 AND status = 'uploading'",
            )
            .bind(held.id)
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
                && sqlx::query(
                    "UPDATE resumable_uploads SET \
                     reserved = CASE WHEN reserved < $3 THEN $3 ELSE reserved END \
                     WHERE file_id = $1 AND fence = $2",
                )
                .bind(held.id)
                .bind(held.number)
                .bind(signed(bytes)?)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                    == 1;
            keep_to!(tx, quota, held.id);
            ours
        });
        reserved.map_err(CatalogError::or_rule)
    }

    /// Says that its holder is still at work; false when it is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_resumable(
        &self,
        held: Fence,
        lease_until: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, CatalogError> {
        write!(self, "hold an upload", |tx| {
            touch!(tx, held.id, expires_at)
                && sqlx::query(
                    "UPDATE resumable_uploads SET lease_until = $3, expires_at = $4 \
                     WHERE file_id = $1 AND fence = $2",
                )
                .bind(held.id)
                .bind(held.number)
                .bind(lease_until)
                .bind(expires_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                    == 1
        })
    }

    /// Lets go of an upload, if it is still ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_resumable(&self, held: Fence) -> Result<(), CatalogError> {
        write!(self, "let go of an upload", |tx| {
            sqlx::query(
                "UPDATE resumable_uploads SET lease_until = NULL WHERE file_id = $1 AND fence = $2",
            )
            .bind(held.id)
            .bind(held.number)
            .execute(&mut *tx)
            .await?;
        })
    }

    /// Notes the upload in parts that S3 began, and what its first bytes say; false when the upload
    /// is no longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_parts(
        &self,
        held: Fence,
        multipart_id: String,
        content_type: String,
        video: bool,
    ) -> Result<bool, CatalogError> {
        write!(self, "record an upload in parts", |tx| {
            let file = sqlx::query(
                "UPDATE files SET content_type = $2 WHERE id = $1 AND status = 'uploading' AND \
                 EXISTS (SELECT 1 FROM resumable_uploads WHERE file_id = $1 AND fence = $3)",
            )
            .bind(held.id)
            .bind(content_type)
            .bind(held.number)
            .execute(&mut *tx)
            .await?;
            file.rows_affected() == 1
                && sqlx::query(
                    "UPDATE resumable_uploads SET multipart_id = $3, video = $4 \
                     WHERE file_id = $1 AND fence = $2 AND multipart_id IS NULL",
                )
                .bind(held.id)
                .bind(held.number)
                .bind(multipart_id)
                .bind(video)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                    == 1
        })
    }

    /// Takes a number for a part, up to `most`; `None` when there is none left or the upload is no
    /// longer ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_part_number(
        &self,
        held: Fence,
        most: u64,
    ) -> Result<Option<i32>, CatalogError> {
        let number = write!(self, "number a part", |tx| {
            sqlx::query_scalar::<_, i64>(
                "UPDATE resumable_uploads SET next_part = next_part + 1 \
                 WHERE file_id = $1 AND fence = $2 AND next_part <= $3 RETURNING next_part - 1",
            )
            .bind(held.id)
            .bind(held.number)
            .bind(signed(most)?)
            .fetch_optional(&mut *tx)
            .await?
        })?;
        Ok(number.and_then(|number| i32::try_from(number).ok()))
    }

    /// Records that more bytes are stored; false, and nothing changes, when the upload is no longer
    /// ours.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance_resumable(
        &self,
        held: Fence,
        advance: Advance,
    ) -> Result<bool, CatalogError> {
        write!(self, "record the progress of an upload", |tx| {
            let (tail, tail_size) = match advance.tail {
                Some((key, size)) => (Some(key), signed(size)?),
                None => (None, 0),
            };
            let ours = touch!(tx, held.id, advance.expires_at)
                && sqlx::query(
                    "UPDATE resumable_uploads SET upload_offset = $3, digest = $4, tail = $5, \
                     tail_size = $6, expires_at = $7, \
                     lease_until = CASE WHEN length = $3 THEN NULL ELSE lease_until END \
                     WHERE file_id = $1 AND fence = $2 AND upload_offset <= $3",
                )
                .bind(held.id)
                .bind(held.number)
                .bind(signed(advance.offset)?)
                .bind(advance.digest)
                .bind(tail)
                .bind(tail_size)
                .bind(advance.expires_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                    == 1;
            if ours {
                for part in advance.parts {
                    sqlx::query(
                        "INSERT INTO resumable_parts (file_id, number, etag, size) \
                         VALUES ($1, $2, $3, $4)",
                    )
                    .bind(held.id)
                    .bind(i64::from(part.number))
                    .bind(part.etag)
                    .bind(signed(part.size)?)
                    .execute(&mut *tx)
                    .await?;
                }
            }
            ours
        })
    }

    /// The recorded parts of an upload, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn parts_of(&self, id: Uuid) -> Result<Vec<PartRow>, CatalogError> {
        read!(self, "list an upload's parts", |db| {
            sqlx::query_as::<_, PartRow>(
                "SELECT number, etag, size FROM resumable_parts WHERE file_id = $1 ORDER BY number",
            )
            .bind(id)
            .fetch_all(db)
        })
    }

    /// Takes an upload whose bytes are all there, to put them together; `None` while another holder's
    /// lease runs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_complete(
        &self,
        id: Uuid,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<Fence>, CatalogError> {
        let number = write!(self, "take a complete upload", |tx| {
            sqlx::query_scalar::<_, i64>(
                "UPDATE resumable_uploads SET fence = fence + 1, lease_until = $2 \
                 WHERE file_id = $1 AND upload_offset = length AND tail IS NULL \
                 AND (lease_until IS NULL OR lease_until < $3) RETURNING fence",
            )
            .bind(id)
            .bind(lease_until)
            .bind(Utc::now())
            .fetch_optional(&mut *tx)
            .await?
        })?;
        Ok(number.map(|number| Fence { id, number }))
    }

    /// Forgets how a file was uploaded; the file stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_resumable(&self, id: Uuid) -> Result<(), CatalogError> {
        write!(self, "forget an upload", |tx| {
            sqlx::query(
                "DELETE FROM resumable_uploads WHERE file_id = $1 AND EXISTS (SELECT 1 FROM files \
                 WHERE id = $1 AND status IN ('processing', 'ready', 'failed'))",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
        })
    }

    /// Forgets how files were uploaded that were finished and expired before `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_finished(&self, now: DateTime<Utc>) -> Result<(), CatalogError> {
        write!(self, "forget finished uploads", |tx| {
            sqlx::query(
                "DELETE FROM resumable_uploads WHERE expires_at < $1 AND file_id IN (SELECT id \
                 FROM files WHERE status IN ('processing', 'ready', 'failed'))",
            )
            .bind(now)
            .execute(&mut *tx)
            .await?;
        })
    }
}
