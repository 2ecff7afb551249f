//! Who reads gateways' metrics.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who reads gateways' metrics.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringRules {
    /// Make a ServiceMonitor for each gateway, and a PodMonitor for pods that only work on videos, where the
    /// cluster has those kinds. What they read has the label `gateway`. Name Prometheus in
    /// `spec.networkPolicy.scrapers` too. Default: none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitorRules>,
}

/// What ServiceMonitors and PodMonitors of a class carry.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorRules {
    /// Labels that Prometheus selects ServiceMonitors and PodMonitors by. Example: `release: prometheus`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// How often metrics are read. Default: `30s`.
    #[serde(default = "default_interval")]
    #[schemars(regex(pattern = "^[1-9][0-9]*(s|m)$"))]
    pub interval: String,
}

fn default_interval() -> String {
    "30s".into()
}
