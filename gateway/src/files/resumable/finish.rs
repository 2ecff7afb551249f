//! From an upload whose bytes are all there to a file.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use traces::carried;

use super::super::convert::record;
use super::super::upload::Digest;
use super::super::{FileId, FileRecord, Files, FilesError};
use super::{ended, gone, in_future, length, nonsense, tails};
use crate::catalog::{Fence, ResumableRow, Settlement, Status, StoredRow};
use crate::causes::causes;
use crate::store::{MultipartUpload, UploadedPart};

/// How long one who puts an upload together is believed to be at it without a sign of life, and how
/// often it gives one: S3 may take a while.
const LEASE: Duration = Duration::from_secs(10);
const HOLD_EVERY: Duration = Duration::from_secs(3);
/// How long a request waits for another one that does so, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Files {
    /// Puts an upload together and commits it, unless that is done already. Carried to its end even
    /// when the client hangs up. Safe to do again after a crash at any point.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] when it was ended meanwhile, [`FilesError::UploadTaken`] when another
    /// request is at it for too long, or what [`Catalog::commit`](crate::catalog::Catalog::commit)
    /// refuses: then it can be tried again.
    pub(super) async fn finish(&self, id: FileId) -> Result<FileRecord, FilesError> {
        let files = self.clone();
        let task = self
            .background
            .spawn(carried(async move { files.finish_now(id).await }));
        task.await.unwrap_or_else(|join| {
            Err(FilesError::Store {
                action: "put an upload together",
                source: join.into(),
            })
        })
    }

    async fn finish_now(&self, id: FileId) -> Result<FileRecord, FilesError> {
        let started = Instant::now();
        loop {
            let row = self.catalog.find_resumable(id).await?;
            let row = row.ok_or(FilesError::NotFound)?;
            if row.status != Status::Uploading {
                let file = self.catalog.find(id).await?.and_then(record);
                return file.ok_or(FilesError::NotFound);
            }
            if let Some(held) = self.catalog.take_complete(id, in_future(LEASE)).await? {
                let expires_at = row.expires_at;
                let outcome = self
                    .while_held(held, expires_at, self.put_together(row))
                    .await;
                if outcome.is_err() {
                    self.catalog.release_resumable(held).await.ok();
                }
                return outcome;
            }
            if started.elapsed() > PATIENCE {
                return Err(FilesError::UploadTaken);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Gives signs of life until the work is done: also an upload that expires meanwhile is left to it.
    async fn while_held<T>(
        &self,
        held: Fence,
        expires_at: DateTime<Utc>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(HOLD_EVERY) => {
                    let until = in_future(LEASE);
                    let hold = self.catalog.hold_resumable(held, until, expires_at.max(until));
                    // Losing the lease does no harm: whoever has it does the same.
                    hold.await.ok();
                }
            }
        }
    }

    async fn put_together(&self, row: ResumableRow) -> Result<FileRecord, FilesError> {
        let id = row.file_id;
        let size = length(&row).ok_or_else(|| nonsense("a complete upload has no length"))?;
        let digest = Digest::restore(&row.digest).ok_or_else(|| nonsense("its hash is none"))?;
        match row.multipart_id {
            Some(multipart_id) => {
                let upload = MultipartUpload {
                    key: row.location.clone(),
                    id: multipart_id,
                };
                let parts = self.catalog.parts_of(id).await?.into_iter();
                let parts: Vec<_> = parts
                    .map(|part| UploadedPart {
                        number: part.number,
                        etag: part.etag,
                    })
                    .collect();
                self.store
                    .complete_multipart_upload(&upload, &parts, size)
                    .await
                    .map_err(|error| gone(error.into()))?;
            }
            None if size == 0 => {
                let put = self
                    .store
                    .put_object(&row.location, &row.content_type, Bytes::new());
                put.await?;
            }
            None => return Err(nonsense("its bytes are in no upload in parts")),
        }
        let stored = StoredRow {
            id,
            size,
            sha256: digest.finish(),
            video: row.video && self.settings.video,
        };
        let now = Utc::now().trunc_subsecs(0);
        let settlement = Settlement {
            quota: self.settings.quota,
            request: None,
        };
        let commit = self.catalog.commit(vec![stored], now, settlement);
        let rows = commit.await.map_err(ended)?;
        self.clear_tails(row.location);
        let file = rows.into_iter().find_map(record);
        file.ok_or(FilesError::NotFound)
    }

    /// Deletes, in the background, the tails that no request needs any more.
    fn clear_tails(&self, location: String) {
        let files = self.clone();
        self.background.spawn(carried(async move {
            let clear = async {
                let page = files.store.list_objects(&tails(&location), None).await?;
                for object in page.objects {
                    files.store.delete_object(&object.key).await?;
                }
                Ok::<_, crate::store::StoreError>(())
            };
            if let Err(error) = clear.await {
                tracing::warn!(
                    file.location = location,
                    error = causes(&error),
                    "the tails of a finished upload could not be deleted"
                );
            }
        }));
    }
}
