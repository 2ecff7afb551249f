//! Logs, one JSON object per line on standard output, and traces, if the environment asks for them.

use traces::{StartError, Traced};
use tracing::Span;
use tracing::field::Empty;
use tracing_subscriber::fmt::layer;

/// Installs the subscriber of the process.
///
/// # Errors
/// When `filter` or a variable about traces can't be read, or another subscriber is installed.
pub fn init(filter: &str) -> Result<(), StartError> {
    let logs = layer().json().flatten_event(true);
    traces::start(logs, filter, "filegateway-operator")
}

/// A pass over a resource: its trace, and what its lines in the log have in common.
pub(crate) fn pass(kind: &'static str, namespace: &str, name: &str) -> (Traced, Span) {
    let traced = traces::work(
        &format!("reconcile {kind}"),
        &[
            ("k8s.namespace.name", namespace),
            ("filegateway.kind", kind),
            ("filegateway.name", name),
        ],
    );
    let log = tracing::info_span!(
        "reconcile",
        object.kind = kind,
        object.namespace = namespace,
        object.name = name,
        trace_id = Empty,
        span_id = Empty
    );
    traced.named_in(&log);
    (traced, log)
}
