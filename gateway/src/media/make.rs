//! From a plan to files.

use std::fs;
use std::io;
use std::path::Path;

use super::facts::Facts;
use super::ladder::ladder;
use super::plan::{Plan, Rung, Wanted};
use super::playlist::Segments;
use super::{MediaError, Tools};

/// The name of the MP4 that starts at once.
pub const FASTSTART: &str = "faststart.mp4";
/// The name of the still picture as JPEG.
pub const POSTER_JPEG: &str = "poster.jpg";
/// The name of the still picture as WebP.
pub const POSTER_WEBP: &str = "poster.webp";
/// The name of the index of small pictures.
pub const THUMBNAILS: &str = "thumbnails.vtt";
/// The name of the HLS ladder's multivariant playlist.
pub const MASTER: &str = "hls/master.m3u8";

/// A copied rung with longer segments than this, in seconds, is encoded instead: a player could
/// neither seek in it at once nor change to another rung.
const LONGEST_SEGMENT: f64 = 10.5;

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its path within the folder, with `/`, and the name under which it is asked for.
    pub name: String,
    /// Its media type.
    pub content_type: &'static str,
}

pub(super) fn output(name: impl Into<String>, content_type: &'static str) -> Output {
    Output {
        name: name.into(),
        content_type,
    }
}

/// The folder of a rung.
pub(super) fn rung_folder(rung: &Rung) -> String {
    format!("hls/{}", rung.name())
}

/// The folder of the `n`th track of sound, from 0.
pub(super) fn audio_folder(n: usize) -> String {
    format!("hls/audio-{}", n + 1)
}

impl Tools {
    /// Makes what is wanted of `source`, a file in `folder`, into `folder`; `late` says whether it is
    /// an MP4 with its index at the end. How far it is goes to `progress`, in percent.
    ///
    /// # Errors
    /// [`MediaError::Refused`] when the source can't be decoded; the others may pass.
    pub async fn make(
        &self,
        folder: &Path,
        source: &str,
        facts: &Facts,
        late: bool,
        wanted: &Wanted,
        progress: &(dyn Fn(u8) + Sync),
    ) -> Result<Vec<Output>, MediaError> {
        let mut plan = Plan::of(facts, late, wanted);
        prepare(folder, &plan)?;
        let part = |from: u8, to: u8| {
            let duration = facts.duration_ms.unwrap_or(0).max(1) as f64;
            move |time: u64| {
                let done = (time as f64 / 1000.0 / duration).min(1.0);
                progress(from + (f64::from(to - from) * done) as u8);
            }
        };
        let mut outputs = Vec::new();
        if let Some(video) = facts.video.as_ref().filter(|_| plan.poster)
            && self.poster(folder, source, facts, video).await?
        {
            outputs.push(output(POSTER_JPEG, "image/jpeg"));
            outputs.push(output(POSTER_WEBP, "image/webp"));
        }
        progress(5);
        if plan.copies() {
            if !self.copy(folder, source, &plan, part(5, 10)).await? {
                plan = plan.without_copies();
            } else if !is_playable(folder, &plan)? {
                plan = plan.without_copied_rung();
            }
            prepare(folder, &plan)?;
        }
        progress(10);
        if plan.encodes() || plan.grid.is_some() {
            let encoded = self
                .encode(folder, source, facts, &plan, part(10, 95))
                .await;
            match encoded {
                // Nothing but small pictures was asked of it.
                Err(error @ MediaError::Refused { .. }) if !plan.encodes() => {
                    tracing::info!(%error, "no thumbnails could be made");
                    plan.grid = None;
                }
                encoded => encoded?,
            }
        }
        if plan.remux || (plan.join && self.join(folder, &plan).await?) {
            outputs.push(output(FASTSTART, "video/mp4"));
        }
        if let Some(grid) = &plan.grid {
            outputs.extend(self.thumbnails(folder, grid).await?);
        }
        if let Some(video) = facts.video.as_ref().filter(|_| wanted.hls) {
            outputs.extend(ladder(folder, facts, video, &plan)?);
        }
        progress(100);
        Ok(outputs)
    }
}

/// Makes the folders that ffmpeg writes into.
fn prepare(folder: &Path, plan: &Plan) -> Result<(), MediaError> {
    let sound = (0..plan.sound.len()).map(audio_folder);
    let sheets = plan.grid.iter().map(|_| "thumbnails".to_owned());
    for below in plan.rungs().map(rung_folder).chain(sound).chain(sheets) {
        fs::create_dir_all(folder.join(below)).map_err(unusable)?;
    }
    Ok(())
}

/// Whether a copied rung has segments, and short ones.
fn is_playable(folder: &Path, plan: &Plan) -> Result<bool, MediaError> {
    let Some(rung) = &plan.copied else {
        return Ok(true);
    };
    let segments = segments(folder, &rung_folder(rung))?;
    Ok(!segments.list.is_empty() && segments.longest() <= LONGEST_SEGMENT)
}

/// The segments of a rendition; none when ffmpeg had nothing to write.
pub(super) fn segments(folder: &Path, below: &str) -> Result<Segments, MediaError> {
    match fs::read_to_string(folder.join(below).join("index.m3u8")) {
        Ok(playlist) => Ok(Segments::read(&playlist)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Segments::default()),
        Err(error) => Err(unusable(error)),
    }
}

pub(super) fn unusable(source: io::Error) -> MediaError {
    MediaError::Run {
        program: "ffmpeg",
        source,
    }
}
