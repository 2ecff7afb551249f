//! The headers of tus.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use poem::Request;

use crate::api::problem::Problem;
use crate::files::{Algorithm, Checksum};

/// The version that this server speaks.
pub const VERSION: &str = "1.0.0";
/// The media type of the body of a piece.
pub const PIECE: &str = "application/offset+octet-stream";

pub const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub const VERSIONS: HeaderName = HeaderName::from_static("tus-version");
pub const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
pub const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
pub const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub const LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub const DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
pub const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
pub const CONCAT: HeaderName = HeaderName::from_static("upload-concat");
/// Ours: the id of the file that an upload became.
pub const FILE_ID: HeaderName = HeaderName::from_static("upload-file-id");
pub const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// 400, with the header's name and what is wrong with it.
pub fn wrong(header: &HeaderName, why: &str) -> Problem {
    let name = title_case(header.as_str());
    Problem::new(
        StatusCode::BAD_REQUEST,
        "header_invalid",
        format!("{name}: {why}"),
    )
}

/// As tus writes it.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| match word.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => String::new(),
    });
    words.collect::<Vec<_>>().join("-")
}

/// 415, with the only type that is accepted.
pub fn wrong_type() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("The body's Content-Type must be {PIECE}"),
    )
}

/// Refuses a request of another version than ours.
pub fn require_version(request: &Request) -> Result<(), Problem> {
    match request.headers().get(RESUMABLE) {
        Some(version) if version == VERSION => Ok(()),
        _ => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "tus_version_unsupported",
            format!("Tus-Resumable must be {VERSION}"),
        )
        .with(VERSIONS, HeaderValue::from_static(VERSION))),
    }
}

/// A header that may be there once.
pub fn text(request: &Request, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = request.headers().get_all(&name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(wrong(&name, "must be there once"));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(wrong(&name, "must be ASCII text")),
    }
}

/// A number of bytes. One that no number type of ours holds is the largest: too large for any use.
fn number(request: &Request, name: HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = text(request, name.clone())? else {
        return Ok(None);
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong(&name, "must be a number of bytes"));
    }
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

/// Where a piece begins.
pub fn offset(request: &Request) -> Result<u64, Problem> {
    number(request, OFFSET)?.ok_or_else(|| wrong(&OFFSET, "is required"))
}

/// The length of an upload, if a request tells it.
pub fn length(request: &Request) -> Result<Option<u64>, Problem> {
    number(request, LENGTH)
}

/// The length of a new upload; `None` when it is to be told later.
pub fn new_length(request: &Request) -> Result<Option<u64>, Problem> {
    if request.headers().contains_key(CONCAT) {
        return Err(wrong(&CONCAT, "this server does not put uploads together"));
    }
    match (length(request)?, text(request, DEFER_LENGTH)?) {
        (Some(length), None) => Ok(Some(length)),
        (None, Some("1")) => Ok(None),
        (None, Some(_)) => Err(wrong(&DEFER_LENGTH, "must be 1")),
        (Some(_), Some(_)) => Err(wrong(
            &DEFER_LENGTH,
            "must not be there together with Upload-Length",
        )),
        (None, None) => Err(wrong(
            &LENGTH,
            "is required, unless Upload-Defer-Length is 1",
        )),
    }
}

/// The checksum that the body must have.
pub fn checksum(request: &Request) -> Result<Option<Checksum>, Problem> {
    let Some(text) = text(request, CHECKSUM)? else {
        return Ok(None);
    };
    let (algorithm, value) = text
        .split_once(' ')
        .ok_or_else(|| wrong(&CHECKSUM, "must be an algorithm, a space and Base64"))?;
    let (algorithm, length) = match algorithm {
        "sha1" => (Algorithm::Sha1, 20),
        "sha256" => (Algorithm::Sha256, 32),
        _ => return Err(wrong(&CHECKSUM, "the algorithm must be sha1 or sha256")),
    };
    let value = STANDARD
        .decode(value)
        .ok()
        .filter(|value| value.len() == length)
        .ok_or_else(|| {
            wrong(
                &CHECKSUM,
                "the checksum must be Base64 of as many bytes as the algorithm makes",
            )
        })?;
    Ok(Some(Checksum { algorithm, value }))
}

/// Whether the body is said to be a piece of an upload.
pub fn is_piece(request: &Request) -> bool {
    request.header(CONTENT_TYPE).is_some_and(|content_type| {
        let essence = content_type.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(PIECE)
    })
}

/// How long the body is, if the client told.
pub fn content_length(request: &Request) -> Option<u64> {
    request.header(CONTENT_LENGTH)?.parse().ok()
}

/// Whether there is a body.
pub fn has_body(request: &Request) -> bool {
    content_length(request).is_some_and(|length| length > 0)
        || request.headers().contains_key(TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Request {
        Request::builder().header(name, value).finish()
    }

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for wrong in ["", "-1", "+1", "1.0", "0x1", "1 2", "one"] {
            assert!(offset(&with("upload-offset", wrong)).is_err(), "{wrong}");
        }
        assert_eq!(offset(&with("upload-offset", "12")).ok(), Some(12));
        let beyond = "18446744073709551616";
        assert_eq!(offset(&with("upload-offset", beyond)).ok(), Some(u64::MAX));
    }

    #[test]
    fn headers_are_named_as_tus_writes_them() {
        assert_eq!(title_case("upload-defer-length"), "Upload-Defer-Length");
    }
}
