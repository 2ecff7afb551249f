//! Which nodes pods may run on.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::NAME;

/// Which nodes the gateway's pods, and those that work on videos, may run on.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SchedulingSpec {
    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that pods put up with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,

    /// Rules about nodes, and about what runs there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// The PriorityClass of the pods. Default: the cluster's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    #[x_kube(validation = Rule::new("!self.startsWith('system-')")
        .message("spec.scheduling.priorityClassName: classes that begin with system- are for the cluster itself; name one of your own"))]
    pub priority_class_name: Option<String>,

    /// Over what pods of one kind are spread. Default: over zones and over nodes, as evenly as the
    /// cluster allows. An empty list spreads nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    pub topology_spread: Option<Vec<TopologySpread>>,
}

/// One rule of spreading.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpread {
    /// The label of nodes whose values are the places that pods are spread over. Example:
    /// `topology.kubernetes.io/zone`.
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,

    /// By how many pods two places may differ. Default: 1.
    #[serde(default = "default_max_skew")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_skew: i32,

    /// What becomes of a pod that would break the rule. Default: `ScheduleAnyway`.
    #[serde(default)]
    pub when_unsatisfiable: WhenUnsatisfiable,
}

fn default_max_skew() -> i32 {
    1
}

/// What becomes of a pod that can't be placed as a rule wants it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum WhenUnsatisfiable {
    /// It runs where the rule is broken the least.
    #[default]
    ScheduleAnyway,
    /// It waits.
    DoNotSchedule,
}
