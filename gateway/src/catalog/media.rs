//! The table `media`: what ffprobe told, and what was made.

use uuid::Uuid;

use super::pool::read;
use super::{Catalog, CatalogError};

/// What is known of a video.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
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
    /// S3 key of the poster (JPEG).
    pub poster: Option<String>,
    /// S3 key of the copy that starts before it is all there (MP4).
    pub faststart: Option<String>,
}

impl Catalog {
    /// What is known of a file's media.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn media(&self, file: Uuid) -> Result<Option<MediaRow>, CatalogError> {
        read!(self, "find media facts", |db| {
            sqlx::query_as::<_, MediaRow>(
                "SELECT duration_ms, width, height, video_codec, audio_codec, poster, faststart \
             FROM media WHERE file_id = $1",
            )
            .bind(file)
            .fetch_optional(db)
        })
    }
}
