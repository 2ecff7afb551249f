//! What hyper reads a connection's requests from: the socket, watched.
//!
//! The bytes are handed over as they came, but the head of a request only when it is all there. So
//! it is known whether a connection rests, sends a head or sends a body, and each has its own limit on
//! time; a head that two readers could read in two ways never gets to hyper (see [`head`]). In place
//! of one that is refused hyper gets a request that stands for it, which the connection's service
//! knows how to answer.

mod chunks;
mod head;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, sleep};

use super::Limits;
use super::refusal::Refusal;
use super::traffic::Traffic;
use chunks::Step;
use head::{Framing, Look};

/// How much is read at once while a head arrives.
const READ_BYTES: usize = 8 * 1024;

/// After the last answer the client may still be sending. Closing at once would reset the connection,
/// and with it go what the client has not read yet, the answer included (RFC 9112, 9.6). So the rest
/// is read over for a while.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// The request that stands for a refused one.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// What the next bytes for hyper are.
enum Reading {
    /// A head that is not all there; so many of its bytes were looked at.
    Head { seen: usize },
    /// So many bytes of a head that is, and then a body.
    Handing { left: usize, then: Framing },
    /// A body.
    Body(Framing),
    /// Nothing any more, after a refusal; the answer ends the connection.
    Deaf,
    /// Nothing any more: it rested too long.
    Over,
}

/// How far the closing has got.
enum Closing {
    No,
    /// Our side is closed; so many bytes may still be read over.
    Lingering(usize),
    Done,
}

/// A limit on time that is running.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the first byte of a head.
    Rest,
    /// For the last byte of a head.
    Head,
}

