//! How many pods serve requests.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many pods serve requests: a number, or bounds for an autoscaler.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingSpec {
    /// Gateway pods that serve requests; `kubectl scale` sets it. Without effect while `autoscaling`
    /// is set. Default: 1.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,

    /// Leave the number to a HorizontalPodAutoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingSpec>,
}

impl Default for ScalingSpec {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            autoscaling: None,
        }
    }
}

fn default_replicas() -> i32 {
    1
}

/// Bounds and target of the HorizontalPodAutoscaler, which needs the cluster's metrics server.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas")
    .message("spec.scaling.autoscaling: minReplicas is more than maxReplicas; raise maxReplicas, or write a smaller minReplicas"))]
pub struct AutoscalingSpec {
    /// The fewest pods. Default: 2, so that one can go while the other serves.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: i32,

    /// The most pods.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,

    /// How much of the CPU that pods request they should use on average, in percent: above it there
    /// are more pods, below it fewer. May be more than 100, since a request is no limit. Default: 80.
    #[serde(default = "default_target_cpu_percent")]
    #[schemars(range(min = 1, max = 10000))]
    pub target_cpu_percent: i32,
}

fn default_min_replicas() -> i32 {
    2
}

fn default_target_cpu_percent() -> i32 {
    80
}
