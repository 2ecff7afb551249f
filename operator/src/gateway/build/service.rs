//! The Service in front of the gateway's pods.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::SERVE;
use crate::gateway::validate::Plan;
use crate::meta::pod_selector;

/// Service `NAME`.
pub fn service(plan: &Plan) -> Service {
    let name = &plan.owner.name;
    Service {
        metadata: plan.owner.child(name.clone(), SERVE),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(pod_selector(name, SERVE)),
            ports: Some(vec![ServicePort {
                name: Some("http".into()),
                port: 80,
                protocol: Some("TCP".into()),
                target_port: Some(IntOrString::String("http".into())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
