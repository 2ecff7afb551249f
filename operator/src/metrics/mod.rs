//! Counters, gauges and histograms, and their text for Prometheus (OpenMetrics 1.0).
//!
//! To add one: a field of [`Families`], a line in its `default` and one in `registered`, and a row in
//! docs/operator.md. Labels have few values: no name of a gateway, so that a thousand of them cost
//! nothing. What can be read off the resources is counted when Prometheus asks.

mod calls;
mod gateways;
mod pass;
mod remote;
mod waiting;

use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crds::FileGateway;
use kube::runtime::reflector::Store;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use calls::counted;
pub use gateways::{CredentialLabels, ReadyLabels};
pub use pass::{Outcome, Pass};
pub use remote::RemoteLabels;
use waiting::Waiting;

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper bounds of the histogram's buckets, in seconds: from a pass that only reads to one that
/// empties a bucket.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0,
];

/// Which kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    /// `FileGateway` or `FileGatewayClass`.
    pub kind: &'static str,
}

/// Which kind of resource, and how the pass ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReconcileLabels {
    /// `FileGateway` or `FileGatewayClass`.
    pub kind: &'static str,
    /// `settled`, `unsettled` or `failed`.
    pub result: &'static str,
}

/// Which step failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StepLabels {
    /// The type of its condition, such as `BucketReady`.
    pub step: &'static str,
    /// The condition's reason.
    pub reason: &'static str,
}

/// Which calls to the API server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// `read`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// The first digit of the answer, as in `2xx`; `none` without one.
    pub status: &'static str,
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
    /// 1 while this process is the leader.
    pub leader: Gauge,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<KindLabels, Histogram, fn() -> Histogram>,
    running: Family<KindLabels, Gauge>,
    step_failures: Family<StepLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    remote: Family<RemoteLabels, Histogram, fn() -> Histogram>,
    gateways: Family<ReadyLabels, Gauge>,
    outdated: Gauge,
    waiting: Waiting,
    oldest: Family<CredentialLabels, Gauge>,
    overdue: Family<CredentialLabels, Gauge>,
    /// The gateways as last seen, once this process leads.
    store: OnceLock<Store<FileGateway>>,
    registry: Registry,
    /// One at a time counts what is there.
    counting: Mutex<()>,
}

impl Default for Families {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            leader: Gauge::default(),
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(seconds),
            running: Family::default(),
            step_failures: Family::default(),
            calls: Family::default(),
            remote: Family::new_with_constructor(seconds),
            gateways: Family::default(),
            outdated: Gauge::default(),
            waiting: Waiting::default(),
            oldest: Family::default(),
            overdue: Family::default(),
            store: OnceLock::new(),
            registry: Registry::default(),
            counting: Mutex::default(),
        };
        metrics.registry = metrics.registered();
        metrics
    }
}

impl Families {
    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("filegateway_operator");
        registry.register(
            "leader",
            "1 while this process reconciles, 0 while it stands by",
            self.leader.clone(),
        );
        registry.register(
            "reconciles",
            "Passes over a resource that ended",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "From the beginning of a pass to its end",
            Unit::Seconds,
            self.reconcile_seconds.clone(),
        );
        registry.register("reconciles_running", "Passes at work", self.running.clone());
        registry.register(
            "step_failures",
            "Steps that failed, by the condition that says so and its reason",
            self.step_failures.clone(),
        );
        registry.register("api_calls", "Calls to the API server", self.calls.clone());
        registry.register_with_unit(
            "remote_call_duration",
            "Calls to S3, IAM and PostgreSQL servers, retries included",
            Unit::Seconds,
            self.remote.clone(),
        );
        registry.register(
            "gateways",
            "FileGateways by what their Ready says",
            self.gateways.clone(),
        );
        registry.register(
            "gateways_outdated",
            "FileGateways whose status speaks of an older spec: those that wait for a pass",
            self.outdated.clone(),
        );
        registry.register(
            "gateways_waiting",
            "FileGateways about which a change was told that no pass has begun to answer",
            self.waiting.gauge(),
        );
        registry.register_with_unit(
            "oldest_credential_age",
            "Since the oldest credential of its kind was issued",
            Unit::Seconds,
            self.oldest.clone(),
        );
        registry.register(
            "credentials_overdue",
            "Credentials that should have been replaced an hour ago",
            self.overdue.clone(),
        );
        registry.register_collector(Box::new(traces::Counted));
        registry
    }

    /// Notes that a step failed.
    pub fn step_failed(&self, step: &'static str, reason: &'static str) {
        self.step_failures
            .get_or_create(&StepLabels { step, reason })
            .inc();
    }

    /// Where gateways are counted from now on.
    pub fn count_gateways(&self, store: Store<FileGateway>) {
        // There is one controller in a process.
        self.store.set(store).ok();
    }

    /// Everything, for Prometheus to read.
    pub fn text(&self) -> String {
        let _turn = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = self.store.get() {
            self.count(&store.state());
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        text::encode(&mut text, &self.registry).ok();
        text
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher};
    use serde_json::json;

    use super::*;

    #[test]
    fn each_metric_is_documented() {
        let document = include_str!("../../../docs/operator.md");
        let metrics = Metrics::default();
        let (store, mut writer) = reflector::store();
        metrics.count_gateways(store);
        let gateway = serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGateway",
            "metadata": {"name": "a", "namespace": "a"},
            "spec": {"organization": "acme", "auth": {"issuer": "i", "audience": "a"}},
        }))
        .unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(gateway));
        metrics
            .pass("FileGateway", traces::Traced::none())
            .ended(Outcome::Settled);
        metrics.step_failed("BucketReady", "AccessDenied");
        let (verb, status) = ("read", "2xx");
        metrics
            .calls
            .get_or_create(&CallLabels { verb, status })
            .inc();
        metrics.called("s3", "CreateBucket", true, std::time::Duration::ZERO);
        let text = metrics.text();
        let names = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
        let names: Vec<_> = names.filter_map(|line| line.split(' ').next()).collect();
        assert!(names.len() >= 10, "{names:?}");
        for name in names {
            assert!(document.contains(&format!("`{name}")), "{name}");
        }
    }
}
