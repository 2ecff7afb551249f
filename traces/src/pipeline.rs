//! From ended spans to batches on the wire. Nobody waits for it: what does not fit into the queue is dropped
//! and counted, and a thread of its own sends the rest.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use crate::PROVIDER;
use crate::client::OnRuntime;
use crate::settings::Settings;

/// Traces that can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The file with certificates can't be read.
    #[error("OTEL_EXPORTER_OTLP_CERTIFICATE: failed to read {path}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client could not be set up.
    #[error("failed to set up an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The exporter could not be set up.
    #[error("failed to set up the exporter")]
    Otlp(#[source] ExporterBuildError),
    /// There is no runtime to send on.
    #[error("no Tokio runtime")]
    Runtime(#[source] tokio::runtime::TryCurrentError),
}

/// Spans that ended, by what became of them.
struct Counts {
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

static COUNTS: Counts = Counts {
    exported: AtomicU64::new(0),
    failed: AtomicU64::new(0),
    dropped: AtomicU64::new(0),
};

/// `trace_spans`: what became of the spans of this process; nothing as long as there are no traces.
#[derive(Debug)]
pub struct Counted;

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if PROVIDER.get().is_none() {
            return Ok(());
        }
        let outcomes = [
            ("exported", &COUNTS.exported),
            ("failed", &COUNTS.failed),
            ("dropped", &COUNTS.dropped),
        ];
        let help = "Spans that ended, by what became of them";
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor("trace_spans", help, None, kind)?;
        for (outcome, count) in outcomes {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(family.encode_family(&[("outcome", outcome)])?)?;
        }
        Ok(())
    }
}

/// What spans are made with, and where they go.
pub(crate) fn provider(
    settings: &Settings,
    service: &'static str,
) -> Result<SdkTracerProvider, ExporterError> {
    let exporter = Otlp::builder()
        .with_http()
        .with_http_client(OnRuntime::new(settings)?)
        .with_endpoint(settings.endpoint.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(settings.timeout)
        .with_headers(settings.headers.clone())
        .build()
        .map_err(ExporterError::Otlp)?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Noted {
        exporter,
        waiting: waiting.clone(),
        endpoint: settings.endpoint.origin().ascii_serialization(),
        failing: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(settings.queue)
        .with_max_export_batch_size(settings.batch)
        .with_scheduled_delay(settings.delay)
        .build();
    let processor = Bounded {
        batches: BatchSpanProcessor::new(exporter, batches),
        waiting,
        most: settings.queue,
    };
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(settings.sampler.clone())
        .with_resource(resource(settings, service))
        .build())
}

fn resource(settings: &Settings, service: &'static str) -> Resource {
    let said = settings.attributes.iter().cloned();
    let own = settings.service.clone();
    let named = said.clone().any(|(key, _)| key == "service.name");
    let name = own.or_else(|| (!named).then(|| service.to_owned()));
    let mut attributes = vec![KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    // In a pod this is its name.
    if let Ok(host) = std::env::var("HOSTNAME") {
        attributes.push(KeyValue::new("host.name", host));
    }
    attributes.extend(said.map(|(key, value)| KeyValue::new(key, value)));
    attributes.extend(name.map(|name| KeyValue::new("service.name", name)));
    Resource::builder().with_attributes(attributes).build()
}

/// Keeps the queue from being overrun, and counts what it turns away: the one behind it does not tell.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.most {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            COUNTS.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what is exported, and says in the log when that begins to fail and when it works again.
#[derive(Debug)]
struct Noted<E> {
    exporter: E,
    waiting: Arc<AtomicUsize>,
    endpoint: String,
    failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Noted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.fetch_sub(spans, Ordering::AcqRel);
        let outcome = self.exporter.export(batch).await;
        let count = match &outcome {
            Ok(()) => &COUNTS.exported,
            Err(_) => &COUNTS.failed,
        };
        count.fetch_add(spans as u64, Ordering::Relaxed);
        let endpoint = self.endpoint.as_str();
        match (
            &outcome,
            self.failing.swap(outcome.is_err(), Ordering::Relaxed),
        ) {
            (Err(error), false) => {
                tracing::warn!(%error, endpoint, "traces can't be exported, and are dropped until they can");
            }
            (Ok(()), true) => tracing::info!(endpoint, "traces are exported again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
