//! The one error of this crate: what was tried, on what, and why it failed.

use std::path::Path;
use std::process::ExitStatus;

/// A failure to prepare, start or stop a part of the test bed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or process operation failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, with the path or program.
        action: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("`{command}` failed ({status}):\n{output}")]
    Command {
        /// Program and arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
    /// A server ended, or did not answer in time.
    #[error("{server} {what}; the end of {log}:\n{tail}")]
    Server {
        /// Its name.
        server: String,
        /// What happened.
        what: String,
        /// Where its log is.
        log: String,
        /// The last lines of that log.
        tail: String,
    },
    /// A program that can't be installed from here is missing.
    #[error("{0}")]
    Missing(String),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// An HTTP call failed.
    #[error("HTTP: {0}")]
    Http(#[from] reqwest::Error),
    /// A gateway answered otherwise than the contract promises.
    #[error("{0}")]
    Unexpected(String),
    /// A token could not be signed.
    #[error("cannot sign a token: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// Something could not be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The machine or the cluster is not in a state where this can work.
    #[error("{0}")]
    Refused(String),
}

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the operation and its path when an I/O result is an error.
pub trait IoContext<T> {
    /// `verb` and `path` become "cannot VERB PATH".
    ///
    /// # Errors
    /// The error itself, now with its context.
    fn at(self, verb: &str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn at(self, verb: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::Io {
            action: format!("{verb} {}", path.as_ref().display()),
            source,
        })
    }
}

/// An error of what a gateway answered, unless `holds`.
///
/// # Errors
/// `message`'s, when it does not hold.
pub fn expect(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::Unexpected(message()))
    }
}
