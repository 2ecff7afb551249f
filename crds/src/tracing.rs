//! Where gateways' traces go.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Where gateways send their traces, and how many of them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TracingRules {
    /// A receiver of OTLP over HTTP, such as an OpenTelemetry collector; spans go to `/v1/traces` below it. Pods
    /// are allowed to reach it. Credentials are the collector's affair. Example:
    /// `http://collector.observability.svc:4318`.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != '' && !self.contains('@')")
        .message("spec.tracing.endpoint: write a URL that starts with http:// or https://, without user and password"))]
    pub endpoint: String,

    /// How many of a hundred traces are recorded. Requests that bring a trace with them are recorded if their
    /// caller records it. Default: 100.
    #[serde(default = "default_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub sample_percent: i32,
}

fn default_percent() -> i32 {
    100
}
