//! Finding and reading.

use std::time::Duration;

use url::Url;

use crate::auth::{Caller, policy};
use crate::store::{Presented, StoreError};

use super::convert::record;
use super::disposition::content_disposition;
use super::{Body, ByteRange, FileId, FileRecord, Files, FilesError};

impl Files {
    /// A file that the caller may read by its id.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when it is not there, not (or no longer) stored, or not the caller's to read.
    pub async fn find(&self, caller: &Caller, id: FileId) -> Result<FileRecord, FilesError> {
        self.catalog
            .find(id)
            .await?
            .and_then(record)
            .filter(|file| policy::may_read(caller, file.protected()))
            .ok_or(FilesError::NotFound)
    }

    /// A file that the caller may read by its location. The location is compared with what the
    /// catalogue holds, byte by byte; the store never sees it.
    ///
    /// # Errors
    /// As [`Files::find`].
    pub async fn find_by_location(
        &self,
        caller: &Caller,
        location: &str,
    ) -> Result<FileRecord, FilesError> {
        let access = self.settings.locations;
        self.catalog
            .find_by_location(location)
            .await?
            .and_then(record)
            .filter(|file| policy::may_read_by_location(caller, file.protected(), access))
            .ok_or(FilesError::NotFound)
    }

    /// Opens a file's bytes with one call to the store, which has answered when this returns.
    /// Dropping the body closes the connection to the store.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when the file was deleted since it was found.
    pub async fn read(
        &self,
        file: &FileRecord,
        range: Option<ByteRange>,
    ) -> Result<Body, FilesError> {
        let range = range.map(|range| (range.start, range.end));
        match self
            .store
            .get_object(&file.location, file.size, range)
            .await
        {
            Ok(body) => Ok(body),
            Err(error @ StoreError::NotFound { .. }) => {
                match self.catalog.find(file.id).await?.and_then(record) {
                    // A row without its object: bytes were lost, and that is no 404.
                    Some(_) => Err(error.into()),
                    None => Err(FilesError::NotFound),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A URL at the store with which anyone may read the file for `lifetime`.
    ///
    /// # Errors
    /// When it can't be signed.
    pub async fn presign(&self, file: &FileRecord, lifetime: Duration) -> Result<Url, FilesError> {
        let presented = Presented {
            content_type: file.content_type.clone(),
            disposition: content_disposition(&file.name, &file.content_type),
        };
        let url = self.store.presign(&file.location, lifetime, presented);
        Ok(url.await?)
    }
}
