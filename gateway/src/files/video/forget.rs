//! Deleting what was made in vain.

use std::collections::HashSet;

use uuid::Uuid;

use super::super::{FileId, Files, FilesError};

impl Files {
    /// Deletes what was made of a file that was deleted while it was being made.
    ///
    /// # Errors
    /// When the store or the catalogue fails; the janitor finds it then.
    pub async fn forget_derived(&self, id: FileId) -> Result<(), FilesError> {
        match self.catalog.find(id).await? {
            Some(_) => Ok(()),
            None => self.clear_derived(&self.original(id)).await,
        }
    }

    /// Deletes what an attempt stored that published nothing.
    ///
    /// # Errors
    /// When the store fails; it goes with the file then.
    pub async fn forget_attempt(&self, id: FileId, attempt: Uuid) -> Result<(), FilesError> {
        let folder = format!("{}{id}/{attempt}/", self.root());
        self.clear_but(&folder, &HashSet::new()).await
    }

    /// Deletes what lies beside a file's original and was not published: attempts that died.
    /// Only for the worker that has just published, since nobody else is at work on the file then.
    ///
    /// # Errors
    /// When the store or the catalogue fails; it goes with the file then.
    pub async fn forget_unpublished(&self, id: FileId) -> Result<(), FilesError> {
        let Some(file) = self.catalog.find(id).await? else {
            return Ok(());
        };
        let outputs = self.catalog.outputs(id).await?;
        let mut published: HashSet<String> =
            outputs.into_iter().map(|output| output.location).collect();
        published.insert(file.location);
        let folder = format!("{}{id}/", self.root());
        self.clear_but(&folder, &published).await
    }
}
