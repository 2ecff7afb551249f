//! OpenTelemetry traces of both programs: what they have in common, and nothing of what they do.
//!
//! ```text
//! settings   the standard OTEL_… variables, read once; without an endpoint there are no traces
//! span       the spans that there are, and the ids that logs name them by
//! pipeline   from ended spans to batches on the wire: bounded, counted, never waited for
//! client     one batch on the wire, on the program's own Tokio runtime
//! ```
//!
//! Spans are exported and never logged, logs are logged and never exported: each layer sees its own by
//! [`TARGET`]. So what is in a trace is what [`span`] puts there, whatever somebody logs one day.

mod client;
mod pipeline;
mod settings;
mod span;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Directive, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use pipeline::{Counted, ExporterError};
pub use settings::{Settings, SettingsError};
pub use span::{Ids, Traced, carried, request, rpc, sent, statement, work};

/// The target of every span that is exported.
pub const TARGET: &str = "filegateway::trace";

/// How long a stop may wait for the last spans to be taken.
const FLUSH: Duration = Duration::from_secs(3);

/// What exports; once per process, as the subscriber is.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Logs and traces that can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The filter can't be read.
    #[error("FILEGATEWAY_LOG is no tracing filter, such as debug or sqlx=debug,info")]
    Filter(#[source] ParseError),
    /// A variable makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nothing can be sent.
    #[error("failed to set up the export of traces")]
    Exporter(#[source] ExporterError),
    /// Another subscriber is there already.
    #[error("logging is set up already")]
    Installed(#[source] TryInitError),
}

/// Begins to log to `logs` what `filter` lets through, and to export spans of `service` if the
/// environment asks for it. Has to be called on a Tokio runtime.
///
/// # Errors
/// [`StartError`] when the filter or a variable can't be read.
pub fn start<L>(logs: L, filter: &str, service: &'static str) -> Result<(), StartError>
where
    L: Layer<Registry> + Send + Sync,
{
    let off: Directive = format!("{TARGET}=off")
        .parse()
        .map_err(StartError::Filter)?;
    let filter = EnvFilter::try_new(filter).map_err(StartError::Filter)?;
    let provider = Settings::from_env()?
        .map(|settings| pipeline::provider(&settings, service))
        .transpose()
        .map_err(StartError::Exporter)?;
    let exported = provider.as_ref().map(|provider| {
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("filegateway"))
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    });
    tracing_subscriber::registry()
        .with(logs.with_filter(filter.add_directive(off)))
        .with(exported)
        .try_init()
        .map_err(StartError::Installed)?;
    if let Some(provider) = provider {
        PROVIDER.get_or_init(|| provider);
    }
    Ok(())
}

/// Sends what is left, for three seconds at most: a receiver that is gone delays no stop for longer.
pub async fn stop() {
    let Some(provider) = PROVIDER.get() else {
        return;
    };
    let provider = provider.clone();
    // It blocks, until the thread that exports says that it is done.
    let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH));
    if let Ok(Err(error)) = stopped.await {
        tracing::warn!(%error, "the last spans could not be sent");
    }
}
