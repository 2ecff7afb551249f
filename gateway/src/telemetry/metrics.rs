//! Counters, gauges and histograms, and their text for Prometheus (OpenMetrics 1.0).
//!
//! `prometheus-client` is the Prometheus project's own crate: typed labels, no global registry, no
//! macro that may fail at run time.
//!
//! To add one: a field of [`Families`], a line in its `default` and one in `registered`, and what it says
//! in docs/configuration.md. Labels have few values: a route's pattern and never a path, no id of a file.

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many callers get a label value of their own; the others share `other`.
const MAX_CALLERS: usize = 100;

/// The upper bounds of the histograms' buckets, in seconds: from a row of SQLite to a call that is
/// about to be given up.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// The same for the work on a video: from a clip to a long film.
const WORK_SECONDS: [f64; 10] = [
    1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 14_400.0,
];

/// Every state that a job may be in.
const JOB_STATES: [&str; 3] = ["queued", "running", "dead"];

/// Which operation, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The pattern of the route; `unknown` for paths that are none of ours.
    pub operation: String,
    /// The method; `other` for one that is not in RFC 9110 or RFC 5789.
    pub method: &'static str,
    /// The first digit of the status, as in `2xx`.
    pub status: &'static str,
}

/// Which operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OperationLabels {
    /// The pattern of the route, or the S3 operation's name.
    pub operation: String,
}

/// Which S3 call, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StoreLabels {
    /// The S3 operation's name, such as `GetObject`.
    pub operation: String,
    /// `ok` or `error`; an object that is not there is an error.
    pub outcome: &'static str,
}

/// How the work on a video ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VideoLabels {
    /// `ready`, `failed`, `retried`, or `released` when the worker had to stop or lost its lease.
    pub outcome: &'static str,
}

/// In which state a job is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JobLabels {
    /// `queued`, `running` or `dead`.
    pub state: &'static str,
}

/// How one try to tell an event went.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WebhookLabels {
    /// `delivered`, `retried`, `gone` when the receiver answered 410, or `given_up` after the last try.
    pub result: &'static str,
}

/// Who still calls a deprecated operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeprecatedLabels {
    /// The pattern of the route.
    pub operation: &'static str,
    /// The subject of the caller's credential, `other` after the first hundred of them, `unknown`
    /// when the request was refused before anybody was recognized.
    pub caller: String,
}

/// All metrics of the process; clones count together and cost nothing.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Families>);

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0
    }
}

/// Each metric, by its type.
pub struct Families {
    /// Requests that were answered.
    pub requests: Family<RequestLabels, Counter>,
    /// From a request's arrival to the head of its answer, in seconds; the body comes after.
    pub request_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    /// Bytes of upload bodies that arrived.
    pub received_bytes: Counter,
    /// Bytes of files that were sent.
    pub sent_bytes: Counter,
    /// Upload requests at work.
    pub uploads: Gauge,
    /// Answers with a file's bytes that are being sent.
    pub streams: Gauge,
    /// Calls to the object store, retries not counted.
    pub store_calls: Family<StoreLabels, Counter>,
    /// From a call to the object store to its answer's head, retries included, in seconds.
    pub store_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    /// Objects that are open for reading at the object store.
    pub store_streams: Gauge,
    /// Videos that were worked on, by how that ended.
    pub videos: Family<VideoLabels, Counter>,
    /// How long a video was worked on, in seconds.
    pub video_seconds: Histogram,
    /// Videos at work in this process.
    pub videos_at_work: Gauge,
    /// Jobs of the whole organization, as last counted.
    jobs: Family<JobLabels, Gauge>,
    webhook_deliveries: Family<WebhookLabels, Counter>,
    /// Events of the whole organization that are still to be told, as last counted.
    pub webhook_pending: Gauge,
    deprecated: Family<DeprecatedLabels, Counter>,
    callers: Mutex<HashSet<String>>,
    registry: Registry,
}

impl Metrics {
    /// Metrics that nobody has counted yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for Families {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            uploads: Gauge::default(),
            streams: Gauge::default(),
            store_calls: Family::default(),
            store_seconds: Family::new_with_constructor(seconds),
            store_streams: Gauge::default(),
            videos: Family::default(),
            video_seconds: Histogram::new(WORK_SECONDS),
            videos_at_work: Gauge::default(),
            jobs: Family::default(),
            webhook_deliveries: Family::default(),
            webhook_pending: Gauge::default(),
            deprecated: Family::default(),
            callers: Mutex::default(),
            registry: Registry::default(),
        };
        metrics.registry = metrics.registered();
        metrics
    }
}

