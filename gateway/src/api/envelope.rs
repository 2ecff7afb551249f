//! What every answer has, whoever made it: a request id, the security headers, one form of failure,
//! and a line in the log.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use poem::{Endpoint, Middleware, Request, Response, Result};
use traces::Traced;
use tracing::field::Empty;
use tracing::{Instrument, debug, info, info_span};
use uuid::Uuid;

use super::allow::Allowed;
use super::pace::{self, Pace};
use super::problem::{FieldError, Problem};
use crate::telemetry::Metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const HEALTHY: &str = "/healthz";
const READY: &str = "/readyz";

/// The longest request id that is taken over from a client, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Wraps an endpoint into the envelope.
pub struct Envelope {
    /// Which methods each path has, for 405.
    pub allowed: Arc<Allowed>,
    /// The slowest that a body may come.
    pub pace: Pace,
    /// Where requests are counted.
    pub metrics: Metrics,
}

impl<E: Endpoint<Output = Response>> Middleware<E> for Envelope {
    type Output = Enveloped<E>;

    fn transform(&self, endpoint: E) -> Self::Output {
        Enveloped {
            endpoint,
            allowed: self.allowed.clone(),
            pace: self.pace,
            metrics: self.metrics.clone(),
        }
    }
}

/// An endpoint in the envelope.
pub struct Enveloped<E> {
    endpoint: E,
    allowed: Arc<Allowed>,
    pace: Pace,
    metrics: Metrics,
}

impl<E: Endpoint<Output = Response>> Endpoint for Enveloped<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let started = Instant::now();
        let id = request_id(&request);
        let method = request.method().clone();
        // The query is left out on purpose: file tokens ride in it.
        let path = request.uri().path().to_owned();
        let operation = self.allowed.pattern(&path);
        let traced = match path.as_str() {
            // Probes come every few seconds, from nobody who has a trace.
            HEALTHY | READY => Traced::none(),
            _ => traces::request(method.as_str(), operation, &path, request.headers()),
        };
        let span = info_span!(
            "request",
            request.id = id,
            trace_id = Empty,
            span_id = Empty
        );
        traced.named_in(&span);
        let body = pace::hold(&mut request, self.pace);
        let response = self.endpoint.get_response(request).instrument(span.clone());
        let response = traced.around(response).await;
        let mut response = match body.problem(self.pace) {
            // Whatever was made of the end of the body: this is why it ended.
            Some(problem) => render(&problem, &id, &response),
            None => self.finish(response, &path, &id),
        };
        security_headers(&mut response);
        if body.is_unread() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let status = response.status().as_u16();
        let duration = started.elapsed();
        traced.answered(status);
        self.metrics
            .answered(operation, method.as_str(), status, duration);
        let duration_ms = duration.as_secs_f64() * 1000.0;
        span.in_scope(|| match path.as_str() {
            // Probes come every few seconds, and say nothing unless they fail.
            HEALTHY | READY if status == 200 => {
                debug!(http.method = %method, http.path = path, http.status = status, duration_ms, "answered");
            }
            _ => {
                info!(http.method = %method, http.path = path, http.status = status, duration_ms, "answered");
            }
        });
        Ok(response)
    }
}

impl<E> Enveloped<E> {
    /// Gives a failure its body: one of ours, or one that the framework made by itself.
    fn finish(&self, response: Response, path: &str, id: &str) -> Response {
        if let Some(problem) = response.data::<Problem>() {
            return render(problem, id, &response);
        }
        let status = response.status();
        if !(status.is_client_error() || status.is_server_error()) || is_json(&response) {
            return response;
        }
        // poem's own 400: the path matches an operation, but is no UTF-8.
        if status == StatusCode::BAD_REQUEST {
            let error = FieldError::new(&["path"], "Input should be valid UTF-8", "string_unicode");
            return render(&error.into(), id, &response);
        }
        let mut problem = by_status(status);
        if status == StatusCode::METHOD_NOT_ALLOWED
            && let Some(allowed) = self.allowed.of(path)
        {
            problem = problem.with(ALLOW, allowed);
        }
        render(&problem, id, &response)
    }
}

/// The headers that were put on the `failed` answer on its way stay.
fn render(problem: &Problem, id: &str, failed: &Response) -> Response {
    let body = problem.body(id).to_string();
    let mut response = Response::builder()
        .status(problem.status())
        .content_type("application/json")
        .header(CACHE_CONTROL, "no-store")
        .body(body);
    for (name, value) in failed.headers() {
        if ![CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE].contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    if let Problem::Other { headers, .. } = problem {
        for (name, value) in headers {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn by_status(status: StatusCode) -> Problem {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => ("not_found", "Not Found"),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "Method Not Allowed"),
        StatusCode::PAYLOAD_TOO_LARGE => ("request_too_large", "Request Entity Too Large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported_media_type", "Unsupported Media Type"),
        status if status.is_client_error() => ("bad_request", "Bad Request"),
        _ => ("internal_error", "Internal Server Error"),
    };
    Problem::new(status, code, detail)
}

fn is_json(response: &Response) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn security_headers(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// The client's own id, if it is harmless in a log, else a new one.
fn request_id(request: &Request) -> String {
    request
        .header(REQUEST_ID)
        .filter(|id| !id.is_empty() && id.len() <= MAX_REQUEST_ID)
        .filter(|id| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(&byte))
        })
        .map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}
