//! Counters, gauges and histograms, and their text for Prometheus (OpenMetrics 1.0).
//!
//! To add one: a field of [`Families`], a line in its `default` and one in `registered`, and a row in
//! docs/operator.md. Labels have few values: no name of a gateway, so that a thousand of them cost
//! nothing. What can be read off the resources is counted when Prometheus asks.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crds::conditions::READY;
use crds::{FileGateway, RotationStatus, RotationStatuses};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::Store;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper bounds of the histogram's buckets, in seconds: from a pass that only reads to one that
/// empties a bucket.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0,
];

/// How late a rotation may be: the former may have to end first.
const HOUR: i64 = 60 * 60;

/// How a pass over a resource ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Settled,
    /// A step failed and has a condition that says so, or there is more to do.
    Unsettled,
    /// It ended early: the API server failed, or the operator stopped.
    Failed,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Unsettled => "unsettled",
            Self::Failed => "failed",
        }
    }
}

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

/// What `Ready` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReadyLabels {
    /// `True`, `False` or `Unknown`.
    pub ready: String,
    /// The condition's reason.
    pub reason: String,
}

/// Which credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CredentialLabels {
    /// `signing_key`, `access_key` or `database_password`.
    pub credential: &'static str,
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
    gateways: Family<ReadyLabels, Gauge>,
    outdated: Gauge,
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
            gateways: Family::default(),
            outdated: Gauge::default(),
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

    fn count(&self, gateways: &[Arc<FileGateway>]) {
        let mut by_ready = HashMap::<ReadyLabels, i64>::new();
        let mut outdated = 0;
        for gateway in gateways {
            *by_ready.entry(ready(gateway)).or_default() += 1;
            let observed = gateway
                .status
                .as_ref()
                .and_then(|status| status.observed_generation);
            outdated += i64::from(observed != gateway.metadata.generation);
        }
        self.outdated.set(outdated);
        self.gateways.clear();
        for (labels, count) in by_ready {
            self.gateways.get_or_create(&labels).set(count);
        }
        self.count_credentials(gateways);
    }

    fn count_credentials(&self, gateways: &[Arc<FileGateway>]) {
        type Pick = fn(&RotationStatuses) -> Option<&RotationStatus>;
        const KINDS: [(&str, Pick); 3] = [
            ("signing_key", |all| all.signing_key.as_ref()),
            ("access_key", |all| all.access_key.as_ref()),
            ("database_password", |all| all.database_password.as_ref()),
        ];
        let now = Timestamp::now();
        let since = |time: &Time| now.duration_since(time.0).as_secs();
        for (credential, pick) in KINDS {
            let found = gateways
                .iter()
                .filter_map(|gateway| pick(gateway.status.as_ref()?.rotations.as_ref()?));
            let (mut oldest, mut overdue) = (0, 0);
            for status in found {
                oldest = oldest.max(since(&status.issued_at));
                let late = status.due_at.as_ref().map(&since);
                overdue += i64::from(late.is_some_and(|seconds| seconds > HOUR));
            }
            let labels = CredentialLabels { credential };
            self.oldest.get_or_create(&labels).set(oldest);
            self.overdue.get_or_create(&labels).set(overdue);
        }
    }
}

fn ready(gateway: &FileGateway) -> ReadyLabels {
    let condition = gateway.status.as_ref().and_then(|status| {
        let mut conditions = status.conditions.iter();
        conditions.find(|condition| condition.type_ == READY)
    });
    match condition {
        Some(condition) => ReadyLabels {
            ready: condition.status.clone(),
            reason: condition.reason.clone(),
        },
        None => ReadyLabels {
            ready: "Unknown".into(),
            reason: "New".into(),
        },
    }
}

/// A pass that is under way; it is counted when it is dropped.
pub struct Pass {
    metrics: Metrics,
    kind: KindLabels,
    began: Instant,
    outcome: Outcome,
}

impl Metrics {
    /// A pass over a resource of this kind begins. It has failed unless it is told otherwise.
    pub fn pass(&self, kind: &'static str) -> Pass {
        let kind = KindLabels { kind };
        self.running.get_or_create(&kind).inc();
        Pass {
            metrics: self.clone(),
            kind,
            began: Instant::now(),
            outcome: Outcome::Failed,
        }
    }
}

