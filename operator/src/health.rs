//! `/healthz`: the process answers. `/readyz`: the caches are filled, so reconciles run.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// Whether the operator is ready; shared with the server.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<AtomicUsize>);

impl Readiness {
    /// Ready after `parts` calls of [`part_done`](Self::part_done).
    pub fn after(parts: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(parts)))
    }

    /// One part is ready. Each part may say so once.
    pub fn part_done(&self) {
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            tracing::info!("ready");
        }
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// Answers on `listener` for as long as it is polled.
pub async fn serve(listener: TcpListener, readiness: Readiness) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles, for instance: no reason to spin.
                tracing::warn!(%error, "health: a connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let readiness = readiness.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, readiness.clone()));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "health: a connection broke");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    readiness: Readiness,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/healthz" => (StatusCode::OK, "ok\n"),
        "/readyz" if readiness.get() => (StatusCode::OK, "ok\n"),
        "/readyz" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the resources are not listed yet: are the CustomResourceDefinitions installed?\n",
        ),
        _ => (StatusCode::NOT_FOUND, "not found\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn status(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_string()
    }

    #[tokio::test]
    async fn readiness_follows_the_caches() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::after(2);
        let server = tokio::spawn(serve(listener, readiness.clone()));
        assert_eq!(status(address, "/healthz").await, "200");
        assert_eq!(status(address, "/readyz").await, "503");
        readiness.part_done();
        assert_eq!(status(address, "/readyz").await, "503");
        readiness.part_done();
        assert_eq!(status(address, "/readyz").await, "200");
        assert_eq!(status(address, "/else").await, "404");
        server.abort();
    }
}
