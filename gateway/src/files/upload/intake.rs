//! From a body of frames to parts of one size, counted and hashed.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::super::FilesError;
use super::budget::{Grant, Share};
use super::digest::Digest;
use crate::catalog::QuotaExceeded;
use crate::store::MAX_PARTS;

/// The size of a part unless the longest allowed file would need too many of them.
const PART_BYTES: u64 = 8 * 1024 * 1024;
const MEBIBYTE: u64 = 1024 * 1024;
/// What the first part's buffer begins with: most files are small.
pub(in crate::files) const FIRST_BUFFER_BYTES: usize = 64 * 1024;
/// The most bytes hashed before other tasks get a turn: about a millisecond's worth.
const STRIDE: usize = 1024 * 1024;

/// A client's body that broke off, or is not what it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BodyError {
    /// What is wrong, in words for the client.
    pub message: String,
}

/// Cuts a body into parts. The frames are copied, once, into the part: a client decides how small
/// they are and how much memory each one keeps alive, so keeping them would not be bounded.
pub(in crate::files) struct Intake<S> {
    body: S,
    /// The part that is being filled.
    part: BytesMut,
    /// The memory that it takes up.
    memory: Option<Grant>,
    /// What came after the end of the last part.
    rest: Bytes,
    index: usize,
    limit: u64,
    /// How much fits into the quota, and which.
    room: Option<(u64, QuotaExceeded)>,
    share: Option<Share>,
    part_bytes: usize,
    size: u64,
    digest: Digest,
}

/// The next bytes of a body, full-sized unless it is the last.
pub(in crate::files) struct Part {
    pub(in crate::files) bytes: Bytes,
    pub(in crate::files) last: bool,
    /// The memory that it takes up, if that is counted: to be held as long as the bytes are.
    pub(in crate::files) memory: Option<Grant>,
}

/// The part size with which `limit` bytes fit into the number of parts that S3 allows.
pub(in crate::files) fn part_bytes(limit: u64) -> usize {
    usize::try_from(part_size(limit, MAX_PARTS)).unwrap_or(usize::MAX)
}

/// The part size with which `length` bytes fit into `parts` parts.
pub(in crate::files) fn part_size(length: u64, parts: u64) -> u64 {
    let needed = length.div_ceil(parts).next_multiple_of(MEBIBYTE);
    needed.max(PART_BYTES)
}

