//! The spans that there are, with the attributes of OpenTelemetry's semantic conventions, and no others.
//! Source: <https://opentelemetry.io/docs/specs/semconv/>.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::TARGET;

/// Methods of RFC 9110 and RFC 5789; others are `_OTHER` by the conventions, so that there are few names.
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// What a log names a span by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// The span, in hexadecimal digits.
    pub span: String,
}

/// A span that is exported when its last clone is gone; nothing at all where there are no traces.
#[derive(Debug, Clone)]
pub struct Traced(Span);

impl Traced {
    /// No span.
    pub fn none() -> Self {
        Self(Span::none())
    }

    /// Its ids, if it is one.
    pub fn ids(&self) -> Option<Ids> {
        if self.0.is_disabled() {
            return None;
        }
        let context = self.0.context();
        let span = context.span().span_context().clone();
        span.is_valid().then(|| Ids {
            trace: span.trace_id().to_string(),
            span: span.span_id().to_string(),
        })
    }

    /// Writes its ids into the fields `trace_id` and `span_id` of a span of the log.
    pub fn named_in(&self, log: &Span) {
        if let Some(ids) = self.ids() {
            log.record("trace_id", ids.trace);
            log.record("span_id", ids.span);
        }
    }

    /// `work`, with what is called in it as children.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        work.instrument(self.0.clone()).await
    }

    /// How a request was answered.
    pub fn answered(&self, status: u16) {
        self.0.record("http.response.status_code", status);
        // The server's fault; 4xx is the caller's by the conventions.
        if status >= 500 {
            self.failed(&status.to_string());
        }
    }

    /// How work came out, in one of a few words.
    pub fn came_to(&self, outcome: &'static str) {
        self.0.record("filegateway.outcome", outcome);
    }

    /// It did not go well; `kind` is one of few, such as a status.
    pub fn failed(&self, kind: &str) {
        self.0.record("otel.status_code", "ERROR");
        self.0.record("error.type", kind);
    }

    /// Which operation of an AWS API it is that is called, such as `GetObject`.
    pub fn calls(&self, service: &str, operation: &str) {
        if !self.0.is_disabled() {
            self.0.record("otel.name", format!("{service}.{operation}"));
            self.0.record("rpc.method", operation);
        }
    }
}

/// A request that came in: the caller's trace goes on, if `traceparent` among `headers` names one.
///
/// `path` is without a query: tokens ride in it.
pub fn request(method: &str, route: Option<&str>, path: &str, headers: &HeaderMap) -> Traced {
    let span = info_span!(
        target: TARGET,
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        error.r#type = Empty,
        http.request.method = Empty,
        http.response.status_code = Empty,
        http.route = route,
        url.path = path,
        url.scheme = "http",
    );
    if span.is_disabled() {
        return Traced(span);
    }
    let known = METHODS.into_iter().find(|known| *known == method);
    span.record("http.request.method", known.unwrap_or("_OTHER"));
    let name = known.unwrap_or("HTTP");
    match route {
        Some(route) => span.record("otel.name", format!("{name} {route}")),
        None => span.record("otel.name", name),
    };
    let caller = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &HeaderExtractor(headers));
    if caller.span().span_context().is_valid() {
        // Fails where there are no traces only.
        span.set_parent(caller).ok();
    }
    Traced(span)
}

/// Work that nobody waits for, with a trace of its own: `attributes` tell what on, but for empty ones.
pub fn work(name: &str, attributes: &[(&'static str, &str)]) -> Traced {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "work",
        otel.name = name,
        otel.kind = "internal",
        otel.status_code = Empty,
        error.r#type = Empty,
        filegateway.outcome = Empty,
    );
    if !span.is_disabled() {
        for (key, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            span.set_attribute(*key, (*value).to_owned());
        }
    }
    Traced(span)
}

/// A call to an AWS API, such as `S3`; [`Traced::calls`] tells of which operation.
pub fn rpc(service: &str) -> Traced {
    if !is_within() {
        return Traced::none();
    }
    Traced(info_span!(
        target: TARGET,
        "rpc",
        otel.name = service,
        otel.kind = "client",
        otel.status_code = Empty,
        error.r#type = Empty,
        rpc.system = "aws-api",
        rpc.service = service,
        rpc.method = Empty,
    ))
}

/// A statement to a database, or a transaction of a few; `summary` says what it does and no value.
pub fn statement(system: &'static str, summary: &'static str) -> Traced {
    if !is_within() {
        return Traced::none();
    }
    Traced(info_span!(
        target: TARGET,
        "statement",
        otel.name = summary,
        otel.kind = "client",
        otel.status_code = Empty,
        error.r#type = Empty,
        db.system.name = system,
        db.query.summary = summary,
    ))
}

/// A request that goes out, within whatever calls it.
pub fn sent(method: &'static str, what: &'static str) -> Traced {
    if !is_within() {
        return Traced::none();
    }
    Traced(info_span!(
        target: TARGET,
        "sent",
        otel.name = what,
        otel.kind = "client",
        otel.status_code = Empty,
        error.r#type = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
    ))
}

/// `work` for a task of its own, so that what it calls is still a child of the span that is current now.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    work.with_context(Context::current())
}

/// Whether there is a span to be a child of. Loops ask the database every few seconds whether there is work;
/// as traces of one span each that would be all that is seen.
fn is_within() -> bool {
    Context::map_current(|context| context.has_active_span())
}
