//! How a gateway is reached from outside of the cluster: the tenant names a host, the platform team
//! what leads there.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::{NAME, SecretReference};

/// How a gateway is reached from outside of the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'HTTPRoute' || !has(self.tlsSecretRef)")
    .message("spec.exposure.tlsSecretRef: TLS of an HTTPRoute is its Gateway's listener's; leave it out, or set spec.exposure.type to Ingress"))]
pub struct ExposureSpec {
    /// `Ingress`, or `HTTPRoute` of the Gateway API; the class has to offer it. Default: `Ingress`.
    #[serde(rename = "type", default)]
    pub type_: ExposureType,

    /// The host name that requests come with. Example: `acme.files.example.com`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub host: String,

    /// A Secret in this namespace with the certificate of the host, as `tls.crt` and `tls.key`.
    /// Default: one that cert-manager makes, where the class names an issuer; else there is no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret_ref: Option<SecretReference>,
}

/// A way into the cluster.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ExposureType {
    /// An Ingress.
    #[default]
    Ingress,
    /// An HTTPRoute of the Gateway API.
    HTTPRoute,
}

/// What gateways of a class may be exposed by. Without it they can't be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(!has(self.ingress) && !has(self.httpRoute)) || (has(self.hosts) && size(self.hosts) > 0)")
    .message("spec.exposure.hosts: write which hosts gateways may ask for, such as \"{namespace}.files.example.com\"; \"*\" is every host"))]
pub struct ExposureRules {
    /// Hosts that gateways may ask for. `*.` in front stands for one label, and `{namespace}` for the
    /// gateway's namespace, so that no tenant can take another's host; `*` alone is every host. Needed
    /// with `ingress` or `httpRoute`. A host that another FileGateway has is refused besides. Example:
    /// `{namespace}.files.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub hosts: Vec<String>,

    /// What Ingresses carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressRules>,

    /// Where HTTPRoutes are attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRouteRules>,
}

/// What Ingresses of a class carry.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressRules {
    /// The IngressClass. Default: the cluster's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub class_name: Option<String>,

    /// Annotations for the ingress controller, such as the one that lifts its limit on the size of
    /// uploads.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// The cert-manager ClusterIssuer of certificates, for gateways that name no Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub cluster_issuer: Option<String>,
}

/// Where HTTPRoutes of a class are attached.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRules {
    /// The Gateways, and their listeners.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentReference>,

    /// Whether those listeners speak TLS; it decides what `status.address` begins with. Default:
    /// `true`.
    #[serde(default = "default_tls")]
    pub tls: bool,
}

fn default_tls() -> bool {
    true
}

/// A Gateway, or one of its listeners.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub name: String,
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// The listener. Default: every one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}
