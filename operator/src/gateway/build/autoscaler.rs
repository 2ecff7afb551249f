//! The HorizontalPodAutoscaler.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};

use super::SERVE;
use crate::gateway::validate::{Plan, Replicas};

/// HorizontalPodAutoscaler `NAME`, where the number of pods is left to one.
pub fn autoscaler(plan: &Plan) -> Option<HorizontalPodAutoscaler> {
    let Replicas::Auto(bounds) = &plan.replicas else {
        return None;
    };
    let name = &plan.owner.name;
    Some(HorizontalPodAutoscaler {
        metadata: plan.owner.child(name.clone(), SERVE),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name: name.clone(),
            },
            min_replicas: Some(bounds.min_replicas),
            max_replicas: bounds.max_replicas,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".into(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".into(),
                    target: MetricTarget {
                        type_: "Utilization".into(),
                        average_utilization: Some(bounds.target_cpu_percent),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: None,
        }),
        status: None,
    })
}