impl Pass {
    /// How it ended.
    pub fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let metrics = &self.metrics;
        let seconds = self.began.elapsed().as_secs_f64();
        let labels = ReconcileLabels {
            kind: self.kind.kind,
            result: self.outcome.label(),
        };
        metrics.running.get_or_create(&self.kind).dec();
        metrics.reconciles.get_or_create(&labels).inc();
        metrics
            .reconcile_seconds
            .get_or_create(&self.kind)
            .observe(seconds);
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher};
    use serde_json::json;

    use super::*;

    fn gateway(name: &str, status: serde_json::Value) -> FileGateway {
        serde_json::from_value(json!({
            "apiVersion": "filegateway.dev/v1alpha1",
            "kind": "FileGateway",
            "metadata": {"name": name, "namespace": "a", "generation": 2},
            "spec": {"organization": "acme", "auth": {"issuer": "i", "audience": "a"}},
            "status": status,
        }))
        .unwrap()
    }

    fn with_ready(status: &str, reason: &str, observed: i64) -> serde_json::Value {
        json!({"observedGeneration": observed, "conditions": [{
            "type": "Ready", "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
    }

    #[test]
    fn gateways_are_counted_as_they_are_now() {
        let metrics = Metrics::default();
        let (store, mut writer) = reflector::store();
        metrics.count_gateways(store);
        for (name, status) in [
            ("a", with_ready("True", "AllReady", 2)),
            ("b", with_ready("True", "AllReady", 1)),
            ("c", with_ready("False", "AccessDenied", 2)),
            ("d", json!({})),
        ] {
            writer.apply_watcher_event(&watcher::Event::Apply(gateway(name, status)));
        }
        let text = metrics.text();
        for line in [
            r#"filegateway_operator_gateways{ready="True",reason="AllReady"} 2"#,
            r#"filegateway_operator_gateways{ready="False",reason="AccessDenied"} 1"#,
            r#"filegateway_operator_gateways{ready="Unknown",reason="New"} 1"#,
            "filegateway_operator_gateways_outdated 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let mended = gateway("c", with_ready("True", "AllReady", 2));
        writer.apply_watcher_event(&watcher::Event::Apply(mended));
        let text = metrics.text();
        assert!(!text.contains("AccessDenied"), "{text}");
        assert!(text.contains(r#"reason="AllReady"} 3"#), "{text}");
    }

    #[test]
    fn the_oldest_credential_is_told_and_what_is_late() {
        let metrics = Metrics::default();
        let (store, mut writer) = reflector::store();
        metrics.count_gateways(store);
        let old = json!({"rotations": {
            "signingKey": {"issuedAt": "2020-01-01T00:00:00Z", "dueAt": "2020-01-31T00:00:00Z"},
            "accessKey": {"issuedAt": "2020-01-01T00:00:00Z"}}});
        let young = json!({"rotations": {"signingKey": {
            "issuedAt": Timestamp::now().to_string(), "dueAt": "2999-01-01T00:00:00Z"}}});
        for (name, status) in [("a", old), ("b", young)] {
            writer.apply_watcher_event(&watcher::Event::Apply(gateway(name, status)));
        }
        let text = metrics.text();
        for line in [
            r#"credentials_overdue{credential="signing_key"} 1"#,
            r#"credentials_overdue{credential="access_key"} 0"#,
            r#"oldest_credential_age_seconds{credential="database_password"} 0"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let age = text
            .split_once(r#"oldest_credential_age_seconds{credential="access_key"} "#)
            .and_then(|(_, rest)| rest.lines().next()?.parse::<i64>().ok());
        assert!(age.unwrap() > 180_000_000, "six years and more");
    }

    #[test]
    fn each_metric_is_documented() {
        let document = include_str!("../../docs/operator.md");
        let metrics = Metrics::default();
        let (store, mut writer) = reflector::store();
        metrics.count_gateways(store);
        writer.apply_watcher_event(&watcher::Event::Apply(gateway("a", json!({}))));
        metrics.pass("FileGateway").ended(Outcome::Settled);
        metrics.step_failed("BucketReady", "AccessDenied");
        let text = metrics.text();
        let names = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
        let names: Vec<_> = names.filter_map(|line| line.split(' ').next()).collect();
        assert!(names.len() >= 9, "{names:?}");
        for name in names {
            assert!(document.contains(&format!("`{name}")), "{name}");
        }
    }

    #[test]
    fn a_pass_counts_however_it_ends() {
        let metrics = Metrics::default();
        let pass = metrics.pass("FileGateway");
        let running = r#"reconciles_running{kind="FileGateway"}"#;
        assert!(metrics.text().contains(&format!("{running} 1")));
        pass.ended(Outcome::Settled);
        drop(metrics.pass("FileGateway"));
        metrics.step_failed("BucketReady", "AccessDenied");
        let text = metrics.text();
        for line in [
            r#"reconciles_total{kind="FileGateway",result="settled"} 1"#,
            r#"reconciles_total{kind="FileGateway",result="failed"} 1"#,
            r#"reconcile_duration_seconds_count{kind="FileGateway"} 2"#,
            r#"step_failures_total{step="BucketReady",reason="AccessDenied"} 1"#,
            r#"reconciles_running{kind="FileGateway"} 0"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
