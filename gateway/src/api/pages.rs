//! Pages for people, beside the operations.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use poem::endpoint::make_sync;
use poem::{Endpoint, Response};

/// Its own scripts and styles, and films and pictures of its own origin.
const OWN: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
     img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);

/// A text at a path of its own.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Where it is, such as `/page/style.css`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// Answers with the page.
pub fn endpoint(page: Page) -> impl Endpoint<Output = Response> {
    make_sync(move |_| {
        Response::builder()
            .header(CONTENT_TYPE, page.content_type)
            .header(CONTENT_SECURITY_POLICY, OWN)
            .header(CACHE_CONTROL, "no-cache")
            .body(page.text)
    })
}
