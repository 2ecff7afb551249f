//! What an upload may be.

use super::reader::Reader;

/// The limits of one upload request.
#[derive(Debug, Clone, Copy)]
pub struct Uploads {
    /// `FILEGATEWAY_UPLOADS_MAX_FILE_BYTES`: the largest accepted file, in bytes; 5 GiB by default.
    pub max_file_bytes: u64,
    /// `FILEGATEWAY_UPLOADS_MAX_FILES`: the most files in one request; 100 by default.
    pub max_files: u32,
}

impl Uploads {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        // S3's own limit for one object is 5 TiB.
        let max_file_bytes =
            reader.number("FILEGATEWAY_UPLOADS_MAX_FILE_BYTES", 5 << 30, 1..=5 << 40);
        let max_files = reader.number("FILEGATEWAY_UPLOADS_MAX_FILES", 100, 1..=10_000);
        Self {
            max_file_bytes,
            max_files: u32::try_from(max_files).unwrap_or(u32::MAX),
        }
    }
}
