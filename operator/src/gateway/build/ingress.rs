//! The Ingress.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use kube::api::ObjectMeta;

use super::SERVE;
use crate::gateway::exposure::{Exposure, Route};
use crate::gateway::validate::Plan;

/// Ingress `NAME`, where one was asked for.
pub fn ingress(plan: &Plan) -> Option<Ingress> {
    let Some(Exposure { host, route, .. }) = &plan.exposure else {
        return None;
    };
    let Route::Ingress {
        class,
        annotations,
        tls_secret,
    } = route
    else {
        return None;
    };
    let name = &plan.owner.name;
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: name.clone(),
            port: Some(ServiceBackendPort {
                name: Some("http".into()),
                number: None,
            }),
        }),
        resource: None,
    };
    Some(Ingress {
        metadata: ObjectMeta {
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
            ..plan.owner.child(name.clone(), SERVE)
        },
        spec: Some(IngressSpec {
            ingress_class_name: class.clone(),
            rules: Some(vec![IngressRule {
                host: Some(host.clone()),
                http: Some(HTTPIngressRuleValue {
                    paths: vec![HTTPIngressPath {
                        path: Some("/".into()),
                        path_type: "Prefix".into(),
                        backend,
                    }],
                }),
            }]),
            tls: tls_secret.as_ref().map(|secret| {
                vec![IngressTLS {
                    hosts: Some(vec![host.clone()]),
                    secret_name: Some(secret.clone()),
                }]
            }),
            default_backend: None,
        }),
        status: None,
    })
}
