//! What is read from the tables of uploads in pieces, and what is written to them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::catalog::Quota;
use crate::catalog::files::Status;

/// An upload in pieces, with what is known of its file.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ResumableRow {
    /// The file's id, and the upload's.
    pub file_id: Uuid,
    /// The organization that it belongs to.
    pub organization: String,
    /// The subject that uploads it.
    pub owner: String,
    /// Its S3 key.
    pub location: String,
    /// The media type it will have, as far as it is known.
    pub content_type: String,
    /// Where the file stands.
    #[sqlx(try_from = "String")]
    pub status: Status,
    /// How long it will be, in bytes, once the client told.
    pub length: Option<i64>,
    /// How many bytes were set aside for it, while its length is not known.
    #[sqlx(try_from = "i64")]
    pub reserved: u64,
    /// How many bytes are stored.
    #[sqlx(try_from = "i64")]
    pub upload_offset: u64,
    /// What the client said of it, as it said it.
    pub metadata: String,
    /// The media type that the client declared.
    pub declared_type: Option<String>,
    /// How long a part is, in bytes.
    #[sqlx(try_from = "i64")]
    pub part_size: u64,
    /// The number that the next part takes.
    #[sqlx(try_from = "i64")]
    pub next_part: u64,
    /// S3's id of the upload in parts, once there is one.
    pub multipart_id: Option<String>,
    /// The key of the bytes after the last part.
    pub tail: Option<String>,
    /// How many bytes those are.
    #[sqlx(try_from = "i64")]
    pub tail_size: u64,
    /// The state of the SHA-256 after `upload_offset` bytes.
    pub digest: Vec<u8>,
    /// Whether it is a video.
    pub video: bool,
    /// The newest holder's fence.
    pub fence: i64,
    /// Until when its holder is believed to be at work.
    pub lease_until: Option<DateTime<Utc>>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it expires unless somebody goes on with it.
    pub expires_at: DateTime<Utc>,
}

/// On what terms an upload is taken.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long it will be, in bytes, if the client told.
    pub length: Option<u64>,
    /// What may be stored at most, if its length was not known so far.
    pub quota: Quota,
    /// Until when its holder is believed to be at work.
    pub lease_until: DateTime<Utc>,
    /// When it expires unless somebody goes on with it.
    pub expires_at: DateTime<Utc>,
}

/// What the owner of a new upload may have.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// What may be stored at most.
    pub quota: Quota,
    /// How many unfinished uploads.
    pub unfinished: u32,
}

/// An owner has as many unfinished uploads as one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit of {limit} unfinished uploads would be exceeded")]
pub struct TooManyUnfinished {
    /// The limit.
    pub limit: u32,
}

/// An upload before its first byte.
#[derive(Debug, Clone)]
pub struct NewResumableRow {
    /// How long it will be, in bytes, if the client told.
    pub length: Option<u64>,
    /// What the client said of it, as it said it.
    pub metadata: String,
    /// The media type that the client declared.
    pub declared_type: Option<String>,
    /// How long a part is, in bytes.
    pub part_size: u64,
    /// The state of the SHA-256 of nothing.
    pub digest: Vec<u8>,
    /// When it expires unless somebody goes on with it.
    pub expires_at: DateTime<Utc>,
}

/// A part that S3 has.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PartRow {
    /// Its number.
    #[sqlx(try_from = "i64")]
    pub number: i32,
    /// S3's tag of it.
    pub etag: String,
    /// How long it is, in bytes.
    #[sqlx(try_from = "i64")]
    pub size: u64,
}

/// Proof that an upload is ours; refused once somebody else has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The upload.
    pub id: Uuid,
    /// Which of its holders.
    pub number: i64,
}

/// Where an upload stands after some more bytes.
#[derive(Debug, Clone)]
pub struct Advance {
    /// How many bytes are stored now.
    pub offset: u64,
    /// The state of the SHA-256 after them.
    pub digest: Vec<u8>,
    /// The parts that were added.
    pub parts: Vec<PartRow>,
    /// The key and size of what comes after the last part.
    pub tail: Option<(String, u64)>,
    /// When the upload expires now.
    pub expires_at: DateTime<Utc>,
}
