//! Going on with an upload.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use traces::carried;

use super::super::{BodyError, FileId, Files, FilesError};
use super::writer::Writer;
use super::{Checksum, LEASE, ResumableUpload, in_future, is_complete, length};
use crate::auth::Caller;
use crate::catalog::{Quota, QuotaExceeded, ResumableRow, Status, Terms};

/// Some bytes of an upload.
pub struct Piece<S> {
    /// Where they begin.
    pub offset: u64,
    /// The upload's length, when the client tells it only now.
    pub length: Option<u64>,
    /// How many they are, if the client told.
    pub size: Option<u64>,
    /// The checksum that they must have.
    pub checksum: Option<Checksum>,
    /// The bytes.
    pub body: S,
}

impl Files {
    /// Stores more bytes of an upload, and finishes it with the last one. When the client breaks off,
    /// what arrived is kept, unless it has a checksum to prove. A request that was carried out and
    /// is sent again, because its answer was lost, is answered as before when it was the last one.
    ///
    /// # Errors
    /// As [`Files::find_resumable`]; [`FilesError::OffsetMismatch`] when the upload stands elsewhere,
    /// [`FilesError::UploadLength`], [`FilesError::UploadOverrun`] and [`FilesError::TooLarge`] when
    /// the lengths don't fit, [`FilesError::ChecksumMismatch`] (nothing of the piece is kept),
    /// [`FilesError::UploadTaken`] when a newer request took the upload over,
    /// [`FilesError::TypeNotAllowed`] (the upload is ended then), [`FilesError::QuotaExceeded`] (it can
    /// be finished when there is room again), [`FilesError::TooManyUploads`],
    /// [`FilesError::TooManyUploadsOfCaller`].
    pub async fn append_resumable<S>(
        &self,
        caller: &Caller,
        id: FileId,
        piece: Piece<S>,
    ) -> Result<ResumableUpload, FilesError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + 'static,
    {
        let row = self.continued(caller, id).await?;
        if row.status != Status::Uploading || is_complete(&row) {
            return self.repeated(row, piece).await;
        }
        if piece.offset != row.upload_offset {
            return Err(FilesError::OffsetMismatch {
                offset: row.upload_offset,
            });
        }
        let length = self.agreed_length(&row, piece.length)?;
        let limit = length.unwrap_or(self.settings.max_file_bytes);
        let limit = limit.saturating_sub(row.upload_offset);
        if piece.size.is_some_and(|size| size > limit) {
            return Err(self.overrun(length));
        }
        let room = match length {
            Some(_) => None,
            None => self.room(&row).await?,
        };
        if let Some((_, exceeded)) =
            room.filter(|(room, _)| piece.size.is_some_and(|size| size > *room))
        {
            return Err(exceeded.into());
        }
        let in_flight = self.uploads.take(&caller.subject)?;
        let terms = Terms {
            length,
            quota: match row.length {
                Some(_) => Quota::default(),
                None => self.settings.quota,
            },
            lease_until: in_future(LEASE),
            expires_at: self.expiry(row.created_at),
        };
        let held = self
            .catalog
            .take_resumable(id, row.upload_offset, terms)
            .await?;
        let Some(held) = held else {
            let row = self.continued(caller, id).await?;
            return Err(FilesError::OffsetMismatch {
                offset: row.upload_offset,
            });
        };
        // A task of its own: when the client is gone, what arrived is still to be kept.
        let files = self.clone();
        let task = self.background.spawn(carried(async move {
            let _in_flight = in_flight;
            // As it is now that nobody else writes to it.
            let row = files.catalog.find_resumable(id).await?;
            let row = row.filter(|row| row.fence == held.number);
            let row = row.ok_or(FilesError::UploadTaken)?;
            Writer::new(files, row, held)
                .write(piece, limit, room)
                .await
        }));
        let written = task.await.unwrap_or_else(|join| {
            Err(FilesError::Store {
                action: "store a part",
                source: join.into(),
            })
        });
        if let Err(error) = written {
            return Err(match error {
                FilesError::TooLarge { .. } => self.overrun(length),
                FilesError::TypeNotAllowed { .. } => {
                    // No byte that may follow makes it another type.
                    self.terminate_resumable(caller, id).await.ok();
                    error
                }
                error => error,
            });
        }
        let row = self.continued(caller, id).await?;
        self.settled(row).await
    }

    /// How many more bytes the quota lets into an upload whose length is not known, what was set aside
    /// for it included.
    async fn room(&self, row: &ResumableRow) -> Result<Option<(u64, QuotaExceeded)>, FilesError> {
        let quota = self.settings.quota;
        if quota.is_endless() {
            return Ok(None);
        }
        let usage = self.catalog.usage(&row.organization, &row.owner).await?;
        let own = row.reserved.saturating_sub(row.upload_offset);
        let room = quota.room(&usage);
        Ok(room.map(|(room, exceeded)| (room.saturating_add(own), exceeded)))
    }

    /// The length that both the catalogue and the client can mean.
    fn agreed_length(
        &self,
        row: &ResumableRow,
        told: Option<u64>,
    ) -> Result<Option<u64>, FilesError> {
        let known = length(row);
        let Some(told) = told else {
            return Ok(known);
        };
        let limit = self.settings.max_file_bytes;
        let message = match known {
            Some(known) if known == told => return Ok(known.into()),
            Some(known) => format!("it was said to be {known} bytes before"),
            None if told < row.upload_offset => {
                format!("{} bytes are stored already", row.upload_offset)
            }
            None if told > limit => return Err(FilesError::TooLarge { index: 0, limit }),
            None => return Ok(Some(told)),
        };
        Err(FilesError::UploadLength { message })
    }

    fn overrun(&self, length: Option<u64>) -> FilesError {
        match length {
            Some(length) => FilesError::UploadOverrun { length },
            None => FilesError::TooLarge {
                index: 0,
                limit: self.settings.max_file_bytes,
            },
        }
    }

    /// A request for an upload that has all its bytes: the last one again, or one that is wrong.
    async fn repeated<S>(
        &self,
        row: ResumableRow,
        piece: Piece<S>,
    ) -> Result<ResumableUpload, FilesError>
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
    {
        let end = row.upload_offset;
        let mut body = piece.body;
        let mut reached = piece.offset;
        // Read to its end: an answer in the middle of its body is one that the client may miss again.
        while let Some(frame) = body.next().await {
            let frame = frame.map_err(|error| FilesError::Body {
                message: error.message,
            })?;
            reached = reached.saturating_add(frame.len() as u64);
            if reached > end {
                break;
            }
        }
        match reached == end {
            true => self.settled(row).await,
            false => Err(FilesError::OffsetMismatch { offset: end }),
        }
    }
}
