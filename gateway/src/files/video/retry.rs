//! Working on a video once more after it was given up.

use crate::auth::{Caller, policy};
use crate::files::convert::record;
use crate::files::{FileId, Files, FilesError};

impl Files {
    /// Puts the job of a `failed` video back, as if it had never been tried.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when the file is not there or not the caller's to change,
    /// [`FilesError::NotFailed`] when its work was not given up.
    pub async fn retry_video(&self, caller: &Caller, id: FileId) -> Result<(), FilesError> {
        self.catalog
            .find(id)
            .await?
            .and_then(record)
            .filter(|file| policy::may_change(caller, file.protected()))
            .ok_or(FilesError::NotFound)?;
        if self.catalog.revive_job(id).await? {
            Ok(())
        } else {
            Err(FilesError::NotFailed)
        }
    }
}
