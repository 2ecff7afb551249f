//! Ending an upload before it is finished.

use std::time::Duration;

use chrono::Utc;
use traces::carried;

use super::super::{FileId, Files, FilesError};
use super::find::protected;
use crate::auth::{Caller, policy};
use crate::catalog::{ResumableRow, Status};
use crate::causes::causes;
use crate::store::MultipartUpload;

/// How often it is looked whether the request at work has noticed.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Files {
    /// Ends an upload and deletes its bytes. Of a finished one only the record goes: its file is a
    /// file like any other, and deleted as such.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when it is not there, or not the caller's to end.
    pub async fn terminate_resumable(&self, caller: &Caller, id: FileId) -> Result<(), FilesError> {
        let row = self.catalog.find_resumable(id).await?;
        let row = row
            .filter(|row| policy::may_change(caller, protected(row)))
            .ok_or(FilesError::NotFound)?;
        match row.status {
            Status::Deleting => return Err(FilesError::NotFound),
            Status::Uploading => {}
            _ => return Ok(self.catalog.forget_resumable(id).await?),
        }
        if !self.catalog.begin_undo(id).await? {
            return Err(FilesError::NotFound);
        }
        let files = self.clone();
        // Carried to its end even when the client hangs up.
        let cleared = self.background.spawn(carried(async move {
            if let Err(error) = files.clear_resumable(row).await {
                tracing::warn!(file.id = %id, error = causes(&error), "the bytes of an ended upload are left to the janitor");
            }
        }));
        cleared.await.ok();
        Ok(())
    }

    /// Deletes what an upload in the status `deleting` left. While a request is still at work on it,
    /// parts and tails of that request may outlive this, so it is done again afterwards.
    async fn clear_resumable(&self, row: ResumableRow) -> Result<(), FilesError> {
        let upload = multipart(&row);
        if !is_held(&row) {
            return self
                .clear(row.file_id, &row.location, upload.as_ref())
                .await;
        }
        if let Some(upload) = &upload {
            self.store.abort_multipart_upload(upload).await?;
        }
        self.clear_derived(&row.location).await?;
        let files = self.clone();
        self.background.spawn(carried(async move {
            if let Err(error) = files.clear_when_free(row.file_id).await {
                tracing::warn!(file.id = %row.file_id, error = causes(&error), "the rest of an ended upload is left to the janitor");
            }
        }));
        Ok(())
    }

    async fn clear_when_free(&self, id: FileId) -> Result<(), FilesError> {
        loop {
            let Some(row) = self.catalog.find_resumable(id).await? else {
                return Ok(());
            };
            if !is_held(&row) {
                let upload = multipart(&row);
                return self.clear(id, &row.location, upload.as_ref()).await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether a request is believed to be at work on it. Nobody extends the lease of an ended upload.
fn is_held(row: &ResumableRow) -> bool {
    row.lease_until.is_some_and(|until| until > Utc::now())
}

fn multipart(row: &ResumableRow) -> Option<MultipartUpload> {
    row.multipart_id.clone().map(|id| MultipartUpload {
        key: row.location.clone(),
        id,
    })
}
