//! `/healthz`: the process answers. `/readyz`: the caches are filled, so reconciles run, or another
//! process leads and this one stands by. `/metrics`: for Prometheus.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::metrics::{self, Metrics};

/// Whether the operator is ready; shared with the server.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<State>);

#[derive(Debug)]
struct State {
    parts: AtomicUsize,
    standing_by: AtomicBool,
}

impl Readiness {
    /// Ready after `parts` calls of [`part_done`](Self::part_done).
    pub fn after(parts: usize) -> Self {
        Self(Arc::new(State {
            parts: AtomicUsize::new(parts),
            standing_by: AtomicBool::new(false),
        }))
    }

    /// Another process leads: this one is ready too, or the rollout of a new version, whose pods stand
    /// by until the old ones go, would never end.
    pub fn standing_by(&self, standing_by: bool) {
        self.0.standing_by.store(standing_by, Ordering::Release);
    }

    /// One part is ready. Each part may say so once.
    pub fn part_done(&self) {
        if self.0.parts.fetch_sub(1, Ordering::AcqRel) == 1 {
            tracing::info!("ready");
        }
    }

    fn get(&self) -> bool {
        self.0.standing_by.load(Ordering::Acquire) || self.0.parts.load(Ordering::Acquire) == 0
    }
}

/// Answers on `listener` for as long as it is polled.
pub async fn serve(listener: TcpListener, readiness: Readiness, metrics: Metrics) {
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
        let (readiness, metrics) = (readiness.clone(), metrics.clone());
        tokio::spawn(async move {
            let service =
                service_fn(move |request| answer(request, readiness.clone(), metrics.clone()));
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
    metrics: Metrics,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/metrics" {
        let mut response = Response::new(Full::new(Bytes::from(metrics.text())));
        let type_ = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, type_);
        return Ok(response);
    }
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

    async fn answer(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn status(address: std::net::SocketAddr, path: &str) -> String {
        let answer = answer(address, path).await;
        answer.split(' ').nth(1).unwrap().to_string()
    }

    #[tokio::test]
    async fn readiness_follows_the_caches() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::after(2);
        let server = tokio::spawn(serve(listener, readiness.clone(), Metrics::default()));
        assert_eq!(status(address, "/healthz").await, "200");
        assert_eq!(status(address, "/readyz").await, "503");
        readiness.standing_by(true);
        assert_eq!(status(address, "/readyz").await, "200");
        readiness.standing_by(false);
        readiness.part_done();
        assert_eq!(status(address, "/readyz").await, "503");
        readiness.part_done();
        assert_eq!(status(address, "/readyz").await, "200");
        assert_eq!(status(address, "/else").await, "404");
        let metrics = answer(address, "/metrics").await;
        assert!(
            metrics.contains("filegateway_operator_leader 0"),
            "{metrics}"
        );
        assert!(metrics.ends_with("# EOF\n"), "{metrics}");
        server.abort();
    }
}
