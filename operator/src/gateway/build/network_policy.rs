//! The NetworkPolicy: what is not named is denied, both ways.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crds::Destination;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use url::Host;

use super::SERVE;
use super::deployment::HTTP_PORT;
use super::metrics::METRICS_PORT;
use crate::gateway::credentials::CredentialsPlan;
use crate::gateway::destination::{
    Place, ServiceName, host_of, is_of_class, place, public_ranges, service_namespace,
};
use crate::gateway::validate::{DatabasePlan, Plan};
use crate::meta::instance_selector;

/// NetworkPolicy `NAME`, for all pods of the gateway, unless the class wants none.
pub fn network_policy(plan: &Plan) -> Option<NetworkPolicy> {
    let name = &plan.owner.name;
    plan.network.enabled.then(|| NetworkPolicy {
        metadata: plan.owner.child(name.clone(), SERVE),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(instance_selector(name)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(ingress(plan)),
            egress: Some(egress(plan)),
        }),
    })
}

fn ingress(plan: &Plan) -> Vec<NetworkPolicyIngressRule> {
    let rule = |from: &Vec<NetworkPolicyPeer>, port| NetworkPolicyIngressRule {
        from: (!from.is_empty()).then(|| from.clone()),
        ports: Some(vec![tcp(port)]),
    };
    let rules = &plan.network;
    let mut allowed = vec![rule(&rules.clients, HTTP_PORT)];
    // An empty list of peers would be everybody.
    if !rules.scrapers.is_empty() {
        allowed.push(rule(&rules.scrapers, METRICS_PORT));
    }
    allowed
}

fn egress(plan: &Plan) -> Vec<NetworkPolicyEgressRule> {
    let rules = &plan.network.egress;
    let class = &plan.class;
    let own = &plan.owner.namespace;
    let mut allowed = vec![dns(rules.dns.as_ref())];
    allowed.extend(
        chosen(rules.object_store.as_ref()).or_else(|| of_url(&class.object_store.endpoint)),
    );
    if let CredentialsPlan::WebIdentity(identity) = &plan.credentials {
        allowed.extend(match &identity.endpoint {
            Some(endpoint) => of_url(endpoint),
            // AWS's own.
            None => Some(public(443)),
        });
    }
    if let (DatabasePlan::PostgreSql { .. }, Some(server)) = (&plan.database, &class.database) {
        let host = Host::parse(&server.host).ok();
        allowed
            .extend(chosen(rules.database.as_ref()).or_else(|| Some(of_host(&host?, server.port))));
    }
    for way in former(plan) {
        if !allowed.contains(&way) {
            allowed.push(way);
        }
    }
    if let DatabasePlan::Given { server, .. } = &plan.database {
        let host = Host::parse(&server.host).ok();
        allowed.extend(chosen(rules.database.as_ref()).or_else(|| {
            if is_of_class(plan, server) {
                Some(of_host(&host?, server.port.into()))
            } else {
                of_tenant(&host?, server.port, own)
            }
        }));
    }
    // A shared secret is not fetched from anywhere.
    if plan.auth.secret_ref.is_none() {
        let keys = plan.auth.jwks_url.as_ref().unwrap_or(&plan.auth.issuer);
        allowed.extend(chosen(rules.issuer.as_ref()).or_else(|| of_tenants_url(keys, own)));
    }
    if let Some(tracing) = &plan.tracing {
        allowed.extend(chosen(rules.tracing.as_ref()).or_else(|| of_url(&tracing.endpoint)));
    }
    if let Some(webhook) = &plan.webhook {
        let receiver = &webhook.spec.url;
        allowed.extend(chosen(rules.webhooks.as_ref()).or_else(|| of_tenants_url(receiver, own)));
    }
    allowed.extend(rules.others.iter().map(|other| rule(other, &["TCP"])));
    allowed
}

/// The way to servers of before, for pods that are not rolled out yet. Rules that the class gives count for them,
/// too.
fn former(plan: &Plan) -> Vec<NetworkPolicyEgressRule> {
    let rules = &plan.network.egress;
    let mut ways = Vec::new();
    for entry in &plan.former {
        let store = &entry.class.object_store.endpoint;
        if rules.object_store.is_none() && *store != plan.class.object_store.endpoint {
            ways.extend(of_url(store));
        }
        if let (None, Some(_), Some(server)) =
            (&rules.database, &entry.database, &entry.class.database)
        {
            ways.extend(Host::parse(&server.host).map(|host| of_host(&host, server.port)));
        }
    }
    ways
}

fn dns(rules: Option<&Destination>) -> NetworkPolicyEgressRule {
    let anywhere = Destination {
        to: Vec::new(),
        ports: vec![53],
    };
    rule(rules.unwrap_or(&anywhere), &["UDP", "TCP"])
}

fn chosen(rules: Option<&Destination>) -> Option<NetworkPolicyEgressRule> {
    rules.map(|destination| rule(destination, &["TCP"]))
}

fn of_url(url: &str) -> Option<NetworkPolicyEgressRule> {
    let (host, port) = host_of(url)?;
    Some(of_host(&host, port.into()))
}

fn of_tenants_url(url: &str, own: &str) -> Option<NetworkPolicyEgressRule> {
    let (host, port) = host_of(url)?;
    of_tenant(&host, port, own)
}

