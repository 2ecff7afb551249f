//! What the two ends of a connection, its wire and its service, know of each other.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};

use super::refusal::Refusal;

/// One connection's state.
#[derive(Default)]
pub(super) struct Traffic {
    answering: AtomicUsize,
    answered: AtomicWaker,
    refusal: Mutex<Option<Refusal>>,
}

impl Traffic {
    /// Whether a request is at work: its answer is not all handed over yet. If so, the task is woken
    /// when it is: hyper does not ask the wire again just because it has answered.
    pub(super) fn is_answering(&self, context: &Context<'_>) -> bool {
        self.answered.register(context.waker());
        self.answering.load(Ordering::Acquire) > 0
    }

    /// Notes that what the wire hands over next stands for something refused.
    pub(super) fn refuse(&self, refusal: Refusal) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    /// What was refused, if the request in hand stands for it.
    pub(super) fn refused(&self) -> Option<Refusal> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request until the result is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::AcqRel);
        Answering(self.clone())
    }
}

/// A request at work.
pub(super) struct Answering(Arc<Traffic>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::AcqRel);
        self.0.answered.wake();
    }
}

/// An answer's body, during which its request counts as at work.
pub(super) struct Counted<B> {
    body: B,
    _answering: Answering,
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, answering: Answering) -> Self {
        Self {
            body,
            _answering: answering,
        }
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
