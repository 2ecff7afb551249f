//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::uri::Scheme;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Limits;
use super::listener::limit_stall;
use super::traffic::{Counted, Traffic};
use super::wire::Wire;
use crate::causes::causes;

/// How long a connection may still rest when others wait for its place: one that was just opened
/// is about to ask for something.
const CROWDED_REST: Duration = Duration::from_secs(1);

/// What the server tells its connections.
pub(super) struct Orders {
    /// Changed when others wait for a place.
    pub(super) crowded: watch::Receiver<()>,
    /// Told with each answer that no other is to follow.
    pub(super) leave: CancellationToken,
    /// To be closed after the answer at work, if any.
    pub(super) close: CancellationToken,
    /// To be closed now.
    pub(super) cut: CancellationToken,
}

/// An accepted connection.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) limits: Limits,
    pub(super) orders: Orders,
}

type BoxBody = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

impl Connection {
    /// Serves `endpoint` on it until one side has had enough.
    pub(super) async fn serve<E>(self, endpoint: Arc<E>)
    where
        E: Endpoint<Output = Response> + 'static,
    {
        let Self {
            socket,
            remote,
            limits,
            orders,
        } = self;
        let Orders {
            crowded,
            leave,
            close,
            cut,
        } = orders;
        if let Err(error) = limit_stall(&socket, limits.stall) {
            debug!(%error, "a connection was gone as soon as it came");
            return;
        }
        let local = socket.local_addr().map(Addr::from).unwrap_or_default();
        let traffic = Arc::new(Traffic::default());
        let wire = Wire::new(socket, limits, traffic.clone());
        let service = service_fn(move |request: http::Request<Incoming>| {
            let answering = traffic.begin();
            let refused = traffic.refused();
            let endpoint = endpoint.clone();
            let leave = leave.clone();
            let local = LocalAddr(local.clone());
            let remote = RemoteAddr(remote.into());
            async move {
                let response = match refused {
                    Some(refusal) => refusal.response().map(whole),
                    None => {
                        let request = (request, local, remote, Scheme::HTTP).into();
                        let response = endpoint.get_response(request).await;
                        http::Response::<BoxBody>::from(response)
                    }
                };
                let mut response = response.map(|body| Counted::new(body, answering));
                // A client that is told so sends its next request elsewhere. One that is not may send it in
                // the moment in which the connection is closed (RFC 9112, 9.6).
                if leave.is_cancelled() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut builder = Builder::new();
        // The wire keeps time: hyper's one limit can't tell a connection at rest from a slow head.
        builder.header_read_timeout(None);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(wire), service));
        let serving = async {
            tokio::select! {
                outcome = connection.as_mut() => return outcome,
                () = told(crowded, close) => connection.as_mut().graceful_shutdown(),
            }
            connection.as_mut().await
        };
        tokio::select! {
            outcome = serving => {
                if let Err(error) = outcome {
                    debug!(error = causes(&error), "a connection broke off");
                }
            }
            () = cut.cancelled() => warn!("a request was cut off"),
        }
    }
}

/// Done when the connection is to end after the answer at work.
async fn told(mut crowded: watch::Receiver<()>, close: CancellationToken) {
    let crowded = async {
        match crowded.changed().await {
            Ok(()) => tokio::time::sleep(CROWDED_REST).await,
            Err(_) => pending().await,
        }
    };
    tokio::select! {
        () = crowded => {}
        () = close.cancelled() => {}
    }
}

fn whole(bytes: Bytes) -> BoxBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