impl Families {
    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("filegateway");
        registry.register(
            "requests",
            "Requests that were answered",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From a request's arrival to the head of its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register_with_unit(
            "received",
            "Bytes of upload bodies that arrived",
            Unit::Bytes,
            self.received_bytes.clone(),
        );
        registry.register_with_unit(
            "sent",
            "Bytes of files that were sent",
            Unit::Bytes,
            self.sent_bytes.clone(),
        );
        registry.register("uploads", "Upload requests at work", self.uploads.clone());
        registry.register(
            "streams",
            "Answers with a file's bytes that are being sent",
            self.streams.clone(),
        );
        registry.register(
            "deprecated_requests",
            "Requests to deprecated operations by caller",
            self.deprecated.clone(),
        );
        registry.register(
            "store_calls",
            "Calls to the object store",
            self.store_calls.clone(),
        );
        registry.register_with_unit(
            "store_call_duration",
            "From a call to the object store to the head of its answer",
            Unit::Seconds,
            self.store_seconds.clone(),
        );
        registry.register(
            "store_streams",
            "Objects that are open for reading at the object store",
            self.store_streams.clone(),
        );
        registry.register(
            "videos",
            "Videos that were worked on, by how that ended",
            self.videos.clone(),
        );
        registry.register_with_unit(
            "video_work",
            "How long a video was worked on",
            Unit::Seconds,
            self.video_seconds.clone(),
        );
        registry.register(
            "videos_at_work",
            "Videos at work in this process",
            self.videos_at_work.clone(),
        );
        registry.register(
            "jobs",
            "Jobs of the organization by state, as a worker counted them last",
            self.jobs.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "Tries to tell the webhook's receiver an event, by how that went",
            self.webhook_deliveries.clone(),
        );
        registry.register_collector(Box::new(traces::Counted));
        registry.register(
            "webhook_pending",
            "Events that the webhook's receiver is still to be told",
            self.webhook_pending.clone(),
        );
        registry
    }

    /// Notes how the work on a video ended.
    pub fn worked(&self, outcome: &'static str, duration: Duration) {
        self.videos.get_or_create(&VideoLabels { outcome }).inc();
        self.video_seconds.observe(duration.as_secs_f64());
    }

    /// Notes how one try to tell an event went.
    pub fn webhook_sent(&self, result: &'static str) {
        let labels = WebhookLabels { result };
        self.webhook_deliveries.get_or_create(&labels).inc();
    }

    /// Notes how many jobs are in each state; one that is not among `counts` has none.
    pub fn jobs_counted(&self, counts: &[(String, i64)]) {
        for state in JOB_STATES {
            let count = counts.iter().find(|(name, _)| name == state);
            let gauge = self.jobs.get_or_create(&JobLabels { state });
            gauge.set(count.map_or(0, |(_, count)| *count));
        }
    }

    /// Notes an answered request. `operation` is the route's pattern, if it has one.
    pub fn answered(&self, operation: Option<&str>, method: &str, status: u16, duration: Duration) {
        let operation = operation.unwrap_or("unknown");
        let labels = RequestLabels {
            operation: operation.to_owned(),
            method: known_method(method),
            status: class(status),
        };
        self.requests.get_or_create(&labels).inc();
        let labels = OperationLabels {
            operation: operation.to_owned(),
        };
        let seconds = duration.as_secs_f64();
        self.request_seconds.get_or_create(&labels).observe(seconds);
    }

    /// Notes a call to the object store that came to an end.
    pub fn store_called(&self, operation: &str, ok: bool, duration: Duration) {
        let labels = StoreLabels {
            operation: operation.to_owned(),
            outcome: if ok { "ok" } else { "error" },
        };
        self.store_calls.get_or_create(&labels).inc();
        let labels = OperationLabels {
            operation: operation.to_owned(),
        };
        let seconds = duration.as_secs_f64();
        self.store_seconds.get_or_create(&labels).observe(seconds);
    }

    /// Notes a request to a deprecated operation, and in whose name.
    pub fn deprecated(&self, operation: &'static str, caller: Option<&str>) {
        let caller = match caller {
            Some(caller) => self.caller(caller),
            None => "unknown",
        };
        let labels = DeprecatedLabels {
            operation,
            caller: caller.to_owned(),
        };
        self.deprecated.get_or_create(&labels).inc();
    }

    fn caller<'a>(&self, caller: &'a str) -> &'a str {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.contains(caller) {
            return caller;
        }
        if callers.len() >= MAX_CALLERS {
            return "other";
        }
        callers.insert(caller.to_owned());
        caller
    }

    /// Everything, for Prometheus to read.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        text::encode(&mut text, &self.registry).ok();
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// One more in a gauge for as long as it lives.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl InFlight {
    /// Counts in `gauge` until it is dropped.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn known_method(method: &str) -> &'static str {
    const METHODS: [&str; 8] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
    ];
    METHODS
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_without_end_do_not_become_labels_without_end() {
        let metrics = Metrics::new();
        for number in 0..1000 {
            metrics.deprecated("/old", Some(&format!("caller-{number}")));
        }
        metrics.deprecated("/old", Some("caller-0"));
        metrics.deprecated("/old", None);
        let text = metrics.text();
        let lines = text
            .lines()
            .filter(|line| line.contains("operation=\"/old\""));
        assert_eq!(lines.count(), MAX_CALLERS + 2);
        let line = |caller: &str| {
            format!(
                "filegateway_deprecated_requests_total{{operation=\"/old\",caller=\"{caller}\"}}"
            )
        };
        assert!(
            text.contains(&format!("{} 2\n", line("caller-0"))),
            "{text}"
        );
        assert!(text.contains(&format!("{} 900\n", line("other"))), "{text}");
        assert!(text.contains(&format!("{} 1\n", line("unknown"))), "{text}");
    }

    #[test]
    fn methods_and_paths_of_strangers_are_one_label() {
        let metrics = Metrics::new();
        for number in 0..50 {
            let method = format!("M{number}");
            metrics.answered(None, &method, 404, Duration::from_millis(3));
        }
        let text = metrics.text();
        let counted = "filegateway_requests_total{operation=\"unknown\",method=\"other\",status=\"4xx\"} 50\n";
        assert!(text.contains(counted), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn what_is_at_work_is_counted_until_it_ends() {
        let metrics = Metrics::new();
        let one = InFlight::new(&metrics.streams);
        assert!(metrics.text().contains("filegateway_streams 1\n"));
        drop(one);
        assert!(metrics.text().contains("filegateway_streams 0\n"));
    }
}
