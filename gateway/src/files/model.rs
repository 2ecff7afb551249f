//! Plain types of the service layer.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::auth::policy::{Protected, Visibility};

/// The id of a file: random (UUID version 4), so that it can't be guessed or counted.
pub type FileId = Uuid;

/// Where a file stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStatus {
    /// Its row exists and bytes are arriving; nobody can read it.
    Uploading,
    /// Stored and readable; a video job is still at work on it.
    Processing,
    /// Stored and readable; nothing is left to do.
    Ready,
    /// Stored and readable; its video job gave up, see [`FileRecord::reason`].
    Failed,
    /// Being deleted; nobody can read it.
    Deleting,
}

/// One file of the organization, as the catalogue knows it.
#[derive(Debug, Clone)]
pub struct FileRecord {
    /// Its id.
    pub id: FileId,
    /// The organization that it belongs to.
    pub organization: String,
    /// The subject that uploaded it.
    pub owner: String,
    /// Its name as uploaded, cleaned for display: no control characters, no path, at most 255 bytes
    /// of UTF-8.
    pub name: String,
    /// Its full S3 key in the organization's bucket.
    pub location: String,
    /// The media type that it is served with: sniffed where the bytes tell, else as declared.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Where it stands.
    pub status: FileStatus,
    /// Why its video job gave up, in words for a person.
    pub reason: Option<String>,
    /// Who else may read it.
    pub visibility: Visibility,
    /// When its upload was acknowledged; whole seconds, as `Last-Modified` needs.
    pub modified_at: DateTime<Utc>,
}

impl FileRecord {
    /// The SHA-256 of its bytes, in 64 hexadecimal digits.
    pub fn sha256_digits(&self) -> String {
        digits(&self.sha256)
    }

    /// What the policy needs to know of it.
    pub fn protected(&self) -> Protected<'_> {
        Protected {
            owner: &self.owner,
            organization: &self.organization,
            visibility: self.visibility,
        }
    }
}

/// A hash in hexadecimal digits.
pub(super) fn digits(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an upload says of one file before its bytes.
#[derive(Debug, Clone, Default)]
pub struct NewFile {
    /// The name that the client gave, untrusted.
    pub name: Option<String>,
    /// The media type that the client declared, untrusted.
    pub declared_type: Option<String>,
}

/// A satisfiable range of bytes: both ends inclusive, `start <= end < size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end: u64,
}
