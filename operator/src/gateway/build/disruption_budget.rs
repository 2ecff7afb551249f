//! The PodDisruptionBudget: nodes are drained one gateway pod at a time.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::SERVE;
use crate::gateway::validate::Plan;
use crate::meta::pod_selector;

/// PodDisruptionBudget `NAME`, where there are two pods at least: a budget for one pod either says
/// nothing or keeps its node from ever being drained. A pod that is not ready may always go.
pub fn disruption_budget(plan: &Plan) -> Option<PodDisruptionBudget> {
    let name = &plan.owner.name;
    (plan.replicas.fewest() > 1).then(|| PodDisruptionBudget {
        metadata: plan.owner.child(name.clone(), SERVE),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(pod_selector(name, SERVE)),
                ..LabelSelector::default()
            }),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            min_available: None,
        }),
        status: None,
    })
}
