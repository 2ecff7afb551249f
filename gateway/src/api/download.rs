//! A file's bytes as an HTTP response: headers, conditions, the range, and the body as the store's
//! own frames, passed on as they come.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, LOCATION,
    VARY,
};
use http::{Method, StatusCode};
use poem::{Body, Request, Response, ResponseBuilder};
use tracing::{Instrument, Span, warn};

use super::conditions::{Answer, Validators, answer};
use super::documented::{Download, Failure, Reading};
use super::problem::Problem;
use super::state::{Delivery, State};
use crate::causes::causes;
use crate::files::{ByteRange, FileRecord, content_disposition, is_shown};
use crate::telemetry::metrics::InFlight;

/// Keeps a saved page from running with the gateway's origin, should a browser show it after all.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// The digest of all of the file (RFC 9530, section 3), whichever part of it is sent. The catalogue
/// has the SHA-256; `Want-Repr-Digest` is a wish that may be ignored, and any other algorithm would
/// cost a read.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The digest of the bytes that are sent (RFC 9530, section 2): known before they are when that is
/// all of the file. A HEAD's content is empty, so it has none.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Whose pages may embed the answer without reading it (the Fetch standard, 3.7).
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The longest that a presigned URL is good for when no file token says less.
const REDIRECT_LIFETIME: Duration = Duration::from_secs(300);

/// How long a client may keep the answer.
#[derive(Debug, Clone, Copy)]
pub enum Freshness {
    /// It has to ask each time: the permission came with a header.
    AskAgain,
    /// As long as the file token in the URL is good.
    Until(Duration),
}

impl Freshness {
    /// `Cache-Control`.
    pub fn header(self) -> String {
        match self {
            Self::AskAgain => "private, no-cache".to_owned(),
            Self::Until(remaining) => format!("private, max-age={}", remaining.as_secs()),
        }
    }

    /// A token in the URL is there for `<video src>` on pages of any origin, also those that are
    /// isolated (COEP); what came with a header was fetched, and nobody can embed it.
    pub fn embedding(self) -> &'static str {
        match self {
            Self::AskAgain => "same-origin",
            Self::Until(_) => "cross-origin",
        }
    }
}

/// Answers `request` with the bytes of `file`, which the caller may read. HEAD is answered as GET
/// is, ranges too, without asking the store for anything.
///
/// # Errors
/// 412, 416, and what the layers below report.
pub async fn download(
    state: &State,
    request: &Request,
    file: &FileRecord,
    freshness: Freshness,
) -> Result<Download, Failure<Reading>> {
    let validators = validators(file);
    let part = match answer(request.headers(), &validators) {
        Answer::Whole => None,
        Answer::Part(range) => Some(range),
        Answer::NotModified => {
            let response = Response::builder().status(StatusCode::NOT_MODIFIED);
            return Ok(Download(
                versioned(response, &validators, freshness).finish(),
            ));
        }
        Answer::PreconditionFailed => {
            return Err(Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "The file is not in the state that the request asks for",
            )
            .into());
        }
        Answer::Unsatisfiable => return Err(unsatisfiable(file.size).into()),
    };
    let head = *request.method() == Method::HEAD;
    if state.delivery == Delivery::Redirect && !head {
        return redirect(state, file, freshness).await;
    }
    let body = if head {
        Body::empty()
    } else {
        body(state, file, part).await?
    };
    let digest = digest(file);
    let response = match part {
        None if head => Response::builder().header(CONTENT_LENGTH, file.size),
        None => Response::builder()
            .header(CONTENT_LENGTH, file.size)
            .header(CONTENT_DIGEST, &digest),
        Some(ByteRange { start, end }) => Response::builder()
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_LENGTH, end - start + 1)
            .header(CONTENT_RANGE, format!("bytes {start}-{end}/{}", file.size)),
    };
    let response = presented(versioned(response, &validators, freshness), file)
        .header(RESOURCE_POLICY, freshness.embedding())
        .header(LAST_MODIFIED, httpdate::fmt_http_date(validators.modified))
        .header(REPR_DIGEST, digest);
    Ok(Download(response.body(body)))
}

fn validators(file: &FileRecord) -> Validators {
    Validators {
        etag: format!("\"{}\"", file.sha256_digits()),
        modified: SystemTime::from(file.modified_at),
        size: file.size,
    }
}

/// A dictionary of one digest, a byte sequence (RFC 8941, 3.3.5).
fn digest(file: &FileRecord) -> String {
    format!("sha-256=:{}:", STANDARD.encode(file.sha256))
}

/// The headers that 304 has too. It should have no other metadata of the file, neither
/// `Last-Modified` nor a digest, since a cache needs none beside the tag (RFC 9110, 15.4.5).
fn versioned(
    response: ResponseBuilder,
    validators: &Validators,
    freshness: Freshness,
) -> ResponseBuilder {
    let response = response
        .header(ETAG, &validators.etag)
        .header(CACHE_CONTROL, freshness.header());
    match freshness {
        Freshness::AskAgain => response.header(VARY, "Authorization"),
        Freshness::Until(_) => response,
    }
}

fn presented(response: ResponseBuilder, file: &FileRecord) -> ResponseBuilder {
    let content_type = HeaderValue::from_str(&file.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let response = response
        .header(CONTENT_TYPE, content_type)
        .header(
            CONTENT_DISPOSITION,
            content_disposition(&file.name, &file.content_type),
        )
        .header(ACCEPT_RANGES, "bytes");
    if is_shown(&file.content_type) {
        response
    } else {
        response.header(CONTENT_SECURITY_POLICY, SANDBOX)
    }
}

async fn body(
    state: &State,
    file: &FileRecord,
    part: Option<ByteRange>,
) -> Result<Body, Failure<Reading>> {
    let frames = state.files.read(file, part).await?;
    let (span, id) = (Span::current(), file.id);
    let sent = state.metrics().sent_bytes.clone();
    let at_work = InFlight::new(&state.metrics().streams);
    let frames = frames
        .inspect_ok(move |frame| {
            let _ = &at_work;
            sent.inc_by(frame.len() as u64);
        })
        .inspect_err(move |error| {
            span.in_scope(
                || warn!(file.id = %id, error = causes(error), "the object store broke off"),
            );
        });
    Ok(Body::from_bytes_stream(frames))
}

async fn redirect(
    state: &State,
    file: &FileRecord,
    freshness: Freshness,
) -> Result<Download, Failure<Reading>> {
    let lifetime = match freshness {
        Freshness::AskAgain => REDIRECT_LIFETIME,
        Freshness::Until(remaining) => remaining.min(REDIRECT_LIFETIME),
    };
    let url = state
        .files
        .presign(file, lifetime)
        .instrument(Span::current())
        .await?;
    let response = Response::builder()
        .status(StatusCode::TEMPORARY_REDIRECT)
        .header(LOCATION, url.as_str())
        .header(CACHE_CONTROL, "private, no-store");
    Ok(Download(response.finish()))
}

fn unsatisfiable(size: u64) -> Problem {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        format!("The file has {size} bytes, and the requested range is beyond them"),
    );
    let header: (HeaderName, _) = (
        CONTENT_RANGE,
        HeaderValue::try_from(format!("bytes */{size}")),
    );
    match header {
        (name, Ok(value)) => problem
            .with(name, value)
            .with(ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (_, Err(_)) => problem,
    }
}
