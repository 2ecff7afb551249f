//! `GET` and `HEAD /v1/files/stream/{file_id}` and `/v1/files/stream`: reading with a file token.

use http::header::LINK;
use poem::Request;
use poem_openapi::OpenApi;
use uuid::Uuid;

use super::playback::playing;
use super::{Tag, freshness, grant};
use crate::api::deprecation::{LOCATION_STREAM, successor};
use crate::api::documented::{Download, Failure, Reading};
use crate::api::download::download;
use crate::api::params::{Fields, Header, Path, Query, Variant};
use crate::api::problem::FieldError;
use crate::api::state::State;

/// The range is among the parameters for the document's sake; it is read with the other conditions
/// of the request, in [`download`].
pub(super) struct StreamApi;

#[OpenApi]
impl StreamApi {
    /// Stream File By Id Query Auth
    ///
    /// Streams a file by ID using a query token for authentication. Supports Range requests. The
    /// first good answer sets a cookie with which playback goes on after the token's end.
    ///
    /// A video that would not start before all of it is there, or that browsers do not play, is
    /// streamed in a form that does as soon as there is one; `variant=original` streams it as it was
    /// uploaded.
    #[oai(
        path = "/v1/files/stream/:file_id",
        method = "get",
        tag = "Tag::Files",
        operation_id = "stream_file_by_id_query_auth_v1_files_stream__file_id__get"
    )]
    async fn get_by_id(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
        /// `original` for the bytes as they were uploaded.
        variant: Query<Option<Variant>>,
    ) -> Result<Download, Failure<Reading>> {
        by_id(request, file_id.0, token.0, variant.0).await
    }

    /// Stream File By Id Query Auth, without the bytes
    ///
    /// What `GET` would answer, without the body.
    #[oai(
        path = "/v1/files/stream/:file_id",
        method = "head",
        tag = "Tag::Files",
        operation_id = "stream_file_by_id_query_auth_v1_files_stream__file_id__head"
    )]
    async fn head_by_id(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
        /// `original` for the bytes as they were uploaded.
        variant: Query<Option<Variant>>,
    ) -> Result<Download, Failure<Reading>> {
        by_id(request, file_id.0, token.0, variant.0).await
    }

    /// Stream File By Location
    ///
    /// Streams a file by location (deprecated/compatibility). The location must be one of a file
    /// of the caller's organization.
    #[oai(
        path = "/v1/files/stream",
        method = "get",
        deprecated = true,
        tag = "Tag::Files",
        operation_id = "stream_file_by_location_v1_files_stream_get"
    )]
    async fn get_by_location(
        &self,
        request: &Request,
        /// The file's full key, as its upload answered it.
        location: Query<String>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
    ) -> Result<Download, Failure<Reading>> {
        by_location(request, location.0, token.0).await
    }

    /// Stream File By Location, without the bytes
    ///
    /// What `GET` would answer, without the body.
    #[oai(
        path = "/v1/files/stream",
        method = "head",
        deprecated = true,
        tag = "Tag::Files",
        operation_id = "stream_file_by_location_v1_files_stream_head"
    )]
    async fn head_by_location(
        &self,
        request: &Request,
        /// The file's full key, as its upload answered it.
        location: Query<String>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
    ) -> Result<Download, Failure<Reading>> {
        by_location(request, location.0, token.0).await
    }
}

async fn by_id(
    request: &Request,
    file_id: Result<Uuid, FieldError>,
    token: Result<String, FieldError>,
    variant: Result<Option<Variant>, FieldError>,
) -> Result<Download, Failure<Reading>> {
    let state = State::of(request)?;
    let mut fields = Fields::default();
    let variant = fields.take(variant);
    let (playing, opened) = playing(state, request, fields, file_id, token).await?;
    let path = format!("/v1/files/stream/{}", opened.file.id);
    let file = match variant.flatten() {
        Some(Variant::Original) => opened.file.clone(),
        None => state.files.playable(opened.file.clone()).await?,
    };
    let answer = download(state, request, &file, freshness(&playing.grant)).await?;
    Ok(playing.begin(state, &opened, &path, answer).await?)
}

/// Without playback beyond the token: this way of reading is on its way out.
async fn by_location(
    request: &Request,
    location: Result<String, FieldError>,
    token: Result<String, FieldError>,
) -> Result<Download, Failure<Reading>> {
    let state = State::of(request)?;
    if let Err(gone) = state.location_stream.require_on() {
        state.metrics().deprecated(LOCATION_STREAM, None);
        return Err(gone.into());
    }
    let mut fields = Fields::default();
    let location = fields.take(location);
    let grant = match grant(state, &mut fields, token).await? {
        Some(grant) => Some(grant.in_time()?),
        None => None,
    };
    let (Some(location), Some(grant)) = (location, grant) else {
        return Err(fields.problem().into());
    };
    let caller = grant.caller.subject.as_str();
    state.metrics().deprecated(LOCATION_STREAM, Some(caller));
    let opened = state.files.open_by_location(&grant, &location).await?;
    let mut answer = download(state, request, &opened.file, freshness(&grant)).await?;
    if let Some(link) = successor(opened.file.id) {
        answer.0.headers_mut().append(LINK, link);
    }
    Ok(answer)
}
