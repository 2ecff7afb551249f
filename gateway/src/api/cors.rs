//! Cross-origin requests of web pages (the Fetch standard, section 3.3).
//!
//! poem's own middleware refuses a foreign origin's request altogether, and a page of the gateway's
//! own origin (Swagger UI) with it; it says nothing of `Vary` to requests without an origin, and so
//! lets a cache hand one origin's answer to another.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};
use poem::{Endpoint, Middleware, Request, Response, Result};

/// Whose pages may read the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Nobody's but the gateway's own.
    Off,
    /// Everybody's, without the browser's credentials.
    Any,
    /// These, with credentials.
    Exact(Vec<String>),
}

/// Those of the contract and of tus.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE, OPTIONS");

/// What a page may send besides the headers that need no leave. A list and not `*`, which does not
/// cover `Authorization`.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Range, If-Match, If-None-Match, If-Modified-Since, \
     If-Unmodified-Since, If-Range, Idempotency-Key, X-Request-Id, X-Requested-With, \
     X-HTTP-Method-Override, Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Offset, \
     Upload-Metadata, Upload-Checksum, Upload-Concat",
);

/// What a page may read besides the headers that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Location, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Expires, \
     Upload-Concat, Upload-File-Id, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, \
     Tus-Checksum-Algorithm, ETag, Content-Length, Content-Range, Accept-Ranges, \
     Content-Disposition, Content-Digest, Repr-Digest, X-Request-Id, Deprecation, Sunset, Link, \
     Retry-After, WWW-Authenticate",
);

/// How long a browser may remember the answer to a preflight, in seconds: two hours, Chromium's most.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Answers preflights, and tells browsers which pages may read what.
pub struct Cors {
    /// Whose pages.
    pub origins: Origins,
}

impl<E: Endpoint<Output = Response>> Middleware<E> for Cors {
    type Output = CorsEndpoint<E>;

    fn transform(&self, endpoint: E) -> Self::Output {
        CorsEndpoint {
            endpoint,
            origins: Arc::new(self.origins.clone()),
        }
    }
}

/// An endpoint for web pages of other origins.
pub struct CorsEndpoint<E> {
    endpoint: E,
    origins: Arc<Origins>,
}

impl<E: Endpoint<Output = Response>> Endpoint for CorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if *self.origins == Origins::Off {
            return Ok(self.endpoint.get_response(request).await);
        }
        let allowed = request
            .headers()
            .get(ORIGIN)
            .and_then(|origin| self.origins.allowed(origin));
        // A preflight has no credentials, so it is answered before anybody is asked for them.
        let mut response = if is_preflight(&request) && allowed.is_some() {
            let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            response
        } else {
            self.endpoint.get_response(request).await
        };
        let headers = response.headers_mut();
        if let Some(allowed) = allowed {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            self.origins.tell(headers, allowed);
        }
        if matches!(*self.origins, Origins::Exact(_)) {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        Ok(response)
    }
}

impl Origins {
    /// The value of `Access-Control-Allow-Origin` for a page of `origin`, if it may.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Off => None,
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Exact(origins) => origins
                .iter()
                .any(|allowed| allowed.as_bytes() == origin.as_bytes())
                .then(|| origin.clone()),
        }
    }

    fn tell(&self, headers: &mut HeaderMap, allowed: HeaderValue) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if matches!(self, Self::Exact(_)) {
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
