//! Resumable uploads: tus 1.0.0 (<https://tus.io/protocols/resumable-upload>) at `/v1/uploads`.
//!
//! What tus leaves open: a wrong header is 400 and named; who comes without a JWT is told 401 before
//! anything else, except by `OPTIONS`, which says only what the server can do.

mod answers;
mod body;
mod headers;
mod metadata;
mod protocol;

use http::StatusCode;
use http::header::HeaderValue;
use poem::Request;
use poem_openapi::{OpenApi, Tags};
use uuid::Uuid;

use super::bearer::Bearer;
use super::content_coding::require_identity;
use super::documented::{Failure, Statuses};
use super::params::{Header, Path};
use super::problem::{FieldError, Problem};
use super::state::State;
use crate::files::{FilesError, NewUpload, Piece};
use crate::telemetry::metrics::InFlight;
use answers::{Answer, acknowledged, capabilities, created, standing};
use body::PieceBody;
pub use protocol::Protocol;

#[derive(Tags)]
enum Tag {
    /// Upload a file in pieces that survive a lost connection: tus 1.0.0, as spoken by
    /// tus-js-client and Uppy.
    #[oai(rename = "Resumable uploads")]
    Uploads,
}

/// Every operation on uploads in pieces.
pub fn api() -> impl OpenApi {
    UploadsApi
}

struct UploadsApi;

/// Of an operation that begins an upload.
struct Beginning;

impl Statuses for Beginning {
    const OWN: &'static [u16] = &[400, 408, 412, 413, 415, 460, 507];
}

/// Of an operation that goes on with one.
struct Continuing;

impl Statuses for Continuing {
    const OWN: &'static [u16] = &[400, 404, 408, 409, 410, 412, 413, 415, 423, 460, 507];
}

/// Of an operation that asks for one.
struct Asking;

impl Statuses for Asking {
    const OWN: &'static [u16] = &[404, 410, 412, 423, 507];
}

/// Of an operation that ends one.
struct Ending;

impl Statuses for Ending {
    const OWN: &'static [u16] = &[404, 412];
}

