//! Callers, bytes and bodies.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt, stream};
use gateway::auth::Caller;
use gateway::files::{Body, BodyError, FileRecord, FilesError, NewFile, UploadBatch};

use crate::world::World;

pub(crate) fn caller(subject: &str) -> Caller {
    Caller {
        subject: subject.into(),
        organization: "acme".into(),
        admin: false,
    }
}

pub(crate) fn admin(subject: &str) -> Caller {
    Caller {
        admin: true,
        ..caller(subject)
    }
}

/// Bytes that repeat nowhere near a part's size, so that swapped parts show.
pub(crate) fn pattern(length: usize) -> Bytes {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// A body in frames of an odd size.
pub(crate) fn frames(bytes: Bytes) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin {
    let starts = (0..bytes.len()).step_by(65_521);
    let frames: Vec<_> = starts
        .map(|start| Ok(bytes.slice(start..bytes.len().min(start + 65_521))))
        .collect();
    stream::iter(frames)
}

pub(crate) fn broken(message: &str) -> Result<Bytes, BodyError> {
    Err(BodyError {
        message: message.into(),
    })
}

pub(crate) fn named(name: &str, declared: &str) -> NewFile {
    NewFile {
        name: Some(name.into()),
        declared_type: Some(declared.into()),
    }
}

pub(crate) async fn collect(body: Body) -> Vec<u8> {
    body.map(|frame| frame.unwrap())
        .fold(Vec::new(), |mut all, frame| async move {
            all.extend_from_slice(&frame);
            all
        })
        .await
}

/// Commits a batch; gives back what is stored.
pub(crate) async fn commit(batch: UploadBatch) -> Result<Vec<FileRecord>, FilesError> {
    let now = Utc::now();
    let records = batch.records(now);
    batch.commit(now, "").await.map(|()| records)
}

impl World {
    /// Uploads one file as `owner`.
    pub(crate) async fn upload(&self, owner: &str, file: NewFile, bytes: Bytes) -> FileRecord {
        let mut batch = self.files.begin_upload(&caller(owner), None).unwrap();
        batch.add(file, frames(bytes)).await.unwrap();
        commit(batch).await.unwrap().remove(0)
    }
}

pub(crate) fn is_not_found<T>(outcome: Result<T, FilesError>) -> bool {
    matches!(outcome, Err(FilesError::NotFound))
}
