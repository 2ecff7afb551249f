//! How Prometheus finds the pods: a ServiceMonitor selects a Service, and that the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::DynamicObject;
use serde_json::json;

use super::{METRICS, SERVE};
use crate::gateway::validate::Plan;
use crate::meta::{metrics_name, pod_selector};
use crate::optional::SERVICE_MONITOR;

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
    let name = &plan.owner.name;
    let mut metadata = plan.owner.child(name.clone(), METRICS);
    let own: BTreeMap<_, _> = metadata.labels.take().unwrap_or_default();
    metadata.labels = Some(rules.labels.clone().into_iter().chain(own).collect());
    let spec = json!({
        "selector": {"matchLabels": pod_selector(name, METRICS)},
        "targetLabels": ["app.kubernetes.io/instance"],
        "endpoints": [{"port": "metrics", "interval": rules.interval}],
    });
    Some(SERVICE_MONITOR.object(metadata, spec))
}
