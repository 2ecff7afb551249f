//! An MP4 from renditions that are there already.

use std::path::Path;

use super::arguments::texts;
use super::make::{FASTSTART, audio_folder, rung_folder, segments};
use super::plan::Plan;
use super::{MediaError, Tools};

impl Tools {
    /// Puts the largest rung and all sound into one MP4 with its index first. False when there is no
    /// rung.
    ///
    /// # Errors
    /// When ffmpeg can't be run or does not end.
    pub(super) async fn join(&self, folder: &Path, plan: &Plan) -> Result<bool, MediaError> {
        let Some(top) = plan.rungs().next() else {
            return Ok(false);
        };
        let mut below = vec![rung_folder(top)];
        below.extend((0..plan.sound.len()).map(audio_folder));
        // As they are in the renditions, which all have one clock.
        let mut arguments = texts(&["-copyts"]);
        let mut inputs = 0;
        for below in below {
            // What is announced and not there is left out.
            if !segments(folder, &below)?.list.is_empty() {
                arguments.extend(self.input(&format!("{below}/media.mp4")));
                inputs += 1;
            }
        }
        for n in 0..inputs {
            arguments.extend(["-map".into(), n.to_string()]);
        }
        if inputs == 0 {
            return Ok(false);
        }
        arguments.extend(texts(&[
            "-c",
            "copy",
            "-movflags",
            "+faststart",
            "-f",
            "mp4",
            FASTSTART,
        ]));
        self.ffmpeg(folder, arguments).output().await?;
        Ok(true)
    }
}
