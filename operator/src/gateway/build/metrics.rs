//! How Prometheus finds the pods: a ServiceMonitor selects a Service, and that the pods that serve; a
//! PodMonitor those that work, which have no Service.

use std::collections::BTreeMap;

use crds::ServiceMonitorRules;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{METRICS, SERVE, WORKER};
use crate::gateway::validate::Plan;
use crate::meta::{metrics_name, pod_selector};
use crate::optional::{POD_MONITOR, SERVICE_MONITOR};

/// The port that metrics are read from.
pub const METRICS_PORT: i32 = 9090;

/// Service `NAME-metrics`, without an address of its own: the port of metrics is nothing for the
/// Service that requests go to.
pub fn metrics_service(plan: &Plan) -> Service {
    let name = &plan.owner.name;
    Service {
        metadata: plan.owner.child(metrics_name(name), METRICS),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            selector: Some(pod_selector(name, SERVE)),
            ports: Some(vec![ServicePort {
                name: Some("metrics".into()),
                port: METRICS_PORT,
                protocol: Some("TCP".into()),
                target_port: Some(IntOrString::String("metrics".into())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// ServiceMonitor `NAME`, where the class asks for them.
pub fn service_monitor(plan: &Plan) -> Option<DynamicObject> {
    let rules = plan.monitoring.service_monitor.as_ref()?;
    let spec = json!({
        "selector": {"matchLabels": pod_selector(&plan.owner.name, METRICS)},
        "endpoints": [endpoint(rules)],
    });
    Some(SERVICE_MONITOR.object(metadata(plan, rules, METRICS), spec))
}

/// PodMonitor `NAME`, where the class asks for monitors and there are pods that only work.
pub fn pod_monitor(plan: &Plan) -> Option<DynamicObject> {
    let rules = plan.monitoring.service_monitor.as_ref()?;
    let spec = json!({
        "selector": {"matchLabels": pod_selector(&plan.owner.name, WORKER)},
        "podMetricsEndpoints": [endpoint(rules)],
    });
    plan.has_workers()
        .then(|| POD_MONITOR.object(metadata(plan, rules, WORKER), spec))
}

fn metadata(plan: &Plan, rules: &ServiceMonitorRules, component: &str) -> ObjectMeta {
    let mut metadata = plan.owner.child(plan.owner.name.clone(), component);
    let own: BTreeMap<_, _> = metadata.labels.take().unwrap_or_default();
    metadata.labels = Some(rules.labels.clone().into_iter().chain(own).collect());
    metadata
}

/// What both monitors read alike, under the label `gateway`: the other labels of pods that serve and of
/// those that work differ.
fn endpoint(rules: &ServiceMonitorRules) -> Value {
    json!({
        "port": "metrics",
        "interval": rules.interval,
        "relabelings": [{
            "sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_instance"],
            "targetLabel": "gateway",
        }],
    })
}
