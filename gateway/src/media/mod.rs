//! Video: ffprobe and ffmpeg as child processes.
//!
//! What they read is a stranger's file, so a child gets no network protocol, only the demuxers of
//! containers that an upload can be recognized as, an empty environment, its own folder and process
//! group, and limits on time, CPU, memory and output.

mod child;
mod error;
mod faststart;
mod layout;
mod poster;
mod probe;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::MediaError;
pub use layout::starts_late;
pub use probe::Probe;

/// Protocols that a child may open: no network, whatever a playlist or a reference in a file says.
const PROTOCOLS: &str = "file,pipe";
/// Demuxers that a child may use, so that no file can turn into a playlist or a script.
const DEMUXERS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,mpegvideo,ogg";

/// How much one child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time on the wall; after it the process group is killed.
    pub time: Duration,
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// The largest file that it may write, in bytes.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(15 * 60),
            memory_bytes: 4 << 30,
            output_bytes: 64 << 30,
        }
    }
}

/// The two programs, and how much they may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    limits: Limits,
}

impl Tools {
    /// The programs on the `PATH`; none when one of them is missing.
    pub fn find(limits: Limits) -> Option<Self> {
        Some(Self {
            ffmpeg: on_path("ffmpeg")?,
            ffprobe: on_path("ffprobe")?,
            limits,
        })
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| Path::is_file(file))
}

/// The arguments with which both programs open `source`, a file name within the child's folder.
fn input(source: &str) -> [String; 6] {
    [
        "-protocol_whitelist".into(),
        PROTOCOLS.into(),
        "-format_whitelist".into(),
        DEMUXERS.into(),
        "-i".into(),
        format!("file:{source}"),
    ]
}
