//! Uploading in pieces: the bytes of one file arrive in any number of requests, at any replica.
//!
//! All that is known of an upload is in the catalogue, its bytes in an upload in parts of S3, and
//! those after the last part in an object of their own (the tail), so a request needs nothing of the
//! one before it. The newest request wins: it raises the upload's fence, and whatever an older one
//! still does (a client that reconnects is often faster than the news that its old connection is
//! dead) changes nothing. Parts have numbers that are used once and tails have keys that are used
//! once, so that not even bytes that come late overwrite any. When all bytes are there, the upload is
//! put together from what the catalogue says, by whoever comes first, and committed as any other.

mod arriving;
mod create;
mod find;
mod finish;
mod terminate;
mod write;
mod writer;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use arriving::{Algorithm, Checksum};
pub use write::Piece;

use super::{FileId, FileRecord, Files, FilesError, NewFile};
use crate::catalog::{CatalogError, ResumableRow};
use crate::store::{MAX_PARTS, StoreError};

/// How many of S3's part numbers are left for parts that never count: sent by a request that was
/// overtaken, or that did not have its checksum.
const SPARE_PARTS: u64 = 1_000;

/// How long a holder is believed to be at work without a sign of life, and how often it gives one.
const LEASE: Duration = Duration::from_secs(20);
const HOLD_EVERY: Duration = Duration::from_secs(5);

/// What a client says of an upload in pieces before its bytes.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// How long the file will be, in bytes; `None` when the client will tell later.
    pub length: Option<u64>,
    /// Its metadata as the client wrote it, given back as it is.
    pub metadata: String,
    /// What the metadata says of the file.
    pub file: NewFile,
}

/// An upload in pieces, as its owner sees it.
#[derive(Debug, Clone)]
pub struct ResumableUpload {
    /// Its id, and that of the file which it becomes.
    pub id: FileId,
    /// How many bytes are stored.
    pub offset: u64,
    /// How long the file will be, in bytes, once the client told.
    pub length: Option<u64>,
    /// Its metadata as the client wrote it.
    pub metadata: String,
    /// When it expires unless it is continued, and whatever happens at its greatest age.
    pub expires_at: DateTime<Utc>,
    /// The file, once the upload is finished.
    pub file: Option<FileRecord>,
}

impl ResumableUpload {
    fn new(row: ResumableRow, file: Option<FileRecord>) -> Self {
        Self {
            id: row.file_id,
            offset: row.upload_offset,
            length: length(&row),
            metadata: row.metadata,
            expires_at: row.expires_at,
            file,
        }
    }
}

impl Files {
    /// When an upload that was begun at `begun` expires unless somebody goes on with it: never later
    /// than at its greatest age, however often that happens.
    fn expiry(&self, begun: DateTime<Utc>) -> DateTime<Utc> {
        let rest = after(Utc::now(), self.settings.uploads_expire);
        rest.min(after(begun, self.settings.uploads_max_age))
    }
}

fn length(row: &ResumableRow) -> Option<u64> {
    row.length.and_then(|length| u64::try_from(length).ok())
}

/// Whether every byte is stored, in parts.
fn is_complete(row: &ResumableRow) -> bool {
    length(row) == Some(row.upload_offset) && row.tail.is_none()
}

/// Where the bytes after the last part are kept: under the file's own folder, so that whoever deletes
/// the file deletes them, and under a name that is used once.
fn tail_key(row: &ResumableRow) -> String {
    format!("{}{}", tails(&row.location), uuid::Uuid::new_v4())
}

/// Under which keys the tails of the upload to `location` lie.
pub(super) fn tails(location: &str) -> String {
    let folder = location
        .rsplit_once('/')
        .map_or(location, |(folder, _)| folder);
    format!("{folder}/tail/")
}

fn in_future(wait: Duration) -> DateTime<Utc> {
    after(Utc::now(), wait)
}

fn after(begin: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| begin.checked_add_signed(wait))
        .unwrap_or(begin)
}

/// What the store no longer has, an upload can't go on with: a lifecycle rule may have removed it, or
/// its parts are not those that were sent.
fn gone(error: FilesError) -> FilesError {
    match &error {
        FilesError::Store { source, .. }
            if source.downcast_ref().is_some_and(StoreError::is_for_good) =>
        {
            FilesError::UploadGone
        }
        _ => error,
    }
}

/// A row of a newer gateway, or one that was tampered with.
fn nonsense(what: &'static str) -> FilesError {
    FilesError::Catalog {
        action: "tell how an upload stands",
        source: Box::from(what),
    }
}

/// The part size of an upload of `length` bytes: 10,000 parts are enough, with some to spare.
fn part_size(length: u64) -> u64 {
    super::upload::part_size(length, MAX_PARTS - SPARE_PARTS)
}

/// The commit of a row that is no longer uploading: the upload was ended meanwhile.
fn ended(error: CatalogError) -> FilesError {
    match error {
        CatalogError::Conflict { .. } => FilesError::NotFound,
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_are_enough_for_the_largest_object_of_s3() {
        let largest = 5 << 40;
        assert!(part_size(largest) * (MAX_PARTS - SPARE_PARTS) >= largest);
        assert_eq!(part_size(1 << 30), 8 << 20);
    }

    #[test]
    fn tails_lie_beside_the_original() {
        assert_eq!(tails("acme/1/original"), "acme/1/tail/");
    }
}