/// The way to a host that a tenant named; `None` where it is for the class alone to allow it.
fn of_tenant(host: &Host, port: u16, own: &str) -> Option<NetworkPolicyEgressRule> {
    let port = i32::from(port);
    match place(host, own) {
        Place::OwnNamespace => Some(NetworkPolicyEgressRule {
            ports: None,
            to: Some(vec![own_namespace()]),
        }),
        Place::Address(address) => Some(NetworkPolicyEgressRule {
            ports: Some(vec![tcp(port)]),
            to: Some(vec![address_of(address)]),
        }),
        // A name may lead to a private address, whoever owns it.
        Place::Name => Some(public(port)),
        Place::Namespace(_) | Place::PrivateAddress(_) => None,
    }
}

fn public(port: i32) -> NetworkPolicyEgressRule {
    let block = |(cidr, except): (&str, Vec<String>)| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.into(),
            except: Some(except),
        }),
        ..NetworkPolicyPeer::default()
    };
    NetworkPolicyEgressRule {
        ports: Some(vec![tcp(port)]),
        to: Some(public_ranges().map(block).into()),
    }
}

/// A Service may send its callers to any port of its pods, and only they are seen by most of those
/// who enforce policies; so the whole namespace of a Service is allowed.
fn of_host(host: &Host, port: i32) -> NetworkPolicyEgressRule {
    let peer = match host {
        Host::Ipv4(address) => Some(address_of(IpAddr::from(*address))),
        Host::Ipv6(address) => Some(address_of(IpAddr::from(*address))),
        Host::Domain(name) => namespace_of(name),
    };
    let whole_namespace = peer.as_ref().is_some_and(|peer| peer.ip_block.is_none());
    NetworkPolicyEgressRule {
        ports: (!whole_namespace).then(|| vec![tcp(port)]),
        to: peer.map(|peer| vec![peer]),
    }
}

fn address_of(address: IpAddr) -> NetworkPolicyPeer {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: format!("{address}/{bits}"),
            except: None,
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn own_namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn namespace_of(name: &str) -> Option<NetworkPolicyPeer> {
    match service_namespace(name) {
        ServiceName::Single => Some(own_namespace()),
        ServiceName::In(namespace) => Some(NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector {
                match_labels: Some(BTreeMap::from([(
                    "kubernetes.io/metadata.name".to_string(),
                    namespace.to_string(),
                )])),
                ..LabelSelector::default()
            }),
            ..NetworkPolicyPeer::default()
        }),
        ServiceName::No => None,
    }
}

fn rule(destination: &Destination, protocols: &[&str]) -> NetworkPolicyEgressRule {
    let ports: Vec<_> = destination
        .ports
        .iter()
        .flat_map(|number| protocols.iter().map(|protocol| port(protocol, *number)))
        .collect();
    NetworkPolicyEgressRule {
        to: (!destination.to.is_empty()).then(|| destination.to.clone()),
        ports: (!ports.is_empty()).then_some(ports),
    }
}

fn tcp(number: i32) -> NetworkPolicyPort {
    port("TCP", number)
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.into()),
        port: Some(IntOrString::Int(number)),
        end_port: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_reached_follows_from_the_address() {
        let cases = [
            (
                "http://s3.storage.svc:7070",
                json!({"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "storage"}}}]}),
            ),
            (
                "https://s3.storage.svc.cluster.local",
                json!({"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "storage"}}}]}),
            ),
            ("http://minio:9000", json!({"to": [{"podSelector": {}}]})),
            (
                "http://10.0.0.7:9000",
                json!({"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": [{"protocol": "TCP", "port": 9000}]}),
            ),
            (
                "https://[2001:db8::1]",
                json!({"to": [{"ipBlock": {"cidr": "2001:db8::1/128"}}], "ports": [{"protocol": "TCP", "port": 443}]}),
            ),
            (
                "https://s3.eu-central-1.amazonaws.com",
                json!({"ports": [{"protocol": "TCP", "port": 443}]}),
            ),
        ];
        for (url, expected) in cases {
            let found = serde_json::to_value(of_url(url).unwrap()).unwrap();
            assert_eq!(found, expected, "{url}");
        }
        assert_eq!(of_url("no address"), None);
    }
    #[test]
    fn a_tenant_opens_its_own_namespace_and_public_addresses() {
        let own = json!({"to": [{"podSelector": {}}]});
        let public = json!({
            "to": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "100.64.0.0/10",
                    "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]}},
                {"ipBlock": {"cidr": "::/0", "except": ["::1/128", "fc00::/7", "fe80::/10"]}},
            ],
            "ports": [{"protocol": "TCP", "port": 443}],
        });
        let address = json!({"to": [{"ipBlock": {"cidr": "8.8.8.8/32"}}],
            "ports": [{"protocol": "TCP", "port": 8443}]});
        for (url, expected) in [
            ("http://keycloak:8080", own.clone()),
            ("http://keycloak.tenant.svc:8080", own),
            ("https://id.example.com", public.clone()),
            // Completed by the cluster's DNS to a Service of another namespace, which this leaves out.
            ("https://keycloak.auth", public),
            ("https://8.8.8.8:8443", address),
            ("https://keycloak.kube-system.svc", json!(null)),
            ("https://10.0.0.7", json!(null)),
            ("https://169.254.169.254", json!(null)),
            ("https://[fd00::1]", json!(null)),
        ] {
            let found = serde_json::to_value(of_tenants_url(url, "tenant")).unwrap();
            assert_eq!(found, expected, "{url}");
        }
    }
}
