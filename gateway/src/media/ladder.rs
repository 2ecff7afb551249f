//! The HLS ladder over the renditions that ffmpeg wrote.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::MediaError;
use super::facts::{Facts, VideoTrack};
use super::make::{MASTER, Output, audio_folder, output, rung_folder, segments, unusable};
use super::plan::Plan;
use super::playlist::{Rendition, Variant, avc, multivariant};

/// The decoder's configuration is at the beginning of a rung's file.
const HEAD_BYTES: u64 = 64 * 1024;

/// Writes the multivariant playlist, and says what belongs to the ladder.
///
/// # Errors
/// [`MediaError::Refused`] when a rung has no picture, and when `folder` can't be read or written.
pub(super) fn ladder(
    folder: &Path,
    facts: &Facts,
    video: &VideoTrack,
    plan: &Plan,
) -> Result<Vec<Output>, MediaError> {
    let (mut variants, mut renditions, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for rung in plan.rungs() {
        let below = rung_folder(rung);
        let segments = segments(folder, &below)?;
        if segments.list.is_empty() {
            return Err(MediaError::Refused {
                program: "ffmpeg",
                complaint: "no picture could be decoded".into(),
            });
        }
        variants.push(Variant {
            folder: rung.name(),
            size: (rung.width, rung.height),
            frame_rate: video.rung_rate(),
            codec: avc(&head(&folder.join(&below).join("media.mp4"))?),
            segments,
        });
        outputs.extend(both(&below, "video/mp4"));
    }
    for (n, track) in facts.tracks().iter().enumerate().take(plan.sound.len()) {
        let below = audio_folder(n);
        let segments = segments(folder, &below)?;
        // A track that is announced and silent.
        if segments.list.is_empty() {
            continue;
        }
        renditions.push(Rendition {
            folder: format!("audio-{}", n + 1),
            title: track.title.clone(),
            language: track.language.clone(),
            channels: track.channels.unwrap_or(2).clamp(1, 2),
            segments,
        });
        outputs.extend(both(&below, "audio/mp4"));
    }
    if variants.is_empty() {
        return Ok(Vec::new());
    }
    let playlist = multivariant(&variants, &renditions);
    fs::write(folder.join(MASTER), playlist).map_err(unusable)?;
    outputs.push(output(MASTER, "application/vnd.apple.mpegurl"));
    Ok(outputs)
}

fn both(below: &str, content_type: &'static str) -> [Output; 2] {
    [
        output(
            format!("{below}/index.m3u8"),
            "application/vnd.apple.mpegurl",
        ),
        output(format!("{below}/media.mp4"), content_type),
    ]
}

fn head(path: &Path) -> Result<Vec<u8>, MediaError> {
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(unusable)?;
    file.take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(unusable)?;
    Ok(head)
}
