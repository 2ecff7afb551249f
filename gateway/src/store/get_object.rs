//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::Stream;
use http_body::Body as _;
use tokio::time::{Instant, Sleep, sleep};

use super::{Store, StoreError};
use crate::telemetry::metrics::InFlight;

/// How long the server may leave a reader waiting for the next bytes. Only time in which the
/// reader does wait counts: one that reads slowly is never cut off.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

impl Store {
    /// Opens an object of `size` bytes, or the part of it from `range.0` to `range.1`, both inclusive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there, [`StoreError::Nonsense`] when it is of another
    /// size, or the server sends something else than the part.
    pub async fn get_object(
        &self,
        key: &str,
        size: u64,
        range: Option<(u64, u64)>,
    ) -> Result<Body, StoreError> {
        let action = "read an object";
        let output = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_range(range.map(|(start, end)| format!("bytes={start}-{end}")))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(action, error))?;
        let expected = range.map_or(size, |(start, end)| end - start + 1);
        if let Some(length) = output.content_length
            && u64::try_from(length) != Ok(expected)
        {
            return Err(StoreError::Nonsense {
                action,
                source: format!("{length} bytes are announced, not {expected}").into(),
            });
        }
        Ok(Body {
            frames: Box::pin(output.body.into_inner()),
            stall: Box::pin(sleep(STALL_TIMEOUT)),
            waiting: false,
            _open: InFlight::new(&self.metrics.store_streams),
        })
    }
}

/// The bytes of an object: the SDK's own frames, untouched. Dropping it closes the connection.
pub struct Body {
    frames: Pin<Box<SdkBody>>,
    stall: Pin<Box<Sleep>>,
    waiting: bool,
    _open: InFlight,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Stream for Body {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Poll::Ready(frame) = self.frames.as_mut().poll_frame(context) {
                self.waiting = false;
                match frame {
                    None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(bytes) => return Poll::Ready(Some(Ok(bytes))),
                        Err(_trailers) => continue,
                    },
                }
            }
            if !self.waiting {
                self.waiting = true;
                self.stall.as_mut().reset(Instant::now() + STALL_TIMEOUT);
            }
            ready!(self.stall.as_mut().poll(context));
            return Poll::Ready(Some(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the object store sent nothing for too long",
            ))));
        }
    }
}
