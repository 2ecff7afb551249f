//! How videos are worked on.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use crate::files::{VideoLimits, Wanted};

/// The worker's settings.
#[derive(Debug, Clone)]
pub struct Video {
    /// `FILEGATEWAY_VIDEO_OUTPUTS`: a comma list of what is made of a video; `poster,thumbnails,
    /// faststart,hls` by default. `FILEGATEWAY_VIDEO_RUNGS`: the rungs of the HLS ladder, by the
    /// shorter side in pixels; `1080,720,480,360` by default.
    pub wanted: Wanted,
    /// `FILEGATEWAY_VIDEO_…`: what one video may cost, and which are worked on.
    pub limits: VideoLimits,
    /// `FILEGATEWAY_VIDEO_CONCURRENCY`: how many videos at once, in this process; 1 by default.
    pub concurrency: usize,
    /// `FILEGATEWAY_VIDEO_MAX_ATTEMPTS`: after how many tries a video is given up; 5 by default.
    pub max_attempts: u32,
    /// `FILEGATEWAY_VIDEO_LEASE_SECONDS`: for how long without a sign of life a worker is believed to
    /// be at work; a minute by default.
    pub lease: Duration,
    /// `FILEGATEWAY_VIDEO_SCRATCH`: where temporary folders are made; the system's place for them by
    /// default.
    pub scratch: PathBuf,
}

const OUTPUTS: &str = "FILEGATEWAY_VIDEO_OUTPUTS";
const RUNGS: &str = "FILEGATEWAY_VIDEO_RUNGS";

impl Video {
    pub(super) fn from(reader: &mut Reader<'_>) -> Self {
        let limits = limits(reader);
        let concurrency = reader.number("FILEGATEWAY_VIDEO_CONCURRENCY", 1, 1..=64);
        let max_attempts = reader.number("FILEGATEWAY_VIDEO_MAX_ATTEMPTS", 5, 1..=100);
        let temporary = std::env::temp_dir();
        Self {
            wanted: wanted(reader),
            limits,
            concurrency: usize::try_from(concurrency).unwrap_or(1),
            max_attempts: u32::try_from(max_attempts).unwrap_or(1),
            lease: reader.seconds("FILEGATEWAY_VIDEO_LEASE_SECONDS", 60, 3..=3600),
            scratch: reader.path(
                "FILEGATEWAY_VIDEO_SCRATCH",
                &temporary.display().to_string(),
            ),
        }
    }
}

fn wanted(reader: &mut Reader<'_>) -> Wanted {
    let mut wanted = Wanted {
        poster: false,
        thumbnails: false,
        faststart: false,
        hls: false,
        rungs: Vec::new(),
    };
    for output in list(&reader.text(OUTPUTS, "poster,thumbnails,faststart,hls")) {
        match output.as_str() {
            "poster" => wanted.poster = true,
            "thumbnails" => wanted.thumbnails = true,
            "faststart" => wanted.faststart = true,
            "hls" => wanted.hls = true,
            // An empty variable counts as not set, so there is a word for nothing.
            "none" => {}
            other => reader.problem(
                OUTPUTS,
                format!("{other:?} is not one of poster, thumbnails, faststart, hls, none"),
            ),
        }
    }
    for rung in list(&reader.text(RUNGS, "1080,720,480,360")) {
        match rung.parse() {
            Ok(short @ 100..=4320) => wanted.rungs.push(short),
            _ => reader.problem(RUNGS, format!("{rung:?} is not a number from 100 to 4320")),
        }
    }
    wanted
}

fn limits(reader: &mut Reader<'_>) -> VideoLimits {
    let default = VideoLimits::default();
    let codecs = reader.text("FILEGATEWAY_VIDEO_CODECS", &default.codecs.join(","));
    let threads = reader.number("FILEGATEWAY_VIDEO_THREADS", default.threads.into(), 1..=64);
    VideoLimits {
        time: reader.seconds(
            "FILEGATEWAY_VIDEO_TIMEOUT_SECONDS",
            default.time.as_secs(),
            1..=7 * 24 * 3600,
        ),
        memory_bytes: reader.number(
            "FILEGATEWAY_VIDEO_MEMORY_BYTES",
            default.memory_bytes,
            256 << 20..=1 << 40,
        ),
        scratch_bytes: reader.number(
            "FILEGATEWAY_VIDEO_SCRATCH_BYTES",
            default.scratch_bytes,
            1 << 20..=1 << 50,
        ),
        threads: u32::try_from(threads).unwrap_or(1),
        codecs: list(&codecs).collect(),
        max_duration: reader.seconds(
            "FILEGATEWAY_VIDEO_MAX_DURATION_SECONDS",
            default.max_duration.as_secs(),
            1..=7 * 24 * 3600,
        ),
        max_pixels: reader.number(
            "FILEGATEWAY_VIDEO_MAX_PIXELS",
            default.max_pixels,
            1..=1 << 28,
        ),
    }
}

fn list(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(',').map(|word| word.trim().to_owned());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}
