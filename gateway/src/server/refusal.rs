//! What a client is told whose request never becomes one.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use uuid::Uuid;

/// Why the bytes on a connection are not taken for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Two readers could disagree on where it ends, or for which host it is.
    Malformed(&'static str),
    /// Its head is longer than any of ours.
    HeadTooLong,
    /// Its head takes too long to arrive.
    HeadTooSlow,
}

impl Refusal {
    /// The answer, in the form of all failures; the connection ends with it.
    pub(super) fn response(self) -> Response<Bytes> {
        let (status, code, detail) = match self {
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, "malformed_request", why),
            Self::HeadTooLong => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                "The request line and the headers are longer than 32 KiB",
            ),
            Self::HeadTooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "request_too_slow",
                "The headers took too long to arrive",
            ),
        };
        let request_id = Uuid::new_v4().to_string();
        tracing::info!(
            http.status = status.as_u16(),
            request.id = request_id,
            detail,
            "refused"
        );
        let body = serde_json::json!({"detail": detail, "code": code, "request_id": request_id});
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert("x-request-id", id);
        }
        response
    }
}
