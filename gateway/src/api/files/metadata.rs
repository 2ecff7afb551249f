//! `GET /v1/files/{file_id}/metadata`, and `POST /v1/files/{file_id}/retry`.

use chrono::{DateTime, Utc};
use poem::Request;
use poem_openapi::{Enum, Object, OpenApi};
use uuid::Uuid;

use super::Tag;
use crate::api::bearer::Bearer;
use crate::api::documented::{Changing, Failure, Plain, Success};
use crate::api::params::Path;
use crate::api::problem::{FieldError, Problem};
use crate::api::state::State;
use crate::auth::Caller;
use crate::auth::policy::Visibility;
use crate::files::{AudioTrack, FileStatus, Metadata};

/// What is known of a file.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct FileMetadata {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// Its media type.
    content_type: String,
    /// Its length in bytes.
    size: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    sha256: String,
    /// The subject that uploaded it.
    owner: String,
    /// Who may read it besides its owner and admins.
    visibility: FileVisibility,
    /// Where it stands: `processing` and `failed` are a video's, which can be read all the while.
    status: Status,
    /// Why the work on it was given up, when it is `failed`.
    reason: Option<String>,
    /// How far the work on it is, in percent, while it is `processing`.
    progress: Option<u8>,
    /// When it was uploaded.
    modified_at: DateTime<Utc>,
    /// What is in it, once it was looked at; of videos alone.
    media: Option<FileMedia>,
    /// What was made of it, as paths below `/v1/files/{file_id}/`.
    outputs: Vec<String>,
}

/// Who may read a file besides its owner and admins.
#[derive(Enum)]
#[oai(rename_all = "lowercase")]
enum FileVisibility {
    /// Nobody.
    Private,
    /// Every member of the organization.
    Organization,
}

/// Where a file stands.
#[derive(Enum)]
#[oai(rename_all = "lowercase")]
enum Status {
    /// It is being worked on.
    Processing,
    /// Nothing is left to do.
    Ready,
    /// The work on it was given up.
    Failed,
}

/// What is in a video.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct FileMedia {
    /// ffmpeg's name of the container.
    container: Option<String>,
    /// How long it plays, in seconds.
    duration: Option<f64>,
    /// The width of its picture as shown, in pixels.
    width: Option<u32>,
    /// The height of its picture as shown, in pixels.
    height: Option<u32>,
    /// Frames per second, on average.
    frame_rate: Option<f64>,
    /// By how many degrees a player turns the picture clockwise.
    rotation: Option<u16>,
    /// ffmpeg's name of the picture's codec.
    video_codec: Option<String>,
    /// Bits per second, of everything together.
    bit_rate: Option<i64>,
    /// Every track of sound, in order.
    audio_tracks: Vec<FileAudioTrack>,
}

/// A track of sound.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct FileAudioTrack {
    /// ffmpeg's name of the codec.
    codec: String,
    /// How many channels.
    channels: Option<i64>,
    /// Samples per second.
    sample_rate: Option<i64>,
    /// Bits per second.
    bit_rate: Option<i64>,
    /// The language, as the file names it.
    language: Option<String>,
    /// The track's title.
    title: Option<String>,
}

/// A video that is worked on again.
#[derive(Object)]
struct Retried {
    /// Its id.
    id: Uuid,
}

pub(super) struct MetadataApi;

#[OpenApi]
impl MetadataApi {
    /// Get File Metadata
    ///
    /// Name, size, type, SHA-256 and status of a file; of a video also what is in it, how far the
    /// work on it is, and what was made of it.
    #[oai(
        path = "/v1/files/:file_id/metadata",
        method = "get",
        tag = "Tag::Files",
        operation_id = "get_file_metadata"
    )]
    async fn get(
        &self,
        request: &Request,
        caller: Bearer,
        /// The file's id.
        file_id: Path<Uuid>,
    ) -> Result<Success<FileMetadata>, Failure<Plain>> {
        let (state, id) = (State::of(request)?, id(file_id.0)?);
        let metadata = state.files.metadata(&caller.0, id).await?;
        Ok(Success(FileMetadata::from(metadata)))
    }

    /// Retry Video
    ///
    /// Works on a `failed` video once more, as if it had never been tried: after its worker was given
    /// more memory, say. For its owner and for admins.
    #[oai(
        path = "/v1/files/:file_id/retry",
        method = "post",
        tag = "Tag::Files",
        operation_id = "retry_video"
    )]
    async fn retry(
        &self,
        request: &Request,
        caller: Bearer,
        /// The file's id.
        file_id: Path<Uuid>,
    ) -> Result<Success<Retried>, Failure<Changing>> {
        let (state, id, caller): (_, _, &Caller) = (State::of(request)?, id(file_id.0)?, &caller.0);
        state.files.retry_video(caller, id).await?;
        Ok(Success(Retried { id }))
    }
}

fn id(id: Result<Uuid, FieldError>) -> Result<Uuid, Problem> {
    id.map_err(Problem::from)
}

impl From<Metadata> for FileMetadata {
    fn from(metadata: Metadata) -> Self {
        let file = metadata.file;
        Self {
            id: file.id,
            sha256: file.sha256_digits(),
            name: file.name,
            content_type: file.content_type,
            size: file.size,
            owner: file.owner,
            visibility: match file.visibility {
                Visibility::Private => FileVisibility::Private,
                Visibility::Organization => FileVisibility::Organization,
            },
            status: match file.status {
                FileStatus::Failed => Status::Failed,
                FileStatus::Processing | FileStatus::Uploading => Status::Processing,
                FileStatus::Ready | FileStatus::Deleting => Status::Ready,
            },
            reason: file.reason,
            progress: metadata.progress,
            modified_at: file.modified_at,
            media: metadata.media.map(|media| {
                let row = media.row;
                let side = |side: Option<i64>| side.and_then(|side| u32::try_from(side).ok());
                FileMedia {
                    container: row.container,
                    duration: row.duration_ms.map(|ms| ms as f64 / 1000.0),
                    width: side(row.width),
                    height: side(row.height),
                    frame_rate: row.frame_rate,
                    rotation: row.rotation.and_then(|degrees| u16::try_from(degrees).ok()),
                    video_codec: row.video_codec,
                    bit_rate: row.bit_rate,
                    audio_tracks: media.audio.into_iter().map(FileAudioTrack::from).collect(),
                }
            }),
            outputs: offered(metadata.outputs),
        }
    }
}

/// What a client asks for: not the playlists and pictures that others lead to, and the still picture
/// once, whichever forms there are.
fn offered(names: Vec<String>) -> Vec<String> {
    let offered = names.into_iter().filter_map(|name| match name.as_str() {
        "poster.jpg" => Some("poster".to_owned()),
        "thumbnails.vtt" | "hls/master.m3u8" => Some(name),
        _ => None,
    });
    offered.collect()
}

impl From<AudioTrack> for FileAudioTrack {
    fn from(track: AudioTrack) -> Self {
        Self {
            codec: track.codec,
            channels: track.channels,
            sample_rate: track.sample_rate,
            bit_rate: track.bit_rate,
            language: track.language,
            title: track.title,
        }
    }
}
