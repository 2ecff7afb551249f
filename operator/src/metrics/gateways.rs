//! What can be read off the resources, counted when Prometheus asks.

use std::collections::HashMap;
use std::sync::Arc;

use crds::conditions::READY;
use crds::{FileGateway, RotationStatus, RotationStatuses};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;

use super::Families;

/// How late a rotation may be: the former may have to end first.
const HOUR: i64 = 60 * 60;

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

impl Families {
    pub(super) fn count(&self, gateways: &[Arc<FileGateway>]) {
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

#[cfg(test)]
mod tests {
    use kube::runtime::{reflector, watcher};
    use serde_json::json;

    use super::super::Metrics;
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
}
