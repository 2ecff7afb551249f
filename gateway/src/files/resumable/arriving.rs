//! A request's bytes as they arrive: hashed for its checksum, ended when the upload is lost to a newer
//! request.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::super::BodyError;

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The checksum that a request's bytes must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it is made.
    pub algorithm: Algorithm,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// The bytes of a request.
pub(super) struct Arriving<S> {
    body: S,
    lost: Pin<Box<WaitForCancellationFutureOwned>>,
    checksum: Option<(digest::Context, Vec<u8>)>,
}

impl<S> Arriving<S> {
    pub(super) fn new(body: S, lost: CancellationToken, checksum: Option<Checksum>) -> Self {
        let checksum = checksum.map(|checksum| {
            let algorithm = match checksum.algorithm {
                Algorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                Algorithm::Sha256 => &digest::SHA256,
            };
            (digest::Context::new(algorithm), checksum.value)
        });
        Self {
            body,
            lost: Box::pin(lost.cancelled_owned()),
            checksum,
        }
    }

    /// Whether the bytes so far have the checksum, if one was asked for.
    pub(super) fn is_intact(&self) -> bool {
        self.checksum.as_ref().is_none_or(|(context, expected)| {
            context.clone().finish().as_ref() == expected.as_slice()
        })
    }
}

impl<S> Stream for Arriving<S>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Unpin,
{
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.lost.as_mut().poll(context).is_ready() {
            let message = "the upload was lost to another request".into();
            return Poll::Ready(Some(Err(BodyError { message })));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_next(context));
        if let (Some(Ok(bytes)), Some((checksum, _))) = (&frame, &mut self.checksum) {
            checksum.update(bytes);
        }
        Poll::Ready(frame)
    }
}
