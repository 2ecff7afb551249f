//! `GET /v1/files/{file_id}/events`: how the work on a video goes, as Server-Sent Events (HTML
//! Standard, 9.2).

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use poem::web::sse::{Event, SSE};
use poem::{IntoResponse, Request, Response};
use poem_openapi::types::ToJSON;
use poem_openapi::{Enum, Object, OpenApi};
use uuid::Uuid;

use super::Tag;
use super::playback::playing;
use crate::api::documented::{Events, Failure, Plain};
use crate::api::params::{Fields, Path, Query};
use crate::api::state::State;
use crate::files::{FileStatus, Standing};

/// How often a word is said that means nothing, so that what is between holds the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What a client heard last, when it comes back by itself.
const LAST_EVENT_ID: &str = "last-event-id";
/// nginx, and ingresses made of it, hold back what they pass on without this.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An event, as a client has it.
#[derive(Object)]
pub(super) struct FileEvent {
    /// The status, for `Last-Event-ID`.
    id: String,
    /// How the file stands, as JSON: `{"status": "processing", "progress": 40}`, `{"status": "ready"}`,
    /// `{"status": "failed", "reason": "…"}` or `{"status": "deleted"}`.
    data: String,
}

/// How a file stands.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct FileStanding {
    /// Where it stands.
    status: FileState,
    /// How far the work on it is, in percent, while it is `processing`.
    progress: Option<u8>,
    /// Why the work on it was given up, when it is `failed`.
    reason: Option<String>,
}

/// Where a watched file stands.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "lowercase")]
enum FileState {
    /// It is being worked on.
    Processing,
    /// Nothing is left to do.
    Ready,
    /// The work on it was given up.
    Failed,
    /// It is gone.
    Deleted,
}

pub(super) struct EventsApi;

#[OpenApi]
impl EventsApi {
    /// Watch File
    ///
    /// How a file stands, now and after each change, as Server-Sent Events, for `new EventSource(…)`.
    /// The stream ends after `ready`, `failed` or `deleted`, and when the token does; an `EventSource`
    /// that comes back after such an end is told by 204 to stay away.
    #[oai(
        path = "/v1/files/:file_id/events",
        method = "get",
        tag = "Tag::Files",
        operation_id = "watch_file"
    )]
    async fn watch(
        &self,
        request: &Request,
        /// The file's id.
        file_id: Path<Uuid>,
        /// A file token, from `/v1/files/token`.
        token: Query<String>,
    ) -> Result<Events<FileEvent>, Failure<Plain>> {
        let state = State::of(request)?;
        let (playing, opened) =
            playing(state, request, Fields::default(), file_id.0, token.0).await?;
        let mut standings = Box::pin(state.files.watch(&opened.file).await?).peekable();
        let now = std::pin::Pin::new(&mut standings).peek().await;
        if now.is_some_and(|now| now.is_last() && heard(request, now)) {
            return Ok(Events::over());
        }
        let ends = tokio::time::sleep(playing.grant.remaining);
        let stopping = state.stopping.clone().cancelled_owned();
        let events = standings.map(event).take_until(async move {
            tokio::select! {
                () = ends => {}
                // A process that stops would wait for the stream's end in vain.
                () = stopping => {}
            }
        });
        Ok(Events::of(response(events)))
    }
}

/// Whether the client has heard of this already.
fn heard(request: &Request, standing: &Standing) -> bool {
    let last = request.header(LAST_EVENT_ID);
    last.is_some_and(|last| last == name(standing))
}

fn name(standing: &Standing) -> String {
    let status = FileState::from(standing.status).to_json();
    status
        .and_then(|status| status.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn event(standing: Standing) -> FileEvent {
    let id = name(&standing);
    let data = FileStanding {
        status: standing.status.into(),
        progress: standing.progress,
        reason: standing.reason,
    };
    FileEvent {
        id,
        data: data.to_json_string(),
    }
}

fn response(events: impl Stream<Item = FileEvent> + Send + 'static) -> Response {
    let events = events.map(|event| Event::message(event.data).id(event.id));
    let mut response = SSE::new(events).keep_alive(KEEP_ALIVE).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

impl From<FileStatus> for FileState {
    fn from(status: FileStatus) -> Self {
        match status {
            FileStatus::Processing | FileStatus::Uploading => Self::Processing,
            FileStatus::Ready => Self::Ready,
            FileStatus::Failed => Self::Failed,
            FileStatus::Deleting => Self::Deleted,
        }
    }
}
