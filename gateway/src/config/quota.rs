//! How much may be stored.

use super::reader::Reader;
use crate::files::Quota;

/// `FILEGATEWAY_QUOTA_BYTES`, `FILEGATEWAY_QUOTA_FILES`: of the whole organization;
/// `FILEGATEWAY_QUOTA_OWNER_BYTES`, `FILEGATEWAY_QUOTA_OWNER_FILES`: of each owner. 0, the default, is
/// no limit.
pub(super) fn quota(reader: &mut Reader<'_>) -> Quota {
    let mut limit = |variable| {
        let limit = reader.number(variable, 0, 0..=i64::MAX as u64);
        (limit > 0).then_some(limit)
    };
    Quota {
        bytes: limit("FILEGATEWAY_QUOTA_BYTES"),
        files: limit("FILEGATEWAY_QUOTA_FILES"),
        owner_bytes: limit("FILEGATEWAY_QUOTA_OWNER_BYTES"),
        owner_files: limit("FILEGATEWAY_QUOTA_OWNER_FILES"),
    }
}
