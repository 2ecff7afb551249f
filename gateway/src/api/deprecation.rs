//! How clients are told that reading by location goes away: `Deprecation` (RFC 9745), `Sunset`
//! (RFC 8594) and `Link`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, LINK};
use poem::{Endpoint, Middleware, Request, Response, Result};
use uuid::Uuid;

use super::problem::Problem;

/// The deprecated operation.
pub const LOCATION_STREAM: &str = "/v1/files/stream";

/// Where the deprecation is explained.
const EXPLAINED: HeaderValue =
    HeaderValue::from_static("</docs>; rel=\"deprecation\"; type=\"text/html\"");

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The by-location stream: whether it still works, and what clients are told of its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationStream {
    /// Whether it is served at all.
    pub on: bool,
    /// Since when it is deprecated.
    pub deprecated: DateTime<Utc>,
    /// When it will stop working, if that is decided.
    pub sunset: Option<DateTime<Utc>>,
}

impl LocationStream {
    /// Refuses when it is switched off.
    ///
    /// # Errors
    /// 410 with what to do instead.
    pub fn require_on(&self) -> Result<(), Problem> {
        if self.on {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::GONE,
            "location_stream_off",
            "Streaming by location is switched off here: stream by id instead, \
             GET /v1/files/stream/{file_id}?token=…; an upload's answer has the id beside the location",
        ))
    }
}

/// The value of `Link` to what replaces the request for this file.
pub fn successor(file: Uuid) -> Option<HeaderValue> {
    let link = format!("<{LOCATION_STREAM}/{file}>; rel=\"successor-version\"");
    HeaderValue::try_from(link).ok()
}

/// Marks every answer of the deprecated operation, failures too.
pub struct Deprecated {
    /// What is told.
    pub stream: LocationStream,
}

impl<E: Endpoint<Output = Response>> Middleware<E> for Deprecated {
    type Output = DeprecatedEndpoint<E>;

    fn transform(&self, endpoint: E) -> Self::Output {
        // RFC 9745 has a structured date, RFC 8594 an HTTP date.
        let deprecation = format!("@{}", self.stream.deprecated.timestamp());
        let sunset = self
            .stream
            .sunset
            .map(|sunset| httpdate::fmt_http_date(sunset.into()));
        let headers = [(DEPRECATION, Some(deprecation)), (SUNSET, sunset)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value?).ok()?)))
            .collect();
        DeprecatedEndpoint { endpoint, headers }
    }
}

/// An endpoint with the deprecated operation in it.
pub struct DeprecatedEndpoint<E> {
    endpoint: E,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl<E: Endpoint<Output = Response>> Endpoint for DeprecatedEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let deprecated = request.uri().path() == LOCATION_STREAM;
        let mut response = self.endpoint.get_response(request).await;
        if deprecated {
            let headers = response.headers_mut();
            headers.extend(self.headers.iter().cloned());
            headers.append(LINK, EXPLAINED);
        }
        Ok(response)
    }
}