impl<S> Intake<S>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    /// Begins a body that is file number `index` of its request and at most `limit` bytes long.
    pub(in crate::files) fn new(index: usize, limit: u64, body: S) -> Self {
        Self {
            body,
            part: BytesMut::new(),
            memory: None,
            rest: Bytes::new(),
            index,
            limit,
            room: None,
            share: None,
            part_bytes: part_bytes(limit),
            size: 0,
            digest: Digest::default(),
        }
    }

    /// Goes on where `digest` stands, with parts of `part_bytes`; the first one begins with `part`,
    /// which is hashed already. The body is at most `limit` bytes long.
    pub(in crate::files) fn resume(
        part: BytesMut,
        digest: Digest,
        part_bytes: usize,
        limit: u64,
        body: S,
    ) -> Self {
        Self {
            part,
            part_bytes,
            digest,
            ..Self::new(0, limit, body)
        }
    }

    /// Ends the body where the quota ends.
    pub(in crate::files) fn within(mut self, room: Option<(u64, QuotaExceeded)>) -> Self {
        self.room = room;
        self
    }

    /// Takes the memory of its parts from `share`; of the first one, `memory` is taken already.
    pub(in crate::files) fn on(mut self, share: Share, memory: Option<Grant>) -> Self {
        self.share = Some(share);
        self.memory = memory;
        self
    }

    /// The next part. A body that ends with a full part ends with that part: the answer waits until
    /// it is known whether anything follows. Dropped while it waits, it loses nothing.
    pub(in crate::files) async fn next(&mut self) -> Result<Part, FilesError> {
        if self.size > 0 && self.memory.is_none() {
            self.memory = self.take_memory().await?;
        }
        let room = match self.size {
            0 => FIRST_BUFFER_BYTES,
            _ => self.part_bytes,
        };
        self.part.reserve(room.saturating_sub(self.part.len()));
        let last = loop {
            if self.rest.is_empty() {
                match self.receive().await? {
                    Some(frame) => self.rest = frame,
                    None => break true,
                }
            }
            let room = self.part_bytes.saturating_sub(self.part.len());
            if room == 0 {
                break false;
            }
            let taken = room.min(self.rest.len()).min(STRIDE);
            // Most files are small, and don't wait for the large ones.
            if self.memory.is_none() && self.part.len() + taken > FIRST_BUFFER_BYTES {
                self.memory = self.take_memory().await?;
            }
            self.digest.update(&self.rest[..taken]);
            self.part.extend_from_slice(&self.rest[..taken]);
            self.rest.advance(taken);
            if taken == STRIDE {
                tokio::task::yield_now().await;
            }
        };
        Ok(Part {
            bytes: self.arrived(),
            last,
            memory: self.memory.take(),
        })
    }

    async fn take_memory(&mut self) -> Result<Option<Grant>, FilesError> {
        match &self.share {
            Some(share) => share.take(self.part_bytes).await.map(Some),
            None => Ok(None),
        }
    }

    /// The bytes of the part that is being filled; what is left of a body that broke off.
    pub(in crate::files) fn arrived(&mut self) -> Bytes {
        std::mem::take(&mut self.part).freeze()
    }

    /// The next frame that is not empty, counted.
    async fn receive(&mut self) -> Result<Option<Bytes>, FilesError> {
        while let Some(frame) = self.body.next().await {
            let frame = frame.map_err(|error| FilesError::Body {
                message: error.message,
            })?;
            if frame.is_empty() {
                continue;
            }
            self.size += frame.len() as u64;
            if self.size > self.limit {
                return Err(FilesError::TooLarge {
                    index: self.index,
                    limit: self.limit,
                });
            }
            if let Some((_, exceeded)) = self.room.filter(|(room, _)| self.size > *room) {
                return Err(exceeded.into());
            }
            return Ok(Some(frame));
        }
        Ok(None)
    }

    /// How many bytes came so far.
    pub(in crate::files) fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 of the parts so far.
    pub(in crate::files) fn sha256(&self) -> [u8; 32] {
        self.digest.finish()
    }

    /// The state of the SHA-256 after the parts so far, and what is being filled.
    pub(in crate::files) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The body, to ask what it knows.
    pub(in crate::files) fn body(&self) -> &S {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[test]
    fn parts_grow_with_the_limit() {
        assert_eq!(part_bytes(0), 8 << 20);
        assert_eq!(part_bytes(80_000 << 20), 8 << 20);
        assert_eq!(part_bytes((80_000 << 20) + 1), 9 << 20);
    }

    async fn parts(frames: &[usize]) -> Vec<(usize, bool)> {
        let frames: Vec<_> = frames
            .iter()
            .map(|n| Ok(Bytes::from(vec![7; *n])))
            .collect();
        let mut intake = Intake::new(0, 1 << 40, stream::iter(frames));
        let mut parts = Vec::new();
        loop {
            let part = intake.next().await.unwrap();
            parts.push((part.bytes.len(), part.last));
            if part.last {
                return parts;
            }
        }
    }

    #[tokio::test]
    async fn the_last_part_is_known_to_be_the_last() {
        let full = part_bytes(1 << 40);
        assert_eq!(parts(&[]).await, [(0, true)]);
        assert_eq!(parts(&[0, 3, 0, 4]).await, [(7, true)]);
        assert_eq!(parts(&[full]).await, [(full, true)]);
        assert_eq!(parts(&[full, 0]).await, [(full, true)]);
        assert_eq!(parts(&[full + 1]).await, [(full, false), (1, true)]);
        assert_eq!(
            parts(&[full - 1, full + 2]).await,
            [(full, false), (full, false), (1, true)]
        );
    }

    #[tokio::test]
    async fn one_byte_too_many_is_refused() {
        let frames = [Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"d"))];
        let mut intake = Intake::new(5, 3, stream::iter(frames));
        assert!(matches!(
            intake.next().await,
            Err(FilesError::TooLarge { index: 5, limit: 3 })
        ));
    }
}
