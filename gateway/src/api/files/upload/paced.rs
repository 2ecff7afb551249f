//! A request's body, handed to the multipart parser one frame at a time.
//!
//! The parser takes all that is ready before it looks at any of it, and keeps what it can't make out
//! yet: a fast client could fill its buffer without end, with a part's headers that never end or a
//! first boundary that never comes. So after each frame the body says that it has no more for now,
//! and it breaks off when much came in without the parser getting anywhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

/// How many bytes the parser may hold without getting anywhere.
const MAX_UNCLAIMED_BYTES: usize = 1024 * 1024;

/// The bytes that the parser has taken since it last gave something out.
#[derive(Clone, Default)]
pub(super) struct Unclaimed(Arc<AtomicUsize>);

impl Unclaimed {
    /// The parser gave something out.
    pub(super) fn claim(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The body, paced.
pub(super) struct Paced<S> {
    body: S,
    unclaimed: Unclaimed,
    resting: bool,
}

impl<S> Paced<S> {
    pub(super) fn new(body: S, unclaimed: Unclaimed) -> Self {
        Self {
            body,
            unclaimed,
            resting: false,
        }
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Paced<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.resting) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.unclaimed.0.load(Ordering::Relaxed) > MAX_UNCLAIMED_BYTES {
            return Poll::Ready(Some(Err(io::ErrorKind::InvalidData.into())));
        }
        let polled = Pin::new(&mut self.body).poll_next(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.unclaimed.0.fetch_add(frame.len(), Ordering::Relaxed);
            self.resting = true;
        }
        polled
    }
}
