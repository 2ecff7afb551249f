//! Video: ffprobe and ffmpeg as child processes.
//!
//! What they read is a stranger's file, so a child gets no network, only the demuxers of containers
//! that an upload can be recognized as and the decoders of a list, an empty environment, its own
//! folder and process group, and limits on time, CPU, memory and space.

mod arguments;
mod child;
mod copy;
mod encode;
mod error;
mod facts;
mod grid;
mod join;
mod ladder;
mod layout;
mod limits;
mod make;
mod plan;
mod playlist;
mod poster;
mod probe;
mod thumbnails;

use std::path::{Path, PathBuf};

use child::Child;
pub use error::MediaError;
pub use facts::{AudioTrack, Facts, VideoTrack};
pub use layout::starts_late;
pub use limits::Limits;
pub use make::{FASTSTART, MASTER, Output, POSTER_JPEG, POSTER_WEBP, THUMBNAILS};
pub use plan::Wanted;

/// The two programs, and how much they may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    limits: Limits,
    isolation: Vec<String>,
}

impl Tools {
    /// The programs on the `PATH`; none when one of them is missing.
    pub fn find(limits: Limits) -> Option<Self> {
        Some(Self {
            ffmpeg: on_path("ffmpeg")?,
            ffprobe: on_path("ffprobe")?,
            limits,
            isolation: on_path("unshare")
                .map(|unshare| limits::isolation(&unshare))
                .unwrap_or_default(),
        })
    }

    /// Whether the programs run without a network. Without, only the protocols that they may use
    /// keep them from it.
    pub fn are_isolated(&self) -> bool {
        !self.isolation.is_empty()
    }

    /// How much the programs may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn ffprobe<'a>(
        &self,
        folder: &'a Path,
        limits: &'a Limits,
        arguments: Vec<String>,
    ) -> Child<'a> {
        self.child("ffprobe", &self.ffprobe, folder, limits, arguments)
    }

    fn ffmpeg<'a>(&'a self, folder: &'a Path, arguments: Vec<String>) -> Child<'a> {
        let mut all = arguments::before();
        all.extend(arguments);
        self.child("ffmpeg", &self.ffmpeg, folder, &self.limits, all)
    }

    fn child<'a>(
        &self,
        name: &'static str,
        program: &Path,
        folder: &'a Path,
        limits: &'a Limits,
        arguments: Vec<String>,
    ) -> Child<'a> {
        let mut line = self.isolation.clone();
        line.push(program.display().to_string());
        line.extend(arguments);
        Child {
            name,
            line,
            folder,
            limits,
        }
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| Path::is_file(file))
}
