//! A still picture of a video.

use std::path::Path;

use super::{MediaError, Tools, child, input};

/// The widest picture, in pixels.
const WIDEST: u32 = 1280;
/// How far into the video the picture is taken at most: beginnings are often black.
const LATEST_MS: i64 = 3000;

impl Tools {
    /// Writes a JPEG of a moment near the beginning of `source` to `target`, both in `folder`. None
    /// when the file has no picture at that moment, or none that can be decoded.
    ///
    /// # Errors
    /// When ffmpeg can't be run or does not end.
    pub async fn poster(
        &self,
        folder: &Path,
        source: &str,
        target: &str,
        duration_ms: Option<i64>,
    ) -> Result<Option<()>, MediaError> {
        let moment = (duration_ms.unwrap_or(0) / 10).clamp(0, LATEST_MS);
        let seek = format!("{}.{:03}", moment / 1000, moment % 1000);
        let before = [
            "-nostdin",
            "-v",
            "error",
            "-hide_banner",
            "-y",
            "-threads",
            "2",
            "-ss",
            &seek,
        ];
        let scale = format!("scale=w='min({WIDEST},iw)':h=-2");
        let after = [
            "-map",
            "0:V:0",
            "-an",
            "-sn",
            "-dn",
            "-frames:v",
            "1",
            "-vf",
            &scale,
            "-q:v",
            "4",
            "-f",
            "image2",
            "-update",
            "1",
            target,
        ];
        let arguments = before.map(String::from).into_iter();
        let arguments = arguments
            .chain(input(source))
            .chain(after.map(String::from));
        match child::run("ffmpeg", &self.ffmpeg, arguments, folder, self.limits).await {
            // It succeeds without a picture when there is none at that moment.
            Ok(_) => Ok(folder.join(target).is_file().then_some(())),
            Err(error @ MediaError::Refused { .. }) => {
                tracing::info!(%error, "no poster could be made");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
