//! One request's files.

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use futures_util::Stream;
use traces::carried;
use uuid::Uuid;

use super::heartbeat::Heartbeat;
use super::intake::{BodyError, Intake, Part};
use super::ledger::Ledger;
use super::parts::send_parts;
use super::repeat::{Fingerprint, KeyHold};
use super::slots::Slot;
use crate::auth::Caller;
use crate::auth::policy::Visibility;
use crate::catalog::{self, Answered, NewRow, Settlement, StoredRow, Usage};

use super::super::media_type::decide;
use super::super::{FileRecord, FileStatus, Files, FilesError, NewFile, name};

/// Files that become readable together, or not at all. Dropped without [`UploadBatch::commit`],
/// it is undone in the background.
#[derive(Debug)]
pub struct UploadBatch {
    files: Files,
    owner: String,
    ledger: Ledger,
    heartbeat: Heartbeat,
    /// What is stored, in order.
    stored: Vec<(NewRow, StoredRow)>,
    /// How many files were begun, those that were refused included.
    begun: usize,
    fingerprint: Fingerprint,
    /// What was stored before this request, if a quota asks for it.
    usage: Option<Usage>,
    key: Option<KeyHold>,
    /// An `add` failed or was dropped before its end, so there is nothing to commit.
    broken: bool,
    settled: bool,
    _in_flight: Slot,
}

impl Files {
    /// Begins a request's upload; with a key, one that may be repeated.
    ///
    /// # Errors
    /// [`FilesError::TooManyUploads`], [`FilesError::TooManyUploadsOfCaller`]: a moment later it may
    /// be let in.
    pub fn begin_upload(
        &self,
        caller: &Caller,
        key: Option<KeyHold>,
    ) -> Result<UploadBatch, FilesError> {
        let in_flight = self.uploads.take(&caller.subject)?;
        let ledger = Ledger::default();
        Ok(UploadBatch {
            files: self.clone(),
            owner: caller.subject.clone(),
            heartbeat: Heartbeat::new(self.catalog.clone(), ledger.clone()),
            ledger,
            stored: Vec::new(),
            begun: 0,
            fingerprint: Fingerprint::default(),
            usage: None,
            key,
            broken: false,
            settled: false,
            _in_flight: in_flight,
        })
    }
}

impl UploadBatch {
    /// Refuses early what could never be committed: `bytes` more of the owner's, as far as they are
    /// known before they come.
    ///
    /// # Errors
    /// [`FilesError::QuotaExceeded`].
    pub async fn expect(&mut self, bytes: u64) -> Result<(), FilesError> {
        let Some(mut usage) = self.usage().await? else {
            return Ok(());
        };
        usage.bytes = usage.bytes.saturating_add(bytes);
        usage.owner_bytes = usage.owner_bytes.saturating_add(bytes);
        usage.files += 1;
        usage.owner_files += 1;
        Ok(self.files.settings.quota.admits(&usage)?)
    }

