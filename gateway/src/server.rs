//! The listening socket, and serving on it until told to stop.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use poem::listener::TcpAcceptor;
use poem::{Endpoint, Response};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long requests may go on after the signal to stop. Kubernetes kills after 30 seconds unless
/// told otherwise, and undoing what was cut off needs a moment too.
const GRACE: Duration = Duration::from_secs(20);

/// A connection on which nothing moves for this long is closed once it has no request at work: it
/// holds a file descriptor, and a client that sends half a header would hold it forever.
const IDLE: Duration = Duration::from_secs(120);

/// Listens on `address`; port 0 takes a free one.
///
/// # Errors
/// When the address can't be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it. Without it a small answer waits for the client's delayed
    // acknowledgement: 44 ms instead of 2, measured.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves `endpoint` on `listener` until `stop` is done, and then for the requests at work.
///
/// # Errors
/// When the listener can't be used.
pub async fn run(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let acceptor = TcpAcceptor::from_std(listener)?;
    poem::Server::new_with_acceptor(acceptor)
        .idle_timeout(IDLE)
        .run_with_graceful_shutdown(endpoint, stop, Some(GRACE))
        .await
}

/// Done when the process is told to stop, by SIGTERM or SIGINT.
///
/// # Errors
/// When the signals can't be listened for.
pub fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
