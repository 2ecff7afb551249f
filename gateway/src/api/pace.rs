//! The slowest that a request's body may come.
//!
//! A client that sends a byte a minute holds a connection, a row and an upload of the store for
//! ever. One that sends slowly, but does send, is welcome. Only time in which the gateway waits for
//! the client counts: while it is busy with what it has, the client may rest.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use poem::Request;
use tokio::time::{Instant, Sleep, sleep};

use super::problem::Problem;

/// The least that has to come in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many bytes…
    pub bytes: u64,
    /// …within this time of waiting for them.
    pub within: Duration,
}

/// A body without an end that is longer than this is not waited for after the answer.
const SMALL_BYTES: u64 = 64 * 1024;

/// What became of a request's body.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    is_long: AtomicBool,
    ended: AtomicBool,
    /// Set before whoever reads the body learns that it breaks off.
    too_slow: AtomicBool,
}

impl Fate {
    /// Whether more may be coming of a long body than anybody wants to read: the connection can't be
    /// used again.
    pub(super) fn is_unread(&self) -> bool {
        self.0.is_long.load(Ordering::Acquire) && !self.0.ended.load(Ordering::Acquire)
    }

    /// What the client is told, if its body was too slow.
    pub(super) fn problem(&self, pace: Pace) -> Option<Problem> {
        self.0.too_slow.load(Ordering::Acquire).then(|| {
            let detail = format!(
                "The body came slower than {} bytes in {} seconds; send it again, or resume",
                pace.bytes,
                pace.within.as_secs()
            );
            Problem::new(StatusCode::REQUEST_TIMEOUT, "request_too_slow", detail)
        })
    }
}

/// Holds the body of `request`, if it has one, to `pace`.
pub(super) fn hold(request: &mut Request, pace: Pace) -> Fate {
    let fate = Fate::default();
    let headers = request.headers();
    let length = headers.get(CONTENT_LENGTH);
    if length.is_some() || headers.contains_key(TRANSFER_ENCODING) {
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let is_long = length.is_none_or(|length: u64| length > SMALL_BYTES);
        fate.0.is_long.store(is_long, Ordering::Release);
        let held = Held {
            body: BoxBody::from(request.take_body()),
            pace,
            came: 0,
            waited: Duration::ZERO,
            waiting: None,
            fate: fate.clone(),
        };
        request.set_body(BoxBody::new(held));
    }
    fate
}

struct Held {
    body: BoxBody<Bytes, io::Error>,
    pace: Pace,
    /// Since the last time that enough had come.
    came: u64,
    waited: Duration,
    /// Since when we wait, and the end of our patience.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    fate: Fate,
}

impl Body for Held {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let held = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut held.body).poll_frame(context) {
            if let Some((since, _)) = held.waiting.take() {
                held.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                held.came += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            }
            if held.came >= held.pace.bytes {
                (held.came, held.waited) = (0, Duration::ZERO);
            }
            if frame.is_none() || held.body.is_end_stream() {
                held.fate.0.ended.store(true, Ordering::Release);
            }
            return Poll::Ready(frame);
        }
        let left = held.pace.within.saturating_sub(held.waited);
        let (_, patience) = held
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        if patience.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        held.fate.0.too_slow.store(true, Ordering::Release);
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
