//! One request's bytes on their way to the store.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::super::media_type::decide;
use super::super::upload::{Digest, FIRST_BUFFER_BYTES, Grant, Intake, Sender};
use super::super::{BodyError, Files, FilesError};
use super::arriving::Arriving;
use super::write::Piece;
use super::{HOLD_EVERY, LEASE, SPARE_PARTS, gone, in_future, length, nonsense, tail_key};
use crate::catalog::{Advance, Fence, PartRow, QuotaExceeded, ResumableRow};
use crate::causes::causes;
use crate::store::{MAX_PARTS, MIN_PART_BYTES, MultipartUpload, UploadedPart};

/// Holds an upload for one request. At most three parts are in memory.
pub(super) struct Writer {
    files: Files,
    row: ResumableRow,
    held: Fence,
    /// Cancelled when the upload is no longer ours.
    lost: CancellationToken,
    tasks: TaskTracker,
    sender: Option<Sender>,
    /// Of each part on its way: how long it is, and the state of the hash after it.
    sending: VecDeque<(u64, Vec<u8>)>,
    /// Parts that S3 has and the catalogue does not know yet.
    sent: Vec<PartRow>,
    /// The state of the hash after them.
    digest: Vec<u8>,
    /// Where the last part ends that S3 has, and the last one that was sent.
    stored_end: u64,
    sent_end: u64,
    /// Nothing may count before the checksum is known to be right.
    hold_back: bool,
}

impl Writer {
    pub(super) fn new(files: Files, row: ResumableRow, held: Fence) -> Self {
        let end = row.upload_offset - row.tail_size;
        Self {
            files,
            held,
            lost: CancellationToken::new(),
            tasks: TaskTracker::new(),
            sender: None,
            sending: VecDeque::new(),
            sent: Vec::new(),
            digest: row.digest.clone(),
            stored_end: end,
            sent_end: end,
            hold_back: false,
            row,
        }
    }

    /// Stores a piece of at most `limit` bytes, and `room` if a quota ends it earlier, and lets go of
    /// the upload, whatever the outcome.
    pub(super) async fn write<S>(
        mut self,
        piece: Piece<S>,
        limit: u64,
        room: Option<(u64, QuotaExceeded)>,
    ) -> Result<(), FilesError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
    {
        let holding = self.hold();
        let outcome = self.write_all(piece, limit, room).await.map_err(gone);
        drop(holding);
        // Parts on their way would outlive what comes next.
        self.sender = None;
        self.tasks.close();
        self.tasks.wait().await;
        let outcome = match outcome {
            // Whatever it looked like from here.
            Err(_) if self.lost.is_cancelled() => Err(FilesError::UploadTaken),
            // Stores differ in what they say of parts of an upload that was ended a moment ago.
            Err(FilesError::Store { .. }) if self.is_lost().await => Err(FilesError::UploadTaken),
            outcome => outcome,
        };
        if let Err(error) = self.files.catalog.release_resumable(self.held).await {
            tracing::warn!(file.id = %self.held.id, error = causes(&error), "an upload could not be let go of");
        }
        outcome
    }

    /// Whether the catalogue says that the upload is ended, or another request's.
    async fn is_lost(&self) -> bool {
        let row = self.files.catalog.find_resumable(self.held.id).await;
        row.is_ok_and(|row| row.is_none_or(|row| row.fence != self.held.number))
    }

