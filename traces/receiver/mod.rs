//! A receiver of OTLP over HTTP for the tests of both programs: it reads what comes by the protocol's own
//! definitions, and keeps it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use tokio::net::TcpListener;

/// A span as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    /// What is said of the program.
    pub resource: BTreeMap<String, String>,
}

impl Exported {
    pub fn is(&self, key: &str, value: &str) -> bool {
        self.attributes.get(key).is_some_and(|found| found == value)
    }
}

#[derive(Default)]
struct Received {
    spans: Mutex<Vec<Exported>>,
    /// Heads and bodies as they came.
    raw: Mutex<Vec<u8>>,
    requests: Mutex<usize>,
    hangs: AtomicBool,
}

/// Listens until the test's runtime ends.
pub struct Receiver {
    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: String,
    received: Arc<Received>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Received::default());
        let keeper = received.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let keeper = keeper.clone();
                let service = service_fn(move |request| take(keeper.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { endpoint, received }
    }

    /// From now on it takes requests and answers none.
    pub fn hang(&self) {
        self.received.hangs.store(true, Ordering::SeqCst);
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        *self.received.requests.lock().unwrap()
    }

    /// All that came, for what must not be in it.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.received.raw.lock().unwrap()).into_owned()
    }

    pub fn spans(&self) -> Vec<Exported> {
        self.received.spans.lock().unwrap().clone()
    }

    /// What `found` makes of the spans, as soon as it makes something of them.
    pub async fn until<T>(&self, what: &str, found: impl Fn(&[Exported]) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let spans = self.spans();
            if let Some(found) = found(&spans) {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} never came: {spans:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn take(
    received: Arc<Received>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    *received.requests.lock().unwrap() += 1;
    let (head, body) = request.into_parts();
    assert_eq!(head.uri.path(), "/v1/traces");
    assert_eq!(head.headers["content-type"], "application/x-protobuf");
    let body = body.collect().await.unwrap().to_bytes();
    {
        let mut raw = received.raw.lock().unwrap();
        raw.extend_from_slice(format!("{:?}", head.headers).as_bytes());
        raw.extend_from_slice(&body);
    }
    if received.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let spans = read(ExportTraceServiceRequest::decode(body).unwrap());
    received.spans.lock().unwrap().extend(spans);
    let answer = Response::builder().header("content-type", "application/x-protobuf");
    Ok(answer.body(Full::default()).unwrap())
}

fn read(request: ExportTraceServiceRequest) -> Vec<Exported> {
    let mut spans = Vec::new();
    for group in request.resource_spans {
        let resource = said(group.resource.map(|it| it.attributes).unwrap_or_default());
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Exported {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind(),
                failed: span
                    .status
                    .is_some_and(|status| status.code() == StatusCode::Error),
                name: span.name,
                attributes: said(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    spans
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn said(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .into_iter()
        .map(|pair| (pair.key, text(pair.value)))
        .collect()
}