/// A socket, watched.
pub(super) struct Wire<S> {
    socket: S,
    limits: Limits,
    traffic: Arc<Traffic>,
    /// Read from the socket and not handed over yet.
    ahead: BytesMut,
    reading: Reading,
    closing: Closing,
    is_new: bool,
    waiting: Option<Waiting>,
    clock: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(socket: S, limits: Limits, traffic: Arc<Traffic>) -> Self {
        Self {
            socket,
            limits,
            traffic,
            ahead: BytesMut::new(),
            reading: Reading::Head { seen: 0 },
            closing: Closing::No,
            is_new: true,
            waiting: None,
            clock: Box::pin(sleep(limits.head)),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.traffic.refuse(refusal);
        self.ahead = BytesMut::from(STAND_IN);
        self.reading = Reading::Handing {
            left: STAND_IN.len(),
            then: Framing::Length(0),
        };
        self.waiting = None;
    }

    /// Reads on until there is a head, or something else to say to hyper.
    fn poll_head(&mut self, context: &mut Context<'_>, seen: usize) -> Poll<io::Result<()>> {
        if seen == 0 {
            // Empty lines before a request are skipped (RFC 9112, 2.2).
            while self.ahead.starts_with(b"\r\n") {
                self.ahead.advance(2);
            }
        }
        if self.ahead.len() > seen {
            match head::look(&self.ahead, seen) {
                Look::Unfinished => {
                    let seen = match &self.ahead[..] {
                        b"\r" => 0,
                        ahead => ahead.len(),
                    };
                    self.reading = Reading::Head { seen };
                }
                Look::Head(left, then) => {
                    self.is_new = false;
                    self.waiting = None;
                    self.reading = Reading::Handing { left, then };
                    return Poll::Ready(Ok(()));
                }
                Look::Refused(refusal) => {
                    self.refuse(refusal);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        self.ahead.reserve(READ_BYTES);
        match self.poll_ahead(context)? {
            Poll::Ready(0) => {
                self.reading = Reading::Over;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(_) => Poll::Ready(Ok(())),
            Poll::Pending => self.poll_clock(context),
        }
    }

    fn poll_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { socket, ahead, .. } = self;
        tokio_util::io::poll_read_buf(Pin::new(socket), context, ahead)
    }

    /// Waits for a head, but not for ever. While a request is at work its client need not send the
    /// next one.
    fn poll_clock(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.traffic.is_answering(context) {
            self.waiting = None;
            return Poll::Pending;
        }
        let (waiting, limit) = if !self.ahead.is_empty() {
            (Waiting::Head, self.limits.head)
        } else if self.is_new {
            (Waiting::Rest, self.limits.head)
        } else {
            (Waiting::Rest, self.limits.idle)
        };
        if self.waiting != Some(waiting) {
            self.waiting = Some(waiting);
            self.clock.as_mut().reset(Instant::now() + limit);
        }
        ready!(self.clock.as_mut().poll(context));
        match waiting {
            Waiting::Rest => self.reading = Reading::Over,
            Waiting::Head => self.refuse(Refusal::HeadTooSlow),
        }
        Poll::Ready(Ok(()))
    }

    /// Hands over bytes of a body, and keeps what came after it.
    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let start = buffer.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        } else {
            let some = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..some]);
            self.ahead.advance(some);
        }
        let Reading::Body(framing) = &mut self.reading else {
            return Poll::Ready(Ok(()));
        };
        let bytes = &buffer.filled()[start..];
        let step = match framing {
            Framing::Chunked(chunks) => chunks.pass(bytes),
            Framing::Length(left) => match usize::try_from(*left) {
                Ok(left) if left <= bytes.len() => Step::End(left),
                _ => {
                    *left -= bytes.len() as u64;
                    Step::On
                }
            },
        };
        match step {
            Step::On => {}
            Step::Broken => {
                buffer.set_filled(start);
                self.reading = Reading::Deaf;
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            Step::End(length) => {
                let after = &bytes[length..];
                if !after.is_empty() {
                    self.ahead = BytesMut::from_iter(after.iter().chain(&self.ahead));
                }
                buffer.set_filled(start + length);
                self.reading = Reading::Head { seen: 0 };
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        loop {
            match &mut wire.reading {
                Reading::Head { seen } => {
                    let seen = *seen;
                    ready!(wire.poll_head(context, seen))?;
                }
                Reading::Handing { left: 0, then } => {
                    wire.reading = match std::mem::replace(then, Framing::Length(0)) {
                        _ if wire.traffic.refused().is_some() => Reading::Deaf,
                        Framing::Length(0) => Reading::Head { seen: 0 },
                        framing => Reading::Body(framing),
                    };
                }
                Reading::Handing { left, .. } => {
                    let some = (*left).min(buffer.remaining());
                    buffer.put_slice(&wire.ahead[..some]);
                    wire.ahead.advance(some);
                    *left -= some;
                    return Poll::Ready(Ok(()));
                }
                Reading::Body(_) => return wire.poll_body(context, buffer),
                Reading::Deaf => return Poll::Pending,
                Reading::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        loop {
            match wire.closing {
                Closing::No => {
                    ready!(Pin::new(&mut wire.socket).poll_shutdown(context))?;
                    let is_sending = matches!(wire.reading, Reading::Body(_) | Reading::Deaf)
                        || !wire.ahead.is_empty();
                    wire.closing = if is_sending {
                        wire.clock.as_mut().reset(Instant::now() + LINGER);
                        Closing::Lingering(LINGER_BYTES)
                    } else {
                        Closing::Done
                    };
                }
                Closing::Lingering(left) => {
                    wire.ahead.clear();
                    wire.ahead.reserve(READ_BYTES);
                    wire.closing = match wire.poll_ahead(context) {
                        Poll::Ready(Ok(read @ 1..)) if read < left => {
                            Closing::Lingering(left - read)
                        }
                        Poll::Ready(_) => Closing::Done,
                        Poll::Pending => {
                            ready!(wire.clock.as_mut().poll(context));
                            Closing::Done
                        }
                    };
                }
                Closing::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