#[OpenApi]
impl UploadsApi {
    /// Begin a resumable upload
    ///
    /// Answers with its address. Its first bytes may come along as the body; when they are all of
    /// them, the file is stored and the answer names it.
    #[oai(
        path = "/v1/uploads",
        method = "post",
        tag = "Tag::Uploads",
        operation_id = "create_upload"
    )]
    #[allow(clippy::too_many_arguments)]
    async fn post(
        &self,
        request: &Request,
        caller: Bearer,
        /// `1.0.0`.
        #[oai(name = "Tus-Resumable", validator(pattern = r"^1\.0\.0$"))]
        _version: Header<String>,
        /// The file's length in bytes.
        #[oai(name = "Upload-Length", validator(minimum(value = "0")))]
        _length: Header<Option<u64>>,
        /// `1` when the length will be told later.
        #[oai(name = "Upload-Defer-Length", validator(pattern = "^1$"))]
        _deferred: Header<Option<String>>,
        /// Pairs of a key and a value in Base64, separated by commas; `filename` and `filetype` say
        /// what they say.
        #[oai(
            name = "Upload-Metadata",
            validator(
                max_length = 8192,
                pattern = r"^([!-+\--~]+( ([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?)?(, ?[!-+\--~]+( ([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?)?)*)?$"
            )
        )]
        _metadata: Header<Option<String>>,
        /// An algorithm (`sha1` or `sha256`) and the body's checksum in Base64.
        #[oai(
            name = "Upload-Checksum",
            validator(
                pattern = "^(sha1 [A-Za-z0-9+/]{26}|sha256 [A-Za-z0-9+/]{42})[AEIMQUYcgkosw048]=$"
            )
        )]
        _checksum: Header<Option<String>>,
        body: PieceBody<false>,
    ) -> Result<Answer<201>, Failure<Beginning>> {
        headers::require_version(request)?;
        let state = State::of(request)?;
        let told = headers::new_length(request)?;
        let raw = headers::text(request, headers::METADATA)?.unwrap_or_default();
        require_identity(request)?;
        let with_bytes = headers::is_piece(request);
        if !with_bytes && headers::has_body(request) {
            return Err(headers::wrong_type().into());
        }
        let checksum = headers::checksum(request)?;
        let new = NewUpload {
            length: told,
            metadata: raw.to_owned(),
            file: metadata::parse(raw)?,
        };
        let size = headers::content_length(request);
        if let (Some(length), Some(size), true) = (told, size, with_bytes)
            && size > length
        {
            return Err(problem(state, FilesError::UploadOverrun { length }).into());
        }
        let upload = state.files.create_resumable(&caller.0, new).await;
        let upload = upload.map_err(|error| problem(state, error))?;
        if !with_bytes || upload.file.is_some() {
            return Ok(created(&upload));
        }
        let _at_work = InFlight::new(&state.metrics().uploads);
        let piece = Piece {
            offset: 0,
            length: None,
            size,
            checksum,
            body: body.0,
        };
        let id = upload.id;
        match state.files.append_resumable(&caller.0, id, piece).await {
            Ok(upload) => Ok(created(&upload)),
            Err(error) => {
                // A client that gets an error does not learn where the upload is.
                state.files.terminate_resumable(&caller.0, id).await.ok();
                Err(problem(state, error).into())
            }
        }
    }

    /// How a resumable upload stands
    ///
    /// `Upload-Offset` says how many bytes are stored. Once that is all of them, `Upload-File-Id`
    /// and `Content-Location` name the file.
    #[oai(
        path = "/v1/uploads/:upload_id",
        method = "head",
        tag = "Tag::Uploads",
        operation_id = "get_upload_offset"
    )]
    async fn head(
        &self,
        request: &Request,
        caller: Bearer,
        /// The upload's id.
        upload_id: Path<Uuid>,
        /// `1.0.0`.
        #[oai(name = "Tus-Resumable", validator(pattern = r"^1\.0\.0$"))]
        _version: Header<String>,
    ) -> Result<Answer<200>, Failure<Asking>> {
        headers::require_version(request)?;
        let state = State::of(request)?;
        let id = known(upload_id.0)?;
        let upload = state.files.find_resumable(&caller.0, id).await;
        Ok(standing(&upload.map_err(|error| problem(state, error))?))
    }

    /// Continue a resumable upload
    ///
    /// Adds the body at `Upload-Offset`, which must be where the upload stands. What arrived before
    /// a connection broke is kept. The answer to the last bytes names the file.
    #[oai(
        path = "/v1/uploads/:upload_id",
        method = "patch",
        tag = "Tag::Uploads",
        operation_id = "append_to_upload"
    )]
    #[allow(clippy::too_many_arguments)]
    async fn patch(
        &self,
        request: &Request,
        caller: Bearer,
        /// The upload's id.
        upload_id: Path<Uuid>,
        /// `1.0.0`.
        #[oai(name = "Tus-Resumable", validator(pattern = r"^1\.0\.0$"))]
        _version: Header<String>,
        /// Where the body begins, in bytes.
        #[oai(name = "Upload-Offset", validator(minimum(value = "0")))]
        _offset: Header<u64>,
        /// The file's length in bytes, when it was not told before.
        #[oai(name = "Upload-Length", validator(minimum(value = "0")))]
        _length: Header<Option<u64>>,
        /// An algorithm (`sha1` or `sha256`) and the body's checksum in Base64.
        #[oai(
            name = "Upload-Checksum",
            validator(
                pattern = "^(sha1 [A-Za-z0-9+/]{26}|sha256 [A-Za-z0-9+/]{42})[AEIMQUYcgkosw048]=$"
            )
        )]
        _checksum: Header<Option<String>>,
        body: PieceBody<true>,
    ) -> Result<Answer<204>, Failure<Continuing>> {
        headers::require_version(request)?;
        let state = State::of(request)?;
        let id = known(upload_id.0)?;
        if !headers::is_piece(request) {
            return Err(headers::wrong_type().into());
        }
        require_identity(request)?;
        let _at_work = InFlight::new(&state.metrics().uploads);
        let piece = Piece {
            offset: headers::offset(request)?,
            length: headers::length(request)?,
            size: headers::content_length(request),
            checksum: headers::checksum(request)?,
            body: body.0,
        };
        let upload = state.files.append_resumable(&caller.0, id, piece).await;
        Ok(acknowledged(
            &upload.map_err(|error| problem(state, error))?,
        ))
    }

    /// End a resumable upload
    ///
    /// Deletes the bytes of an unfinished upload. Of a finished one only the record goes; its file
    /// stays and is deleted at its own address.
    #[oai(
        path = "/v1/uploads/:upload_id",
        method = "delete",
        tag = "Tag::Uploads",
        operation_id = "terminate_upload"
    )]
    async fn delete(
        &self,
        request: &Request,
        caller: Bearer,
        /// The upload's id.
        upload_id: Path<Uuid>,
        /// `1.0.0`.
        #[oai(name = "Tus-Resumable", validator(pattern = r"^1\.0\.0$"))]
        _version: Header<String>,
    ) -> Result<Answer<204>, Failure<Ending>> {
        headers::require_version(request)?;
        let state = State::of(request)?;
        let id = known(upload_id.0)?;
        let ended = state.files.terminate_resumable(&caller.0, id).await;
        ended.map_err(|error| problem(state, error))?;
        Ok(Answer::empty())
    }

    /// What the server can do
    ///
    /// The versions and extensions of tus that it speaks.
    #[oai(
        path = "/v1/uploads",
        method = "options",
        tag = "Tag::Uploads",
        operation_id = "get_upload_capabilities"
    )]
    async fn options(&self, request: &Request) -> Result<Answer<204>, Failure<Nothing>> {
        Ok(capabilities(State::of(request)?.files.max_file_bytes()))
    }

    /// What the server can do with an upload
    ///
    /// The same for each upload, whether there is one or not.
    #[oai(
        path = "/v1/uploads/:upload_id",
        method = "options",
        tag = "Tag::Uploads",
        operation_id = "get_capabilities_of_upload"
    )]
    async fn options_of_one(
        &self,
        request: &Request,
        /// The upload's id, or what you take for one.
        #[oai(name = "upload_id")]
        _upload_id: Path<String>,
    ) -> Result<Answer<204>, Failure<Nothing>> {
        Ok(capabilities(State::of(request)?.files.max_file_bytes()))
    }
}

/// Of an operation that can't go wrong.
struct Nothing;

impl Statuses for Nothing {
    const OWN: &'static [u16] = &[];
}

/// The id, if it is one at all: there is no upload at any other address.
fn known(id: Result<Uuid, FieldError>) -> Result<Uuid, Problem> {
    id.map_err(|_| not_found())
}

fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "upload_not_found",
        "Upload not found",
    )
}

/// What a client of tus is told: in its words where they differ from those of `/v1/files`.
fn problem(state: &State, error: FilesError) -> Problem {
    match error {
        FilesError::NotFound => not_found(),
        FilesError::Body { message } => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_incomplete",
            format!(
                "The request body broke off: {message}. What arrived is kept; go on from there"
            ),
        ),
        FilesError::TooLarge { limit, .. } => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "file_too_large",
            format!("The file is larger than the limit of {limit} bytes"),
        )
        .limit("uploads.maxFileBytes", limit)
        .with(
            headers::MAX_SIZE,
            HeaderValue::from(state.files.max_file_bytes()),
        ),
        error => error.into(),
    }
}
