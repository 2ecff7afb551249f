//! Bodies are taken as they are: none is decoded.

use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use poem::Request;

use super::problem::Problem;

/// Refuses an upload whose body is encoded: what would be stored is not what was meant. The answer
/// says which coding is taken (RFC 9110, 15.5.16).
///
/// # Errors
/// 415 when there is a `Content-Encoding` other than `identity`.
pub fn require_identity(request: &Request) -> Result<(), Problem> {
    let codings = request.headers().get_all(CONTENT_ENCODING);
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if codings.iter().all(is_plain) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content_encoding_not_taken",
        "Content-Encoding: files are stored as they come; send them without it",
    )
    .with(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}
