//! Whom gateway pods may talk to.

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whom pods of this class's gateways may talk to. All else is denied, both ways.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRules {
    /// Whether each gateway gets a NetworkPolicy. Default: `true`.
    #[serde(default = "default_enabled")]
    pub enabled: bool,

    /// Who may send requests. Default: everybody who can reach the pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<NetworkPolicyPeer>,

    /// Who may read metrics, on port 9090. Default: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scrapers: Vec<NetworkPolicyPeer>,

    /// What pods may reach, where that does not follow from the addresses in this class and in
    /// FileGateways.
    #[serde(default)]
    pub egress: EgressRules,
}

impl Default for NetworkRules {
    fn default() -> Self {
        Self {
            enabled: default_enabled(),
            clients: Vec::new(),
            scrapers: Vec::new(),
            egress: EgressRules::default(),
        }
    }
}

fn default_enabled() -> bool {
    true
}

/// What pods may reach. Rules left out are made from the servers' addresses. One in this class: a
/// Service (`name.namespace.svc`) allows its namespace, an IP address itself, and any other name its
/// port anywhere, since a NetworkPolicy knows no names. One in a FileGateway allows no more than the
/// gateway's own namespace and public addresses; what else it leads to must be named here.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressRules {
    /// DNS servers. Default: port 53 anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Destination>,

    /// The object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<Destination>,

    /// The PostgreSQL server, also of databases that FileGateways bring along. Needed for those in
    /// other namespaces and in private networks that are not on the server of `spec.database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Destination>,

    /// The issuers that gateways fetch key sets from. Needed for those in other namespaces and in
    /// private networks, also by DNS name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Destination>,

    /// The receiver of traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Destination>,

    /// The receivers of webhooks. Needed for those in other namespaces and in private networks, also
    /// by DNS name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Destination>,

    /// What else pods may reach, such as a proxy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Destination>,
}

/// Some peers and ports.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Pods, namespaces and address ranges. Default: anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<NetworkPolicyPeer>,

    /// Ports as the peers themselves listen on them, behind any Service. Default: all ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(range(min = 1, max = 65535)))]
    pub ports: Vec<i32>,
}
