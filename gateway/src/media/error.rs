//! What can go wrong with a video.

use std::io;
use std::time::Duration;

/// A child that did not do what it was asked.
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
    /// It could not be run.
    #[error("{program} could not be run")]
    Run {
        /// Which program.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}
