//! What can go wrong with a video.

use std::io;
use std::time::Duration;

/// A child that did not do what it was asked, or a video that no child is let near.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The program looked at the file and refused it: it would do so again.
    #[error("{program} refused the file: {complaint}")]
    Refused {
        /// Which program.
        program: &'static str,
        /// The end of what it said.
        complaint: String,
    },
    /// The file is a video of a kind that is not worked on.
    #[error("{0}")]
    OutOfBounds(String),
    /// It was killed, by a limit or by somebody.
    #[error("{program} was killed by signal {signal}")]
    Killed {
        /// Which program.
        program: &'static str,
        /// The signal's number.
        signal: i32,
    },
    /// It took too long and was killed with its whole process group.
    #[error("{program} did not end within {} s", limit.as_secs())]
    TimedOut {
        /// Which program.
        program: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// It filled its folder and was killed with its whole process group.
    #[error("{program} needed more than {limit} bytes of temporary space")]
    ScratchFull {
        /// Which program.
        program: &'static str,
        /// How much the folder may hold, in bytes.
        limit: u64,
    },
    /// It could not be run, or what it wrote could not be read.
    #[error("{program} could not be run")]
    Run {
        /// Which program.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}
