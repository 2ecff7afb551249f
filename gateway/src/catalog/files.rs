//! The table `files`: one row per file, from before its first byte to after its last.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pool::{read, write};
use super::usage::keep_to;
use super::webhook_events::tell;
use super::{Answered, Catalog, CatalogError, EventType, Quota, RequestKey};

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Bytes are arriving.
    Uploading,
    /// Stored; a job is still at work.
    Processing,
    /// Stored and done.
    Ready,
    /// Stored; its job gave up.
    Failed,
    /// Its objects are being deleted.
    Deleting,
}

impl Status {
    /// As the column holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

impl TryFrom<String> for Status {
    type Error = UnknownValue;

    fn try_from(value: String) -> Result<Self, UnknownValue> {
        match value.as_str() {
            "uploading" => Ok(Self::Uploading),
            "processing" => Ok(Self::Processing),
            "ready" => Ok(Self::Ready),
            "failed" => Ok(Self::Failed),
            "deleting" => Ok(Self::Deleting),
            _ => Err(UnknownValue("status")),
        }
    }
}

/// Who besides the owner and the admins may read a file, as the column holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Nobody.
    Private,
    /// Every member of the organization.
    Organization,
}

impl Visibility {
    /// As the column holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Organization => "organization",
        }
    }
}

impl TryFrom<String> for Visibility {
    type Error = UnknownValue;

    fn try_from(value: String) -> Result<Self, UnknownValue> {
        match value.as_str() {
            "private" => Ok(Self::Private),
            "organization" => Ok(Self::Organization),
            _ => Err(UnknownValue("visibility")),
        }
    }
}

/// A column that holds a word of a newer schema.
#[derive(Debug, thiserror::Error)]
#[error("the column {0} holds an unknown value")]
pub struct UnknownValue(&'static str);

/// One row, whole.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct FileRow {
    /// Its id.
    pub id: Uuid,
    /// The organization that it belongs to.
    pub organization: String,
    /// The subject that uploaded it.
    pub owner: String,
    /// Its cleaned name.
    pub name: String,
    /// Its S3 key.
    pub location: String,
    /// Its media type.
    pub content_type: String,
    /// Its length in bytes; 0 while uploading.
    #[sqlx(try_from = "i64")]
    pub size: u64,
    /// Its SHA-256, once all bytes are stored.
    pub sha256: Option<Vec<u8>>,
    /// Where it stands.
    #[sqlx(try_from = "String")]
    pub status: Status,
    /// Why its job gave up.
    pub reason: Option<String>,
    /// Who else may read it.
    #[sqlx(try_from = "String")]
    pub visibility: Visibility,
    /// When its upload was acknowledged.
    pub modified_at: DateTime<Utc>,
}

/// The columns of [`FileRow`]: never `*`, which would break statements that are already prepared
/// when a newer gateway adds a column.
macro_rules! columns {
    () => {
        "id, organization, owner, name, location, content_type, size, sha256, status, reason, \
         visibility, modified_at"
    };
}
pub(super) use columns;

/// What is known of a file before its bytes are.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// Its id.
    pub id: Uuid,
    /// The organization that it belongs to.
    pub organization: String,
    /// The subject that uploads it.
    pub owner: String,
    /// Its cleaned name.
    pub name: String,
    /// Its S3 key.
    pub location: String,
    /// Its media type.
    pub content_type: String,
    /// Who else may read it.
    pub visibility: Visibility,
}

/// What is known once its bytes are stored.
#[derive(Debug, Clone)]
pub struct StoredRow {
    /// Its id.
    pub id: Uuid,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Whether a video job is to be made, in the same transaction.
    pub video: bool,
}

/// What goes with making files readable, in the same transaction.
#[derive(Debug, Clone, Default)]
pub struct Settlement {
    /// What may be stored at most.
    pub quota: Quota,
    /// The request that the answer is kept for, when its client may repeat it.
    pub request: Option<(RequestKey, Answered)>,
}

