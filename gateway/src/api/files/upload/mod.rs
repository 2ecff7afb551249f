//! `POST /v1/files`.

mod form;
mod paced;

use chrono::{DateTime, Utc};
use http::StatusCode;
use poem::Request;
use poem_openapi::{Enum, Object, OpenApi};
use uuid::Uuid;

use super::Tag;
use crate::api::bearer::Bearer;
use crate::api::documented::{Failure, Success, Writing};
use crate::api::problem::Problem;
use crate::api::state::State;
use crate::auth::Caller;
use crate::auth::policy::Visibility as FileVisibility;
use crate::files::{FileRecord, FileStatus, UploadBatch};
use form::UploadForm;

/// The files of one upload, in the order of the request.
#[derive(Object)]
struct Uploaded {
    /// One entry per file.
    files: Vec<UploadedFile>,
}

/// A stored file.
#[derive(Object)]
struct UploadedFile {
    /// Its place in the request, from 0.
    index: u64,
    /// Its id.
    id: Uuid,
    /// Its full key in the organization's bucket.
    location: String,
    /// Its name, cleaned for display.
    name: String,
    /// Its length in bytes.
    size: u64,
    /// Its media type: found in its bytes where they tell, else as declared.
    content_type: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    sha256: String,
    /// Where it stands.
    status: Status,
    /// Who may read it besides its owner and the admins.
    visibility: Visibility,
    /// The subject that uploaded it.
    owner: String,
    /// When it was stored.
    created_at: DateTime<Utc>,
}

/// Where a file stands.
#[derive(Enum, Clone, Copy)]
#[oai(rename = "FileStatus", rename_all = "lowercase")]
enum Status {
    /// Bytes are arriving; nobody can read it.
    Uploading,
    /// Readable; its video is still being worked on.
    Processing,
    /// Readable.
    Ready,
    /// Readable; its video could not be worked on.
    Failed,
    /// Being deleted; nobody can read it.
    Deleting,
}

/// Who may read a file besides its owner and the admins.
#[derive(Enum, Clone, Copy)]
#[oai(rename_all = "lowercase")]
enum Visibility {
    /// Nobody.
    Private,
    /// Every member of the organization.
    Organization,
}

pub(super) struct UploadApi;

#[OpenApi]
impl UploadApi {
    /// Upload Files Route
    ///
    /// Handles multiple file uploads: one part named `files` per file. Either all files of a
    /// request are stored or none.
    #[oai(
        path = "/v1/files",
        method = "post",
        tag = "Tag::Files",
        operation_id = "upload_files_route_v1_files_post"
    )]
    async fn post(
        &self,
        request: &Request,
        caller: Bearer,
        form: UploadForm,
    ) -> Result<Success<Uploaded>, Failure<Writing>> {
        let state = State::of(request)?;
        if form
            .length
            .is_some_and(|length| length > state.max_upload_bytes)
        {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_too_large",
                "The request is longer than the allowed number of the largest allowed files",
            )
            .into());
        }
        let stored = store(state, &caller.0, form).await?;
        let files = stored.into_iter().enumerate().map(uploaded).collect();
        Ok(Success(Uploaded { files }))
    }
}

async fn store(
    state: &State,
    caller: &Caller,
    form: UploadForm,
) -> Result<Vec<FileRecord>, Problem> {
    let mut batch = state.files.begin_upload(caller);
    match add_all(&mut batch, form).await {
        Ok(()) => Ok(batch.commit().await?),
        Err(problem) => {
            batch.abort().await;
            Err(problem)
        }
    }
}

async fn add_all(batch: &mut UploadBatch, form: UploadForm) -> Result<(), Problem> {
    let mut parts = form.parts()?;
    while let Some(part) = parts.next().await? {
        batch.add(part.file, part.body).await?;
    }
    Ok(())
}

fn uploaded((index, file): (usize, FileRecord)) -> UploadedFile {
    UploadedFile {
        index: index as u64,
        id: file.id,
        location: file.location,
        name: file.name,
        size: file.size,
        content_type: file.content_type,
        sha256: file
            .sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        status: match file.status {
            FileStatus::Uploading => Status::Uploading,
            FileStatus::Processing => Status::Processing,
            FileStatus::Ready => Status::Ready,
            FileStatus::Failed => Status::Failed,
            FileStatus::Deleting => Status::Deleting,
        },
        visibility: match file.visibility {
            FileVisibility::Private => Visibility::Private,
            FileVisibility::Organization => Visibility::Organization,
        },
        owner: file.owner,
        created_at: file.modified_at,
    }
}
