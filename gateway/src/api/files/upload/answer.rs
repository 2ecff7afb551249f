//! What an upload is answered.

use chrono::{DateTime, Utc};
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::ToJSON;
use poem_openapi::{ApiResponse, Enum, Object};
use uuid::Uuid;

use crate::api::documented::Success;
use crate::api::problem::Problem;
use crate::auth::policy::Visibility as FileVisibility;
use crate::files::{FileRecord, FileStatus};

/// Says that the answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The files of one upload, in the order of the request.
#[derive(Object)]
pub(super) struct Uploaded {
    /// One entry per stored file.
    files: Vec<UploadedFile>,
    /// What became of each file of the request, one entry per file.
    outcomes: Vec<Outcome>,
}

/// What became of one file of a request.
#[derive(Object, Clone)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct Outcome {
    /// Its place in the request, from 0.
    index: u64,
    /// Its id, if it is stored.
    id: Option<Uuid>,
    /// Why it is not, for programs: a stable name.
    code: Option<String>,
    /// Why it is not, for people.
    detail: Option<String>,
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

/// A file of a request that was refused.
pub(super) struct Refused {
    /// Its place in the request, from 0.
    pub(super) index: usize,
    /// Why.
    pub(super) problem: Problem,
}

impl Uploaded {
    /// The answer to a request whose files are stored, except the refused.
    pub(super) fn new(stored: Vec<FileRecord>, refused: &[Refused]) -> Self {
        let mut outcomes: Vec<Outcome> = refused.iter().map(Refused::outcome).collect();
        let taken: Vec<usize> = refused.iter().map(|refused| refused.index).collect();
        let places = (0..).filter(|index| !taken.contains(index));
        let files: Vec<UploadedFile> = places.zip(stored).map(uploaded).collect();
        outcomes.extend(files.iter().map(|file| Outcome {
            index: file.index,
            id: Some(file.id),
            code: None,
            detail: None,
        }));
        outcomes.sort_by_key(|outcome| outcome.index);
        Self { files, outcomes }
    }

    /// Its text.
    pub(super) fn text(&self) -> String {
        self.to_json().unwrap_or_default().to_string()
    }
}

impl Refused {
    fn outcome(&self) -> Outcome {
        Outcome {
            index: self.index as u64,
            id: None,
            code: Some(self.problem.code().to_owned()),
            detail: Some(self.problem.detail()),
        }
    }
}

/// The outcomes of a request of which nothing is stored because of `refused`: the files before were
/// fine, and are undone.
pub(super) fn undone(refused: &[Refused]) -> serde_json::Value {
    let count = refused.iter().map(|refused| refused.index + 1).max();
    let outcomes = (0..count.unwrap_or(0)).map(|index| {
        let refused = refused.iter().find(|refused| refused.index == index);
        refused.map_or_else(
            || Outcome {
                index: index as u64,
                id: None,
                code: Some("not_stored".to_owned()),
                detail: Some("Another file of the request was refused".to_owned()),
            },
            Refused::outcome,
        )
    });
    outcomes.filter_map(|outcome| outcome.to_json()).collect()
}

/// The text of an [`Uploaded`], new or kept.
pub(super) struct Answer {
    /// The text.
    pub(super) text: String,
    /// Whether it was given before.
    pub(super) replayed: bool,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::builder()
            .content_type("application/json")
            .header(CACHE_CONTROL, "private, no-store")
            .body(self.text);
        if self.replayed {
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl ApiResponse for Answer {
    fn meta() -> MetaResponses {
        Success::<Uploaded>::meta()
    }

    fn register(registry: &mut Registry) {
        <Success<Uploaded> as ApiResponse>::register(registry);
    }
}

fn uploaded((index, file): (usize, FileRecord)) -> UploadedFile {
    UploadedFile {
        index: index as u64,
        id: file.id,
        sha256: file.sha256_digits(),
        location: file.location,
        name: file.name,
        size: file.size,
        content_type: file.content_type,
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
