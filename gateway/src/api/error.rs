//! From the errors of the layers below to statuses and codes: every variant by name, none by
//! default, so that a new one does not compile until somebody decides what a client is told.

use std::error::Error;

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use tracing::error;

use super::problem::{FieldError, Problem};
use crate::auth::AuthError;
use crate::causes::causes;
use crate::files::FilesError;

/// How soon a client may try again when a dependency is down, in seconds.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

impl From<FilesError> for Problem {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::NotFound => {
                Self::new(StatusCode::NOT_FOUND, "file_not_found", "File not found")
            }
            FilesError::TokenRevoked => refused("token_revoked", error.to_string()),
            FilesError::AdminOnly => Self::new(
                StatusCode::FORBIDDEN,
                "admin_only",
                "Only an admin of the organization may do this",
            ),
            FilesError::NoFiles => FieldError::missing(&["body", "files"]).into(),
            FilesError::TooManyFiles { limit } => FieldError::new(
                &["body", "files"],
                format!("List should have at most {limit} items"),
                "too_long",
            )
            .into(),
            FilesError::TooLarge { index, limit } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "file_too_large",
                format!("File {index} of the request is larger than the limit of {limit} bytes"),
            ),
            FilesError::Body { message } => FieldError::malformed_form(&message).into(),
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
