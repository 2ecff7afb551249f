//! From the errors of the layers below to statuses and codes: every variant by name, none by
//! default, so that a new one does not compile until somebody decides what a client is told.

use std::error::Error;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use tracing::error;

use super::problem::{FieldError, Problem};
use crate::auth::AuthError;
use crate::causes::causes;
use crate::files::{FilesError, QuotaExceeded, QuotaKind, TypeRule};

/// How soon a client may try again when a dependency is down, in seconds.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

impl From<FilesError> for Problem {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::NotFound => {
                Self::new(StatusCode::NOT_FOUND, "file_not_found", "File not found")
            }
            FilesError::NoOutput { name, processing } => no_output(&name, processing),
            FilesError::NotFailed => Self::new(
                StatusCode::CONFLICT,
                "not_failed",
                "The file is not failed; only the work on a failed file can be begun anew",
            ),
            FilesError::TokenRevoked => refused("token_revoked", error.to_string()),
            FilesError::AdminOnly => Self::new(
                StatusCode::FORBIDDEN,
                "admin_only",
                "Only an admin of the organization may do this",
            ),
            FilesError::NoFiles => FieldError::missing(&["body", "files"]).into(),
            FilesError::TooManyFiles { limit } => FieldError::new(
                &["body", "files"],
                format!("List should have at most {limit} items (limit uploads.maxFiles)"),
                "too_long",
            )
            .into(),
            FilesError::TooLarge { index, limit } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "file_too_large",
                format!("File {index} of the request is larger than the limit of {limit} bytes"),
            )
            .limit("uploads.maxFileBytes", limit),
            FilesError::TypeNotAllowed {
                index,
                content_type,
                rule,
            } => type_not_allowed(index, &content_type, &rule),
            FilesError::QuotaExceeded(exceeded) => quota_exceeded(exceeded),
            FilesError::TooManyUploads { limit } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_uploads",
                format!("The gateway is at work on {limit} uploads, its limit; try again"),
            )
            .limit("uploads.inFlight", limit)
            .with(RETRY_AFTER, RETRY_SECONDS),
            FilesError::TooManyUploadsOfCaller { limit } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_uploads_at_once",
                format!(
                    "You have {limit} uploads at work, the most that one caller may have at once; \
                     wait for one to end"
                ),
            )
            .limit("uploads.inFlightPerCaller", limit)
            .with(RETRY_AFTER, RETRY_SECONDS),
            FilesError::TooManyUnfinished { limit } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_unfinished_uploads",
                format!(
                    "You have {limit} unfinished resumable uploads, the most that one caller may \
                     have; finish some, or end them with DELETE"
                ),
            )
            .limit("uploads.maxUnfinished", limit),
            FilesError::KeyInUse => Self::new(
                StatusCode::CONFLICT,
                "idempotency_key_in_use",
                "A request with this idempotency key is being carried out; try again",
            )
            .with(RETRY_AFTER, RETRY_SECONDS),
            FilesError::Body { message } => FieldError::malformed_form(&message).into(),
            FilesError::UploadGone => Self::new(
                StatusCode::GONE,
                "upload_expired",
                "The upload has expired or was removed; begin a new one",
            ),
            FilesError::OffsetMismatch { offset } => Self::new(
                StatusCode::CONFLICT,
                "offset_mismatch",
                format!("The upload stands at byte {offset}; ask with HEAD and go on from there"),
            )
            .with(UPLOAD_OFFSET, HeaderValue::from(offset)),
            FilesError::UploadLength { message } => Self::new(
                StatusCode::BAD_REQUEST,
                "upload_length_invalid",
                format!("Upload-Length: {message}"),
            ),
            FilesError::UploadOverrun { length } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "upload_overrun",
                format!("The body goes beyond the upload's length of {length} bytes"),
            ),
            FilesError::UploadTaken => Self::new(
                StatusCode::LOCKED,
                "upload_taken",
                "Another request is at work on the upload; ask with HEAD how it stands",
            ),
            FilesError::ChecksumMismatch => {
                // tus, Checksum extension: a status of its own.
                let status = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
                Self::new(
                    status,
                    "checksum_mismatch",
                    "The body does not have the checksum of Upload-Checksum; nothing of it is kept",
                )
            }
            FilesError::Store { action, source } => {
                logged("the object store", action, source.as_ref());
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store_unavailable",
                    "The object store did not do its part; try again",
                )
                .with(RETRY_AFTER, RETRY_SECONDS)
            }
            FilesError::Catalog { action, source } => {
                logged("the catalogue", action, source.as_ref());
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "catalog_unavailable",
                    "The database did not do its part; try again",
                )
                .with(RETRY_AFTER, RETRY_SECONDS)
            }
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::Missing => Self::new(StatusCode::UNAUTHORIZED, "not_authenticated", detail)
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            AuthError::Invalid(_) => refused("token_invalid", detail),
            AuthError::Expired => refused("token_expired", detail),
            AuthError::OtherOrganization => {
                Self::new(StatusCode::FORBIDDEN, "other_organization", detail)
            }
            AuthError::KeysUnavailable { source } => {
                logged("the issuer", "publish its keys", source.as_ref());
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "issuer_unavailable",
                    detail,
                )
                .with(RETRY_AFTER, RETRY_SECONDS)
            }
        }
    }
}

fn no_output(name: &str, processing: bool) -> Problem {
    let problem = |code, detail| Problem::new(StatusCode::NOT_FOUND, code, detail);
    if processing {
        let detail = format!("There is no {name} yet: the file is being processed");
        problem("output_not_ready", detail).with(RETRY_AFTER, RETRY_SECONDS)
    } else {
        problem("output_not_found", format!("The file has no {name}"))
    }
}

fn type_not_allowed(index: usize, content_type: &str, rule: &TypeRule) -> Problem {
    let (name, words, patterns) = match rule {
        TypeRule::Allowed(patterns) => ("uploads.allowedTypes", "only these are taken", patterns),
        TypeRule::Denied(patterns) => ("uploads.deniedTypes", "these are not taken", patterns),
    };
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let patterns = patterns.join(", ");
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "type_not_allowed",
        format!("File {index} of the request is {content_type}; {words}: {patterns}"),
    )
    .limit(name, patterns)
}

fn quota_exceeded(exceeded: QuotaExceeded) -> Problem {
    let name = match exceeded.kind {
        QuotaKind::Bytes => "quota.bytes",
        QuotaKind::Files => "quota.files",
        QuotaKind::OwnerBytes => "quota.ownerBytes",
        QuotaKind::OwnerFiles => "quota.ownerFiles",
    };
    Problem::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "quota_exceeded",
        format!(
            "The quota of {} {} is used up or would be; delete something first",
            exceeded.limit, exceeded.kind
        ),
    )
    .limit(name, exceeded.limit)
}

/// 401 with the challenge of RFC 6750, section 3.
fn refused(code: &'static str, detail: String) -> Problem {
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{detail}\"");
    let challenge = HeaderValue::from_str(&challenge)
        .unwrap_or(HeaderValue::from_static("Bearer error=\"invalid_token\""));
    Problem::new(StatusCode::UNAUTHORIZED, code, detail).with(WWW_AUTHENTICATE, challenge)
}

fn logged(who: &str, action: &str, source: &(dyn Error + Send + Sync + 'static)) {
    error!(error = causes(source), "{who} failed to {action}");
}
