//! Answers: all in headers.

use std::time::SystemTime;

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_LOCATION, HeaderName, HeaderValue, LOCATION};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};

use super::headers;
use crate::files::ResumableUpload;

const EXTENSIONS: HeaderValue = HeaderValue::from_static(
    "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum",
);

/// An answer without a body.
pub(super) struct Answer<const STATUS: u16>(Response);

impl<const STATUS: u16> Answer<STATUS> {
    pub(super) fn empty() -> Self {
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        let response = Response::builder()
            .status(status)
            .header(CACHE_CONTROL, "no-store")
            .finish();
        Self(response)
    }

    fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    /// How far the upload is, and until when it rests; or, once it is finished, which file it is.
    fn with_progress(self, upload: &ResumableUpload) -> Self {
        let answer = self.with(headers::OFFSET, upload.offset);
        match &upload.file {
            Some(file) => answer
                .with(headers::FILE_ID, file.id.to_string())
                .with(CONTENT_LOCATION, format!("/v1/files/{}", file.id)),
            None => {
                let expires = httpdate::fmt_http_date(SystemTime::from(upload.expires_at));
                answer.with(headers::EXPIRES, expires)
            }
        }
    }
}

/// The answer to a creation. The address is a path: the host is the one that the client knows, not
/// the one that its request claims.
pub(super) fn created(upload: &ResumableUpload) -> Answer<201> {
    Answer::empty()
        .with(LOCATION, format!("/v1/uploads/{}", upload.id))
        .with_progress(upload)
}

/// The answer to a piece.
pub(super) fn acknowledged(upload: &ResumableUpload) -> Answer<204> {
    Answer::empty().with_progress(upload)
}

/// The answer to the question how an upload stands.
pub(super) fn standing(upload: &ResumableUpload) -> Answer<200> {
    let answer = Answer::empty().with_progress(upload);
    let answer = match upload.length {
        Some(length) => answer.with(headers::LENGTH, length),
        None => answer.with(headers::DEFER_LENGTH, "1"),
    };
    match upload.metadata.as_str() {
        "" => answer,
        metadata => answer.with(headers::METADATA, metadata),
    }
}

/// The answer to the question what the server can do.
pub(super) fn capabilities(max_file_bytes: u64) -> Answer<204> {
    Answer::empty()
        .with(headers::VERSIONS, headers::VERSION)
        .with(headers::EXTENSION, EXTENSIONS)
        .with(headers::MAX_SIZE, max_file_bytes)
        .with(headers::CHECKSUM_ALGORITHM, "sha1,sha256")
}

impl<const STATUS: u16> IntoResponse for Answer<STATUS> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<const STATUS: u16> ApiResponse for Answer<STATUS> {
    fn meta() -> MetaResponses {
        let (description, names): (_, &[_]) = match STATUS {
            200 => (
                "How the upload stands",
                &[
                    "Upload-Offset",
                    "Upload-Length",
                    "Upload-Defer-Length",
                    "Upload-Metadata",
                    "Upload-Expires",
                    "Upload-File-Id",
                    "Content-Location",
                ],
            ),
            201 => (
                "The upload was created",
                &[
                    "Location",
                    "Upload-Offset",
                    "Upload-Expires",
                    "Upload-File-Id",
                    "Content-Location",
                ],
            ),
            _ => (
                "Done",
                &[
                    "Upload-Offset",
                    "Upload-Expires",
                    "Upload-File-Id",
                    "Content-Location",
                ],
            ),
        };
        let header = |name: &&str| MetaHeader {
            name: (*name).to_owned(),
            description: None,
            required: false,
            deprecated: false,
            schema: MetaSchemaRef::Inline(Box::new(schema(name))),
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description,
                status: Some(STATUS),
                status_range: None,
                content: Vec::new(),
                headers: names.iter().map(header).collect(),
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

/// What the values of a header look like.
fn schema(name: &str) -> MetaSchema {
    match name {
        "Upload-Offset" | "Upload-Length" => MetaSchema::new_with_format("integer", "uint64"),
        "Upload-File-Id" => MetaSchema::new_with_format("string", "uuid"),
        _ => MetaSchema::new("string"),
    }
}