impl Catalog {
    /// Writes a row in the status `uploading`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_uploading(&self, row: NewRow) -> Result<(), CatalogError> {
        write!(self, "record an upload", |tx| {
            let now = Utc::now();
            sqlx::query(
                "INSERT INTO files (id, organization, owner, name, location, content_type, size, \
                 status, visibility, created_at, modified_at, touched_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 0, 'uploading', $7, $8, $8, $8)",
            )
            .bind(row.id)
            .bind(row.organization)
            .bind(row.owner)
            .bind(row.name)
            .bind(row.location)
            .bind(row.content_type)
            .bind(row.visibility.as_str())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        })
    }

    /// Says that somebody is still at work on rows that are `uploading`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch(&self, ids: Vec<Uuid>) -> Result<(), CatalogError> {
        write!(self, "touch an upload", |tx| {
            for id in ids {
                sqlx::query("UPDATE files SET touched_at = $2 WHERE id = $1")
                    .bind(id)
                    .bind(Utc::now())
                    .execute(&mut *tx)
                    .await?;
            }
        })
    }

    /// Makes stored rows readable, all or none, each video with its job; gives them back in order.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when one of them is no longer `uploading`, or the request's key is
    /// no longer its holder's; [`CatalogError::Quota`] when too much would be stored. Nothing changes
    /// then.
    pub async fn commit(
        &self,
        stored: Vec<StoredRow>,
        modified_at: DateTime<Utc>,
        settlement: Settlement,
    ) -> Result<Vec<FileRow>, CatalogError> {
        let Settlement { quota, request } = settlement;
        let has_job = stored.iter().any(|file| file.video);
        let events = self.events;
        let rows = write!(self, "make an upload readable", |tx| {
            let mut rows = Vec::with_capacity(stored.len());
            for file in stored {
                let status = match file.video {
                    true => Status::Processing,
                    false => Status::Ready,
                };
                let size = i64::try_from(file.size).map_err(|e| sqlx::Error::Encode(e.into()))?;
                let row = sqlx::query_as::<_, FileRow>(concat!(
                    "UPDATE files SET size = $2, sha256 = $3, status = $4, modified_at = $5, \
                     touched_at = $5 WHERE id = $1 AND status = 'uploading' RETURNING ",
                    columns!()
                ))
                .bind(file.id)
                .bind(size)
                .bind(file.sha256.to_vec())
                .bind(status.as_str())
                .bind(modified_at)
                .fetch_one(&mut *tx)
                .await?;
                tell!(tx, events, EventType::Created, &row);
                rows.push(row);
                if file.video {
                    sqlx::query(
                        "INSERT INTO jobs (id, file_id, kind, state, run_after, created_at) \
                         VALUES ($1, $2, 'video', 'queued', $3, $3)",
                    )
                    .bind(Uuid::new_v4())
                    .bind(file.id)
                    .bind(modified_at)
                    .execute(&mut *tx)
                    .await?;
                }
            }
            if let Some(row) = rows.first() {
                // All files of a request have one owner.
                keep_to!(tx, quota, row.id);
            }
            if let Some((request, answered)) = request {
                sqlx::query_scalar::<_, String>(
                    "UPDATE idempotency_keys SET fingerprint = $4, answer = $5 \
                     WHERE owner = $1 AND key = $2 AND holder = $3 AND answer IS NULL \
                     RETURNING key",
                )
                .bind(request.owner)
                .bind(request.key)
                .bind(request.holder)
                .bind(answered.fingerprint)
                .bind(answered.answer)
                .fetch_one(&mut *tx)
                .await?;
            }
            rows
        });
        let rows = rows.map_err(|error| match error {
            CatalogError::Statement {
                source: sqlx::Error::RowNotFound,
                action,
            } => CatalogError::Conflict { action },
            other => other.or_rule(),
        })?;
        if has_job {
            self.job_added.notify_one();
        }
        self.event_added.notify_one();
        Ok(rows)
    }

    /// The row of a file, in whatever status.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, id: Uuid) -> Result<Option<FileRow>, CatalogError> {
        read!(self, "find a file", |db| sqlx::query_as::<_, FileRow>(
            concat!("SELECT ", columns!(), " FROM files WHERE id = $1")
        )
        .bind(id)
        .fetch_optional(db))
    }

    /// The row of a file by its exact S3 key, in whatever status.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_by_location(&self, location: &str) -> Result<Option<FileRow>, CatalogError> {
        // PostgreSQL's text can't hold NUL, so nothing is stored under such a key.
        if location.contains('\0') {
            return Ok(None);
        }
        read!(self, "find a file", |db| sqlx::query_as::<_, FileRow>(
            concat!("SELECT ", columns!(), " FROM files WHERE location = $1")
        )
        .bind(location)
        .fetch_optional(db))
    }

    /// Takes a readable file out of sight; false when it is not there or not readable.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_delete(&self, id: Uuid) -> Result<bool, CatalogError> {
        let events = self.events;
        let deleted = write!(self, "begin a deletion", |tx| {
            let row = sqlx::query_as::<_, FileRow>(concat!(
                "UPDATE files SET status = 'deleting', touched_at = $2 \
                 WHERE id = $1 AND status IN ('processing', 'ready', 'failed') RETURNING ",
                columns!()
            ))
            .bind(id)
            .bind(Utc::now())
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(row) = &row {
                tell!(tx, events, EventType::Deleted, row);
            }
            row.is_some()
        })?;
        self.event_added.notify_one();
        Ok(deleted)
    }

    /// Turns an upload that will not be finished into a deletion; false when it was committed, is
    /// gone, or never got a row.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_undo(&self, id: Uuid) -> Result<bool, CatalogError> {
        write!(self, "undo an upload", |tx| {
            sqlx::query(
                "UPDATE files SET status = 'deleting', touched_at = $2 \
                 WHERE id = $1 AND status = 'uploading'",
            )
            .bind(id)
            .bind(Utc::now())
            .execute(&mut *tx)
            .await?
            .rows_affected()
                == 1
        })
    }

    /// Forgets a file whose objects are gone, with its jobs and media facts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove(&self, id: Uuid) -> Result<(), CatalogError> {
        write!(self, "forget a file", |tx| {
            // In the order in which a worker that ends its job takes them, or PostgreSQL finds the two
            // in a deadlock and fails one.
            sqlx::query(
                "DELETE FROM jobs WHERE file_id = $1 \
                 AND EXISTS (SELECT 1 FROM files WHERE id = $1 AND status = 'deleting')",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            sqlx::query("DELETE FROM files WHERE id = $1 AND status = 'deleting'")
                .bind(id)
                .execute(&mut *tx)
                .await?;
        })
    }
}
