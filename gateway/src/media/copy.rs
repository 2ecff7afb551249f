//! Streams that go on as they are: nothing is decoded.

use std::path::Path;

use super::arguments::{rendition, texts};
use super::make::{FASTSTART, audio_folder, rung_folder};
use super::plan::{Plan, Sound};
use super::{MediaError, Tools};

impl Tools {
    /// Makes what `plan` has copied, all in one pass over `source`. False when the streams can't be
    /// had that way.
    ///
    /// # Errors
    /// When ffmpeg can't be run or does not end.
    pub(super) async fn copy(
        &self,
        folder: &Path,
        source: &str,
        plan: &Plan,
        report: impl Fn(u64) + Send,
    ) -> Result<bool, MediaError> {
        let mut arguments = self.at_most().to_vec();
        arguments.extend(self.input(source));
        if plan.remux {
            let maps = ["-map", "0:V:0?", "-map", "0:a?", "-dn", "-sn", "-c", "copy"];
            arguments.extend(texts(&maps));
            arguments.extend(texts(&["-movflags", "+faststart", "-f", "mp4", FASTSTART]));
        }
        if let Some(rung) = &plan.copied {
            arguments.extend(texts(&["-map", "0:V:0", "-c", "copy"]));
            arguments.extend(rendition(&rung_folder(rung)));
        }
        for (n, _) in plan
            .sound
            .iter()
            .enumerate()
            .filter(|(_, s)| **s == Sound::Copied)
        {
            arguments.extend(texts(&["-map", &format!("0:a:{n}"), "-c", "copy"]));
            // A transport stream has a header before each piece of sound, and no MP4 does.
            arguments.extend(texts(&["-bsf:a", "aac_adtstoasc"]));
            arguments.extend(rendition(&audio_folder(n)));
        }
        match self.ffmpeg(folder, arguments).reporting(report).await {
            Ok(()) => Ok(true),
            Err(error @ MediaError::Refused { .. }) => {
                tracing::info!(%error, "streams can't be had as they are");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
