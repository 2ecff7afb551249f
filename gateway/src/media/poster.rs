//! A still picture of a video.

use std::path::Path;

use super::arguments::texts;
use super::encode::{progressive, toned};
use super::facts::{Facts, VideoTrack};
use super::make::{POSTER_JPEG, POSTER_WEBP};
use super::{MediaError, Tools};

/// The longer side of the picture, in pixels at most.
const SIDE: f64 = 1280.0;
/// How far into the video the picture is taken at most: beginnings are often black.
const LATEST_MS: i64 = 3000;
/// Of how many pictures in a row the most usual one is taken.
const CANDIDATES: u32 = 50;

impl Tools {
    /// Writes a picture of a moment near the beginning, as JPEG and as WebP. False when there is no
    /// picture at that moment, or none that can be decoded.
    ///
    /// # Errors
    /// When ffmpeg can't be run or does not end.
    pub(super) async fn poster(
        &self,
        folder: &Path,
        source: &str,
        facts: &Facts,
        video: &VideoTrack,
    ) -> Result<bool, MediaError> {
        let moment = (facts.duration_ms.unwrap_or(0) / 10).clamp(0, LATEST_MS);
        let seek = format!("{}.{:03}", moment / 1000, moment % 1000);
        let mut arguments = self.threads().to_vec();
        arguments.extend(texts(&["-ss", &seek]));
        arguments.extend(self.input(source));
        let (width, height) = video.within(SIDE);
        // Small first: all candidates are held in memory at once.
        let filters = format!(
            "[0:V:0]{}scale={width}:{height},setsar=1,{}thumbnail={CANDIDATES},format=yuvj420p,\
             split=2[jpeg][webp]",
            progressive(video),
            toned(video)
        );
        arguments.extend(texts(&["-filter_complex", &filters]));
        let still = ["-frames:v", "1", "-f", "image2", "-update", "1"];
        for (map, quality, target) in [("[jpeg]", "4", POSTER_JPEG), ("[webp]", "80", POSTER_WEBP)]
        {
            arguments.extend(texts(&["-map", map, "-q:v", quality]));
            arguments.extend(texts(&still));
            arguments.push(target.to_owned());
        }
        match self.ffmpeg(folder, arguments).output().await {
            // It succeeds without a picture when there is none at that moment.
            Ok(_) => Ok([POSTER_JPEG, POSTER_WEBP]
                .iter()
                .all(|name| folder.join(name).is_file())),
            Err(error @ MediaError::Refused { .. }) => {
                tracing::info!(%error, "no poster could be made");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
