//! What an upload may be.

use std::time::Duration;

use super::reader::Reader;
use crate::files::{TypePattern, TypeRules};

/// The limits of uploads.
#[derive(Debug, Clone)]
pub struct Uploads {
    /// `FILEGATEWAY_UPLOADS_MAX_FILE_BYTES`: the largest accepted file, in bytes; 5 GiB by default.
    pub max_file_bytes: u64,
    /// `FILEGATEWAY_UPLOADS_MAX_FILES`: the most files in one request; 100 by default.
    pub max_files: u32,
    /// `FILEGATEWAY_UPLOADS_ALLOWED_TYPES`, `FILEGATEWAY_UPLOADS_DENIED_TYPES`: comma lists of media
    /// types, `image/*` for all of a kind; everything is taken by default.
    pub types: TypeRules,
    /// `FILEGATEWAY_UPLOADS_IN_FLIGHT`: the most requests that upload at once, in this process; 256
    /// by default.
    pub in_flight: u32,
    /// `FILEGATEWAY_UPLOADS_MEMORY_BYTES`: how much memory the parts of all uploads may take up; 256
    /// MiB by default.
    pub memory_bytes: u64,
    /// `FILEGATEWAY_UPLOADS_MAX_UNFINISHED`: how many unfinished resumable uploads each owner may have;
    /// 100 by default.
    pub max_unfinished: u32,
    /// `FILEGATEWAY_UPLOADS_EXPIRE_SECONDS`: how long an unfinished resumable upload may rest before
    /// it is gone; a day by default.
    pub expire: Duration,
    /// `FILEGATEWAY_UPLOADS_MAX_AGE_SECONDS`: how long after its beginning an unfinished resumable
    /// upload is gone, however often it was continued; a week by default.
    pub max_age: Duration,
}

impl Uploads {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        // S3's own limit for one object is 5 TiB.
        let max_file_bytes =
            reader.number("FILEGATEWAY_UPLOADS_MAX_FILE_BYTES", 5 << 30, 1..=5 << 40);
        let max_files = reader.number("FILEGATEWAY_UPLOADS_MAX_FILES", 100, 1..=10_000);
        let types = TypeRules {
            allowed: patterns(reader, "FILEGATEWAY_UPLOADS_ALLOWED_TYPES"),
            denied: patterns(reader, "FILEGATEWAY_UPLOADS_DENIED_TYPES"),
        };
        let in_flight = reader.number("FILEGATEWAY_UPLOADS_IN_FLIGHT", 256, 1..=100_000);
        let memory_bytes = reader.number(
            "FILEGATEWAY_UPLOADS_MEMORY_BYTES",
            256 << 20,
            8 << 20..=1 << 40,
        );
        // A request at work gives a sign of life every few seconds, so a minute is the least.
        let expire = reader.number(
            "FILEGATEWAY_UPLOADS_EXPIRE_SECONDS",
            24 * 3600,
            60..=365 * 24 * 3600,
        );
        let max_unfinished =
            reader.number("FILEGATEWAY_UPLOADS_MAX_UNFINISHED", 100, 1..=1_000_000);
        let max_age = reader.number(
            "FILEGATEWAY_UPLOADS_MAX_AGE_SECONDS",
            7 * 24 * 3600,
            60..=365 * 24 * 3600,
        );
        Self {
            max_file_bytes,
            max_files: u32::try_from(max_files).unwrap_or(u32::MAX),
            types,
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            memory_bytes,
            max_unfinished: u32::try_from(max_unfinished).unwrap_or(u32::MAX),
            expire: Duration::from_secs(expire),
            max_age: Duration::from_secs(max_age),
        }
    }
}

fn patterns(reader: &mut Reader<'_>, variable: &'static str) -> Vec<TypePattern> {
    let text = reader.text(variable, "");
    let names = text.split(',').map(str::trim);
    let mut patterns = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        match name.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => reader.problem(variable, format!("{name:?}: {error}")),
        }
    }
    patterns
}
