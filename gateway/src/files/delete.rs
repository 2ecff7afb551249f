//! Deleting: row `deleting`, then the objects, then the row.

use std::collections::HashSet;

use traces::carried;
use uuid::Uuid;

use crate::auth::{Caller, policy};
use crate::causes::causes;
use crate::store::MultipartUpload;

use super::convert::record;
use super::{FileId, Files, FilesError};

impl Files {
    /// Deletes a file of the caller's, with everything made of it. Once its row says `deleting` it
    /// is gone for everybody, whatever the store does; what can't be deleted now, the janitor will.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when it is not there, or not the caller's to delete.
    pub async fn delete(&self, caller: &Caller, id: FileId) -> Result<(), FilesError> {
        let file = self
            .catalog
            .find(id)
            .await?
            .and_then(record)
            .filter(|file| policy::may_change(caller, file.protected()))
            .ok_or(FilesError::NotFound)?;
        if !self.catalog.begin_delete(id).await? {
            return Err(FilesError::NotFound);
        }
        let files = self.clone();
        // Carried to its end even when the client hangs up.
        let cleared = self.background.spawn(carried(async move {
            if let Err(error) = files.clear(id, &file.location, None).await {
                tracing::warn!(file.id = %id, error = causes(&error), "the objects of a deleted file are left to the janitor");
            }
        }));
        cleared.await.ok();
        Ok(())
    }

    /// Deletes the objects of a row that says `deleting`, and then the row. Safe to do twice.
    pub(super) async fn clear(
        &self,
        id: Uuid,
        location: &str,
        upload: Option<&MultipartUpload>,
    ) -> Result<(), FilesError> {
        if let Some(upload) = upload {
            self.store.abort_multipart_upload(upload).await?;
        }
        self.store.delete_object(location).await?;
        self.clear_derived(location).await?;
        Ok(self.catalog.remove(id).await?)
    }

    /// Deletes everything beside a file's original.
    pub(super) async fn clear_derived(&self, location: &str) -> Result<(), FilesError> {
        let Some((folder, _)) = location.rsplit_once('/') else {
            return Ok(());
        };
        self.clear_but(&format!("{folder}/"), &HashSet::new()).await
    }

    /// Deletes every object whose key begins with `prefix`, but those that are to be `kept`.
    pub(super) async fn clear_but(
        &self,
        prefix: &str,
        kept: &HashSet<String>,
    ) -> Result<(), FilesError> {
        let mut after = None;
        loop {
            let page = self.store.list_objects(prefix, after).await?;
            for object in page.objects {
                if !kept.contains(&object.key) {
                    self.store.delete_object(&object.key).await?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
