//! How an upload stands.

use chrono::Utc;

use super::super::convert::record;
use super::super::{FileId, Files, FilesError};
use super::{Piece, ResumableUpload, is_complete, length};
use crate::auth::Caller;
use crate::auth::policy::{Protected, Visibility, may_continue};
use crate::catalog::{ResumableRow, Status};

impl Files {
    /// An upload of the caller's, also for a while after it was finished. When all of its bytes are
    /// there and nobody put them together, because a process died, that is done first: a client that
    /// is told that everything arrived asks no more.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when it is not there or not the caller's, [`FilesError::UploadGone`]
    /// when it expired.
    pub async fn find_resumable(
        &self,
        caller: &Caller,
        id: FileId,
    ) -> Result<ResumableUpload, FilesError> {
        let row = self.continued(caller, id).await?;
        let unclosed = row.tail.is_some() && length(&row) == Some(row.upload_offset);
        if row.status == Status::Uploading && unclosed {
            // Its length was told last, and whoever told it did not get further.
            let nothing = Piece {
                offset: row.upload_offset,
                length: None,
                size: Some(0),
                checksum: None,
                body: futures_util::stream::empty(),
            };
            return self.append_resumable(caller, id, nothing).await;
        }
        self.settled(row).await
    }

    /// The row of an upload that the caller may continue or has finished.
    pub(super) async fn continued(
        &self,
        caller: &Caller,
        id: FileId,
    ) -> Result<ResumableRow, FilesError> {
        let row = self.catalog.find_resumable(id).await?;
        let row = row
            .filter(|row| may_continue(caller, protected(row)))
            .ok_or(FilesError::NotFound)?;
        match row.status {
            Status::Deleting => Err(FilesError::NotFound),
            Status::Uploading if row.expires_at <= Utc::now() => Err(FilesError::UploadGone),
            _ => Ok(row),
        }
    }

    /// What the client is told of a row: with the file when all bytes are there.
    pub(super) async fn settled(&self, row: ResumableRow) -> Result<ResumableUpload, FilesError> {
        let file = match row.status {
            Status::Uploading if is_complete(&row) => Some(self.finish(row.file_id).await?),
            Status::Uploading => None,
            _ => {
                let file = self.catalog.find(row.file_id).await?.and_then(record);
                Some(file.ok_or(FilesError::NotFound)?)
            }
        };
        Ok(ResumableUpload::new(row, file))
    }
}

/// What the policy needs to know of an upload.
pub(super) fn protected(row: &ResumableRow) -> Protected<'_> {
    Protected {
        owner: &row.owner,
        organization: &row.organization,
        visibility: Visibility::Private,
    }
}
