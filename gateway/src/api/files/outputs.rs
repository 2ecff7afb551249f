//! What was made of a video: `/v1/files/{file_id}/poster`, `…/thumbnails.vtt`, `…/hls/master.m3u8`
//! and what these lead to, all read with a file token.
//!
//! Playlists and the index of small pictures are stored without a token; the request's own is put
//! behind each of their references on the way, so that a player needs to know nothing of tokens.

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, VARY};
use poem::{Request, Response};
use poem_openapi::OpenApi;
use uuid::Uuid;

use super::playback::playing;
use super::{Tag, freshness};
use crate::api::carry::{playlist, thumbnails};
use crate::api::documented::{Download, Failure, Reading};
use crate::api::download::{Freshness, RESOURCE_POLICY, download};
use crate::api::params::{Fields, Header, Path, Query};
use crate::api::problem::FieldError;
use crate::api::state::State;
use crate::files::{FileRecord, MASTER, POSTER_JPEG, POSTER_WEBP, THUMBNAILS};

pub(super) struct OutputsApi;

#[OpenApi]
impl OutputsApi {
    /// Get Poster
    ///
    /// A still picture of a video: WebP to who accepts it, else JPEG.
    #[oai(
        path = "/v1/files/:file_id/poster",
        method = "get",
        tag = "Tag::Files",
        operation_id = "get_poster"
    )]
    async fn poster(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
    ) -> Result<Download, Failure<Reading>> {
        let name = if takes_webp(request) {
            POSTER_WEBP
        } else {
            POSTER_JPEG
        };
        let mut answer = output(request, file_id.0, token.0, name).await?;
        answer
            .0
            .headers_mut()
            .append(VARY, HeaderValue::from_static("Accept"));
        Ok(answer)
    }

    /// Get Thumbnails
    ///
    /// An index (WebVTT) of small pictures for scrubbing: for each time the sheet, with the place on
    /// it as `#xywh=`.
    #[oai(
        path = "/v1/files/:file_id/thumbnails.vtt",
        method = "get",
        tag = "Tag::Files",
        operation_id = "get_thumbnails"
    )]
    async fn thumbnails(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
    ) -> Result<Download, Failure<Reading>> {
        index(request, file_id.0, token.0, THUMBNAILS, thumbnails).await
    }

    /// Get Thumbnail Sheet
    ///
    /// A sheet of small pictures, as the index names it.
    #[oai(
        path = "/v1/files/:file_id/thumbnails/:name",
        method = "get",
        tag = "Tag::Files",
        operation_id = "get_thumbnail_sheet"
    )]
    async fn sheet(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// The sheet's name, such as `1.jpg`.
        name: Path<String>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
    ) -> Result<Download, Failure<Reading>> {
        let name = format!("thumbnails/{}", name.0?);
        output(request, file_id.0, token.0, &name).await
    }

    /// Get HLS Playlist
    ///
    /// The multivariant playlist (RFC 8216) of a video: for `<video src>` where the browser plays
    /// HLS, else for hls.js and the like. The token is carried to everything that it leads to; a
    /// player may put a newer one into any of the URLs at any time.
    #[oai(
        path = "/v1/files/:file_id/hls/master.m3u8",
        method = "get",
        tag = "Tag::Files",
        operation_id = "get_hls_playlist"
    )]
    async fn master(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
    ) -> Result<Download, Failure<Reading>> {
        index(request, file_id.0, token.0, MASTER, playlist).await
    }

    /// Get HLS Rendition
    ///
    /// A rendition's playlist, `index.m3u8`, or its segments, `media.mp4`, as the multivariant
    /// playlist leads to them.
    #[oai(
        path = "/v1/files/:file_id/hls/:rendition/:name",
        method = "get",
        tag = "Tag::Files",
        operation_id = "get_hls_rendition"
    )]
    async fn rendition(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// The rendition, such as `720p`.
        rendition: Path<String>,
        /// `index.m3u8` or `media.mp4`.
        name: Path<String>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
        /// Which bytes (RFC 9110, section 14).
        #[oai(name = "range")]
        _range: Header<Option<String>>,
    ) -> Result<Download, Failure<Reading>> {
        let name = format!("hls/{}/{}", rendition.0?, name.0?);
        match name.ends_with(".m3u8") {
            true => index(request, file_id.0, token.0, &name, playlist).await,
            false => output(request, file_id.0, token.0, &name).await,
        }
    }
}

/// Everything that was made of a file, for the cookie that carries playback over its token's end.
fn path(id: Uuid) -> String {
    format!("/v1/files/{id}")
}

/// The bytes of an output, as those of a file.
async fn output(
    request: &Request,
    file_id: Result<Uuid, FieldError>,
    token: Result<String, FieldError>,
    name: &str,
) -> Result<Download, Failure<Reading>> {
    let state = State::of(request)?;
    let (playing, opened) = playing(state, request, Fields::default(), file_id, token).await?;
    let output = state.files.output(&opened.file, name).await?;
    let answer = download(state, request, &output, freshness(&playing.grant)).await?;
    let path = path(opened.file.id);
    Ok(playing.begin(state, &opened, &path, answer).await?)
}

/// A text that leads to other outputs, with the request's token behind each reference.
async fn index(
    request: &Request,
    file_id: Result<Uuid, FieldError>,
    token: Result<String, FieldError>,
    name: &str,
    carry: fn(&str, &str) -> String,
) -> Result<Download, Failure<Reading>> {
    let state = State::of(request)?;
    let carried = token.as_ref().ok().cloned().unwrap_or_default();
    let (playing, opened) = playing(state, request, Fields::default(), file_id, token).await?;
    let output = state.files.output(&opened.file, name).await?;
    let text = state.files.read_text(&output).await?;
    let text = carry(&text, &carried);
    let answer = text_of(&output, freshness(&playing.grant), text);
    let path = path(opened.file.id);
    Ok(playing.begin(state, &opened, &path, answer).await?)
}

fn text_of(output: &FileRecord, freshness: Freshness, text: String) -> Download {
    let response = Response::builder()
        .header(CONTENT_TYPE, output.content_type.as_str())
        .header(CACHE_CONTROL, freshness.header())
        .header(RESOURCE_POLICY, freshness.embedding())
        .header(CONTENT_LENGTH, text.len());
    Download(response.body(text))
}

/// Whether the client named WebP among what it takes (RFC 9110, 12.5.1); `*/*` alone is what
/// everything says, also what knows JPEG alone.
fn takes_webp(request: &Request) -> bool {
    let accepted = request.headers().get_all(ACCEPT).iter();
    accepted
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_webp = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("image/webp"));
            is_webp && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0"))
        })
}
