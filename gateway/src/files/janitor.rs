//! Settling what a crash left, both ways: rows without objects, objects and uploads without rows.
//!
//! Safe beside running uploads: a row is written before its object and touched while its upload
//! runs, so a row is only settled when nobody has touched it for `age`, and an object or upload is
//! only deleted when it is older than `age` and has no row at all. Keys that are not of our form are
//! somebody else's and stay.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Files, FilesError};
use crate::catalog::{FileRow, Status};
use crate::causes::causes;
use crate::store::{OpenUpload, StoredObject};

/// A deletion that was begun needs no such patience: doing it twice does no harm.
const DELETING_AGE: Duration = Duration::from_secs(5 * 60);
const ROWS_AT_ONCE: u32 = 500;

/// How much a sweep settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows of uploads and deletions that nobody was going to finish.
    pub rows: u64,
    /// Uploads in parts without a row.
    pub uploads: u64,
    /// Objects without a row.
    pub objects: u64,
}

impl Files {
    /// Settles what is older than `age` (for deletions: five minutes, if that is less).
    ///
    /// # Errors
    /// When the database or the bucket can't be asked at all; single failures are logged and left
    /// to the next sweep.
    pub async fn sweep(&self, age: Duration) -> Result<Swept, FilesError> {
        Ok(Swept {
            rows: self.sweep_rows(age).await?,
            uploads: self.sweep_uploads(before(age)).await?,
            objects: self.sweep_objects(before(age)).await?,
        })
    }

    async fn sweep_rows(&self, age: Duration) -> Result<u64, FilesError> {
        let mut settled = 0;
        loop {
            let rows = self
                .catalog
                .unsettled(before(age), before(age.min(DELETING_AGE)), ROWS_AT_ONCE)
                .await?;
            let (found, mut done) = (rows.len(), 0);
            for row in rows {
                match self.settle_row(&row).await {
                    Ok(()) => done += 1,
                    Err(error) => {
                        tracing::warn!(file.id = %row.id, error = causes(&error), "a row could not be settled");
                    }
                }
            }
            settled += done;
            // Less than a whole page: that was all of them, or some failed and would come again.
            if done < u64::from(ROWS_AT_ONCE) || found == 0 {
                return Ok(settled);
            }
        }
    }

    async fn settle_row(&self, row: &FileRow) -> Result<(), FilesError> {
        if row.status == Status::Uploading && !self.catalog.begin_undo(row.id).await? {
            return Ok(());
        }
        // By the whole key: MinIO lists uploads in no other way.
        for open in self.open_uploads(&row.location).await? {
            self.store.abort_multipart_upload(&open.upload).await?;
        }
        self.clear(row.id, &row.location, None).await
    }

    async fn sweep_uploads(&self, before: DateTime<Utc>) -> Result<u64, FilesError> {
        let mut aborted = 0;
        for open in self.open_uploads(&self.root()).await? {
            let Some(id) = self.id_in(&open.upload.key) else {
                continue;
            };
            let old = open.initiated_at.is_some_and(|at| at < before);
            // A stored file's is a worker's that died; an uploading row is settled by its own age.
            let uploading = Some(Status::Uploading);
            if old && self.catalog.find(id).await?.map(|row| row.status) != uploading {
                self.store.abort_multipart_upload(&open.upload).await?;
                aborted += 1;
            }
        }
        Ok(aborted)
    }

    async fn open_uploads(&self, prefix: &str) -> Result<Vec<OpenUpload>, FilesError> {
        match self.store.list_multipart_uploads(prefix).await {
            Ok(uploads) => Ok(uploads),
            // Such a server cleans up by itself, or has no uploads that outlive a crash.
            Err(error) if error.is_unsupported() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn sweep_objects(&self, before: DateTime<Utc>) -> Result<u64, FilesError> {
        let (mut deleted, mut after) = (0, None);
        loop {
            let page = self.store.list_objects(&self.root(), after).await?;
            deleted += self.sweep_page(page.objects, before).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(deleted),
            }
        }
    }

    async fn sweep_page(
        &self,
        objects: Vec<StoredObject>,
        before: DateTime<Utc>,
    ) -> Result<u64, FilesError> {
        let objects: Vec<(Uuid, StoredObject)> = objects
            .into_iter()
            .filter_map(|object| Some((self.id_in(&object.key)?, object)))
            .collect();
        let ids = objects.iter().map(|(id, _)| *id);
        let (Some(first), Some(last)) = (ids.clone().min(), ids.max()) else {
            return Ok(0);
        };
        // One query a page. Asked after the listing: an object that is listed had its row before.
        let known = self.catalog.ids_between(first, last).await?;
        let mut deleted = 0;
        for (id, object) in objects {
            let old = object.modified_at.is_some_and(|at| at < before);
            if old && !known.contains(&id) {
                self.store.delete_object(&object.key).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// The file that a key belongs to, if it has our form.
    fn id_in(&self, key: &str) -> Option<Uuid> {
        let rest = key.strip_prefix(&self.root())?;
        let (id, name) = rest.split_once('/')?;
        let id = Uuid::try_parse(id)
            .ok()
            .filter(|parsed| parsed.to_string() == id)?;
        (!name.is_empty()).then_some(id)
    }
}

fn before(age: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(age)
        .ok()
        .and_then(|age| Utc::now().checked_sub_signed(age))
        .unwrap_or(DateTime::UNIX_EPOCH)
}
