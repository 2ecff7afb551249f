//! The table `media`: what ffprobe told.

use uuid::Uuid;

use super::pool::read;
use super::{Catalog, CatalogError};

/// What is known of a video.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub struct MediaRow {
    /// How long it plays, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Width of the first video stream in pixels.
    pub width: Option<i64>,
    /// Height of the first video stream in pixels.
    pub height: Option<i64>,
    /// ffmpeg's name of the first video stream's codec.
    pub video_codec: Option<String>,
    /// ffmpeg's name of the first audio stream's codec.
    pub audio_codec: Option<String>,
    /// ffmpeg's name of the container.
    pub container: Option<String>,
    /// Frames per second, on average.
    pub frame_rate: Option<f64>,
    /// By how many degrees a player turns the picture clockwise: 0, 90, 180 or 270.
    pub rotation: Option<i64>,
    /// Bits per second, of everything together.
    pub bit_rate: Option<i64>,
    /// Every audio track, as a JSON array.
    pub audio_tracks: Option<String>,
}

impl Catalog {
    /// What is known of a file's media.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn media(&self, file: Uuid) -> Result<Option<MediaRow>, CatalogError> {
        read!(self, "find media facts", |db| {
            sqlx::query_as::<_, MediaRow>(
                "SELECT duration_ms, width, height, video_codec, audio_codec, container, frame_rate, \
                 rotation, bit_rate, audio_tracks FROM media WHERE file_id = $1",
            )
            .bind(file)
            .fetch_optional(db)
        })
    }
}
