//! `GET`, `HEAD` and `DELETE /v1/files/{file_id}`.

use poem::Request;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::Tag;
use crate::api::bearer::Bearer;
use crate::api::documented::{Download, Failure, Plain, Reading, Success};
use crate::api::download::{Freshness, download};
use crate::api::params::{Fields, Header, Path};
use crate::api::problem::{FieldError, Problem};
use crate::api::state::State;
use crate::auth::Caller;

/// A file that is gone.
#[derive(Object)]
struct Deleted {
    /// Its id.
    id: Uuid,
}

pub(super) struct ByIdApi;

#[OpenApi]
impl ByIdApi {
    /// Get File Route
    ///
    /// Finds a file by its ID in the database and streams it from S3, to its owner, to admins of the
    /// organization, and to its other members when the file's visibility says so.
    #[oai(
        path = "/v1/files/:file_id",
        method = "get",
        tag = "Tag::Files",
        operation_id = "get_file_route_v1_files__file_id__get"
    )]
    async fn get(
        &self,
        request: &Request,
        caller: Bearer,
        /// The file's id.
        file_id: Path<Uuid>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
    ) -> Result<Download, Failure<Reading>> {
        read(request, &caller.0, file_id.0).await
    }

    /// Get File Route, without the bytes
    ///
    /// What `GET` would answer, without the body.
    #[oai(
        path = "/v1/files/:file_id",
        method = "head",
        tag = "Tag::Files",
        operation_id = "get_file_route_v1_files__file_id__head"
    )]
    async fn head(
        &self,
        request: &Request,
        caller: Bearer,
        /// The file's id.
        file_id: Path<Uuid>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
    ) -> Result<Download, Failure<Reading>> {
        read(request, &caller.0, file_id.0).await
    }

    /// Delete File Route
    ///
    /// Deletes a file from DB and S3 via the service layer.
    ///
    /// Nobody can begin to read it from then on. A transfer at work goes on as long as the object store
    /// lets it; one that does not get to its end breaks off before the announced length.
    #[oai(
        path = "/v1/files/:file_id",
        method = "delete",
        tag = "Tag::Files",
        operation_id = "delete_file_route_v1_files__file_id__delete"
    )]
    async fn delete(
        &self,
        request: &Request,
        caller: Bearer,
        /// The file's id.
        file_id: Path<Uuid>,
    ) -> Result<Success<Deleted>, Failure<Plain>> {
        let id = file_id.0.map_err(Problem::from)?;
        State::of(request)?.files.delete(&caller.0, id).await?;
        Ok(Success(Deleted { id }))
    }
}

async fn read(
    request: &Request,
    caller: &Caller,
    file_id: Result<Uuid, FieldError>,
) -> Result<Download, Failure<Reading>> {
    let state = State::of(request)?;
    let mut fields = Fields::default();
    let Some(id) = fields.take(file_id) else {
        return Err(fields.problem().into());
    };
    let file = state.files.find(caller, id).await?;
    download(state, request, &file, Freshness::AskAgain).await
}
