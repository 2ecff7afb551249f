//! Which nodes pods run on.

use crds::{SchedulingSpec, TopologySpread, WhenUnsatisfiable};
use k8s_openapi::api::core::v1::{PodSpec, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::meta::pod_selector;

/// Places that pods are spread over unless the spec says otherwise.
const USUAL: [&str; 2] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];

/// `pod`, one of `component` of the gateway called `name`, placed as `scheduling` says.
pub(super) fn place(
    pod: PodSpec,
    scheduling: &SchedulingSpec,
    name: &str,
    component: &str,
) -> PodSpec {
    let constraints: Vec<_> = rules(scheduling)
        .iter()
        .map(|rule| constraint(rule, name, component))
        .collect();
    PodSpec {
        node_selector: (!scheduling.node_selector.is_empty())
            .then(|| scheduling.node_selector.clone()),
        tolerations: (!scheduling.tolerations.is_empty()).then(|| scheduling.tolerations.clone()),
        affinity: scheduling.affinity.clone(),
        priority_class_name: scheduling.priority_class_name.clone(),
        topology_spread_constraints: (!constraints.is_empty()).then_some(constraints),
        ..pod
    }
}

fn rules(scheduling: &SchedulingSpec) -> Vec<TopologySpread> {
    scheduling.topology_spread.clone().unwrap_or_else(|| {
        USUAL
            .iter()
            .map(|key| TopologySpread {
                topology_key: (*key).into(),
                max_skew: 1,
                when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
            })
            .collect()
    })
}

fn constraint(rule: &TopologySpread, name: &str, component: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        topology_key: rule.topology_key.clone(),
        max_skew: rule.max_skew,
        when_unsatisfiable: match rule.when_unsatisfiable {
            WhenUnsatisfiable::ScheduleAnyway => "ScheduleAnyway",
            WhenUnsatisfiable::DoNotSchedule => "DoNotSchedule",
        }
        .into(),
        label_selector: Some(LabelSelector {
            match_labels: Some(pod_selector(name, component)),
            ..LabelSelector::default()
        }),
        // During a rollout only pods of the same revision are counted, or the new ones would be
        // kept away from where old ones are about to go.
        match_label_keys: Some(vec!["pod-template-hash".into()]),
        ..TopologySpreadConstraint::default()
    }
}
