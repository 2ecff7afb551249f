//! Logs: one JSON object per line on standard output.

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Logging could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter can't be read.
    #[error("FILEGATEWAY_LOG is not a tracing filter, such as info or operator=debug,info")]
    Filter(#[source] ParseError),
    /// Another subscriber is there already.
    #[error("logging is set up already")]
    Installed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Installs the subscriber of the process.
///
/// # Errors
/// When `filter` can't be read, or another subscriber is installed.
pub fn init(filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter).map_err(TelemetryError::Filter)?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .try_init()
        .map_err(TelemetryError::Installed)
}