    /// Gives signs of life until the guard is dropped, and notices when the upload is lost.
    fn hold(&self) -> DropGuard {
        let (files, held, lost) = (self.files.clone(), self.held, self.lost.clone());
        let begun = self.row.created_at;
        let done = CancellationToken::new();
        let guard = done.clone().drop_guard();
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = done.cancelled() => return,
                    () = tokio::time::sleep(HOLD_EVERY) => {}
                }
                let expires_at = files.expiry(begun);
                let hold = files
                    .catalog
                    .hold_resumable(held, in_future(LEASE), expires_at);
                match hold.await {
                    Ok(true) => {}
                    Ok(false) => {
                        lost.cancel();
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(file.id = %held.id, error = causes(&error), "an upload could not be held");
                    }
                }
            }
        });
        guard
    }

    async fn write_all<S>(
        &mut self,
        piece: Piece<S>,
        limit: u64,
        room: Option<(u64, QuotaExceeded)>,
    ) -> Result<(), FilesError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
    {
        self.hold_back = piece.checksum.is_some();
        let digest = Digest::restore(&self.row.digest);
        let digest = digest.ok_or_else(|| nonsense("its hash is none"))?;
        let part_size = usize::try_from(self.row.part_size)
            .map_err(|_| nonsense("its parts fit into no memory"))?;
        let share = self.files.budget.of(&self.row.owner);
        // A tail is memory like any other part, from the moment that it is fetched.
        let memory = match self.row.tail_size {
            small if small <= FIRST_BUFFER_BYTES as u64 => None,
            _ => Some(share.take(part_size).await?),
        };
        let tail = self.fetch_tail().await?;
        let body = Arriving::new(piece.body, self.lost.clone(), piece.checksum);
        let mut intake = Intake::resume(tail, digest, part_size, limit, body)
            .within(room)
            .on(share, memory);
        let ended = loop {
            let waiting = !self.sending.is_empty();
            // A part counts as soon as S3 has it, however slow the client is with the next one.
            tokio::select! {
                part = intake.next() => match part {
                    Ok(part) if part.last => break Ok((part.bytes, part.memory)),
                    Ok(part) => self.send(part.bytes, part.memory, intake.digest()).await?,
                    Err(error) => break Err(error),
                },
                sent = oldest(&mut self.sender), if waiting => self.note(sent?).await?,
            }
        };
        match ended {
            Ok(_) if !intake.body().is_intact() => Err(FilesError::ChecksumMismatch),
            Ok((rest, memory)) => self.keep(rest, memory, intake.digest()).await,
            Err(error @ FilesError::Body { .. })
                if !self.hold_back && !self.lost.is_cancelled() =>
            {
                let rest = intake.arrived();
                self.keep(rest, None, intake.digest()).await?;
                Err(error)
            }
            Err(error) => {
                if !self.hold_back {
                    self.take_all().await?;
                }
                Err(error)
            }
        }
    }

    /// The bytes after the last part, which begin the next one.
    async fn fetch_tail(&self) -> Result<BytesMut, FilesError> {
        let Some(key) = &self.row.tail else {
            return Ok(BytesMut::new());
        };
        let size = usize::try_from(self.row.tail_size).unwrap_or_default();
        let mut tail = BytesMut::with_capacity(size);
        let mut body = self
            .files
            .store
            .get_object(key, self.row.tail_size, None)
            .await?;
        while let Some(frame) = body.next().await {
            let frame = frame.map_err(|error| FilesError::Store {
                action: "read an object",
                source: error.into(),
            })?;
            tail.extend_from_slice(&frame);
        }
        match tail.len() == size {
            true => Ok(tail),
            false => Err(FilesError::Store {
                action: "read an object whole",
                source: format!("{} bytes came, {size} were stored", tail.len()).into(),
            }),
        }
    }

    /// Sends a part, once there is room for it.
    async fn send(
        &mut self,
        bytes: Bytes,
        memory: Option<Grant>,
        digest: &Digest,
    ) -> Result<(), FilesError> {
        if self.sender.as_ref().is_some_and(Sender::is_full) {
            self.take_sent().await?;
        }
        if self.sender.is_none() {
            self.sender = Some(self.begin(&bytes).await?);
        }
        self.reserve(self.sent_end + bytes.len() as u64).await?;
        let number = self
            .files
            .catalog
            .take_part_number(self.held, MAX_PARTS)
            .await?;
        let Some(number) = number else {
            return Err(self.no_number().await?);
        };
        let size = bytes.len() as u64;
        if let Some(sender) = &mut self.sender {
            sender.send(number, bytes, memory);
        }
        self.sent_end += size;
        self.row.next_part = u64::from(number.unsigned_abs()) + 1;
        self.sending.push_back((size, digest.save()));
        Ok(())
    }

    /// Has room set aside for the bytes before `end`, which an upload of known length has from the
    /// start: nothing goes to the store that the quota does not let in.
    async fn reserve(&mut self, end: u64) -> Result<(), FilesError> {
        if self.row.length.is_some() || end <= self.row.reserved {
            return Ok(());
        }
        let quota = self.files.settings.quota;
        let reserve = self.files.catalog.reserve_resumable(self.held, end, quota);
        if !reserve.await? {
            return Err(FilesError::UploadTaken);
        }
        self.row.reserved = end;
        Ok(())
    }

    /// The upload in parts, begun with the file's first bytes if there is none yet.
    async fn begin(&mut self, head: &Bytes) -> Result<Sender, FilesError> {
        let (key, tasks) = (self.row.location.clone(), self.tasks.clone());
        let store = self.files.store.clone();
        if let Some(id) = self.row.multipart_id.clone() {
            return Ok(Sender::new(store, MultipartUpload { key, id }, tasks));
        }
        let media_type = decide(head, self.row.declared_type.as_deref());
        self.files.admit(&media_type.name)?;
        let upload = store
            .create_multipart_upload(&key, &media_type.name)
            .await?;
        let noted = self
            .files
            .catalog
            .begin_parts(
                self.held,
                upload.id.clone(),
                media_type.name,
                media_type.video,
            )
            .await;
        match noted {
            Ok(true) => {
                self.row.multipart_id = Some(upload.id.clone());
                Ok(Sender::new(store, upload, tasks))
            }
            Ok(false) => {
                self.files.store.abort_multipart_upload(&upload).await.ok();
                Err(FilesError::UploadTaken)
            }
            // The catalogue may have it after all, and soon bytes in it; else the janitor finds it.
            Err(error) => Err(error.into()),
        }
    }

    /// Why there is no number for a part.
    async fn no_number(&self) -> Result<FilesError, FilesError> {
        let row = self.files.catalog.find_resumable(self.held.id).await?;
        Ok(match row {
            Some(row) if row.fence == self.held.number && row.next_part > MAX_PARTS => {
                FilesError::UploadGone
            }
            _ => FilesError::UploadTaken,
        })
    }

    /// Waits for the oldest part on its way and records it; false when there is none.
    async fn take_sent(&mut self) -> Result<bool, FilesError> {
        let sent = oldest(&mut self.sender).await?;
        let any = sent.is_some();
        self.note(sent).await?;
        Ok(any)
    }

    /// Records a part that S3 has.
    async fn note(&mut self, sent: Option<UploadedPart>) -> Result<(), FilesError> {
        let (Some(part), Some((size, digest))) = (sent, self.sending.pop_front()) else {
            return Ok(());
        };
        self.sent.push(PartRow {
            number: part.number,
            etag: part.etag,
            size,
        });
        self.stored_end += size;
        self.digest = digest;
        match self.hold_back {
            true => Ok(()),
            false => self.record(None).await,
        }
    }

    async fn take_all(&mut self) -> Result<(), FilesError> {
        while self.take_sent().await? {}
        Ok(())
    }

    /// Records what the store has: the parts, and what comes after them.
    async fn record(&mut self, tail: Option<(String, u64)>) -> Result<(), FilesError> {
        let advance = Advance {
            offset: self.stored_end + tail.as_ref().map_or(0, |(_, size)| *size),
            digest: self.digest.clone(),
            parts: std::mem::take(&mut self.sent),
            tail: tail.clone(),
            expires_at: self.files.expiry(self.row.created_at),
        };
        if !self
            .files
            .catalog
            .advance_resumable(self.held, advance)
            .await?
        {
            return Err(FilesError::UploadTaken);
        }
        let old = std::mem::replace(&mut self.row.tail, tail.map(|(key, _)| key));
        if let Some(old) = old.filter(|old| Some(old) != self.row.tail.as_ref()) {
            // One that stays is deleted with the others when the upload is finished or ended.
            self.files.store.delete_object(&old).await.ok();
        }
        Ok(())
    }

    /// Keeps what came after the last full part: as a part if it ends the file or is long enough,
    /// else as the tail.
    async fn keep(
        &mut self,
        rest: Bytes,
        memory: Option<Grant>,
        digest: &Digest,
    ) -> Result<(), FilesError> {
        let size = rest.len() as u64;
        let end = self.sent_end + size;
        if end == self.row.upload_offset && self.sending.is_empty() && self.sent.is_empty() {
            // Nothing came. What is there already may be all of it, with its length told only now.
            if length(&self.row) != Some(end) || size == 0 {
                return Ok(());
            }
        }
        if size > 0 && (length(&self.row) == Some(end) || self.is_worth_a_part(size, end)) {
            self.send(rest, memory, digest).await?;
            self.hold_back = false;
            self.take_all().await?;
            // Held back until now: the last one recorded all of them.
            return Ok(());
        }
        let tail = match size {
            0 => None,
            _ => {
                self.reserve(end).await?;
                let key = tail_key(&self.row);
                let put = self
                    .files
                    .store
                    .put_object(&key, "application/octet-stream", rest);
                put.await?;
                drop(memory);
                Some((key, size))
            }
        };
        let kept = self.keep_tail(tail.clone(), digest).await;
        // Only what certainly was not recorded: after any other failure the transaction may still come
        // to its end, and the bytes count then. What is left goes with the upload.
        if let (Err(FilesError::UploadTaken), Some((key, _))) = (&kept, &tail) {
            self.files.store.delete_object(key).await.ok();
        }
        kept
    }

    async fn keep_tail(
        &mut self,
        tail: Option<(String, u64)>,
        digest: &Digest,
    ) -> Result<(), FilesError> {
        self.take_all().await?;
        self.digest = digest.save();
        self.record(tail).await
    }

    /// Whether bytes that end no file may be a part: long enough for S3, with enough numbers left
    /// for the bytes to come and some to spare.
    fn is_worth_a_part(&self, size: u64, end: u64) -> bool {
        let whole = length(&self.row).unwrap_or(self.files.settings.max_file_bytes);
        let needed = whole.saturating_sub(end).div_ceil(self.row.part_size);
        let left = MAX_PARTS.saturating_sub(self.row.next_part);
        size >= self.row.part_size || (size >= MIN_PART_BYTES && left >= needed + SPARE_PARTS)
    }
}

/// The oldest part on its way, once S3 has it.
async fn oldest(sender: &mut Option<Sender>) -> Result<Option<UploadedPart>, FilesError> {
    match sender {
        Some(sender) => sender.sent().await,
        None => Ok(None),
    }
}
