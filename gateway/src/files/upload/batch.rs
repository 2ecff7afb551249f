//! One request's files.

use bytes::Bytes;
use chrono::{SubsecRound, Utc};
use futures_util::Stream;
use uuid::Uuid;

use super::heartbeat::Heartbeat;
use super::intake::{BodyError, Intake, Part};
use super::ledger::Ledger;
use super::parts::send_parts;
use crate::auth::Caller;
use crate::catalog::{NewRow, StoredRow, Visibility};

use super::super::convert::record;
use super::super::media_type::decide;
use super::super::{FileRecord, Files, FilesError, NewFile, name};

/// Files that become readable together, or not at all. Dropped without [`UploadBatch::commit`],
/// it is undone in the background.
#[derive(Debug)]
pub struct UploadBatch {
    files: Files,
    owner: String,
    ledger: Ledger,
    stored: Vec<StoredRow>,
    heartbeat: Heartbeat,
    /// An `add` failed or was dropped before its end, so there is nothing to commit.
    broken: bool,
    settled: bool,
}

impl Files {
    /// Begins a request's upload.
    pub fn begin_upload(&self, caller: &Caller) -> UploadBatch {
        let ledger = Ledger::default();
        UploadBatch {
            files: self.clone(),
            owner: caller.subject.clone(),
            heartbeat: Heartbeat::new(self.catalog.clone(), ledger.clone()),
            ledger,
            stored: Vec::new(),
            broken: false,
            settled: false,
        }
    }
}

impl UploadBatch {
    /// Stores one more file, taking its bytes only as fast as the store does. At most three parts
    /// are in memory (24 MiB unless the longest allowed file needs larger parts).
    ///
    /// # Errors
    /// [`FilesError::TooManyFiles`], [`FilesError::TooLarge`], [`FilesError::Body`] when the body
    /// breaks off, or what the layers below report. The batch can then only be aborted.
    pub async fn add<S>(&mut self, file: NewFile, body: S) -> Result<(), FilesError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
    {
        self.refuse_if_broken()?;
        self.broken = true;
        let limit = self.files.settings.max_files;
        if self.stored.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(FilesError::TooManyFiles { limit });
        }
        let limit = self.files.settings.max_file_bytes;
        let mut intake = Intake::new(self.stored.len(), limit, body);
        let first = intake.next().await?;
        let media_type = decide(&first.bytes, file.declared_type.as_deref());
        let id = Uuid::new_v4();
        let row = NewRow {
            id,
            organization: self.files.settings.organization.clone(),
            owner: self.owner.clone(),
            name: name::clean(file.name.as_deref()),
            location: format!("{}{id}/original", self.files.root()),
            content_type: media_type.name,
            visibility: Visibility::Private,
        };
        self.ledger.list(id, &row.location);
        match first.last {
            true => self.store_whole(row, first.bytes).await?,
            false => self.store_in_parts(row, first, &mut intake).await?,
        }
        self.stored.push(StoredRow {
            id,
            size: intake.size(),
            sha256: intake.sha256(),
            video: media_type.video && self.files.settings.video,
        });
        self.broken = false;
        Ok(())
    }

    async fn store_whole(&self, row: NewRow, bytes: Bytes) -> Result<(), FilesError> {
        let files = self.files.clone();
        let step = async move {
            let (location, content_type) = (row.location.clone(), row.content_type.clone());
            files.catalog.insert_uploading(row).await?;
            files
                .store
                .put_object(&location, &content_type, bytes)
                .await?;
            Ok(())
        };
        self.ledger.run(step).await
    }

    async fn store_in_parts<S>(
        &mut self,
        row: NewRow,
        first: Part,
        intake: &mut Intake<S>,
    ) -> Result<(), FilesError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
    {
        let id = row.id;
        let (files, ledger) = (self.files.clone(), self.ledger.clone());
        let begin = async move {
            let location = row.location.clone();
            let content_type = row.content_type.clone();
            files.catalog.insert_uploading(row).await?;
            let upload = files
                .store
                .create_multipart_upload(&location, &content_type)
                .await?;
            ledger.note(id, Some(upload.clone()));
            Ok(upload)
        };
        let upload = self.ledger.run(begin).await?;
        let store = self.files.store.clone();
        let heartbeat = Some(&mut self.heartbeat);
        let parts = send_parts(
            &store,
            &upload,
            first,
            intake,
            self.ledger.tasks(),
            heartbeat,
        )
        .await?;
        let (size, ledger) = (intake.size(), self.ledger.clone());
        let complete = async move {
            store
                .complete_multipart_upload(&upload, &parts, size)
                .await?;
            ledger.note(id, None);
            Ok(())
        };
        self.ledger.run(complete).await
    }

    /// Makes all files readable in one transaction, videos with their jobs, and gives them back in
    /// the order in which they were added. After an error nothing of the batch stays.
    ///
    /// # Errors
    /// [`FilesError::NoFiles`] when none was added.
    pub async fn commit(mut self) -> Result<Vec<FileRecord>, FilesError> {
        self.refuse_if_broken()?;
        if self.stored.is_empty() {
            return Err(FilesError::NoFiles);
        }
        let stored = std::mem::take(&mut self.stored);
        let now = Utc::now().trunc_subsecs(0);
        let rows = self.files.catalog.commit(stored, now).await?;
        self.settled = true;
        Ok(rows.into_iter().filter_map(record).collect())
    }

    /// Undoes everything, and waits until that is done.
    pub async fn abort(mut self) {
        self.settled = true;
        let (files, ledger) = (self.files.clone(), self.ledger.clone());
        let undone = self
            .files
            .background
            .spawn(async move { ledger.undo(&files).await });
        undone.await.ok();
    }

    fn refuse_if_broken(&self) -> Result<(), FilesError> {
        match self.broken {
            true => Err(FilesError::Body {
                message: "an earlier file of the request could not be stored".into(),
            }),
            false => Ok(()),
        }
    }
}

impl Drop for UploadBatch {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // Without a runtime the process is about to end, and the janitor will find the rows.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (files, ledger) = (self.files.clone(), self.ledger.clone());
            self.files
                .background
                .spawn_on(async move { ledger.undo(&files).await }, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::Pending;

    use super::*;

    fn sendable<T: Send>(_: impl Fn(UploadBatch) -> T) {}

    /// Handlers are spawned, so their futures must be `Send`; the compiler is the test.
    #[test]
    fn the_futures_can_be_spawned() {
        sendable(|mut batch| async move {
            let body: Pending<Result<Bytes, BodyError>> = futures_util::stream::pending();
            batch.add(NewFile::default(), body).await.ok();
            batch.commit().await.ok();
        });
        sendable(UploadBatch::abort);
    }
}
