//! Logs: on standard error, for a person on a terminal, as JSON lines anywhere else. And traces, which are
//! begun with them.

use std::io::{IsTerminal, stderr};

use traces::StartError;
use tracing_subscriber::fmt::layer;

/// Begins to log what `filter` lets through (`FILEGATEWAY_LOG`, in tracing's filter syntax), and to export
/// traces of `service` if the environment asks for them. Standard output is left to what a command prints
/// for programs.
///
/// # Errors
/// When the filter, or a variable about traces, can't be read.
pub fn start(filter: &str, service: &'static str) -> Result<(), StartError> {
    let logs = layer().with_writer(stderr);
    if stderr().is_terminal() {
        traces::start(logs.with_target(false), filter, service)
    } else {
        let logs = logs.json().flatten_event(true).with_span_list(false);
        traces::start(logs, filter, service)
    }
}
