//! A copy of a video whose index comes first.

use std::path::Path;

use super::{MediaError, Tools, child, input};

impl Tools {
    /// Writes the streams of `source`, untouched, to the MP4 `target` with its index first; both in
    /// `folder`. None when the streams don't fit into an MP4.
    ///
    /// # Errors
    /// When ffmpeg can't be run or does not end.
    pub async fn faststart(
        &self,
        folder: &Path,
        source: &str,
        target: &str,
    ) -> Result<Option<()>, MediaError> {
        let before = ["-nostdin", "-v", "error", "-hide_banner", "-y"];
        let after = [
            "-map",
            "0:v?",
            "-map",
            "0:a?",
            "-c",
            "copy",
            "-movflags",
            "+faststart",
            "-f",
            "mp4",
            target,
        ];
        let arguments = before.map(String::from).into_iter();
        let arguments = arguments
            .chain(input(source))
            .chain(after.map(String::from));
        match child::run("ffmpeg", &self.ffmpeg, arguments, folder, self.limits).await {
            Ok(_) => Ok(Some(())),
            Err(error @ MediaError::Refused { .. }) => {
                tracing::info!(%error, "the video could not be put into a faststart MP4");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
