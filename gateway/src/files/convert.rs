//! Rows to records, errors of the layers below to ours.

use crate::auth::policy::Visibility;
use crate::catalog::{self, CatalogError, FileRow, TooManyUnfinished};
use crate::store::StoreError;

use super::{FileRecord, FileStatus, FilesError};

impl From<CatalogError> for FilesError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Quota(exceeded) => Self::QuotaExceeded(exceeded),
            CatalogError::Unfinished(TooManyUnfinished { limit }) => {
                Self::TooManyUnfinished { limit }
            }
            error => Self::Catalog {
                action: error.action(),
                source: error.into(),
            },
        }
    }
}

impl From<StoreError> for FilesError {
    fn from(error: StoreError) -> Self {
        Self::Store {
            action: error.action(),
            source: error.into(),
        }
    }
}

/// A record, if the file is stored: one that is still uploading has no length and no hash.
pub(super) fn record(row: FileRow) -> Option<FileRecord> {
    let status = match row.status {
        catalog::Status::Uploading | catalog::Status::Deleting => return None,
        catalog::Status::Processing => FileStatus::Processing,
        catalog::Status::Ready => FileStatus::Ready,
        catalog::Status::Failed => FileStatus::Failed,
    };
    Some(FileRecord {
        id: row.id,
        organization: row.organization,
        owner: row.owner,
        name: row.name,
        location: row.location,
        content_type: row.content_type,
        size: row.size,
        sha256: row.sha256?.try_into().ok()?,
        status,
        reason: row.reason,
        visibility: match row.visibility {
            catalog::Visibility::Private => Visibility::Private,
            catalog::Visibility::Organization => Visibility::Organization,
        },
        modified_at: row.modified_at,
    })
}
