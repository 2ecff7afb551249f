//! What is done to a video: looked at, and made into what browsers play.

mod fetch;
mod forget;
mod outputs;
mod publish;
mod retry;
mod scratch;
mod watch;

use std::io;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::{FileId, Files, FilesError};
use crate::catalog::{MediaRow, OutputRow, Status};
use crate::media::{Facts, MediaError, Tools, VideoTrack, Wanted, starts_late};

use scratch::Scratch;

pub use outputs::{Media, Metadata};
pub use scratch::clear_scratch;
pub use watch::Standing;
pub(super) use watch::Watched;

const SOURCE: &str = "source";

/// With what, into what and where videos are worked on.
#[derive(Debug, Clone)]
pub struct Studio {
    /// ffmpeg and ffprobe.
    pub tools: Tools,
    /// What is made of a video.
    pub wanted: Wanted,
    /// Where temporary folders are made.
    pub scratch: PathBuf,
}

/// What a video became.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// What ffprobe told.
    pub media: MediaRow,
    /// The objects that were made.
    pub outputs: Vec<OutputRow>,
}

/// Why a video was not done.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// The file was deleted meanwhile: there is nothing to do.
    #[error("the file is gone")]
    Gone,
    /// It is no video that can be read, or none that is worked on, and will not become one.
    #[error("the file can't be read as a video")]
    Unreadable(#[source] MediaError),
    /// A tool failed in a way that may pass.
    #[error("the video could not be worked on")]
    Tool(#[source] MediaError),
    /// The temporary folder failed.
    #[error("the video could not be kept while working on it")]
    Scratch(#[source] io::Error),
    /// The store or the catalogue failed.
    #[error("the video could not be fetched, or its results stored")]
    Files(#[source] FilesError),
}

impl VideoError {
    /// Why a file that can't be worked on can't, in words for its owner.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Unreadable(MediaError::OutOfBounds(reason)) => {
                Some(format!("the video is not worked on: {reason}"))
            }
            Self::Unreadable(MediaError::Refused { complaint, .. }) if !complaint.is_empty() => {
                Some(format!("the file can't be read as a video: {complaint}"))
            }
            Self::Unreadable(MediaError::TimedOut { limit, .. }) => Some(format!(
                "the video is not worked on: it takes more than {} s",
                limit.as_secs()
            )),
            Self::Unreadable(MediaError::ScratchFull { limit, .. }) => Some(format!(
                "the video is not worked on: it takes more than {limit} bytes of temporary space"
            )),
            Self::Unreadable(_) => Some(self.to_string()),
            _ => None,
        }
    }
}

/// Looking and making, each as long as they take; fetching and storing have what is left.
const FETCHED: u8 = 5;
const MADE: u8 = 90;

/// Outputs stored at once: one hides the waiting of the other, and each holds some parts in memory.
const STORED_AT_ONCE: usize = 2;

impl Files {
    /// Works on a file that is `processing`, in a folder of its own. What it makes lies in a folder
    /// beside the original that is named after `attempt`: a worker that was taken for dead and writes
    /// late overwrites nothing of its successor's. How far it is goes to `progress`, in percent.
    ///
    /// # Errors
    /// See [`VideoError`]: all but `Gone` and `Unreadable` are worth another try.
    pub async fn process_video(
        &self,
        id: FileId,
        attempt: Uuid,
        studio: &Studio,
        progress: &(dyn Fn(u8) + Sync),
    ) -> Result<Made, VideoError> {
        let file = self.catalog.find(id).await.map_err(own)?;
        let file = file
            .filter(|file| file.status == Status::Processing)
            .ok_or(VideoError::Gone)?;
        let tools = &studio.tools;
        fits(file.size, tools.limits().scratch_bytes)?;
        let scratch = Scratch::new(&studio.scratch).map_err(VideoError::Scratch)?;
        let folder = scratch.path();
        self.fetch(&file, &folder.join(SOURCE)).await?;
        progress(FETCHED);
        let facts = tools.probe(folder, SOURCE).await.map_err(told)?;
        let late = late(&folder.join(SOURCE)).await?;
        let share = |percent: u8| {
            let done = u16::from(MADE - FETCHED) * u16::from(percent) / 100;
            progress(FETCHED + u8::try_from(done).unwrap_or(0));
        };
        let made = tools.make(folder, SOURCE, &facts, late, &studio.wanted, &share);
        let outputs = made.await.map_err(told)?;
        let target = format!("{}{id}/{attempt}/", self.root());
        let stored = stream::iter(outputs)
            .map(|output| self.derive(&target, folder, output))
            .buffered(STORED_AT_ONCE)
            .try_collect();
        Ok(Made {
            media: row(facts),
            outputs: stored.await?,
        })
    }
}

/// The source and what is made of it lie in the folder together.
fn fits(size: u64, scratch_bytes: u64) -> Result<(), VideoError> {
    let most = scratch_bytes / 2;
    if size <= most {
        return Ok(());
    }
    Err(VideoError::Unreadable(MediaError::OutOfBounds(format!(
        "it is {size} bytes long; the limit is {most}, half of the temporary space"
    ))))
}

/// The tools' verdict on the file, or a failure of theirs.
fn told(error: MediaError) -> VideoError {
    match error {
        // What took as long as it may would take as long again.
        error @ (MediaError::Refused { .. }
        | MediaError::OutOfBounds(_)
        | MediaError::TimedOut { .. }
        | MediaError::ScratchFull { .. }) => VideoError::Unreadable(error),
        error => VideoError::Tool(error),
    }
}

fn row(facts: Facts) -> MediaRow {
    let (video, first) = (facts.video.unwrap_or_default(), facts.audio.first());
    let VideoTrack { width, height, .. } = video;
    let pixels = |side: u32| Some(i64::from(side)).filter(|side| *side > 0);
    MediaRow {
        duration_ms: facts.duration_ms,
        width: pixels(width),
        height: pixels(height),
        audio_codec: first.map(|track| track.codec.clone()),
        container: facts.container,
        frame_rate: video.frame_rate,
        rotation: Some(i64::from(video.rotation)).filter(|_| !video.codec.is_empty()),
        bit_rate: facts.bit_rate,
        video_codec: Some(video.codec).filter(|codec| !codec.is_empty()),
        // A list of plain values can't fail to be written.
        audio_tracks: serde_json::to_string(&facts.audio).ok(),
    }
}

fn own(error: impl Into<FilesError>) -> VideoError {
    VideoError::Files(error.into())
}

async fn late(source: &Path) -> Result<bool, VideoError> {
    let source = source.to_owned();
    let looked = tokio::task::spawn_blocking(move || starts_late(&source)).await;
    looked
        .map_err(io::Error::other)
        .and_then(|late| late)
        .map_err(VideoError::Scratch)
}
