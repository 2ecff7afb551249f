//! Logs: on standard error, for a person on a terminal, as JSON lines anywhere else.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Begins to log what `filter` lets through (`FILEGATEWAY_LOG`, in tracing's filter syntax).
/// Standard output is left to what a command prints for programs.
///
/// # Errors
/// When the filter can't be read.
pub fn start(filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    if stderr().is_terminal() {
        logs.with_target(false).init();
    } else {
        logs.json().flatten_event(true).with_span_list(false).init();
    }
    Ok(())
}
