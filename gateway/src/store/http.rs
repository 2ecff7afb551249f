//! The SDK's calls on hyper's client, over connections that notice when nobody is there any more.
//!
//! A server that vanishes, with its node or behind a firewall that forgot the connection, says
//! nothing. What is written to it looks sent, and the kernel tries for a quarter of an hour to have it
//! acknowledged. A limit on the whole call would end that sooner, but has to be long: a store that
//! is slow and honest takes its time. So the kernel, which knows one from the other, is told on each
//! socket how long to try. The SDK's own client, over the same hyper, lets nobody at its sockets.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use http::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{CaptureConnection, Connect, capture_connection};
use hyper_util::client::legacy::{self, Client, connect};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

/// How long a TCP connection and its TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Resting connections are dropped sooner than any server does (nginx 75 s, AWS about 20 s): one
/// that the server has dropped may hang (awslabs/aws-sdk-rust#1417).
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the other side may leave unacknowledged what was sent to it, or have no room for any more
/// of it. A server that thinks acknowledges all the while, by its kernel.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a connection may be quiet before the other side's kernel is asked whether it is there.
const PROBE: Duration = Duration::from_secs(5);

type BoxError = Box<dyn StdError + Send + Sync>;

/// A client with one pool of connections, with or without TLS.
///
/// # Errors
/// When the system has no certificates to check the server's with.
pub(super) fn client(tls: bool) -> io::Result<SharedHttpClient> {
    let mut tcp = connect::HttpConnector::new();
    tcp.enforce_http(!tls);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PROBE));
    tcp.set_keepalive_interval(Some(PROBE));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(SILENCE));
    #[cfg(not(target_os = "linux"))]
    let _ = SILENCE;
    if !tls {
        return Ok(pool(tcp));
    }
    // One transfer at a time per connection: HTTP/2 would share one window among them.
    let tls = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_only()
        .enable_http1();
    Ok(pool(tls.wrap_connector(tcp)))
}

fn pool<C>(connector: C) -> SharedHttpClient
where
    InTime<C>: Connect + Clone + Send + Sync + 'static,
{
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .build(InTime(connector));
    let connector = SharedHttpConnector::new(Hyper(client));
    http_client_fn(move |_, _| connector.clone())
}

/// A connector whose connections are there in time or not at all.
#[derive(Clone)]
struct InTime<C>(C);

impl<C> Service<Uri> for InTime<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.0.call(server);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(late) => Err(io::Error::from(late).into()),
            }
        })
    }
}

/// hyper's client as the SDK wants one. Limits on the time of calls are the SDK's own.
struct Hyper<C>(Client<C, SdkBody>);

impl<C> fmt::Debug for Hyper<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hyper").finish_non_exhaustive()
    }
}

impl<C> HttpConnector for Hyper<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(sorted)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// With what the SDK keeps a connection from being used again that answered with a failure.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    let metadata = ConnectionMetadata::builder()
        .proxied(false)
        .poison_fn(poison);
    Some(metadata.build())
}

/// Sorts a failure by whether another try may do better.
fn sorted(error: legacy::Error) -> ConnectorError {
    let http = find::<hyper::Error>(&error);
    let is_lost = error.is_connect()
        || find::<io::Error>(&error).is_some()
        || http.is_some_and(|http| http.is_canceled() || http.is_closed());
    if http.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else if is_lost {
        ConnectorError::io(error.into())
    } else if http.is_some_and(hyper::Error::is_incomplete_message) {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else {
        ConnectorError::other(error.into(), None)
    }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With two providers of cryptography in the program, rustls would not know which one to take.
    #[test]
    fn both_kinds_of_clients_can_be_made() {
        client(false).unwrap();
        client(true).unwrap();
    }
}