    /// Stores one more file, taking its bytes only as fast as the store does. At most three parts
    /// are in memory (24 MiB unless the longest allowed file needs larger parts), and the parts of
    /// all uploads stay within [`Settings::upload_memory_bytes`](super::super::Settings), those of one
    /// caller within a quarter of it.
    ///
    /// # Errors
    /// [`FilesError::TooManyFiles`], [`FilesError::TooLarge`], [`FilesError::TypeNotAllowed`],
    /// [`FilesError::QuotaExceeded`], [`FilesError::Body`] when the body breaks off, or what the
    /// layers below report. The batch can then only be aborted, or go on without the file after
    /// [`UploadBatch::leave_out`].
    pub async fn add<S>(&mut self, file: NewFile, body: S) -> Result<(), FilesError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
    {
        self.refuse_if_broken()?;
        self.broken = true;
        let index = self.begun;
        let limit = self.files.settings.max_files;
        if index >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(FilesError::TooManyFiles { limit });
        }
        self.begun += 1;
        self.expect(0).await?;
        let usage = self.usage().await?;
        let room = usage.and_then(|usage| self.files.settings.quota.room(&usage));
        let limit = self.files.settings.max_file_bytes;
        let mut intake = Intake::new(index, limit, body)
            .within(room)
            .on(self.files.budget.of(&self.owner), None);
        let first = intake.next().await?;
        let media_type = decide(&first.bytes, file.declared_type.as_deref());
        if let Err(rule) = self.files.settings.types.admit(&media_type.name) {
            return Err(FilesError::TypeNotAllowed {
                index,
                content_type: media_type.name,
                rule,
            });
        }
        let id = Uuid::new_v4();
        let row = NewRow {
            id,
            organization: self.files.settings.organization.clone(),
            owner: self.owner.clone(),
            name: name::clean(file.name.as_deref()),
            location: self.files.original(id),
            content_type: media_type.name,
            visibility: catalog::Visibility::Private,
        };
        self.ledger.list(id, &row.location);
        match first.last {
            true => self.store_whole(row.clone(), first).await?,
            false => self.store_in_parts(row.clone(), first, &mut intake).await?,
        }
        let stored = StoredRow {
            id,
            size: intake.size(),
            sha256: intake.sha256(),
            video: media_type.video && self.files.settings.video,
        };
        self.fingerprint.push(&stored.sha256);
        self.stored.push((row, stored));
        self.broken = false;
        Ok(())
    }

    /// Undoes the file whose `add` just failed, so that the batch can go on without it.
    pub async fn leave_out(&mut self) {
        if !std::mem::take(&mut self.broken) {
            return;
        }
        self.fingerprint.push_refused();
        // Only what was listed is on the ledger: a file that was refused before that is not.
        if self.ledger.ids().len() > self.stored.len() {
            self.ledger.undo_last(&self.files).await;
        }
    }

    /// What the organization and the owner have stored, with what this request brought so far.
    async fn usage(&mut self) -> Result<Option<Usage>, FilesError> {
        if self.files.settings.quota.is_endless() {
            return Ok(None);
        }
        let before = match self.usage {
            Some(usage) => usage,
            None => {
                let organization = &self.files.settings.organization;
                let usage = self.files.catalog.usage(organization, &self.owner);
                *self.usage.insert(usage.await?)
            }
        };
        let bytes: u64 = self.stored.iter().map(|(_, stored)| stored.size).sum();
        let files = self.stored.len() as u64;
        Ok(Some(Usage {
            bytes: before.bytes.saturating_add(bytes),
            files: before.files + files,
            owner_bytes: before.owner_bytes.saturating_add(bytes),
            owner_files: before.owner_files + files,
        }))
    }

    async fn store_whole(&self, row: NewRow, part: Part) -> Result<(), FilesError> {
        let files = self.files.clone();
        let step = async move {
            let Part { bytes, memory, .. } = part;
            let (location, content_type) = (row.location.clone(), row.content_type.clone());
            files.catalog.insert_uploading(row).await?;
            files
                .store
                .put_object(&location, &content_type, bytes)
                .await?;
            drop(memory);
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

    /// What [`UploadBatch::commit`] is going to store, in the order in which it was added, with
    /// `now` as the time of its acknowledgement.
    pub fn records(&self, now: DateTime<Utc>) -> Vec<FileRecord> {
        let records = self.stored.iter().map(|(row, stored)| FileRecord {
            id: row.id,
            organization: row.organization.clone(),
            owner: row.owner.clone(),
            name: row.name.clone(),
            location: row.location.clone(),
            content_type: row.content_type.clone(),
            size: stored.size,
            sha256: stored.sha256,
            status: match stored.video {
                true => FileStatus::Processing,
                false => FileStatus::Ready,
            },
            reason: None,
            visibility: Visibility::Private,
            modified_at: now.trunc_subsecs(0),
        });
        records.collect()
    }

    /// Makes all files readable in one transaction, videos with their jobs, within the quota; and
    /// keeps `answer` for a repetition of the request, if it has a key. After an error nothing of
    /// the batch stays.
    ///
    /// # Errors
    /// [`FilesError::NoFiles`] when none was added, [`FilesError::QuotaExceeded`] when others came
    /// first.
    pub async fn commit(mut self, now: DateTime<Utc>, answer: &str) -> Result<(), FilesError> {
        self.refuse_if_broken()?;
        if self.stored.is_empty() {
            return Err(FilesError::NoFiles);
        }
        let stored = self.stored.iter().map(|(_, stored)| stored.clone());
        let request = self.key.as_ref().map(|key| {
            let answered = Answered {
                fingerprint: self.fingerprint.text(),
                answer: answer.to_owned(),
            };
            (key.request(), answered)
        });
        let settlement = Settlement {
            quota: self.files.settings.quota,
            request,
        };
        let commit = self
            .files
            .catalog
            .commit(stored.collect(), now.trunc_subsecs(0), settlement);
        if let Err(error) = commit.await {
            self.abort().await;
            return Err(error.into());
        }
        self.settled = true;
        if let Some(key) = self.key.take() {
            key.answered();
        }
        Ok(())
    }

    /// Undoes everything, and waits until that is done.
    pub async fn abort(mut self) {
        self.settled = true;
        let (files, ledger) = (self.files.clone(), self.ledger.clone());
        let undone = self
            .files
            .background
            .spawn(carried(async move { ledger.undo(&files).await }));
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
            batch.commit(Utc::now(), "").await.ok();
        });
        sendable(UploadBatch::abort);
    }
}
