//! Kinds that a cluster may or may not have. Their definitions are other projects', so the operator
//! looks from time to time whether they are there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, TypeMeta};
use serde_json::{Value, json};

/// One such kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalKind {
    group: &'static str,
    version: &'static str,
    /// Its name.
    pub kind: &'static str,
    plural: &'static str,
}

/// HTTPRoute of the Gateway API.
pub const HTTP_ROUTE: OptionalKind = OptionalKind {
    group: "gateway.networking.k8s.io",
    version: "v1",
    kind: "HTTPRoute",
    plural: "httproutes",
};

/// ServiceMonitor of the Prometheus Operator.
pub const SERVICE_MONITOR: OptionalKind = OptionalKind {
    group: "monitoring.coreos.com",
    version: "v1",
    kind: "ServiceMonitor",
    plural: "servicemonitors",
};

/// PodMonitor of the Prometheus Operator.
pub const POD_MONITOR: OptionalKind = OptionalKind {
    group: "monitoring.coreos.com",
    version: "v1",
    kind: "PodMonitor",
    plural: "podmonitors",
};

impl OptionalKind {
    /// Group and version.
    fn api_version(self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// What the API machinery wants to know of it.
    pub fn resource(self) -> ApiResource {
        ApiResource {
            group: self.group.into(),
            version: self.version.into(),
            api_version: self.api_version(),
            kind: self.kind.into(),
            plural: self.plural.into(),
        }
    }

    /// Its objects in a namespace.
    pub fn api(self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), namespace, &self.resource())
    }

    /// An object of it.
    pub fn object(self, metadata: ObjectMeta, spec: Value) -> DynamicObject {
        DynamicObject {
            types: Some(TypeMeta {
                api_version: self.api_version(),
                kind: self.kind.into(),
            }),
            metadata,
            data: json!({"spec": spec}),
        }
    }

    /// Whether the cluster has it.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub async fn is_served(self, client: &Client) -> Result<bool, kube::Error> {
        match client.list_api_group_resources(&self.api_version()).await {
            Ok(found) => Ok(found.resources.iter().any(|one| one.name == self.plural)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }
}
